//! Deployment: which version answers whom, and when that changes.
//!
//! In: released versions, labelled predictions of all that are scored, wishes by hand. Out: at a boundary at most one
//! [`Turn`], decided by a sequential test on what is maintained. Keeps: who has which role ([`Roster`]) and the paired
//! differences of losses ([`Comparison`]).

mod comparison;
mod deployment;
mod rollout;
mod roster;
#[cfg(test)]
mod tests;

pub use comparison::{Comparison, Interval};
pub use deployment::{Deployment, Wish};
pub use rollout::{Rollout, RolloutState};
pub use roster::{Roster, Seat, Turn};
