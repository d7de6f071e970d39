//! `[model.NAME.deploy]`: what becomes of a version that passed its gate, and by which test.

use super::bounds::Bounds;
use super::features::{Around, check_event_column};
use super::item::{Item, names};
use super::metrics::multiple;
use super::source::LONGEST;
use super::spec::{DeploySpec, Loss, Strategy};
use super::table::Table;
use crate::task::Task;
use crate::time::Span;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Immediate,
    Shadow,
    Canary,
    Ab,
}

const STRATEGIES: [(&str, Kind); 4] =
    [("immediate", Kind::Immediate), ("shadow", Kind::Shadow), ("canary", Kind::Canary), ("ab", Kind::Ab)];

/// Keys that only some strategies have, and whose they are.
const OWN: [(&str, &[Kind], &str); 4] = [
    ("steps", &[Kind::Canary], "it belongs to strategy \"canary\""),
    ("step_every", &[Kind::Canary], "it belongs to strategy \"canary\""),
    ("weights", &[Kind::Ab], "it belongs to strategy \"ab\""),
    ("give_up_after", &[Kind::Canary, Kind::Ab], "it belongs to strategies \"canary\" and \"ab\""),
];

/// How long a challenger may stay undecided where the file does not say.
const GIVE_UP_AFTER: Span = Span(30 * Span::DAY.0);

/// Reads the table; what is absent has its default (immediate, no rollback).
pub(super) fn read(table: Option<Table<'_>>, task: Task, every: Span, around: &Around<'_>) -> DeploySpec {
    let mut deploy = DeploySpec::of(Strategy::Immediate, task);
    let Some(mut table) = table else { return deploy };
    let help = "one of immediate, shadow, canary, ab";
    let kind = table.need("strategy", help).and_then(|i| i.choice("strategy", &STRATEGIES));
    table.refuse_others(kind, &OWN);
    if let Some(kind) = kind {
        deploy.strategy = strategy(kind, &mut table, every);
    }
    if let Some(loss) = table.take("metric").and_then(|i| i.choice("metric", &Loss::of(task))) {
        deploy.loss = loss;
    }
    if let Some(alpha) = table.take("alpha").and_then(|i| i.number(Bounds::inside(0.0, 0.5))) {
        deploy.alpha = alpha;
    }
    if let Some(least) = table.take("min_labels").and_then(|i| i.whole(50, 1_000_000_000)) {
        deploy.min_labels = least;
    }
    if let Some(columns) = table.take("by").and_then(|i| names(&i)) {
        for column in &columns {
            check_event_column(column, "`by`", around, table.faults);
        }
        deploy.by = columns;
    }
    deploy.rollback_within = table.take("rollback_within").and_then(|i| i.length(every, LONGEST));
    table.finish();
    deploy
}

fn strategy(kind: Kind, table: &mut Table<'_>, every: Span) -> Strategy {
    let give_up_after = match kind {
        Kind::Canary | Kind::Ab => table.take("give_up_after").and_then(|i| i.length(every, LONGEST)),
        Kind::Immediate | Kind::Shadow => None,
    };
    let give_up_after = give_up_after.unwrap_or(GIVE_UP_AFTER);
    match kind {
        Kind::Immediate => Strategy::Immediate,
        Kind::Shadow => Strategy::Shadow,
        Kind::Canary => {
            let steps = table.take("steps").and_then(|i| numbers(&i, Bounds::inside(0.0, 1.0), 1));
            let step_every = table.take("step_every").and_then(|i| multiple(&i, every));
            // A day, in whole steps of `every`.
            let default = Span((Span::DAY.0 + every.0 - 1) / every.0 * every.0);
            Strategy::Canary {
                steps: steps.unwrap_or_else(|| vec![0.05, 0.25, 0.5]),
                step_every: step_every.unwrap_or(default),
                give_up_after,
            }
        }
        Kind::Ab => {
            let weights = table.take("weights").and_then(|i| numbers(&i, Bounds::above(0.0, 1e6), 2));
            Strategy::Ab { weights: weights.unwrap_or_else(|| vec![0.5, 0.5]), give_up_after }
        }
    }
}

/// At least so many numbers in some bounds; of steps each above the one before.
fn numbers(item: &Item<'_>, bounds: Bounds, least: usize) -> Option<Vec<f64>> {
    let all: Vec<Item<'_>> = item.list()?;
    let numbers: Vec<f64> = all.iter().map(|i| i.number(bounds)).collect::<Option<_>>()?;
    if numbers.len() < least {
        item.fault(format!("`{}` has {} numbers, allowed: at least {least}", item.name, numbers.len()), "");
        return None;
    }
    if least == 1 && !numbers.is_sorted_by(|a, b| a < b) {
        item.fault(format!("`{}` does not ascend", item.name), "a canary's share only grows: [0.05, 0.25, 0.5]");
        return None;
    }
    Some(numbers)
}
