//! What scikit-learn fits to the same rows: `tests/golden/batch.py`, and the rows of `boosting.py`.

use super::*;
use crate::config::spec::{AdaBoost, Boosting, Cart, ClassWeight, OptimizerSpec, RandomForest, Svm};
use crate::feature::Vector;
use crate::model::{Artifact, BoostedTrees, Fixed, Voter, VotingTrees};
use crate::task::{Label, Prediction, Task};
use serde::Deserialize;

#[derive(Deserialize)]
struct Data {
    width: usize,
    dense: Vec<Vec<f64>>,
    hot: Vec<u32>,
    labels: Vec<bool>,
}

#[derive(Deserialize)]
struct Golden {
    rules: Cart,
    classes: Vec<usize>,
    values: Vec<f64>,
    tree: Tree<f64>,
    tree_balanced: Tree<f64>,
    tree_weighed: Tree<f64>,
    tree_several: Tree<Vec<f64>>,
    tree_values: Tree<f64>,
    adaboost: Boosted,
    adaboost_several: Boosted,
    forest: Forest,
    svm: Vec<Plane>,
    ridge: Vec<Line>,
    logistic: Vec<Weighed>,
    boosting_balanced: Balanced,
}

#[derive(Deserialize)]
struct Tree<S> {
    leaves: usize,
    scores: Vec<S>,
}

#[derive(Deserialize)]
struct Boosted {
    rules: Cart,
    n_estimators: usize,
    learning_rate: f64,
    weights: Vec<f64>,
    votes: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Forest {
    n_estimators: usize,
    min_samples_leaf: u32,
    max_features: u32,
    roc_auc: Vec<f64>,
    log_loss: Vec<f64>,
}

#[derive(Deserialize)]
struct Plane {
    c: f64,
    balanced: bool,
    weights: Vec<f64>,
    bias: f64,
}

#[derive(Deserialize)]
struct Line {
    alpha: f64,
    weights: Vec<f64>,
    bias: f64,
}

#[derive(Deserialize)]
struct Weighed {
    each: Option<Vec<f64>>,
    weights: Vec<f64>,
    bias: f64,
}

#[derive(Deserialize)]
struct Balanced {
    parameters: Boosting,
    scores: Vec<f64>,
}

struct Oracle {
    golden: Golden,
    vectors: Vec<Vector>,
    labels: Vec<bool>,
    width: usize,
}

impl Oracle {
    fn new() -> Oracle {
        let data: Data =
            serde_json::from_str(include_str!("../../tests/golden/boosting.json")).expect("the golden file reads");
        let golden =
            serde_json::from_str(include_str!("../../tests/golden/batch.json")).expect("the golden file reads");
        let vector = |(dense, hot): (&Vec<f64>, &u32)| Vector { dense: dense.as_slice().into(), hot: [*hot].into() };
        let vectors = data.dense.iter().zip(&data.hot).map(vector).collect();
        Oracle { golden, vectors, labels: data.labels, width: data.width }
    }

    fn rows(&self) -> Rows<'_> {
        self.of(self.labels.iter().map(|label| (*label).into()), Task::Binary)
    }

    fn of(&self, labels: impl Iterator<Item = Label>, task: Task) -> Rows<'_> {
        Rows::new(self.vectors.iter().zip(labels), self.width, task).expect("the rows are good")
    }

    fn classes(&self) -> Rows<'_> {
        self.of(self.golden.classes.iter().map(|class| Label::class(*class)), Task::Multiclass(3))
    }

    fn values(&self) -> Rows<'_> {
        self.of(self.golden.values.iter().map(|value| Label::value(*value).expect("a value")), Task::Regression)
    }
}

fn voting(body: Body) -> VotingTrees {
    let Body::VotingTrees(trees) = body else { panic!("another kind") };
    trees
}

fn leaves(tree: &[Voter]) -> usize {
    tree.iter().filter(|node| matches!(node, Voter::Leaf(_))).count()
}

#[test]
fn trees_are_scikit_learns() {
    let oracle = Oracle::new();
    let estimator = DecisionTreeEstimator(oracle.golden.rules);
    let fit = |rows: &Rows| voting(estimator.fit(rows, None).expect("it fits"));
    let weighed = |by: ClassWeight| oracle.rows().weighed(&by);
    let golden = &oracle.golden;
    for (name, rows, tree) in [
        ("binary", oracle.rows(), &golden.tree),
        ("balanced", weighed(ClassWeight::Balanced), &golden.tree_balanced),
        ("weighed", weighed(ClassWeight::Each(vec![1.0, 3.0])), &golden.tree_weighed),
        ("values", oracle.values(), &golden.tree_values),
    ] {
        let model = fit(&rows);
        assert_eq!(leaves(&model.trees[0]), tree.leaves, "{name}");
        for (x, expected) in oracle.vectors.iter().zip(&tree.scores) {
            let found = model.predict(x).score();
            assert!((found - expected).abs() < 1e-9, "{name}: {found} is not {expected}");
        }
    }
    let several = fit(&oracle.classes());
    assert_eq!(leaves(&several.trees[0]), golden.tree_several.leaves);
    for (x, expected) in oracle.vectors.iter().zip(&golden.tree_several.scores) {
        let Prediction::Classes(found) = several.predict(x) else { panic!("three classes") };
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} is not {expected:?}");
    }
}

#[test]
fn adaboost_is_scikit_learns() {
    let oracle = Oracle::new();
    for (rows, boosted) in
        [(oracle.rows(), &oracle.golden.adaboost), (oracle.classes(), &oracle.golden.adaboost_several)]
    {
        let (n_estimators, learning_rate) = (boosted.n_estimators, boosted.learning_rate);
        let model = AdaBoostEstimator(AdaBoost { n_estimators, learning_rate, tree: boosted.rules });
        let model = voting(model.fit(&rows, None).expect("it fits"));
        assert_eq!(model.weights.len(), boosted.weights.len());
        for (found, expected) in model.weights.iter().zip(&boosted.weights) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
        for (x, expected) in oracle.vectors.iter().zip(&boosted.votes) {
            let found = model.votes(x);
            // Of two classes the second is the one that is said.
            let expected = if found.len() == 1 { &expected[1..] } else { expected };
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} is not {expected:?}");
        }
    }
}

/// AUC and log loss on the rows from one on.
fn judged(model: &Fixed, oracle: &Oracle, from: usize) -> (f64, f64) {
    let rows = oracle.vectors[from..].iter().zip(&oracle.labels[from..]);
    let rows: Vec<_> = rows.map(|(x, label)| (model.predict(x), Label::from(*label))).collect();
    let figures = report::figures(Task::Binary, rows.iter().map(|(said, label)| (said, *label)));
    (figures["roc_auc"], figures["log_loss"])
}

/// The draws differ, so the comparison is with its spread over seeds.
#[test]
fn forests_are_as_good_as_scikit_learns() {
    let oracle = Oracle::new();
    let Forest { n_estimators, min_samples_leaf, max_features, ref roc_auc, ref log_loss } = oracle.golden.forest;
    let half = oracle.vectors.len() / 2;
    let rows = oracle.vectors[..half].iter().zip(oracle.labels[..half].iter().map(|label| (*label).into()));
    let rows = Rows::new(rows, oracle.width, Task::Binary).expect("the rows are good");
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    let tree = Cart { max_leaf_nodes: 2048, min_samples_leaf };
    let fit = |seed| {
        let forest = RandomForest { n_estimators, max_features: Some(max_features), seed, tree };
        let body = RandomForestEstimator(forest).fit(&rows, None).expect("it fits");
        judged(&Fixed::from(body), &oracle, half)
    };
    let (auc, loss): (Vec<f64>, Vec<f64>) = (0..5).map(fit).unzip();
    println!("a forest: AUC {auc:?}, log loss {loss:?}; scikit-learn's: {roc_auc:?}, {log_loss:?}");
    assert!((mean(&auc) - mean(roc_auc)).abs() < 0.01, "{auc:?} is not about {roc_auc:?}");
    assert!((mean(&loss) - mean(log_loss)).abs() < 0.01, "{loss:?} is not about {log_loss:?}");
    assert!(auc.iter().any(|one| *one != auc[0]), "seeds are thrown with");
}

#[test]
fn a_plane_is_scikit_learns() {
    let oracle = Oracle::new();
    for plane in &oracle.golden.svm {
        let by = if plane.balanced { ClassWeight::Balanced } else { ClassWeight::Even };
        let estimator = SvmEstimator(Svm { c: plane.c, max_iterations: 100 });
        let body = estimator.fit(&oracle.rows().weighed(&by), None).expect("it fits");
        let Body::Logistic(model) = body else { panic!("another kind") };
        for x in &oracle.vectors {
            let found = x.dot(model.weights()) + model.bias();
            let expected = x.dot(&plane.weights) + plane.bias;
            assert!((found - expected).abs() < 1e-4, "c {}: {found} is not {expected}", plane.c);
        }
    }
}

#[test]
fn a_line_is_scikit_learns() {
    let oracle = Oracle::new();
    for line in &oracle.golden.ridge {
        let body = LinearEstimator { alpha: line.alpha }.fit(&oracle.values(), None).expect("it fits");
        let model = Fixed::from(body);
        for x in &oracle.vectors {
            let expected = x.dot(&line.weights) + line.bias;
            assert!((model.score(x) - expected).abs() < 1e-9, "{} is not {expected}", model.score(x));
        }
    }
    let refused = LinearEstimator { alpha: 0.0 }.fit(&oracle.values(), None).expect_err("one-hot is collinear");
    assert!(refused.to_string().contains("collinear"), "{refused}");
}

#[test]
fn weighed_classes_are_scikit_learns() {
    let oracle = Oracle::new();
    for weighed in &oracle.golden.logistic {
        let by = weighed.each.clone().map_or(ClassWeight::Balanced, ClassWeight::Each);
        let rows = oracle.rows().weighed(&by);
        let estimator = LogisticEstimator { alpha: 1.0, max_iterations: 100 };
        let model = Fixed::from(estimator.fit(&rows, None).expect("it fits"));
        for x in &oracle.vectors {
            let expected = 1.0 / (1.0 + (-x.dot(&weighed.weights) - weighed.bias).exp());
            assert!((model.score(x) - expected).abs() < 0.005, "{} is not {expected}", model.score(x));
        }
        // One step does not get there from where all is told by the share of the positives.
        let short = LogisticEstimator { alpha: 1.0, max_iterations: 1 }.fit(&rows, None).expect_err("one step");
        assert!(short.to_string().contains("not converged in 1 iterations"), "{short}");
    }
    let estimator = BoostingEstimator(oracle.golden.boosting_balanced.parameters);
    let body = estimator.fit(&oracle.rows().weighed(&ClassWeight::Balanced), None).expect("it fits");
    let Body::BoostedTrees(model) = body else { panic!("another kind") };
    let BoostedTrees { bases, .. } = &model;
    assert!(bases[0].abs() < 1e-12, "balanced, both classes are as likely: {bases:?}");
    for (x, expected) in oracle.vectors.iter().zip(&oracle.golden.boosting_balanced.scores) {
        let found = model.predict(x).score();
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

/// All tasks, each with what it can do: better than a constant, the same bytes again, bounded, and no more than said.
#[test]
fn every_task_is_fitted() {
    let oracle = Oracle::new();
    let tree = Cart { max_leaf_nodes: 32, min_samples_leaf: 10 };
    let forest = RandomForest { n_estimators: 10, max_features: None, seed: 3, tree };
    let ftrl = OptimizerSpec::Ftrl { alpha: 0.05, beta: 1.0, l1: 0.0, l2: 1.0 };
    let trees: [(&str, Box<dyn Estimator>); 2] =
        [("tree", Box::new(DecisionTreeEstimator(tree))), ("forest", Box::new(RandomForestEstimator(forest)))];
    for (name, estimator) in &trees {
        for rows in [oracle.rows(), oracle.classes(), oracle.values()] {
            let (one, again) = (estimator.fit(&rows, None), estimator.fit(&rows, None));
            let (one, again) = (one.expect("it fits"), again.expect("it fits"));
            assert_eq!(one, again, "{name}");
            let right = |body: &Body| {
                let model = Fixed::from(body.clone());
                let of = |(x, label): (&&Vector, &Label)| match (rows.task(), model.predict(x)) {
                    (Task::Regression, said) => f64::from(u8::from((said.score() - label.amount()).abs() < 0.5)),
                    (_, said) => f64::from(u8::from(said.is_right(*label))),
                };
                rows.vectors().iter().zip(rows.labels()).map(of).sum::<f64>() / rows.len() as f64
            };
            assert!(right(&one) > 0.6, "{name}, {}: {}", rows.task().word(), right(&one));
            Artifact::new("m", "00", oracle.width, one).expect("a fit is in range");
        }
    }
    let model = FtrlEstimator { optimizer: ftrl, epochs: 5 }.fit(&oracle.rows(), None).expect("it fits");
    assert_eq!(model.updates(), 5 * oracle.vectors.len() as u64);
}

#[test]
fn a_fit_that_nobody_waits_for_ends() {
    use std::cell::Cell;
    let oracle = Oracle::new();
    let tree = Cart { max_leaf_nodes: 8, min_samples_leaf: 10 };
    let boosting =
        Boosting { max_iter: 50, learning_rate: 0.1, max_leaf_nodes: 8, min_samples_leaf: 20, l2_regularization: 0.0 };
    let ftrl = OptimizerSpec::Ftrl { alpha: 0.05, beta: 1.0, l1: 0.0, l2: 1.0 };
    let all: [Box<dyn Estimator>; 4] = [
        Box::new(RandomForestEstimator(RandomForest { n_estimators: 50, max_features: None, seed: 0, tree })),
        Box::new(AdaBoostEstimator(AdaBoost { n_estimators: 50, learning_rate: 0.5, tree })),
        Box::new(BoostingEstimator(boosting)),
        Box::new(FtrlEstimator { optimizer: ftrl, epochs: 50 }),
    ];
    for estimator in all {
        let asked = Cell::new(0);
        let waits = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        let given_up = estimator.fit(&oracle.rows().asking(&waits), None).expect_err("nobody waits");
        assert!(matches!(given_up, FitError::GivenUp), "{given_up}");
        assert_eq!(asked.get(), 3, "it does not go on");
    }
}
