//! The laws of every learner, each as a test over all of them.

use super::{AdaptiveRandomForest, Alma, Artifact, Body, Exactness, Fixed, HoeffdingAdaptiveTree, HoeffdingTree};
use super::{
    Learner, LeveragingBagging, Linear, Logistic, Majority, MultinomialNb, NearestNeighbors, NoChange, OnlineGaussianNb,
};
use super::{PassiveAggressive, RegressionForest, RegressionTree, Ridge, Share, Softmax, StreamingRandomPatches};
use crate::config::spec::{AdaptiveTreeSpec, AlmaSpec, BaggingSpec, ForestSpec, NearestSpec, OptimizerSpec};
use crate::config::spec::{PassiveAggressiveSpec, PatchesSpec, TreeSpec};
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task};
use proptest::collection::vec;
use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
use proptest::prelude::*;

const DENSE: usize = 3;
const WIDTH: usize = 8;
const SEVERAL: Task = Task::Multiclass(4);

/// Every learner joins here, with each of its tasks.
fn all() -> Vec<(Task, Box<dyn Learner>)> {
    let mut all: Vec<(Task, Box<dyn Learner>)> = vec![
        (Task::Binary, Box::new(Alma::new(WIDTH, AlmaSpec::default()))),
        (Task::Regression, Box::new(Ridge::new(WIDTH, 1.0))),
    ];
    let adam = OptimizerSpec::Adam { learning_rate: 0.1, beta_1: 0.9, beta_2: 0.999, eps: 1e-8 };
    let ftrl = OptimizerSpec::Ftrl { alpha: 0.1, beta: 1.0, l1: 0.1, l2: 1.0 };
    for (optimizer, l2) in [
        (OptimizerSpec::sgd(0.1), 0.0),
        (OptimizerSpec::sgd(2.0), 0.01),
        (OptimizerSpec::Adagrad { learning_rate: 0.1, eps: 1e-8 }, 0.0),
        (adam, 0.0),
        (ftrl, 0.0),
    ] {
        all.push((Task::Binary, Box::new(Logistic::new(WIDTH, &optimizer, l2))));
        all.push((SEVERAL, Box::new(Softmax::new(WIDTH, 4, &optimizer, l2))));
        all.push((Task::Regression, Box::new(Linear::new(WIDTH, &optimizer, l2))));
    }
    for task in [Task::Binary, SEVERAL, Task::Regression] {
        let near = NearestSpec { n_neighbors: 3, window_size: 10, weighted: true };
        all.push((task, Box::new(NearestNeighbors::new(WIDTH, task, near))));
        all.push((task, Box::new(Majority::new(task))));
        all.push((task, Box::new(NoChange::new(task))));
    }
    for task in [Task::Binary, Task::Regression] {
        all.push((task, Box::new(PassiveAggressive::new(WIDTH, task, PassiveAggressiveSpec::default()))));
    }
    let tree = TreeSpec { grace_period: 5, tau: 1.0, ..TreeSpec::default() };
    let forest = ForestSpec { n_models: 3, seed: 1, ..ForestSpec::default() };
    all.push((Task::Regression, Box::new(RegressionTree::new(WIDTH, TreeSpec { max_leaves: 4, ..tree }))));
    all.push((Task::Regression, Box::new(RegressionForest::new(WIDTH, ForestSpec { tree, ..forest }))));
    for task in [Task::Binary, SEVERAL] {
        let bagging = BaggingSpec { n_models: 2, seed: 2, ..BaggingSpec::default() };
        let patches = PatchesSpec { n_models: 2, seed: 3, ..PatchesSpec::default() };
        all.push((task, Box::new(OnlineGaussianNb::new(WIDTH, task.classes()))));
        all.push((task, Box::new(MultinomialNb::new(WIDTH, task.classes(), 1.0))));
        all.push((task, Box::new(HoeffdingTree::new(WIDTH, task, tree))));
        let adaptive = AdaptiveTreeSpec { seed: 4, tree, ..AdaptiveTreeSpec::default() };
        all.push((task, Box::new(HoeffdingAdaptiveTree::new(WIDTH, task, adaptive))));
        all.push((task, Box::new(AdaptiveRandomForest::new(WIDTH, task, forest))));
        all.push((task, Box::new(LeveragingBagging::new(WIDTH, task, bagging))));
        all.push((task, Box::new(StreamingRandomPatches::new(WIDTH, task, patches))));
    }
    all
}

/// A number as a label of a task.
fn label(task: Task, number: u8) -> Label {
    match task {
        Task::Regression => Label::value(f64::from(number) * 7.5 - 800.0).expect("a value"),
        task => Label::class(usize::from(number) % task.classes()),
    }
}

/// A vector of finite numbers of any size, or of ordinary ones, and some hot slots.
fn vector() -> impl Strategy<Value = Vector> {
    let any_finite = NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE;
    let dense = prop_oneof![vec(-3.0..3.0f64, DENSE), vec(any_finite, DENSE)];
    let hot = proptest::sample::subsequence((DENSE as u32..WIDTH as u32).collect::<Vec<_>>(), 0..=WIDTH - DENSE);
    (dense, hot).prop_map(|(dense, hot)| Vector { dense: dense.into(), hot: hot.into() })
}

fn examples() -> impl Strategy<Value = Vec<(Vector, u8)>> {
    vec((vector(), any::<u8>()), 0..40)
}

fn train((task, learner): &mut (Task, Box<dyn Learner>), examples: &[(Vector, u8)]) {
    examples.iter().for_each(|(x, number)| learner.learn(x, label(*task, *number)));
}

/// What it says, bit for bit.
fn said(prediction: &Prediction) -> Vec<u64> {
    match prediction {
        Prediction::Number(number) => vec![number.to_bits()],
        Prediction::Classes(of) => of.iter().map(|p| p.to_bits()).collect(),
    }
}

/// Through the bytes of an artifact and back: what a restart or a rollback does.
fn reload(learner: &dyn Learner) -> Box<dyn Learner> {
    let bytes = Artifact::new("m", "00", WIDTH, learner.save()).expect("a learner's state is in range").to_bytes();
    let body = Artifact::from_bytes(&bytes).expect("what was written reads").body;
    body.learner().expect("a learner's body makes a learner")
}

fn bits(learner: &dyn Learner) -> (Vec<u8>, u64) {
    (serde_json::to_vec(&learner.save()).expect("a body serializes"), learner.updates())
}

proptest! {
    #[test]
    fn predicting_and_saving_change_nothing(seen in examples(), x in vector()) {
        for ((task, mut learner), (_, mut disturbed)) in all().into_iter().zip(all()) {
            for (x, number) in &seen {
                learner.learn(x, label(task, *number));
                disturbed.predict(x);
                disturbed.save();
                disturbed.learn(x, label(task, *number));
            }
            disturbed.predict(&x);
            prop_assert_eq!(bits(&*learner), bits(&*disturbed));
        }
    }

    #[test]
    fn a_restart_changes_nothing(before in examples(), after in examples(), x in vector()) {
        for mut one in all() {
            train(&mut one, &before);
            let mut restarted = (one.0, reload(&*one.1));
            train(&mut one, &after);
            train(&mut restarted, &after);
            prop_assert_eq!(bits(&*one.1), bits(&*restarted.1));
            prop_assert_eq!(said(&one.1.predict(&x)), said(&restarted.1.predict(&x)));
        }
    }

    #[test]
    fn predictions_are_of_their_task(seen in examples(), x in vector()) {
        for mut one in all() {
            train(&mut one, &seen);
            let (kind, prediction) = (one.1.save().kind(), one.1.predict(&x));
            match (one.0, &prediction) {
                (Task::Binary, Prediction::Number(p)) => prop_assert!((0.0..=1.0).contains(p), "{kind} says {p}"),
                (Task::Regression, Prediction::Number(value)) => {
                    prop_assert!(value.abs() <= Label::LIMIT, "{kind} says {value}");
                }
                (Task::Multiclass(classes), Prediction::Classes(of)) => {
                    prop_assert_eq!(of.len(), usize::from(classes));
                    prop_assert!(of.iter().all(|p| (0.0..=1.0).contains(p)), "{kind} says {of:?}");
                    prop_assert!((of.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{kind} says {of:?}");
                }
                _ => prop_assert!(false, "{kind} says {prediction:?} of {:?}", one.0),
            }
        }
    }

    #[test]
    fn same_order_same_bits(seen in examples(), x in vector()) {
        for (mut one, mut two) in all().into_iter().zip(all()) {
            train(&mut one, &seen);
            train(&mut two, &seen);
            prop_assert_eq!(bits(&*one.1), bits(&*two.1));
            prop_assert_eq!(said(&one.1.predict(&x)), said(&two.1.predict(&x)));
        }
    }

    #[test]
    fn a_frozen_copy_scores_alike_and_counts_alike(seen in examples(), x in vector()) {
        for mut one in all() {
            train(&mut one, &seen);
            let frozen = Fixed::from(one.1.save());
            prop_assert_eq!(said(&frozen.predict(&x)), said(&one.1.predict(&x)));
            prop_assert_eq!((frozen.updates(), one.1.updates()), (seen.len() as u64, seen.len() as u64));
        }
    }

    /// Exact: a wrong label and its correction leave no trace. Replayed: taking back is refused and changes nothing.
    #[test]
    fn corrections_keep_the_promise(before in examples(), after in examples(), x in vector(), number: u8) {
        for (mut right, mut corrected) in all().into_iter().zip(all()) {
            let (wrong, truth) = (label(right.0, number.wrapping_add(1)), label(right.0, number));
            train(&mut right, &before);
            train(&mut corrected, &before);
            let exact = corrected.1.exactness() == Exactness::Exact;
            if exact {
                right.1.learn(&x, truth);
                corrected.1.learn(&x, wrong);
            } else {
                prop_assert!(!corrected.1.unlearn(&x, truth));
            }
            train(&mut right, &after);
            train(&mut corrected, &after);
            if exact {
                prop_assert!(corrected.1.unlearn(&x, wrong));
                corrected.1.learn(&x, truth);
            }
            prop_assert_eq!(bits(&*right.1), bits(&*corrected.1));
            prop_assert_eq!(said(&right.1.predict(&x)), said(&corrected.1.predict(&x)));
        }
    }

    /// Members may live apart: what they say together, and the whole that is put together from them, is the same.
    #[test]
    fn an_ensemble_is_the_same_wherever_its_members_live(
        seen in examples(), more in examples(), x in vector(), of in 2_usize..5,
    ) {
        for (task, mut whole) in all() {
            let Some(untrained) = whole.save().ensemble() else { continue };
            let shares: Vec<Share> = (0..of).map(|first| Share { first, of }).collect();
            let mut copies: Vec<_> = shares.iter().filter_map(|_| whole.save().ensemble()).collect();
            for examples in [&seen, &more] {
                for (x, number) in examples {
                    whole.learn(x, label(task, *number));
                    copies.iter_mut().zip(&shares).for_each(|(copy, of)| copy.teach(x, label(task, *number), *of));
                }
                let mut votes = (0..untrained.size()).map(|member| copies[member % of].vote(member, &x));
                prop_assert_eq!(said(&untrained.combine(&mut votes)), said(&whole.predict(&x)));
                let mut joined = untrained.save().ensemble().expect("it is one");
                for (copy, share) in copies.iter().zip(&shares) {
                    prop_assert!(joined.adopt(copy.save(), *share));
                }
                prop_assert_eq!(bits(&*joined), bits(&*whole));
                // Each goes on from the whole, as behind a restart.
                copies = shares.iter().filter_map(|_| joined.save().ensemble()).collect();
            }
        }
    }

    /// Exact: one that forgets an example is, to the bit, one that never saw it.
    #[test]
    fn what_is_forgotten_was_never_there(before in examples(), after in examples(), x in vector(), number: u8) {
        for (mut never, mut forgets) in all().into_iter().zip(all()) {
            if forgets.1.exactness() != Exactness::Exact {
                continue;
            }
            train(&mut never, &before);
            train(&mut forgets, &before);
            let label = label(forgets.0, number);
            forgets.1.learn(&x, label);
            train(&mut never, &after);
            train(&mut forgets, &after);
            prop_assert!(forgets.1.unlearn(&x, label));
            prop_assert_eq!(bits(&*never.1), bits(&*forgets.1));
            prop_assert_eq!(said(&never.1.predict(&x)), said(&forgets.1.predict(&x)));
        }
    }
}

#[test]
fn kinds_are_the_tags_of_the_artifact() {
    for (_, learner) in all() {
        let body: Body = learner.save();
        let json = serde_json::to_value(&body).expect("a body serializes");
        assert!(json.get(body.kind()).is_some(), "{json} is tagged {}", body.kind());
    }
}
