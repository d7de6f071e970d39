//! The state machine of one model's deployment.
//!
//! In: versions and turns at their effect, labelled predictions, wishes by hand. Out: at a boundary at most one turn;
//! of several that are due, what a person asked for goes first, then what protects (a challenger that is worse leaves,
//! a champion that is worse than the one before goes back), then what improves, then time. Keeps: the roster, a
//! comparison a challenger and one with the champion before. Limits: the strategy's number of challengers.
//!
//! A challenger is promoted only if it is *better* by the sequential test, never for being no worse: without a
//! difference at most a share `alpha` of them are, however often one looks.

use super::comparison::{Comparison, Interval};
use super::deployment::{Deployment, Wish};
use super::roster::{Roster, Seat, Turn};
use crate::config::spec::{DeploySpec, Strategy};
use crate::task::{Label, Prediction};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The deployment of one model.
#[derive(Clone, Debug)]
pub struct Rollout {
    deploy: DeploySpec,
    state: RolloutState,
}

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RolloutState {
    roster: Roster,
    /// By challenger, or by the champion before: the losses of the newer less those of the older.
    comparisons: BTreeMap<u32, Comparison>,
    pinned: bool,
    wishes: VecDeque<Wish>,
}

impl Rollout {
    /// Version 1 is champion, alone.
    pub fn new(deploy: DeploySpec) -> Rollout {
        Rollout { deploy, state: RolloutState::default() }
    }

    /// What it remembers.
    pub fn state(&self) -> &RolloutState {
        &self.state
    }

    /// Goes on from what another of the same pipeline remembered.
    pub fn resume(&mut self, state: RolloutState) {
        self.state = state;
    }

    /// Who has which role.
    pub fn roster(&self) -> &Roster {
        &self.state.roster
    }

    /// Whether nothing changes by itself.
    pub fn is_pinned(&self) -> bool {
        self.state.pinned
    }

    /// Whether no further version can come in.
    pub fn is_full(&self) -> bool {
        self.state.roster.is_full(&self.deploy)
    }

    /// A version is released.
    pub fn release(&mut self, version: u32, at: Time) {
        let champion = self.state.roster.champion;
        self.state.roster.release(version, at, &self.deploy);
        self.compare_anew(champion);
    }

    /// A turn comes into effect.
    pub fn turn(&mut self, turn: Turn, at: Time) {
        let champion = self.state.roster.champion;
        self.state.roster.turn(turn, at, &self.deploy);
        self.compare_anew(champion);
    }

    /// Who is compared with whom, after a change; with another champion all begin again.
    fn compare_anew(&mut self, before: u32) {
        let roster = &self.state.roster;
        let previous = roster.previous.filter(|_| self.deploy.rollback_within.is_some()).map(|(version, _)| version);
        let compared: Vec<u32> = roster.challengers.iter().map(|seat| seat.version).chain(previous).collect();
        if roster.champion != before {
            self.state.comparisons.clear();
        }
        self.state.comparisons.retain(|version, _| compared.contains(version));
        for version in compared {
            self.state.comparisons.entry(version).or_default();
        }
    }

    /// Whether anything is compared: labels of what was predicted are of use.
    pub fn compares(&self) -> bool {
        !self.state.comparisons.is_empty()
    }

    /// The label of an event predicted at `time` became known, changed, or was withdrawn; `said` yields what a version
    /// said of it.
    pub fn take<'a>(
        &mut self,
        time: Time,
        (before, after): (Option<Label>, Option<Label>),
        said: impl Fn(u32) -> Option<&'a Prediction>,
    ) {
        let RolloutState { roster, comparisons, .. } = &mut self.state;
        let Some(champion) = said(roster.champion) else { return };
        for (version, comparison) in comparisons {
            let seat = roster.challengers.iter().find(|seat| seat.version == *version);
            let since = seat.map(|seat| seat.compared_since).or(roster.since).unwrap_or(time);
            let Some(other) = said(*version).filter(|_| time >= since) else { continue };
            // The newer less the older.
            let pair = if seat.is_some() { (other, champion) } else { (champion, other) };
            before.into_iter().for_each(|label| comparison.add(self.deploy.loss, pair, label, -1));
            after.into_iter().for_each(|label| comparison.add(self.deploy.loss, pair, label, 1));
        }
    }

    /// What is decided at a boundary. `wishes` came since the last one. While something is `under_way`, they wait and
    /// nothing is turned; at the `last` boundary nothing could come into effect any more.
    pub fn look(&mut self, boundary: Time, wishes: &[Wish], (under_way, last): (bool, bool)) -> Vec<Deployment> {
        self.state.wishes.extend(wishes);
        let mut told = Vec::new();
        while let Some(wish) = self.state.wishes.front().copied() {
            let decided = if last { self.refused(boundary, wish, "end_of_input") } else { self.grant(boundary, wish) };
            if decided.turn.is_some() && under_way {
                break;
            }
            self.state.wishes.pop_front();
            let turns = decided.turn.is_some();
            told.push(decided);
            if turns {
                return told;
            }
        }
        if !under_way && !last && !self.state.pinned {
            told.extend(self.due(boundary));
        }
        told
    }

    fn grant(&mut self, at: Time, wish: Wish) -> Deployment {
        let roster = &self.state.roster;
        let (turn, text) = match wish {
            Wish::Promote(version) => {
                let over = roster.champion;
                let in_play = roster.shadow == Some(version) || roster.challengers.iter().any(|s| s.version == version);
                if !in_play {
                    return self.refused(at, wish, "not_in_play");
                }
                (Some(Turn::Promote { version, over }), format!("version {version} is promoted by hand"))
            }
            Wish::RollBack => match roster.previous {
                Some((to, _)) => {
                    let turn = Turn::RollBack { to, from: roster.champion };
                    (Some(turn), format!("version {} is rolled back to {to} by hand", roster.champion))
                }
                None => return self.refused(at, wish, "no_previous"),
            },
            Wish::Pin => {
                self.state.pinned = true;
                (None, format!("version {} is pinned by hand", roster.champion))
            }
            Wish::Unpin => {
                self.state.pinned = false;
                (None, format!("version {} is no longer pinned", roster.champion))
            }
        };
        let version = turn.map_or(self.state.roster.champion, Turn::version);
        let (verdict, reason) = (wish.word(), "by_hand");
        Deployment { at, turn, verdict, reason, version: Some(version), share: None, interval: None, text }
    }

    fn refused(&self, at: Time, wish: Wish, reason: &'static str) -> Deployment {
        let (version, text) = match wish {
            Wish::Promote(version) => (Some(version), format!("version {version} cannot be promoted: {reason}")),
            _ => (None, format!("{} is refused: {reason}", wish.word())),
        };
        Deployment { at, turn: None, verdict: "refused", reason, version, share: None, interval: None, text }
    }

    /// What the comparisons and pipeline time ask for.
    fn due(&self, at: Time) -> Option<Deployment> {
        let seats = &self.state.roster.challengers;
        let first = |look: &dyn Fn(&Seat) -> Option<Deployment>| seats.iter().find_map(look);
        first(&|seat| self.worse(seat, at))
            .or_else(|| self.regret(at))
            .or_else(|| first(&|seat| self.better(seat, at)))
            .or_else(|| first(&|seat| self.on_time(seat, at)))
    }

    fn interval(&self, version: u32) -> Option<Interval> {
        self.state.comparisons.get(&version)?.interval(self.deploy.alpha, self.deploy.min_labels)
    }

    fn decided(&self, at: Time, turn: Turn, reason: &'static str, interval: Option<Interval>) -> Deployment {
        let (version, champion) = (turn.version(), self.state.roster.champion);
        let loss = self.deploy.loss.name();
        let figures = interval.map_or_else(String::new, |i| {
            format!(": {loss} differs by {:.5}, in [{:.5}, {:.5}], over {} labels", i.mean, i.low, i.high, i.n)
        });
        let text = match turn {
            Turn::Step { step, .. } => format!("version {version} goes to step {}{figures}", step + 1),
            Turn::Promote { over, .. } => format!("version {version} is better than {over}{figures}"),
            Turn::Retire { .. } if reason == "worse" => format!("version {version} is worse than {champion}{figures}"),
            Turn::Retire { .. } => format!("version {version} is not told from {champion} in time{figures}"),
            Turn::RollBack { to, from } => format!("version {from} is worse than {to}{figures}"),
        };
        let share = match turn {
            Turn::Step { step, .. } => {
                let seat = self.state.roster.challengers.iter().find(|seat| seat.version == version);
                seat.map(|seat| Roster::share(&Seat { step, ..seat.clone() }, &self.deploy))
            }
            _ => None,
        };
        Deployment { at, turn: Some(turn), verdict: turn.word(), reason, version: Some(version), share, interval, text }
    }

    fn worse(&self, seat: &Seat, at: Time) -> Option<Deployment> {
        let interval = self.interval(seat.version).filter(|interval| interval.low > 0.0)?;
        Some(self.decided(at, Turn::Retire { version: seat.version }, "worse", Some(interval)))
    }

    /// The champion is worse than the one before.
    fn regret(&self, at: Time) -> Option<Deployment> {
        let to = self.state.roster.compared_previous(at)?;
        let interval = self.interval(to).filter(|interval| interval.low > 0.0)?;
        Some(self.decided(at, Turn::RollBack { to, from: self.state.roster.champion }, "worse", Some(interval)))
    }

    /// A canary goes through all of its steps first; that is for what a loss does not show.
    fn better(&self, seat: &Seat, at: Time) -> Option<Deployment> {
        if let Strategy::Canary { steps, step_every, .. } = &self.deploy.strategy
            && ((seat.step as usize) + 1 < steps.len() || at < seat.since.plus(*step_every))
        {
            return None;
        }
        let interval = self.interval(seat.version).filter(|interval| interval.high < 0.0)?;
        let turn = Turn::Promote { version: seat.version, over: self.state.roster.champion };
        Some(self.decided(at, turn, "better", Some(interval)))
    }

    /// A canary's next step, and the end of a test that comes to nothing.
    fn on_time(&self, seat: &Seat, at: Time) -> Option<Deployment> {
        let version = seat.version;
        let give_up_after = match &self.deploy.strategy {
            Strategy::Canary { steps, step_every, give_up_after } => {
                // Without enough labels nothing is known yet, and a share does not grow blindly.
                let known = self.interval(version);
                let next = seat.step + 1;
                if known.is_some() && (next as usize) < steps.len() && at >= seat.since.plus(*step_every) {
                    return Some(self.decided(at, Turn::Step { version, step: next }, "not_worse", known));
                }
                *give_up_after
            }
            Strategy::Ab { give_up_after, .. } => *give_up_after,
            Strategy::Immediate | Strategy::Shadow => return None,
        };
        (at >= seat.came.plus(give_up_after))
            .then(|| self.decided(at, Turn::Retire { version }, "undecided", self.interval(version)))
    }
}
