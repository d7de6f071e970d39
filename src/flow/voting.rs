//! The room where members of ensembles live, on all workers: each has its share of every ensemble.
//!
//! In: lessons, the same on all workers. Keeps: a copy of each ensemble, in which the members of this worker learn.
//! Out: what they say, to the models' room. The order of lessons is the law's, and members do not know of each other,
//! so what they come to does not depend on where they live.

use super::items::{Lesson, Lessons, Mark, Said};
use super::online;
use super::plan::{ModelPlan, Plan};
use super::saving::{Keeps, Sections, SharedArchive, Shares, heed};
use super::ticks::{Tick, Ticks};
use crate::model::{Ensemble, Share};
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// This worker's share of an ensemble.
struct Members {
    plan: Arc<ModelPlan>,
    copy: Box<dyn Ensemble>,
    share: Share,
}

impl Keeps for Members {
    fn save(&self, to: &Sections) {
        to.value(&self.plan.keeps.learner, self.share.first as u32, &(self.share, self.copy.save()));
    }

    fn restore(&mut self, from: &Shares<'_>) -> Result<(), String> {
        let Some(whole) = online::kept(&self.plan, from)? else { return Ok(()) };
        match self.copy.adopt(whole, self.share) {
            true => Ok(()),
            false => Err(format!("section {}: it is of another ensemble", self.plan.keeps.learner.name)),
        }
    }
}

impl Members {
    fn new(plan: Arc<ModelPlan>, share: Share) -> Option<Members> {
        Some(Members { copy: plan.ensemble()?, share, plan })
    }

    /// What they say to the lessons of a tick.
    fn hear(&mut self, lessons: &Lessons) -> Said {
        let (share, members) = (self.share, self.copy.size());
        let mut said = Said { model: lessons.model, share, votes: Vec::new(), states: Vec::new() };
        for lesson in &lessons.steps {
            match lesson {
                Lesson::Vote(x) => said.votes.extend(share.places(members).map(|member| self.copy.vote(member, x))),
                Lesson::Learn(x, label) => self.copy.teach(x, *label, share),
                Lesson::Save => said.states.push(self.copy.save()),
            }
        }
        said
    }
}

#[derive(Default)]
struct Open {
    lessons: Vec<Arc<Lessons>>,
    mark: Option<Mark>,
}

/// Builds the room; lessons come to every worker already.
pub fn voting<'scope>(
    plan: &Arc<Plan>,
    lessons: StreamVec<'scope, Tick, Arc<Lessons>>,
    marks: StreamVec<'scope, Tick, Mark>,
    archive: &SharedArchive,
) -> StreamVec<'scope, Tick, Said> {
    let scope = lessons.scope();
    let share = Share { first: scope.index(), of: scope.peers() };
    let mut builder = OperatorBuilder::new("Vote".to_owned(), scope);
    let mut lessons = builder.new_input(lessons, Pipeline);
    let mut marks = builder.new_input(marks, Pipeline);
    let (said, stream) = builder.new_output::<Vec<Said>>();
    let mut said = OutputBuilder::from(said);
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut ensembles: Vec<Members> =
            plan.models().into_iter().filter_map(|plan| Members::new(plan, share)).collect();
        let mut ticks: Ticks<Open> = Ticks::new(1);
        move |frontiers| {
            ticks.stash(&mut lessons, |open| &mut open.lessons);
            ticks.last(&mut marks, |open| &mut open.mark);
            while let Some((_, permits, open)) = ticks.complete(frontiers) {
                heed(&archive, open.mark.as_ref(), &mut [&mut ensembles]);
                let mut said = said.activate();
                let mut session = said.session(&permits[0]);
                for lessons in &open.lessons {
                    let of = ensembles.iter_mut().find(|members| members.plan.number == lessons.model);
                    session.give_iterator(of.map(|members| members.hear(lessons)).into_iter());
                }
            }
        }
    });
    stream
}
