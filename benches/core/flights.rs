//! The core of `dataflows/flights.toml` by hand.

use super::csv::Csv;
use super::learner::Learner;
use super::names::{Map, Names, at};
use super::newest::{Newest, Recent};
use super::output::Output;
use super::score_board::ScoreBoard;
use super::standardizer::Standardizer;
use compact_str::CompactString;
use std::io::Result;
use std::path::Path;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
const DENSE: usize = 26;
const HOT: usize = 5;
/// One-hot values of the hour and of the day of the week; 7 stands for all others.
const HOURS: [usize; 20] = [1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
const DAYS: usize = 7;

#[derive(Default)]
struct Origin {
    weather: [Option<f64>; 6],
    departures: Newest<30>,
    departures_1h: Recent<HOUR>,
    departures_3h: Recent<{ 3 * HOUR }>,
    arrivals: Newest<30>,
    late: Newest<30>,
    late_by_hour: [Newest<200>; 24],
    scheduled_1d: Recent<DAY>,
    scheduled_3h: Recent<{ 3 * HOUR }>,
    departed_1d: Recent<DAY>,
    departed_3h: Recent<{ 3 * HOUR }>,
}

#[derive(Default)]
struct Carrier {
    departures_3h: Recent<{ 3 * HOUR }>,
    arrivals: Newest<30>,
}

#[derive(Default)]
struct Plane {
    built: Option<f64>,
    seats: Option<f64>,
    landed: Option<(i64, f64)>,
}

struct Waiting {
    dense: [f64; DENSE],
    hot: [u32; HOT],
    score: f64,
    origin: usize,
    carrier: usize,
    dest: usize,
    hour: usize,
    plane: Option<usize>,
}

/// First slots of the one-hot groups, and how many values they have.
struct Slots {
    groups: [(usize, usize); HOT],
    width: usize,
}

impl Slots {
    fn new(values: [usize; HOT]) -> Slots {
        let mut width = DENSE;
        let groups = values.map(|values| {
            width += values + 1;
            (width - values - 1, values)
        });
        Slots { groups, width }
    }

    fn of(&self, numbers: [usize; HOT]) -> [u32; HOT] {
        let mut slots = [0; HOT];
        for ((slot, number), (first, values)) in slots.iter_mut().zip(numbers).zip(self.groups) {
            *slot = (first + number.min(values)) as u32;
        }
        slots
    }
}

struct Names3 {
    origins: Names,
    carriers: Names,
    dests: Names,
}

#[derive(Default)]
struct State {
    origins: Vec<Origin>,
    carriers: Vec<Carrier>,
    dests: Vec<Newest<30>>,
    planes: Vec<Plane>,
    routes: Map<u64, Newest<30>>,
    network: Newest<60>,
    scheduled: Recent<DAY>,
    departed: Recent<DAY>,
}

fn route(carrier: usize, dest: usize, hour: usize) -> u64 {
    ((carrier as u64) << 40) | ((dest as u64) << 8) | hour as u64
}

pub fn run(folder: &Path, out: &Path) -> Result<(u64, ScoreBoard)> {
    let open = |name: &str, header, time| Csv::open(&folder.join(format!("{name}.csv.gz")), header, time);
    let mut departures =
        open("departures", "sched_dep,local_hour,local_dow,flight_id,carrier,origin,dest,distance,tailnum", 0)?;
    let mut takeoffs = open("takeoffs", "reported_at,dep_delay,flight_id,origin,carrier", 0)?;
    let mut arrivals = open("arrivals", "landed_at,arr_delay,flight_id", 0)?;
    let mut weather = open("weather", "observed_at,origin,temp,humid,wind_speed,precip,visib,pressure", 0)?;
    let mut planes = open("planes", "tailnum,listed_at,built,seats", 1)?;
    let named = |name: &str| std::fs::read_to_string(folder.join(name)).map(|text| Names::of_file(&text));
    let mut names =
        Names3 { origins: named("origins.txt")?, carriers: named("carriers.txt")?, dests: named("dests.txt")? };
    let values = [HOURS.len(), DAYS, names.origins.len(), names.carriers.len(), names.dests.len()];
    let slots = Slots::new(values);
    let mut plane_names = Names::default();
    let mut state = State::default();
    let mut waiting = Map::<CompactString, Waiting>::default();
    let mut standardizers = [Standardizer::default(); DENSE];
    let mut learner = Learner::new(slots.width);
    let (mut board, mut output, mut events) = (ScoreBoard::new(), Output::create(out, "late")?, 0);
    loop {
        let tables = weather.time.min(planes.time);
        let time = tables.min(takeoffs.time).min(arrivals.time).min(departures.time);
        if time == i64::MAX {
            break;
        }
        // Of one time: tables, then contexts, then labels, then events.
        if weather.time == time {
            let origin = at(&mut state.origins, names.origins.number(weather.text(1)));
            origin.weather = [2, 3, 4, 5, 6, 7].map(|field| weather.number(field));
            weather.advance()?;
        } else if planes.time == time {
            let plane = at(&mut state.planes, plane_names.number(planes.text(0)));
            (plane.built, plane.seats) = (planes.number(2), planes.number(3));
            planes.advance()?;
        } else if takeoffs.time == time {
            let delay = takeoffs.number(1).unwrap_or_default().clamp(-20.0, 180.0) as i64;
            let origin = at(&mut state.origins, names.origins.number(takeoffs.text(3)));
            let carrier = at(&mut state.carriers, names.carriers.number(takeoffs.text(4)));
            origin.departures.push(delay);
            origin.departures_1h.push(time, delay);
            origin.departures_3h.push(time, delay);
            origin.departed_1d.push(time, 0);
            origin.departed_3h.push(time, 0);
            carrier.departures_3h.push(time, delay);
            state.network.push(delay);
            state.departed.push(time, 0);
            takeoffs.advance()?;
        } else if arrivals.time == time {
            let delay = arrivals.number(1).unwrap_or_default();
            if let Some(event) = waiting.remove(arrivals.text(2)) {
                let late = delay > 15.0;
                let delay = delay.clamp(-40.0, 180.0);
                state.labelled(time, &event, delay, late);
                learner.learn(&event.dense, &event.hot, late);
                board.label(event.score, late);
            }
            arrivals.advance()?;
        } else {
            let hour: usize = departures.text(1).parse().expect("an hour");
            let day: usize = departures.text(2).parse().expect("a day");
            let origin = names.origins.number(departures.text(5));
            let carrier = names.carriers.number(departures.text(4));
            let dest = names.dests.number(departures.text(6));
            let tail = departures.text(8);
            let plane = (!tail.is_empty()).then(|| plane_names.number(tail));
            let distance = departures.number(7).unwrap_or_default();
            let numbers = state.numbers(time, [origin, carrier, dest, hour], plane, distance);
            let mut dense = [0.0; DENSE];
            for ((x, number), standardizer) in dense.iter_mut().zip(numbers).zip(&mut standardizers) {
                *x = standardizer.push(number);
            }
            let hour_is = HOURS.iter().position(|h| *h == hour).unwrap_or(HOURS.len());
            let hot = slots.of([hour_is, day, origin, carrier, dest]);
            let score = learner.score(&dense, &hot);
            let id = departures.text(3);
            // The file has no seconds.
            output.write(id, [&departures.text(0)[..16], ":00Z"], score, learner.updates)?;
            waiting.insert(id.into(), Waiting { dense, hot, score, origin, carrier, dest, hour, plane });
            departures.advance()?;
            events += 1;
        }
    }
    output.close()?;
    Ok((events, board))
}

impl State {
    fn labelled(&mut self, time: i64, event: &Waiting, delay: f64, late: bool) {
        let whole = delay as i64;
        let late = i64::from(late);
        let origin = at(&mut self.origins, event.origin);
        origin.arrivals.push(whole);
        origin.late.push(late);
        origin.late_by_hour[event.hour].push(late);
        at(&mut self.carriers, event.carrier).arrivals.push(whole);
        at(&mut self.dests, event.dest).push(whole);
        self.routes.entry(route(event.carrier, event.dest, event.hour)).or_default().push(late);
        if let Some(plane) = event.plane {
            at(&mut self.planes, plane).landed = Some((time, delay));
        }
    }

    /// The numbers of an event, which joins its windows.
    fn numbers(
        &mut self,
        time: i64,
        [origin, carrier, dest, hour]: [usize; 4],
        plane: Option<usize>,
        distance: f64,
    ) -> [f64; DENSE] {
        let route = self.routes.get(&route(carrier, dest, hour)).map_or(0.2, |route| route.mean(1.0, 0.2));
        let origin = at(&mut self.origins, origin);
        let carrier = at(&mut self.carriers, carrier);
        let dest = at(&mut self.dests, dest);
        let (built, seats, landed) = plane.map_or((None, None, None), |plane| {
            let plane = at(&mut self.planes, plane);
            (plane.built, plane.seats, plane.landed)
        });
        let [temp, humid, wind_speed, precip, visib, pressure] = origin.weather;
        let numbers = [
            hour as f64,
            distance,
            temp.unwrap_or(55.0),
            humid.unwrap_or(60.0),
            wind_speed.unwrap_or(9.0),
            precip.unwrap_or(0.0),
            f64::from(u8::from(precip.is_some_and(|p| p > 0.0))),
            visib.unwrap_or(10.0),
            pressure.unwrap_or(1017.0),
            built.map_or(11.0, |year| 2013.0 - year),
            seats.unwrap_or(150.0),
            origin.departures.mean(1.0, 0.0),
            self.network.mean(1.0, 0.0),
            origin.departures_1h.mean(time),
            origin.departures_3h.mean(time),
            carrier.departures_3h.mean(time),
            origin.arrivals.mean(1.0, 0.0),
            carrier.arrivals.mean(1.0, 0.0),
            dest.mean(1.0, 0.0),
            landed.filter(|(at, _)| *at > time - DAY).map_or(0.0, |(_, delay)| delay),
            origin.late.mean(1.0, 0.0),
            origin.late_by_hour[hour].mean(1.0, 0.2),
            route,
            self.scheduled.count(time) - self.departed.count(time),
            origin.scheduled_1d.count(time) - origin.departed_1d.count(time),
            origin.scheduled_3h.count(time) - origin.departed_3h.count(time),
        ];
        self.scheduled.push(time, 0);
        origin.scheduled_1d.push(time, 0);
        origin.scheduled_3h.push(time, 0);
        numbers
    }
}
