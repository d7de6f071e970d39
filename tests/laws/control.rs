//! Commands among the records: each is done at the first boundary behind its time, whatever else the run is asked for;
//! by any workers, and when it is made again. What is no command is a dead letter.

use super::support::{Run, Small, same_lines, text, tidemill};
use serde_json::Value;
use tidemill::time::Time;

const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "1h"
tick_records = 40
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
[source.commands]
kind = "control"
[features]
x = "x"
[model.m]
task = "binary"
learner = { kind = "gaussian_nb" }
retrain = { kind = "logistic" }
[model.m.metrics]
windows = ["2h"]
names = ["log_loss", "accuracy"]
[[model.m.trigger]]
kind = "manual"
warm_up = 50
cooldown = "1h"
[model.m.train]
holdout = 0.2
min_examples = 50
activate_after = "1h"
[model.m.gate]
metric = "log_loss"
margin = -1.0
[model.n]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.01 }
[[model.n.trigger]]
kind = "manual"
warm_up = 50
"#;
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

fn at(offset: i64) -> String {
    Time(Time::parse("2024-03-01").expect("a time").0 + offset).to_string()
}

/// An event a minute, for ten hours; its label ten minutes later, but for one that never has one.
fn streams(without: Option<i64>) -> (String, String) {
    let (mut events, mut labels) = (String::new(), String::new());
    for n in 0..600 {
        let (time, x) = (n * 60 * SECOND, (n * 37 % 101) as f64 / 10.0);
        events += &format!("{{\"id\":\"e{n}\",\"at\":\"{}\",\"x\":{x}}}\n", at(time));
        if without != Some(n) {
            let y = (x > 5.0) != (n % 9 == 0);
            labels += &format!("{{\"id\":\"e{n}\",\"at\":\"{}\",\"y\":{y}}}\n", at(time + 600 * SECOND));
        }
    }
    (events, labels)
}

fn small(name: &str, without: Option<i64>, commands: &str) -> Small {
    let (events, labels) = streams(without);
    let streams: [(&str, &[u8]); 3] = [
        ("events.jsonl", events.as_bytes()),
        ("labels.jsonl", labels.as_bytes()),
        ("commands.jsonl", commands.as_bytes()),
    ];
    Small::new(&format!("control_{name}"), PIPELINE, &streams)
}

fn decisions(run: &Run, kind: &str) -> Vec<Value> {
    run.records("decisions").into_iter().filter(|d| d["kind"] == kind).collect()
}

#[test]
fn commands_are_done_at_the_boundary_behind_them() {
    let command = |minutes: i64, rest: &str| format!("{{\"at\":\"{}\",{rest}}}\n", at(minutes * 60 * SECOND));
    let commands = [
        command(150, r#""command":"retrain""#),
        command(150, r#""command":"retrain","model":"m""#),
        command(350, r#""command":"retrain","model":"m""#),
        command(170, r#""command":"retrian""#),
        command(170, r#""command":"promote","model":"m""#),
        command(170, r#""command":"rollback""#),
        command(170, r#""command":"pin","model":"o""#),
        "{\"at\":\n".to_owned(),
        command(350, r#""command":"forget","id":"e330","reason":"asked for by its owner""#),
        // It comes late, and is done as soon as it may be.
        command(10, r#""command":"pin","model":"n""#),
    ];
    let subject = small("done", None, &commands.concat());
    let run = subject.run("out", &["-w", "1"]);
    let said = |kind: &str| {
        let said = decisions(&run, kind).into_iter();
        let said = said.map(|d| format!("{} {} {}", text(&d, "model"), text(&d, "verdict"), text(&d, "at")));
        said.collect::<Vec<_>>()
    };
    let (third, sixth) = (at(3 * HOUR), at(6 * HOUR));
    let retrained = ["m fired ", "n fired ", "m fired "].into_iter().zip([&third, &third, &sixth]);
    assert_eq!(said("retrain"), retrained.map(|(what, at)| format!("{what}{at}")).collect::<Vec<_>>());
    assert_eq!(said("forget"), [format!("m forgotten {sixth}"), format!("n forgotten {sixth}")]);
    assert_eq!(said("deploy"), [format!("n pin {sixth}")], "it came behind all that is before it in its partition");
    let dead = run.records("dead_letters");
    let told: Vec<&str> = dead.iter().map(|d| text(d, "detail")).collect();
    assert!(told[0].contains("command in ('retrain', 'promote',") && told[0].contains("\"retrian\""), "{told:?}");
    assert!(told[1].contains("command <> 'promote' or version is not null"), "{told:?}");
    assert!(told[2].contains("or model is not null"), "{told:?}");
    assert!(told[3].contains("model in ('m', 'n')") && told[3].contains("\"o\""), "{told:?}");
    assert_eq!((text(&dead[4], "reason"), dead.len()), ("malformed", 5));

    // From the boundary on the exact learner never saw what was forgotten.
    let never = small("never", Some(330), &commands[..3].concat()).run("out", &["-w", "1"]);
    let predicted = |run: &Run, from: &str| {
        let of_m = |record: &Value| text(record, "model") == "m" && text(record, "at") >= from;
        let scores = run.records("predictions").into_iter().filter(of_m);
        scores.map(|record| format!("{} {}\n", record["prediction_id"], record["score"])).collect::<String>()
    };
    same_lines("predictions", &predicted(&never, &sixth), &predicted(&run, &sixth));
    assert_ne!(predicted(&never, &third), predicted(&run, &third), "it was learned before");

    let spread = subject.run("spread", &["-n", "2", "-w", "2"]);
    for file in ["predictions.jsonl", "metrics.jsonl", "decisions.jsonl", "dead_letters.jsonl", "progress.log"] {
        same_lines(file, &run.text(file), &spread.text(file));
    }
    let words = ["verify", subject.file.to_str().expect("a path"), "--out", run.out.to_str().expect("a path")];
    let ended = tidemill(words.into_iter().chain(["--quiet", "-w", "2"]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}
