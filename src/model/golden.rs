//! What other programs said of rows, test then train: `tests/golden/learners.json`, written by `learners.py`.

use super::Learner;
use crate::feature::Vector;
use crate::task::{Label, Prediction};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The rows of a task, and what a learner said of them.
pub(super) struct Golden<R> {
    width: usize,
    classes: usize,
    rows: Vec<(Vector, Label)>,
    pub(super) runs: Vec<Run<R>>,
}

/// One set of parameters, and the probability of *true* or the value, or one probability a class, a row.
#[derive(Deserialize)]
pub(super) struct Run<R> {
    rules: R,
    said: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct File {
    width: usize,
    classes: usize,
    rows: Vec<(Vec<f64>, Vec<u32>)>,
    labels: BTreeMap<String, Vec<f64>>,
    runs: BTreeMap<String, Told>,
}

#[derive(Deserialize)]
struct Told {
    task: String,
    runs: serde_json::Value,
}

/// What is told under a name.
pub(super) fn golden<R: DeserializeOwned>(name: &str) -> Golden<R> {
    let mut file: File =
        serde_json::from_str(include_str!("../../tests/golden/learners.json")).expect("the golden file reads");
    let told = file.runs.remove(name).expect("its runs");
    let labels = &file.labels[&told.task];
    let rows = file.rows.into_iter().zip(labels).map(|((dense, hot), label)| {
        (Vector { dense: dense.into(), hot: hot.into() }, Label::value(*label).expect("a label"))
    });
    let classes = if told.task == "multiclass" { file.classes } else { 2 };
    let runs = serde_json::from_value(told.runs).expect("the runs read");
    Golden { width: file.width, classes, rows: rows.collect(), runs }
}

impl<R: std::fmt::Debug> Golden<R> {
    /// Every run, test then train, is said to 1e-9 of its size.
    pub(super) fn replay(&self, learner: impl Fn(&R, usize, usize) -> Box<dyn Learner>) {
        for run in &self.runs {
            let mut learner = learner(&run.rules, self.width, self.classes);
            assert_eq!(run.said.len(), self.rows.len());
            for (place, ((x, label), expected)) in self.rows.iter().zip(&run.said).enumerate() {
                let found = match learner.predict(x) {
                    Prediction::Number(number) => vec![number],
                    Prediction::Classes(of) => of.to_vec(),
                };
                assert_eq!(found.len(), expected.len());
                let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
                let all = found.iter().zip(expected).all(close);
                assert!(all, "{:?}, row {place}: {found:?} is not {expected:?}", run.rules);
                learner.learn(x, *label);
            }
        }
    }
}
