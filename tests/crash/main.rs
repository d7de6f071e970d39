//! Exactly once over files: whatever is killed, whenever, a run that is started again ends as if nothing had happened.

mod blocked;
mod checkpoints;
mod dice;
mod files;
mod points;
mod replay;
mod support;
mod torture;
mod verify;
