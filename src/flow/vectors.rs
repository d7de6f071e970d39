//! The vector of each event, once for all models of a pipeline, on one worker.
//!
//! In: events with the answers of windows and tables, in the law's order. Keeps: the standardizers, which have seen all
//! events before. Out: vectors.

use super::answers::Answers;
use super::pairing::Arrived;
use super::plan::Plan;
use super::saving::{Keeps, Sections, Shares};
use super::score::Vectored;
use crate::feature::program::{Inputs, Memory};
use crate::feature::standardize::Standardizer;
use crate::record::Value;
use std::sync::Arc;

/// What makes vectors.
pub struct Vectors {
    plan: Arc<Plan>,
    memory: Memory,
}

impl Keeps for Vectors {
    fn save(&self, to: &Sections) {
        to.value(&self.plan.operators.standardized, 0, &self.memory.standardizers());
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let standardized = &self.plan.operators.standardized;
        if let Some(kept) = from.value::<Vec<Standardizer>>(standardized, 0)?
            && !self.memory.resume(kept)
        {
            return Err(format!("section {}: it is not of the features of this pipeline", standardized.name));
        }
        Ok(())
    }
}

impl Vectors {
    /// Has seen no event yet.
    pub fn new(plan: Arc<Plan>) -> Vectors {
        Vectors { memory: plan.features.program.memory(), plan }
    }

    /// An event with its vector, and its columns.
    #[inline]
    pub fn vector<'a>(&mut self, event: Arrived<'a>, answers: &Answers) -> (Vectored, &'a [Value]) {
        let Arrived { seq, key, now, id, time, values } = event;
        let inputs = Inputs { time, event: values, tables: &answers.tables, windows: &answers.windows };
        let vector = Arc::new(self.plan.features.program.run(&mut self.memory, &inputs));
        (Vectored { seq, key, now, id, time, vector }, values)
    }

    /// How many categorical values have gone to the slot `other` since the last time.
    pub fn take_others(&mut self) -> u64 {
        std::mem::take(&mut self.memory.others)
    }
}
