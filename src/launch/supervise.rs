//! Supervision: `-n N` without `-p` starts N copies of this program on this machine and watches over them.
//!
//! In: the arguments as typed, and N. Out: the exit code of the group: 0 if all ended with 0, else that of the first
//! that did not. Keeps: the children, and a hostfile of free loopback ports, removed at the end. A process that fails
//! takes its group with it: the others are killed and reaped. A group that crashed (by a signal, a panic, or an outcome
//! that is not known) is started again after a while, which doubles each time, and takes up the run where it was; one
//! that says what is wrong is not. SIGTERM and SIGINT are passed on, and the children end in their own time; at a
//! second one they are killed. If the supervisor itself is killed, the system ends its children (Linux). Limits: a port
//! is free when it is chosen; somebody else may take it before the child does, and the group is started again with
//! others.

use super::Exit;
use super::join::SECRET;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Tells a child who supervises it: the process id of its parent.
pub(super) const SUPERVISOR: &str = "TIDEMILL_SUPERVISOR";

/// Why the group could not be started or watched.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// No handler could be set for signals.
    #[error("cannot listen to signals: {0}")]
    Signals(std::io::Error),
    /// No free ports, or no place for the file that names them.
    #[error("cannot prepare the hostfile: {0}")]
    Hostfile(std::io::Error),
    /// There are no random numbers to be had.
    #[error("cannot make a secret for the processes: {0}")]
    Secret(std::io::Error),
    /// A process could not be started.
    #[error("cannot start process {index}: {cause}")]
    Start {
        /// Its index.
        index: usize,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A process could not be waited for.
    #[error("cannot wait for process {index}: {cause}")]
    Wait {
        /// Its index.
        index: usize,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// The first wait before a group is started again; it doubles each time, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A group that has run for so long has started well: what happens to it then is not counted with what was before.
const STARTED_WELL: Duration = Duration::from_secs(60);

/// Starts `processes` copies of this program with `words` (the arguments, without the program's name) and `-p i -h
/// FILE`, waits for all, and yields the exit code of the group. One that crashed is started again, up to `restarts`
/// times in a row, without `--fresh`.
///
/// Must be called on the main thread: on Linux the children end when the *thread* that started them does.
///
/// # Errors
/// A process cannot be started or waited for; those that were started have been killed and reaped by then.
pub fn supervise(words: &[OsString], processes: usize, restarts: usize) -> Result<i32, SuperviseError> {
    let program = std::env::current_exe().map_err(|cause| SuperviseError::Start { index: 0, cause })?;
    run_groups(&program, words, processes, restarts)
}

fn run_groups(program: &Path, words: &[OsString], processes: usize, restarts: usize) -> Result<i32, SuperviseError> {
    // Before the first child, or the end of a quick one would be missed.
    let mut signals = Signals::new([SIGCHLD, SIGTERM, SIGINT]).map_err(SuperviseError::Signals)?;
    let mut words = words.to_vec();
    let mut in_a_row = 0;
    loop {
        let began = Instant::now();
        let Ran { code, asked } = run_group(program, &words, processes, &mut signals)?;
        if began.elapsed() >= STARTED_WELL {
            in_a_row = 0;
        }
        if code != Exit::Again as i32 || asked || in_a_row >= restarts {
            return Ok(code);
        }
        let wait = wait_before(in_a_row);
        in_a_row += 1;
        tracing::warn!(
            attempt = in_a_row,
            of = restarts,
            wait_ms = wait.as_millis() as u64,
            "starting the group again"
        );
        if stopped_within(wait, &mut signals) {
            return Ok(code);
        }
        words.retain(|word| word != "--fresh");
    }
}

/// The wait before the next start, after so many: doubled each time, and a quarter more or less, so that groups that
/// fell together do not all come back together.
fn wait_before(in_a_row: usize) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << in_a_row.min(16)).min(LONGEST_WAIT);
    let mut byte = [128];
    // Without random numbers there is no jitter.
    let _ = getrandom::fill(&mut byte);
    wait.mul_f64(0.75 + f64::from(byte[0]) / 512.0)
}

/// Waits; whether somebody asked to stop meanwhile.
fn stopped_within(wait: Duration, signals: &mut Signals) -> bool {
    let until = Instant::now() + wait;
    while Instant::now() < until {
        if signals.pending().any(|signal| signal != SIGCHLD) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Ties this process to its supervisor: from now on it ends (SIGKILL) when the supervisor does. For a child to call
/// first of all; without a supervisor it does nothing. `false` says that the supervisor is gone already: end at once.
pub fn tie_to_supervisor() -> bool {
    let Some(supervisor) = std::env::var(SUPERVISOR).ok().and_then(|id| id.parse::<i32>().ok()) else { return true };
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        tracing::warn!(%error, "this process would outlive its supervisor");
    }
    // Whoever was orphaned before the line above has another parent by now.
    rustix::process::getppid().is_some_and(|parent| parent.as_raw_nonzero().get() == supervisor)
}

/// How a group ended.
struct Ran {
    code: i32,
    /// Whether it was asked to.
    asked: bool,
}

fn run_group(
    program: &Path,
    words: &[OsString],
    processes: usize,
    signals: &mut Signals,
) -> Result<Ran, SuperviseError> {
    let hostfile = Hostfile::create(processes).map_err(SuperviseError::Hostfile)?;
    let secret = fresh_secret().map_err(SuperviseError::Secret)?;
    let mut group = Group { members: Vec::new() };
    for index in 0..processes {
        let child = start(program, words, index, (&hostfile.0, &secret));
        group.members.push(Member { index, child: child.map_err(|cause| SuperviseError::Start { index, cause })? });
    }
    let mut asked = false;
    loop {
        if let Some(code) = group.ended(asked)? {
            return Ok(Ran { code, asked });
        }
        for signal in signals.wait() {
            match signal {
                // Once it is a request; who asks twice means it.
                SIGTERM | SIGINT if asked => group.signal(Signal::KILL),
                SIGTERM | SIGINT => {
                    asked = true;
                    group.signal(if signal == SIGINT { Signal::INT } else { Signal::TERM });
                }
                _ => {}
            }
        }
    }
}

fn start(
    program: &Path,
    words: &[OsString],
    index: usize,
    (hostfile, secret): (&Path, &str),
) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(words).arg("-p").arg(index.to_string()).arg("-h").arg(hostfile);
    command.env(SUPERVISOR, std::process::id().to_string()).env(SECRET, secret);
    // A terminal's ^C goes to its whole process group; the supervisor alone hears it and passes it on once.
    command.process_group(0);
    if index > 0 {
        command.stdin(Stdio::null()).stdout(Stdio::null());
    }
    command.spawn()
}

/// What only the processes of this start know.
fn fresh_secret() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(blake3::Hash::from(bytes).to_hex().to_string())
}

struct Member {
    index: usize,
    child: Child,
}

/// The children that are not reaped yet; none outlives it.
struct Group {
    members: Vec<Member>,
}

impl Group {
    /// Reaps who has ended. `Some` if the group has: with 0 if all did well, with the exit code of one that did not.
    /// One that was ended by the signal by which the group was `asked` to stop did not listen yet: nothing had begun.
    fn ended(&mut self, asked: bool) -> Result<Option<i32>, SuperviseError> {
        let mut worst: Option<i32> = None;
        let mut left = Vec::new();
        let mut failed = None;
        for mut member in self.members.drain(..) {
            match member.child.try_wait() {
                Ok(None) => left.push(member),
                Ok(Some(status)) if status.success() => {}
                Ok(Some(status)) if asked && matches!(status.signal(), Some(SIGTERM | SIGINT)) => {
                    worst = worst.or(Some(Exit::Done as i32));
                }
                Ok(Some(status)) => {
                    let code = code_of(status);
                    // Who was asked wrongly has said so.
                    if code != Exit::Usage as i32 {
                        let process = member.index;
                        tracing::error!(process, %status, "a process failed and takes its group with it");
                    }
                    // Of several found at once, this is what one says whose peer has gone.
                    worst = Some(worst.filter(|w| *w != Exit::Again as i32).unwrap_or(code));
                }
                Err(cause) => failed = Some(SuperviseError::Wait { index: member.index, cause }),
            }
        }
        self.members = left;
        match (failed, worst) {
            (Some(error), _) => Err(error),
            (None, Some(code)) => Ok(Some(code)),
            (None, None) => Ok(self.members.is_empty().then_some(0)),
        }
    }

    fn signal(&self, signal: Signal) {
        for member in &self.members {
            let id = i32::try_from(member.child.id()).ok().and_then(Pid::from_raw);
            // One that has just ended is not reaped yet, so that its id is still its own.
            if let Some(Err(error)) = id.map(|id| kill_process(id, signal)) {
                tracing::warn!(process = member.index, %error, "a signal could not be passed on");
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Both fail only for a child that is reaped, which these are not.
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// The exit code of a process; one that a signal ended should be started again.
fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or(Exit::Again as i32)
}

/// A file of one loopback address a process; it is removed with this.
struct Hostfile(PathBuf);

impl Hostfile {
    fn create(processes: usize) -> std::io::Result<Hostfile> {
        // All are held until all are known, so that no two are the same.
        let held: Vec<TcpListener> =
            (0..processes).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
        let mut text = String::new();
        for listener in &held {
            text.push_str(&format!("{}\n", listener.local_addr()?));
        }
        // The name has a chosen port: two supervisors of one process id (containers that share a folder) do not meet.
        let port = held.first().map_or(Ok(0), |l| l.local_addr().map(|a| a.port()))?;
        let path = std::env::temp_dir().join(format!("tidemill-{}-{port}.hosts", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let hostfile = Hostfile(path);
        file.write_all(text.as_bytes())?;
        Ok(hostfile)
    }
}

impl Drop for Hostfile {
    fn drop(&mut self) {
        // Somebody may have tidied the folder; nothing depends on it any more.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A group of shells: `$1` is `--fresh` at the first start, then come `-p`, the index, `-h`, the hostfile.
    fn shells(script: &str, processes: usize, restarts: usize) -> Result<i32, SuperviseError> {
        let words = ["-c", script, "member", "--fresh"].map(OsString::from);
        run_groups(Path::new("/bin/sh"), &words, processes, restarts)
    }

    #[test]
    fn a_group_ends_well_when_all_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!("cp \"$5\" {0}/$3.hosts; echo $TIDEMILL_SUPERVISOR > {0}/$3.id", folder.path().display());
        assert_eq!(shells(&script, 3, 0).expect("the group is watched"), 0);
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("the member wrote it");
        let hosts = text("0.hosts");
        assert_eq!(hosts, text("2.hosts"));
        let ports: BTreeSet<&str> = hosts.lines().filter_map(|l| l.strip_prefix("127.0.0.1:")).collect();
        assert_eq!(ports.len(), 3, "{hosts}");
        assert_eq!(text("1.id").trim(), std::process::id().to_string());
    }

    #[test]
    fn one_that_fails_takes_its_group_with_it() {
        // The others would sleep for an hour; the test ends because they are killed, and reaped.
        assert_eq!(shells("[ $3 = 1 ] && exit 3; exec sleep 3600", 3, 9).expect("the group is watched"), 3);
        assert_eq!(shells("[ $3 = 0 ] && kill -9 $$; exec sleep 3600", 2, 0).expect("the group is watched"), 5);
    }

    #[test]
    fn a_group_that_crashed_is_started_again_but_not_afresh_nor_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!(
            "[ $1 = -p ] && exec test $2 = 0 || {{ echo $TIDEMILL_SECRET >> {}/secrets; kill -9 $$; }}",
            folder.path().display()
        );
        assert_eq!(shells(&script, 1, 3).expect("the group is watched"), 0, "the second time it ends well");
        let folder = tempfile::tempdir().expect("a folder");
        let secrets = folder.path().join("secrets");
        let script = format!("echo $TIDEMILL_SECRET >> {}; kill -9 $$", secrets.display());
        assert_eq!(shells(&script, 1, 2).expect("the group is watched"), 5);
        let secrets = std::fs::read_to_string(secrets).expect("the members wrote it");
        let distinct: BTreeSet<&str> = secrets.lines().collect();
        assert_eq!((secrets.lines().count(), distinct.len()), (3, 3), "three starts, a secret each");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = run_groups(Path::new("/no/such/program"), &[], 2, 5).expect_err("nothing can be started");
        assert!(error.to_string().starts_with("cannot start process 0: "), "{error}");
    }

    #[test]
    fn hostfiles_leave_nothing_behind() {
        let hostfile = Hostfile::create(2).expect("two free ports");
        let path = hostfile.0.clone();
        assert!(path.is_file());
        drop(hostfile);
        assert!(!path.exists());
    }
}
