//! Regression trees and forests beside River's (`tests/golden/regression.py`).

use super::super::super::{Learner, RegressionForest};
use super::RegressionTree;
use crate::config::spec::{ForestSpec, TreeSpec};
use crate::feature::Vector;
use crate::task::Label;
use flate2::read::GzDecoder;
use serde::Deserialize;

/// A stream, with River's mean absolute errors: a tree over scaled features, one without, and forests of three seeds.
#[derive(Deserialize)]
struct Stream {
    stream: String,
    tree: f64,
    unscaled: f64,
    forests: Vec<f64>,
    #[serde(skip)]
    rows: Vec<(Vector, Label)>,
}

impl Stream {
    fn width(&self) -> usize {
        self.rows[0].0.dense.len()
    }

    /// The mean absolute error, test then train.
    fn error(&self, mut learner: impl Learner) -> f64 {
        let mut errors = 0.0;
        for (x, label) in &self.rows {
            errors += (learner.score(x) - label.amount()).abs();
            learner.learn(x, *label);
        }
        errors / self.rows.len() as f64
    }
}

fn streams() -> Vec<Stream> {
    let packed = include_bytes!("../../../../tests/golden/regression.jsonl.gz");
    let text = std::io::read_to_string(GzDecoder::new(&packed[..])).expect("it is gzip of text");
    let mut streams: Vec<Stream> = Vec::new();
    for line in text.lines() {
        if line.starts_with('{') {
            streams.push(serde_json::from_str(line).expect("a stream"));
            continue;
        }
        let (numbers, value): (Vec<f64>, f64) = serde_json::from_str(line).expect("a row");
        let row = (Vector { dense: numbers.into(), hot: [].into() }, Label::value(value).expect("a label"));
        streams.last_mut().expect("a stream comes before its rows").rows.push(row);
    }
    assert_eq!(streams.len(), 2);
    streams
}

#[test]
fn trees_err_hardly_more_than_rivers() {
    for stream in streams() {
        let found = stream.error(RegressionTree::new(stream.width(), TreeSpec::default()));
        println!("{}: {found:.4}, River {:.4}, unscaled {:.4}", stream.stream, stream.tree, stream.unscaled);
        assert!(found <= 1.04 * stream.tree, "{}: {found}, River {}", stream.stream, stream.tree);
    }
}

#[test]
fn forests_err_no_more_than_rivers() {
    for stream in streams() {
        let forest = |seed| RegressionForest::new(stream.width(), ForestSpec { seed, ..ForestSpec::default() });
        let found = (0..10).map(|seed| stream.error(forest(seed))).sum::<f64>() / 10.0;
        let rivers = stream.forests.iter().sum::<f64>() / stream.forests.len() as f64;
        println!("{}: {found:.4}, River {rivers:.4}", stream.stream);
        assert!(found <= 1.03 * rivers, "{}: {found}, River {:?}", stream.stream, stream.forests);
    }
}

#[test]
fn drift_is_forgotten() {
    let x = |n: u32| Vector { dense: [f64::from(n * 37 % 101), f64::from(n * 11 % 7)].into(), hot: [].into() };
    let value = |n: u32| if n < 5000 { x(n).dense[0] } else { 300.0 - 2.0 * x(n).dense[0] };
    let mut forest = RegressionForest::new(2, ForestSpec::default());
    let error = |n: u32, forest: &mut RegressionForest| {
        let error = (forest.score(&x(n)) - value(n)).abs();
        forest.learn(&x(n), Label::value(value(n)).expect("a label"));
        error
    };
    (0..7000).for_each(|n| {
        error(n, &mut forest);
    });
    let late = (7000..8000).map(|n| error(n, &mut forest)).sum::<f64>() / 1000.0;
    assert!(late < 15.0, "{late} of values from 100 to 300");
}

#[test]
fn memory_is_bounded() {
    let part = |n: u64, shift: u32| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift & 1023) as f64;
    let rules = TreeSpec { max_leaves: 8, grace_period: 20, tau: 1.0, ..TreeSpec::default() };
    let mut tree = RegressionTree::new(2, rules);
    for n in 0..20_000 {
        let x = Vector { dense: [part(n, 0), part(n, 20)].into(), hot: [].into() };
        tree.learn(&x, Label::value(part(n, 0) * part(n, 20)).expect("a label"));
    }
    assert_eq!(tree.leaves(), 8);
    let bytes = serde_json::to_vec(&tree.save()).expect("it serializes").len();
    assert!(bytes < 8_000, "full, it observes nothing: {bytes} bytes");
}
