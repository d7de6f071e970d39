//! The judging rooms ([`super::judging`]), one a model, as an operator on the models' worker.

use super::control::{Resolution, Word};
use super::items::{Mark, Outcome};
use super::judging::{self, Judging};
use super::lines::PageWriter;
use super::plan::Plan;
use super::publish::Figure;
use super::saving::{Order, SharedArchive, heed};
use super::ticks::{Tick, Ticks};
use crate::model::Body;
use crate::sink::{Page, Stream};
use crate::trigger::DriftSignal;
use std::collections::BTreeMap;
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
    /// The online learners' states at each boundary, by model.
    pub states: StreamVec<'scope, Tick, (u16, Arc<Body>)>,
    /// The champions' figures at each boundary.
    pub figures: StreamVec<'scope, Tick, Figure>,
    /// What detectors said, by model.
    pub signals: StreamVec<'scope, Tick, (u16, DriftSignal)>,
    /// Versions at their activation.
    pub resolutions: StreamVec<'scope, Tick, Arc<Resolution>>,
    /// One mark a tick.
    pub marks: StreamVec<'scope, Tick, Mark>,
}

#[derive(Default)]
struct Open {
    outcomes: Vec<Outcome>,
    states: Vec<(u16, Arc<Body>)>,
    figures: Vec<Figure>,
    signals: Vec<(u16, DriftSignal)>,
    resolutions: Vec<Arc<Resolution>>,
    mark: Option<Mark>,
}

impl Open {
    /// What was heard of each model.
    fn by_model(&mut self, models: usize) -> Vec<judging::Heard> {
        let mut heard: Vec<judging::Heard> = std::iter::repeat_with(Default::default).take(models).collect();
        for (model, state) in self.states.drain(..) {
            heard[usize::from(model)].live = Some(state);
        }
        for figure in self.figures.drain(..) {
            heard[usize::from(figure.model)].figures.push(figure);
        }
        for (model, signal) in self.signals.drain(..) {
            heard[usize::from(model)].drifts.push(signal);
        }
        heard
    }
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
        let mut all = at_home.then(|| plan.models().into_iter().map(Judging::new).collect::<Vec<_>>());
        let mut ticks: Ticks<Open> = Ticks::new(2);
        let mut verdict_permits: BTreeMap<u16, Capability<Tick>> = BTreeMap::new();
        move |frontiers| {
            ticks.stash(&mut outcomes, |open| &mut open.outcomes);
            ticks.stash(&mut states, |open| &mut open.states);
            ticks.stash(&mut figures, |open| &mut open.figures);
            ticks.stash(&mut signals, |open| &mut open.signals);
            ticks.stash(&mut resolutions, |open| &mut open.resolutions);
            ticks.last(&mut marks, |open| &mut open.mark);
            let (mut pages, mut words) = (pages.activate(), words.activate());
            let Some(all) = &mut all else {
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
            while let Some((tick, permits, mut open)) = ticks.complete(frontiers) {
                heed(&archive, open.mark.as_ref(), &mut [all]);
                if let Some(Mark { order: Some(Order::Restore(_)), asked, .. }) = &open.mark {
                    for (judging, model) in all.iter_mut().zip(0..) {
                        match judging.go_on(&asked.measured, waking()) {
                            Some(resolution) => words.session(&permits[1]).give(Word::Verdict(resolution)),
                            None if judging.is_training() => drop(verdict_permits.insert(model, permits[1].clone())),
                            None => {}
                        }
                    }
                }
                open.resolutions.iter().for_each(|told| all[usize::from(told.model)].resolve(told));
                open.outcomes.iter().for_each(|outcome| all[usize::from(outcome.model)].take(outcome));
                let heard = open.by_model(all.len());
                let Some(Mark { boundary: Some(boundary), last, asked, .. }) = open.mark else { continue };
                let mut page = PageWriter::new(Stream::Decisions);
                let (mut effects, mut turned) = (Vec::new(), Vec::new());
                for ((judging, heard), model) in all.iter_mut().zip(heard).zip(0..) {
                    let judged = judging.judge(tick, (boundary, last, &asked), heard, waking());
                    let name = &plan.spec.models[usize::from(model)].name;
                    judged.forgotten.iter().for_each(|told| page.object(told, boundary, name));
                    judged.deployments.iter().for_each(|told| page.object(&told.record(name), boundary, name));
                    judged.decisions.iter().for_each(|told| page.line(told.line().as_bytes(), boundary, name));
                    effects.extend(judged.effect.map(|effect| (model, effect)));
                    turned.extend(judged.turned);
                    if judging.is_training() {
                        verdict_permits.entry(model).or_insert_with(|| permits[1].clone());
                    }
                }
                if !page.is_empty() {
                    pages.session(&permits[0]).give(page.finish());
                }
                let mut session = words.session(&permits[1]);
                session.give(Word::Judged(boundary, effects));
                turned.into_iter().for_each(|resolution| session.give(Word::Verdict(resolution)));
            }
            if frontiers.iter().all(|frontier| frontier.is_empty()) {
                // A run that was stopped in the middle of a training: nobody mints its verdict any more.
                verdict_permits.clear();
            }
            for (judging, model) in all.iter_mut().zip(0..) {
                if let Some(resolution) = judging.verdict()
                    && let Some(permit) = verdict_permits.remove(&model)
                {
                    words.session(&permit).give(Word::Verdict(resolution));
                }
            }
        }
    });
    (pages_stream, words_stream)
}
