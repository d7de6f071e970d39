//! The laws of the design, as tests over the real program and every pipeline in `dataflows/`: what is written is
//! compared with what was read, with other runs, and with recomputations that share no code with the engine.
//!
//! Runs leave their outputs in the build folder, under `tmp/laws`, where they can be looked at after a failure.

mod asked;
mod bad_input;
mod balance;
mod bounds;
mod check;
mod control;
mod correction;
mod decisions;
mod deployment;
mod elsewhere;
mod estimates;
mod export;
mod features;
mod forget;
mod golden;
mod handout;
mod many;
mod oracle;
mod parquet;
mod placement;
mod prequential;
mod purity;
mod pushed;
mod river;
mod stragglers;
mod support;
mod tasks;
mod year;
