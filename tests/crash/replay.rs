//! Replay in the small: the walk over records in memory, taken up again behind any of its ticks, in one process.

use super::dice::Dice;
use super::support::{chained, field};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tidemill::config;
use tidemill::config::spec::Format;
use tidemill::feature::check::Checks;
use tidemill::flow::caution::{Caution, Culprit, Place, Witness};
use tidemill::flow::failure::Failure;
use tidemill::flow::history::History;
use tidemill::flow::ingest::Held;
use tidemill::flow::items::Asked;
use tidemill::flow::lanes::Lanes;
use tidemill::flow::plan::Plan;
use tidemill::flow::saving::{Cadence, Store, consumed};
use tidemill::flow::{Bell, Edges, Workers, execute};
use tidemill::record::Position;
use tidemill::record::decode::Decoder;
use tidemill::registry::Registry;
use tidemill::sink::{Sink, SinkError, Stream, Written};
use tidemill::source::{Batch, Delivery, Partition, Record};
use tidemill::state::checkpoint::{Checkpoints, Found};
use tidemill::time::Time;

const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "10m"
tick_records = 60
tick_ms = 1
idle_ms = 1
max_ahead = "1d"
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", x = "float" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "30m"
schema = { id = "text", at = "timestamp", y = "bool?" }
[source.commands]
kind = "control"
[features]
x = { standardize = "x" }
share = { mean = "label", over = "20m", missing = 0.5 }
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.1 }
retrain = { kind = "logistic" }
[model.m.metrics]
windows = ["1h"]
names = ["log_loss", "accuracy"]
estimate = { names = ["log_loss", "roc_auc"], min_labels = 50 }
[[model.m.trigger]]
kind = "schedule"
every = "1h"
cooldown = "30m"
[model.m.train]
window = "3h"
holdout = 0.2
activate_after = "20m"
[model.m.gate]
metric = "log_loss"
margin = 0.0
[model.forest]
task = "binary"
learner = { kind = "adaptive_random_forest", n_models = 3, grace_period = 20, tau = 1.0 }
freeze_at = ["2024-01-01T02:00:05Z", "2024-01-01T03:00:00Z"]
[model.patches]
task = "binary"
learner = { kind = "streaming_random_patches", n_models = 3, grace_period = 20, tau = 1.0 }
"#;

/// Its models.
pub const MODELS: [&str; 3] = ["m", "forest", "patches"];

/// The lines of two partitions of events, one of labels and one of commands: in order, but for what is malformed, doubled, late, of no
/// event, and far ahead of its time.
pub fn lines(events: i64) -> Vec<Vec<String>> {
    let mut dice = Dice::of(7);
    let at = |n: i64, seconds: i64| Time(1_704_067_200_000_000 + (n * 10 + seconds) * 1_000_000);
    let mut all = vec![Vec::new(); 4];
    for n in 0..events {
        let x = dice.below(1000) as f64 / 500.0 - 1.0;
        let y = x + dice.below(1000) as f64 / 1000.0 - 0.5 > 0.0;
        let event = |time: Time| format!(r#"{{"id":"{n}","at":"{time}","x":{x}}}"#);
        let lane = &mut all[(n % 2) as usize];
        lane.push(event(at(n, 0)));
        match dice.below(40) {
            0 => lane.push("{".to_owned()),
            1 => lane.push(event(at(n, 0))),
            2 => lane.push(event(at(n, 3 * 86_400))),
            3 => lane.push(format!(r#"{{"id":"late {n}","at":"{}","x":0}}"#, at(n, -1000))),
            _ => {}
        }
        all[2].push(format!(r#"{{"id":"{n}","at":"{}","y":{y}}}"#, at(n, 300)));
        if dice.below(50) == 0 {
            all[2].push(format!(r#"{{"id":"nobody {n}","at":"{}","y":null}}"#, at(n, 300)));
        }
        let command = match dice.below(120) {
            0 => r#""command":"retrain""#.to_owned(),
            1 => format!(r#""command":"forget","id":"{}""#, n - dice.below(60) as i64),
            2 => r#""command":"pin","model":"m""#.to_owned(),
            3 | 4 => r#""command":"unpin","model":"m""#.to_owned(),
            5 => r#""command":"promote","model":"m""#.to_owned(),
            _ => continue,
        };
        all[3].push(format!(r#"{{"at":"{}",{command}}}"#, at(n, 0)));
    }
    all
}

pub fn plan() -> Arc<Plan> {
    let spec = config::read(PIPELINE, "small.toml", &|_| Err("it names no file".to_owned())).expect("it is valid");
    Arc::new(Plan::new(spec).expect("it compiles"))
}

/// Keeps what it is told, but for a tick with certain bytes in it, on which it panics.
struct Memory(Arc<Mutex<Vec<Written>>>, Option<String>);

impl Sink for Memory {
    fn write(&mut self, written: Written) -> Result<(), SinkError> {
        if let Some(poison) = &self.1 {
            let lines = written.pages.iter().flat_map(|page| page.lines.split(|byte| *byte == b'\n'));
            assert!(lines.into_iter().all(|line| !String::from_utf8_lossy(line).contains(poison)), "poisoned");
        }
        self.0.lock().expect("nobody panicked").push(written);
        Ok(())
    }

    fn check(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn committed(&self) -> u64 {
        self.0.lock().expect("nobody panicked").last().map_or(0, |written| written.tick + 1)
    }

    fn close(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A partition whose records come in pieces of chance.
fn partition(
    plan: &Plan,
    (source, number, start): (u16, u16, u64),
    lines: Vec<String>,
    bell: &Bell,
    seed: u64,
) -> Partition {
    let (sender, deliveries) = sync_channel(2);
    let spec = &plan.spec.sources[usize::from(source)];
    let (mut decoder, checks) = (Decoder::new(spec, Format::Json, 1 << 20), Checks::of(spec));
    let (bell, mut dice) = (bell.clone(), Dice::of(seed));
    thread::spawn(move || {
        let mut next = Position { source, partition: number, offset: start };
        let mut lines = lines.into_iter().skip(start as usize).peekable();
        while lines.peek().is_some() {
            let some = lines.by_ref().take(1 + dice.below(90) as usize);
            let records = some.map(|line| {
                let record = Record::decode((&mut decoder, &checks), next, None, Some(line.as_bytes()), None);
                next.offset += 1;
                record
            });
            let batch = Batch { arrived: Instant::now(), records: records.collect() };
            if sender.send(Delivery::Batch(batch)).is_err() {
                return;
            }
            bell.ring();
            (0..dice.below(50)).for_each(|_| thread::yield_now());
        }
        let _ = sender.send(Delivery::End);
        bell.ring();
    });
    Partition { source, partition: number, backlog: false, deliveries }
}

/// What a run has written, and how it ended.
pub struct Outcome {
    pub written: Vec<Written>,
    pub failures: Vec<Failure>,
}

impl Outcome {
    pub fn progress(&self) -> Vec<String> {
        self.written.iter().map(|tick| tick.progress.clone()).collect()
    }
}

/// Runs over the lines behind the history; live, what is cut and which partition is passed over as silent is chance.
fn run(lines: &[Vec<String>], history: &[String], live: bool, seed: u64, threads: usize) -> Outcome {
    let ways = (live, seed, threads);
    let (outcome, panic) = run_with(lines, history, ways, (Caution::default(), None), Saving::default());
    assert_eq!(panic, None);
    outcome
}

/// What a run saves, and what it goes on from.
#[derive(Default)]
pub struct Saving {
    pub checkpoints: Option<Checkpoints>,
    pub cadence: Option<Cadence>,
    pub restore: Option<Found>,
    /// Where its registry is; else in a folder that is gone after it.
    pub folder: Option<PathBuf>,
}

/// Runs with caution and a sink that panics on some bytes; what a worker said that panicked is there, too.
pub fn run_with(
    lines: &[Vec<String>],
    history: &[String],
    (live, seed, threads): (bool, u64, usize),
    (caution, poison): (Caution, Option<&str>),
    Saving { checkpoints, cadence, restore, folder }: Saving,
) -> (Outcome, Option<String>) {
    let plan = plan();
    let own = tempfile::tempdir().expect("a folder");
    let folder = folder.unwrap_or_else(|| own.path().to_owned());
    let bell = Bell::default();
    let places = [(0, 0), (0, 1), (1, 0), (2, 0)];
    let ends = restore.as_ref().map(|found| consumed(&plan, found).expect("it has them")).unwrap_or_default();
    let open = |(place, lines): (usize, &Vec<String>)| {
        let (source, number) = places[place];
        let start = ends.get(&(source, number)).copied().unwrap_or_default();
        partition(&plan, (source, number, start), lines.clone(), &bell, seed + place as u64)
    };
    let partitions = lines.iter().enumerate().map(open).collect();
    let written = Arc::new(Mutex::new(Vec::new()));
    let edges = Edges {
        lanes: Lanes::new(
            partitions,
            &plan.kinds,
            live.then_some(Duration::from_millis(plan.spec.idle_ms)),
            plan.spec.max_ahead,
        ),
        sink: Box::new(Memory(written.clone(), poison.map(str::to_owned))),
        registries: MODELS.iter().map(|model| Registry::open(&folder, model).expect("a registry")).collect(),
        requests: Box::new(|_, _| Asked::default()),
        history: History::check(&plan, history.to_vec(), "memory", "").expect("it is whole"),
        caution,
        restore: restore.map(|found| found.name()),
        saves: cadence,
        stop: Arc::new(AtomicBool::new(false)),
        drains: false,
        bell,
        live,
        held: Held::default(),
        shown: None,
    };
    let workers = Workers { threads, process: 0, sockets: Vec::new() };
    let store = Store { checkpoints, ..Store::none() };
    let ended = execute(workers, &plan, store, None, Some(edges), || |_: Option<&_>| {});
    let (failures, panic) = match ended {
        Ok(ended) => (ended.expect("it is process 0").failures, None),
        Err(panic) => (Vec::new(), Some(panic)),
    };
    let written = std::mem::take(&mut *written.lock().expect("it panics before it locks"));
    (Outcome { written, failures }, panic)
}

/// Runs that must end well.
pub fn well(lines: &[Vec<String>], history: &[String], live: bool, seed: u64, threads: usize) -> Outcome {
    let outcome = run(lines, history, live, seed, threads);
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    outcome
}

#[test]
fn a_file_run_goes_on_as_it_would_have_behind_any_tick() {
    let lines = lines(1500);
    let whole = well(&lines, &[], false, 1, 1);
    let progress = whole.progress();
    let activations = progress.iter().filter(|line| !field(line, "activation").is_null()).count();
    let ahead = progress.iter().filter(|line| field(line, "ahead") != serde_json::json!([])).count();
    assert!(progress.len() > 60 && activations > 1 && ahead > 5, "{} {activations} {ahead}", progress.len());
    let pages = whole.written.iter().flat_map(|tick| &tick.pages);
    let estimated = |line: &str| line.contains("\"estimated_roc_auc\":0.") && !line.contains("error\":null");
    let lines_of =
        |page: &tidemill::sink::Page| String::from_utf8_lossy(&page.lines).lines().filter(|l| estimated(l)).count();
    assert!(pages.map(lines_of).sum::<usize>() > 10, "metrics are estimated");
    for behind in (0..=progress.len()).step_by(7).chain([1, progress.len() - 1, progress.len()]) {
        let rest = well(&lines, &progress[..behind], false, behind as u64, 1 + behind % 3);
        assert_eq!(rest.progress(), progress[behind..], "behind tick {behind}");
        for (tick, same) in rest.written.iter().zip(&whole.written[behind..]) {
            assert_eq!((tick.tick, tick.time, &tick.pages), (same.tick, same.time, &same.pages), "behind {behind}");
        }
    }
}

#[test]
fn a_live_run_is_made_again_with_the_cuts_it_had() {
    let mut dice = Dice::new("a_live_run_is_made_again");
    let lines = lines(1500);
    for _ in 0..6 {
        let whole = well(&lines, &[], true, dice.below(1000), 1).progress();
        let behind = dice.below(whole.len() as u64) as usize;
        let rest = well(&lines, &whole[..behind], true, dice.below(1000), 2);
        assert_eq!(rest.written[0].tick, behind as u64, "what was made again is not written");
        // What went on with cuts of its own can be made again in turn.
        let all = [&whole[..behind], &rest.progress()].concat();
        assert_eq!(well(&lines, &all, true, dice.below(1000), 3).written.len(), 0);
    }
}

#[test]
fn what_comes_out_otherwise_halts_the_run_and_nothing_is_written() {
    let lines = lines(400);
    let progress = well(&lines, &[], false, 1, 1).progress();
    let records = 60 * 4;
    // Another input.
    let mut other = lines.clone();
    other[1][100] = other[1][100].replace("\"x\":", "\"x\":1");
    let outcome = run(&other, &progress, false, 1, 1);
    assert!(outcome.written.is_empty());
    match &outcome.failures[..] {
        [Failure::Diverged { tick, what, .. }] => assert!(*tick < records && what == "inputs", "{tick} {what}"),
        other => panic!("{other:?}"),
    }
    // Another digest of what was written.
    let mut forged = progress.clone();
    let digest = field(&progress[5], "outputs");
    forged[5] = progress[5].replace(digest.as_str().expect("a digest"), &"f".repeat(64));
    let outcome = run(&lines, &chained(&forged), false, 1, 2);
    assert!(outcome.written.is_empty());
    assert!(
        matches!(&outcome.failures[..], [Failure::Diverged { tick: 5, what, .. }] if what == "outputs"),
        "{:?}",
        outcome.failures
    );
}

#[test]
fn an_input_that_lost_or_gained_records_is_told() {
    let lines = lines(400);
    let progress = well(&lines, &[], false, 1, 1).progress();
    let mut shorter = lines.clone();
    shorter[2].truncate(250);
    let outcome = run(&shorter, &progress, false, 1, 1);
    assert!(outcome.written.is_empty());
    assert!(
        matches!(&outcome.failures[..], [Failure::Gone { partition, found, .. }] if partition == "labels/0" && found == "ends at 250"),
        "{:?}",
        outcome.failures
    );
    let mut longer = lines.clone();
    longer[0].push(lines[0][0].clone());
    let outcome = run(&longer, &progress, false, 1, 1);
    assert!(outcome.written.is_empty());
    assert!(
        matches!(&outcome.failures[..], [Failure::Grown { partition, .. }] if partition == "events/0"),
        "{:?}",
        outcome.failures
    );
    // A run that had not published its end takes what is there now.
    let open = progress.iter().position(|line| field(line, "last") == true).expect("it ended");
    assert!(!well(&longer, &progress[..open - 1], false, 1, 1).written.is_empty());
}

#[test]
fn a_record_on_which_a_worker_panics_is_found_and_refused() {
    let lines = lines(1500);
    let poison = Some("\"prediction_id\":\"701\"");
    let files = (false, 1, 1);
    let (first, panic) = run_with(&lines, &[], files, (Caution::default(), poison), Saving::default());
    assert!(panic.is_some(), "a worker panics");
    let committed = first.progress();
    assert!(!committed.is_empty());

    // With caution: what is named last is to blame.
    let last = Arc::new(Mutex::new(None));
    let witness = |last: &Arc<Mutex<Option<Place>>>| -> Witness {
        let last = last.clone();
        Box::new(move |place| *last.lock().expect("nobody panicked") = place)
    };
    let careful = Caution::new(witness(&last), None, 100_000);
    let (second, panic) = run_with(&lines, &committed, files, (careful, poison), Saving::default());
    assert!(panic.is_some());
    let more = [committed, second.progress()].concat();
    let place = last.lock().expect("nobody panicked").expect("a record was named");
    let ((source, partition), offset) = place;
    assert!(source == 0 && lines[usize::from(partition)][offset as usize].starts_with(r#"{"id":"701""#), "{place:?}");

    // It is refused, and all goes on; the label that comes for it has no event.
    let culprit = Culprit { place, detail: "poisoned".to_owned() };
    let careful = Caution::new(witness(&last), Some(culprit), 50);
    let (third, panic) = run_with(&lines, &more, files, (careful, poison), Saving::default());
    assert_eq!((panic, third.failures.len()), (None, 0));
    let letters = |written: &[Written]| -> Vec<String> {
        let pages = written.iter().flat_map(|tick| &tick.pages).filter(|page| page.stream == Stream::DeadLetters);
        let lines = pages.flat_map(|page| page.lines.split(|byte| *byte == b'\n'));
        lines.map(|line| String::from_utf8_lossy(line).into_owned()).filter(|line| line.contains("poison")).collect()
    };
    let found = letters(&third.written);
    assert_eq!(found.len(), 1, "{found:?}");
    for said in [r#""reason":"poison""#, "a worker panicked on it: poisoned", &format!("\"offset\":{offset},")] {
        assert!(found[0].contains(said), "{found:?}");
    }
    let recorded = third.progress().iter().filter(|line| line.contains("\"poison\":[")).count();
    assert_eq!(recorded, 1, "it is recorded");

    // Whoever makes it again refuses it again, without being told.
    let all = [more.clone(), third.progress()].concat();
    let sent = |written: &[Written]| written.iter().map(|tick| tick.progress.clone()).collect::<Vec<_>>();
    for (behind, threads) in [(all.len(), 1), (all.len(), 3), (more.len() + 1, 2)] {
        let again = well(&lines, &all[..behind], false, 2, threads);
        if behind == all.len() {
            assert!(again.written.is_empty(), "nothing is left to do");
        } else {
            let last = json(sent(&again.written).last().expect("it ends"));
            assert_eq!(last["balance"], json(all.last().expect("it ended"))["balance"]);
        }
    }
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).expect("it is JSON")
}
