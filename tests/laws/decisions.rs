//! Decisions: each that was made or suppressed is on record, with its cause, and each training's end with its figures;
//! the frozen champion is the champion as of its instant.

use super::support::{Run, Small, flights, number, plain, project, read, sea, text};
use serde_json::Value;
use std::collections::BTreeMap;
use tidemill::time::{Span, Time};

fn ends<'a>(decisions: &'a [Value], verdict: &str) -> Vec<&'a Value> {
    decisions.iter().filter(|d| d["kind"] == "release" && d["verdict"] == verdict).collect()
}

/// Whatever was decided: one end for each beginning, and versions as the ends have them.
fn consistent(run: &Run) {
    let decisions = run.records("decisions");
    let mut open: Vec<&str> = Vec::new();
    for d in &decisions {
        match (text(d, "kind"), text(d, "verdict")) {
            ("retrain", "fired") => {
                assert!(open.is_empty(), "one training at a time: {d}");
                assert!(!d["causes"].as_array().expect("causes").is_empty(), "{d}");
                open.push(text(d, "decision"));
            }
            ("retrain", "suppressed") => assert!(!text(d, "reason").is_empty(), "{d}"),
            ("release", "released" | "rejected" | "kept" | "failed") => {
                assert_eq!(open.pop(), Some(text(d, "decision")), "{d}");
                assert!(d["report"].is_object(), "{d}");
            }
            other => panic!("{other:?}: {d}"),
        }
    }
    assert!(open.is_empty(), "every training ends: {open:?}");
    let versions = run.records("models");
    let released = ends(&decisions, "released");
    assert_eq!(versions.len(), released.len() + 1);
    assert_eq!((text(&versions[0], "cause"), versions[0]["version"].as_i64()), ("start", Some(1)));
    for (place, (version, end)) in versions[1..].iter().zip(released).enumerate() {
        assert_eq!(version["version"], place + 2, "{version}");
        for field in ["version", "decision", "at", "report"] {
            assert_eq!(version[field], end[field], "{field} of {version}");
        }
        let artifact = artifact(run, place + 2);
        assert_eq!(blake3::hash(&artifact).to_hex().as_str(), text(version, "digest"));
    }
}

/// The bytes of a version's artifact.
fn artifact(run: &Run, version: usize) -> Vec<u8> {
    let files = run.registry();
    let names: Vec<&String> = files.keys().collect();
    let digest = text(&run.records("models")[version - 1], "digest").to_string();
    let found = files.values().find(|bytes| blake3::hash(bytes).to_hex().as_str() == digest);
    found.unwrap_or_else(|| panic!("no artifact of version {version} among {names:?}")).clone()
}

#[test]
fn decisions_of_all_pipelines_are_consistent() {
    consistent(plain(sea()));
    consistent(plain(flights()));
}

/// A candidate that does not beat a fixed champion is on record with the figures that rejected it.
#[test]
fn a_rejection_has_its_figures() {
    let decisions = plain(sea()).records("decisions");
    let rejected = ends(&decisions, "rejected");
    assert!(!rejected.is_empty());
    for d in rejected {
        let report = &d["report"];
        let champion = number(&report["champion"], "log_loss");
        assert!(d["version"].is_null());
        assert!(number(&report["live"], "log_loss") >= champion, "{d}");
        let candidates = report["candidates"].as_array().expect("candidates");
        assert!(!candidates.is_empty(), "{d}");
        for candidate in candidates {
            assert!(number(&candidate["figures"], "log_loss") >= champion, "{d}");
            assert!(report["digest"].is_null() && candidate["digest"].is_string(), "{d}");
        }
        assert!(report["held_out"].as_i64() > Some(0), "{d}");
    }
}

/// While the online learner is champion and the better one, it goes on, and the record says `kept`.
#[test]
fn a_live_champion_that_stays_is_kept() {
    let pipeline = std::fs::read_to_string(project().join("tests/pipelines/river_sea.toml")).expect("a pipeline");
    let pipeline = pipeline.replace("../data/", "datasets/small/")
        + "retrain = { kind = \"logistic\" }\n[[model.concept.trigger]]\nkind = \"schedule\"\nevery = \"6d\"\n\
           cooldown = \"1h\"\n[model.concept.train]\nwindow = \"30d\"\nactivate_after = \"1h\"\nholdout = 0.1\n\
           [model.concept.gate]\nmetric = \"log_loss\"\nmargin = 0.0\n\
           [model.concept.deploy]\nstrategy = \"immediate\"\n";
    // The concept turns around at two thirds: a fit on all of it is behind a learner that forgets.
    let (mut events, mut labels) = (String::new(), String::new());
    for n in 0..9000_i64 {
        let at = Time(1_704_067_200_000_000 + n * 60_000_000);
        let x = (n * 37 % 101) as f64 / 10.0;
        let high = x > 5.0;
        let y = if n < 6000 { high } else { !high };
        events += &format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"x0\":{x},\"x1\":1,\"x2\":0}}\n");
        labels += &format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"y\":{y}}}\n");
    }
    let small = Small::new("kept", &pipeline, &[]);
    small.write("river_sea_events.jsonl.gz", events.as_bytes());
    small.write("river_sea_labels.jsonl.gz", labels.as_bytes());
    let run = small.run("out", &[]);
    consistent(&run);
    let decisions = run.records("decisions");
    let kept = ends(&decisions, "kept");
    assert!(!kept.is_empty(), "{decisions:?}");
    for d in kept {
        let batch = number(&d["report"]["candidates"][0]["figures"], "log_loss");
        assert!(number(&d["report"]["live"], "log_loss") <= batch, "{d}");
        assert!(d["version"].is_null());
    }
}

/// The first event after the instant is scored the same by the frozen champion and by the champion of the time, if only
/// beside another by then; and every event after it is scored by the frozen one, always as the same version.
#[test]
fn the_frozen_champion_is_the_champion_as_of_its_instant() {
    let run = plain(flights());
    let predictions = run.records("predictions");
    let mut frozen = predictions.iter().filter(|p| !p["frozen_at"].is_null());
    let first = frozen.next().expect("something was frozen");
    assert_eq!(text(first, "frozen_at"), "2013-01-15T00:00:00Z");
    assert!(text(first, "at") >= "2013-01-15");
    let versions: BTreeMap<i64, &str> = predictions
        .iter()
        .filter(|p| p["role"] == "champion" && text(p, "at") < "2013-01-15")
        .map(|p| (p["version"].as_i64().expect("a version"), text(p, "at")))
        .collect();
    let (last, _) = versions.last_key_value().expect("a champion before it");
    assert_eq!(first["version"], *last, "the champion of the time");
    assert!(frozen.all(|p| p["version"] == *last && text(p, "at") >= "2013-01-15"));
    let id = text(first, "prediction_id");
    let beside =
        predictions.iter().find(|p| p["prediction_id"] == id && p["version"] == *last && p["frozen_at"].is_null());
    let beside = beside.expect("its champion is still there");
    assert_eq!(beside["score"], first["score"], "nothing was learned in between");
    let after = predictions.iter().filter(|p| p["role"] == "champion" && text(p, "at") >= "2013-01-15").count();
    assert_eq!(predictions.iter().filter(|p| !p["frozen_at"].is_null()).count(), after, "all after it are scored");
    let departures = read(&flights().data.join("departures.csv.gz"));
    assert_eq!(departures.lines().skip(1).filter(|line| *line >= "2013-01-15").count(), after);
}

/// Trained by the calendar, then fed by a source that breaks: every detector on data names the feature, none before.
#[test]
fn a_source_that_breaks_is_told_by_its_features() {
    let watch = |detector: &str| {
        format!(
            "[[model.m.trigger]]\nkind = \"drift\"\ndetector = \"{detector}\"\nwindow = \"1d\"\nmin_events = 300\n\
             warm_up = 100\ncooldown = \"1h\"\n"
        )
    };
    let detectors = ["missing_rate", "unseen", "range", "wasserstein", "chi_square"];
    let pipeline = "[pipeline]\nname = \"small\"\n\
        [source.events]\nkind = \"events\"\nkey = \"id\"\ntime = \"at\"\n\
        schema = { id = \"text\", at = \"timestamp\", x = \"float?\", k = \"text\" }\n\
        [source.labels]\nkind = \"labels\"\nkey = \"id\"\ntime = \"at\"\nlabel = \"y\"\n\
        schema = { id = \"text\", at = \"timestamp\", y = \"bool\" }\n\
        [features]\nx = { expr = \"x\", missing = 0, indicator = true }\n\
        k = { one_hot = \"k\", values = [\"a\", \"b\"] }\n\
        [model.m]\ntask = \"binary\"\nlearner = { kind = \"logistic\", learning_rate = 0.000001 }\n\
        retrain = { kind = \"logistic\" }\n[model.m.train]\nwindow = \"2d\"\nactivate_after = \"1h\"\n\
        [model.m.gate]\nmargin = -1.0\n\
        [[model.m.trigger]]\nkind = \"schedule\"\ncron = \"30 6 2 1 *\"\nwarm_up = 100\n"
        .to_owned()
        + &detectors.map(watch).concat();
    let broken = "2024-01-05T00:00:00Z";
    let (mut events, mut labels) = (String::new(), String::new());
    for n in 0..4320_i64 {
        let at = Time(1_704_067_200_000_000 + n * 120_000_000);
        let breaks = at.to_string().as_str() >= broken;
        let x = (n * 37 % 101) as f64 / 10.0;
        let served = match n % 5 {
            1 if breaks => "null".to_owned(),
            2 if breaks => (100.0 * x).to_string(),
            _ if n % 100 == 7 => "null".to_owned(),
            _ => x.to_string(),
        };
        let k = if breaks && n % 5 == 0 { "new" } else { ["a", "b"][n as usize % 2] };
        events += &format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"x\":{served},\"k\":\"{k}\"}}\n");
        labels += &format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"y\":{}}}\n", x > 5.0);
    }
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    let small = Small::new("breaks", &pipeline, &streams);
    let run = small.run("out", &[]);
    consistent(&run);
    let decisions = run.records("decisions");
    let first = &decisions[0];
    assert_eq!((text(first, "at"), text(first, "verdict")), ("2024-01-02T07:00:00Z", "fired"), "{first}");
    assert_eq!(text(&first["causes"][0], "text"), "cron 30 6 2 1 * due 2024-01-02T06:30:00Z");
    let causes = decisions.iter().filter(|d| d["kind"] == "retrain").flat_map(|decision| {
        let causes = decision["causes"].as_array().expect("causes").iter();
        causes.map(move |cause| (text(decision, "at"), text(cause, "text")))
    });
    let drifts: Vec<(&str, &str)> = causes.filter(|(_, text)| !text.starts_with("cron")).collect();
    for told in ["missing_rate x ", "unseen k ", "range x ", "wasserstein x ", "chi_square "] {
        assert!(drifts.iter().any(|(_, text)| text.starts_with(told)), "{told} is not among {drifts:?}");
    }
    assert!(drifts.iter().all(|(at, _)| *at > broken), "{drifts:?}");
    assert_eq!(small.run("four", &["-w", "4"]).text("decisions.jsonl"), run.text("decisions.jsonl"));
}

/// New data by share of the window, and by the time since the newest example of the last training.
#[test]
fn new_data_counts_from_the_last_training() {
    let model = |name: &str, enough: &str| {
        format!(
            "[model.{name}]\ntask = \"binary\"\nlearner = {{ kind = \"logistic\" }}\n\
             retrain = {{ kind = \"logistic\" }}\n[model.{name}.train]\nwindow = \"2d\"\nactivate_after = \"1h\"\n\
             [[model.{name}.trigger]]\nkind = \"new_data\"\n{enough}\nwarm_up = 300\ncooldown = \"1h\"\n"
        )
    };
    let pipeline = "[pipeline]\nname = \"small\"\n\
        [source.events]\nkind = \"events\"\nkey = \"id\"\ntime = \"at\"\n\
        schema = { id = \"text\", at = \"timestamp\", x = \"float\" }\n\
        [source.labels]\nkind = \"labels\"\nkey = \"id\"\ntime = \"at\"\nlabel = \"y\"\n\
        schema = { id = \"text\", at = \"timestamp\", y = \"bool\" }\n[features]\nx = \"x\"\n"
        .to_owned()
        + &model("share", "share = 0.5")
        + &model("after", "after = \"12h\"");
    let (mut events, mut labels) = (String::new(), String::new());
    for n in 0..2880_i64 {
        let at = Time(1_704_067_200_000_000 + n * 120_000_000);
        let x = (n * 37 % 101) as f64 / 10.0;
        events += &format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"x\":{x}}}\n");
        labels += &format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"y\":{}}}\n", x > 5.0);
    }
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    let run = Small::new("new_data", &pipeline, &streams).run("out", &[]);
    let decisions = run.records("decisions");
    let fired = |model: &str| {
        let own = decisions.iter().filter(|d| d["kind"] == "retrain" && d["verdict"] == "fired" && d["model"] == model);
        own.collect::<Vec<&Value>>()
    };
    let shares = fired("share");
    assert!(shares.len() >= 3, "{shares:?}");
    for decision in shares {
        let figures = &decision["causes"][0]["figures"];
        let (new, window) = (number(figures, "new_examples"), number(figures, "window"));
        // Judged each hour, of thirty examples.
        assert!((0.5 * window..0.5 * window + 30.0).contains(&new) || new == window, "{decision}");
        assert!(window <= 48.0 * 30.0 + 1.0, "{decision}");
    }
    let after = fired("after");
    assert!(after.len() >= 5, "{after:?}");
    for pair in after.windows(2) {
        let instant = |text: &str| Time::parse(text).expect("an instant");
        let newest = instant(text(&pair[1]["causes"][0], "text").split([' ', ',']).nth(2).expect("since an instant"));
        let (before, now) = (instant(text(pair[0], "at")), instant(text(pair[1], "at")));
        assert!(before.minus(Span::HOUR) <= newest && newest < before, "{pair:?}");
        assert_eq!(now, newest.plus(Span(13 * Span::HOUR.0 - 1)).floor(Span::HOUR));
    }
}
