//! `retrain = { kind = ".." }`, checked: what is fitted when a trigger fires, how its rows weigh, and how it is heard.

use super::OptimizerSpec;
use serde::{Deserialize, Serialize};

/// One batch learner of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrain {
    /// What is fitted.
    pub learner: RetrainSpec,
    /// What the rows of each class weigh in the fit.
    pub class_weight: ClassWeight,
    /// Whether what it says is calibrated on a part of the held-out rows; of what only votes always.
    pub calibrated: bool,
}

impl From<RetrainSpec> for Retrain {
    /// All rows alike, and heard as it is unless it only votes.
    fn from(learner: RetrainSpec) -> Retrain {
        let calibrated = learner.only_votes();
        Retrain { learner, class_weight: ClassWeight::Even, calibrated }
    }
}

/// What the rows of a class weigh in a fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeight {
    /// All alike.
    #[default]
    Even,
    /// As scikit-learn's `balanced`: all rows by the number of classes times the rows of the class.
    Balanced,
    /// Each class by its number, above 0; of a binary task first false, then true.
    Each(Vec<f64>),
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
    /// linfa's linear regression with both penalties (coordinate descent); defaults are scikit-learn's.
    ElasticNet(ElasticNet),
    /// Gradient boosting over histograms; names and defaults are scikit-learn's.
    GradientBoosting(Boosting),
    /// One tree (CART).
    DecisionTree(Cart),
    /// Many trees of drawn rows and slots.
    RandomForest(RandomForest),
    /// Small trees, each for what the ones before got wrong (SAMME).
    AdaBoost(AdaBoost),
    /// A linear support vector machine.
    Svm(Svm),
    /// Logistic regression by FTRL-Proximal, over the rows again and again.
    Ftrl {
        /// Its steps: `OptimizerSpec::Ftrl`.
        optimizer: OptimizerSpec,
        /// Passes over the rows, oldest first, 1 to 1000, default 5.
        epochs: u32,
    },
    /// Least squares.
    Linear {
        /// L2 penalty of the summed squares, at least 0, default 1.
        alpha: f64,
    },
}

impl RetrainSpec {
    /// Whether what it says has the order of a probability, and not its size.
    pub fn only_votes(&self) -> bool {
        matches!(self, RetrainSpec::AdaBoost(_) | RetrainSpec::Svm(_))
    }
}

/// The parameters of linear regression with both penalties.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElasticNet {
    /// The penalty of a mean loss, at least 0, default 1.
    pub penalty: f64,
    /// The share of it that is of magnitudes (L1), the rest being of squares; 0 to 1, default 0.5.
    pub l1_ratio: f64,
    /// At most so many iterations, default 1000.
    pub max_iterations: u32,
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

/// How a tree is grown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cart {
    /// The most leaves, 2 to 2048; default 64, of a forest 1024, of boosted ones 2.
    pub max_leaf_nodes: usize,
    /// The fewest rows of a leaf, at least 1; default 20, of a forest 2, of boosted ones 1.
    pub min_samples_leaf: u32,
}

/// The parameters of a random forest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomForest {
    /// The trees, 1 to 10,000, default 100.
    pub n_estimators: usize,
    /// The slots that are drawn for a split; `None` is the root of their number, of a regression all.
    pub max_features: Option<u32>,
    /// Of all draws, default 0.
    pub seed: u64,
    /// Its trees.
    pub tree: Cart,
}

/// The parameters of AdaBoost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaBoost {
    /// The most trees, 1 to 10,000, default 50.
    pub n_estimators: usize,
    /// The share of each tree's vote that is taken, above 0 and at most 10, default 1.
    pub learning_rate: f64,
    /// Its trees.
    pub tree: Cart,
}

/// The parameters of a linear support vector machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Svm {
    /// What a row on the wrong side costs, above 0, default 1.
    pub c: f64,
    /// The most iterations, default 100.
    pub max_iterations: u64,
}
