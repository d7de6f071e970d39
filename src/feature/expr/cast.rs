//! Conversions of values: what `cast` does once its types are known. `None` is a text that does not read, or a number
//! that does not fit.

use crate::time::Time;
use std::fmt::Write;

/// The nearest whole number, halves to the even one, as DuckDB casts doubles.
pub(super) fn int_of_float(x: f64) -> Option<i64> {
    let rounded = x.round_ties_even();
    // 2^63 is a float, i64::MAX is not: the upper bound is exclusive.
    (-(2f64.powi(63))..2f64.powi(63)).contains(&rounded).then_some(rounded as i64)
}

/// A whole number, or a decimal one rounded half away from zero; blanks around it are ignored.
pub(super) fn int_of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| int_of_float(float_of_text(text)?.round()))
}

/// A finite decimal number; blanks around it are ignored. `inf` and `nan` do not read.
pub(super) fn float_of_text(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|x: &f64| x.is_finite())
}

/// `true t yes y 1` and `false f no n 0`, in any case.
pub(super) fn truth_of_text(text: &str) -> Option<bool> {
    const WORDS: [(&str, bool); 10] = [
        ("true", true),
        ("t", true),
        ("yes", true),
        ("y", true),
        ("1", true),
        ("false", false),
        ("f", false),
        ("no", false),
        ("n", false),
        ("0", false),
    ];
    WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, truth)| *truth)
}

/// What [`Time::parse`] reads, blanks around it ignored.
pub(super) fn time_of_text(text: &str) -> Option<Time> {
    Time::parse(text.trim())
}

/// The shortest text that reads back, always with a point or an exponent: `7.0`, `1e+16`, `1e-05`.
pub(super) fn text_of_float(x: f64) -> String {
    let shortest = format!("{x:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{x:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// `2013-06-01 12:34:56.789`: a blank, no zone, no zeros at the end of the fraction.
pub(super) fn text_of_time(time: Time) -> String {
    let c = time.civil();
    let mut text = format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second);
    if c.micro != 0 {
        let _ = write!(text, ".{:06}", c.micro);
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_float_reads_back(x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            prop_assert_eq!(float_of_text(&text_of_float(x)), Some(x));
        }

        #[test]
        fn an_instant_reads_back(micros in 0i64..Time::LATEST.0) {
            prop_assert_eq!(time_of_text(&text_of_time(Time(micros))), Some(Time(micros)));
        }
    }

    #[test]
    fn the_edges_of_64_bits() {
        assert_eq!(int_of_float(9.223372036854775e18), Some(9_223_372_036_854_774_784));
        assert_eq!(int_of_float(9.223372036854776e18), None);
        assert_eq!(int_of_float(-9.223372036854776e18), Some(i64::MIN));
        assert_eq!(int_of_text("9223372036854775807"), Some(i64::MAX));
        assert_eq!(int_of_text("9223372036854775808"), None);
    }
}
