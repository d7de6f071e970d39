//! What a window state maintains: the aggregates of one stream and key, sorted into what they can share.
//!
//! In: the aggregates as they were declared. Out: for each distinct extent (`3h`, `30 rows`) the running results that
//! its aggregates need, each once: `mean` and `std` of one argument over one extent share their sums.

use crate::config::spec::{Function, Over};
use crate::time::Span;

/// One aggregate of a window state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// Which.
    pub function: Function,
    /// Its argument, by its place among the values of a row; `None` is `*`, for [`Function::Count`] only.
    pub argument: Option<usize>,
    /// Its window.
    pub over: Over,
}

/// The aggregates that share a stream and a key, and how late a row, a correction or a query may come and still be
/// answered exactly.
#[derive(Clone, Debug)]
pub struct WindowShape {
    pub(super) arguments: usize,
    pub(super) outputs: usize,
    pub(super) slack: Span,
    pub(super) extents: Vec<Extent>,
    /// The longest time window, 0 if there is none.
    pub(super) longest: Span,
    /// The longest window by rows, 0 if there is none.
    pub(super) most_rows: usize,
}

/// One distinct window and what is read from it.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub(super) over: Over,
    /// What it maintains.
    pub(super) tallies: Vec<Tally>,
    pub(super) outputs: Vec<Output>,
}

/// One aggregate's result: where it goes, and from which of the extent's tallies it is read (`None`: the number of
/// rows).
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) place: usize,
    pub(super) function: Function,
    pub(super) tally: Option<usize>,
}

/// One running result over one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) argument: usize,
    pub(super) what: What,
}

/// What a tally maintains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// How many values are not null.
    Values,
    /// Count and sum.
    Sum,
    /// Count, sum and sum of squares.
    Moments,
    /// The smallest value.
    Least,
    /// The greatest value.
    Greatest,
    /// The newest value.
    Newest,
    /// All values in their order.
    Sorted,
}

impl WindowShape {
    /// A shape for rows of `arguments` values.
    ///
    /// # Panics
    /// If there is no aggregate, an argument is not below `arguments`, one is missing where `count` does not stand, a
    /// time window is not positive, a window by rows has none, or `slack` is negative: what `check` refuses.
    pub fn new(arguments: usize, aggregates: &[Aggregate], slack: Span) -> WindowShape {
        assert!(!aggregates.is_empty(), "a window state has at least one aggregate");
        assert!(slack.0 >= 0, "slack is not negative");
        let mut shape = WindowShape {
            arguments,
            outputs: aggregates.len(),
            slack,
            extents: Vec::new(),
            longest: Span(0),
            most_rows: 0,
        };
        for (n, aggregate) in aggregates.iter().enumerate() {
            assert!(aggregate.argument.is_none_or(|a| a < arguments), "an aggregate's argument is one of the row's");
            assert!(
                aggregate.argument.is_some() || aggregate.function == Function::Count,
                "only count does without an argument"
            );
            match aggregate.over {
                Over::Time(span) => {
                    assert!(span.0 > 0, "a time window is positive");
                    shape.longest = shape.longest.max(span);
                }
                Over::Rows(rows) => {
                    assert!(rows > 0, "a window by rows has at least one");
                    shape.most_rows = shape.most_rows.max(rows);
                }
            }
            if aggregates[..n].iter().all(|earlier| earlier.over != aggregate.over) {
                shape.add_extent(aggregate.over, aggregates);
            }
        }
        shape
    }

    /// The number of values of a row.
    pub fn arguments(&self) -> usize {
        self.arguments
    }

    /// The number of aggregates, which is that of a query's results.
    pub fn aggregates(&self) -> usize {
        self.outputs
    }

    /// The aggregates of no rows at all.
    ///
    /// # Panics
    /// If there is not one place in `out` an aggregate.
    pub fn of_nothing(&self, out: &mut [Option<f64>]) {
        assert!(out.len() == self.outputs, "a query has one result an aggregate");
        for output in self.extents.iter().flat_map(|extent| &extent.outputs) {
            out[output.place] = output.function.counts().then_some(0.0);
        }
    }

    fn add_extent(&mut self, over: Over, aggregates: &[Aggregate]) {
        let mine = || aggregates.iter().enumerate().filter(|(_, a)| a.over == over);
        let deviates = |argument| mine().any(|(_, a)| a.function == Function::Std && a.argument == Some(argument));
        let (mut tallies, mut outputs) = (Vec::new(), Vec::new());
        for (place, aggregate) in mine() {
            let tally = aggregate.argument.map(|argument| {
                let what = match aggregate.function {
                    Function::Count => What::Values,
                    Function::Sum | Function::Mean if !deviates(argument) => What::Sum,
                    Function::Sum | Function::Mean | Function::Std => What::Moments,
                    Function::Min => What::Least,
                    Function::Max => What::Greatest,
                    Function::Last => What::Newest,
                    Function::Quantile(_) | Function::Distinct => What::Sorted,
                };
                let tally = Tally { argument, what };
                tallies.iter().position(|t| *t == tally).unwrap_or_else(|| {
                    tallies.push(tally);
                    tallies.len() - 1
                })
            });
            outputs.push(Output { place, function: aggregate.function, tally });
        }
        self.extents.push(Extent { over, tallies, outputs });
    }
}
