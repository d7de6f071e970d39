//! The operators of a pipeline that keep something: their names, and what their state means.
//!
//! In: the pipeline. Out: a name and a schema each. A name says what a person would call it and stays the same while
//! the pipeline changes elsewhere; the schema changes with everything that the meaning of the state depends on, source
//! numbers included, which decide between rows of one time.

use crate::config::spec::{CauseSpec, ModelSpec, PipelineSpec, SourceSpec};
use crate::feature::plan::{FeaturePlan, Feed, Group, TablePlan};
use crate::record::{Column, Kind};
use crate::state::Schema;
use crate::time::Span;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its name.
    pub name: String,
    /// What its state means.
    pub schema: Schema,
}

impl Operator {
    fn new(name: String, about: &str) -> Operator {
        // The release of its encoding goes with it: bytes of another one are not read.
        Operator { schema: Schema::of(&format!("4: {name}: {about}")), name }
    }
}

/// All of a pipeline.
#[derive(Clone, Debug)]
pub struct Operators {
    /// How far each partition is consumed, and pipeline time.
    pub ingest: Operator,
    /// Events and labels that are known, by shard.
    pub matching: Operator,
    /// The windows of each group, by shard, in the order of the plan.
    pub windows: Vec<Operator>,
    /// The rows of each table in use, by shard; `None` for one that is not.
    pub tables: Vec<Option<Operator>>,
    /// The standardized features.
    pub standardized: Operator,
    /// The chains of digests, the balance, and what is told at the end.
    pub emit: Operator,
}

/// Those of one model.
#[derive(Clone, Debug)]
pub struct ModelOperators {
    /// The versions that are scored.
    pub model: Operator,
    /// The online learner, in the shares in which it was kept.
    pub learner: Operator,
    /// Scored events that may still get a label, by shard.
    pub pending: Operator,
    /// Detectors, with what they have seen.
    pub detectors: Operator,
    /// The triggers' memory.
    pub triggers: Operator,
    /// The champion as those who watch and judge it know it, the versions so far, and the training under way.
    pub training: Operator,
    /// The training window, in pieces.
    pub examples: Operator,
    /// The counts behind the metrics.
    pub metrics: Operator,
}

impl Operators {
    /// Those of a pipeline, whose events are this source.
    pub fn of(spec: &PipelineSpec, plan: &FeaturePlan, events: usize) -> Operators {
        let labels = spec.sources.iter().position(|s| s.kind == Kind::Label).map(|place| source(spec, place));
        let columns = &spec.sources[events].schema.columns;
        let window = |group: &Group| Operator::new(name(spec, events, group), &about(group, columns));
        let table = |table: &TablePlan| {
            let place = usize::from(table.source);
            let name = format!("table {}", spec.sources[place].name.value);
            table.used.then(|| Operator::new(name, &source(spec, place)))
        };
        Operators {
            ingest: Operator::new("ingest".to_owned(), ""),
            matching: Operator::new("match".to_owned(), &format!("{}; {labels:?}", source(spec, events))),
            windows: plan.groups.iter().map(window).collect(),
            tables: plan.tables.iter().map(table).collect(),
            standardized: Operator::new("standardized features".to_owned(), &plan.program.layout().digest()),
            emit: Operator::new("emit".to_owned(), ""),
        }
    }

    /// One after the other.
    pub fn all(&self) -> impl Iterator<Item = &Operator> {
        let Operators { windows, tables, .. } = self;
        let ours = [&self.ingest, &self.matching, &self.standardized, &self.emit];
        ours.into_iter().chain(windows).chain(tables.iter().flatten())
    }

    /// Those without which no run goes on.
    pub fn of_run(&self) -> [&Operator; 2] {
        [&self.ingest, &self.emit]
    }
}

impl ModelOperators {
    /// Those of a model whose metrics are published at multiples of `every`.
    pub fn of(model: &ModelSpec, plan: &FeaturePlan, every: Span) -> ModelOperators {
        // Labels and predictions are classes by number.
        let classes = plan.label.as_ref().map_or(&[][..], |label| label.classes());
        let features = format!("{}, {} of {classes:?}", plan.program.layout().digest(), model.task.word());
        let metrics = &model.metrics;
        let slices: Vec<&str> = metrics.slices.iter().map(|slice| slice.value.as_str()).collect();
        let counted = format!(
            "{slices:?} of {:?}, {:?} of at most {}, {:?} of {classes:?}, every {every}, estimates {}",
            metrics.windows,
            metrics.since,
            metrics.max_slice_values,
            metrics.names,
            metrics.estimate.is_some()
        );
        let causes: Vec<String> = model.triggers.iter().map(|trigger| cause(&trigger.cause)).collect();
        let by = model.gate.slices.as_ref().map(|slices| &slices.by);
        let examples = format!("{features}, with slices {by:?}, no change {}", model.gate.no_change);
        let scored = format!("{features}, {slices:?}");
        ModelOperators {
            model: Operator::new(
                format!("model {}", model.name),
                &format!("{:?}, {:?}, frozen at {:?}, {features}", model.learner, model.deploy, model.freeze_at),
            ),
            learner: Operator::new(format!("learner of {}", model.name), &format!("{:?}, {features}", model.learner)),
            pending: Operator::new(format!("predictions of {}", model.name), &scored),
            detectors: Operator::new(format!("detectors of {}", model.name), &format!("{causes:?}, {features}")),
            triggers: Operator::new(format!("triggers of {}", model.name), &format!("{causes:?}")),
            training: Operator::new(format!("training of {}", model.name), &features),
            examples: Operator::new(format!("examples of {}", model.name), &examples),
            metrics: Operator::new(format!("metrics of {}", model.name), &counted),
        }
    }

    /// One after the other.
    pub fn all(&self) -> impl Iterator<Item = &Operator> {
        [&self.detectors, &self.triggers, &self.metrics].into_iter().chain(self.of_model())
    }

    /// Those that make a model what it is: with other state it is another model.
    pub fn of_model(&self) -> [&Operator; 5] {
        [&self.model, &self.learner, &self.pending, &self.training, &self.examples]
    }
}

/// `window of takeoffs by origin`
fn name(spec: &PipelineSpec, events: usize, group: &Group) -> String {
    let feed = match group.feed {
        Feed::Events => spec.sources[events].name.value.as_str(),
        Feed::Context(place) => &spec.sources[usize::from(place)].name.value,
        Feed::Labels => "labels",
    };
    let columns = &spec.sources[events].schema.columns;
    let by: Vec<&str> = group.by.iter().map(|place| columns[*place].name.as_str()).collect();
    if by.is_empty() { format!("window of {feed}") } else { format!("window of {feed} by {}", by.join(", ")) }
}

/// A compiled expression has no equality; what it prints as is its whole tree.
fn about(group: &Group, events: &[Column]) -> String {
    let keys: Vec<&Column> = group.by.iter().map(|place| &events[*place]).collect();
    format!("{:?} by {keys:?}: {:?} in {:?}", group.feed, group.arguments, group.shape)
}

fn source(spec: &PipelineSpec, place: usize) -> String {
    let SourceSpec { name, key, time, schema, label, classes, .. } = &spec.sources[place];
    let label = label.as_ref().map(|label| &label.value);
    format!("source {place} `{}`: {key:?} at {time}, {schema:?}, {label:?} of {classes:?}", name.value)
}

/// Without its place in the file.
fn cause(cause: &CauseSpec) -> String {
    match cause {
        CauseSpec::Degradation { min_labels, min_coverage, .. } => {
            let conditions: Vec<&str> = cause.conditions().map(|condition| condition.value.as_str()).collect();
            format!("{conditions:?} of {min_labels}, {min_coverage}")
        }
        other => format!("{other:?}"),
    }
}
