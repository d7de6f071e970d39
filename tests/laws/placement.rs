//! Placement and replay: neither the number of workers and processes nor the day changes a byte of any output.

use super::support::{Run, STREAMS, Subject, credit, delays, flights, plain, project, run, same_lines, sea, segments};
use super::support::{subjects, twelve, weather};

/// A pipeline that is added to `dataflows/` joins these laws, here and in `support`.
#[test]
fn every_pipeline_is_a_subject() {
    let files = std::fs::read_dir(project().join("dataflows")).expect("the pipelines").flatten();
    let mut names: Vec<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let mut known: Vec<String> = subjects().iter().map(|subject| format!("{}.toml", subject.name)).collect();
    known.sort();
    assert_eq!(names, known);
}

fn same(what: &str, left: &Run, right: &Run) {
    for stream in STREAMS {
        let file = format!("{stream}.jsonl");
        same_lines(&format!("{what}: {file}"), &left.text(&file), &right.text(&file));
    }
    same_lines(&format!("{what}: progress.log"), &left.text("progress.log"), &right.text("progress.log"));
    let pretty = |run: &Run| serde_json::to_string_pretty(&run.timeless_summary()).expect("it was JSON");
    same_lines(&format!("{what}: summary.json"), &pretty(left), &pretty(right));
    let (left, right) = (left.registry(), right.registry());
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "{what}: registry");
    for (name, bytes) in &left {
        assert!(right[name] == *bytes, "{what}: {name} differs");
    }
}

fn everywhere(subject: &'static Subject) {
    let one = plain(subject);
    assert!(!one.text("decisions.jsonl").is_empty(), "{}: something was decided", subject.name);
    assert!(one.registry().len() > 4, "{}: versions were released", subject.name);
    for (name, words) in [("again", &["-w", "1"][..]), ("w4", &["-w", "4"]), ("n2w2", &["-n", "2", "-w", "2"])] {
        let other = run(&format!("{}_{name}", subject.name), &subject.file, words);
        same(&format!("{} {words:?}", subject.name), one, &other);
    }
}

#[test]
fn sea_is_the_same_everywhere_and_again() {
    everywhere(sea());
}

#[test]
fn twelve_models_are_the_same_everywhere_and_again() {
    everywhere(twelve());
}

#[test]
fn flights_are_the_same_everywhere_and_again() {
    everywhere(flights());
}

#[test]
fn fifty_years_of_weather_are_the_same_everywhere_and_again() {
    everywhere(weather());
}

#[test]
fn classes_are_the_same_everywhere_and_again() {
    everywhere(segments());
}

#[test]
fn loans_are_the_same_everywhere_and_again() {
    everywhere(credit());
}

#[test]
fn values_are_the_same_everywhere_and_again() {
    everywhere(delays());
}
