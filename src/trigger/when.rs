//! The condition of a degradation trigger: `log_loss[7d] > 1.05 * log_loss_at_release`.
//!
//! In: the text, and the windows that are maintained. Out: true, false or unknown, with the figures that it looked at.
//! Grammar, from weak to strong: `or`, `and`, one comparison (`> >= < <= = !=`, also `==` and `<>`), `+ -`, `* /`,
//! unary `-`; parentheses; numbers; `metric[window]`, the champion's own over predictions since its release, by the
//! labels that are known; `estimated_metric[window]`, without them; `estimated_metric_error[window]`, the difference
//! where they are known; and `metric_at_release`. One unknown figure makes the whole unknown, and so does an arithmetic
//! result that is not finite. Limits: [`When::MAX_BYTES`] of text, [`When::MAX_DEPTH`] of nesting. Not SQL: its parsers
//! take `[7d]` for an array index.

use super::parser::{Named, parse};
use crate::config::spec::{Measure, Metric};
use crate::feature::plan::Fault;
use crate::time::Span;
use std::collections::BTreeMap;
use std::ops::Range;

/// A condition, parsed and checked.
///
/// ```
/// use tidemill::time::Span;
/// use tidemill::trigger::When;
/// let windows = [Span::DAY, Span(7 * Span::DAY.0)];
/// let when = When::parse("log_loss[7d] > 1.05 * log_loss_at_release", &windows).unwrap();
/// let verdict = when.holds(&|_, _| Some(0.5), &|_| Some(0.4));
/// assert_eq!(verdict.holds, Some(true));
/// assert_eq!(verdict.figures["log_loss[7d]"], 0.5);
/// let faults = When::parse("log_los[7d] > 1", &windows).unwrap_err();
/// assert_eq!(faults[0].span, 0..7);
/// assert_eq!(faults[0].help.as_deref(), Some("did you mean `log_loss`?"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    root: Truth,
    named: Named,
}

/// What a condition came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whether it holds; `None` is unknown.
    pub holds: Option<bool>,
    /// The figures that it names, as far as they are known.
    pub figures: BTreeMap<String, f64>,
}

/// What is true or false.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Truth {
    Any(Box<Truth>, Box<Truth>),
    All(Box<Truth>, Box<Truth>),
    Compare(Number, Comparison, Number),
}

/// What is a number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Constant(f64),
    Now(Measure, Span),
    AtRelease(Metric),
    Negative(Box<Number>),
    Arithmetic(Box<Number>, char, Box<Number>),
}

/// What two numbers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
    Equal,
    Unequal,
}

impl When {
    /// The longest condition.
    pub const MAX_BYTES: usize = 1000;
    /// The deepest nesting of parentheses and signs: the parser recurses.
    pub const MAX_DEPTH: usize = 32;

    /// Reads a condition. `windows` are the configured windows of the model's metrics. All unknown names and windows
    /// are reported at once; of faults of form, the first. Spans count within the text.
    pub fn parse(text: &str, windows: &[Span]) -> Result<When, Vec<Fault>> {
        if text.len() > When::MAX_BYTES {
            let message = format!("condition of {} bytes is longer than {} bytes", text.len(), When::MAX_BYTES);
            return Err(vec![Fault { message, span: 0..text.len(), help: None }]);
        }
        let (root, named) = parse(text, windows)?;
        Ok(When { root, named })
    }

    /// What it names of metrics, and where in the text the metric's name stands; in the order of the text.
    pub fn measures(&self) -> &[(Measure, Range<usize>)] {
        &self.named
    }

    /// Whether it holds, given the champion's figures in a window, and of a metric at its release.
    pub fn holds(
        &self,
        now: &dyn Fn(Measure, Span) -> Option<f64>,
        at_release: &dyn Fn(Metric) -> Option<f64>,
    ) -> Outcome {
        let mut reader = Reader { now, at_release, figures: BTreeMap::new() };
        let holds = reader.truth(&self.root);
        Outcome { holds, figures: reader.figures }
    }
}

struct Reader<'a> {
    now: &'a dyn Fn(Measure, Span) -> Option<f64>,
    at_release: &'a dyn Fn(Metric) -> Option<f64>,
    figures: BTreeMap<String, f64>,
}

impl Reader<'_> {
    /// Both sides are read, whatever the first says: the figures are part of the decision.
    fn truth(&mut self, node: &Truth) -> Option<bool> {
        match node {
            Truth::Any(a, b) => {
                let (a, b) = (self.truth(a), self.truth(b));
                Some(a? | b?)
            }
            Truth::All(a, b) => {
                let (a, b) = (self.truth(a), self.truth(b));
                Some(a? & b?)
            }
            Truth::Compare(a, comparison, b) => {
                let (a, b) = (self.number(a), self.number(b));
                let (a, b) = (a?, b?);
                Some(match comparison {
                    Comparison::Above => a > b,
                    Comparison::AtLeast => a >= b,
                    Comparison::Below => a < b,
                    Comparison::AtMost => a <= b,
                    Comparison::Equal => a == b,
                    Comparison::Unequal => a != b,
                })
            }
        }
    }

    fn number(&mut self, node: &Number) -> Option<f64> {
        let value = match node {
            Number::Constant(value) => Some(*value),
            Number::Now(measure, window) => {
                let value = (self.now)(*measure, *window);
                self.note(format!("{}[{window}]", measure.name()), value)
            }
            Number::AtRelease(metric) => {
                let value = (self.at_release)(*metric);
                self.note(format!("{}_at_release", metric.name()), value)
            }
            Number::Negative(a) => self.number(a).map(|a| -a),
            Number::Arithmetic(a, operator, b) => {
                let (a, b) = (self.number(a), self.number(b));
                let (a, b) = (a?, b?);
                Some(match operator {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    _ => a / b,
                })
            }
        };
        value.filter(|value| value.is_finite())
    }

    fn note(&mut self, name: String, value: Option<f64>) -> Option<f64> {
        let value = value.filter(|value| value.is_finite());
        if let Some(value) = value {
            self.figures.insert(name, value);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: [Span; 2] = [Span::DAY, Span(7 * Span::DAY.0)];

    fn verdict(text: &str) -> Option<bool> {
        let when = When::parse(text, &WINDOWS).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        let now = |measure, window| match measure {
            Measure::Known(Metric::LogLoss) if window == Span::DAY => Some(0.6),
            Measure::Known(Metric::LogLoss) => Some(0.5),
            Measure::Known(Metric::Accuracy) => Some(0.8),
            Measure::Estimated(Metric::Accuracy) => Some(0.7),
            Measure::Error(Metric::Accuracy) => Some(-0.1),
            _ => None,
        };
        when.holds(&now, &|metric| (metric == Metric::LogLoss).then_some(0.4)).holds
    }

    #[test]
    fn conditions_hold_or_not_or_are_unknown() {
        for (text, expected) in [
            ("log_loss[7d] > 1.05 * log_loss_at_release", Some(true)),
            ("log_loss[7d] > 1.25 * log_loss_at_release", Some(false)),
            ("log_loss[7d] >= 0.5", Some(true)),
            ("log_loss[7d] > 5e-1", Some(false)),
            ("log_loss[7d] = .5 and log_loss[1d] <> 0.5", Some(true)),
            ("log_loss[7d] == 0.5 AND log_loss[1d] != 0.6", Some(false)),
            ("log_loss[1d] - log_loss[7d] > 0.05", Some(true)),
            ("log_loss[1d] - log_loss[7d] - 0.05 - 0.06 > 0", Some(false)),
            ("2 + 3 * 2 = 8", Some(true)),
            ("(2 + 3) * 2 = 10", Some(true)),
            ("12 / 2 / 3 = 2", Some(true)),
            ("-log_loss[7d] < --0.1", Some(true)),
            ("1 > 2 or 2 > 1 and 3 > 2", Some(true)),
            ("(1 > 2 or 2 > 1) and 3 > 4", Some(false)),
            ("roc_auc[7d] < 0.6", None),
            // One unknown figure makes the whole unknown, even where logic could do without it.
            ("roc_auc[7d] < 0.6 or 2 > 1", None),
            ("2 > 1 or roc_auc[7d] < 0.6", None),
            ("accuracy_at_release > 0", None),
            ("log_loss[7d] / 0 > 1", None),
            ("estimated_accuracy[7d] < 0.75 and accuracy[7d] > 0.75", Some(true)),
            ("estimated_accuracy_error[1d] < -0.05", Some(true)),
            ("estimated_f1[7d] < 0.5", None),
        ] {
            assert_eq!(verdict(text), expected, "{text}");
        }
    }

    #[test]
    fn faults_point_at_their_place() {
        for (text, at, expected) in [
            ("", "", "found the end"),
            ("log_loss[7d]", "log_loss[7d]", "expected a condition"),
            ("log_loss > 1", "log_loss", "needs a window"),
            ("log_loss[3d] > 1", "[3d]", "window `3d` is not maintained"),
            ("log_loss[3 days] > 1", "[3 days]", "not a span of time"),
            ("logloss[1d] > 1", "logloss", "unknown metric"),
            ("loss_at_release > 1", "loss", "unknown metric"),
            ("estimated_acuracy[1d] > 1", "acuracy", "unknown metric `acuracy`"),
            ("estimated_f2_error[1d] > 1", "f2", "unknown metric `f2`"),
            ("estimated_ece[1d] > 1", "ece", "`ece` cannot be estimated"),
            ("estimated_f1_at_release > 1", "estimated_f1", "an estimate has no figure at release"),
            ("log_loss[1d > 1", "[1d > 1", "not closed"),
            ("(log_loss[1d] > 1", "(", "not closed"),
            ("log_loss[1d] > 1 > 2", ">", "expected an operator or the end"),
            ("log_loss[1d] > 1 and 2", "2", "expected a condition"),
            ("(1 > 2) + 3 > 1", "(1 > 2)", "expected a number"),
            ("log_loss[1d] > 1 $", "$", "unknown character"),
            ("log_loss[1d] > 1e999", "1e999", "not a number"),
            ("log_loss[1d] > 1..2", "1..2", "not a number"),
            ("log_loss[1d] > é", "é", "unknown character"),
        ] {
            let faults = When::parse(text, &WINDOWS).expect_err(text);
            assert!(faults[0].message.contains(expected), "{text}: {faults:?}");
            assert!(text[faults[0].span.clone()].starts_with(at), "{text}: {faults:?}");
        }
    }

    #[test]
    fn all_names_are_reported_at_once() {
        let faults = When::parse("logloss[9d] > 1 and rocauc[1d] < auc_at_release", &WINDOWS).expect_err("four faults");
        let messages: Vec<&str> = faults.iter().map(|f| f.message.as_str()).collect();
        assert_eq!(messages[0], "unknown metric `logloss`");
        assert_eq!(messages[1], "window `9d` is not maintained");
        assert_eq!(messages.len(), 4);
        assert_eq!(faults[2].help.as_deref(), Some("did you mean `roc_auc`?"));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| format!("{}1{} > 0", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(verdict(&nested(When::MAX_DEPTH - 1)), Some(true));
        for text in [nested(When::MAX_DEPTH), nested(400), "-".repeat(900), "(".repeat(5000)] {
            let faults = When::parse(&text, &WINDOWS).expect_err("it is too deep or too long");
            assert!(faults[0].message.contains("deeper than 32") || faults[0].message.contains("longer than 1000"));
        }
    }
}
