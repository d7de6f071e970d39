//! As-of table state of one key: which row was current at an instant.
//!
//! In: versions of the row (or tombstones) by their own event time, in any order. Out: the newest version at or before
//! an instant, and its time. Keeps: what queries from the *horizon* on can see. The horizon is pipeline time less the
//! slack that the caller grants to late records; it never goes back. All versions after it are kept, and of those at or
//! before it the newest one; a tombstone that is that one is forgotten too, and what it deleted is gone.
//!
//! The rule holds logically: it is applied before and after each change and at each lookup, from the horizon given
//! there, so the answers depend on the changes and their horizons only, never on when memory is reclaimed, and
//! [`AsOf::prune`] and dropping an idle state change no answer. Two consequences are meant: a lookup before the horizon
//! sees at most the newest version at or before the horizon, and a version that comes after a tombstone has been
//! forgotten counts even if the tombstone was newer.
//!
//! Of several versions with one time the one of the greatest `order` counts (equal: the later call), so only it is
//! kept. Cost: constant for changes in order, else a binary search and the versions moved.

use crate::record::Value;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// The versions of one key that are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AsOf {
    /// Ascending by time, no time twice.
    versions: VecDeque<Version>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Version {
    time: Time,
    order: u64,
    /// `None` is a tombstone.
    row: Option<Arc<[Value]>>,
}

impl AsOf {
    /// Adds a version of the row as of `time`; `None` deletes it from then on.
    ///
    /// `order` decides between versions of one time, the greater wins: the record's place in the law's order.
    pub fn upsert(&mut self, horizon: Time, time: Time, order: u64, row: Option<Arc<[Value]>>) {
        // Before the change, since a tombstone that is due may not swallow what comes now.
        self.prune(horizon);
        let at = match self.versions.back() {
            Some(last) if last.time >= time => self.versions.partition_point(|v| v.time < time),
            _ => self.versions.len(),
        };
        let version = Version { time, order, row };
        match self.versions.get_mut(at).filter(|v| v.time == time) {
            Some(same) if same.order > order => {}
            Some(same) => *same = version,
            None => {
                if self.versions.is_empty() {
                    // Most rows of most tables have one version.
                    self.versions.reserve_exact(1);
                }
                self.versions.insert(at, version);
            }
        }
        self.prune(horizon);
    }

    /// The newest row at or before `time`, with the time from which it was valid.
    pub fn lookup(&self, horizon: Time, time: Time) -> Option<(&Arc<[Value]>, Time)> {
        let until = match self.versions.back() {
            Some(last) if last.time > time => self.versions.partition_point(|v| v.time <= time),
            _ => self.versions.len(),
        };
        let version = self.versions.get(until.checked_sub(1)?)?;
        // Forgotten by rule, if not in memory: a newer version is at or before the horizon too.
        let forgotten = self.versions.get(until).is_some_and(|next| next.time <= horizon);
        version.row.as_ref().filter(|_| !forgotten).map(|row| (row, version.time))
    }

    /// Reclaims the memory of what the rule forgets; changes no answer at this horizon or a later one.
    pub fn prune(&mut self, horizon: Time) {
        while self.versions.get(1).is_some_and(|second| second.time <= horizon) {
            self.versions.pop_front();
        }
        if self.versions.front().is_some_and(|first| first.time <= horizon && first.row.is_none()) {
            self.versions.pop_front();
        }
    }

    /// Whether nothing is kept that could matter from this horizon on: the state may be dropped.
    pub fn is_idle(&self, horizon: Time) -> bool {
        self.versions.back().is_none_or(|last| last.time <= horizon && last.row.is_none())
    }

    /// How many versions are in memory.
    pub fn versions(&self) -> usize {
        self.versions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(n: i64) -> Option<Arc<[Value]>> {
        Some([Value::Int(n)].into())
    }

    /// The rule word for word, over all versions that ever came.
    #[derive(Default)]
    struct Naive {
        /// time, order, row, forgotten
        versions: Vec<(i64, u64, Option<i64>, bool)>,
    }

    impl Naive {
        fn forget(&mut self, horizon: i64) {
            let newest = self.versions.iter().filter(|v| !v.3 && v.0 <= horizon).map(|v| (v.0, v.1)).max();
            for v in &mut self.versions {
                v.3 |= v.0 <= horizon && (Some((v.0, v.1)) != newest || v.2.is_none());
            }
        }

        fn upsert(&mut self, horizon: i64, time: i64, order: u64, row: Option<i64>) {
            self.forget(horizon);
            self.versions.retain(|v| (v.0, v.1) != (time, order));
            self.versions.push((time, order, row, false));
            self.forget(horizon);
        }

        fn lookup(&mut self, horizon: i64, time: i64) -> Option<(i64, i64)> {
            self.forget(horizon);
            let newest = self.versions.iter().filter(|v| !v.3 && v.0 <= time).max_by_key(|v| (v.0, v.1))?;
            newest.2.map(|row| (row, newest.0))
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Upsert { time: i64, order: u64, deletes: bool },
        Lookup { time: i64 },
        Prune,
    }

    fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
        let step = prop_oneof![
            4 => (-25i64..3, 0u64..4, prop::bool::weighted(0.3))
                .prop_map(|(time, order, deletes)| Step::Upsert { time, order, deletes }),
            4 => (-30i64..3).prop_map(|time| Step::Lookup { time }),
            1 => Just(Step::Prune),
        ];
        prop::collection::vec((0i64..4, step), 1..120)
    }

    proptest! {
        #[test]
        fn is_the_naive_table(steps in steps(), slack in prop_oneof![Just(0i64), Just(5), Just(1000)]) {
            let (mut table, mut naive, mut now) = (AsOf::default(), Naive::default(), 100);
            for (n, (pass, step)) in steps.into_iter().enumerate() {
                now += pass;
                let horizon = now - slack;
                match step {
                    Step::Upsert { time, order, deletes } => {
                        // A multiple of the slack's scale: late ones on both sides of the horizon.
                        let content = (!deletes).then_some(n as i64);
                        table.upsert(Time(horizon), Time(now + time), order, content.and_then(row));
                        naive.upsert(horizon, now + time, order, content);
                    }
                    Step::Lookup { time } => {
                        let found = table.lookup(Time(horizon), Time(now + time));
                        let found = found.map(|(row, time)| (row[0].number().unwrap() as i64, time.0));
                        prop_assert_eq!(found, naive.lookup(horizon, now + time));
                    }
                    Step::Prune => {
                        table.prune(Time(horizon));
                        if table.is_idle(Time(horizon)) {
                            table = AsOf::default();
                        }
                        let kept = table.versions.iter().filter(|v| v.time.0 <= horizon).count();
                        prop_assert!(kept <= 1);
                    }
                }
            }
        }
    }

    #[test]
    fn ties_tombstones_and_ages() {
        let (mut table, long_ago) = (AsOf::default(), Time(i64::MIN));
        table.upsert(long_ago, Time(10), 2, row(1));
        table.upsert(long_ago, Time(10), 1, row(2));
        assert_eq!(table.lookup(long_ago, Time(12)).map(|f| f.1), Some(Time(10)));
        assert_eq!(table.lookup(long_ago, Time(12)).map(|f| f.0[0].clone()), Some(Value::Int(1)));
        assert_eq!(table.lookup(long_ago, Time(9)), None);
        table.upsert(long_ago, Time(20), 3, None);
        assert_eq!(table.lookup(long_ago, Time(20)), None);
        assert_eq!(table.lookup(long_ago, Time(19)).map(|f| f.1), Some(Time(10)));
        assert!(!table.is_idle(Time(19)) && table.is_idle(Time(20)));
        table.prune(Time(20));
        assert_eq!(table.versions(), 0);
    }
}
