//! Numbers as they stand in a text: scanned once, turned into whole numbers or floats without a second look where that
//! is exact.
//!
//! In: text at the first character of a number, by the grammar of JSON (RFC 8259, section 6). Limits: none; digits
//! beyond 64 bits fall back to the standard library's parser, which rounds correctly. Source of the fast path: W. D.
//! Clinger, "How to read floating point numbers accurately", PLDI 1990: a mantissa below 2^53 divided by a power of ten
//! up to 10^22 is two exact numbers and one rounding.

/// The powers of ten that are exact as `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Whole numbers up to here are exact as `f64`.
const EXACT: u64 = 1 << 53;

/// One scanned number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    /// As it stands.
    pub(super) text: &'a str,
    mantissa: u64,
    digits: usize,
    fraction: usize,
    negative: bool,
    exponent: bool,
}

impl<'a> Number<'a> {
    /// Scans a number that begins at byte `start`; `None` if none does. The byte after it is not looked at.
    #[inline]
    pub(super) fn scan(text: &'a str, start: usize) -> Option<Number<'a>> {
        let bytes = text.as_bytes();
        let mut at = start;
        let negative = bytes.get(at) == Some(&b'-');
        at += usize::from(negative);
        let mut mantissa = 0u64;
        let first = at;
        while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            at += 1;
        }
        let mut digits = at - first;
        if digits == 0 || (digits > 1 && bytes[first] == b'0') {
            return None;
        }
        let mut fraction = 0;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            let first = at;
            while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
                at += 1;
            }
            fraction = at - first;
            if fraction == 0 {
                return None;
            }
            digits += fraction;
        }
        let exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
        if exponent {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            let first = at;
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            if at == first {
                return None;
            }
        }
        Some(Number { text: &text[start..at], mantissa, digits, fraction, negative, exponent })
    }

    /// Its value as a float, correctly rounded; infinite if it is beyond the range.
    #[inline]
    pub(super) fn float(&self) -> f64 {
        if self.digits <= 19 && self.mantissa <= EXACT && self.fraction <= 22 && !self.exponent {
            let size = self.mantissa as f64 / POWERS[self.fraction];
            return if self.negative { -size } else { size };
        }
        // The grammar of JSON numbers is a part of what the standard parser takes.
        self.text.parse().unwrap_or(f64::INFINITY)
    }

    /// Its value as a whole number: `3`, `3.0` and `3e0`; `None` if it has a fraction, leaves 64 bits, or is written as
    /// a float beyond 2^53, where floats are no longer exact.
    #[inline]
    pub(super) fn int(&self) -> Option<i64> {
        if self.fraction == 0 && !self.exponent {
            if self.digits <= 18 {
                let size = self.mantissa as i64;
                return Some(if self.negative { -size } else { size });
            }
            return self.text.parse().ok();
        }
        whole(self.float())
    }
}

/// A float that is a whole number and exact as one.
pub(super) fn whole(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() <= EXACT as f64).then_some(x as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_grammar_is_that_of_json() {
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "x", "-x"] {
            assert!(Number::scan(bad, 0).is_none(), "{bad}");
        }
        for (good, text) in [("0,", "0"), ("-0.0}", "-0.0"), ("12e-3 ", "12e-3"), ("1.5E+10", "1.5E+10")] {
            assert_eq!(Number::scan(good, 0).map(|n| n.text), Some(text));
        }
    }

    #[test]
    fn whole_numbers_are_exact_or_refused() {
        let int = |text| Number::scan(text, 0).and_then(|n| n.int());
        assert_eq!(int("9223372036854775807"), Some(i64::MAX));
        assert_eq!(int("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(int("9223372036854775808"), None);
        assert_eq!(int("3.0"), Some(3));
        assert_eq!(int("1e3"), Some(1000));
        assert_eq!(int("3.5"), None);
        assert_eq!(int("9007199254740994.0"), None);
        assert_eq!(int("1e999999999"), None);
    }

    proptest! {
        #[test]
        fn floats_read_as_the_standard_library_reads_them(
            text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?(e[+-]?[0-9]{1,3})?",
        ) {
            let number = Number::scan(&text, 0).map(|n| (n.text.len(), n.float().to_bits()));
            let expected: f64 = text.parse().unwrap_or(f64::NAN);
            prop_assert_eq!(number, Some((text.len(), expected.to_bits())));
        }

        #[test]
        fn ints_read_back(i in any::<i64>()) {
            let text = i.to_string();
            prop_assert_eq!(Number::scan(&text, 0).and_then(|n| n.int()), Some(i));
        }
    }
}
