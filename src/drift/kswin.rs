//! Kolmogorov-Smirnov windowing: drift where the newest values differ from some drawn out of those before them.
//!
//! In: finite values. Out: drift. Keeps: the last `window_size` values (100) and the dice. A full window is judged at
//! every value: its `stat_size` (30) newest against as many of the others, drawn without replacement, by the two-sample
//! test of Kolmogorov and Smirnov; drift where the chance of it is at most `alpha` (0.005) and the statistic above 0.1.
//! Cost: a sort of `stat_size` values, twice.
//!
//! Test and rule are River 0.26.1's `KSWIN`, which asks scipy: for two samples of equal size up to 10,000 that is the
//! exact chance (as if there were no ties, so with ties it is too great), and larger ones are not allowed here. The
//! draws are our own, seeded: instants of drift agree with River's over seeds, not draw by draw. At `alpha` 0.005 a
//! test at every value fires now and then where nothing changes, as River's does. Source: Raab, Heusinger and Schleif,
//! Reactive soft prototype computing for concept drift streams, Neurocomputing 416, 2020; Hodges, The significance
//! probability of the Smirnov two-sample test, 1958, for the chance.

use super::{Detector, State};
use crate::model::Dice;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Statistics up to here are no drift, whatever their chance.
const LEAST_STATISTIC: f64 = 0.1;

/// Kolmogorov-Smirnov windowing: its parameters and state.
///
/// ```
/// use tidemill::drift::{Detector, Kswin};
/// let mut detector = Kswin::new(0.0001, 100, 30, 42);
/// assert!((0..1000).all(|i| !detector.update(f64::from(i % 2))));
/// let late = (0..100).position(|i| detector.update(f64::from(4 + i % 4))).unwrap();
/// assert!(late < 30);
/// assert_eq!(detector, Kswin::new(0.0001, 100, 30, 42), "a drift starts it afresh");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kswin {
    alpha: f64,
    window_size: usize,
    stat_size: usize,
    seed: u64,
    dice: Dice,
    window: VecDeque<f64>,
}

impl Kswin {
    /// One that has seen nothing; the parameters are checked with the pipeline file.
    pub fn new(alpha: f64, window_size: usize, stat_size: usize, seed: u64) -> Kswin {
        assert!(alpha > 0.0 && alpha < 1.0, "the parameters are checked with the pipeline file");
        assert!(stat_size >= 1 && 2 * stat_size <= window_size, "the newest values and a sample of the others fit");
        Kswin { alpha, window_size, stat_size, seed, dice: Dice::new(seed), window: VecDeque::new() }
    }

    /// Whether the newest values differ from some of the others.
    fn differs(&mut self) -> bool {
        let older = self.window_size - self.stat_size;
        let drawn = self.dice.choose(self.stat_size as u32, older as u32);
        let mut before: Vec<f64> = drawn.into_iter().map(|place| self.window[place as usize]).collect();
        let mut newest: Vec<f64> = self.window.range(older..).copied().collect();
        let apart = apart(&mut before, &mut newest);
        apart as f64 / self.stat_size as f64 > LEAST_STATISTIC && chance(self.stat_size, apart) <= self.alpha
    }
}

impl Default for Kswin {
    /// River's parameters.
    fn default() -> Kswin {
        Kswin::new(0.005, 100, 30, 0)
    }
}

/// The greatest distance of two samples' distributions, in rows; they are equally large, and are sorted.
fn apart(a: &mut [f64], b: &mut [f64]) -> usize {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (mut i, mut j, mut most) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        let x = a[i].min(b[j]);
        i += a[i..].iter().take_while(|value| **value == x).count();
        j += b[j..].iter().take_while(|value| **value == x).count();
        most = most.max(i.abs_diff(j));
    }
    most
}

/// The chance that two samples of `n` rows of one continuous distribution are so far apart, or farther. It is
/// 2 (C(2n, n-h) - C(2n, n-2h) + ..) / C(2n, n), factored as scipy does, without great numbers that cancel.
fn chance(n: usize, apart: usize) -> f64 {
    if apart == 0 {
        return 1.0;
    }
    let tail = (0..=n / apart).rev().fold(0.0, |rest, k| {
        let factor = |product: f64, j: usize| (n - k * apart).saturating_sub(j) as f64 * product;
        let term = (0..apart).fold(1.0, |product, j| factor(product, j) / (n + k * apart + j + 1) as f64);
        term * (1.0 - rest)
    });
    (2.0 * tail).clamp(0.0, 1.0)
}

impl Detector for Kswin {
    fn update(&mut self, x: f64) -> bool {
        assert!(x.is_finite(), "a detector is fed finite values");
        if self.window.len() == self.window_size {
            self.window.pop_front();
        }
        self.window.push_back(x);
        let drift = self.window.len() == self.window_size && self.differs();
        if drift {
            self.reset();
        }
        drift
    }

    fn reset(&mut self) {
        *self = Kswin::new(self.alpha, self.window_size, self.stat_size, self.seed);
    }

    fn name(&self) -> &'static str {
        "kswin"
    }

    fn save(&self) -> State {
        State::Kswin(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::laws::drifts;

    #[derive(Deserialize)]
    struct Golden {
        pairs: Vec<Pair>,
        sequences: Vec<Figures>,
    }

    #[derive(Deserialize)]
    struct Pair {
        name: String,
        a: Vec<f64>,
        b: Vec<f64>,
        statistic: f64,
        exact: f64,
        /// Of large samples.
        asymptotic: Option<f64>,
    }

    #[derive(Deserialize)]
    struct Figures {
        name: String,
        scaled: Vec<i32>,
        scale: f64,
        change: usize,
        seeds: u64,
        parameters: Parameters,
        found: f64,
        /// None where nothing changes.
        delay: Option<Described>,
        before: Described,
    }

    /// Those that are not River's defaults.
    #[derive(Deserialize)]
    struct Parameters {
        alpha: Option<f64>,
        window_size: Option<usize>,
        stat_size: Option<usize>,
    }

    #[derive(Clone, Copy, Deserialize)]
    struct Described {
        mean: f64,
        deviation: f64,
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../../tests/golden/kswin.json")).expect("the golden file reads")
    }

    #[test]
    fn statistic_and_chance_are_those_of_scipy() {
        for pair in golden().pairs {
            let (n, name) = (pair.a.len(), &pair.name);
            let apart = apart(&mut pair.a.clone(), &mut pair.b.clone());
            assert_eq!(apart, (pair.statistic * n as f64).round() as usize, "{name}");
            let found = chance(n, apart);
            assert!(
                (found - pair.exact).abs() <= 1e-12 * pair.exact.max(1e-3),
                "{name}: {found} is not {}",
                pair.exact
            );
            // The limit of large samples is near: it is another formula altogether.
            assert!(pair.asymptotic.is_none_or(|limit| (found - limit).abs() < 0.3 * found), "{name}: {found}");
        }
    }

    #[test]
    fn fires_over_seeds_as_river_does() {
        for golden in golden().sequences {
            let values: Vec<f64> = golden.scaled.iter().map(|x| f64::from(*x) / golden.scale).collect();
            let Parameters { alpha, window_size, stat_size } = golden.parameters;
            let (mut before, mut delays) = (Vec::new(), Vec::new());
            for seed in 0..golden.seeds {
                let (alpha, window) = (alpha.unwrap_or(0.005), window_size.unwrap_or(100));
                let fired = drifts(&mut Kswin::new(alpha, window, stat_size.unwrap_or(30), seed), &values);
                before.push(fired.iter().filter(|at| **at < golden.change).count() as f64);
                delays.extend(fired.iter().find(|at| **at >= golden.change).map(|at| (at - golden.change) as f64));
            }
            let seeds = golden.seeds as f64;
            // Two shares of one share differ by so much at the very most: four of their deviations.
            let share = (delays.len() as f64 / seeds, golden.found);
            assert!((share.0 - share.1).abs() <= 4.0 * (0.5 / seeds).sqrt(), "{}: found {share:?}", golden.name);
            for (what, ours, river) in [("delay", delays, golden.delay), ("before", before, Some(golden.before))] {
                let Some(river) = river else { continue };
                let (mean, error) = (ours.iter().sum::<f64>() / ours.len() as f64, river.deviation / seeds.sqrt());
                let near = (mean - river.mean).abs() <= 4.0 * error * 2f64.sqrt() + 0.05;
                assert!(near, "{}, {what}: {mean} is not {} by {error}", golden.name, river.mean);
            }
        }
    }
}
