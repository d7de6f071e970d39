//! Real processes over files, killed at instants of chance and started again until they are done.

use super::dice::Dice;
use super::support::{chained, field, project, tidemill};
use flate2::read::MultiGzDecoder;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Workers and processes that a run may have.
const SHAPES: [&[&str]; 4] = [&["-w", "1"], &["-w", "2"], &["-n", "2"], &["-n", "2", "-w", "2"]];

/// How often a run saves: never, for a run that makes all again.
const CADENCES: [&str; 5] = ["20 ticks", "200 ticks", "1s", "10s", "never"];
/// Of a run that neither saves nor takes up what was saved.
pub const REPLAY: [&str; 2] = ["--checkpoint-every", "never"];

/// A pipeline with files of its own, and what an uninterrupted run of it writes.
pub struct Subject {
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
    /// How long that took.
    pub took: Duration,
}

impl Subject {
    /// A pipeline of `dataflows/` with its records before an instant, and some words of it replaced.
    pub fn new(name: &str, before: &str, changes: &[(&str, &str)]) -> Subject {
        let folder = tempfile::tempdir().expect("a folder");
        let (flows, data) = (folder.path().join("dataflows"), folder.path().join("datasets").join(name));
        fs::create_dir_all(&flows).expect("a folder");
        fs::create_dir_all(&data).expect("a folder");
        let mut text = fs::read_to_string(project().join(format!("dataflows/{name}.toml"))).expect("the pipeline");
        for (from, to) in changes {
            assert!(text.contains(from), "the pipeline has {from}");
            text = text.replace(from, to);
        }
        let file = flows.join(format!("{name}.toml"));
        fs::write(&file, text).expect("the pipeline");
        for entry in fs::read_dir(project().join("datasets").join(name)).expect("its data").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(stream) = name.strip_suffix(".gz") {
                fs::write(data.join(stream), cut(&entry.path(), stream, before)).expect("the cut");
            } else if name.ends_with(".txt") {
                fs::copy(entry.path(), data.join(name)).expect("a list of values");
            }
        }
        Subject { folder, file, took: Duration::ZERO }.uninterrupted()
    }

    /// The pipeline `sea` over generated lines of events and labels.
    pub fn generated(lines: &[String; 2]) -> Subject {
        let folder = tempfile::tempdir().expect("a folder");
        let (flows, data) = (folder.path().join("dataflows"), folder.path().join("datasets/sea"));
        fs::create_dir_all(&flows).expect("a folder");
        fs::create_dir_all(&data).expect("a folder");
        let file = flows.join("sea.toml");
        fs::copy(project().join("dataflows/sea.toml"), &file).expect("the pipeline");
        for (stream, lines) in ["events", "labels"].iter().zip(lines) {
            fs::write(data.join(format!("{stream}.jsonl")), lines).expect("the stream");
        }
        Subject { folder, file, took: Duration::ZERO }.uninterrupted()
    }

    fn uninterrupted(mut self) -> Subject {
        let began = Instant::now();
        let status = self.command("whole", &REPLAY).status().expect("it starts");
        assert!(status.success(), "an uninterrupted run ends well");
        self.took = began.elapsed();
        self
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, out: &str, words: &[&str]) -> Command {
        let mut command = tidemill();
        command.arg("run").arg(&self.file).arg("--out").arg(self.out(out)).args(["--quiet"]).args(words);
        command
    }

    /// Everything that a run left, by its path, but for its checkpoints and what the clock says.
    pub fn left(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.out(out)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(self.out(out)).expect("it is in there").display().to_string();
                if name.starts_with("state/checkpoints/") {
                    continue;
                }
                let mut bytes = fs::read(&path).expect("a file");
                if name == "summary.json" {
                    let mut summary: Value = serde_json::from_slice(&bytes).expect("it is JSON");
                    let clocks = ["latency_us", "events_per_s", "seconds", "training_s", "waited_for_training_s"];
                    clocks.iter().for_each(|clock| drop(summary.as_object_mut().and_then(|s| s.remove(*clock))));
                    bytes = serde_json::to_vec_pretty(&summary).expect("it was JSON");
                }
                files.insert(name, bytes);
            }
        }
        files
    }

    /// Fails where a run left other bytes than the uninterrupted one.
    pub fn same_as_whole(&self, out: &str) {
        let (whole, other) = (self.left("whole"), self.left(out));
        assert_eq!(whole.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        for (name, bytes) in &whole {
            if other[name] != *bytes {
                let first = bytes.iter().zip(&other[name]).take_while(|(a, b)| a == b).count();
                panic!("{name} differs from byte {first} on ({} and {} bytes)", bytes.len(), other[name].len());
            }
        }
    }

    /// Kills so many runs into one folder, then lets one end. What came to its end before is compared, and begun anew.
    pub fn survives(&self, dice: &mut Dice, kills: usize) {
        let (mut kill, mut ended) = (0, 0);
        while kill < kills {
            let shape = SHAPES[dice.below(4) as usize];
            let cadence = ["--checkpoint-every", CADENCES[dice.below(5) as usize]];
            let errors = self.out("errors");
            let mut command = self.command("killed", &[shape, &cadence].concat());
            let mut child = command.stderr(File::create(&errors).expect("a file")).spawn().expect("it starts");
            // Starting takes its time, too: not every run gets to write. All together they get to the end or beyond.
            let share = self.took.as_micros() as u64 * 3 / kills as u64;
            let after = Duration::from_micros(30_000 + dice.below(share + 100_000));
            let (struck, status) = kill_after(&mut child, after, dice);
            kill += usize::from(struck);
            let told = fs::read_to_string(&errors).unwrap_or_default();
            assert!(
                matches!(status, None | Some(0 | 1)),
                "kill {kill} after {after:?} of {shape:?} {cadence:?}: {status:?} {told}"
            );
            if status == Some(0) {
                ended += 1;
                self.same_as_whole("killed");
                fs::remove_dir_all(self.out("killed")).expect("it can be removed");
                continue;
            }
            if dice.below(3) == 0 {
                self.leave_more_behind(dice);
            }
        }
        println!("{kills} were killed; {ended} came to the end all the same, and were begun anew");
        let output = self.command("killed", &["-w", "1"]).stderr(Stdio::piped()).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.same_as_whole("killed");
    }

    /// What a power failure may leave beside: lines of a tick that has no progress record, and a torn record.
    fn leave_more_behind(&self, dice: &mut Dice) {
        for (file, more) in
            [("predictions.jsonl", "{\"at\":\"20"), ("metrics.jsonl", "{}\n"), ("progress.log", "{\"ac")]
        {
            let path = self.out("killed").join(file);
            if dice.below(2) == 0
                && let Ok(mut file) = OpenOptions::new().append(true).open(path)
            {
                file.write_all(more.as_bytes()).expect("it takes more");
            }
        }
    }
}

/// The records of a stream before an instant, which is in a line's first field of time, or in its only one.
fn cut(packed: &Path, stream: &str, before: &str) -> String {
    let mut text = String::new();
    let file = File::open(packed).expect("its data");
    MultiGzDecoder::new(file).read_to_string(&mut text).expect("it is gzip of text");
    let kept = |line: &&str| match stream.ends_with(".csv") {
        true => stream.starts_with("planes") || !line.starts_with("20") || *line < before,
        false => field(line, "at").as_str().is_some_and(|at| at < before),
    };
    text.lines().filter(kept).fold(String::new(), |text, line| text + line + "\n")
}

/// Kills the run, or one of its members, after a while, and the run that goes on without it after some more. Whether
/// anything was killed, and the exit code if it ended by itself.
fn kill_after(child: &mut Child, after: Duration, dice: &mut Dice) -> (bool, Option<i32>) {
    let supervisor = pid(child.id());
    let (ended, watch) = channel::<()>();
    let luck = dice.below(3);
    std::thread::scope(|scope| {
        let killer = scope.spawn(move || {
            let struck = watch.recv_timeout(after).is_err();
            if struck {
                let members = members(supervisor);
                let victim = members.get(luck as usize).copied().unwrap_or(supervisor);
                let _ = kill_process(victim, Signal::KILL);
                if watch.recv_timeout(3 * after).is_err() {
                    let _ = kill_process(supervisor, Signal::KILL);
                }
            }
            struck
        });
        let status = child.wait().expect("it ends");
        let _ = ended.send(());
        (killer.join().expect("it only waits and kills"), status.code())
    })
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("a process id")).expect("a process id")
}

/// The processes that a supervisor watches over.
fn members(supervisor: Pid) -> Vec<Pid> {
    let id = supervisor.as_raw_nonzero();
    let ids = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    ids.split_whitespace().filter_map(|id| id.parse().ok()).map(pid).collect()
}

#[test]
fn sea_survives_being_killed() {
    let mut dice = Dice::new("sea_survives_being_killed");
    Subject::new("sea", "2024-01-05", &[]).survives(&mut dice, 20);
}

#[test]
fn a_run_that_is_asked_to_stop_saves_behind_a_tick_and_ends_well() {
    let mut dice = Dice::new("a_run_that_is_asked_to_stop_saves_behind_a_tick_and_ends_well");
    let flights = with_versions();
    let log = flights.out("killed").join("progress.log");
    let mut stopped_on_the_way = 0;
    for stop in 0..8 {
        let shape = SHAPES[dice.below(4) as usize];
        let errors = flights.out("errors");
        let mut command = flights.command("killed", shape);
        let mut child = command.stderr(File::create(&errors).expect("a file")).spawn().expect("it starts");
        let after = Duration::from_millis(200 + dice.below(flights.took.as_millis() as u64 / 4));
        let (_keep, never) = channel::<()>();
        let _ = never.recv_timeout(after);
        let _ = kill_process(pid(child.id()), Signal::TERM);
        let status = child.wait().expect("it ends");
        let told = fs::read_to_string(&errors).expect("its errors");
        assert_eq!(status.code(), Some(0), "stop {stop} after {after:?} of {shape:?}: {told}");
        let lines = fs::read_to_string(&log).unwrap_or_default();
        let Some(last) = lines.lines().last() else { continue };
        if field(last, "last").as_bool() == Some(true) || !field(last, "activation").is_null() {
            continue;
        }
        // What is committed stands in the checkpoint: nothing has to be made again.
        let tick = field(last, "tick").as_u64().expect("a tick");
        assert_eq!(newest_checkpoint(&flights, "killed"), Some(tick), "stop {stop} of {shape:?}");
        stopped_on_the_way += 1;
    }
    assert!(stopped_on_the_way > 0, "some were stopped in the middle");
    assert!(flights.command("killed", &[]).status().expect("it starts").success());
    flights.same_as_whole("killed");
}

#[test]
fn a_run_that_waits_for_its_standard_input_can_be_stopped() {
    let sea = Subject::new("sea", "2024-01-02", &[]);
    let mut command = sea.command("waits", &["--input", "events=-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    let events = fs::read_to_string(sea.folder.path().join("datasets/sea/events.jsonl")).expect("the events");
    for line in events.lines().take(700) {
        writeln!(input, "{line}").expect("it reads");
    }
    let log = sea.out("waits").join("progress.log");
    let began = Instant::now();
    while fs::read_to_string(&log).unwrap_or_default().is_empty() {
        assert!(child.try_wait().expect("it can be asked").is_none() && began.elapsed() < Duration::from_secs(60));
    }
    let _ = kill_process(pid(child.id()), Signal::TERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// The tick of the newest checkpoint that a run left.
fn newest_checkpoint(subject: &Subject, out: &str) -> Option<u64> {
    let folder = fs::read_dir(subject.out(out).join("state/checkpoints")).ok()?;
    let tick = |entry: fs::DirEntry| entry.file_name().to_str()?.split('-').next()?.parse().ok();
    folder.flatten().filter_map(tick).max()
}

/// Few rows are told apart better by a line; both are fitted.
const BOTH: &str = "retrain = [{ kind = \"gradient_boosting\", max_iter = 30 }, { kind = \"logistic\" }]";

/// Some days of flights, with versions on the way.
pub fn with_versions() -> Subject {
    flights("strategy = \"immediate\"")
}

/// Some days of flights with versions on the way, deployed so.
fn flights(deploy: &str) -> Subject {
    let sooner = [
        ("strategy = \"immediate\"", deploy),
        ("[\"1d\", \"7d\", \"30d\"]", "[\"6h\", \"1d\"]"),
        ("every = \"1d\"", "every = \"1h\""),
        ("every    = \"30d\"", "every    = \"1d\""),
        ("cooldown = \"25d\"", "cooldown = \"12h\""),
        ("log_loss[7d]", "log_loss[1d]"),
        ("warm_up  = 20_000", "warm_up  = 500"),
        ("examples = 30_000", "examples = 1_000"),
        ("activate_after = \"1d\"", "activate_after = \"1h\""),
        ("2013-04-01", "2013-01-03"),
        ("retrain   = { kind = \"gradient_boosting\", max_iter = 200, learning_rate = 0.06 }", BOTH),
    ];
    let flights = Subject::new("flights", "2013-01-05", &sooner);
    let models = fs::read_to_string(flights.out("whole").join("models.jsonl")).expect("its versions");
    assert!(models.lines().count() > 2, "versions are released on the way");
    flights
}

/// Versions come as canaries, take their steps, and leave: most are no better.
#[test]
fn a_canary_survives_being_killed() {
    let mut dice = Dice::new("a_canary_survives_being_killed");
    let deploy = "strategy = \"canary\"\nsteps = [0.2, 0.5]\nstep_every = \"2h\"\nmin_labels = 100\n\
                  give_up_after = \"21h\"\nrollback_within = \"12h\"\nby = [\"tailnum\"]";
    let flights = flights(deploy);
    let decisions = fs::read_to_string(flights.out("whole").join("decisions.jsonl")).expect("its decisions");
    let turns = decisions.lines().filter(|line| field(line, "kind") == "deploy").count();
    assert!(turns > 2, "roles change on the way: {turns}");
    flights.survives(&mut dice, 8);
}

#[test]
fn flights_survive_being_killed() {
    let mut dice = Dice::new("flights_survive_being_killed");
    with_versions().survives(&mut dice, 12);
}

fn told(command: &mut Command, code: i32) -> String {
    let output = command.stderr(Stdio::piped()).output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    told
}

#[test]
fn what_does_not_go_with_the_run_is_refused_by_name() {
    let sea = Subject::new("sea", "2024-01-02", &[]);
    let (whole, log) = (sea.left("whole"), sea.out("whole").join("progress.log"));
    let untouched = || {
        let left = sea.left("whole");
        let names: BTreeSet<&String> = whole.keys().chain(left.keys()).collect();
        let changed: Vec<_> = names.into_iter().filter(|name| whole.get(*name) != left.get(*name)).collect();
        assert!(changed.is_empty(), "what is refused changes nothing, but {changed:?} changed");
    };

    let again = |shape: &[&str]| sea.command("whole", &[&REPLAY[..], shape].concat());

    // The run that has ended, once more.
    assert_eq!(told(&mut again(&["-n", "2"]), 0), "");
    untouched();
    // Another pipeline; another name for the same, or other comments, is none.
    let text = fs::read_to_string(&sea.file).expect("the pipeline");
    fs::write(&sea.file, text.replace("learning_rate = 0.05", "learning_rate = 0.06")).expect("it is written");
    let error = told(&mut again(&[]), 2);
    assert!(error.contains("another pipeline") && error.contains("--fresh"), "{error}");
    untouched();
    fs::write(&sea.file, format!("# The same.\n{text}")).expect("it is written");
    assert_eq!(told(&mut again(&[]), 0), "");

    // A record that is damaged, one that was forged, and a stream that is too short.
    let lines: Vec<String> = String::from_utf8_lossy(&whole["progress.log"]).lines().map(str::to_owned).collect();
    let write = |lines: &[String]| fs::write(&log, lines.join("\n") + "\n").expect("it is written");
    let mut damaged = lines.clone();
    damaged[2] = damaged[2].replace("\"manual\":0", "\"manual\":1");
    write(&damaged);
    let error = told(&mut again(&[]), 1);
    assert!(error.contains("progress.log, line 3: ") && error.contains("cut the file off before that line"), "{error}");
    let mut forged = lines.clone();
    let digest = field(&lines[2], "outputs");
    forged[2] = lines[2].replace(digest.as_str().expect("a digest"), &"f".repeat(64));
    write(&chained(&forged));
    for shape in SHAPES {
        let error = told(&mut again(shape), 4);
        assert!(error.contains("determinism is broken: tick 2 comes out with other outputs"), "{error}");
    }
    let left = sea.left("whole");
    assert!(whole.iter().all(|(name, bytes)| name == "progress.log" || left[name] == *bytes), "nothing was written");
    write(&lines);
    let predictions = sea.out("whole").join("predictions.jsonl");
    fs::write(&predictions, &whole["predictions.jsonl"][1..]).expect("it is written");
    let error = told(&mut again(&[]), 1);
    assert!(error.contains("predictions.jsonl is damaged") && error.contains("committed are"), "{error}");
    fs::write(&predictions, &whole["predictions.jsonl"]).expect("it is written");

    // The remedy for the damaged record.
    write(&lines[..2]);
    assert_eq!(told(&mut again(&["-w", "2"]), 0), "");
    untouched();

    // Input that is not there any more, and input that goes on.
    let events = sea.folder.path().join("datasets/sea/events.jsonl");
    let text = fs::read_to_string(&events).expect("the events");
    let (kept, _) = text.trim_end().rsplit_once('\n').expect("several events");
    fs::write(&events, format!("{kept}\n")).expect("it is written");
    let error = told(&mut again(&[]), 6);
    assert!(error.contains("the input is no longer there") && error.contains("`events/0`"), "{error}");
    fs::write(
        &events,
        format!("{text}{{\"id\":\"new\",\"at\":\"2024-01-03T00:00:00Z\",\"x0\":1,\"x1\":1,\"x2\":1}}\n"),
    )
    .expect("it is written");
    let error = told(&mut again(&[]), 2);
    assert!(error.contains("the run has ended") && error.contains("--fresh"), "{error}");
    untouched();
}
