//! What a run writes to: claimed, read back, opened.
//!
//! In: the command line, the pipeline. Out: the folder, what was committed by earlier runs of the same pipeline, the
//! sink behind that. A folder or topics that hold another pipeline's run are refused.

use super::Exit;
use super::args::RunArgs;
use super::load::Loaded;
use crate::broker::Broker;
use crate::config::spec::Publish;
use crate::flow::history::{History, HistoryError};
use crate::flow::plan::Plan;
use crate::sink::file::{self, FileSink};
use crate::sink::folder::{Folder, Identity};
use crate::sink::{Sink, SinkError, Stream, kafka};
use crate::source::SourceError;
use crate::state::checkpoint::Name;
use std::path::Path;

/// Why a run does not begin.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) exit: Exit,
    pub(super) message: String,
}

impl From<String> for Refusal {
    fn from(message: String) -> Refusal {
        Refusal { exit: Exit::Usage, message }
    }
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Refusal {
        let exit = if matches!(error, SourceError::Gone { .. }) { Exit::Gone } else { Exit::Usage };
        Refusal { exit, message: error.to_string() }
    }
}

impl From<SinkError> for Refusal {
    fn from(error: SinkError) -> Refusal {
        let exit = match error {
            SinkError::Fenced { .. } => Exit::Fenced,
            SinkError::Unknown { .. } => Exit::Again,
            SinkError::Damaged { .. } => Exit::Failed,
            _ => Exit::Usage,
        };
        Refusal { exit, message: error.to_string() }
    }
}

impl From<Box<HistoryError>> for Refusal {
    fn from(error: Box<HistoryError>) -> Refusal {
        Refusal { exit: Exit::Failed, message: error.to_string() }
    }
}

/// The outputs of a run, which nobody else writes any more, and what is committed there.
pub(super) struct Claim {
    folder: Folder,
    topics: Option<kafka::Claim>,
    history: History,
    identity: Identity,
    /// Whether its pipeline was another when it was run last.
    changed: bool,
}

impl Claim {
    /// Claims the outputs; nothing is changed yet.
    pub(super) fn new(
        args: &RunArgs,
        loaded: &Loaded,
        plan: &Plan,
        out: &Path,
        broker: Option<&Broker>,
    ) -> Result<Claim, Refusal> {
        let mut identity = identity(loaded, plan, broker.is_some());
        // Without checkpoints there is nothing that a changed pipeline could go on from.
        let may_change = !args.fresh && args.checkpoint_every.is_some();
        let found = Folder::found(out).ok().flatten();
        let former = found.as_ref().map(|found| found.publish.clone()).unwrap_or_default();
        let changed = identity.follow(found.filter(|_| !args.fresh), may_change);
        let folder = Folder::claim(out, &identity, args.fresh)?;
        let Some(broker) = broker else {
            let lines = if args.fresh { Vec::new() } else { file::progress(out)? };
            return Ok(Claim { folder, topics: None, history: of_files(plan, out, lines)?, identity, changed });
        };
        let mut topics =
            kafka::claim(broker, &topics(plan, (&sources(plan), &models(plan)), &identity, (&former, args.fresh)))?;
        let history = of_topics(plan, topics.progress())?;
        Ok(Claim { folder, topics: Some(topics), history, identity, changed })
    }

    /// What is committed there.
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// What they are of.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the pipeline was another when it was run last, and has committed something.
    pub(super) fn is_changed(&self) -> bool {
        self.changed && self.history.end() > 0
    }

    /// Says that a run is taken up again, if one is, and from which checkpoint.
    pub(super) fn tell(&self, plan: &Plan, restore: Option<Name>, quiet: bool) {
        let ticks = self.history.end();
        if ticks == 0 || quiet {
            return;
        }
        let (name, now) = (&plan.spec.name, self.history.now());
        let again = match restore.map(|checkpoint| ticks - 1 - checkpoint.tick) {
            None => "they are made again and compared".to_owned(),
            Some(0) => "all of them are in the checkpoint".to_owned(),
            Some(1) => "the last one is made again and compared".to_owned(),
            Some(some) => format!("the last {some} are made again and compared"),
        };
        eprintln!("{name}: resumes behind {ticks} committed ticks, at {now}; {again}");
    }

    /// Opens the outputs behind what is committed.
    pub(super) fn open(mut self) -> Result<(Folder, History, Box<dyn Sink>), SinkError> {
        if let Some(former) = self.identity.before.last_mut().filter(|_| self.changed) {
            former.ticks = self.history.end();
        }
        // What has committed nothing leaves nothing that was another's.
        self.identity.before.retain(|former| former.ticks > 0);
        let streams = self.identity.streams();
        self.folder.becomes(self.identity);
        self.folder.begin()?;
        let sink = match self.topics {
            Some(topics) => topics.open()?,
            None => FileSink::open(&self.folder, &streams, self.history.lengths(), self.history.bytes())?,
        };
        Ok((self.folder, self.history, sink))
    }
}

/// What an earlier run has committed, whoever may be going on with it, and a sink that compares it with what is made
/// again.
pub(super) fn committed(
    loaded: &Loaded,
    plan: &Plan,
    out: &Path,
    broker: Option<&Broker>,
) -> Result<(History, Box<dyn Sink>), Refusal> {
    let mut identity = identity(loaded, plan, broker.is_some());
    identity.follow(Folder::found(out)?, false);
    if let Some(former) = identity.before.last() {
        return Err(made_by_another(former.ticks).into());
    }
    let Some(broker) = broker else {
        Folder::check(out, &identity)?;
        let history = of_files(plan, out, file::progress(out)?)?.alone();
        let sink = file::compare(out, &identity.streams(), history.lengths())?;
        return Ok((history, sink));
    };
    let sources = sources(plan);
    let models = models(plan);
    let topics = topics(plan, (&sources, &models), &identity, (&[], false));
    let history = of_topics(plan, kafka::committed(broker, &topics)?)?.alone();
    Ok((history, kafka::compare(broker, &topics)?))
}

/// Why ticks cannot be made again from the beginning.
pub(super) fn made_by_another(ticks: u64) -> String {
    format!("its first {ticks} ticks were made by another pipeline file: they cannot be made again by this one")
}

fn of_files(plan: &Plan, out: &Path, lines: Vec<String>) -> Result<History, Box<HistoryError>> {
    let log = out.join(file::file_name(Stream::Progress)).display().to_string();
    let remedy = "cut the file off before that line (its ticks are made again), or start over with --fresh";
    History::check(plan, lines, &log, remedy)
}

fn of_topics(plan: &Plan, lines: Vec<String>) -> Result<History, Box<HistoryError>> {
    let topic = format!("topic `{}.{}`", plan.spec.name, Stream::Progress.name());
    History::check(plan, lines, &topic, "start over with --fresh")
}

fn sources(plan: &Plan) -> Vec<String> {
    plan.spec.sources.iter().map(|source| source.name.value.clone()).collect()
}

fn models(plan: &Plan) -> Vec<String> {
    plan.spec.models.iter().map(|model| model.name.clone()).collect()
}

fn topics<'a>(
    plan: &'a Plan,
    (sources, models): (&'a [String], &'a [String]),
    identity: &'a Identity,
    (former, fresh): (&'a [Publish], bool),
) -> kafka::Outputs<'a> {
    kafka::Outputs {
        pipeline: &plan.spec.name,
        models,
        sources,
        spec: &identity.spec,
        before: &identity.before,
        publish: &plan.spec.publish,
        former,
        fresh,
        partitions: 1,
    }
}

/// What the run is of. Comments, layout and the order of keys are no part of it; the values of features that are listed
/// in files are.
pub(super) fn identity(loaded: &Loaded, plan: &Plan, topics: bool) -> Identity {
    let declared: toml::Table = toml::from_str(&loaded.text).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&serde_json::to_vec(&declared).unwrap_or_default());
    hasher.update(plan.features_digest().as_bytes());
    Identity {
        pipeline: plan.spec.name.clone(),
        spec: hasher.finalize().to_hex().to_string(),
        outputs: if topics { "topics" } else { "files" }.to_owned(),
        before: Vec::new(),
        publish: plan.spec.publish.clone(),
    }
}
