//! What is handed out to those who train elsewhere: the lines of the streams `features` and `examples`, where the
//! pipeline publishes them.
//!
//! In: events with their vectors and what became of their labels, in the law's order. Out: of each event its vector,
//! once for all models; of each model an event with its vector whenever its label becomes known or changes, and with
//! `null` for it when it is withdrawn or forgotten. Whoever keeps the newest line of an event and model has the labels
//! in force. Keeps: the names of the slots as they are written, and the pages of the open tick.

use super::items::{Contestant, Forget, Outcome, Scored, Turn};
use super::lines::{PageWriter, label, said, version_and_role};
use super::plan::{ModelPlan, Plan};
use super::score::Vectored;
use crate::feature::Vector;
use crate::model::Role;
use crate::sink::{Headers, Page, Stream};
use crate::task::Label;
use crate::time::Time;
use serde::Serialize;
use serde_json::Value;

/// What writes it.
pub struct Handout {
    features: Option<PageWriter>,
    examples: Option<PageWriter>,
    slots: Slots,
}

/// The slots of a vector, as an object.
struct Slots {
    /// Their names as keys, in order.
    names: Vec<Vec<u8>>,
    row: Vec<f64>,
}

impl Slots {
    fn write(&mut self, line: &mut Vec<u8>, vector: &Vector) {
        vector.write_dense(&mut self.row);
        for (place, (name, value)) in self.names.iter().zip(&self.row).enumerate() {
            line.push(if place == 0 { b'{' } else { b',' });
            line.extend_from_slice(name);
            json(line, value);
        }
        line.push(b'}');
    }
}

/// Writing to memory cannot fail, and ours are texts and finite numbers.
fn json(line: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(line, value);
}

impl Handout {
    /// Nothing yet.
    pub fn new(plan: &Plan) -> Handout {
        let page = |stream: Stream| plan.streams.contains(&stream).then(|| PageWriter::new(stream));
        let key = |name: &String| format!("{}:", Value::from(name.as_str())).into_bytes();
        let names: Vec<Vec<u8>> = plan.features.program.layout().names().iter().map(key).collect();
        let slots = Slots { row: vec![0.0; names.len()], names };
        Handout { features: page(Stream::Features), examples: page(Stream::Examples), slots }
    }

    /// An event comes.
    #[inline]
    pub fn event(&mut self, event: &Vectored) {
        let Some(page) = &mut self.features else { return };
        let line = page.text();
        begin(line, &event.id);
        instant(line, "at", event.time);
        line.extend_from_slice(b",\"features\":");
        self.slots.write(line, &event.vector);
        line.push(b'}');
        page.end(event.time, event.id.clone(), Headers::Plain, page.count());
    }

    /// What became of events by a model: of all that, labels are told.
    #[inline]
    pub fn labels(&mut self, plan: &ModelPlan, outcomes: &[Outcome]) {
        if self.examples.is_none() {
            return;
        }
        for Outcome { scored, now, turn, .. } in outcomes {
            if let Turn::Labelled { after, .. } = turn {
                self.example(plan, scored, *after, *now);
            }
        }
    }

    fn example(&mut self, plan: &ModelPlan, scored: &Scored, known: Option<Label>, now: Time) {
        let Some(page) = &mut self.examples else { return };
        let answered = scored.scores.first().map(|(who, _)| *who);
        // Frozen states answer nobody.
        let (version, role) = answered.map_or((0, Role::Champion), |who: Contestant| version_and_role(who, &|_| 0));
        let line = page.text();
        begin(line, &scored.id);
        instant(line, "at", scored.time);
        line.extend_from_slice(b",\"model\":");
        json(line, &plan.model.name);
        line.extend_from_slice(b",\"version\":");
        json(line, &version);
        said(line, &plan.classes, scored.served());
        line.extend_from_slice(b",\"label\":");
        json(line, &known.map(|known| label(plan.model.task, &plan.classes, known)));
        instant(line, "known_at", now);
        line.extend_from_slice(b",\"features\":");
        self.slots.write(line, &scored.vector);
        line.push(b'}');
        let headers = Headers::Version { model: plan.number, version, role };
        page.end(now, scored.id.clone(), headers, page.count());
    }

    /// Labels are forgotten by a model, with what became of that: an event that is erasable has been told of
    /// if it had one. Of any other nothing is left here but its id, so that alone is told, whoever may have had it.
    pub fn forget(&mut self, plan: &ModelPlan, asked: &[Forget], now: Time, outcomes: &[Outcome]) {
        let Some(page) = &mut self.examples else { return };
        let open = |forget: &Forget| {
            let is = |o: &Outcome| matches!(o.turn, Turn::Forgotten { .. }) && o.scored.id == forget.id;
            outcomes.iter().any(is)
        };
        for forget in asked.iter().filter(|forget| !open(forget) && plan.key_of_id(&forget.id).is_some()) {
            let line = page.text();
            begin(line, &forget.id);
            line.extend_from_slice(b",\"at\":null,\"model\":");
            json(line, &plan.model.name);
            line.extend_from_slice(b",\"version\":null,\"score\":null,\"label\":null");
            instant(line, "known_at", now);
            line.extend_from_slice(b",\"features\":null}");
            page.end(now, forget.id.clone(), Headers::Plain, page.count());
        }
    }

    /// The pages of a tick.
    pub fn take(&mut self) -> impl Iterator<Item = Page> {
        let pages = [(&mut self.features, Stream::Features), (&mut self.examples, Stream::Examples)];
        pages.into_iter().filter_map(|(page, stream)| {
            let page = page.as_mut().filter(|page| !page.is_empty())?;
            Some(std::mem::replace(page, PageWriter::new(stream)).finish())
        })
    }
}

fn begin(line: &mut Vec<u8>, id: &str) {
    line.extend_from_slice(b"{\"prediction_id\":");
    json(line, &id);
}

fn instant(line: &mut Vec<u8>, name: &str, at: Time) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":\"");
    at.write_to(line);
    line.push(b'"');
}
