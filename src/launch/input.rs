//! The input of a run: the partitions of all sources, of files or of topics.

use super::load::Loaded;
use super::outputs::Refusal;
use crate::broker::Broker;
use crate::flow::plan::Plan;
use crate::source::kafka::{Extent, KafkaSource};
use crate::source::{Partition, SourceError, file};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens all partitions, from their beginning or from what is consumed of them (`ends`), and tells whether they are
/// live: whether some may be silent, and go on. `typed` are the files that the command line names, by source; `extent`
/// is for topics.
pub(super) fn open(
    broker: Option<&Broker>,
    typed: &[(String, PathBuf)],
    loaded: &Loaded,
    plan: &Plan,
    ends: &BTreeMap<(u16, u16), u64>,
    extent: &Extent,
    wake: impl Fn() + Send + Clone + 'static,
) -> Result<(Vec<Partition>, bool), Refusal> {
    let Some(broker) = broker else {
        let paths = paths(typed, loaded, plan)?;
        let live = paths.iter().flatten().any(|path| path == Path::new("-"));
        return Ok((files(plan, &paths, ends, wake)?, live));
    };
    let (limit, start) = (plan.spec.max_record_bytes, |source, partition| ends.get(&(source, partition)).copied());
    let partitions = KafkaSource::open(broker, &plan.spec.sources, &start, extent, limit, wake)?;
    Ok((partitions, !extent.until_end))
}

/// Opens the partitions of the events alone, from their beginning to their end as it is now.
pub(super) fn events(
    broker: Option<&Broker>,
    typed: &[(String, PathBuf)],
    loaded: &Loaded,
    plan: &Plan,
) -> Result<Vec<Partition>, Refusal> {
    let (spec, limit) = (&plan.spec.sources[plan.events], plan.spec.max_record_bytes);
    if let Some(broker) = broker {
        let extent = Extent { until_end: true, stop: Arc::default() };
        return Ok(KafkaSource::open(broker, std::slice::from_ref(spec), &|_, _| None, &extent, limit, || ())?);
    }
    let paths = paths(typed, loaded, plan)?.swap_remove(plan.events);
    if paths.iter().any(|path| path == Path::new("-")) {
        let name = &spec.name.value;
        return Err(format!("`{name}` comes by standard input; name a file of it with --input {name}=FILE").into());
    }
    Ok(file::open(plan.events as u16, spec, &paths, &|_| 0, limit, || ())?)
}

/// The files of each source: what was typed, what the pipeline file says, or what is found by name.
fn paths(typed: &[(String, PathBuf)], loaded: &Loaded, plan: &Plan) -> Result<Vec<Vec<PathBuf>>, String> {
    let names: Vec<&str> = plan.spec.sources.iter().map(|s| s.name.value.as_str()).collect();
    if let Some((name, _)) = typed.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        return Err(format!("--input {name}: no such source; {}", crate::config::suggest(name, &names)));
    }
    let datasets = loaded.folder.join("datasets");
    let of = |source: &crate::config::spec::SourceSpec| -> Vec<PathBuf> {
        let name = &source.name.value;
        let typed: Vec<PathBuf> =
            typed.iter().filter(|(given, _)| given == name).map(|(_, path)| path.clone()).collect();
        if !typed.is_empty() {
            typed
        } else if !source.path.is_empty() {
            let place = |path: &PathBuf| if path == Path::new("-") { path.clone() } else { loaded.folder.join(path) };
            source.path.iter().map(place).collect()
        } else {
            file::default_paths(&datasets, &plan.spec.name, name)
        }
    };
    Ok(plan.spec.sources.iter().map(of).collect())
}

fn files(
    plan: &Plan,
    paths: &[Vec<PathBuf>],
    ends: &BTreeMap<(u16, u16), u64>,
    wake: impl Fn() + Send + Clone + 'static,
) -> Result<Vec<Partition>, SourceError> {
    let mut partitions = Vec::new();
    for (number, (source, paths)) in plan.spec.sources.iter().zip(paths).enumerate() {
        let number = number as u16;
        let start = |partition| ends.get(&(number, partition)).copied().unwrap_or_default();
        partitions.extend(file::open(number, source, paths, &start, plan.spec.max_record_bytes, wake.clone())?);
    }
    Ok(partitions)
}
