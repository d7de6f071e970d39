//! The room of metrics, second half: windows over the maintained counts, published at boundaries.
//!
//! In: the changes of the counts, and marks. Keeps: the counts that a window can still reach, the running sums of the
//! whole run and of each `since`, and which buckets changed. At a boundary every series is published for the windows
//! that end there, and again for each earlier end that has changed since. Windows are `[end - w, end)` by prediction
//! time, so that what is predicted at a boundary counts after it. Limits: a window that ended `timeout` and three times
//! `every` ago is closed. No label can change it any more, and an event that is so much out of order counts in the
//! whole run and in each `since` alone. What is estimated where labels are missing is in [`estimated`].

mod estimated;
mod slide;

use super::items::{Contestant, Mark};
use super::lines::{self, PageWriter};
use super::measure::{Cell, Series, Stretch, horizon, open_after_end};
use super::plan::{ModelPlan, Plan};
use super::saving::{Keeps, Sections, SharedArchive, Shares, heed};
use super::sums::Sums;
use super::ticks::{Tick, Ticks};
use crate::config::spec::{Measure, Metric};
use crate::evaluate::{Bin, Tally, bins, value};
use crate::sink::{Page, Stream};
use crate::time::{Span, Time};
use differential_dataflow::VecCollection;
use differential_dataflow::difference::{IsZero, Semigroup};
use estimated::{Estimated, Outlook};
use serde::{Deserialize, Serialize};
use slide::Slide;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// The extent of a published window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// A sliding window.
    Last(Span),
    /// From an instant on.
    Since(Time),
    /// The whole run.
    All,
}

/// One published value of a series: all metrics of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// What it is of.
    pub series: Series,
    /// The window.
    pub extent: Extent,
    /// Where the window ends.
    pub end: Time,
    /// The boundary at which it is published.
    pub boundary: Time,
    /// Whether no label can change it any more.
    pub settled: bool,
    /// The counts.
    pub tally: Tally,
    /// The metrics, in the order of `names`.
    pub values: Vec<(Metric, Option<f64>)>,
    /// The bound of the AUC's error.
    pub auc_bound: Option<f64>,
    /// What is estimated, where that was asked for.
    pub estimated: Option<Estimated>,
}

/// What the judging room needs of the metrics at a boundary: a version's own figures while it is champion.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The model, by its place in the pipeline file.
    pub model: u16,
    /// The version.
    pub version: u32,
    /// The window, which ends at the boundary.
    pub window: Span,
    /// Labelled predictions in it.
    pub labelled: i64,
    /// Their share of those that have or can still get a label.
    pub coverage: f64,
    /// The metrics, and what is estimated of them.
    pub values: Vec<(Measure, f64)>,
}

/// Where this half of the room stands among the sections of the metrics.
const WINDOWS: u32 = 1;

/// The counts of one series.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Track {
    buckets: BTreeMap<Time, Sums>,
    all: Sums,
    since: Vec<Sums>,
    changed: BTreeSet<Time>,
}

/// The windows of all series of a model.
struct Board {
    plan: Arc<ModelPlan>,
    horizon: Span,
    tracks: BTreeMap<Series, Track>,
    first_end: Option<Time>,
    /// The window under way.
    slide: Slide<Bin>,
    outlook: Outlook,
    /// The earliest bucket of which a label changed since the last boundary.
    relabelled: Option<Time>,
}

impl Board {
    fn new(plan: Arc<ModelPlan>) -> Board {
        let horizon = horizon(&plan);
        let slide = Slide::new(bins::numbers(plan.model.task));
        let outlook = Outlook::default();
        Board { plan, horizon, tracks: BTreeMap::new(), first_end: None, slide, outlook, relabelled: None }
    }

    /// Takes in a change, unless it takes back a bucket out of reach: that is no change of any metric.
    fn apply(&mut self, series: Series, stretch: Stretch, delta: &Sums, boundary: Time) {
        let (Stretch::Bucket(from) | Stretch::Beyond(from)) = stretch;
        let bucket = matches!(stretch, Stretch::Bucket(_));
        if bucket && from.plus(self.horizon) <= boundary {
            return;
        }
        if !delta.bins.is_empty() {
            self.relabelled = Some(self.relabelled.map_or(from, |earliest| earliest.min(from)));
        }
        let since = &self.plan.model.metrics.since;
        let track = self.tracks.entry(series).or_default();
        track.since.resize_with(since.len(), Sums::default);
        // The whole run is not estimated.
        track.all.add_known(delta);
        for (sums, start) in track.since.iter_mut().zip(since) {
            if from >= *start {
                sums.plus_equals(delta);
            }
        }
        if bucket {
            track.buckets.entry(from).or_default().plus_equals(delta);
            track.changed.insert(from);
        }
    }

    /// Drops buckets out of reach.
    fn forget(&mut self, boundary: Time) {
        let horizon = self.horizon;
        for track in self.tracks.values_mut() {
            while let Some(entry) = track.buckets.first_entry().filter(|e| e.key().plus(horizon) <= boundary) {
                entry.remove();
            }
        }
    }

    fn publish(&mut self, boundary: Time, now: Time, last: bool) -> Vec<Published> {
        let first_end = *self.first_end.get_or_insert(boundary);
        let plan = self.plan.clone();
        let closed = boundary.minus(open_after_end(&plan));
        let metrics = &plan.model.metrics;
        let every = plan.spec.every;
        let mut published = Vec::new();
        let mut tracks = std::mem::take(&mut self.tracks);
        let changed: Vec<_> = tracks.values_mut().map(|track| std::mem::take(&mut track.changed)).collect();
        let mut outlook = std::mem::take(&mut self.outlook);
        outlook.begin(boundary.minus(self.horizon), &metrics.since, self.relabelled.take());
        for ((series, track), changed) in tracks.iter().zip(changed) {
            let mut due = Vec::new();
            for window in &metrics.windows {
                let first = first_end.max(closed.floor(every).plus(every));
                due.extend(ends(&changed, *window, every, first, boundary).map(|end| (Extent::Last(*window), end)));
            }
            if series.slice.is_none() || last {
                due.extend(metrics.since.iter().map(|start| (Extent::Since(*start), boundary)));
                due.push((Extent::All, boundary));
            }
            self.slide.clear();
            for (extent, end) in due {
                let sums = self.sums(track, extent, end);
                if sums.tally.n != 0 {
                    let estimated = self.estimate(&tracks, &mut outlook, series, (extent, end), &sums);
                    published.push(self.figures(series, (extent, end), (boundary, now), sums, estimated));
                }
            }
        }
        outlook.end();
        (self.tracks, self.outlook) = (tracks, outlook);
        published
    }

    /// The counts behind one value, without prospects.
    fn sums(&mut self, track: &Track, extent: Extent, end: Time) -> Sums {
        match extent {
            Extent::Last(window) => {
                let (mut tally, over) = (Tally::default(), end.minus(window)..end);
                track.buckets.range(over.clone()).for_each(|(_, sums)| tally += sums.tally);
                let bins = self.slide.to(over, &track.buckets, |sums| &sums.bins).list();
                Sums { tally, bins, prospects: Vec::new() }
            }
            Extent::Since(start) => {
                let place = self.plan.model.metrics.since.iter().position(|since| *since == start);
                let Sums { tally, bins, .. } = &track.since[place.expect("an extent is one of those that are kept")];
                Sums { tally: *tally, bins: bins.clone(), prospects: Vec::new() }
            }
            Extent::All => Sums { tally: track.all.tally, bins: track.all.bins.clone(), prospects: Vec::new() },
        }
    }

    fn figures(
        &self,
        series: &Series,
        (extent, end): (Extent, Time),
        (boundary, now): (Time, Time),
        sums: Sums,
        estimated: Option<Estimated>,
    ) -> Published {
        // The fine bins come first, and the area and its bound are from one walk over them.
        let task = self.plan.model.task;
        let (fine, rest) = sums.bins.split_at(sums.bins.partition_point(|(bin, _)| *bin < bins::AUC_BINS));
        let names = &self.plan.model.metrics.names;
        let auc = names.contains(&Metric::RocAuc).then(|| bins::roc_auc(fine.iter().copied())).flatten();
        let of = |metric: &Metric| match metric {
            Metric::RocAuc => (*metric, auc.map(|auc| auc.value)),
            other => (*other, value(*other, task, &sums.tally, rest.iter().copied())),
        };
        let values = names.iter().map(of).collect::<Vec<_>>();
        let auc_bound = auc.map(|auc| auc.bound);
        let settled = end.plus(self.plan.timeout) < now;
        let (series, tally) = (series.clone(), sums.tally);
        Published { series, extent, end, boundary, settled, tally, values, auc_bound, estimated }
    }
}

/// The ends of windows that are due: the boundary, and each earlier one from `first` on whose window holds a changed
/// bucket.
fn ends(
    changed: &BTreeSet<Time>,
    window: Span,
    every: Span,
    first: Time,
    boundary: Time,
) -> impl Iterator<Item = Time> {
    let mut ends = BTreeSet::from([boundary]);
    for bucket in changed {
        let start = bucket.floor(every);
        let mut end = start.plus(every).max(first);
        while end <= start.plus(window) && end < boundary {
            ends.insert(end);
            end = end.plus(every);
        }
    }
    ends.into_iter()
}

fn figure(published: &Published) -> Option<Figure> {
    let (Some(Contestant::Champion(version)), None) = (published.series.who, &published.series.slice) else {
        return None;
    };
    let Extent::Last(window) = published.extent else { return None };
    let known = published.values.iter().map(|(metric, value)| (Measure::Known(*metric), *value));
    let estimated = published.estimated.iter().flat_map(Estimated::measures);
    let values = known.chain(estimated).filter_map(|(measure, value)| value.map(|v| (measure, v))).collect();
    let tally = &published.tally;
    let coverage = tally.reachable_coverage().unwrap_or(0.0);
    (published.end == published.boundary).then_some(Figure {
        model: published.series.model,
        version,
        window,
        labelled: tally.labelled,
        coverage,
        values,
    })
}

impl Keeps for Board {
    fn save(&self, to: &Sections) {
        to.value(&self.plan.keeps.metrics, WINDOWS, &(self.first_end, &self.tracks));
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        if let Some(kept) = from.value(&self.plan.keeps.metrics, WINDOWS)? {
            (self.first_end, self.tracks) = kept;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Open {
    changes: Vec<((Cell, Sums), Tick, isize)>,
    mark: Option<Mark>,
}

/// Builds the room, on worker `home`: pages of metrics, and the champions' figures for the judging room.
pub fn publish<'scope>(
    plan: &Arc<Plan>,
    counts: VecCollection<'scope, Tick, (Cell, Sums), isize>,
    marks: StreamVec<'scope, Tick, Mark>,
    (archive, home): (&SharedArchive, usize),
) -> (StreamVec<'scope, Tick, Page>, StreamVec<'scope, Tick, Figure>) {
    let mut builder = OperatorBuilder::new("Publish".to_owned(), marks.scope());
    let to_home = move |_: &((Cell, Sums), Tick, isize)| home as u64;
    let mut changes = builder.new_input(counts.inner, Exchange::new(to_home));
    let at_home = marks.scope().index() == home;
    let mut marks = builder.new_input(marks, Pipeline);
    let (pages, pages_stream) = builder.new_output::<Vec<Page>>();
    let (figures, figures_stream) = builder.new_output::<Vec<Figure>>();
    let (mut pages, mut figures) = (OutputBuilder::from(pages), OutputBuilder::from(figures));
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut boards = at_home.then(|| plan.models().into_iter().map(Board::new).collect::<Vec<_>>());
        let mut ticks: Ticks<Open> = Ticks::new(2);
        move |frontiers| {
            changes.for_each(|capability, batch| {
                for change in batch.drain(..) {
                    ticks.of(&capability, change.1).changes.push(change);
                }
            });
            ticks.last(&mut marks, |open| &mut open.mark);
            let (mut pages, mut figures) = (pages.activate(), figures.activate());
            while let Some((_, permits, open)) = ticks.complete(frontiers) {
                let Some(boards) = &mut boards else {
                    heed(&archive, open.mark.as_ref(), &mut []);
                    continue;
                };
                heed(&archive, open.mark.as_ref(), &mut [boards]);
                let Some(Mark { now, boundary: Some(boundary), last, .. }) = open.mark else { continue };
                boards.iter_mut().for_each(|board| board.forget(boundary));
                for ((series, stretch), delta) in deltas(open.changes) {
                    boards[usize::from(series.model)].apply(series, stretch, &delta, boundary);
                }
                let mut page = PageWriter::new(Stream::Metrics);
                for board in boards {
                    let published = board.publish(boundary, now, last);
                    figures.session(&permits[1]).give_iterator(published.iter().filter_map(figure));
                    lines::metrics(&mut page, &board.plan, &published);
                }
                pages.session(&permits[0]).give(page.finish());
            }
        }
    });
    (pages_stream, figures_stream)
}

/// What each cell changed by: its new count less its old one.
fn deltas(changes: Vec<((Cell, Sums), Tick, isize)>) -> impl Iterator<Item = (Cell, Sums)> {
    let mut by_cell: BTreeMap<Cell, Sums> = BTreeMap::new();
    for ((cell, sums), _, sign) in changes {
        let delta = by_cell.entry(cell).or_default();
        let mut signed = sums;
        if sign < 0 {
            differential_dataflow::difference::Abelian::negate(&mut signed);
        }
        delta.plus_equals(&signed);
    }
    by_cell.into_iter().filter(|(_, delta)| !delta.is_zero())
}

#[cfg(test)]
mod tests;
