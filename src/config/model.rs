//! `[model.NAME]`: learner, retraining, when it is trained, what it must prove, and how it is deployed.

use super::bounds::Bounds;
use super::deploy;
use super::doubts::Doubts;
use super::features::Around;
use super::golden;
use super::item::{Item, names};
use super::learner;
use super::metrics;
use super::nearest::suggest;
use super::retrain;
use super::source::LONGEST;
use super::spec::{DeploySpec, GateSpec, LearnerSpec, Metric, MetricsSpec, ModelSpec, OptimizerSpec, SliceGate};
use super::spec::{Strategy, TrainSpec};
use super::table::{Table, check_name};
use super::trigger;
use crate::record::Kind;
use crate::task::{Label, Task};
use crate::time::Span;

/// The most models of a pipeline.
const MOST_MODELS: usize = 256;

/// Reads the models below `[model]`, in the order of the file.
pub(super) fn read_all(table: &Table<'_>, every: Span, around: &Around<'_>) -> Vec<ModelSpec> {
    let all = table.each();
    if all.is_empty() || all.len() > MOST_MODELS {
        let message = format!("{} models, allowed: 1 to {MOST_MODELS} tables [model.NAME]", all.len());
        table.faults.add_across(table.span.clone(), message, "");
    }
    let mut models: Vec<ModelSpec> = Vec::new();
    for (name, item) in all {
        check_name(&name, "model", table.faults);
        if let Some(of) = item.table(table.title_of(&name.value)) {
            models.extend(read(of, name.value, every, around));
        }
    }
    models
}

fn read(mut table: Table<'_>, name: String, every: Span, around: &Around<'_>) -> Option<ModelSpec> {
    let task = table.need("task", "one of binary, multiclass, regression").and_then(|i| read_task(&i, around));
    let learner_help = "the online learner: { kind = \"logistic\", learning_rate = 0.01 }";
    let learner = table.need("learner", learner_help).and_then(|i| learner::read(&i, &table, task));
    let retrain = table.take("retrain").map(|i| retrain::read_all(&i, &table, task, around)).unwrap_or_default();
    let task = task.unwrap_or(Task::Binary);
    let freeze_at = table.take("freeze_at").and_then(|i| i.list_of(Item::instant)).unwrap_or_default();
    let (faults, before) = (table.faults, table.faults.count());
    let metrics = table.section("metrics");
    let told = metrics.is_some();
    let metrics = metrics.map_or_else(|| metrics::default(task), |t| metrics::read(t, task, every, around));
    let triggers = match table.take("trigger") {
        Some(item) => trigger::read_all(&item, &table, every),
        None => Vec::new(),
    };
    let train = read_train(table.section("train"), every);
    let gate = read_gate(table.section("gate"), task, &metrics, around);
    let deploy = deploy::read(table.section("deploy"), task, every, around);
    table.finish();
    if !told && faults.count() > before {
        // `[model.NAME.metric]` is an unknown key.
        faults.doubt(Doubts::WINDOWS);
    }
    let learner = learner.unwrap_or_else(stand_in_learner);
    Some(ModelSpec { name, task, learner, retrain, metrics, triggers, train, gate, deploy, freeze_at })
}

/// What is asked; how many classes there are, the labels say.
fn read_task(item: &Item<'_>, around: &Around<'_>) -> Option<Task> {
    const TASKS: [(&str, Task); 3] =
        [("binary", Task::Binary), ("multiclass", Task::Multiclass(0)), ("regression", Task::Regression)];
    let task = item.choice("task", &TASKS)?;
    let labels = around.sources.iter().find(|source| source.kind == Kind::Label);
    let classes = labels.map_or(0, |labels| labels.classes.len());
    match task {
        // Labels that could not be read may have had some.
        Task::Multiclass(_) if classes == 0 && !around.complete => None,
        Task::Multiclass(_) if classes == 0 => {
            let help = "classes = [\"red\", \"green\", \"blue\"] in the source of kind \"labels\"";
            item.faults.add_across(item.span(), "task `multiclass` needs labels with `classes`", help);
            None
        }
        Task::Multiclass(_) => Some(Task::Multiclass(classes as u16)),
        _ if classes > 0 => {
            let message = format!("task `{}` has labels with `classes`, allowed: multiclass", task.word());
            item.faults.add_across(item.span(), message, "all models share the labels of their pipeline");
            None
        }
        task => Some(task),
    }
}

/// In the place of a learner that could not be read: triggers are judged all the same.
fn stand_in_learner() -> LearnerSpec {
    LearnerSpec::Logistic { optimizer: OptimizerSpec::sgd(0.01), l2: 0.0 }
}

/// In the place of a model that could not be read: features are judged all the same.
pub(super) fn stand_in(every: Span) -> ModelSpec {
    ModelSpec {
        name: String::new(),
        task: Task::Binary,
        learner: stand_in_learner(),
        retrain: Vec::new(),
        metrics: metrics::default(Task::Binary),
        triggers: Vec::new(),
        train: read_train(None, every),
        gate: GateSpec::of(Metric::first_of(Task::Binary), 0.0),
        deploy: DeploySpec::of(Strategy::Immediate, Task::Binary),
        freeze_at: Vec::new(),
    }
}

fn read_train(table: Option<Table<'_>>, every: Span) -> TrainSpec {
    let mut train = TrainSpec {
        window: Span(365 * Span::DAY.0),
        holdout: 0.2,
        calibration: 0.3,
        // Where verdicts are rarer than daily, the next one is the first that can be waited for.
        activate_after: Span::DAY.max(every),
        max_examples: 2_000_000,
        min_examples: 500,
        deadline: None,
        max_memory_mib: None,
        ablate: false,
    };
    let Some(mut table) = table else { return train };
    if let Some(window) = table.take("window").and_then(|i| i.length(every, LONGEST)) {
        train.window = window;
    }
    if let Some(holdout) = table.take("holdout").and_then(|i| i.number(Bounds::above(0.0, 0.9))) {
        train.holdout = holdout;
    }
    if let Some(share) = table.take("calibration").and_then(|i| i.number(Bounds::above(0.0, 0.9))) {
        train.calibration = share;
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
    train.deadline = table.take("deadline").and_then(|i| i.length(Span(1000), LONGEST));
    train.max_memory_mib = table.take("max_memory_mib").and_then(|i| i.whole(1, 1 << 20));
    if let Some(ablate) = table.take("ablate").and_then(|i| i.boolean()) {
        train.ablate = ablate;
    }
    table.finish();
    train
}

fn read_gate(table: Option<Table<'_>>, task: Task, metrics: &MetricsSpec, around: &Around<'_>) -> GateSpec {
    let mut gate = GateSpec::of(Metric::first_of(task), 0.0);
    let Some(mut table) = table else { return gate };
    if let Some(metric) = table.take("metric").and_then(|i| i.choice("metric", &Metric::of(task))) {
        gate.metric = metric;
    }
    // Below 0 a candidate may be a little worse, which some prefer for its freshness.
    let most = if task == Task::Regression { Label::LIMIT } else { 10.0 };
    if let Some(margin) = table.take("margin").and_then(|i| i.number(Bounds::from(-most, most))) {
        gate.margin = margin;
    }
    gate.significance = table.take("significance").and_then(|i| i.number(Bounds::inside(0.0, 0.5)));
    if task == Task::Regression {
        table.refuse("max_ece", "a regression gives no probabilities");
    } else {
        gate.max_ece = table.take("max_ece").and_then(|i| i.number(Bounds::above(0.0, 1.0)));
    }
    if let Some(baseline) = table.take("baseline").and_then(|i| i.boolean()) {
        gate.baseline = baseline;
    }
    if let Some(no_change) = table.take("no_change").and_then(|i| i.boolean()) {
        gate.no_change = no_change;
    }
    let slices = table.take("slices").and_then(|i| i.table("`slices` of the gate".to_owned()));
    gate.slices = slices.and_then(|t| read_slices(t, most, metrics));
    let labels = around.sources.iter().find(|source| source.kind == Kind::Label);
    let classes = labels.map_or(&[][..], |labels| &labels.classes);
    gate.golden = table.take("golden").and_then(|i| golden::read(&i, (task, classes), around.load));
    table.finish();
    gate
}

fn read_slices(mut table: Table<'_>, most: f64, metrics: &MetricsSpec) -> Option<SliceGate> {
    let by = table.need("by", "columns of `slices` in [model.NAME.metrics]: [\"carrier\"]").and_then(|item| {
        let by = names(&item)?;
        let known: Vec<&str> = metrics.slices.iter().map(|slice| slice.value.as_str()).collect();
        if by.is_empty() {
            item.fault("`by` is empty, allowed: at least one column", "");
            return None;
        }
        for column in by.iter().filter(|column| !known.contains(&column.value.as_str())) {
            let message = format!("`{}` is none of the metrics' slices", column.value.escape_debug());
            table.faults.add(column.span.clone(), message, suggest(&column.value, &known));
        }
        Some(by.into_iter().map(|column| column.value).collect())
    });
    let help = "how much worse a slice may be than by the champion: 0.05";
    let max_worse = table.need("max_worse", help).and_then(|i| i.number(Bounds::from(0.0, most)));
    let min_rows = table.take("min_rows").map_or(Some(200), |i| i.whole(1, 1_000_000_000));
    table.finish();
    Some(SliceGate { by: by?, max_worse: max_worse?, min_rows: min_rows? })
}
