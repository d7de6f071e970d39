//! The progress record of a tick: what it consumed and produced, with digests chained over all ticks.
//!
//! The digest of the inputs covers every consumed record's bytes, that of the outputs every line written; each is
//! chained with the one before by blake3, so a record vouches for all that came before it. `chain` does the same for
//! the records themselves, so damage to one is seen when they are read. A record holds all that minting its tick again
//! needs. Wall clocks play no part in it, but for one word: whether a training met its deadline.

use super::balance::Balance;
use super::caution::Culprit;
use super::ingest::Minted;
use super::items::Forget;
use super::plan::Plan;
use super::ticks::Tick;
use crate::deploy::Wish;
use crate::sink::{Page, Stream};
use crate::time::{Time, rfc3339};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stands before the chained digest of a record, which is its last field.
const CHAIN: &str = ",\"chain\":\"";

/// The progress record of one tick, without its link in the chain of records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The version or change of roles that it brings, or why none.
    pub activation: Option<Activation>,
    /// Records refused since their event time is too far ahead, which depends on what was consumed before them.
    pub ahead: Vec<Ahead>,
    /// The counts, over all ticks so far.
    pub balance: Balance,
    /// Set on a boundary.
    pub boundary: Option<Stamp>,
    /// The bytes of each stream's lines, over all ticks so far; of streams on request where they are or were published.
    pub bytes: BTreeMap<String, u64>,
    /// The first offset not consumed of each `source/partition` that it consumed from.
    pub ends: BTreeMap<String, u64>,
    /// Events whose labels the boundary lets be forgotten, by request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forget: Vec<Forget>,
    /// The chained digest of inputs: 64 hex digits.
    pub inputs: String,
    /// Whether the boundary is the end of the input.
    pub last: bool,
    /// Trainings of all models asked for by hand that the boundary passes on.
    pub manual: u32,
    /// The boundary that comes next; none before the first row.
    pub next_boundary: Option<Stamp>,
    /// The chained digest of outputs: 64 hex digits.
    pub outputs: String,
    /// Pipeline time after it.
    pub pipeline_time: Stamp,
    /// Records refused since a worker panicked on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub poison: Vec<Poison>,
    /// Models that were made elsewhere and that the boundary passes on: each by its name and the digest of its
    /// artifact, which the registry keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushed: Vec<(CompactString, String)>,
    /// Models of which trainings are asked for by hand, each by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retrain: Vec<CompactString>,
    /// Its number.
    pub tick: Tick,
    /// Changes of roles asked for by hand that the boundary passes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wishes: Vec<(CompactString, Wish)>,
}

/// An instant, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(#[serde(with = "rfc3339")] pub Time);

/// What a decision came to whose effect is at a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The decision that began it.
    pub decision: String,
    /// How it ended.
    pub verdict: String,
    /// Of a training with a deadline: what the clock said, which making it again takes from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
}

/// What the clock said of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadline {
    /// The boundary at which it was decided.
    pub decided: Stamp,
    /// Whether it was given up.
    pub missed: bool,
}

/// A record that was refused at a partition's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ahead {
    /// `source/partition`.
    pub of: String,
    /// Its offset.
    pub offset: u64,
    /// Pipeline time as it was refused.
    pub now: Stamp,
}

/// A record that made a worker panic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poison {
    /// `source/partition`.
    pub of: String,
    /// Its offset.
    pub offset: u64,
    /// What the worker said.
    pub detail: String,
}

/// The name of a partition in progress records.
pub(super) fn name_of(plan: &Plan, (source, partition): (u16, u16)) -> String {
    format!("{}/{partition}", plan.spec.sources[usize::from(source)].name.value)
}

/// The chains of digests, as of the tick before.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Chain {
    inputs: [u8; 32],
    outputs: [u8; 32],
    records: Link,
    /// Of the streams of every run.
    bytes: [u64; 5],
    /// Of the streams on request, which a checkpoint has apart, and only where there are any.
    #[serde(skip)]
    published: [u64; 2],
}

impl Chain {
    /// The digests of inputs and outputs up to now.
    pub(super) fn digests(&self) -> ([u8; 32], [u8; 32]) {
        (self.inputs, self.outputs)
    }

    /// The bytes of the streams on request so far.
    pub(super) fn published(&self) -> [u64; 2] {
        self.published
    }

    /// Goes on with so many of them.
    pub(super) fn resume(&mut self, published: [u64; 2]) {
        self.published = published;
    }

    fn length(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Features => &mut self.published[0],
            Stream::Examples => &mut self.published[1],
            stream => &mut self.bytes[stream as usize],
        }
    }

    /// The progress record of the next tick, as a JSON object without line end.
    pub fn progress(&mut self, plan: &Plan, tick: Tick, minted: &Minted, balance: &Balance, pages: &[Page]) -> String {
        if let Some(digest) = minted.digest {
            self.inputs = linked(&self.inputs, [&digest[..]].into_iter());
        }
        let outputs = pages.iter().flat_map(|page| [page.stream.name().as_bytes(), &page.lines[..]]);
        self.outputs = linked(&self.outputs, outputs);
        for page in pages {
            *self.length(page.stream) += page.lines.len() as u64;
        }
        let ahead = |(partition, offset, now): &((u16, u16), u64, Time)| Ahead {
            of: name_of(plan, *partition),
            offset: *offset,
            now: Stamp(*now),
        };
        let poison = |culprit: &Culprit| Poison {
            of: name_of(plan, culprit.place.0),
            offset: culprit.place.1,
            detail: culprit.detail.clone(),
        };
        // What is no longer published stays where it is.
        let told = |(stream, length): &(Stream, u64)| plan.streams.contains(stream) || *length > 0;
        let named = |(stream, length): (Stream, u64)| (stream.name().to_owned(), length);
        let lengths = self.bytes.into_iter().chain(self.published);
        let progress = Progress {
            activation: minted.resolution.as_ref().map(|resolution| Activation {
                decision: resolution.decision.clone(),
                verdict: resolution.word().to_owned(),
                deadline: resolution
                    .missed_deadline()
                    .map(|missed| Deadline { decided: Stamp(resolution.decided), missed }),
            }),
            ahead: minted.ahead.iter().map(ahead).collect(),
            balance: *balance,
            boundary: minted.boundary.map(Stamp),
            bytes: Stream::ALL.into_iter().zip(lengths).filter(told).map(named).collect(),
            ends: minted.ends.iter().map(|(partition, end)| (name_of(plan, *partition), *end)).collect(),
            forget: minted.asked.forget.clone(),
            inputs: hex(&self.inputs),
            last: minted.last,
            manual: minted.asked.trainings,
            next_boundary: minted.next_boundary.map(Stamp),
            outputs: hex(&self.outputs),
            pipeline_time: Stamp(minted.now),
            poison: minted.poison.iter().map(poison).collect(),
            pushed: minted.asked.pushed.iter().map(|pushed| (pushed.model.clone(), pushed.digest.clone())).collect(),
            retrain: minted.asked.trainings_of.clone(),
            tick,
            wishes: minted.asked.wishes.clone(),
        };
        self.records.seal(&progress)
    }
}

/// The chain of the records themselves.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Link([u8; 32]);

impl Link {
    /// The next record's line.
    pub(super) fn seal(&mut self, progress: &Progress) -> String {
        let mut line = serde_json::to_string(progress).unwrap_or_else(|_| unreachable!("texts and numbers serialize"));
        line.pop();
        self.0 = linked(&self.0, [line.as_bytes()].into_iter());
        line.push_str(CHAIN);
        line.push_str(&hex(&self.0));
        line.push_str("\"}");
        line
    }

    /// The next record of a line, if it is whole and follows from the one before.
    pub(super) fn open(&mut self, line: &str) -> Result<Progress, String> {
        let (body, chain) = line.rsplit_once(CHAIN).ok_or("it has no `chain` at its end")?;
        let link = linked(&self.0, [body.as_bytes()].into_iter());
        if chain.strip_suffix("\"}") != Some(&hex(&link)) {
            return Err("its `chain` does not follow from it and the line before".to_owned());
        }
        self.0 = link;
        serde_json::from_str(&format!("{body}}}")).map_err(|error| error.to_string())
    }
}

/// The record of a line that was checked before.
pub(super) fn unsealed(line: &str) -> Option<Progress> {
    let (body, _) = line.rsplit_once(CHAIN)?;
    serde_json::from_str(&format!("{body}}}")).ok()
}

fn linked<'a>(previous: &[u8; 32], parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from(*bytes).to_hex().to_string()
}
