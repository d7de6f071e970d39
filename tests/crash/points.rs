//! Runs that die at a named point, each point at several passings, and a record that workers panic on.

use super::asked::long;
use super::files::{Subject, with_versions};
use super::support::field;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use tidemill::fault::{DIE_AT, FILES};

#[test]
fn whatever_a_run_dies_at_is_taken_up_again() {
    let subject = with_versions();
    let long = long();
    // How often the point has been passed before: a first time, once all goes its way, and later.
    let passings: &[u32] = if long { &[1, 2, 3, 7, 20] } else { &[1, 4] };
    let mut died = 0;
    for point in FILES {
        let mut here = 0;
        for passing in passings {
            fs::remove_dir_all(subject.out("killed")).unwrap_or_default();
            let mut first = subject.command("killed", &["-w", "2", "--checkpoint-every", "10 ticks"]);
            let status = first.env(DIE_AT, format!("{point}:{passing}")).status().expect("it starts");
            here += u32::from(status.signal() == Some(9));
            assert!(status.success() || status.signal() == Some(9), "{point}:{passing}: {status}");
            // Once more on the way back, wherever it gets to.
            let mut second = subject.command("killed", &["-w", "1", "--checkpoint-every", "10 ticks"]);
            let status = second.env(DIE_AT, format!("{point}:{passing}")).status().expect("it starts");
            assert!(status.success() || status.signal() == Some(9), "{point}:{passing}, again: {status}");
            assert!(subject.command("killed", &[]).status().expect("it starts").success(), "{point}:{passing}");
            subject.same_as_whole("killed");
        }
        assert!(here > 0, "{point} is passed");
        died += here;
    }
    println!("{died} runs died, of {} points", FILES.len());
}

#[test]
fn ten_deaths_in_a_row_during_replay_change_nothing() {
    let subject = with_versions();
    let status = subject.command("killed", &[]).env(DIE_AT, "progress.synced:4").status().expect("it starts");
    assert_eq!(status.signal(), Some(9));
    let committed = fs::read(subject.out("killed").join("progress.log")).expect("a log");
    for passing in 1..=10 {
        // Versions are told to the registry again, tick by tick, and it dies on the way.
        let workers = if passing % 2 == 0 { "2" } else { "1" };
        let mut command = subject.command("killed", &["--checkpoint-every", "never", "-w", workers]);
        let point = if passing % 3 == 0 { "activation.before:1" } else { "activation.after:1" };
        assert_eq!(command.env(DIE_AT, point).status().expect("it starts").signal(), Some(9));
        let now = fs::read(subject.out("killed").join("progress.log")).expect("a log");
        assert!(now == committed, "nothing is written while it is made again");
    }
    assert!(subject.command("killed", &[]).status().expect("it starts").success());
    subject.same_as_whole("killed");
}

/// A supervised group starts itself again until it knows which record it is, and goes on without it.
#[test]
fn a_record_that_workers_panic_on_is_refused_in_the_end() {
    let sea = Subject::new("sea", "2024-01-02", &[]);
    for shape in [&["-n", "2"][..], &["-n", "2", "-w", "2"]] {
        fs::remove_dir_all(sea.out("poisoned")).unwrap_or_default();
        let mut command = sea.command("poisoned", shape);
        let output = command.env(DIE_AT, "events/0:700").stderr(Stdio::piped()).output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert!(told.contains("records are taken one by one") && told.contains("offset=700"), "{told}");
        let read = |name: &str| fs::read_to_string(sea.out("poisoned").join(name)).expect("it is there");
        let letters: Vec<String> = read("dead_letters.jsonl").lines().map(str::to_owned).collect();
        let poison: Vec<&String> = letters.iter().filter(|line| field(line, "reason") == "poison").collect();
        assert_eq!(poison.len(), 1, "{letters:?}");
        assert_eq!(field(poison[0], "offset"), 700);
        assert!(poison[0].contains("a record that TIDEMILL_DIE_AT names"), "{poison:?}");
        let whole = fs::read_to_string(sea.out("whole").join("predictions.jsonl")).expect("it is there");
        let champions = |text: &str| text.lines().filter(|line| line.contains("\"champion\"")).count();
        assert_eq!(champions(&read("predictions.jsonl")) + 1, champions(&whole), "all others are predicted");
        assert!(!sea.out("poisoned").join("state/crashes.jsonl").exists(), "it ended well, and forgets");
        // Nothing of it is special to whoever makes it again.
        let mut again = super::support::tidemill();
        again.arg("verify").arg(&sea.file).arg("--out").arg(sea.out("poisoned")).arg("--quiet");
        assert!(again.status().expect("it starts").success());
    }
}
