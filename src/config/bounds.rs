//! The allowed range of a number, and how it is said.

use std::fmt;

/// An interval; an end that is absent is not bounded. NaN and infinity are in none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    /// Above this.
    pub(super) above: Option<f64>,
    /// This or more.
    pub(super) at_least: Option<f64>,
    /// Below this.
    pub(super) below: Option<f64>,
    /// This or less.
    pub(super) at_most: Option<f64>,
}

impl Bounds {
    /// Any finite number.
    pub(super) const FINITE: Bounds = Bounds { above: None, at_least: None, below: None, at_most: None };

    /// `(low, high]`
    pub(super) fn above(low: f64, high: f64) -> Bounds {
        Bounds { above: Some(low), at_most: Some(high), ..Bounds::FINITE }
    }

    /// `(low, high)`
    pub(super) fn inside(low: f64, high: f64) -> Bounds {
        Bounds { above: Some(low), below: Some(high), ..Bounds::FINITE }
    }

    /// `[low, high]`
    pub(super) fn from(low: f64, high: f64) -> Bounds {
        Bounds { at_least: Some(low), at_most: Some(high), ..Bounds::FINITE }
    }

    /// Whether a number is in it. Comparisons are written so that NaN fails them.
    pub(super) fn hold(&self, x: f64) -> bool {
        x.is_finite()
            && self.above.is_none_or(|low| x > low)
            && self.at_least.is_none_or(|low| x >= low)
            && self.below.is_none_or(|high| x < high)
            && self.at_most.is_none_or(|high| x <= high)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends =
            [("above", self.above), ("at least", self.at_least), ("below", self.below), ("at most", self.at_most)];
        let parts: Vec<String> =
            ends.iter().filter_map(|(word, end)| end.map(|x| format!("{word} {}", said(x)))).collect();
        if parts.is_empty() { f.write_str("finite") } else { f.write_str(&parts.join(" and ")) }
    }
}

fn said(x: f64) -> String {
    if x.abs() >= 1e6 { format!("{x:e}") } else { x.to_string() }
}

/// A whole number as it is typed in TOML: `1_000_000`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 && digits.len() > 4 {
            out.push('_');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_and_infinity_are_in_no_range() {
        for bounds in [Bounds::FINITE, Bounds::from(0.0, 1.0), Bounds::above(-1.0, f64::MAX), Bounds::inside(0.0, 1.0)]
        {
            assert!(
                !bounds.hold(f64::NAN) && !bounds.hold(f64::INFINITY) && !bounds.hold(f64::NEG_INFINITY),
                "{bounds}"
            );
        }
        assert!(!Bounds::above(0.0, 1.0).hold(0.0) && Bounds::above(0.0, 1.0).hold(1.0));
        assert!(Bounds::from(0.0, 1.0).hold(0.0) && !Bounds::inside(0.0, 1.0).hold(1.0));
        assert_eq!(Bounds::above(0.0, 0.9).to_string(), "above 0 and at most 0.9");
    }

    #[test]
    fn numbers_are_grouped_as_they_are_typed() {
        let said: Vec<String> = [0, 999, 1000, 10_000, 1_000_000].into_iter().map(grouped).collect();
        assert_eq!(said, ["0", "999", "1000", "10_000", "1_000_000"]);
    }
}
