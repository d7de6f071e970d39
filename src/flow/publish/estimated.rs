//! What is estimated of metrics where labels are missing, at their publication: the scores of a window by what such
//! scores came to before it.
//!
//! In: the counts that the board keeps. Out: each metric's estimate for all predictions of the window, labelled or not;
//! and for those that have labels now, the estimate less the metric by these labels: what it was wrong by. Keeps:
//! nothing but the maps that it may be asked for again, and while it looks at one boundary, the windows under way.
//!
//! **The reference** of a window is what its version said, in whatever role, before both the window's start and one
//! `timeout` before its end. So it shares no row with the window, and the error is that of an estimate which knew none
//! of the labels that it is held against; all of its labels that will ever come are in, so that outcomes which are
//! known sooner than others do not count for more; and nothing that comes later changes it unless a label is forgotten,
//! so that an estimate is published again only with its window. The price is its age: a version has no estimate until
//! its first labels are one `timeout` old and `min_labels` of them are there. For an open window (`since`) it is what
//! came before its start. The whole run has nothing before it, and no estimate.
//!
//! A state that was frozen has a reference of its own; a slice has that of its version, which may mean something else
//! there. What was served is estimated by what each version answered, and if one of them has no reference, not at all.

use super::super::items::Contestant;
use super::super::measure::Series;
use super::super::sums::{LABELLED, PROSPECTS, Sums};
use super::slide::{Scratch, Slide};
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

/// What scores of a scorer mean to those who look from an instant on.
type Maps = BTreeMap<(Scorer, Time), Option<Calibration>>;

/// What estimates of one boundary have in common, and of one boundary with the next.
#[derive(Default)]
pub(super) struct Outlook {
    /// As far as somebody has asked. Nothing that comes later changes what lies behind a reference, but for labels that
    /// are forgotten, so this is remembered; it is made again where it is not.
    maps: Maps,
    /// The window under way, by who said what is in it.
    slides: BTreeMap<Contestant, (Series, Slide<Prospect>)>,
    /// What was estimated of what was served, where all of it is what one contestant said: at this boundary that is
    /// estimated of the contestant, too.
    served: BTreeMap<(Contestant, Extent, Time), Expected>,
}

impl Outlook {
    /// Before a boundary. Maps that end before an instant go, for no window asks for them any more, but for those of
    /// `since`; and those behind whose reference a label has changed, the earliest in bucket `relabelled`.
    pub(super) fn begin(&mut self, before: Time, since: &[Time], relabelled: Option<Time>) {
        let is_current = |cut: Time| relabelled.is_none_or(|bucket| cut <= bucket);
        self.maps.retain(|(_, cut), _| is_current(*cut) && (*cut >= before || since.contains(cut)));
    }

    /// Behind it. Whoever was not asked for is not any more.
    pub(super) fn end(&mut self) {
        self.served.clear();
        self.slides.retain(|_, (_, slide)| !slide.is_over_nothing());
        self.slides.values_mut().for_each(|(_, slide)| slide.clear());
    }
}

/// What a window's predictions may come to, in figures.
#[derive(Clone)]
struct Expected {
    /// The labels of the reference.
    reference: i64,
    /// Of each metric the estimate for all, and for those that have labels; of a reference that has too few, none.
    values: Vec<(Option<f64>, Option<f64>)>,
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
        &self,
        tracks: &BTreeMap<Series, Track>,
        outlook: &mut Outlook,
        series: &Series,
        (extent, end): (Extent, Time),
        sums: &Sums,
    ) -> Option<Estimated> {
        let EstimateSpec { names, .. } = self.plan.model.metrics.estimate.as_ref()?;
        if matches!(series.who, Some(Contestant::Majority | Contestant::NoChange)) {
            return None;
        }
        let cut = self.cut(extent, end)?;
        let served = series.who.filter(|_| series.slice.is_none());
        let known = served.and_then(|who| outlook.served.remove(&(who, extent, end)));
        let Expected { reference, values } =
            known.map_or_else(|| self.expected(tracks, outlook, series, (extent, end, cut)), Some)?;
        let figure = |(metric, (estimate, with_label)): (&Metric, (Option<f64>, Option<f64>))| {
            let known = || value(*metric, self.plan.model.task, &sums.tally, sums.bins.iter().copied());
            let error = with_label.and_then(|with_label| Some(with_label - known()?));
            (*metric, estimate, error)
        };
        Some(Estimated { reference, values: names.iter().zip(values).map(figure).collect() })
    }

    /// What the predictions of a window may come to; `None` where nothing is estimated.
    fn expected(
        &self,
        tracks: &BTreeMap<Series, Track>,
        outlook: &mut Outlook,
        of: &Series,
        (extent, end, cut): (Extent, Time, Cut),
    ) -> Option<Expected> {
        let EstimateSpec { names, min_labels } = self.plan.model.metrics.estimate.as_ref()?;
        let mut weighing = Weighing::default();
        let Outlook { maps, slides, served } = outlook;
        for (who, series, track) in parts(tracks, of) {
            match extent {
                Extent::All => {}
                Extent::Last(window) => {
                    let over = end.minus(window)..end;
                    if track.buckets.range(over.clone()).next().is_none() {
                        continue;
                    }
                    let slide = slides.entry(who).or_insert_with(|| (series.clone(), Slide::new(PROSPECTS)));
                    if slide.0 != *series {
                        slide.0 = series.clone();
                        slide.1.clear();
                    }
                    let all = slide.1.to(over, &track.buckets, |sums| &sums.prospects);
                    if all.iter().next().is_some() {
                        let map = map(maps, tracks, who, cut);
                        weighing.add(who, map, all.before(LABELLED), all.from(LABELLED));
                    }
                }
                Extent::Since(start) => {
                    let place = self.plan.model.metrics.since.iter().position(|since| *since == start)?;
                    let all = &track.since[place].prospects;
                    if !all.is_empty() {
                        let (of_all, with_label) = all.split_at(all.partition_point(|(bin, _)| *bin < LABELLED));
                        let map = map(maps, tracks, who, cut);
                        weighing.add(who, map, of_all.iter().copied(), with_label.iter().copied());
                    }
                }
            }
        }
        let Weighing { all, labelled, reference, said } = weighing;
        let reference = reference.unwrap_or(0);
        let is_known = u64::try_from(reference).is_ok_and(|reference| reference >= *min_labels);
        let figure = |metric: &Metric| {
            let estimate = if is_known { all.value(*metric, self.plan.model.task) } else { None };
            (estimate, estimate.and_then(|_| labelled.value(*metric, self.plan.model.task)))
        };
        let expected = Expected { reference, values: names.iter().map(figure).collect() };
        if let (None, [who]) = (of.who, &said[..]) {
            served.insert((*who, extent, end), expected.clone());
        }
        Some(expected)
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
}

/// The expected counts of a window under way.
#[derive(Default)]
struct Weighing {
    all: Estimate,
    labelled: Estimate,
    /// The labels of the reference that has fewest.
    reference: Option<i64>,
    /// Who said what is in it.
    said: Vec<Contestant>,
}

impl Weighing {
    /// Adds what somebody said, and what of it has labels, by what these scores mean if that is known.
    fn add(
        &mut self,
        who: Contestant,
        map: Option<&Calibration>,
        of_all: impl Iterator<Item = (u16, Prospect)>,
        with_label: impl Iterator<Item = (u16, Prospect)>,
    ) {
        self.said.push(who);
        let known = map.map_or(0, Calibration::labelled);
        self.reference = Some(self.reference.map_or(known, |least| least.min(known)));
        if let Some(map) = map {
            self.all.add(of_all, map);
            self.labelled.add(with_label.map(|(bin, prospect)| (bin - LABELLED, prospect)), map);
        }
    }
}

/// What somebody's scores mean, looked up or made.
fn map<'a>(maps: &'a mut Maps, tracks: &BTreeMap<Series, Track>, who: Contestant, cut: Cut) -> Option<&'a Calibration> {
    let scorer = Scorer::of(who);
    maps.entry((scorer, cut.time())).or_insert_with(|| calibration(tracks, scorer, cut)).as_ref()
}

/// The series that one is made of, by who said what is in them: itself, or of what was served, what each version
/// answered.
fn parts<'a>(tracks: &'a BTreeMap<Series, Track>, of: &Series) -> Vec<(Contestant, &'a Series, &'a Track)> {
    if let Some(who) = of.who {
        return tracks.get_key_value(of).map(|(series, track)| (who, series, track)).into_iter().collect();
    }
    let answer = |(series, track): (&'a Series, &'a Track)| {
        let who = series.who.filter(|who| matches!(who, Contestant::Champion(_) | Contestant::Challenger(_)))?;
        series.slice.is_none().then_some((who, series, track))
    };
    tracks.iter().filter_map(answer).collect()
}

/// What a scorer's labelled scores before an instant came to.
fn calibration(tracks: &BTreeMap<Series, Track>, scorer: Scorer, cut: Cut) -> Option<Calibration> {
    let mut known: Scratch<Bin> = Scratch::new(usize::from(bins::AUC_BINS));
    let fine = |sums: &Sums| sums.bins.partition_point(|(bin, _)| *bin < bins::AUC_BINS);
    let ours = |series: &Series| series.slice.is_none() && series.who.map(Scorer::of) == Some(scorer);
    for (_, track) in tracks.iter().filter(|(series, _)| ours(series)) {
        known.add(&track.all.bins[..fine(&track.all)]);
        match cut {
            Cut::Bucket(from) => {
                track.buckets.range(from..).for_each(|(_, sums)| known.remove(&sums.bins[..fine(sums)]));
            }
            Cut::Since(_, place) => known.remove(&track.since[place].bins[..fine(&track.since[place])]),
        }
    }
    Calibration::of(known.iter())
}
