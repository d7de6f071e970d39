//! Models: online learners, baselines, and the artifacts that versions are.

mod role;

pub use role::Role;
