//! The room of metrics, first half: what every outcome contributes, maintained in differential.
//!
//! In: outcomes, on the models' worker. Keeps: per series and bucket of prediction time (one `every` long) the sums of
//! what was contributed, until no window can reach the bucket; then they are taken back out of the arrangement (a delay
//! line, so that the backlog is never merged). What is contributed to a bucket beyond reach, by an event that is so
//! much out of order, goes to one cell a series and `since`, which stays. Contributions are summed here until a
//! boundary, so that differential sees one update a series and bucket; its counts are exact under any retraction. Out:
//! the changes of the counts.

use super::items::{Contestant, Mark, Outcome, Turn};
use super::plan::{ModelPlan, Plan};
use super::saving::{Keeps, Order, Sections, SharedArchive, Shares, heed};
use super::sums::{BinsRead, Change, Draft, Sums};
use super::ticks::{Tick, Ticks};
use crate::evaluate::Tally;
use crate::record::FastMap;
use crate::task::Prediction;
use crate::time::{Span, Time};
use compact_str::CompactString;
use differential_dataflow::difference::{Abelian, IsZero, Semigroup};
use differential_dataflow::operators::CountTotal;
use differential_dataflow::{AsCollection, VecCollection};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What a metric is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    /// The model, by its place in the pipeline file.
    pub model: u16,
    /// Whose predictions; `None` is what was served, whichever version served it.
    pub who: Option<Contestant>,
    /// The slice column, by its place in `slices`, and its value; `None` is all events.
    pub slice: Option<(u16, CompactString)>,
}

/// A stretch of prediction time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stretch {
    /// A bucket, from here to the next multiple of `every` or instant of `since`. When it is out of reach, what it
    /// holds is taken back.
    Bucket(Time),
    /// From here to the next instant of `since`, but only what came when its bucket was out of reach already. It is
    /// never taken back.
    Beyond(Time),
}

/// A series and a stretch of prediction time.
pub type Cell = (Series, Stretch);

/// How long after its end a sliding window is published again if it changes. No label comes later: the boundary after
/// its coming is at most `timeout` and `every` after the end of its event's bucket.
pub fn open_after_end(plan: &ModelPlan) -> Span {
    Span(plan.timeout.0 + 3 * plan.spec.every.0)
}

/// How long after its start a bucket may still be asked for or changed.
pub fn horizon(plan: &ModelPlan) -> Span {
    let metrics = &plan.model.metrics;
    let longest = metrics.windows.iter().map(|w| w.0).max().unwrap_or(0).max(0);
    // What lies behind a reference is told apart by bucket.
    let reference = metrics.estimate.as_ref().map_or(0, |_| plan.timeout.0 + plan.spec.every.0);
    Span(longest.max(reference) + open_after_end(plan).0)
}

/// The latest instant of `since` at or before `time`.
fn since(plan: &ModelPlan, time: Time) -> Time {
    let starts = plan.model.metrics.since.iter().copied();
    starts.filter(|start| *start <= time).max().unwrap_or(Time(i64::MIN))
}

/// A slice column, by its place in `slices`, and one of its values.
type Slice = (u16, CompactString);

/// The slices that are kept apart, by number.
struct Slices {
    most: usize,
    by_value: Vec<FastMap<CompactString, u32>>,
    all: Vec<Slice>,
}

impl Slices {
    fn new(plan: &ModelPlan) -> Slices {
        let by_value = plan.slices.iter().map(|_| FastMap::default()).collect();
        Slices { most: plan.model.metrics.max_slice_values, by_value, all: Vec::new() }
    }

    /// The number of a slice; values beyond `max_slice_values` are `other`.
    fn number(&mut self, place: usize, value: &CompactString) -> u32 {
        let known = &mut self.by_value[place];
        if let Some(number) = known.get(value) {
            return *number;
        }
        let value = if known.len() < self.most { value.clone() } else { CompactString::const_new("other") };
        *known.entry(value.clone()).or_insert_with(|| {
            self.all.push((place as u16, value));
            self.all.len() as u32 - 1
        })
    }
}

/// Who, and in which slice, by its number; `None` is all events.
type Part = (Contestant, Option<u32>);

/// Where this half of the room stands among the sections of the metrics.
const CONTRIBUTIONS: u32 = 0;

/// A model's contributions that have not gone to differential yet, and what has.
pub(super) struct Contributions {
    plan: Arc<ModelPlan>,
    horizon: Span,
    read: BinsRead,
    fresh: BTreeMap<Time, FastMap<Part, Draft>>,
    sent: BTreeMap<Time, FastMap<Series, Sums>>,
    /// What went to the cells that stay.
    beyond: BTreeMap<(Series, Time), Sums>,
    slices: Slices,
    /// The slices of the event at hand.
    mine: Vec<u32>,
}

impl Contributions {
    /// Nothing yet.
    pub(super) fn new(plan: Arc<ModelPlan>) -> Contributions {
        Contributions {
            horizon: horizon(&plan),
            read: BinsRead::by(plan.model.task, &plan.model.metrics.names, plan.model.metrics.estimate.is_some()),
            fresh: BTreeMap::new(),
            sent: BTreeMap::new(),
            beyond: BTreeMap::new(),
            slices: Slices::new(&plan),
            mine: Vec::new(),
            plan,
        }
    }

    /// Adds what an outcome contributes.
    pub(super) fn take(&mut self, outcome: &Outcome) {
        let read = self.read;
        let change: &dyn Fn(&Prediction) -> Change = match outcome.turn {
            Turn::Scored => &|said| Change::scored(said, read),
            Turn::Settled { labelled: false } => &|_| Change::counts(Tally::expired()),
            Turn::Settled { labelled: true } | Turn::Forgotten { .. } => return,
            Turn::Labelled { before, after, .. } => &move |said| Change::label(said, (before, after), read),
        };
        let scored = &outcome.scored;
        let bucket = scored.time.floor(self.plan.spec.every).max(since(&self.plan, scored.time));
        self.mine.clear();
        for (place, value) in scored.slices.iter().enumerate() {
            self.mine.push(self.slices.number(place, value));
        }
        let cells = self.fresh.entry(bucket).or_default();
        for (who, said) in &scored.scores {
            let change = change(said);
            if matches!(who, Contestant::Majority | Contestant::NoChange) {
                cells.entry((*who, None)).or_default().add(&change.without_prospect());
            } else {
                cells.entry((*who, None)).or_default().add(&change);
                self.mine.iter().for_each(|slice| cells.entry((*who, Some(*slice))).or_default().add(&change));
            }
        }
    }

    /// Everything contributed since the last boundary, and the retraction of buckets out of reach.
    pub(super) fn flush(&mut self, boundary: Time) -> Vec<(Cell, Sums)> {
        let mut updates = Vec::new();
        for (bucket, parts) in std::mem::take(&mut self.fresh) {
            let cells = self.cells(parts);
            if bucket.plus(self.horizon) <= boundary {
                let start = since(&self.plan, bucket);
                for (series, sums) in cells {
                    self.beyond.entry((series.clone(), start)).or_default().plus_equals(&sums);
                    updates.push(((series, Stretch::Beyond(start)), sums));
                }
                continue;
            }
            let sent = self.sent.entry(bucket).or_default();
            for (series, sums) in cells {
                sent.entry(series.clone()).or_default().plus_equals(&sums);
                updates.push(((series, Stretch::Bucket(bucket)), sums));
            }
        }
        while let Some(entry) = self.sent.first_entry() {
            if entry.key().plus(self.horizon) > boundary {
                break;
            }
            let (bucket, cells) = entry.remove_entry();
            for (series, mut sums) in cells {
                sums.negate();
                updates.push(((series, Stretch::Bucket(bucket)), sums));
            }
        }
        updates
    }

    /// What differential had of all cells.
    fn rows(&self) -> Vec<(Cell, Sums)> {
        let row = |series: &Series, stretch, sums: &Sums| ((series.clone(), stretch), sums.clone());
        let bucket = |(bucket, cells): (&Time, &FastMap<Series, Sums>)| -> Vec<(Cell, Sums)> {
            cells.iter().map(|(series, sums)| row(series, Stretch::Bucket(*bucket), sums)).collect()
        };
        let beyond = self.beyond.iter().map(|((series, start), sums)| row(series, Stretch::Beyond(*start), sums));
        self.sent.iter().flat_map(bucket).chain(beyond).collect()
    }

    /// The sums of each series in one bucket; those that came to nothing are left out.
    fn cells(&self, parts: FastMap<Part, Draft>) -> Vec<(Series, Sums)> {
        let mut cells = Vec::with_capacity(parts.len() + 1);
        // What was served is what those said who answered, whichever they were.
        let mut served = Sums::default();
        let model = self.plan.number;
        for ((who, slice), draft) in parts {
            let sums = draft.finish();
            if slice.is_none() && matches!(who, Contestant::Champion(_) | Contestant::Challenger(_)) {
                served.plus_equals(&sums);
            }
            let slice = slice.map(|number| self.slices.all[number as usize].clone());
            cells.push((Series { model, who: Some(who), slice }, sums));
        }
        // Scores are calibrated by version, so of whoever answered they are asked one by one.
        served.prospects.clear();
        cells.push((Series { model, who: None, slice: None }, served));
        cells.retain(|(_, sums)| !sums.is_zero());
        cells
    }
}

/// What is kept: what has not gone to differential yet, what has, and the slices by number.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    fresh: Vec<(Time, Vec<(Part, Sums)>)>,
    sent: Vec<(Time, Vec<(Series, Sums)>)>,
    beyond: Vec<((Series, Time), Sums)>,
    slices: Vec<Slice>,
}

impl Keeps for Contributions {
    fn save(&self, to: &Sections) {
        let drafts = |parts: &FastMap<Part, Draft>| -> Vec<(Part, Sums)> {
            let sums = parts.iter().map(|(part, draft)| (*part, draft.clone().finish()));
            sums.collect::<BTreeMap<_, _>>().into_iter().collect()
        };
        let cells = |cells: &FastMap<Series, Sums>| -> Vec<(Series, Sums)> {
            let sums = cells.iter().map(|(series, sums)| (series.clone(), sums.clone()));
            sums.collect::<BTreeMap<_, _>>().into_iter().collect()
        };
        let kept = Kept {
            fresh: self.fresh.iter().map(|(bucket, parts)| (*bucket, drafts(parts))).collect(),
            sent: self.sent.iter().map(|(bucket, series)| (*bucket, cells(series))).collect(),
            beyond: self.beyond.clone().into_iter().collect(),
            slices: self.slices.all.clone(),
        };
        to.value(&self.plan.keeps.metrics, CONTRIBUTIONS, &kept);
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let kept: Kept = from.value(&self.plan.keeps.metrics, CONTRIBUTIONS)?.unwrap_or_default();
        let drafts = |(bucket, parts): (Time, Vec<(Part, Sums)>)| {
            (bucket, parts.into_iter().map(|(part, sums)| (part, Draft::of(sums))).collect())
        };
        self.fresh = kept.fresh.into_iter().map(drafts).collect();
        self.sent = kept.sent.into_iter().map(|(bucket, cells)| (bucket, cells.into_iter().collect())).collect();
        self.beyond = kept.beyond.into_iter().collect();
        for (place, value) in kept.slices {
            self.slices.number(usize::from(place), &value);
        }
        Ok(())
    }
}

#[derive(Default)]
struct Open {
    outcomes: Vec<Outcome>,
    mark: Option<Mark>,
}

/// Builds the room: the counts of every series and bucket, as a collection.
pub fn measure<'scope>(
    plan: &Arc<Plan>,
    outcomes: StreamVec<'scope, Tick, Outcome>,
    marks: StreamVec<'scope, Tick, Mark>,
    (archive, home): (&SharedArchive, usize),
) -> VecCollection<'scope, Tick, (Cell, Sums), isize> {
    let at_home = outcomes.scope().index() == home;
    let mut builder = OperatorBuilder::new("Measure".to_owned(), outcomes.scope());
    let mut outcomes = builder.new_input(outcomes, Pipeline);
    let mut marks = builder.new_input(marks, Pipeline);
    let (updates, stream) = builder.new_output::<Vec<(Cell, Tick, Sums)>>();
    let mut updates = OutputBuilder::from(updates);
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut contributions = at_home.then(|| plan.models().into_iter().map(Contributions::new).collect::<Vec<_>>());
        let mut ticks: Ticks<Open> = Ticks::new(1);
        move |frontiers| {
            ticks.stash(&mut outcomes, |open| &mut open.outcomes);
            ticks.last(&mut marks, |open| &mut open.mark);
            let mut updates = updates.activate();
            while let Some((tick, permits, open)) = ticks.complete(frontiers) {
                let Some(contributions) = &mut contributions else {
                    heed(&archive, open.mark.as_ref(), &mut []);
                    continue;
                };
                heed(&archive, open.mark.as_ref(), &mut [contributions]);
                open.outcomes.iter().for_each(|outcome| contributions[usize::from(outcome.model)].take(outcome));
                let Some(mark) = open.mark else { continue };
                let mut session = updates.session(&permits[0]);
                for contributions in contributions {
                    let mut changed = mark.boundary.map(|boundary| contributions.flush(boundary)).unwrap_or_default();
                    if let Some(Order::Restore(_)) = mark.order {
                        // This tick publishes nothing: the other half has counted all of it already.
                        changed = contributions.rows();
                    }
                    session.give_iterator(changed.into_iter().map(|(cell, sums)| (cell, tick, sums)));
                }
            }
        }
    });
    stream.as_collection().count_total()
}
