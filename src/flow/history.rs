//! What a run has committed so far, read back: its progress records, checked before anything is done with them.
//!
//! In: the lines as they were found. Out: each tick's record, and how far the outputs go. A line that is damaged, out
//! of its place or older than the one before is refused by name. Keeps: all lines, some 700 bytes a tick. Whoever knows
//! the state as of a later tick needs only the lines after it.

use super::caution::Place;
use super::items::Measured;
use super::plan::Plan;
use super::progress::{Activation, Link, Progress, name_of, unsealed};
use super::ticks::Tick;
use crate::sink::{Lengths, Stream};
use crate::time::Time;
use std::collections::BTreeMap;

/// The committed ticks of a run, from its first.
#[derive(Clone, Debug, Default)]
pub struct History {
    lines: Vec<String>,
    /// Where the outputs of the last one end.
    lengths: Lengths,
    /// Its pipeline time.
    now: Time,
    /// What the clock said of trainings, by the boundary at which they were decided, with the tick of their effect.
    measured: BTreeMap<Time, Vec<(Tick, Measured)>>,
    /// Whether nothing goes on behind it.
    alone: bool,
}

/// A progress record that cannot be believed.
#[derive(Debug, thiserror::Error)]
#[error("{place}, line {line}: {cause}; {remedy}")]
pub struct HistoryError {
    /// The file or topic.
    pub place: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub cause: String,
    /// What may be done.
    pub remedy: &'static str,
}

/// A tick as it was recorded, with partitions by number.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) progress: Progress,
    pub(super) ends: BTreeMap<(u16, u16), u64>,
    /// Records that were refused as too far ahead, with pipeline time as of then.
    pub(super) ahead: BTreeMap<Place, Time>,
    /// Records that workers panicked on, with what they said.
    pub(super) poison: BTreeMap<Place, String>,
}

impl History {
    /// Checks the lines found at `place`; `remedy` is what a person may do about a damaged one.
    ///
    /// # Errors
    /// The first line that is damaged, is not of the tick that comes next, or goes back.
    pub fn check(
        plan: &Plan,
        lines: Vec<String>,
        place: &str,
        remedy: &'static str,
    ) -> Result<History, Box<HistoryError>> {
        let mut history = History::default();
        let (mut link, mut ends) = (Link::default(), BTreeMap::new());
        for (number, line) in lines.iter().enumerate() {
            history
                .next(plan, number as Tick, line, &mut link, &mut ends)
                .map_err(|cause| Box::new(HistoryError { place: place.to_owned(), line: number + 1, cause, remedy }))?;
        }
        history.lines = lines;
        Ok(history)
    }

    fn next(
        &mut self,
        plan: &Plan,
        tick: Tick,
        line: &str,
        link: &mut Link,
        ends: &mut BTreeMap<(u16, u16), u64>,
    ) -> Result<(), String> {
        let Recorded { progress, ends: reached, .. } = Recorded::of(plan, link.open(line)?)?;
        if progress.tick != tick {
            return Err(format!("it is of tick {}, expected is {tick}", progress.tick));
        }
        if tick > 0 && progress.pipeline_time.0 < self.now {
            return Err(format!("its pipeline time {} is before {}", progress.pipeline_time.0, self.now));
        }
        for (partition, end) in reached {
            match ends.insert(partition, end) {
                Some(before) if before >= end => {
                    let name = name_of(plan, partition);
                    return Err(format!("`{name}` ends at {end}, the tick before ended at {before}"));
                }
                _ => {}
            }
        }
        for (length, stream) in self.lengths.iter_mut().zip(Stream::ALL) {
            let found = progress.bytes.get(stream.name()).copied().unwrap_or_default();
            if found < *length {
                return Err(format!("`{}` has {found} bytes, fewer than before", stream.name()));
            }
            *length = found;
        }
        self.now = progress.pipeline_time.0;
        if let Some(Activation { decision, deadline: Some(deadline), .. }) = progress.activation {
            let measured = Measured { decision, missed: deadline.missed };
            self.measured.entry(deadline.decided.0).or_default().push((tick, measured));
        }
        Ok(())
    }

    /// What the clock said of the trainings that were decided at a boundary.
    pub(super) fn measured_at(&self, boundary: Time) -> Vec<Measured> {
        let all = self.measured.get(&boundary).into_iter().flatten();
        all.map(|(_, measured)| measured.clone()).collect()
    }

    /// What it said of those that take effect behind a tick.
    pub(super) fn measured_behind(&self, tick: Tick) -> Vec<Measured> {
        let all = self.measured.values().flatten().filter(|(effect, _)| *effect > tick);
        all.map(|(_, measured)| measured.clone()).collect()
    }

    /// Nothing goes on behind it: it is made again to be compared, by the sink as well.
    #[must_use]
    pub fn alone(self) -> History {
        History { alone: true, ..self }
    }

    /// Whether nothing goes on behind it.
    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }

    /// The first tick that is not committed.
    pub fn end(&self) -> Tick {
        self.lines.len() as Tick
    }

    /// Whether a record was consumed by one of its ticks.
    pub fn has(&self, plan: &Plan, (partition, offset): Place) -> bool {
        let name = name_of(plan, partition);
        let end = |line: &String| unsealed(line)?.ends.get(&name).copied();
        self.lines.iter().rev().find_map(end).is_some_and(|end| offset < end)
    }

    /// Whether a tick was committed with these chained digests of inputs and outputs.
    ///
    /// # Errors
    /// What differs.
    pub fn vouches(&self, tick: Tick, inputs: &str, outputs: &str) -> Result<(), String> {
        match self.line(tick).and_then(unsealed) {
            None => Err(format!("tick {tick} is not committed")),
            Some(progress) if progress.inputs != inputs => Err(format!("tick {tick} was committed of other input")),
            Some(progress) if progress.outputs != outputs => Err(format!("tick {tick} was committed otherwise")),
            Some(_) => Ok(()),
        }
    }

    /// Pipeline time after the last one.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Where the outputs of the last one end.
    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// How many bytes the lines are, with their line ends.
    pub fn bytes(&self) -> u64 {
        self.lines.iter().map(|line| line.len() as u64 + 1).sum()
    }

    /// The line of a tick, if it was committed.
    pub(super) fn line(&self, tick: Tick) -> Option<&str> {
        self.lines.get(usize::try_from(tick).ok()?).map(String::as_str)
    }

    /// The record of a tick, if it was committed.
    pub(super) fn recorded(&self, plan: &Plan, tick: Tick) -> Option<Recorded> {
        Recorded::of(plan, unsealed(self.line(tick)?)?).ok()
    }
}

impl Recorded {
    fn of(plan: &Plan, progress: Progress) -> Result<Recorded, String> {
        let place = |name: &String| -> Result<(u16, u16), String> {
            plan.partition_of(name).ok_or_else(|| format!("`{name}` is no partition of this pipeline"))
        };
        let ends: Result<_, String> = progress.ends.iter().map(|(name, end)| Ok((place(name)?, *end))).collect();
        let ahead: Result<_, String> =
            progress.ahead.iter().map(|a| Ok(((place(&a.of)?, a.offset), a.now.0))).collect();
        let poison: Result<_, String> =
            progress.poison.iter().map(|p| Ok(((place(&p.of)?, p.offset), p.detail.clone()))).collect();
        Ok(Recorded { ends: ends?, ahead: ahead?, poison: poison?, progress })
    }
}

#[cfg(test)]
mod tests;
