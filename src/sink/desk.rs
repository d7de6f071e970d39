//! The thread on which a sink works, and the groups of ticks that it commits.
//!
//! In: ticks, in order. Out: each group written, then committed. A group is closed [`GROUP_AFTER`] after its first
//! tick, or at [`GROUP_BYTES`]: waiting for a disk or a cluster once a tick would cost more than the tick. Keeps: at
//! most [`WAITING`] ticks not yet taken; one more waits in [`Sink::write`], and with it the walk.

use super::{Sink, SinkError, Written};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest that a tick waits for others to share its commit.
const GROUP_AFTER: Duration = Duration::from_millis(50);
/// A group with more bytes is committed at once.
const GROUP_BYTES: usize = 16 << 20;
/// Ticks that wait to be taken, at most.
const WAITING: usize = 64;

/// What differs between sinks.
pub(super) trait Work: Send + 'static {
    /// Adds a tick to the open group.
    fn take(&mut self, written: Written) -> Result<(), SinkError>;

    /// Commits the open group: its outputs, then its progress.
    fn commit(&mut self) -> Result<(), SinkError>;
}

/// A sink at work.
#[derive(Debug)]
pub(super) struct Desk {
    place: String,
    /// Hung up to close.
    ticks: Option<SyncSender<Written>>,
    thread: Option<JoinHandle<Result<(), SinkError>>>,
    /// Ticks below this are committed.
    committed: Arc<AtomicU64>,
}

impl Desk {
    /// Starts the thread; `place` is named where it cannot say itself what went wrong.
    pub(super) fn start(place: String, work: impl Work) -> Result<Desk, SinkError> {
        let (ticks, taken) = sync_channel(WAITING);
        let committed = Arc::new(AtomicU64::new(0));
        let told = committed.clone();
        let thread = thread::Builder::new().name("sink".to_owned()).spawn(move || run(work, &taken, &told));
        let thread = thread.map_err(|e| SinkError::Write { place: place.clone(), cause: e.to_string() })?;
        Ok(Desk { place, ticks: Some(ticks), thread: Some(thread), committed })
    }

    /// Waits for the thread and says how it ended.
    fn outcome(&mut self) -> Result<(), SinkError> {
        self.ticks = None;
        let broken = |cause: &str| SinkError::Write { place: self.place.clone(), cause: cause.to_owned() };
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(broken("the sink's thread panicked")),
            None => Err(broken("it failed before and is closed")),
        }
    }
}

impl Sink for Desk {
    fn write(&mut self, written: Written) -> Result<(), SinkError> {
        match &self.ticks {
            Some(ticks) if ticks.send(written).is_ok() => Ok(()),
            _ => self.outcome(),
        }
    }

    fn check(&mut self) -> Result<(), SinkError> {
        // It ends before it is told to only by a failure.
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) { self.outcome() } else { Ok(()) }
    }

    fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    fn close(mut self: Box<Self>) -> Result<(), SinkError> {
        self.outcome()
    }
}

fn run(mut work: impl Work, ticks: &Receiver<Written>, committed: &AtomicU64) -> Result<(), SinkError> {
    while let Ok(first) = ticks.recv() {
        let mut last = first.tick;
        let due = Instant::now() + GROUP_AFTER;
        let mut bytes = first.bytes();
        work.take(first)?;
        while bytes < GROUP_BYTES {
            match ticks.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(next) => {
                    bytes += next.bytes();
                    last = next.tick;
                    work.take(next)?;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        work.commit()?;
        committed.store(last + 1, Ordering::Release);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;
    use std::sync::mpsc::Sender;

    /// Tells what it is asked to do, and refuses a tick.
    struct Told(Sender<Option<u64>>, u64);

    impl Work for Told {
        fn take(&mut self, written: Written) -> Result<(), SinkError> {
            let _ = self.0.send(Some(written.tick));
            match written.tick == self.1 {
                true => Err(SinkError::Fenced { place: "here".to_owned() }),
                false => Ok(()),
            }
        }

        fn commit(&mut self) -> Result<(), SinkError> {
            let _ = self.0.send(None);
            Ok(())
        }
    }

    fn tick(tick: u64) -> Written {
        Written { tick, time: Time(0), pages: Vec::new(), progress: "{}".to_owned() }
    }

    #[test]
    fn what_is_taken_is_committed_at_the_latest_at_the_end() {
        let (tell, told) = std::sync::mpsc::channel();
        let mut desk = Desk::start("here".to_owned(), Told(tell, 99)).expect("a thread");
        (0..10).for_each(|number| desk.write(tick(number)).expect("it is taken"));
        Box::new(desk).close().expect("nothing fails");
        let told: Vec<Option<u64>> = told.iter().collect();
        assert_eq!(told.iter().flatten().copied().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        assert_eq!(told.last(), Some(&None), "the last word is a commit");
    }

    #[test]
    fn a_failure_comes_up_and_nothing_is_committed_after_it() {
        let (tell, told) = std::sync::mpsc::channel();
        let mut desk = Desk::start("here".to_owned(), Told(tell, 0)).expect("a thread");
        desk.write(tick(0)).expect("it is taken");
        let mut outcome = Ok(());
        while outcome.is_ok() {
            outcome = desk.check();
            thread::yield_now();
        }
        assert!(matches!(outcome, Err(SinkError::Fenced { .. })), "{outcome:?}");
        assert!(desk.check().is_ok(), "it is told once");
        assert!(desk.write(tick(1)).is_err());
        assert_eq!(told.iter().collect::<Vec<_>>(), [Some(0)]);
    }
}
