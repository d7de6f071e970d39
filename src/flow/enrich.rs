//! The room of windows and tables, by key on all workers.
//!
//! In: touches, in the law's order within a tick. Keeps: the state of every window group and table, by key. Out: one
//! answer a question. A window's state is dropped when nothing in it can matter any more, looked for at boundaries.

use super::items::{Answer, Deed, Found, Mark, Touch};
use super::plan::Plan;
use super::ticks::{Tick, Ticks};
use crate::feature::asof::AsOf;
use crate::feature::plan::{FeaturePlan, MAX_LATE};
use crate::feature::window::Window;
use crate::record::KeyMap;
use crate::time::Time;
use smallvec::SmallVec;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// One worker's share of all windows and tables.
pub struct Stores {
    plan: Arc<Plan>,
    windows: Vec<KeyMap<Window>>,
    tables: Vec<KeyMap<AsOf>>,
}

impl Stores {
    /// Nothing kept yet.
    pub fn new(plan: Arc<Plan>) -> Stores {
        let FeaturePlan { groups, tables, .. } = &plan.features;
        let windows = groups.iter().map(|_| KeyMap::default()).collect();
        let tables = tables.iter().map(|_| KeyMap::default()).collect();
        Stores { plan, windows, tables }
    }

    /// Does one deed; a question has an answer.
    pub fn touch(&mut self, touch: Touch) -> Option<Answer> {
        let groups = &self.plan.features.groups;
        let Touch { seq, store, key, now, time, deed } = touch;
        let place = store as usize;
        let Some(group) = groups.get(place) else {
            let table = self.tables[place - groups.len()].entry(key).or_default();
            let horizon = now.minus(MAX_LATE);
            return match deed {
                Deed::Put(order, row) => {
                    table.upsert(horizon, time, order, row);
                    None
                }
                _ => {
                    let row = table.lookup(horizon, time).map(|(row, _)| row.clone());
                    Some(Answer { seq, store, found: Found::Row(row) })
                }
            };
        };
        let shape = &group.shape;
        let window = self.windows[place].entry(key).or_insert_with(|| Window::new(shape));
        let ask = |window: &mut Window| {
            let mut results: SmallVec<[Option<f64>; 4]> = SmallVec::from_elem(None, shape.aggregates());
            window.query(shape, now, time, &mut results);
            Some(Answer { seq, store, found: Found::Window(results) })
        };
        match deed {
            Deed::Ask => ask(window),
            Deed::AskAndJoin(order, arguments) => {
                let answer = ask(window);
                window.insert(shape, now, time, order, &arguments);
                answer
            }
            Deed::Join(order, arguments) => {
                window.insert(shape, now, time, order, &arguments);
                None
            }
            Deed::Leave(order, arguments) => {
                window.retract(shape, now, time, order, &arguments);
                None
            }
            Deed::Put(..) => None,
        }
    }

    /// Drops windows in which nothing can matter any more.
    pub fn sweep(&mut self, now: Time) {
        for (windows, group) in self.windows.iter_mut().zip(&self.plan.features.groups) {
            windows.retain(|_, window| !window.is_idle(&group.shape, now));
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
) -> StreamVec<'scope, Tick, Answer> {
    let mut builder = OperatorBuilder::new("Enrich".to_owned(), touches.scope());
    let mut touches = builder.new_input(touches, Exchange::new(|touch: &Touch| touch.key.shard()));
    let mut marks = builder.new_input(marks, Pipeline);
    let (answers, stream) = builder.new_output::<Vec<Answer>>();
    let mut answers = OutputBuilder::from(answers);
    let plan = plan.clone();
    builder.build(move |_| {
        let mut stores = Stores::new(plan);
        let mut ticks: Ticks<Open> = Ticks::new(1);
        move |frontiers| {
            touches.for_each(|capability, batch| {
                if let Some(open) = ticks.at(&capability) {
                    open.touches.append(batch);
                }
            });
            marks.for_each(|capability, batch| {
                if let Some(open) = ticks.at(&capability) {
                    open.mark = batch.drain(..).next_back();
                }
            });
            let mut answers = answers.activate();
            while let Some((_, permits, mut open)) = ticks.complete(frontiers) {
                if !open.touches.is_sorted_by_key(|touch| touch.seq) {
                    // Stable: what one row does to one store keeps its order (a correction leaves, then joins).
                    open.touches.sort_by_key(|touch| touch.seq);
                }
                let mut session = answers.session(&permits[0]);
                session.give_iterator(open.touches.into_iter().filter_map(|touch| stores.touch(touch)));
                if let Some(boundary) = open.mark.and_then(|mark| mark.boundary) {
                    stores.sweep(boundary);
                }
            }
        }
    });
    stream
}
