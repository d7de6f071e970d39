//! Whole runs: a project folder of a test's own, the program started as a user starts it, and what it left behind.

use crate::support::{Ground, PATIENCE, Told};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use tidemill::broker::partition_of;

/// The program.
pub const TIDEMILL: &str = env!("CARGO_BIN_EXE_tidemill");
/// This repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pipeline `sea` under the name of a test, with as much of its data as the test wants.
pub struct Project {
    folder: tempfile::TempDir,
    pub name: String,
}

impl Project {
    /// The sea's records before `until` (an instant as it is written in the data).
    pub fn sea(ground: &Ground, until: &str) -> Project {
        let cut = |source| {
            let packed = File::open(Path::new(ROOT).join(format!("datasets/sea/{source}.jsonl.gz"))).unwrap();
            let whole = std::io::read_to_string(flate2::read::MultiGzDecoder::new(packed)).unwrap();
            whole.lines().filter(|line| at(line).as_str() < until).map(|line| format!("{line}\n")).collect()
        };
        Project::with(ground, &["events", "labels"].map(cut))
    }

    /// The same pipeline over given events and labels.
    pub fn with(ground: &Ground, lines: &[String; 2]) -> Project {
        let project = Project { folder: tempfile::tempdir().unwrap(), name: ground.prefix.clone() };
        let text = std::fs::read_to_string(Path::new(ROOT).join("dataflows/sea.toml")).unwrap();
        let renamed = text.replace("name  = \"sea\"", &format!("name = \"{}\"", project.name));
        assert_ne!(text, renamed, "the pipeline's name was found");
        std::fs::create_dir(project.path("dataflows")).unwrap();
        std::fs::write(project.pipeline(), renamed).unwrap();
        std::fs::create_dir_all(project.data("")).unwrap();
        for (source, lines) in ["events", "labels"].iter().zip(lines) {
            std::fs::write(project.data(&format!("{source}.jsonl")), lines).unwrap();
        }
        project
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    pub fn pipeline(&self) -> PathBuf {
        self.path(&format!("dataflows/{}.toml", self.name))
    }

    pub fn data(&self, file: &str) -> PathBuf {
        self.path("datasets").join(&self.name).join(file)
    }

    pub fn topic(&self, stream: &str) -> String {
        format!("{}.{stream}", self.name)
    }

    /// Replaces a line of the pipeline file by others.
    pub fn rewrite(&self, line: &str, by: &str) {
        let text = std::fs::read_to_string(self.pipeline()).unwrap();
        assert!(text.contains(line), "`{line}` is in the pipeline");
        std::fs::write(self.pipeline(), text.replacen(line, by, 1)).unwrap();
    }

    /// Adds lines to a source's file.
    pub fn add(&self, source: &str, lines: &[String]) {
        let file = self.data(&format!("{source}.jsonl"));
        let text = std::fs::read_to_string(&file).unwrap() + &lines.join("\n") + "\n";
        std::fs::write(&file, text).unwrap();
    }

    /// The lines of a source's file.
    pub fn lines(&self, source: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.data(&format!("{source}.jsonl"))).unwrap();
        text.lines().map(str::to_string).collect()
    }

    /// The files of a source as its topic's partitions have it, in the form of `--input`.
    pub fn parts(&self, source: &str, partitions: u16) -> Vec<String> {
        let mut parts = vec![String::new(); usize::from(partitions)];
        for line in self.lines(source) {
            parts[usize::from(partition_of(&id(&line), partitions))] += &(line + "\n");
        }
        let write = |(number, part): (usize, String)| {
            let path = self.path(&format!("{source}-{number}.jsonl"));
            std::fs::write(&path, part).unwrap();
            format!("{source}={}", path.display())
        };
        parts.into_iter().enumerate().map(write).collect()
    }

    /// `tidemill WHAT PIPELINE` with more words, on no cluster but one that is given.
    pub fn command(&self, what: &str, kafka: Option<&str>, words: &[&str]) -> Command {
        let mut command = Command::new(TIDEMILL);
        command.arg(what).arg(self.pipeline()).args(words).env_remove("TIDEMILL_KAFKA").stdin(Stdio::null());
        if let Some(bootstrap) = kafka {
            command.args(["--kafka", bootstrap]);
        }
        command
    }

    /// Feeds the files into topics.
    pub fn feed(&self, ground: &Ground, partitions: u16) {
        let partitions = partitions.to_string();
        let words = ["--speed", "max", "--partitions", &partitions];
        expect_code(&mut self.command("feed", Some(ground.broker.bootstrap()), &words), 0);
    }

    /// The lines of a stream of a file run, sorted.
    pub fn written(&self, out: &str, stream: &str) -> Vec<String> {
        let file = if stream == "progress" { "progress.log".to_string() } else { format!("{stream}.jsonl") };
        let text = std::fs::read_to_string(self.path(out).join(file)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines.sort();
        lines
    }

    pub fn summary(&self, out: &str) -> Value {
        let text = std::fs::read_to_string(self.path(out).join("summary.json")).expect("a summary");
        serde_json::from_str(&text).unwrap()
    }
}

/// Runs to the end; its outcome, if the exit code is the expected one.
pub fn expect_code(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{told}\n{errors}");
    output
}

/// What it told on standard error.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program that runs beside the test; it does not outlive it.
pub struct Running(pub Child);

impl Running {
    pub fn start(command: &mut Command) -> Running {
        Running(command.spawn().unwrap())
    }

    /// Whether it goes on.
    pub fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// How it ended; killed, and the test with it, if that takes too long.
    pub fn end(&mut self) -> ExitStatus {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        let (ended, watch) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let guard = scope.spawn(move || {
                let late = watch.recv_timeout(PATIENCE).is_err();
                if late {
                    let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
                }
                late
            });
            let status = self.0.wait().unwrap();
            let _ = ended.send(());
            assert!(!guard.join().unwrap(), "the program ends in time");
            status
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The event time in a line, and a record's id.
pub fn at(line: &str) -> String {
    field(line, "at")
}

pub fn id(line: &str) -> String {
    field(line, "id")
}

fn field(line: &str, name: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    value[name].as_str().unwrap_or_default().to_string()
}

/// The values of messages, sorted.
pub fn values(messages: &[Told]) -> Vec<String> {
    let mut values: Vec<String> = messages.iter().map(|m| m.value_text().to_string()).collect();
    values.sort();
    values
}

/// The headers of a message by name.
pub fn headers(message: &Told) -> BTreeMap<&str, &str> {
    message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
