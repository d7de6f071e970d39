//! The room of metrics, first half: what every outcome contributes, maintained in differential.
//!
//! In: outcomes, on the model's worker. Keeps: per series and bucket of prediction time (one `every` long) the sums of
//! what was contributed, until no window can reach the bucket; then they are taken back out of the arrangement (a delay
//! line, so that the backlog is never merged). Contributions are summed here until a boundary, so that differential
//! sees one update a series and bucket; its counts are exact under any retraction. Out: the changes of the counts.

use super::items::{Contestant, Mark, Outcome, Scored, Turn};
use super::plan::Plan;
use super::sums::Sums;
use super::ticks::{Tick, Ticks, join};
use crate::evaluate::Tally;
use crate::record::FastMap;
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
    /// Whose predictions; `None` is what was served, whichever version served it.
    pub who: Option<Contestant>,
    /// The slice column, by its place in `slices`, and its value; `None` is all events.
    pub slice: Option<(u16, CompactString)>,
}

/// A series and the start of a bucket of prediction time.
pub type Cell = (Series, Time);

/// How long after its start a bucket may still be asked for or changed.
pub fn horizon(plan: &Plan) -> Span {
    let longest = plan.spec.model.metrics.windows.iter().map(|w| w.0).max().unwrap_or(0);
    Span(longest.max(0) + plan.timeout.0 + 3 * plan.spec.every.0)
}

/// Contributions that have not gone to differential yet, and what has.
struct Contributions {
    plan: Arc<Plan>,
    horizon: Span,
    fresh: BTreeMap<Time, FastMap<Series, Sums>>,
    sent: BTreeMap<Time, FastMap<Series, Sums>>,
    /// Values of each slice column that are kept apart.
    values: Vec<FastMap<CompactString, ()>>,
}

impl Contributions {
    fn new(plan: Arc<Plan>) -> Contributions {
        let values = plan.slices.iter().map(|_| FastMap::default()).collect();
        Contributions { horizon: horizon(&plan), plan, fresh: BTreeMap::new(), sent: BTreeMap::new(), values }
    }

    fn take(&mut self, outcome: &Outcome) {
        let scored = &outcome.scored;
        let bucket = scored.time.floor(self.plan.spec.every);
        let slices = self.slices(scored);
        let cells = self.fresh.entry(bucket).or_default();
        let mut add = |who: Option<Contestant>, slice: Option<(u16, CompactString)>, score: f64| {
            let sums = cells.entry(Series { who, slice }).or_default();
            match outcome.turn {
                Turn::Scored => sums.tally += Tally::prediction(),
                Turn::Settled { labelled: false } => sums.tally += Tally::expired(),
                Turn::Settled { labelled: true } => {}
                Turn::Labelled { before, after, .. } => {
                    before.into_iter().for_each(|label| sums.label(score, label, -1));
                    after.into_iter().for_each(|label| sums.label(score, label, 1));
                }
            }
        };
        for (who, score) in &scored.scores {
            add(Some(*who), None, *score);
            if !matches!(who, Contestant::Majority | Contestant::NoChange) {
                slices.iter().for_each(|slice| add(Some(*who), Some(slice.clone()), *score));
            }
        }
    }

    /// The slices of an event; values beyond `max_slice_values` are `other`.
    fn slices(&mut self, scored: &Scored) -> Vec<(u16, CompactString)> {
        let most = self.plan.spec.model.metrics.max_slice_values;
        let mut slices = Vec::with_capacity(scored.slices.len());
        for (place, value) in scored.slices.iter().enumerate() {
            let known = &mut self.values[place];
            let value = if known.contains_key(value) {
                value.clone()
            } else if known.len() < most {
                known.insert(value.clone(), ());
                value.clone()
            } else {
                CompactString::const_new("other")
            };
            slices.push((place as u16, value));
        }
        slices
    }

    /// Everything contributed since the last boundary, and the retraction of buckets out of reach.
    fn flush(&mut self, boundary: Time) -> Vec<(Cell, Sums)> {
        let mut updates = Vec::new();
        for (bucket, mut cells) in std::mem::take(&mut self.fresh) {
            // What was served is what the champions said, whichever they were.
            let mut served = Sums::default();
            let champions =
                cells.iter().filter(|(s, _)| s.slice.is_none() && matches!(s.who, Some(Contestant::Champion(_))));
            champions.for_each(|(_, sums)| served.plus_equals(sums));
            cells.insert(Series { who: None, slice: None }, served);
            let sent = self.sent.entry(bucket).or_default();
            for (series, sums) in cells {
                if sums.is_zero() {
                    continue;
                }
                sent.entry(series.clone()).or_default().plus_equals(&sums);
                updates.push(((series, bucket), sums));
            }
        }
        while let Some(entry) = self.sent.first_entry() {
            if entry.key().plus(self.horizon) > boundary {
                break;
            }
            let (bucket, cells) = entry.remove_entry();
            for (series, mut sums) in cells {
                sums.negate();
                updates.push(((series, bucket), sums));
            }
        }
        updates
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
) -> VecCollection<'scope, Tick, (Cell, Sums), isize> {
    let mut builder = OperatorBuilder::new("Measure".to_owned(), outcomes.scope());
    let mut outcomes = builder.new_input(outcomes, Pipeline);
    let mut marks = builder.new_input(marks, Pipeline);
    let (updates, stream) = builder.new_output::<Vec<(Cell, Tick, Sums)>>();
    let mut updates = OutputBuilder::from(updates);
    let plan = plan.clone();
    builder.build(move |_| {
        let mut contributions = Contributions::new(plan);
        let mut ticks: Ticks<Open> = Ticks::new(1);
        move |frontiers| {
            outcomes.for_each(|capability, batch| {
                if let Some(open) = ticks.at(&capability) {
                    join(&mut open.outcomes, batch);
                }
            });
            marks.for_each(|capability, batch| {
                if let Some(open) = ticks.at(&capability) {
                    open.mark = batch.drain(..).next_back();
                }
            });
            let mut updates = updates.activate();
            while let Some((tick, permits, open)) = ticks.complete(frontiers) {
                open.outcomes.iter().for_each(|outcome| contributions.take(outcome));
                if let Some(boundary) = open.mark.and_then(|mark| mark.boundary) {
                    let changed = contributions.flush(boundary);
                    let mut session = updates.session(&permits[0]);
                    session.give_iterator(changed.into_iter().map(|(cell, sums)| (cell, tick, sums)));
                }
            }
        }
    });
    stream.as_collection().count_total()
}
