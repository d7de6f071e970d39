//! The summary of a run: `summary.json` for programs, and the same for a person.

use crate::flow::Ended;
use crate::flow::plan::Plan;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;

/// The content of `summary.json`.
pub fn summary(plan: &Plan, ended: &Ended) -> Value {
    let report = &ended.report;
    let balance = &report.balance;
    let seconds = report.started.elapsed().as_secs_f64();
    let mut records = Map::new();
    for (source, count) in &report.records {
        records.insert(plan.spec.sources[usize::from(*source)].name.value.clone(), json!(count));
    }
    json!({
        "pipeline": plan.spec.name,
        "events": balance.events,
        "labelled": balance.labelled,
        "expired": balance.expired,
        "unlabelled": balance.unlabelled,
        "dead_letters": balance.dead_letters,
        "late": balance.late,
        "pending": balance.pending,
        "records": records,
        "reasons": report.reasons,
        "unknown_categories": report.others,
        "no_room": report.no_room,
        "pipeline_time": { "from": report.first.map(|t| t.to_string()), "to": report.now.to_string() },
        "ticks": report.tick + 1,
        "balance": { "holds": balance.holds(), "counts": balance },
        "champions": report.champions,
        "versions": report.versions().collect::<Vec<_>>(),
        "decisions": report.decisions,
        "verdicts": report.verdicts,
        "metrics": { "by": report.metrics },
        "features": plan.features.program.layout().names(),
        "failures": ended.failures.iter().map(ToString::to_string).collect::<Vec<_>>(),
        // Everything below is by the wall clock.
        "latency_us": report.latency_us(),
        "events_per_s": report.events_per_s(),
        "seconds": seconds,
        "trainings": report.trainings.0,
        "training_s": report.trainings.1.as_secs_f64(),
        "waited_for_training_s": report.stalled.as_secs_f64(),
    })
}

/// The same for a person.
///
/// `streams` is where the streams are: what goes before and after a stream's name.
pub fn text(plan: &Plan, ended: &Ended, out: &Path, streams: (&str, &str)) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, plan, ended, out, streams);
    text
}

fn write(text: &mut String, plan: &Plan, ended: &Ended, out: &Path, (before, after): (&str, &str)) -> std::fmt::Result {
    let report = &ended.report;
    let balance = &report.balance;
    let seconds = report.started.elapsed().as_secs_f64();
    let from = report.first.map(|t| t.to_string()).unwrap_or_default();
    writeln!(text, "{}: {} events, {from} to {}", plan.spec.name, balance.events, report.now)?;
    writeln!(
        text,
        "  records {}: used {}, dead letters {}, late {}, pending {}",
        balance.records, balance.used, balance.dead_letters, balance.late, balance.pending
    )?;
    for (reason, count) in &report.reasons {
        writeln!(text, "    dead: {reason} {count}")?;
    }
    writeln!(
        text,
        "  events {}: labelled {}, expired {}, still open {}",
        balance.events, balance.labelled, balance.expired, balance.unlabelled
    )?;
    metrics(text, plan, ended)?;
    versions(text, ended)?;
    let verdicts: Vec<String> = report.verdicts.iter().map(|(verdict, n)| format!("{verdict} {n}")).collect();
    writeln!(text, "\ndecisions: {}", if verdicts.is_empty() { "none".to_owned() } else { verdicts.join(", ") })?;
    let latency = report.latency_us();
    // A run that was taken up at its end has written nothing.
    if latency["tick"]["max"] != 0 {
        writeln!(
            text,
            "latency: tick p50 {} us, p99 {} us; event p50 {} us, p99 {} us, max {} us",
            latency["tick"]["p50"],
            latency["tick"]["p99"],
            latency["event"]["p50"],
            latency["event"]["p99"],
            latency["event"]["max"]
        )?;
    }
    writeln!(
        text,
        "time: {seconds:.1} s, {:.0} events/s; {} trainings took {:.1} s, waited for {:.1} s",
        report.events_per_s(),
        report.trainings.0,
        report.trainings.1.as_secs_f64(),
        report.stalled.as_secs_f64()
    )?;
    let summary = out.join("summary.json");
    write!(text, "\nlook at {}, {before}predictions{after}, {before}metrics{after}", summary.display())
}

/// Whole runs and fixed starts, one row a contestant.
fn metrics(text: &mut String, plan: &Plan, ended: &Ended) -> std::fmt::Result {
    let mut names: Vec<&str> = Vec::new();
    for metric in plan.spec.models.iter().flat_map(|model| &model.metrics.names) {
        if !names.contains(&metric.name()) {
            names.push(metric.name());
        }
    }
    let mut windows: Vec<&str> = Vec::new();
    for metric in &ended.report.metrics {
        let window = metric["window"].as_str().unwrap_or_default();
        if !windows.contains(&window) {
            windows.push(window);
        }
    }
    windows.sort_unstable();
    for window in windows {
        write!(text, "\n{:<34}{:>9}", window, "labelled")?;
        names.iter().try_for_each(|name| write!(text, "{name:>10}"))?;
        text.push('\n');
        for metric in ended.report.metrics.iter().filter(|m| m["window"] == window) {
            write!(text, "  {:<32}{:>9}", contestant(metric), metric["labelled"].as_i64().unwrap_or(0))?;
            for name in &names {
                match metric[name].as_f64() {
                    Some(value) => write!(text, "{value:>10.4}")?,
                    None => write!(text, "{:>10}", "-")?,
                }
            }
            text.push('\n');
        }
    }
    Ok(())
}

fn contestant(metric: &Value) -> String {
    let model = metric["model"].as_str().unwrap_or_default();
    match (metric["role"].as_str().unwrap_or_default(), &metric["version"]) {
        ("baseline", _) => format!("{model} beside {}", text_of(&metric["beside"])),
        ("champion", Value::Null) => format!("{model}, as served"),
        ("frozen", _) => {
            format!(
                "{model}, frozen {}",
                metric["frozen_at"].as_str().unwrap_or_default().trim_end_matches("T00:00:00Z")
            )
        }
        (role, version) => format!("{model} v{version} as {role}"),
    }
}

fn versions(text: &mut String, ended: &Ended) -> std::fmt::Result {
    writeln!(text, "\nversions")?;
    for version in ended.report.versions() {
        let kind = match (version["kind"].as_str(), version["role"].as_str()) {
            (Some(kind), _) => format!("{kind} ({})", text_of(&version["source"])),
            (None, Some(role)) => format!("now {role}"),
            (None, None) => "retired".to_owned(),
        };
        writeln!(
            text,
            "  {} v{:<3} from {}  {kind:<20} {}",
            text_of(&version["model"]),
            version["version"],
            text_of(&version["at"]),
            text_of(&version["cause"])
        )?;
    }
    Ok(())
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
