//! Who has which role: the same in every room, since each follows the same changes at the same ticks.
//!
//! In: released versions and turns, at their effect. Out: the version that answers an event, and those scored beside
//! it. Keeps: a few words a version in play. A key that goes to a challenger stays with it while the share grows.

use crate::config::spec::{DeploySpec, Strategy};
use crate::record::Key;
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};

/// A version that answers a share of the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seat {
    /// The version.
    pub version: u32,
    /// Its place: of a canary 0, of an A/B test that of its weight, from 1.
    pub place: u32,
    /// The canary's step, from 0.
    pub step: u32,
    /// Since when it has this share.
    pub since: Time,
    /// Since when it is compared with this champion.
    pub compared_since: Time,
    /// When it came.
    pub came: Time,
}

/// The roles of a model's versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roster {
    /// Answers whatever no challenger answers.
    pub champion: u32,
    /// Since when; `None` for version 1, which was there first.
    pub since: Option<Time>,
    /// Those that answer a share, in the order of their coming.
    pub challengers: Vec<Seat>,
    /// Scored, not served: the newest of strategy `shadow`.
    pub shadow: Option<u32>,
    /// The champion before, and until when it is compared with its successor.
    pub previous: Option<(u32, Time)>,
}

/// A change of roles that is no training's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Turn {
    /// A canary answers the share of its next step.
    Step {
        /// The challenger.
        version: u32,
        /// The step, from 0.
        step: u32,
    },
    /// A challenger or shadow becomes champion.
    Promote {
        /// Which.
        version: u32,
        /// The champion until then.
        over: u32,
    },
    /// A challenger leaves.
    Retire {
        /// Which.
        version: u32,
    },
    /// The champion before comes back.
    RollBack {
        /// It.
        to: u32,
        /// The champion until then.
        from: u32,
    },
}

impl Turn {
    /// The word used in records.
    pub fn word(self) -> &'static str {
        match self {
            Turn::Step { .. } => "step",
            Turn::Promote { .. } => "promote",
            Turn::Retire { .. } => "retire",
            Turn::RollBack { .. } => "roll_back",
        }
    }

    /// The version that it is about.
    pub fn version(self) -> u32 {
        match self {
            Turn::Step { version, .. } | Turn::Promote { version, .. } | Turn::Retire { version } => version,
            Turn::RollBack { to, .. } => to,
        }
    }
}

impl Default for Roster {
    /// Version 1 is champion, alone.
    fn default() -> Roster {
        Roster { champion: 1, since: None, challengers: Vec::new(), shadow: None, previous: None }
    }
}

impl Roster {
    /// A version is released, and takes the role that the strategy has for it.
    pub fn release(&mut self, version: u32, at: Time, deploy: &DeploySpec) {
        match &deploy.strategy {
            Strategy::Immediate => self.crown(version, at, deploy),
            Strategy::Shadow => self.shadow = Some(version),
            Strategy::Canary { .. } | Strategy::Ab { .. } => {
                let taken = |place: u32| self.challengers.iter().any(|seat| seat.place == place);
                let place = (1..).find(|place| !taken(*place)).unwrap_or_default();
                let seat = Seat { version, place, step: 0, since: at, compared_since: at, came: at };
                self.challengers.push(seat);
            }
        }
    }

    /// A turn comes into effect.
    pub fn turn(&mut self, turn: Turn, at: Time, deploy: &DeploySpec) {
        match turn {
            Turn::Step { version, step } => {
                for seat in self.challengers.iter_mut().filter(|seat| seat.version == version) {
                    (seat.step, seat.since) = (step, at);
                }
            }
            Turn::Promote { version, .. } => {
                self.leave(version);
                self.crown(version, at, deploy);
            }
            Turn::Retire { version } => self.leave(version),
            Turn::RollBack { to, .. } => {
                self.crown(to, at, deploy);
                // Who was rolled back does not come back by itself.
                self.previous = None;
            }
        }
    }

    fn leave(&mut self, version: u32) {
        self.challengers.retain(|seat| seat.version != version);
        self.shadow = self.shadow.filter(|shadow| *shadow != version);
    }

    fn crown(&mut self, version: u32, at: Time, deploy: &DeploySpec) {
        self.previous = Some((self.champion, at.plus(deploy.rollback_within.unwrap_or(Span(0)))));
        (self.champion, self.since) = (version, Some(at));
        self.challengers.iter_mut().for_each(|seat| seat.compared_since = at);
    }

    /// The share of the events that a challenger answers, in [0, 1].
    pub fn share(seat: &Seat, deploy: &DeploySpec) -> f64 {
        match &deploy.strategy {
            Strategy::Canary { steps, .. } => steps.get(seat.step as usize).copied().unwrap_or_default(),
            Strategy::Ab { weights, .. } => {
                weights.get(seat.place as usize).copied().unwrap_or_default() / weights.iter().sum::<f64>()
            }
            Strategy::Immediate | Strategy::Shadow => 0.0,
        }
    }

    /// Whether no further version can come in as challenger.
    pub fn is_full(&self, deploy: &DeploySpec) -> bool {
        match &deploy.strategy {
            Strategy::Immediate | Strategy::Shadow => false,
            Strategy::Canary { .. } => !self.challengers.is_empty(),
            Strategy::Ab { weights, .. } => self.challengers.len() + 1 >= weights.len(),
        }
    }

    /// The challenger that answers a key; `None` is the champion. The lower half of the key decides, so that it does
    /// not go with the shard, which is its upper end.
    pub fn answering(&self, key: Key, deploy: &DeploySpec) -> Option<u32> {
        if self.challengers.is_empty() {
            return None;
        }
        let place = key.0 as u64 as f64 / 2.0_f64.powi(64);
        let mut end = 0.0;
        for seat in &self.challengers {
            end += Roster::share(seat, deploy);
            if place < end {
                return Some(seat.version);
            }
        }
        None
    }

    /// The champion before, while it is compared.
    pub fn compared_previous(&self, now: Time) -> Option<u32> {
        self.previous.filter(|(_, until)| now < *until).map(|(version, _)| version)
    }

    /// Whether a version may still be needed.
    pub fn has(&self, version: u32) -> bool {
        self.champion == version
            || self.shadow == Some(version)
            || self.previous.is_some_and(|(previous, _)| previous == version)
            || self.challengers.iter().any(|seat| seat.version == version)
    }
}
