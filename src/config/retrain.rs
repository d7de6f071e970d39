//! `retrain = { kind = ".." }`: what is fitted when a trigger fires; of a list all are, and the best stands before the
//! gate.

use super::bounds::Bounds;
use super::features::Around;
use super::item::Item;
use super::learner::{fits, ftrl};
use super::nearest::suggest;
use super::spec::{AdaBoost, Boosting, Cart, ClassWeight, ElasticNet, RandomForest, Retrain, RetrainSpec, Svm};
use super::table::Table;
use crate::record::Kind as Records;
use crate::task::Task;
use toml::de::DeValue;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Logistic,
    ElasticNet,
    GaussianNb,
    GradientBoosting,
    DecisionTree,
    RandomForest,
    AdaBoost,
    Svm,
    Ftrl,
    Linear,
}

const KINDS: [(&str, Kind); 10] = [
    ("logistic", Kind::Logistic),
    ("elastic_net", Kind::ElasticNet),
    ("gaussian_nb", Kind::GaussianNb),
    ("gradient_boosting", Kind::GradientBoosting),
    ("decision_tree", Kind::DecisionTree),
    ("random_forest", Kind::RandomForest),
    ("adaboost", Kind::AdaBoost),
    ("svm", Kind::Svm),
    ("ftrl", Kind::Ftrl),
    ("linear", Kind::Linear),
];

const BOOSTING: &[Kind] = &[Kind::GradientBoosting];
const OF_BOOSTING: &str = "it belongs to kind \"gradient_boosting\"";
const FTRL: &[Kind] = &[Kind::Ftrl];
const OF_FTRL: &str = "it belongs to kind \"ftrl\"";
const TREES: &[Kind] = &[Kind::GradientBoosting, Kind::DecisionTree, Kind::RandomForest, Kind::AdaBoost];
const OF_TREES: &str = "it belongs to trees";
/// What takes weights of rows.
const WEIGHED: &[Kind] =
    &[Kind::Logistic, Kind::GradientBoosting, Kind::DecisionTree, Kind::RandomForest, Kind::AdaBoost, Kind::Svm];

/// Every key, and the kinds that have it.
const KEYS: [(&str, &[Kind], &str); 20] = [
    ("alpha", &[Kind::Logistic, Kind::Ftrl, Kind::Linear], "it belongs to kinds \"logistic\", \"ftrl\" and \"linear\""),
    ("penalty", &[Kind::ElasticNet], "it belongs to kind \"elastic_net\""),
    ("l1_ratio", &[Kind::ElasticNet], "it belongs to kind \"elastic_net\""),
    (
        "max_iterations",
        &[Kind::Logistic, Kind::ElasticNet, Kind::Svm],
        "it belongs to kinds \"logistic\", \"elastic_net\" and \"svm\"",
    ),
    ("var_smoothing", &[Kind::GaussianNb], "it belongs to kind \"gaussian_nb\""),
    ("max_iter", BOOSTING, OF_BOOSTING),
    (
        "learning_rate",
        &[Kind::GradientBoosting, Kind::AdaBoost],
        "it belongs to kinds \"gradient_boosting\" and \"adaboost\"",
    ),
    ("max_leaf_nodes", TREES, OF_TREES),
    ("min_samples_leaf", TREES, OF_TREES),
    ("l2_regularization", BOOSTING, OF_BOOSTING),
    ("n_estimators", &[Kind::RandomForest, Kind::AdaBoost], "it belongs to kinds \"random_forest\" and \"adaboost\""),
    ("max_features", &[Kind::RandomForest], "it belongs to kind \"random_forest\""),
    ("seed", &[Kind::RandomForest], "it belongs to kind \"random_forest\""),
    ("c", &[Kind::Svm], "it belongs to kind \"svm\""),
    ("beta", FTRL, OF_FTRL),
    ("l1", FTRL, OF_FTRL),
    ("l2", FTRL, OF_FTRL),
    ("epochs", FTRL, OF_FTRL),
    ("class_weight", WEIGHED, "this kind takes no weights of rows"),
    ("calibrated", &[Kind::DecisionTree, Kind::RandomForest], "\"adaboost\" and \"svm\" always are, others never"),
];

/// Reads one, or a list of them.
pub(super) fn read_all(item: &Item<'_>, model: &Table<'_>, task: Option<Task>, around: &Around<'_>) -> Vec<Retrain> {
    if !matches!(item.value.get_ref(), DeValue::Array(_)) {
        return read(item, model, task, around).into_iter().collect();
    }
    let all = item.list_of(|each| read(each, model, task, around)).unwrap_or_default();
    if all.is_empty() {
        item.fault("`retrain` is an empty list", "leave it out, and nothing is fitted");
    }
    all
}

fn read(item: &Item<'_>, model: &Table<'_>, task: Option<Task>, around: &Around<'_>) -> Option<Retrain> {
    let mut table = item.table(model.title_of("retrain"))?;
    let names = KINDS.map(|(name, _)| name).join(", ");
    let kind = table.need("kind", &format!("one of {names}")).and_then(|i| i.choice("batch learner", &KINDS))?;
    table.refuse_others(Some(kind), &KEYS);
    let learner = match kind {
        Kind::Logistic => {
            let alpha = penalty(&mut table, "alpha", 1.0);
            let max_iterations = table.take("max_iterations").map_or(Some(100), |i| i.whole(1, 100_000));
            alpha.zip(max_iterations).map(|(alpha, max_iterations)| RetrainSpec::Logistic { alpha, max_iterations })
        }
        Kind::ElasticNet => elastic_net(&mut table),
        Kind::GaussianNb => {
            let share = table.take("var_smoothing").map_or(Some(1e-9), |i| i.number(Bounds::from(0.0, 1.0)));
            share.map(|var_smoothing| RetrainSpec::GaussianNb { var_smoothing })
        }
        Kind::GradientBoosting => boosting(&mut table),
        Kind::DecisionTree => cart(&mut table, (64, 20)).map(RetrainSpec::DecisionTree),
        Kind::RandomForest => forest(&mut table),
        Kind::AdaBoost => adaboost(&mut table),
        Kind::Svm => svm(&mut table),
        Kind::Ftrl => {
            let epochs = table.take("epochs").map_or(Some(5), |i| i.whole(1, 1000));
            let optimizer = ftrl(&mut table);
            optimizer.zip(epochs).map(|(optimizer, epochs)| RetrainSpec::Ftrl { optimizer, epochs: epochs as u32 })
        }
        Kind::Linear => penalty(&mut table, "alpha", 1.0).map(|alpha| RetrainSpec::Linear { alpha }),
    };
    let mut class_weight = Some(ClassWeight::Even);
    let mut calibrated = None;
    if task == Some(Task::Regression) {
        table.refuse("class_weight", "a regression has no classes");
        table.refuse("calibrated", "a regression gives no probabilities");
    } else {
        if WEIGHED.contains(&kind)
            && let Some(item) = table.take("class_weight")
        {
            class_weight = read_class_weight(&item, &table, task, around);
        }
        if matches!(kind, Kind::DecisionTree | Kind::RandomForest) {
            calibrated = table.take("calibrated").and_then(|i| i.boolean());
        }
    }
    table.finish();
    fits(item, "batch learner", (kind, task), &KINDS, does);
    let learner = learner?;
    let calibrated = calibrated.unwrap_or_else(|| learner.only_votes());
    Some(Retrain { learner, class_weight: class_weight?, calibrated })
}

/// Whether a kind has a task.
fn does(kind: Kind, task: Task) -> bool {
    match kind {
        Kind::Logistic | Kind::Svm | Kind::Ftrl => task == Task::Binary,
        Kind::ElasticNet | Kind::Linear => task == Task::Regression,
        Kind::GaussianNb | Kind::AdaBoost => task != Task::Regression,
        Kind::GradientBoosting | Kind::DecisionTree | Kind::RandomForest => true,
    }
}

/// `"balanced"`, or a weight a class by its name; a class that is not named weighs 1.
fn read_class_weight(
    item: &Item<'_>,
    table: &Table<'_>,
    task: Option<Task>,
    around: &Around<'_>,
) -> Option<ClassWeight> {
    if let DeValue::String(_) = item.value.get_ref() {
        return item.choice("class weight", &[("balanced", ())]).map(|()| ClassWeight::Balanced);
    }
    let binary = ["false", "true"];
    let labels = around.sources.iter().find(|source| source.kind == Records::Label);
    let classes: Vec<&str> = match task? {
        Task::Multiclass(_) => labels.map_or_else(Vec::new, |of| of.classes.iter().map(String::as_str).collect()),
        _ => binary.to_vec(),
    };
    let weights = item.table(table.title_of("class_weight"))?;
    let mut each = vec![1.0; classes.len()];
    for (name, weight) in weights.each() {
        match classes.iter().position(|class| *class == name.value) {
            Some(class) => each[class] = weight.number(Bounds::from(1e-3, 1e3))?,
            None => {
                let message = format!("unknown class `{}`", name.value.escape_debug());
                item.faults.add(name.span, message, suggest(&name.value, &classes));
                return None;
            }
        }
    }
    Some(ClassWeight::Each(each))
}

fn penalty(table: &mut Table<'_>, key: &'static str, default: f64) -> Option<f64> {
    table.take(key).map_or(Some(default), |i| i.number(Bounds::from(0.0, 1e9)))
}

fn elastic_net(table: &mut Table<'_>) -> Option<RetrainSpec> {
    let penalty = penalty(table, "penalty", 1.0);
    let l1_ratio = table.take("l1_ratio").map_or(Some(0.5), |i| i.number(Bounds::from(0.0, 1.0)));
    let max_iterations = table.take("max_iterations").map_or(Some(1000), |i| i.whole(1, 100_000));
    let (penalty, l1_ratio, max_iterations) = (penalty?, l1_ratio?, u32::try_from(max_iterations?).ok()?);
    Some(RetrainSpec::ElasticNet(ElasticNet { penalty, l1_ratio, max_iterations }))
}

/// A tree of this kind's `max_leaf_nodes` and `min_samples_leaf` by default.
fn cart(table: &mut Table<'_>, (leaves, least): (usize, u64)) -> Option<Cart> {
    let max_leaf_nodes = table.take("max_leaf_nodes").map_or(Some(leaves), |i| i.count(2, 2048));
    let least = table.take("min_samples_leaf").map_or(Some(least), |i| i.whole(1, 1_000_000));
    Some(Cart { max_leaf_nodes: max_leaf_nodes?, min_samples_leaf: u32::try_from(least?).ok()? })
}

fn forest(table: &mut Table<'_>) -> Option<RetrainSpec> {
    let n_estimators = table.take("n_estimators").map_or(Some(100), |i| i.count(1, 10_000));
    let max_features = match table.take("max_features") {
        None => Some(None),
        Some(item) => item.whole(1, 1 << 20).map(|slots| Some(slots as u32)),
    };
    let seed = table.take("seed").map_or(Some(0), |i| i.whole(0, i64::MAX as u64));
    let tree = cart(table, (1024, 2));
    let spec = RandomForest { n_estimators: n_estimators?, max_features: max_features?, seed: seed?, tree: tree? };
    Some(RetrainSpec::RandomForest(spec))
}

fn adaboost(table: &mut Table<'_>) -> Option<RetrainSpec> {
    let n_estimators = table.take("n_estimators").map_or(Some(50), |i| i.count(1, 10_000));
    let learning_rate = table.take("learning_rate").map_or(Some(1.0), |i| i.number(Bounds::above(0.0, 10.0)));
    let tree = cart(table, (2, 1));
    let spec = AdaBoost { n_estimators: n_estimators?, learning_rate: learning_rate?, tree: tree? };
    Some(RetrainSpec::AdaBoost(spec))
}

fn svm(table: &mut Table<'_>) -> Option<RetrainSpec> {
    let c = table.take("c").map_or(Some(1.0), |i| i.number(Bounds::above(0.0, 1e6)));
    let max_iterations = table.take("max_iterations").map_or(Some(100), |i| i.whole(1, 100_000));
    Some(RetrainSpec::Svm(Svm { c: c?, max_iterations: max_iterations? }))
}

/// Defaults are scikit-learn's.
fn boosting(table: &mut Table<'_>) -> Option<RetrainSpec> {
    let max_iter = table.take("max_iter").map_or(Some(100), |i| i.count(1, 10_000));
    let learning_rate = table.take("learning_rate").map_or(Some(0.1), |i| i.number(Bounds::above(0.0, 1.0)));
    let max_leaf_nodes = table.take("max_leaf_nodes").map_or(Some(31), |i| i.count(2, 1024));
    let least = table.take("min_samples_leaf").map_or(Some(20), |i| i.whole(1, 1_000_000));
    let l2_regularization = table.take("l2_regularization").map_or(Some(0.0), |i| i.number(Bounds::from(0.0, 1e9)));
    Some(RetrainSpec::GradientBoosting(Boosting {
        max_iter: max_iter?,
        learning_rate: learning_rate?,
        max_leaf_nodes: max_leaf_nodes?,
        min_samples_leaf: u32::try_from(least?).ok()?,
        l2_regularization: l2_regularization?,
    }))
}
