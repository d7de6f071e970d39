//! The figures of a run in Prometheus' text exposition format 0.0.4.
//!
//! Counters begin where the run began, not the process: they are of what is committed. Latencies and the seconds of
//! trainings are of the process.

use super::shown::{Latency, Snapshot};
use serde_json::Value;
use std::fmt::Write;

/// Its content type.
pub(super) const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

const LABELS: &str = "by model, version, role and window, as the last boundary published it";

/// The exposition; before the first committed tick it says only that.
pub(super) fn text(pipeline: &str, snapshot: Option<&Snapshot>) -> String {
    let mut to = Exposition::default();
    let state = snapshot.map_or("starting", |snapshot| snapshot.state.word());
    to.family("tidemill_run_info", "gauge", "The run: its pipeline, what it is doing, the program's version.");
    let program = env!("CARGO_PKG_VERSION");
    to.sample("tidemill_run_info", &[("pipeline", pipeline), ("state", state), ("version", program)], 1.0);
    if let Some(snapshot) = snapshot {
        balance(&mut to, snapshot);
        progress(&mut to, snapshot);
        models(&mut to, snapshot);
        latency(&mut to, "event", "From the arrival of an event to its being written.", &snapshot.event_latency);
        latency(&mut to, "tick", "From the cut of a tick to its being written.", &snapshot.tick_latency);
    }
    to.0
}

fn balance(to: &mut Exposition, snapshot: &Snapshot) {
    let counts = &snapshot.counts;
    let read = snapshot.sources.iter().map(|(source, n)| (source.as_str(), *n));
    to.by("tidemill_records_read_total", "counter", "Records read, by source.", "source", read);
    to.one("tidemill_records_used_total", "counter", "Records that did what they were sent for.", counts.used);
    let dead = snapshot.reasons.iter().map(|(reason, n)| (reason.as_str(), *n));
    to.by("tidemill_dead_letters_total", "counter", "Records that could not be used, by reason.", "reason", dead);
    to.one("tidemill_records_late_total", "counter", "Labels after the timeout of their event.", counts.late);
    to.one("tidemill_records_pending", "gauge", "Labels that wait for their event.", counts.pending);
    to.one("tidemill_events_total", "counter", "Events accepted.", counts.events);
    to.one("tidemill_events_labelled", "gauge", "Events with a label now.", counts.labelled);
    to.one("tidemill_events_expired", "gauge", "Events whose timeout passed without a label.", counts.expired);
    to.one("tidemill_events_open", "gauge", "Events that may still get a label.", counts.open);
    to.one("tidemill_labels_repeated_total", "counter", "Labels that said what was known.", counts.repeated);
    to.one("tidemill_labels_corrected_total", "counter", "Labels that changed a known one.", counts.corrected);
    to.one("tidemill_labels_withdrawn_total", "counter", "Labels that withdrew one.", counts.withdrawn);
    let others = "Categorical values that went to the slot `other`.";
    to.one("tidemill_unknown_categories_total", "counter", others, snapshot.others as i64);
    let no_room = "Rows and questions that found no room in windows or tables.";
    to.one("tidemill_no_room_total", "counter", no_room, snapshot.no_room as i64);
}

fn progress(to: &mut Exposition, snapshot: &Snapshot) {
    to.one("tidemill_ticks_total", "counter", "Ticks committed.", snapshot.tick as i64 + 1);
    to.family("tidemill_pipeline_time_seconds", "gauge", "Pipeline time, in seconds since 1970.");
    to.sample("tidemill_pipeline_time_seconds", &[], snapshot.time.0 as f64 / 1e6);
    to.one("tidemill_trainings_total", "counter", "Trainings that ended.", snapshot.trainings as i64);
    to.family("tidemill_training_seconds_total", "counter", "The time that trainings of this process took.");
    to.sample("tidemill_training_seconds_total", &[], snapshot.training_s.0);
    let waited = "The time for which minting waited for a training of this process.";
    to.family("tidemill_training_wait_seconds_total", "counter", waited);
    to.sample("tidemill_training_wait_seconds_total", &[], snapshot.training_s.1);
    let verdicts = snapshot.verdicts.iter().map(|(verdict, n)| (verdict.as_str(), *n));
    to.by("tidemill_decisions_total", "counter", "Decisions, by verdict.", "verdict", verdicts);
}

fn models(to: &mut Exposition, snapshot: &Snapshot) {
    let champions = snapshot.models.iter().filter_map(|model| Some((model.name.as_str(), u64::from(model.champion?))));
    to.by("tidemill_champion_version", "gauge", "The version in production, by model.", "model", champions);
    let mut fields = vec![
        ("predictions", "n", format!("Predictions, {LABELS}.")),
        ("labelled", "labelled", format!("Labelled predictions, {LABELS}.")),
        ("label_coverage", "label_coverage", format!("The share of predictions that is labelled, {LABELS}.")),
    ];
    fields.extend(snapshot.names.iter().map(|name| (*name, *name, format!("The metric {name}, {LABELS}."))));
    for (name, field, help) in fields {
        let family = format!("tidemill_model_{name}");
        to.family(&family, "gauge", &help);
        for figure in &snapshot.figures {
            if let Some(value) = figure[field].as_f64() {
                let text = |name: &str| figure[name].as_str().unwrap_or_default();
                let (model, role, window) = (text("model"), text("role"), text("window"));
                let version = version(&figure["version"], role);
                let mut labels = vec![("model", model), ("role", role), ("version", &version), ("window", window)];
                // Without these two baselines and frozen states of several models would be one series.
                let more = ["beside", "frozen_at"].map(|name| (name, text(name)));
                labels.extend(more.into_iter().filter(|(_, value)| !value.is_empty()));
                to.sample(&family, &labels, value);
            }
        }
    }
}

/// A version's number; `served` is whichever version answered, and a state that was frozen has its day instead.
fn version(version: &Value, role: &str) -> String {
    let other = if role == "champion" { "served" } else { role };
    version.as_u64().map_or_else(|| other.to_owned(), |number| number.to_string())
}

fn latency(to: &mut Exposition, what: &str, help: &str, latency: &Latency) {
    let family = format!("tidemill_{what}_latency_seconds");
    to.family(&family, "summary", help);
    for (quantile, seconds) in &latency.quantiles_s {
        to.sample(&family, &[("quantile", &quantile.to_string())], *seconds);
    }
    to.sample(&format!("{family}_sum"), &[], latency.sum_s);
    to.sample(&format!("{family}_count"), &[], latency.count as f64);
}

/// Lines of the format.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    /// A family of samples begins.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            self.0.push(if place == 0 { '{' } else { ',' });
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{label}=\"{text}\"");
        }
        let value = match value {
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            value => value.to_string(),
        };
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A family of one sample.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: i64) {
        self.family(name, kind, help);
        self.sample(name, &[], value as f64);
    }

    /// A family by one label.
    fn by<'a>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        label: &str,
        samples: impl Iterator<Item = (&'a str, u64)>,
    ) {
        self.family(name, kind, help);
        samples.for_each(|(text, value)| self.sample(name, &[(label, text)], value as f64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_help_are_escaped_and_values_are_numbers() {
        let mut to = Exposition::default();
        to.family("a", "gauge", "one\\two\nthree \"four\"");
        to.sample("a", &[("b", "x\\\"y\nz"), ("c", "")], f64::INFINITY);
        to.sample("a", &[], 0.1);
        assert_eq!(
            to.0,
            "# HELP a one\\\\two\\nthree \"four\"\n# TYPE a gauge\na{b=\"x\\\\\\\"y\\nz\",c=\"\"} +Inf\na 0.1\n"
        );
    }
}
