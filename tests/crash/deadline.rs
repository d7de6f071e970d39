//! Deadlines of trainings: the clock is asked once, and what it said is taken from progress ever after.

use super::files::{REPLAY, Subject};
use super::support::tidemill;
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use tidemill::fault::HOLD_AT;

/// The first training is held up for far longer than its deadline; no other comes near it.
const HELD: &str = "training.begun:1:6000";

fn sea() -> Subject {
    let deadline = ("[model.concept.train]\n", "[model.concept.train]\ndeadline = \"3s\"\n");
    Subject::new("sea", "2024-01-07", &[deadline])
}

fn held(mut command: Command) -> Command {
    command.env(HOLD_AT, HELD);
    command
}

fn ends(mut command: Command) {
    let output = command.stderr(Stdio::piped()).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// How trainings ended, and what progress records say of the clock.
fn ended(subject: &Subject, out: &str) -> (Vec<String>, Vec<bool>) {
    let lines = |name: &str| {
        let text = fs::read_to_string(subject.out(out).join(name)).expect("it is there");
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("it is JSON")).collect::<Vec<_>>()
    };
    let word = |line: &Value| line["reason"].as_str().or(line["verdict"].as_str()).map(str::to_owned);
    let words = lines("decisions.jsonl").iter().filter(|line| line["kind"] == "release").filter_map(word).collect();
    let missed = |line: &Value| line["activation"]["deadline"]["missed"].as_bool();
    (words, lines("progress.log").iter().filter_map(missed).collect())
}

fn verified(subject: &Subject, out: &str, hold: bool) {
    let mut command = tidemill();
    command.arg("verify").arg(&subject.file).arg("--out").arg(subject.out(out)).arg("--quiet");
    ends(if hold { held(command) } else { command });
}

#[test]
fn what_the_clock_said_of_a_training_is_said_once() {
    let sea = sea();
    let (words, missed) = ended(&sea, "whole");
    assert!(missed.len() > 1 && missed.iter().all(|missed| !missed), "all are in time: {missed:?}");
    assert!(words.iter().all(|word| word != "it missed its deadline"), "{words:?}");

    ends(held(sea.command("late", &REPLAY)));
    let (words, missed) = ended(&sea, "late");
    assert!(missed[0] && missed.iter().filter(|missed| **missed).count() == 1, "{missed:?}");
    assert_eq!(words[0], "it missed its deadline");
    // What is made again is not measured: neither what is fast now, nor what is slow.
    verified(&sea, "late", false);
    verified(&sea, "whole", true);

    // Killed once that is committed, and taken up from the start, or from a checkpoint that has the training under way.
    for (out, words) in [("replayed", REPLAY), ("restored", ["--checkpoint-every", "2 ticks"])] {
        let mut run = held(sea.command(out, &words)).spawn().expect("it starts");
        let log = sea.out(out).join("progress.log");
        let said =
            || fs::read_to_string(&log).unwrap_or_default().lines().position(|line| line.contains("\"missed\":true"));
        let (_keep, never) = channel::<()>();
        let effect = loop {
            let _ = never.recv_timeout(Duration::from_millis(2));
            if let Some(tick) = said() {
                break tick;
            }
            assert!(run.try_wait().expect("it can be asked").is_none(), "it ended before it was killed");
        };
        run.kill().expect("it runs");
        run.wait().expect("it is dead");
        if out == "restored" {
            let folder = sea.out(out).join("state/checkpoints");
            let all = fs::read_dir(&folder).expect("it is there").flatten();
            let tick = |name: &str| name.split('-').next().and_then(|tick| tick.parse::<usize>().ok()).expect("a tick");
            let (before, behind): (Vec<_>, Vec<_>) =
                all.map(|entry| entry.file_name().into_string().expect("digits")).partition(|name| tick(name) < effect);
            behind.iter().for_each(|name| fs::remove_dir_all(folder.join(name)).expect("it is there"));
            println!("the effect is tick {effect}, the checkpoints before it are {before:?}");
            assert!(!before.is_empty(), "one has the training under way");
        }
        ends(sea.command(out, &words));
        assert!(sea.left(out) == sea.left("late"), "{out} is as the run that was not killed");
    }
}
