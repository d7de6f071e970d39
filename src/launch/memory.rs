//! `--memory-limit`: what a process may hold, checked before it begins against what its queues may hold at most, and
//! watched while it goes on.
//!
//! In: the limit, the partitions, the pipeline. Out: a refusal that names the parts, or a [`Held`] that process 0 stops
//! by, behind a tick, once the process holds more than the limit; another process of a group just ends, and the group
//! with it. Limits: it is a guard and no promise: a process that grows by much within [`PERIOD`] is beyond the limit
//! before it stops. Where the system does not tell what a process holds (it has no `/proc`), nothing is watched.

use super::Exit;
use crate::flow::ingest::Held;
use crate::flow::plan::Plan;
use crate::flow::ticks_in_flight;
use crate::source::{file, kafka};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(100);
/// Batches of a partition that are under way: in its channel, in the reader's hands, and in the merge's.
const BATCHES: usize = file::CHANNEL_BATCHES + 2;
/// About how many times as long as its text a row is once it is decoded.
const DECODED: usize = 4;
/// About what a record and what is made of it take up in a tick.
const RECORD_BYTES: usize = 4096;

/// A number of bytes: `800MiB`, `4GiB`, or plain.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let found = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (number, shift) = found.unwrap_or((text, 0));
    let number: Option<u64> = number.trim_end().parse().ok();
    let bytes = number.filter(|number| *number > 0).and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| "allowed: bytes, or a number of KiB, MiB, GiB or TiB, like 4GiB".to_owned())
}

/// Refuses a limit that the queues alone may exceed.
///
/// # Errors
/// The parts of what they may hold.
pub(super) fn check(limit: u64, plan: &Plan, partitions: usize, topics: bool) -> Result<(), String> {
    let queued = if topics { kafka::QUEUED_BYTES } else { 0 };
    let partition = (queued + BATCHES * file::BATCH_BYTES * DECODED) as u64;
    let received = partition * partitions as u64;
    let ticks = ticks_in_flight(plan);
    let in_flight = ticks * (plan.spec.tick_records * RECORD_BYTES) as u64;
    let needed = received + in_flight;
    if limit >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(format!(
        "--memory-limit is {} MiB, allowed: more than {} MiB, which queues may hold beside the state: {partitions} \
         partitions of {} MiB, and {ticks} ticks in flight, of {} records each, of {} MiB",
        limit >> 20,
        mib(needed),
        mib(partition),
        plan.spec.tick_records,
        mib(in_flight)
    ))
}

/// Watches what this process holds from now on; `wake` is called when it is more than the limit.
pub(super) fn watch(limit: u64, first: bool, wake: impl Fn() + Send + 'static) -> Held {
    let held = Held { bytes: Arc::new(AtomicU64::new(0)), allowed: limit };
    let told = held.bytes.clone();
    let work = move || {
        while let Some(bytes) = resident() {
            if bytes > limit && !first {
                eprintln!("this process holds {} MiB, allowed are {} MiB (--memory-limit)", bytes >> 20, limit >> 20);
                std::process::exit(Exit::Failed as i32);
            }
            if bytes > limit {
                told.store(bytes, Ordering::Release);
                return wake();
            }
            thread::sleep(PERIOD);
        }
    };
    if let Err(error) = thread::Builder::new().name("memory".to_owned()).spawn(work) {
        tracing::warn!(%error, "what the process holds is not watched");
    }
    held
}

/// The bytes of this process that are in memory.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_units() {
        for (text, found) in
            [("1", Some(1)), ("800MiB", Some(800 << 20)), ("4 GiB", Some(4 << 30)), ("1TiB", Some(1 << 40))]
        {
            assert_eq!(bytes(text).ok(), found, "{text}");
        }
        for text in ["", "0", "-1", "1.5GiB", "4GB", "99999999999999TiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
