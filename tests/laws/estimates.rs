//! What is estimated where labels are missing, recomputed from the predictions that were written and the labels as
//! they were read: a map by the greatest convex minorant, expectations a row at a time, with no code of the engine.
//!
//! And what such an estimate is worth: it follows inputs that change, before any label is known; that labels mean
//! something else it cannot see, and its error says so once they are.

use super::support::{Run, Small, number, parse, plain, project, read, run, same_lines, scratch, sea, text, whole};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use tidemill::time::{Span, Time};

const HOUR: i64 = Span::HOUR.0;

fn micros(text: &str) -> i64 {
    Time::parse(text).unwrap_or_else(|| panic!("{text} is no time")).0
}

/// One prediction of a scorer.
struct Row {
    at: i64,
    bin: usize,
    score: f64,
    /// Whether it says *true*; of several classes every one says that its class is right.
    says: bool,
    /// What came true of it, each from an instant of pipeline time on.
    labels: Vec<(i64, Option<bool>)>,
}

impl Row {
    fn label(&self, by: i64) -> Option<bool> {
        self.labels.iter().rev().find(|(at, _)| *at < by).and_then(|(_, label)| *label)
    }
}

/// Whose scores mean the same, by its name in records.
fn scorer(version: &Value, role: &str, frozen_at: &Value) -> String {
    if frozen_at.is_null() && role != "frozen" { version.to_string() } else { format!("frozen {frozen_at}") }
}

/// All predictions of a model: by scorer, and by series the scorers with the rows that are theirs in it.
struct Truth {
    scorers: BTreeMap<String, Vec<Row>>,
    /// Places among the scorer's rows.
    series: BTreeMap<String, Vec<(String, usize)>>,
    timeout: i64,
    every: i64,
    min_labels: i64,
}

fn series(version: &Value, role: &str, frozen_at: &Value, slice: &Value) -> String {
    json!([version, role, frozen_at, slice]).to_string()
}

impl Truth {
    /// `label` says what comes true of a prediction, by a label of its event. Events and labels are in order.
    fn of(
        run: &Run,
        model: &str,
        labels: &[(i64, String, Value)],
        (timeout, every, min_labels): (i64, i64, i64),
        slice: &dyn Fn(&str) -> Option<(&'static str, String)>,
        label: &dyn Fn(&Value, &Value) -> Option<bool>,
    ) -> Truth {
        let mut by_id: BTreeMap<&str, Vec<(i64, &Value)>> = BTreeMap::new();
        labels.iter().for_each(|(at, id, label)| by_id.entry(id).or_default().push((*at, label)));
        let (mut scorers, mut all) = (BTreeMap::<String, Vec<Row>>::new(), BTreeMap::<String, Vec<_>>::new());
        for p in run.records("predictions").into_iter().filter(|p| p["model"] == model) {
            let (at, score, role) = (micros(text(&p, "at")), number(&p, "score"), text(&p, "role"));
            let of = by_id.get(text(&p, "prediction_id")).map_or(&[][..], Vec::as_slice);
            // One that came before its event holds from the event on, one after the timeout never.
            let known = of.iter().map(|(known, label)| ((*known).max(at), *label)).filter(|l| l.0 <= at + timeout);
            let labels = known.map(|(known, l)| (known, label(&p, l))).collect();
            let says = p["class"].is_string() || score > 0.5;
            let bin = ((score * 4096.0) as usize).min(4095);
            let who = scorer(&p["version"], role, &p["frozen_at"]);
            let rows = scorers.entry(who.clone()).or_default();
            rows.push(Row { at, bin, score, says, labels });
            let place = (who, rows.len() - 1);
            let role = if p["frozen_at"].is_null() { role } else { "frozen" };
            let version = if role == "frozen" { &Value::Null } else { &p["version"] };
            let mut names = vec![series(version, role, &p["frozen_at"], &Value::Null)];
            names.extend(
                slice(text(&p, "prediction_id"))
                    .map(|(column, value)| series(version, role, &p["frozen_at"], &json!({ column: value }))),
            );
            if role == "champion" {
                names.push(series(&Value::Null, "champion", &Value::Null, &Value::Null));
            }
            names.into_iter().for_each(|name| all.entry(name).or_default().push(place.clone()));
        }
        Truth { scorers, series: all, timeout, every, min_labels }
    }

    /// What each bin means to who looks from an instant on, and how many labels say so.
    fn map(&self, scorer: &str, cut: i64) -> (i64, Vec<f64>) {
        let rows = self.scorers[scorer].iter().filter(|row| row.at < cut);
        let mut bins: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let mut known = 0;
        for (bin, label) in rows.filter_map(|row| Some((row.bin, row.label(i64::MAX)?))) {
            let counts = bins.entry(bin).or_default();
            *counts = (counts.0 + f64::from(u8::from(label)), counts.1 + 1.0);
            known += 1;
        }
        if known == 0 {
            return (0, Vec::new());
        }
        // From each corner of the sums by bin to that further one to which it is the least steep.
        let bins: Vec<(usize, (f64, f64))> = bins.into_iter().collect();
        let mut fitted = Vec::new();
        while fitted.len() < bins.len() {
            let from = fitted.len();
            let (mut sum, mut least, mut to) = ((0.0, 0.0), f64::INFINITY, from);
            for (place, (_, (positives, rows))) in bins.iter().enumerate().skip(from) {
                sum = (sum.0 + positives, sum.1 + rows);
                if sum.0 / sum.1 <= least {
                    (least, to) = (sum.0 / sum.1, place);
                }
            }
            fitted.resize(to + 1, least);
        }
        let at = |bin: usize| {
            let above = bins.partition_point(|(known, _)| *known < bin);
            match (above, bins.get(above)) {
                (_, Some((known, _))) if *known == bin => fitted[above],
                (0, _) => fitted[0],
                (_, None) => fitted[above - 1],
                (_, Some((next, _))) => {
                    let (last, share) = (bins[above - 1].0, |from: usize| (bin - from) as f64);
                    fitted[above - 1] + (fitted[above] - fitted[above - 1]) * share(last) / (*next - last) as f64
                }
            }
        };
        (known, (0..4096).map(at).collect())
    }
}

/// Metrics of rows that are so much true, and so much not.
fn metrics(rows: &[(&Row, f64)]) -> BTreeMap<&'static str, f64> {
    let mut found = BTreeMap::new();
    if rows.is_empty() {
        return found;
    }
    let (mut tp, mut fp, mut tn, mut r#fn, mut log_loss, mut brier) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let mut bins: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (row, p) in rows {
        let (yes, no) = if row.says { (&mut tp, &mut fp) } else { (&mut r#fn, &mut tn) };
        *yes += p;
        *no += 1.0 - p;
        let given = row.score.clamp(1e-4, 1.0 - 1e-4);
        log_loss -= p * given.ln() + (1.0 - p) * (1.0 - given).ln();
        brier += p * (1.0 - row.score).powi(2) + (1.0 - p) * row.score.powi(2);
        let bin = bins.entry(row.bin).or_default();
        *bin = (bin.0 + p, bin.1 + 1.0 - p);
    }
    let n = rows.len() as f64;
    found.insert("accuracy", (tp + tn) / n);
    found.insert("log_loss", log_loss / n);
    found.insert("brier", brier / n);
    found.insert("f1", if tp + fp + r#fn == 0.0 { 0.0 } else { 2.0 * tp / (2.0 * tp + fp + r#fn) });
    let chance = ((tp + fp) * (tp + r#fn) + (tn + r#fn) * (tn + fp)) / (n * n);
    found.insert("kappa", if chance >= 1.0 { 0.0 } else { ((tp + tn) / n - chance) / (1.0 - chance) });
    let (positives, negatives) = (tp + r#fn, fp + tn);
    if positives > 0.0 && negatives > 0.0 {
        let (mut below, mut pairs) = (0.0, 0.0);
        for (p, q) in bins.values() {
            pairs += p * (below + q / 2.0);
            below += q;
        }
        found.insert("roc_auc", pairs / (positives * negatives));
    }
    found
}

/// How many lines were looked at, and how many of them had an estimate, and an error.
#[derive(Debug, Default)]
struct Seen {
    lines: usize,
    estimates: usize,
    errors: usize,
    again: usize,
}

/// Checks what is estimated on every `sparse`th line, and on the last one of each window: by the labels that were known
/// when it was published, and the last also by all.
fn holds(run: &Run, model: &str, truth: &Truth, names: &[&str], sparse: usize) -> Seen {
    let mine = |line: &Value| line["model"] == model && text(line, "role") != "baseline";
    let lines: Vec<Value> = run.records("metrics").into_iter().filter(mine).collect();
    let name = |line: &Value| series(&line["version"], text(line, "role"), &line["frozen_at"], &line["slice"]);
    let mut newest: BTreeMap<String, usize> = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        // A window that does not slide is the same one at every end.
        let slides = Span::parse(text(line, "window")).is_some();
        let end = if slides { &line["at"] } else { &Value::Null };
        newest.insert(format!("{} {} {end}", name(line), line["window"]), place);
    }
    let newest: BTreeSet<usize> = newest.into_values().collect();
    let mut maps: BTreeMap<(String, i64), (i64, Vec<f64>)> = BTreeMap::new();
    let mut seen = Seen::default();
    for (place, line) in lines.iter().enumerate() {
        if text(line, "window") == "all" {
            assert!(line["estimate_reference"].is_null(), "the whole run has nothing before it: {line}");
            continue;
        }
        if place % sparse != 0 {
            continue;
        }
        let (end, published) = (micros(text(line, "at")), micros(text(line, "published_at")));
        let (start, window) = match text(line, "window").strip_prefix("since ") {
            Some(since) => (micros(since), None),
            None => {
                let window = Span::parse(text(line, "window")).expect("a window").0;
                (end - window, Some(window))
            }
        };
        let settled = (end - truth.timeout).div_euclid(truth.every) * truth.every;
        let cut = window.map_or(start.min(settled), |window| (end - window).min(settled));
        let mut reference = i64::MAX;
        let mut rows = Vec::new();
        for (who, place) in &truth.series[&name(line)] {
            let row = &truth.scorers[who][*place];
            if (start..end).contains(&row.at) {
                let map = maps.entry((who.clone(), cut)).or_insert_with(|| truth.map(who, cut));
                reference = reference.min(map.0);
                rows.push((row, map.1.get(row.bin).copied().unwrap_or(f64::NAN)));
            }
        }
        assert_eq!(whole(line, "n"), rows.len() as i64, "{line}");
        assert_eq!(whole(line, "estimate_reference"), reference, "{line}");
        let all = metrics(&rows);
        for by in [published].into_iter().chain(newest.contains(&place).then_some(i64::MAX)) {
            let known: Vec<_> = rows.iter().filter_map(|(row, p)| Some((*row, *p, row.label(by)?))).collect();
            assert_eq!(whole(line, "labelled"), known.len() as i64, "{line}");
            let estimated = metrics(&known.iter().map(|(row, p, _)| (*row, *p)).collect::<Vec<_>>());
            let labels: Vec<_> = known.iter().map(|(row, _, label)| (*row, f64::from(u8::from(*label)))).collect();
            let labels = metrics(&labels);
            for metric in names {
                let is_known = reference >= truth.min_labels;
                let expected = all.get(metric).copied().filter(|_| is_known);
                let error = || Some(estimated.get(metric)? - labels.get(metric)?);
                let error = expected.and_then(|_| error());
                for (field, expected) in
                    [(format!("estimated_{metric}"), expected), (format!("estimated_{metric}_error"), error)]
                {
                    let close = match (line[&field].as_f64(), expected) {
                        (Some(found), Some(expected)) => (found - expected).abs() < 1e-6,
                        (found, expected) => found == expected,
                    };
                    assert!(close, "{field} is {expected:?}, not as in {line}");
                }
                seen.estimates += usize::from(expected.is_some());
                seen.errors += usize::from(error.is_some());
            }
        }
        seen.lines += 1;
        seen.again += usize::from(end < published);
    }
    seen
}

const ALL: [&str; 6] = ["log_loss", "roc_auc", "accuracy", "f1", "kappa", "brier"];

/// A pipeline of `dataflows/` beside its data, changed.
fn changed(name: &str, pipeline: &str, changes: &[(&str, &str)]) -> PathBuf {
    let folder = scratch(name);
    let (flows, data) = (folder.join("dataflows"), folder.join("datasets").join(pipeline));
    fs::create_dir_all(&flows).expect("a folder");
    fs::create_dir_all(&data).expect("a folder");
    for file in fs::read_dir(project().join("datasets").join(pipeline)).expect("the data").flatten() {
        fs::copy(file.path(), data.join(file.file_name())).expect("a stream");
    }
    let file = flows.join(format!("{pipeline}.toml"));
    fs::copy(project().join(format!("dataflows/{pipeline}.toml")), &file).expect("the pipeline");
    super::support::rewrite(&file, changes);
    file
}

/// Labels that are late, doubled, corrected and withdrawn, versions that come and go: what is estimated is what a
/// recomputation comes to, the same on any workers, and beside it nothing changes.
#[test]
fn estimates_of_sea_are_those_of_a_recomputation_and_change_nothing_else() {
    let metrics = "[model.concept.metrics]\n";
    let estimate = format!("{metrics}estimate = {{ names = {ALL:?}, min_labels = 300 }}\n");
    let file = changed("estimates_sea", "sea", &[(metrics, &estimate)]);
    let one = run("estimates_sea_1", &file, &["-w", "1"]);
    let labels: Vec<_> = parse(&read(&sea().data.join("labels.jsonl.gz")))
        .into_iter()
        .map(|row| (micros(text(&row, "at")), text(&row, "id").to_string(), row["y"].clone()))
        .collect();
    let truth = Truth::of(&one, "concept", &labels, (6 * HOUR, HOUR, 300), &|_| None, &|_, y| y.as_bool());
    assert!(truth.scorers.len() > 3, "versions");
    let seen = holds(&one, "concept", &truth, &ALL, 31);
    assert!(seen.estimates > 1000 && seen.errors > 1000 && seen.again > 100, "{seen:?}");

    for (name, words) in [("w4", &["-w", "4"][..]), ("n2w2", &["-n", "2", "-w", "2"])] {
        let other = run(&format!("estimates_sea_{name}"), &file, words);
        for file in ["metrics.jsonl", "predictions.jsonl", "decisions.jsonl", "models.jsonl", "progress.log"] {
            same_lines(&format!("{words:?}: {file}"), &one.text(file), &other.text(file));
        }
    }

    for file in ["predictions.jsonl", "decisions.jsonl", "models.jsonl"] {
        same_lines(file, &plain(sea()).text(file), &one.text(file));
    }
    let without = |run: &Run| -> String {
        let lines = run.records("metrics").into_iter().map(|mut line| {
            line.as_object_mut().expect("an object").retain(|field, _| !field.starts_with("estimate"));
            line.to_string() + "\n"
        });
        lines.collect()
    };
    assert!(!plain(sea()).text("metrics.jsonl").contains("estimate"));
    same_lines("metrics.jsonl", &without(plain(sea())), &without(&one));
}

/// Of several classes, the share of right ones.
#[test]
fn the_share_of_right_classes_is_estimated_as_a_recomputation_does() {
    let metrics = "[model.softmax.metrics]\nwindows = [\"6h\"]\n";
    let estimate = format!("{metrics}estimate = {{ names = [\"accuracy\"], min_labels = 200 }}\n");
    let file = changed("estimates_segments", "segments", &[(metrics, &estimate)]);
    let one = run("estimates_segments_1", &file, &["-w", "1"]);
    let csv = read(&project().join("datasets/segments/labels.csv.gz"));
    let rows = csv.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let labels: Vec<_> = rows.map(|row| (micros(row[0]), row[1].to_string(), json!(row[2]))).collect();
    let right = |p: &Value, label: &Value| Some(p["class"] == *label);
    let truth = Truth::of(&one, "softmax", &labels, (HOUR, HOUR / 2, 200), &|_| None, &right);
    let seen = holds(&one, "softmax", &truth, &["accuracy"], 1);
    assert!(seen.estimates > 40 && seen.errors > 40, "{seen:?}");
    let of_others = one.records("metrics").into_iter().filter(|line| line["model"] != "softmax");
    assert!(of_others.into_iter().all(|line| line["estimate_reference"].is_null()));
}

/// Loans that are judged by a line; what becomes of them is known a day later.
const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "1h"
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", x = "float", who = "text" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "30h"
schema = { id = "text", at = "timestamp", y = "bool?" }
[features]
x = "x - 0.5"
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.05 }
freeze_at = ["2024-03-04"]
[model.m.metrics]
windows = ["12h"]
since = ["2024-03-07"]
names = ["accuracy"]
slices = ["who"]
estimate = { names = ["accuracy", "roc_auc"] }
[[model.m.trigger]]
kind = "degradation"
when = "estimated_accuracy[12h] < 0.62"
warm_up = 5_000
cooldown = "30d"
"#;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * HOUR;
/// Until here inputs are as ever; from here on they lie where labels are a matter of chance.
const SHIFT: i64 = 6 * DAY;
/// From here on inputs are as at first, and labels the other way round.
const DRIFT: i64 = 8 * DAY;

fn streams() -> (String, String) {
    let start = micros("2024-03-01");
    let mut state = 5_u64;
    let mut chance = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 40) as u32) / f64::from(1_u32 << 24)
    };
    let (mut events, mut labels) = (String::new(), Vec::new());
    for n in 0..10 * 24 * 60_i64 {
        let since = n * MINUTE;
        let x = if (SHIFT..DRIFT).contains(&since) { 0.4 + 0.2 * chance() } else { chance() };
        let share = if since < DRIFT { 0.1 + 0.8 * x } else { 0.9 - 0.8 * x };
        let (at, who) = (start + since, ["a", "b"][(n % 2) as usize]);
        events += &format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"x\":{x},\"who\":\"{who}\"}}\n", Time(at));
        labels.push((at + DAY, n, json!(chance() < share)));
        if n % 40 == 0 {
            labels.push((at + DAY + 2 * HOUR, n, if n % 80 == 0 { Value::Null } else { json!(true) }));
        }
    }
    labels.sort_by_key(|(at, n, _)| (*at, *n));
    let line = |(at, n, y): (i64, i64, Value)| format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"y\":{y}}}\n", Time(at));
    (events, labels.into_iter().map(line).collect())
}

#[test]
fn inputs_that_change_are_followed_and_labels_that_mean_something_else_are_not() {
    let (events, labels) = streams();
    let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
    let run = Small::new("estimates_drift", PIPELINE, &streams).run("out", &["-w", "2"]);

    let known: Vec<_> = parse(&labels)
        .into_iter()
        .map(|row| (micros(text(&row, "at")), text(&row, "id").to_string(), row["y"].clone()))
        .collect();
    let who = |id: &str| Some(("who", ["a", "b"][id.parse::<usize>().expect("a number") % 2].to_string()));
    let truth = Truth::of(&run, "m", &known, (30 * HOUR, HOUR, 500), &who, &|_, y| y.as_bool());
    let seen = holds(&run, "m", &truth, &["accuracy", "roc_auc"], 5);
    assert!(seen.estimates > 500 && seen.errors > 300 && seen.again > 100, "{seen:?}");

    // Of the frozen champion: at the time, without a label, and what labels said at last.
    let start = micros("2024-03-01");
    let lines = run.records("metrics");
    let at = |since: i64| {
        let end = Time(start + since).to_string();
        let ours = move |line: &&Value| {
            line["role"] == "frozen" && line["slice"].is_null() && line["window"] == "12h" && line["at"] == *end
        };
        let first = lines.iter().find(ours.clone()).expect("it was published");
        let last = lines.iter().rfind(ours).expect("it was published");
        assert_eq!(whole(first, "labelled"), 0, "no label is known in time: {first}");
        assert!(first["accuracy"].is_null() && last["label_coverage"].as_f64() > Some(0.95), "{last}");
        assert_eq!(first["estimated_accuracy"], last["estimated_accuracy"], "labels of the window are none of it");
        (number(first, "estimated_accuracy"), number(last, "accuracy"), number(last, "estimated_accuracy_error"))
    };
    let (estimated, labels, error) = at(SHIFT);
    assert!((estimated - 0.7).abs() < 0.04 && (labels - 0.7).abs() < 0.06 && error.abs() < 0.06, "{labels} {error}");
    for since in [SHIFT + 12 * HOUR, DRIFT] {
        let (estimated, labels, error) = at(since);
        assert!(estimated < 0.6 && labels < 0.6 && error.abs() < 0.06, "{estimated} {labels} {error}");
    }
    // The estimate is as good as ever, and wrong.
    let (estimated, labels, error) = at(DRIFT + 12 * HOUR);
    assert!(estimated > 0.65 && labels < 0.36 && error > 0.3, "{estimated} {labels} {error}");

    // A condition is judged by it, a day before the first label.
    let decisions = run.records("decisions");
    let fired: Vec<&Value> = decisions.iter().filter(|decision| decision["verdict"] == "fired").collect();
    assert_eq!(fired.len(), 1, "{decisions:?}");
    let cause = &fired[0]["causes"][0];
    assert_eq!(text(cause, "kind"), "degradation");
    assert!(number(&cause["figures"], "estimated_accuracy[12h]") < 0.62, "{cause}");
    let decided = micros(text(fired[0], "at")) - start;
    assert!(decided > SHIFT && decided <= SHIFT + 12 * HOUR, "{}", fired[0]);
}
