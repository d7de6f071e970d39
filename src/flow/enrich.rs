//! The room of windows and tables ([`super::stores`]) as an operator, by key on all workers.
//!
//! In: touches, in the law's order within a tick. Out: one answer a question. A window's state is dropped when nothing
//! in it can matter any more, looked for at boundaries.

use super::items::{Answer, Mark, Touch};
use super::matching::Account;
use super::plan::Plan;
use super::saving::{SharedArchive, heed};
use super::stores::Stores;
use super::ticks::{Tick, Ticks};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

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
    archive: &SharedArchive,
) -> (StreamVec<'scope, Tick, Answer>, StreamVec<'scope, Tick, Account>) {
    let mut builder = OperatorBuilder::new("Enrich".to_owned(), touches.scope());
    let mut touches = builder.new_input(touches, Exchange::new(|touch: &Touch| touch.key.shard()));
    let mut marks = builder.new_input(marks, Pipeline);
    let (answers, answers_stream) = builder.new_output::<Vec<Answer>>();
    let (accounts, accounts_stream) = builder.new_output::<Vec<Account>>();
    let (mut answers, mut accounts) = (OutputBuilder::from(answers), OutputBuilder::from(accounts));
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
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
                heed(&archive, open.mark.as_ref(), &mut [&mut stores]);
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
                    accounts.session(&permits[1]).give(Account { no_room: refused, ..Account::default() });
                }
                if let Some(boundary) = open.mark.and_then(|mark| mark.boundary) {
                    stores.sweep(boundary);
                }
            }
        }
    });
    (answers_stream, accounts_stream)
}
