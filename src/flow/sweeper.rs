//! A thread that frees the rows that a worker is done with.
//!
//! The threads of sources allocate rows, so freeing one elsewhere goes by memory that two cores write. Off the worker
//! it delays nobody. In: rows, a tick at a time. Keeps: a few ticks' rows that wait; if it falls behind, the worker
//! frees them itself.

use std::sync::mpsc::{SyncSender, sync_channel};

/// Ticks that may wait to be freed.
const WAITING: usize = 8;

/// The way to the thread, which ends when this is dropped.
pub struct Sweeper<T> {
    rows: Option<SyncSender<Vec<T>>>,
}

impl<T: Send + 'static> Sweeper<T> {
    /// Starts the thread; where none can be had, rows are freed where they are.
    pub fn start() -> Sweeper<T> {
        let (sender, rows) = sync_channel::<Vec<T>>(WAITING);
        let thread = std::thread::Builder::new().name("sweeper".to_owned());
        let started = thread.spawn(move || rows.into_iter().for_each(drop));
        Sweeper { rows: started.is_ok().then_some(sender) }
    }

    /// Has these freed.
    pub fn sweep(&self, rows: Vec<T>) {
        if let Some(sender) = &self.rows {
            // What does not fit comes back in the error, and is freed with it.
            let _ = sender.try_send(rows);
        }
    }
}
