//! The checked pipeline as the rooms use it.

use super::saving::{ModelOperators, Operators};
use crate::config::spec::{ModelSpec, PipelineSpec, SourceSpec, Spanned};
use crate::feature::plan::{Fault, FeaturePlan, compile};
use crate::model::{Ensemble, Learner, learner};
use crate::record::{Key, Kind, Type, Value};
use crate::sink::Stream;
use crate::time::{Span, Time};
use crate::train::{Golden, golden};
use crate::trigger::check_triggers;
use compact_str::{CompactString, ToCompactString};
use std::ops::Deref;
use std::sync::Arc;

/// Everything about a pipeline that its rooms need, compiled once per process.
#[derive(Debug)]
pub struct Plan {
    /// The pipeline as it was typed.
    pub spec: PipelineSpec,
    /// The kind of each source, by its place.
    pub kinds: Vec<Kind>,
    /// The compiled features.
    pub features: FeaturePlan,
    /// The source of events.
    pub events: usize,
    /// The event column that is the prediction id.
    id: usize,
    /// How long an event waits for its label.
    pub timeout: Span,
    /// From an event's time, how long its label can be forgotten wherever it went; no shorter than `timeout`.
    pub erasable: Span,
    /// Events and labels kept for their counterpart, at most.
    pub max_pending: usize,
    /// Whether an aggregate over labels reads columns of the event.
    pub labels_read_events: bool,
    /// The streams that it writes, in order.
    pub streams: Vec<Stream>,
    /// What keeps something beside the models, by name.
    pub operators: Operators,
    /// The golden rows of each model's gate.
    golden: Vec<Arc<Vec<Golden>>>,
}

/// One model of a pipeline, as its rooms use it.
#[derive(Debug)]
pub struct ModelPlan {
    pipeline: Arc<Plan>,
    /// Its place in the pipeline file.
    pub number: u16,
    /// The model as it was typed.
    pub model: ModelSpec,
    /// The event columns that slice the metrics, by name and place.
    pub slices: Vec<(String, usize)>,
    /// The classes by number, of a multiclass task.
    pub classes: Vec<String>,
    /// The event columns by which a challenger's share is drawn.
    sticky: Vec<usize>,
    /// What of it keeps something, by name.
    pub keeps: ModelOperators,
    /// The golden rows of its gate.
    pub golden: Arc<Vec<Golden>>,
}

/// What its rooms need of the pipeline.
impl Deref for ModelPlan {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.pipeline
    }
}

/// How long ids of events are remembered in a pipeline without labels.
const TIMEOUT: Span = Span(2 * Span::DAY.0);

impl Plan {
    /// Compiles a pipeline.
    ///
    /// # Errors
    /// All faults of all expressions and conditions at once.
    pub fn new(spec: PipelineSpec) -> Result<Plan, Vec<Fault>> {
        let conditions: Vec<Fault> = spec.models.iter().flat_map(check_triggers).collect();
        let features = match (compile(&spec), conditions.is_empty()) {
            (Ok(features), true) => features,
            (Ok(_), false) => return Err(conditions),
            (Err(mut faults), _) => {
                faults.extend(conditions);
                return Err(faults);
            }
        };
        let layout = features.program.layout();
        let golden: Result<Vec<_>, _> = spec.models.iter().map(|model| golden(model, layout).map(Arc::new)).collect();
        let golden = golden?;
        let kinds = spec.sources.iter().map(|s| s.kind).collect();
        let events = spec.sources.iter().position(|s| s.kind == Kind::Event).unwrap_or(0);
        let source = &spec.sources[events];
        let place = |name: &str| source.schema.position(name).unwrap_or(0);
        let id = source.key.first().map_or(0, |key| place(key));
        let timeout = labels(&spec).and_then(|l| l.timeout).unwrap_or(TIMEOUT);
        let behind = labels(&spec).and_then(|l| l.erasable).unwrap_or_default();
        let event_columns = |slot: &u32| slot >> 24 == crate::feature::scope::EVENT >> 24;
        let labels_read_events = features
            .groups
            .iter()
            .filter(|g| g.feed == crate::feature::plan::Feed::Labels)
            .flat_map(|g| &g.arguments)
            .any(|argument| argument.columns().iter().any(event_columns));
        let max_pending = spec.max_pending;
        let operators = Operators::of(&spec, &features, events);
        Ok(Plan {
            kinds,
            features,
            events,
            id,
            timeout,
            erasable: Span(timeout.0 + behind.0),
            max_pending,
            labels_read_events,
            streams: Stream::of(&spec.publish),
            operators,
            golden,
            spec,
        })
    }

    /// Its models, in the order of the file.
    pub fn models(self: &Arc<Plan>) -> Vec<Arc<ModelPlan>> {
        let source = &self.spec.sources[self.events];
        let place = |column: &Spanned<String>| source.schema.position(&column.value).unwrap_or(0);
        let plan = |(number, model): (usize, &ModelSpec)| {
            Arc::new(ModelPlan {
                number: number as u16,
                slices: model.metrics.slices.iter().map(|slice| (slice.value.clone(), place(slice))).collect(),
                classes: labels(&self.spec).map(|labels| labels.classes.clone()).unwrap_or_default(),
                sticky: model.deploy.by.iter().map(place).collect(),
                keeps: ModelOperators::of(model, &self.features, self.spec.every),
                golden: self.golden[number].clone(),
                model: model.clone(),
                pipeline: self.clone(),
            })
        };
        self.spec.models.iter().enumerate().map(plan).collect()
    }

    /// How far minting may be ahead of judging: no effect of a decision comes sooner.
    pub fn reach(&self) -> Span {
        let reach = self.spec.models.iter().map(|model| reach(model, self.spec.every));
        reach.min().unwrap_or(self.spec.every)
    }

    /// From an event's time, how long its id is known: another event that has it is refused until then. For as long
    /// again as it may get a label, so that a late one is told from one without event, and while it can be forgotten.
    pub fn known_for(&self) -> Span {
        Span((2 * self.timeout.0).max(self.erasable.0))
    }

    /// Whether what has settled can be forgotten wherever it went.
    pub fn keeps_settled(&self) -> bool {
        self.erasable > self.timeout
    }

    /// The number of a table's store; `None` if no feature reads it.
    pub fn table_store(&self, source: u16) -> Option<u16> {
        let place = self.features.tables.iter().position(|t| t.source == source && t.used)?;
        Some((self.features.groups.len() + place) as u16)
    }

    /// A partition by its name, `source/partition`.
    pub fn partition_of(&self, name: &str) -> Option<(u16, u16)> {
        let (source, partition) = name.rsplit_once('/')?;
        let source = self.spec.sources.iter().position(|s| s.name.value == source)?;
        Some((source as u16, partition.parse().ok()?))
    }

    /// The prediction id of an event, as text.
    pub fn id_of(&self, values: &[Value]) -> CompactString {
        values.get(self.id).map(text).unwrap_or_default()
    }

    /// The key of the event with a prediction id, as it is written; `None` if no event can have it.
    pub fn key_of_id(&self, id: &str) -> Option<Key> {
        let column = self.spec.sources[self.events].schema.columns.get(self.id)?;
        let value = match column.kind {
            Type::Bool => Value::Bool(id.parse().ok()?),
            Type::Int => Value::Int(id.parse().ok()?),
            Type::Float => Value::Float(id.parse().ok()?),
            Type::Text => Value::Text(id.into()),
            Type::Timestamp => Value::Timestamp(Time::parse(id)?),
        };
        // `007` is no id of an event that is called `7`.
        if text(&value) == id { Key::of([value].iter()) } else { None }
    }

    /// The digest of the feature schema.
    pub fn features_digest(&self) -> String {
        self.features.program.layout().digest()
    }
}

impl ModelPlan {
    /// The key by which a challenger's share is drawn for an event: of the columns of `by`, or its own where there are
    /// none or one is null.
    pub fn sticky(&self, event: Key, values: &[Value]) -> Key {
        match self.sticky.is_empty() {
            true => event,
            false => Key::of(self.sticky.iter().map(|place| &values[*place])).unwrap_or(event),
        }
    }

    /// The untrained online learner, for the vectors of this pipeline.
    pub fn learner(&self) -> Box<dyn Learner> {
        learner(&self.model.learner, self.features.program.layout().width(), self.model.task)
    }

    /// The same as an ensemble, if its members may live apart.
    pub fn ensemble(&self) -> Option<Box<dyn Ensemble>> {
        self.learner().save().ensemble()
    }

    /// Pipeline time from a decision on roles to its effect.
    pub fn turn_after(&self) -> Span {
        reach(&self.model, self.spec.every)
    }

    /// Whether examples are kept: without a trigger and without a batch learner nothing will ever be fitted, and a
    /// request by hand needs a batch learner.
    pub fn keeps_examples(&self) -> bool {
        !(self.model.triggers.is_empty() && self.model.retrain.is_empty())
    }

    /// The instants of `freeze_at`, in order.
    pub fn freeze_at(&self) -> &[Time] {
        &self.model.freeze_at
    }
}

/// Shorter where roles change by themselves, so that what is worse does not answer for long.
fn reach(model: &ModelSpec, every: Span) -> Span {
    let after = model.train.activate_after;
    if model.deploy.turns() { after.min(every) } else { after }
}

/// A value as a text key or slice.
pub fn text(value: &Value) -> CompactString {
    match value {
        Value::Null => CompactString::const_new("null"),
        Value::Bool(b) => b.to_compact_string(),
        Value::Int(i) => i.to_compact_string(),
        Value::Float(x) => x.to_compact_string(),
        Value::Text(t) => t.clone(),
        Value::Timestamp(t) => t.to_compact_string(),
    }
}

fn labels(spec: &PipelineSpec) -> Option<&SourceSpec> {
    spec.sources.iter().find(|s| s.kind == Kind::Label)
}
