//! Drift: detectors that watch one number at a time, and what became of a feature since the training.
//!
//! In: the champion's 0/1 errors in the law's order ([`Adwin`], [`Ddm`], [`Eddm`], [`HddmA`], [`HddmW`],
//! [`Kswin`], [`PageHinkley`]), or a feature's values since against those of a training window ([`Profile`]). Out:
//! whether it drifted. Keeps: what each detector's file says, all of it in [`State`]. Every detector obeys the battery
//! in `laws.rs`; adding one is its file, a variant of [`State`], and joining that battery. What watches a feature is a
//! variant of [`Distance`](crate::config::spec::Distance) and its arm in `profile.rs`.

mod adwin;
mod ddm;
mod distance;
mod eddm;
mod hddm_a;
mod hddm_w;
mod kswin;
#[cfg(test)]
mod laws;
mod page_hinkley;
mod profile;
mod psi;
mod tally;
mod wasserstein;

pub use adwin::Adwin;
pub use ddm::Ddm;
pub use distance::{cramers_v, jensen_shannon, kolmogorov_smirnov};
pub use eddm::Eddm;
pub use hddm_a::HddmA;
pub use hddm_w::HddmW;
pub use kswin::Kswin;
pub use page_hinkley::PageHinkley;
pub use profile::{Profile, Recent};
pub use psi::{Reference, psi};
pub use tally::Tally;
pub use wasserstein::wasserstein;

use crate::config::spec::DetectorSpec;
use serde::{Deserialize, Serialize};

/// A detector of change in the mean of a sequence. `Send`, so that a worker may own it boxed.
pub trait Detector: Send {
    /// Takes the next value, finite, and says whether there is drift now. One that says so has reset itself: the next
    /// value is the first of a new sequence.
    fn update(&mut self, x: f64) -> bool;

    /// Forgets all values; the parameters stay.
    fn reset(&mut self);

    /// Its name in pipeline files and decisions.
    fn name(&self) -> &'static str;

    /// All of its parameters and state. Changes nothing; [`State::detector`] goes on from it.
    fn save(&self) -> State;
}

/// The state of a detector of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Adaptive windowing.
    Adwin(Adwin),
    /// The Page-Hinkley test.
    PageHinkley(PageHinkley),
    /// The drift detection method.
    Ddm(Ddm),
    /// The early drift detection method.
    Eddm(Eddm),
    /// Hoeffding's method by averages.
    HddmA(HddmA),
    /// Hoeffding's method by weighted averages.
    HddmW(HddmW),
    /// Kolmogorov-Smirnov windowing.
    Kswin(Kswin),
}

impl State {
    /// A detector that goes on from this state.
    pub fn detector(self) -> Box<dyn Detector> {
        match self {
            State::Adwin(detector) => Box::new(detector),
            State::PageHinkley(detector) => Box::new(detector),
            State::Ddm(detector) => Box::new(detector),
            State::Eddm(detector) => Box::new(detector),
            State::HddmA(detector) => Box::new(detector),
            State::HddmW(detector) => Box::new(detector),
            State::Kswin(detector) => Box::new(detector),
        }
    }
}

/// The detector on the error that a pipeline declares; `None` for one on features.
pub fn detector(spec: &DetectorSpec) -> Option<Box<dyn Detector>> {
    match *spec {
        DetectorSpec::Adwin { delta } => Some(Box::new(Adwin::new(delta))),
        DetectorSpec::PageHinkley { delta, threshold, min_instances, alpha } => {
            Some(Box::new(PageHinkley::new(delta, threshold, min_instances, alpha)))
        }
        DetectorSpec::Ddm { warm_start, drift_threshold } => Some(Box::new(Ddm::new(warm_start, drift_threshold))),
        DetectorSpec::Eddm { warm_start, beta } => Some(Box::new(Eddm::new(warm_start, beta))),
        DetectorSpec::HddmA { drift_confidence, two_sided } => Some(Box::new(HddmA::new(drift_confidence, two_sided))),
        DetectorSpec::HddmW { drift_confidence, lambda, two_sided } => {
            Some(Box::new(HddmW::new(drift_confidence, lambda, two_sided)))
        }
        DetectorSpec::Kswin { alpha, window_size, stat_size, seed } => {
            Some(Box::new(Kswin::new(alpha, window_size, stat_size, seed)))
        }
        DetectorSpec::Distance { .. } => None,
    }
}
