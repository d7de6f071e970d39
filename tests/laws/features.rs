//! The oracle of features: those of `flights`, and the learner on them, recomputed for the first 5,000 departures by
//! looking at all rows before each; every score of version 1 to 1e-9. And the aggregates and forms that `flights` does
//! not have, in the vectors of the first days.
//!
//! Nothing here is incremental but the learner: a window is found by going back through all rows so far.

use super::support::{Small, few_flights, flights, number, parse, plain, read, text, tidemill};
use std::collections::{BTreeMap, BTreeSet};
use tidemill::record::digest64;
use tidemill::time::Time;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
const DEPARTURES: usize = 5_000;

struct Takeoff {
    at: i64,
    delay: f64,
    origin: String,
    carrier: String,
}

/// An arrival with what it says of its departure.
struct Arrival {
    at: i64,
    delay: f64,
    late: f64,
    departure: usize,
}

struct Departure {
    at: i64,
    /// local_hour, local_dow, flight_id, carrier, origin, dest, distance, tailnum.
    row: Vec<String>,
}

impl Departure {
    fn hour(&self) -> &str {
        &self.row[0]
    }
    fn id(&self) -> &str {
        &self.row[2]
    }
    fn carrier(&self) -> &str {
        &self.row[3]
    }
    fn origin(&self) -> &str {
        &self.row[4]
    }
    fn dest(&self) -> &str {
        &self.row[5]
    }
    fn tail(&self) -> &str {
        &self.row[7]
    }
}

fn rows(stream: &str) -> Vec<Vec<String>> {
    let text = read(&flights().data.join(format!("{stream}.csv.gz")));
    text.lines().skip(1).map(|line| line.split(',').map(str::to_string).collect()).collect()
}

fn micros(text: &str) -> i64 {
    Time::parse(text).unwrap_or_else(|| panic!("{text} is no time")).0
}

/// What has happened so far.
#[derive(Default)]
struct Past {
    takeoffs: Vec<Takeoff>,
    arrivals: Vec<Arrival>,
    departures: Vec<Departure>,
    weather: Vec<(String, Vec<Option<f64>>)>,
}

fn mean(values: impl Iterator<Item = f64>, missing: f64) -> f64 {
    let all: Vec<f64> = values.collect();
    if all.is_empty() { missing } else { all.iter().sum::<f64>() / all.len() as f64 }
}

impl Past {
    fn newest_takeoffs(&self, rows: usize, kept: impl Fn(&Takeoff) -> bool) -> f64 {
        mean(self.takeoffs.iter().rev().filter(|t| kept(t)).take(rows).map(|t| t.delay), 0.0)
    }

    fn recent_takeoffs(&self, after: i64, kept: impl Fn(&Takeoff) -> bool) -> f64 {
        mean(self.takeoffs.iter().filter(|t| t.at > after && kept(t)).map(|t| t.delay), 0.0)
    }

    /// The newest arrivals whose departures are like this one.
    fn newest_arrivals(
        &self,
        rows: usize,
        value: fn(&Arrival) -> f64,
        missing: f64,
        alike: impl Fn(&Departure) -> bool,
    ) -> f64 {
        let known = self.arrivals.iter().rev().filter(|a| alike(&self.departures[a.departure]));
        mean(known.take(rows).map(value), missing)
    }

    /// Scheduled and not yet reported off, within a time and of an origin if one is given.
    fn waiting(&self, after: i64, origin: Option<&str>) -> f64 {
        let scheduled = self.departures.iter().filter(|d| d.at > after && origin.is_none_or(|o| d.origin() == o));
        let gone = self.takeoffs.iter().filter(|t| t.at > after && origin.is_none_or(|o| t.origin == o));
        scheduled.count() as f64 - gone.count() as f64
    }

    /// The numbers that are standardized, in a fixed order.
    fn numbers(&self, d: &Departure, planes: &BTreeMap<String, [Option<f64>; 2]>) -> Vec<f64> {
        let weather = self.weather.iter().rev().find(|(origin, _)| origin == d.origin()).map(|(_, row)| row.as_slice());
        let reading = |place: usize, missing: f64| weather.and_then(|row| row[place]).unwrap_or(missing);
        let plane = planes.get(d.tail()).copied().unwrap_or_default();
        let alike_origin = |other: &Departure| other.origin() == d.origin();
        let last_of_plane = self
            .arrivals
            .iter()
            .rev()
            .find(|a| !d.tail().is_empty() && self.departures[a.departure].tail() == d.tail())
            .filter(|a| a.at > d.at - DAY);
        let of_plane = |other: &Departure| !d.tail().is_empty() && other.tail() == d.tail();
        let since = d.at - 18 * HOUR;
        let legs = self.departures.iter().filter(|other| other.at > since && of_plane(other)).count() as i64;
        let landed = self.arrivals.iter().filter(|a| a.at > since && of_plane(&self.departures[a.departure])).count();
        let landed = landed as i64;
        let delay = |a: &Arrival| a.delay;
        let late = |a: &Arrival| a.late;
        vec![
            d.hour().parse().expect("an hour"),
            d.row[6].parse().expect("a distance"),
            reading(0, 55.0),
            reading(1, 60.0),
            reading(2, 9.0),
            reading(3, 0.0),
            if reading(3, 0.0) > 0.0 { 1.0 } else { 0.0 },
            reading(4, 10.0),
            reading(5, 1017.0),
            plane[0].map_or(11.0, |built| 2013.0 - built),
            plane[1].unwrap_or(150.0),
            self.newest_takeoffs(30, |t| t.origin == d.origin()),
            self.newest_takeoffs(60, |_| true),
            self.recent_takeoffs(d.at - HOUR, |t| t.origin == d.origin()),
            self.recent_takeoffs(d.at - 3 * HOUR, |t| t.origin == d.origin()),
            self.recent_takeoffs(d.at - 3 * HOUR, |t| t.carrier == d.carrier()),
            self.newest_arrivals(30, delay, 0.0, alike_origin),
            self.newest_arrivals(30, delay, 0.0, |other| other.carrier() == d.carrier()),
            self.newest_arrivals(30, delay, 0.0, |other| other.dest() == d.dest()),
            last_of_plane.map_or(0.0, |a| a.delay),
            self.newest_arrivals(30, late, 0.0, alike_origin),
            self.newest_arrivals(200, late, 0.2, |o| o.origin() == d.origin() && o.hour() == d.hour()),
            self.newest_arrivals(30, late, 0.2, |o| {
                o.carrier() == d.carrier() && o.dest() == d.dest() && o.hour() == d.hour()
            }),
            self.waiting(d.at - DAY, None),
            self.waiting(d.at - DAY, Some(d.origin())),
            self.waiting(d.at - 3 * HOUR, Some(d.origin())),
            (d.at / (HOUR / 60) % 60) as f64,
            legs as f64,
            (legs - landed) as f64,
            self.recent_takeoffs(d.at - 2 * HOUR, |t| t.carrier == d.carrier() && t.origin == d.origin()),
            self.recent_takeoffs(d.at - HOUR, |t| t.origin == d.origin())
                - self.recent_takeoffs(d.at - 3 * HOUR, |t| t.origin == d.origin()),
        ]
    }
}

/// Mean and deviation of all so far, anew each time.
fn standardized(seen: &[Vec<f64>], place: usize) -> f64 {
    let n = seen.len() as f64;
    let mean = seen.iter().map(|row| row[place]).sum::<f64>() / n;
    let deviation = (seen.iter().map(|row| (row[place] - mean).powi(2)).sum::<f64>() / n).sqrt();
    let all_equal = seen.iter().all(|row| row[place] == seen[0][place]);
    if all_equal { 0.0 } else { (seen[seen.len() - 1][place] - mean) / deviation }
}

/// Logistic regression by gradient steps: weights by name, the bias with a rate of its own.
#[derive(Default)]
struct Model {
    weights: BTreeMap<String, f64>,
    bias: f64,
    updates: u64,
}

impl Model {
    fn score(&self, x: &[(String, f64)]) -> f64 {
        let z = self.bias + x.iter().map(|(name, x)| self.weights.get(name).unwrap_or(&0.0) * x).sum::<f64>();
        1.0 / (1.0 + (-z).exp())
    }

    fn learn(&mut self, x: &[(String, f64)], late: f64) {
        let gradient = self.score(x) - late;
        self.bias -= 0.01 * gradient;
        for (name, x) in x {
            *self.weights.entry(name.clone()).or_default() -= 0.01 * gradient * x;
        }
        self.updates += 1;
    }
}

enum Record {
    Weather(Vec<String>),
    Takeoff(Vec<String>),
    Arrival(Vec<String>),
    Departure(Vec<String>),
}

/// All records in the law's order: time, then table, context, label, event, then the place in the file.
fn records() -> Vec<(i64, Record)> {
    let mut all: Vec<(i64, u8, usize, Record)> = Vec::new();
    type Make = fn(Vec<String>) -> Record;
    let streams: [(&str, Make); 4] = [
        ("weather", Record::Weather),
        ("takeoffs", Record::Takeoff),
        ("arrivals", Record::Arrival),
        ("departures", Record::Departure),
    ];
    for (kind, (stream, make)) in streams.into_iter().enumerate() {
        let rows = rows(stream).into_iter().enumerate();
        all.extend(rows.map(|(place, row)| (micros(&row[0]), kind as u8, place, make(row))));
    }
    all.sort_by_key(|(at, kind, place, _)| (*at, *kind, *place));
    all.into_iter().map(|(at, _, _, record)| (at, record)).collect()
}

#[test]
fn flights_are_scored_as_by_looking_at_all_rows() {
    let optional = |field: &String| field.parse::<f64>().ok();
    let planes: BTreeMap<String, [Option<f64>; 2]> =
        rows("planes").iter().map(|row| (row[0].clone(), [optional(&row[2]), optional(&row[3])])).collect();
    let mut told = BTreeMap::new();
    for prediction in plain(flights()).records("predictions") {
        // The online learner, whoever is champion.
        if prediction["version"] == 1 && !prediction["updates"].is_null() {
            told.insert(text(&prediction, "prediction_id").to_string(), prediction);
        }
    }
    let (mut past, mut model) = (Past::default(), Model::default());
    let mut seen: Vec<Vec<f64>> = Vec::new();
    let mut served: Vec<Vec<(String, f64)>> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (at, record) in records() {
        match record {
            Record::Weather(row) => past.weather.push((row[1].clone(), row[2..].iter().map(optional).collect())),
            Record::Takeoff(row) => {
                let delay = row[1].parse::<f64>().expect("a delay").clamp(-20.0, 180.0);
                past.takeoffs.push(Takeoff { at, delay, origin: row[3].clone(), carrier: row[4].clone() });
            }
            Record::Arrival(row) => {
                let delay = row[1].parse::<f64>().expect("a delay");
                let departure = places[&row[2]];
                let late = if delay > 15.0 { 1.0 } else { 0.0 };
                model.learn(&served[departure], late);
                past.arrivals.push(Arrival { at, delay: delay.clamp(-40.0, 180.0), late, departure });
            }
            Record::Departure(row) => {
                let departure = Departure { at, row: row[1..].to_vec() };
                seen.push(past.numbers(&departure, &planes));
                let numbers = seen[0].len();
                let mut x: Vec<(String, f64)> =
                    (0..numbers).map(|place| (format!("#{place}"), standardized(&seen, place))).collect();
                for place in [0, 1, 3, 4, 5] {
                    x.push((format!("{place}={}", departure.row[place]), 1.0));
                }
                let id = departure.id().to_string();
                let found = told.get(&id).unwrap_or_else(|| panic!("no score of the online learner for {id}"));
                let score = model.score(&x);
                assert!((number(found, "score") - score).abs() <= 1e-9, "{score} is not as in {found}");
                assert_eq!(found["updates"], model.updates, "{found}");
                places.insert(id, past.departures.len());
                past.departures.push(departure);
                served.push(x);
            }
        }
        if served.len() == DEPARTURES {
            break;
        }
    }
    assert_eq!(served.len(), DEPARTURES);
    assert!(model.updates > 4_000, "{} labels were learned", model.updates);
}

const OTHERS: &str = r#"
[pipeline]
name = "small"
every = "6h"
[source.departures]
kind = "events"
key = "flight_id"
time = "sched_dep"
schema = { flight_id = "text", sched_dep = "timestamp", origin = "text", dest = "text", tailnum = "text?" }
[source.takeoffs]
kind = "context"
key = "flight_id"
time = "reported_at"
schema = { flight_id = "text", reported_at = "timestamp", origin = "text", carrier = "text", dep_delay = "float" }
[source.arrivals]
kind = "labels"
key = "flight_id"
time = "landed_at"
label = "arr_delay > 15"
schema = { flight_id = "text", landed_at = "timestamp", arr_delay = "float" }
[features]
high = { quantile = "takeoffs.dep_delay", q = 0.9, by = "origin", over = "3h", missing = -99 }
middle = { quantile = "takeoffs.dep_delay", q = 0.5, over = "70 rows", missing = -99 }
carriers = { distinct = "takeoffs.carrier", by = "origin", over = "40m" }
bounds = { distinct = "dest", over = "200 rows" }
dest = { hash = "dest", slots = 16 }
plane = { hash = "tailnum", slots = 300 }
[model.late]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.01 }
"#;

/// By numpy's rule, of all values anew; -99 of none.
fn quantile(level: f64, values: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    let rank = level * (all.len() as f64 - 1.0);
    let Some(low) = all.get(rank.max(0.0) as usize) else { return -99.0 };
    low + (all[rank.ceil() as usize] - low) * (rank - rank.floor())
}

#[test]
fn quantiles_different_values_and_hashes_are_those_of_looking_at_all_rows() {
    let streams = ["departures", "takeoffs", "arrivals"].map(|stream| {
        let file = format!("{stream}.csv.gz");
        let bytes = std::fs::read(few_flights().data.join(&file)).expect("a stream");
        (file, bytes)
    });
    let streams: Vec<(&str, &[u8])> = streams.iter().map(|(file, bytes)| (file.as_str(), bytes.as_slice())).collect();
    let small = Small::new("other_features", OTHERS, &streams);
    let run = small.run("out", &["--tick-records", "77"]);
    let words = ["export", "examples", small.file.to_str().expect("a path"), "--format", "jsonl", "--quiet"];
    let ended = tidemill(words.into_iter().chain(["--out", run.out.to_str().expect("a path")]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let found: BTreeMap<String, serde_json::Value> =
        parse(&ended.stdout).into_iter().map(|row| (text(&row, "prediction_id").to_owned(), row)).collect();

    let of = |file: &str, columns: [usize; 4]| -> Vec<(i64, [String; 3])> {
        let all = read(&few_flights().data.join(file));
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<String>>();
        let row = |line: &str| {
            let cells = cells(line);
            let [at, a, b, c] = columns.map(|place| cells[place].clone());
            (micros(&at), [a, b, c])
        };
        all.lines().skip(1).map(row).collect()
    };
    let takeoffs = of("takeoffs.csv.gz", [0, 1, 3, 4]);
    let departures = of("departures.csv.gz", [0, 3, 5, 6]);
    let tails = of("departures.csv.gz", [0, 3, 5, 8]);
    assert!(departures.len() > 3_000 && found.len() == departures.len());
    let different = |all: &mut dyn Iterator<Item = &String>| all.collect::<BTreeSet<_>>().len() as f64;
    for (place, (at, [id, origin, dest])) in departures.iter().enumerate() {
        let past = || takeoffs.iter().filter(|(then, _)| then <= at);
        let here = |hours: f64| {
            let after = at - (hours * HOUR as f64) as i64;
            past().filter(move |(then, row)| *then > after && row[1] == *origin).map(|(_, row)| row)
        };
        let delay = |row: &[String; 3]| row[0].parse::<f64>().expect("a delay");
        let newest: Vec<f64> = past().map(|(_, row)| delay(row)).collect();
        let features = &found[id]["features"];
        for (name, wanted) in [
            ("high", quantile(0.9, here(3.0).map(delay))),
            ("middle", quantile(0.5, newest[newest.len().saturating_sub(70)..].iter().copied())),
            ("carriers", different(&mut here(40.0 / 60.0).map(|row| &row[2]))),
            ("bounds", different(&mut departures[place.saturating_sub(200)..place].iter().map(|(_, row)| &row[2]))),
        ] {
            let found = number(features, name);
            assert!((found - wanted).abs() < 1e-9, "{name} of {id}: {found} is not {wanted}");
        }
        let tail = &tails[place].1[2];
        for (name, value, slots) in [("dest", dest, 16), ("plane", tail, 300)] {
            let slot = match value.as_str() {
                "" => format!("{name}#null"),
                value => format!("{name}#{}", digest64(value.as_bytes()) % slots),
            };
            let hot: Vec<&String> = features
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, x)| key.starts_with(&format!("{name}#")) && x.as_f64() == Some(1.0))
                .map(|(key, _)| key)
                .collect();
            assert_eq!(hot, [&slot], "{name} of {id}");
        }
    }
}
