//! The decoders, with what each must hold to.

use crate::dice::Dice;
use crate::fuzz;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tidemill::config::spec::{AdaptiveTreeSpec, BaggingSpec, Format, LearnerSpec, NearestSpec, PatchesSpec};
use tidemill::config::spec::{PipelineSpec, TreeSpec};
use tidemill::feature::Vector;
use tidemill::feature::expr::{Binding, Expression, Scope};
use tidemill::flow::history::History;
use tidemill::flow::plan::Plan;
use tidemill::launch::load::check;
use tidemill::mesh::handshake::{self, RunKey};
use tidemill::model::{Artifact, Fixed, learner};
use tidemill::record::decode::Decoder;
use tidemill::record::{Position, Type, Value};
use tidemill::registry::Registry;
use tidemill::source::{Delivery, file};
use tidemill::task::{Label, Task};
use tidemill::time::Time;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pipelines that are there, and the files that they name.
fn load(path: &str) -> Result<String, String> {
    std::fs::read_to_string(root().join(path)).map_err(|error| error.to_string())
}

fn sea() -> PipelineSpec {
    check(&text("dataflows/sea.toml"), "sea.toml", &load).expect("it is valid")
}

const AT: Position = Position { source: 0, partition: 0, offset: 7 };

/// Whatever the bytes are: a row of the declared columns, or a dead letter that has lost nothing.
fn record(decoder: &mut Decoder, bytes: &[u8], columns: usize, limit: usize) -> bool {
    let again = |decoder: &mut Decoder| decoder.decode(AT, None, Some(bytes), None);
    let kept = Some(&bytes[..bytes.len().min(limit)]);
    let decoded = again(decoder);
    assert_eq!(format!("{decoded:?}"), format!("{:?}", again(decoder)), "the same bytes are the same record");
    match &decoded {
        Ok(row) => {
            assert_eq!((row.values.len(), row.raw.value.as_deref(), row.position), (columns, kept, AT));
            let finite = |value: &Value| !matches!(value, Value::Float(x) if !x.is_finite());
            assert!(row.values.iter().all(finite), "{:?}", row.values);
        }
        Err(letter) => {
            assert_eq!((letter.raw.value.as_deref(), letter.position), (kept, AT));
            assert!(!letter.detail.is_empty() && letter.stage == "decode", "{letter:?}");
        }
    }
    decoded.is_ok()
}

#[test]
fn records_of_json() {
    let spec = sea();
    let limit = 4096;
    let mut decoder = Decoder::new(&spec.sources[0], Format::Json, limit);
    let examples = [
        r#"{"id":"2024-01-01/1","at":"2024-01-01T00:00:00.5Z","x0":7.25,"x1":-1e-3,"x2":0}"#,
        r#" { "x2" : 1, "other" : {"a":[1,{"b":null}]}, "at" : "2024-01-01T02:00:00+02:00", "id" : "é\"\\\u00e9\ud83d\ude00", "x0":1e3,"x1":2E+2 } "#,
        r#"{"id":1,"at":1704067200000000,"x0":null,"x1":true,"x2":"3"}"#,
    ];
    let examples = examples.map(|line| line.as_bytes().to_vec());
    let (mut good, mut bad) = (0, 0);
    fuzz("records_of_json", &examples, 20_000, |bytes| {
        let taken = record(&mut decoder, bytes, spec.sources[0].schema.columns.len(), limit);
        // An independent reader: what is no JSON object at all is no row.
        // (Numbers of any size are JSON; what nobody asked for may hold them.)
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        assert!(!taken || json && bytes.trim_ascii_start().starts_with(b"{"), "it is no JSON");
        *(if taken { &mut good } else { &mut bad }) += 1;
    });
    assert!(good > 100 && bad > 1000, "both kinds are met: {good} and {bad}");
}

#[test]
fn records_of_csv() {
    let spec = sea();
    let limit = 4096;
    let examples = ["2024-01-01/1,2024-01-01T00:00:00Z,7.25,-1e-3,0", "\"a\"\"b,\",\"2024-01-01T00:00:00Z\",1,2,3"];
    let examples = examples.map(|line| line.as_bytes().to_vec());
    let mut decoder = Decoder::new(&spec.sources[0], Format::Csv, limit);
    decoder.header(b"id,at,x0,x1,x2").expect("all columns");
    let (mut good, mut bad) = (0, 0);
    fuzz("records_of_csv", &examples, 20_000, |bytes| {
        let taken = record(&mut decoder, bytes, spec.sources[0].schema.columns.len(), limit);
        *(if taken { &mut good } else { &mut bad }) += 1;
    });
    assert!(good > 100 && bad > 1000, "both kinds are met: {good} and {bad}");
    let headers = [b"id,at,x0,x1,x2".to_vec(), b"x2,\"other, one\",at,id,x1,x0".to_vec()];
    fuzz("headers_of_csv", &headers, 5_000, |bytes| {
        let mut decoder = Decoder::new(&spec.sources[0], Format::Csv, limit);
        if decoder.header(bytes).is_ok() {
            record(&mut decoder, &examples[0], spec.sources[0].schema.columns.len(), limit);
        }
    });
}

/// A file of records, whole or packed: every record is delivered, then the end, a failure, or a dead letter for what
/// was cut short.
#[test]
fn files_of_records() {
    let spec = sea();
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..40)
        .map(|n| format!("{{\"id\":\"{n}\",\"at\":\"2024-01-01T00:00:{n:02}Z\",\"x0\":{n},\"x1\":1,\"x2\":2}}\n"))
        .collect();
    let packed = |text: &str| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text.as_bytes()).and_then(|()| writer.finish()).expect("it is packed")
    };
    let several = [packed(&lines), packed(&lines[..300])].concat();
    for (name, example) in [("events.jsonl", lines.clone().into_bytes()), ("events.jsonl.gz", several)] {
        let path = folder.path().join(name);
        fuzz(name, &[example], 1_000, |bytes| {
            std::fs::write(&path, bytes).expect("a file");
            let partition = file::open_one((0, 0, 0), &spec.sources[0], &path, 4096, || {}).expect("it is a file");
            let mut offsets = BTreeSet::new();
            let ended = partition.deliveries.iter().find(|delivery| match delivery {
                Delivery::Batch(batch) => {
                    for record in &batch.records {
                        let position = record.body.as_ref().map_or_else(|dead| dead.position, |row| row.position);
                        assert!(offsets.insert(position.offset), "no offset twice");
                    }
                    false
                }
                _ => true,
            });
            assert!(matches!(ended, Some(Delivery::End | Delivery::Failed(_))), "{ended:?}");
            assert!(offsets.iter().copied().eq(0..offsets.len() as u64), "no offset is left out");
            if !name.ends_with(".gz") {
                // An independent count: the lines that have anything in them, though it were a blank.
                let filled = |line: &&[u8]| !line.strip_suffix(b"\r").unwrap_or(line).is_empty();
                assert_eq!(offsets.len(), bytes.split(|byte| *byte == b'\n').filter(filled).count());
            }
        });
    }
}

struct Columns;

impl Scope for Columns {
    fn resolve(&self, qualifier: Option<&str>, name: &str) -> Option<Binding> {
        let kinds = [Type::Int, Type::Int, Type::Float, Type::Float, Type::Text, Type::Text, Type::Bool, Type::Bool];
        let slot = self.names().iter().position(|known| qualifier.is_none() && known == name)?;
        let kind = kinds.get(slot).copied().unwrap_or(Type::Timestamp);
        Some(Binding { slot: slot as u32, kind, nullable: true })
    }

    fn names(&self) -> Vec<String> {
        ["i", "j", "x", "y", "s", "p", "a", "b", "t", "u"].map(str::to_owned).to_vec()
    }
}

fn row(dice: &mut Dice) -> Vec<Value> {
    let ints = [0, 1, -1, 7, i64::MAX, i64::MIN, 1 << 53];
    let floats = [0.0, -0.0, 0.5, -2.5, 1e300, -1e300, 5e-324, f64::MAX];
    let texts = ["", "a", "%", "ÄÖ", "12", " 1e3 ", "2024-02-29", "\u{1f600}"];
    let times = [0, -1, 951_782_400_000_000, i64::MAX / 2, i64::MIN / 2];
    (0..10)
        .map(|slot| match (dice.below(4), slot) {
            (0, _) => Value::Null,
            (_, 0 | 1) => Value::Int(ints[dice.below(7) as usize]),
            (_, 2 | 3) => Value::Float(floats[dice.below(8) as usize]),
            (_, 4 | 5) => Value::Text(texts[dice.below(8) as usize].into()),
            (_, 6 | 7) => Value::Bool(dice.below(2) == 1),
            _ => Value::Timestamp(Time(times[dice.below(5) as usize])),
        })
        .collect()
}

#[test]
fn expressions() {
    let golden = text("tests/golden/expressions.jsonl");
    let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["expr"].as_str().map(str::to_owned);
    let examples: Vec<Vec<u8>> = golden.lines().skip(1).filter_map(of).map(String::into_bytes).collect();
    assert!(examples.len() > 100);
    let (mut dice, mut compiled) = (Dice::of(3), 0);
    fuzz("expressions", &examples, 10_000, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        match Expression::compile(text, &Columns) {
            Ok(expression) => {
                compiled += 1;
                for _ in 0..4 {
                    let row = row(&mut dice);
                    let value = expression.eval(row.as_slice());
                    assert_eq!(expression.number(row.as_slice()), value.number(), "two ways to one number: {row:?}");
                    assert!(!matches!(value, Value::Float(x) if x.is_nan()), "{row:?}");
                }
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                let inside = |span: &std::ops::Range<usize>| span.start <= span.end && span.end <= text.len();
                assert!(faults.iter().all(|fault| inside(&fault.span)), "{faults:?}");
            }
        }
    });
    assert!(compiled > 500, "{compiled} compile");
}

#[test]
fn pipeline_files() {
    let mut files = vec!["dataflows/sea.toml".to_owned(), "dataflows/flights.toml".to_owned()];
    let configs = std::fs::read_dir(root().join("tests/configs")).expect("a folder").flatten();
    let configs = configs.map(|entry| format!("tests/configs/{}", entry.file_name().to_string_lossy()));
    files.extend(configs.filter(|name| name.ends_with(".toml")));
    files.sort();
    let examples: Vec<Vec<u8>> = files.iter().map(|file| text(file).into_bytes()).collect();
    let mut valid = 0;
    fuzz("pipeline_files", &examples, 2_000, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        match check(text, "broken.toml", &load) {
            Ok(spec) => {
                valid += 1;
                assert!(Plan::new(spec).is_ok(), "what the check takes, a run takes");
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                let inside = |span: &std::ops::Range<usize>| span.start <= span.end && span.end <= text.len();
                assert!(errors.list().iter().all(|error| inside(&error.span)), "{:?}", errors.list());
                assert!(errors.render(false).contains("broken.toml"));
            }
        }
    });
    assert!(valid > 0, "some are still valid");
}

/// A run's records and registry, from the program itself.
fn run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (stream, rest) in [("events", "\"x0\":1,\"x1\":2,\"x2\":3"), ("labels", "\"y\":true")] {
        let line =
            |n: usize| format!("{{\"id\":\"{n}\",\"at\":\"2024-01-01T{:02}:{:02}:00Z\",{rest}}}\n", n / 60, n % 60);
        std::fs::write(folder.path().join(stream), (0..600).map(line).collect::<String>()).expect("a file");
    }
    let input = |stream: &str| format!("{stream}={}", folder.path().join(stream).display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.env_remove("TIDEMILL_KAFKA").current_dir(root()).args(["run", "sea", "--quiet", "--out"]);
    command.arg(folder.path().join("out")).args(["--input", &input("events"), "--input", &input("labels")]);
    assert!(command.stdout(Stdio::null()).status().expect("it starts").success());
    folder
}

#[test]
fn progress_records() {
    let folder = run();
    let plan = Plan::new(sea()).expect("it compiles");
    let log = std::fs::read(folder.path().join("out/progress.log")).expect("a log");
    let lines = |bytes: &[u8]| -> Vec<String> {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        lines.pop();
        lines.into_iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    };
    let whole = lines(&log);
    assert!(whole.len() > 5);
    fuzz("progress_records", std::slice::from_ref(&log), 5_000, |bytes| {
        let found = lines(bytes);
        let (count, start) = (found.len(), whole.starts_with(&found));
        match History::check(&plan, found, "progress.log", "") {
            Ok(history) => assert!(start && history.end() == count as u64, "what was changed is believed"),
            Err(error) => assert!(!start, "what was not changed is not believed: {error}"),
        }
    });
}

#[test]
fn models() {
    let folder = run();
    let artifact = std::fs::read(folder.path().join("out/registry/concept/v1.json")).expect("an artifact");
    let mut good = vec![artifact.clone()];
    for (task, spec) in [
        (Task::Binary, LearnerSpec::HoeffdingTree(TreeSpec { grace_period: 2, tau: 1.0, ..TreeSpec::default() })),
        (Task::Multiclass(3), LearnerSpec::HoeffdingAdaptiveTree(AdaptiveTreeSpec::default())),
        (Task::Multiclass(3), LearnerSpec::GaussianNb),
        (Task::Multiclass(3), LearnerSpec::MultinomialNb { alpha: 1.0 }),
        (Task::Multiclass(3), LearnerSpec::NearestNeighbors(NearestSpec::default())),
        (Task::Multiclass(3), LearnerSpec::LeveragingBagging(BaggingSpec { n_models: 2, ..BaggingSpec::default() })),
        (Task::Binary, LearnerSpec::StreamingRandomPatches(PatchesSpec { n_models: 2, ..PatchesSpec::default() })),
        (Task::Regression, LearnerSpec::HoeffdingTree(TreeSpec { grace_period: 2, tau: 1.0, ..TreeSpec::default() })),
        (Task::Regression, LearnerSpec::Ridge { alpha: 1.0 }),
    ] {
        let mut learner = learner(&spec, 2, task);
        for n in 0..12 {
            let x = Vector { dense: [f64::from(n % 5)].into(), hot: if n % 2 == 0 { [1].into() } else { [].into() } };
            learner.learn(&x, Label::class(n as usize % task.classes().max(2)));
        }
        good.push(Artifact::new("m", "ab", 2, learner.save()).expect("it is in range").to_bytes());
    }
    let mut taken = 0;
    fuzz("models", &good, 20_000, |bytes| {
        let Ok(found) = Artifact::from_bytes(bytes) else { return };
        taken += 1;
        let again = Artifact::from_bytes(&found.to_bytes()).expect("its own bytes");
        assert_eq!(again, found);
        let width = found.width as usize;
        let fixed = Fixed::from(found.body);
        for value in [0.0, 1.0, -1e300] {
            let said = fixed.predict(&Vector { dense: vec![value; width].into(), hot: [].into() });
            assert!(said.score().abs() <= Label::LIMIT, "{said:?}");
        }
    });
    assert!(taken > 20, "{taken} are taken");

    let registry = folder.path().join("out/registry/concept");
    for name in ["v1.card.json", "log.jsonl"] {
        let whole = std::fs::read(registry.join(name)).expect("it is there");
        fuzz(name, std::slice::from_ref(&whole), 1_000, |bytes| {
            std::fs::write(registry.join(name), bytes).expect("a file");
            let reader = Registry::read(&folder.path().join("out"), "concept").expect("the model is there");
            // Both are read or refused by name.
            let told = [reader.card(1).map(|_| ()), reader.log().map(|_| ()), reader.champion().map(|_| ())];
            let told = told.into_iter().filter_map(Result::err).map(|error| error.to_string());
            told.for_each(|error| assert!(error.contains("concept"), "{error}"));
        });
        std::fs::write(registry.join(name), &whole).expect("a file");
    }
}

/// What the other end says, whatever is said to it.
struct Deaf<'a>(&'a [u8], Vec<u8>);

impl Read for Deaf<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Deaf<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn handshakes() {
    let key = RunKey::new(b"sixteen bytes at least", "");
    // What was once said on a real connection, by both ends.
    let (mut one, mut two) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| {
            let mut tap = Tap { inner: &mut two, said: &mut heard };
            handshake::answer(&mut tap, &key, 0, |_| Ok(()))
        });
        let mut tap = Tap { inner: &mut one, said: &mut said };
        handshake::dial(&mut tap, &key, 1, 0).expect("they know each other");
        assert_eq!(answered.join().expect("no panic").expect("they know each other"), 1);
    });
    fuzz("handshakes", &[said], 20_000, |bytes| {
        let answered = handshake::answer(&mut Deaf(bytes, Vec::new()), &key, 0, |from| {
            panic!("{from} was let in without knowing the key");
        });
        assert!(answered.is_err());
    });
    fuzz("handshakes, dialled", &[heard], 20_000, |bytes| {
        assert!(handshake::dial(&mut Deaf(bytes, Vec::new()), &key, 1, 0).is_err(), "it believes a stranger");
    });
}

/// A connection that remembers what was said into it.
struct Tap<'a, S> {
    inner: &'a mut S,
    said: &'a mut Vec<u8>,
}

impl<S: Read> Read for Tap<'_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.inner.read(into)
    }
}

impl<S: Write> Write for Tap<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.said.extend_from_slice(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
