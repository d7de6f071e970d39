//! The judging room ([`super::judging`]) as an operator, on the model's worker.

use super::control::{Resolution, Word};
use super::items::{Mark, Outcome};
use super::judging::Judging;
use super::lines::PageWriter;
use super::plan::Plan;
use super::publish::Figure;
use super::saving::{Order, SharedArchive, heed};
use super::ticks::{Tick, Ticks};
use crate::model::Body;
use crate::sink::{Page, Stream};
use crate::trigger::DriftSignal;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What the room hears, all on one worker.
pub struct Heard<'scope> {
    /// What became of events.
    pub outcomes: StreamVec<'scope, Tick, Outcome>,
    /// The online learner's state at each boundary.
    pub states: StreamVec<'scope, Tick, Arc<Body>>,
    /// The champion's figures at each boundary.
    pub figures: StreamVec<'scope, Tick, Figure>,
    /// What detectors said.
    pub signals: StreamVec<'scope, Tick, DriftSignal>,
    /// Versions at their activation.
    pub resolutions: StreamVec<'scope, Tick, Arc<Resolution>>,
    /// One mark a tick.
    pub marks: StreamVec<'scope, Tick, Mark>,
}

#[derive(Default)]
struct Open {
    outcomes: Vec<Outcome>,
    state: Option<Arc<Body>>,
    figures: Vec<Figure>,
    signals: Vec<DriftSignal>,
    resolutions: Vec<Arc<Resolution>>,
    mark: Option<Mark>,
}

/// Builds the room on worker `home`: pages of decisions, and words to the minter.
pub fn retrain<'scope>(
    plan: &Arc<Plan>,
    heard: Heard<'scope>,
    (archive, home): (&SharedArchive, usize),
) -> (StreamVec<'scope, Tick, Page>, StreamVec<'scope, Tick, Word>) {
    let scope = heard.marks.scope();
    let at_home = scope.index() == home;
    let mut builder = OperatorBuilder::new("Retrain".to_owned(), scope);
    let mut outcomes = builder.new_input(heard.outcomes, Pipeline);
    let mut states = builder.new_input(heard.states, Pipeline);
    let mut figures = builder.new_input(heard.figures, Pipeline);
    let mut signals = builder.new_input(heard.signals, Pipeline);
    let mut resolutions = builder.new_input(heard.resolutions, Pipeline);
    let mut marks = builder.new_input(heard.marks, Pipeline);
    let (pages, pages_stream) = builder.new_output::<Vec<Page>>();
    let (words, words_stream) = builder.new_output::<Vec<Word>>();
    let (mut pages, mut words) = (OutputBuilder::from(pages), OutputBuilder::from(words));
    let address = builder.operator_info().address.to_vec();
    let worker = scope.worker();
    let activator = worker.sync_activator_for(address);
    let activator = Arc::new(std::sync::Mutex::new(activator));
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut judging = at_home.then(|| Judging::new(plan.clone()));
        let mut ticks: Ticks<Open> = Ticks::new(2);
        let mut verdict_permit: Option<Capability<Tick>> = None;
        move |frontiers| {
            ticks.stash(&mut outcomes, |open| &mut open.outcomes);
            ticks.last(&mut states, |open| &mut open.state);
            ticks.stash(&mut figures, |open| &mut open.figures);
            ticks.stash(&mut signals, |open| &mut open.signals);
            ticks.stash(&mut resolutions, |open| &mut open.resolutions);
            ticks.last(&mut marks, |open| &mut open.mark);
            let (mut pages, mut words) = (pages.activate(), words.activate());
            let Some(judging) = &mut judging else {
                while let Some((_, _, open)) = ticks.complete(frontiers) {
                    heed(&archive, open.mark.as_ref(), &mut []);
                }
                return;
            };
            let waking = || {
                let activator = activator.clone();
                move || {
                    // A poisoned lock means that the worker is gone, and with it whoever waits.
                    if let Ok(activator) = activator.lock() {
                        let _ = activator.activate();
                    }
                }
            };
            while let Some((tick, permits, open)) = ticks.complete(frontiers) {
                heed(&archive, open.mark.as_ref(), &mut [judging]);
                if let Some(Order::Restore(_)) = open.mark.as_ref().and_then(|mark| mark.order) {
                    match judging.go_on(waking()) {
                        Some(resolution) => words.session(&permits[1]).give(Word::Verdict(resolution)),
                        None if judging.is_training() => verdict_permit = Some(permits[1].clone()),
                        None => {}
                    }
                }
                open.resolutions.iter().for_each(|resolution| judging.resolve(resolution));
                open.outcomes.iter().for_each(|outcome| judging.take(outcome));
                let Some(Mark { boundary: Some(boundary), last, asked, .. }) = open.mark else { continue };
                let live = open.state.as_deref().cloned();
                let sight = (boundary, last, &asked);
                let judged = judging.judge(tick, sight, &open.figures, &open.signals, live, waking());
                let mut page = PageWriter::new(Stream::Decisions);
                let model = &plan.spec.model.name;
                judged.deployments.iter().for_each(|told| page.object(&told.record(model), boundary, model));
                judged.decision.iter().for_each(|decision| page.line(decision.line().as_bytes(), boundary, model));
                if !page.is_empty() {
                    pages.session(&permits[0]).give(page.finish());
                }
                words.session(&permits[1]).give(judged.word);
                judged.turned.into_iter().for_each(|turned| words.session(&permits[1]).give(Word::Verdict(turned)));
                if judging.is_training() && verdict_permit.is_none() {
                    verdict_permit = Some(permits[1].clone());
                }
            }
            if frontiers.iter().all(|frontier| frontier.is_empty()) {
                // A run that was stopped in the middle of a training: nobody mints its verdict any more.
                verdict_permit = None;
            }
            if let Some(resolution) = judging.verdict()
                && let Some(permit) = verdict_permit.take()
            {
                words.session(&permit).give(Word::Verdict(resolution));
            }
        }
    });
    (pages_stream, words_stream)
}
