//! `tidemill verify`: the committed ticks of a run, made again from its input and compared record by record.
//!
//! In: the pipeline, the run's outputs, its input. Out: what was compared, or the first thing that differs. Nothing is
//! written, and a run that goes on meanwhile is not disturbed.

use super::Exit;
use super::args::VerifyArgs;
use super::bar::Bar;
use super::outputs::{Refusal, committed};
use super::run::{exit_of, prepare};
use super::{input, stop};
use crate::flow::caution::Caution;
use crate::flow::ingest::Held;
use crate::flow::items::Asked;
use crate::flow::lanes::Lanes;
use crate::flow::report::RunReport;
use crate::flow::saving::Store;
use crate::flow::{Bell, Edges, Workers};
use crate::registry::Registry;
use crate::source::kafka::Extent;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Verifies a run.
pub(super) fn verify(args: &VerifyArgs) -> Exit {
    match compare(args) {
        Ok(exit) => exit,
        Err(refusal) => {
            eprintln!("{}", refusal.message.trim_end());
            refusal.exit
        }
    }
}

fn compare(args: &VerifyArgs) -> Result<Exit, Refusal> {
    let (loaded, plan) = prepare(&args.pipeline)?;
    let plan = Arc::new(plan);
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("out").join(&plan.spec.name));
    let broker = super::broker(&args.kafka);
    let (history, sink) = committed(&loaded, &plan, &out, broker.as_ref())?;
    let (ticks, now) = (history.end(), history.now());
    if ticks == 0 {
        return Err(format!("{}: nothing is committed", out.display()).into());
    }
    let registries = plan.spec.models.iter().map(|model| Registry::compare(&out, &model.name));
    let registries = registries.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let stop = stop::on_signals();
    let bell = Bell::default();
    let wake = {
        let bell = bell.clone();
        move || bell.ring()
    };
    let extent = Extent { until_end: true, stop: stop.clone() };
    let (partitions, _) = input::open(broker.as_ref(), &args.inputs, &loaded, &plan, &BTreeMap::new(), &extent, wake)?;
    let lanes = Lanes::new(partitions, &plan.kinds, None, plan.spec.max_ahead);
    let requests = Box::new(Asked::default);
    let caution = Caution::default();
    let (restore, saves, held) = (None, None, Held::default());
    let (live, drains) = (false, broker.is_some());
    let edges = Edges {
        lanes,
        sink,
        registries,
        requests,
        history,
        caution,
        restore,
        saves,
        stop,
        drains,
        bell,
        live,
        held,
        shown: None,
    };
    let workers = Workers { threads: args.threads, process: 0, sockets: Vec::new() };
    let quiet = args.quiet;
    let ended = crate::flow::execute(workers, &plan, Store::none(), Some(edges), move || {
        let mut bar = Bar::new(quiet);
        move |report: Option<&RunReport>| match report {
            Some(report) => bar.show(report),
            None => bar.clear(),
        }
    })?;
    let Some(ended) = ended else { return Ok(Exit::Failed) };
    if let Some(failure) = ended.failures.first() {
        eprintln!("{failure}");
        return Ok(exit_of(failure));
    }
    let report = &ended.report;
    if report.tick + 1 < ticks {
        eprintln!("stopped behind {} of {ticks} committed ticks, which are the same", report.tick + 1);
        return Ok(Exit::Failed);
    }
    let versions = report.versions().count();
    println!(
        "{}: {ticks} ticks up to {now} are the same when they are made again: {} records, {} events, {versions} \
         versions",
        plan.spec.name, report.balance.records, report.balance.events
    );
    Ok(Exit::Done)
}
