//! Crashes that come again: what a run remembers of them, so that one record cannot stop it for ever.
//!
//! In: the panics of all members of a run, written down as they die; what was committed each time that it was started.
//! Out: how careful the next start is. The first starts go on as always. Once [`CRASHES`] runs have panicked in a row
//! without a commit, records are taken one by one, each named in a file before; a record that was named last when such
//! a run panics is refused by the next (`poison`). Keeps, in the state's folder: `crashes.jsonl` and `suspect`, which
//! are there only after a panic and are removed when a run ends well. A run that is killed from outside says
//! nothing here: nobody is to blame for that.

use crate::flow::caution::{Caution, Culprit, Place};
use crate::flow::history::History;
use crate::flow::plan::Plan;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// So many runs panic in a row before one is careful.
const CRASHES: usize = 3;
/// So many records are taken one by one: more than can be under way, consumed and not committed.
const CAREFUL_RECORDS: u64 = 100_000;
/// The file that names what is taken next has this length: it is written anew for each record, in one call.
const SUSPECT_BYTES: usize = 256;

/// One line of what is remembered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    /// A worker panicked.
    Panic {
        /// Which process of the run.
        process: usize,
        /// What it said.
        said: String,
    },
    /// A run began after that.
    Start {
        /// How many ticks were committed.
        committed: u64,
        /// Whether it took records one by one.
        careful: bool,
    },
}

/// A record, as it is named.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suspect {
    source: u16,
    partition: u16,
    offset: u64,
}

fn log(state: &Path) -> PathBuf {
    state.join("crashes.jsonl")
}

fn suspect(state: &Path) -> PathBuf {
    state.join("suspect")
}

/// Writes down that a worker of this process panicked. There is nobody left to tell if it cannot be written.
pub(super) fn note(state: &Path, process: usize, said: &str) {
    // A text of many lines is one line of JSON; one without an end is cut.
    let line = Line::Panic { process, said: said.chars().take(500).collect() };
    let _ = fs::create_dir_all(state).and_then(|()| append(&log(state), &line));
}

/// How careful a run is to be that starts behind this history.
///
/// # Errors
/// The file that names records cannot be written, with its name.
pub(super) fn caution(state: &Path, plan: &Plan, history: &History) -> Result<Caution, String> {
    let lines = read(&log(state));
    if lines.is_empty() {
        return Ok(Caution::default());
    }
    let committed = history.end();
    let (careful, culprit) =
        judge(&lines, committed, named(&suspect(state)).filter(|place| !history.has(plan, *place)));
    let cannot = |path: &Path, error: &std::io::Error| format!("cannot write {}: {error}", path.display());
    let line = Line::Start { committed, careful };
    append(&log(state), &line).map_err(|error| cannot(&log(state), &error))?;
    if !careful {
        return Ok(Caution::default());
    }
    let path = suspect(state);
    let file = File::create(&path).map_err(|error| cannot(&path, &error))?;
    if let Some(Culprit { place: ((source, partition), offset), detail }) = &culprit {
        let source = &plan.spec.sources[usize::from(*source)].name.value;
        tracing::warn!(source, partition, offset, detail, "a record that makes workers panic is refused");
    } else {
        tracing::warn!(committed, "several runs panicked without a commit: records are taken one by one");
    }
    let witness = move |place: Option<Place>| {
        // What cannot be named cannot be blamed; the run goes on.
        let _ = file.write_all_at(&name(place), 0);
    };
    Ok(Caution::new(Box::new(witness), culprit, CAREFUL_RECORDS))
}

/// Forgets all of it: a run has ended well.
pub(super) fn forget(state: &Path) {
    for path in [log(state), suspect(state)] {
        // Most of the time there is none.
        let _ = fs::remove_file(path);
    }
}

/// Whether to be careful, and whom to blame: the record that was named last and is not committed.
fn judge(lines: &[Line], committed: u64, last: Option<Place>) -> (bool, Option<Culprit>) {
    let start = |line: &Line| match line {
        Line::Start { committed, careful } => Some((*committed, *careful)),
        Line::Panic { .. } => None,
    };
    let starts: Vec<(u64, bool)> = lines.iter().rev().filter_map(start).collect();
    let careful = starts.first().is_some_and(|(_, careful)| *careful);
    // What the last run said first; what came after it may have come of it.
    let panics = lines.rsplit(|line| start(line).is_some()).next().unwrap_or_default();
    let Some(Line::Panic { said, .. }) = panics.first() else { return (careful, None) };
    let culprit = last.filter(|_| careful).map(|place| Culprit { place, detail: said.clone() });
    let in_vain = starts.iter().take_while(|(then, _)| *then == committed).count();
    // The first run of all left no start, only its panic.
    (culprit.is_some() || in_vain + 1 >= CRASHES, culprit)
}

fn name(place: Option<Place>) -> Vec<u8> {
    let suspect = place.map(|((source, partition), offset)| Suspect { source, partition, offset });
    let mut bytes = serde_json::to_vec(&suspect).unwrap_or_default();
    bytes.resize(SUSPECT_BYTES - 1, b' ');
    bytes.push(b'\n');
    bytes
}

fn named(path: &Path) -> Option<Place> {
    let suspect: Option<Suspect> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    suspect.map(|s| ((s.source, s.partition), s.offset))
}

/// What can be read of the lines: what a dying process wrote may be cut short.
fn read(path: &Path) -> Vec<Line> {
    let text = fs::read(path).unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn append(path: &Path, line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    OpenOptions::new().create(true).append(true).open(path)?.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panic(said: &str) -> Line {
        Line::Panic { process: 0, said: said.to_owned() }
    }

    fn start(committed: u64, careful: bool) -> Line {
        Line::Start { committed, careful }
    }

    const PLACE: Place = ((1, 0), 77);

    #[test]
    fn three_panics_without_a_commit_make_a_run_careful() {
        let blamed = |said: &str| Some(Culprit { place: PLACE, detail: said.to_owned() });
        for (lines, committed, last, judged) in [
            (vec![panic("a")], 5, None, (false, None)),
            (vec![panic("a"), start(5, false), panic("a")], 5, None, (false, None)),
            (vec![panic("a"), start(5, false), panic("a"), start(5, false), panic("a")], 5, None, (true, None)),
            // Between them something was committed.
            (vec![panic("a"), start(5, false), panic("a"), start(5, false), panic("a")], 6, None, (false, None)),
            (vec![panic("a"), start(4, false), panic("a"), start(5, false), panic("a")], 5, None, (false, None)),
            // Killed, not panicked.
            (vec![panic("a"), start(5, false), start(5, false), start(5, false)], 5, Some(PLACE), (false, None)),
            (vec![panic("a"), start(5, true)], 7, Some(PLACE), (true, None)),
            // A careful run that panicked, having committed or not.
            (vec![panic("a"), start(5, true), panic("b")], 9, Some(PLACE), (true, blamed("b"))),
            (vec![panic("a"), start(5, true), panic("b")], 5, Some(PLACE), (true, blamed("b"))),
            // What was named last is committed, or no record: it must be something else.
            (vec![panic("a"), start(5, true), panic("b")], 9, None, (false, None)),
            // One that was not careful named nobody; what stands there is old.
            (vec![panic("a"), start(5, true), panic("b"), start(6, false), panic("c")], 6, Some(PLACE), (false, None)),
            (vec![start(5, true), panic("b"), panic("of another process")], 5, Some(PLACE), (true, blamed("b"))),
        ] {
            assert_eq!(judge(&lines, committed, last), judged, "{lines:?} at {committed}, {last:?}");
        }
    }

    #[test]
    fn what_is_written_down_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path();
        assert!(read(&log(state)).is_empty());
        note(state, 1, "index out of bounds:\n the len is 3");
        append(&log(state), &start(9, true)).expect("it is written");
        // A process that dies while it writes.
        fs::write(suspect(state), name(Some(PLACE))).expect("it is written");
        let whole = fs::read(log(state)).expect("it is there");
        fs::write(log(state), [&whole[..], b"{\"panic\":{\"proc"].concat()).expect("it is written");
        let said = "index out of bounds:\n the len is 3".to_owned();
        assert_eq!(read(&log(state)), [Line::Panic { process: 1, said }, start(9, true)]);
        assert_eq!(named(&suspect(state)), Some(PLACE));
        fs::write(suspect(state), name(None)).expect("it is written");
        assert_eq!(named(&suspect(state)), None);
        assert_eq!(name(None).len(), name(Some(((u16::MAX, u16::MAX), u64::MAX))).len());
        forget(state);
        assert!(read(&log(state)).is_empty() && !suspect(state).exists());
    }
}
