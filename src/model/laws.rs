//! The laws of every learner, each as a test over all of them.

use super::{AdaptiveRandomForest, Artifact, Body, Exactness, Fixed, HoeffdingTree, Learner, LeveragingBagging};
use super::{Logistic, Majority, NoChange, OnlineGaussianNb};
use crate::config::spec::{BaggingSpec, ForestSpec, TreeSpec};
use crate::feature::Vector;
use proptest::collection::vec;
use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
use proptest::prelude::*;

const DENSE: usize = 3;
const WIDTH: usize = 8;

/// Every learner joins here.
fn all() -> Vec<Box<dyn Learner>> {
    vec![
        Box::new(Logistic::new(WIDTH, 0.1, 0.0)),
        Box::new(Logistic::new(WIDTH, 2.0, 0.01)),
        Box::new(OnlineGaussianNb::new(WIDTH)),
        Box::new(HoeffdingTree::new(WIDTH, TreeSpec { grace_period: 5, tau: 1.0, ..TreeSpec::default() })),
        Box::new(AdaptiveRandomForest::new(WIDTH, ForestSpec { n_models: 3, seed: 1, ..ForestSpec::default() })),
        Box::new(LeveragingBagging::new(WIDTH, BaggingSpec { n_models: 2, seed: 2, ..BaggingSpec::default() })),
        Box::<Majority>::default(),
        Box::<NoChange>::default(),
    ]
}

/// A vector of finite numbers of any size, or of ordinary ones, and some hot slots.
fn vector() -> impl Strategy<Value = Vector> {
    let any_finite = NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE;
    let dense = prop_oneof![vec(-3.0..3.0f64, DENSE), vec(any_finite, DENSE)];
    let hot = proptest::sample::subsequence((DENSE as u32..WIDTH as u32).collect::<Vec<_>>(), 0..=WIDTH - DENSE);
    (dense, hot).prop_map(|(dense, hot)| Vector { dense: dense.into(), hot: hot.into() })
}

fn examples() -> impl Strategy<Value = Vec<(Vector, bool)>> {
    vec((vector(), any::<bool>()), 0..40)
}

fn train(learner: &mut dyn Learner, examples: &[(Vector, bool)]) {
    examples.iter().for_each(|(x, label)| learner.learn(x, *label));
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
        for (mut learner, mut disturbed) in all().into_iter().zip(all()) {
            for (x, label) in &seen {
                learner.learn(x, *label);
                disturbed.predict(x);
                disturbed.save();
                disturbed.learn(x, *label);
            }
            disturbed.predict(&x);
            prop_assert_eq!(bits(&*learner), bits(&*disturbed));
        }
    }

    #[test]
    fn a_restart_changes_nothing(before in examples(), after in examples(), x in vector()) {
        for mut learner in all() {
            train(&mut *learner, &before);
            let mut restarted = reload(&*learner);
            train(&mut *learner, &after);
            train(&mut *restarted, &after);
            prop_assert_eq!(bits(&*learner), bits(&*restarted));
            prop_assert_eq!(learner.predict(&x).to_bits(), restarted.predict(&x).to_bits());
        }
    }

    #[test]
    fn scores_are_probabilities(seen in examples(), x in vector()) {
        for mut learner in all() {
            train(&mut *learner, &seen);
            let score = learner.predict(&x);
            prop_assert!((0.0..=1.0).contains(&score), "{} scores {score}", learner.save().kind());
        }
    }

    #[test]
    fn same_order_same_bits(seen in examples(), x in vector()) {
        for (mut one, mut two) in all().into_iter().zip(all()) {
            train(&mut *one, &seen);
            train(&mut *two, &seen);
            prop_assert_eq!(bits(&*one), bits(&*two));
            prop_assert_eq!(one.predict(&x).to_bits(), two.predict(&x).to_bits());
        }
    }

    #[test]
    fn a_frozen_copy_scores_alike_and_counts_alike(seen in examples(), x in vector()) {
        for mut learner in all() {
            train(&mut *learner, &seen);
            let frozen = Fixed::from(learner.save());
            prop_assert_eq!(frozen.predict(&x).to_bits(), learner.predict(&x).to_bits());
            prop_assert_eq!((frozen.updates(), learner.updates()), (seen.len() as u64, seen.len() as u64));
        }
    }

    /// Exact: a wrong label and its correction leave no trace. Replayed: taking back is refused and changes nothing.
    #[test]
    fn corrections_keep_the_promise(before in examples(), after in examples(), x in vector(), label: bool) {
        for (mut right, mut corrected) in all().into_iter().zip(all()) {
            train(&mut *right, &before);
            train(&mut *corrected, &before);
            if corrected.exactness() == Exactness::Replayed {
                prop_assert!(!corrected.unlearn(&x, label));
            } else {
                right.learn(&x, label);
                corrected.learn(&x, !label);
            }
            train(&mut *right, &after);
            train(&mut *corrected, &after);
            if corrected.exactness() == Exactness::Exact {
                prop_assert!(corrected.unlearn(&x, !label));
                corrected.learn(&x, label);
            }
            prop_assert_eq!(bits(&*right), bits(&*corrected));
        }
    }
}

#[test]
fn kinds_are_the_tags_of_the_artifact() {
    for learner in all() {
        let body: Body = learner.save();
        let json = serde_json::to_value(&body).expect("a body serializes");
        assert!(json.get(body.kind()).is_some(), "{json} is tagged {}", body.kind());
    }
}
