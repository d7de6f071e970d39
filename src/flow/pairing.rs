//! Labels and their events: who is known, who waits, who is late. The state of one worker's share of the keys, without
//! timely.
//!
//! In: rows in the law's order with running pipeline time. Out: what windows and tables are told ([`Touch`]), what the
//! model's room is told ([`Arrived`], [`Relabelled`]), dead letters, and the changes of the balance. Keeps: an event
//! until twice its timeout has passed (once for its label, once more to tell a late label from one without event, and a
//! second event from a first), or longer while its label can be forgotten, and a label without event until its timeout.
//! All limits compare event times with running pipeline time, so they do not depend on where ticks are cut.

use super::agenda::Agenda;
use super::balance::Balance;
use super::feeding::{Feeding, Keys, Said, arguments};
use super::items::{Deed, Forget, Item, Touch};
use super::plan::Plan;
use super::saving::{Keeps, Sections, Shares};
use crate::feature::plan::Feed;
use crate::feature::scope::View;
use crate::record::{DeadLetter, Key, KeyMap, Kind, Position, Raw, Reason, Row, Value};
use crate::task::Label;
use crate::time::Time;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::mem::take;
use std::sync::Arc;

/// Who is told what rows become, in the law's order.
pub trait Listener {
    /// Something for a window or a table.
    fn touch(&mut self, touch: Touch);

    /// An event, to be scored; its touches go before it.
    fn event(&mut self, event: Arrived);

    /// A label that became known, changed, or was withdrawn.
    fn label(&mut self, label: Relabelled);
}

/// An event on its way to the model's room.
pub struct Arrived<'a> {
    /// Place in the tick.
    pub seq: u32,
    /// The event.
    pub key: Key,
    /// Running pipeline time.
    pub now: Time,
    /// Its prediction id.
    pub id: CompactString,
    /// Its own event time.
    pub time: Time,
    /// Its columns; whoever wants to keep them takes them.
    pub values: &'a mut Box<[Value]>,
}

/// A label on its way to the model's room.
#[derive(Clone, Copy, Debug)]
pub struct Relabelled {
    /// Place in the tick.
    pub seq: u32,
    /// The event.
    pub key: Key,
    /// Running pipeline time.
    pub now: Time,
    /// What the label was before, as far as known.
    pub before: Option<Label>,
    /// What it is now; `None` is withdrawn.
    pub after: Option<Label>,
}

/// What a tick's rows became.
pub struct Paired<L> {
    /// Who was told of it.
    pub listener: L,
    /// What was refused.
    pub dead: Vec<DeadLetter>,
    /// What changed in the balance.
    pub balance: Balance,
}

impl<L> Paired<L> {
    /// Nothing yet.
    pub fn new(listener: L) -> Paired<L> {
        Paired { listener, dead: Vec::new(), balance: Balance::default() }
    }
}

/// An event that is remembered.
#[derive(Serialize, Deserialize)]
struct Known {
    time: Time,
    /// Its keys in the label windows, in their order; `None` where the key is null. Empty when its timeout has passed
    /// and it cannot be forgotten any more, as is all below: what is left only tells late labels and second events.
    keys: Box<[Option<Key>]>,
    /// Its columns, where an aggregate over labels reads them.
    values: Option<Arc<[Value]>>,
    label: Option<Box<Labelled>>,
    /// Whether its label was forgotten by request: it gets no other.
    forgotten: bool,
}

/// The label that is in force.
#[derive(Serialize, Deserialize)]
struct Labelled {
    value: Label,
    /// When it was known, by its own time. A correction takes over the time and place of what it corrects: it leaves
    /// the windows as if the label had always been right.
    time: Time,
    /// Its place among label rows of the same time.
    order: u64,
    /// What it said to the label windows.
    said: Said,
}

/// A label whose event is not known yet.
#[derive(Serialize, Deserialize)]
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
    /// Up to when timeouts have passed.
    passed: Time,
    keys: Keys,
    by_events: Feeding,
    by_labels: Feeding,
    /// By source number; empty where it is not a context.
    by_contexts: Vec<Feeding>,
}

impl Pairing {
    /// Nothing known yet.
    pub fn new(plan: Arc<Plan>) -> Pairing {
        Pairing {
            keys: Keys::new(&plan),
            by_events: Feeding::new(&plan, Feed::Events),
            by_labels: Feeding::new(&plan, Feed::Labels),
            by_contexts: (0..plan.kinds.len()).map(|n| Feeding::new(&plan, Feed::Context(n as u16))).collect(),
            plan,
            known: KeyMap::default(),
            waiting: KeyMap::default(),
            to_settle: Agenda::default(),
            to_forget: Agenda::default(),
            to_orphan: Agenda::default(),
            passed: Time(i64::MIN),
        }
    }

    /// Takes one row. What of it has to be kept is taken out of it; the rest stays with the caller.
    pub fn take(&mut self, item: &mut Item, out: &mut Paired<impl Listener>) {
        // Not at the tick's end alone: an id may come again, and a waiting label's event at last, in the tick in which
        // their time is over.
        self.pass(item.now, out);
        match self.plan.kinds[item.row.position.source as usize] {
            Kind::Table => self.table(item, out),
            Kind::Context => self.context(item, out),
            Kind::Label => self.label(item.seq, item.now, &mut item.row, out),
            Kind::Event => self.event(item, out),
            // The minter has done what it asks for.
            Kind::Control => out.balance.used += 1,
        }
    }

    /// Pipeline time is `now`: timeouts pass.
    pub fn pass<L>(&mut self, now: Time, out: &mut Paired<L>) {
        let timeout = self.plan.timeout;
        self.passed = now;
        while let Some(key) = self.to_settle.due(now, timeout) {
            let Some(event) = self.known.get_mut(&key).filter(|event| event.time.plus(timeout) < now) else { continue };
            if event.label.is_none() {
                out.balance.unlabelled -= 1;
                out.balance.expired += 1;
            }
            if !self.plan.keeps_settled() {
                (event.keys, event.values, event.label) = (Box::default(), None, None);
            }
        }
        let known_for = self.plan.known_for();
        while let Some(key) = self.to_forget.due(now, known_for) {
            // The id may have come again in the same tick, after it was forgotten.
            if self.known.get(&key).is_some_and(|event| event.time.plus(known_for) < now) {
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

    /// Forgets labels by request, at a boundary, whose tick has no rows: of an event that is erasable the label leaves
    /// as a withdrawal does, and no other is taken; a label without event is let go of.
    pub fn forget(&mut self, asked: &[Forget], now: Time, out: &mut Paired<impl Listener>) {
        for (place, forget) in asked.iter().enumerate() {
            let Some(key) = self.plan.key_of_id(&forget.id) else { continue };
            if let Some(label) = self.waiting.remove(&key) {
                out.balance.pending -= 1;
                refuse(out, label.row.position, Reason::Forgotten, FORGOTTEN, label.row.raw);
            }
            let Some(event) = self.known.get_mut(&key) else { continue };
            event.forgotten = true;
            let (windows, label) = (take(&mut event.keys), event.label.take());
            event.values = None;
            let Some(old) = label.filter(|_| event.time.plus(self.plan.erasable) >= now) else { continue };
            out.balance.labelled -= 1;
            match event.time.plus(self.plan.timeout) < now {
                true => out.balance.expired += 1,
                false => out.balance.unlabelled += 1,
            }
            for ((store, places), window) in self.by_labels.groups.iter().zip(&windows) {
                let Some(key) = *window else { continue };
                let deed = Deed::Leave(old.order, arguments(&old.said, places));
                let (seq, store) = (2 * place as u32, *store as u16);
                out.listener.touch(Touch { seq, store, key, now, time: old.time, deed });
            }
        }
    }

    /// Events and labels kept.
    pub fn kept(&self) -> usize {
        self.known.len() + self.waiting.len()
    }

    fn table(&mut self, item: &mut Item, out: &mut Paired<impl Listener>) {
        out.balance.used += 1;
        let Some(store) = self.plan.table_store(item.row.position.source) else { return };
        let Item { seq, now, ref mut row } = *item;
        let values = (!row.tombstone).then(|| Arc::from(take(&mut row.values)));
        let deed = Deed::Put(tie(row.position), values);
        out.listener.touch(Touch { seq, store, key: row.key, now, time: row.time, deed });
    }

    fn context(&mut self, item: &mut Item, out: &mut Paired<impl Listener>) {
        out.balance.used += 1;
        let Item { seq, now, ref row } = *item;
        let view = View { own: &row.values, ..View::default() };
        let feeding = &self.by_contexts[usize::from(row.position.source)];
        let said = feeding.said(&view);
        for (store, places) in &feeding.groups {
            let group = &self.plan.features.groups[*store];
            let Some(key) = Key::of(group.by_own.iter().map(|place| &row.values[*place])) else { continue };
            let deed = Deed::Join(tie(row.position), arguments(&said, places));
            out.listener.touch(Touch { seq, store: *store as u16, key, now, time: row.time, deed });
        }
    }

    fn event(&mut self, item: &mut Item, out: &mut Paired<impl Listener>) {
        let Item { seq, now, ref mut row } = *item;
        let forgotten = |event: &Known| event.time.plus(self.plan.known_for()) < now;
        if self.known.get(&row.key).is_some_and(|event| !forgotten(event)) {
            return refuse(
                out,
                row.position,
                Reason::Duplicate,
                "an event with this id is known already",
                take(&mut row.raw),
            );
        }
        if self.kept() >= self.plan.max_pending {
            return refuse(
                out,
                row.position,
                Reason::CapacityReached,
                "max_pending events and labels are kept",
                take(&mut row.raw),
            );
        }
        out.balance.used += 1;
        out.balance.events += 1;
        out.balance.unlabelled += 1;
        let Row { position, key, time, ref mut values, .. } = *row;
        let keys = self.ask(seq, now, (time, tie(position)), values, out);
        let kept = self.plan.labels_read_events.then(|| Arc::from(&values[..]));
        self.known.insert(key, Known { time, keys, values: kept, label: None, forgotten: false });
        self.to_settle.add(time, key);
        self.to_forget.add(time, key);
        let id = self.plan.id_of(values);
        out.listener.event(Arrived { seq, key, now, id, time, values });
        if let Some(mut label) = self.waiting.remove(&key) {
            out.balance.pending -= 1;
            self.label(seq + 1, now, &mut label.row, out);
        }
    }

    /// Asks every window and table for an event; returns its keys in the label windows.
    fn ask(
        &self,
        seq: u32,
        now: Time,
        (time, order): (Time, u64),
        values: &[Value],
        out: &mut Paired<impl Listener>,
    ) -> Box<[Option<Key>]> {
        let features = &self.plan.features;
        let said = self.by_events.said(&View { event: values, ..View::default() });
        let keys = self.keys.of(values);
        let mut joins = self.by_events.groups.iter();
        for (store, group) in features.groups.iter().enumerate() {
            let places = if group.feed == Feed::Events { joins.next() } else { None };
            let Some(key) = keys[self.keys.group(store)] else { continue };
            let deed = match places {
                Some((_, places)) => Deed::AskAndJoin(order, arguments(&said, places)),
                None => Deed::Ask,
            };
            out.listener.touch(Touch { seq, store: store as u16, key, now, time, deed });
        }
        for (number, _) in features.tables.iter().enumerate().filter(|(_, table)| table.used) {
            let Some(key) = keys[self.keys.table(number)] else { continue };
            let store = (features.groups.len() + number) as u16;
            out.listener.touch(Touch { seq, store, key, now, time, deed: Deed::Ask });
        }
        self.by_labels.groups.iter().map(|(store, _)| keys[self.keys.group(*store)]).collect()
    }

    fn label(&mut self, seq: u32, now: Time, row: &mut Row, out: &mut Paired<impl Listener>) {
        let timeout = self.plan.timeout;
        let key = row.key;
        let Some(event) = self.known.get_mut(&key).filter(|e| e.time.plus(self.plan.known_for()) >= now) else {
            return self.wait(now, row, out);
        };
        if event.forgotten {
            return refuse(out, row.position, Reason::Forgotten, FORGOTTEN, take(&mut row.raw));
        }
        if event.time.plus(timeout) < now {
            out.balance.late += 1;
            return;
        }
        let view = View { own: &row.values, ..View::default() };
        let plan = self.plan.features.label.as_ref().filter(|_| !row.tombstone);
        let label = plan.map_or(Value::Null, |plan| plan.expression.eval(&view));
        let after = match plan.map_or(Ok(None), |plan| plan.label(&label)) {
            Ok(after) => after,
            Err((reason, detail)) => return refuse(out, row.position, reason, &detail, take(&mut row.raw)),
        };
        out.balance.used += 1;
        let labelled = after.map(|value| {
            let event_values = event.values.as_deref().unwrap_or_default();
            let view = View { event: event_values, own: &row.values, label: Some(&label), ..View::default() };
            let said = self.by_labels.said(&view);
            let (time, order) = match &event.label {
                Some(corrected) => (corrected.time, corrected.order),
                None => (row.time, tie(row.position)),
            };
            Box::new(Labelled { value, time, order, said })
        });
        let before = std::mem::replace(&mut event.label, labelled);
        let same = match (&before, &event.label) {
            (Some(b), Some(a)) => b.value == a.value && b.said == a.said,
            (None, None) => true,
            _ => false,
        };
        if same {
            // Said twice: the first saying stands, with its own time.
            event.label = before;
            out.balance.repeated += 1;
            return;
        }
        for ((store, places), window) in self.by_labels.groups.iter().zip(&event.keys) {
            let Some(window) = *window else { continue };
            let mut touch = |time: Time, deed: Deed| {
                out.listener.touch(Touch { seq, store: *store as u16, key: window, now, time, deed });
            };
            if let Some(old) = &before {
                touch(old.time, Deed::Leave(old.order, arguments(&old.said, places)));
            }
            if let Some(new) = &event.label {
                touch(new.time, Deed::Join(new.order, arguments(&new.said, places)));
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
            out.listener.label(Relabelled { seq, key, now, before, after });
        }
    }

    /// A label whose event is not known waits; of several the newest by arrival is kept, as it would overrule the
    /// others.
    fn wait<L>(&mut self, now: Time, row: &mut Row, out: &mut Paired<L>) {
        let replaces = self.waiting.contains_key(&row.key);
        if !replaces && self.kept() >= self.plan.max_pending {
            return refuse(
                out,
                row.position,
                Reason::CapacityReached,
                "max_pending events and labels are kept",
                take(&mut row.raw),
            );
        }
        if replaces {
            out.balance.used += 1;
            out.balance.repeated += 1;
        } else {
            out.balance.pending += 1;
        }
        self.to_orphan.add(now, row.key);
        let row = Row { values: take(&mut row.values), raw: take(&mut row.raw), ..*row };
        self.waiting.insert(row.key, Waiting { row, since: now });
    }
}

/// What is kept of one logical shard: when timeouts passed last, and by key.
type Shard<K, W> = (Time, Vec<(Key, K)>, Vec<(Key, W)>);

/// What the places in [`Known::keys`] and [`Labelled::said`] are: the windows of labels, and what they are told, as it
/// prints. A pipeline that was changed has others.
#[derive(PartialEq, Serialize, Deserialize)]
struct Places {
    windows: Vec<String>,
    said: Vec<String>,
}

impl Places {
    fn of(plan: &Plan, by_labels: &Feeding) -> Places {
        let name = |(store, _): &(usize, _)| plan.operators.windows[*store].name.clone();
        Places { windows: by_labels.groups.iter().map(name).collect(), said: by_labels.trees() }
    }

    /// Puts what was kept by these places into others; what is new there is null.
    fn move_to(&self, other: &Places, event: &mut Known) {
        let place = |of: &[String], name: &String| of.iter().position(|known| known == name);
        if !event.keys.is_empty() {
            let key = |name| place(&self.windows, name).and_then(|place| event.keys.get(place).copied().flatten());
            event.keys = other.windows.iter().map(key).collect();
        }
        if let Some(label) = &mut event.label {
            let said = |name| place(&self.said, name).and_then(|place| label.said.get(place).copied().flatten());
            label.said = other.said.iter().map(said).collect();
        }
    }
}

impl Keeps for Pairing {
    fn save(&self, to: &Sections) {
        let mut shards: Vec<Shard<&Known, &Waiting>> = Vec::new();
        shards.resize_with(Key::SHARDS as usize, || (self.passed, Vec::new(), Vec::new()));
        self.known.iter().for_each(|(key, event)| shards[key.shard() as usize].1.push((*key, event)));
        self.waiting.iter().for_each(|(key, label)| shards[key.shard() as usize].2.push((*key, label)));
        for (number, shard) in shards.into_iter().enumerate() {
            if shard.1.is_empty() && shard.2.is_empty() {
                continue;
            }
            let places = Places::of(&self.plan, &self.by_labels);
            to.value(&self.plan.operators.matching, number as u32, &(places, shard));
        }
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let (mut events, mut labels) = (Vec::new(), Vec::new());
        let ours = Places::of(&self.plan, &self.by_labels);
        for shard in from.mine() {
            let Some(kept) = from.value(&self.plan.operators.matching, shard)? else { continue };
            let (theirs, (passed, mut known, waiting)): (Places, Shard<Known, Waiting>) = kept;
            if theirs != ours {
                known.iter_mut().for_each(|(_, event)| theirs.move_to(&ours, event));
            }
            self.passed = passed;
            events.extend(known.iter().map(|(key, event)| (event.time, *key)));
            labels.extend(waiting.iter().map(|(key, label)| (label.since, *key)));
            if self.known.is_empty() {
                self.known.reserve(known.len() * from.many());
            }
            self.known.extend(known);
            self.waiting.extend(waiting);
        }
        // What is due together is due in any order.
        events.sort_unstable();
        labels.sort_unstable();
        for (time, key) in events {
            if time.plus(self.plan.timeout) >= self.passed {
                self.to_settle.add(time, key);
            }
            self.to_forget.add(time, key);
        }
        labels.into_iter().for_each(|(since, key)| self.to_orphan.add(since, key));
        Ok(())
    }
}

/// Why labels of an event are refused.
const FORGOTTEN: &str = "the label of this event was forgotten by request";

fn refuse<L>(out: &mut Paired<L>, position: Position, reason: Reason, detail: &str, raw: Raw) {
    out.balance.dead_letters += 1;
    out.dead.push(DeadLetter { position, stage: "match".into(), reason, detail: detail.to_owned(), raw });
}

/// The tie-breaker of rows with one event time in one window: their place in the input.
fn tie(position: Position) -> u64 {
    (u64::from(position.source) << 56) | (u64::from(position.partition) << 44) | (position.offset & ((1 << 44) - 1))
}
