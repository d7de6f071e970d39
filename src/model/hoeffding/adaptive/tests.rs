//! Adaptive trees beside River's (`tests/golden/adaptive_trees.py`), and what bounds them.

use super::HoeffdingAdaptiveTree;
use crate::config::spec::{AdaptiveTreeSpec, TreeSpec};
use crate::feature::Vector;
use crate::model::{Artifact, Learner};
use crate::task::{Label, Prediction, Task};
use flate2::read::GzDecoder;
use serde::Deserialize;

/// A stream, with what River made of it.
#[derive(Deserialize)]
struct Stream {
    stream: String,
    classes: u16,
    groups: Vec<u32>,
    trees: Vec<Grown>,
    accuracy: Vec<f64>,
    #[serde(skip)]
    rows: Vec<Row>,
}

/// A tree's rules, and what became of it.
#[derive(Deserialize)]
struct Grown {
    rules: Rules,
    leaves: usize,
    won: u32,
    lost: u32,
}

#[derive(Deserialize)]
struct Rules {
    grace_period: u64,
    delta: f64,
    tau: f64,
    max_depth: u32,
    drift_window_threshold: u64,
    switch_significance: f64,
}

/// One number a class; none before anything is known.
type Said = Option<Vec<f64>>;

struct Row {
    x: Vector,
    label: Label,
    /// What each of River's trees says before it learns the label.
    said: Vec<Said>,
}

impl Rules {
    fn spec(&self) -> AdaptiveTreeSpec {
        let Rules { grace_period, delta, tau, max_depth, drift_window_threshold, switch_significance } = *self;
        let tree = TreeSpec { grace_period, delta, tau, max_depth, ..TreeSpec::default() };
        AdaptiveTreeSpec { bootstrap: false, drift_window_threshold, switch_significance, seed: 0, tree }
    }
}

impl Stream {
    fn tree(&self, rules: AdaptiveTreeSpec) -> HoeffdingAdaptiveTree {
        let task = if self.classes == 2 { Task::Binary } else { Task::Multiclass(self.classes) };
        let width = self.rows[0].x.dense.len() + self.groups.iter().sum::<u32>() as usize;
        HoeffdingAdaptiveTree::new(width, task, rules)
    }

    /// The share of labels that a tree of these rules foresees.
    fn accuracy(&self, rules: AdaptiveTreeSpec) -> f64 {
        let (mut tree, mut right) = (self.tree(rules), 0);
        for row in &self.rows {
            right += usize::from(tree.predict(&row.x).is_right(row.label));
            tree.learn(&row.x, row.label);
        }
        right as f64 / self.rows.len() as f64
    }
}

fn streams() -> Vec<Stream> {
    let packed = include_bytes!("../../../../tests/golden/adaptive_trees.jsonl.gz");
    let text = std::io::read_to_string(GzDecoder::new(&packed[..])).expect("it is gzip of text");
    let mut streams: Vec<Stream> = Vec::new();
    for line in text.lines() {
        if line.starts_with('{') {
            streams.push(serde_json::from_str(line).expect("a stream"));
            continue;
        }
        let stream = streams.last_mut().expect("a stream comes before its rows");
        let (numbers, values, label, said): (Vec<f64>, Vec<u32>, usize, Vec<Said>) =
            serde_json::from_str(line).expect("a row");
        let mut first = numbers.len() as u32;
        let mut hot = Vec::new();
        for (value, size) in values.iter().zip(&stream.groups) {
            hot.push(first + value);
            first += size;
        }
        let x = Vector { dense: numbers.into(), hot: hot.into() };
        stream.rows.push(Row { x, label: Label::class(label), said });
    }
    assert_eq!(streams.len(), 4);
    streams
}

/// One number a class.
fn probabilities(said: &Prediction) -> Vec<f64> {
    match said {
        Prediction::Number(number) => vec![1.0 - number, *number],
        Prediction::Classes(of) => of.to_vec(),
    }
}

#[test]
fn adaptive_trees_say_what_rivers_say() {
    let (mut won, mut lost, mut aside) = (0, 0, 0);
    for stream in streams() {
        for (which, grown) in stream.trees.iter().enumerate() {
            let mut tree = stream.tree(grown.rules.spec());
            for (place, row) in stream.rows.iter().enumerate() {
                let found = probabilities(&tree.predict(&row.x));
                let unknown = || vec![1.0 / f64::from(stream.classes); usize::from(stream.classes)];
                let wanted = row.said[which].clone().unwrap_or_else(unknown);
                let close = found.iter().zip(&wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-9);
                assert!(close, "{} {which}, row {place}: {found:?}, River {wanted:?}", stream.stream);
                tree.learn(&row.x, row.label);
                aside += tree.trials();
            }
            assert_eq!(tree.leaves(), grown.leaves, "{} {which}", stream.stream);
            (won, lost) = (won + grown.won, lost + grown.lost);
        }
    }
    assert!(won > 2 && lost > 1 && aside > 100, "the streams try everything: {won} won, {lost} lost, {aside}");
}

#[test]
fn adaptive_trees_foresee_as_many_labels_as_rivers() {
    for stream in streams() {
        let ours = (0..10).map(|seed| stream.accuracy(AdaptiveTreeSpec { seed, ..AdaptiveTreeSpec::default() }));
        let ours: Vec<f64> = ours.collect();
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let least = |all: &[f64]| all.iter().copied().fold(f64::INFINITY, f64::min);
        let (found, rivers) = (mean(&ours), &stream.accuracy);
        println!("{}: {found:.4} of {ours:.4?}, River {:.4} of {rivers:.4?}", stream.stream, mean(rivers));
        assert!(found >= least(rivers), "{}: {found} is below all of River's {rivers:?}", stream.stream);
    }
}

/// A tree that is taken up from an artifact while leaves are on trial goes on as if nothing had happened, and none has
/// more leaves than it may.
#[test]
fn adaptive_trees_are_bounded_and_taken_up_again() {
    let stream = streams().remove(1);
    let tree = TreeSpec { max_leaves: 5, grace_period: 30, tau: 1.0, ..TreeSpec::default() };
    let mut kept = stream.tree(AdaptiveTreeSpec { tree, ..AdaptiveTreeSpec::default() });
    let (mut most, mut trials) = (0, 0);
    for row in &stream.rows {
        kept.learn(&row.x, row.label);
        (most, trials) = (most.max(kept.leaves()), trials + kept.trials());
        if kept.updates().is_multiple_of(50) {
            let width = kept.width as usize;
            let bytes = Artifact::new("m", "00", width, kept.save()).expect("its state is in range").to_bytes();
            let body = Artifact::from_bytes(&bytes).expect("what was written reads").body;
            let mut again = body.clone().learner().expect("a learner");
            assert_eq!(body, kept.save());
            assert_eq!(again.predict(&row.x), kept.predict(&row.x));
            again.learn(&row.x, row.label);
            let mut goes_on = kept.clone();
            goes_on.learn(&row.x, row.label);
            assert_eq!(again.save(), goes_on.save());
        }
    }
    assert!(most == 5 && trials > 0, "{most} leaves, {trials} on trial");
}

/// The nodes that a replaced branch had are gone.
#[test]
fn what_is_replaced_is_forgotten() {
    let stream = streams().remove(1);
    let mut tree = stream.tree(stream.trees[0].rules.spec());
    for row in &stream.rows {
        let before = tree.nodes.count();
        tree.learn(&row.x, row.label);
        assert_eq!((tree.nodes.count(), tree.watches.len()), (2 * tree.leaves() - 1, tree.nodes.count()));
        assert!(tree.nodes.count() <= before + 2);
        assert!(tree.check(tree.width as usize).is_ok());
    }
}
