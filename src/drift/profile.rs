//! The distributions of all features in a training window, and of what came since.
//!
//! In: the vectors of a window ([`Profile::of`]), then vectors one by one ([`Recent::add`]). Out: how far
//! each feature has moved. Keeps: a histogram a feature: ten quantile bins of a dense slot, one bin a value of
//! a one-hot.

use super::{Reference, distance};
use crate::config::spec::Distance;
use crate::feature::Vector;
use crate::feature::layout::Layout;
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
    dense: Vec<Vec<i64>>,
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
            dense: self.dense.iter().map(|reference| vec![0; reference.counts().len()]).collect(),
            groups: self.groups.iter().map(|counts| vec![0; counts.len()]).collect(),
        }
    }

    /// How far each feature has moved, by name, in the order of the layout.
    pub fn moved(&self, kind: Distance, layout: &Layout, recent: &Recent) -> Vec<(String, f64)> {
        let dense = self.dense.iter().zip(&recent.dense).enumerate().filter_map(|(slot, (then, now))| {
            distance(kind, then.counts(), now).map(|moved| (layout.names()[slot].clone(), moved))
        });
        let groups = self.groups.iter().zip(&recent.groups).enumerate().filter_map(|(group, (then, now))| {
            distance(kind, then, now).map(|moved| (layout.group(group).feature.clone(), moved))
        });
        // Categories have no order.
        let groups = groups.filter(|_| kind != Distance::KolmogorovSmirnov);
        dense.chain(groups).collect()
    }
}

impl Recent {
    /// Counts one vector.
    pub fn add(&mut self, layout: &Layout, profile: &Profile, vector: &Vector) {
        self.rows += 1;
        for ((counts, reference), x) in self.dense.iter_mut().zip(&profile.dense).zip(&vector.dense) {
            counts[reference.bin_of(*x)] += 1;
        }
        count_hot(layout, &mut self.groups, vector);
    }

    /// Adds the counts of another over the same profile.
    pub fn merge(&mut self, other: &Recent) {
        self.rows += other.rows;
        for (mine, theirs) in self.dense.iter_mut().zip(&other.dense).chain(self.groups.iter_mut().zip(&other.groups)) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }
}

fn empty_groups(layout: &Layout) -> Vec<Vec<i64>> {
    // One more than the values: the slot `other`.
    (0..layout.groups()).map(|group| vec![0; layout.group(group).values.len() + 1]).collect()
}

fn count_hot(layout: &Layout, groups: &mut [Vec<i64>], vector: &Vector) {
    // The hot slots are ascending, one a group, and a group's last slot is `other`.
    for (group, (counts, slot)) in groups.iter_mut().zip(&vector.hot).enumerate() {
        let first = layout.other_slot(group) as usize + 1 - counts.len();
        if let Some(count) = (*slot as usize).checked_sub(first).and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
}
