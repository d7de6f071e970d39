//! Which settings of `random_forest` suit many streams: what its defaults were chosen by.
//!
//! Reads files of `tidemill export examples --format jsonl`. Of each stream the rows with labels are cut in five parts
//! of equal length; each setting is fitted on what is before the third, fourth and fifth part and judged on that part.
//! Prints tables in Markdown: by setting and stream the log loss (of values the root mean squared error), then what
//! sorts or hits; behind them the mean over streams of the logarithm of the loss by that of the first setting.

use serde_json::Value;
use std::collections::BTreeMap;
use tidemill::config::spec::{Cart, Metric, RandomForest};
use tidemill::evaluate::{Bin, Tally, bins, value};
use tidemill::feature::Vector;
use tidemill::task::{Label, Task};
use tidemill::train::{Estimator, RandomForestEstimator, Rows};

/// The fewest rows of a leaf, by what the root of the number of slots is multiplied, and the most leaves.
const SETTINGS: [(u32, f64, usize); 10] = [
    (5, 1.0, 1024),
    (1, 1.0, 1024),
    (2, 1.0, 1024),
    (10, 1.0, 1024),
    (20, 1.0, 1024),
    (50, 1.0, 1024),
    (5, 2.0, 1024),
    (10, 2.0, 1024),
    (20, 2.0, 1024),
    (5, 1.0, 2048),
];

/// Parts of a stream, and the first that is judged.
const PARTS: usize = 5;
const FIRST: usize = 2;

struct Stream {
    name: String,
    task: Task,
    width: usize,
    rows: Vec<(Vector, Label)>,
}

/// The labelled rows of an export, in its order.
fn stream(path: &str) -> Stream {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of an export"));
    let labelled: Vec<Value> = lines.filter(|line| !line["label"].is_null()).collect();
    let mut classes: Vec<&str> = labelled.iter().filter_map(|line| line["label"].as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let task = match &labelled[0]["label"] {
        Value::String(_) => Task::Multiclass(classes.len() as u16),
        Value::Bool(_) => Task::Binary,
        _ => Task::Regression,
    };
    // One-hot slots, `feature=value`, stand behind the numbers.
    let slots = labelled[0]["features"].as_object().expect("named slots").keys();
    let (hot, dense): (Vec<&String>, Vec<&String>) = slots.partition(|name| name.contains('='));
    let row = |line: &Value| {
        let slot = |name: &String| line["features"][name].as_f64().expect("a number");
        let is_one = hot.iter().enumerate().filter(|(_, name)| slot(name) == 1.0);
        let x = Vector {
            dense: dense.iter().map(|name| slot(name)).collect::<Vec<_>>().into(),
            hot: is_one.map(|(place, _)| (dense.len() + place) as u32).collect::<Vec<_>>().into(),
        };
        let label = match &line["label"] {
            Value::String(class) => Label::class(classes.iter().position(|known| known == class).expect("a class")),
            Value::Bool(label) => (*label).into(),
            amount => amount.as_f64().and_then(Label::value).expect("a value"),
        };
        (x, label)
    };
    let rows = labelled.iter().map(row).collect();
    let name = std::path::Path::new(path).file_stem().map_or(path.into(), |stem| stem.to_string_lossy().into_owned());
    Stream { name, task, width: dense.len() + hot.len(), rows }
}

/// The two figures of a setting over the parts that are judged.
fn judge(stream: &Stream, (least, factor, leaves): (u32, f64, usize)) -> [f64; 2] {
    let Stream { task, width, ref rows, .. } = *stream;
    let slots = (factor * (width as f64).sqrt()) as u32;
    let max_features = if factor == 1.0 { None } else { Some(slots.clamp(1, width as u32)) };
    let tree = Cart { max_leaf_nodes: leaves, min_samples_leaf: least };
    let forest = RandomForestEstimator(RandomForest { n_estimators: 100, max_features, seed: 0, tree });
    let (mut tally, mut counts) = (Tally::default(), BTreeMap::<u16, Bin>::new());
    for part in FIRST..PARTS {
        let (begin, end) = (rows.len() * part / PARTS, rows.len() * (part + 1) / PARTS);
        let before = rows[..begin].iter().map(|(x, label)| (x, *label));
        let fitted = forest.fit(&Rows::new(before, width, task).expect("rows"), None).expect("it fits");
        for (x, label) in &rows[begin..end] {
            let said = fitted.predict(x);
            tally += Tally::labelled(task, &said, *label);
            bins::of(task, &said, *label).for_each(|(bin, one)| *counts.entry(bin).or_default() += one);
        }
    }
    let of = match task {
        Task::Binary => [Metric::LogLoss, Metric::RocAuc],
        Task::Multiclass(_) => [Metric::LogLoss, Metric::Accuracy],
        Task::Regression => [Metric::Rmse, Metric::R2],
    };
    of.map(|of| value(of, task, &tally, counts.iter().map(|(bin, counts)| (*bin, *counts))).unwrap_or(f64::NAN))
}

fn main() {
    // `cargo bench` adds words of its own.
    let streams: Vec<Stream> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).map(|path| stream(&path)).collect();
    let names: Vec<String> = streams.iter().map(|of| format!("{} ({} rows)", of.name, of.rows.len())).collect();
    println!("| min_samples_leaf | max_features | max_leaf_nodes | {} | log of loss by the first |", names.join(" | "));
    println!("|{}", " ---: |".repeat(4 + streams.len()));
    let mut first: Vec<f64> = Vec::new();
    for setting in SETTINGS {
        let told: Vec<[f64; 2]> = streams.iter().map(|stream| judge(stream, setting)).collect();
        if first.is_empty() {
            first = told.iter().map(|[loss, _]| *loss).collect();
        }
        let mean = told.iter().zip(&first).map(|([loss, _], first)| (loss / first).ln()).sum::<f64>();
        let cells: Vec<String> = told.iter().map(|[loss, other]| format!("{loss:.4}, {other:.4}")).collect();
        let (least, factor, leaves) = setting;
        let mean = mean / streams.len().max(1) as f64;
        println!("| {least} | {factor} root | {leaves} | {} | {mean:+.4} |", cells.join(" | "));
    }
}
