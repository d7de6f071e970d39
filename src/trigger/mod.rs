//! Triggers: when a model is to be retrained, and why not now.
//!
//! In: metrics, drift signals and counts at the boundaries of pipeline time. Out: decisions, the suppressed ones too.

mod cause;
mod decision;
mod judge;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod when;

pub use decision::{Cause, Decision, Suppression, Verdict};
pub use judge::{DriftSignal, Judge, JudgeState, Reading, Sight, check_triggers};
pub use when::{Outcome, When};
