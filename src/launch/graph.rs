//! The pipeline drawn as text, for `tidemill check`.
//!
//! In: a pipeline that was read without errors. Out: its walk from the sources to the topics, one block a step, in the
//! order in which records pass. Keeps: nothing. The text is for people; nothing parses it.

use crate::config::spec::{
    CauseSpec, DeploySpec, DetectorSpec, FeatureKind, FeatureSpec, Function, LearnerSpec, ModelSpec, NewData,
    OptimizerSpec, Over, PipelineSpec, SourceSpec, Strategy, TriggerSpec,
};
use crate::record::Kind;
use crate::sink::Stream;
use crate::task::Task;
use crate::train::Parameters;
use std::fmt::Display;

/// Longer texts are cut: the file has them whole.
const WIDEST: usize = 60;

/// Draws a pipeline.
pub fn draw(spec: &PipelineSpec) -> String {
    let mut out = format!("{}: published and judged every {}\n", spec.name, spec.every);
    step(&mut out, "sources", &table(spec.sources.iter().map(source)));
    if let Some(labels) = spec.sources.iter().find(|s| s.kind == Kind::Label) {
        step(&mut out, "match", &[matched(spec, labels)]);
    }
    step(&mut out, "features", &features(&spec.features));
    for declared in &spec.models {
        step(&mut out, &format!("model {}", declared.name), &model(declared));
    }
    let (always, mut streams) = (Stream::of(&[]), Stream::of(&spec.publish));
    // Those that every pipeline has stand where they always do.
    streams.sort_by_key(|stream| !always.contains(stream));
    let topics: Vec<String> = streams.iter().map(|s| format!("{}.{}", spec.name, s.name())).collect();
    let lines: Vec<String> = topics.chunks(3).map(|topics| topics.join("  ")).collect();
    step(&mut out, "topics, or files of the stream's name", &lines);
    out
}

/// One step: its title on the line that all records follow, its lines to the right of that.
fn step(out: &mut String, title: &str, lines: &[String]) {
    out.push_str(&format!("│\n├─ {title}\n"));
    for line in lines {
        out.push_str(&format!("│    {}\n", line.trim_end()));
    }
}

/// Lines of cells, padded so that the columns stand below each other; the last is not.
fn table(rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let rows: Vec<Vec<String>> = rows.collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}"));
            cells.collect::<Vec<String>>().join("  ").trim_end().to_string()
        })
        .collect()
}

fn source(source: &SourceSpec) -> Vec<String> {
    let kind = match source.kind {
        Kind::Event => "events",
        Kind::Label => "labels",
        Kind::Table => "table",
        Kind::Context => "context",
        Kind::Control => "control",
    };
    vec![
        source.name.value.clone(),
        kind.to_string(),
        format!("key {}", source.key.join(", ")),
        format!("time {}", source.time),
        format!("{} columns", source.schema.columns.len()),
        format!("topic {}", source.topic),
    ]
}

fn matched(spec: &PipelineSpec, labels: &SourceSpec) -> String {
    let events = spec.sources.iter().find(|s| s.kind == Kind::Event);
    let (events, key) = events.map_or(("", ""), |s| (s.name.value.as_str(), s.key.first().map_or("", String::as_str)));
    let label = labels.label.as_ref().map_or("", |l| l.value.as_str());
    let timeout = labels.timeout.map_or(String::new(), |t| format!(", for {t}"));
    let erasable = labels.erasable.filter(|span| span.0 > 0).map_or(String::new(), |t| format!(", erasable {t} more"));
    format!(
        "{events}.{key} = {}.{}{timeout}{erasable}; label: {}",
        labels.name.value,
        labels.key.join(", "),
        short(label)
    )
}

fn features(features: &[FeatureSpec]) -> Vec<String> {
    let mut slots = 0;
    let mut groups: [(&str, Vec<Vec<String>>); 5] =
        ["expressions", "one-hot", "standardized", "lookups", "aggregates"].map(|title| (title, Vec::new()));
    for feature in features {
        let (group, text) = match &feature.kind {
            FeatureKind::Expression(e) => (0, short(&e.value)),
            FeatureKind::OneHot { argument, values } => {
                (1, format!("{}: {} values and other", short(&argument.value), values.len()))
            }
            FeatureKind::Hash { argument, slots } => {
                (1, format!("{}: hashed into {slots} slots, and null", short(&argument.value)))
            }
            FeatureKind::Standardize { argument } => (2, short(&argument.value)),
            FeatureKind::Lookup { column, max_age } => {
                (3, format!("{}{}", column.value, max_age.map_or(String::new(), |a| format!(", at most {a} old"))))
            }
            FeatureKind::Aggregate { function, argument, by, over } => {
                let by: Vec<&str> = by.iter().map(|b| b.value.as_str()).collect();
                let by = if by.is_empty() { "all rows".to_string() } else { format!("by {}", by.join(", ")) };
                let level = if let Function::Quantile(level) = function {
                    format!(" at {}", level.get())
                } else {
                    String::new()
                };
                let what = format!("{}({}){level}", function.name(), short(&argument.value));
                (4, format!("{what} {by} over {}", window(*over)))
            }
        };
        let width = width(feature);
        slots += width;
        let slots = match width {
            0 => "no slot".to_string(),
            1 => "1 slot".to_string(),
            n => format!("{n} slots"),
        };
        let missing = feature.missing.map_or(String::new(), |m| format!("; {m} where null"));
        groups[group].1.push(vec![feature.name.value.clone(), slots, format!("{text}{missing}")]);
    }
    let mut out = Vec::new();
    for (title, rows) in groups.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        out.push(title.to_string());
        out.extend(table(rows.into_iter()).into_iter().map(|line| format!("  {line}")));
    }
    out.push(format!("together {slots} slots"));
    out
}

/// How many slots of the vector a feature takes.
fn width(feature: &FeatureSpec) -> usize {
    match &feature.kind {
        FeatureKind::OneHot { values, .. } => values.len() + 1,
        FeatureKind::Hash { slots, .. } => *slots as usize + 1,
        _ if !feature.slot => 0,
        _ => 1 + usize::from(feature.indicator),
    }
}

fn window(over: Over) -> String {
    match over {
        Over::Time(span) => span.to_string(),
        Over::Rows(1) => "1 row".to_string(),
        Over::Rows(n) => format!("{n} rows"),
    }
}

fn task(model: &ModelSpec) -> String {
    match model.task {
        Task::Multiclass(classes) => format!("multiclass, {classes} classes"),
        task => task.word().to_string(),
    }
}

fn learner(learner: &LearnerSpec) -> String {
    match learner {
        LearnerSpec::Logistic { optimizer, l2 } => format!("online logistic, {}, l2 {l2}", steps(optimizer)),
        LearnerSpec::Softmax { optimizer, l2 } => format!("online softmax, {}, l2 {l2}", steps(optimizer)),
        LearnerSpec::Linear { optimizer, l2 } => format!("online linear, {}, l2 {l2}", steps(optimizer)),
        LearnerSpec::Ridge { alpha } => format!("online ridge, exact, alpha {alpha}"),
        LearnerSpec::GaussianNb => "online gaussian_nb, exact".to_string(),
        LearnerSpec::MultinomialNb { alpha } => format!("online multinomial_nb, exact, alpha {alpha}"),
        LearnerSpec::PassiveAggressive(rules) => format!("passive_aggressive, c {}, mode {}", rules.c, rules.mode),
        LearnerSpec::Alma(rules) => format!("alma, p {}, alpha {}", rules.p, rules.alpha),
        LearnerSpec::NearestNeighbors(rules) => {
            format!("nearest_neighbors, {} of the newest {}", rules.n_neighbors, rules.window_size)
        }
        LearnerSpec::HoeffdingTree(rules) => format!("hoeffding_tree of at most {} leaves", rules.max_leaves),
        LearnerSpec::HoeffdingAdaptiveTree(rules) => {
            format!("hoeffding_adaptive_tree of at most {} leaves", rules.tree.max_leaves)
        }
        LearnerSpec::AdaptiveRandomForest(rules) => {
            format!("adaptive_random_forest of {} trees of at most {} leaves", rules.n_models, rules.tree.max_leaves)
        }
        LearnerSpec::LeveragingBagging(rules) => {
            format!("leveraging_bagging of {} trees of at most {} leaves", rules.n_models, rules.tree.max_leaves)
        }
        LearnerSpec::StreamingRandomPatches(rules) => {
            format!("streaming_random_patches of {} trees of at most {} leaves", rules.n_models, rules.tree.max_leaves)
        }
    }
}

fn steps(optimizer: &OptimizerSpec) -> String {
    match optimizer {
        OptimizerSpec::Sgd { learning_rate } => format!("step {learning_rate}"),
        OptimizerSpec::Adagrad { learning_rate, .. } => format!("adagrad of {learning_rate}"),
        OptimizerSpec::Adam { learning_rate, .. } => format!("adam of {learning_rate}"),
        OptimizerSpec::Ftrl { alpha, .. } => format!("ftrl of {alpha}"),
    }
}

fn model(model: &ModelSpec) -> Vec<String> {
    let mut rows = vec![vec!["task".to_string(), task(model)], vec!["learner".to_string(), learner(&model.learner)]];
    let mut row = |what: &str, text: String| rows.push(vec![what.to_string(), text]);
    let metrics = &model.metrics;
    let names: Vec<&str> = metrics.names.iter().map(|m| m.name()).collect();
    row("metrics", names.join(", "));
    if let Some(estimate) = &metrics.estimate {
        let names = joined(estimate.names.iter().map(|m| m.name()));
        row("estimate", format!("{names}, by at least {} labels", estimate.min_labels));
    }
    let since = metrics.since.iter().map(|t| format!("since {t}"));
    let windows = metrics.windows.iter().map(|w| format!("last {w}"));
    row("windows", joined(["all".to_string()].into_iter().chain(windows).chain(since)));
    if !metrics.slices.is_empty() {
        row("slices", joined(metrics.slices.iter().map(|s| &s.value)));
    }
    for trigger in &model.triggers {
        row("trigger", cause(trigger));
    }
    let train = &model.train;
    row(
        "retrain",
        match &model.retrain {
            none if none.is_empty() => "nothing is fitted; triggers judge the online learner".to_string(),
            retrain => format!(
                "{} on {} of examples, newest {}% held out; in effect {} after the decision",
                joined(retrain.iter().map(|spec| Parameters::from(&spec.learner).name())),
                train.window,
                train.holdout * 100.0,
                train.activate_after
            ),
        },
    );
    let gate = &model.gate;
    let mut checks = vec![format!("{} better by more than {}", gate.metric.name(), gate.margin)];
    checks.extend(gate.significance.map(|level| format!("better at the level {level}, row by row")));
    checks.extend(gate.baseline.then(|| "better than a constant score".to_string()));
    checks.extend(gate.max_ece.map(|most| format!("ece at most {most}")));
    checks.extend(gate.no_change.then(|| "better than the newest label".to_string()));
    checks.extend(
        gate.slices
            .as_ref()
            .map(|slices| format!("no slice by {} worse by more than {}", joined(slices.by.iter()), slices.max_worse)),
    );
    checks.extend(gate.golden.as_ref().map(|golden| format!("right about {} golden rows", golden.rows.len())));
    row("gate", checks.join("; "));
    row("deploy", deploy(&model.deploy));
    if !model.freeze_at.is_empty() {
        row("freeze", joined(model.freeze_at.iter()));
    }
    table(rows.into_iter())
}

fn deploy(deploy: &DeploySpec) -> String {
    let test = || format!("better {} by a sequential test (alpha {})", deploy.loss.name(), deploy.alpha);
    let strategy = match &deploy.strategy {
        Strategy::Immediate => "immediate: the new version is the champion".to_string(),
        Strategy::Shadow => "shadow: the new version is scored, not served".to_string(),
        Strategy::Canary { steps, step_every, give_up_after } => format!(
            "canary: answers a share of {}, each for {step_every}; champion if {}, retired if worse or after {}",
            joined(steps.iter()),
            test(),
            give_up_after
        ),
        Strategy::Ab { weights, give_up_after } => format!(
            "ab: shares by {}; champion if {}, retired if worse or after {give_up_after}",
            joined(weights.iter()),
            test()
        ),
    };
    match deploy.rollback_within {
        Some(within) => format!("{strategy}; rolled back if worse within {within}"),
        None => strategy,
    }
}

fn cause(trigger: &TriggerSpec) -> String {
    let cause = match &trigger.cause {
        CauseSpec::Drift(DetectorSpec::Adwin { .. }) => "drift by adwin on the error".to_string(),
        CauseSpec::Drift(DetectorSpec::Ddm { .. }) => "drift by ddm on the error".to_string(),
        CauseSpec::Drift(DetectorSpec::Eddm { .. }) => "drift by eddm on the error".to_string(),
        CauseSpec::Drift(DetectorSpec::HddmA { .. }) => "drift by hddm_a on the error".to_string(),
        CauseSpec::Drift(DetectorSpec::HddmW { .. }) => "drift by hddm_w on the error".to_string(),
        CauseSpec::Drift(DetectorSpec::Kswin { .. }) => "drift by kswin on the error".to_string(),
        CauseSpec::Drift(DetectorSpec::PageHinkley { .. }) => "drift by page_hinkley on the error".to_string(),
        CauseSpec::Drift(DetectorSpec::Distance { distance, threshold, window, .. }) => {
            format!("drift by {} above {threshold} of a feature's last {window}", distance.name())
        }
        CauseSpec::Degradation { when, rearm, .. } => {
            let again = rearm.as_ref().map_or(String::new(), |rearm| format!(", again once {}", short(&rearm.value)));
            format!("degradation when {}{again}", short(&when.value))
        }
        CauseSpec::NewData(NewData::Examples(examples)) => format!("new data: {examples} examples"),
        CauseSpec::NewData(NewData::Share(share)) => format!("new data: {share} of the window"),
        CauseSpec::NewData(NewData::After(after)) => format!("new data: {after} after the last training's newest"),
        CauseSpec::Schedule { every } => format!("schedule: every {every}"),
        CauseSpec::Cron(cron) => format!("schedule: cron {}", cron.text()),
        CauseSpec::Manual { at } if at.is_empty() => "manual, on request".to_string(),
        CauseSpec::Manual { at } => format!("manual at {}, and on request", joined(at.iter())),
    };
    let TriggerSpec { warm_up, cooldown, daily_budget, .. } = trigger;
    format!("{cause} (after {warm_up} labels, cooldown {cooldown}, at most {daily_budget} a day)")
}

fn joined<T: Display>(parts: impl Iterator<Item = T>) -> String {
    parts.map(|p| p.to_string()).collect::<Vec<String>>().join(", ")
}

/// A text on one line, cut to what fits.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    if line.chars().count() <= WIDEST { line } else { format!("{}..", line.chars().take(WIDEST).collect::<String>()) }
}
