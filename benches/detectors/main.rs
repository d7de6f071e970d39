//! How soon, and how falsely, the drift detectors fire: on generated streams whose drifts are known.
//!
//! Detectors of the error are fed 0/1 errors; those of data are fed vectors of two numbers and judged every 500, over
//! the last 1,000 against the first 5,000. Five kinds of drift: abrupt, gradual (over 2,000 records), recurring (every
//! 5,000 there and back), virtual: the data moves, the error does not; and broken: of a tenth of the rows one number
//! comes in other units, one does not come at all, and a category is not among the values that were declared. A drift is found if it fires within 4,000
//! records of its beginning; every other firing is false, but for one behind a way back. Beside them stand one that
//! always fires and one that never does: no figure means anything without them. Prints tables in Markdown, over as
//! many seeds as asked for (100).

use tidemill::config::spec::{DetectorSpec, Distance};
use tidemill::drift::{Detector, Profile, Recent, detector};
use tidemill::feature::Vector;
use tidemill::feature::layout::{Layout, OneHot};
use tidemill::model::Dice;

/// Records a stream.
const RECORDS: usize = 30_000;
/// A drift that is not found within so many is missed.
const REACH: usize = 4_000;
/// Records between two judgements of data, and those looked at.
const STEP: usize = 500;
const RECENT: usize = 1_000;
const REFERENCE: usize = 5_000;

/// A kind of stream: where drifts begin, and how far it has drifted at a record, from 0 to 1.
struct Kind {
    name: &'static str,
    drifts: Vec<usize>,
    /// Where it is over: some detectors tell that, too.
    returns: Vec<usize>,
    drifted: fn(usize) -> f64,
    /// Whether the error follows the data.
    real: bool,
    /// Whether the source breaks, instead of the data being others.
    broken: bool,
}

fn kinds() -> Vec<Kind> {
    fn abrupt(n: usize) -> f64 {
        f64::from(u8::from(n >= 15_000))
    }
    fn gradual(n: usize) -> f64 {
        (n as f64 - 15_000.0).clamp(0.0, 2_000.0) / 2_000.0
    }
    fn recurring(n: usize) -> f64 {
        f64::from(u8::from(n >= 10_000 && (n / 5_000).is_multiple_of(2)))
    }
    vec![
        Kind { name: "abrupt", drifts: vec![15_000], returns: Vec::new(), drifted: abrupt, real: true, broken: false },
        Kind {
            name: "gradual",
            drifts: vec![15_000],
            returns: Vec::new(),
            drifted: gradual,
            real: true,
            broken: false,
        },
        Kind {
            name: "recurring",
            drifts: vec![10_000, 20_000],
            returns: vec![15_000, 25_000],
            drifted: recurring,
            real: true,
            broken: false,
        },
        Kind {
            name: "virtual",
            drifts: vec![15_000],
            returns: Vec::new(),
            drifted: abrupt,
            real: false,
            broken: false,
        },
        Kind { name: "broken", drifts: vec![15_000], returns: Vec::new(), drifted: abrupt, real: true, broken: true },
    ]
}

/// What fires.
enum Watch {
    Always,
    Never,
    Error(DetectorSpec),
    Data(Distance),
}

fn watches() -> Vec<(&'static str, Watch)> {
    vec![
        ("always", Watch::Always),
        ("never", Watch::Never),
        ("adwin", Watch::Error(DetectorSpec::Adwin { delta: 0.002 })),
        ("ddm", Watch::Error(DetectorSpec::Ddm { warm_start: 30, drift_threshold: 3.0 })),
        ("eddm", Watch::Error(DetectorSpec::Eddm { warm_start: 30, beta: 0.9 })),
        ("hddm_a", Watch::Error(DetectorSpec::HddmA { drift_confidence: 0.001, two_sided: false })),
        ("hddm_w", Watch::Error(DetectorSpec::HddmW { drift_confidence: 0.001, lambda: 0.05, two_sided: false })),
        ("kswin", Watch::Error(DetectorSpec::Kswin { alpha: 0.005, window_size: 100, stat_size: 30, seed: 0 })),
        (
            "page_hinkley",
            Watch::Error(DetectorSpec::PageHinkley { delta: 0.005, threshold: 50.0, min_instances: 30, alpha: 0.9999 }),
        ),
        of(Distance::Psi),
        of(Distance::JensenShannon),
        of(Distance::KolmogorovSmirnov),
        of(Distance::Wasserstein),
        of(Distance::ChiSquare),
        of(Distance::MissingRate),
        of(Distance::Unseen),
        of(Distance::Range),
    ]
}

fn of(distance: Distance) -> (&'static str, Watch) {
    (distance.name(), Watch::Data(distance))
}

/// Two numbers; of a source that may break one of them can be missing, and there is a category.
fn layout(broken: bool) -> Layout {
    let (mut numbers, mut groups) = (vec!["a".to_owned(), "b".to_owned()], Vec::new());
    if broken {
        numbers.push("b.missing".to_owned());
        groups.push(OneHot { feature: "c".to_owned(), values: vec!["x".to_owned(), "y".to_owned()].into() });
    }
    Layout::new(numbers, groups).expect("the names differ")
}

/// What a detector came to over streams.
#[derive(Default)]
struct Score {
    records: usize,
    drifts: usize,
    found: usize,
    delays: usize,
    falsely: usize,
}

impl Score {
    /// Counts the firings of one stream, ascending.
    fn add(&mut self, fired: &[usize], kind: &Kind) {
        self.records += RECORDS;
        self.drifts += kind.drifts.len();
        let behind =
            |change: &usize| fired.iter().find(|at| (*change..change + REACH).contains(at)).map(|at| at - change);
        let found: Vec<usize> = kind.drifts.iter().filter_map(behind).collect();
        self.found += found.len();
        self.delays += found.iter().sum::<usize>();
        self.falsely += fired.len() - found.len() - kind.returns.iter().filter_map(behind).count();
    }

    fn row(&self, name: &str) -> String {
        let delay = self.delays.checked_div(self.found).map_or("-".to_owned(), |delay| delay.to_string());
        let missed = 100.0 * (self.drifts - self.found) as f64 / self.drifts as f64;
        let falsely = 1e5 * self.falsely as f64 / self.records as f64;
        format!("| {name} | {delay} | {missed:.0} % | {falsely:.1} |")
    }
}

fn main() {
    let asked = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let seeds: u64 = asked.unwrap_or(100);
    for kind in kinds() {
        let layout = layout(kind.broken);
        println!("\n### {}\n", kind.name);
        println!("| detector | delay, records | missed | false alarms per 100,000 |\n| --- | ---: | ---: | ---: |");
        for (name, watch) in watches() {
            let mut score = Score::default();
            for seed in 0..seeds {
                score.add(&fired(&kind, &watch, seed, &layout), &kind);
            }
            println!("{}", score.row(name));
        }
    }
}

/// Where a detector fires on a stream.
fn fired(kind: &Kind, watch: &Watch, seed: u64, layout: &Layout) -> Vec<usize> {
    let mut dice = Dice::new(seed);
    match watch {
        Watch::Always => (0..RECORDS).collect(),
        Watch::Never => Vec::new(),
        Watch::Error(spec) => {
            let mut detector: Box<dyn Detector> = detector(spec).expect("it watches the error");
            let mut errs = |n: usize| {
                let share = 0.2 + if kind.real { 0.15 * (kind.drifted)(n) } else { 0.0 };
                f64::from(u8::from(dice.uniform() < share))
            };
            (0..RECORDS).filter(|n| detector.update(errs(*n))).collect()
        }
        Watch::Data(distance) => {
            let mut vector = |n: usize| {
                // The sum of twelve is as good as normal; of two numbers one moves by half a deviation.
                let mut normal = || (0..12).map(|_| dice.uniform()).sum::<f64>() - 6.0;
                let (a, b) = (normal(), normal());
                if kind.broken {
                    return broken(&mut dice, (a, b), (kind.drifted)(n), layout);
                }
                Vector { dense: [a + 0.5 * (kind.drifted)(n), b].into(), hot: [].into() }
            };
            let all: Vec<Vector> = (0..RECORDS).map(&mut vector).collect();
            let profile = Profile::of(layout, all[..REFERENCE].iter());
            let moved = |end: &usize| {
                let mut recent: Recent = profile.recent();
                all[end - RECENT..*end].iter().for_each(|vector| recent.add(layout, &profile, vector));
                profile.moved(*distance, layout, &recent).iter().any(|(_, index)| *index > distance.usual())
            };
            let ends = (REFERENCE + RECENT..=RECORDS).step_by(STEP);
            // A signal that lasts is one alarm, as its trigger has a cooldown.
            let mut before = false;
            let begins = |end: &usize| {
                let now = moved(end);
                !std::mem::replace(&mut before, now) && now
            };
            ends.filter(begins).map(|end| end - 1).collect()
        }
    }
}

/// A row of a source that breaks: one in a hundred is missing, and one unseen, as ever; a drift adds one in ten.
fn broken(dice: &mut Dice, (a, b): (f64, f64), drifted: f64, layout: &Layout) -> Vector {
    let (units, missing) = (dice.uniform() < 0.1 * drifted, dice.uniform() < 0.01 + 0.1 * drifted);
    let unseen = dice.uniform() < 0.01 + 0.1 * drifted;
    let value = if dice.uniform() < 0.5 { "x" } else { "y" };
    let category = if unseen { layout.null_slot(0).0 } else { layout.hot_slot(0, value).0 };
    let (a, b) = (if units { 100.0 * a } else { a }, if missing { 0.0 } else { b });
    Vector { dense: [a, b, f64::from(u8::from(missing))].into(), hot: [category].into() }
}
