//! `tidemill verify`: a run that is as it was, and what somebody has changed since.

use super::files::Subject;
use super::support::{chained, field, tidemill};
use std::fs;
use std::process::Stdio;

/// Makes all ticks of a run again: its exit code, and what it told.
pub fn verify(subject: &Subject, out: &str, words: &[&str]) -> (i32, String) {
    let mut command = tidemill();
    command.arg("verify").arg(&subject.file).arg("--out").arg(subject.out(out)).arg("--quiet").args(words);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("it starts");
    let told = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ended"), String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn what_was_changed_since_is_named() {
    let sea = Subject::new("sea", "2024-01-03", &[]);
    let whole = sea.left("whole");
    let lines: Vec<String> = String::from_utf8_lossy(&whole["progress.log"]).lines().map(str::to_owned).collect();
    for workers in ["1", "3"] {
        let (code, told) = verify(&sea, "whole", &["-w", workers]);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains(&format!("sea: {} ticks", lines.len())) && told.contains("are the same"), "{told}");
    }

    let change = |name: &str, bytes: &[u8], code: i32, says: &str| {
        let path = sea.out("whole").join(name);
        let before = fs::read(&path).expect("it is there");
        fs::write(&path, bytes).expect("it is written");
        let (found, told) = verify(&sea, "whole", &[]);
        assert!(found == code && told.contains(says), "{name}: {found} {told}");
        assert!(fs::read(&path).expect("it is there") == bytes, "nothing is written");
        fs::write(&path, before).expect("it is written");
    };
    // One digit of one prediction; a whole line of metrics taken out, and put in.
    let mut predictions = whole["predictions.jsonl"].clone();
    let at = predictions.iter().rposition(u8::is_ascii_digit).expect("a digit");
    predictions[at] = if predictions[at] == b'1' { b'2' } else { b'1' };
    let last = predictions.split(|byte| *byte == b'\n').count() - 1;
    change("predictions.jsonl", &predictions, 1, &format!("predictions.jsonl is damaged: record {last}, of tick"));
    let metrics = &whole["metrics.jsonl"];
    let first = metrics.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    change("metrics.jsonl", &metrics[first..], 1, "metrics.jsonl is damaged: record 1, of tick");
    let doubled = [&metrics[..first], metrics].concat();
    change("metrics.jsonl", &doubled, 1, "metrics.jsonl is damaged: record 2, of tick");
    // Without its end: some records fewer than committed.
    change("predictions.jsonl", &whole["predictions.jsonl"][..1000], 1, "is not what is made again");
    // A version, what is said of it, and the log.
    for name in ["registry/concept/v1.json", "registry/concept/v1.card.json"] {
        let mut other = whole[name].clone();
        *other.last_mut().expect("it is not empty") = b' ';
        change(name, &other, 1, "is there with other content");
    }
    change("registry/concept/log.jsonl", b"", 1, "log.jsonl is malformed: line 1 is missing");
    // A record that was forged with all its links, and one that was not.
    let digest = field(&lines[3], "outputs");
    let mut forged = lines.clone();
    forged[3] = lines[3].replace(digest.as_str().expect("a digest"), &"0".repeat(64));
    let text = |lines: &[String]| (lines.join("\n") + "\n").into_bytes();
    change("progress.log", &text(&chained(&forged)), 4, "tick 3 comes out with other outputs");
    change("progress.log", &text(&forged), 1, "progress.log, line 4");
    // A part of the ticks is as good as all of them: a run may have been killed there, with more behind.
    change("progress.log", &text(&lines[..7]), 0, "sea: 7 ticks");

    // An input that lost records, and no run at all.
    let events = sea.folder.path().join("datasets/sea/events.jsonl");
    let input = fs::read_to_string(&events).expect("the events");
    fs::write(&events, input.lines().take(1000).map(|line| format!("{line}\n")).collect::<String>()).expect("a file");
    let (code, told) = verify(&sea, "whole", &[]);
    assert!(code == 6 && told.contains("`events/0`"), "{code} {told}");
    fs::write(&events, input).expect("it is written");
    fs::remove_dir_all(sea.out("whole")).expect("it is there");
    let (code, told) = verify(&sea, "whole", &[]);
    assert!(code == 2 && told.contains("holds no committed run"), "{code} {told}");
}
