//! The room where labels meet their events ([`super::pairing`]) as an operator, by key on all workers.

use super::balance::Balance;
use super::items::{Case, Item, Mark, Touch};
use super::pairing::{Paired, Pairing};
use super::plan::Plan;
use super::ticks::{Tick, Ticks, join};
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
    pub refused_keys: u64,
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
    let plan = plan.clone();
    builder.build(move |_| {
        let mut pairing = Pairing::new(plan);
        let mut ticks: Ticks<Open> = Ticks::new(3);
        // What the last tick came to; the next one will be alike.
        let mut usual = (0, 0);
        move |frontiers| {
            rows.for_each(|capability, batch| {
                if let Some(open) = ticks.at(&capability) {
                    join(&mut open.items, batch);
                }
            });
            marks.for_each(|capability, batch| {
                if let Some(open) = ticks.at(&capability) {
                    open.mark = batch.drain(..).next_back();
                }
            });
            let (mut touches, mut cases, mut accounts) = (touches.activate(), cases.activate(), accounts.activate());
            while let Some((_, permits, mut open)) = ticks.complete(frontiers) {
                if !open.items.is_sorted_by_key(|item| item.seq) {
                    open.items.sort_unstable_by_key(|item| item.seq);
                }
                let mut paired = Paired::with_capacity(usual);
                for item in open.items {
                    pairing.take(item, &mut paired);
                }
                if let Some(mark) = open.mark {
                    pairing.pass(mark.now, &mut paired);
                }
                usual = (paired.touches.len(), paired.cases.len());
                touches.session(&permits[0]).give_container(&mut paired.touches);
                cases.session(&permits[1]).give_container(&mut paired.cases);
                let account = Account { balance: paired.balance, dead: paired.dead, ..Account::default() };
                accounts.session(&permits[2]).give(account);
            }
        }
    });
    Matched { touches: touches_stream, cases: cases_stream, accounts: accounts_stream }
}
