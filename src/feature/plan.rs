//! The compiled `[features]`: which tables are looked up, which windows are kept, and the program that makes a vector.
//!
//! In: the checked shape of the pipeline file. Out: a [`FeaturePlan`], or every fault with its place in the file.
//! Aggregates over one stream with one key share a [`Group`], so an event asks each group once.

use super::check::Checks;
use super::expr::{Binding, Expression};
use super::layout::{Layout, MISSING, OneHot, Values};
use super::program::{Line, Number, Program, Step, feature_of};
use super::scope::{FEATURE, Names};
use super::window::{Aggregate, WindowShape};
use crate::config::spec::{FeatureKind, FeatureSpec, Function, Over, PipelineSpec, SourceSpec, Spanned};
use crate::record::{Kind, Reason, Type, Value};
use crate::task::{Label, Task};
use crate::time::Span;
use std::ops::Range;

/// A mistake in an expression or a reference, with its place in the pipeline file.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the file.
    pub span: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A table in use.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// The source, by its place in the file.
    pub source: u16,
    /// Whether a feature reads it; a table that none reads is neither kept nor asked.
    pub used: bool,
    /// The event's columns that hold the table's key, in the order of the table's key.
    pub key: Vec<usize>,
}

/// The stream whose rows an aggregate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The events; the scored one itself is not among them.
    Events,
    /// A context source.
    Context(u16),
    /// The labels known by then.
    Labels,
}

/// Aggregates that share a stream and a key.
#[derive(Clone, Debug)]
pub struct Group {
    /// Whose rows.
    pub feed: Feed,
    /// The event's columns that key it; empty for all rows.
    pub by: Vec<usize>,
    /// For a context feed, the same-named columns of the context's rows.
    pub by_own: Vec<usize>,
    /// What is evaluated once a row.
    pub arguments: Vec<Expression>,
    /// The aggregates and how long rows are kept.
    pub shape: WindowShape,
    /// Where its results stand among those of all groups.
    pub results: Range<usize>,
}

/// A group under construction.
struct OpenGroup {
    feed: Feed,
    by: Vec<usize>,
    by_own: Vec<usize>,
    arguments: Vec<Expression>,
    /// The arguments' texts: equal texts are one argument.
    texts: Vec<String>,
    aggregates: Vec<Aggregate>,
    slack: Span,
}

impl OpenGroup {
    fn close(self, results: Range<usize>) -> Group {
        let shape = WindowShape::new(self.arguments.len(), &self.aggregates, self.slack);
        Group { feed: self.feed, by: self.by, by_own: self.by_own, arguments: self.arguments, shape, results }
    }
}

/// The label's expression, and what its values are.
#[derive(Clone, Debug)]
pub struct LabelPlan {
    /// The label source, by its place in the file.
    pub source: u16,
    /// Over the label row's columns ([`super::scope::OWN`]); null is a withdrawal.
    pub expression: Expression,
    /// What the models are asked.
    task: Task,
    /// Of a multiclass task, the classes in their order.
    classes: Vec<String>,
}

impl LabelPlan {
    /// The label that a value of the expression is; `None` is a withdrawal.
    ///
    /// # Errors
    /// A class that is not declared, or a number that is none or too great: why, for a dead letter.
    pub fn label(&self, value: &Value) -> Result<Option<Label>, (Reason, String)> {
        let number = match value {
            Value::Null => return Ok(None),
            Value::Bool(label) => return Ok(Some(Label::from(*label))),
            _ if self.task != Task::Regression => return self.class(value).map(Some),
            Value::Int(number) => *number as f64,
            Value::Float(number) => *number,
            _ => f64::NAN,
        };
        let label = Label::value(number);
        label.map(Some).ok_or_else(|| {
            let detail = format!("the label is {number}, allowed is -{0:e} to {0:e}", Label::LIMIT);
            (Reason::OutOfRange, detail)
        })
    }

    /// Of a multiclass task, the classes in their order.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    fn class(&self, value: &Value) -> Result<Label, (Reason, String)> {
        let place = match value {
            Value::Text(text) => self.classes.iter().position(|class| class == text.as_str()),
            Value::Int(number) => {
                let text = number.to_string();
                self.classes.iter().position(|class| *class == text)
            }
            _ => None,
        };
        place.map(Label::class).ok_or_else(|| {
            let said = if let Value::Text(text) = value { text.to_string() } else { format!("{value:?}") };
            (Reason::UnknownClass, format!("the label is {said:?}, which is none of `classes`"))
        })
    }
}

/// All of `[features]`, ready to run.
#[derive(Clone, Debug)]
pub struct FeaturePlan {
    /// The tables looked up by each event.
    pub tables: Vec<TablePlan>,
    /// The windows asked by each event.
    pub groups: Vec<Group>,
    /// How many results all groups have together.
    pub results: usize,
    /// What makes the vector.
    pub program: Program,
    /// The label, where the pipeline has labels.
    pub label: Option<LabelPlan>,
}

/// Compiles the features and the label of a pipeline; the checks of its sources only to see that they are right, since
/// it is the sources that judge by them.
///
/// # Errors
/// All faults of all expressions at once.
pub fn compile(spec: &PipelineSpec) -> Result<FeaturePlan, Vec<Fault>> {
    let checks: Vec<Fault> = spec.sources.iter().flat_map(|s| Checks::compile(s).err().unwrap_or_default()).collect();
    let mut compiler = match Compiler::new(spec) {
        Ok(compiler) => compiler,
        Err(faults) => return Err([checks, faults].concat()),
    };
    compiler.faults.splice(0..0, checks);
    for feature in &spec.features {
        compiler.feature(feature);
    }
    compiler.finish()
}

/// How long rows of events, contexts and tables that come late still find their exact place.
pub const MAX_LATE: Span = Span::DAY;

struct Compiler<'a> {
    spec: &'a PipelineSpec,
    events: &'a SourceSpec,
    labels: Option<(u16, &'a SourceSpec)>,
    label: Option<LabelPlan>,
    names: Names,
    tables: Vec<TablePlan>,
    groups: Vec<OpenGroup>,
    /// The group of each aggregate in the order of the file, and which of its results it is.
    aggregates: Vec<(usize, usize)>,
    lines: Vec<Line>,
    dense: Vec<String>,
    hot: Vec<OneHot>,
    standardizers: usize,
    faults: Vec<Fault>,
}

impl<'a> Compiler<'a> {
    fn new(spec: &'a PipelineSpec) -> Result<Self, Vec<Fault>> {
        let numbered = || spec.sources.iter().enumerate().map(|(i, s)| (i as u16, s));
        let mut faults = Vec::new();
        let labels = numbered().find(|(_, s)| s.kind == Kind::Label);
        let label = labels.and_then(|(source, labels)| compile_label(spec, source, labels, &mut faults));
        let Some((_, events)) = numbered().find(|(_, s)| s.kind == Kind::Event) else {
            faults.push(fault("the pipeline has no source of kind `events`", 0..0, None));
            return Err(faults);
        };
        let mut tables = Vec::new();
        let mut table_specs = Vec::new();
        for (source, table) in numbered().filter(|(_, s)| s.kind == Kind::Table) {
            let mut key = Vec::new();
            for column in &table.key {
                match events.schema.position(column) {
                    Some(place) => key.push(place),
                    None => faults.push(fault(
                        &format!("table `{}` is keyed by `{column}`, which the events do not have", table.name.value),
                        table.name.span.clone(),
                        Some("a table is looked up by the event's columns of the same names".to_owned()),
                    )),
                }
            }
            table_specs.push(table);
            tables.push(TablePlan { source, used: false, key });
        }
        let names = Names::of_event(events, &table_specs);
        Ok(Compiler {
            spec,
            events,
            labels,
            label,
            names,
            tables,
            groups: Vec::new(),
            aggregates: Vec::new(),
            lines: Vec::new(),
            dense: Vec::new(),
            hot: Vec::new(),
            standardizers: 0,
            faults,
        })
    }

    fn feature(&mut self, feature: &FeatureSpec) {
        let compiled = match &feature.kind {
            FeatureKind::Expression(text) => {
                self.expression(text).map(|e| (e.kind(), e.nullable(), Step::Expression(e)))
            }
            FeatureKind::Standardize { argument } => self.numeric(argument).map(|e| {
                let state = self.standardizers;
                self.standardizers += 1;
                let nullable = e.nullable();
                let argument = match e.bare_number().and_then(feature_of) {
                    Some(place) => Number::Feature(place),
                    None => Number::Expression(e),
                };
                (Type::Float, nullable, Step::Standardize { argument, state })
            }),
            FeatureKind::OneHot { argument, values } => {
                return self.category(feature, argument, Values::Listed(values.clone()));
            }
            FeatureKind::Hash { argument, slots } => return self.category(feature, argument, Values::Hashed(*slots)),
            FeatureKind::Aggregate { function, argument, by, over } => self.aggregate(*function, argument, by, *over),
            FeatureKind::Lookup { column, max_age } => self.lookup(column, *max_age),
        };
        let Some((kind, nullable, step)) = compiled else { return };
        self.keep(feature, kind, nullable, step);
    }

    /// Adds a group of slots. It has no single value; its name stays free for what it was made of.
    fn category(&mut self, feature: &FeatureSpec, argument: &Spanned<String>, values: Values) {
        let Some(argument) = self.expression(argument) else { return };
        let group = self.hot.len();
        self.hot.push(OneHot { feature: feature.name.value.clone(), values });
        self.lines.push(Line::OneHot { argument, group });
    }

    /// Adds a step that yields one value, checks that it may stand in a vector, and names it for the features below.
    fn keep(&mut self, feature: &FeatureSpec, kind: Type, nullable: bool, step: Step) {
        let numeric = matches!(kind, Type::Bool | Type::Int | Type::Float);
        let name = &feature.name;
        if feature.slot && !numeric {
            self.faults.push(fault(
                &format!("feature `{}` is {}, which has no place in a vector", name.value, kind.name()),
                name.span.clone(),
                Some("use { one_hot = .. }, or slot = false for a step on the way".to_owned()),
            ));
        }
        if feature.missing.is_some() && !numeric {
            self.faults.push(fault("`missing` is a number; this feature is not", name.span.clone(), None));
        }
        if feature.slot && nullable && feature.missing.is_none() {
            self.faults.push(fault(
                &format!("feature `{}` can be null, and a vector cannot", name.value),
                name.span.clone(),
                Some("add missing = NUMBER, or coalesce(.., NUMBER) in the expression".to_owned()),
            ));
        }
        let slot = feature.slot.then(|| {
            self.dense.push(name.value.clone());
            self.dense.len() - 1
        });
        let indicator = feature.indicator.then(|| {
            self.dense.push(format!("{}{MISSING}", name.value));
            self.dense.len() - 1
        });
        let place = self.lines.iter().filter(|l| matches!(l, Line::Value { .. })).count() as u32;
        let kind = if feature.missing.is_some() { Type::Float } else { kind };
        let nullable = nullable && feature.missing.is_none();
        self.names.add(None, &name.value, Binding { slot: FEATURE + place, kind, nullable });
        self.lines.push(Line::Value { step, missing: feature.missing, slot, indicator });
    }

    fn expression(&mut self, text: &Spanned<String>) -> Option<Expression> {
        match Expression::compile(&text.value, &self.names) {
            Ok(expression) => Some(expression),
            Err(found) => {
                self.faults.extend(found.into_iter().map(|f| placed(f, text)));
                None
            }
        }
    }

    fn numeric(&mut self, text: &Spanned<String>) -> Option<Expression> {
        let expression = self.expression(text)?;
        self.require_number(&expression, text)?;
        Some(expression)
    }

    fn require_number(&mut self, expression: &Expression, text: &Spanned<String>) -> Option<()> {
        if matches!(expression.kind(), Type::Bool | Type::Int | Type::Float) {
            return Some(());
        }
        let message = format!("expected a number, found {}", expression.kind().name());
        self.faults.push(fault(&message, text.span.clone(), None));
        None
    }

    fn lookup(&mut self, column: &Spanned<String>, max_age: Option<Span>) -> Option<(Type, bool, Step)> {
        let expression = self.expression(column)?;
        let place = self.tables.iter().position(|t| {
            let name = &self.spec.sources[t.source as usize].name.value;
            column.value.split('.').next() == Some(name.as_str())
        });
        let Some(table) = place.filter(|_| expression.columns().len() == 1) else {
            let message = format!("`{}` is not a column of a table", column.value);
            self.faults.push(fault(&message, column.span.clone(), Some("write table.column".to_owned())));
            return None;
        };
        let source = &self.spec.sources[self.tables[table].source as usize];
        let time = source.schema.position(&source.time)?;
        Some((expression.kind(), true, Step::Lookup { argument: expression, table, time, max_age }))
    }

    fn aggregate(
        &mut self,
        function: Function,
        argument: &Spanned<String>,
        by: &[Spanned<String>],
        over: Over,
    ) -> Option<(Type, bool, Step)> {
        let mut columns = Vec::new();
        for column in by {
            match self.events.schema.position(&column.value) {
                Some(place) => columns.push(place),
                None => {
                    let known: Vec<_> = self.events.schema.columns.iter().map(|c| c.name.as_str()).collect();
                    let message = format!("the events have no column `{}` to key by", column.value);
                    self.faults.push(fault(
                        &message,
                        column.span.clone(),
                        Some(format!("they have: {}", known.join(", "))),
                    ));
                    return None;
                }
            }
        }
        let (feed, expression) = self.argument(function, argument)?;
        // An empty window counts 0 and is null otherwise; under a null key all is null.
        let null_key = columns.iter().any(|place| self.events.schema.columns[*place].nullable);
        let by_own = self.own_columns(feed, by)?;
        let group = self.group(feed, columns, by_own);
        let place = expression.map(|e| match function {
            // It is another argument than the text or the instant itself.
            Function::Distinct => {
                let text = format!("distinct {}", argument.value);
                self.group_argument(group, &text, e.told_apart())
            }
            _ => self.group_argument(group, &argument.value, e),
        });
        let aggregates = &mut self.groups[group].aggregates;
        aggregates.push(Aggregate { function, argument: place, over });
        self.aggregates.push((group, aggregates.len() - 1));
        // Its place is known when all groups are.
        let step = Step::Aggregate { place: self.aggregates.len() - 1 };
        Some((Type::Float, !function.counts() || null_key, step))
    }

    /// The stream that an argument reads, found by trying where its names resolve; `None` inside is `count(*)`.
    fn argument(&mut self, function: Function, text: &Spanned<String>) -> Option<(Feed, Option<Expression>)> {
        if text.value.trim() == "*" {
            if function == Function::Count {
                return Some((Feed::Events, None));
            }
            self.faults.push(fault("only count takes `*`", text.span.clone(), None));
            return None;
        }
        let mut scopes = vec![(Feed::Events, Names::of_event(self.events, &[]))];
        for (place, source) in self.spec.sources.iter().enumerate().filter(|(_, s)| s.kind == Kind::Context) {
            scopes.push((Feed::Context(place as u16), Names::of_context(source)));
        }
        if let (Some((_, labels)), Some(label)) = (self.labels, &self.label) {
            scopes.push((Feed::Labels, Names::of_label(self.events, labels, label.expression.kind())));
        }
        // How much is wrong, and whether nobody knows better.
        let strange = |found: &[super::expr::Fault]| (found.len(), found.iter().any(|fault| fault.help.is_none()));
        let mut best: Option<Vec<super::expr::Fault>> = None;
        for (feed, names) in scopes {
            match Expression::compile(&text.value, &names) {
                Ok(expression) => {
                    // What counts takes anything that can be null; the rest takes numbers.
                    if !function.counts() {
                        self.require_number(&expression, text)?;
                    }
                    return Some((feed, Some(expression)));
                }
                // The scope in which least is wrong is the one that was meant.
                Err(found) if best.as_ref().is_none_or(|b| strange(&found) <= strange(b)) => best = Some(found),
                Err(_) => {}
            }
        }
        let help = "an aggregate reads one stream: bare columns of the events, or `context.column`, or `label` and \
                    `labels.column` with the event's columns";
        for mut found in best.unwrap_or_default() {
            found.help = Some(found.help.map_or(help.to_owned(), |h| format!("{h}; {help}")));
            self.faults.push(placed(found, text));
        }
        None
    }

    fn own_columns(&mut self, feed: Feed, by: &[Spanned<String>]) -> Option<Vec<usize>> {
        let Feed::Context(source) = feed else { return Some(Vec::new()) };
        let source = &self.spec.sources[source as usize];
        let mut own = Vec::new();
        for column in by {
            let Some(place) = source.schema.position(&column.value) else {
                let message = format!("context `{}` has no column `{}` to key by", source.name.value, column.value);
                let help = format!("add `{}` to its schema", column.value);
                self.faults.push(fault(&message, column.span.clone(), Some(help)));
                return None;
            };
            own.push(place);
        }
        Some(own)
    }

    fn group(&mut self, feed: Feed, by: Vec<usize>, by_own: Vec<usize>) -> usize {
        if let Some(place) = self.groups.iter().position(|g| g.feed == feed && g.by == by) {
            return place;
        }
        // Labels can be corrected until their event's timeout, so their rows stay in reach for as long.
        let timeout = self.labels.and_then(|(_, l)| l.timeout).unwrap_or(MAX_LATE);
        let slack = if feed == Feed::Labels { timeout } else { MAX_LATE };
        let (arguments, texts, aggregates) = (Vec::new(), Vec::new(), Vec::new());
        self.groups.push(OpenGroup { feed, by, by_own, arguments, texts, aggregates, slack });
        self.groups.len() - 1
    }

    fn group_argument(&mut self, group: usize, text: &str, expression: Expression) -> usize {
        let group = &mut self.groups[group];
        if let Some(place) = group.texts.iter().position(|t| t == text) {
            return place;
        }
        group.texts.push(text.to_owned());
        group.arguments.push(expression);
        group.arguments.len() - 1
    }

    fn finish(mut self) -> Result<FeaturePlan, Vec<Fault>> {
        if self.dense.is_empty() && self.hot.is_empty() && self.faults.is_empty() {
            self.faults.push(fault("the pipeline has no feature", 0..0, Some("add a line to [features]".to_owned())));
        }
        let layout = match Layout::new(self.dense, self.hot) {
            Ok(layout) if self.faults.is_empty() => layout,
            Ok(_) => return Err(self.faults),
            Err(twice) => {
                self.faults.push(fault(&twice.to_string(), 0..0, None));
                return Err(self.faults);
            }
        };
        let mut end = 0;
        let results: Vec<Range<usize>> = self
            .groups
            .iter()
            .map(|group| {
                end += group.aggregates.len();
                end - group.aggregates.len()..end
            })
            .collect();
        for line in &mut self.lines {
            if let Line::Value { step: Step::Aggregate { place }, .. } = line {
                let (group, result) = self.aggregates[*place];
                *place = results[group].start + result;
            }
        }
        let used = used_tables(&self.lines, self.tables.len());
        let program = Program::new(self.lines, layout, self.standardizers, used.len());
        for (table, used) in self.tables.iter_mut().zip(used) {
            table.used = used;
        }
        let groups = self.groups.into_iter().zip(results).map(|(group, results)| group.close(results)).collect();
        Ok(FeaturePlan { tables: self.tables, groups, results: end, program, label: self.label })
    }
}

fn used_tables(lines: &[Line], tables: usize) -> Vec<bool> {
    let mut used = vec![false; tables];
    for slot in lines.iter().flat_map(Line::columns) {
        if slot >> 24 == super::scope::TABLE >> 24 {
            used[(slot & 0x00ff_ffff) as usize / super::scope::STRIDE as usize] = true;
        }
    }
    used
}

fn compile_label(spec: &PipelineSpec, source: u16, labels: &SourceSpec, faults: &mut Vec<Fault>) -> Option<LabelPlan> {
    let text = labels.label.as_ref()?;
    let mut names = Names::default();
    names.add_schema(None, &labels.schema, super::scope::OWN, false);
    names.add_schema(Some(&labels.name.value), &labels.schema, super::scope::OWN, false);
    let task = spec.models.first().map_or(Task::Binary, |model| model.task);
    let (is_of, expected, help) = match task {
        Task::Binary => (&[Type::Bool][..], "a truth value", Some("compare it: `delay > 15`")),
        Task::Multiclass(_) => (&[Type::Text, Type::Int][..], "a text or a whole number", None),
        Task::Regression => (&[Type::Float, Type::Int][..], "a number", None),
    };
    match Expression::compile(&text.value, &names) {
        Ok(expression) if is_of.contains(&expression.kind()) => {
            Some(LabelPlan { source, expression, task, classes: labels.classes.clone() })
        }
        Ok(expression) => {
            let (task, kind) = (task.word(), expression.kind().name());
            let message = format!("the label of a {task} task is {expected}; this is {kind}");
            faults.push(fault(&message, text.span.clone(), help.map(str::to_owned)));
            None
        }
        Err(found) => {
            faults.extend(found.into_iter().map(|f| placed(f, text)));
            None
        }
    }
}

fn fault(message: &str, span: Range<usize>, help: Option<String>) -> Fault {
    Fault { message: message.to_owned(), span, help }
}

/// Moves a fault's span from its expression's text into the file.
pub(super) fn placed(found: super::expr::Fault, text: &Spanned<String>) -> Fault {
    Fault { message: found.message, span: text.place(&found.span), help: found.help }
}
