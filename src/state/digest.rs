//! Digests by blake3, in two types that cannot be swapped: of bytes, and of what bytes mean.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The blake3 digest of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

/// What some bytes mean: the digest of a description that changes whenever they would be read otherwise.
///
/// ```
/// use tidemill::state::Schema;
/// assert_eq!(Schema::of("last(arr_delay) by tailnum, 1d"), Schema::of("last(arr_delay) by tailnum, 1d"));
/// assert_ne!(Schema::of("last(arr_delay) by tailnum, 1d"), Schema::of("last(arr_delay) by tailnum, 2d"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Schema(pub [u8; 32]);

impl Schema {
    /// The schema that is described so.
    pub fn of(description: &str) -> Schema {
        Schema(*blake3::hash(description.as_bytes()).as_bytes())
    }
}

/// Hex, in full.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// Hex, its first 8 bytes: enough to tell two apart in a message.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0[..8], f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({self})")
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
