//! `[model.NAME]`: learner, retraining, when it is trained, what it must prove, and how it is deployed.

use super::bounds::Bounds;
use super::deploy;
use super::doubts::Doubts;
use super::features::Around;
use super::item::Item;
use super::learner;
use super::metrics;
use super::retrain;
use super::source::LONGEST;
use super::spec::{DeploySpec, GateSpec, LearnerSpec, Metric, MetricsSpec, ModelSpec, Strategy, TrainSpec};
use super::table::{Table, check_name};
use super::trigger;
use crate::time::Span;

/// The tasks by name; the first release has one.
const TASKS: [(&str, ()); 1] = [("binary", ())];

/// The most models of a pipeline.
const MOST_MODELS: usize = 256;

/// Reads the models below `[model]`, in the order of the file.
pub(super) fn read_all(table: &Table<'_>, every: Span, around: &Around<'_>) -> Vec<ModelSpec> {
    let all = table.each();
    if all.is_empty() || all.len() > MOST_MODELS {
        let message = format!("{} models, allowed: 1 to {MOST_MODELS} tables [model.NAME]", all.len());
        table.faults.add_across(table.span.clone(), message, "");
    }
    let mut models = Vec::new();
    for (name, item) in all {
        check_name(&name, "model", table.faults);
        if let Some(of) = item.table(table.title_of(&name.value)) {
            models.extend(read(of, name.value, every, around));
        }
    }
    models
}

fn read(mut table: Table<'_>, name: String, every: Span, around: &Around<'_>) -> Option<ModelSpec> {
    table.need("task", "task = \"binary\"").and_then(|i| i.choice("task", &TASKS));
    let learner_help = "the online learner: { kind = \"logistic\", learning_rate = 0.01 }";
    let learner = table.need("learner", learner_help).and_then(|i| learner::read(&i, &table));
    let retrain = table.take("retrain").map(|i| retrain::read_all(&i, &table)).unwrap_or_default();
    let freeze_at = table.take("freeze_at").and_then(|i| i.list_of(Item::instant)).unwrap_or_default();
    let (faults, before) = (table.faults, table.faults.count());
    let metrics = table.section("metrics");
    let told = metrics.is_some();
    let metrics = metrics.map_or_else(default_metrics, |t| metrics::read(t, every, around));
    let triggers = match table.take("trigger") {
        Some(item) => trigger::read_all(&item, &table, every),
        None => Vec::new(),
    };
    let train = read_train(table.section("train"), every);
    let gate = read_gate(table.section("gate"));
    let deploy = deploy::read(table.section("deploy"), every, around);
    table.finish();
    if !told && faults.count() > before {
        // `[model.NAME.metric]` is an unknown key.
        faults.doubt(Doubts::WINDOWS);
    }
    let learner = learner.unwrap_or(STAND_IN);
    Some(ModelSpec { name, learner, retrain, metrics, triggers, train, gate, deploy, freeze_at })
}

/// In the place of a learner that could not be read: triggers are judged all the same.
const STAND_IN: LearnerSpec = LearnerSpec::Logistic { learning_rate: 0.01, l2: 0.0 };

/// In the place of a model that could not be read: features are judged all the same.
pub(super) fn stand_in(every: Span) -> ModelSpec {
    ModelSpec {
        name: String::new(),
        learner: STAND_IN,
        retrain: Vec::new(),
        metrics: default_metrics(),
        triggers: Vec::new(),
        train: read_train(None, every),
        gate: read_gate(None),
        deploy: DeploySpec::of(Strategy::Immediate),
        freeze_at: Vec::new(),
    }
}

fn default_metrics() -> MetricsSpec {
    MetricsSpec {
        names: Metric::ALL.map(|(_, metric)| metric).to_vec(),
        max_slice_values: metrics::SLICE_VALUES,
        ..MetricsSpec::default()
    }
}

fn read_train(table: Option<Table<'_>>, every: Span) -> TrainSpec {
    let mut train = TrainSpec {
        window: Span(365 * Span::DAY.0),
        holdout: 0.2,
        // Where verdicts are rarer than daily, the next one is the first that can be waited for.
        activate_after: Span::DAY.max(every),
        max_examples: 2_000_000,
        min_examples: 500,
    };
    let Some(mut table) = table else { return train };
    if let Some(window) = table.take("window").and_then(|i| i.length(every, LONGEST)) {
        train.window = window;
    }
    if let Some(holdout) = table.take("holdout").and_then(|i| i.number(Bounds::above(0.0, 0.9))) {
        train.holdout = holdout;
    }
    if let Some(item) = table.take("activate_after")
        && let Some(after) = item.length(Span(0), LONGEST)
    {
        if after < every {
            let message = format!("`activate_after` is {after}, allowed: at least `every`, which is {every}");
            table.faults.add_across(item.span(), message, "a version cannot take effect before the next boundary");
        }
        train.activate_after = after;
    }
    if let Some(most) = table.take("max_examples").and_then(|i| i.count(2, 1_000_000_000)) {
        train.max_examples = most;
    }
    if let Some(item) = table.take("min_examples")
        && let Some(least) = item.count(2, 1_000_000_000)
    {
        if least > train.max_examples {
            let message =
                format!("`min_examples` is {least}, allowed: 2 to `max_examples`, which is {}", train.max_examples);
            table.faults.add_across(item.span(), message, "");
        }
        train.min_examples = least;
    } else {
        train.min_examples = train.min_examples.min(train.max_examples);
    }
    table.finish();
    train
}

fn read_gate(table: Option<Table<'_>>) -> GateSpec {
    let mut gate = GateSpec::of(Metric::LogLoss, 0.0);
    let Some(mut table) = table else { return gate };
    if let Some(metric) = table.take("metric").and_then(|i| i.choice("metric", &Metric::ALL)) {
        gate.metric = metric;
    }
    // Below 0 a candidate may be a little worse, which some prefer for its freshness.
    if let Some(margin) = table.take("margin").and_then(|i| i.number(Bounds::from(-10.0, 10.0))) {
        gate.margin = margin;
    }
    gate.significance = table.take("significance").and_then(|i| i.number(Bounds::inside(0.0, 0.5)));
    gate.max_ece = table.take("max_ece").and_then(|i| i.number(Bounds::above(0.0, 1.0)));
    if let Some(baseline) = table.take("baseline").and_then(|i| i.boolean()) {
        gate.baseline = baseline;
    }
    table.finish();
    gate
}
