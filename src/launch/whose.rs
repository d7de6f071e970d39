//! Whose events: the prediction ids of all events in the input so far in which a column has a value.
//!
//! In: a pipeline, where its events are, a column and a value as it is written in metrics and slices. Out: the ids, in
//! the order of the input, each once. No run is asked, so those that no run has consumed yet are among them. Limits: it
//! keeps the ids that it finds, and reads each partition to its end as it is now.

use super::args::KafkaArgs;
use super::input;
use super::outputs::Refusal;
use super::run::prepare;
use crate::config::suggest;
use crate::flow::plan::text;
use crate::source::Delivery;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The ids of the events whose `column` is `value`.
///
/// # Errors
/// The pipeline has errors or no such column, or its events cannot be read.
pub(super) fn ids_where(
    pipeline: &Path,
    (column, value): &(String, String),
    kafka: &KafkaArgs,
    inputs: &[(String, PathBuf)],
) -> Result<Vec<String>, Refusal> {
    let (loaded, plan) = prepare(pipeline)?;
    let schema = &plan.spec.sources[plan.events].schema;
    let Some(place) = schema.position(column) else {
        let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
        return Err(format!("--where {column}: the events have no such column; {}", suggest(column, &names)).into());
    };
    let broker = super::broker(kafka);
    let (mut seen, mut ids) = (HashSet::new(), Vec::new());
    for partition in input::events(broker.as_ref(), inputs, &loaded, &plan)? {
        loop {
            match partition.deliveries.recv() {
                Ok(Delivery::Batch(batch)) => {
                    let rows = batch.records.into_iter().filter_map(|record| record.body.ok());
                    for row in rows.filter(|row| text(&row.values[place]) == value.as_str()) {
                        let id = plan.id_of(&row.values).to_string();
                        if seen.insert(id.clone()) {
                            ids.push(id);
                        }
                    }
                }
                Ok(Delivery::CaughtUp) => {}
                Ok(Delivery::End) => break,
                Ok(Delivery::Failed(error)) => return Err(error.into()),
                Err(_) => return Err(format!("the events ended without an end: {}", pipeline.display()).into()),
            }
        }
    }
    Ok(ids)
}
