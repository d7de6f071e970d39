//! `retrain = { kind = ".." }`: what is fitted when a trigger fires; of a list all are, and the best stands before the
//! gate.

use super::bounds::Bounds;
use super::item::Item;
use super::spec::{Boosting, RetrainSpec};
use super::table::Table;
use toml::de::DeValue;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Logistic,
    GaussianNb,
    GradientBoosting,
}

const KINDS: [(&str, Kind); 3] =
    [("logistic", Kind::Logistic), ("gaussian_nb", Kind::GaussianNb), ("gradient_boosting", Kind::GradientBoosting)];

/// Parameters, and the kind that each belongs to.
const KEYS: [(&str, Kind); 8] = [
    ("alpha", Kind::Logistic),
    ("max_iterations", Kind::Logistic),
    ("var_smoothing", Kind::GaussianNb),
    ("max_iter", Kind::GradientBoosting),
    ("learning_rate", Kind::GradientBoosting),
    ("max_leaf_nodes", Kind::GradientBoosting),
    ("min_samples_leaf", Kind::GradientBoosting),
    ("l2_regularization", Kind::GradientBoosting),
];

/// Reads one, or a list of them.
pub(super) fn read_all(item: &Item<'_>, model: &Table<'_>) -> Vec<RetrainSpec> {
    if !matches!(item.value.get_ref(), DeValue::Array(_)) {
        return read(item, model).into_iter().collect();
    }
    let all = item.list_of(|each| read(each, model)).unwrap_or_default();
    if all.is_empty() {
        item.fault("`retrain` is an empty list", "leave it out, and nothing is fitted");
    }
    all
}

fn read(item: &Item<'_>, model: &Table<'_>) -> Option<RetrainSpec> {
    let mut table = item.table(model.title_of("retrain"))?;
    let help = "one of logistic, gaussian_nb, gradient_boosting";
    let kind = table.need("kind", help).and_then(|i| i.choice("batch learner", &KINDS))?;
    for (key, of) in KEYS {
        let name = KINDS.iter().find(|(_, kind)| *kind == of).map_or("", |(name, _)| name);
        if of != kind {
            table.refuse(key, &format!("it belongs to kind \"{name}\""));
        }
    }
    let spec = match kind {
        Kind::Logistic => {
            let alpha = table.take("alpha").map_or(Some(1.0), |i| i.number(Bounds::from(0.0, 1e9)));
            let max_iterations = table.take("max_iterations").map_or(Some(100), |i| i.whole(1, 100_000));
            alpha.zip(max_iterations).map(|(alpha, max_iterations)| RetrainSpec::Logistic { alpha, max_iterations })
        }
        Kind::GaussianNb => {
            let share = table.take("var_smoothing").map_or(Some(1e-9), |i| i.number(Bounds::from(0.0, 1.0)));
            share.map(|var_smoothing| RetrainSpec::GaussianNb { var_smoothing })
        }
        Kind::GradientBoosting => boosting(&mut table),
    };
    table.finish();
    spec
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
