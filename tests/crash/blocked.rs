//! A sink that does not answer for a while, and a limit of memory: what waits, waits where it is.

use super::asked::long;
use super::dice::Dice;
use super::files::Subject;
use super::stream::streams;
use std::fs;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tidemill::fault::HOLD_AT;

/// What a process holds, in KiB.
fn resident(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system tells");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// The long form holds for two minutes.
#[test]
fn while_the_sink_is_blocked_sources_wait_and_memory_stays() {
    let long = long();
    let (events, hold) = if long { (2_000_000, 120_000) } else { (150_000, 8_000) };
    let subject = Subject::generated(&streams(events, &mut Dice::of(3)));
    for workers in ["1", "2"] {
        let mut command = subject.command("blocked", &["-w", workers, "--checkpoint-every", "never"]);
        let mut run = command.env(HOLD_AT, format!("lines.before:12:{hold}")).spawn().expect("it starts");
        let (_keep, never) = channel::<()>();
        let log = subject.out("blocked").join("progress.log");
        let length = || fs::metadata(&log).map_or(0, |found| found.len());
        let looked = Duration::from_millis(250);
        // It is blocked when nothing was committed for two seconds; it is not any more when something is.
        let (mut last, mut since, mut sizes) = (0, Instant::now(), Vec::new());
        loop {
            let _ = never.recv_timeout(looked);
            if run.try_wait().expect("it can be asked").is_some() {
                break;
            }
            let now = length();
            if now != last {
                if !sizes.is_empty() {
                    break;
                }
                (last, since) = (now, Instant::now());
            } else if now > 0 && since.elapsed() > Duration::from_secs(2) {
                sizes.push(resident(run.id()));
            }
        }
        assert!(run.wait().expect("it ends").success());
        let blocked = looked * sizes.len() as u32;
        assert!(blocked > Duration::from_millis(hold / 2), "it was blocked for {blocked:?} only");
        let (first, most) = (sizes[0], *sizes.iter().max().expect("there are some"));
        println!("-w {workers}: {first} KiB at first, {most} KiB at most in {blocked:?}");
        assert!(most * 100 <= first * 102, "{first} KiB at first, {most} KiB at most");
        subject.same_as_whole("blocked");
        fs::remove_dir_all(subject.out("blocked")).expect("it is there");
    }
}

#[test]
fn a_run_that_would_hold_too_much_stops_behind_a_tick_and_goes_on_with_more() {
    let subject = Subject::generated(&streams(150_000, &mut Dice::of(4)));
    let told = |words: &[&str], code: i32| {
        let output = subject.command("limited", words).stderr(Stdio::piped()).output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        told
    };
    // It must cover what queues may hold.
    let refused = told(&["--memory-limit", "20MiB"], 2);
    assert!(refused.contains("--memory-limit is 20 MiB") && refused.contains("2 partitions of"), "{refused}");
    assert!(!subject.out("limited").join("progress.log").exists(), "nothing is begun");
    let stopped = told(&["--memory-limit", "85MiB"], 1);
    assert!(stopped.contains("allowed are 85 MiB (--memory-limit)"), "{stopped}");
    let committed = fs::read_to_string(subject.out("limited").join("progress.log")).expect("a log").lines().count();
    assert!(committed > 0);
    told(&["--memory-limit", "4GiB", "-w", "2"], 0);
    subject.same_as_whole("limited");
    assert_eq!(told(&["-n", "2", "--memory-limit", "4GiB"], 0), "");
}
