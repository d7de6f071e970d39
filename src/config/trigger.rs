//! `[[model.NAME.trigger]]`: the reasons to retrain.

use super::bounds::Bounds;
use super::detector;
use super::item::Item;
use super::metrics::multiple;
use super::source::LONGEST;
use super::spec::{CauseSpec, Cron, CronFault, NewData, TriggerSpec};
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
        Cause::Degradation => degradation(&mut table),
        Cause::NewData => new_data(&mut table, every).map(CauseSpec::NewData),
        Cause::Schedule => schedule(&mut table, every),
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

fn degradation(table: &mut Table<'_>) -> Option<CauseSpec> {
    let when = table.need("when", "\"log_loss[7d] > 1.05 * log_loss_at_release\"").and_then(|i| i.words());
    let rearm = table.take("rearm").map_or(Some(None), |i| i.words().map(Some));
    let min_labels = table.take("min_labels").map_or(Some(500), |i| i.whole(1, 1_000_000_000));
    let min_coverage = table.take("min_coverage").map_or(Some(0.9), |i| i.number(Bounds::from(0.0, 1.0)));
    Some(CauseSpec::Degradation { when: when?, rearm: rearm?, min_labels: min_labels?, min_coverage: min_coverage? })
}

fn new_data(table: &mut Table<'_>, every: Span) -> Option<NewData> {
    let enough = one_of(table, ["examples", "share", "after"], "examples = 50_000, share = 0.1, or after = \"30d\"")?;
    match enough.name {
        "examples" => enough.whole(1, 1_000_000_000_000).map(NewData::Examples),
        "share" => enough.number(Bounds::above(0.0, 1.0)).map(NewData::Share),
        _ => multiple(&enough, every).map(NewData::After),
    }
}

fn schedule(table: &mut Table<'_>, every: Span) -> Option<CauseSpec> {
    let when = one_of(table, ["every", "cron"], "every = \"30d\", or cron = \"0 3 * * 1\"")?;
    if when.name == "every" {
        return multiple(&when, every).map(|every| CauseSpec::Schedule { every });
    }
    let text = when.words()?;
    let told = |fault: CronFault| when.faults.add(text.place(&fault.span), fault.message, fault.help);
    Cron::parse(&text.value).map_err(told).ok().map(CauseSpec::Cron)
}

/// The one that is there of some keys, each of which is enough; `help` says how to write them.
fn one_of<'a, const N: usize>(table: &mut Table<'a>, keys: [&'static str; N], help: &str) -> Option<Item<'a>> {
    let (found, absent): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| table.has(key));
    if found.is_empty() {
        let first = table.need(keys[0], help);
        table.knows(&keys[1..]);
        return first;
    }
    table.knows(&absent);
    let found: Vec<Item<'a>> = found.into_iter().filter_map(|key| table.take(key)).collect();
    if let [first, second, ..] = &found[..] {
        let message = format!("`{}` beside `{}`, allowed: one of {}", second.name, first.name, keys.join(", "));
        second.fault(message, "write a trigger for each");
        return None;
    }
    found.first().copied()
}
