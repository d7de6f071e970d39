//! The balance: at every tick all records and events are accounted for, and at the end as an independent count of the
//! input has it, whatever labels and ids do and wherever ticks are cut.

use super::support::{Run, Small, flights, plain, read, sea, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidemill::time::{Span, Time};

/// What the counting loop is told of the input, in the law's order.
enum Record {
    Other,
    Label { id: String, at: i64, label: Option<bool>, offset: usize },
    Event { id: String, at: i64, offset: usize },
}

#[derive(Clone)]
struct Event {
    at: i64,
    label: Option<bool>,
    expired: bool,
}

/// What a loop over the records counts, and the dead letters as (source, offset, reason).
#[derive(Default)]
struct Count {
    timeout: i64,
    /// From an event's time, how long its id is taken.
    known_for: i64,
    now: i64,
    counts: BTreeMap<&'static str, i64>,
    dead: Vec<(&'static str, usize, &'static str)>,
    known: BTreeMap<String, Event>,
    waiting: BTreeMap<String, (Option<bool>, i64, usize)>,
}

impl Count {
    fn add(&mut self, what: &'static str, n: i64) {
        *self.counts.entry(what).or_default() += n;
    }

    fn refuse(&mut self, source: &'static str, offset: usize, reason: &'static str) {
        self.add("dead_letters", 1);
        self.dead.push((source, offset, reason));
    }

    /// All that is due before `now`, by looking at everything.
    fn pass(&mut self) {
        let (now, timeout) = (self.now, self.timeout);
        let orphans: Vec<String> =
            self.waiting.iter().filter(|(_, (_, since, _))| since + timeout < now).map(|(id, _)| id.clone()).collect();
        for id in orphans {
            let (_, _, offset) = self.waiting.remove(&id).expect("it was just seen");
            self.refuse("labels", offset, "orphan");
        }
        let overdue = |event: &Event| !event.expired && event.label.is_none() && event.at + timeout < now;
        let expired: Vec<String> = self.known.iter().filter(|(_, e)| overdue(e)).map(|(id, _)| id.clone()).collect();
        for id in expired {
            self.known.get_mut(&id).expect("it was just seen").expired = true;
            self.add("expired", 1);
            self.add("unlabelled", -1);
        }
        self.known.retain(|_, event| event.at + self.known_for >= now);
    }

    fn label(&mut self, id: &str, label: Option<bool>) {
        let now = self.now;
        let event = self.known.get_mut(id).expect("the caller knows it");
        if event.at + self.timeout < now {
            return self.add("late", 1);
        }
        let before = std::mem::replace(&mut event.label, label);
        self.add("used", 1);
        match (before, label) {
            (None, Some(_)) => {
                self.add("labelled", 1);
                self.add("unlabelled", -1);
            }
            (Some(_), None) => {
                self.add("labelled", -1);
                self.add("unlabelled", 1);
                self.add("withdrawn", 1);
            }
            (b, a) if b == a => self.add("repeated", 1),
            _ => self.add("corrected", 1),
        }
    }

    fn take(&mut self, record: &Record) {
        self.add("records", 1);
        match record {
            Record::Other => self.add("used", 1),
            Record::Event { id, at, offset } => {
                self.now = self.now.max(*at);
                self.pass();
                if self.known.contains_key(id) {
                    return self.refuse("events", *offset, "duplicate");
                }
                self.known.insert(id.clone(), Event { at: *at, label: None, expired: false });
                ["used", "events", "unlabelled"].into_iter().for_each(|what| self.add(what, 1));
                if let Some((label, _, _)) = self.waiting.remove(id) {
                    self.label(id, label);
                }
            }
            Record::Label { id, at, label, offset } => {
                self.now = self.now.max(*at);
                self.pass();
                if self.known.contains_key(id) {
                    return self.label(id, *label);
                }
                if self.waiting.insert(id.clone(), (*label, self.now, *offset)).is_some() {
                    self.add("used", 1);
                    self.add("repeated", 1);
                }
            }
        }
    }

    /// The counts after `now`, and the dead letters in order.
    fn end(mut self, now: i64) -> (Value, Vec<(String, usize, String)>) {
        self.now = self.now.max(now);
        self.pass();
        self.add("pending", self.waiting.len() as i64);
        let names =
            ["records", "used", "dead_letters", "late", "pending", "events", "labelled", "expired", "unlabelled"];
        let names = names.iter().chain(&["repeated", "corrected", "withdrawn"]);
        let counts: BTreeMap<_, _> = names.map(|n| (*n, self.counts.get(n).copied().unwrap_or(0))).collect();
        let mut dead: Vec<_> = self.dead.iter().map(|(s, o, r)| (s.to_string(), *o, r.to_string())).collect();
        dead.sort();
        (json!(counts), dead)
    }
}

fn micros(text: &str) -> i64 {
    Time::parse(text).unwrap_or_else(|| panic!("{text} is no time")).0
}

/// The counts add up at every tick, never go back where they only grow, and end as the summary has them.
fn adds_up(run: &Run) {
    let progress = run.progress();
    let mut before = (0, 0, 0);
    for record in &progress {
        let count = |name: &str| record["balance"][name].as_i64().unwrap_or_else(|| panic!("no {name} in {record}"));
        assert_eq!(
            count("records"),
            count("used") + count("dead_letters") + count("late") + count("pending"),
            "{record}"
        );
        assert_eq!(count("events"), count("labelled") + count("expired") + count("unlabelled"), "{record}");
        let fields = record["balance"].as_object().expect("counts");
        assert!(fields.values().all(|n| n.as_i64().is_some_and(|n| n >= 0)), "{record}");
        let now = (count("records"), count("used"), count("events"));
        assert!(now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2, "{record}");
        before = now;
    }
    let summary = run.summary();
    assert_eq!(summary["balance"]["counts"], progress.last().expect("a tick")["balance"]);
    assert_eq!(summary["balance"]["holds"], true);
    let read: i64 = summary["records"].as_object().expect("by source").values().filter_map(Value::as_i64).sum();
    assert_eq!(read, before.0, "records by source");
    assert_eq!(run.records("dead_letters").len() as i64, summary["dead_letters"].as_i64().expect("a count"));
}

fn labels_of_sea(lines: &str) -> Vec<Record> {
    let record = |(offset, line): (usize, &str)| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let label = row["y"].as_bool();
        Record::Label { id: text(&row, "id").into(), at: micros(text(&row, "at")), label, offset }
    };
    lines.lines().enumerate().map(record).collect()
}

fn events_of_sea(lines: &str) -> Vec<Record> {
    let record = |(offset, line): (usize, &str)| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        Record::Event { id: text(&row, "id").into(), at: micros(text(&row, "at")), offset }
    };
    lines.lines().enumerate().map(record).collect()
}

/// Merges by time, labels before events.
fn in_order(mut all: Vec<Record>) -> Vec<Record> {
    let place = |record: &Record| match record {
        Record::Other => (0, 0, 0),
        Record::Label { at, offset, .. } => (*at, 1, *offset),
        Record::Event { at, offset, .. } => (*at, 2, *offset),
    };
    all.sort_by_key(place);
    all
}

fn counted(records: &[Record], now: i64, timeout: Span) -> (Value, Vec<(String, usize, String)>) {
    counted_with(records, now, timeout, Span(2 * timeout.0))
}

fn counted_with(records: &[Record], now: i64, timeout: Span, known_for: Span) -> (Value, Vec<(String, usize, String)>) {
    let mut count = Count { timeout: timeout.0, known_for: known_for.0, ..Count::default() };
    records.iter().for_each(|record| count.take(record));
    count.end(now)
}

fn dead(run: &Run) -> Vec<(String, usize, String)> {
    let entry = |d: &Value| {
        (text(d, "source").into(), d["offset"].as_u64().expect("an offset") as usize, text(d, "reason").into())
    };
    let mut dead: Vec<_> = run.records("dead_letters").iter().map(entry).collect();
    dead.sort();
    dead
}

#[test]
fn sea_is_accounted_for() {
    let run = plain(sea());
    adds_up(run);
    let mut records = labels_of_sea(&read(&sea().data.join("labels.jsonl.gz")));
    records.extend(events_of_sea(&read(&sea().data.join("events.jsonl.gz"))));
    let (counts, refused) = counted(&in_order(records), 0, Span(6 * Span::HOUR.0));
    for what in ["repeated", "corrected", "withdrawn", "expired"] {
        assert!(counts[what].as_i64() > Some(50), "{what} occurs: {counts}");
    }
    assert_eq!(run.summary()["balance"]["counts"], counts);
    assert_eq!(dead(run), refused);
}

#[test]
fn flights_are_accounted_for() {
    let run = plain(flights());
    adds_up(run);
    let (mut records, mut last) = (Vec::new(), 0);
    for stream in ["takeoffs", "weather", "planes", "arrivals", "departures"] {
        let lines = read(&flights().data.join(format!("{stream}.csv.gz")));
        for (offset, line) in lines.lines().skip(1).enumerate() {
            let fields: Vec<&str> = line.split(',').collect();
            let at = micros(fields[usize::from(stream == "planes")]);
            last = last.max(at);
            records.push(match stream {
                "arrivals" => {
                    let delay: f64 = fields[1].parse().expect("a delay");
                    Record::Label { id: fields[2].into(), at, label: Some(delay > 15.0), offset }
                }
                "departures" => Record::Event { id: fields[3].into(), at, offset },
                _ => Record::Other,
            });
        }
    }
    let (counts, refused) = counted(&in_order(records), last, Span(2 * Span::DAY.0));
    assert!(counts["expired"].as_i64() > Some(100), "cancelled flights: {counts}");
    assert_eq!(run.summary()["balance"]["counts"], counts);
    assert_eq!(dead(run), refused);
}

const MESS: &str = r#"
[pipeline]
name = "small"
every = "1d"
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", x = "float" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "30m"
schema = { id = "text", at = "timestamp", y = "bool?" }
[features]
x = "x"
known = { mean = "label", over = "1h", missing = 0.5 }
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.1 }
"#;

/// A random number below `n`, from a linear congruence (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Events whose ids come again, too soon and late enough; labels early, late, wrong, doubled, withdrawn, of nobody.
fn mess(seed: u64) -> (String, String) {
    let mut dice = Dice(seed);
    let start = micros("2024-05-01T00:00:00Z") / 1_000_000;
    let stamp = |second: i64| Time(second * 1_000_000).to_string();
    let (mut events, mut labels) = (Vec::new(), Vec::new());
    let mut at = start;
    for _ in 0..3000 {
        at += dice.below(60) as i64;
        let id = dice.below(400);
        events.push(format!("{{\"id\":\"{id}\",\"at\":\"{}\",\"x\":{}.5}}\n", stamp(at), dice.below(9)));
        for _ in 0..dice.below(3) {
            let label = ["true", "false", "false", "null"][dice.below(4) as usize];
            let id = if dice.below(20) == 0 { 1000 + dice.below(30) } else { id };
            let when = at + dice.below(6000) as i64 - 2500;
            labels.push((when, format!("{{\"id\":\"{id}\",\"at\":\"{}\",\"y\":{label}}}\n", stamp(when))));
        }
    }
    labels.sort_by_key(|(when, _)| *when);
    (events.concat(), labels.into_iter().map(|(_, line)| line).collect())
}

/// What happens to a record depends on pipeline time alone, so it is the same in ticks of any size; a tick may be
/// longer than a timeout. Labels that stay erasable keep their event's id for longer, and change nothing else.
#[test]
fn any_mess_is_accounted_for_in_any_ticks() {
    let erasable = MESS.replace("timeout = \"30m\"", "timeout = \"30m\"\nerasable = \"2h\"");
    let half = Span::HOUR.0 / 2;
    for (seed, pipeline, known_for) in
        [(1, MESS, 2 * half), (2, MESS, 2 * half), (3, MESS, 2 * half), (1, &erasable, 5 * half)]
    {
        let (events, labels) = mess(seed);
        let mut records = labels_of_sea(&labels);
        records.extend(events_of_sea(&events));
        let (counts, refused) = counted_with(&in_order(records), 0, Span(half), Span(known_for));
        for what in ["dead_letters", "late", "repeated", "corrected", "withdrawn", "expired", "pending"] {
            assert!(counts[what].as_i64() > Some(0), "{what} occurs: {counts}");
        }
        assert!(refused.iter().any(|(_, _, reason)| reason == "orphan"));
        assert!(refused.iter().any(|(_, _, reason)| reason == "duplicate"));
        let streams: [(&str, &[u8]); 2] = [("events.jsonl", events.as_bytes()), ("labels.jsonl", labels.as_bytes())];
        let small = Small::new(&format!("mess_{seed}_{known_for}"), pipeline, &streams);
        let mut predictions = None;
        for cut in ["1", "13", "1000", "100000"] {
            let run = small.run(cut, &["--tick-records", cut]);
            adds_up(&run);
            assert_eq!(run.summary()["balance"]["counts"], counts, "seed {seed}, ticks of {cut}");
            assert_eq!(dead(&run), refused, "seed {seed}, ticks of {cut}");
            let found = run.text("predictions.jsonl");
            let first: &String = predictions.get_or_insert_with(|| found.clone());
            super::support::same_lines(&format!("seed {seed}, ticks of {cut}"), first, &found);
            let metrics = run.records("metrics");
            let all = metrics.iter().rfind(|m| m["window"] == "all" && m["version"].is_null()).expect("a metric");
            assert_eq!((&all["n"], &all["labelled"]), (&counts["events"], &counts["labelled"]), "ticks of {cut}");
        }
    }
}
