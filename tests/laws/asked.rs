//! A training that is asked for by hand: of one model or of all, in the progress record, and the same when its tick is
//! made again.

use super::pushed::{Fed, streams, verify};
use super::support::{Small, text, tidemill};
use serde_json::{Value, json};

/// Two models that ask for nothing by themselves.
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
[model.first]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.0001 }
retrain = { kind = "gaussian_nb" }
[[model.first.trigger]]
kind = "manual"
cooldown = "1h"
warm_up = 100
[model.first.train]
activate_after = "1h"
[model.second]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.0001 }
retrain = { kind = "gaussian_nb" }
[[model.second.trigger]]
kind = "manual"
cooldown = "1h"
warm_up = 100
[model.second.train]
activate_after = "1h"
"#;

#[test]
fn a_training_is_asked_for_of_one_model_or_of_all() {
    let (events, labels) = streams(60);
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    let small = Small::new("asked", PIPELINE, &streams);
    let out = small.folder.join("out");
    let folder = out.to_str().expect("a path");
    let mut fed = Fed::start(&small, &out, "1");
    fed.hours(30, "progress.log", "\"boundary\":\"2024-03-02T05:00:00Z\"");
    let wrong = tidemill(["retrain", "--out", folder, "--model", "secnd"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("no model `secnd`") && wrong.stderr.contains("did you mean `second`?"), "{wrong:?}");
    assert!(!out.join("models.request").exists() && !out.join("retrain.request").exists(), "nothing was asked");
    // Twice is once.
    for _ in 0..2 {
        let asked = tidemill(["retrain", "--out", folder, "--model", "second"]);
        assert!(asked.code == 0 && asked.stdout.contains("a retraining of second"), "{asked:?}");
    }
    fed.hours(8, "decisions.jsonl", "\"verdict\":\"fired\"");
    let asked = tidemill(["retrain", "--out", folder]);
    assert!(asked.code == 0 && asked.stdout.contains("a retraining of all models"), "{asked:?}");
    let run = fed.end();

    let decisions: Vec<Value> = run.records("decisions").into_iter().filter(|d| d["kind"] == "retrain").collect();
    let fired: Vec<&Value> = decisions.iter().filter(|d| d["verdict"] == "fired").collect();
    let models: Vec<&str> = fired.iter().map(|decision| text(decision, "model")).collect();
    assert_eq!((models[0], models.len()), ("second", 3), "{models:?}");
    assert_eq!(text(fired[1], "at"), text(fired[2], "at"), "of all at one boundary");
    for decision in &fired {
        assert_eq!(decision["causes"][0]["figures"]["requests"], json!(1.0), "{decision}");
    }
    let progress = run.progress();
    let asked: Vec<&Value> = progress.iter().map(|tick| &tick["retrain"]).filter(|of| !of.is_null()).collect();
    assert_eq!(asked, [&json!(["second"])]);
    for workers in ["1", "3"] {
        let (code, told) = verify(&small, &out, workers);
        assert_eq!(code, 0, "{told}");
    }
}
