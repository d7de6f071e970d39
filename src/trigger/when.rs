//! The condition of a degradation trigger: `log_loss[7d] > 1.05 * log_loss_at_release`.
//!
//! In: the text, and the windows that are maintained. Out: true, false or unknown, with the figures that it looked at.
//! Grammar, from weak to strong: `or`, `and`, one comparison (`> >= < <= = !=`, also `==` and `<>`), `+ -`, `* /`, unary
//! `-`; parentheses; numbers; `metric[window]`, the champion's own over predictions since its release; and
//! `metric_at_release`. One unknown figure makes the whole unknown, and so does an arithmetic result that is not
//! finite. Limits: [`When::MAX_BYTES`] of text, [`When::MAX_DEPTH`] of nesting. Not SQL: its parsers take `[7d]` for an
//! array index.

use super::lexer::{Token, tokens};
use crate::config::spec::Metric;
use crate::time::Span;
use std::collections::BTreeMap;
use std::ops::Range;

/// What is wrong with a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub message: String,
    /// The bytes of the condition's text that it is about.
    pub span: Range<usize>,
    /// What to do about it, if that is known.
    pub help: Option<String>,
}

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
}

/// What a condition came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whether it holds; `None` is unknown.
    pub holds: Option<bool>,
    /// The figures that it names, as far as they are known.
    pub figures: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Truth {
    Any(Box<Truth>, Box<Truth>),
    All(Box<Truth>, Box<Truth>),
    Compare(Number, Comparison, Number),
}

#[derive(Clone, Debug, PartialEq)]
enum Number {
    Constant(f64),
    Now(Metric, Span),
    AtRelease(Metric),
    Negative(Box<Number>),
    Arithmetic(Box<Number>, char, Box<Number>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
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

    /// Reads a condition. `windows` are the configured windows of the model's metrics. All unknown names and windows are
    /// reported at once; of faults of form, the first.
    pub fn parse(text: &str, windows: &[Span]) -> Result<When, Vec<Fault>> {
        if text.len() > When::MAX_BYTES {
            let message = format!("condition of {} bytes is longer than {} bytes", text.len(), When::MAX_BYTES);
            return Err(vec![Fault { message, span: 0..text.len(), help: None }]);
        }
        let tokens = tokens(text).map_err(|fault| vec![fault])?;
        let mut parser = Parser { tokens, at: 0, windows, faults: Vec::new(), end: text.len(), depth: 0 };
        let parsed = parser.either().and_then(|(node, span)| {
            let node = parser.truth(node, span)?;
            match parser.peek() {
                None => Ok(node),
                Some(token) => Err(fault(format!("expected an operator or the end, found {token}"), parser.span())),
            }
        });
        match parsed {
            Ok(root) if parser.faults.is_empty() => Ok(When { root }),
            Ok(_) => Err(parser.faults),
            Err(last) => Err(parser.faults.into_iter().chain([last]).collect()),
        }
    }

    /// Whether it holds, given the champion's figure of a metric in a window and at its release.
    pub fn holds(
        &self,
        now: &dyn Fn(Metric, Span) -> Option<f64>,
        at_release: &dyn Fn(Metric) -> Option<f64>,
    ) -> Outcome {
        let mut reader = Reader { now, at_release, figures: BTreeMap::new() };
        let holds = reader.truth(&self.root);
        Outcome { holds, figures: reader.figures }
    }
}

struct Reader<'a> {
    now: &'a dyn Fn(Metric, Span) -> Option<f64>,
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
            Number::Now(metric, window) => {
                let value = (self.now)(*metric, *window);
                self.note(format!("{}[{window}]", metric.name()), value)
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

/// Either kind of thing that may stand in parentheses, until it is known which is needed.
enum Node {
    Truth(Truth),
    Number(Number),
}

struct Parser<'a> {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    windows: &'a [Span],
    faults: Vec<Fault>,
    end: usize,
    depth: usize,
}

type Parsed<T> = Result<T, Fault>;
/// What was read, and where it stands.
type Piece = (Node, Range<usize>);

fn fault(message: String, span: Range<usize>) -> Fault {
    Fault { message, span, help: None }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |(_, span)| span.clone())
    }

    /// Takes the next token if it is one of these symbols.
    fn symbol(&mut self, symbols: &[&'static str]) -> Option<&'static str> {
        let Some(Token::Symbol(found)) = self.peek() else { return None };
        let found = *found;
        let taken = symbols.contains(&found);
        self.at += usize::from(taken);
        taken.then_some(found)
    }

    fn keyword(&mut self, word: &str) -> bool {
        let taken = matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(taken);
        taken
    }

    fn truth(&self, node: Node, span: Range<usize>) -> Parsed<Truth> {
        match node {
            Node::Truth(truth) => Ok(truth),
            Node::Number(_) => Err(Fault {
                message: "expected a condition, found a number".to_string(),
                span,
                help: Some("compare it: `log_loss[7d] > 0.5`".to_string()),
            }),
        }
    }

    fn number(&self, node: Node, span: Range<usize>) -> Parsed<Number> {
        match node {
            Node::Number(number) => Ok(number),
            Node::Truth(_) => Err(fault("expected a number, found a condition".to_string(), span)),
        }
    }

    fn either(&mut self) -> Parsed<Piece> {
        let (mut node, mut span) = self.both()?;
        while self.keyword("or") {
            let (right, after) = self.both()?;
            let left = self.truth(node, span.clone())?;
            let right = self.truth(right, after.clone())?;
            node = Node::Truth(Truth::Any(Box::new(left), Box::new(right)));
            span = span.start..after.end;
        }
        Ok((node, span))
    }

    fn both(&mut self) -> Parsed<Piece> {
        let (mut node, mut span) = self.comparison()?;
        while self.keyword("and") {
            let (right, after) = self.comparison()?;
            let left = self.truth(node, span.clone())?;
            let right = self.truth(right, after.clone())?;
            node = Node::Truth(Truth::All(Box::new(left), Box::new(right)));
            span = span.start..after.end;
        }
        Ok((node, span))
    }

    fn comparison(&mut self) -> Parsed<Piece> {
        let (node, span) = self.sum()?;
        let comparison = match self.symbol(&[">", ">=", "<", "<=", "=", "==", "!=", "<>"]) {
            None => return Ok((node, span)),
            Some(">") => Comparison::Above,
            Some(">=") => Comparison::AtLeast,
            Some("<") => Comparison::Below,
            Some("<=") => Comparison::AtMost,
            Some("=" | "==") => Comparison::Equal,
            Some(_) => Comparison::Unequal,
        };
        let (right, after) = self.sum()?;
        let left = self.number(node, span.clone())?;
        let right = self.number(right, after.clone())?;
        Ok((Node::Truth(Truth::Compare(left, comparison, right)), span.start..after.end))
    }

    fn sum(&mut self) -> Parsed<Piece> {
        self.chain(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Parsed<Piece> {
        self.chain(&["*", "/"], Self::unary)
    }

    /// Operators of one strength, from left to right.
    fn chain(&mut self, operators: &[&'static str], next: fn(&mut Self) -> Parsed<Piece>) -> Parsed<Piece> {
        let (mut node, mut span) = next(self)?;
        while let Some(operator) = self.symbol(operators) {
            let (right, after) = next(self)?;
            let left = self.number(node, span.clone())?;
            let right = self.number(right, after.clone())?;
            let operator = operator.chars().next().unwrap_or('+');
            node = Node::Number(Number::Arithmetic(Box::new(left), operator, Box::new(right)));
            span = span.start..after.end;
        }
        Ok((node, span))
    }

    fn unary(&mut self) -> Parsed<Piece> {
        let start = self.span().start;
        if self.depth == When::MAX_DEPTH {
            return Err(fault(format!("condition is nested deeper than {}", When::MAX_DEPTH), self.span()));
        }
        self.depth += 1;
        let signed = self.symbol(&["-"]).is_some();
        let (node, span) = if signed { self.unary()? } else { self.primary()? };
        self.depth -= 1;
        if !signed {
            return Ok((node, span));
        }
        let number = self.number(node, span.clone())?;
        Ok((Node::Number(Number::Negative(Box::new(number))), start..span.end))
    }

    fn primary(&mut self) -> Parsed<Piece> {
        let span = self.span();
        let Some(token) = self.peek().cloned() else {
            return Err(fault("expected a number or a metric, found the end".to_string(), span));
        };
        self.at += 1;
        match token {
            Token::Number(value) => Ok((Node::Number(Number::Constant(value)), span)),
            Token::Symbol("(") => {
                let (node, _) = self.either()?;
                let close = self.span();
                if self.symbol(&[")"]).is_none() {
                    return Err(fault("this parenthesis is not closed".to_string(), span));
                }
                Ok((node, span.start..close.end))
            }
            Token::Word(word) => self.figure(&word, span),
            Token::Symbol(_) | Token::Window(_) => {
                Err(fault(format!("expected a number or a metric, found {token}"), span))
            }
        }
    }

    /// `metric[window]` or `metric_at_release`. An unknown name is noted, and reading goes on.
    fn figure(&mut self, word: &str, span: Range<usize>) -> Parsed<Piece> {
        let name = word.strip_suffix("_at_release").unwrap_or(word);
        let metric = Metric::ALL.iter().find(|(known, _)| *known == name).map(|(_, metric)| *metric);
        if metric.is_none() {
            self.unknown_metric(name, span.start..span.start + name.len());
        }
        let metric = metric.unwrap_or(Metric::LogLoss);
        if name.len() != word.len() {
            return Ok((Node::Number(Number::AtRelease(metric)), span));
        }
        let bracket = self.span();
        let Some(Token::Window(text)) = self.peek().cloned() else {
            return Err(Fault {
                message: format!("`{name}` needs a window"),
                span,
                help: Some(format!("write `{name}[{}]` or `{name}_at_release`", self.window_names("|"))),
            });
        };
        self.at += 1;
        let window = Span::parse(&text);
        match window {
            Some(window) if self.windows.contains(&window) => {}
            Some(_) => self.faults.push(Fault {
                message: format!("window `{text}` is not maintained"),
                span: bracket.clone(),
                help: Some(format!("the windows of this model's metrics are {}", self.window_names(", "))),
            }),
            None => self.faults.push(Fault {
                message: format!("`{text}` is not a span of time"),
                span: bracket.clone(),
                help: Some("write a whole number and a unit: 12h, 7d, 2w".to_string()),
            }),
        }
        Ok((Node::Number(Number::Now(metric, window.unwrap_or_default())), span.start..bracket.end))
    }

    fn unknown_metric(&mut self, name: &str, span: Range<usize>) {
        let near = Metric::ALL.iter().map(|(known, _)| (strsim::damerau_levenshtein(known, name), *known)).min();
        let help = match near {
            Some((distance, known)) if distance <= known.len().div_ceil(3) => format!("did you mean `{known}`?"),
            _ => format!("metrics are {}", Metric::ALL.map(|(known, _)| known).join(", ")),
        };
        self.faults.push(Fault { message: format!("unknown metric `{name}`"), span, help: Some(help) });
    }

    fn window_names(&self, between: &str) -> String {
        self.windows.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: [Span; 2] = [Span::DAY, Span(7 * Span::DAY.0)];

    fn verdict(text: &str) -> Option<bool> {
        let when = When::parse(text, &WINDOWS).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        let now = |metric, window| match metric {
            Metric::LogLoss if window == Span::DAY => Some(0.6),
            Metric::LogLoss => Some(0.5),
            Metric::Accuracy => Some(0.8),
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
