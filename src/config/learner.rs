//! `learner = { .. }`: the online learner.

use super::bounds::Bounds;
use super::item::Item;
use super::spec::{AdaptiveTreeSpec, AlmaSpec, BaggingSpec, ForestSpec, LearnerSpec, NearestSpec, OptimizerSpec};
use super::spec::{PassiveAggressiveSpec, PatchesSpec, TreeSpec};
use super::table::Table;
use crate::task::Task;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Logistic,
    Softmax,
    Linear,
    Ridge,
    GaussianNb,
    MultinomialNb,
    PassiveAggressive,
    Alma,
    NearestNeighbors,
    HoeffdingTree,
    HoeffdingAdaptiveTree,
    AdaptiveRandomForest,
    LeveragingBagging,
    StreamingRandomPatches,
}

const KINDS: [(&str, Kind); 14] = [
    ("logistic", Kind::Logistic),
    ("softmax", Kind::Softmax),
    ("linear", Kind::Linear),
    ("ridge", Kind::Ridge),
    ("gaussian_nb", Kind::GaussianNb),
    ("multinomial_nb", Kind::MultinomialNb),
    ("passive_aggressive", Kind::PassiveAggressive),
    ("alma", Kind::Alma),
    ("nearest_neighbors", Kind::NearestNeighbors),
    ("hoeffding_tree", Kind::HoeffdingTree),
    ("hoeffding_adaptive_tree", Kind::HoeffdingAdaptiveTree),
    ("adaptive_random_forest", Kind::AdaptiveRandomForest),
    ("leveraging_bagging", Kind::LeveragingBagging),
    ("streaming_random_patches", Kind::StreamingRandomPatches),
];

const GRADIENTS: &[Kind] = &[Kind::Logistic, Kind::Softmax, Kind::Linear];
const TREES: &[Kind] = &[
    Kind::HoeffdingTree,
    Kind::HoeffdingAdaptiveTree,
    Kind::AdaptiveRandomForest,
    Kind::LeveragingBagging,
    Kind::StreamingRandomPatches,
];
const ADAPTIVE: &[Kind] = &[Kind::HoeffdingAdaptiveTree];
const ENSEMBLES: &[Kind] = &[Kind::AdaptiveRandomForest, Kind::LeveragingBagging, Kind::StreamingRandomPatches];
const SEEDED: &[Kind] =
    &[Kind::HoeffdingAdaptiveTree, Kind::AdaptiveRandomForest, Kind::LeveragingBagging, Kind::StreamingRandomPatches];
const PATCHES: &[Kind] = &[Kind::StreamingRandomPatches];
const PASSIVE: &[Kind] = &[Kind::PassiveAggressive];
const NEAREST: &[Kind] = &[Kind::NearestNeighbors];

/// Every key, and the kinds that have it.
const KEYS: [(&str, &[Kind], &str); 26] = [
    ("learning_rate", GRADIENTS, "it belongs to kinds \"logistic\", \"softmax\" and \"linear\""),
    ("optimizer", GRADIENTS, "it belongs to kinds \"logistic\", \"softmax\" and \"linear\""),
    ("l2", GRADIENTS, "it belongs to kinds \"logistic\", \"softmax\" and \"linear\""),
    ("alpha", &[Kind::Ridge, Kind::MultinomialNb, Kind::Alma], "it belongs to ridge, multinomial_nb and alma"),
    ("p", &[Kind::Alma], "it belongs to kind \"alma\""),
    ("b", &[Kind::Alma], "it belongs to kind \"alma\""),
    ("c", &[Kind::Alma, Kind::PassiveAggressive], "it belongs to kinds \"alma\" and \"passive_aggressive\""),
    ("mode", PASSIVE, "it belongs to kind \"passive_aggressive\""),
    ("eps", PASSIVE, "it belongs to kind \"passive_aggressive\""),
    ("n_neighbors", NEAREST, "it belongs to kind \"nearest_neighbors\""),
    ("window_size", NEAREST, "it belongs to kind \"nearest_neighbors\""),
    ("weighted", NEAREST, "it belongs to kind \"nearest_neighbors\""),
    ("grace_period", TREES, "it belongs to trees"),
    ("delta", TREES, "it belongs to trees"),
    ("tau", TREES, "it belongs to trees"),
    ("max_depth", TREES, "it belongs to trees"),
    ("max_leaves", TREES, "it belongs to trees"),
    ("bootstrap", ADAPTIVE, "it belongs to kind \"hoeffding_adaptive_tree\""),
    ("drift_window_threshold", ADAPTIVE, "it belongs to kind \"hoeffding_adaptive_tree\""),
    ("switch_significance", ADAPTIVE, "it belongs to kind \"hoeffding_adaptive_tree\""),
    ("n_models", ENSEMBLES, "it belongs to ensembles"),
    ("seed", SEEDED, "it belongs to ensembles and to kind \"hoeffding_adaptive_tree\""),
    ("lambda_value", &[Kind::AdaptiveRandomForest], "it belongs to kind \"adaptive_random_forest\""),
    ("w", &[Kind::LeveragingBagging], "it belongs to kind \"leveraging_bagging\""),
    ("lam", PATCHES, "it belongs to kind \"streaming_random_patches\""),
    ("subspace_size", PATCHES, "it belongs to kind \"streaming_random_patches\""),
];

/// Reads the table; without its task nothing is said about whether it fits.
pub(super) fn read(item: &Item<'_>, model: &Table<'_>, task: Option<Task>) -> Option<LearnerSpec> {
    let mut table = item.table(model.title_of("learner"))?;
    let names = KINDS.map(|(name, _)| name).join(", ");
    let kind = table.need("kind", &format!("one of {names}")).and_then(|i| i.choice("learner", &KINDS));
    table.refuse_others(kind, &KEYS);
    let spec = match kind? {
        Kind::Logistic => gradients(&mut table).map(|(optimizer, l2)| LearnerSpec::Logistic { optimizer, l2 }),
        Kind::Softmax => gradients(&mut table).map(|(optimizer, l2)| LearnerSpec::Softmax { optimizer, l2 }),
        Kind::Linear => gradients(&mut table).map(|(optimizer, l2)| LearnerSpec::Linear { optimizer, l2 }),
        Kind::Ridge => {
            let alpha = table.take("alpha").map_or(Some(1.0), |i| i.number(Bounds::from(0.0, 1e9)));
            alpha.map(|alpha| LearnerSpec::Ridge { alpha })
        }
        Kind::GaussianNb => Some(LearnerSpec::GaussianNb),
        Kind::MultinomialNb => {
            let alpha = positive(&mut table, "alpha", 1.0);
            alpha.map(|alpha| LearnerSpec::MultinomialNb { alpha })
        }
        Kind::PassiveAggressive => passive_aggressive(&mut table).map(LearnerSpec::PassiveAggressive),
        Kind::Alma => alma(&mut table).map(LearnerSpec::Alma),
        Kind::NearestNeighbors => nearest(&mut table).map(LearnerSpec::NearestNeighbors),
        Kind::HoeffdingTree => tree(&mut table, TreeSpec::default()).map(LearnerSpec::HoeffdingTree),
        Kind::HoeffdingAdaptiveTree => adaptive_tree(&mut table).map(LearnerSpec::HoeffdingAdaptiveTree),
        Kind::AdaptiveRandomForest => forest(&mut table).map(LearnerSpec::AdaptiveRandomForest),
        Kind::LeveragingBagging => bagging(&mut table).map(LearnerSpec::LeveragingBagging),
        Kind::StreamingRandomPatches => patches(&mut table).map(LearnerSpec::StreamingRandomPatches),
    };
    table.finish();
    fits(item, "learner", (kind?, task), &KINDS, does);
    spec
}

/// An error unless a kind of learner has the task.
pub(super) fn fits<K: Copy + PartialEq>(
    item: &Item<'_>,
    what: &str,
    (kind, task): (K, Option<Task>),
    kinds: &[(&str, K)],
    does: impl Fn(K, Task) -> bool,
) {
    let Some(task) = task.filter(|task| !does(kind, *task)) else { return };
    let name = kinds.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name);
    let others: Vec<&str> = kinds.iter().filter(|(_, kind)| does(*kind, task)).map(|(name, _)| *name).collect();
    let message = format!("{what} `{name}` cannot do the task `{}`", task.word());
    item.faults.add_across(item.span(), message, format!("these can: {}", others.join(", ")));
}

/// Whether a kind has a task.
fn does(kind: Kind, task: Task) -> bool {
    match kind {
        Kind::Logistic | Kind::Alma => task == Task::Binary,
        Kind::Softmax => matches!(task, Task::Multiclass(_)),
        Kind::Linear | Kind::Ridge => task == Task::Regression,
        Kind::PassiveAggressive => !matches!(task, Task::Multiclass(_)),
        Kind::NearestNeighbors | Kind::HoeffdingTree | Kind::AdaptiveRandomForest => true,
        _ => task != Task::Regression,
    }
}

/// How weights follow the gradient, and their penalty.
fn gradients(table: &mut Table<'_>) -> Option<(OptimizerSpec, f64)> {
    let l2 = table.take("l2").map_or(Some(0.0), |i| i.number(Bounds::from(0.0, 1e6)));
    let optimizer = match table.take("optimizer") {
        None => rate(table, 0.01).map(OptimizerSpec::sgd),
        Some(item) => {
            table.refuse("learning_rate", "the optimizer has its own");
            item.table(table.title_of("optimizer")).and_then(optimizer)
        }
    };
    Some((optimizer?, l2?))
}

fn optimizer(mut table: Table<'_>) -> Option<OptimizerSpec> {
    #[derive(Clone, Copy, PartialEq)]
    enum Of {
        Sgd,
        Adagrad,
        Adam,
        Ftrl,
    }
    const ALL: [(&str, Of); 4] = [("sgd", Of::Sgd), ("adagrad", Of::Adagrad), ("adam", Of::Adam), ("ftrl", Of::Ftrl)];
    const OWN: [(&str, &[Of], &str); 8] = [
        ("learning_rate", &[Of::Sgd, Of::Adagrad, Of::Adam], "ftrl has `alpha`"),
        ("eps", &[Of::Adagrad, Of::Adam], "it belongs to adagrad and adam"),
        ("beta_1", &[Of::Adam], "it belongs to adam"),
        ("beta_2", &[Of::Adam], "it belongs to adam"),
        ("alpha", &[Of::Ftrl], "it belongs to ftrl"),
        ("beta", &[Of::Ftrl], "it belongs to ftrl"),
        ("l1", &[Of::Ftrl], "it belongs to ftrl"),
        ("l2", &[Of::Ftrl], "it belongs to ftrl, or beside the optimizer"),
    ];
    let kind = table.need("kind", "one of sgd, adagrad, adam, ftrl").and_then(|i| i.choice("optimizer", &ALL));
    table.refuse_others(kind, &OWN);
    let spec = match kind? {
        Of::Sgd => rate(&mut table, 0.01).map(OptimizerSpec::sgd),
        Of::Adagrad => {
            let (learning_rate, eps) = (rate(&mut table, 0.1), positive(&mut table, "eps", 1e-8));
            learning_rate.zip(eps).map(|(learning_rate, eps)| OptimizerSpec::Adagrad { learning_rate, eps })
        }
        Of::Adam => adam(&mut table),
        Of::Ftrl => ftrl(&mut table),
    };
    table.finish();
    spec
}

fn adam(table: &mut Table<'_>) -> Option<OptimizerSpec> {
    let (learning_rate, eps) = (rate(table, 0.1), positive(table, "eps", 1e-8));
    let share = Bounds { at_least: Some(0.0), below: Some(1.0), ..Bounds::FINITE };
    let beta_1 = table.take("beta_1").map_or(Some(0.9), |i| i.number(share));
    let beta_2 = table.take("beta_2").map_or(Some(0.999), |i| i.number(share));
    Some(OptimizerSpec::Adam { learning_rate: learning_rate?, beta_1: beta_1?, beta_2: beta_2?, eps: eps? })
}

/// FTRL-Proximal, of the optimizer's table or a batch learner's.
pub(super) fn ftrl(table: &mut Table<'_>) -> Option<OptimizerSpec> {
    let alpha = positive(table, "alpha", 0.05);
    let mut penalty =
        |key: &'static str, default| table.take(key).map_or(Some(default), |i| i.number(Bounds::from(0.0, 1e9)));
    let (beta, l1, l2) = (penalty("beta", 1.0), penalty("l1", 0.0), penalty("l2", 1.0));
    Some(OptimizerSpec::Ftrl { alpha: alpha?, beta: beta?, l1: l1?, l2: l2? })
}

fn passive_aggressive(table: &mut Table<'_>) -> Option<PassiveAggressiveSpec> {
    let default = PassiveAggressiveSpec::default();
    let c = positive(table, "c", default.c);
    let mode = table.take("mode").map_or(Some(u64::from(default.mode)), |i| i.whole(0, 2));
    let eps = table.take("eps").map_or(Some(default.eps), |i| i.number(Bounds::from(0.0, 1e9)));
    Some(PassiveAggressiveSpec { c: c?, mode: mode? as u8, eps: eps? })
}

fn alma(table: &mut Table<'_>) -> Option<AlmaSpec> {
    let default = AlmaSpec::default();
    let p = table.take("p").map_or(Some(default.p), |i| i.number(Bounds::from(2.0, 100.0)));
    let alpha = table.take("alpha").map_or(Some(default.alpha), |i| i.number(Bounds::above(0.0, 1.0)));
    let (b, c) = (positive(table, "b", default.b), positive(table, "c", default.c));
    Some(AlmaSpec { p: p?, alpha: alpha?, b: b?, c: c? })
}

fn nearest(table: &mut Table<'_>) -> Option<NearestSpec> {
    let default = NearestSpec::default();
    let n_neighbors = table.take("n_neighbors").map_or(Some(default.n_neighbors), |i| i.count(1, 1000));
    let window_size = table.take("window_size").map_or(Some(default.window_size), |i| i.count(1, 100_000));
    let weighted = table.take("weighted").map_or(Some(default.weighted), |i| i.boolean());
    Some(NearestSpec { n_neighbors: n_neighbors?, window_size: window_size?, weighted: weighted? })
}

/// A step above 100 diverges on any data.
fn rate(table: &mut Table<'_>, default: f64) -> Option<f64> {
    table.take("learning_rate").map_or(Some(default), |i| i.number(Bounds::above(0.0, 100.0)))
}

fn positive(table: &mut Table<'_>, key: &'static str, default: f64) -> Option<f64> {
    table.take(key).map_or(Some(default), |i| i.number(Bounds::above(0.0, 1e9)))
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

fn adaptive_tree(table: &mut Table<'_>) -> Option<AdaptiveTreeSpec> {
    let default = AdaptiveTreeSpec::default();
    let bootstrap = table.take("bootstrap").map_or(Some(default.bootstrap), |i| i.boolean());
    let window = table.take("drift_window_threshold");
    let window = window.map_or(Some(default.drift_window_threshold), |i| i.whole(1, 1_000_000_000));
    let significance = table.take("switch_significance");
    let significance = significance.map_or(Some(default.switch_significance), |i| i.number(Bounds::inside(0.0, 1.0)));
    let (seed, tree) = (seed(table, default.seed), tree(table, default.tree));
    Some(AdaptiveTreeSpec {
        bootstrap: bootstrap?,
        drift_window_threshold: window?,
        switch_significance: significance?,
        seed: seed?,
        tree: tree?,
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

fn patches(table: &mut Table<'_>) -> Option<PatchesSpec> {
    let default = PatchesSpec::default();
    let (n_models, seed) = ensemble(table, default.n_models, default.seed);
    let lam = weight(table, "lam", default.lam);
    let size = table.take("subspace_size").map_or(Some(default.subspace_size), |i| i.number(Bounds::above(0.0, 1.0)));
    let tree = tree(table, default.tree);
    Some(PatchesSpec { n_models: n_models?, subspace_size: size?, lam: lam?, seed: seed?, tree: tree? })
}

/// How many members, and what their dice begin with.
fn ensemble(table: &mut Table<'_>, n_models: usize, seed: u64) -> (Option<usize>, Option<u64>) {
    let n_models = table.take("n_models").map_or(Some(n_models), |i| i.count(1, 1000));
    (n_models, self::seed(table, seed))
}

fn seed(table: &mut Table<'_>, default: u64) -> Option<u64> {
    table.take("seed").map_or(Some(default), |i| i.whole(0, i64::MAX as u64))
}

/// The mean weight of a label in a member.
fn weight(table: &mut Table<'_>, key: &'static str, default: f64) -> Option<f64> {
    table.take(key).map_or(Some(default), |i| i.number(Bounds::above(0.0, 30.0)))
}
