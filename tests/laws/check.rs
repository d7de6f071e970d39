//! `tidemill check`: every pipeline is valid, and its graph shows all of it.

use super::support::{Subject, project, subjects, tidemill};

fn names(text: &str, table: &str) -> Vec<String> {
    let header = |line: &str| line.split(['[', ']']).nth(1).and_then(|n| n.strip_prefix(table)).map(str::to_string);
    text.lines().filter(|l| l.starts_with('[')).filter_map(header).filter(|name| !name.contains('.')).collect()
}

fn features(text: &str) -> Vec<String> {
    let section = text.split("[features]").nth(1).expect("features").split("\n[").next().unwrap_or_default();
    let name = |line: &str| line.split_once('=').map(|(name, _)| name.trim().to_string());
    section.lines().filter(|line| !line.starts_with('#')).filter_map(name).collect()
}

fn shows(subject: &Subject) {
    let file = project().join(format!("dataflows/{}.toml", subject.name));
    let text = std::fs::read_to_string(&file).expect("the pipeline");
    let by_name = tidemill(["check", subject.name]);
    let by_path = tidemill(["check".as_ref(), file.as_os_str()]);
    assert_eq!((by_name.code, by_path.code), (0, 0), "{}{}", by_name.stderr, by_path.stderr);
    assert_eq!(by_name.stdout, by_path.stdout);
    let graph = by_name.stdout;
    let words: Vec<&str> = graph.split_whitespace().collect();
    let (sources, features) = (names(&text, "source."), features(&text));
    assert!(sources.len() >= 2 && features.len() >= 3, "{sources:?} {features:?}");
    for name in sources.iter().chain(&features).chain(&names(&text, "model.")) {
        let colon = format!("{name}:");
        assert!(words.iter().any(|word| word == name || *word == colon), "{name} is not in\n{graph}");
    }
    assert!(graph.contains("feature schema "), "{graph}");
}

#[test]
fn pipelines_are_valid_and_shown() {
    subjects().into_iter().for_each(shows);
}

#[test]
fn a_pipeline_that_is_not_there_is_told_with_those_that_are() {
    let ended = tidemill(["check", "flight"]);
    assert_eq!(ended.code, 2);
    let told = ["cannot read the pipeline flight:", "did you mean `flights`?", "credit"];
    assert!(told.iter().all(|told| ended.stderr.contains(told)), "{}", ended.stderr);
}

#[test]
fn all_errors_are_told_at_once() {
    let folder = super::support::scratch("check");
    let file = folder.join("wrong.toml");
    let sea = std::fs::read_to_string(project().join("dataflows/sea.toml")).expect("a pipeline");
    let wrong = sea
        .replace("kind = \"events\"", "kind = \"evens\"")
        .replace("learning_rate = 0.05", "learning_rate = -1.0")
        .replace("detector = \"adwin\"", "detector = \"adwinn\"")
        .replace("holdout        = 0.2", "holdout        = 2.0");
    std::fs::write(&file, wrong).expect("a file");
    for word in ["check", "run"] {
        let ended = tidemill([word.as_ref(), file.as_os_str()]);
        assert_eq!(ended.code, 2, "{word}: {}", ended.stderr);
        for said in ["evens", "events", "learning_rate", "-1", "adwinn", "holdout", "wrong.toml"] {
            assert!(ended.stderr.contains(said), "{word} does not say {said}: {}", ended.stderr);
        }
    }
}

#[test]
fn faults_of_expressions_are_told_at_their_place() {
    let folder = super::support::scratch("check_expressions");
    let file = folder.join("wrong.toml");
    let sea = std::fs::read_to_string(project().join("dataflows/sea.toml")).expect("a pipeline");
    let wrong = sea.replace("standardize = \"x0\"", "standardize = \"x9 + 1\"").replace("log_loss[6h]", "log_los[6h]");
    std::fs::write(&file, wrong).expect("a file");
    let ended = tidemill(["check".as_ref(), file.as_os_str()]);
    assert_eq!(ended.code, 2);
    for said in ["x9", "log_los", "wrong.toml"] {
        assert!(ended.stderr.contains(said), "it does not say {said}: {}", ended.stderr);
    }
    assert!(!folder.join("out").exists());
}
