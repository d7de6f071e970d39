//! The room of windows and tables, by key on all workers.
//!
//! In: touches, in the law's order within a tick. Keeps: the state of every window group and table, by key. Out: one
//! answer a question. A window's state is dropped when nothing in it can matter any more, looked for at boundaries.

use super::answers::Asker;
use super::items::{Answer, Deed, Mark, Touch};
use super::matching::Account;
use super::plan::Plan;
use super::ticks::{Tick, Ticks};
use crate::feature::asof::AsOf;
use crate::feature::plan::{FeaturePlan, MAX_LATE};
use crate::feature::window::Window;
use crate::record::{Key, KeyMap};
use crate::time::Time;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// The states of one group or table, by key, and how many each logical shard has.
struct Store<S> {
    states: KeyMap<S>,
    kept: Vec<u32>,
}

impl<S> Store<S> {
    fn new() -> Store<S> {
        Store { states: KeyMap::default(), kept: vec![0; Key::SHARDS as usize] }
    }

    /// The state of a key, made anew if there is none and its shard has room. Shards are the same wherever they live,
    /// so what is refused does not depend on the number of workers.
    fn get(&mut self, key: Key, most: u32, new: impl FnOnce() -> S) -> Option<&mut S> {
        let kept = &mut self.kept[key.shard() as usize];
        match self.states.entry(key) {
            Entry::Occupied(state) => Some(state.into_mut()),
            Entry::Vacant(_) if *kept >= most => None,
            Entry::Vacant(place) => {
                *kept += 1;
                Some(place.insert(new()))
            }
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut S) -> bool) {
        let kept = &mut self.kept;
        self.states.retain(|key, state| {
            let stays = keep(state);
            kept[key.shard() as usize] -= u32::from(!stays);
            stays
        });
    }
}

/// One worker's share of all windows and tables.
pub struct Stores {
    plan: Arc<Plan>,
    windows: Vec<Store<Window>>,
    tables: Vec<Store<AsOf>>,
    /// Keys a shard of a group or table, at most.
    most: u32,
    /// Rows and questions that found no room for their key.
    pub refused: u64,
}

impl Stores {
    /// Nothing kept yet.
    pub fn new(plan: Arc<Plan>) -> Stores {
        let FeaturePlan { groups, tables, .. } = &plan.features;
        let windows = groups.iter().map(|_| Store::new()).collect();
        let tables = tables.iter().map(|_| Store::new()).collect();
        let most = (plan.spec.max_keys as u64).div_ceil(Key::SHARDS);
        Stores { windows, tables, most: u32::try_from(most).unwrap_or(u32::MAX), plan, refused: 0 }
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
        match table.get(key, self.most, AsOf::default) {
            Some(state) => state.upsert(horizon, time, order, row),
            None => self.refused += 1,
        }
    }

    fn touch_window(&mut self, touch: Touch, answers: &mut impl Asker) {
        let Touch { seq, store, key, now, time, deed } = touch;
        let shape = &self.plan.features.groups[usize::from(store)].shape;
        let windows = &mut self.windows[usize::from(store)];
        // A question makes no state, and one that finds none is answered as of an empty window.
        let window = match deed {
            Deed::Ask => windows.states.get_mut(&key),
            _ => {
                let window = windows.get(key, self.most, || Window::new(shape));
                self.refused += u64::from(window.is_none());
                window
            }
        };
        if let Deed::Ask | Deed::AskAndJoin(..) = deed {
            let results = answers.window(&self.plan, seq, store);
            match window {
                Some(window) => {
                    window.query(shape, now, time, results);
                    if let Deed::AskAndJoin(order, arguments) = deed {
                        window.insert(shape, now, time, order, &arguments);
                    }
                }
                None => shape.of_nothing(results),
            }
            return;
        }
        match (window, deed) {
            (Some(window), Deed::Join(order, arguments)) => {
                window.insert(shape, now, time, order, &arguments);
            }
            (Some(window), Deed::Leave(order, arguments)) => {
                window.retract(shape, now, time, order, &arguments);
            }
            _ => {}
        }
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

#[derive(Default)]
struct Open {
    touches: Vec<Touch>,
    mark: Option<Mark>,
}

/// Builds the room.
pub fn enrich<'scope>(
    plan: &Arc<Plan>,
    touches: StreamVec<'scope, Tick, Touch>,
    marks: StreamVec<'scope, Tick, Mark>,
) -> (StreamVec<'scope, Tick, Answer>, StreamVec<'scope, Tick, Account>) {
    let mut builder = OperatorBuilder::new("Enrich".to_owned(), touches.scope());
    let mut touches = builder.new_input(touches, Exchange::new(|touch: &Touch| touch.key.shard()));
    let mut marks = builder.new_input(marks, Pipeline);
    let (answers, answers_stream) = builder.new_output::<Vec<Answer>>();
    let (accounts, accounts_stream) = builder.new_output::<Vec<Account>>();
    let (mut answers, mut accounts) = (OutputBuilder::from(answers), OutputBuilder::from(accounts));
    let plan = plan.clone();
    builder.build(move |_| {
        let mut stores = Stores::new(plan);
        let mut ticks: Ticks<Open> = Ticks::new(2);
        // The most answers of a tick; the next one will have as many.
        let mut usual = 0;
        move |frontiers| {
            ticks.stash(&mut touches, |open| &mut open.touches);
            ticks.last(&mut marks, |open| &mut open.mark);
            let (mut answers, mut accounts) = (answers.activate(), accounts.activate());
            while let Some((_, permits, mut open)) = ticks.complete(frontiers) {
                if !open.touches.is_sorted_by_key(|touch| touch.seq) {
                    // Stable: what one row does to one store keeps its order (a correction leaves, then joins).
                    open.touches.sort_by_key(|touch| touch.seq);
                }
                let mut found: Vec<Answer> = Vec::with_capacity(usual);
                open.touches.into_iter().for_each(|touch| stores.touch(touch, &mut found));
                usual = usual.max(found.len());
                answers.session(&permits[0]).give_container(&mut found);
                let refused = std::mem::take(&mut stores.refused);
                if refused > 0 {
                    accounts.session(&permits[1]).give(Account { refused_keys: refused, ..Account::default() });
                }
                if let Some(boundary) = open.mark.and_then(|mark| mark.boundary) {
                    stores.sweep(boundary);
                }
            }
        }
    });
    (answers_stream, accounts_stream)
}
