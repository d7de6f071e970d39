//! The room where labels meet their events ([`super::pairing`]) as an operator, by key on all workers.

use super::balance::Balance;
use super::items::{Case, CaseKind, Item, Mark, Touch};
use super::pairing::{Arrived, Listener, Paired, Pairing, Relabelled};
use super::plan::Plan;
use super::saving::{SharedArchive, heed};
use super::ticks::{Tick, Ticks};
use crate::record::DeadLetter;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What a room tells the emitting room of a tick beside its outputs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Changes of the balance.
    pub balance: Balance,
    /// Records refused.
    pub dead: Vec<DeadLetter>,
    /// Categorical values that went to the slot `other`.
    pub others: u64,
    /// Rows and questions whose key found no room in a window group or table.
    pub no_room: u64,
}

/// The streams that leave the room.
pub struct Matched<'scope> {
    /// For the windows and tables.
    pub touches: StreamVec<'scope, Tick, Touch>,
    /// For the model's room.
    pub cases: StreamVec<'scope, Tick, Case>,
    /// For the emitting room.
    pub accounts: StreamVec<'scope, Tick, Account>,
}

/// What is told to rooms on other workers.
struct Letters {
    touches: Vec<Touch>,
    cases: Vec<Case>,
}

impl Listener for Letters {
    fn touch(&mut self, touch: Touch) {
        self.touches.push(touch);
    }

    fn event(&mut self, event: Arrived) {
        let Arrived { seq, key, now, id, time, values } = event;
        let values = std::mem::take(values);
        self.cases.push(Case { seq, key, now, kind: CaseKind::Event { id, time, values } });
    }

    fn label(&mut self, label: Relabelled) {
        let Relabelled { seq, key, now, before, after } = label;
        self.cases.push(Case { seq, key, now, kind: CaseKind::Label { before, after } });
    }
}

#[derive(Default)]
struct Open {
    items: Vec<Item>,
    mark: Option<Mark>,
}

/// Builds the room.
pub fn matching<'scope>(
    plan: &Arc<Plan>,
    rows: StreamVec<'scope, Tick, Item>,
    marks: StreamVec<'scope, Tick, Mark>,
    archive: &SharedArchive,
) -> Matched<'scope> {
    let mut builder = OperatorBuilder::new("Match".to_owned(), rows.scope());
    let mut rows = builder.new_input(rows, Exchange::new(|item: &Item| item.row.key.shard()));
    let mut marks = builder.new_input(marks, Pipeline);
    let (touches, touches_stream) = builder.new_output::<Vec<Touch>>();
    let (cases, cases_stream) = builder.new_output::<Vec<Case>>();
    let (accounts, accounts_stream) = builder.new_output::<Vec<Account>>();
    let mut touches = OutputBuilder::from(touches);
    let mut cases = OutputBuilder::from(cases);
    let mut accounts = OutputBuilder::from(accounts);
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut pairing = Pairing::new(plan);
        let mut ticks: Ticks<Open> = Ticks::new(3);
        // The most that a tick came to; the next one will be alike.
        let (mut most_touches, mut most_cases) = (0, 0);
        move |frontiers| {
            ticks.stash(&mut rows, |open| &mut open.items);
            ticks.last(&mut marks, |open| &mut open.mark);
            let (mut touches, mut cases) = (touches.activate(), cases.activate());
            let mut accounts = accounts.activate();
            while let Some((_, permits, mut open)) = ticks.complete(frontiers) {
                heed(&archive, open.mark.as_ref(), &mut [&mut pairing]);
                if !open.items.is_sorted_by_key(|item| item.seq) {
                    open.items.sort_unstable_by_key(|item| item.seq);
                }
                let (letters, told) = (Vec::with_capacity(most_touches), Vec::with_capacity(most_cases));
                let mut paired = Paired::new(Letters { touches: letters, cases: told });
                open.items.iter_mut().for_each(|item| pairing.take(item, &mut paired));
                if let Some(mark) = &open.mark {
                    pairing.pass(mark.now, &mut paired);
                    pairing.forget(&mark.asked.forget, mark.now, &mut paired);
                }
                let Paired { listener: mut letters, dead, balance } = paired;
                most_touches = most_touches.max(letters.touches.len());
                most_cases = most_cases.max(letters.cases.len());
                touches.session(&permits[0]).give_container(&mut letters.touches);
                cases.session(&permits[1]).give_container(&mut letters.cases);
                accounts.session(&permits[2]).give(Account { balance, dead, ..Account::default() });
            }
        }
    });
    Matched { touches: touches_stream, cases: cases_stream, accounts: accounts_stream }
}
