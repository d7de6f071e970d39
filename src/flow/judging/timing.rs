//! A training against the clock.
//!
//! In: a job, its deadline, and what the clock said of it when its ticks were committed, if they were. Out: the
//! verdict, and whether the deadline was missed, which goes into the progress record of the tick at which it takes
//! effect. It is measured once: whoever makes these ticks again is told, and neither gives up a training that was in
//! time nor runs one that was not. Until that record is written nothing has happened, and a run that is taken up again
//! measures anew.
//!
//! A fit is on a thread of its own, which asks between its steps whether it is still waited for. linfa's never ask: a
//! fit that was given up goes on until it ends by itself, and nobody hears of it.

use super::super::items::Measured;
use super::failed;
use crate::fault::point;
use crate::train::{Job, Verdict, given_up, run};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Why a training that was given up failed. Without its deadline, which may be another when it is made again.
const MISSED: &str = "it missed its deadline";

/// What a training has to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Nothing.
    None,
    /// The clock.
    Clock(Duration),
    /// It was in time.
    Met,
    /// It was not.
    Missed,
}

/// How a training ended.
pub(super) struct Timed {
    pub(super) verdict: Verdict,
    /// Whether it missed its deadline; none if it has none.
    pub(super) missed_deadline: Option<bool>,
    /// For the summary only.
    pub(super) took: Duration,
}

impl Limit {
    /// What a decision's training has to keep to. Judging what was pushed fits nothing, and has no deadline.
    pub(super) fn of(job: &Job, decision: &str, measured: &[Measured]) -> Limit {
        match measured.iter().find(|measured| measured.decision == decision) {
            Some(Measured { missed: true, .. }) => return Limit::Missed,
            Some(Measured { missed: false, .. }) => return Limit::Met,
            None => {}
        }
        match job.train.deadline {
            Some(deadline) if job.pushed.is_none() => Limit::Clock(Duration::from_micros(deadline.0.unsigned_abs())),
            _ => Limit::None,
        }
    }

    /// What is said of a training that has a deadline and kept to it.
    pub(super) fn met(self) -> Option<bool> {
        (self != Limit::None).then_some(false)
    }

    /// Runs a training, or as much of it as there is time for.
    pub(super) fn run(self, job: &Arc<Job>) -> Timed {
        let begun = Instant::now();
        let (verdict, missed_deadline) = match self {
            Limit::None | Limit::Met => {
                point("training.begun");
                (run(job, &|| true), self.met())
            }
            Limit::Missed => (given_up(job, MISSED), Some(true)),
            Limit::Clock(deadline) => race(job, begun, deadline),
        };
        Timed { verdict, missed_deadline, took: begun.elapsed() }
    }
}

/// The training on a thread of its own, against the clock.
fn race(job: &Arc<Job>, begun: Instant, deadline: Duration) -> (Verdict, Option<bool>) {
    let over = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = channel();
    let fit = {
        let (job, over) = (job.clone(), over.clone());
        move || {
            point("training.begun");
            // Nobody may wait for it any more.
            let _ = sender.send(run(&job, &|| !over.load(Ordering::Relaxed)));
        }
    };
    // Without a thread to be had the sender hangs up.
    let _ = thread::Builder::new().name("fit".to_owned()).spawn(fit);
    match receiver.recv_timeout(deadline) {
        // A verdict that came in while nobody looked is late all the same.
        Ok(verdict) if begun.elapsed() <= deadline => (verdict, Some(false)),
        Err(RecvTimeoutError::Disconnected) => {
            (failed("the training's thread ended without a verdict".to_owned()), Some(false))
        }
        Ok(_) | Err(RecvTimeoutError::Timeout) => {
            over.store(true, Ordering::Relaxed);
            (given_up(job, MISSED), Some(true))
        }
    }
}
