//! The state of a run on disk: checkpoints, what they are made of, and the disk that they trust.
//!
//! - [`disk`]: the file operations that durability is made of, and their real implementation. The tests' disk forgets
//!   what was not synced.
//! - [`frame`]: the header before every block of bytes; all of it is checked before anything behind it is read.
//! - [`page`]: rows of 64-bit words, as they lie in memory; for windows.
//! - [`section`]: everything else, by serde.
//! - [`checkpoint`]: named sections at a tick, whole or not there, three kept.
//!
//! Nothing here knows what the state means: the rooms encode theirs, and give each encoding a [`Schema`].

pub mod checkpoint;
mod digest;
pub mod disk;
pub mod frame;
pub mod page;
pub mod section;

pub use digest::{Digest, Schema};
