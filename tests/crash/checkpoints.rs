//! Runs that save while they go on, and runs that go on from any of their checkpoints with other workers.

use super::asked::long;
use super::dice::Dice;
use super::files::Subject;
use super::replay::{MODELS, Outcome, Saving, lines, run_with, well};
use super::support::tidemill;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
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
        let registries = MODELS.iter().map(|model| format!("registry/{model}"));
        for part in registries.chain([format!("checkpoints/{name}")]) {
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
    for (threads, ticks) in [(1, 1), (1, 7), (1, 19), (2, 1), (2, 11), (3, 1), (3, 17)] {
        let state = State::new();
        let saved = state.well(&lines, &[], (None, ticks), (false, 2, threads));
        same(&saved, &whole, 0, "saving changes nothing");
        let ticks = state.ticks();
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
    let lines = lines(1500);
    let state = State::new();
    let progress = state.well(&lines, &[], (None, 5), (false, 1, 2)).progress();
    // How many there are is a matter of speed: one is saved while nothing else is being saved.
    let tick = *state.ticks().first().expect("a checkpoint");
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

/// Whatever is damaged, a run goes on from what is left, or makes all again.
#[test]
fn no_damage_of_checkpoints_shows_in_the_outputs() {
    let mut dice = Dice::new("no_damage_of_checkpoints");
    let long = long();
    let sea = Subject::new("sea", "2024-01-06", &[]);
    let saved = sea.command("saved", &["--checkpoint-every", "5 ticks", "-w", "2"]).status().expect("it starts");
    assert!(saved.success());
    sea.same_as_whole("saved");
    let names = |out: &str| -> Vec<PathBuf> {
        let folder = sea.out(out).join("state/checkpoints");
        let mut names: Vec<PathBuf> = fs::read_dir(folder).expect("it is there").flatten().map(|e| e.path()).collect();
        names.sort();
        names
    };
    assert!((2..=3).contains(&names("saved").len()), "three are kept, if there were so many");
    // A run that would not end is stopped in the middle: its log is cut, and it goes on from the last one before that.
    let log = fs::read_to_string(sea.out("saved").join("progress.log")).expect("a log");
    let mut passed_over = 0;
    for case in 0..if long { 1000 } else { 25 } {
        copy(&sea.out("saved"), &sea.out("damaged"));
        let newest = names("damaged").pop().expect("there are some");
        let tick: usize =
            newest.file_name().and_then(|name| name.to_str()?.split('-').next()?.parse().ok()).expect("one");
        // Behind it or ahead of it: a log that was cut off has ticks made again that are no longer committed.
        let kept = (tick + 1 - usize::from(dice.below(5) == 0)).min(log.lines().count());
        let lines: String = log.lines().take(kept).map(|line| format!("{line}\n")).collect();
        fs::write(sea.out("damaged").join("progress.log"), lines).expect("it is written");
        let all = dice.below(4) == 0;
        for checkpoint in if all { names("damaged") } else { vec![newest] } {
            damage(&checkpoint, &mut dice);
        }
        let shape = ["-w", ["1", "2", "3"][dice.below(3) as usize]];
        let mut command = sea.command("damaged", &shape);
        let output = command.stderr(Stdio::piped()).output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "case {case}: {told}");
        passed_over += u32::from(told.contains("passed over") || told.contains("from the beginning"));
        sea.same_as_whole("damaged");
        fs::remove_dir_all(sea.out("damaged")).expect("it is there");
    }
    println!("{passed_over} times a checkpoint was passed over");
    assert!(passed_over > 3);
}

/// Turns a bit, cuts a file off, takes one away, or gives one the bytes of another.
fn damage(checkpoint: &Path, dice: &mut Dice) {
    let mut files: Vec<PathBuf> = fs::read_dir(checkpoint).expect("it is there").flatten().map(|e| e.path()).collect();
    files.sort();
    let file = &files[dice.below(files.len() as u64) as usize];
    let mut bytes = fs::read(file).expect("it is there");
    match dice.below(4) {
        0 => fs::remove_file(file).expect("it is there"),
        1 => {
            bytes.truncate(dice.below(bytes.len() as u64) as usize);
            fs::write(file, bytes).expect("it is written");
        }
        2 => {
            fs::copy(&files[0], file).expect("it is there");
            fs::write(&files[0], bytes).expect("it is written");
        }
        _ => {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << dice.below(8);
            fs::write(file, bytes).expect("it is written");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("it is there");
        }
    }
}

#[test]
fn a_run_that_was_saved_needs_only_the_input_behind_it() {
    let sea = Subject::new("sea", "2024-01-02", &[]);
    let told = |words: &[&str], code: i32| {
        let mut command = tidemill();
        command.arg("run").arg(&sea.file).arg("--out").arg(sea.out("saved")).args(words);
        let output = command.stderr(Stdio::piped()).output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        told
    };
    told(&["--checkpoint-every", "10 ticks"], 0);
    let left = sea.left("saved");
    for shape in [&["-w", "2"][..], &["-n", "2", "-w", "2"]] {
        let told = told(shape, 0);
        assert!(told.contains("the last") && told.contains("made again and compared"), "{told}");
    }
    assert!(sea.left("saved") == left, "there was nothing to do");
    assert!(told(&["--checkpoint-every", "never"], 0).contains("they are made again and compared"));
    // Its input is passed over without a look, but it must be there.
    let events = sea.folder.path().join("datasets/sea/events.jsonl");
    let text = fs::read_to_string(&events).expect("the events");
    fs::write(&events, text.replacen("2024-01-01", "2024-01-09", 1)).expect("it is written");
    told(&[], 0);
    let (kept, _) = text.trim_end().rsplit_once('\n').expect("several events");
    fs::write(&events, format!("{kept}\n")).expect("it is written");
    let error = told(&[], 6);
    assert!(error.contains("the input is no longer there") && error.contains("ends at"), "{error}");
    let more = r#"{"id":"new","at":"2024-01-03T00:00:00Z","x0":1,"x1":1,"x2":1}"#;
    fs::write(&events, format!("{text}{more}\n")).expect("it is written");
    assert!(told(&[], 2).contains("the run has ended"));
    fs::write(&events, &text).expect("it is written");
    assert!(sea.left("saved") == left);
    // Started over, nothing is left of what was saved.
    assert!(!told(&["--fresh"], 0).contains("resumes"));
    sea.same_as_whole("saved");
}
