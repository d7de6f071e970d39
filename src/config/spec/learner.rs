//! What learns: the online learner, and the batch learners that are fitted when a trigger fires.

use serde::{Deserialize, Serialize};

/// `learner = { kind = "logistic", learning_rate = 0.01, l2 = 0.0 }` or `{ kind = "gaussian_nb" }`
#[derive(Clone, Debug, PartialEq)]
pub enum LearnerSpec {
    /// Logistic regression by stochastic gradient descent.
    Logistic {
        /// Step size, above 0, default 0.01 (River's).
        learning_rate: f64,
        /// L2 penalty, at least 0, default 0.
        l2: f64,
    },
    /// Gaussian naive Bayes, exact under corrections.
    GaussianNb,
    /// A Hoeffding tree.
    HoeffdingTree(TreeSpec),
    /// An adaptive random forest.
    AdaptiveRandomForest(ForestSpec),
    /// Leveraging bagging of Hoeffding trees.
    LeveragingBagging(BaggingSpec),
}

/// How a Hoeffding tree grows; names and defaults are River's, but for `max_leaves`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeSpec {
    /// The weight between two searches for a split of a leaf, at least 1, default 200, of forests 50.
    pub grace_period: u64,
    /// The chance of a wrong split, in (0, 1), default 1e-7, of forests 0.01.
    pub delta: f64,
    /// The Hoeffding bound below which a tie is broken, at least 0, default 0.05.
    pub tau: f64,
    /// The depth at which a leaf is not split, 1 to 1000, default 50.
    pub max_depth: u32,
    /// At most so many leaves, 2 to 100,000, default 1000: what bounds the memory.
    pub max_leaves: usize,
    /// The features that a leaf observes, drawn at random; `None` is all.
    pub max_features: Option<u32>,
}

impl Default for TreeSpec {
    fn default() -> TreeSpec {
        TreeSpec { grace_period: 200, delta: 1e-7, tau: 0.05, max_depth: 50, max_leaves: 1000, max_features: None }
    }
}

/// How an adaptive random forest grows; names and defaults are River's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestSpec {
    /// The trees, 1 to 1000, default 10.
    pub n_models: usize,
    /// The mean weight of a label in a tree, in (0, 30], default 6.
    pub lambda_value: f64,
    /// Of all draws, default 0.
    pub seed: u64,
    /// Its trees; without `max_features` the root of the number of features.
    pub tree: TreeSpec,
}

impl Default for ForestSpec {
    fn default() -> ForestSpec {
        let tree = TreeSpec { grace_period: 50, delta: 0.01, ..TreeSpec::default() };
        ForestSpec { n_models: 10, lambda_value: 6.0, seed: 0, tree }
    }
}

/// How leveraging bagging grows; names and defaults are River's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaggingSpec {
    /// The trees, 1 to 1000, default 10.
    pub n_models: usize,
    /// The mean weight of a label in a tree, in (0, 30], default 6.
    pub w: f64,
    /// Of all draws, default 0.
    pub seed: u64,
    /// Its trees.
    pub tree: TreeSpec,
}

impl Default for BaggingSpec {
    fn default() -> BaggingSpec {
        BaggingSpec { n_models: 10, w: 6.0, seed: 0, tree: TreeSpec::default() }
    }
}

/// `retrain = { kind = "logistic" }`
#[derive(Clone, Debug, PartialEq)]
pub enum RetrainSpec {
    /// linfa's logistic regression (L-BFGS).
    Logistic {
        /// L2 penalty, at least 0, default 1.
        alpha: f64,
        /// At most so many iterations, default 100.
        max_iterations: u64,
    },
    /// linfa's Gaussian naive Bayes.
    GaussianNb {
        /// Share of the greatest variance added to all, default 1e-9.
        var_smoothing: f64,
    },
    /// Gradient boosting over histograms; names and defaults are scikit-learn's.
    GradientBoosting(Boosting),
}

/// The parameters of gradient boosting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boosting {
    /// The number of trees, 1 to 10,000, default 100.
    pub max_iter: usize,
    /// The share of each leaf that is taken, above 0 and at most 1, default 0.1.
    pub learning_rate: f64,
    /// The most leaves of a tree, 2 to 1024, default 31.
    pub max_leaf_nodes: usize,
    /// The fewest rows of a leaf, at least 1, default 20.
    pub min_samples_leaf: u32,
    /// L2 penalty of a leaf, at least 0, default 0.
    pub l2_regularization: f64,
}
