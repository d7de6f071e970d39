//! AdaBoost over small trees (SAMME), of classes.
//!
//! In: rows. Out: [`VotingTrees`](crate::model::VotingTrees): each tree's leaves vote for one class, weighed by how
//! seldom the tree is wrong on the rows as they weighed for it; rows that it has wrong weigh more for the next. What it
//! says is a share of votes, which has the order of a probability and not its size: it is always calibrated. Keeps
//! while fitting: what trees keep, and 16 bytes a row. Cost: that of its trees. Parameters and defaults are
//! scikit-learn's (`AdaBoostClassifier`). A leaf in which classes weigh the same votes for the first. The start is
//! ignored.
//!
//! Source: Freund and Schapire 1997; Zhu, Zou, Rosset and Hastie, Multi-class AdaBoost, Statistics and Its Interface 2,
//! 2009. linfa-ensemble's counts votes by a randomly seeded `HashMap`, over linfa's trees (see [`super`]).

use super::grow::{Grower, Slots};
use super::{Votes, bytes};
use crate::config::spec::AdaBoost;
use crate::model::{Body, Dice, Voter};
use crate::task::likeliest;
use crate::train::bins::Binned;
use crate::train::{Estimator, FitError, Rows};

/// AdaBoost over small trees.
#[derive(Clone, Copy, Debug)]
pub struct AdaBoostEstimator(pub AdaBoost);

impl Estimator for AdaBoostEstimator {
    fn fit(&self, rows: &Rows, _start: Option<&Body>) -> Result<Body, FitError> {
        let (binned, votes) = (Binned::new(rows), Votes::of(rows));
        let classes = rows.task().classes() as f64;
        let mut grower = Grower::new(self.0.tree, Slots::All, &binned, votes.targets());
        let mut weights = rows.weights();
        let (mut trees, mut say) = (Vec::new(), Vec::new());
        for _ in 0..self.0.n_estimators {
            rows.go_on()?;
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            let mut tree = grower.grow(&weights, &mut Dice::new(0));
            tree.iter_mut().for_each(vote_for_one);
            let one = votes.model(rows, vec![tree], vec![1.0]);
            let all = rows.vectors().iter().zip(rows.labels());
            let wrong: Vec<bool> = all.map(|(x, label)| !one.predict(x).is_right(*label)).collect();
            let error: f64 = weights.iter().zip(&wrong).filter(|(_, wrong)| **wrong).map(|(weight, _)| weight).sum();
            // No better than a guess: it and all that would follow has nothing to say.
            if error >= 1.0 - 1.0 / classes {
                break;
            }
            trees.extend(one.trees);
            if error <= 0.0 {
                say.push(1.0);
                break;
            }
            let vote = self.0.learning_rate * (((1.0 - error) / error).ln() + (classes - 1.0).ln());
            say.push(vote);
            weights.iter_mut().zip(&wrong).filter(|(_, wrong)| **wrong).for_each(|(weight, _)| *weight *= vote.exp());
        }
        if trees.is_empty() {
            return Err(FitError::Solver("the first tree is no better than a guess".to_owned()));
        }
        let sum: f64 = say.iter().sum();
        let weights = say.into_iter().map(|vote| vote / sum).collect();
        Ok(Body::VotingTrees(votes.model(rows, trees, weights)))
    }

    fn bytes(&self, rows: &Rows) -> u64 {
        bytes(rows) + 16 * rows.len() as u64
    }
}

/// Of a leaf's shares the greatest becomes 1, the others 0.
fn vote_for_one(node: &mut Voter) {
    let Voter::Leaf(votes) = node else { return };
    if let [share] = votes[..] {
        votes[0] = f64::from(u8::from(share > 0.5));
        return;
    }
    let class = likeliest(votes);
    votes.iter_mut().enumerate().for_each(|(at, vote)| *vote = f64::from(u8::from(at == class)));
}
