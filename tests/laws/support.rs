//! What the laws share: runs of the real program, and the reading of what they wrote.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The streams of records that a run writes.
pub const STREAMS: [&str; 5] = ["predictions", "metrics", "models", "decisions", "dead_letters"];

/// The program under test, without the environment's Kafka.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.env_remove("TIDEMILL_KAFKA").current_dir(project());
    command
}

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An empty folder of this name, under the build folder.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("laws").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("a former run's folder can be removed");
    }
    fs::create_dir_all(&folder).expect("the build folder takes a folder");
    folder
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the program to its end.
pub fn tidemill<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Ended {
    let output = program().args(words).output().expect("the program starts");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A run that ended well.
pub struct Run {
    pub out: PathBuf,
}

/// Runs a pipeline quietly into a fresh folder of this name; it must end well.
pub fn run(name: &str, pipeline: &Path, words: &[&str]) -> Run {
    let out = scratch(name).join("out");
    let mut all = vec![OsStr::new("run"), pipeline.as_os_str(), OsStr::new("--out"), out.as_os_str()];
    all.extend(words.iter().map(OsStr::new));
    all.push(OsStr::new("--quiet"));
    let ended = tidemill(all);
    assert_eq!(ended.code, 0, "{name} {words:?}: {}", ended.stderr);
    Run { out }
}

impl Run {
    /// The text of a file of the outputs.
    pub fn text(&self, file: &str) -> String {
        let path = self.out.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The records of a stream.
    pub fn records(&self, stream: &str) -> Vec<Value> {
        parse(&self.text(&format!("{stream}.jsonl")))
    }

    /// The progress records.
    pub fn progress(&self) -> Vec<Value> {
        parse(&self.text("progress.log"))
    }

    /// The summary.
    pub fn summary(&self) -> Value {
        serde_json::from_str(&self.text("summary.json")).expect("the summary is JSON")
    }

    /// The summary without what the wall clock says.
    pub fn timeless_summary(&self) -> Value {
        let mut summary = self.summary();
        for clock in ["latency_us", "events_per_s", "seconds", "training_s", "waited_for_training_s"] {
            let found = summary.as_object_mut().and_then(|fields| fields.remove(clock));
            assert!(found.is_some(), "the summary has {clock}");
        }
        summary
    }

    /// The files of versions, by their path in the outputs.
    pub fn registry(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.out.join("registry")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a registry's folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&self.out).expect("it is in there").display().to_string();
                    files.insert(name, fs::read(&path).expect("a registry's file"));
                }
            }
        }
        files
    }
}

/// Lines of JSON.
pub fn parse(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Fails with the first line in which two texts differ, and not with both texts.
pub fn same_lines(what: &str, left: &str, right: &str) {
    if left == right {
        return;
    }
    for (number, (l, r)) in left.lines().zip(right.lines()).enumerate() {
        assert_eq!(l, r, "{what}, line {}", number + 1);
    }
    panic!("{what}: {} lines against {}", left.lines().count(), right.lines().count());
}

/// A text field.
pub fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_else(|| panic!("no text {field} in {record}"))
}

/// A number field.
pub fn number(record: &Value, field: &str) -> f64 {
    record[field].as_f64().unwrap_or_else(|| panic!("no number {field} in {record}"))
}

/// A whole number field.
pub fn whole(record: &Value, field: &str) -> i64 {
    record[field].as_i64().unwrap_or_else(|| panic!("no whole number {field} in {record}"))
}

/// A file's text, unpacked if it is gzip.
pub fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("it is gzip of text");
    } else {
        text = String::from_utf8(bytes).expect("it is text");
    }
    text
}

/// Bytes, packed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).and_then(|()| packer.finish()).expect("memory takes it")
}

/// A pipeline of `dataflows/` as the laws run it.
pub struct Subject {
    /// Its name.
    pub name: &'static str,
    /// Its file, or that of a variant.
    pub file: PathBuf,
    /// The folder of its streams.
    pub data: PathBuf,
}

/// `sea`, whole and as it is.
pub fn sea() -> &'static Subject {
    static SEA: OnceLock<Subject> = OnceLock::new();
    SEA.get_or_init(|| Subject {
        name: "sea",
        file: project().join("dataflows/sea.toml"),
        data: project().join("datasets/sea"),
    })
}

/// `flights`, the first 28 days: about 25,000 departures; what is due by the month is due by the week.
pub fn flights() -> &'static Subject {
    static FLIGHTS: OnceLock<Subject> = OnceLock::new();
    FLIGHTS.get_or_init(|| cut_flights("flights", "2013-01-29"))
}

/// Few rows are told apart better by a line; both are fitted.
const BOTH: &str = "retrain = [{ kind = \"gradient_boosting\", max_iter = 30 }, { kind = \"logistic\" }]";

/// `flights`, the first four days, with what is due by the week due by the day.
pub fn few_flights() -> &'static Subject {
    static FEW: OnceLock<Subject> = OnceLock::new();
    FEW.get_or_init(|| {
        let subject = cut_flights("few_flights", "2013-01-05");
        let hasty = [
            ("\"1d\", \"7d\"]", "\"6h\", \"1d\"]"),
            ("every = \"1d\"", "every = \"1h\""),
            ("every    = \"7d\"", "every    = \"1d\""),
            ("cooldown = \"5d\"", "cooldown = \"12h\""),
            ("log_loss[7d]", "log_loss[1d]"),
            ("warm_up  = 4_000", "warm_up  = 500"),
            ("examples = 8_000", "examples = 1_000"),
            ("activate_after = \"1d\"", "activate_after = \"1h\""),
            ("2013-01-15", "2013-01-03"),
            ("retrain   = { kind = \"gradient_boosting\", max_iter = 200, learning_rate = 0.06 }", BOTH),
        ];
        rewrite(&subject.file, &hasty);
        subject
    })
}

/// `twelve`, the first four days of its stream, which is that of `sea`.
pub fn twelve() -> &'static Subject {
    static TWELVE: OnceLock<Subject> = OnceLock::new();
    TWELVE.get_or_init(|| {
        let folder = scratch("twelve");
        let data = folder.join("datasets/sea");
        fs::create_dir_all(&data).expect("a folder");
        fs::create_dir_all(folder.join("dataflows")).expect("a folder");
        for stream in ["events.jsonl.gz", "labels.jsonl.gz"] {
            let all = read(&project().join("datasets/sea").join(stream));
            let at = |line: &&str| {
                parse(line)
                    .first()
                    .and_then(|record| record["at"].as_str().map(|at| at < "2024-01-05"))
                    .unwrap_or(false)
            };
            let text = all.lines().filter(at).fold(String::new(), |text, line| text + line + "\n");
            fs::write(data.join(stream), gzip(text.as_bytes())).expect("the cut");
        }
        let file = folder.join("dataflows/twelve.toml");
        fs::copy(project().join("dataflows/twelve.toml"), &file).expect("the pipeline");
        Subject { name: "twelve", file, data }
    })
}

/// A pipeline over its own whole data.
fn whole_subject(name: &'static str) -> Subject {
    let file = project().join(format!("dataflows/{name}.toml"));
    Subject { name, file, data: project().join("datasets").join(name) }
}

pub fn weather() -> &'static Subject {
    static WEATHER: OnceLock<Subject> = OnceLock::new();
    WEATHER.get_or_init(|| whole_subject("weather"))
}

pub fn segments() -> &'static Subject {
    static SEGMENTS: OnceLock<Subject> = OnceLock::new();
    SEGMENTS.get_or_init(|| whole_subject("segments"))
}

pub fn credit() -> &'static Subject {
    static CREDIT: OnceLock<Subject> = OnceLock::new();
    CREDIT.get_or_init(|| whole_subject("credit"))
}

/// `delays`, the first twelve days of its streams, which are those of `flights`, judged sooner.
pub fn delays() -> &'static Subject {
    static DELAYS: OnceLock<Subject> = OnceLock::new();
    DELAYS.get_or_init(|| {
        let flights = cut_flights("delays", "2013-01-13");
        let file = flights.file.with_file_name("delays.toml");
        fs::copy(project().join("dataflows/delays.toml"), &file).expect("the pipeline");
        let sooner = [
            ("[\"7d\", \"30d\"]", "[\"1d\", \"7d\"]"),
            ("warm_up  = 5_000", "warm_up  = 1_000"),
            ("cooldown = \"20d\"", "cooldown = \"2d\""),
            ("every    = \"60d\"", "every    = \"4d\""),
            ("max_iter = 100", "max_iter = 20"),
        ];
        rewrite(&file, &sooner);
        Subject { name: "delays", file, data: flights.data }
    })
}

/// All pipelines of `dataflows/`.
pub fn subjects() -> [&'static Subject; 7] {
    [sea(), flights(), twelve(), weather(), segments(), credit(), delays()]
}

fn cut_flights(name: &'static str, before: &str) -> Subject {
    let folder = scratch(name);
    let data = folder.join("datasets/flights");
    fs::create_dir_all(&data).expect("a folder");
    fs::create_dir_all(folder.join("dataflows")).expect("a folder");
    let origin = project().join("datasets/flights");
    for list in ["carriers.txt", "origins.txt", "dests.txt"] {
        fs::copy(origin.join(list), data.join(list)).expect("a list of values");
    }
    for stream in ["departures", "takeoffs", "arrivals", "weather", "planes"] {
        let file = format!("{stream}.csv.gz");
        let all = read(&origin.join(&file));
        let mut lines = all.lines();
        let header = lines.next().expect("a header");
        // The event time is in the first column, but for planes, which were all there before.
        let kept = lines.filter(|line| stream == "planes" || *line < before);
        let text = std::iter::once(header).chain(kept).fold(String::new(), |text, line| text + line + "\n");
        fs::write(data.join(&file), gzip(text.as_bytes())).expect("the cut");
    }
    let file = folder.join("dataflows/flights.toml");
    fs::copy(project().join("dataflows/flights.toml"), &file).expect("the pipeline");
    let sooner = [
        ("[\"1d\", \"7d\", \"30d\"]", "[\"1d\", \"7d\"]"),
        ("every    = \"30d\"", "every    = \"7d\""),
        ("cooldown = \"25d\"", "cooldown = \"5d\""),
        ("warm_up  = 20_000", "warm_up  = 4_000"),
        ("examples = 30_000", "examples = 8_000"),
        ("2013-04-01", "2013-01-15"),
    ];
    rewrite(&file, &sooner);
    Subject { name, file, data }
}

/// Replaces each text by another in a file; every one must be there.
pub fn rewrite(file: &Path, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(file).expect("the file reads");
    for (from, to) in changes {
        assert!(text.contains(from), "{} has {from}", file.display());
        text = text.replace(from, to);
    }
    fs::write(file, text).expect("the file is written");
}

/// A plain run of a subject with one worker, made once.
pub fn plain(subject: &'static Subject) -> &'static Run {
    const NAMES: [&str; 8] = ["sea", "flights", "few_flights", "twelve", "weather", "segments", "credit", "delays"];
    static RUNS: [OnceLock<Run>; NAMES.len()] = [const { OnceLock::new() }; NAMES.len()];
    let place = NAMES.iter().position(|name| *name == subject.name).expect("a subject");
    RUNS[place].get_or_init(|| run(&format!("{}_plain", subject.name), &subject.file, &["-w", "1"]))
}

/// A project of one pipeline file, `dataflows/small.toml`, and the files of its streams under `datasets/small`.
pub struct Small {
    pub folder: PathBuf,
    pub file: PathBuf,
}

impl Small {
    /// Lays out the project.
    pub fn new(name: &str, pipeline: &str, streams: &[(&str, &[u8])]) -> Small {
        let folder = scratch(name);
        fs::create_dir_all(folder.join("dataflows")).expect("a folder");
        fs::create_dir_all(folder.join("datasets/small")).expect("a folder");
        let file = folder.join("dataflows/small.toml");
        fs::write(&file, pipeline).expect("the pipeline is written");
        let small = Small { folder, file };
        streams.iter().for_each(|(stream, bytes)| small.write(stream, bytes));
        small
    }

    /// Writes a stream's file.
    pub fn write(&self, stream: &str, bytes: &[u8]) {
        fs::write(self.folder.join("datasets/small").join(stream), bytes).expect("the stream is written");
    }

    /// Runs it into a folder of its own, and says how it ended.
    pub fn try_run(&self, out: &str, words: &[&str]) -> (Ended, Run) {
        let out = self.folder.join(out);
        let mut all = vec![OsStr::new("run"), self.file.as_os_str(), OsStr::new("--out"), out.as_os_str()];
        all.extend(words.iter().map(OsStr::new));
        all.push(OsStr::new("--quiet"));
        (tidemill(all), Run { out })
    }

    /// Runs it; it must end well.
    pub fn run(&self, out: &str, words: &[&str]) -> Run {
        let (ended, run) = self.try_run(out, words);
        assert_eq!(ended.code, 0, "{}: {}", self.folder.display(), ended.stderr);
        run
    }
}
