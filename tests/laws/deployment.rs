//! Deployment: a canary is promoted, another is retired, a champion goes back to the one before it, an A/B test ends
//! early, and what is bad at the gate answers nobody. What decided is recomputed from the predictions and the labels
//! as they were known; all of it is the same on any workers, and when it is made again.

use super::support::{Run, STREAMS, Small, number, program, same_lines, text, tidemill, whole};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tidemill::time::Time;

const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "1h"
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", x = "float", who = "text" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "12h"
schema = { id = "text", at = "timestamp", y = "bool?" }
[features]
x = "x"
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.0001 }
retrain = { kind = "logistic" }
[model.m.metrics]
windows = ["6h"]
names = ["log_loss", "accuracy"]
[[model.m.trigger]]
kind = "schedule"
every = "24h"
warm_up = 100
cooldown = "1h"
[model.m.train]
window = "30d"
holdout = 0.2
activate_after = "1h"
[model.m.gate]
metric = "log_loss"
margin = 0.01
[model.m.deploy]
"#;

const CANARY: &str =
    "strategy = \"canary\"\nsteps = [0.2, 0.5]\nstep_every = \"6h\"\nmin_labels = 200\nby = [\"who\"]\n";
const MINUTE: i64 = 60_000_000;

fn start() -> i64 {
    Time::parse("2024-03-01").expect("a time").0
}

/// So many hours of an event a minute, of one of 400 people. Its label says whether `x` is high, but for one in nine;
/// from the hour `turned` on it says the contrary. It lands half an hour later; one in ten is wrong first, and
/// corrected ten minutes after.
fn streams(hours: i64, turned: i64) -> (String, String) {
    let (mut events, mut labels) = (String::new(), Vec::new());
    for n in 0..hours * 60 {
        let (at, x) = (start() + n * MINUTE, (n * 37 % 101) as f64 / 10.0);
        events += &format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"x\":{x},\"who\":\"p{}\"}}\n", Time(at), n * 7919 % 400);
        let y = ((x > 5.0) != (n % 9 == 0)) != (n >= turned * 60);
        let known = at + 30 * MINUTE + 1_000_000;
        if n % 10 == 0 {
            labels.extend([(known, n, !y), (known + 10 * MINUTE, n, y)]);
        } else {
            labels.push((known, n, y));
        }
    }
    labels.sort_unstable();
    let line = |(at, n, y): (i64, i64, bool)| format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"y\":{y}}}\n", Time(at));
    (events, labels.into_iter().map(line).collect())
}

fn small(name: &str, deploy: &str, hours: i64, turned: i64) -> Small {
    let (events, labels) = streams(hours, turned);
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    Small::new(name, &format!("{PIPELINE}{deploy}"), &streams)
}

/// The hours after the beginning at which something was decided, in words.
fn story(run: &Run) -> Vec<String> {
    let hour = |record: &Value| (Time::parse(text(record, "at")).expect("a time").0 - start()) / (60 * MINUTE);
    let told = |d: &Value| {
        let reason = d["reason"].as_str().map_or(String::new(), |reason| format!(" {reason}"));
        let version = d["version"].as_i64().map_or(String::new(), |version| format!(" v{version}"));
        format!("{}h {}{reason}{version}", hour(d), text(d, "verdict"))
    };
    run.records("decisions").iter().map(told).collect()
}

/// Runs it on one worker in two cuts of ticks, and on several; all write the same.
fn runs(small: &Small) -> Run {
    let plain = small.run("plain", &["-w", "1", "--tick-records", "97"]);
    for (name, words) in [("cut", ["-w", "1", "--tick-records", "100000"]), ("many", ["-w", "2", "-n", "2"])] {
        let other = small.run(name, &words);
        for stream in STREAMS {
            let file = format!("{stream}.jsonl");
            // Tick numbers are part of a version's lineage.
            let lines = |run: &Run| match stream {
                "models" => run.records("models").iter_mut().fold(String::new(), |text, line| {
                    line.as_object_mut().and_then(|fields| fields.remove("lineage"));
                    text + &line.to_string() + "\n"
                }),
                _ => run.text(&file),
            };
            same_lines(&format!("{name} {file}"), &lines(&plain), &lines(&other));
        }
    }
    plain
}

/// Who answered each event: exactly one version.
fn answers(run: &Run) -> BTreeMap<i64, (i64, String)> {
    let mut answers = BTreeMap::new();
    for line in run.records("predictions") {
        let role = text(&line, "role").to_owned();
        if role == "champion" || role == "challenger" {
            let id = text(&line, "prediction_id").parse().expect("a number");
            assert!(answers.insert(id, (whole(&line, "version"), role)).is_none(), "one answer: {line}");
        }
    }
    answers
}

/// What each version said of each event.
fn said(run: &Run) -> BTreeMap<(i64, i64), f64> {
    let line = |p: &Value| {
        let id = text(p, "prediction_id").parse().expect("a number");
        ((id, whole(p, "version")), number(p, "score"))
    };
    run.records("predictions").iter().map(line).collect()
}

/// A decision's comparison, recomputed: the loss of one version less that of another on events from an hour on, by the
/// labels that stand as of an instant.
fn recomputed(run: &Run, labels: &str, (one, other): (i64, i64), from: i64, as_of: Time) -> (i64, f64) {
    let said = said(run);
    let mut known: BTreeMap<i64, bool> = BTreeMap::new();
    for line in labels.lines() {
        let label: Value = serde_json::from_str(line).expect("JSON");
        if Time::parse(text(&label, "at")).expect("a time") < as_of {
            known.insert(text(&label, "id").parse().expect("a number"), label["y"] == true);
        }
    }
    let loss = |score: f64, y: bool| -(if y { score } else { 1.0 - score }).clamp(1e-4, 1.0 - 1e-4).ln();
    let (mut n, mut sum) = (0, 0.0);
    for (id, y) in known.into_iter().filter(|(id, _)| *id >= from * 60) {
        if let (Some(one), Some(other)) = (said.get(&(id, one)), said.get(&(id, other))) {
            n += 1;
            sum += loss(*one, y) - loss(*other, y);
        }
    }
    (n, sum / n as f64)
}

fn decision<'a>(decisions: &'a [Value], verdict: &str) -> &'a Value {
    decisions.iter().find(|d| d["verdict"] == verdict).unwrap_or_else(|| panic!("no {verdict} in {decisions:?}"))
}

#[test]
fn a_canary_that_is_better_is_promoted() {
    let small = small("canary_promoted", CANARY, 44, i64::MAX / 100);
    let run = runs(&small);
    let story = story(&run);
    let expected = ["25h fired", "26h released v2", "32h step not_worse v2", "39h promote better v2"];
    assert_eq!(story[..4], expected, "{story:?}");

    // One version answers, and the share is that of its step; whoever came to the challenger stays with it.
    let answers = answers(&run);
    assert_eq!(answers.len(), 44 * 60);
    let share = |hours: std::ops::Range<i64>| {
        let of = answers.range(hours.start * 60..hours.end * 60);
        let (mut theirs, mut all) = (BTreeSet::new(), BTreeSet::new());
        for (id, (version, role)) in of {
            assert_eq!(
                role,
                if *version == 1 && hours.end <= 40 || hours.start >= 40 { "champion" } else { "challenger" }
            );
            all.insert(id * 7919 % 400);
            if *version == 2 {
                theirs.insert(id * 7919 % 400);
            }
        }
        let both = all.len() as f64;
        (theirs.len() as f64 / both, theirs)
    };
    let (none, first, second, all) = (share(0..26), share(26..33), share(33..40), share(40..44));
    assert_eq!((none.0, all.0), (0.0, 1.0));
    assert!((first.0 - 0.2).abs() < 0.06 && (second.0 - 0.5).abs() < 0.06, "{} {}", first.0, second.0);
    assert!(first.1.is_subset(&second.1), "nobody goes back and forth");

    // What decided is what is known: the labels as they stood at the boundary, corrections included.
    let (_, labels) = streams(44, i64::MAX / 100);
    let decisions = run.records("decisions");
    for verdict in ["step", "promote"] {
        let told = decision(&decisions, verdict);
        let as_of = Time::parse(text(told, "at")).expect("a time");
        let (n, difference) = recomputed(&run, &labels, (2, 1), 26, as_of);
        assert_eq!(whole(&told["figures"], "labelled"), n, "{told}");
        assert!((number(&told["figures"], "difference") - difference).abs() < 1e-9, "{told} {difference}");
        assert!(number(&told["figures"], "high") < 0.0, "{told}");
    }

    // The roles, as the registry and the topic of models have them.
    let roles: Vec<String> =
        run.records("models").iter().map(|m| format!("{} {} {}", text(m, "at"), m["version"], m["role"])).collect();
    assert_eq!(
        roles,
        [
            "2024-03-01T00:00:00Z 1 \"champion\"",
            "2024-03-02T02:00:00Z 2 \"challenger\"",
            "2024-03-02T09:00:00Z 2 \"challenger\"",
            "2024-03-02T16:00:00Z 2 \"champion\"",
            "2024-03-02T16:00:00Z 1 \"previous\"",
        ]
    );
    let listed = tidemill(["models", "list", "--out", run.out.to_str().expect("a path")]);
    assert!(listed.stdout.contains("*  m      2") && listed.stdout.contains("activated v1 as previous"), "{listed:?}");
    assert_eq!(run.summary()["champions"]["m"], 2);
}

#[test]
fn a_canary_that_is_worse_is_retired() {
    let small = small("canary_retired", CANARY, 44, 26);
    let run = runs(&small);
    let story = story(&run);
    assert_eq!(story[..2], ["25h fired", "26h released v2"], "{story:?}");
    let decisions = run.records("decisions");
    let told = decision(&decisions, "retire");
    assert_eq!((text(told, "reason"), whole(told, "version")), ("worse", 2));
    let (_, labels) = streams(44, 26);
    let (n, difference) = recomputed(&run, &labels, (2, 1), 26, Time::parse(text(told, "at")).expect("a time"));
    assert_eq!(whole(&told["figures"], "labelled"), n);
    assert!((number(&told["figures"], "difference") - difference).abs() < 1e-9 && difference > 0.0);
    assert!(n < 300, "soon after the least number of labels: {n}");
    assert!(!story.iter().any(|line| line.contains("promote")), "{story:?}");
    // From its effect on, an hour later, it is not even scored.
    let gone = Time::parse(text(told, "at")).expect("a time").plus(tidemill::time::Span(60 * MINUTE));
    let later = |p: &&Value| p["version"] == 2 && Time::parse(text(p, "at")).expect("a time") >= gone;
    assert_eq!(run.records("predictions").iter().filter(later).count(), 0);
    assert_eq!(run.summary()["champions"]["m"], 1);
}

#[test]
fn a_champion_that_is_worse_goes_back_to_the_one_before() {
    let deploy = "strategy = \"immediate\"\nrollback_within = \"1d\"\nmin_labels = 200\n";
    let run = runs(&small("rolled_back", deploy, 40, 27));
    let story = story(&run);
    assert_eq!(story[..2], ["25h fired", "26h released v2"], "{story:?}");
    let decisions = run.records("decisions");
    let told = decision(&decisions, "roll_back");
    assert_eq!((text(told, "reason"), whole(told, "version")), ("worse", 1));
    let (_, labels) = streams(40, 27);
    let (n, difference) = recomputed(&run, &labels, (2, 1), 26, Time::parse(text(told, "at")).expect("a time"));
    assert_eq!(whole(&told["figures"], "labelled"), n);
    assert!((number(&told["figures"], "difference") - difference).abs() < 1e-9 && difference > 0.0);
    let answers = answers(&run);
    assert_eq!(answers[&(26 * 60)], (2, "champion".to_owned()));
    assert_eq!(answers[&(40 * 60 - 1)], (1, "champion".to_owned()), "{story:?}");
    assert_eq!(run.summary()["champions"]["m"], 1);
}

#[test]
fn an_ab_test_stops_early_and_rightly() {
    let run = runs(&small("ab", "strategy = \"ab\"\nweights = [3, 1]\nmin_labels = 200\n", 40, i64::MAX / 100));
    let story = story(&run);
    assert_eq!(story[..2], ["25h fired", "26h released v2"], "{story:?}");
    let decisions = run.records("decisions");
    let told = decision(&decisions, "promote");
    assert_eq!((text(told, "reason"), whole(told, "version")), ("better", 2));
    assert!(whole(&told["figures"], "labelled") < 300, "of 30 days that it may take: {told}");
    let theirs = answers(&run).range(26 * 60..30 * 60).filter(|(_, (version, _))| *version == 2).count();
    assert!((theirs as f64 / 240.0 - 0.25).abs() < 0.08, "{theirs} of 240");
}

/// The concept turns around within the held-out rows: what was fitted before is bad there.
#[test]
fn what_is_bad_at_the_gate_answers_nobody() {
    let run = runs(&small("bad_at_the_gate", CANARY, 30, 20));
    let decisions = run.records("decisions");
    let told = decision(&decisions, "kept");
    let candidate = number(&told["report"]["candidates"][0]["figures"], "log_loss");
    assert!(candidate > number(&told["report"]["champion"], "log_loss"), "{told}");
    assert!(answers(&run).values().all(|(version, _)| *version == 1));
    assert_eq!(run.records("models").len(), 1);
}

#[test]
fn by_hand_a_version_is_promoted_pinned_and_taken_back() {
    let small = small("by_hand", "strategy = \"shadow\"\n", 44, i64::MAX / 100);
    let (events, _) = streams(44, i64::MAX / 100);
    let out = small.folder.join("out");
    let file = small.file.to_str().expect("a path");
    let mut run = program();
    run.args(["run", file, "--out", out.to_str().expect("a path"), "--quiet", "--input", "events=-"]);
    let mut child = run.stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("its input");
    let told = |file: &str| fs::read_to_string(out.join(file)).unwrap_or_default();
    let mut lines = events.lines();
    // Asks once something is written, so that the next boundary has it.
    let mut ask = |hours: usize, file: &str, wanted: &str, words: &[&str]| {
        for line in lines.by_ref().take(hours * 60) {
            writeln!(input, "{line}").expect("it reads");
        }
        let began = Instant::now();
        while !told(file).contains(wanted) {
            assert!(child.try_wait().expect("it can be asked").is_none(), "it goes on");
            assert!(began.elapsed() < Duration::from_secs(60), "{file} never has {wanted}");
        }
        let words = ["models"].into_iter().chain(words.iter().copied()).chain(["--out", out.to_str().expect("a path")]);
        assert_eq!(tidemill(words).code, 0);
    };
    ask(30, "models.jsonl", "\"version\":2", &["promote", "2"]);
    ask(4, "decisions.jsonl", "is promoted by hand", &["pin"]);
    ask(4, "decisions.jsonl", "is pinned by hand", &["rollback"]);
    lines.for_each(|line| writeln!(input, "{line}").expect("it reads"));
    drop(input);
    assert!(child.wait().expect("it ends").success());
    let run = Run { out: out.clone() };
    let decisions = run.records("decisions");
    let by_hand: Vec<String> = decisions
        .iter()
        .filter(|d| d["reason"] == "by_hand")
        .map(|d| format!("{} {}", text(d, "verdict"), d["version"]))
        .collect();
    assert_eq!(by_hand, ["promote 2", "pin 2", "roll_back 1"]);
    let answers: BTreeSet<i64> = answers(&run).values().map(|(version, _)| *version).collect();
    assert_eq!(answers, BTreeSet::from([1, 2]));
    assert_eq!(run.summary()["champions"]["m"], 1);

    // What was asked for is in the record: the run is made again without anybody asking.
    let same = tidemill(["verify", file, "--out", out.to_str().expect("a path"), "--quiet"]);
    assert_eq!(same.code, 0, "{same:?}");
    let refused = tidemill(["models", "promote", "2", "--out", "nowhere/at/all"]);
    assert!(refused.code == 2 && refused.stderr.contains("nowhere/at/all"), "{refused:?}");
}
