//! What `flights` must show over its whole year. Long, so it is run in release only:
//! `cargo test --release --test laws -- --ignored flights_year`.

use super::support::{number, project, run, text};
use serde_json::Value;

#[test]
#[ignore = "the whole year, three minutes in release"]
fn flights_year() {
    let summary = run("flights_year", &project().join("dataflows/flights.toml"), &["-w", "2"]).summary();
    let metrics = summary["metrics"]["by"].as_array().expect("the metrics published last");
    let find = |role: &str, window: &str| -> &Value {
        let found = metrics.iter().find(|m| {
            m["role"] == role && text(m, "window") == window && m["version"].is_null() && m["slice"].is_null()
        });
        found.unwrap_or_else(|| panic!("no metrics of {role} over {window}"))
    };
    let (year, since) = (find("champion", "all"), find("champion", "since 2013-04-01T00:00:00Z"));
    let frozen = find("frozen", "since 2013-04-01T00:00:00Z");
    assert_eq!((&year["n"], &year["labelled"]), (&336_776.into(), &327_346.into()));
    // River's logistic regression on static features.
    assert!(number(year, "roc_auc") >= 0.7407, "{year}");
    assert!(number(year, "log_loss") <= 0.4797, "{year}");
    // scikit-learn's gradient boosting, fitted anew each month on all months before, with rolling features.
    assert!(number(since, "roc_auc") > 0.7852, "{since}");
    assert!(number(since, "log_loss") < 0.4427, "{since}");
    assert_eq!((&since["n"], &since["labelled"]), (&frozen["n"], &frozen["labelled"]), "the same rows");
    assert!(number(since, "log_loss") < number(frozen, "log_loss"), "{since} against {frozen}");
    let versions = summary["versions"].as_array().expect("versions");
    let triggered = versions.iter().filter(|v| !v["decision"].is_null() && !text(v, "cause").is_empty()).count();
    assert!(triggered >= 3, "{versions:?}");
    let trainings = summary["trainings"].as_i64().expect("a count");
    assert!(trainings <= 15, "{trainings} trainings");
    assert!(number(&summary, "training_s") > 0.0, "the seconds spent fitting are told");
}
