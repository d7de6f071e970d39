//! Calibration: from votes to probabilities, on rows that were neither fitted on nor judge.
//!
//! In: a fitted model, and rows with labels. Out: a line a vote ([`Platt`]), and the model with it. The line is that of
//! the logistic regression of the labels on the votes; of several classes each is held against the rest. Targets are
//! not 1 and 0 but as if each class had one row more on the other side, so that votes that happen to tell all rows
//! apart do not make it sure. Keeps: nothing. Cost: a prediction a row and some ten passes over the votes.
//!
//! A release is fitted again on all rows, of which none is left to calibrate by: it has the line that was found for the
//! fit that was judged.
//!
//! Sources: Platt 1999, "Probabilistic outputs for support vector machines"; Lin, Lin and Weng 2007, "A note on Platt's
//! probabilistic outputs for support vector machines", whose Newton's method with halved steps this is.

use super::FitError;
use crate::feature::Vector;
use crate::model::{Body, Learner, Logistic, Platt};
use crate::task::{Label, Task};

/// The most steps.
const MOST_STEPS: usize = 100;
/// Added to the curvature, against 0.
const LEAST_CURVATURE: f64 = 1e-12;

/// What a model's votes are to be made of.
pub(super) fn calibration(body: &Body, rows: &[(&Vector, Label)], task: Task) -> Result<Vec<Platt>, FitError> {
    if rows.is_empty() {
        return Err(FitError::Uncalibrated("there is no held-out row whose label was known in time"));
    }
    let votes: Vec<_> = rows.iter().map(|(x, _)| votes(body, x)).collect();
    let classes = if let Task::Multiclass(classes) = task { usize::from(classes) } else { 1 };
    let line = |class: usize| {
        let is = |label: &Label| if classes == 1 { label.is_true() } else { label.number() == class };
        let told: Vec<(f64, bool)> =
            votes.iter().zip(rows).map(|(votes, (_, label))| (votes[class], is(label))).collect();
        platt(&told)
    };
    Ok((0..classes).map(line).collect())
}

/// The model with its votes calibrated.
pub(super) fn calibrated(body: Body, lines: &[Platt]) -> Body {
    match (body, lines) {
        (Body::VotingTrees(mut trees), lines) => {
            trees.calibration = lines.to_vec();
            Body::VotingTrees(trees)
        }
        (Body::Logistic(model), [line]) => {
            let weights = model.weights().iter().map(|weight| weight * line.slope).collect();
            let bias = model.bias() * line.slope + line.intercept;
            Body::Logistic(Logistic::fitted(weights, bias, model.updates()))
        }
        (other, _) => unreachable!("a {} model does not vote", other.kind()),
    }
}

fn votes(body: &Body, x: &Vector) -> smallvec::SmallVec<[f64; 1]> {
    match body {
        Body::VotingTrees(trees) => trees.votes(x),
        Body::Logistic(model) => smallvec::smallvec![x.dot(model.weights()) + model.bias()],
        other => unreachable!("a {} model does not vote", other.kind()),
    }
}

/// The line of some votes, each with whether it came true.
fn platt(told: &[(f64, bool)]) -> Platt {
    let positives = told.iter().filter(|(_, is)| *is).count() as f64;
    let negatives = told.len() as f64 - positives;
    let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let target = |is: bool| if is { high } else { low };
    let loss = |line: Platt| {
        let of = |(vote, is): &(f64, bool)| {
            let z = line.slope * vote + line.intercept;
            // The log loss, without an exponential that overflows.
            z.max(0.0) - z * target(*is) + (-z.abs()).exp().ln_1p()
        };
        told.iter().map(of).sum::<f64>()
    };
    let mut line = Platt { slope: 0.0, intercept: ((positives + 1.0) / (negatives + 1.0)).ln() };
    let mut now = loss(line);
    for _ in 0..MOST_STEPS {
        let (mut g, mut h) = ([0.0; 2], [LEAST_CURVATURE, 0.0, LEAST_CURVATURE]);
        for (vote, is) in told {
            let p = line.probability(*vote);
            let (error, curvature) = (p - target(*is), p * (1.0 - p));
            g = [g[0] + error * vote, g[1] + error];
            h = [h[0] + curvature * vote * vote, h[1] + curvature * vote, h[2] + curvature];
        }
        if g[0].abs() < 1e-5 && g[1].abs() < 1e-5 {
            break;
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        let downhill = g[0] * step[0] + g[1] * step[1];
        let mut share = 1.0;
        let next = loop {
            let next = Platt { slope: line.slope - share * step[0], intercept: line.intercept - share * step[1] };
            let then = loss(next);
            if then < now - 1e-4 * share * downhill {
                break Some((next, then));
            }
            share *= 0.5;
            if share < 1e-10 {
                break None;
            }
        };
        let Some(better) = next else { break };
        (line, now) = better;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Golden {
        platt: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        votes: Vec<f64>,
        labels: Vec<bool>,
        slope: f64,
        intercept: f64,
    }

    /// `_SigmoidCalibration` of scikit-learn.
    #[test]
    fn lines_are_scikit_learns() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/golden/batch.json")).expect("the golden file reads");
        for case in golden.platt {
            let told: Vec<(f64, bool)> = case.votes.iter().copied().zip(case.labels).collect();
            let found = platt(&told);
            let expected = Platt { slope: case.slope, intercept: case.intercept };
            for vote in &case.votes {
                let apart = (found.probability(*vote) - expected.probability(*vote)).abs();
                assert!(apart < 1e-4, "{found:?} is not {expected:?} at {vote}");
            }
        }
    }

    #[test]
    fn votes_that_tell_all_rows_apart_or_none_have_a_line() {
        let apart: Vec<(f64, bool)> = (0..40).map(|n| (f64::from(n), n >= 30)).collect();
        let line = platt(&apart);
        assert!(line.probability(39.0) > 0.85 && line.probability(39.0) < 0.95, "{line:?} is not too sure");
        assert!(line.probability(0.0) < 0.05, "{line:?}");
        // Votes that are all alike leave the share, with a row more of each.
        let alike: Vec<(f64, bool)> = (0..40).map(|n| (0.7, n >= 30)).collect();
        let share = platt(&alike).probability(0.7);
        assert!((share - (10.0 * 11.0 / 12.0 + 30.0 / 32.0) / 40.0).abs() < 1e-6, "{share}");
        // All of one class.
        let sure = platt(&[(0.1, true), (0.9, true)]);
        assert!((sure.probability(0.5) - 0.75).abs() < 1e-4, "{sure:?}");
    }
}
