//! Newton's method with halved steps, for the smooth convex objectives that linfa does not have.
//!
//! In: an objective of weights and bias, and where to begin. Out: its minimum, as far as is asked. Keeps while fitting:
//! three triangles of slots by slots. Cost: a step is a pass over the rows, half the square of their stored slots each,
//! and a third of the cube of the slots; some 6 to 15 of them, whatever the sizes of the features. A step that does not
//! lessen the objective as a line would promise is halved until it does. Source: Boyd and Vandenberghe, Convex
//! Optimization, 9.5.

use super::whitening::Whitening;
use super::{FitError, Rows};

/// What is minimized; the bias is the last of the weights.
pub(super) trait Objective {
    /// Its value.
    fn loss(&self, weights: &[f64]) -> f64;

    /// Its slope by each weight.
    fn gradient(&self, weights: &[f64]) -> Vec<f64>;

    /// Its curvature, by rows; the upper triangle is read.
    fn hessian(&self, weights: &[f64]) -> Vec<f64>;

    /// The norm of the gradient at which it stops, where it has this value. In the coordinates in which it is taken
    /// half its square is about what is left to gain.
    fn allowed(&self, loss: f64) -> f64;
}

/// Minimizes from a start, in at most so many steps.
pub(super) fn minimize(
    objective: &dyn Objective,
    rows: &Rows,
    mut weights: Vec<f64>,
    max_iterations: u64,
) -> Result<Vec<f64>, FitError> {
    let mut loss = objective.loss(&weights);
    let mut found = (f64::INFINITY, 0.0);
    for _ in 0..max_iterations {
        rows.go_on()?;
        let whitening = Whitening::of(&objective.hessian(&weights), weights.len())
            .ok_or_else(|| FitError::Solver("the features are too far apart in size".to_string()))?;
        let gradient = whitening.gradient(&objective.gradient(&weights));
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        found = (norm, objective.allowed(loss));
        if norm <= found.1 {
            return Ok(weights);
        }
        let step = whitening.weights(&gradient);
        let mut share = 1.0;
        let next = loop {
            let next: Vec<f64> = weights.iter().zip(&step).map(|(w, s)| w - share * s).collect();
            let then = objective.loss(&next);
            if then < loss - 1e-4 * share * norm * norm {
                break Some((next, then));
            }
            share *= 0.5;
            if share < 1e-6 {
                break None;
            }
        };
        let Some(better) = next else { break };
        (weights, loss) = better;
    }
    let (gradient, allowed) = found;
    Err(FitError::NotConverged { gradient, allowed, max_iterations })
}
