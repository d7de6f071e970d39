//! A decision: what the triggers came to at one boundary, also when it was "not now".

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One decision of one model. Its JSON is the line of the stream `decisions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The boundary of pipeline time at which it fell.
    #[serde(with = "crate::time::rfc3339")]
    pub at: Time,
    /// Its identity, `<model>-<at>`: there is at most one of a model at a boundary; with the digest's beginning behind
    /// it for a model that was pushed.
    #[serde(rename = "decision")]
    pub id: String,
    /// The model.
    pub model: String,
    /// What was decided on: `retrain`, `push`.
    pub kind: String,
    /// What was decided.
    pub verdict: Verdict,
    /// Why it was suppressed, if it was: the reason of its first cause.
    pub reason: Option<Suppression>,
    /// Everything that asked for it, by trigger; at least one.
    pub causes: Vec<Cause>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A training begins.
    Fired,
    /// None begins.
    Suppressed,
}

/// Why a cause did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// The input ends here: no version could come into effect.
    EndOfInput,
    /// A training or a change of roles of the model is under way.
    Training,
    /// A version released before is still being compared with the champion.
    Rollout,
    /// The champion is pinned by hand.
    Pinned,
    /// The model has fewer labels than the trigger's `warm_up`.
    WarmUp,
    /// The model's last firing is nearer than the trigger's `cooldown`.
    Cooldown,
    /// The trigger has fired `daily_budget` times in this UTC day.
    Budget,
}

impl Suppression {
    /// The word used in records.
    pub fn word(self) -> &'static str {
        match self {
            Suppression::EndOfInput => "end_of_input",
            Suppression::Training => "training",
            Suppression::Rollout => "rollout",
            Suppression::Pinned => "pinned",
            Suppression::WarmUp => "warm_up",
            Suppression::Cooldown => "cooldown",
            Suppression::Budget => "budget",
        }
    }
}

/// One trigger that asked for the decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The trigger, by its place in the pipeline file; the number of triggers for a manual request without one, and for
    /// a model that was pushed.
    pub trigger: u32,
    /// Its kind: `drift`, `degradation`, `new_data`, `schedule`, `manual`, `pushed`.
    pub kind: String,
    /// Why it did not count, if it did not.
    pub suppressed: Option<Suppression>,
    /// The figures that it saw, by name.
    pub figures: BTreeMap<String, f64>,
    /// The same for a person.
    pub text: String,
}

impl Decision {
    /// The decision to judge a model that was made elsewhere, or not to; the model has so many triggers.
    pub fn on_pushed(
        model: &str,
        triggers: usize,
        (at, digest): (Time, &str),
        suppressed: Option<Suppression>,
    ) -> Decision {
        let short: String = digest.chars().take(12).collect();
        let kind = "pushed".to_owned();
        let cause = Cause { trigger: triggers as u32, text: kind.clone(), kind, suppressed, figures: BTreeMap::new() };
        Decision {
            at,
            id: format!("{model}-{at}-{short}"),
            model: model.to_owned(),
            kind: "push".to_owned(),
            verdict: if suppressed.is_some() { Verdict::Suppressed } else { Verdict::Fired },
            reason: suppressed,
            causes: vec![cause],
        }
    }

    /// Whether a training begins.
    pub fn fired(&self) -> bool {
        self.verdict == Verdict::Fired
    }

    /// What asked for it, for a person: the causes that counted, or else all.
    pub fn text(&self) -> String {
        let counted = self.causes.iter().filter(|c| !self.fired() || c.suppressed.is_none());
        counted.map(|c| c.text.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Its JSON, without a line end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and finite numbers always serialize")
    }
}
