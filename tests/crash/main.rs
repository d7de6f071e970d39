//! Exactly once over files: whatever is killed, whenever, a run that is started again ends as if nothing had happened.

mod asked;
mod blocked;
mod changed;
mod checkpoints;
mod deadline;
mod dice;
mod files;
mod points;
mod reference;
mod replay;
mod stream;
mod support;
mod torture;
mod verify;
