//! Checkpoints under every kind of damage and at every point of a crash.
//!
//! CI runs a part of the cases; `TIDEMILL_LONG=1` all of them. A case is its number: a failure says which.

mod api;
mod crash;
mod damage;

use super::*;
use crate::state::Digest;
use crate::state::disk::forgetful::{Dice, ForgetfulDisk};
use std::collections::BTreeMap;

const ROOT: &str = "/state/checkpoints";

/// How many cases to run: the first of all.
fn cases(short: u64, long: u64) -> u64 {
    if std::env::var_os("TIDEMILL_LONG").is_some_and(|set| set == "1") { long } else { short }
}

fn header(tick: u64) -> Header {
    let digest = |what: &str| Digest::of(format!("{what} {tick}").as_bytes());
    Header { tick, pipeline: Digest::of(b"pipeline"), inputs: digest("inputs"), outputs: digest("outputs") }
}

/// The state of a tick: what is in its checkpoint, by operator and shard. Some sections are the same at all ticks.
fn state_at(tick: u64) -> BTreeMap<(String, u32), Vec<u8>> {
    let mut dice = Dice(tick);
    let mut state = BTreeMap::new();
    for (i, operator) in ["window", "learner", "detector"].into_iter().enumerate() {
        for shard in 0..dice.below(3 + i) as u32 {
            let length = dice.below(40);
            state.insert((operator.to_string(), shard), dice.bytes(length));
        }
    }
    state.insert(("constant".to_string(), 0), b"always so".to_vec());
    state
}

fn schema_of(operator: &str) -> Schema {
    Schema::of(&format!("{operator}, 1"))
}

/// Writes the state of a tick by one writer or two.
fn write(checkpoints: &Checkpoints, tick: u64, writers: u32) -> Result<(), CheckpointError> {
    let draft = checkpoints.draft(tick)?;
    let state = state_at(tick);
    let mut parts = Vec::new();
    for writer in 0..writers {
        let mut part = checkpoints.part(draft, writer)?;
        for ((operator, shard), bytes) in state.iter().filter(|((_, shard), _)| shard % writers == writer) {
            part.section(Section { operator, shard: *shard, schema: schema_of(operator), bytes })?;
        }
        parts.push(part.finish()?);
    }
    checkpoints.commit(draft, header(tick), parts)
}

/// That what was found is the state of its tick, to the byte, and nothing else.
fn assert_right(found: &Found) {
    let tick = found.name().tick;
    assert_eq!(*found.header(), header(tick));
    let mut there = BTreeMap::new();
    for section in found.sections() {
        let bytes = found.read(&section.operator, section.shard, section.schema).unwrap().expect("it is listed");
        assert_eq!(section.schema, schema_of(&section.operator));
        there.insert((section.operator.clone(), section.shard), bytes);
    }
    assert_eq!(there, state_at(tick));
}

fn open(disk: &ForgetfulDisk) -> Result<Checkpoints, CheckpointError> {
    Checkpoints::open(Arc::new(disk.clone()), Path::new(ROOT))
}

fn accept(_: &Header) -> Result<(), String> {
    Ok(())
}
