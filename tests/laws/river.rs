//! The prequential law against River 0.26.1: every score of the online learner, to 1e-9, under delayed labels.

use super::support::{number, parse, project, read, run, text};

fn as_river(pipeline: &str) {
    let golden = parse(&read(&project().join("tests/golden/river_logistic.jsonl.gz")));
    let golden: Vec<_> = golden.iter().filter(|row| row["pipeline"] == pipeline).collect();
    let run = run(pipeline, &project().join(format!("tests/pipelines/{pipeline}.toml")), &[]);
    let predictions = run.records("predictions");
    assert!(golden.len() >= 10_000);
    assert_eq!(predictions.len(), golden.len());
    for (found, expected) in predictions.iter().zip(golden) {
        assert_eq!(text(found, "prediction_id"), text(expected, "id"));
        let (score, river) = (number(found, "score"), number(expected, "score"));
        assert!((score - river).abs() <= 1e-9, "{found} is not {expected}");
        assert_eq!(found["updates"], expected["updates"], "{found}");
        assert_eq!((&found["version"], &found["role"]), (&1.into(), &"champion".into()));
    }
}

#[test]
fn sea_as_river_does() {
    as_river("river_sea");
}

#[test]
fn flights_as_river_does() {
    as_river("river_flights");
}
