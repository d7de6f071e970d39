//! Points at which a run can be made to die, for the tests of crashes.
//!
//! In: the environment variable `TIDEMILL_DIE_AT`: `POINT:N` lets the process kill itself as it passes the point for
//! the N-th time; `SOURCE/PARTITION:OFFSET` lets the worker panic that writes the tick of that record.
//! `TIDEMILL_HOLD_AT`: `POINT:N:MS` lets whoever passes the point for the N-th time wait there for so many
//! milliseconds, as for a disk or a broker that does not answer. Without the variables a point costs two loads, and
//! there is none on the way of single records. A child of a supervisor inherits them.

use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The variable.
pub const DIE_AT: &str = "TIDEMILL_DIE_AT";

/// The other.
pub const HOLD_AT: &str = "TIDEMILL_HOLD_AT";

/// The points over files, in about the order in which a run passes them.
pub const FILES: [&str; 23] = [
    "folder.written",
    "folder.synced",
    "folder.renamed",
    "stream.cut",
    "training.begun",
    "version.written",
    "version.synced",
    "version.renamed",
    "log.appended",
    "log.synced",
    "activation.before",
    "activation.after",
    "lines.before",
    "lines.flushed",
    "lines.synced",
    "progress.before",
    "progress.flushed",
    "progress.synced",
    "checkpoint.begun",
    "checkpoint.written",
    "checkpoint.part",
    "checkpoint.before",
    "checkpoint.after",
];

/// The points over topics, beside those of the folder, versions, log and activation.
pub const TOPICS: [&str; 7] = [
    "init.before",
    "init.after",
    "topics.created",
    "tick.produced",
    "progress.produced",
    "commit.before",
    "commit.after",
];

struct Armed {
    point: String,
    /// How often it is still to be passed; or the offset.
    number: AtomicU64,
}

static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
    let text = std::env::var(DIE_AT).ok()?;
    let (point, number) = text.rsplit_once(':')?;
    Some(Armed { point: point.to_owned(), number: AtomicU64::new(number.parse().ok()?) })
});

/// Where to wait, and for how long.
static HOLDING: LazyLock<Option<(Armed, Duration)>> = LazyLock::new(|| {
    let text = std::env::var(HOLD_AT).ok()?;
    let (armed, wait) = text.rsplit_once(':')?;
    let (point, number) = armed.rsplit_once(':')?;
    let armed = Armed { point: point.to_owned(), number: AtomicU64::new(number.parse().ok()?) };
    Some((armed, Duration::from_millis(wait.parse().ok()?)))
});

/// Passes a point, or dies there.
pub fn point(name: &str) {
    if let Some((armed, wait)) = &*HOLDING
        && armed.point == name
        && armed.number.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::thread::sleep(*wait);
    }
    let Some(armed) = &*ARMED else { return };
    if armed.point == name && armed.number.fetch_sub(1, Ordering::Relaxed) == 1 {
        // Not an exit: nothing is flushed, no destructor runs.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// Passes the records of a partition, or panics if the one is among them. `name` is made only if a point is set.
///
/// # Panics
/// If that is asked for.
pub fn records(name: impl FnOnce() -> String, offsets: Range<u64>) {
    let Some(armed) = &*ARMED else { return };
    let found = offsets.contains(&armed.number.load(Ordering::Relaxed)) && armed.point == name();
    assert!(!found, "a record that {DIE_AT} names");
}
