//! Trees and forests beside River's (`tests/golden/trees.py`).

use super::super::{AdaptiveRandomForest, HoeffdingTree, Learner, LeveragingBagging, StreamingRandomPatches};
use crate::config::spec::{BaggingSpec, ForestSpec, PatchesSpec, TreeSpec};
use crate::feature::Vector;
use crate::task::Task;
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
    /// What River's trees say before they learn the label.
    scores: [Option<f64>; 2],
}

impl Stream {
    fn width(&self) -> usize {
        self.rows[0].x.dense.len() + self.groups.iter().sum::<u32>() as usize
    }

    /// The share of labels that a learner foresees.
    fn accuracy(&self, mut learner: impl Learner) -> f64 {
        let mut right = 0;
        for row in &self.rows {
            right += usize::from((learner.score(&row.x) > 0.5) == row.label);
            learner.learn(&row.x, row.label.into());
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
        let (numbers, values, label, scores): (Vec<f64>, Vec<u32>, u8, [Option<f64>; 2]) =
            serde_json::from_str(line).expect("a row");
        let mut first = numbers.len() as u32;
        let mut hot = Vec::new();
        for (value, size) in values.iter().zip(&stream.groups) {
            hot.push(first + value);
            first += size;
        }
        stream.rows.push(Row { x: Vector { dense: numbers.into(), hot: hot.into() }, label: label == 1, scores });
    }
    assert_eq!(streams.len(), 4);
    streams
}

#[test]
fn trees_say_what_rivers_say() {
    for stream in streams() {
        let mut tree =
            HoeffdingTree::new(stream.width(), Task::Binary, TreeSpec { max_leaves: 100_000, ..TreeSpec::default() });
        for (place, row) in stream.rows.iter().enumerate() {
            let (score, wanted) = (tree.score(&row.x), row.scores[0].unwrap_or(0.5));
            assert!((score - wanted).abs() < 1e-9, "{} row {place}: {score}, River {wanted}", stream.stream);
            tree.learn(&row.x, row.label.into());
        }
        println!("{}: {} leaves behind {} labels", stream.stream, tree.leaves(), stream.rows.len());
    }
}

/// A tree of many leaves is River's until a search falls due a label sooner or later: that is where the weight of a
/// leaf less that of its last search, which both have from the error function, is 50 or as good as 50. Afterwards both
/// are as good as each other.
#[test]
fn quick_trees_are_rivers_but_for_the_last_bit() {
    let rules = TreeSpec { max_depth: 8, grace_period: 50, delta: 0.05, tau: 0.1, ..TreeSpec::default() };
    for stream in streams() {
        let mut tree = HoeffdingTree::new(stream.width(), Task::Binary, rules);
        let (mut right, mut rivers, mut apart, mut first) = (0, 0, 0, None);
        for (place, row) in stream.rows.iter().enumerate() {
            let (score, wanted) = (tree.score(&row.x), row.scores[1].unwrap_or(0.5));
            if (score - wanted).abs() > 1e-9 {
                apart += 1;
                first.get_or_insert(place);
            }
            right += i32::from((score > 0.5) == row.label);
            rivers += i32::from((wanted > 0.5) == row.label);
            tree.learn(&row.x, row.label.into());
        }
        let rows = stream.rows.len() as f64;
        println!("{}: {} leaves, {apart} of {rows} rows apart, from {first:?} on", stream.stream, tree.leaves());
        assert!(first.is_none_or(|first| first > 1000), "{}: {first:?}", stream.stream);
        assert!(f64::from(right - rivers).abs() / rows < 0.01, "{}: {right}, River {rivers}", stream.stream);
        assert!(tree.leaves() > 5);
    }
}

#[test]
fn forests_foresee_as_many_labels_as_rivers() {
    for stream in streams() {
        let width = stream.width();
        for (name, rivers) in &stream.accuracy {
            let ours = (0..10).map(|seed| match name.as_str() {
                "adaptive_random_forest" => stream.accuracy(AdaptiveRandomForest::new(
                    width,
                    Task::Binary,
                    ForestSpec { seed, ..ForestSpec::default() },
                )),
                "streaming_random_patches" => stream.accuracy(StreamingRandomPatches::new(
                    width,
                    Task::Binary,
                    PatchesSpec { seed, ..PatchesSpec::default() },
                )),
                _ => stream.accuracy(LeveragingBagging::new(
                    width,
                    Task::Binary,
                    BaggingSpec { seed, ..BaggingSpec::default() },
                )),
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
    let mut tree = HoeffdingTree::new(3, Task::Binary, rules);
    for n in 0..20_000 {
        let label = x(n).dense.iter().filter(|part| **part > 500.0).count() % 2 == 1;
        tree.learn(&x(n), label.into());
    }
    assert_eq!(tree.leaves(), 8);
    let mut shallow = HoeffdingTree::new(3, Task::Binary, TreeSpec { max_depth: 2, max_leaves: 100, ..rules });
    (0..20_000).for_each(|n| shallow.learn(&x(n), (x(n).dense[0] > 500.0).into()));
    assert!((2..=4).contains(&shallow.leaves()), "{}", shallow.leaves());
}
