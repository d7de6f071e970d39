//! Instants of the calendar by five fields, as crontab(5) has them: minute, hour, day of the month, month, weekday.
//!
//! In: the text, `0 3 * * 1`. Out: the first instant after another; in UTC, without a clock. Keeps: a bit a value of
//! each field. Limits: instants from 1970 to 2100; a date that never comes there (`0 0 30 2 *`) is refused.
//!
//! A field is a list, by commas, of `*`, a value, or a range `a-b`, each with a step behind it or not (`*/15`,
//! `8-18/2`; `5/10` is `5-59/10`). Months and weekdays have names of three letters too; Sunday is 0 and 7. A day
//! matches if day of the month and weekday both do; if neither of the two fields begins with `*`, it is enough that one
//! does. Rejected: the crates for it, which bring a library of dates along for these lines. Source: POSIX.1-2024,
//! `crontab`, and Vixie's cron for steps, names and which fields begin with `*`.

use crate::time::{Civil, Span, Time};
use std::ops::Range;

/// A schedule by the calendar.
///
/// ```
/// use tidemill::config::spec::Cron;
/// use tidemill::time::Time;
/// let mondays = Cron::parse("0 3 * * 1").unwrap();
/// let next = mondays.next(Time::parse("2013-01-01").unwrap()).unwrap();
/// assert_eq!(next.to_string(), "2013-01-07T03:00:00Z");
/// assert_eq!(mondays.next(next).unwrap().to_string(), "2013-01-14T03:00:00Z");
/// assert_eq!(Cron::parse("61 3 * * 1").unwrap_err().span, 0..2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    /// The values of each field, a bit each.
    values: [u64; 5],
    /// Whether one of day of the month and weekday is enough.
    either: bool,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronFault {
    /// What is wrong.
    pub message: String,
    /// Where, in the text.
    pub span: Range<usize>,
    /// What would be right.
    pub help: String,
}

/// A field: its name, its least and greatest value, and the names of values from the least on.
struct Field {
    name: &'static str,
    least: u32,
    greatest: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, greatest: 59, names: &[] },
    Field { name: "hour", least: 0, greatest: 23, names: &[] },
    Field { name: "day of the month", least: 1, greatest: 31, names: &[] },
    Field { name: "month", least: 1, greatest: 12, names: &MONTHS },
    Field { name: "weekday", least: 0, greatest: 7, names: &WEEKDAYS },
];
const MINUTE: usize = 0;
const HOUR: usize = 1;
const DAY: usize = 2;
const MONTH: usize = 3;
const WEEKDAY: usize = 4;
/// A minute of pipeline time.
const STEP: Span = Span(60_000_000);

impl Cron {
    /// Reads a schedule; the fault is the first that there is.
    ///
    /// # Errors
    /// The text has not five fields, or one of them holds what it cannot.
    pub fn parse(text: &str) -> Result<Cron, CronFault> {
        let fields = places(text, 0..text.len(), |c| c.is_ascii_whitespace());
        let pieces: Vec<Range<usize>> = fields.filter(|piece| !piece.is_empty()).collect();
        if pieces.len() != FIELDS.len() {
            let message = format!("`{text}` has {} fields, allowed: 5", pieces.len());
            let help = "minute, hour, day of the month, month, weekday: \"0 3 * * 1\" is Mondays at 03:00 UTC";
            return Err(CronFault { message, span: 0..text.len(), help: help.to_owned() });
        }
        let mut values = [0; 5];
        for ((bits, field), piece) in values.iter_mut().zip(&FIELDS).zip(&pieces) {
            *bits = field.read(text, piece.clone())?;
        }
        // Sunday has two numbers.
        values[WEEKDAY] = (values[WEEKDAY] | values[WEEKDAY] >> 7) & 0x7f;
        let restricted = |field: usize| !text[pieces[field].clone()].starts_with('*');
        let cron = Cron { text: text.trim().to_owned(), values, either: restricted(DAY) && restricted(WEEKDAY) };
        if cron.next(Time::EARLIEST).is_none() {
            let span = pieces[DAY].start..pieces[MONTH].end;
            let message = format!("`{}` never comes: no such day in these months", &text[span.clone()]);
            return Err(CronFault { message, span, help: "day of the month, then month".to_owned() });
        }
        Ok(cron)
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first instant after another, before 2100.
    pub fn next(&self, after: Time) -> Option<Time> {
        let start = after.floor(STEP).plus(STEP);
        let mut day = start.floor(Span::DAY);
        let mut from = (start.0 - day.0) / STEP.0;
        while day < Time::LATEST {
            if self.holds_day(&day.civil())
                && let Some(minute) = (from..24 * 60).find(|m| self.has(HOUR, m / 60) && self.has(MINUTE, m % 60))
            {
                return Some(day.plus(Span(minute * STEP.0)));
            }
            (day, from) = (day.plus(Span::DAY), 0);
        }
        None
    }

    fn has(&self, field: usize, value: i64) -> bool {
        self.values[field] >> value & 1 == 1
    }

    fn holds_day(&self, civil: &Civil) -> bool {
        let (day, weekday) = (self.has(DAY, civil.day), self.has(WEEKDAY, civil.weekday));
        self.has(MONTH, civil.month) && (if self.either { day || weekday } else { day && weekday })
    }
}

impl Field {
    /// The values of a list, a bit each.
    fn read(&self, text: &str, list: Range<usize>) -> Result<u64, CronFault> {
        let mut bits = 0;
        for part in places(text, list, |c| c == ',') {
            let (of, step) = match text[part.clone()].find('/') {
                None => (part.clone(), 1),
                Some(slash) => {
                    let step = part.start + slash + 1..part.end;
                    let number = number(&text[step.clone()]).filter(|step| (1..=self.greatest).contains(step));
                    let wrong = || self.fault(text, &step, "step", &format!("1 to {}", self.greatest));
                    (part.start..part.start + slash, number.ok_or_else(wrong)?)
                }
            };
            let stepped = of.len() < part.len();
            let (first, last) = match text[of.clone()].find('-') {
                _ if &text[of.clone()] == "*" => (self.least, self.greatest),
                Some(dash) => {
                    let (low, high) = (of.start..of.start + dash, of.start + dash + 1..of.end);
                    (self.value(text, &low)?, self.value(text, &high)?)
                }
                None => {
                    let only = self.value(text, &of)?;
                    (only, if stepped { self.greatest } else { only })
                }
            };
            if first > last {
                let message = format!("{} `{}` runs backwards", self.name, &text[of.clone()]);
                let help = format!("write two ranges: {first}-{},{}-{last}", self.greatest, self.least);
                return Err(CronFault { message, span: of, help });
            }
            (first..=last).step_by(step as usize).for_each(|value| bits |= 1 << value);
        }
        Ok(bits)
    }

    /// A number in range, or a name.
    fn value(&self, text: &str, place: &Range<usize>) -> Result<u32, CronFault> {
        let word = &text[place.clone()];
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(word));
        let value = named.map(|place| place as u32 + self.least).or(number(word));
        let allowed = || match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!("{} to {}, or {first} to {last}", self.least, self.greatest),
            _ => format!("{} to {}", self.least, self.greatest),
        };
        value
            .filter(|v| (self.least..=self.greatest).contains(v))
            .ok_or_else(|| self.fault(text, place, "", &allowed()))
    }

    fn fault(&self, text: &str, place: &Range<usize>, what: &str, allowed: &str) -> CronFault {
        let between = if what.is_empty() { "" } else { " " };
        CronFault {
            message: format!("{}{between}{what} is `{}`, allowed: {allowed}", self.name, &text[place.clone()]),
            span: place.clone(),
            help: "a list of values, ranges a-b and *, each with /step or not".to_owned(),
        }
    }
}

/// A number without a sign.
fn number(word: &str) -> Option<u32> {
    word.bytes().all(|c| c.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

/// The places between letters of one byte, empty ones too.
fn places(text: &str, whole: Range<usize>, between: fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = whole.start;
    text[whole].split(between).map(move |part| {
        let place = at..at + part.len();
        at = place.end + 1;
        place
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(text: &str, after: &str) -> String {
        let cron = Cron::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        let after = Time::parse(after).expect("it is an instant");
        cron.next(after).map_or("never".to_owned(), |next| next.to_string())
    }

    #[test]
    fn the_next_instant_is_found() {
        for (text, after, expected) in [
            ("* * * * *", "2013-01-01T00:00:00Z", "2013-01-01T00:01:00Z"),
            ("* * * * *", "2013-01-01T00:00:59.999999Z", "2013-01-01T00:01:00Z"),
            ("30 4 * * *", "2013-12-31T04:30:00Z", "2014-01-01T04:30:00Z"),
            ("*/20 8-18/5 * * *", "2013-01-01T08:40:00Z", "2013-01-01T13:00:00Z"),
            ("5/25 * * * *", "2013-01-01T00:31:00Z", "2013-01-01T00:55:00Z"),
            ("0 0,12 1 */3 *", "2013-01-01T12:00:00Z", "2013-04-01T00:00:00Z"),
            ("0 0 29 2 *", "2096-02-29T00:00:00Z", "never"),
            ("0 0 29 FEB *", "2013-01-01T00:00:00Z", "2016-02-29T00:00:00Z"),
            ("0 0 31 * *", "2013-01-31T00:00:00Z", "2013-03-31T00:00:00Z"),
            // Sunday by both numbers and by name; a range up to 7.
            ("0 0 * * 0", "2013-01-01T00:00:00Z", "2013-01-06T00:00:00Z"),
            ("0 0 * * 7", "2013-01-01T00:00:00Z", "2013-01-06T00:00:00Z"),
            ("0 0 * * Sun", "2013-01-01T00:00:00Z", "2013-01-06T00:00:00Z"),
            ("0 0 * * sat-7", "2013-01-05T00:00:00Z", "2013-01-06T00:00:00Z"),
            // The 13th, or a Friday; but the 13th that is a Friday where one of the two begins with `*`.
            ("0 0 13 * 5", "2013-01-01T00:00:00Z", "2013-01-04T00:00:00Z"),
            ("0 0 13 * 5", "2013-01-11T00:00:00Z", "2013-01-13T00:00:00Z"),
            ("0 0 13 * */5", "2013-01-01T00:00:00Z", "2013-01-13T00:00:00Z"),
            ("0 0 */12 * fri", "2013-01-01T00:00:00Z", "2013-01-25T00:00:00Z"),
        ] {
            assert_eq!(next(text, after), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_told_with_its_place() {
        for (text, at, said) in [
            ("", "", "0 fields"),
            ("0 3 * *", "0 3 * *", "4 fields, allowed: 5"),
            ("0 0 3 * * 1", "0 0 3 * * 1", "6 fields"),
            ("@daily", "@daily", "1 fields"),
            ("60 3 * * 1", "60", "minute is `60`, allowed: 0 to 59"),
            ("0 3 0 * *", "0", "day of the month is `0`, allowed: 1 to 31"),
            ("0 3 * 13 *", "13", "allowed: 1 to 12, or jan to dec"),
            ("0 3 * * 1,mom", "mom", "allowed: 0 to 7, or sun to sat"),
            ("0 22-2 * * *", "22-2", "runs backwards"),
            ("*/0 3 * * *", "0", "minute step is `0`, allowed: 1 to 59"),
            ("*/+5 3 * * *", "+5", "minute step is `+5`"),
            ("1,,2 3 * * *", "", "minute is ``"),
            ("+1 3 * * *", "+1", "minute is `+1`"),
            ("**/2 3 * * *", "**", "minute is `**`"),
            ("0 0 30,31 feb *", "30,31 feb", "never comes"),
        ] {
            let fault = Cron::parse(text).expect_err(text);
            assert!(fault.message.contains(said), "{text}: {fault:?}");
            assert_eq!(&text[fault.span.clone()], at, "{text}: {fault:?}");
        }
    }

    proptest! {
        #[test]
        fn next_is_the_first_minute_that_matches(
            fields in prop_oneof![Just("*/7 */5 * * *"), Just("3,50 1-4 10-12 * 2"), Just("0 12 */9 1-11/2 mon-fri")],
            after in 1_300_000_000_i64..1_700_000_000,
        ) {
            let (cron, after) = (Cron::parse(fields).expect("it is right"), Time(after * 1_000_000));
            let matches = |at: &Time| {
                let c = at.civil();
                cron.has(MINUTE, c.minute) && cron.has(HOUR, c.hour) && cron.holds_day(&c)
            };
            let naive = (1..200_000).map(|n| after.floor(STEP).plus(Span(n * STEP.0))).find(matches);
            prop_assert_eq!(cron.next(after), naive);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[-*/, 0-9a-zé]{0,30}|([*0-9,/-]{1,5} ){4}[*0-9]") {
            if let Err(fault) = Cron::parse(&text) {
                prop_assert!(text.get(fault.span.clone()).is_some());
            }
        }
    }
}
