//! `retrain = { kind = ".." }`: what is fitted when a trigger fires; of a list all are, and the best stands before the
//! gate.

use super::bounds::Bounds;
use super::item::Item;
use super::learner::fits;
use super::spec::{Boosting, ElasticNet, RetrainSpec};
use super::table::Table;
use crate::task::Task;
use toml::de::DeValue;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Logistic,
    ElasticNet,
    GaussianNb,
    GradientBoosting,
}

const KINDS: [(&str, Kind); 4] = [
    ("logistic", Kind::Logistic),
    ("elastic_net", Kind::ElasticNet),
    ("gaussian_nb", Kind::GaussianNb),
    ("gradient_boosting", Kind::GradientBoosting),
];

const BOOSTING: &[Kind] = &[Kind::GradientBoosting];
const OF_BOOSTING: &str = "it belongs to kind \"gradient_boosting\"";

/// Every key, and the kinds that have it.
const KEYS: [(&str, &[Kind], &str); 10] = [
    ("alpha", &[Kind::Logistic], "it belongs to kind \"logistic\""),
    ("penalty", &[Kind::ElasticNet], "it belongs to kind \"elastic_net\""),
    ("l1_ratio", &[Kind::ElasticNet], "it belongs to kind \"elastic_net\""),
    ("max_iterations", &[Kind::Logistic, Kind::ElasticNet], "it belongs to kinds \"logistic\" and \"elastic_net\""),
    ("var_smoothing", &[Kind::GaussianNb], "it belongs to kind \"gaussian_nb\""),
    ("max_iter", BOOSTING, OF_BOOSTING),
    ("learning_rate", BOOSTING, OF_BOOSTING),
    ("max_leaf_nodes", BOOSTING, OF_BOOSTING),
    ("min_samples_leaf", BOOSTING, OF_BOOSTING),
    ("l2_regularization", BOOSTING, OF_BOOSTING),
];

/// Reads one, or a list of them.
pub(super) fn read_all(item: &Item<'_>, model: &Table<'_>, task: Option<Task>) -> Vec<RetrainSpec> {
    if !matches!(item.value.get_ref(), DeValue::Array(_)) {
        return read(item, model, task).into_iter().collect();
    }
    let all = item.list_of(|each| read(each, model, task)).unwrap_or_default();
    if all.is_empty() {
        item.fault("`retrain` is an empty list", "leave it out, and nothing is fitted");
    }
    all
}

fn read(item: &Item<'_>, model: &Table<'_>, task: Option<Task>) -> Option<RetrainSpec> {
    let mut table = item.table(model.title_of("retrain"))?;
    let names = KINDS.map(|(name, _)| name).join(", ");
    let kind = table.need("kind", &format!("one of {names}")).and_then(|i| i.choice("batch learner", &KINDS))?;
    table.refuse_others(Some(kind), &KEYS);
    let spec = match kind {
        Kind::Logistic => {
            let alpha = table.take("alpha").map_or(Some(1.0), |i| i.number(Bounds::from(0.0, 1e9)));
            let max_iterations = table.take("max_iterations").map_or(Some(100), |i| i.whole(1, 100_000));
            alpha.zip(max_iterations).map(|(alpha, max_iterations)| RetrainSpec::Logistic { alpha, max_iterations })
        }
        Kind::ElasticNet => {
            let penalty = table.take("penalty").map_or(Some(1.0), |i| i.number(Bounds::from(0.0, 1e9)));
            let l1_ratio = table.take("l1_ratio").map_or(Some(0.5), |i| i.number(Bounds::from(0.0, 1.0)));
            let max_iterations = table.take("max_iterations").map_or(Some(1000), |i| i.whole(1, 100_000));
            let (penalty, l1_ratio, max_iterations) = (penalty?, l1_ratio?, u32::try_from(max_iterations?).ok()?);
            Some(RetrainSpec::ElasticNet(ElasticNet { penalty, l1_ratio, max_iterations }))
        }
        Kind::GaussianNb => {
            let share = table.take("var_smoothing").map_or(Some(1e-9), |i| i.number(Bounds::from(0.0, 1.0)));
            share.map(|var_smoothing| RetrainSpec::GaussianNb { var_smoothing })
        }
        Kind::GradientBoosting => boosting(&mut table),
    };
    table.finish();
    fits(item, "batch learner", (kind, task), &KINDS, does);
    spec
}

/// Whether a kind has a task.
fn does(kind: Kind, task: Task) -> bool {
    match kind {
        Kind::Logistic => task == Task::Binary,
        Kind::ElasticNet => task == Task::Regression,
        Kind::GaussianNb => task != Task::Regression,
        Kind::GradientBoosting => true,
    }
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
