//! Many models: what a model comes to does not depend on those beside it.

use super::support::{Run, STREAMS, plain, run, same_lines, twelve};
use serde_json::Value;
use std::fs;

/// The lines of a stream that are of one model, or beside it, without what counts ticks.
fn of(run: &Run, stream: &str, model: &str) -> String {
    let mut lines = String::new();
    for mut line in run.records(stream) {
        if line["model"] != model && line["beside"] != model {
            continue;
        }
        if let Some(lineage) = line.get_mut("lineage").and_then(Value::as_object_mut) {
            lineage.remove("tick").expect("a tick");
        }
        lines += &(line.to_string() + "\n");
    }
    lines
}

/// The pipeline with one of its models alone.
fn alone(text: &str, model: &str) -> String {
    let mut kept = true;
    let line = |line: &str| {
        let header = line.trim_start_matches('[');
        if line.starts_with('[') {
            let name = format!("model.{model}");
            kept = !header.starts_with("model.")
                || header.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['.', ']']));
        }
        kept.then(|| format!("{line}\n"))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn a_model_is_the_same_alone() {
    let all = plain(twelve());
    let text = fs::read_to_string(&twelve().file).expect("the pipeline");
    let summary = all.summary();
    assert_eq!(summary["champions"].as_object().map(|champions| champions.len()), Some(12));
    // A tree, and one model of each way in which versions come and go.
    for model in ["forest", "drifting", "careful", "compared"] {
        let file = twelve().file.with_file_name(format!("{model}.toml"));
        fs::write(&file, alone(&text, model)).expect("a pipeline");
        let one = run(&format!("alone_{model}"), &file, &[]);
        assert_eq!(one.summary()["champions"].as_object().map(|champions| champions.len()), Some(1));
        for stream in STREAMS.iter().filter(|stream| **stream != "dead_letters") {
            let (with, without) = (of(all, stream, model), of(&one, stream, model));
            assert!(*stream == "decisions" || !with.is_empty(), "{stream} of {model}");
            same_lines(&format!("{stream} of {model}"), &with, &without);
        }
        assert_eq!(one.summary()["balance"], summary["balance"]);
    }
}
