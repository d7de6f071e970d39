//! Event time: instants and spans in microseconds, their parsing and their printing.
//!
//! Wall clocks play no part here: an instant is what a record says of itself. Source: RFC 3339; the civil-calendar
//! arithmetic is Howard Hinnant's `days_from_civil` (<https://howardhinnant.github.io/date_algorithms.html>).

use serde::{Deserialize, Serialize};
use std::fmt;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// A length of time in microseconds; never negative where it is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Span {
    /// One second.
    pub const SECOND: Span = Span(1_000_000);
    /// One hour.
    pub const HOUR: Span = Span(3_600_000_000);
    /// One day of 24 hours.
    pub const DAY: Span = Span(86_400_000_000);

    /// Reads `500ms`, `30s`, `20m`, `3h`, `1d`, `2w`: an unsigned whole number with one unit.
    ///
    /// ```
    /// use tidemill::time::Span;
    /// assert_eq!(Span::parse("3h"), Some(Span(3 * 3_600_000_000)));
    /// assert_eq!(Span::parse("3 hours"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Span> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = text[..digits].parse().ok()?;
        let unit: i64 = match &text[digits..] {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => Span::HOUR.0,
            "d" => Span::DAY.0,
            "w" => 7 * Span::DAY.0,
            _ => return None,
        };
        number.checked_mul(unit).map(Span)
    }
}

impl fmt::Display for Span {
    /// The largest unit that divides it: `7d`, `90m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in
            [(Span::DAY.0, "d"), (Span::HOUR.0, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")]
        {
            if self.0 % unit == 0 && self.0 != 0 {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}us", self.0)
    }
}

impl Time {
    /// The start of 1970, the earliest event time that is accepted.
    pub const EARLIEST: Time = Time(0);
    /// The start of 2100; event times at or after it are dead-lettered.
    pub const LATEST: Time = Time(4_102_444_800_000_000);

    /// This instant plus a span, saturating.
    pub fn plus(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }

    /// This instant minus a span, saturating.
    pub fn minus(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }

    /// The greatest multiple of `span` (counted from 1970) that is not after this instant.
    pub fn floor(self, span: Span) -> Time {
        Time(self.0.div_euclid(span.0) * span.0)
    }

    /// Reads `2013-01-01`, `2013-01-01 05:15[:00[.123456]]` or the same with `T`, and an optional `Z` or `+hh:mm`;
    /// without a zone it is UTC. `None` for anything else, an impossible date included.
    ///
    /// ```
    /// use tidemill::time::Time;
    /// assert_eq!(Time::parse("1970-01-01T01:00:00+01:00"), Some(Time(0)));
    /// assert_eq!(Time::parse("2013-02-29"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Time> {
        let b = text.as_bytes();
        if b.len() < 10 || b[4] != b'-' || b[7] != b'-' {
            return None;
        }
        let (year, month, day) = (number(&b[0..4])?, number(&b[5..7])?, number(&b[8..10])?);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let mut micros = days_from_civil(year, month, day) * Span::DAY.0;
        let rest = &b[10..];
        if rest.is_empty() {
            return Some(Time(micros));
        }
        if !matches!(rest[0], b'T' | b' ' | b't') || rest.len() < 6 || rest[3] != b':' {
            return None;
        }
        let (hour, minute) = (number(&rest[1..3])?, number(&rest[4..6])?);
        let mut at = 6;
        let mut second = 0;
        if rest.len() > at && rest[at] == b':' {
            second = number(rest.get(at + 1..at + 3)?)?;
            at += 3;
            if rest.len() > at && rest[at] == b'.' {
                let digits = rest[at + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
                if digits == 0 || digits > 9 {
                    return None;
                }
                // Digits beyond the microsecond are cut, as most clocks do.
                let kept = digits.min(6);
                let fraction = number(&rest[at + 1..at + 1 + kept])?;
                micros += fraction * 10_i64.pow(6 - kept as u32);
                at += 1 + digits;
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        micros += hour * Span::HOUR.0 + minute * 60_000_000 + second * 1_000_000;
        match &rest[at..] {
            [] | [b'Z'] | [b'z'] => Some(Time(micros)),
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (h, m) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
                if h > 23 || m > 59 {
                    return None;
                }
                let offset = h * Span::HOUR.0 + m * 60_000_000;
                Some(Time(if *sign == b'+' { micros - offset } else { micros + offset }))
            }
            _ => None,
        }
    }

    /// Appends what `Display` prints, without its machinery: every prediction carries a time.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let c = self.civil();
        if c.micro % 1000 != 0 || !(0..10_000).contains(&c.year) {
            out.extend_from_slice(self.to_string().as_bytes());
            return;
        }
        let two = |n: i64| [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
        let ([a, b], [c1, d]) = (two(c.year / 100), two(c.year % 100));
        let ([m1, m2], [d1, d2]) = (two(c.month), two(c.day));
        let ([h1, h2], [n1, n2], [s1, s2]) = (two(c.hour), two(c.minute), two(c.second));
        out.extend_from_slice(&[a, b, c1, d, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2]);
        let milli = c.micro / 1000;
        if milli != 0 {
            let [tens, ones] = two(milli);
            out.extend_from_slice(&[b'.', b'0' + (milli / 100) as u8, tens, ones]);
        }
        out.push(b'Z');
    }

    /// The civil date and time of day in UTC.
    pub fn civil(self) -> Civil {
        let days = self.0.div_euclid(Span::DAY.0);
        let of_day = self.0.rem_euclid(Span::DAY.0);
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: of_day / Span::HOUR.0,
            minute: of_day / 60_000_000 % 60,
            second: of_day / 1_000_000 % 60,
            micro: of_day % 1_000_000,
            weekday: (days + 4).rem_euclid(7),
            yearday: days - days_from_civil(year, 1, 1) + 1,
        }
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC, with milliseconds or microseconds only where they are not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.civil();
        write!(f, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second)?;
        if c.micro % 1000 != 0 {
            write!(f, ".{:06}", c.micro)?;
        } else if c.micro != 0 {
            write!(f, ".{:03}", c.micro / 1000)?;
        }
        f.write_str("Z")
    }
}

/// A UTC calendar reading of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, proleptic Gregorian.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: i64,
    /// Day of the month, from 1.
    pub day: i64,
    /// Hour, 0 to 23.
    pub hour: i64,
    /// Minute, 0 to 59.
    pub minute: i64,
    /// Second, 0 to 59.
    pub second: i64,
    /// Microsecond of the second.
    pub micro: i64,
    /// Day of the week, Sunday is 0.
    pub weekday: i64,
    /// Day of the year, from 1.
    pub yearday: i64,
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// For `#[serde(with = "crate::time::rfc3339")]`: an instant as text, in what people read. Microseconds are kept.
pub mod rfc3339 {
    use super::Time;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes [`Time`]'s `Display`.
    pub fn serialize<S: Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    /// Reads what [`Time::parse`] reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        Time::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not an RFC 3339 instant")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_printed_reads_back(micros in 0i64..Time::LATEST.0) {
            let printed = Time(micros).to_string();
            prop_assert_eq!(Time::parse(&printed), Some(Time(micros)));
            for step in [1, 1_000, 1_000_000] {
                let time = Time(micros - micros % step);
                let mut written = Vec::new();
                time.write_to(&mut written);
                prop_assert_eq!(time.to_string().into_bytes(), written);
            }
        }
    }

    #[test]
    fn odd_texts_are_refused() {
        for text in
            ["", "2013", "2013-13-01", "2013-01-01T25:00", "2013-01-01T01:00:00+1:00", "2013-01-01X01:00", "x013-01-01"]
        {
            assert_eq!(Time::parse(text), None, "{text}");
        }
        assert_eq!(Time::parse("2262-04-11T23:47:16Z").map(|t| t > Time::LATEST), Some(true));
    }

    #[test]
    fn spans_print_as_they_are_typed() {
        for text in ["500ms", "30s", "20m", "3h", "7d"] {
            assert_eq!(Span::parse(text).map(|s| s.to_string()), Some(text.to_string()));
        }
    }
}
