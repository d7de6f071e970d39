//! Forgetting: from the boundary on at which labels are forgotten, exact learners predict byte for byte what they predict
//! in a run that never had them, and so do metrics and the next batch fit; by any workers, across a kill, and when it is
//! made again. What cannot be rid of them, and what still carries them, is named.

use super::support::{Run, Small, program, same_lines, text, tidemill, whole};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};
use tidemill::fault::DIE_AT;
use tidemill::time::Time;

const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "1h"
idle_ms = 60_000
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", x = "float", who = "text" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y > 0"
timeout = "2h"
schema = { id = "text", at = "timestamp", y = "float" }
[features]
x = "x"
newest = { last = "labels.y * labels.y", by = "who", over = "1h", missing = 0 }
known = { count = "labels.y", over = "1h" }
[model.m]
task = "binary"
learner = { kind = "gaussian_nb" }
[model.m.metrics]
windows = ["2h"]
names = ["log_loss", "accuracy"]
slices = ["who"]
[[model.m.trigger]]
kind = "manual"
[model.m.train]
window = "30d"
holdout = 0.2
activate_after = "1h"
[model.m.gate]
metric = "log_loss"
margin = 0.0
[model.m.deploy]
strategy = "immediate"
"#;
const MINUTE: i64 = 60_000_000;
const HOURS: i64 = 10;
const PER_HOUR: i64 = 180;
/// The boundary at which they are forgotten.
const FORGOTTEN: i64 = 6;

fn start() -> i64 {
    Time::parse("2024-03-01").expect("a time").0
}

/// Events of the fifth hour whose labels come right before the boundary, so that nothing is scored in between.
fn open() -> Vec<i64> {
    (4 * PER_HOUR..5 * PER_HOUR).filter(|n| n % 15 == 0).collect()
}

/// Events of the second hour, whose timeouts have long passed by then.
fn settled() -> Vec<i64> {
    (PER_HOUR..2 * PER_HOUR).filter(|n| n % 7 == 0).collect()
}

/// An event every twenty seconds; its label lands ten minutes later. Those of `without` have none; of the others the first of
/// those that are open is corrected after the boundary.
fn streams(without: &[i64]) -> (String, String) {
    let (mut events, mut labels) = (String::new(), Vec::new());
    for n in 0..HOURS * PER_HOUR {
        let (at, x) = (start() + n * MINUTE / 3, (n * 37 % 101) as f64 / 10.0);
        let who = ["a", "b", "c"][(n % 3) as usize];
        events += &format!("{{\"id\":\"e{n}\",\"at\":\"{}\",\"x\":{x},\"who\":\"{who}\"}}\n", Time(at));
        let y = if (x > 5.0) != (n % 9 == 0) { 1.0 + x / 3.0 } else { -1.0 - x / 7.0 };
        if without.contains(&n) {
            continue;
        }
        let late = start() + FORGOTTEN * 60 * MINUTE - MINUTE / 6 + n;
        let known = if open().contains(&n) { late } else { at + 10 * MINUTE + 1_000_000 };
        labels.push((known, n, y));
        if n == open()[0] {
            labels.push((late + 40 * MINUTE, n, -y));
        }
    }
    labels.sort_by_key(|(known, n, _)| (*known, *n));
    let line = |(at, n, y): (i64, i64, f64)| format!("{{\"id\":\"e{n}\",\"at\":\"{}\",\"y\":{y}}}\n", Time(at));
    (events, labels.into_iter().map(line).collect())
}

fn small(name: &str, pipeline: &str, without: &[i64]) -> Small {
    let (events, labels) = streams(without);
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    Small::new(&format!("forget_{name}"), pipeline, &streams)
}

fn boundary(hour: i64) -> String {
    Time(start() + hour * 60 * MINUTE).to_string()
}

/// A run that is fed by hand; its labels, which are all there, wait for it.
struct Fed<'a> {
    out: &'a Path,
    child: Child,
    input: ChildStdin,
    lines: std::vec::IntoIter<String>,
}

impl<'a> Fed<'a> {
    fn start(small: &Small, out: &'a Path, workers: &str) -> Fed<'a> {
        let mut run = program();
        run.arg("run").arg(&small.file).arg("--out").arg(out).args(["--quiet", "--input", "events=-", "-w", workers]);
        run.args(["--checkpoint-every", "1 tick", "--tick-records", "40"]);
        let mut child = run.stdin(Stdio::piped()).spawn().expect("the program starts");
        let input = child.stdin.take().expect("its input");
        let lines: Vec<String> = streams(&[]).0.lines().map(str::to_string).collect();
        Fed { out, child, input, lines: lines.into_iter() }
    }

    /// Lets so many hours pass, and waits for the boundary before the last of them.
    fn hours(&mut self, hours: usize) {
        for line in self.lines.by_ref().take(hours * PER_HOUR as usize) {
            writeln!(self.input, "{line}").expect("it reads");
        }
        let reached = HOURS - self.lines.len() as i64 / PER_HOUR - 1;
        let (wanted, began) = (format!("\"boundary\":\"{}\"", boundary(reached)), Instant::now());
        while !fs::read_to_string(self.out.join("progress.log")).unwrap_or_default().contains(&wanted) {
            assert!(self.child.try_wait().expect("it can be asked").is_none(), "it goes on");
            assert!(began.elapsed() < Duration::from_secs(60), "it never reaches {wanted}");
        }
    }

    fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }
}

/// Asks to forget; what it prints.
fn forget(out: &Path, ids: &[String], more: &[&str]) -> String {
    let words = ["forget", "--out", out.to_str().expect("a path")].into_iter().chain(more.iter().copied());
    let ended = tidemill(words.map(str::to_string).chain(ids.iter().cloned()));
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stdout
}

fn ids(numbers: &[i64]) -> Vec<String> {
    numbers.iter().map(|n| format!("e{n}")).collect()
}

/// The outputs of a run that was killed when so many hours had passed.
fn killed_behind(small: &Small, hour: i64) -> PathBuf {
    let out = small.folder.join("out");
    let mut fed = Fed::start(small, &out, "1");
    fed.hours(hour as usize);
    fed.kill();
    out
}

/// A run in which these are forgotten at a boundary, as its only request; it goes on with these words.
fn forgetful(small: &Small, hour: i64, all: &[String], words: &[&str]) -> Run {
    let out = killed_behind(small, hour);
    forget(&out, all, &["--reason", "asked for"]);
    // Its input was a pipe; the same rows are in the file.
    let run = small.run("out", &[words, &["--tick-records", "40"]].concat());
    verify(small, &run);
    run
}

fn verify(small: &Small, run: &Run) {
    let words = ["verify", small.file.to_str().expect("a path"), "--out", run.out.to_str().expect("a path")];
    let ended = tidemill(words.into_iter().chain(["--quiet", "-w", "2"]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

/// The records of forgetting.
fn records(run: &Run) -> Vec<Value> {
    run.records("decisions").into_iter().filter(|d| d["kind"] == "forget").collect()
}

fn predictions_from(run: &Run, hour: i64) -> String {
    let from = boundary(hour);
    let all = run.text("predictions.jsonl");
    let later = |line: &&str| text(&serde_json::from_str(line).expect("JSON"), "at") >= from.as_str();
    all.lines().filter(later).map(|line| line.to_string() + "\n").collect()
}

/// The last value published of each window that ends from an hour on, and series, without when that was. The baseline
/// of the last label depends on order.
fn metrics_from(run: &Run, hour: i64) -> String {
    let (from, mut newest) = (boundary(hour), BTreeMap::new());
    let kept = |m: &Value| m["window"] != "all" && m["model"] != "no_change" && text(m, "at") >= from.as_str();
    for mut line in run.records("metrics").into_iter().filter(kept) {
        let name = ["model", "version", "role", "slice", "window", "at"].map(|field| line[field].to_string()).join(" ");
        line.as_object_mut().and_then(|fields| fields.remove("published_at")).expect("it was published");
        newest.insert(name, line.to_string());
    }
    newest.into_iter().map(|(name, line)| format!("{name}: {line}\n")).collect()
}

/// The last value published of each window of the frozen model, without when that was, and whether it was the last; with
/// what is estimated from the boundary on, since windows are not published again for the labels before them.
fn frozen(run: &Run) -> String {
    let mut newest = BTreeMap::new();
    for mut line in run.records("metrics").into_iter().filter(|m| m["role"] == "frozen") {
        let whole = line["window"] == "all";
        let name = ["slice", "window", "at"].map(|field| line[field].to_string());
        let is_old = text(&line, "at") < boundary(FORGOTTEN).as_str();
        let fields = line.as_object_mut().expect("an object");
        fields.retain(|name, _| {
            let of_estimate = name.starts_with("estimate");
            !(name == "published_at" || name == "final" || is_old && of_estimate)
        });
        newest.insert(if whole { name[..2].join(" ") } else { name.join(" ") }, line.to_string());
    }
    newest.into_iter().map(|(name, line)| format!("{name}: {line}\n")).collect()
}

fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(PIPELINE.to_string(), |pipeline, (from, to)| {
        assert!(pipeline.contains(from), "{from} was found");
        pipeline.replace(from, to)
    })
}

fn exact() -> [(&'static str, String); 3] {
    let gaussian = "kind = \"gaussian_nb\"";
    let regression = [
        (gaussian, "kind = \"ridge\""),
        ("label = \"y > 0\"", "label = \"y\""),
        ("task = \"binary\"", "task = \"regression\""),
        ("names = [\"log_loss\", \"accuracy\"]", "names = [\"mae\", \"rmse\"]"),
        ("metric = \"log_loss\"", "metric = \"rmse\""),
    ];
    [
        ("gaussian", PIPELINE.to_string()),
        ("multinomial", changed(&[(gaussian, "kind = \"multinomial_nb\"")])),
        ("ridge", changed(&regression)),
    ]
}

/// Without windows over labels: a vector that was served while a label was known keeps what it says of it.
fn without_windows(pipeline: &str) -> String {
    let kept = |line: &&str| !line.starts_with("newest =") && !line.starts_with("known =");
    pipeline.lines().filter(kept).map(|line| line.to_string() + "\n").collect()
}

#[test]
fn an_exact_learner_never_saw_what_was_forgotten() {
    let all = [open(), settled()].concat();
    for (name, pipeline) in exact().map(|(name, pipeline)| (name, without_windows(&pipeline))) {
        let never = small(&format!("{name}_never"), &pipeline, &all).run("out", &["--tick-records", "40"]);
        let (predicted, measured) = (predictions_from(&never, FORGOTTEN), metrics_from(&never, FORGOTTEN + 2));
        assert!(predicted.lines().count() >= 720 && measured.lines().count() > 10, "{measured}");
        let check = |shape: &str, run: &Run| {
            let what = |of: &str| format!("{of} of {name}, {shape}");
            let before = predictions_from(run, 2);
            assert_ne!(before, predictions_from(&never, 2), "{} had learned them", what("predictions"));
            same_lines(&what("predictions"), &predicted, &predictions_from(run, FORGOTTEN));
            same_lines(&what("metrics"), &measured, &metrics_from(run, FORGOTTEN + 2));
            let told = records(run);
            assert_eq!(told.len(), 1, "{told:?}");
            let told = &told[0];
            assert_eq!((text(told, "at"), text(told, "learner")), (boundary(FORGOTTEN).as_str(), "exact"));
            let events = told["events"].as_array().expect("events");
            let counted =
                |state: &str| events.iter().filter(|e| e["state"] == state && e["learner"] == "exact").count();
            assert_eq!((counted("open"), counted("settled"), events.len()), (12, settled().len(), all.len()), "{told}");
            // The correction came too late.
            let dead = run.records("dead_letters");
            assert_eq!(dead.iter().map(|d| text(d, "reason")).collect::<Vec<_>>(), ["forgotten"]);
        };
        in_every_shape(name, &pipeline, &ids(&all), check);
    }
}

/// Runs in which these are forgotten: by one worker, by two processes, and killed behind the boundary.
fn in_every_shape(name: &str, pipeline: &str, all: &[String], check: impl Fn(&str, &Run)) {
    for (shape, words) in [("one", &["-w", "1"][..]), ("processes", &["-n", "2", "-w", "2"])] {
        let small = small(&format!("{name}_{shape}"), pipeline, &[]);
        check(shape, &forgetful(&small, FORGOTTEN, all, words));
    }
    // Asked while it runs, killed behind the boundary, and taken up by others.
    let small = small(&format!("{name}_killed"), pipeline, &[]);
    let out = small.folder.join("out");
    let mut fed = Fed::start(&small, &out, "2");
    fed.hours(FORGOTTEN as usize);
    forget(&out, all, &[]);
    fed.hours(2);
    fed.kill();
    let run = small.run("out", &["-w", "1", "--tick-records", "40"]);
    check("killed", &run);
    verify(&small, &run);
}

/// Labels stay erasable for a day behind their timeout. The model as it was before any of them came is judged by all
/// labels and says the same in every run, so that its metrics differ by what was forgotten alone: in a window that has
/// events of every age, over the whole run, and by slice.
#[test]
fn what_is_erasable_leaves_metrics_long_after_its_timeout() {
    let erasable = [
        ("timeout = \"2h\"", "timeout = \"2h\"\nerasable = \"1d\""),
        ("windows = [\"2h\"]", "windows = [\"2h\", \"8h\"]\nestimate = { names = [\"log_loss\"], min_labels = 50 }"),
        ("task = \"binary\"", "task = \"binary\"\nfreeze_at = [\"2024-03-01T01:00:00Z\"]"),
    ];
    let pipeline = without_windows(&changed(&erasable));
    let all = [open(), settled()].concat();
    let never = small("erasable_never", &pipeline, &all).run("out", &["--tick-records", "40"]);
    let (predicted, measured) = (predictions_from(&never, FORGOTTEN), frozen(&never));
    let windows = |window: &str| measured.lines().filter(|line| line.contains(&format!("\"{window}\""))).count();
    assert!(windows("8h") > 10 && windows("all") == 4, "{measured}");
    let estimated = |line: &&str| line.contains("\"estimated_log_loss\":0.");
    assert!(measured.lines().filter(estimated).count() > 10, "{measured}");
    let check = |shape: &str, run: &Run| {
        assert_ne!(predictions_from(run, 2), predictions_from(&never, 2), "they had been learned, {shape}");
        same_lines(&format!("predictions, {shape}"), &predicted, &predictions_from(run, FORGOTTEN));
        same_lines(&format!("metrics, {shape}"), &measured, &frozen(run));
        let told = &records(run)[0];
        let events = told["events"].as_array().expect("events");
        let gone = |e: &&Value| e["state"] == "settled" && e["metrics"] == "removed" && e["learner"] == "exact";
        assert_eq!((events.iter().filter(gone).count(), events.len()), (settled().len(), all.len()), "{told}");
        let counts = |run: &Run, name: &str| run.summary()["balance"]["counts"][name].clone();
        for name in ["labelled", "expired", "unlabelled"] {
            assert_eq!(counts(run, name), counts(&never, name), "{name}, {shape}");
        }
    };
    in_every_shape("erasable", &pipeline, &ids(&all), check);

    // Without it they stay in the sums, which is what the figures above would tell.
    let kept = without_windows(&changed(&erasable[1..]));
    let run = forgetful(&small("not_erasable", &kept, &[]), FORGOTTEN, &ids(&all), &["-w", "1"]);
    assert_ne!(frozen(&run), measured);
    assert_eq!(records(&run)[0]["events"][open().len()]["metrics"], "settled");
}

/// The vectors from the boundary on, in a run that publishes them: windows over labels have lost what was erasable.
#[test]
fn what_is_erasable_leaves_windows_long_after_its_timeout() {
    let pipeline = changed(&[
        ("every = \"1h\"", "every = \"1h\"\npublish = [\"features\"]"),
        ("timeout = \"2h\"", "timeout = \"2h\"\nerasable = \"1d\""),
        ("over = \"1h\", missing = 0", "over = \"8h\", missing = 0"),
        ("over = \"1h\" }", "over = \"8h\" }"),
    ]);
    let vectors = |run: &Run, hour: i64| -> String {
        let later = |line: &Value| text(line, "at") >= boundary(hour).as_str();
        run.records("features").iter().filter(|line| later(line)).map(|line| format!("{line}\n")).collect()
    };
    let all = settled();
    let never = small("windows_never", &pipeline, &all).run("out", &["--tick-records", "40"]);
    let check = |shape: &str, run: &Run| {
        assert_ne!(vectors(run, 0), vectors(&never, 0), "they had been known, {shape}");
        same_lines(&format!("vectors, {shape}"), &vectors(&never, FORGOTTEN), &vectors(run, FORGOTTEN));
    };
    in_every_shape("windows", &pipeline, &ids(&all), check);
}

/// Nothing was scored between the labels and their being forgotten, so the whole run is as if they had never come, with
/// windows over labels too.
#[test]
fn what_is_forgotten_in_time_leaves_no_trace() {
    for (name, pipeline) in exact() {
        let never = small(&format!("open_{name}_never"), &pipeline, &open()).run("out", &["--tick-records", "40"]);
        let run = forgetful(&small(&format!("open_{name}"), &pipeline, &[]), FORGOTTEN, &ids(&open()), &["-w", "2"]);
        same_lines("predictions", &never.text("predictions.jsonl"), &run.text("predictions.jsonl"));
        same_lines("metrics", &metrics_from(&never, 0), &metrics_from(&run, 0));
        let labelled = |run: &Run| run.summary()["balance"]["counts"]["labelled"].clone();
        assert_eq!(labelled(&never), labelled(&run));
    }
}

#[test]
fn a_request_outlives_runs_that_die_before_they_commit_it() {
    let small = small("outlives", PIPELINE, &[]);
    let out = killed_behind(&small, FORGOTTEN);
    forget(&out, &ids(&open()), &[]);
    let requests = || -> Vec<String> {
        let names = fs::read_dir(&out).expect("it is there").map(|entry| entry.expect("a name").file_name());
        names.filter_map(|name| name.into_string().ok()).filter(|name| name.contains("request")).collect()
    };
    // A tick ends at a boundary, so the request is taken before anything is committed; unless what was judged last is
    // heard of too late.
    let (words, mut taken) = (["--tick-records", "100000"], 0);
    for _ in 0..20 {
        let mut run = program();
        run.arg("run").arg(&small.file).arg("--out").arg(&out).arg("--quiet").args(words).stderr(Stdio::null());
        assert!(!run.env(DIE_AT, "progress.before:1").status().expect("it starts").success());
        let found = requests();
        assert_eq!(found.len(), 1, "{found:?}");
        taken += usize::from(found[0].starts_with("forget.request."));
        if taken == 2 {
            break;
        }
    }
    assert_eq!(taken, 2, "it was taken, and taken again");
    let run = small.run("out", &words);
    let told = records(&run);
    assert_eq!((told.len(), text(&told[0], "verdict")), (1, "forgotten"), "{told:?}");
    assert_eq!(requests(), Vec::<String>::new());
    verify(&small, &run);

    // Who asks a run that has ended is told; a run that starts over was not asked.
    let ended = tidemill(["forget", "e1", "--out", out.to_str().expect("a path")]);
    assert!(ended.code == 0 && ended.stderr.contains("no run writes to"), "{ended:?}");
    let run = small.run("out", &["--fresh", "--tick-records", "100000"]);
    assert_eq!((records(&run).len(), requests().len()), (0, 0));
}

/// Who is named instead of events: all of theirs in the input so far, by files and by a column that is not the key.
#[test]
fn whose_events_are_forgotten_can_be_said() {
    let small = small("whose", PIPELINE, &[]);
    let out = killed_behind(&small, FORGOTTEN);
    // What is no event, and one that came twice, are in the file too.
    let events = small.folder.join("datasets/small/events.jsonl");
    let (lines, mut more) = (fs::read_to_string(&events).expect("it reads"), String::new());
    more.push_str("{\"id\":\"x\",\"who\":\"b\"}\n");
    more.push_str(lines.lines().nth(1).expect("a line of b"));
    fs::write(&events, lines + &more + "\n").expect("it writes");
    let file = small.file.to_str().expect("a path");
    let whose = |who: &str| ["--pipeline".to_string(), file.to_string(), "--where".to_string(), format!("who={who}")];
    let told = forget(&out, &[], &whose("b").each_ref().map(String::as_str));
    assert!(told.contains(&format!("asked to forget {} ids", HOURS * PER_HOUR / 3)), "{told}");
    let run = small.run("out", &["--tick-records", "40"]);
    let record = &records(&run)[0];
    let told = record["events"].as_array().expect("events");
    let known: Vec<&str> = told.iter().filter(|e| e["state"] != "unknown").map(|e| text(e, "prediction_id")).collect();
    let theirs: Vec<String> = ids(&(0..FORGOTTEN * PER_HOUR).filter(|n| n % 3 == 1).collect::<Vec<_>>());
    assert_eq!(known, theirs);

    for (whose, told) in [(whose("nobody"), "no event of the input so far has who=nobody"), (whose("b"), "")] {
        let words = ["forget".to_string(), "--out".to_string(), out.display().to_string()].into_iter().chain(whose);
        let ended = tidemill(words);
        assert_eq!((ended.code == 0, ended.stderr.contains(told)), (told.is_empty(), true), "{ended:?}");
    }
    let ended = tidemill(["forget", "--out", out.to_str().expect("a path"), "--pipeline", file, "--where", "whom=b"]);
    assert!(ended.code == 2 && ended.stderr.contains("no such column") && ended.stderr.contains("who"), "{ended:?}");
}

/// A learner that depends on order, and versions by a batch learner every three hours.
fn retrained() -> String {
    without_windows(&changed(&[
        (
            "learner = { kind = \"gaussian_nb\" }",
            "learner = { kind = \"logistic\", learning_rate = 0.0001 }\nretrain = { kind = \"gaussian_nb\" }",
        ),
        ("kind = \"manual\"", "kind = \"schedule\"\nevery = \"3h\"\nwarm_up = 100\ncooldown = \"1h\""),
    ]))
}

/// The digests of what was fitted, by the decision.
fn fitted(run: &Run) -> BTreeMap<String, String> {
    let ends = run.records("decisions").into_iter().filter(|d| d["kind"] == "release");
    let digest = |d: &Value| d["report"]["candidates"][0]["digest"].to_string();
    ends.map(|d| (text(&d, "decision").to_string(), digest(&d))).collect()
}

#[test]
fn the_next_fit_is_without_them_and_what_carries_them_is_named() {
    let all = [open(), settled()].concat();
    let never = small("retrained_never", &retrained(), &all).run("out", &["--tick-records", "40"]);
    let asked = [ids(&all), vec!["nobody".to_string()]].concat();
    let small_one = small("retrained", &retrained(), &[]);
    let run = forgetful(&small_one, FORGOTTEN, &asked, &["-w", "2"]);
    let (never, fits) = (fitted(&never), fitted(&run));
    let (before, after) = ("m-2024-03-01T04:00:00Z", "m-2024-03-01T07:00:00Z");
    assert!(fits[before].len() == 66 && fits[before] != never[before], "{fits:?}");
    assert_eq!(fits[after], never[after]);

    let told = &records(&run)[0];
    assert_eq!((text(told, "verdict"), text(told, "learner")), ("forgotten", "replayed"));
    assert!(text(told, "text").contains("a retraining removes them; still in v2"), "{told}");
    let event = |id: &str| {
        let found = told["events"].as_array().expect("events").iter().find(|e| e["prediction_id"] == id);
        found.unwrap_or_else(|| panic!("{id} in {told}")).clone()
    };
    let fields = ["state", "label", "example", "metrics", "learner", "versions", "training", "reason"];
    let is = |id: &str| fields.map(|field| event(id)[field].to_string()).join(" ");
    let reason = "\"asked for\"";
    let gone = |metrics: &str, versions: &str| {
        format!("\"removed\" \"removed\" \"{metrics}\" \"replayed\" {versions} false {reason}")
    };
    assert_eq!(is("e720"), format!("\"open\" {}", gone("removed", "[]")));
    assert_eq!(is("e182"), format!("\"settled\" {}", gone("settled", "[2]")));
    assert_eq!(event("nobody")["state"], "unknown");
    assert_eq!(whole(&run.records("models")[1], "version"), 2);

    // Whoever asks is told what does remove them.
    let offer = forget(&run.out, &ids(&[1]), &[]);
    assert!(offer.contains("tidemill retrain --out"), "{offer}");
    let refused = tidemill(["forget", "e1", "--out", "nowhere/at/all"]);
    assert!(refused.code == 2 && refused.stderr.contains("nowhere/at/all"), "{refused:?}");
}

/// The training of 04:00 takes effect at 05:00, behind that boundary.
#[test]
fn a_training_under_way_carries_them_and_says_so() {
    let all = ids(&settled());
    let run = forgetful(&small("under_way", &retrained(), &[]), 5, &all[..2], &["-w", "1"]);
    let told = &records(&run)[0];
    assert_eq!(
        (text(told, "training"), &told["versions"]),
        ("m-2024-03-01T04:00:00Z", &Value::from(Vec::<u32>::new()))
    );
    let release = |run: &Run| fitted(run)["m-2024-03-01T04:00:00Z"].clone();
    let never_asked = small("under_way_not", &retrained(), &[]).run("out", &["--tick-records", "40"]);
    assert_eq!(release(&run), release(&never_asked));
}

/// Whoever keeps the newest line of an event keeps no label that was forgotten, and all others.
#[test]
fn who_trains_elsewhere_is_told() {
    let publish = ("every = \"1h\"", "every = \"1h\"\npublish = [\"examples\"]");
    let small = small("told", &changed(&[publish]), &[]);
    let gone = [open(), settled()].concat();
    // One had no label by then, one never came.
    let more = ["e1079".to_string(), "nobody".to_string()];
    let run = forgetful(&small, FORGOTTEN, &[ids(&gone), more.to_vec()].concat(), &["-w", "2"]);
    let lines = run.records("examples");
    let newest: BTreeMap<&str, &Value> = lines.iter().map(|line| (text(line, "prediction_id"), line)).collect();
    let at = boundary(FORGOTTEN);
    for id in ids(&gone) {
        let line = newest[id.as_str()];
        assert_eq!((line["label"].is_null(), text(line, "known_at")), (true, at.as_str()), "{line}");
    }
    for (id, had) in [(ids(&open())[0].clone(), true), (ids(&settled())[0].clone(), false)] {
        let of: Vec<&Value> = lines.iter().filter(|line| text(line, "prediction_id") == id).collect();
        assert_eq!((of.len(), of[0]["label"].is_boolean()), (2, true), "{of:?}");
        let same = |field: &str| of[0][field] == of[1][field];
        assert_eq!(["version", "score", "features"].map(same), [had; 3], "{of:?}");
        assert_eq!((same("model"), of[1]["features"].is_null()), (true, !had), "{of:?}");
    }
    assert!(newest["nobody"]["label"].is_null() && !newest.contains_key("e1079"));
    let labelled = newest.values().filter(|line| !line["label"].is_null()).count();
    assert_eq!(labelled, (HOURS * PER_HOUR) as usize - gone.len() - 1);
}
