//! The laws of every detector, each as a test over all of them, and the sequences of the golden file.

use super::{Adwin, Ddm, Detector, Eddm, HddmA, HddmW, Kswin, PageHinkley, State};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

/// Every detector joins here, as it comes and easily alarmed.
fn all() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(Adwin::new(0.002)),
        Box::new(Adwin::new(0.9)),
        Box::<PageHinkley>::default(),
        Box::new(PageHinkley::new(0.0, 1.0, 1, 1.0)),
        Box::<Ddm>::default(),
        Box::new(Ddm::new(1, 1.1)),
        Box::<Eddm>::default(),
        Box::new(Eddm::new(1, 0.99)),
        Box::<HddmA>::default(),
        Box::new(HddmA::new(0.5, true)),
        Box::<HddmW>::default(),
        Box::new(HddmW::new(0.5, 0.5, true)),
        Box::<Kswin>::default(),
        Box::new(Kswin::new(0.9, 20, 5, 1)),
    ]
}

/// The places at which a detector fires.
pub(super) fn drifts(detector: &mut dyn Detector, values: &[f64]) -> Vec<usize> {
    (0..values.len()).filter(|i| detector.update(values[*i])).collect()
}

/// Errors at one rate, then at another.
fn errors() -> impl Strategy<Value = Vec<f64>> {
    let part = || (0.0..1.0f64, 0..150usize).prop_flat_map(|(rate, n)| vec(proptest::bool::weighted(rate), n));
    (part(), part()).prop_map(|(a, b)| a.into_iter().chain(b).map(|wrong| f64::from(u8::from(wrong))).collect())
}

/// Through the bytes of a checkpoint and back.
fn reload(detector: &dyn Detector) -> Box<dyn Detector> {
    let bytes = serde_json::to_vec(&detector.save()).expect("a state serializes");
    serde_json::from_slice::<State>(&bytes).expect("what was written reads").detector()
}

proptest! {
    #[test]
    fn reset_is_new(values in errors()) {
        for (mut detector, new) in all().into_iter().zip(all()) {
            drifts(&mut *detector, &values);
            detector.reset();
            prop_assert_eq!(detector.save(), new.save());
        }
    }

    #[test]
    fn a_drift_starts_afresh(values in errors()) {
        for (mut detector, new) in all().into_iter().zip(all()) {
            for x in &values {
                if detector.update(*x) {
                    prop_assert_eq!(detector.save(), new.save());
                }
            }
        }
    }

    #[test]
    fn a_restart_changes_nothing(before in errors(), after in errors()) {
        for mut detector in all() {
            drifts(&mut *detector, &before);
            let mut restarted = reload(&*detector);
            prop_assert_eq!(drifts(&mut *detector, &after), drifts(&mut *restarted, &after));
            prop_assert_eq!(detector.save(), restarted.save());
        }
    }

    #[test]
    fn saving_changes_nothing(values in errors()) {
        for (mut detector, mut disturbed) in all().into_iter().zip(all()) {
            for x in &values {
                disturbed.save();
                prop_assert_eq!(detector.update(*x), disturbed.update(*x));
            }
        }
    }

    #[test]
    fn what_does_not_change_does_not_drift(x in 0.0..=1.0f64, n in 0..3000usize) {
        for mut detector in all() {
            prop_assert_eq!(drifts(&mut *detector, &vec![x; n]), Vec::<usize>::new(), "{}", detector.name());
        }
    }
}

/// A sequence of the golden file, and where River's detectors fire in it.
#[derive(Deserialize)]
pub(super) struct Sequence {
    pub name: String,
    /// The values times `scale`, rounded, so that the file is small.
    scaled: Vec<i32>,
    scale: f64,
    pub adwin: Vec<usize>,
    pub adwin_strict: Vec<usize>,
    pub page_hinkley: Vec<usize>,
    pub page_hinkley_quick: Vec<usize>,
    pub ddm: Vec<usize>,
    pub ddm_quick: Vec<usize>,
    pub eddm: Vec<usize>,
    pub eddm_quick: Vec<usize>,
    pub hddm_a: Vec<usize>,
    pub hddm_a_both: Vec<usize>,
    pub hddm_w: Vec<usize>,
    pub hddm_w_both: Vec<usize>,
}

impl Sequence {
    pub fn values(&self) -> Vec<f64> {
        self.scaled.iter().map(|x| f64::from(*x) / self.scale).collect()
    }
}

pub(super) fn golden() -> Vec<Sequence> {
    #[derive(Deserialize)]
    struct Golden {
        sequences: Vec<Sequence>,
    }
    let text = include_str!("../../tests/golden/drift.json");
    serde_json::from_str::<Golden>(text).expect("the golden file reads").sequences
}
