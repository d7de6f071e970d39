//! The parser of conditions, by recursive descent; the grammar stands in [`super::when`].
//!
//! In: a text within its length, and the windows that are maintained. Out: the condition's tree and what it names, or
//! its faults: of unknown names and windows all, of faults of form the first. Limits: [`When::MAX_DEPTH`], for it
//! recurses.

use super::lexer::{Token, tokens};
use super::when::{Comparison, Number, Truth, When};
use crate::config::spec::{Measure, Metric};
use crate::feature::plan::Fault;
use crate::task::Task;
use crate::time::Span;
use std::ops::Range;

/// The figures that a condition names, and where in its text the metric's name stands.
pub(super) type Named = Vec<(Measure, Range<usize>)>;

/// Reads a condition: its tree, and the figures that it names with their places.
pub(super) fn parse(text: &str, windows: &[Span]) -> Result<(Truth, Named), Vec<Fault>> {
    let tokens = tokens(text).map_err(|fault| vec![fault])?;
    let (end, named, faults) = (text.len(), Vec::new(), Vec::new());
    let mut parser = Parser { tokens, at: 0, windows, named, faults, end, depth: 0 };
    let parsed = parser.either().and_then(|(node, span)| {
        let node = parser.truth(node, span)?;
        match parser.peek() {
            None => Ok(node),
            Some(token) => Err(fault(format!("expected an operator or the end, found {token}"), parser.span())),
        }
    });
    match parsed {
        Ok(root) if parser.faults.is_empty() => Ok((root, parser.named)),
        Ok(_) => Err(parser.faults),
        Err(last) => Err(parser.faults.into_iter().chain([last]).collect()),
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
    named: Named,
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

    /// `metric[window]`, `estimated_metric[window]`, its error, or `metric_at_release`. An unknown name is noted, and
    /// reading goes on.
    fn figure(&mut self, word: &str, span: Range<usize>) -> Parsed<Piece> {
        let name = word.strip_suffix("_at_release").unwrap_or(word);
        let (part, measure) = Measure::dissect(name);
        let place = span.start + part.start..span.start + part.end;
        let base = &name[part];
        let metric = Metric::ALL.iter().find(|(known, _)| *known == base).map(|(_, metric)| *metric);
        match metric {
            None => self.unknown_metric(base, place.clone()),
            Some(metric) if base != name && !metric.can_be_estimated(Task::Binary) => {
                let known = Metric::estimated_of(Task::Binary).into_iter().map(|(known, _)| known);
                let help = format!("what can be is {}", known.collect::<Vec<_>>().join(", "));
                let message = format!("`{base}` cannot be estimated");
                self.faults.push(Fault { message, span: place.clone(), help: Some(help) });
            }
            Some(_) if base != name && name != word => {
                let message = "an estimate has no figure at release".to_string();
                let help = Some(format!("compare it with `{base}_at_release`"));
                self.faults.push(Fault { message, span: span.clone(), help });
            }
            Some(_) => {}
        }
        let metric = metric.unwrap_or(Metric::LogLoss);
        self.named.push((measure(metric), place));
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
        let now = Number::Now(measure(metric), window.unwrap_or_default());
        Ok((Node::Number(now), span.start..bracket.end))
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
