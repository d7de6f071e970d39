//! What is answered to which path.

use super::http::Request;
use super::page;
use super::prometheus;
use super::series::Series;
use super::shown::{Latency, ModelShown, Shown, Snapshot};
use crate::time::Time;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Records of a model's versions that the page is given, the newest; `/models` has all.
const PAGE_RECORDS: usize = 200;

/// One answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    /// The page's `Content-Security-Policy`.
    pub(super) policy: Option<String>,
    pub(super) body: Vec<u8>,
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

impl Answer {
    fn new(status: u16, kind: &'static str, body: Vec<u8>) -> Answer {
        Answer { status, kind, policy: None, body }
    }

    fn json(status: u16, value: &Value) -> Answer {
        Answer::new(status, JSON, (value.to_string() + "\n").into_bytes())
    }

    /// What is wrong with a request.
    pub(super) fn refusal(status: u16, what: &str) -> Answer {
        Answer::new(status, TEXT, format!("{what}\n").into_bytes())
    }
}

/// Answers of a run.
pub(super) struct Answers {
    pipeline: String,
    shown: Shown,
    page: Vec<u8>,
    policy: String,
}

impl Answers {
    pub(super) fn new(pipeline: &str, shown: Shown) -> Answers {
        let (page, policy) = page::page();
        Answers { pipeline: pipeline.to_owned(), shown, page, policy }
    }

    pub(super) fn answer(&self, request: &Request) -> Answer {
        let snapshot = self.shown.get();
        let snapshot = snapshot.as_deref();
        match request.path.as_str() {
            "/" => {
                let page = Answer::new(200, "text/html; charset=utf-8", self.page.clone());
                Answer { policy: Some(self.policy.clone()), ..page }
            }
            "/healthz" => self.health(snapshot),
            "/metrics" => {
                let text = prometheus::text(&self.pipeline, snapshot);
                Answer::new(200, prometheus::KIND, text.into_bytes())
            }
            "/models" => {
                let models = snapshot.map_or(&[][..], |snapshot| &snapshot.models);
                Answer::json(200, &models.iter().map(|model| versions(model, None)).collect())
            }
            "/api/state" => Answer::json(200, &self.state(snapshot, &request.query)),
            _ => Answer::refusal(404, "there is /, /healthz, /metrics, /models and /api/state"),
        }
    }

    fn health(&self, snapshot: Option<&Snapshot>) -> Answer {
        let Some(snapshot) = snapshot else {
            return Answer::json(503, &json!({ "status": "starting", "pipeline": self.pipeline }));
        };
        let health = json!({
            "status": "ok",
            "pipeline": self.pipeline,
            "tick": snapshot.tick,
            "pipeline_time": snapshot.time.to_string(),
            "state": snapshot.state.word(),
        });
        Answer::json(200, &health)
    }

    /// All that the page shows. `metric` and `window` of the query choose the series.
    fn state(&self, snapshot: Option<&Snapshot>, query: &str) -> Value {
        let Some(snapshot) = snapshot else { return json!({ "pipeline": self.pipeline, "state": "starting" }) };
        let mut windows: Vec<&str> = Vec::new();
        for series in &snapshot.series {
            if !windows.contains(&series.window.as_str()) {
                windows.push(&series.window);
            }
        }
        let asked = |name: &str| parameter(query, name).unwrap_or_default();
        let (metric, window) = (asked("metric"), asked("window"));
        let metric = snapshot.names.iter().position(|name| *name == metric).unwrap_or(0);
        let window = windows.iter().find(|known| **known == window).or(windows.first()).copied().unwrap_or_default();
        let series = snapshot.series.iter().filter(|series| series.window == window);
        let sources: Map<String, Value> = snapshot.sources.iter().map(|(name, n)| (name.clone(), json!(n))).collect();
        json!({
            "pipeline": self.pipeline,
            "state": snapshot.state.word(),
            "tick": snapshot.tick,
            "pipeline_time": snapshot.time.to_string(),
            "from": snapshot.first.map(|first| first.to_string()),
            "seconds": snapshot.started.elapsed().as_secs_f64(),
            "events_per_s": snapshot.events_per_s(),
            "counts": snapshot.counts,
            "sources": sources,
            "reasons": snapshot.reasons,
            "unknown_categories": snapshot.others,
            "no_room": snapshot.no_room,
            "verdicts": snapshot.verdicts,
            "trainings": snapshot.trainings,
            "event_latency": latency(&snapshot.event_latency),
            "models": snapshot.models.iter().map(|model| versions(model, Some(PAGE_RECORDS))).collect::<Value>(),
            "decisions": snapshot.decisions.iter().map(brief).collect::<Value>(),
            "figures": snapshot.figures.iter().filter(|figure| stands(figure)).collect::<Vec<_>>(),
            "metrics": snapshot.names,
            "windows": windows,
            "metric": snapshot.names.get(metric),
            "window": window,
            "series": series.map(|series| line(series, metric)).collect::<Value>(),
        })
    }
}

/// A model's versions: all records, or the newest so many without their reports.
fn versions(model: &ModelShown, newest: Option<usize>) -> Value {
    let records: Value = match newest {
        None => model.records.iter().map(|record| Value::clone(record)).collect(),
        Some(most) => {
            let from = model.records.len().saturating_sub(most);
            model.records[from..].iter().map(brief).collect()
        }
    };
    json!({ "model": model.name, "champion": model.champion, "versions": records })
}

/// A record without its report.
fn brief(record: &Arc<Value>) -> Value {
    let fields = record.as_object().into_iter().flatten().filter(|(name, _)| *name != "report");
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Whether a metric is of what answers or stands beside it, and not of a version's own time as champion.
fn stands(figure: &Value) -> bool {
    figure["role"] != "champion" || figure["version"].is_null()
}

fn line(series: &Series, metric: usize) -> Value {
    let (at, values): (Vec<i64>, Vec<Value>) =
        series.points(metric).map(|(at, value)| (seconds(at), json!((value * 1e6).round() / 1e6))).unzip();
    json!({ "model": series.model, "who": series.who, "at": at, "values": values })
}

fn latency(latency: &Latency) -> Value {
    let quantiles = latency.quantiles_s.iter().map(|(quantile, seconds)| (quantile.to_string(), json!(seconds)));
    json!({ "count": latency.count, "seconds": quantiles.collect::<Map<_, _>>() })
}

/// Whole seconds since 1970.
fn seconds(at: Time) -> i64 {
    at.0.div_euclid(1_000_000)
}

/// A parameter of a query, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                high * 16 + low
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_what_is_no_text_is_none() {
        let of = |query: &str| parameter(query, "window");
        assert_eq!(
            of("metric=a&window=since%202013-04-01T00%3A00%3a00Z").as_deref(),
            Some("since 2013-04-01T00:00:00Z")
        );
        assert_eq!(of("window=a+b").as_deref(), Some("a b"));
        assert_eq!(of("window=").as_deref(), Some(""));
        for none in ["", "window", "windows=6h", "window=%", "window=%4", "window=%zz", "window=%ff"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
