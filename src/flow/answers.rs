//! What windows and tables said of one event: the inputs of its vector beside its own columns.

use super::items::{Answer, Found};
use super::plan::Plan;
use crate::record::Value;
use smallvec::SmallVec;
use std::sync::Arc;

/// Where the stores put their answers.
pub trait Asker {
    /// The place for the results of a window group, all null, for the event at `seq` of the tick.
    fn window(&mut self, plan: &Plan, seq: u32, store: u16) -> &mut [Option<f64>];

    /// Takes the row of a table.
    fn row(&mut self, plan: &Plan, seq: u32, store: u16, row: Option<Arc<[Value]>>);
}

/// Answers that travel to another room.
impl Asker for Vec<Answer> {
    fn window(&mut self, plan: &Plan, seq: u32, store: u16) -> &mut [Option<f64>] {
        let width = plan.features.groups[usize::from(store)].shape.aggregates();
        self.push(Answer { seq, store, found: Found::Window(SmallVec::from_elem(None, width)) });
        match self.last_mut().map(|answer| &mut answer.found) {
            Some(Found::Window(results)) => results,
            _ => &mut [],
        }
    }

    fn row(&mut self, _: &Plan, seq: u32, store: u16, row: Option<Arc<[Value]>>) {
        self.push(Answer { seq, store, found: Found::Row(row) });
    }
}

/// The answers to one event, side by side; what was not asked, its key being null, is null.
pub struct Answers {
    /// The results of all windows' aggregates, one group after the other.
    pub windows: Vec<Option<f64>>,
    /// Per table: its row as of the event's time.
    pub tables: Vec<Option<Arc<[Value]>>>,
}

impl Answers {
    /// Nothing answered yet.
    pub fn new(plan: &Plan) -> Answers {
        Answers { windows: vec![None; plan.features.results], tables: vec![None; plan.features.tables.len()] }
    }

    /// Makes ready for the next event.
    pub fn clear(&mut self) {
        self.windows.fill(None);
        self.tables.fill(None);
    }

    /// Takes in an answer that has travelled.
    pub fn take(&mut self, plan: &Plan, answer: &Answer) {
        match &answer.found {
            Found::Window(results) => self.window(plan, answer.seq, answer.store).copy_from_slice(results),
            Found::Row(row) => self.row(plan, answer.seq, answer.store, row.clone()),
        }
    }
}

impl Asker for Answers {
    fn window(&mut self, plan: &Plan, _: u32, store: u16) -> &mut [Option<f64>] {
        &mut self.windows[plan.features.groups[usize::from(store)].results.clone()]
    }

    fn row(&mut self, plan: &Plan, _: u32, store: u16, row: Option<Arc<[Value]>>) {
        self.tables[usize::from(store) - plan.features.groups.len()] = row;
    }
}
