//! Tasks of several classes and of values: what is published of them is recomputed from the predictions that were
//! written; and a pipeline in the plain protocol of test then train comes to what River comes to.

use super::support::{Run, credit, delays, number, parse, plain, project, read, segments, text, weather};
use serde_json::Value;
use std::collections::BTreeMap;

/// The metrics over the whole run of what a model served.
fn served(run: &Run, model: &str) -> Value {
    let summary = run.summary();
    let all = summary["metrics"]["by"].as_array().expect("the metrics published last").clone();
    let of =
        |m: &Value| m["model"] == model && m["version"].is_null() && m["role"] == "champion" && m["window"] == "all";
    all.into_iter().find(of).unwrap_or_else(|| panic!("no metrics of {model}"))
}

fn close(found: &Value, name: &str, expected: f64) {
    let value = number(found, name);
    assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{name}: {value} is not {expected}");
}

/// What champions and challengers said of each event.
fn answers(run: &Run, model: &str) -> Vec<Value> {
    let answers = |p: &Value| p["model"] == model && (p["role"] == "champion" || p["role"] == "challenger");
    run.records("predictions").into_iter().filter(answers).collect()
}

fn columns(file: &std::path::Path, key: usize, value: usize) -> BTreeMap<String, String> {
    let rows = read(file);
    let cell = |line: &str, place: usize| line.split(',').nth(place).expect("a cell").to_string();
    rows.lines().skip(1).map(|line| (cell(line, key), cell(line, value))).collect()
}

#[test]
fn classes_are_measured_as_a_naive_recomputation_does() {
    const CLASSES: [&str; 7] = ["brickface", "cement", "foliage", "grass", "path", "sky", "window"];
    let run = plain(segments());
    let labels = columns(&project().join("datasets/segments/labels.csv.gz"), 1, 2);
    for model in ["softmax", "bayes", "neighbors", "trees"] {
        let (mut confusion, mut log_loss, mut brier) = ([[0.0; 7]; 7], 0.0, 0.0);
        let mut calibration = [(0.0, 0.0, 0.0); 10];
        let said = answers(run, model);
        assert_eq!(said.len(), 2310);
        for p in &said {
            let label = labels[text(p, "prediction_id")].as_str();
            let truth = CLASSES.iter().position(|class| *class == label).expect("a class");
            let of = CLASSES.map(|class| number(&p["probabilities"], class));
            assert!((of.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{p}");
            let most = of.iter().copied().fold(0.0, f64::max);
            let class = of.iter().position(|one| *one == most).expect("it is one of them");
            assert_eq!((text(p, "class"), number(p, "score")), (CLASSES[class], most));
            confusion[truth][class] += 1.0;
            log_loss -= of[truth].clamp(1e-4, 1.0 - 1e-4).ln();
            brier += of.iter().enumerate().map(|(n, p)| (p - f64::from(u8::from(n == truth))).powi(2)).sum::<f64>();
            let bin = &mut calibration[((most * 10.0) as usize).min(9)];
            *bin = (bin.0 + 1.0, bin.1 + most, bin.2 + f64::from(u8::from(class == truth)));
        }
        let n = said.len() as f64;
        let row = |class: usize| confusion[class].iter().sum::<f64>();
        let column = |class: usize| confusion.iter().map(|row| row[class]).sum::<f64>();
        let right: f64 = (0..7).map(|class| confusion[class][class]).sum();
        let chance = (0..7).map(|class| row(class) * column(class)).sum::<f64>() / (n * n);
        let f1 = (0..7).map(|class| 2.0 * confusion[class][class] / (row(class) + column(class))).sum::<f64>() / 7.0;
        let found = served(run, model);
        close(&found, "accuracy", right / n);
        close(&found, "kappa", (right / n - chance) / (1.0 - chance));
        close(&found, "f1", f1);
        close(&found, "log_loss", log_loss / n);
        close(&found, "brier", brier / n);
        let ece = calibration.iter().map(|(_, sum, right)| (sum - right).abs()).sum::<f64>() / n;
        // Scores are summed in steps of 2^-30.
        assert!((number(&found, "ece") - ece).abs() < 1e-8, "{found}");
        assert!(found["roc_auc"].is_null());
    }
}

#[test]
fn values_are_measured_as_a_naive_recomputation_does() {
    let run = plain(delays());
    let labels = columns(&delays().data.join("arrivals.csv.gz"), 2, 1);
    for model in ["ridge", "steps"] {
        let said: Vec<(f64, f64)> = answers(run, model)
            .iter()
            .filter_map(|p| {
                let delay: f64 = labels.get(text(p, "prediction_id"))?.parse().expect("a number");
                Some((number(p, "score"), delay.clamp(-60.0, 240.0)))
            })
            .collect();
        let n = said.len() as f64;
        let mean = said.iter().map(|(_, y)| y).sum::<f64>() / n;
        let errors = said.iter().map(|(score, y)| (score - y).powi(2)).sum::<f64>();
        let found = served(run, model);
        assert_eq!(number(&found, "labelled"), n);
        close(&found, "mae", said.iter().map(|(score, y)| (score - y).abs()).sum::<f64>() / n);
        close(&found, "rmse", (errors / n).sqrt());
        close(&found, "r2", 1.0 - errors / said.iter().map(|(_, y)| (y - mean).powi(2)).sum::<f64>());
    }
    // The exact one is better than knowing nothing, and so is what was fitted.
    let baseline =
        run.summary()["metrics"]["by"].as_array().expect("metrics").iter().find(|m| m["model"] == "mean").cloned();
    let baseline = number(&baseline.expect("the mean is a baseline"), "mae");
    assert!(number(&served(run, "ridge"), "mae") < 0.95 * baseline);
    assert!(run.records("decisions").iter().any(|d| text(d, "verdict") == "released"), "a version was released");
}

/// Labels come before the next event: the plain protocol, with River 0.26.1's figures (`tests/golden/weather.py`).
#[test]
fn weather_is_foreseen_as_often_as_river_foresees_it() {
    let golden = parse(&read(&project().join("tests/golden/weather.json")));
    let run = plain(weather());
    let found = served(run, "bayes");
    close(&found, "accuracy", number(&golden[0]["bayes"], "accuracy"));
    close(&found, "kappa", number(&golden[0]["bayes"], "kappa"));
    // The same for 28 years, until a search for a split falls due a day sooner (`src/model/hoeffding/tests.rs`).
    let tree = served(run, "tree");
    for name in ["accuracy", "kappa"] {
        let (found, river) = (number(&tree, name), number(&golden[0]["tree"], name));
        assert!((found - river).abs() < 0.002, "{name}: {found}, River {river}");
    }
    assert!(number(&served(run, "rain"), "accuracy") > 0.775, "a forest, or what was fitted, is better than a tree");
}

#[test]
fn outcomes_after_months_are_corrected_withdrawn_and_erased() {
    let run = plain(credit());
    let summary = run.summary();
    let count = |what: &str| summary["balance"]["counts"][what].as_i64().expect("a count");
    assert!(count("corrected") > 200 && count("withdrawn") > 100, "{summary}");
    // The last word on every loan, by a naive reading: what is labelled in the end.
    let outcomes = parse(&read(&credit().data.join("outcomes.jsonl.gz")));
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    outcomes.iter().for_each(|row| {
        last.insert(text(row, "loan"), &row["defaulted"]);
    });
    let labelled = last.values().filter(|label| !label.is_null()).count() as i64;
    assert_eq!(count("labelled"), labelled);
    assert!(run.registry().len() > 6, "versions were released");
}
