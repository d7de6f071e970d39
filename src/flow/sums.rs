//! The sufficient statistics of one series and bucket, as a differential difference.
//!
//! Everything in it is an integer, so sums are exact in any order, and what is retracted leaves no trace.

use crate::config::spec::Metric;
use crate::evaluate::{Bin, Prospect, Tally, bins};
use crate::task::{Label, Prediction, Task};
use differential_dataflow::difference::{Abelian, IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::ops::AddAssign;

/// Counts and losses, and the histograms of scores.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sums {
    /// Counts and losses.
    pub tally: Tally,
    /// The bins of labelled predictions that are not empty, ascending.
    pub bins: Vec<(u16, Bin)>,
    /// Where metrics are estimated, what predictions may come to, by fine bin, ascending: of all, and from [`LABELLED`]
    /// on of those that have labels.
    pub prospects: Vec<(u16, Prospect)>,
}

/// The first bin of the prospects of predictions that have labels.
pub const LABELLED: u16 = bins::AUC_BINS;
/// How many bins of prospects there are.
pub const PROSPECTS: usize = 2 * bins::AUC_BINS as usize;

/// What one outcome adds to the sums of a contestant, overall and in each slice.
#[derive(Clone, Debug, Default)]
pub struct Change {
    tally: Tally,
    bins: SmallVec<[(u16, Bin); 4]>,
    prospect: Option<(u16, Prospect)>,
}

impl Change {
    /// A change of the counts alone.
    pub fn counts(tally: Tally) -> Change {
        Change { tally, ..Change::default() }
    }

    /// A prediction that was made.
    pub fn scored(said: &Prediction, read: BinsRead) -> Change {
        Change { tally: Tally::prediction(), prospect: read.prospect(said), ..Change::default() }
    }

    /// A prediction whose label was `before` and is `after`. Of its bins only those that a published metric reads are
    /// kept.
    pub fn label(said: &Prediction, (before, after): (Option<Label>, Option<Label>), read: BinsRead) -> Change {
        let mut change = Change::default();
        if let Some(label) = before {
            change.tally += -Tally::labelled(read.task, said, label);
            change.bins.extend(read.labelled(said, label).map(|(number, bin)| (number, -bin)));
        }
        if let Some(label) = after {
            change.tally += Tally::labelled(read.task, said, label);
            change.bins.extend(read.labelled(said, label));
        }
        if before.is_some() != after.is_some() {
            let sign = |of: Prospect| if after.is_some() { of } else { -of };
            change.prospect = read.prospect(said).map(|(number, of)| (LABELLED + number, sign(of)));
        }
        change
    }

    /// The same of somebody whose metrics are not estimated.
    pub fn without_prospect(self) -> Change {
        Change { prospect: None, ..self }
    }
}

/// Which bins a metric reads.
#[derive(Clone, Copy, Debug)]
pub struct BinsRead {
    task: Task,
    fine: bool,
    coarse: bool,
    confusion: bool,
    /// Whether prospects are read, too.
    estimates: bool,
}

impl BinsRead {
    /// Those of the metrics that are published, and of what scores are calibrated by if some are estimated.
    pub fn by(task: Task, names: &[Metric], estimates: bool) -> BinsRead {
        let any = |of: &[Metric]| names.iter().any(|name| of.contains(name));
        let (fine, coarse) = (estimates || any(&[Metric::RocAuc]), any(&[Metric::Ece]));
        BinsRead { task, fine, coarse, confusion: any(&[Metric::F1, Metric::Kappa]), estimates }
    }

    fn prospect(self, said: &Prediction) -> Option<(u16, Prospect)> {
        if self.estimates { Prospect::of(self.task, said) } else { None }
    }

    fn labelled(self, said: &Prediction, label: Label) -> impl Iterator<Item = (u16, Bin)> + use<> {
        let kept = move |number: u16| match number {
            ..bins::AUC_BINS => self.fine,
            bins::AUC_BINS..bins::CONFUSION => self.coarse,
            bins::CONFUSION.. => self.confusion,
        };
        bins::of(self.task, said, label).filter(move |(number, _)| kept(*number))
    }
}

/// So many changes of bins are listed, which is little for the many slices that see few labels; more go into an array,
/// which is quick for the few series that see all of them.
const LISTED: usize = 512;

/// What is counted of a bin; all zero is nothing.
pub trait Count: Copy + Default + PartialEq + AddAssign {}

impl<T: Copy + Default + PartialEq + AddAssign> Count for T {}

/// A histogram to which changes are still added.
#[derive(Clone, Debug, Default)]
struct Pile<T> {
    /// In the order of their coming, a bin any number of times.
    list: Vec<(u16, T)>,
    /// All bins, by number; empty as long as the list suffices.
    array: Vec<T>,
}

impl<T: Count> Pile<T> {
    fn extend(&mut self, changes: &[(u16, T)]) {
        if self.array.is_empty() {
            self.list.extend_from_slice(changes);
            if self.list.len() > LISTED {
                self.array = vec![T::default(); usize::from(bins::CONFUSION)];
                std::mem::take(&mut self.list).into_iter().for_each(|(number, count)| self.put(number, count));
            }
        } else {
            changes.iter().for_each(|(number, count)| self.put(*number, *count));
        }
    }

    fn put(&mut self, number: u16, count: T) {
        let place = usize::from(number);
        // Behind all others stand the cells of a confusion matrix, and what is labelled of prospects.
        if place >= self.array.len() {
            self.array.resize(place + 1, T::default());
        }
        self.array[place] += count;
    }

    /// The bins that are not empty, ascending.
    fn finish(mut self) -> Vec<(u16, T)> {
        let mut bins: Vec<(u16, T)> = Vec::new();
        if self.array.is_empty() {
            self.list.sort_unstable_by_key(|(number, _)| *number);
            for (number, count) in self.list {
                match bins.last_mut() {
                    Some((last, sum)) if *last == number => *sum += count,
                    _ => bins.push((number, count)),
                }
            }
        } else {
            bins.extend(self.array.into_iter().enumerate().map(|(number, count)| (number as u16, count)));
        }
        bins.retain(|(_, count)| *count != T::default());
        bins
    }
}

/// Sums to which changes are still added.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    tally: Tally,
    bins: Pile<Bin>,
    prospects: Pile<Prospect>,
}

impl Draft {
    /// Adds a change.
    pub fn add(&mut self, change: &Change) {
        self.tally += change.tally;
        self.bins.extend(&change.bins);
        self.prospects.extend(change.prospect.as_slice());
    }

    /// One that begins with these sums.
    pub fn of(sums: Sums) -> Draft {
        let mut draft = Draft { tally: sums.tally, ..Draft::default() };
        draft.bins.extend(&sums.bins);
        draft.prospects.extend(&sums.prospects);
        draft
    }

    /// The sums.
    pub fn finish(self) -> Sums {
        Sums { tally: self.tally, bins: self.bins.finish(), prospects: self.prospects.finish() }
    }
}

impl IsZero for Sums {
    fn is_zero(&self) -> bool {
        self.tally.is_zero() && self.bins.is_empty() && self.prospects.is_empty()
    }
}

impl Semigroup for Sums {
    fn plus_equals(&mut self, other: &Sums) {
        self.add_known(other);
        merge(&mut self.prospects, &other.prospects);
    }
}

impl Sums {
    /// Adds another, but for its prospects.
    pub fn add_known(&mut self, other: &Sums) {
        self.tally += other.tally;
        merge(&mut self.bins, &other.bins);
    }
}

/// Adds a histogram to another, both ascending: in place, for what comes mostly has its bin already.
fn merge<T: Count>(ours: &mut Vec<(u16, T)>, theirs: &[(u16, T)]) {
    let (mut at, mut is_emptied, mut fresh) = (0, false, Vec::new());
    for (number, count) in theirs {
        at += ours[at..].partition_point(|(known, _)| known < number);
        match ours.get_mut(at) {
            Some((known, sum)) if known == number => {
                *sum += *count;
                is_emptied |= *sum == T::default();
            }
            _ => fresh.push((*number, *count)),
        }
    }
    if is_emptied {
        ours.retain(|(_, sum)| *sum != T::default());
    }
    // From behind, so that every bin moves once.
    let (mut from, mut to) = (ours.len(), ours.len() + fresh.len());
    ours.extend_from_slice(&fresh);
    while let Some(last) = fresh.pop() {
        while from > 0 && ours[from - 1].0 > last.0 {
            (from, to) = (from - 1, to - 1);
            ours[to] = ours[from];
        }
        to -= 1;
        ours[to] = last;
    }
}

impl Monoid for Sums {
    fn zero() -> Sums {
        Sums::default()
    }
}

impl Abelian for Sums {
    fn negate(&mut self) {
        self.tally = -self.tally;
        self.bins.iter_mut().for_each(|(_, bin)| *bin = -*bin);
        self.prospects.iter_mut().for_each(|(_, prospect)| *prospect = -*prospect);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const ALL: BinsRead = BinsRead { task: Task::Binary, fine: true, coarse: true, confusion: true, estimates: true };

    fn change(score: f64, before: Option<bool>, after: impl Into<Option<bool>>) -> Change {
        Change::label(&score.into(), (before.map(Label::from), after.into().map(Label::from)), ALL)
    }

    fn sums(rows: &[(f64, bool)]) -> Sums {
        let mut draft = Draft::default();
        for (score, label) in rows {
            draft.add(&Change::scored(&(*score).into(), ALL));
            draft.add(&change(*score, None, *label));
        }
        draft.finish()
    }

    /// A bin at a time, each looked for.
    fn naive(rows: &[(f64, bool)]) -> Sums {
        let mut sums = Sums::default();
        let mut found = BTreeMap::<u16, Bin>::new();
        let mut prospects = BTreeMap::<u16, Prospect>::new();
        for (score, label) in rows {
            sums.tally += Tally::prediction() + Tally::labelled(Task::Binary, &(*score).into(), (*label).into());
            let (number, prospect) = Prospect::of(Task::Binary, &(*score).into()).expect("of a binary task");
            *prospects.entry(number).or_default() += prospect;
            *prospects.entry(LABELLED + number).or_default() += prospect;
            bins::labelled(*score, *label)
                .into_iter()
                .for_each(|(number, bin)| *found.entry(number).or_default() += bin);
        }
        sums.bins = found.into_iter().collect();
        sums.prospects = prospects.into_iter().collect();
        sums
    }

    proptest! {
        #[test]
        fn adding_and_taking_away_are_exact(
            a in prop::collection::vec((0.0..1.0f64, any::<bool>()), 0..40),
            b in prop::collection::vec((0.0..1.0f64, any::<bool>()), 0..40),
        ) {
            let mut both = sums(&a);
            both.plus_equals(&sums(&b));
            let all: Vec<_> = b.iter().chain(&a).copied().collect();
            prop_assert_eq!(&both, &sums(&all));
            let mut minus = sums(&b);
            minus.negate();
            both.plus_equals(&minus);
            prop_assert_eq!(&both, &sums(&a));
            let mut gone = Draft::default();
            a.iter().for_each(|(score, label)| gone.add(&change(*score, Some(*label), None)));
            both.plus_equals(&gone.finish());
            let mut unlabelled = Draft::default();
            a.iter().for_each(|(score, _)| unlabelled.add(&Change::scored(&(*score).into(), ALL)));
            prop_assert_eq!(both, unlabelled.finish());
        }

        #[test]
        fn few_and_many_labels_are_summed_alike(
            rows in prop::collection::vec((0.0..1.0f64, any::<bool>()), 0..900),
            corrected in 0..900_usize,
        ) {
            let mut draft = Draft::of(sums(&rows));
            let mut right = rows.clone();
            for (score, label) in right.iter_mut().take(corrected) {
                draft.add(&change(*score, Some(*label), !*label));
                *label = !*label;
            }
            prop_assert_eq!(draft.finish(), naive(&right));
        }
    }

    #[test]
    fn bins_that_no_metric_reads_are_not_kept() {
        for (names, estimates, kept) in [
            (&[Metric::LogLoss][..], false, 0),
            (&[Metric::LogLoss], true, 1),
            (&[Metric::RocAuc], false, 1),
            (&[Metric::Ece], false, 1),
            (&[Metric::Ece, Metric::RocAuc], false, 2),
        ] {
            let read = BinsRead::by(Task::Binary, names, estimates);
            let change = Change::label(&0.3.into(), (None, Some(true.into())), read);
            assert_eq!(change.bins.len(), kept, "{names:?}");
            assert_eq!(change.prospect.is_some(), estimates, "{names:?}");
        }
    }
}
