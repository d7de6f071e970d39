//! Exactly once over a real broker: runs that are killed, and one that wakes up after its successor has started, as a
//! reader of committed records sees them.

use crate::asked::{asked, long};
use crate::dice::Dice;
use crate::own::OwnBroker;
use crate::project::{Project, Running, expect_code, id, values};
use crate::proxy::{Faults, stand_between};
use crate::stream::streams;
use crate::support::{Ground, PATIENCE};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidemill::fault::{DIE_AT, TOPICS};

const STREAMS: [&str; 5] = ["predictions", "metrics", "models", "decisions", "dead_letters"];
/// Workers and processes that a run may have.
const SHAPES: [&[&str]; 4] = [&["-w", "1"], &["-w", "2"], &["-n", "2"], &["-n", "2", "-w", "2"]];

/// The ticks that are committed: dense, from 0.
fn ticks(ground: &Ground, project: &Project) -> u64 {
    let progress = ground.messages(&project.topic("progress"));
    let tick = |value: &str| serde_json::from_str::<Value>(value).unwrap()["tick"].as_u64().unwrap();
    let ticks: Vec<u64> = progress.iter().map(|message| tick(message.value_text())).collect();
    assert_eq!(ticks, (0..ticks.len() as u64).collect::<Vec<_>>(), "every tick once, in order");
    ticks.len() as u64
}

/// Lets a run go on for a while, then kills it; its exit code if it ended by itself.
fn kill_after(mut run: Running, after: Duration) -> Option<i32> {
    let (_keep, never) = channel::<()>();
    let began = Instant::now();
    while run.runs() && began.elapsed() < after {
        let _ = never.recv_timeout(Duration::from_millis(1));
    }
    if run.runs() {
        run.signal(Signal::KILL);
    }
    run.end().code()
}

#[test]
fn what_is_killed_and_started_again_is_seen_once() {
    let Some(ground) = Ground::find("killed") else { return };
    let mut dice = Dice::new("what_is_killed_and_started_again");
    survives(&ground, &Project::sea(&ground, "2024-01-04"), 12, &mut dice);
}

#[test]
#[ignore = "long: just torture-kafka (TIDEMILL_EVENTS, TIDEMILL_KILLS)"]
fn a_long_stream_that_is_killed_is_seen_once() {
    let Some(ground) = Ground::find("long") else { return };
    let mut dice = Dice::new("a_long_stream_that_is_killed");
    let (events, kills) = (asked("TIDEMILL_EVENTS", 2_000_000), asked("TIDEMILL_KILLS", 200));
    survives(&ground, &Project::with(&ground, &streams(events, &mut Dice::of(1))), kills, &mut dice);
}

/// Kills so many runs over the project's topics, then lets one end: what committed readers see is what a run over the
/// same records in files wrote.
fn survives(ground: &Ground, project: &Project, kills: u64, dice: &mut Dice) {
    let out = project.path("files");
    let mut files = project.command("run", None, &["--quiet", "--out", out.to_str().unwrap()]);
    for part in project.parts("events", 2).into_iter().chain(project.parts("labels", 2)) {
        files.args(["--input", &part]);
    }
    let began = Instant::now();
    expect_code(&mut files, 0);
    // Over topics it takes longer to start. All together they get to the end, and some are there before they are killed.
    let most = began.elapsed() * 20 / kills as u32 + Duration::from_secs(2);

    project.feed(ground, 2);
    let out = project.path("topics");
    let words = ["--until-end", "--quiet", "--out", out.to_str().unwrap()];
    let (mut before, mut ended) = (0, 0);
    for kill in 0..kills {
        let shape = SHAPES[dice.below(4) as usize];
        let log = project.path("errors");
        let cadence = ["--checkpoint-every", ["10 ticks", "100 ticks", "never"][dice.below(3) as usize]];
        let words = [&words[..], shape, &cadence].concat();
        let mut command = project.command("run", Some(ground.broker.bootstrap()), &words);
        command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let after = Duration::from_micros(dice.below(most.as_micros() as u64));
        let status = kill_after(Running::start(&mut command), after);
        let told = std::fs::read_to_string(&log).unwrap();
        assert!(matches!(status, None | Some(0)), "kill {kill} after {after:?} of {words:?}: {status:?} {told}");
        ended += u32::from(status == Some(0));
        if ground.broker.admin().unwrap().partitions().unwrap().contains_key(&project.topic("progress")) {
            let now = ticks(ground, project);
            assert!(now >= before, "what was committed stays");
            before = now;
        }
    }
    println!("{ended} of {kills} ended before they were killed");
    expect_code(&mut project.command("run", Some(ground.broker.bootstrap()), &words), 0);
    for stream in STREAMS {
        let messages = ground.messages(&project.topic(stream));
        assert_eq!(values(&messages), project.written("files", stream), "{stream}");
    }
    assert_eq!(ticks(ground, project), project.written("files", "progress").len() as u64);
    let registry = |run: &str| std::fs::read(project.path(run).join("registry/concept/log.jsonl")).unwrap();
    assert_eq!(registry("files"), registry("topics"));

    // Made again and compared, with what stands in the topics; then somebody else writes there.
    let words = ["--quiet", "-w", "2", "--out", out.to_str().unwrap()];
    let output = expect_code(&mut project.command("verify", Some(ground.broker.bootstrap()), &words), 0);
    assert!(String::from_utf8_lossy(&output.stdout).contains("are the same when they are made again"));
    let producer = ground.producer(None);
    crate::support::send(&producer, &project.topic("metrics"), 0, "", Some("{}"), 1_704_153_600_000);
    rdkafka::producer::Producer::flush(&producer, PATIENCE).unwrap();
    let output = expect_code(&mut project.command("verify", Some(ground.broker.bootstrap()), &words), 1);
    let told = crate::project::errors(&output);
    assert!(told.contains(&project.topic("metrics")) && told.contains("one that is not made again"), "{told}");
}

#[test]
fn a_run_that_dies_at_any_point_of_its_transactions_is_seen_once() {
    let Some(ground) = Ground::find("points") else { return };
    let long = long();
    let (passes, until) = if long { (5, "2024-01-20") } else { (1, "2024-01-02") };
    let project = Project::sea(&ground, until);
    let out = project.path("files");
    let mut files = project.command("run", None, &["--quiet", "--out", out.to_str().unwrap()]);
    for part in project.parts("events", 2).into_iter().chain(project.parts("labels", 2)) {
        files.args(["--input", &part]);
    }
    expect_code(&mut files, 0);
    project.feed(&ground, 2);
    let out = project.path("topics");
    let words = ["--until-end", "--quiet", "--out", out.to_str().unwrap()];
    let run = || project.command("run", Some(ground.broker.bootstrap()), &words);
    let (mut before, mut died) = (0, 0);
    for point in (0..passes).flat_map(|_| TOPICS) {
        let status = run().env(DIE_AT, format!("{point}:1")).status().unwrap();
        assert!(status.signal() == Some(9) || status.success(), "{point}: {status}");
        died += usize::from(!status.success());
        if ground.broker.admin().unwrap().partitions().unwrap().contains_key(&project.topic("progress")) {
            let now = ticks(&ground, &project);
            assert!(now >= before && (point != "commit.after" || now > before), "{point}: {before}, then {now}");
            before = now;
        }
    }
    assert!(died + 1 >= TOPICS.len() * passes, "{died} died: all, unless the last commit was the last of all");
    expect_code(&mut run(), 0);
    for stream in STREAMS {
        let messages = ground.messages(&project.topic(stream));
        assert_eq!(values(&messages), project.written("files", stream), "{stream}");
    }
    assert_eq!(ticks(&ground, &project), project.written("files", "progress").len() as u64);
}

/// The outcome of a commit is not known to the run, or only late: it asks again, or starts again, and finds out.
#[test]
fn a_commit_whose_reply_is_lost_or_late_counts_once() {
    if Ground::find("proxy").is_none() {
        return;
    }
    let long = long();
    let mut dice = Dice::new("a_commit_whose_reply_is_lost_or_late");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = OwnBroker::sending_to(Some(listener.local_addr().unwrap().port()));
    let address = listener.local_addr().unwrap().to_string();
    let faults = Arc::new(Mutex::new(Faults::default()));
    stand_between(listener, own.proxied.clone().unwrap(), faults.clone());

    let ground = Ground::at(&own.bootstrap, "proxy");
    let project = Project::sea(&ground, "2024-01-09");
    let out = project.path("files");
    let mut files = project.command("run", None, &["--quiet", "--out", out.to_str().unwrap()]);
    for part in project.parts("events", 2).into_iter().chain(project.parts("labels", 2)) {
        files.args(["--input", &part]);
    }
    expect_code(&mut files, 0);
    project.feed(&ground, 2);
    let out = project.path("topics");
    let log = project.path("errors");
    let (mut lost, mut late, mut again) = (0, 0, 0);
    for _ in 0..if long { 20 } else { 1 } {
        *faults.lock().unwrap() = Faults::new(Dice::of(dice.below(u64::MAX)), 10);
        let words =
            ["--until-end", "--quiet", "--fresh", "-n", "2", "--restarts", "1000", "--out", out.to_str().unwrap()];
        let mut command = project.command("run", Some(&address), &words);
        let status = command.stderr(File::create(&log).unwrap()).status().unwrap();
        let told = std::fs::read_to_string(&log).unwrap();
        assert!(status.success(), "{status}: {told}");
        again += told.matches("starting the group again").count();
        {
            let faults = faults.lock().unwrap();
            (lost, late) = (lost + faults.lost, late + faults.late);
        }
        for stream in STREAMS {
            let messages = ground.messages(&project.topic(stream));
            assert_eq!(values(&messages), project.written("files", stream), "{stream}");
        }
        assert_eq!(ticks(&ground, &project), project.written("files", "progress").len() as u64);
    }
    println!("{lost} replies lost, {late} late, the group started again {again} times");
    assert!(lost > 0 && late > 0, "there were commits to lose");
}

#[test]
fn a_live_run_that_is_killed_predicts_once() {
    let Some(ground) = Ground::find("live-killed") else { return };
    let mut dice = Dice::new("a_live_run_that_is_killed");
    let project = Project::sea(&ground, "2024-01-03");
    project.feed(&ground, 2);
    let out = project.path("out");
    let words = ["--quiet", "--out", out.to_str().unwrap()];
    for kill in 0..5 {
        let log = project.path("errors");
        let shape = SHAPES[dice.below(2) as usize];
        let words = [&words[..], shape, &["--checkpoint-every", "20 ticks"]].concat();
        let mut command = project.command("run", Some(ground.broker.bootstrap()), &words);
        let run = Running::start(command.stderr(File::create(&log).unwrap()));
        let status = kill_after(run, Duration::from_millis(dice.below(4000)));
        assert_eq!(status, None, "kill {kill}: {}", std::fs::read_to_string(&log).unwrap());
    }
    // Whenever it is asked to stop, it stops well, and soon.
    let long = long();
    let (mut took, mut covered) = (Vec::new(), 0);
    for stop in 0..if long { 50 } else { 5 } {
        let log = project.path("errors");
        let shape = SHAPES[dice.below(4) as usize];
        let mut command = project.command(
            "run",
            Some(ground.broker.bootstrap()),
            &[&["--out", out.to_str().unwrap()], shape].concat(),
        );
        let mut run = Running::start(command.stderr(File::create(&log).unwrap()));
        let (_keep, never) = channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(1500 + dice.below(2500)));
        assert!(run.runs(), "stop {stop}: {}", std::fs::read_to_string(&log).unwrap());
        let asked = Instant::now();
        run.signal(Signal::TERM);
        let status = run.end();
        took.push(asked.elapsed());
        let told = std::fs::read_to_string(&log).unwrap();
        assert!(status.success(), "stop {stop} of {shape:?}: {status} {told}");
        // What was made again once may not have been done with when it was stopped; then all stands in the checkpoint.
        let all = told.contains("all of them are in the checkpoint");
        assert!(all || covered == 0, "stop {stop}: nothing is made again behind a stop: {told}");
        covered += u32::from(all);
    }
    took.sort();
    let p99 = took[(took.len() * 99).div_ceil(100) - 1];
    println!("{} stops took {:?} to {p99:?} (p99), {covered} found all in the checkpoint", took.len(), took[0]);
    assert!(covered > 0, "a stop saves");
    // One that is asked to stop leaves the end of the input to whoever goes on.
    let mut run = Running::start(&mut project.command("run", Some(ground.broker.bootstrap()), &words));
    let topic = project.topic("predictions");
    let began = Instant::now();
    let seen = || match ground.broker.admin().unwrap().partitions().unwrap().contains_key(&topic) {
        true => ground.messages(&topic).len(),
        false => 0,
    };
    while seen() < 1000 {
        assert!(run.runs() && began.elapsed() < PATIENCE, "it predicts");
    }
    run.signal(Signal::TERM);
    assert!(run.end().success());
    ticks(&ground, &project);
    expect_code(
        &mut project.command("run", Some(ground.broker.bootstrap()), &[&words[..], &["--until-end"]].concat()),
        0,
    );
    ticks(&ground, &project);
    let predictions = ground.messages(&topic);
    let predicted: BTreeSet<&str> = predictions.iter().map(|message| message.key_text()).collect();
    let events: Vec<String> = project.lines("events").iter().map(|line| id(line)).collect();
    assert_eq!((predictions.len(), predicted.len()), (events.len(), events.len()), "each event once");
    assert!(events.iter().all(|id| predicted.contains(id.as_str())));
    assert_eq!(project.summary("out")["balance"]["holds"], true);
}

#[test]
fn who_wakes_up_after_a_successor_has_started_writes_nothing_and_exits_with_3() {
    let Some(ground) = Ground::find("fenced") else { return };
    let project = Project::sea(&ground, "2024-01-02");
    project.feed(&ground, 1);
    let (old, new) = (project.path("old"), project.path("new"));
    let log = project.path("errors");
    let mut command =
        project.command("run", Some(ground.broker.bootstrap()), &["--quiet", "--out", old.to_str().unwrap()]);
    let mut sleeper = Running::start(command.stderr(File::create(&log).unwrap()));
    let topic = project.topic("progress");
    let began = Instant::now();
    let begun = || match ground.broker.admin().unwrap().partitions().unwrap().contains_key(&topic) {
        true => ground.messages(&topic).len() > 1,
        false => false,
    };
    while !begun() {
        assert!(sleeper.runs() && began.elapsed() < PATIENCE, "{}", std::fs::read_to_string(&log).unwrap());
    }
    sleeper.signal(Signal::STOP);

    // The same folder is still the sleeper's.
    let same = ["--until-end", "--out", old.to_str().unwrap()];
    let output = expect_code(&mut project.command("run", Some(ground.broker.bootstrap()), &same), 2);
    assert!(crate::project::errors(&output).contains("another run is writing"));
    let words = ["--until-end", "--quiet", "--out", new.to_str().unwrap()];
    expect_code(&mut project.command("run", Some(ground.broker.bootstrap()), &words), 0);
    let all = |streams: &[&str]| streams.iter().map(|s| ground.messages(&project.topic(s))).collect::<Vec<_>>();
    let written = all(&[&STREAMS[..], &["progress"]].concat());
    // Something to do for the sleeper, if it has nothing left.
    let producer = ground.producer(None);
    let line = r#"{"id":"more","at":"2024-01-02T00:00:00Z","x0":1,"x1":1,"x2":1}"#;
    crate::support::send(&producer, &project.topic("events"), 0, "more", Some(line), 1_704_153_600_000);
    rdkafka::producer::Producer::flush(&producer, PATIENCE).unwrap();
    sleeper.signal(Signal::CONT);
    let told = || std::fs::read_to_string(&log).unwrap();
    assert_eq!(sleeper.end().code(), Some(3), "{}", told());
    assert!(told().contains("fenced: another run writes"), "{}", told());
    assert_eq!(all(&[&STREAMS[..], &["progress"]].concat()), written, "it writes nothing");
}
