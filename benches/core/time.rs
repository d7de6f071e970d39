//! Instants of the two forms that occur: `2013-01-01`, and `2013-01-01T10:15[:00[.123]]Z`.

/// Microseconds since 1970. Days by Howard Hinnant's `days_from_civil`.
pub fn micros(text: &str) -> i64 {
    let b = text.as_bytes();
    let two = |at: usize| i64::from(b[at] - b'0') * 10 + i64::from(b[at + 1] - b'0');
    let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8));
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year % 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year / 400 * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let mut seconds = days * 86_400;
    if b.len() >= 16 {
        seconds += two(11) * 3600 + two(14) * 60;
    }
    if b.len() >= 19 {
        seconds += two(17);
    }
    let millis = if b.len() >= 24 { two(20) * 10 + i64::from(b[22] - b'0') } else { 0 };
    seconds * 1_000_000 + millis * 1000
}
