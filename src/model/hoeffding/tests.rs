//! Trees and forests beside River's (`tests/golden/trees.py`).

use super::super::{AdaptiveRandomForest, HoeffdingTree, Learner, LeveragingBagging};
use crate::config::spec::{BaggingSpec, ForestSpec, TreeSpec};
use crate::feature::Vector;
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A stream, with what River made of it.
#[derive(Deserialize)]
struct Stream {
    stream: String,
    groups: Vec<u32>,
    accuracy: BTreeMap<String, Vec<f64>>,
    #[serde(skip)]
    rows: Vec<Row>,
}

struct Row {
    x: Vector,
    label: bool,
    /// What River's tree says before it learns the label.
    score: Option<f64>,
}

impl Stream {
    fn width(&self) -> usize {
        self.rows[0].x.dense.len() + self.groups.iter().sum::<u32>() as usize
    }

    /// The share of labels that a learner foresees.
    fn accuracy(&self, mut learner: impl Learner) -> f64 {
        let mut right = 0;
        for row in &self.rows {
            right += usize::from((learner.predict(&row.x) > 0.5) == row.label);
            learner.learn(&row.x, row.label);
        }
        right as f64 / self.rows.len() as f64
    }
}

fn streams() -> Vec<Stream> {
    let packed = include_bytes!("../../../tests/golden/trees.jsonl.gz");
    let text = std::io::read_to_string(GzDecoder::new(&packed[..])).expect("it is gzip of text");
    let mut streams: Vec<Stream> = Vec::new();
    for line in text.lines() {
        if line.starts_with('{') {
            streams.push(serde_json::from_str(line).expect("a stream"));
            continue;
        }
        let stream = streams.last_mut().expect("a stream comes before its rows");
        let (numbers, values, label, score): (Vec<f64>, Vec<u32>, u8, Option<f64>) =
            serde_json::from_str(line).expect("a row");
        let mut first = numbers.len() as u32;
        let mut hot = Vec::new();
        for (value, size) in values.iter().zip(&stream.groups) {
            hot.push(first + value);
            first += size;
        }
        stream.rows.push(Row { x: Vector { dense: numbers.into(), hot: hot.into() }, label: label == 1, score });
    }
    assert_eq!(streams.len(), 4);
    streams
}

#[test]
fn trees_say_what_rivers_say() {
    for stream in streams() {
        let rules = TreeSpec { max_leaves: 100_000, ..TreeSpec::default() };
        let mut tree = HoeffdingTree::new(stream.width(), rules);
        for (place, row) in stream.rows.iter().enumerate() {
            let score = tree.predict(&row.x);
            if let Some(wanted) = row.score {
                assert!((score - wanted).abs() < 1e-9, "{} row {place}: {score}, River {wanted}", stream.stream);
            } else {
                assert_eq!(score, 0.5);
            }
            tree.learn(&row.x, row.label);
        }
        println!("{}: {} leaves behind {} labels", stream.stream, tree.leaves(), stream.rows.len());
    }
}

#[test]
fn forests_foresee_as_many_labels_as_rivers() {
    for stream in streams() {
        let width = stream.width();
        for (name, rivers) in &stream.accuracy {
            let ours = (0..10).map(|seed| match name.as_str() {
                "adaptive_random_forest" => {
                    stream.accuracy(AdaptiveRandomForest::new(width, ForestSpec { seed, ..ForestSpec::default() }))
                }
                _ => stream.accuracy(LeveragingBagging::new(width, BaggingSpec { seed, ..BaggingSpec::default() })),
            });
            let ours: Vec<f64> = ours.collect();
            let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
            let least = |all: &[f64]| all.iter().copied().fold(f64::INFINITY, f64::min);
            let (found, wanted) = (mean(&ours), mean(rivers));
            println!("{} {name}: {found:.4}, River {wanted:.4} ({:.4} at least)", stream.stream, least(rivers));
            assert!(found >= least(rivers), "{} {name}: {found} is below all of River's {rivers:?}", stream.stream);
        }
    }
}

#[test]
fn memory_is_bounded() {
    let x = |n: u64| {
        let part = |shift: u32| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift & 1023) as f64;
        Vector { dense: [part(0), part(20), part(40)].into(), hot: [].into() }
    };
    let rules = TreeSpec { max_leaves: 8, grace_period: 20, tau: 1.0, ..TreeSpec::default() };
    let mut tree = HoeffdingTree::new(3, rules);
    for n in 0..20_000 {
        let label = x(n).dense.iter().filter(|part| **part > 500.0).count() % 2 == 1;
        tree.learn(&x(n), label);
    }
    assert_eq!(tree.leaves(), 8);
    let mut shallow = HoeffdingTree::new(3, TreeSpec { max_depth: 2, max_leaves: 100, ..rules });
    (0..20_000).for_each(|n| shallow.learn(&x(n), x(n).dense[0] > 500.0));
    assert!((2..=4).contains(&shallow.leaves()), "{}", shallow.leaves());
}
