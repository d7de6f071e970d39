//! The text of an interval: `3 hours`, `1 day 2 hours`, `-90 minutes`, `1.5h`, `01:30:00`.

/// Its microseconds; `Err` says what is wrong with it.
pub(super) fn micros(text: &str) -> Result<i64, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("the interval is empty".to_string());
    }
    if let Some(micros) = clock(rest) {
        return Ok(micros);
    }
    let mut total = 0i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (word, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(format!("`{rest}` does not begin with a number"));
        }
        let unit = unit(word)?;
        let part = match number.parse::<i64>() {
            Ok(whole) => whole.checked_mul(unit),
            Err(_) => {
                let number: f64 = number.parse().map_err(|_| format!("`{number}` is not a number"))?;
                super::cast::int_of_float(number * unit as f64)
            }
        };
        total = part.and_then(|part| total.checked_add(part)).ok_or("the interval does not fit 64 bits")?;
        rest = after.trim_start();
    }
    Ok(total)
}

/// The microseconds of one unit; singular, plural or short.
pub(super) fn unit(word: &str) -> Result<i64, String> {
    match word.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "us" => Ok(1),
        "millisecond" | "milliseconds" | "ms" => Ok(1_000),
        "second" | "seconds" | "sec" | "s" => Ok(1_000_000),
        "minute" | "minutes" | "min" | "m" => Ok(60_000_000),
        "hour" | "hours" | "h" => Ok(3_600_000_000),
        "day" | "days" | "d" => Ok(86_400_000_000),
        "week" | "weeks" | "w" => Ok(604_800_000_000),
        "month" | "months" | "mon" | "year" | "years" | "y" | "quarter" | "quarters" => {
            Err(format!("the length of a {} depends on the calendar; give days", word.trim_end_matches('s')))
        }
        "" => Err("a number has no unit (seconds, minutes, hours, days, weeks)".to_string()),
        _ => Err(format!("`{word}` is not a unit (microseconds, milliseconds, seconds, minutes, hours, days, weeks)")),
    }
}

/// `hh:mm` and `hh:mm:ss`.
fn clock(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |t| (-1, t));
    let mut total = 0i64;
    let mut fields = 0;
    for (field, unit) in text.split(':').zip([3_600_000_000, 60_000_000, 1_000_000, 0]) {
        if field.is_empty() || field.len() > 6 || !field.bytes().all(|b| b.is_ascii_digit()) || unit == 0 {
            return None;
        }
        total += field.parse::<i64>().ok()? * unit;
        fields += 1;
    }
    (fields >= 2).then_some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        for (text, seconds) in [
            ("3 hours", 10_800.0),
            ("1 day 2 hours", 93_600.0),
            ("-90 minutes", -5_400.0),
            ("1.5h", 5_400.0),
            ("01:30:00", 5_400.0),
            ("-00:30", -1_800.0),
            ("2 WEEKS", 1_209_600.0),
            ("250ms", 0.25),
        ] {
            assert_eq!(micros(text).map(|m| m as f64 / 1e6), Ok(seconds), "{text}");
        }
        for text in ["", "hours", "3", "3 fortnights", "1 month", "1-1 days", "99999999999999 weeks", "1:2:3:4"] {
            assert!(micros(text).is_err(), "{text}");
        }
    }
}
