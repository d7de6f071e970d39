//! Bad input, through the program: a dead letter or a clear error, nothing lost, nobody down.

use super::support::{Ended, Run, Small, gzip, program, text, tidemill};
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;

const PIPELINE: &str = r#"
[pipeline]
name = "small"
every = "1h"
[source.events]
kind = "events"
key = "id"
time = "at"
schema = { id = "text", at = "timestamp", x = "float", color = "text?" }
[source.labels]
kind = "labels"
key = "id"
time = "at"
label = "y"
timeout = "2h"
schema = { id = "text", at = "timestamp", y = "bool?" }
[features]
x = "x"
color = { one_hot = "color", values = ["red", "blue"] }
[model.m]
task = "binary"
learner = { kind = "logistic", learning_rate = 0.1 }
"#;

/// `n` good events from nine o'clock on, one a minute.
fn good(from: usize, n: usize) -> Vec<u8> {
    let event =
        |n: usize| format!("{{\"id\":\"e{n}\",\"at\":\"2024-01-01T09:{n:02}:00Z\",\"x\":{n}.5,\"color\":\"red\"}}\n");
    (from..from + n).map(event).collect::<String>().into_bytes()
}

fn label(id: &str, minute: usize) -> Vec<u8> {
    format!("{{\"id\":\"{id}\",\"at\":\"2024-01-01T10:{minute:02}:00Z\",\"y\":true}}\n").into_bytes()
}

/// Ten good events, what is in between, and ten more.
fn around(bad: &[u8]) -> Vec<u8> {
    [&good(0, 10)[..], bad, &good(10, 10)].concat()
}

fn small(name: &str, pipeline: &str, events: &[u8], labels: &[u8]) -> Small {
    Small::new(&format!("bad_{name}"), pipeline, &[("events.jsonl", events), ("labels.jsonl", labels)])
}

fn dead(run: &Run) -> Vec<Value> {
    run.records("dead_letters")
}

/// Exactly this one record is refused, for this reason and whole, and the 20 others are scored.
fn refused(name: &str, pipeline: &str, bad: &[u8], reason: &str) -> Value {
    let line = [bad, b"\n"].concat();
    let run = small(name, pipeline, &around(&line), b"").run("out", &[]);
    let mut dead = dead(&run);
    assert_eq!(dead.len(), 1, "{name}: {dead:?}");
    let dead = dead.remove(0);
    assert_eq!((text(&dead, "reason"), text(&dead, "source")), (reason, "events"), "{name}: {dead}");
    assert_eq!(dead["offset"], 10, "{name}: {dead}");
    match std::str::from_utf8(bad) {
        Ok(bad) => assert_eq!(text(&dead, "value"), bad, "{name}"),
        Err(_) => {
            let hex: String = bad.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text(&dead, "value_hex"), hex, "{name}");
        }
    }
    assert_eq!(run.records("predictions").len(), 20, "{name}");
    let summary = run.summary();
    assert_eq!((&summary["events"], &summary["dead_letters"]), (&20.into(), &1.into()), "{name}");
    assert_eq!((&summary["balance"]["holds"], &summary["reasons"][reason]), (&true.into(), &1.into()), "{name}");
    assert_eq!(text(&summary["pipeline_time"], "to"), "2024-01-01T09:19:00Z", "{name}");
    dead
}

#[test]
fn records_that_are_wrong_become_dead_letters() {
    for (name, bad, reason) in [
        ("cut_short", &br#"{"id":"b","at":"2024-01-01T09:09:30Z","x":1"#[..], "malformed"),
        ("no_json", b"hello", "malformed"),
        ("twice_an_object", br#"{"id":"b"} {"id":"c"}"#, "malformed"),
        ("an_array", br#"["b"]"#, "malformed"),
        ("text_for_a_number", br#"{"id":"b","at":"2024-01-01T09:09:30Z","x":"1"}"#, "wrong_type"),
        ("number_for_a_text", br#"{"id":7,"at":"2024-01-01T09:09:30Z","x":1}"#, "wrong_type"),
        ("no_time", br#"{"id":"b","at":"noon","x":1}"#, "wrong_type"),
        ("an_impossible_date", br#"{"id":"b","at":"2024-02-30T00:00:00Z","x":1}"#, "wrong_type"),
        ("nan", br#"{"id":"b","at":"2024-01-01T09:09:30Z","x":NaN}"#, "malformed"),
        ("an_infinity", br#"{"id":"b","at":"2024-01-01T09:09:30Z","x":1e999}"#, "not_finite"),
        ("a_missing_field", br#"{"id":"b","at":"2024-01-01T09:09:30Z"}"#, "missing_field"),
        ("a_null_key", br#"{"id":null,"at":"2024-01-01T09:09:30Z","x":1}"#, "missing_field"),
        ("invalid_utf8", b"{\"id\":\"\xff\xfe\",\"at\":\"2024-01-01T09:09:30Z\",\"x\":1}", "invalid_utf8"),
        ("the_year_2262", br#"{"id":"b","at":"2262-04-11T23:47:16Z","x":1}"#, "time_out_of_range"),
        ("the_year_1969", br#"{"id":"b","at":"1969-12-31T23:59:59Z","x":1}"#, "time_out_of_range"),
        ("next_year", br#"{"id":"b","at":"2025-01-01T00:00:00Z","x":1}"#, "time_ahead"),
        ("a_known_id", br#"{"id":"e3","at":"2024-01-01T09:09:30Z","x":1}"#, "duplicate"),
    ] {
        refused(name, PIPELINE, bad, reason);
    }
}

/// What a source's `check` finds false is refused, null passes, and a tombstone has nothing to be judged by. No number
/// of workers and no replay says otherwise.
#[test]
fn records_that_fail_a_check_become_dead_letters() {
    let checks = "check = [\"x >= 0\", \"color <> 'black' and x < 1000\"]";
    let checked = PIPELINE.replacen("key = \"id\"", &format!("key = \"id\"\n{checks}"), 1);
    for (name, bad, says) in [
        ("negative", r#"{"id":"b","at":"2024-01-01T09:09:30Z","x":-1.5}"#, "check `x >= 0` is false: x = -1.5"),
        (
            "black",
            r#"{"id":"b","at":"2024-01-01T09:09:30Z","x":1,"color":"black"}"#,
            "check `color <> 'black' and x < 1000` is false: x = 1, color = \"black\"",
        ),
        // It moves no pipeline time, either, as `refused` sees.
        ("next_year_too", r#"{"id":"b","at":"2025-01-01T00:00:00Z","x":-1}"#, "check `x >= 0` is false: x = -1"),
    ] {
        let letter = refused(&format!("check_{name}"), &checked, bad.as_bytes(), "check_failed");
        assert_eq!((text(&letter, "stage"), text(&letter, "detail")), ("check", says), "{name}");
    }
    // Without a color the second is null.
    let bare = b"{\"id\":\"b\",\"at\":\"2024-01-01T09:09:30Z\",\"x\":1}\n";
    let run = small("check_null", &checked, &around(bare), b"").run("out", &[]);
    assert_eq!((run.records("predictions").len(), dead(&run).len()), (21, 0));

    // Labels: a false one is refused, a withdrawal is not judged.
    let checked = PIPELINE.replacen("label = \"y\"", "label = \"y\"\ncheck = \"y\"", 1);
    let withdrawn = b"{\"id\":\"e1\",\"at\":\"2024-01-01T10:30:00Z\",\"_deleted\":true}\n";
    let wrong = String::from_utf8(label("e2", 5)).expect("it is a text").replace("true", "false");
    let labels = [&label("e1", 1)[..], wrong.as_bytes(), withdrawn].concat();
    let small = small("check_labels", &checked, &good(0, 20), &labels);
    let run = small.run("out", &[]);
    let letters: Vec<(u64, String)> =
        dead(&run).iter().map(|d| (d["offset"].as_u64().unwrap_or(99), text(d, "detail").to_string())).collect();
    assert_eq!(letters, [(1, "check `y` is false: y = false".to_string())]);
    assert_eq!(run.progress().last().expect("a tick")["balance"]["withdrawn"], 1);
    for (out, options) in [("again", &["-w", "1"][..]), ("four", &["-w", "4"]), ("two", &["-n", "2", "-w", "2"])] {
        let other = small.run(out, options);
        for stream in ["dead_letters", "predictions", "metrics"] {
            assert_eq!(run.records(stream), other.records(stream), "{stream} of {out}");
        }
    }
}

/// In CSV, which has words for what is no number, and a header.
#[test]
fn nan_in_csv_is_a_dead_letter_and_a_missing_column_an_error() {
    let row = |n: usize, x: &str| format!("e{n},2024-01-01T09:{n:02}:00Z,{x},red\n");
    let rows: String = (0..6).map(|n| row(n, ["1.5", "NaN", "inf", "", "2", "x"][n])).collect();
    let pipeline = PIPELINE.to_string();
    let small = Small::new("bad_csv", &pipeline, &[("labels.jsonl", b"")]);
    small.write("events.csv", format!("id,at,x,color\n{rows}e9,2024-01-01T10:00:00Z\n").as_bytes());
    let run = small.run("out", &[]);
    let reasons: Vec<String> = dead(&run).iter().map(|d| text(d, "reason").to_string()).collect();
    assert_eq!(reasons, ["not_finite", "not_finite", "missing_field", "wrong_type", "malformed"]);
    assert_eq!(run.records("predictions").len(), 2);

    small.write("events.csv", b"id,at,color\ne1,2024-01-01T09:00:00Z,red\n");
    let (ended, run) = small.try_run("headless", &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    says(&ended, &["events", "`x`", "events.csv", "id,at,color"]);
    assert!(!run.out.join("predictions.jsonl").exists(), "nothing was begun");
}

#[test]
fn unknown_fields_are_ignored_unless_refused() {
    let extra = br#"{"id":"b","at":"2024-01-01T09:09:30Z","x":1,"color":"blue","shape":"round","deep":{"a":[1]}}"#;
    let run = small("ignored", PIPELINE, &around(&[&extra[..], b"\n"].concat()), b"").run("out", &[]);
    assert_eq!((run.records("predictions").len(), dead(&run).len()), (21, 0));
    let strict = PIPELINE.replacen("kind = \"events\"", "kind = \"events\"\nunknown_fields = \"refuse\"", 1);
    let letter = refused("refused", &strict, extra, "unknown_field");
    assert!(text(&letter, "detail").contains("shape"), "{letter}");
}

/// The long line comes through a pipe that is held open until the program has read all of it, so that its peak is
/// known.
#[test]
fn a_line_of_100_mb_is_one_dead_letter_and_not_held() {
    const BYTES: usize = 100_000_000;
    let small = small("long", PIPELINE, b"", b"");
    let out = small.folder.join("out");
    let mut child = program()
        .args(["run".as_ref(), small.file.as_os_str(), "--out".as_ref(), out.as_os_str(), "--quiet".as_ref()])
        .args(["--input", "events=-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut pipe = child.stdin.take().expect("its input");
    pipe.write_all(&good(0, 10)).expect("it reads");
    let megabyte = vec![b'x'; 1_000_000];
    for _ in 0..BYTES / megabyte.len() {
        pipe.write_all(&megabyte).expect("it reads");
    }
    pipe.write_all(b"\n").and_then(|()| pipe.write_all(&good(10, 10))).expect("it reads");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    drop(pipe);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    // Linux says "VmHWM:  12345 kB"; elsewhere nothing is said.
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|kb| kb.split_whitespace().next());
    if let Some(peak) = peak.and_then(|kb| kb.parse::<usize>().ok()) {
        assert!(peak < 200_000, "{peak} kB were held");
    }
    let run = Run { out };
    let dead = dead(&run);
    assert_eq!(dead.len(), 1);
    assert_eq!((text(&dead[0], "reason"), dead[0]["offset"].as_u64()), ("too_long", Some(10)));
    assert!(text(&dead[0], "detail").contains(&BYTES.to_string()), "{}", text(&dead[0], "detail"));
    assert!(text(&dead[0], "value").len() <= 1 << 20);
    assert_eq!(run.records("predictions").len(), 20);
}

#[test]
fn a_gzip_cut_short_gives_what_was_whole() {
    let small = Small::new("bad_gzip", PIPELINE, &[("labels.jsonl", b"")]);
    let all = good(0, 60);
    let packed = gzip(&all);
    small.write("events.jsonl.gz", &packed[..packed.len() * 2 / 3]);
    let (ended, run) = small.try_run("out", &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    says(&ended, &["cut short", "events.jsonl.gz"]);
    let (dead, predictions) = (dead(&run), run.records("predictions"));
    assert!((1..60).contains(&predictions.len()), "{}", predictions.len());
    assert_eq!(dead.len(), 1, "the torn record");
    assert_eq!(text(&dead[0], "reason"), "truncated");
    assert_eq!(dead[0]["offset"].as_u64(), Some(predictions.len() as u64));
    let lines = String::from_utf8(all).expect("text");
    let torn = lines.lines().nth(predictions.len()).expect("a line");
    assert!(torn.starts_with(text(&dead[0], "value")), "{}", dead[0]);
    assert_eq!(run.summary()["balance"]["holds"], true);
}

#[test]
fn an_unknown_category_goes_to_other_and_is_counted() {
    let event = |id: &str, color: &str| {
        format!("{{\"id\":\"{id}\",\"at\":\"2024-01-01T09:09:30Z\",\"x\":1,\"color\":{color}}}\n")
    };
    let odd = event("b", "\"green\"") + &event("c", "null") + &event("d", "\"mauve\"") + &event("e", "\"blue\"");
    let run = small("category", PIPELINE, &around(odd.as_bytes()), b"").run("out", &[]);
    assert_eq!((run.records("predictions").len(), dead(&run).len()), (24, 0));
    assert_eq!(run.summary()["unknown_categories"], 3, "green, null and mauve; not red and blue");
}

#[test]
fn a_label_without_event_waits_and_then_is_dead() {
    // The orphan comes at 10:01; pipeline time passes its timeout of two hours with an event at 12:02.
    let labels = [label("e5", 0), label("nobody", 1), label("e6", 2)].concat();
    let waiting = small("waiting", PIPELINE, &good(0, 20), &labels).run("out", &[]);
    assert_eq!(waiting.summary()["pending"], 1, "at the end of input nothing expires");
    assert_eq!(dead(&waiting).len(), 0);
    let late = br#"{"id":"late","at":"2024-01-01T12:02:00Z","x":1}"#;
    let run = small("orphan", PIPELINE, &[&good(0, 20)[..], late, b"\n"].concat(), &labels).run("out", &[]);
    let dead = dead(&run);
    assert_eq!(dead.len(), 1);
    assert_eq!((text(&dead[0], "reason"), text(&dead[0], "source")), ("orphan", "labels"));
    assert_eq!(text(&dead[0], "value").as_bytes(), label("nobody", 1).trim_ascii_end());
    let summary = run.summary();
    assert_eq!((&summary["pending"], &summary["labelled"]), (&0.into(), &2.into()));
}

/// An event time far ahead, but within the century, is refused until a hundred in a row say so.
#[test]
fn a_leap_in_time_is_believed_when_it_persists() {
    let leap = |n: usize| format!("{{\"id\":\"n{n}\",\"at\":\"2025-06-01T00:{:02}:00Z\",\"x\":1}}\n", n % 60);
    let events = [good(0, 20), (0..120).map(leap).collect::<String>().into_bytes()].concat();
    let run = small("leap", PIPELINE, &events, b"").run("out", &[]);
    let dead = dead(&run);
    assert_eq!(dead.len(), 99, "the hundredth is believed");
    assert!(dead.iter().all(|d| d["reason"] == "time_ahead"));
    assert_eq!(run.records("predictions").len(), 20 + 21);
}

/// Refused records of several sources go by no clock either: the same bytes with any workers.
#[test]
fn dead_letters_are_the_same_everywhere() {
    let bad = |n: i64| if n % 3 == 0 { "oops\n".to_string() } else { String::new() };
    let events: String = (0..4000)
        .map(|n| {
            let at = tidemill::time::Time(1_704_067_200_000_000 + n * 1_000_000);
            bad(n) + &format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"x\":{n}}}\n")
        })
        .collect();
    let labels: String = (0..4000)
        .map(|n| {
            let at = tidemill::time::Time(1_704_067_200_000_000 + n * 1_000_000 + 500_000);
            bad(n) + &format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"y\":true}}\n")
        })
        .collect();
    let small = small("everywhere", PIPELINE, events.as_bytes(), labels.as_bytes());
    let one = small.run("w1", &[]);
    assert_eq!(dead(&one).len(), 2 * 1334);
    for (out, words) in [("again", &["-w", "1"][..]), ("w3", &["-w", "3"]), ("n2", &["-n", "2"])] {
        let other = small.run(out, words);
        for file in ["progress.log", "dead_letters.jsonl", "predictions.jsonl"] {
            super::support::same_lines(&format!("{out}: {file}"), &one.text(file), &other.text(file));
        }
    }
}

fn says(ended: &Ended, words: &[&str]) {
    for word in words {
        assert!(ended.stderr.contains(word), "it does not say {word}: {}", ended.stderr);
    }
}

#[test]
fn an_input_that_is_not_there_is_a_clear_error() {
    let small = Small::new("bad_nowhere", PIPELINE, &[("labels.jsonl", b"")]);
    let (ended, run) = small.try_run("out", &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    says(&ended, &["events", "--input events=", "`path`"]);
    assert!(!run.out.join("predictions.jsonl").exists());
    small.write("events.jsonl", b"");
    let (ended, _) = small.try_run("typo", &["--input", "event=x.jsonl"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    says(&ended, &["event", "events"]);
    let ended = tidemill(["run", "no_such_pipeline"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    says(&ended, &["no_such_pipeline"]);
}

#[test]
fn a_folder_that_holds_something_else_is_refused_and_left_alone() {
    let small = small("occupied", PIPELINE, &good(0, 20), b"");
    let first = small.run("out", &[]);
    let (before, summary) = (first.text("predictions.jsonl"), first.summary());
    std::fs::remove_file(first.out.join("manifest.json")).expect("it goes");
    let (ended, run) = small.try_run("out", &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    says(&ended, &["--fresh", "predictions.jsonl"]);
    assert_eq!((run.text("predictions.jsonl"), run.summary()), (before.clone(), summary));
    let again = small.run("out", &["--fresh"]);
    assert_eq!(again.text("predictions.jsonl"), before);
}

/// Nothing at all, and nothing but bad records, are runs too.
#[test]
fn an_empty_input_ends_well() {
    let run = small("empty", PIPELINE, b"", b"").run("out", &[]);
    assert_eq!(run.summary()["events"], 0);
    assert_eq!(run.text("predictions.jsonl"), "");
    let run = small("nothing_good", PIPELINE, b"a\nb\nc\n", b"").run("out", &[]);
    assert_eq!((dead(&run).len(), run.summary()["dead_letters"].as_i64()), (3, Some(3)));
    assert_eq!(run.summary()["balance"]["holds"], true);
}

/// Usage is answered by exit code 2 and a way out.
#[test]
fn usage_errors_exit_with_2() {
    for words in [&["run"][..], &["run", "sea", "-w", "0"], &["walk"], &["run", "sea", "--tick-records", "0"]] {
        let ended = tidemill(words);
        assert_eq!(ended.code, 2, "{words:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{words:?}");
    }
    // A number that is given as text is told with its range.
    assert!(tidemill(["run", "sea", "-w", "0"]).stderr.contains("1 to 256"));
}

/// As many malformed records as good ones, of eight kinds, at random: what is refused is exactly those, each with its
/// reason, and the good ones are scored as if they had been alone. `TIDEMILL_LONG=1` takes a million of each.
#[test]
fn a_flood_of_malformed_records_is_refused_one_by_one() {
    let count = if std::env::var_os("TIDEMILL_LONG").is_some_and(|set| set == "1") { 1_000_000_u64 } else { 10_000 };
    let bad: [(&[u8], &str); 8] = [
        (b"{\"id\":\"b\",\"at\":\"2024-01-01T09:00:00Z\",\"x\":1", "malformed"),
        (b"\"id\"", "malformed"),
        (b"{\"id\":\"b\",\"at\":\"2024-01-01T09:00:00Z\",\"x\":\"one\"}", "wrong_type"),
        (b"{\"id\":\"b\",\"at\":\"2024-01-01T09:00:00Z\"}", "missing_field"),
        (b"{\"id\":\"b\",\"at\":\"2024-01-01T09:00:00Z\",\"x\":null}", "missing_field"),
        (b"{\"id\":\"\xff\",\"at\":\"2024-01-01T09:00:00Z\",\"x\":1}", "invalid_utf8"),
        (b"{\"id\":\"b\",\"at\":\"2262-04-12T00:00:00Z\",\"x\":1}", "time_out_of_range"),
        (b"{\"id\":\"b\",\"at\":\"2024-01-01T09:00:00Z\",\"x\":1e999}", "not_finite"),
    ];
    let (mut clean, mut mixed, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    let (mut goods, mut bads, mut offset, mut chance) = (0, 0, 0, 7_u64);
    while goods < count || bads < count {
        // A linear congruential generator (Knuth's) is chance enough.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if goods < count && (bads == count || chance >> 63 == 0) {
            let second = goods * 3600 / count;
            let time = format!("2024-01-01T09:{:02}:{:02}Z", second / 60, second % 60);
            let line = format!("{{\"id\":\"e{goods}\",\"at\":\"{time}\",\"x\":{}.5,\"color\":\"red\"}}\n", goods % 100);
            clean.extend_from_slice(line.as_bytes());
            mixed.extend_from_slice(line.as_bytes());
            goods += 1;
        } else {
            let (line, reason) = bad[(chance >> 33) as usize % bad.len()];
            mixed.extend_from_slice(line);
            mixed.push(b'\n');
            wanted.push((offset, reason));
            bads += 1;
        }
        offset += 1;
    }
    let timed = |run: Run| (whole_seconds(&run), run);
    let (clean_s, clean) = timed(small("flood_clean", PIPELINE, &clean, b"").run("out", &[]));
    let (mixed_s, mixed) = timed(small("flood_mixed", PIPELINE, &mixed, b"").run("out", &["-w", "2"]));
    println!("{count} good in {clean_s:.2} s, with as many bad among them in {mixed_s:.2} s");
    let found: Vec<(usize, String)> = dead(&mixed)
        .iter()
        .map(|d| (d["offset"].as_u64().unwrap_or(0) as usize, text(d, "reason").to_owned()))
        .collect();
    assert_eq!(found.len(), wanted.len());
    let differs = found.iter().zip(&wanted).find(|((at, why), (offset, reason))| (*at, &why[..]) != (*offset, *reason));
    assert_eq!(differs, None);
    assert_eq!(clean.text("predictions.jsonl"), mixed.text("predictions.jsonl"));
    assert_eq!(mixed.summary()["balance"]["holds"], true);
}

fn whole_seconds(run: &Run) -> f64 {
    run.summary()["seconds"].as_f64().unwrap_or(f64::NAN)
}
