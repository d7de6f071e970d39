//! A run that is served over HTTP: what it answers is what its streams say, for a program and for a browser; and who
//! looks at it changes nothing.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// A value that does not decode, among the events.
const BAD: &str = "{\"at\":\"2024-01-01T00:00:00Z\",\"id\":\"bad\",\"x0\":\"<b>one</b>\",\"x1\":2,\"x2\":3}\n";

fn tidemill(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.args(words).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("TIDEMILL_KAFKA").stdin(Stdio::null());
    command
}

/// Asks again until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "{what} in time");
        std::thread::yield_now();
    }
}

/// The first lines of a stream of `sea`.
fn head(source: &str, lines: usize) -> String {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("datasets/sea/{source}.jsonl.gz"));
    let file = File::open(packed).unwrap();
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines().take(lines);
    lines.map(|line| line.unwrap() + "\n").collect()
}

/// Reads the lines on standard error up to the one that says where it serves.
fn address_of(child: &mut Child) -> (SocketAddr, BufReader<std::process::ChildStderr>) {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it says where it serves: {told}");
        if let Some(address) = line.trim().strip_prefix("sea: http://").and_then(|rest| rest.strip_suffix('/')) {
            return (address.parse().unwrap(), lines);
        }
        told += &line;
    }
}

/// Sends bytes, and reads the head and body of the answer.
fn send(address: SocketAddr, bytes: &[u8]) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.to_owned(), body.to_owned()))
}

/// A run of `sea` that has read some days and waits for more on its standard input.
struct Live {
    child: Child,
    address: SocketAddr,
    out: PathBuf,
    _input: ChildStdin,
    errors: BufReader<std::process::ChildStderr>,
}

impl Live {
    fn start(folder: &Path) -> Live {
        let labels = folder.join("labels.jsonl");
        fs::write(&labels, head("labels", 18_000)).unwrap();
        let out = folder.join("out");
        let input = format!("labels={}", labels.display());
        let words = ["run", "sea", "--quiet", "--http", "0", "--out", out.to_str().unwrap()];
        let words = [&words[..], &["--input", "events=-", "--input", &input]].concat();
        let mut child = tidemill(&words).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (address, errors) = address_of(&mut child);
        let mut input = child.stdin.take().unwrap();
        input.write_all((BAD.to_owned() + &head("events", 17_000)).as_bytes()).unwrap();
        let live = Live { child, address, out, _input: input, errors };
        until("all is read", || {
            live.samples().iter().filter(|s| s.name == READ).map(|s| s.value).sum::<f64>() == 35_001.0
        });
        // The clock closes the last ticks; then nothing moves any more.
        until("all is used", || {
            let tick = live.json("/healthz")["tick"].as_u64();
            tick.is_some() && tick == live.records("progress.log").last().and_then(|record| record["tick"].as_u64())
        });
        live
    }

    fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let asked = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        let (head, body) = send(self.address, asked.as_bytes()).unwrap();
        let code = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok());
        (code.unwrap_or_else(|| panic!("{head}")), head, body)
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.ask("GET", path).2).unwrap()
    }

    fn samples(&self) -> Vec<Sample> {
        exposition(&self.ask("GET", "/metrics").2)
    }

    fn records(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.out.join(file)).unwrap();
        // A line that is being written is not there yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Whether `/models` says what the stream says.
    fn models_are_told(&self) -> bool {
        let models = self.json("/models");
        assert_eq!(models[0]["model"], "concept", "{models}");
        models[0]["versions"] == Value::Array(self.records("models.jsonl"))
    }

    /// Stops it by SIGTERM.
    fn stop(mut self) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let mut told = String::new();
        self.errors.read_to_string(&mut told).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{told}");
        assert!(TcpStream::connect(self.address).is_err(), "the server has gone with it");
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- the exposition format ----

const READ: &str = "tidemill_records_read_total";

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Reads Prometheus' text format 0.0.4, line by line: a family's help, its type, its samples, each once.
fn exposition(text: &str) -> Vec<Sample> {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut families: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut family, mut helped) = ("", "");
    let mut samples: Vec<Sample> = Vec::new();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').expect("a name and a help").0;
            continue;
        }
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert_eq!(name, helped, "help comes before the type");
            assert!(families.insert(name, kind).is_none(), "{name} stands together");
            family = name;
            continue;
        }
        let sample = sample(line);
        let kind = families[family];
        let base = match kind {
            "summary" => sample.name.trim_end_matches("_sum").trim_end_matches("_count"),
            _ => sample.name.as_str(),
        };
        assert_eq!(base, family, "{line}");
        assert!(kind != "counter" || (sample.name.ends_with("_total") && sample.value >= 0.0), "{line}");
        assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "{line} stands twice");
        samples.push(sample);
    }
    samples
}

fn sample(line: &str) -> Sample {
    let name_end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).expect("something behind the name");
    let (name, mut rest) = line.split_at(name_end);
    assert!(name.starts_with("tidemill_"), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, text) = rest.split_once("=\"").expect("a label and its text");
            assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
            let (mut value, mut chars) = (String::new(), text.char_indices());
            let end = loop {
                match chars.next().expect("the text ends") {
                    (end, '"') => break end,
                    (_, '\\') => value.push(match chars.next().expect("what is escaped").1 {
                        'n' => '\n',
                        sign @ ('\\' | '"') => sign,
                        other => panic!("\\{other} in {line}"),
                    }),
                    (_, other) => value.push(other),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &text[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect("the labels end");
    }
    let value = rest.strip_prefix(' ').and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    Sample { name: name.to_owned(), labels, value }
}

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: BTreeMap<String, String> = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let found = samples.iter().find(|sample| sample.name == name && sample.labels == wanted);
    found.unwrap_or_else(|| panic!("no {name} {labels:?}")).value
}

// ---- the tests ----

#[test]
fn what_is_served_is_what_the_streams_say() {
    let folder = tempfile::tempdir().unwrap();
    let live = Live::start(folder.path());
    let progress = live.records("progress.log").pop().expect("a tick");
    let health = live.json("/healthz");
    assert_eq!((&health["status"], &health["state"]), (&"ok".into(), &"running".into()));
    assert_eq!((&health["pipeline"], &health["pipeline_time"]), (&"sea".into(), &progress["pipeline_time"]));

    let samples = live.samples();
    let one = |name: &str| value(&samples, name, &[]);
    let balance = |name: &str| progress["balance"][name].as_f64().unwrap();
    assert_eq!(one("tidemill_ticks_total"), progress["tick"].as_f64().unwrap() + 1.0);
    for (name, count) in [
        ("tidemill_records_used_total", "used"),
        ("tidemill_records_late_total", "late"),
        ("tidemill_records_pending", "pending"),
        ("tidemill_events_total", "events"),
        ("tidemill_events_labelled", "labelled"),
        ("tidemill_events_expired", "expired"),
        ("tidemill_events_open", "unlabelled"),
    ] {
        assert_eq!(one(name), balance(count), "{name}");
    }
    let letters = live.records("dead_letters.jsonl");
    let wrong = letters.iter().filter(|letter| letter["reason"] == "wrong_type").count();
    assert_eq!(value(&samples, "tidemill_dead_letters_total", &[("reason", "wrong_type")]), wrong as f64);
    let decisions = live.records("decisions.jsonl");
    let fired = decisions.iter().filter(|decision| decision["verdict"] == "fired").count();
    assert!(fired > 0, "{decisions:?}");
    assert_eq!(value(&samples, "tidemill_decisions_total", &[("verdict", "fired")]), fired as f64);
    let metrics = live.records("metrics.jsonl");
    let served = |m: &&Value| m["window"] == "all" && m["role"] == "champion" && m["version"].is_null();
    let newest = metrics.iter().rfind(served).expect("a metric of what was served");
    let labels = [("model", "concept"), ("role", "champion"), ("version", "served"), ("window", "all")];
    for name in ["log_loss", "roc_auc", "accuracy", "labelled"] {
        assert_eq!(Some(value(&samples, &format!("tidemill_model_{name}"), &labels)), newest[name].as_f64(), "{name}");
    }
    assert_eq!(one("tidemill_event_latency_seconds_count"), balance("events"), "each event was timed");

    assert!(live.models_are_told());
    let champion = live.records("models.jsonl").iter().filter_map(|record| record["version"].as_f64()).next_back();
    assert_eq!(Some(value(&samples, "tidemill_champion_version", &[("model", "concept")])), champion);
    let state = live.json("/api/state?window=6h&metric=accuracy");
    let line = state["series"].as_array().unwrap().iter().find(|line| line["who"] == "as served").expect("a line");
    let points = line["at"].as_array().unwrap().len();
    assert!(points > 50 && line["values"].as_array().unwrap().len() == points, "{line}");
    assert_eq!((&state["counts"]["events"], &state["window"]), (&progress["balance"]["events"], &"6h".into()));

    for (method, path, code, kind) in [
        ("GET", "/", 200, "text/html; charset=utf-8"),
        ("GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("GET", "/models", 200, "application/json"),
        ("HEAD", "/healthz", 200, "application/json"),
        ("GET", "/registry", 404, "text/plain; charset=utf-8"),
        ("POST", "/metrics", 405, "text/plain; charset=utf-8"),
        ("PUT", "/", 405, "text/plain; charset=utf-8"),
    ] {
        let (told, head, body) = live.ask(method, path);
        assert_eq!((told, body.is_empty()), (code, method == "HEAD"), "{method} {path}: {head}");
        assert!(head.contains(&format!("\r\nContent-Type: {kind}\r\n")), "{method} {path}: {head}");
    }

    // Stopped and taken up again, it knows what it knew.
    let before = decisions.len();
    live.stop();
    let live = Live::start(folder.path());
    assert!(live.models_are_told());
    assert_eq!(live.json("/api/state")["decisions"].as_array().map(Vec::len), Some(before));
    let samples = live.samples();
    assert_eq!(value(&samples, "tidemill_decisions_total", &[("verdict", "fired")]), fired as f64);
    live.stop();
}

/// All files of a run's outputs but what is by the clock, the lines of streams sorted if wanted.
fn outputs(out: &Path, sorted: bool) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![out.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(out).unwrap().display().to_string();
            if path.is_dir() && name != "state" {
                folders.push(path);
            } else if path.is_file() && name != "summary.json" {
                let mut bytes = fs::read(&path).unwrap();
                if sorted && name.ends_with(".jsonl") {
                    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
                    lines.sort_unstable();
                    bytes = lines.concat();
                }
                files.insert(name, bytes);
            }
        }
    }
    files
}

#[test]
fn who_looks_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let words = |name: &str| {
        ["run", "sea", "--quiet", "--out"].map(str::to_owned).into_iter().chain([out(name).display().to_string()])
    };
    let run = |name: &str, more: &[&str]| {
        let words: Vec<String> = words(name).chain(more.iter().map(|word| word.to_string())).collect();
        tidemill(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(run("alone", &[]).status().unwrap().success());
    for (name, more) in [("looked_at", &["--http", "0"][..]), ("of_two", &["--http", "0", "-n", "2"][..])] {
        let mut child = run(name, more).stderr(Stdio::piped()).spawn().unwrap();
        let (address, mut errors) = address_of(&mut child);
        let over = AtomicBool::new(false);
        let answers = std::thread::scope(|scope| {
            // One says half a request, one too much, one what is none; and one asks again and again.
            let silent: Vec<_> = (0..5).filter_map(|_| TcpStream::connect(address).ok()).collect();
            silent.iter().for_each(|mut stream| drop(stream.write_all(b"GET /metrics HT")));
            let over = &over;
            for bad in ["GET / HTTP/1.1\r\na: ", "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", ""] {
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let _ = send(address, (bad.to_owned() + &"x".repeat(100_000)).as_bytes());
                    }
                });
            }
            let asks = scope.spawn(move || {
                let mut answers = 0;
                while !over.load(Ordering::Relaxed) {
                    for path in ["/healthz", "/metrics", "/models", "/api/state", "/"] {
                        let asked = format!("GET {path} HTTP/1.1\r\n\r\n");
                        answers += usize::from(send(address, asked.as_bytes()).is_ok_and(|(head, _)| !head.is_empty()));
                    }
                }
                answers
            });
            let mut told = String::new();
            errors.read_to_string(&mut told).unwrap();
            let status = child.wait().unwrap();
            over.store(true, Ordering::Relaxed);
            assert!(status.success(), "{told}");
            assert!(!told.contains("http://"), "one process serves: {told}");
            asks.join().unwrap()
        });
        assert!(answers > 0, "{name}: somebody was answered");
        let sorted = name == "of_two";
        let (alone, looked_at) = (outputs(&out("alone"), sorted), outputs(&out(name), sorted));
        assert_eq!(alone.keys().collect::<Vec<_>>(), looked_at.keys().collect::<Vec<_>>());
        for (file, bytes) in alone {
            assert!(bytes == looked_at[&file], "{name}: {file} is the same with and without --http");
        }
    }
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for processes in ["1", "2"] {
        let words = ["run", "sea", "--out", out.to_str().unwrap(), "--http", &port, "-n", processes];
        let output = tidemill(&words).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("cannot serve HTTP at 127.0.0.1:{port}: ")), "{told}");
        assert!(!out.exists());
    }
}

/// A Chromium that can be started: `TIDEMILL_CHROMIUM`, or one in the path.
fn chromium() -> Option<String> {
    let starts = |program: &String| {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    if let Ok(program) = std::env::var("TIDEMILL_CHROMIUM") {
        assert!(starts(&program), "TIDEMILL_CHROMIUM is {program}, which does not start");
        return Some(program);
    }
    ["chromium", "chromium-browser", "google-chrome"].map(str::to_owned).into_iter().find(starts)
}

#[test]
fn a_browser_shows_it() {
    let Some(program) = chromium() else {
        // Not `eprintln!`, which the test harness keeps to itself.
        let _ = writeln!(std::io::stderr(), "skipped: no Chromium, see TIDEMILL_CHROMIUM (a_browser_shows_it)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let live = Live::start(folder.path());
    let mut command = Command::new(program);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1600"]);
    command.arg(format!("--user-data-dir={}", folder.path().join("browser").display()));
    command.args(["--virtual-time-budget=5000", "--timeout=60000", "--dump-dom", &format!("http://{}/", live.address)]);
    let output = command.output().unwrap();
    let (dom, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");

    let state = live.json("/api/state");
    let served =
        &state["figures"].as_array().unwrap().iter().find(|f| f["window"] == "all").expect("a figure")["log_loss"];
    let figure = format!(">{:.4}<", served.as_f64().unwrap());
    let version = live.records("models.jsonl").pop().unwrap();
    let digest = &version["digest"].as_str().expect("a version's digest")[..10];
    let decision = state["decisions"].as_array().unwrap().iter().rfind(|d| d["causes"].is_array()).expect("a decision");
    let cause = decision["causes"][0]["text"].as_str().expect("a cause");
    let number = format!(">v{}<", version["version"]);
    for shown in [
        ">running<",
        "concept, as served",
        &figure,
        digest,
        &number,
        "as served",
        &format!(">{cause}<"),
        "wrong_type",
        "class=\"trace k0\"",
        "class=\"drift\"",
    ] {
        assert!(dom.contains(shown), "{shown} is not in the page:\n{dom}\n{told}");
    }
    assert!(!dom.contains(">not answering<") && !told.contains("Content Security Policy"), "{told}");
    live.stop();
}
