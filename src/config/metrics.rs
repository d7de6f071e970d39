//! `[model.NAME.metrics]`: which metrics are published, over which windows, for which slices, and which are estimated.

use super::doubts::Doubts;
use super::features::{Around, check_event_column};
use super::item::{Item, names};
use super::source::LONGEST;
use super::spec::{EstimateSpec, Metric, MetricsSpec};
use super::table::Table;
use crate::task::Task;
use crate::time::Span;

/// Values a slice that are kept apart where the file does not say.
const SLICE_VALUES: usize = 200;
/// Labels of a reference below which nothing is estimated, where the file does not say.
const REFERENCE: u64 = 500;

/// All metrics of a task over the whole run.
pub(super) fn default(task: Task) -> MetricsSpec {
    MetricsSpec {
        windows: Vec::new(),
        since: Vec::new(),
        names: Metric::of(task).into_iter().map(|(_, metric)| metric).collect(),
        slices: Vec::new(),
        max_slice_values: SLICE_VALUES,
        estimate: None,
    }
}

/// Reads the table; what is absent has its default (all metrics, the whole run, no slices).
pub(super) fn read(mut table: Table<'_>, task: Task, every: Span, around: &Around<'_>) -> MetricsSpec {
    let mut spec = default(task);
    let (faults, before) = (table.faults, table.faults.count());
    if let Some(windows) = table.take("windows").and_then(|i| i.list_of(|w| multiple(w, every))) {
        spec.windows = windows;
    }
    if let Some(since) = table.take("since").and_then(|i| i.list_of(Item::instant)) {
        spec.since = since;
    }
    if let Some(item) = table.take("names")
        && let Some(names) = item.list_of(|n| n.choice("metric", &Metric::of(task)))
    {
        if item.value.get_ref().as_array().is_some_and(|list| list.is_empty()) {
            item.fault("`names` is empty, allowed: at least one metric", "without `names` all are published");
        }
        spec.names = names;
    }
    if let Some(slices) = table.take("slices").and_then(|i| i.list().and_then(|_| names(&i))) {
        for column in &slices {
            check_event_column(column, "slice", around, table.faults);
        }
        spec.slices = slices;
    }
    if let Some(most) = table.take("max_slice_values").and_then(|i| i.count(1, 100_000)) {
        spec.max_slice_values = most;
    }
    if task == Task::Regression {
        table.refuse("estimate", "a regression gives no probabilities");
    } else if let Some(item) = table.take("estimate") {
        let of = item.table("`estimate` of the metrics".to_owned());
        spec.estimate = of.and_then(|of| read_estimate(of, task));
        if spec.windows.is_empty() && spec.since.is_empty() {
            let message = "`estimate` needs a window, for the whole run has nothing before it to be calibrated by";
            item.fault(message, "declare `windows` or `since`");
        }
    }
    table.finish();
    if faults.count() > before {
        // `window` for `windows` is an unknown key.
        faults.doubt(Doubts::WINDOWS);
    }
    spec
}

fn read_estimate(mut table: Table<'_>, task: Task) -> Option<EstimateSpec> {
    let known = Metric::estimated_of(task);
    let names = table.need("names", "the metrics to estimate: [\"accuracy\"]").and_then(|item| {
        let names = item.list_of(|name| name.choice("metric that can be estimated", &known))?;
        if names.is_empty() {
            item.fault("`names` is empty, allowed: at least one metric", "");
            return None;
        }
        Some(names)
    });
    let min_labels = table.take("min_labels").map_or(Some(REFERENCE), |i| i.whole(1, 1_000_000_000));
    table.finish();
    Some(EstimateSpec { names: names?, min_labels: min_labels? })
}

/// A span that is a multiple of the pipeline's `every`, in steps of which windows slide and triggers are judged.
pub(super) fn multiple(item: &Item<'_>, every: Span) -> Option<Span> {
    let span = item.length(Span(1000), LONGEST)?;
    if span.0 % every.0 != 0 {
        let message = format!("`{}` is {span}, allowed: multiples of `every`, which is {every}", item.name);
        item.faults.add_across(item.span(), message, "");
        return None;
    }
    Some(span)
}
