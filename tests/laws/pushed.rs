//! Models that were trained elsewhere: a better one is the next version, with the digest that was pushed; a worse one
//! answers nobody; what is no model of this run is refused; and a replay takes what was pushed from where it is kept.

use super::support::{Run, Small, program, text, tidemill};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tidemill::config::spec::OptimizerSpec;
use tidemill::model::{Artifact, Body, BoostedTrees, Linear, Logistic, Node};
use tidemill::task::Task;
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
schema = { id = "text", at = "timestamp", x = "float" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "2h"
schema = { id = "text", at = "timestamp", y = "bool" }
[features]
x = "x"
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.0001 }
[[model.m.trigger]]
kind = "manual"
[model.m.train]
window = "30d"
holdout = 0.2
activate_after = "1h"
[model.m.gate]
metric = "log_loss"
margin = 0.01
[model.m.deploy]
strategy = "immediate"
"#;
const MINUTE: i64 = 60_000_000;

/// An event a minute, whose label says whether `x` is high, but for one in nine; it lands ten minutes later.
pub(super) fn streams(hours: i64) -> (String, String) {
    let start = Time::parse("2024-03-01").expect("a time").0;
    let (mut events, mut labels) = (String::new(), String::new());
    for n in 0..hours * 60 {
        let (at, x) = (start + n * MINUTE, (n * 37 % 101) as f64 / 10.0);
        events += &format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"x\":{x}}}\n", Time(at));
        let y = (x > 5.0) != (n % 9 == 0);
        labels += &format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"y\":{y}}}\n", Time(at + 10 * MINUTE + 1_000_000));
    }
    (events, labels)
}

fn small(name: &str) -> Small {
    let (events, labels) = streams(60);
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    Small::new(&format!("pushed_{name}"), PIPELINE, &streams)
}

/// One tree that says so much of what is high, and the contrary of what is low.
fn stump(high: f64) -> Body {
    let tree = vec![Node::Split(0, 5.0, 1), Node::Leaf(-high), Node::Leaf(high)];
    Body::BoostedTrees(BoostedTrees { task: Task::Binary, bases: vec![0.0], trees: vec![tree], examples: 77 })
}

/// A run that is fed by hand; its labels, which are all there, wait for it.
pub(super) struct Fed<'a> {
    out: &'a Path,
    child: std::process::Child,
    input: Option<std::process::ChildStdin>,
    lines: std::vec::IntoIter<String>,
}

impl<'a> Fed<'a> {
    pub(super) fn start(small: &Small, out: &'a Path, workers: &str) -> Fed<'a> {
        let mut run = program();
        run.arg("run").arg(&small.file).arg("--out").arg(out);
        run.args(["--quiet", "--input", "events=-", "-w", workers]);
        let mut child = run.stdin(Stdio::piped()).spawn().expect("the program starts");
        let input = child.stdin.take();
        let lines: Vec<String> = streams(60).0.lines().map(str::to_string).collect();
        Fed { out, child, input, lines: lines.into_iter() }
    }

    /// Lets so many hours pass, and waits for what is written then.
    pub(super) fn hours(&mut self, hours: usize, file: &str, wanted: &str) {
        let input = self.input.as_mut().expect("it is open");
        for line in self.lines.by_ref().take(hours * 60) {
            writeln!(input, "{line}").expect("it reads");
        }
        let began = Instant::now();
        while !fs::read_to_string(self.out.join(file)).unwrap_or_default().contains(wanted) {
            assert!(self.child.try_wait().expect("it can be asked").is_none(), "it goes on");
            assert!(began.elapsed() < Duration::from_secs(60), "{file} never has {wanted}");
        }
    }

    pub(super) fn end(mut self) -> Run {
        let mut input = self.input.take().expect("it is open");
        self.lines.for_each(|line| writeln!(input, "{line}").expect("it reads"));
        drop(input);
        assert!(self.child.wait().expect("it ends").success());
        Run { out: self.out.to_path_buf() }
    }
}

/// The artifact of a body for the features of a run.
fn artifact(out: &Path, body: Body) -> Artifact {
    let first = fs::read(out.join("registry/m/v1.json")).expect("version 1");
    let first = Artifact::from_bytes(&first).expect("it is an artifact");
    Artifact::new("m", &first.features, first.width as usize, body).expect("it is usable")
}

fn push(out: &Path, artifact: &[u8]) -> (i32, String) {
    let file = out.join("pushed.json");
    fs::write(&file, artifact).expect("a file");
    let ended = tidemill(["models", "push", file.to_str().expect("a path"), "--out", out.to_str().expect("a path")]);
    (ended.code, format!("{}{}", ended.stdout, ended.stderr))
}

pub(super) fn verify(small: &Small, out: &Path, workers: &str) -> (i32, String) {
    let words = ["verify", small.file.to_str().expect("a path"), "--out", out.to_str().expect("a path")];
    let ended = tidemill(words.into_iter().chain(["--quiet", "-w", workers]));
    (ended.code, ended.stderr)
}

#[test]
fn a_better_one_is_released_and_a_worse_one_is_not() {
    let small = small("judged");
    let out = small.folder.join("out");
    let mut fed = Fed::start(&small, &out, "1");
    fed.hours(30, "progress.log", "\"boundary\":\"2024-03-02T05:00:00Z\"");
    let worse = artifact(&out, stump(-2.0)).to_bytes();
    assert_eq!(push(&out, &worse).0, 0);
    fed.hours(4, "decisions.jsonl", "\"verdict\":\"rejected\"");
    // As another program may write it: the digest is that of what it says.
    let better = artifact(&out, stump(2.0));
    let digest = Artifact::digest(&better.to_bytes());
    let spaced = serde_json::to_vec_pretty(&better).expect("it is JSON");
    let (code, told) = push(&out, &spaced);
    assert!(code == 0 && told.contains(&digest), "{told}");
    fed.hours(4, "models.jsonl", "\"version\":2");
    let run = fed.end();

    let versions = run.records("models");
    assert_eq!(versions.len(), 2, "{versions:?}");
    let two = &versions[1];
    let said = ["digest", "cause", "source", "kind", "role"].map(|field| text(two, field));
    assert_eq!(said, [digest.as_str(), "pushed", "pushed", "boosted_trees", "champion"]);
    assert_eq!((&two["lineage"]["outside"], &two["lineage"]["window"]), (&true.into(), &Value::Null));
    assert_eq!((&two["lineage"]["updates"], &two["report"]["refitted"]), (&77.into(), &0.into()));
    let stored = fs::read(out.join("registry/m/v2.json")).expect("version 2");
    assert_eq!(Artifact::digest(&stored), digest);
    let answered = run.records("predictions").into_iter().rfind(|p| p["role"] == "champion").expect("a prediction");
    assert_eq!(answered["version"], 2);
    assert!([0.8807970779778823, 0.11920292202211755].contains(&answered["score"].as_f64().expect("a score")));
    let decisions = run.records("decisions");
    let told: Vec<String> = decisions.iter().map(|d| format!("{} {}", text(d, "kind"), text(d, "verdict"))).collect();
    assert_eq!(told, ["push fired", "release rejected", "push fired", "release released"]);

    // All of it is made again from what is kept, by any workers.
    for workers in ["1", "2"] {
        let (code, stderr) = verify(&small, &out, workers);
        assert_eq!(code, 0, "{stderr}");
    }
    // Without what was pushed it cannot be, and says what is missing.
    let kept = out.join(format!("registry/m/pushed/{digest}.json"));
    let bytes = fs::read(&kept).expect("it is kept");
    fs::remove_file(&kept).expect("it can be removed");
    let (code, stderr) = verify(&small, &out, "1");
    assert!(code == 6 && stderr.contains(&digest) && stderr.contains("registry/m/pushed"), "{code}: {stderr}");
    fs::write(&kept, [&bytes[..], b" "].concat()).expect("it can be written");
    let (code, stderr) = verify(&small, &out, "1");
    assert!(code == 6 && stderr.contains("its digest is"), "{code}: {stderr}");
}

#[test]
fn what_is_no_model_of_the_run_is_refused() {
    let small = small("refused");
    let run = small.run("out", &[]);
    let good = artifact(&run.out, stump(1.0));
    let other = |change: &dyn Fn(&mut Artifact)| {
        let mut other = good.clone();
        change(&mut other);
        other.to_bytes()
    };
    let too_long = vec![b' '; Artifact::MAX_BYTES + 1];
    for (bytes, says) in [
        (other(&|a| a.model = "n".to_string()), "it is an artifact of model `n`, not of `m`"),
        (other(&|a| a.features = "0a".repeat(32)), "it is for the feature schema 0a0a"),
        (other(&|a| a.width = 2), "it is for vectors of 2 slots, those of `m` have 1"),
        (
            other(&|a| a.body = Body::Linear(Linear::new(1, &OptimizerSpec::sgd(0.1), 0.0))),
            "its task is regression, that of `m` is binary",
        ),
        (other(&|a| a.body = Body::Logistic(Logistic::new(3, &OptimizerSpec::sgd(0.1), 0.0))), "3 weights for 1 slots"),
        (b"{\"format\":1".to_vec(), "artifact is malformed"),
        (b"{\"format\":7}".to_vec(), "artifact has format 7"),
        (too_long, "is longer than"),
    ] {
        let (code, told) = push(&run.out, &bytes);
        assert!(code == 2 && told.contains(says), "{code}: {told} does not say {says}");
    }
    assert!(!run.out.join("models.request").exists(), "nothing was asked");
    let ended = tidemill(["models", "push", "nowhere.json", "--out", run.out.to_str().expect("a path")]);
    assert!(ended.code == 2 && ended.stderr.contains("nowhere.json"), "{ended:?}");
}

/// A run that is stopped while the one that was pushed is under way goes on as if it had not been.
#[test]
fn one_that_is_under_way_survives_a_kill() {
    let small = small("killed");
    let out = small.folder.join("out");
    let mut fed = Fed::start(&small, &out, "2");
    fed.hours(30, "progress.log", "\"boundary\":\"2024-03-02T05:00:00Z\"");
    let better = artifact(&out, stump(2.0));
    assert_eq!(push(&out, &better.to_bytes()).0, 0);
    fed.hours(2, "progress.log", "\"pushed\":[[\"m\",");
    fed.child.kill().expect("it can be killed");
    let _ = fed.child.wait();
    // Its input was a pipe; the same rows are in the file.
    let run = small.run("out", &["-w", "1"]);
    let versions = run.records("models");
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!(text(&versions[1], "digest"), Artifact::digest(&better.to_bytes()));
    let (code, stderr) = verify(&small, &out, "2");
    assert_eq!(code, 0, "{stderr}");
}
