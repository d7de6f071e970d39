//! `learner = { .. }`: the online learner.

use super::bounds::Bounds;
use super::item::Item;
use super::spec::{BaggingSpec, ForestSpec, LearnerSpec, TreeSpec};
use super::table::Table;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Logistic,
    GaussianNb,
    HoeffdingTree,
    AdaptiveRandomForest,
    LeveragingBagging,
}

const KINDS: [(&str, Kind); 5] = [
    ("logistic", Kind::Logistic),
    ("gaussian_nb", Kind::GaussianNb),
    ("hoeffding_tree", Kind::HoeffdingTree),
    ("adaptive_random_forest", Kind::AdaptiveRandomForest),
    ("leveraging_bagging", Kind::LeveragingBagging),
];

const TREES: &[Kind] = &[Kind::HoeffdingTree, Kind::AdaptiveRandomForest, Kind::LeveragingBagging];
const ENSEMBLES: &[Kind] = &[Kind::AdaptiveRandomForest, Kind::LeveragingBagging];

/// Every key, and the kinds that have it.
const KEYS: [(&str, &[Kind], &str); 11] = [
    ("learning_rate", &[Kind::Logistic], "it belongs to kind \"logistic\""),
    ("l2", &[Kind::Logistic], "it belongs to kind \"logistic\""),
    ("grace_period", TREES, "it belongs to trees"),
    ("delta", TREES, "it belongs to trees"),
    ("tau", TREES, "it belongs to trees"),
    ("max_depth", TREES, "it belongs to trees"),
    ("max_leaves", TREES, "it belongs to trees"),
    ("n_models", ENSEMBLES, "it belongs to ensembles"),
    ("seed", ENSEMBLES, "it belongs to ensembles"),
    ("lambda_value", &[Kind::AdaptiveRandomForest], "it belongs to kind \"adaptive_random_forest\""),
    ("w", &[Kind::LeveragingBagging], "it belongs to kind \"leveraging_bagging\""),
];

/// Reads the table.
pub(super) fn read(item: &Item<'_>, model: &Table<'_>) -> Option<LearnerSpec> {
    let mut table = item.table(model.title_of("learner"))?;
    let names = KINDS.map(|(name, _)| name).join(", ");
    let kind = table.need("kind", &format!("one of {names}")).and_then(|i| i.choice("learner", &KINDS));
    table.refuse_others(kind, &KEYS);
    let spec = match kind? {
        Kind::Logistic => logistic(&mut table),
        Kind::GaussianNb => Some(LearnerSpec::GaussianNb),
        Kind::HoeffdingTree => tree(&mut table, TreeSpec::default()).map(LearnerSpec::HoeffdingTree),
        Kind::AdaptiveRandomForest => forest(&mut table).map(LearnerSpec::AdaptiveRandomForest),
        Kind::LeveragingBagging => bagging(&mut table).map(LearnerSpec::LeveragingBagging),
    };
    table.finish();
    spec
}

fn logistic(table: &mut Table<'_>) -> Option<LearnerSpec> {
    // River's default step; a step above 100 diverges on any data.
    let learning_rate = table.take("learning_rate").map_or(Some(0.01), |i| i.number(Bounds::above(0.0, 100.0)));
    let l2 = table.take("l2").map_or(Some(0.0), |i| i.number(Bounds::from(0.0, 1e6)));
    Some(LearnerSpec::Logistic { learning_rate: learning_rate?, l2: l2? })
}

fn tree(table: &mut Table<'_>, default: TreeSpec) -> Option<TreeSpec> {
    let grace = table.take("grace_period").map_or(Some(default.grace_period), |i| i.whole(1, 1_000_000_000));
    let delta = table.take("delta").map_or(Some(default.delta), |i| i.number(Bounds::inside(0.0, 1.0)));
    let tau = table.take("tau").map_or(Some(default.tau), |i| i.number(Bounds::from(0.0, 1.0)));
    let depth = table.take("max_depth").map_or(Some(u64::from(default.max_depth)), |i| i.whole(1, 1000));
    let leaves = table.take("max_leaves").map_or(Some(default.max_leaves), |i| i.count(2, 100_000));
    Some(TreeSpec {
        grace_period: grace?,
        delta: delta?,
        tau: tau?,
        max_depth: depth? as u32,
        max_leaves: leaves?,
        max_features: None,
    })
}

fn forest(table: &mut Table<'_>) -> Option<ForestSpec> {
    let default = ForestSpec::default();
    let (n_models, seed) = ensemble(table, default.n_models, default.seed);
    let lambda_value = weight(table, "lambda_value", default.lambda_value);
    let tree = tree(table, default.tree);
    Some(ForestSpec { n_models: n_models?, lambda_value: lambda_value?, seed: seed?, tree: tree? })
}

fn bagging(table: &mut Table<'_>) -> Option<BaggingSpec> {
    let default = BaggingSpec::default();
    let (n_models, seed) = ensemble(table, default.n_models, default.seed);
    let w = weight(table, "w", default.w);
    let tree = tree(table, default.tree);
    Some(BaggingSpec { n_models: n_models?, w: w?, seed: seed?, tree: tree? })
}

/// How many members, and what their dice begin with.
fn ensemble(table: &mut Table<'_>, n_models: usize, seed: u64) -> (Option<usize>, Option<u64>) {
    let n_models = table.take("n_models").map_or(Some(n_models), |i| i.count(1, 1000));
    (n_models, table.take("seed").map_or(Some(seed), |i| i.whole(0, i64::MAX as u64)))
}

/// The mean weight of a label in a member.
fn weight(table: &mut Table<'_>, key: &'static str, default: f64) -> Option<f64> {
    table.take(key).map_or(Some(default), |i| i.number(Bounds::above(0.0, 30.0)))
}
