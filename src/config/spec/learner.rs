//! What learns: the online learner, and the batch learners that are fitted when a trigger fires.

use serde::{Deserialize, Serialize};

/// `learner = { kind = "logistic", learning_rate = 0.01, l2 = 0.0 }` and so on
#[derive(Clone, Debug, PartialEq)]
pub enum LearnerSpec {
    /// Logistic regression by stochastic gradients.
    Logistic {
        /// How its weights follow the gradient; default steps of 0.01 (River's).
        optimizer: OptimizerSpec,
        /// L2 penalty, at least 0, default 0.
        l2: f64,
    },
    /// Softmax regression by stochastic gradients.
    Softmax {
        /// How its weights follow the gradient; default steps of 0.01 (River's).
        optimizer: OptimizerSpec,
        /// L2 penalty, at least 0, default 0.
        l2: f64,
    },
    /// Linear regression by stochastic gradients.
    Linear {
        /// How its weights follow the gradient; default steps of 0.01 (River's).
        optimizer: OptimizerSpec,
        /// L2 penalty, at least 0, default 0.
        l2: f64,
    },
    /// Ridge regression, exact under corrections.
    Ridge {
        /// L2 penalty of the summed loss, at least 0, default 1.
        alpha: f64,
    },
    /// Gaussian naive Bayes, exact under corrections.
    GaussianNb,
    /// Multinomial naive Bayes, exact under corrections.
    MultinomialNb {
        /// Added to each count, above 0, default 1.
        alpha: f64,
    },
    /// Passive-aggressive.
    PassiveAggressive(PassiveAggressiveSpec),
    /// An approximate large margin classifier.
    Alma(AlmaSpec),
    /// Nearest neighbours over a window.
    NearestNeighbors(NearestSpec),
    /// A Hoeffding tree, of any task.
    HoeffdingTree(TreeSpec),
    /// A Hoeffding adaptive tree.
    HoeffdingAdaptiveTree(AdaptiveTreeSpec),
    /// An adaptive random forest, of any task.
    AdaptiveRandomForest(ForestSpec),
    /// Leveraging bagging of Hoeffding trees.
    LeveragingBagging(BaggingSpec),
    /// Streaming random patches: Hoeffding trees over random features.
    StreamingRandomPatches(PatchesSpec),
}

/// `optimizer = { kind = "adam", learning_rate = 0.1 }`; names and defaults are River's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OptimizerSpec {
    /// Steps of one size.
    Sgd {
        /// Their size, above 0, default 0.01.
        learning_rate: f64,
    },
    /// Smaller steps for slots whose gradients were large.
    Adagrad {
        /// Their size at first, above 0, default 0.1.
        learning_rate: f64,
        /// Keeps the first division finite, above 0, default 1e-8.
        eps: f64,
    },
    /// Steps along a running mean of gradients.
    Adam {
        /// Their size, above 0, default 0.1.
        learning_rate: f64,
        /// How much of the mean is kept, in [0, 1), default 0.9.
        beta_1: f64,
        /// How much of the size is kept, in [0, 1), default 0.999.
        beta_2: f64,
        /// Keeps the division finite, above 0, default 1e-8.
        eps: f64,
    },
    /// Follow the regularized leader.
    Ftrl {
        /// The size of steps, above 0, default 0.05.
        alpha: f64,
        /// Makes first steps smaller, at least 0, default 1.
        beta: f64,
        /// The penalty of a weight's magnitude, at least 0, default 0.
        l1: f64,
        /// The penalty of its square, at least 0, default 1.
        l2: f64,
    },
}

impl OptimizerSpec {
    /// Plain stochastic gradients.
    pub fn sgd(learning_rate: f64) -> OptimizerSpec {
        OptimizerSpec::Sgd { learning_rate }
    }
}

/// A passive-aggressive learner; names and defaults are River's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassiveAggressiveSpec {
    /// The most that a label may move, above 0, default 1.
    pub c: f64,
    /// 0 without a bound, 1 with `c` as the bound, 2 with `c` softening the step; default 1.
    pub mode: u8,
    /// Of a regression: an error that is none, at least 0, default 0.1.
    pub eps: f64,
}

impl Default for PassiveAggressiveSpec {
    fn default() -> PassiveAggressiveSpec {
        PassiveAggressiveSpec { c: 1.0, mode: 1, eps: 0.1 }
    }
}

/// An approximate large margin classifier; names and defaults are River's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlmaSpec {
    /// The norm of vectors, at least 2, default 2.
    pub p: f64,
    /// How near to the greatest margin, above 0 and at most 1, default 0.9.
    pub alpha: f64,
    /// The size of the margin, above 0, default 1 / 0.9.
    pub b: f64,
    /// The size of steps, above 0, default the root of 2.
    pub c: f64,
}

impl Default for AlmaSpec {
    fn default() -> AlmaSpec {
        AlmaSpec { p: 2.0, alpha: 0.9, b: 1.0 / 0.9, c: std::f64::consts::SQRT_2 }
    }
}

/// Nearest neighbours; names and defaults are River's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearestSpec {
    /// How many are asked, 1 to 1000, default 5.
    pub n_neighbors: usize,
    /// The labels that are remembered, 1 to 100,000, default 50.
    pub window_size: usize,
    /// Whether nearer ones have more to say about a class, default true.
    pub weighted: bool,
}

impl Default for NearestSpec {
    fn default() -> NearestSpec {
        NearestSpec { n_neighbors: 5, window_size: 50, weighted: true }
    }
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

/// How a Hoeffding adaptive tree grows; names and defaults are River's, whose `bootstrap_sampling` is `bootstrap`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveTreeSpec {
    /// Whether labels weigh Poisson(1) in leaves, and not 1; default true.
    pub bootstrap: bool,
    /// The labels beyond which a branch and the leaf on trial beside it are compared, 1 to 1,000,000,000, default 300.
    pub drift_window_threshold: u64,
    /// The chance of a wrong switch, in (0, 1), default 0.05.
    pub switch_significance: f64,
    /// Of all draws, default 0.
    pub seed: u64,
    /// Its growth.
    pub tree: TreeSpec,
}

impl Default for AdaptiveTreeSpec {
    fn default() -> AdaptiveTreeSpec {
        AdaptiveTreeSpec {
            bootstrap: true,
            drift_window_threshold: 300,
            switch_significance: 0.05,
            seed: 0,
            tree: TreeSpec::default(),
        }
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

/// How streaming random patches grow; names and defaults are River's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchesSpec {
    /// The trees, 1 to 1000, default 10.
    pub n_models: usize,
    /// The share of the features that a tree sees, in (0, 1], default 0.6.
    pub subspace_size: f64,
    /// The mean weight of a label in a tree, in (0, 30], default 6.
    pub lam: f64,
    /// Of all draws, default 0.
    pub seed: u64,
    /// Its trees, with `grace_period` 50 and `delta` 0.01.
    pub tree: TreeSpec,
}

impl Default for PatchesSpec {
    fn default() -> PatchesSpec {
        let tree = TreeSpec { grace_period: 50, delta: 0.01, ..TreeSpec::default() };
        PatchesSpec { n_models: 10, subspace_size: 0.6, lam: 6.0, seed: 0, tree }
    }
}
