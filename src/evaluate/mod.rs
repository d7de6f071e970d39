//! Evaluation: what is counted of each prediction, and the metrics that follow from the counts.
//!
//! In: scores and labels. Out: the metrics of each task, and estimates of them where labels are missing. Keeps:
//! nothing; counts are values that are added and taken away, kept by whoever maintains them. Every count is an integer
//! ([`Tally`], [`Bin`], [`Prospect`]), so that the order of additions and retractions leaves no trace; a metric is a
//! function of the counts alone ([`value`], [`Estimate`]).

pub mod bins;
mod estimate;
mod metrics;
mod tally;

pub use bins::{Auc, Bin};
pub use estimate::{Calibration, Estimate, Prospect};
pub use metrics::value;
pub use tally::Tally;
