//! `[[model.NAME.trigger]]`: the reasons to retrain.

use super::bounds::Bounds;
use super::detector;
use super::item::Item;
use super::metrics::multiple;
use super::source::LONGEST;
use super::spec::{CauseSpec, Spanned, TriggerSpec};
use super::table::Table;
use crate::time::Span;

#[derive(Clone, Copy, PartialEq)]
enum Cause {
    Drift,
    Degradation,
    NewData,
    Schedule,
    Manual,
}

const CAUSES: [(&str, Cause); 5] = [
    ("drift", Cause::Drift),
    ("degradation", Cause::Degradation),
    ("new_data", Cause::NewData),
    ("schedule", Cause::Schedule),
    ("manual", Cause::Manual),
];

/// Reads all triggers of a model, in order.
pub(super) fn read_all(item: &Item<'_>, model: &Table<'_>, every: Span) -> Vec<TriggerSpec> {
    if item.value.get_ref().is_table() {
        let header = model.title_of("trigger");
        item.fault(format!("{header} must be a list of tables, found a table"), format!("write [{header}]"));
        return Vec::new();
    }
    let title = format!("[{}]", model.title_of("trigger"));
    let list = item.list().unwrap_or_default();
    list.iter().filter_map(|t| read(t.table(title.clone())?, every)).collect()
}

fn read(mut table: Table<'_>, every: Span) -> Option<TriggerSpec> {
    let help = "one of drift, degradation, new_data, schedule, manual";
    let kind = table.need("kind", help).and_then(|i| i.choice("trigger", &CAUSES));
    let warm_up = table.take("warm_up").map_or(Some(1000), |i| i.whole(0, 1_000_000_000));
    let cooldown = table.take("cooldown").map_or(Some(Span::DAY), |i| i.length(Span(0), LONGEST));
    let budget = table.take("daily_budget").map_or(Some(4), |i| i.whole(1, 1000));
    // Without its kind nothing is known about the other keys.
    let cause = match kind? {
        Cause::Drift => detector::read(&mut table, every).map(CauseSpec::Drift),
        Cause::Degradation => {
            let when = table.need("when", "\"log_loss[7d] > 1.05 * log_loss_at_release\"").and_then(|i| i.words());
            let min_labels = table.take("min_labels").map_or(Some(500), |i| i.whole(1, 1_000_000_000));
            let min_coverage = table.take("min_coverage").map_or(Some(0.9), |i| i.number(Bounds::from(0.0, 1.0)));
            degradation(when, min_labels, min_coverage)
        }
        Cause::NewData => {
            let examples = table.need("examples", "examples = 50_000").and_then(|i| i.whole(1, 1_000_000_000_000));
            examples.map(|examples| CauseSpec::NewData { examples })
        }
        Cause::Schedule => {
            let distance = table.need("every", "every = \"30d\"").and_then(|i| multiple(&i, every));
            distance.map(|every| CauseSpec::Schedule { every })
        }
        Cause::Manual => {
            let at = table.take("at").map_or(Some(Vec::new()), |i| i.list_of(Item::instant));
            at.map(|mut at| {
                at.sort();
                CauseSpec::Manual { at }
            })
        }
    };
    let span = table.span.clone();
    table.finish();
    Some(TriggerSpec {
        cause: cause?,
        warm_up: warm_up?,
        cooldown: cooldown?,
        daily_budget: u32::try_from(budget?).ok()?,
        span,
    })
}

fn degradation(when: Option<Spanned<String>>, min_labels: Option<u64>, min_coverage: Option<f64>) -> Option<CauseSpec> {
    Some(CauseSpec::Degradation { when: when?, min_labels: min_labels?, min_coverage: min_coverage? })
}
