//! `detector = ".."` of a drift trigger, and its parameters.

use super::bounds::Bounds;
use super::metrics::multiple;
use super::spec::{CauseSpec, DetectorSpec, Distance, FeatureKind, FeatureSpec, ModelSpec};
use super::table::{Faults, Table};
use crate::time::Span;

#[derive(Clone, Copy, PartialEq)]
enum Detector {
    Adwin,
    Ddm,
    Eddm,
    HddmA,
    HddmW,
    Kswin,
    PageHinkley,
    Distance(Distance),
}

const DETECTORS: [(&str, Detector); 15] = [
    ("adwin", Detector::Adwin),
    ("ddm", Detector::Ddm),
    ("eddm", Detector::Eddm),
    ("hddm_a", Detector::HddmA),
    ("hddm_w", Detector::HddmW),
    ("kswin", Detector::Kswin),
    ("page_hinkley", Detector::PageHinkley),
    of(Distance::Psi),
    of(Distance::JensenShannon),
    of(Distance::KolmogorovSmirnov),
    of(Distance::Wasserstein),
    of(Distance::ChiSquare),
    of(Distance::MissingRate),
    of(Distance::Unseen),
    of(Distance::Range),
];

const fn of(distance: Distance) -> (&'static str, Detector) {
    (distance.name(), Detector::Distance(distance))
}

/// The keys of all of them.
const KEYS: [&str; 15] = [
    "alpha",
    "beta",
    "delta",
    "drift_confidence",
    "drift_threshold",
    "lambda",
    "min_events",
    "min_instances",
    "seed",
    "stat_size",
    "threshold",
    "two_sided",
    "warm_start",
    "window",
    "window_size",
];

/// Reads the detector that a table names, with its parameters; defaults are River's.
pub(super) fn read(table: &mut Table<'_>, every: Span) -> Option<DetectorSpec> {
    let help = format!("one of {}", DETECTORS.map(|(name, _)| name).join(", "));
    let Some(detector) = table.need("detector", &help).and_then(|i| i.choice("detector", &DETECTORS)) else {
        table.knows(&KEYS);
        return None;
    };
    match detector {
        Detector::Adwin => share(table, "delta", 0.002).map(|delta| DetectorSpec::Adwin { delta }),
        Detector::Ddm => {
            let warm_start = instances(table, "warm_start");
            let threshold = table.take("drift_threshold").map_or(Some(3.0), |i| i.number(Bounds::above(1.0, 1e9)));
            Some(DetectorSpec::Ddm { warm_start: warm_start?, drift_threshold: threshold? })
        }
        Detector::Eddm => {
            let (warm_start, beta) = (instances(table, "warm_start"), share(table, "beta", 0.9));
            Some(DetectorSpec::Eddm { warm_start: warm_start?, beta: beta? })
        }
        Detector::HddmA => {
            let (confidence, two_sided) = (share(table, "drift_confidence", 0.001), both(table));
            Some(DetectorSpec::HddmA { drift_confidence: confidence?, two_sided: two_sided? })
        }
        Detector::HddmW => {
            let (confidence, two_sided) = (share(table, "drift_confidence", 0.001), both(table));
            let lambda = share(table, "lambda", 0.05);
            Some(DetectorSpec::HddmW { drift_confidence: confidence?, lambda: lambda?, two_sided: two_sided? })
        }
        Detector::Kswin => kswin(table),
        Detector::PageHinkley => {
            let delta = table.take("delta").map_or(Some(0.005), |i| i.number(Bounds::from(0.0, 1.0)));
            let threshold = table.take("threshold").map_or(Some(50.0), |i| i.number(Bounds::above(0.0, 1e9)));
            let min_instances = instances(table, "min_instances");
            let alpha = table.take("alpha").map_or(Some(0.9999), |i| i.number(Bounds::above(0.0, 1.0)));
            let (delta, threshold) = (delta?, threshold?);
            Some(DetectorSpec::PageHinkley { delta, threshold, min_instances: min_instances?, alpha: alpha? })
        }
        Detector::Distance(distance) => {
            let bounds = if distance.is_share() { Bounds::inside(0.0, 1.0) } else { Bounds::above(0.0, 1000.0) };
            let threshold = table.take("threshold").map_or(Some(distance.usual()), |i| i.number(bounds));
            let window = match table.take("window") {
                Some(item) => multiple(&item, every),
                // A week, or the next longer multiple.
                None => Some(Span((7 * Span::DAY.0 + every.0 - 1) / every.0 * every.0)),
            };
            let min_events = table.take("min_events").map_or(Some(1000), |i| i.whole(1, 1_000_000_000));
            Some(DetectorSpec::Distance { distance, threshold: threshold?, window: window?, min_events: min_events? })
        }
    }
}

/// Writes down which triggers watch what no feature tells. `features` are all that there are.
pub(super) fn check_told(models: &[ModelSpec], features: &[FeatureSpec], faults: &Faults) {
    for trigger in models.iter().flat_map(|model| &model.triggers) {
        let CauseSpec::Drift(DetectorSpec::Distance { distance, .. }) = &trigger.cause else { continue };
        let told = |tells: fn(&FeatureSpec) -> bool| features.iter().any(tells);
        let (told, what, help) = match distance {
            Distance::MissingRate => (
                told(|feature| feature.indicator || matches!(feature.kind, FeatureKind::Hash { .. })),
                "no feature has an indicator",
                "a number that was filled in cannot be told from others: write indicator = true beside missing = NUMBER",
            ),
            Distance::Unseen => (
                told(|feature| matches!(feature.kind, FeatureKind::OneHot { .. })),
                "no feature is one-hot",
                "unseen values are told of { one_hot = EXPR, values = [..] }",
            ),
            _ => continue,
        };
        if !told {
            faults.add_across(
                trigger.span.clone(),
                format!("`{}` has nothing to watch: {what}", distance.name()),
                help,
            );
        }
    }
}

fn share(table: &mut Table<'_>, key: &'static str, default: f64) -> Option<f64> {
    table.take(key).map_or(Some(default), |i| i.number(Bounds::inside(0.0, 1.0)))
}

fn kswin(table: &mut Table<'_>) -> Option<DetectorSpec> {
    let alpha = share(table, "alpha", 0.005);
    let window_size = table.take("window_size").map_or(Some(100), |i| i.count(2, 20_000));
    let stat_size = match table.take("stat_size") {
        None => window_size.map(|window| 30.min(window / 2)),
        Some(item) => item.count(1, 10_000).filter(|size| {
            let fits = window_size.is_none_or(|window| 2 * size <= window);
            if !fits {
                let half = window_size.unwrap_or_default() / 2;
                let message = format!("`stat_size` is {size}, allowed: 1 to half of `window_size`, which is {half}");
                item.faults.add_across(item.span(), message, "as many are drawn from the rest of the window");
            }
            fits
        }),
    };
    let seed = table.take("seed").map_or(Some(0), |i| i.whole(0, i64::MAX as u64));
    Some(DetectorSpec::Kswin { alpha: alpha?, window_size: window_size?, stat_size: stat_size?, seed: seed? })
}

fn instances(table: &mut Table<'_>, key: &'static str) -> Option<u64> {
    table.take(key).map_or(Some(30), |i| i.whole(1, 1_000_000_000))
}

fn both(table: &mut Table<'_>) -> Option<bool> {
    table.take("two_sided").map_or(Some(false), |i| i.boolean())
}
