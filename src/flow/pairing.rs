//! Labels and their events: who is known, who waits, who is late. The state of one worker's share of the keys, without
//! timely.
//!
//! In: rows in the law's order with running pipeline time. Out: what windows and tables are told ([`Touch`]), what the
//! model's room is told ([`Case`]), dead letters, and the changes of the balance. Keeps: an event until twice its
//! timeout has passed (once for its label, once more to tell a late label from one without event, and a second event
//! from a first), and a label without event until its timeout. All limits compare event times with running pipeline
//! time, so they do not depend on where ticks are cut.

use super::agenda::Agenda;
use super::balance::Balance;
use super::items::{Arguments, Case, CaseKind, Deed, Item, Touch};
use super::plan::Plan;
use crate::feature::plan::Feed;
use crate::feature::scope::View;
use crate::record::{DeadLetter, Key, KeyMap, Kind, Position, Raw, Reason, Row, Value};
use crate::time::{Span, Time};
use smallvec::SmallVec;
use std::sync::Arc;

/// What a tick's rows became.
#[derive(Default)]
pub struct Paired {
    /// For the windows and tables.
    pub touches: Vec<Touch>,
    /// For the model's room.
    pub cases: Vec<Case>,
    /// What was refused.
    pub dead: Vec<DeadLetter>,
    /// What changed in the balance.
    pub balance: Balance,
}

impl Paired {
    /// Nothing yet, with room for so many touches and cases.
    pub fn with_capacity((touches, cases): (usize, usize)) -> Paired {
        let room = |usual: usize| usual + usual / 8;
        Paired {
            touches: Vec::with_capacity(room(touches)),
            cases: Vec::with_capacity(room(cases)),
            ..Paired::default()
        }
    }
}

/// An event that is remembered.
struct Known {
    time: Time,
    /// Its keys in the label windows, in their order; `None` where the key is null.
    keys: SmallVec<[Option<Key>; 4]>,
    /// Its columns, where an aggregate over labels reads them.
    values: Option<Arc<[Value]>>,
    label: Option<Labelled>,
}

/// The label that is in force.
struct Labelled {
    value: bool,
    /// When it was known, by its own time. A correction takes over the time and place of what it corrects: it leaves
    /// the windows as if the label had always been right.
    time: Time,
    /// Its place among label rows of the same time.
    order: u64,
    /// What it put into each label window.
    arguments: SmallVec<[Arguments; 2]>,
}

/// A label whose event is not known yet.
struct Waiting {
    row: Row,
    /// Pipeline time when it came.
    since: Time,
}

/// One worker's share.
pub struct Pairing {
    plan: Arc<Plan>,
    known: KeyMap<Known>,
    waiting: KeyMap<Waiting>,
    /// Events by time, until their timeout.
    to_settle: Agenda,
    /// Events by time, until they are forgotten.
    to_forget: Agenda,
    /// Waiting labels by the pipeline time at which they came.
    to_orphan: Agenda,
    keys: Keys,
}

/// The keys of windows and tables in an event's columns: stores that are keyed by the same columns have one key.
struct Keys {
    distinct: Vec<Vec<usize>>,
    /// By group, then by table: which of them.
    of_group: Vec<usize>,
    of_table: Vec<usize>,
    /// How many groups are fed by labels.
    labels: usize,
}

impl Keys {
    fn new(plan: &Plan) -> Keys {
        let mut distinct: Vec<Vec<usize>> = Vec::new();
        let mut number = |columns: &Vec<usize>| {
            distinct.iter().position(|known| known == columns).unwrap_or_else(|| {
                distinct.push(columns.clone());
                distinct.len() - 1
            })
        };
        let groups = &plan.features.groups;
        let of_group = groups.iter().map(|group| number(&group.by)).collect();
        let of_table = plan.features.tables.iter().map(|table| number(&table.key)).collect();
        let labels = groups.iter().filter(|group| group.feed == Feed::Labels).count();
        Keys { distinct, of_group, of_table, labels }
    }

    fn of(&self, values: &[Value]) -> SmallVec<[Option<Key>; 8]> {
        self.distinct.iter().map(|columns| Key::of(columns.iter().map(|place| &values[*place]))).collect()
    }
}

impl Pairing {
    /// Nothing known yet.
    pub fn new(plan: Arc<Plan>) -> Pairing {
        Pairing {
            keys: Keys::new(&plan),
            plan,
            known: KeyMap::default(),
            waiting: KeyMap::default(),
            to_settle: Agenda::default(),
            to_forget: Agenda::default(),
            to_orphan: Agenda::default(),
        }
    }

    /// Takes one row.
    pub fn take(&mut self, item: Item, out: &mut Paired) {
        // Not at the tick's end alone: an id may come again, and a waiting label's event at last, in the tick in which
        // their time is over.
        self.pass(item.now, out);
        match self.plan.kinds[item.row.position.source as usize] {
            Kind::Table => self.table(item, out),
            Kind::Context => self.context(item, out),
            Kind::Label => self.label(item.seq, item.now, item.row, out),
            Kind::Event => self.event(item, out),
        }
    }

    /// Pipeline time is `now`: timeouts pass.
    pub fn pass(&mut self, now: Time, out: &mut Paired) {
        let timeout = self.plan.timeout;
        while let Some(key) = self.to_settle.due(now, timeout) {
            let over = |event: &Known| event.time.plus(timeout) < now && event.label.is_none();
            if self.known.get(&key).is_some_and(over) {
                out.balance.unlabelled -= 1;
                out.balance.expired += 1;
            }
        }
        while let Some(key) = self.to_forget.due(now, Span(2 * timeout.0)) {
            // The id may have come again in the same tick, after it was forgotten.
            if self.known.get(&key).is_some_and(|event| event.time.plus(Span(2 * timeout.0)) < now) {
                self.known.remove(&key);
            }
        }
        while let Some(key) = self.to_orphan.due(now, timeout) {
            // A later label of the same event may have taken its place, with a later date on the agenda.
            if self.waiting.get(&key).is_none_or(|label| label.since.plus(timeout) >= now) {
                continue;
            }
            if let Some(label) = self.waiting.remove(&key) {
                out.balance.pending -= 1;
                refuse(out, label.row.position, Reason::Orphan, "no event with this id came in time", label.row.raw);
            }
        }
    }

    /// Events and labels kept.
    pub fn kept(&self) -> usize {
        self.known.len() + self.waiting.len()
    }

    fn table(&mut self, item: Item, out: &mut Paired) {
        out.balance.used += 1;
        let Some(store) = self.plan.table_store(item.row.position.source) else { return };
        let Item { seq, now, row } = item;
        let values = (!row.tombstone).then(|| Arc::from(row.values));
        let deed = Deed::Put(tie(row.position), values);
        out.touches.push(Touch { seq, store, key: row.key, now, time: row.time, deed });
    }

    fn context(&mut self, item: Item, out: &mut Paired) {
        out.balance.used += 1;
        let Item { seq, now, row } = item;
        let view = View { own: &row.values, ..View::default() };
        let groups = self.plan.features.groups.iter().enumerate();
        for (store, group) in groups.filter(|(_, g)| g.feed == Feed::Context(row.position.source)) {
            let Some(key) = Key::of(group.by_own.iter().map(|place| &row.values[*place])) else { continue };
            let arguments = group.arguments.iter().map(|argument| argument.number(&view)).collect();
            let deed = Deed::Join(tie(row.position), arguments);
            out.touches.push(Touch { seq, store: store as u16, key, now, time: row.time, deed });
        }
    }

    fn event(&mut self, item: Item, out: &mut Paired) {
        let Item { seq, now, row } = item;
        let timeout = self.plan.timeout;
        let forgotten = |event: &Known| event.time.plus(Span(2 * timeout.0)) < now;
        if self.known.get(&row.key).is_some_and(|event| !forgotten(event)) {
            return refuse(out, row.position, Reason::Duplicate, "an event with this id is known already", row.raw);
        }
        if self.kept() >= self.plan.max_pending {
            return refuse(
                out,
                row.position,
                Reason::CapacityReached,
                "max_pending events and labels are kept",
                row.raw,
            );
        }
        out.balance.used += 1;
        out.balance.events += 1;
        out.balance.unlabelled += 1;
        let Row { position, key, time, values, .. } = row;
        let keys = self.ask(seq, now, (time, tie(position)), &values, out);
        let kept = self.plan.labels_read_events.then(|| Arc::from(values.clone()));
        self.known.insert(key, Known { time, keys, values: kept, label: None });
        self.to_settle.add(time, key);
        self.to_forget.add(time, key);
        let id = self.plan.id_of(&values);
        out.cases.push(Case { seq, key, now, kind: CaseKind::Event { id, time, values } });
        if let Some(label) = self.waiting.remove(&key) {
            out.balance.pending -= 1;
            self.label(seq + 1, now, label.row, out);
        }
    }

    /// Asks every window and table for an event; returns its keys in the label windows.
    fn ask(
        &self,
        seq: u32,
        now: Time,
        (time, order): (Time, u64),
        values: &[Value],
        out: &mut Paired,
    ) -> SmallVec<[Option<Key>; 4]> {
        let features = &self.plan.features;
        let view = View { event: values, ..View::default() };
        let mut label_keys = SmallVec::with_capacity(self.keys.labels);
        let keys = self.keys.of(values);
        for (store, group) in features.groups.iter().enumerate() {
            let key = keys[self.keys.of_group[store]];
            if group.feed == Feed::Labels {
                label_keys.push(key);
            }
            let Some(key) = key else { continue };
            let deed = match group.feed {
                Feed::Events => Deed::AskAndJoin(order, group.arguments.iter().map(|a| a.number(&view)).collect()),
                Feed::Context(_) | Feed::Labels => Deed::Ask,
            };
            out.touches.push(Touch { seq, store: store as u16, key, now, time, deed });
        }
        for (number, _) in features.tables.iter().enumerate().filter(|(_, table)| table.used) {
            let Some(key) = keys[self.keys.of_table[number]] else { continue };
            let store = (features.groups.len() + number) as u16;
            out.touches.push(Touch { seq, store, key, now, time, deed: Deed::Ask });
        }
        label_keys
    }

    fn label(&mut self, seq: u32, now: Time, row: Row, out: &mut Paired) {
        let timeout = self.plan.timeout;
        let key = row.key;
        let Some(event) = self.known.get_mut(&key).filter(|e| e.time.plus(Span(2 * timeout.0)) >= now) else {
            return self.wait(now, row, out);
        };
        if event.time.plus(timeout) < now {
            out.balance.late += 1;
            return;
        }
        out.balance.used += 1;
        let view = View { own: &row.values, ..View::default() };
        let after = match self.plan.features.label.as_ref().map(|label| label.expression.eval(&view)) {
            Some(Value::Bool(label)) if !row.tombstone => Some(label),
            _ => None,
        };
        let labelled = after.map(|value| {
            let event_values = event.values.as_deref().unwrap_or_default();
            let arguments = arguments(&self.plan, self.keys.labels, value, event_values, &row.values);
            let (time, order) = match &event.label {
                Some(corrected) => (corrected.time, corrected.order),
                None => (row.time, tie(row.position)),
            };
            Labelled { value, time, order, arguments }
        });
        let before = std::mem::replace(&mut event.label, labelled);
        let same = match (&before, &event.label) {
            (Some(b), Some(a)) => b.value == a.value && b.arguments == a.arguments,
            (None, None) => true,
            _ => false,
        };
        if same {
            // Said twice: the first saying stands, with its own time.
            event.label = before;
            out.balance.repeated += 1;
            return;
        }
        let feeds = self.plan.features.groups.iter().enumerate().filter(|(_, g)| g.feed == Feed::Labels);
        for (place, (store, _)) in feeds.enumerate() {
            let Some(Some(window)) = event.keys.get(place).copied() else { continue };
            let mut touch = |time: Time, deed: Deed| {
                out.touches.push(Touch { seq, store: store as u16, key: window, now, time, deed });
            };
            if let Some(old) = &before {
                touch(old.time, Deed::Leave(old.order, old.arguments[place].clone()));
            }
            if let Some(new) = &event.label {
                touch(new.time, Deed::Join(new.order, new.arguments[place].clone()));
            }
        }
        let before = before.map(|b| b.value);
        match (before, after) {
            (None, Some(_)) => {
                out.balance.unlabelled -= 1;
                out.balance.labelled += 1;
            }
            (Some(_), None) => {
                out.balance.unlabelled += 1;
                out.balance.labelled -= 1;
                out.balance.withdrawn += 1;
            }
            _ => out.balance.corrected += 1,
        }
        if before != after {
            out.cases.push(Case { seq, key, now, kind: CaseKind::Label { before, after } });
        }
    }

    /// A label whose event is not known waits; of several the newest by arrival is kept, as it would overrule the
    /// others.
    fn wait(&mut self, now: Time, row: Row, out: &mut Paired) {
        let replaces = self.waiting.contains_key(&row.key);
        if !replaces && self.kept() >= self.plan.max_pending {
            return refuse(
                out,
                row.position,
                Reason::CapacityReached,
                "max_pending events and labels are kept",
                row.raw,
            );
        }
        if replaces {
            out.balance.used += 1;
            out.balance.repeated += 1;
        } else {
            out.balance.pending += 1;
        }
        self.to_orphan.add(now, row.key);
        self.waiting.insert(row.key, Waiting { row, since: now });
    }
}

/// What a label puts into each label window.
fn arguments(plan: &Plan, windows: usize, label: bool, event: &[Value], own: &[Value]) -> SmallVec<[Arguments; 2]> {
    let label = Value::Bool(label);
    let view = View { event, own, label: Some(&label), ..View::default() };
    let groups = plan.features.groups.iter().filter(|g| g.feed == Feed::Labels);
    let mut all = SmallVec::with_capacity(windows);
    all.extend(
        groups.map(|group| group.arguments.iter().map(|argument| argument.number(&view)).collect::<Arguments>()),
    );
    all
}

fn refuse(out: &mut Paired, position: Position, reason: Reason, detail: &str, raw: Raw) {
    out.balance.dead_letters += 1;
    out.dead.push(DeadLetter { position, stage: "match".into(), reason, detail: detail.to_owned(), raw });
}

/// The tie-breaker of rows with one event time in one window: their place in the input.
fn tie(position: Position) -> u64 {
    (u64::from(position.source) << 56) | (u64::from(position.partition) << 44) | (position.offset & ((1 << 44) - 1))
}
