//! The progress record of a tick: what it consumed and produced, with digests chained over all ticks.
//!
//! The digest of the inputs covers every consumed record's bytes, that of the outputs every line written; each is
//! chained with the one before by blake3, so a record vouches for all that came before it. Wall clocks play no part in
//! it.

use super::balance::Balance;
use super::ingest::Minted;
use super::plan::Plan;
use super::ticks::Tick;
use crate::sink::Page;
use serde_json::{Map, Value, json};

/// The chain of digests.
#[derive(Default)]
pub struct Chain {
    inputs: [u8; 32],
    outputs: [u8; 32],
}

impl Chain {
    /// The progress record of the next tick, as a JSON object without line end.
    pub fn progress(&mut self, plan: &Plan, tick: Tick, minted: &Minted, balance: &Balance, pages: &[Page]) -> String {
        if let Some(digest) = minted.digest {
            self.inputs = linked(&self.inputs, [&digest[..]].into_iter());
        }
        let outputs = pages.iter().flat_map(|page| [page.stream.name().as_bytes(), &page.lines[..]]);
        self.outputs = linked(&self.outputs, outputs);
        let mut ends: Map<String, Value> = Map::new();
        for ((source, partition), end) in &minted.ends {
            let name = &plan.spec.sources[usize::from(*source)].name.value;
            ends.insert(format!("{name}/{partition}"), json!(end));
        }
        json!({
            "tick": tick,
            "pipeline_time": minted.now.to_string(),
            "boundary": minted.boundary.map(|at| at.to_string()),
            "manual": minted.manual,
            "ends": ends,
            "activation": minted.resolution.as_ref().map(|resolution| json!({
                "decision": resolution.decision,
                "verdict": resolution.verdict.word(),
            })),
            "balance": balance,
            "inputs": hex(&self.inputs),
            "outputs": hex(&self.outputs),
        })
        .to_string()
    }
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
