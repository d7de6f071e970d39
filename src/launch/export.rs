//! `tidemill export examples`: what a run served and learned from, for who wants to look at it or to train elsewhere.
//!
//! In: a run and its input; the committed ticks are made again from it, and what differs from what was committed ends
//! the export. Out: one record an event and model, in the order in which they were scored: CSV with a header, a JSON
//! object a line, or Parquet. The columns are those of [`COLUMNS`], then the slots of the vector by name, in CSV as
//! `features.NAME`. Numbers are written so that they read back to the same bits. Keeps: see the room's file, and
//! [`parquet`].

mod parquet;

use super::Exit;
use super::again::Again;
use super::args::{ExamplesArgs, ExportFormat};
use super::outputs::Refusal;
use crate::config::suggest;
use crate::flow::export::{Export, Exported};
use crate::flow::items::Contestant;
use crate::flow::lines::label as label_of;
use crate::flow::plan::Plan;
use crate::task::{Prediction, Task};
use crate::time::Time;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The columns in front of the slots. `role` is that of the version which answered, `live` the online learner's score,
/// `label` empty where none is known, `settled` whether none can change it any more; the progress record of `tick` has
/// the offsets.
const COLUMNS: [&str; 10] =
    ["prediction_id", "at", "model", "version", "role", "score", "live", "label", "settled", "tick"];

/// Exports examples.
pub(super) fn examples(args: &ExamplesArgs) -> Exit {
    match write(args) {
        Ok(told) => {
            eprintln!("{told}");
            Exit::Done
        }
        Err(refusal) => {
            eprintln!("{}", refusal.message.trim_end());
            refusal.exit
        }
    }
}

fn write(args: &ExamplesArgs) -> Result<String, Refusal> {
    let ExamplesArgs { pipeline, out, kafka, inputs, threads, quiet, .. } = args;
    // The bar is for a terminal that nothing else is written to.
    let quiet = *quiet || args.to_file.is_none();
    let again = Again { pipeline, out: out.as_deref(), kafka, inputs, threads: *threads, quiet };
    let part = args.to_file.as_deref().map(partial);
    let written: Arc<Mutex<Option<Writing>>> = Arc::default();
    let made = again.make(|plan, stop| {
        let model = args.model.as_deref().map(|name| place_of(plan, name)).transpose()?;
        let to: Box<dyn Write + Send> = match &part {
            Some(path) => Box::new(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?),
            None => Box::new(io::stdout()),
        };
        let writing = Writing::begin(to, args.format, plan, stop.clone());
        let writing = writing.map_err(|error| format!("cannot write the examples: {error}"))?;
        *written.lock().unwrap_or_else(PoisonError::into_inner) = Some(writing);
        let into = written.clone();
        let take = move |exported: &Exported| {
            into.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().for_each(|writing| writing.take(exported));
        };
        let (from, to) = (args.from.unwrap_or(Time(i64::MIN)), args.to.unwrap_or(Time(i64::MAX)));
        Ok(Some(Export { model, from, to, into: Arc::new(Mutex::new(Box::new(take))) }))
    });
    let writing = written.lock().unwrap_or_else(PoisonError::into_inner).take();
    let ended = writing.map_or(Ok((0, 0)), Writing::end);
    let place = args.to_file.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    // That nothing more could be written is why the run was stopped.
    let outcome = match (ended, made) {
        (Err(error), _) => {
            Err(Refusal { exit: Exit::Failed, message: format!("cannot write the examples to {place}: {error}") })
        }
        (_, Err(refusal)) => Err(refusal),
        (Ok((examples, labelled)), Ok(made)) => Ok(format!(
            "{}: {examples} examples, {labelled} of them labelled, of {} ticks up to {}, in {place}",
            made.plan.spec.name, made.ticks, made.now
        )),
    };
    let (Some(part), Some(whole)) = (&part, &args.to_file) else { return outcome };
    match &outcome {
        Ok(_) => fs::rename(part, whole).map_err(|error| format!("{}: {error}", whole.display()))?,
        // It may never have been made.
        Err(_) => drop(fs::remove_file(part)),
    }
    outcome
}

/// Where the examples stand until they are whole.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".part");
    path.with_file_name(name)
}

fn place_of(plan: &Plan, name: &str) -> Result<u16, Refusal> {
    let names: Vec<&str> = plan.spec.models.iter().map(|model| model.name.as_str()).collect();
    let place = names.iter().position(|known| *known == name);
    place
        .map(|place| place as u16)
        .ok_or_else(|| format!("--model {name}: no such model; {}", suggest(name, &names)).into())
}

/// How they are written.
enum Form {
    Csv(BufWriter<Box<dyn Write + Send>>),
    Jsonl(BufWriter<Box<dyn Write + Send>>),
    Parquet(Box<parquet::Table>),
}

/// Examples on their way to a file.
struct Writing {
    to: Form,
    models: Vec<String>,
    tasks: Vec<Task>,
    classes: Vec<String>,
    slots: Vec<String>,
    /// Set when nothing more can be written.
    stop: Arc<AtomicBool>,
    failed: Option<io::Error>,
    row: Vec<f64>,
    written: u64,
    labelled: u64,
}

impl Writing {
    fn begin(
        to: Box<dyn Write + Send>,
        format: ExportFormat,
        plan: &Plan,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Writing> {
        let slots: Vec<String> = plan.features.program.layout().names().to_vec();
        let models = plan.spec.models.iter().map(|model| model.name.clone()).collect();
        let tasks: Vec<Task> = plan.spec.models.iter().map(|model| model.task).collect();
        let classes = plan.spec.sources.iter().flat_map(|source| &source.classes).cloned().collect();
        let (to, row) = (BufWriter::new(to), vec![0.0; slots.len()]);
        let to = match format {
            ExportFormat::Csv => Form::Csv(to),
            ExportFormat::Jsonl => Form::Jsonl(to),
            ExportFormat::Parquet => Form::Parquet(Box::new(parquet::Table::begin(to, &tasks, &slots)?)),
        };
        let (failed, written, labelled) = (None, 0, 0);
        let mut writing = Writing { to, models, tasks, classes, slots, stop, failed, row, written, labelled };
        if let Form::Csv(to) = &mut writing.to {
            let slots = writing.slots.iter().map(|slot| quoted(&format!("features.{slot}")));
            let names: Vec<String> = COLUMNS.iter().map(|name| (*name).to_owned()).chain(slots).collect();
            writeln!(to, "{}", names.join(","))?;
        }
        Ok(writing)
    }

    fn take(&mut self, exported: &Exported) {
        if self.failed.is_some() {
            return;
        }
        self.written += 1;
        self.labelled += u64::from(exported.label.is_some());
        let mut row = std::mem::take(&mut self.row);
        exported.scored.vector.write_dense(&mut row);
        let columns = self.columns(exported);
        let written = match &mut self.to {
            Form::Csv(to) => {
                let cells = columns.into_iter().map(cell).chain(row.iter().map(|x| json!(x).to_string()));
                writeln!(to, "{}", cells.collect::<Vec<_>>().join(","))
            }
            Form::Jsonl(to) => {
                // Written by hand, since a map would sort the slots.
                let object = |(name, value): (&str, Value)| format!("{}:{value}", json!(name));
                let slots: Vec<String> =
                    self.slots.iter().zip(&row).map(|(name, x)| object((name, json!(x)))).collect();
                let fields: Vec<String> = COLUMNS.into_iter().zip(columns).map(object).collect();
                writeln!(to, "{{{},\"features\":{{{}}}}}", fields.join(","), slots.join(","))
            }
            Form::Parquet(table) => table.take(&columns, exported.scored.time, &row),
        };
        self.row = row;
        if let Err(error) = written {
            self.failed = Some(error);
            self.stop.store(true, Ordering::Release);
        }
    }

    /// The values in front of the slots.
    fn columns(&self, exported: &Exported) -> [Value; 10] {
        let Exported { model, tick, scored, label, settled } = exported;
        let answered = scored.scores.first().map(|(who, _)| *who);
        let role = match answered {
            Some(Contestant::Challenger(_)) => "challenger",
            _ => "champion",
        };
        [
            json!(scored.id.as_str()),
            json!(scored.time.to_string()),
            json!(self.models.get(usize::from(*model))),
            json!(answered.and_then(Contestant::version)),
            json!(role),
            said(scored.served()),
            said(&scored.live),
            label.map_or(Value::Null, |of| label_of(self.tasks[usize::from(*model)], &self.classes, of)),
            json!(settled),
            json!(tick),
        ]
    }

    /// How many were written, and how many of them have labels.
    fn end(mut self) -> io::Result<(u64, u64)> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        match self.to {
            Form::Csv(mut to) | Form::Jsonl(mut to) => to.flush()?,
            Form::Parquet(table) => table.end()?,
        }
        Ok((self.written, self.labelled))
    }
}

/// A number, or the probabilities of the classes in their order.
fn said(prediction: &Prediction) -> Value {
    match prediction {
        Prediction::Number(number) => json!(number),
        Prediction::Classes(of) => json!(&of[..]),
    }
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(&text),
        other => quoted(&other.to_string()),
    }
}

/// A text as RFC 4180 has it.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (value, wanted) in [
            (json!("a"), "a"),
            (json!("a,b"), "\"a,b\""),
            (json!("say \"x\""), "\"say \"\"x\"\"\""),
            (json!(null), ""),
            (json!(0.1), "0.1"),
            (json!(true), "true"),
        ] {
            assert_eq!(cell(value), wanted);
        }
        assert_eq!(partial(Path::new("a/b.csv")), Path::new("a/b.csv.part"));
    }
}
