//! Output records as JSON lines: the one place that says what a prediction or a metric looks like.

use super::items::{Contestant, Scored};
use super::measure::Series;
use super::plan::ModelPlan;
use super::publish::{Extent, Published};
use crate::model::Role;
use crate::sink::{Entry, Headers, Page, Stream};
use crate::task::{Label, Prediction, Task};
use crate::time::Time;
use compact_str::CompactString;
use serde_json::{Map, Value, json};

/// A page under construction.
pub struct PageWriter {
    page: Page,
}

impl PageWriter {
    /// An empty page of a stream.
    pub fn new(stream: Stream) -> PageWriter {
        PageWriter { page: Page { stream, lines: Vec::new(), entries: Vec::new() } }
    }

    /// Adds a JSON object as a line.
    pub fn object(&mut self, object: &Value, time: Time, key: &str) {
        // Writing to memory cannot fail, and our objects have text keys only.
        let _ = serde_json::to_writer(&mut self.page.lines, object);
        self.end(time, CompactString::new(key), Headers::Plain, self.count());
    }

    /// Adds a line that is written already, without its line end.
    pub fn line(&mut self, line: &[u8], time: Time, key: &str) {
        self.page.lines.extend_from_slice(line);
        self.end(time, CompactString::new(key), Headers::Plain, self.count());
    }

    /// Where a line is written, to be ended.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.page.lines
    }

    /// How many lines there are.
    pub(super) fn count(&self) -> u64 {
        self.page.entries.len() as u64
    }

    /// Ends the line that was written last.
    pub(super) fn end(&mut self, time: Time, key: CompactString, headers: Headers, order: u64) {
        self.page.lines.push(b'\n');
        let end = self.page.lines.len() as u32;
        self.page.entries.push(Entry { end, order, time, key, headers });
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.page.entries.is_empty()
    }

    /// The page.
    pub fn finish(self) -> Page {
        self.page
    }
}

/// The version and role of a contestant in records; baselines are version 0.
pub fn version_and_role(who: Contestant, frozen: &dyn Fn(u16) -> u32) -> (u32, Role) {
    match who {
        Contestant::Champion(version) => (version, Role::Champion),
        Contestant::Challenger(version) => (version, Role::Challenger),
        Contestant::Shadow(version) => (version, Role::Shadow),
        Contestant::Previous(version) => (version, Role::Previous),
        Contestant::Frozen(place) => (frozen(place), Role::Shadow),
        Contestant::Majority | Contestant::NoChange => (0, Role::Shadow),
    }
}

/// What predictions say beside their score.
pub struct Speaker<'a> {
    /// The model.
    pub plan: &'a ModelPlan,
    /// The version that each frozen contestant is a state of.
    pub frozen: &'a [u32],
    /// The champion's and the online learner's updates, if it is online.
    pub updates: &'a dyn Fn(Contestant) -> Option<u64>,
}

/// The score, and of several classes which it is of and those of the others.
pub(super) fn said(line: &mut Vec<u8>, names: &[String], said: &Prediction) {
    if let Prediction::Classes(of) = said {
        line.extend_from_slice(b",\"class\":");
        let _ = serde_json::to_writer(&mut *line, &names[said.class()]);
        line.extend_from_slice(b",\"probabilities\":");
        let all: Map<String, Value> = names.iter().zip(of.iter()).map(|(name, p)| (name.clone(), json!(p))).collect();
        let _ = serde_json::to_writer(&mut *line, &all);
    }
    line.extend_from_slice(b",\"score\":");
    let _ = serde_json::to_writer(&mut *line, &said.score());
}

/// A label as its task has it: true or false, the name of a class, a value.
pub fn label(task: Task, classes: &[String], label: Label) -> Value {
    match task {
        Task::Regression => json!(label.amount()),
        Task::Multiclass(_) => json!(classes.get(label.number())),
        Task::Binary => json!(label.is_true()),
    }
}

impl Speaker<'_> {
    /// Adds the lines of one event: the score of the version that answered first, then those beside it; baselines are
    /// measured, not told.
    pub fn predictions(&self, page: &mut PageWriter, seq: u32, scored: &Scored) {
        for (place, (who, said)) in scored.scores.iter().enumerate() {
            if matches!(who, Contestant::Majority | Contestant::NoChange) {
                continue;
            }
            let frozen = |place: u16| self.frozen.get(usize::from(place)).copied().unwrap_or(0);
            let (version, role) = version_and_role(*who, &frozen);
            let line = &mut page.page.lines;
            line.extend_from_slice(b"{\"prediction_id\":");
            let _ = serde_json::to_writer(&mut *line, scored.id.as_str());
            line.extend_from_slice(b",\"at\":\"");
            scored.time.write_to(line);
            line.extend_from_slice(b"\",\"model\":");
            let _ = serde_json::to_writer(&mut *line, &self.plan.model.name);
            line.extend_from_slice(b",\"version\":");
            let _ = serde_json::to_writer(&mut *line, &version);
            line.extend_from_slice(b",\"role\":\"");
            line.extend_from_slice(role.word().as_bytes());
            line.push(b'"');
            self::said(line, &self.plan.classes, said);
            if let Some(updates) = (self.updates)(*who) {
                line.extend_from_slice(b",\"updates\":");
                let _ = serde_json::to_writer(&mut *line, &updates);
            }
            if let Contestant::Frozen(place) = who {
                line.extend_from_slice(b",\"frozen_at\":\"");
                self.plan.freeze_at()[usize::from(*place)].write_to(line);
                line.push(b'"');
            }
            line.push(b'}');
            let order = (u64::from(seq) << 24) + (u64::from(self.plan.number) << 12) + place as u64;
            let headers = Headers::Version { model: self.plan.number, version, role };
            page.end(scored.time, scored.id.clone(), headers, order);
        }
    }
}

/// Adds the metrics of a model that are published at a boundary.
pub fn metrics(page: &mut PageWriter, plan: &ModelPlan, published: &[Published]) {
    for one in published {
        page.object(&metric(plan, one), one.boundary, &plan.model.name);
    }
}

fn metric(plan: &ModelPlan, one: &Published) -> Value {
    let mut object = Map::new();
    object.insert("at".into(), json!(one.end.to_string()));
    object.insert("published_at".into(), json!(one.boundary.to_string()));
    name_series(plan, &one.series, &mut object);
    let window = match one.extent {
        Extent::Last(span) => span.to_string(),
        Extent::Since(start) => format!("since {start}"),
        Extent::All => "all".to_owned(),
    };
    object.insert("window".into(), json!(window));
    object.insert("n".into(), json!(one.tally.n));
    object.insert("labelled".into(), json!(one.tally.labelled));
    object.insert("label_coverage".into(), json!(one.tally.coverage()));
    object.insert("final".into(), json!(one.settled));
    for (metric, value) in &one.values {
        object.insert(metric.name().into(), json!(value));
    }
    if let Some(bound) = one.auc_bound {
        object.insert("roc_auc_bound".into(), json!(bound));
    }
    if let Some(estimated) = &one.estimated {
        object.insert("estimate_reference".into(), json!(estimated.reference));
        for (measure, value) in estimated.measures() {
            object.insert(measure.name().into(), json!(value));
        }
    }
    Value::Object(object)
}

fn name_series(plan: &ModelPlan, series: &Series, object: &mut Map<String, Value>) {
    let model = plan.model.name.as_str();
    let (name, version, role) = match series.who {
        None => (model, Value::Null, "champion"),
        Some(Contestant::Champion(version)) => (model, json!(version), "champion"),
        Some(Contestant::Challenger(version)) => (model, json!(version), "challenger"),
        Some(Contestant::Shadow(version)) => (model, json!(version), "shadow"),
        Some(Contestant::Previous(version)) => (model, json!(version), "previous"),
        Some(Contestant::Frozen(_)) => (model, Value::Null, "frozen"),
        Some(Contestant::Majority) if plan.model.task == Task::Regression => ("mean", json!(0), "baseline"),
        Some(Contestant::Majority) => ("majority", json!(0), "baseline"),
        Some(Contestant::NoChange) => ("no_change", json!(0), "baseline"),
    };
    object.insert("model".into(), json!(name));
    object.insert("version".into(), version);
    object.insert("role".into(), json!(role));
    if let Some(Contestant::Majority | Contestant::NoChange) = series.who {
        object.insert("beside".into(), json!(model));
    }
    if let Some(Contestant::Frozen(place)) = series.who {
        object.insert("frozen_at".into(), json!(plan.freeze_at()[usize::from(place)].to_string()));
    }
    let slice = series.slice.as_ref().map(|(place, value)| {
        let column = plan.slices.get(usize::from(*place)).map_or("", |(name, _)| name);
        json!({ column: value.as_str() })
    });
    object.insert("slice".into(), slice.unwrap_or(Value::Null));
}
