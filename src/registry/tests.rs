//! The registry on a real folder: written once, read back, torn, tampered with.

use super::*;
use crate::config::spec::ClassWeight;
use crate::model::{Artifact, Logistic, Role};
use crate::time::{Span, Time};
use crate::train::{Bounds, Candidate, Figures, Parameters, Report};
use std::fs;
use std::path::Path;

fn artifact(bias: f64) -> Vec<u8> {
    let body = crate::model::Body::Logistic(Logistic::fitted(vec![0.5, -1.0], bias, 10));
    Artifact::new("late", "0a", 2, body).expect("it is in range").to_bytes()
}

fn card(number: u32, artifact: &[u8]) -> Card {
    let day = |day: i64| Time(day * Span::DAY.0);
    let figures: Figures = [("log_loss".to_string(), 0.46), ("roc_auc".to_string(), 0.76)].into();
    Card {
        model: "late".to_string(),
        number,
        digest: Artifact::digest(artifact),
        kind: "logistic".to_string(),
        source: "batch".to_string(),
        parent: number.checked_sub(1).filter(|parent| *parent > 0),
        decision: Some("late-1970-02-01T00:00:00Z".to_string()),
        cause: "every 30d".to_string(),
        decided_at: day(31),
        effective_at: day(32),
        lineage: Lineage {
            tick: 71,
            offsets: vec![Offsets { source: "departures".to_string(), partition: 0, end: 27_000 }],
            window: Some(Bounds { from: day(0), to: day(31) }),
            updates: 10,
            features: "0a".to_string(),
            outside: false,
        },
        report: Some(Report {
            examples: 100,
            window: Some(Bounds { from: day(0), to: day(31) }),
            calibrated: None,
            held_out: 20,
            held_out_window: Some(Bounds { from: day(25), to: day(31) }),
            fitted: 78,
            not_yet_known: 2,
            over_limit: 0,
            refitted: 100,
            metric: "log_loss".to_string(),
            margin: 0.0,
            champion: figures.clone(),
            live: Figures::new(),
            candidates: vec![Candidate {
                parameters: Parameters::Logistic { alpha: 1.0, max_iterations: 100, tolerance: 0.1 },
                class_weight: ClassWeight::Even,
                figures: Some(figures),
                calibration: Vec::new(),
                error: None,
                digest: Some("ab".repeat(32)),
            }],
            best: Some(0),
            majority: Figures::new(),
            positive_share: Some(0.237),
            paired: None,
            checks: Vec::new(),
            importance: Vec::new(),
            without_rolling: None,
            digest: Some(Artifact::digest(artifact)),
        }),
    }
}

fn entry(event: Event, version: Option<u32>, role: Option<Role>) -> Entry {
    Entry { at: Time(0), event, version, role, digest: None, decision: None, text: format!("{} now", event.word()) }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

fn files_in(root: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(root.join("registry/late")).expect("the folder reads");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry reads").path();
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), fs::read(&path).expect("it reads"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_version_is_written_once() {
    let root = folder();
    let mut registry = Registry::open(root.path(), "late").expect("it opens");
    let (one, two) = (artifact(0.1), artifact(0.2));
    registry.release(&one, &card(1, &one)).expect("it is new");
    let before = files_in(root.path());
    assert_eq!(before.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["v1.card.json", "v1.json"]);
    assert_eq!(before[1].1, one);

    registry.release(&one, &card(1, &one)).expect("the same again");
    let refused = registry.release(&two, &card(1, &two)).expect_err("other bytes").to_string();
    assert!(refused.contains("v1.json is there with other content"), "{refused}");
    let mut other = card(1, &one);
    other.cause = "something else".to_string();
    assert!(matches!(registry.release(&one, &other), Err(RegistryError::Immutable { .. })));
    assert_eq!(files_in(root.path()), before, "what is refused leaves everything as it was");

    registry.release(&two, &card(2, &two)).expect("it is new");
    let reader = Registry::read(root.path(), "late").expect("it is there");
    assert_eq!(reader.versions().expect("they list"), [1, 2]);
    assert_eq!(reader.artifact(2).expect("it reads").to_bytes(), two);
    assert_eq!(reader.card(2).expect("it reads"), card(2, &two));
}

#[test]
fn a_crash_between_artifact_and_card_is_no_version() {
    let root = folder();
    let mut registry = Registry::open(root.path(), "late").expect("it opens");
    let one = artifact(0.1);
    fs::write(root.path().join("registry/late/v1.json"), &one).expect("it writes");
    fs::write(root.path().join("registry/late/v1.card.tmp"), "{\"mod").expect("it writes");
    assert_eq!(registry.versions().expect("they list"), Vec::<u32>::new());
    assert!(registry.artifact(1).expect_err("no version").to_string().contains("there is no version 1 of `late`"));
    registry.release(&one, &card(1, &one)).expect("it is finished");
    assert_eq!(registry.artifact(1).expect("it reads").to_bytes(), one);
}

#[test]
fn the_log_survives_a_torn_line_and_a_second_telling() {
    let root = folder();
    let log = root.path().join("registry/late/log.jsonl");
    let mut registry = Registry::open(root.path(), "late").expect("it opens");
    let story = [
        entry(Event::Released, Some(1), None),
        entry(Event::Activated, Some(1), Some(Role::Champion)),
        entry(Event::Rejected, None, None),
        entry(Event::Activated, Some(2), Some(Role::Shadow)),
    ];
    story[..3].iter().for_each(|entry| registry.append(entry).expect("it appends"));
    let whole = fs::read(&log).expect("it reads");

    // A crash in the middle of the fourth line.
    fs::write(&log, [&whole[..], b"{\"at\":\"1970-01"].concat()).expect("it writes");
    assert_eq!(Registry::read(root.path(), "late").and_then(|r| r.log()).expect("it reads"), story[..3]);
    let mut resumed = Registry::open(root.path(), "late").expect("it opens");
    assert_eq!(fs::read(&log).expect("it reads"), whole, "the torn line is taken off");
    // A replay tells it all again.
    story.iter().for_each(|entry| resumed.append(entry).expect("it appends"));
    assert_eq!(resumed.log().expect("it reads"), story);
    assert_eq!(resumed.champion().expect("it reads"), Some(1), "a shadow is no champion");
    resumed.append(&entry(Event::RolledBack, Some(7), None)).expect("it appends");
    assert_eq!(resumed.champion().expect("it reads"), Some(7));
}

#[test]
fn what_was_not_committed_is_taken_back() {
    let root = folder();
    let (one, two) = (artifact(0.1), artifact(0.2));
    let mut first = Registry::open(root.path(), "late").expect("it opens");
    for (number, bytes) in [(1, &one), (2, &two)] {
        first.release(bytes, &card(number, bytes)).expect("it is new");
        first.append(&entry(Event::Released, Some(number), None)).expect("it appends");
    }
    fs::write(root.path().join("registry/late/v3.json"), &one).expect("it writes");
    // Of these only the first is said again: the ticks of the others were never committed.
    let mut resumed = Registry::open(root.path(), "late").expect("it opens");
    resumed.release(&one, &card(1, &one)).expect("it is there");
    resumed.append(&entry(Event::Released, Some(1), None)).expect("it is there");
    resumed.settle().expect("the rest is taken back");
    assert_eq!(resumed.versions().expect("they list"), [1]);
    assert_eq!(resumed.log().expect("it reads"), [entry(Event::Released, Some(1), None)]);
    let names: Vec<String> = files_in(root.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["log.jsonl", "v1.card.json", "v1.json"]);
    resumed.release(&one, &card(2, &one)).expect("the number is free");
    resumed.append(&entry(Event::Kept, None, None)).expect("it appends");

    let mut other = Registry::open(root.path(), "late").expect("it opens");
    let error = other.append(&entry(Event::Failed, None, None)).expect_err("the log says otherwise").to_string();
    assert!(error.contains("log.jsonl is malformed: line 1: it is not what the run said there"), "{error}");
    // Two versions, and no committed tick says any of them: nothing is removed.
    fs::write(root.path().join("registry/late/v3.json"), &one).expect("it writes");
    let whole = files_in(root.path());
    let aside = other.settle().expect("they are moved").expect("somewhere");
    assert_eq!(aside, root.path().join("registry/late/uncommitted-1"));
    assert_eq!((other.versions().expect("they list"), other.log().expect("it reads")), (vec![], vec![]));
    let moved: Vec<_> =
        whole.iter().map(|(name, _)| (name.clone(), fs::read(aside.join(name)).expect("moved"))).collect();
    assert_eq!(moved, whole);
    other.release(&two, &card(1, &two)).expect("the number is free");
    other.append(&entry(Event::Failed, None, None)).expect("the log begins again");
    let mut again = Registry::open(root.path(), "late").expect("it opens");
    again.release(&two, &card(1, &two)).expect("it is there");
    assert_eq!(again.settle().expect("the log is cut"), None);
    assert_eq!((again.versions().expect("they list"), again.log().expect("it reads")), (vec![1], vec![]));
}

#[test]
fn names_cannot_leave_the_folder() {
    let root = folder();
    for name in ["", ".", "..", "../late", "a/b", "a\\b", "/etc", "a\0b", "ü", "a b", &"x".repeat(101)] {
        for opened in [Registry::open(root.path(), name), Registry::read(root.path(), name)] {
            assert!(matches!(opened, Err(RegistryError::Name { .. })), "{name:?}");
        }
    }
    assert_eq!(fs::read_dir(root.path()).expect("it reads").count(), 0);
    assert!(Registry::open(root.path(), "Late-2_b").is_ok());
}

#[test]
fn what_was_tampered_with_is_found() {
    let root = folder();
    let mut registry = Registry::open(root.path(), "late").expect("it opens");
    let one = artifact(0.1);
    registry.release(&one, &card(1, &one)).expect("it is new");
    let place = root.path().join("registry/late");
    let error = |registry: &Registry| registry.artifact(1).expect_err("it is refused").to_string();

    fs::write(place.join("v1.json"), artifact(0.2)).expect("it writes");
    assert!(error(&registry).contains("its card says"));
    fs::remove_file(place.join("v1.json")).expect("it goes");
    assert!(error(&registry).contains("no artifact of version 1"));
    let hole = fs::File::create(place.join("v1.json")).expect("it is made");
    hole.set_len(Artifact::MAX_BYTES as u64 + 1).expect("a file of nothing");
    assert!(error(&registry).contains("has 67108865 bytes, allowed are 67108864"));
    fs::copy(place.join("v1.card.json"), place.join("v3.card.json")).expect("it copies");
    assert!(registry.card(3).expect_err("it is another's").to_string().contains("card of version 1"));
    fs::write(place.join("v1.card.json"), "{}").expect("it writes");
    assert!(error(&registry).contains("malformed"));
    fs::write(place.join("log.jsonl"), "{}\n").expect("it writes");
    assert!(registry.log().expect_err("it is malformed").to_string().contains("line 1"));
}

#[test]
fn models_are_listed_and_shown() {
    let root = folder();
    assert_eq!(listing_text(&list(root.path()).expect("nothing is fine")), "no models\n");
    assert!(show(root.path(), "late").expect_err("there is none").to_string().contains("no model `late`"));
    let mut registry = Registry::open(root.path(), "late").expect("it opens");
    for number in [1, 2] {
        let bytes = artifact(f64::from(number));
        let mut card = card(number, &bytes);
        card.cause = format!("cause {number}\u{1b}[31m");
        registry.release(&bytes, &card).expect("it is new");
    }
    registry.append(&entry(Event::Activated, Some(2), Some(Role::Champion))).expect("it appends");
    fs::write(root.path().join("registry/not a model"), "").expect("it writes");

    let models = list(root.path()).expect("they list");
    assert_eq!(models, [show(root.path(), "late").expect("it is there")]);
    let text = listing_text(&models);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[1].starts_with("   late   1        logistic  batch   1970-02-02T00:00:00Z"), "{text}");
    assert!(lines[2].starts_with("*  late   2"), "{text}");
    assert!(!text.contains('\u{1b}'));

    let shown = shown_text(&models[0], Some(2)).expect("it is there");
    for part in ["late version 2", "version 1", "departures[0] before offset 27000", "log_loss", "0.4600", "  gate"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    assert_eq!(shown_text(&models[0], Some(3)), None);
    let history = shown_text(&models[0], None).expect("a model has a history");
    assert!(history.contains("1970-01-01T00:00:00Z  activated v2 as champion: activated now"), "{history}");
}
