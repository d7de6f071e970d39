//! The laws of every estimator, each as a test over all of them; and what an outside reference fits.

use super::*;
use crate::config::spec::{AdaBoost, Boosting, Cart, ClassWeight, OptimizerSpec, RandomForest, Svm};
use crate::feature::Vector;
use crate::model::{Artifact, ClassStatistics, Fixed, GaussianNb};
use crate::task::Task;
use serde::Deserialize;

const BOOSTING: BoostingEstimator = BoostingEstimator(Boosting {
    max_iter: 30,
    learning_rate: 0.1,
    max_leaf_nodes: 16,
    min_samples_leaf: 20,
    l2_regularization: 0.0,
});

/// Every estimator joins here.
fn all() -> Vec<(&'static str, Box<dyn Estimator>)> {
    let tree = Cart { max_leaf_nodes: 12, min_samples_leaf: 20 };
    let forest = RandomForest { n_estimators: 20, max_features: None, seed: 0, tree };
    let boosted = AdaBoost { n_estimators: 20, learning_rate: 0.5, tree: Cart { max_leaf_nodes: 3, ..tree } };
    let ftrl = OptimizerSpec::Ftrl { alpha: 0.05, beta: 1.0, l1: 0.0, l2: 1.0 };
    vec![
        ("logistic", Box::new(LogisticEstimator { alpha: 1.0, max_iterations: 100 })),
        ("logistic without penalty", Box::new(LogisticEstimator { alpha: 0.0, max_iterations: 100 })),
        ("gaussian_nb", Box::new(GaussianNbEstimator { var_smoothing: 1e-9 })),
        ("gradient_boosting", Box::new(BOOSTING)),
        ("decision_tree", Box::new(DecisionTreeEstimator(tree))),
        ("random_forest", Box::new(RandomForestEstimator(forest))),
        ("adaboost", Box::new(AdaBoostEstimator(boosted))),
        ("svm", Box::new(SvmEstimator(Svm { c: 0.1, max_iterations: 100 }))),
        ("ftrl", Box::new(FtrlEstimator { optimizer: ftrl, epochs: 5 })),
    ]
}

/// Those that weigh rows by class.
fn weighing() -> Vec<(&'static str, Box<dyn Estimator>)> {
    all().into_iter().filter(|(name, _)| !["logistic without penalty", "gaussian_nb", "ftrl"].contains(name)).collect()
}

#[derive(Deserialize)]
struct Golden {
    width: usize,
    rows: Vec<(Vec<f64>, Vec<u32>)>,
    labels: Vec<bool>,
    logistic: Vec<Optimum>,
    gaussian_nb: Statistics,
}

#[derive(Deserialize)]
struct Optimum {
    alpha: f64,
    weights: Vec<f64>,
    bias: f64,
    loss: f64,
}

#[derive(Deserialize)]
struct Statistics {
    negative: ClassStatistics,
    positive: ClassStatistics,
}

fn golden() -> (Golden, Vec<Vector>) {
    let golden: Golden =
        serde_json::from_str(include_str!("../../tests/golden/train.json")).expect("the golden file reads");
    let vectors = golden.rows.iter().map(|(dense, hot)| vector(dense, hot)).collect();
    (golden, vectors)
}

fn vector(dense: &[f64], hot: &[u32]) -> Vector {
    Vector { dense: dense.into(), hot: hot.into() }
}

fn rows<'a>(vectors: &'a [Vector], labels: &[bool], width: usize) -> Rows<'a> {
    Rows::new(vectors.iter().zip(labels.iter().map(|label| (*label).into())), width, Task::Binary)
        .expect("the rows are good")
}

fn digest(body: &Body, width: usize) -> String {
    let artifact = Artifact::new("m", "00", width, body.clone()).expect("a fit is in range");
    Artifact::digest(&artifact.to_bytes())
}

#[test]
fn logistic_fits_what_scikit_learn_fits() {
    let (golden, vectors) = golden();
    let rows = rows(&vectors, &golden.labels, golden.width);
    for optimum in &golden.logistic {
        let estimator = LogisticEstimator { alpha: optimum.alpha, max_iterations: 100 };
        let Body::Logistic(fitted) = estimator.fit(&rows, None).expect("it fits") else { panic!("another kind") };
        let mut weights = fitted.weights().to_vec();
        weights.push(fitted.bias());
        let loss = estimator.loss(&rows, &weights);
        // 0.005 nats are the solver's tolerance; the rest is what the pseudo-rows' penalty differs by.
        assert!((-1e-9..0.02).contains(&(loss - optimum.loss)), "{loss} is not {}", optimum.loss);
        let mut apart = 0.0f64;
        for x in &vectors {
            let expected = 1.0 / (1.0 + (-x.dot(&optimum.weights) - optimum.bias).exp());
            apart = apart.max((Fixed::from(Body::Logistic(fitted.clone())).score(x) - expected).abs());
        }
        assert!(apart < 0.01, "alpha {}: scores differ by {apart}", optimum.alpha);
    }
}

#[test]
fn gaussian_nb_fits_what_scikit_learn_fits() {
    let (golden, vectors) = golden();
    let rows = rows(&vectors, &golden.labels, golden.width);
    let estimator = GaussianNbEstimator { var_smoothing: 1e-9 };
    let Body::GaussianNb(GaussianNb { classes, examples }) = estimator.fit(&rows, None).expect("it fits") else {
        panic!("another kind")
    };
    assert_eq!((examples, classes.len()), (rows.len() as u64, 2));
    for (found, expected) in classes.iter().zip([golden.gaussian_nb.negative, golden.gaussian_nb.positive]) {
        let pairs = found.means.iter().zip(&expected.means).chain(found.variances.iter().zip(&expected.variances));
        for (found, expected) in pairs.chain([(&found.prior, &expected.prior)]) {
            assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
        }
    }
}

#[derive(Deserialize)]
struct Boosted {
    width: usize,
    parameters: Boosting,
    dense: Vec<Vec<f64>>,
    hot: Vec<u32>,
    labels: Vec<bool>,
    nodes: Vec<usize>,
    scores: Vec<f64>,
}

#[test]
fn boosting_grows_the_trees_that_scikit_learn_grows() {
    let golden: Boosted =
        serde_json::from_str(include_str!("../../tests/golden/boosting.json")).expect("the golden file reads");
    let vectors: Vec<Vector> = golden.dense.iter().zip(&golden.hot).map(|(x, slot)| vector(x, &[*slot])).collect();
    let estimator = BoostingEstimator(golden.parameters);
    let body = estimator.fit(&rows(&vectors, &golden.labels, golden.width), None).expect("it fits");
    let Body::BoostedTrees(model) = &body else { panic!("another kind") };
    assert_eq!(model.trees.iter().map(Vec::len).collect::<Vec<_>>(), golden.nodes);
    let apart = golden.scores.iter().zip(&vectors).map(|(score, x)| (model.predict(x).score() - score).abs());
    let apart = apart.fold(0.0, f64::max);
    // Its gradients have 24 bits.
    assert!(apart < 1e-5, "scores differ by {apart}");
}

#[test]
fn swapping_the_labels_mirrors_the_scores() {
    // linfa names the classes by how often they occur: a mistake there would show as a model upside down.
    let (golden, vectors) = golden();
    let swapped: Vec<bool> = golden.labels.iter().map(|label| !label).collect();
    for (name, estimator) in all() {
        let fit =
            |labels: &[bool]| Fixed::from(estimator.fit(&rows(&vectors, labels, golden.width), None).expect("it fits"));
        let (model, mirrored) = (fit(&golden.labels), fit(&swapped));
        for x in &vectors {
            let sum = model.score(x) + mirrored.score(x);
            assert!((sum - 1.0).abs() < 0.01, "{name}: {sum}");
        }
        let right = vectors.iter().zip(&golden.labels).filter(|(x, label)| (model.score(x) > 0.5) == **label);
        let right = right.count();
        // 57 in 100 are false.
        assert!(right * 100 > vectors.len() * 62, "{name} is right on {right} rows only");
    }
}

#[test]
fn a_start_changes_nothing_beyond_the_tolerance() {
    let (golden, vectors) = golden();
    let rows = rows(&vectors, &golden.labels, golden.width);
    for (name, estimator) in all() {
        let cold = estimator.fit(&rows, None).expect("it fits");
        let wild = Body::Logistic(crate::model::Logistic::fitted(vec![1e3; golden.width], -1e3, 1));
        let other = Body::Logistic(crate::model::Logistic::fitted(vec![1.0; golden.width + 1], 0.0, 1));
        for start in [cold.clone(), wild, other] {
            let warm = Fixed::from(estimator.fit(&rows, Some(&start)).expect("it fits from anywhere"));
            for x in &vectors {
                let apart = (warm.score(x) - Fixed::from(cold.clone()).score(x)).abs();
                assert!(apart < 0.02, "{name}: scores differ by {apart}");
            }
        }
    }
}

#[test]
fn fits_have_the_same_bytes_in_every_process() {
    const CHILD: &str = "TIDEMILL_FIT_DIGESTS";
    let (golden, vectors) = golden();
    let rows = rows(&vectors, &golden.labels, golden.width);
    let fits = || -> Vec<String> {
        let fit = |(name, estimator): (&str, Box<dyn Estimator>)| {
            let cold = estimator.fit(&rows, None).expect("it fits");
            let warm = estimator.fit(&rows, Some(&cold)).expect("it fits");
            format!("fit {name} {} {}", digest(&cold, golden.width), digest(&warm, golden.width))
        };
        all().into_iter().map(fit).collect()
    };
    let here = fits();
    if std::env::var_os(CHILD).is_some() {
        here.iter().for_each(|line| println!("\n{line}"));
        return;
    }
    assert_eq!(here, fits());
    for _ in 0..2 {
        let program = std::env::current_exe().expect("a test has a program");
        let child = std::process::Command::new(program)
            .args(["--exact", "train::laws::fits_have_the_same_bytes_in_every_process", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("a test can run itself");
        let text = String::from_utf8(child.stdout).expect("it prints text");
        let there: Vec<&str> = text.lines().filter(|line| line.starts_with("fit ")).collect();
        assert_eq!(here, there);
    }
}

/// A row that weighs twice is about the row twice, and what weighs more is said more.
#[test]
fn weights_count_rows() {
    let (golden, vectors) = golden();
    let of = |copies: usize| {
        let times = move |label: bool| if label { copies } else { 1 };
        let every = vectors.iter().zip(&golden.labels);
        every.flat_map(move |(x, label)| std::iter::repeat_n((x, (*label).into()), times(*label)))
    };
    let (once, twice) = (Rows::new(of(1), golden.width, Task::Binary), Rows::new(of(2), golden.width, Task::Binary));
    let (once, twice) = (once.expect("the rows are good"), twice.expect("the rows are good"));
    let weighed = once.weighed(&ClassWeight::Each(vec![1.0, 2.0]));
    for (name, estimator) in weighing() {
        // A forest draws rows, and the fewest rows of a leaf are rows, whatever they weigh.
        if name == "random_forest" {
            continue;
        }
        let (one, other) = (estimator.fit(&weighed, None), estimator.fit(&twice, None));
        let (one, other) = (Fixed::from(one.expect("it fits")), Fixed::from(other.expect("it fits")));
        let mean = |of: &Fixed| vectors.iter().map(|x| of.score(x)).sum::<f64>() / vectors.len() as f64;
        let even = Fixed::from(estimator.fit(&rows(&vectors, &golden.labels, golden.width), None).expect("it fits"));
        let (one, other, even) = (mean(&one), mean(&other), mean(&even));
        assert!((one - other).abs() < 0.02, "{name}: {one} is not {other}");
        assert!(one > even + 0.04, "{name}: what weighs more is said more, {one} and {even}");
    }
}

/// What a fit says that it keeps grows with the rows, and is not nothing.
#[test]
fn memory_is_told_by_a_formula() {
    let (golden, vectors) = golden();
    let whole = rows(&vectors, &golden.labels, golden.width);
    let half = rows(&vectors[..vectors.len() / 2], &golden.labels[..vectors.len() / 2], golden.width);
    for (name, estimator) in all() {
        let (some, more) = (estimator.bytes(&half), estimator.bytes(&whole));
        // These two keep nothing a row.
        let grows = !["svm", "ftrl"].contains(&name);
        assert!(some > 0 && (more > some) == grows, "{name}: {some} and {more}");
    }
}

/// Fits with each estimator and returns what came of it, in a word or a refusal.
fn outcomes(vectors: &[Vector], labels: &[bool], width: usize) -> Vec<String> {
    let fit = |(_, estimator): (_, Box<dyn Estimator>)| {
        let rows = Rows::new(vectors.iter().zip(labels.iter().map(|label| (*label).into())), width, Task::Binary)?;
        let body = estimator.fit(&rows, None)?;
        Artifact::new("m", "00", width, body)?;
        Ok("fitted".to_string())
    };
    all().into_iter().map(|each| fit(each).unwrap_or_else(|error: FitError| error.to_string())).collect()
}

#[test]
fn what_cannot_be_fitted_is_refused_and_never_a_panic() {
    let one = |x: f64| vector(&[x], &[]);
    let many = |x: fn(usize) -> f64| (0..40).map(|i| one(x(i))).collect::<Vec<_>>();
    let mixed: Vec<bool> = (0..40).map(|i| i % 3 == 0).collect();
    let every = |vectors: &[Vector], labels: &[bool], width, expected: &str| {
        for outcome in outcomes(vectors, labels, width) {
            assert!(outcome.contains(expected), "{outcome:?} is not {expected:?}");
        }
    };
    every(&[], &[], 1, "0 rows to fit");
    every(&[one(1.0)], &[true], 1, "1 rows to fit, at least 2");
    every(&many(|i| i as f64), &[false; 40], 1, "all 40 labels are false");
    every(&many(|i| i as f64), &[true; 40], 1, "all 40 labels are true");
    every(&many(|i| if i == 7 { f64::NAN } else { 0.0 }), &mixed, 1, "row 7 has NaN in slot 0");
    every(&many(|i| if i == 7 { f64::INFINITY } else { 0.0 }), &mixed, 1, "row 7 has inf in slot 0");
    every(&[vector(&[1.0], &[1]), vector(&[1.0], &[2])], &[true, false], 2, "row 1 has slot 2, allowed is below 2");
    every(&[vector(&[1.0, 2.0], &[]), one(1.0)], &[true, false], 1, "row 0 has slot 1, allowed is below 1");

    // Constant features leave the share of the positives; a variance of 0 is no model.
    assert_eq!(outcomes(&many(|_| 0.0), &mixed, 1)[..2], ["fitted", "fitted"]);
    let constant = outcomes(&many(|_| 0.0), &mixed, 1);
    assert!(constant[2].contains("variance 0") && constant[3] == "fitted", "{constant:?}");
    // Sizes that overflow when squared.
    let found = outcomes(&many(|i| 1e300 * (i % 2) as f64), &mixed, 1);
    assert!(found[..3].iter().all(|outcome| outcome != "fitted"), "{found:?}");
    // Trees only compare.
    assert_eq!(found[3], "fitted");
    // Separable rows have no optimum without a penalty. Whatever is returned is finite.
    let separable: Vec<bool> = (0..40).map(|i| i > 20).collect();
    let found = outcomes(&many(|i| i as f64), &separable, 1);
    assert_eq!(found[0], "fitted");
    assert!(found[1] == "fitted" || found[1].contains("not converged"), "{found:?}");
}

#[test]
fn a_fit_cut_short_is_refused() {
    // Rows that can be told apart have their optimum far out: one step does not get there.
    let vectors: Vec<Vector> = (0..400).map(|i| vector(&[f64::from(i)], &[])).collect();
    let labels: Vec<bool> = (0..400).map(|i| i > 200).collect();
    let rows = rows(&vectors, &labels, 1);
    let fit = |max_iterations| LogisticEstimator { alpha: 1e-3, max_iterations }.fit(&rows, None);
    let refused = fit(1).expect_err("one step is not enough").to_string();
    assert!(refused.contains("not converged in 1 iterations"), "{refused}");
    assert!(fit(100).is_ok());
}
