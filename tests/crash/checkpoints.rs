//! Runs that save while they go on, and runs that go on from any of their checkpoints with other workers.

use super::dice::Dice;
use super::replay::{Outcome, Saving, lines, run_with, well};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tidemill::flow::caution::Caution;
use tidemill::flow::failure::Failure;
use tidemill::flow::saving::Cadence;
use tidemill::state::checkpoint::{Checkpoints, Found, Name};
use tidemill::state::disk::{Disk, Output, RealDisk};

/// Keeps every checkpoint, however old, and does not wait for a disk.
#[derive(Debug)]
struct Hoarder;

struct Unsynced(Box<dyn Output>);

impl Write for Unsynced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for Unsynced {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.cut(length)
    }
}

impl Disk for Hoarder {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        RealDisk.create(path).map(|file| Box::new(Unsynced(file)) as Box<dyn Output>)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        RealDisk.append(path)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        RealDisk.length(path)
    }

    fn read(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        RealDisk.read(path, from, length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.make_folder(path)
    }

    fn remove_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(path)
    }
}

/// The state of a run: its registry, and its checkpoints, all of which are kept.
struct State(TempDir);

impl State {
    fn new() -> State {
        State(tempfile::tempdir().expect("a folder"))
    }

    /// What a run would find that was stopped behind a checkpoint: that one, and a registry that may know more.
    fn behind(&self, tick: u64) -> State {
        let copy = State::new();
        let Name { tick, attempt } = self.found(tick).name();
        let name = format!("{tick:020}-{attempt}");
        for part in ["registry/m".to_owned(), format!("checkpoints/{name}")] {
            let (from, to) = (self.0.path().join(&part), copy.0.path().join(&part));
            std::fs::create_dir_all(&to).expect("a folder");
            for file in std::fs::read_dir(from).expect("it is there") {
                let file = file.expect("it is there");
                std::fs::copy(file.path(), to.join(file.file_name())).expect("it is copied");
            }
        }
        copy
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::open(Arc::new(Hoarder), &self.0.path().join("checkpoints")).expect("a folder")
    }

    fn found(&self, tick: u64) -> Found {
        self.checkpoints().load(tick, |_| Ok(())).expect("it can be read").expect("it is there")
    }

    fn ticks(&self) -> Vec<u64> {
        self.checkpoints().ticks().expect("the folder is there")
    }

    /// Runs behind the history, saving after so many ticks, from a checkpoint if one is named.
    fn run(
        &self,
        lines: &[Vec<String>],
        history: &[String],
        (from, ticks): (Option<u64>, u64),
        ways: (bool, u64, usize),
    ) -> Outcome {
        let saving = Saving {
            checkpoints: Some(self.checkpoints()),
            cadence: Some(Cadence::Ticks(ticks)),
            restore: from.map(|tick| self.found(tick)),
            folder: Some(self.0.path().to_owned()),
        };
        let (outcome, panic) = run_with(lines, history, ways, (Caution::default(), None), saving);
        assert_eq!(panic, None);
        outcome
    }

    fn well(
        &self,
        lines: &[Vec<String>],
        history: &[String],
        times: (Option<u64>, u64),
        ways: (bool, u64, usize),
    ) -> Outcome {
        let outcome = self.run(lines, history, times, ways);
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        outcome
    }
}

fn same(found: &Outcome, whole: &Outcome, behind: usize, told: &str) {
    assert_eq!(found.progress(), whole.progress()[behind..], "{told}");
    for (tick, same) in found.written.iter().zip(&whole.written[behind..]) {
        assert_eq!((tick.tick, tick.time, &tick.pages), (same.tick, same.time, &same.pages), "{told}");
    }
}

#[test]
fn a_run_goes_on_from_any_checkpoint_as_if_it_had_never_stopped() {
    let mut dice = Dice::new("a_run_goes_on_from_any_checkpoint");
    let lines = lines(1500);
    let whole = well(&lines, &[], false, 1, 1);
    let progress = whole.progress();
    let last = progress.len() as u64 - 1;
    let mut taken_up = 0;
    for threads in [1, 2, 3] {
        let state = State::new();
        let saved = state.well(&lines, &[], (None, 1), (false, 2, threads));
        same(&saved, &whole, 0, "saving changes nothing");
        let ticks = state.ticks();
        assert_eq!(ticks.last(), Some(&last), "the end is saved, so nothing is made again behind it");
        for tick in ticks {
            // Behind it or further on, by any number of workers.
            let behind = (tick + 1 + dice.below(5)).min(last + 1) as usize;
            let others = 1 + dice.below(4) as usize;
            let told = format!("from {tick} of {threads} workers, by {others}, {behind} ticks committed");
            let rest = state.behind(tick).well(&lines, &progress[..behind], (Some(tick), 1000), (false, tick, others));
            same(&rest, &whole, behind, &told);
            taken_up += 1;
        }
    }
    assert!(taken_up > 40, "{taken_up}");
}

#[test]
fn a_live_run_goes_on_from_its_checkpoints_with_the_cuts_it_had() {
    let mut dice = Dice::new("a_live_run_goes_on_from_its_checkpoints");
    let lines = lines(1500);
    for _ in 0..4 {
        let state = State::new();
        let whole = state.well(&lines, &[], (None, 1), (true, dice.below(1000), 1)).progress();
        for tick in state.ticks() {
            let rest = state.behind(tick).well(&lines, &whole, (Some(tick), 1000), (true, dice.below(1000), 2));
            assert_eq!(rest.written.len(), 0, "from {tick}: all of it was committed, and came out the same");
        }
    }
}

#[test]
fn a_checkpoint_that_changed_since_it_was_found_ends_the_run() {
    let lines = lines(300);
    let state = State::new();
    let progress = state.well(&lines, &[], (None, 5), (false, 1, 2)).progress();
    let tick = state.ticks()[1];
    for part in ["part-0", "part-1"] {
        let state = state.behind(tick);
        let found = state.found(tick);
        let Name { tick, attempt } = found.name();
        let path = state.0.path().join("checkpoints").join(format!("{tick:020}-{attempt}")).join(part);
        let mut bytes = std::fs::read(&path).expect("it is there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).expect("it can be written");
        let folder = Some(state.0.path().to_owned());
        let saving = Saving { checkpoints: Some(state.checkpoints()), cadence: None, restore: Some(found), folder };
        let committed = &progress[..tick as usize + 1];
        let (outcome, panic) = run_with(&lines, committed, (false, 1, 2), (Caution::default(), None), saving);
        assert_eq!(panic, None);
        assert!(outcome.written.is_empty());
        assert!(matches!(&outcome.failures[..], [Failure::Checkpoint(_), ..]), "{:?}", outcome.failures);
    }
}
