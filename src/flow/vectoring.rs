//! The room where events become vectors ([`super::vectors`]) as an operator, on one worker, ahead of the models' room.
//!
//! Out: events as vectors and labels, in the law's order, and the lessons of ensembles whose members live apart
//! ([`super::lessons`]).

use super::answers::Answers;
use super::items::{Answer, Case, CaseKind, Lessons, Mark};
use super::lessons::Teacher;
use super::matching::Account;
use super::pairing::{Arrived, Relabelled};
use super::plan::Plan;
use super::saving::{SharedArchive, heed};
use super::score::Vectored;
use super::ticks::{Tick, Ticks};
use super::vectors::Vectors;
use crate::record::Value;
use std::sync::Arc;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What happens to an event, as the models are told: from vector to score, on one worker.
#[derive(Clone)]
pub enum Ready {
    /// It comes, to be scored, with its columns.
    Event(Vectored, Box<[Value]>),
    /// Its label becomes known, changes, or is withdrawn.
    Label(Relabelled),
}

/// The streams that leave the room.
pub struct Vectorized<'scope> {
    /// For the models' room.
    pub ready: StreamVec<'scope, Tick, Ready>,
    /// For members of ensembles on all workers.
    pub lessons: StreamVec<'scope, Tick, Arc<Lessons>>,
    /// What was counted.
    pub accounts: StreamVec<'scope, Tick, Account>,
}

/// What the room keeps.
struct Room {
    plan: Arc<Plan>,
    vectors: Vectors,
    teachers: Vec<Teacher>,
}

impl Room {
    fn new(plan: Arc<Plan>) -> Room {
        let teachers = plan.models().iter().filter_map(Teacher::new).collect();
        Room { vectors: Vectors::new(plan.clone()), teachers, plan }
    }

    /// The cases of a tick, in order, with the answers to its events.
    fn take_all(&mut self, cases: Vec<Case>, answers: &[Answer]) -> Vec<Ready> {
        let mut found = Answers::new(&self.plan);
        let mut rest = answers;
        let ready = cases.into_iter().map(|Case { seq, key, now, kind }| match kind {
            CaseKind::Event { id, time, mut values } => {
                let mine = rest.iter().take_while(|answer| answer.seq == seq).count();
                let (answers, others) = rest.split_at(mine);
                rest = others;
                found.clear();
                answers.iter().for_each(|answer| found.take(&self.plan, answer));
                let arrived = Arrived { seq, key, now, id, time, values: &mut values };
                let (event, _) = self.vectors.vector(arrived, &found);
                self.teachers.iter_mut().for_each(|teacher| teacher.event(&event));
                Ready::Event(event, values)
            }
            CaseKind::Label { before, after } => {
                let label = Relabelled { seq, key, now, before, after };
                self.teachers.iter_mut().for_each(|teacher| teacher.label(&label));
                Ready::Label(label)
            }
        });
        ready.collect()
    }
}

#[derive(Default)]
struct Open {
    cases: Vec<Case>,
    answers: Vec<Answer>,
    mark: Option<Mark>,
}

/// Builds the room on worker `home`.
pub fn vectoring<'scope>(
    plan: &Arc<Plan>,
    cases: StreamVec<'scope, Tick, Case>,
    answers: StreamVec<'scope, Tick, Answer>,
    marks: StreamVec<'scope, Tick, Mark>,
    (archive, home): (&SharedArchive, usize),
) -> Vectorized<'scope> {
    let at_home = cases.scope().index() == home;
    let home = home as u64;
    let mut builder = OperatorBuilder::new("Vector".to_owned(), cases.scope());
    let mut cases = builder.new_input(cases, Exchange::new(move |_: &Case| home));
    let mut answers = builder.new_input(answers, Exchange::new(move |_: &Answer| home));
    let mut marks = builder.new_input(marks, Pipeline);
    let (ready, ready_stream) = builder.new_output::<Vec<Ready>>();
    let (lessons, lessons_stream) = builder.new_output::<Vec<Arc<Lessons>>>();
    let (accounts, accounts_stream) = builder.new_output::<Vec<Account>>();
    let (mut ready, mut lessons) = (OutputBuilder::from(ready), OutputBuilder::from(lessons));
    let mut accounts = OutputBuilder::from(accounts);
    let (plan, archive) = (plan.clone(), archive.clone());
    archive.borrow_mut().enter();
    builder.build(move |_| {
        let mut room = at_home.then(|| Room::new(plan));
        let mut ticks: Ticks<Open> = Ticks::new(3);
        move |frontiers| {
            ticks.stash(&mut cases, |open| &mut open.cases);
            ticks.stash(&mut answers, |open| &mut open.answers);
            ticks.last(&mut marks, |open| &mut open.mark);
            while let Some((_, permits, mut open)) = ticks.complete(frontiers) {
                let mark = open.mark.as_ref();
                let Some(room) = &mut room else {
                    heed(&archive, mark, &mut []);
                    continue;
                };
                heed(&archive, mark, &mut [&mut room.vectors, &mut room.teachers]);
                if !open.cases.is_sorted_by_key(|case| case.seq) {
                    open.cases.sort_by_key(|case| case.seq);
                }
                if !open.answers.is_sorted_by_key(|answer| answer.seq) {
                    open.answers.sort_by_key(|answer| (answer.seq, answer.store));
                }
                let mut made = room.take_all(open.cases, &open.answers);
                ready.activate().session(&permits[0]).give_container(&mut made);
                let told = room.teachers.iter_mut().filter_map(|teacher| teacher.end(mark));
                lessons.activate().session(&permits[1]).give_iterator(told);
                let others = room.vectors.take_others();
                accounts.activate().session(&permits[2]).give(Account { others, ..Account::default() });
            }
        }
    });
    Vectorized { ready: ready_stream, lessons: lessons_stream, accounts: accounts_stream }
}
