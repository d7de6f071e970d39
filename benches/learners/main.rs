//! How well, and how fast, the online learners learn: test then train over rows in a file, on one thread.
//!
//! Each line of the file is `[numbers, hot slots, label]`; the width comes first on a line of its own. Prints a JSON
//! object a learner: accuracy, kappa, rows a second. `benches/learners.py` makes the files and puts River beside it.

use serde_json::json;
use std::time::Instant;
use tidemill::config::spec::{BaggingSpec, ForestSpec, TreeSpec};
use tidemill::feature::Vector;
use tidemill::model::{AdaptiveRandomForest, HoeffdingTree, Learner, LeveragingBagging};
use tidemill::model::{Logistic, Majority, NoChange, OnlineGaussianNb};

type Make = Box<dyn Fn(usize, u64) -> Box<dyn Learner>>;

/// Every online learner, by the name in a pipeline file, and whether it draws.
fn learners() -> Vec<(&'static str, bool, Make)> {
    vec![
        ("majority", false, Box::new(|_, _| Box::<Majority>::default())),
        ("no_change", false, Box::new(|_, _| Box::<NoChange>::default())),
        ("logistic", false, Box::new(|width, _| Box::new(Logistic::new(width, 0.01, 0.0)))),
        ("gaussian_nb", false, Box::new(|width, _| Box::new(OnlineGaussianNb::new(width)))),
        ("hoeffding_tree", false, Box::new(|width, _| Box::new(HoeffdingTree::new(width, TreeSpec::default())))),
        (
            "adaptive_random_forest",
            true,
            Box::new(|width, seed| {
                Box::new(AdaptiveRandomForest::new(width, ForestSpec { seed, ..ForestSpec::default() }))
            }),
        ),
        (
            "leveraging_bagging",
            true,
            Box::new(|width, seed| {
                Box::new(LeveragingBagging::new(width, BaggingSpec { seed, ..BaggingSpec::default() }))
            }),
        ),
    ]
}

fn main() {
    // `cargo bench` adds words of its own.
    let Some(path) = std::env::args().skip(1).find(|word| !word.starts_with("--")) else { return };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut lines = text.lines();
    let width: usize = lines.next().and_then(|line| line.parse().ok()).expect("the width comes first");
    let row = |line: &str| {
        let (dense, hot, label): (Vec<f64>, Vec<u32>, u8) = serde_json::from_str(line).expect("a row");
        (Vector { dense: dense.into(), hot: hot.into() }, label == 1)
    };
    let rows: Vec<(Vector, bool)> = lines.map(row).collect();
    for (name, draws, make) in learners() {
        let seeds = if draws { 0..10 } else { 0..1 };
        let mut told = Vec::new();
        for seed in seeds {
            let mut learner = make(width, seed);
            let mut counts = [[0_u32; 2]; 2];
            let began = Instant::now();
            for (x, label) in &rows {
                let said = learner.predict(x) > 0.5;
                counts[usize::from(*label)][usize::from(said)] += 1;
                learner.learn(x, *label);
            }
            let seconds = began.elapsed().as_secs_f64();
            let [[tn, fp], [fneg, tp]] = counts.map(|row| row.map(f64::from));
            let n = tn + fp + fneg + tp;
            let accuracy = (tn + tp) / n;
            let chance = ((tn + fp) * (tn + fneg) + (fneg + tp) * (fp + tp)) / (n * n);
            let kappa = if chance < 1.0 { (accuracy - chance) / (1.0 - chance) } else { 0.0 };
            told.push(json!({ "accuracy": accuracy, "kappa": kappa, "rows_per_s": n / seconds }));
        }
        println!("{}", json!({ "learner": name, "runs": told }));
    }
}
