//! A version's card: what it is, and exactly which inputs it was derived from.

use crate::time::Time;
use crate::train::{Bounds, Report};
use serde::{Deserialize, Serialize};

/// The card of one version. Written with the artifact, and never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The model.
    pub model: String,
    /// The version, from 1.
    pub number: u32,
    /// The artifact's digest: blake3 of its bytes, 64 hex digits.
    pub digest: String,
    /// What kind of model it is, `logistic` for example.
    pub kind: String,
    /// Where it came from: `start`, `batch`, `live`, `pushed`.
    pub source: String,
    /// The champion that it was measured against; `null` for version 1.
    pub parent: Option<u32>,
    /// The decision that it follows from; `null` for version 1.
    pub decision: Option<String>,
    /// What asked for it, for a person; `start` for version 1.
    pub cause: String,
    /// The pipeline time of the decision.
    #[serde(with = "crate::time::rfc3339")]
    pub decided_at: Time,
    /// The pipeline time from which it is in effect.
    #[serde(with = "crate::time::rfc3339")]
    pub effective_at: Time,
    /// The inputs that it was derived from.
    pub lineage: Lineage,
    /// The training's report; `null` for version 1.
    pub report: Option<Report>,
}

/// The inputs of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The tick up to which everything was applied.
    pub tick: u64,
    /// The end of each partition's records that it can have seen.
    pub offsets: Vec<Offsets>,
    /// The examples fitted, by prediction time; `null` if it learned online, from all before.
    pub window: Option<Bounds>,
    /// The labels or examples learned.
    pub updates: u64,
    /// The digest of the feature schema, in hex.
    pub features: String,
    /// Whether it was made elsewhere, of what nobody here can say; the offsets are then those of the rows by which it
    /// was judged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
}

/// How far one partition had been applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offsets {
    /// The source's name.
    pub source: String,
    /// The partition.
    pub partition: u16,
    /// The first offset not seen.
    pub end: u64,
}
