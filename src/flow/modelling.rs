//! The models' rooms ([`super::models`]) as an operator, on one worker.

use super::control::Resolution;
use super::items::{Mark, Outcome, Said};
use super::matching::Account;
use super::models::Models;
use super::plan::Plan;
use super::saving::{SharedArchive, heed};
use super::score::Scores;
use super::ticks::{Permits, Tick, Ticks};
use super::vectoring::Ready;
use crate::model::Body;
use crate::sink::Page;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// The streams that leave the room.
pub struct Modelled<'scope> {
    /// Predictions, and what is handed out.
    pub pages: StreamVec<'scope, Tick, Page>,
    /// What became of events.
    pub outcomes: StreamVec<'scope, Tick, Outcome>,
    /// The online learners' states at each boundary, by model.
    pub states: StreamVec<'scope, Tick, (u16, Arc<Body>)>,
    /// What was counted.
    pub accounts: StreamVec<'scope, Tick, Account>,
}

type Door<D> = OutputBuilder<Tick, CapacityContainerBuilder<Vec<D>>>;

/// The room's outputs.
pub struct Doors {
    pages: Door<Page>,
    outcomes: Door<Outcome>,
    states: Door<(u16, Arc<Body>)>,
    accounts: Door<Account>,
}

impl Doors {
    /// How many they are.
    pub const COUNT: usize = 4;

    /// Adds them to an operator that has no others.
    pub fn new<'scope>(builder: &mut OperatorBuilder<'scope, Tick>) -> (Doors, Modelled<'scope>) {
        let (pages, pages_stream) = builder.new_output();
        let (outcomes, outcomes_stream) = builder.new_output();
        let (states, states_stream) = builder.new_output();
        let (accounts, accounts_stream) = builder.new_output();
        let doors = Doors {
            pages: OutputBuilder::from(pages),
            outcomes: OutputBuilder::from(outcomes),
            states: OutputBuilder::from(states),
            accounts: OutputBuilder::from(accounts),
        };
        let streams = Modelled {
            pages: pages_stream,
            outcomes: outcomes_stream,
            states: states_stream,
            accounts: accounts_stream,
        };
        (doors, streams)
    }

    /// Ends a tick: timeouts pass, and what it came to leaves the room.
    pub fn end(
        &mut self,
        permits: &Permits,
        models: &mut Models,
        mark: Option<&Mark>,
        mut scores: Scores,
        account: Account,
    ) {
        if let Some(mark) = mark {
            models.pass(mark.now, &mut scores.outcomes);
            models.forget(&mark.asked.forget, mark.now, &mut scores.outcomes);
            if let Some(boundary) = mark.boundary {
                models.evict(boundary);
                self.states.activate().session(&permits[2]).give_iterator(models.save_live());
            }
        }
        if !scores.page.is_empty() {
            self.pages.activate().session(&permits[0]).give(scores.page.finish());
        }
        self.pages.activate().session(&permits[0]).give_iterator(models.take_handout());
        self.accounts.activate().session(&permits[3]).give(account);
        self.outcomes.activate().session(&permits[1]).give_container(&mut scores.outcomes);
    }
}

#[derive(Default)]
struct Open {
    ready: Vec<Ready>,
    said: Vec<Said>,
    resolutions: Vec<Arc<Resolution>>,
    mark: Option<Mark>,
}

/// Builds the room on worker `home`; what is ready and `resolutions` come there already.
pub fn modelling<'scope>(
    plan: &Arc<Plan>,
    ready: StreamVec<'scope, Tick, Ready>,
    said: StreamVec<'scope, Tick, Said>,
    resolutions: StreamVec<'scope, Tick, Arc<Resolution>>,
    marks: StreamVec<'scope, Tick, Mark>,
    (archive, home): (&SharedArchive, usize),
) -> Modelled<'scope> {
    let at_home = ready.scope().index() == home;
    let home = home as u64;
    let mut builder = OperatorBuilder::new("Score".to_owned(), ready.scope());
    let mut ready = builder.new_input(ready, Pipeline);
    let mut said = builder.new_input(said, Exchange::new(move |_: &Said| home));
    let mut resolutions = builder.new_input(resolutions, Pipeline);
    let mut marks = builder.new_input(marks, Pipeline);
    let (mut doors, streams) = Doors::new(&mut builder);
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut models = at_home.then(|| Models::new(&plan, true));
        let mut ticks: Ticks<Open> = Ticks::new(Doors::COUNT);
        move |frontiers| {
            ticks.stash(&mut ready, |open| &mut open.ready);
            ticks.stash(&mut said, |open| &mut open.said);
            ticks.stash(&mut resolutions, |open| &mut open.resolutions);
            ticks.last(&mut marks, |open| &mut open.mark);
            while let Some((_, permits, open)) = ticks.complete(frontiers) {
                let Some(models) = &mut models else {
                    heed(&archive, open.mark.as_ref(), &mut []);
                    continue;
                };
                heed(&archive, open.mark.as_ref(), &mut [models]);
                open.resolutions.iter().for_each(|resolution| models.activate(resolution));
                models.hear(open.said);
                let mut scores = Scores::with_capacity(open.ready.len() * models.count());
                for ready in &open.ready {
                    match ready {
                        Ready::Event(event, values) => models.event(event, values, &mut scores),
                        Ready::Label(label) => models.label(label, &mut scores),
                    }
                }
                doors.end(&permits, models, open.mark.as_ref(), scores, Account::default());
            }
        }
    });
    streams
}
