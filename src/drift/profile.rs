//! The distributions of all features in a training window, and of what came since.
//!
//! In: the vectors of a window ([`Profile::of`]), then vectors one by one ([`Recent::add`]). Out: how far
//! each feature has moved, by any [`Distance`]. Keeps: a histogram a feature: ten quantile bins of a dense slot, one
//! bin a value of a one-hot.
//!
//! What a vector cannot tell is not told. That a number was missing is known of features with `indicator = true` alone:
//! what `missing` or `coalesce` filled in is a number like any other. Of a one-hot feature null is `other`, as what is
//! not among its values. A hashed feature has a slot for null, and knows no other values than it has slots for.

use super::{Reference, Tally, cramers_v, jensen_shannon, kolmogorov_smirnov, psi, wasserstein};
use crate::config::spec::Distance;
use crate::feature::Vector;
use crate::feature::layout::{Layout, OneHot};
use serde::{Deserialize, Serialize};

/// Quantile bins of a dense slot.
const BINS: usize = 10;

/// The distributions in a training window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    dense: Vec<Reference>,
    /// Per one-hot group: rows by slot of the group.
    groups: Vec<Vec<i64>>,
}

/// Histograms over the bins of a profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// Vectors counted.
    pub rows: i64,
    dense: Vec<Tally>,
    groups: Vec<Vec<i64>>,
}

impl Profile {
    /// The distributions of some vectors of a layout.
    pub fn of<'a>(layout: &Layout, vectors: impl Iterator<Item = &'a Vector> + Clone) -> Profile {
        let column = |slot: usize| vectors.clone().map(|x| x.dense[slot]).collect::<Vec<f64>>();
        let dense = (0..layout.dense()).map(|slot| Reference::from_values(&column(slot), BINS)).collect();
        let mut profile = Profile { dense, groups: empty_groups(layout) };
        for vector in vectors {
            count_hot(layout, &mut profile.groups, vector);
        }
        profile
    }

    /// Whether it is of no window at all: an untrained model has none.
    pub fn is_empty(&self) -> bool {
        self.dense.is_empty() && self.groups.is_empty()
    }

    /// Histograms with nothing counted yet.
    pub fn recent(&self) -> Recent {
        Recent {
            rows: 0,
            dense: self.dense.iter().map(Tally::of).collect(),
            groups: self.groups.iter().map(|counts| vec![0; counts.len()]).collect(),
        }
    }

    /// How far each feature has moved, by name, in the order of the layout; those of which it can be told.
    ///
    /// ```
    /// use tidemill::config::spec::Distance;
    /// use tidemill::drift::Profile;
    /// use tidemill::feature::{Vector, layout::{Layout, OneHot}};
    /// let carrier = OneHot { feature: "carrier".into(), values: vec!["UA".into()].into() };
    /// let layout = Layout::new(vec!["wind".into(), "wind.missing".into()], vec![carrier])?;
    /// let row = |wind, missing, slot| Vector { dense: [wind, missing].into(), hot: [slot].into() };
    /// let profile = Profile::of(&layout, [row(1.0, 0.0, 2), row(7.0, 0.0, 2)].iter());
    /// let mut recent = profile.recent();
    /// [row(0.0, 1.0, 2), row(7.5, 0.0, 3)].iter().for_each(|x| recent.add(&layout, &profile, x));
    /// assert_eq!(profile.moved(Distance::MissingRate, &layout, &recent), [("wind".to_owned(), 0.5)]);
    /// assert_eq!(profile.moved(Distance::Unseen, &layout, &recent), [("carrier".to_owned(), 0.5)]);
    /// assert_eq!(profile.moved(Distance::Range, &layout, &recent)[0], ("wind".to_owned(), 1.0));
    /// # Ok::<(), tidemill::feature::layout::DuplicateSlot>(())
    /// ```
    pub fn moved(&self, kind: Distance, layout: &Layout, recent: &Recent) -> Vec<(String, f64)> {
        let dense = self.dense.iter().zip(&recent.dense).enumerate().filter_map(|(slot, (then, now))| {
            if kind == Distance::MissingRate {
                return Some((layout.indicated(slot)?.to_owned(), rise(then.share_of_ones(), ones(now))?));
            }
            Some((layout.names()[slot].clone(), of_number(kind, then, now)?))
        });
        let groups = self.groups.iter().zip(&recent.groups).enumerate().filter_map(|(group, (then, now))| {
            let OneHot { feature, values } = layout.group(group);
            of_category(kind, values.are_hashed(), then, now).map(|moved| (feature.clone(), moved))
        });
        dense.chain(groups).collect()
    }
}

/// How far a number has moved.
fn of_number(kind: Distance, then: &Reference, now: &Tally) -> Option<f64> {
    match kind {
        Distance::Psi => psi(then.counts(), &now.counts),
        Distance::JensenShannon => jensen_shannon(then.counts(), &now.counts),
        Distance::KolmogorovSmirnov => kolmogorov_smirnov(then.counts(), &now.counts),
        Distance::Wasserstein => wasserstein(then, now),
        Distance::ChiSquare => cramers_v(then.counts(), &now.counts),
        Distance::Range => share(now.outside, &now.counts).filter(|_| !then.is_empty()),
        Distance::MissingRate | Distance::Unseen => None,
    }
}

/// How far a category has moved. Categories have no order and no range.
fn of_category(kind: Distance, hashed: bool, then: &[i64], now: &[i64]) -> Option<f64> {
    // A group's last slot is `other`, or null.
    let last = |counts: &[i64]| share(*counts.last()?, counts);
    match kind {
        Distance::Psi => psi(then, now),
        Distance::JensenShannon => jensen_shannon(then, now),
        Distance::ChiSquare => cramers_v(then, now),
        Distance::Unseen if !hashed => rise(last(then), last(now)),
        Distance::MissingRate if hashed => rise(last(then), last(now)),
        Distance::Unseen | Distance::MissingRate => None,
        Distance::KolmogorovSmirnov | Distance::Wasserstein | Distance::Range => None,
    }
}

/// By how much a share has risen.
fn rise(then: Option<f64>, now: Option<f64>) -> Option<f64> {
    then.zip(now).map(|(then, now)| (now - then).max(0.0))
}

fn share(part: i64, counts: &[i64]) -> Option<f64> {
    let rows = counts.iter().sum::<i64>();
    (rows > 0).then(|| part as f64 / rows as f64)
}

/// The share of ones among zeros and ones.
fn ones(tally: &Tally) -> Option<f64> {
    share(tally.sums.iter().sum::<f64>() as i64, &tally.counts)
}

impl Recent {
    /// Counts one vector.
    pub fn add(&mut self, layout: &Layout, profile: &Profile, vector: &Vector) {
        self.rows += 1;
        for ((tally, reference), x) in self.dense.iter_mut().zip(&profile.dense).zip(&vector.dense) {
            tally.add(reference, *x);
        }
        count_hot(layout, &mut self.groups, vector);
    }

    /// Adds the counts of another over the same profile.
    pub fn merge(&mut self, other: &Recent) {
        self.rows += other.rows;
        self.dense.iter_mut().zip(&other.dense).for_each(|(mine, theirs)| mine.merge(theirs));
        for (mine, theirs) in self.groups.iter_mut().zip(&other.groups) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }
}

fn empty_groups(layout: &Layout) -> Vec<Vec<i64>> {
    (0..layout.groups()).map(|group| vec![0; layout.group(group).values.slots()]).collect()
}

fn count_hot(layout: &Layout, groups: &mut [Vec<i64>], vector: &Vector) {
    // The hot slots are ascending, one a group.
    for (group, (counts, slot)) in groups.iter_mut().zip(&vector.hot).enumerate() {
        let first = layout.null_slot(group).0 as usize + 1 - counts.len();
        if let Some(count) = (*slot as usize).checked_sub(first).and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::psi::tests::shares;
    use crate::feature::layout::Values;

    /// Columns with holes, new categories and numbers out of range, against what numpy counts.
    #[test]
    fn shares_are_those_of_numpy() {
        let golden = shares();
        let group = OneHot { feature: "c".into(), values: golden.values.clone().into() };
        let layout = Layout::new(vec!["x".into(), "x.missing".into()], vec![group]).expect("the names differ");
        let rows = |rows: &[(Option<f64>, Option<String>)]| {
            let row = |(x, c): &(Option<f64>, Option<String>)| Vector {
                dense: [x.unwrap_or(golden.filled), f64::from(u8::from(x.is_none()))].into(),
                hot: [c.as_ref().map_or(layout.null_slot(0).0, |c| layout.hot_slot(0, c).0)].into(),
            };
            rows.iter().map(row).collect::<Vec<Vector>>()
        };
        let profile = Profile::of(&layout, rows(&golden.reference).iter());
        let mut recent = profile.recent();
        rows(&golden.recent).iter().for_each(|x| recent.add(&layout, &profile, x));
        let of = |kind, name: &str| {
            let all = profile.moved(kind, &layout, &recent);
            all.into_iter().find(|(feature, _)| feature == name).expect("it can be told").1
        };
        for (kind, name, expected) in [
            (Distance::MissingRate, "x", golden.missing_rate),
            (Distance::Unseen, "c", golden.unseen),
            (Distance::Range, "x", golden.range),
            (Distance::ChiSquare, "c", golden.cramers_v),
        ] {
            let found = of(kind, name);
            assert!((found - expected).abs() < 1e-12, "{kind:?}: {found} is not {expected}");
        }
        assert_eq!(profile.moved(Distance::MissingRate, &layout, &recent).len(), 1, "of c nothing is known");
    }

    /// A hashed feature tells what its slots tell, and how many were null.
    #[test]
    fn a_hashed_feature_is_watched_by_its_slots() {
        let group = OneHot { feature: "c".into(), values: Values::Hashed(4) };
        let layout = Layout::new(Vec::new(), vec![group]).expect("the names differ");
        let row = |slot: u32| Vector { dense: [].into(), hot: [slot].into() };
        let profile = Profile::of(&layout, [row(0), row(1), row(1), row(4)].iter());
        let mut recent = profile.recent();
        [row(1), row(4), row(4), row(4)].iter().for_each(|x| recent.add(&layout, &profile, x));
        let of = |kind| profile.moved(kind, &layout, &recent);
        assert_eq!(of(Distance::MissingRate), [("c".to_owned(), 0.5)]);
        assert_eq!(of(Distance::Unseen), []);
        assert_eq!(of(Distance::Psi).len(), 1);
    }

    #[test]
    fn parts_make_the_whole() {
        let layout = Layout::new(vec!["x".into()], Vec::new()).expect("one name");
        let rows: Vec<Vector> = (0..90).map(|i| Vector { dense: [f64::from(i % 31)].into(), hot: [].into() }).collect();
        let profile = Profile::of(&layout, rows[..40].iter());
        let counted = |rows: &[Vector]| {
            let mut recent = profile.recent();
            rows.iter().for_each(|x| recent.add(&layout, &profile, x));
            recent
        };
        let mut parts = counted(&rows[..50]);
        parts.merge(&counted(&rows[50..]));
        assert_eq!(parts, counted(&rows));
    }
}
