//! The room of detectors: drift on the champion's error, and on its features against its training window.
//!
//! In: outcomes in the law's order, versions at their activation. Keeps: one detector a trigger on the error, fed with
//! the first label of each prediction that the champion answered; and, for what is watched of features, histograms of
//! the vectors since the release, by bucket. Out: at each boundary, what was detected since the last. A new champion
//! starts all afresh.

use super::control::{Resolution, Resolved};
use super::items::{Contestant, Mark, Outcome, Turn};
use super::plan::{ModelPlan, Plan};
use super::saving::{Keeps, Sections, SharedArchive, Shares, heed};
use super::ticks::{Tick, Ticks};
use crate::config::spec::{CauseSpec, DetectorSpec, Distance};
use crate::deploy::Roster;
use crate::drift::{Detector, Profile, Recent, State, detector};
use crate::task::{Label, Prediction, Task};
use crate::time::{Span, Time};
use crate::train::Verdict;
use crate::trigger::DriftSignal;
use std::collections::BTreeMap;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// A trigger on the distance of features.
struct Stability {
    trigger: u32,
    distance: Distance,
    threshold: f64,
    window: Span,
    min_events: u64,
}

/// A detector on the error, with the errors since it last fired.
struct Watcher {
    trigger: u32,
    detector: Box<dyn Detector>,
    seen: u64,
    wrong: u64,
}

/// What the room keeps.
struct Watch {
    plan: Arc<ModelPlan>,
    detectors: Vec<Watcher>,
    stabilities: Vec<Stability>,
    roster: Roster,
    /// The champion's, and those of the versions that may become it.
    profile: Arc<Profile>,
    profiles: BTreeMap<u32, Arc<Profile>>,
    recent: BTreeMap<Time, Recent>,
    /// Of a regression: how many labels came since the release, and the sum of the absolute errors.
    errors: (u64, f64),
    signals: Vec<DriftSignal>,
}

impl Watch {
    fn new(plan: Arc<ModelPlan>) -> Watch {
        let mut detectors = Vec::new();
        let mut stabilities = Vec::new();
        for (place, trigger) in plan.model.triggers.iter().enumerate() {
            match &trigger.cause {
                CauseSpec::Drift(DetectorSpec::Distance { distance, threshold, window, min_events }) => stabilities
                    .push(Stability {
                        trigger: place as u32,
                        distance: *distance,
                        threshold: *threshold,
                        window: *window,
                        min_events: *min_events,
                    }),
                CauseSpec::Drift(spec) => detectors.extend(detector(spec).map(|detector| Watcher {
                    trigger: place as u32,
                    detector,
                    seen: 0,
                    wrong: 0,
                })),
                _ => {}
            }
        }
        Watch {
            plan,
            detectors,
            stabilities,
            roster: Roster::default(),
            profile: Arc::default(),
            profiles: BTreeMap::new(),
            recent: BTreeMap::new(),
            errors: (0, 0.0),
            signals: Vec::new(),
        }
    }

    fn activate(&mut self, resolution: &Resolution) {
        let champion = self.roster.champion;
        resolution.tell(&mut self.roster, &self.plan.model.deploy);
        if let Resolved::Training(trained) = &resolution.of
            && let Verdict::Released { .. } = trained.verdict
        {
            self.profiles.insert(trained.version, trained.profile.clone());
        }
        let roster = &self.roster;
        self.profiles.retain(|version, _| roster.has(*version));
        if roster.champion == champion {
            return;
        }
        self.profile = self.profiles.get(&roster.champion).cloned().unwrap_or_default();
        self.recent.clear();
        self.errors = (0, 0.0);
        for watcher in &mut self.detectors {
            watcher.detector.reset();
            (watcher.seen, watcher.wrong) = (0, 0);
        }
    }

    fn take(&mut self, outcome: &Outcome) {
        let scored = &outcome.scored;
        let own = scored.scores.first().is_some_and(|(who, _)| *who == Contestant::Champion(self.roster.champion));
        if !own {
            return;
        }
        match outcome.turn {
            Turn::Scored if !self.stabilities.is_empty() && !self.profile.is_empty() => {
                let bucket = scored.time.floor(self.plan.spec.every);
                let recent = self.recent.entry(bucket).or_insert_with(|| self.profile.recent());
                recent.add(self.plan.features.program.layout(), &self.profile, &scored.vector);
            }
            Turn::Labelled { after: Some(label), first: true, .. } => {
                let wrong = self.is_wrong(scored.served(), label);
                for watcher in &mut self.detectors {
                    watcher.seen += 1;
                    watcher.wrong += u64::from(wrong);
                    if watcher.detector.update(f64::from(u8::from(wrong))) {
                        self.signals.push(DriftSignal {
                            trigger: watcher.trigger,
                            detector: watcher.detector.name().to_owned(),
                            feature: None,
                            figure: watcher.wrong as f64 / watcher.seen as f64,
                            at: outcome.now,
                        });
                        (watcher.seen, watcher.wrong) = (0, 0);
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether the class is wrong; of a regression whether the error is greater than the mean of those since the
    /// release, so that every detector of errors may watch it.
    fn is_wrong(&mut self, said: &Prediction, label: Label) -> bool {
        if self.plan.model.task != Task::Regression {
            return !said.is_right(label);
        }
        let error = (said.score() - label.amount()).abs();
        let (n, sum) = &mut self.errors;
        let wrong = *n > 0 && error > *sum / *n as f64;
        (*n, *sum) = (*n + 1, *sum + error);
        wrong
    }

    /// What was detected since the last boundary.
    fn signals(&mut self, boundary: Time) -> Vec<DriftSignal> {
        let layout = self.plan.features.program.layout();
        let longest = self.stabilities.iter().map(|s| s.window).max().unwrap_or_default();
        self.recent = self.recent.split_off(&boundary.minus(longest));
        for stability in &self.stabilities {
            let mut recent = self.profile.recent();
            for (_, bucket) in self.recent.range(boundary.minus(stability.window)..) {
                recent.merge(bucket);
            }
            if recent.rows < stability.min_events as i64 {
                continue;
            }
            let moved = self.profile.moved(stability.distance, layout, &recent);
            // The feature that moved most; of equals the first.
            let most = moved.into_iter().reduce(|most, next| if next.1 > most.1 { next } else { most });
            if let Some((feature, index)) = most.filter(|(_, index)| *index > stability.threshold) {
                self.signals.push(DriftSignal {
                    trigger: stability.trigger,
                    detector: stability.distance.name().to_owned(),
                    feature: Some(feature),
                    figure: index,
                    at: boundary,
                });
            }
        }
        std::mem::take(&mut self.signals)
    }
}

/// What is kept of detectors: the state of each and the errors since it last fired, what came since the release, the
/// errors since then, what was detected since the last boundary.
type Kept = (Vec<(State, u64, u64)>, BTreeMap<Time, Recent>, (u64, f64), Vec<DriftSignal>);

/// Where the roster and the profiles stand among the sections of the training.
const CHAMPION: u32 = 1;

impl Keeps for Watch {
    fn save(&self, to: &Sections) {
        let detectors = self.detectors.iter().map(|w| (w.detector.save(), w.seen, w.wrong)).collect();
        let kept: Kept = (detectors, self.recent.clone(), self.errors, self.signals.clone());
        to.value(&self.plan.keeps.detectors, 0, &kept);
        to.value(&self.plan.keeps.training, CHAMPION, &(&self.roster, &self.profiles));
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        if let Some(kept) = from.value(&self.plan.keeps.training, CHAMPION)? {
            (self.roster, self.profiles) = kept;
            self.profile = self.profiles.get(&self.roster.champion).cloned().unwrap_or_default();
        }
        let Some(kept) = from.value::<Kept>(&self.plan.keeps.detectors, 0)? else { return Ok(()) };
        let (detectors, recent, errors, signals) = kept;
        for (watcher, (state, seen, wrong)) in self.detectors.iter_mut().zip(detectors) {
            (watcher.detector, watcher.seen, watcher.wrong) = (state.detector(), seen, wrong);
        }
        (self.recent, self.errors, self.signals) = (recent, errors, signals);
        Ok(())
    }
}

#[derive(Default)]
struct Open {
    outcomes: Vec<Outcome>,
    resolutions: Vec<Arc<Resolution>>,
    mark: Option<Mark>,
}

/// Builds the room, on the models' worker: what was detected, by model.
pub fn watch<'scope>(
    plan: &Arc<Plan>,
    outcomes: StreamVec<'scope, Tick, Outcome>,
    resolutions: StreamVec<'scope, Tick, Arc<Resolution>>,
    marks: StreamVec<'scope, Tick, Mark>,
    (archive, home): (&SharedArchive, usize),
) -> StreamVec<'scope, Tick, (u16, DriftSignal)> {
    let at_home = outcomes.scope().index() == home;
    let mut builder = OperatorBuilder::new("Watch".to_owned(), outcomes.scope());
    let mut outcomes = builder.new_input(outcomes, Pipeline);
    let mut resolutions = builder.new_input(resolutions, Pipeline);
    let mut marks = builder.new_input(marks, Pipeline);
    let (signals, stream) = builder.new_output::<Vec<(u16, DriftSignal)>>();
    let mut signals = OutputBuilder::from(signals);
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut watches = at_home.then(|| plan.models().into_iter().map(Watch::new).collect::<Vec<_>>());
        let mut ticks: Ticks<Open> = Ticks::new(1);
        move |frontiers| {
            ticks.stash(&mut outcomes, |open| &mut open.outcomes);
            ticks.stash(&mut resolutions, |open| &mut open.resolutions);
            ticks.last(&mut marks, |open| &mut open.mark);
            let mut signals = signals.activate();
            while let Some((_, permits, open)) = ticks.complete(frontiers) {
                let Some(watches) = &mut watches else {
                    heed(&archive, open.mark.as_ref(), &mut []);
                    continue;
                };
                heed(&archive, open.mark.as_ref(), &mut [watches]);
                for resolution in &open.resolutions {
                    watches[usize::from(resolution.model)].activate(resolution);
                }
                open.outcomes.iter().for_each(|outcome| watches[usize::from(outcome.model)].take(outcome));
                if let Some(boundary) = open.mark.and_then(|mark| mark.boundary) {
                    let mut session = signals.session(&permits[0]);
                    for (watch, model) in watches.iter_mut().zip(0..) {
                        session.give_iterator(watch.signals(boundary).into_iter().map(|signal| (model, signal)));
                    }
                }
            }
        }
    });
    stream
}
