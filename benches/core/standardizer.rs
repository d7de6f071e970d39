//! Online standardization in integers of 2^-40: what the pipeline promises, and what its bits depend on.

pub const ONE: f64 = (1_u64 << 40) as f64;

/// The nearest multiple of 2^-40, half away from zero.
pub fn fixed(number: f64) -> i64 {
    let scaled = number * ONE;
    if scaled.abs() < (1_u64 << 52) as f64 { (scaled + 0.5_f64.copysign(scaled)) as i64 } else { scaled as i64 }
}

#[derive(Clone, Copy, Default)]
pub struct Standardizer {
    count: i64,
    total: i128,
    /// 128 bits do for 2^21 numbers below 2^13.
    squares: i128,
}

impl Standardizer {
    pub fn push(&mut self, number: f64) -> f64 {
        let number = fixed(number);
        self.count += 1;
        self.total += i128::from(number);
        self.squares += i128::from(number) * i128::from(number);
        if self.count < 2 {
            return 0.0;
        }
        let count = i128::from(self.count);
        let whole = self.total.div_euclid(count);
        let rest = self.total - whole * count;
        let squares = self.squares - whole * whole * count - 2 * whole * rest;
        let (count, rest) = (count as f64, rest as f64 / count as f64);
        let deviation = (squares as f64 / count - rest * rest).max(0.0).sqrt();
        if deviation == 0.0 { 0.0 } else { ((i128::from(number) - whole) as f64 - rest) / deviation }
    }
}
