//! What is estimated of metrics where labels are missing, at their publication: the scores of a window by what such
//! scores came to before it.
//!
//! In: the counts that the board keeps. Out: each metric's estimate for all predictions of the window, labelled or not;
//! and for those that have labels now, the estimate less the metric by these labels: what it was wrong by. Keeps:
//! nothing but the maps that it may be asked for again.
//!
//! **The reference** of a window is what its version said, in whatever role, before both the window's start and one
//! `timeout` before its end. So it shares no row with the window, and the error is that of an estimate which knew none
//! of the labels that it is held against; all of its labels that will ever come are in, so that outcomes which are
//! known sooner than others do not count for more; and nothing that comes later changes it, so that an estimate is
//! published again only with its window. The price is its age: a version has no estimate until its first labels are one
//! `timeout` old and `min_labels` of them are there. For an open window (`since`) it is what came before its start. The
//! whole run has nothing before it, and no estimate.
//!
//! A state that was frozen has a reference of its own; a slice has that of its version, which may mean something else
//! there. What was served is estimated by what each version answered, and if one of them has no reference, not at all.

use super::super::items::Contestant;
use super::super::measure::Series;
use super::super::sums::{LABELLED, Scratch, Sums};
use super::{Board, Extent, Track};
use crate::config::spec::{EstimateSpec, Measure, Metric};
use crate::evaluate::{Bin, Calibration, Estimate, Prospect, bins, value};
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// The estimates of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimated {
    /// The labels by which scores were calibrated; of several versions, those of the one that has fewest.
    pub reference: i64,
    /// Each metric's estimate, and its error where labels are known.
    pub values: Vec<(Metric, Option<f64>, Option<f64>)>,
}

impl Estimated {
    /// All figures of it, in the order of their names.
    pub fn measures(&self) -> impl Iterator<Item = (Measure, Option<f64>)> {
        let both = |(metric, estimate, error): &(Metric, Option<f64>, Option<f64>)| {
            [(Measure::Estimated(*metric), *estimate), (Measure::Error(*metric), *error)]
        };
        self.values.iter().flat_map(both)
    }
}

/// Whose scores mean the same: a version's, whichever role it had, or a frozen state's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scorer {
    Version(u32),
    Other(Contestant),
}

impl Scorer {
    fn of(who: Contestant) -> Scorer {
        who.version().map_or(Scorer::Other(who), Scorer::Version)
    }
}

/// What scores of a scorer mean to those who look from an instant on, as far as somebody has asked. Nothing that comes
/// later changes what lies behind a reference, so this is remembered; it is made again where it is not.
#[derive(Default)]
pub(super) struct Maps(BTreeMap<(Scorer, Time), Option<Calibration>>);

impl Maps {
    /// Lets go of those that end before an instant, for no window asks for them any more; but for those of `since`.
    pub(super) fn forget(&mut self, before: Time, since: &[Time]) {
        self.0.retain(|(_, cut), _| *cut >= before || since.contains(cut));
    }
}

/// Where a reference ends.
#[derive(Clone, Copy)]
enum Cut {
    /// At an instant that the board's buckets reach back to.
    Bucket(Time),
    /// At an instant of `since`, by its place.
    Since(Time, usize),
}

impl Cut {
    fn time(self) -> Time {
        let (Cut::Bucket(time) | Cut::Since(time, _)) = self;
        time
    }
}

impl Board {
    /// The estimates of a window of a series, by whose labels `sums` are; `None` where there are none to be had.
    pub(super) fn estimate(
        &mut self,
        tracks: &BTreeMap<Series, Track>,
        maps: &mut Maps,
        series: &Series,
        (extent, end): (Extent, Time),
        sums: &Sums,
    ) -> Option<Estimated> {
        let plan = self.plan.clone();
        let EstimateSpec { names, min_labels } = plan.model.metrics.estimate.as_ref()?;
        if matches!(series.who, Some(Contestant::Majority | Contestant::NoChange)) {
            return None;
        }
        let cut = self.cut(extent, end)?;
        let (mut all, mut labelled) = (Estimate::default(), Estimate::default());
        let mut reference: Option<i64> = None;
        for (who, track) in parts(tracks, series) {
            let prospects = self.prospects(track, extent, end);
            if prospects.is_empty() {
                continue;
            }
            let map = maps.0.entry((Scorer::of(who), cut.time()));
            let map = map.or_insert_with(|| calibration(tracks, Scorer::of(who), cut));
            let known = map.as_ref().map_or(0, |map| map.labelled());
            reference = Some(reference.map_or(known, |least| least.min(known)));
            if let Some(map) = map {
                let (of_all, with_label) = prospects.split_at(prospects.partition_point(|(bin, _)| *bin < LABELLED));
                all.add(of_all.iter().copied(), map);
                labelled.add(with_label.iter().map(|(bin, prospect)| (*bin - LABELLED, *prospect)), map);
            }
        }
        let reference = reference.unwrap_or(0);
        let is_known = u64::try_from(reference).is_ok_and(|reference| reference >= *min_labels);
        let task = plan.model.task;
        let figure = |metric: &Metric| {
            let estimate = if is_known { all.value(*metric, task) } else { None };
            let known = || value(*metric, task, &sums.tally, sums.bins.iter().copied());
            let error = estimate.and_then(|_| Some(labelled.value(*metric, task)? - known()?));
            (*metric, estimate, error)
        };
        Some(Estimated { reference, values: names.iter().map(figure).collect() })
    }

    /// Where the reference of a window ends; `None` of the whole run.
    fn cut(&self, extent: Extent, end: Time) -> Option<Cut> {
        let (timeout, every) = (self.plan.timeout, self.plan.spec.every);
        let settled = end.minus(timeout);
        match extent {
            Extent::All => None,
            Extent::Last(window) => Some(Cut::Bucket(end.minus(Span(window.0.max(timeout.0))).floor(every))),
            Extent::Since(start) => {
                let place = self.plan.model.metrics.since.iter().position(|since| *since == start)?;
                Some(if start <= settled { Cut::Since(start, place) } else { Cut::Bucket(settled.floor(every)) })
            }
        }
    }

    /// What the predictions of a window may come to.
    fn prospects(&mut self, track: &Track, extent: Extent, end: Time) -> Vec<(u16, Prospect)> {
        match extent {
            Extent::All => Vec::new(),
            Extent::Last(window) => {
                let buckets = track.buckets.range(end.minus(window)..end);
                buckets.for_each(|(_, sums)| self.prospects.add(&sums.prospects));
                self.prospects.take()
            }
            Extent::Since(start) => {
                let place = self.plan.model.metrics.since.iter().position(|since| *since == start);
                place.map_or_else(Vec::new, |place| track.since[place].prospects.clone())
            }
        }
    }
}

/// The series that one is made of, by who said what is in them: itself, or of what was served, what each version
/// answered.
fn parts<'a>(tracks: &'a BTreeMap<Series, Track>, of: &Series) -> Vec<(Contestant, &'a Track)> {
    if let Some(who) = of.who {
        return tracks.get(of).map(|track| (who, track)).into_iter().collect();
    }
    let answer = |(series, track): (&Series, &'a Track)| {
        let who = series.who.filter(|who| matches!(who, Contestant::Champion(_) | Contestant::Challenger(_)))?;
        series.slice.is_none().then_some((who, track))
    };
    tracks.iter().filter_map(answer).collect()
}

/// What a scorer's labelled scores before an instant came to.
fn calibration(tracks: &BTreeMap<Series, Track>, scorer: Scorer, cut: Cut) -> Option<Calibration> {
    let mut known: Scratch<Bin> = Scratch::new(usize::from(bins::AUC_BINS));
    let fine = |bins: &[(u16, Bin)]| bins[..bins.partition_point(|(bin, _)| *bin < bins::AUC_BINS)].to_vec();
    let less = |bins: &[(u16, Bin)]| fine(bins).into_iter().map(|(number, bin)| (number, -bin)).collect::<Vec<_>>();
    let ours = |series: &Series| series.slice.is_none() && series.who.map(Scorer::of) == Some(scorer);
    for (_, track) in tracks.iter().filter(|(series, _)| ours(series)) {
        known.add(&fine(&track.all.bins));
        match cut {
            Cut::Bucket(from) => track.buckets.range(from..).for_each(|(_, sums)| known.add(&less(&sums.bins))),
            Cut::Since(_, place) => known.add(&less(&track.since[place].bins)),
        }
    }
    Calibration::of(known.take())
}
