//! The sufficient statistics of one series and bucket, as a differential difference.
//!
//! Everything in it is an integer, so sums are exact in any order, and what is retracted leaves no trace.

use crate::config::spec::Metric;
use crate::evaluate::{Bin, Tally, bins};
use crate::task::{Label, Prediction, Task};
use differential_dataflow::difference::{Abelian, IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::cmp::Ordering;

/// Counts and losses, and the histogram of scores by label.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sums {
    /// Counts and losses.
    pub tally: Tally,
    /// The bins that are not empty, ascending.
    pub bins: Vec<(u16, Bin)>,
}

/// What one outcome adds to the sums of a contestant, overall and in each slice.
#[derive(Clone, Debug, Default)]
pub struct Change {
    tally: Tally,
    bins: SmallVec<[(u16, Bin); 4]>,
}

impl Change {
    /// A change of the counts alone.
    pub fn counts(tally: Tally) -> Change {
        Change { tally, bins: SmallVec::new() }
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
        change
    }
}

/// Which bins a metric reads.
#[derive(Clone, Copy, Debug)]
pub struct BinsRead {
    task: Task,
    fine: bool,
    coarse: bool,
    confusion: bool,
}

impl BinsRead {
    /// Those of the metrics that are published.
    pub fn by(task: Task, names: &[Metric]) -> BinsRead {
        let any = |of: &[Metric]| names.iter().any(|name| of.contains(name));
        let confusion = any(&[Metric::F1, Metric::Kappa]);
        BinsRead { task, fine: any(&[Metric::RocAuc]), coarse: any(&[Metric::Ece]), confusion }
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

/// Sums to which changes are still added.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    tally: Tally,
    /// In the order of their coming, a bin any number of times.
    list: Vec<(u16, Bin)>,
    /// All bins, by number; empty as long as the list suffices.
    array: Vec<Bin>,
}

impl Draft {
    /// Adds a change.
    pub fn add(&mut self, change: &Change) {
        self.tally += change.tally;
        if self.array.is_empty() {
            self.list.extend_from_slice(&change.bins);
            if self.list.len() > LISTED {
                self.array = vec![Bin::default(); usize::from(bins::CONFUSION)];
                std::mem::take(&mut self.list).into_iter().for_each(|(number, bin)| self.put(number, bin));
            }
        } else {
            change.bins.iter().for_each(|(number, bin)| self.put(*number, *bin));
        }
    }

    fn put(&mut self, number: u16, bin: Bin) {
        let place = usize::from(number);
        // The cells of a confusion matrix stand behind all others, and only a multiclass task has them.
        if place >= self.array.len() {
            self.array.resize(place + 1, Bin::default());
        }
        self.array[place] += bin;
    }

    /// One that begins with these sums.
    pub fn of(sums: Sums) -> Draft {
        let mut draft = Draft::default();
        draft.add(&Change { tally: sums.tally, bins: sums.bins.into() });
        draft
    }

    /// The sums.
    pub fn finish(mut self) -> Sums {
        let mut bins: Vec<(u16, Bin)> = Vec::new();
        if self.array.is_empty() {
            self.list.sort_unstable_by_key(|(number, _)| *number);
            for (number, bin) in self.list {
                match bins.last_mut() {
                    Some((last, sum)) if *last == number => *sum += bin,
                    _ => bins.push((number, bin)),
                }
            }
        } else {
            bins.extend(self.array.into_iter().enumerate().map(|(number, bin)| (number as u16, bin)));
        }
        bins.retain(|(_, bin)| !bin.is_zero());
        Sums { tally: self.tally, bins }
    }
}

impl IsZero for Sums {
    fn is_zero(&self) -> bool {
        self.tally.is_zero() && self.bins.is_empty()
    }
}

impl Semigroup for Sums {
    fn plus_equals(&mut self, other: &Sums) {
        self.tally += other.tally;
        if other.bins.is_empty() {
            return;
        }
        let (ours, theirs) = (&self.bins, &other.bins);
        let mut merged = Vec::with_capacity(ours.len() + theirs.len());
        let (mut i, mut j) = (0, 0);
        while i < ours.len() && j < theirs.len() {
            match ours[i].0.cmp(&theirs[j].0) {
                Ordering::Less => {
                    merged.push(ours[i]);
                    i += 1;
                }
                Ordering::Greater => {
                    merged.push(theirs[j]);
                    j += 1;
                }
                Ordering::Equal => {
                    let mut sum = ours[i].1;
                    sum += theirs[j].1;
                    if !sum.is_zero() {
                        merged.push((ours[i].0, sum));
                    }
                    (i, j) = (i + 1, j + 1);
                }
            }
        }
        merged.extend_from_slice(&ours[i..]);
        merged.extend_from_slice(&theirs[j..]);
        self.bins = merged;
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
        for (_, bin) in &mut self.bins {
            *bin = -*bin;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: BinsRead = BinsRead { task: Task::Binary, fine: true, coarse: true, confusion: true };

    fn change(score: f64, before: Option<bool>, after: impl Into<Option<bool>>) -> Change {
        Change::label(&score.into(), (before.map(Label::from), after.into().map(Label::from)), ALL)
    }

    fn sums(rows: &[(f64, bool)]) -> Sums {
        let mut draft = Draft::default();
        rows.iter().for_each(|(score, label)| draft.add(&change(*score, None, *label)));
        draft.finish()
    }

    /// A bin at a time, each looked for.
    fn naive(rows: &[(f64, bool)]) -> Sums {
        let mut sums = Sums::default();
        let mut found = std::collections::BTreeMap::<u16, Bin>::new();
        for (score, label) in rows {
            sums.tally += Tally::labelled(Task::Binary, &(*score).into(), (*label).into());
            bins::labelled(*score, *label)
                .into_iter()
                .for_each(|(number, bin)| *found.entry(number).or_default() += bin);
        }
        sums.bins = found.into_iter().collect();
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
            prop_assert!(both.is_zero());
        }

        #[test]
        fn few_and_many_labels_are_summed_alike(
            rows in prop::collection::vec((0.0..1.0f64, any::<bool>()), 0..900),
            corrected in 0..900_usize,
        ) {
            let mut draft = Draft::default();
            rows.iter().for_each(|(score, label)| draft.add(&change(*score, None, *label)));
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
        for (names, kept) in [
            (&[Metric::LogLoss][..], 0),
            (&[Metric::RocAuc], 1),
            (&[Metric::Ece], 1),
            (&[Metric::Ece, Metric::RocAuc], 2),
        ] {
            let change = Change::label(&0.3.into(), (None, Some(true.into())), BinsRead::by(Task::Binary, names));
            assert_eq!(change.bins.len(), kept, "{names:?}");
        }
    }
}
