//! The committed ticks of a run, made again from its input by a run of their own; nothing of it is written.
//!
//! In: the pipeline, the run's outputs, its input. Out: what the ticks came to, which is what was committed, or the
//! first thing that differs. A run that goes on meanwhile is not disturbed.

use super::Exit;
use super::args::KafkaArgs;
use super::bar::Bar;
use super::outputs::{Refusal, committed};
use super::run::{exit_of, prepare};
use super::{input, stop};
use crate::flow::caution::Caution;
use crate::flow::export::Export;
use crate::flow::ingest::Held;
use crate::flow::items::Asked;
use crate::flow::lanes::Lanes;
use crate::flow::plan::Plan;
use crate::flow::report::RunReport;
use crate::flow::saving::Store;
use crate::flow::{Bell, Edges, Workers};
use crate::registry::Registry;
use crate::source::kafka::Extent;
use crate::time::Time;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Which run, and how it is made again.
pub(super) struct Again<'a> {
    pub(super) pipeline: &'a Path,
    pub(super) out: Option<&'a Path>,
    pub(super) kafka: &'a KafkaArgs,
    pub(super) inputs: &'a [(String, PathBuf)],
    pub(super) threads: usize,
    pub(super) quiet: bool,
}

/// What was made again.
pub(super) struct Made {
    pub(super) plan: Arc<Plan>,
    pub(super) ticks: u64,
    /// Pipeline time behind them.
    pub(super) now: Time,
    pub(super) report: RunReport,
}

impl Again<'_> {
    /// Makes them again. `export` is asked for what is to be exported once the pipeline is read; setting the flag that
    /// it is given stops all.
    ///
    /// # Errors
    /// What differs, is missing, or was wrongly asked.
    pub(super) fn make(
        &self,
        export: impl FnOnce(&Arc<Plan>, &Arc<AtomicBool>) -> Result<Option<Export>, Refusal>,
    ) -> Result<Made, Refusal> {
        let (loaded, plan) = prepare(self.pipeline)?;
        let plan = Arc::new(plan);
        let out = self.out.map_or_else(|| PathBuf::from("out").join(&plan.spec.name), Path::to_path_buf);
        let broker = super::broker(self.kafka);
        let (history, sink) = committed(&loaded, &plan, &out, broker.as_ref())?;
        let (ticks, now) = (history.end(), history.now());
        if ticks == 0 {
            return Err(format!("{}: nothing is committed", out.display()).into());
        }
        let registries = plan.spec.models.iter().map(|model| Registry::compare(&out, &model.name));
        let registries = registries.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let stop = stop::on_signals();
        let export = export(&plan, &stop)?;
        let bell = Bell::default();
        let wake = {
            let bell = bell.clone();
            move || bell.ring()
        };
        let extent = Extent { until_end: true, stop: stop.clone() };
        let (broker, none) = (broker.as_ref(), BTreeMap::new());
        let (partitions, _) = input::open(broker, self.inputs, &loaded, &plan, &none, &extent, wake)?;
        let lanes = Lanes::new(partitions, &plan.kinds, None, plan.spec.max_ahead);
        let requests = Box::new(|_, _| Asked::default());
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
        let workers = Workers { threads: self.threads, process: 0, sockets: Vec::new() };
        let quiet = self.quiet;
        let ended = crate::flow::execute(workers, &plan, Store::none(), export, Some(edges), move || {
            let mut bar = Bar::new(quiet);
            move |report: Option<&RunReport>| match report {
                Some(report) => bar.show(report),
                None => bar.clear(),
            }
        })?;
        let failed = |message: String| Refusal { exit: Exit::Failed, message };
        let ended = ended.ok_or_else(|| failed("the run ended without an account".to_owned()))?;
        if let Some(failure) = ended.failures.first() {
            return Err(Refusal { exit: exit_of(failure), message: failure.to_string() });
        }
        let made = ended.report.tick + 1;
        if made < ticks {
            return Err(failed(format!("stopped behind {made} of {ticks} committed ticks, which are the same")));
        }
        Ok(Made { plan, ticks, now, report: ended.report })
    }
}
