//! How well, and how fast, the online learners learn: test then train over rows in a file, on one thread.
//!
//! The first line of the file is `{"width":..,"task":..}`; each other is `[numbers, hot slots, label]`. Prints a JSON
//! object a learner that has the task: its metrics, rows a second. `benches/learners.py` makes the files and puts River
//! beside it.

use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;
use tidemill::config::spec::{AdaptiveTreeSpec, AlmaSpec, BaggingSpec, ForestSpec, LearnerSpec, Metric, NearestSpec};
use tidemill::config::spec::{OptimizerSpec, PassiveAggressiveSpec, PatchesSpec, TreeSpec};
use tidemill::evaluate::{Bin, Tally, bins, value};
use tidemill::feature::Vector;
use tidemill::model::{Learner, Majority, NoChange, learner};
use tidemill::task::{Label, Task};

#[derive(Deserialize)]
struct Head {
    width: usize,
    task: Task,
}

/// The learners of a task, by the name in a pipeline file, and whether they draw; defaults, as River's.
fn learners(task: Task, seed: u64) -> Vec<(&'static str, bool, LearnerSpec)> {
    let optimizer = OptimizerSpec::sgd(0.01);
    let adam = OptimizerSpec::Adam { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, eps: 1e-8 };
    let adagrad = OptimizerSpec::Adagrad { learning_rate: 0.1, eps: 1e-8 };
    let ftrl = OptimizerSpec::Ftrl { alpha: 0.05, beta: 1.0, l1: 0.0, l2: 1.0 };
    let near = ("nearest_neighbors", false, LearnerSpec::NearestNeighbors(NearestSpec::default()));
    let passive = ("passive_aggressive", false, LearnerSpec::PassiveAggressive(PassiveAggressiveSpec::default()));
    let tree = ("hoeffding_tree", false, LearnerSpec::HoeffdingTree(TreeSpec::default()));
    let forest = ForestSpec { seed, ..ForestSpec::default() };
    let forest = ("adaptive_random_forest", true, LearnerSpec::AdaptiveRandomForest(forest));
    let mut all = vec![near];
    match task {
        Task::Binary => all.extend([
            ("logistic", false, LearnerSpec::Logistic { optimizer, l2: 0.0 }),
            ("logistic, adagrad", false, LearnerSpec::Logistic { optimizer: adagrad, l2: 0.0 }),
            ("logistic, adam", false, LearnerSpec::Logistic { optimizer: adam, l2: 0.0 }),
            ("logistic, ftrl", false, LearnerSpec::Logistic { optimizer: ftrl, l2: 0.0 }),
            passive,
            ("alma", false, LearnerSpec::Alma(AlmaSpec::default())),
        ]),
        Task::Multiclass(_) => all.push(("softmax", false, LearnerSpec::Softmax { optimizer, l2: 0.0 })),
        Task::Regression => {
            all.extend([
                ("linear", false, LearnerSpec::Linear { optimizer, l2: 0.0 }),
                ("ridge", false, LearnerSpec::Ridge { alpha: 1.0 }),
                passive,
                tree,
                forest,
            ]);
            return all;
        }
    }
    let patches = PatchesSpec { seed, ..PatchesSpec::default() };
    let adaptive = AdaptiveTreeSpec { seed, ..AdaptiveTreeSpec::default() };
    let bagging = BaggingSpec { seed, ..BaggingSpec::default() };
    all.extend([
        ("gaussian_nb", false, LearnerSpec::GaussianNb),
        tree,
        ("hoeffding_adaptive_tree", true, LearnerSpec::HoeffdingAdaptiveTree(adaptive)),
        forest,
        ("leveraging_bagging", true, LearnerSpec::LeveragingBagging(bagging)),
        ("streaming_random_patches", true, LearnerSpec::StreamingRandomPatches(patches)),
    ]);
    all
}

/// Test then train.
fn run(task: Task, rows: &[(Vector, Label)], mut learner: Box<dyn Learner>) -> serde_json::Value {
    let began = Instant::now();
    let mut said = Vec::with_capacity(rows.len());
    for (x, label) in rows {
        said.push(learner.predict(x));
        learner.learn(x, *label);
    }
    let seconds = began.elapsed().as_secs_f64();
    let (mut tally, mut counts) = (Tally::default(), BTreeMap::<u16, Bin>::new());
    for (said, (_, label)) in said.iter().zip(rows) {
        tally += Tally::labelled(task, said, *label);
        bins::of(task, said, *label).for_each(|(bin, one)| *counts.entry(bin).or_default() += one);
    }
    let metric = |metric| value(metric, task, &tally, counts.iter().map(|(bin, counts)| (*bin, *counts)));
    let mut told: serde_json::Map<String, serde_json::Value> =
        Metric::of(task).into_iter().map(|(name, of)| (name.to_owned(), json!(metric(of)))).collect();
    told.insert("rows_per_s".to_owned(), json!(rows.len() as f64 / seconds));
    told.into()
}

fn main() {
    // `cargo bench` adds words of its own.
    let Some(path) = std::env::args().skip(1).find(|word| !word.starts_with("--")) else { return };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut lines = text.lines();
    let Head { width, task } = serde_json::from_str(lines.next().unwrap_or_default()).expect("the head comes first");
    let row = |line: &str| {
        let (dense, hot, label): (Vec<f64>, Vec<u32>, f64) = serde_json::from_str(line).expect("a row");
        (Vector { dense: dense.into(), hot: hot.into() }, Label::value(label).expect("a label"))
    };
    let rows: Vec<(Vector, Label)> = lines.map(row).collect();
    let baselines: [(&str, Box<dyn Learner>); 2] =
        [("majority", Box::new(Majority::new(task))), ("no_change", Box::new(NoChange::new(task)))];
    for (name, baseline) in baselines {
        println!("{}", json!({ "learner": name, "runs": [run(task, &rows, baseline)] }));
    }
    for (place, (name, draws, _)) in learners(task, 0).into_iter().enumerate() {
        let seeds = if draws { 0..10 } else { 0..1 };
        let made = |seed| learner(&learners(task, seed)[place].2, width, task);
        let told: Vec<_> = seeds.map(|seed| run(task, &rows, made(seed))).collect();
        println!("{}", json!({ "learner": name, "runs": told }));
    }
}
