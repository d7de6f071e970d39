//! A pipeline file that is changed between two runs: what did not change keeps its state, and nothing goes unsaid.

use super::files::Subject;
use super::support::field;
use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use tidemill::fault::DIE_AT;

/// A run that stands behind its last checkpoint, in the middle of its input, as one that was asked to stop does.
fn stopped(sea: &Subject) -> usize {
    let mut command = sea.command("changed", &["--checkpoint-every", "20 ticks"]);
    assert!(!command.env(DIE_AT, "checkpoint.after:1").status().expect("it starts").success());
    let folder = sea.out("changed").join("state/checkpoints");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("it is there")
        .flatten()
        .map(|e| e.file_name().into_string().expect("digits"))
        .collect();
    names.sort();
    let tick: usize = names.last().and_then(|name| name.split('-').next()?.parse().ok()).expect("a tick");
    let log = sea.out("changed").join("progress.log");
    let lines: String =
        fs::read_to_string(&log).expect("a log").lines().take(tick + 1).map(|line| format!("{line}\n")).collect();
    fs::write(log, lines).expect("it is written");
    tick
}

fn told(sea: &Subject, words: &[&str], code: i32) -> String {
    let output = sea.command("changed", words).stderr(Stdio::piped()).output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    told
}

fn verify(sea: &Subject, code: i32) -> String {
    let (found, told) = super::verify::verify(sea, "changed", &[]);
    assert_eq!(found, code, "{told}");
    told
}

/// What the online learner said of each event, by id.
fn online(sea: &Subject, out: &str) -> BTreeMap<String, (String, String)> {
    let text = fs::read_to_string(sea.out(out).join("predictions.jsonl")).expect("it is there");
    let line = |line: &str| {
        let text = |name: &str| field(line, name).to_string();
        (text("prediction_id"), (text("score"), text("updates")))
    };
    text.lines().filter(|l| l.contains("\"updates\"")).map(line).collect()
}

#[test]
fn what_did_not_change_goes_on_and_what_would_be_lost_is_named() {
    let sea = Subject::new("sea", "2024-01-03", &[]);
    let file = fs::read_to_string(&sea.file).expect("the pipeline");
    let change = |pairs: &[(&str, &str)]| {
        let mut text = file.clone();
        for (from, to) in pairs {
            assert!(text.contains(from), "the pipeline has {from}");
            text = text.replace(from, to);
        }
        fs::write(&sea.file, text).expect("it is written");
    };
    let again = || {
        fs::write(&sea.file, &file).expect("it is written");
        fs::remove_dir_all(sea.out("changed")).unwrap_or_default();
        stopped(&sea)
    };
    let whole = online(&sea, "whole");

    // A limit of a trigger, and a window that no slot reads: nothing is lost, and the learner does not notice.
    let tick = again();
    let window =
        "share_1h = {\nx0_1h = { mean = \"events.x0\", over = \"1h\", missing = 0, slot = false }\nshare_1h = {";
    let window = window.split_once('\n').map(|(_, rest)| rest).expect("two lines");
    change(&[("cooldown = \"12h\"", "cooldown = \"11h\""), ("share_1h = {", window)]);
    let error = told(&sea, &["--checkpoint-every", "never"], 2);
    assert!(error.contains("another pipeline"), "{error}");
    let went_on = told(&sea, &["-w", "2"], 0);
    assert!(went_on.contains("the pipeline file was changed") && went_on.contains("window of events"), "{went_on}");
    assert_eq!(online(&sea, "changed"), whole);
    // It was made by two pipelines, and says so where that matters.
    assert!(verify(&sea, 2).contains(&format!("its first {} ticks were made by another pipeline file", tick + 1)));
    assert!(told(&sea, &["--checkpoint-every", "never"], 2).contains("made by another pipeline file"));
    told(&sea, &["-n", "2"], 0);
    assert_eq!(online(&sea, "changed"), whole);

    // Metrics over other windows begin anew, if that is said.
    again();
    change(&[("windows = [\"6h\", \"1d\"]", "windows = [\"6h\", \"2d\"]")]);
    let error = told(&sea, &[], 2);
    assert!(error.contains("`metrics of concept` has changed: --drop-state \"metrics of concept\""), "{error}");
    let error = told(&sea, &["--drop-state", "metrics of concpt"], 2);
    assert!(error.contains("metrics of concept"), "{error}");
    told(&sea, &["--drop-state", "metrics of concept"], 0);
    assert_eq!(online(&sea, "changed"), whole);

    // A vector with another slot is another model.
    let slot = ("x2 = { standardize = \"x2\" }", "x2 = { standardize = \"x2\" }\nsum = { standardize = \"x0 + x1\" }");
    again();
    change(&[slot]);
    let error = told(&sea, &[], 2);
    assert!(
        error.contains("`model concept` was of other features") && error.contains("a name other than `concept`"),
        "{error}"
    );
    change(&[slot, ("model.concept", "model.sum")]);
    let error = told(&sea, &[], 2);
    let mut words = Vec::new();
    for line in error.lines().filter(|line| line.contains("--drop-state")) {
        assert!(line.contains("is no longer there") || line.contains("`standardized features` has changed"), "{line}");
        words.extend(["--drop-state", line.split('`').nth(1).expect("a name")]);
    }
    assert!(words.len() >= 14, "{error}");
    told(&sea, &words, 0);
    let models = fs::read_to_string(sea.out("changed").join("models.jsonl")).expect("it is there");
    let (last, first) = (models.lines().last().expect("a version"), models.lines().next().expect("a version"));
    assert_eq!((field(first, "model"), field(last, "model")), ("concept".into(), "sum".into()));
    assert!(sea.out("changed/registry/sum/v1.json").exists());
    let text = fs::read_to_string(sea.out("changed").join("predictions.jsonl")).expect("it is there");
    let champions = text.lines().filter(|line| line.contains("\"champion\""));
    let ids: Vec<String> = champions.map(|line| field(line, "prediction_id").to_string()).collect();
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (whole.len(), whole.len()), "each event is predicted once, by one of them");
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(sea.out("changed/summary.json")).expect("it is there")).expect("JSON");
    assert_eq!(summary["balance"]["holds"], true);
}

#[test]
fn a_changed_pipeline_goes_on_only_from_where_the_former_stopped() {
    let sea = Subject::new("sea", "2024-01-04", &[]);
    let mut command = sea.command("changed", &["--checkpoint-every", "5 ticks"]);
    assert!(!command.env(DIE_AT, "checkpoint.after:1").status().expect("it starts").success());
    let log = sea.out("changed").join("progress.log");
    let folder = sea.out("changed").join("state/checkpoints");
    // No checkpoint stands behind the last tick.
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        let committed = fs::read_to_string(&log).expect("a log").lines().count();
        if entry.file_name().into_string().expect("digits").starts_with(&format!("{:020}-", committed - 1)) {
            fs::remove_dir_all(entry.path()).expect("it is there");
        }
    }
    let file = fs::read_to_string(&sea.file).expect("the pipeline");
    fs::write(&sea.file, file.replace("cooldown = \"12h\"", "cooldown = \"11h\"")).expect("it is written");
    let error = told(&sea, &[], 2);
    assert!(error.contains("run it once more with the former file until it is stopped"), "{error}");
    fs::write(&sea.file, &file).expect("it is written");
    assert_eq!(told(&sea, &[], 0), "");
    sea.same_as_whole("changed");
}

/// A group that was killed behind the change goes on like one that was not.
#[test]
fn what_goes_on_changed_survives_being_killed() {
    let sea = Subject::new("sea", "2024-01-03", &[]);
    let file = fs::read_to_string(&sea.file).expect("the pipeline");
    let other = file.replace("windows = [\"6h\", \"1d\"]", "windows = [\"6h\", \"2d\"]");
    let words = ["--drop-state", "metrics of concept", "--checkpoint-every", "10 ticks"];
    let (mut left, mut died) = (Vec::new(), 0);
    for point in [
        None,
        Some("folder.renamed:1"),
        Some("checkpoint.part:1"),
        Some("checkpoint.after:2"),
        Some("progress.synced:1"),
    ] {
        fs::write(&sea.file, &file).expect("it is written");
        fs::remove_dir_all(sea.out("changed")).unwrap_or_default();
        stopped(&sea);
        fs::write(&sea.file, &other).expect("it is written");
        if let Some(point) = point {
            let mut command = sea.command("changed", &words);
            died += u32::from(!command.env(DIE_AT, point).status().expect("it starts").success());
        }
        told(&sea, &words, 0);
        // Which of the two runs saved when is chance; what they wrote is not.
        left.push(sea.left("changed"));
    }
    assert!(died > 2, "{died} died");
    let first = left.swap_remove(0);
    for other in left {
        let differs: Vec<&String> = first.keys().filter(|name| other.get(*name) != first.get(*name)).collect();
        assert!(differs.is_empty(), "{differs:?}");
    }
}

/// What is asked for from some tick on is written from there on; what is no longer asked for stays as it is.
#[test]
fn what_is_published_begins_and_ends_with_the_file_that_asks_for_it() {
    let sea = Subject::new("sea", "2024-01-03", &[]);
    let file = fs::read_to_string(&sea.file).expect("the pipeline");
    let line = "every = \"1h\"\n";
    let asking = file.replacen(line, &format!("{line}publish = [\"examples\", \"features\"]\n"), 1);
    assert_ne!(asking, file, "the pipeline has {line}");
    let write = |text: &str| fs::write(&sea.file, text).expect("it is written");
    let read = |name: &str| fs::read_to_string(sea.out("changed").join(name)).expect("it is there");
    let whole = online(&sea, "whole");
    let ids = |name: &str| -> Vec<String> {
        read(name).lines().map(|line| field(line, "prediction_id").as_str().expect("an id").to_string()).collect()
    };
    let bytes = |tick: usize| field(read("progress.log").lines().nth(tick).expect("a tick"), "bytes");

    // A file of that name that is none of the run's is not overwritten.
    let tick = stopped(&sea);
    write(&asking);
    let mine = sea.out("changed").join("examples.jsonl");
    fs::write(&mine, "mine\n").expect("it is written");
    let error = told(&sea, &[], 2);
    assert!(error.contains("already holds examples.jsonl"), "{error}");
    assert_eq!(read("examples.jsonl"), "mine\n");
    fs::remove_file(&mine).expect("it is there");
    // Without checkpoints nothing can go on from where the former file ended.
    let error = told(&sea, &["--checkpoint-every", "never"], 2);
    assert!(error.contains("the pipeline file of `sea` was another") && !mine.exists(), "{error}");

    let went_on = told(&sea, &["-w", "2"], 0);
    assert!(went_on.contains("the pipeline file was changed"), "{went_on}");
    assert_eq!(online(&sea, "changed"), whole);
    let predicted = ids("predictions.jsonl");
    let distinct: std::collections::BTreeSet<&String> = predicted.iter().collect();
    let features = ids("features.jsonl");
    assert!(features.len() > 500 && features.len() < distinct.len(), "{} of {}", features.len(), distinct.len());
    let tail: Vec<&String> = features.iter().collect();
    let last: std::collections::BTreeSet<&String> = tail.iter().copied().collect();
    assert!(last.len() == features.len() && last.iter().all(|id| distinct.contains(*id)));
    // Events from before that get their labels now are told whole.
    let earlier = ids("examples.jsonl").iter().filter(|id| !last.contains(id)).count();
    assert!(earlier > 50, "{earlier}");
    assert_eq!((bytes(tick).get("features"), bytes(tick + 1).get("examples").is_some()), (None, true));

    // The other way round; killed behind the change, too.
    for point in [None, Some("progress.synced:1")] {
        write(&asking);
        fs::remove_dir_all(sea.out("changed")).expect("it is there");
        let tick = stopped(&sea);
        // What is behind the record never happened.
        let committed = |stream: &str| bytes(tick)[stream].as_u64().expect("bytes") as usize;
        let kept = ["features", "examples"].map(|stream| {
            let text = read(&format!("{stream}.jsonl"));
            assert!(committed(stream) > 1000);
            text[..committed(stream)].to_string()
        });
        write(&file);
        if let Some(point) = point {
            let mut command = sea.command("changed", &[]);
            assert!(!command.env(DIE_AT, point).status().expect("it starts").success());
        }
        told(&sea, &[], 0);
        assert_eq!(online(&sea, "changed"), whole);
        assert_eq!(["features.jsonl", "examples.jsonl"].map(read), kept);
        let end = bytes(read("progress.log").lines().count() - 1);
        assert_eq!(["features", "examples"].map(|stream| end[stream].as_u64()), kept.map(|k| Some(k.len() as u64)));
        told(&sea, &["-n", "2"], 0);
    }
    // Who starts over has nothing of it.
    told(&sea, &["--fresh"], 0);
    assert!(!mine.exists());
    sea.same_as_whole("changed");
}
