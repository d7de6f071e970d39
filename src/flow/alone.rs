//! Match, enrich, vector and score as one room, where there is one worker: what a row asks, joins and comes to is done
//! while it is in the cache, and nothing travels. The rows, their order and the states are those of the four rooms, and
//! so is every output.

use super::answers::Answers;
use super::control::Resolution;
use super::items::{Item, Mark, Touch};
use super::matching::Account;
use super::modelling::{Doors, Modelled};
use super::models::Models;
use super::pairing::{Arrived, Listener, Paired, Pairing, Relabelled};
use super::plan::Plan;
use super::saving::{SharedArchive, heed};
use super::score::Scores;
use super::stores::Stores;
use super::sweeper::Sweeper;
use super::ticks::{Tick, Ticks};
use super::vectors::Vectors;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// Windows, tables and the models, told of a row at once.
struct Desk {
    stores: Stores,
    answers: Answers,
    vectors: Vectors,
    models: Models,
    scores: Scores,
}

impl Listener for Desk {
    #[inline]
    fn touch(&mut self, touch: Touch) {
        self.stores.touch(touch, &mut self.answers);
    }

    #[inline]
    fn event(&mut self, event: Arrived) {
        let (event, values) = self.vectors.vector(event, &self.answers);
        self.models.event(&event, values, &mut self.scores);
        self.answers.clear();
    }

    #[inline]
    fn label(&mut self, label: Relabelled) {
        self.models.label(&label, &mut self.scores);
    }
}

#[derive(Default)]
struct Open {
    items: Vec<Item>,
    resolutions: Vec<Arc<Resolution>>,
    mark: Option<Mark>,
}

/// Builds the room.
pub fn alone<'scope>(
    plan: &Arc<Plan>,
    rows: StreamVec<'scope, Tick, Item>,
    resolutions: StreamVec<'scope, Tick, Arc<Resolution>>,
    marks: StreamVec<'scope, Tick, Mark>,
    archive: &SharedArchive,
) -> Modelled<'scope> {
    let mut builder = OperatorBuilder::new("Match, enrich, score".to_owned(), rows.scope());
    let mut rows = builder.new_input(rows, Pipeline);
    let mut resolutions = builder.new_input(resolutions, Pipeline);
    let mut marks = builder.new_input(marks, Pipeline);
    let (mut doors, streams) = Doors::new(&mut builder);
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut pairing = Pairing::new(plan.clone());
        let mut paired = Paired::new(Desk {
            stores: Stores::new(plan.clone()),
            answers: Answers::new(&plan),
            models: Models::new(&plan, false),
            vectors: Vectors::new(plan),
            scores: Scores::with_capacity(0),
        });
        let sweeper = Sweeper::start();
        let mut ticks: Ticks<Open> = Ticks::new(Doors::COUNT);
        move |frontiers| {
            ticks.stash(&mut rows, |open| &mut open.items);
            ticks.stash(&mut resolutions, |open| &mut open.resolutions);
            ticks.last(&mut marks, |open| &mut open.mark);
            while let Some((_, permits, mut open)) = ticks.complete(frontiers) {
                let Desk { stores, vectors, models, .. } = &mut paired.listener;
                heed(&archive, open.mark.as_ref(), &mut [&mut pairing, stores, vectors, models]);
                // An event and its label are two outcomes, and a third when it is settled.
                paired.listener.scores = Scores::with_capacity(2 * open.items.len());
                open.resolutions.iter().for_each(|resolution| paired.listener.models.activate(resolution));
                open.items.iter_mut().for_each(|item| pairing.take(item, &mut paired));
                sweeper.sweep(open.items);
                if let Some(mark) = &open.mark {
                    pairing.pass(mark.now, &mut paired);
                    pairing.forget(&mark.asked.forget, mark.now, &mut paired);
                }
                let desk = &mut paired.listener;
                let account = Account {
                    balance: std::mem::take(&mut paired.balance),
                    dead: std::mem::take(&mut paired.dead),
                    others: desk.vectors.take_others(),
                    no_room: std::mem::take(&mut desk.stores.refused),
                };
                if let Some(boundary) = open.mark.as_ref().and_then(|mark| mark.boundary) {
                    desk.stores.sweep(boundary);
                }
                let scores = std::mem::replace(&mut desk.scores, Scores::with_capacity(0));
                doors.end(&permits, &mut desk.models, open.mark.as_ref(), scores, account);
            }
        }
    });
    streams
}
