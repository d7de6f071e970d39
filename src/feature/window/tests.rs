//! Against the rule of the module's documentation, word for word, over all rows that are live.

use super::*;
use crate::config::spec::{Function, Level};
use crate::time::Span;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Values are quarters, in which everything is exact in an i64.
type Quarters = Vec<Option<i64>>;

fn floats(values: &[Option<i64>]) -> Vec<Option<f64>> {
    values.iter().map(|v| v.map(|q| q as f64 / 4.0)).collect()
}

/// All rows that were inserted and not retracted, with the rule applied from scratch each time.
struct Naive {
    aggregates: Vec<Aggregate>,
    slack: i64,
    /// Whether rows that no aggregate keeps are gone for good, or only not seen.
    forgets: bool,
    rows: Vec<(i64, u64, Quarters)>,
}

impl Naive {
    /// Indices of the newest `count` rows at or before `time`.
    fn newest(&self, count: usize, time: i64) -> Vec<usize> {
        let until = self.rows.iter().filter(|r| r.0 <= time).count();
        (until.saturating_sub(count)..until).collect()
    }

    fn keeps(&self, over: Over, now: i64, row: usize) -> bool {
        match over {
            Over::Time(w) => self.rows[row].0 > now - w.0 - self.slack,
            Over::Rows(n) => self.rows[row].0 > now - self.slack || self.newest(n, now - self.slack).contains(&row),
        }
    }

    fn forget(&mut self, now: i64) {
        // Null stands last among equals.
        self.rows.sort_by_key(|r| (r.0, r.1, r.2.iter().map(|v| v.unwrap_or(i64::MAX)).collect::<Vec<_>>()));
        if self.forgets {
            let keep: Vec<bool> =
                (0..self.rows.len()).map(|row| self.aggregates.iter().any(|a| self.keeps(a.over, now, row))).collect();
            let mut keep = keep.iter();
            self.rows.retain(|_| *keep.next().unwrap());
        }
    }

    fn retract(&mut self, row: &(i64, u64, Quarters)) -> bool {
        let found = self.rows.iter().position(|r| r == row);
        found.map(|at| self.rows.remove(at)).is_some()
    }

    fn query(&self, aggregate: &Aggregate, now: i64, time: i64) -> Option<f64> {
        let seen = (0..self.rows.len()).filter(|r| self.rows[*r].0 <= time && self.keeps(aggregate.over, now, *r));
        let seen: Vec<usize> = match aggregate.over {
            Over::Time(w) => seen.filter(|r| self.rows[*r].0 > time - w.0).collect(),
            Over::Rows(n) => {
                let seen: Vec<usize> = seen.collect();
                seen[seen.len().saturating_sub(n)..].to_vec()
            }
        };
        let Some(argument) = aggregate.argument else { return Some(seen.len() as f64) };
        let values: Vec<i64> = seen.iter().filter_map(|r| self.rows[*r].2[argument]).collect();
        let (n, sum) = (values.len() as f64, values.iter().sum::<i64>());
        let squares: i64 = values.iter().map(|v| v * v).sum();
        match aggregate.function {
            Function::Count => Some(n),
            Function::Distinct => Some(values.iter().collect::<BTreeSet<_>>().len() as f64),
            _ if values.is_empty() => None,
            Function::Sum => Some(sum as f64 / 4.0),
            Function::Mean => Some(sum as f64 / (4.0 * n)),
            Function::Std => Some(((n * squares as f64 - (sum * sum) as f64) / n / n).sqrt() / 4.0),
            Function::Min => values.iter().min().map(|v| *v as f64 / 4.0),
            Function::Max => values.iter().max().map(|v| *v as f64 / 4.0),
            Function::Last => values.last().map(|v| *v as f64 / 4.0),
            Function::Quantile(level) => {
                let mut values = values;
                values.sort_unstable();
                let rank = level.get() * (n - 1.0);
                let [low, high] = [rank.floor(), rank.ceil()].map(|rank| values[rank as usize] as f64 / 4.0);
                Some(low + (high - low) * (rank - rank.floor()))
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert {
        ahead: i64,
        order: u64,
        values: Quarters,
    },
    /// A live row, or (rarely) one that never was.
    Retract {
        which: usize,
        real: bool,
    },
    Query {
        ahead: i64,
    },
    /// Out to text and back; dropped if idle.
    Save,
    Prune,
}

fn ahead() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0i64..4, 2 => -12i64..0, 1 => -70i64..0]
}

fn a_row() -> impl Strategy<Value = (i64, u64, Quarters)> {
    let value =
        || prop_oneof![4 => (-8i64..8).prop_map(Some), 1 => (-4_000_000i64..4_000_000).prop_map(Some), 1 => Just(None)];
    (ahead(), 0u64..3, prop::collection::vec(value(), 2))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => a_row().prop_map(|(ahead, order, values)| Step::Insert { ahead, order, values }),
        2 => (any::<usize>(), prop::bool::weighted(0.9)).prop_map(|(which, real)| Step::Retract { which, real }),
        5 => ahead().prop_map(|ahead| Step::Query { ahead }),
        1 => Just(Step::Save),
        1 => Just(Step::Prune),
    ];
    prop::collection::vec(step, 1..150)
}

fn aggregates() -> impl Strategy<Value = Vec<Aggregate>> {
    let over = prop_oneof![
        prop::sample::select(vec![1i64, 7, 10, 50]).prop_map(|w| Over::Time(Span(w))),
        prop::sample::select(vec![1usize, 3, 7]).prop_map(Over::Rows),
    ];
    let mut functions: Vec<Function> = Function::ALL.iter().map(|f| f.1).collect();
    functions.extend([0.0, 0.1, 0.9, 1.0].into_iter().filter_map(Level::new).map(Function::Quantile));
    let one = (prop::sample::select(functions), 0usize..3, over).prop_map(|(function, argument, over)| {
        let argument = if function == Function::Count && argument == 2 { None } else { Some(argument % 2) };
        Aggregate { function, argument, over }
    });
    prop::collection::vec(one, 1..8)
}

fn slack() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![0i64, 5, 30, 1000])
}

fn close(a: Option<f64>, b: Option<f64>, function: Function) -> bool {
    match (a, b) {
        (Some(a), Some(b)) if matches!(function, Function::Std | Function::Quantile(_)) => {
            (a - b).abs() <= 1e-9 * b.abs() + 1e-9
        }
        _ => a == b,
    }
}

/// Plays the steps on a window and on the naive rule, and compares every answer.
fn compare(steps: Vec<Step>, aggregates: Vec<Aggregate>, slack: i64, forgets: bool) {
    let shape = WindowShape::new(2, &aggregates, Span(slack));
    let mut window = Window::new(&shape);
    let by_rows = shape.most_rows > 0;
    let mut naive = Naive { aggregates, slack, forgets, rows: Vec::new() };
    let mut now = 1000;
    let mut out = vec![None; shape.aggregates()];
    for step in steps {
        match step {
            Step::Insert { ahead, order, values } => {
                let time = now + ahead;
                now = now.max(time);
                window.insert(&shape, Time(now), Time(time), order, &floats(&values));
                naive.rows.push((time, order, values));
                naive.forget(now);
            }
            Step::Retract { which, real } => {
                naive.forget(now);
                let Some(mut row) = naive.rows.get(which % naive.rows.len().max(1)).cloned() else { continue };
                if !forgets && (by_rows || row.0 <= now - slack - shape.longest.0) && row.0 <= now - slack {
                    continue;
                }
                row.1 += if real { 0 } else { 7 };
                let done = window.retract(&shape, Time(now), Time(row.0), row.1, &floats(&row.2));
                assert_eq!(done, naive.retract(&row));
            }
            Step::Query { ahead } => {
                let time = now + ahead;
                now = now.max(time);
                naive.forget(now);
                window.query(&shape, Time(now), Time(time), &mut out);
                for (aggregate, found) in naive.aggregates.iter().zip(&out) {
                    let expected = naive.query(aggregate, now, time);
                    assert!(
                        close(*found, expected, aggregate.function),
                        "{aggregate:?} at {time}, now {now}: {found:?}, not {expected:?}, of {:?}",
                        naive.rows
                    );
                }
            }
            Step::Prune => {
                window.prune(&shape, Time(now));
                if forgets {
                    naive.forget(now);
                    assert_eq!(window.rows(), naive.rows.len());
                }
            }
            Step::Save => {
                let (mut line, mut rows) = (Vec::new(), Vec::new());
                window.write(&mut line, &mut rows);
                assert_eq!((line.len(), rows.len()), (shape.line_words(), window.rows() * shape.row_words()));
                rows.push(7);
                let mut rest = &rows[..];
                window = Window::read(&shape, &line, &mut rest).expect("it is a state of this shape");
                assert_eq!(rest, [7], "it takes its own rows only");
                assert!(Window::read(&shape, &line[1..], &mut &rows[..]).is_none());
                if window.is_idle(&shape, Time(now)) {
                    window = Window::new(&shape);
                }
            }
        }
        if forgets {
            naive.forget(now);
            assert!(window.rows() >= naive.rows.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn is_the_naive_window(steps in steps(), aggregates in aggregates(), slack in slack()) {
        compare(steps, aggregates, slack, true);
    }

    /// Without retractions beyond the slack it does not matter that rows are forgotten at all.
    #[test]
    fn forgetting_does_not_show(steps in steps(), aggregates in aggregates(), slack in slack()) {
        compare(steps, aggregates, slack, false);
    }

    /// Rows that come and are retracted leave no bit behind, and neither do queries between.
    #[test]
    fn what_was_wrong_leaves_no_trace(
        right in prop::collection::vec((a_row(), -1e9..1e9), 1..60),
        wrong in prop::collection::vec((0usize..60, a_row(), -1e12..1e12, 1usize..20), 0..30),
        aggregates in aggregates(),
    ) {
        let shape = WindowShape::new(2, &aggregates, Span(1000));
        let (mut clean, mut dirty) = (Window::new(&shape), Window::new(&shape));
        let (mut a, mut b) = (vec![None; aggregates.len()], vec![None; aggregates.len()]);
        let mut now = 1000;
        let mut due = Vec::new();
        let values = |q: &Quarters, noise: f64| [q[0].map(|_| noise), q[1].map(|v| v as f64 * noise / 3.0)];
        for (n, ((ahead, order, quarters), noise)) in right.iter().enumerate() {
            let time = now + ahead;
            now = now.max(time);
            for (_, (ahead, order, q), noise, wait) in wrong.iter().filter(|w| w.0 == n) {
                dirty.insert(&shape, Time(now), Time(now + ahead), *order, &values(q, *noise));
                due.push((n + wait, Time(now + ahead), *order, values(q, *noise)));
            }
            clean.insert(&shape, Time(now), Time(time), *order, &values(quarters, *noise));
            dirty.insert(&shape, Time(now), Time(time), *order, &values(quarters, *noise));
            dirty.query(&shape, Time(now), Time(now - 3), &mut b);
            for (_, time, order, values) in due.extract_if(.., |d| d.0 <= n) {
                prop_assert!(dirty.retract(&shape, Time(now), time, order, &values));
            }
            if due.is_empty() {
                clean.query(&shape, Time(now), Time(now), &mut a);
                dirty.query(&shape, Time(now), Time(now), &mut b);
                let bits = |out: &[Option<f64>]| out.iter().map(|x| x.map(f64::to_bits)).collect::<Vec<_>>();
                prop_assert_eq!(bits(&a), bits(&b));
            }
        }
    }
}

#[test]
fn values_beyond_the_limit_are_null_to_sums() {
    let over = Over::Rows(5);
    let of = |function| Aggregate { function, argument: Some(0), over };
    let shape = WindowShape::new(1, &[of(Function::Sum), of(Function::Count), of(Function::Max)], Span(0));
    let mut window = Window::new(&shape);
    let mut out = [None; 3];
    for value in [1.0, 1e16, f64::INFINITY, f64::NAN] {
        window.insert(&shape, Time(1), Time(1), 1, &[Some(value)]);
    }
    window.query(&shape, Time(1), Time(1), &mut out);
    assert_eq!(out, [Some(1.0), Some(2.0), Some(1e16)]);
    assert!(window.retract(&shape, Time(1), Time(1), 1, &[Some(1e16)]));
    assert!(!window.retract(&shape, Time(1), Time(1), 1, &[Some(1e16)]));
    window.query(&shape, Time(1), Time(1), &mut out);
    assert_eq!(out, [Some(1.0), Some(1.0), Some(1.0)]);
}

#[test]
fn memory_is_bounded_by_the_rule() {
    let over = |over| Aggregate { function: Function::Min, argument: Some(0), over };
    let shape = WindowShape::new(1, &[over(Over::Time(Span(100))), over(Over::Rows(3))], Span(50));
    let mut window = Window::new(&shape);
    for t in 0..10_000 {
        window.insert(&shape, Time(t), Time(t), 0, &[Some(t as f64)]);
        assert!(window.rows() <= 150);
    }
    assert!(!window.is_idle(&shape, Time(20_000)));
    let mut out = [None; 2];
    window.query(&shape, Time(20_000), Time(20_000), &mut out);
    window.prune(&shape, Time(20_000));
    assert_eq!((out, window.rows()), ([None, Some(9_997.0)], 3));
}
