//! Streaming random patches: Hoeffding trees over some of the features and a sample of their own, replaced on drift.
//!
//! In: feature vectors, labels one by one. Out: the probability of each class, the mean of the trees' weighted by
//! their accuracies so far. Keeps: a tree a member with its features, two ADWIN detectors on its error, and, from a
//! warning until the drift, a tree over other features in its background. Each member learns each label Poisson(`lam`)
//! times. A feature is a number, or a one-hot group. Cost: `n_models` trees, with `lam` walks each to learn. Limits:
//! those of the trees, twice while all warn. Exactness: `Replayed`.
//!
//! Parameters and defaults are River 0.26.1's `SRPClassifier` over `HoeffdingTreeClassifier(grace_period=50,
//! delta=0.01)`, but for `max_leaves`. As there, a label is learned so many times and not once with that weight, and a
//! member's error is that of after it learned. Where there are no more combinations of features than members, each has
//! its turn, in lexical order. Where there are more, River goes on like that up to twenty features, so that all members
//! see the first few of them, and draws beyond; here, a member gets those that the fewest before it have, of equal ones
//! any: each feature is seen by as many members as another, or one more.
//!
//! Source: Gomes, Read and Bifet 2019, "Streaming random patches for evolving data stream classification".

use super::artifact::{Artifact, ArtifactError, length, within};
use super::dice::Dice;
use super::ensemble::{Ensemble, Share, Vote, mean_of_classes};
use super::hoeffding::{Features, Tree, check_rules};
use super::member::{Confidences, Hits, Member};
use super::{Body, Learner};
use crate::config::spec::PatchesSpec;
use crate::feature::Vector;
use crate::task::{Label, Prediction, Task, likeliest};
use itertools::Itertools;
use serde::{Deserialize, Serialize};

const CONFIDENCES: Confidences = Confidences { warning: 1e-4, drift: 1e-5 };

/// An ensemble of random patches.
///
/// ```
/// use tidemill::config::spec::PatchesSpec;
/// use tidemill::feature::Vector;
/// use tidemill::model::{Learner, StreamingRandomPatches};
/// use tidemill::task::Task;
/// let part = |n: i32, by: i32| f64::from(n * by % 100);
/// let x = |n: i32| Vector { dense: [part(n, 37), part(n, 11), part(n, 3)].into(), hot: [].into() };
/// let mut patches = StreamingRandomPatches::new(3, Task::Binary, PatchesSpec::default());
/// for n in 0..2000 {
///     patches.learn(&x(n), (part(n, 37) > 50.0).into());
/// }
/// assert!(patches.score(&x(2)) > 0.7 && patches.score(&x(3)) < 0.3, "74 and 11");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamingRandomPatches {
    width: u32,
    task: Task,
    updates: u64,
    rules: PatchesSpec,
    members: Vec<Member<Patch, Hits>>,
    dice: Dice,
}

/// A tree over some features, in ascending order; none before the first label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    features: Vec<u32>,
    tree: Tree,
}

impl Patch {
    /// An untrained tree over so many features, drawn.
    fn drawn(dice: &mut Dice, most: u32, all: u32, classes: usize) -> Patch {
        let mut features = dice.choose(most, all);
        features.sort_unstable();
        Patch { features, tree: Tree::new(classes) }
    }

    fn learn(&mut self, rules: &PatchesSpec, x: &Vector, class: usize, times: u32) {
        for _ in 0..times {
            self.tree.learn(&rules.tree, x, class, 1.0, Features::These(&self.features));
        }
    }

    fn is_right(&self, rules: &PatchesSpec, x: &Vector, class: usize) -> bool {
        self.tree.predict(&rules.tree, x).is_some_and(|said| likeliest(&said) == class)
    }

    fn check(&self, classes: usize) -> Result<(), ArtifactError> {
        let features = self.features.len();
        within("number of features", features as f64, "at most the slots", features <= Artifact::MAX_WIDTH)?;
        self.tree.check(classes)
    }
}

impl StreamingRandomPatches {
    /// Untrained trees for vectors of `width` slots.
    pub fn new(width: usize, task: Task, rules: PatchesSpec) -> StreamingRandomPatches {
        let mut dice = Dice::new(rules.seed);
        let mut member = |_| {
            let patch = Patch { features: Vec::new(), tree: Tree::new(task.classes()) };
            Member::new(patch, Dice::new(dice.word()), CONFIDENCES)
        };
        let members = (0..rules.n_models).map(&mut member).collect();
        StreamingRandomPatches { width: width as u32, task, updates: 0, rules, members, dice }
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }

    pub(super) fn check(&self, width: usize) -> Result<(), ArtifactError> {
        length("slots", self.width as usize, width)?;
        check_rules(&self.rules.tree)?;
        within("lam", self.rules.lam, "above 0 and at most 30", self.rules.lam > 0.0 && self.rules.lam <= 30.0)?;
        let size = self.rules.subspace_size;
        within("subspace_size", size, "above 0 and at most 1", size > 0.0 && size <= 1.0)?;
        length("members", self.members.len(), self.rules.n_models)?;
        self.members.iter().try_for_each(|member| {
            member.record.check()?;
            member.check(|patch| patch.check(self.task.classes()))
        })
    }

    /// The features that a member sees, of so many: their share, but not one alone.
    fn features(&self, all: u32) -> u32 {
        let share = (f64::from(all) * self.rules.subspace_size).round() as u32;
        (if share < 2 { share + 1 } else { share }).clamp(1, all.max(1))
    }

    /// Gives the members their first features.
    fn begin(&mut self, most: u32, all: u32) {
        let combinations: Vec<_> = (0..all).combinations(most as usize).take(self.members.len() + 1).collect();
        if combinations.len() <= self.members.len() {
            let turns = combinations.iter().cycle();
            self.members.iter_mut().zip(turns).for_each(|(member, turn)| member.model.features.clone_from(turn));
            return;
        }
        let mut seen = vec![0_u32; all as usize];
        for member in &mut self.members {
            let mut features = self.dice.choose(all, all);
            features.sort_by_key(|feature| seen[*feature as usize]);
            features.truncate(most as usize);
            features.sort_unstable();
            features.iter().for_each(|feature| seen[*feature as usize] += 1);
            member.model.features = features;
        }
    }
}

impl Learner for StreamingRandomPatches {
    fn predict(&self, x: &Vector) -> Prediction {
        self.predict_whole(x)
    }

    fn learn(&mut self, x: &Vector, label: Label) {
        self.teach(x, label, Share::WHOLE);
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn save(&self) -> Body {
        Body::StreamingRandomPatches(self.clone())
    }
}

impl Ensemble for StreamingRandomPatches {
    fn size(&self) -> usize {
        self.members.len()
    }

    fn vote(&self, member: usize, x: &Vector) -> Option<Vote> {
        let member = self.members.get(member)?;
        member.model.tree.predict(&self.rules.tree, x).map(|said| Vote { said, weight: member.record.vote() })
    }

    fn combine(&self, votes: &mut dyn Iterator<Item = Option<Vote>>) -> Prediction {
        mean_of_classes(self.task, votes)
    }

    fn teach(&mut self, x: &Vector, label: Label, share: Share) {
        let all = (x.dense.len() + x.hot.len()) as u32;
        let (most, classes, class) = (self.features(all), self.task.classes(), label.number());
        if self.updates == 0 {
            // All of them, whoever learns: a member's features depend on those before it.
            self.begin(most, all);
        }
        self.updates += 1;
        let rules = &self.rules;
        for place in share.places(self.members.len()) {
            let member = &mut self.members[place];
            member.record.add(member.model.is_right(rules, x, class));
            let times = member.dice.poisson(rules.lam);
            if times == 0 {
                continue;
            }
            member.model.learn(rules, x, class, times);
            if let Some(background) = &mut member.background {
                background.learn(rules, x, class, times);
            }
            let right = member.model.is_right(rules, x, class);
            let fresh = |dice: &mut Dice| Patch::drawn(dice, most, all, classes);
            member.watch(f64::from(u8::from(!right)), CONFIDENCES, fresh);
        }
    }

    fn adopt(&mut self, copy: Body, share: Share) -> bool {
        let Body::StreamingRandomPatches(copy) = copy else { return false };
        share.adopt(self, copy, |patches| &mut patches.members)
    }

    fn into_body(self: Box<Self>) -> Body {
        Body::StreamingRandomPatches(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_features(width: usize) -> Vec<Vec<u32>> {
        let mut patches = StreamingRandomPatches::new(width, Task::Binary, PatchesSpec::default());
        patches.learn(&Vector { dense: (0..width).map(|n| n as f64).collect(), hot: [].into() }, true.into());
        patches.members.into_iter().map(|member| member.model.features).collect()
    }

    #[test]
    fn few_combinations_have_turns_and_of_many_each_feature_has_its_share() {
        let [a, b, c] = [vec![0, 1], vec![0, 2], vec![1, 2]];
        let turns = [&a, &b, &c, &a, &b, &c, &a, &b, &c, &a].map(Clone::clone);
        assert_eq!(first_features(3), turns, "River's, before it shuffles them");
        assert_eq!(first_features(1), vec![vec![0]; 10]);
        assert_eq!(first_features(0), vec![Vec::<u32>::new(); 10]);
        for width in [6, 8, 40] {
            let (all, each) = (first_features(width), (width as f64 * 0.6).round() as usize);
            assert!(all.iter().all(|features| features.len() == each && features.iter().all_unique()), "{all:?}");
            let seen = |feature: u32| all.iter().filter(|features| features.contains(&feature)).count();
            let (least, most) = (0..width as u32).map(seen).minmax().into_option().unwrap();
            assert!(least == 10 * each / width && most - least <= 1, "{all:?}");
        }
    }
}
