//! Windows and tables: the state of one worker's share of the keys, without timely.
//!
//! In: touches, in the law's order. Out: one answer a question. Keeps: the state of every window group and table, by
//! key, of which each logical shard has room for so many, and for so many rows of them.

use super::answers::Asker;
use super::items::{Deed, Touch};
use super::plan::Plan;
use super::saving::{Keeps, Operator, Sections, Shares};
use crate::feature::asof::AsOf;
use crate::feature::plan::{FeaturePlan, Group, MAX_LATE};
use crate::feature::window::Window;
use crate::record::{Key, KeyMap};
use crate::state::page;
use crate::time::Time;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// The states of one group or table, by key, and what each logical shard has of them.
struct Store<S> {
    states: KeyMap<S>,
    kept: Vec<Kept>,
}

/// Keys and rows: what a shard has, or may have at most.
#[derive(Clone, Copy, Default)]
struct Kept {
    keys: u64,
    rows: u64,
}

/// A state that keeps rows. How many it has may depend on when it was swept, which is at the same boundaries wherever
/// it lives.
trait Rows {
    fn rows(&self) -> u64;
}

impl Rows for Window {
    fn rows(&self) -> u64 {
        Window::rows(self) as u64
    }
}

impl Rows for AsOf {
    fn rows(&self) -> u64 {
        self.versions() as u64
    }
}

impl<S: Rows> Store<S> {
    fn new() -> Store<S> {
        Store { states: KeyMap::default(), kept: vec![Kept::default(); Key::SHARDS as usize] }
    }

    /// The state of a key, made anew if there is none and its shard has room. Shards are the same wherever they live,
    /// so what is refused does not depend on the number of workers.
    fn get(&mut self, key: Key, most: Kept, new: impl FnOnce() -> S) -> Option<(&mut S, &mut Kept)> {
        let kept = &mut self.kept[key.shard() as usize];
        match self.states.entry(key) {
            Entry::Occupied(state) => Some((state.into_mut(), kept)),
            Entry::Vacant(_) if kept.keys >= most.keys => None,
            Entry::Vacant(place) => {
                kept.keys += 1;
                Some((place.insert(new()), kept))
            }
        }
    }

    /// Takes in a state that was kept before; one is kept however many there are.
    fn take_up(&mut self, key: Key, state: S) {
        let kept = &mut self.kept[key.shard() as usize];
        *kept = Kept { keys: kept.keys + 1, rows: kept.rows + state.rows() };
        self.states.insert(key, state);
    }

    /// The states of each logical shard that has any, in no order.
    fn by_shard<'s>(&'s self, mut take: impl FnMut(u32, Vec<(Key, &'s S)>)) {
        let mut shards: Vec<Vec<(Key, &S)>> =
            self.kept.iter().map(|kept| Vec::with_capacity(kept.keys as usize)).collect();
        self.states.iter().for_each(|(key, state)| shards[key.shard() as usize].push((*key, state)));
        for (number, states) in shards.into_iter().enumerate().filter(|(_, states)| !states.is_empty()) {
            take(number as u32, states);
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut S) -> bool) {
        let kept = &mut self.kept;
        self.states.retain(|key, state| {
            let (kept, rows) = (&mut kept[key.shard() as usize], state.rows());
            let stays = keep(state);
            kept.keys -= u64::from(!stays);
            kept.rows -= rows - if stays { state.rows() } else { 0 };
            stays
        });
    }
}

/// One worker's share of all windows and tables.
pub struct Stores {
    plan: Arc<Plan>,
    windows: Vec<Store<Window>>,
    tables: Vec<Store<AsOf>>,
    /// What a shard of a group or table has at most.
    most: Kept,
    /// Rows and questions that found no room for their key, and rows that found none for themselves.
    pub refused: u64,
}

impl Stores {
    /// Nothing kept yet.
    pub fn new(plan: Arc<Plan>) -> Stores {
        let FeaturePlan { groups, tables, .. } = &plan.features;
        let windows = groups.iter().map(|_| Store::new()).collect();
        let tables = tables.iter().map(|_| Store::new()).collect();
        let share = |most: usize| (most as u64).div_ceil(Key::SHARDS);
        let most = Kept { keys: share(plan.spec.max_keys), rows: share(plan.spec.max_rows) };
        Stores { windows, tables, most, plan, refused: 0 }
    }

    /// Does one deed; a question is answered.
    #[inline]
    pub fn touch(&mut self, touch: Touch, answers: &mut impl Asker) {
        let groups = self.plan.features.groups.len();
        match usize::from(touch.store).checked_sub(groups) {
            Some(table) => self.touch_table(table, touch, answers),
            None => self.touch_window(touch, answers),
        }
    }

    fn touch_table(&mut self, place: usize, touch: Touch, answers: &mut impl Asker) {
        let Touch { seq, store, key, now, time, deed } = touch;
        let horizon = now.minus(MAX_LATE);
        let table = &mut self.tables[place];
        let Deed::Put(order, row) = deed else {
            let state = table.states.get(&key);
            let row = state.and_then(|state| state.lookup(horizon, time)).map(|(row, _)| row.clone());
            return answers.row(&self.plan, seq, store, row);
        };
        let Some((state, kept)) = table.get(key, self.most, AsOf::default) else {
            self.refused += 1;
            return;
        };
        let others = kept.rows - state.rows();
        state.prune(horizon);
        if others + state.rows() < self.most.rows {
            state.upsert(horizon, time, order, row);
        } else {
            self.refused += 1;
        }
        kept.rows = others + state.rows();
    }

    fn touch_window(&mut self, touch: Touch, answers: &mut impl Asker) {
        let Touch { seq, store, key, now, time, deed } = touch;
        let shape = &self.plan.features.groups[usize::from(store)].shape;
        let windows = &mut self.windows[usize::from(store)];
        // A question makes no state, and one that finds none is answered as of an empty window.
        if let Deed::Ask = deed {
            let results = answers.window(&self.plan, seq, store);
            return match windows.states.get_mut(&key) {
                Some(window) => window.query(shape, now, time, results),
                None => shape.of_nothing(results),
            };
        }
        let mut found = windows.get(key, self.most, || Window::new(shape));
        self.refused += u64::from(found.is_none());
        if let Deed::AskAndJoin(..) = deed {
            let results = answers.window(&self.plan, seq, store);
            match &mut found {
                Some((window, _)) => window.query(shape, now, time, results),
                None => shape.of_nothing(results),
            }
        }
        let Some((window, kept)) = found else { return };
        let others = kept.rows - Rows::rows(window);
        match deed {
            Deed::Join(order, arguments) | Deed::AskAndJoin(order, arguments) => {
                // What the rule forgets makes room first.
                window.prune(shape, now);
                if others + Rows::rows(window) < self.most.rows {
                    window.insert(shape, now, time, order, &arguments);
                } else {
                    self.refused += 1;
                }
            }
            Deed::Leave(order, arguments) => {
                window.retract(shape, now, time, order, &arguments);
            }
            Deed::Ask | Deed::Put(..) => {}
        }
        kept.rows = others + Rows::rows(window);
    }

    /// Drops windows and table rows that cannot matter any more.
    pub fn sweep(&mut self, now: Time) {
        for (windows, group) in self.windows.iter_mut().zip(&self.plan.features.groups) {
            windows.retain(|window| !window.is_idle(&group.shape, now));
        }
        for table in &mut self.tables {
            table.retain(|state| {
                state.prune(now.minus(MAX_LATE));
                !state.is_idle(now.minus(MAX_LATE))
            });
        }
    }
}

impl Keeps for Stores {
    fn save(&self, to: &Sections) {
        let Plan { operators, features, .. } = &*self.plan;
        for ((windows, group), operator) in self.windows.iter().zip(&features.groups).zip(&operators.windows) {
            windows.by_shard(|shard, states| to.bytes(operator, shard, write(group, states)));
        }
        for (table, operator) in self.tables.iter().zip(&operators.tables) {
            if let Some(operator) = operator {
                table.by_shard(|shard, states| to.value(operator, shard, &states));
            }
        }
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let plan = self.plan.clone();
        let Plan { operators, features, .. } = &*plan;
        for ((windows, group), operator) in self.windows.iter_mut().zip(&features.groups).zip(&operators.windows) {
            for shard in from.mine() {
                let Some(bytes) = from.bytes(operator, shard)? else { continue };
                for (key, window) in read(group, operator, &bytes)? {
                    windows.take_up(key, window);
                }
            }
        }
        for (table, operator) in self.tables.iter_mut().zip(&operators.tables) {
            let Some(operator) = operator else { continue };
            for shard in from.mine() {
                let states: Vec<(Key, AsOf)> = from.value(operator, shard)?.unwrap_or_default();
                states.into_iter().for_each(|(key, state)| table.take_up(key, state));
            }
        }
        Ok(())
    }
}

/// How the pages of a shard's windows are described: a line a key, and all their rows.
const LINES: &str = "key, rows, and for each extent: passed, over";
const ROWS: &str = "time, order, values";

fn line_words(group: &Group) -> u16 {
    2 + group.shape.line_words() as u16
}

/// Two pages, end to end.
fn write(group: &Group, states: Vec<(Key, &Window)>) -> Vec<u8> {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for (key, window) in states {
        lines.extend([(key.0 >> 64) as u64, key.0 as u64]);
        window.write(&mut lines, &mut rows);
    }
    let mut bytes = page::encode_words(LINES, line_words(group), &lines);
    bytes.extend(page::encode_words(ROWS, group.shape.row_words() as u16, &rows));
    bytes
}

fn read(group: &Group, operator: &Operator, bytes: &[u8]) -> Result<Vec<(Key, Window)>, String> {
    let wrong = |error: String| format!("section {}: {error}", operator.name);
    let (lines, rest) = page::take_words(LINES, line_words(group), bytes).map_err(|e| wrong(e.to_string()))?;
    let rows = page::decode_words(ROWS, group.shape.row_words() as u16, rest).map_err(|e| wrong(e.to_string()))?;
    let mut rows = &rows[..];
    let mut windows = Vec::with_capacity(lines.len() / usize::from(line_words(group)));
    for line in lines.chunks_exact(usize::from(line_words(group))) {
        let key = Key(u128::from(line[0]) << 64 | u128::from(line[1]));
        let window = Window::read(&group.shape, &line[2..], &mut rows);
        windows.push((key, window.ok_or_else(|| wrong("its rows are no windows of this shape".to_owned()))?));
    }
    if rows.is_empty() { Ok(windows) } else { Err(wrong("it has more rows than its windows".to_owned())) }
}
