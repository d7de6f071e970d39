//! `tidemill run`: from the command line to a running dataflow, and back to an exit code.

use super::Exit;
use super::args::RunArgs;
use super::bar::Bar;
use super::join::{NotJoined, join};
use super::load::{LoadError, Loaded, load};
use super::{requests, stop, summary, supervise};
use crate::flow::lanes::Lanes;
use crate::flow::plan::Plan;
use crate::flow::report::RunReport;
use crate::flow::{Bell, Edges, Ended, Workers};
use crate::registry::Registry;
use crate::sink::file::FileSink;
use crate::sink::kafka::{KafkaSink, Outputs};
use crate::sink::{Sink, SinkError};
use crate::source::kafka::{Extent, KafkaSource};
use crate::source::{Partition, file};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Reads and compiles a pipeline.
///
/// # Errors
/// Everything that is wrong with it, rendered for a person.
pub fn prepare(pipeline: &Path) -> Result<(Loaded, Plan), String> {
    let color = std::io::stderr().is_terminal();
    let loaded = load(pipeline).map_err(|error| match error {
        LoadError::Wrong(errors) => errors.render(color),
        unreadable => unreadable.to_string(),
    })?;
    match Plan::new(loaded.spec.clone()) {
        Ok(plan) => Ok((loaded, plan)),
        Err(faults) => {
            let mut errors = loaded.errors();
            for fault in faults {
                errors.push(fault.message, fault.span, fault.help.unwrap_or_default());
            }
            Err(errors.render(color))
        }
    }
}

/// Runs a pipeline; returns the exit code.
pub fn run(args: &RunArgs) -> i32 {
    if args.supervises() {
        let words: Vec<_> = std::env::args_os().skip(1).collect();
        return supervise::supervise(&words, args.processes).unwrap_or_else(|error| {
            eprintln!("{error}");
            Exit::Failed as i32
        });
    }
    match member(args) {
        Ok(code) => code as i32,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            Exit::Usage as i32
        }
    }
}

/// Runs as the only process, or as one member of several.
fn member(args: &RunArgs) -> Result<Exit, String> {
    let (loaded, mut plan) = prepare(&args.pipeline)?;
    if let Some(records) = args.tick_records {
        plan.spec.tick_records = records;
    }
    let plan = Arc::new(plan);
    let out = args.out(&plan.spec.name);
    let first = args.process.unwrap_or(0) == 0;
    // Process 0 reads and ends the run; a signal to the whole group must not end the others before it.
    let stop = args.kafka.bootstrap.is_some().then(stop::on_signals);
    let edges = if first { Some(open(args, &loaded, &plan, &out, stop.unwrap_or_default())?) } else { None };
    let sockets = match join(args) {
        Ok(sockets) => sockets,
        Err(NotJoined(told, code)) => {
            eprintln!("{told}");
            return Ok(code);
        }
    };
    end_with_any_panic();
    let workers = Workers { threads: args.threads, process: args.process.unwrap_or(0), sockets };
    let quiet = args.quiet || !first;
    let ended = crate::flow::execute(workers, &plan, edges, move || {
        let mut bar = Bar::new(quiet);
        move |report: Option<&RunReport>| match report {
            Some(report) => bar.show(report),
            None => bar.clear(),
        }
    })?;
    match ended {
        Some(ended) => conclude(args, &plan, &out, ended),
        None => Ok(Exit::Done),
    }
}

fn conclude(args: &RunArgs, plan: &Plan, out: &Path, ended: Ended) -> Result<Exit, String> {
    let summary = summary::summary(plan, &ended);
    let path = out.join("summary.json");
    let text = serde_json::to_string_pretty(&summary).unwrap_or_default() + "\n";
    let mut failures = ended.failures.clone();
    if let Err(error) = std::fs::write(&path, text) {
        failures.push(format!("cannot write {}: {error}", path.display()));
    }
    if !args.quiet {
        let (before, after) = match &args.kafka.bootstrap {
            Some(bootstrap) => (format!("topic {}.", plan.spec.name), format!(" at {bootstrap}")),
            None => (format!("{}/", out.display()), ".jsonl".to_owned()),
        };
        println!("{}", summary::text(plan, &ended, out, (&before, &after)));
    }
    if !ended.report.balance.holds() {
        failures.push(format!("the balance does not hold: {:?}", ended.report.balance));
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    Ok(if failures.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Opens input and output, as the process that has both.
fn open(args: &RunArgs, loaded: &Loaded, plan: &Plan, out: &Path, stop: Arc<AtomicBool>) -> Result<Edges, String> {
    let bell = Bell::default();
    let wake = {
        let bell = bell.clone();
        move || bell.ring()
    };
    let broker = super::broker(&args.kafka);
    let live_kafka = broker.is_some() && !args.until_end;
    let mut live = live_kafka;
    let partitions = match &broker {
        Some(broker) => {
            let extent = Extent { until_end: args.until_end, stop };
            let limit = plan.spec.max_record_bytes;
            let start = |_, _| None;
            KafkaSource::open(broker, &plan.spec.sources, &start, &extent, limit, wake).map_err(|e| e.to_string())?
        }
        None => {
            let paths = paths(args, loaded, plan)?;
            live = paths.iter().flatten().any(|path| path == Path::new("-"));
            files(plan, &paths, wake)?
        }
    };
    let sink = sink(args, plan, out)?;
    let registry = Registry::open(out, &plan.spec.model.name).map_err(|e| e.to_string())?;
    let idle = live.then(|| Duration::from_millis(plan.spec.idle_ms));
    let lanes = Lanes::new(partitions, &plan.kinds, idle, plan.spec.max_ahead);
    let requests = requests::requests(out);
    Ok(Edges { lanes, sink, registry, requests, bell, live })
}

/// The files of each source: what was typed, what the pipeline file says, or what is found by name.
fn paths(args: &RunArgs, loaded: &Loaded, plan: &Plan) -> Result<Vec<Vec<PathBuf>>, String> {
    let names: Vec<&str> = plan.spec.sources.iter().map(|s| s.name.value.as_str()).collect();
    if let Some((name, _)) = args.inputs.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        return Err(format!("--input {name}: no such source; {}", crate::config::suggest(name, &names)));
    }
    let datasets = loaded.folder.join("datasets");
    let of = |source: &crate::config::spec::SourceSpec| -> Vec<PathBuf> {
        let name = &source.name.value;
        let typed: Vec<PathBuf> =
            args.inputs.iter().filter(|(given, _)| given == name).map(|(_, path)| path.clone()).collect();
        if !typed.is_empty() {
            typed
        } else if !source.path.is_empty() {
            let place = |path: &PathBuf| if path == Path::new("-") { path.clone() } else { loaded.folder.join(path) };
            source.path.iter().map(place).collect()
        } else {
            file::default_paths(&datasets, &plan.spec.name, name)
        }
    };
    Ok(plan.spec.sources.iter().map(of).collect())
}

fn files(
    plan: &Plan,
    paths: &[Vec<PathBuf>],
    wake: impl Fn() + Send + Clone + 'static,
) -> Result<Vec<Partition>, String> {
    let mut partitions = Vec::new();
    for (number, (source, paths)) in plan.spec.sources.iter().zip(paths).enumerate() {
        let opened = file::open(number as u16, source, paths, plan.spec.max_record_bytes, wake.clone());
        partitions.extend(opened.map_err(|error| error.to_string())?);
    }
    Ok(partitions)
}

fn sink(args: &RunArgs, plan: &Plan, out: &Path) -> Result<Box<dyn Sink>, String> {
    let said = |error: SinkError| error.to_string();
    let Some(broker) = super::broker(&args.kafka) else {
        return Ok(Box::new(FileSink::create(out, args.fresh).map_err(said)?));
    };
    std::fs::create_dir_all(out).map_err(|e| format!("cannot create {}: {e}", out.display()))?;
    if args.fresh {
        // Versions of a run that is no more would stand in the way of this one's.
        match std::fs::remove_dir_all(out.join("registry")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
    }
    let sources: Vec<String> = plan.spec.sources.iter().map(|s| s.name.value.clone()).collect();
    let outputs = Outputs {
        pipeline: &plan.spec.name,
        model: &plan.spec.model.name,
        sources: &sources,
        fresh: args.fresh,
        partitions: 1,
    };
    Ok(Box::new(KafkaSink::create(&broker, &outputs).map_err(said)?))
}

/// A member started by hand waits for the others without a limit; it says so.
/// A worker that panics would leave the others waiting for ever: the process ends instead, and with it its group.
fn end_with_any_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let told = panic.payload_as_str().unwrap_or_default();
        match told.strip_prefix(PEER_GONE) {
            Some(cause) => eprintln!("{}", peer_gone(std::thread::current().name().unwrap_or_default(), cause)),
            None => report(panic),
        }
        std::process::exit(Exit::Failed as i32);
    }));
}

/// How timely's threads for other processes begin their last words.
const PEER_GONE: &str = "timely communication error: ";

/// The thread's name ends in the other process's index.
fn peer_gone(thread: &str, cause: &str) -> String {
    let peer = thread.rsplit('-').next().filter(|index| index.parse::<usize>().is_ok()).unwrap_or("?");
    format!("process {peer} is gone, and this one ends with it ({cause})")
}
