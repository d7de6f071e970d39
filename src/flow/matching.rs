//! The room where labels meet their events ([`super::pairing`]) as an operator, by key on all workers.

use super::balance::Balance;
use super::enrich::Stores;
use super::items::{Answer, Case, Item, Mark, Touch};
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
    /// For the windows and tables, where there are several workers.
    pub touches: StreamVec<'scope, Tick, Touch>,
    /// The answers of windows and tables, where there is one worker.
    pub answers: StreamVec<'scope, Tick, Answer>,
    /// For the model's room.
    pub cases: StreamVec<'scope, Tick, Case>,
    /// For the emitting room.
    pub accounts: StreamVec<'scope, Tick, Account>,
}

/// The greatest lengths so far.
#[derive(Default)]
struct Usual {
    touches: usize,
    answers: usize,
    cases: usize,
}

impl Usual {
    fn see(&mut self, touches: &[Touch], answers: &[Answer], cases: &[Case]) {
        self.touches = self.touches.max(touches.len());
        self.answers = self.answers.max(answers.len());
        self.cases = self.cases.max(cases.len());
    }
}

#[derive(Default)]
struct Open {
    items: Vec<Item>,
    mark: Option<Mark>,
}

/// Builds the room. Where there is one worker its windows and tables stand in it, too: what a row asks and joins is
/// done while it is in the cache, and nothing travels. The touches and their order are the same.
pub fn matching<'scope>(
    plan: &Arc<Plan>,
    rows: StreamVec<'scope, Tick, Item>,
    marks: StreamVec<'scope, Tick, Mark>,
) -> Matched<'scope> {
    let peers = rows.scope().peers();
    let mut builder = OperatorBuilder::new("Match".to_owned(), rows.scope());
    let mut rows = builder.new_input(rows, Exchange::new(|item: &Item| item.row.key.shard()));
    let mut marks = builder.new_input(marks, Pipeline);
    let (touches, touches_stream) = builder.new_output::<Vec<Touch>>();
    let (answers, answers_stream) = builder.new_output::<Vec<Answer>>();
    let (cases, cases_stream) = builder.new_output::<Vec<Case>>();
    let (accounts, accounts_stream) = builder.new_output::<Vec<Account>>();
    let mut touches = OutputBuilder::from(touches);
    let mut answers = OutputBuilder::from(answers);
    let mut cases = OutputBuilder::from(cases);
    let mut accounts = OutputBuilder::from(accounts);
    let plan = plan.clone();
    let alone = peers == 1;
    builder.build(move |_| {
        let mut stores = alone.then(|| Stores::new(plan.clone()));
        let mut pairing = Pairing::new(plan);
        let mut ticks: Ticks<Open> = Ticks::new(4);
        // The most that a tick came to; the next one will be alike.
        let mut usual = Usual::default();
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
            let (mut touches, mut answers) = (touches.activate(), answers.activate());
            let (mut cases, mut accounts) = (cases.activate(), accounts.activate());
            while let Some((_, permits, mut open)) = ticks.complete(frontiers) {
                if !open.items.is_sorted_by_key(|item| item.seq) {
                    open.items.sort_unstable_by_key(|item| item.seq);
                }
                let mut paired = Paired::with_capacity(usual.touches, usual.cases);
                let mut found = Vec::with_capacity(usual.answers);
                for item in open.items {
                    pairing.take(item, &mut paired);
                    if let Some(stores) = &mut stores {
                        found.extend(paired.touches.drain(..).filter_map(|touch| stores.touch(touch)));
                    }
                }
                if let Some(mark) = &open.mark {
                    pairing.pass(mark.now, &mut paired);
                }
                let mut account = Account { balance: paired.balance, dead: paired.dead, ..Account::default() };
                if let Some(stores) = &mut stores {
                    account.refused_keys = std::mem::take(&mut stores.refused);
                    open.mark.and_then(|mark| mark.boundary).into_iter().for_each(|boundary| stores.sweep(boundary));
                }
                usual.see(&paired.touches, &found, &paired.cases);
                touches.session(&permits[0]).give_container(&mut paired.touches);
                answers.session(&permits[1]).give_container(&mut found);
                cases.session(&permits[2]).give_container(&mut paired.cases);
                accounts.session(&permits[3]).give(account);
            }
        }
    });
    Matched { touches: touches_stream, answers: answers_stream, cases: cases_stream, accounts: accounts_stream }
}
