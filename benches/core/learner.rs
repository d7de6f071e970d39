//! Logistic regression by stochastic gradient descent, rate 0.01, without penalty.

const RATE: f64 = 0.01;

pub struct Learner {
    weights: Vec<f64>,
    bias: f64,
    pub updates: u64,
}

impl Learner {
    pub fn new(width: usize) -> Learner {
        Learner { weights: vec![0.0; width], bias: 0.0, updates: 0 }
    }

    fn logit(&self, dense: &[f64], hot: &[u32]) -> f64 {
        let sum: f64 = dense.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
        hot.iter().fold(sum, |sum, slot| sum + self.weights[*slot as usize]) + self.bias
    }

    pub fn score(&self, dense: &[f64], hot: &[u32]) -> f64 {
        match self.logit(dense, hot) {
            z if z < -30.0 => 0.0,
            z if z > 30.0 => 1.0,
            z => 1.0 / (1.0 + (-z).exp()),
        }
    }

    pub fn learn(&mut self, dense: &[f64], hot: &[u32], label: bool) {
        let sign = if label { 1.0 } else { -1.0 };
        let gradient = match self.logit(dense, hot) * sign {
            z if z > 18.0 => (-z).exp() * -sign,
            z if z < -18.0 => -sign,
            z => -sign / (z.exp() + 1.0),
        };
        self.bias -= RATE * gradient;
        for (w, x) in self.weights.iter_mut().zip(dense) {
            *w -= RATE * (x * gradient);
        }
        for slot in hot {
            self.weights[*slot as usize] -= RATE * gradient;
        }
        self.updates += 1;
    }
}
