//! A series: the metrics of one contestant in one window over pipeline time, as they were published.
//!
//! Keeps: at most [`MOST_POINTS`] points; when there are more, every second one is let go of, so that a long run is
//! shown whole and coarsely. A value that a later label changed takes the place of the former one.

use crate::time::Time;
use std::collections::BTreeMap;

/// Points kept.
pub const MOST_POINTS: usize = 400;

/// The metrics of one contestant in one window.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The model that it is about.
    pub model: String,
    /// The window.
    pub window: String,
    /// Whose metrics they are, for a person: `as served`, `majority`, `v3 shadow`.
    pub who: String,
    /// By the end of the window, a value for each name of a metric; NaN where there is none.
    points: BTreeMap<Time, Box<[f64]>>,
}

impl Series {
    /// A series without points.
    pub fn new(model: &str, window: &str, who: &str) -> Series {
        Series { model: model.to_owned(), window: window.to_owned(), who: who.to_owned(), points: BTreeMap::new() }
    }

    /// Takes a published value; a further one of the same end takes its place.
    pub fn publish(&mut self, at: Time, values: Box<[f64]>) {
        self.points.insert(at, values);
        if self.points.len() > MOST_POINTS {
            let newest = self.points.last_key_value().map(|(at, _)| *at);
            let mut odd = false;
            self.points.retain(|at, _| {
                odd = !odd;
                odd || Some(*at) == newest
            });
        }
    }

    /// Its points of the metric at a place, in the order of time.
    pub fn points(&self, metric: usize) -> impl Iterator<Item = (Time, f64)> + '_ {
        self.points.iter().map(move |(at, values)| (*at, values.get(metric).copied().unwrap_or(f64::NAN)))
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_is_thinned_and_keeps_both_ends() {
        let mut series = Series::new("late", "1d", "as served");
        for hour in 0..10_000 {
            series.publish(Time(hour * 3_600_000_000), Box::new([hour as f64]));
            assert!(series.points.len() <= MOST_POINTS);
        }
        let values: Vec<f64> = series.points(0).map(|(_, value)| value).collect();
        assert_eq!((values.first(), values.last()), (Some(&0.0), Some(&9_999.0)));
        assert!(values.len() > MOST_POINTS / 3 && values.is_sorted());
    }

    #[test]
    fn a_value_that_is_published_again_takes_the_place_of_the_former() {
        let mut series = Series::new("late", "1d", "as served");
        for value in [0.5, 0.25] {
            series.publish(Time(7), Box::new([value]));
        }
        assert_eq!(series.points(0).collect::<Vec<_>>(), [(Time(7), 0.25)]);
        assert!(series.points(1).all(|(_, value)| value.is_nan()), "it has no second metric");
    }
}
