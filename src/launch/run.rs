//! `tidemill run`: from the command line to a running dataflow, and back to an exit code.

use super::Exit;
use super::args::RunArgs;
use super::bar::Bar;
use super::checkpoints::Wanted;
use super::join::join;
use super::load::{LoadError, Loaded, load};
use super::outputs::{Claim, Refusal, identity, made_by_another};
use super::{checkpoints, crashes, input, memory, requests, stop, summary, supervise};
use crate::flow::failure::Failure;
use crate::flow::lanes::Lanes;
use crate::flow::plan::Plan;
use crate::flow::report::RunReport;
use crate::flow::saving::Store;
use crate::flow::{Bell, Edges, Ended, Workers};
use crate::registry::Registry;
use crate::serve::{self, Server, Shown};
use crate::sink::SinkError;
use crate::sink::folder::{Folder, SUMMARY};
use crate::source::SourceError;
use crate::source::kafka::Extent;
use std::io::IsTerminal;
use std::net::SocketAddr;
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
        // What came by standard input does not come again.
        let restarts = if args.inputs.iter().any(|(_, path)| path == Path::new("-")) { 0 } else { args.restarts };
        return supervise::supervise(&words, args.processes, restarts).unwrap_or_else(|error| {
            eprintln!("{error}");
            Exit::Failed as i32
        });
    }
    match member(args) {
        Ok(code) => code as i32,
        Err(refusal) => {
            eprintln!("{}", refusal.message.trim_end());
            refusal.exit as i32
        }
    }
}

/// Runs as the only process, or as one member of several.
fn member(args: &RunArgs) -> Result<Exit, Refusal> {
    // Process 0 reads and ends the run; a signal to the whole group must not end the others before it.
    let stop = stop::on_signals();
    let (loaded, mut plan) = prepare(&args.pipeline)?;
    if let Some(records) = args.tick_records {
        plan.spec.tick_records = records;
    }
    let plan = Arc::new(plan);
    let out = args.out(&plan.spec.name);
    let first = args.process.unwrap_or(0) == 0;
    let (folder, edges) = match first {
        true => Some(open(args, &loaded, &plan, &out, stop)?).unzip(),
        false => (None, None),
    };
    if let Some(limit) = args.memory_limit.filter(|_| !first) {
        memory::watch(limit, false, || ());
    }
    let sockets = join(args)?;
    end_with_any_panic(args.state(&plan.spec.name), args.process.unwrap_or(0));
    let workers = Workers { threads: args.threads, process: args.process.unwrap_or(0), sockets };
    let saves = args.checkpoint_every.is_some();
    let checkpoints = saves.then(|| checkpoints::open(&args.state(&plan.spec.name))).transpose()?;
    let pipeline = checkpoints::digest(&identity(&loaded, &plan, args.kafka.bootstrap.is_some()).spec);
    let dropped = Arc::new(args.drop_state.iter().cloned().collect());
    let store = Store { checkpoints, pipeline, dropped };
    let quiet = args.quiet || !first;
    let ended = crate::flow::execute(workers, &plan, store, None, edges, move || {
        let mut bar = Bar::new(quiet);
        move |report: Option<&RunReport>| match report {
            Some(report) => bar.show(report),
            None => bar.clear(),
        }
    })?;
    Ok(match ended.zip(folder) {
        Some((ended, folder)) => conclude(args, &plan, &folder, &ended),
        None => Exit::Done,
    })
}

fn conclude(args: &RunArgs, plan: &Plan, folder: &Folder, ended: &Ended) -> Exit {
    let mut failures: Vec<String> = ended.failures.iter().map(ToString::to_string).collect();
    let mut exit = ended.failures.first().map_or(Exit::Done, exit_of);
    // Whoever has no part in the outputs any more, or is refused, has none in the summary.
    if !matches!(exit, Exit::Fenced | Exit::Diverged | Exit::Gone | Exit::Usage) {
        let summary = summary::summary(plan, ended);
        let text = serde_json::to_string_pretty(&summary).unwrap_or_default() + "\n";
        failures.extend(folder.replace(SUMMARY, text.as_bytes()).err().map(|error| error.to_string()));
        if !args.quiet {
            let (before, after) = match &args.kafka.bootstrap {
                Some(bootstrap) => (format!("topic {}.", plan.spec.name), format!(" at {bootstrap}")),
                None => (format!("{}/", folder.path().display()), ".jsonl".to_owned()),
            };
            println!("{}", summary::text(plan, ended, folder.path(), (&before, &after)));
        }
        if !ended.report.balance.holds() {
            failures.push(format!("the balance does not hold: {:?}", ended.report.balance));
        }
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    if exit == Exit::Done && !failures.is_empty() {
        exit = Exit::Failed;
    }
    if exit == Exit::Done {
        requests::done(folder.path());
        crashes::forget(&args.state(&plan.spec.name));
    }
    exit
}

pub(super) fn exit_of(failure: &Failure) -> Exit {
    match failure {
        Failure::Sink(SinkError::Fenced { .. }) => Exit::Fenced,
        Failure::Sink(SinkError::Unknown { .. }) => Exit::Again,
        Failure::Diverged { .. } => Exit::Diverged,
        Failure::Gone { .. } | Failure::Pushed { .. } | Failure::Source(SourceError::Gone { .. }) => Exit::Gone,
        Failure::Checkpoint(_) => Exit::Again,
        Failure::Grown { .. } => Exit::Usage,
        Failure::Source(_) | Failure::Sink(_) | Failure::Registry(_) | Failure::Memory { .. } => Exit::Failed,
    }
}

/// Opens input and output, as the process that has both.
fn open(
    args: &RunArgs,
    loaded: &Loaded,
    plan: &Plan,
    out: &Path,
    stop: Arc<AtomicBool>,
) -> Result<(Folder, Edges), Refusal> {
    let shown = args.http.map(|address| show(address, &plan.spec.name)).transpose()?;
    let bell = Bell::default();
    let wake = {
        let bell = bell.clone();
        move || bell.ring()
    };
    let broker = super::broker(&args.kafka);
    // In this order: nobody else writes any more, so what is read is all that was committed; nothing is changed until
    // the input is open; then what was never committed is taken back.
    let claim = Claim::new(args, loaded, plan, out, broker.as_ref())?;
    let extent = Extent { until_end: args.until_end, stop: stop.clone() };
    let state = args.state(&plan.spec.name);
    let dropped = args.drop_state.iter().cloned().collect();
    let (history, identity) = (claim.history(), claim.identity());
    let wanted = Wanted { plan, history, identity, changed: claim.is_changed(), dropped: &dropped };
    let resume = match (args.fresh, args.checkpoint_every, identity.before.last()) {
        (false, Some(_), _) => checkpoints::find(&checkpoints::open(&state)?, &wanted)?,
        (false, None, Some(former)) => return Err(made_by_another(former.ticks).into()),
        _ => None,
    };
    let (restore, ends) = resume.map(|resume| (resume.name, resume.ends)).unzip();
    let ends = ends.unwrap_or_default();
    let (partitions, live) = input::open(broker.as_ref(), &args.inputs, loaded, plan, &ends, &extent, wake)?;
    if let Some(limit) = args.memory_limit {
        memory::check(limit, plan, partitions.len(), broker.is_some())?;
    }
    claim.tell(plan, restore, args.quiet);
    let (folder, history, sink) = claim.open()?;
    if args.fresh {
        crashes::forget(&state);
        checkpoints::forget(&state)?;
    }
    let caution = crashes::caution(&state, plan, &history)?;
    let registries = plan.spec.models.iter().map(|model| Registry::open(out, &model.name));
    let registries = registries.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let idle = live.then(|| Duration::from_millis(plan.spec.idle_ms));
    let lanes = Lanes::new(partitions, &plan.kinds, idle, plan.spec.max_ahead);
    let committed = if args.fresh { u64::MAX } else { history.end() };
    let requests = requests::requests(out, committed)
        .map_err(|error| format!("cannot take up the requests in {}: {error}", out.display()))?;
    let saves = args.checkpoint_every;
    let wake = bell.clone();
    let held = args.memory_limit.map(|limit| memory::watch(limit, true, move || wake.ring())).unwrap_or_default();
    // A file is never at its end for being asked to stop.
    let drains = broker.is_some();
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
        shown,
    };
    Ok((folder, edges))
}

/// Begins to serve the run over HTTP. The address is told in any case: of port 0 nobody knows it otherwise.
fn show(address: SocketAddr, pipeline: &str) -> Result<Shown, Refusal> {
    let server = Server::bind(address).map_err(|error| error.to_string())?;
    let (address, shown) = (server.address(), Shown::default());
    server.start(pipeline, shown.clone()).map_err(|error| error.to_string())?;
    eprintln!("{pipeline}: http://{address}/");
    Ok(shown)
}

/// A worker that panics would leave the others waiting for ever: the process ends instead, and with it its group. Who
/// only looks at the run cannot end it.
fn end_with_any_panic(state: PathBuf, process: usize) {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some(serve::THREAD) {
            return report(panic);
        }
        let told = panic.payload_as_str().unwrap_or_default();
        match told.strip_prefix(PEER_GONE) {
            Some(cause) => eprintln!("{}", peer_gone(std::thread::current().name().unwrap_or_default(), cause)),
            None => {
                crashes::note(&state, process, &panic.to_string());
                report(panic);
            }
        }
        std::process::exit(Exit::Again as i32);
    }));
}

/// How timely's threads for other processes begin their last words.
const PEER_GONE: &str = "timely communication error: ";

/// The thread's name ends in the other process's index.
fn peer_gone(thread: &str, cause: &str) -> String {
    let peer = thread.rsplit('-').next().filter(|index| index.parse::<usize>().is_ok()).unwrap_or("?");
    format!("process {peer} is gone, and this one ends with it ({cause})")
}
