//! Several processes as one run: started and supervised, or one by one by hand; and what is left when one of them dies.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How long anything may take before a test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn tidemill(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.args(words).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("TIDEMILL_KAFKA").stdin(Stdio::null());
    command
}

/// How it ended; killed, and the test with it, if that takes too long.
fn end(child: &mut Child) -> ExitStatus {
    let id = pid(child.id());
    let (ended, watch) = channel::<()>();
    std::thread::scope(|scope| {
        let guard = scope.spawn(move || {
            let late = watch.recv_timeout(PATIENCE).is_err();
            if late {
                let _ = kill_process(id, Signal::KILL);
            }
            late
        });
        let status = child.wait().unwrap();
        let _ = ended.send(());
        assert!(!guard.join().unwrap(), "it ends in time");
        status
    })
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// Asks again until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "{what} in time");
        std::thread::yield_now();
    }
}

/// The processes whose parent this is, with their command lines.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<(u32, String)> {
    let of = format!("/proc/{parent}/task/{parent}/children");
    let ids = std::fs::read_to_string(of).unwrap_or_default();
    let line = |id: u32| std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default().replace('\0', " ");
    ids.split_whitespace().filter_map(|id| id.parse().ok()).map(|id| (id, line(id))).collect()
}

/// Whether the process is there: not gone, and not just waiting to be reaped.
#[cfg(target_os = "linux")]
fn lives(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    status.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

/// A supervised run of `sea` that cannot end: its events come from a pipe that stays open.
#[cfg(target_os = "linux")]
struct Group {
    supervisor: Child,
    members: Vec<(u32, String)>,
    errors: PathBuf,
    _pipe: File,
    _folder: tempfile::TempDir,
}

#[cfg(target_os = "linux")]
impl Group {
    fn start() -> Group {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("events.jsonl");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // For reading too, or opening it would wait for a reader.
        let mut writer = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let event =
            |n: u32| format!("{{\"at\":\"2024-01-01T00:{n:02}:00Z\",\"id\":\"{n}\",\"x0\":1,\"x1\":2,\"x2\":3}}\n");
        writer.write_all((0..30).map(event).collect::<String>().as_bytes()).unwrap();
        let (out, errors) = (folder.path().join("out"), folder.path().join("errors"));
        let input = format!("events={}", pipe.display());
        let words =
            ["run", "sea", "-n", "2", "--restarts", "0", "--quiet", "--out", out.to_str().unwrap(), "--input", &input];
        let supervisor = tidemill(&words).stderr(File::create(&errors).unwrap()).spawn().unwrap();
        let mut group = Group { supervisor, members: Vec::new(), errors, _pipe: writer, _folder: folder };
        until("both members are there", || {
            group.members = children(group.supervisor.id());
            group.members.len() == 2 && group.members.iter().all(|(_, line)| line.contains(" -p "))
        });
        until("the run has begun", || out.join("predictions.jsonl").is_file());
        group
    }

    fn member(&self, index: usize) -> Pid {
        let wanted = format!(" -p {index} ");
        pid(self.members.iter().find(|(_, line)| line.contains(&wanted)).expect("a member of that index").0)
    }

    fn nobody_is_left(&mut self) -> ExitStatus {
        let status = end(&mut self.supervisor);
        for (id, line) in &self.members {
            until(&format!("{line} is gone"), || !lives(*id));
        }
        status
    }

    fn told(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }
}

#[cfg(target_os = "linux")]
#[test]
fn one_member_that_is_killed_ends_the_group() {
    for index in 0..2 {
        let mut group = Group::start();
        kill_process(group.member(index), Signal::KILL).unwrap();
        let status = group.nobody_is_left();
        assert_eq!(status.code(), Some(5), "{}", group.told());
        assert!(group.told().contains("a process failed and takes its group with it"), "{}", group.told());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_to_the_supervisor_ends_all() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut group = Group::start();
        kill_process(pid(group.supervisor.id()), signal).unwrap();
        let status = group.nobody_is_left();
        assert!(status.success(), "asked to stop, all end well: {}", group.told());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_supervisor_that_is_killed_leaves_no_orphans() {
    let mut group = Group::start();
    kill_process(pid(group.supervisor.id()), Signal::KILL).unwrap();
    let status = group.nobody_is_left();
    assert_eq!(status.signal(), Some(9));
}

#[test]
fn members_by_hand_say_whom_they_wait_for_and_do_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (hosts, ports) = (folder.path().join("hosts"), free_ports());
    std::fs::write(&hosts, format!("127.0.0.1:{}\n127.0.0.1:{}\n", ports[0], ports[1])).unwrap();
    let mut inputs = Vec::new();
    for (source, lines) in [("events", 2000), ("labels", 1500)] {
        let path = folder.path().join(format!("{source}.jsonl"));
        std::fs::write(&path, head(Path::new(&format!("datasets/sea/{source}.jsonl.gz")), lines)).unwrap();
        inputs.push(format!("{source}={}", path.display()));
    }
    let out = |name: &str| folder.path().join(name).display().to_string();
    let common = ["run", "sea", "--quiet", "--input", &inputs[0], "--input", &inputs[1]];
    assert!(tidemill(&[&common[..], &["--out", &out("one")]].concat()).status().unwrap().success());

    let (hosts, two) = (hosts.display().to_string(), out("two"));
    let member = |index: &'static str| {
        let words = [&common[..], &["--out", &two, "-n", "2", "-p", index, "-h", &hosts]].concat();
        let secret = "known to both of us";
        tidemill(&words).env("TIDEMILL_SECRET", secret).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut first = member("0");
    let mut told = String::new();
    let mut lines = BufReader::new(first.stderr.take().unwrap());
    lines.read_line(&mut told).unwrap();
    assert_eq!(told.trim(), format!("process 0 of 2 waits for: 1 at 127.0.0.1:{}", ports[1]));
    let mut second = member("1");
    assert!(end(&mut second).success());
    assert!(end(&mut first).success());
    for stream in ["predictions.jsonl", "metrics.jsonl", "decisions.jsonl", "models.jsonl", "progress.log"] {
        let sorted = |run: &str| {
            let text = std::fs::read_to_string(folder.path().join(run).join(stream)).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted("one"), sorted("two"), "{stream}");
    }
}

#[test]
fn members_that_cannot_come_together_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (hosts, ports) = (folder.path().join("hosts"), free_ports());
    std::fs::write(&hosts, format!("127.0.0.1:{}\n127.0.0.1:{}\n", ports[0], ports[1])).unwrap();
    let hosts = hosts.display().to_string();
    let out = folder.path().join("out").display().to_string();
    let told = |secret: Option<&str>, processes: &str, code: i32| {
        let words = ["run", "sea", "--quiet", "--out", &out, "-n", processes, "-p", "1", "-h", &hosts];
        let mut command = tidemill(&[&words[..], &["--join-within", "1"]].concat());
        command.env_remove("TIDEMILL_SECRET");
        secret.into_iter().for_each(|secret| {
            command.env("TIDEMILL_SECRET", secret);
        });
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        told
    };
    let missing = told(Some("known to both of us"), "2", 5);
    assert!(missing.contains(&format!("gave up after 1 s: process 0 at 127.0.0.1:{} did not come", ports[0])));
    let none = told(None, "2", 2);
    assert!(none.contains("--secret-file") && none.contains("TIDEMILL_SECRET"), "{none}");
    assert!(told(Some("short"), "2", 2).contains("TIDEMILL_SECRET has 5 bytes, a secret has at least 16"));
    assert!(told(Some("known to both of us"), "3", 2).contains("names 2 processes, -n is 3"));
}

#[cfg(target_os = "linux")]
#[test]
fn who_loses_a_peer_says_so() {
    let mut group = Group::start();
    kill_process(group.member(1), Signal::KILL).unwrap();
    group.nobody_is_left();
    let told = group.told();
    // It may have been ended by the supervisor before it noticed, but it is never surprised.
    assert!(!told.contains("panicked"), "{told}");
}

fn free_ports() -> [u16; 2] {
    let held = [0, 1].map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

fn head(packed: &Path, lines: usize) -> String {
    let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(packed)).unwrap();
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines().take(lines);
    lines.map(|line| line.unwrap() + "\n").collect()
}
