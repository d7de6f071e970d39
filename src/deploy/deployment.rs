//! What is said of a change of roles: the line of `decisions`.

use super::comparison::Interval;
use super::roster::Turn;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a person asks for by `tidemill models`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Make a challenger or shadow the champion.
    Promote(u32),
    /// Bring the champion before back.
    RollBack,
    /// Let nothing change by itself: no training, no turn.
    Pin,
    /// No longer.
    Unpin,
}

impl Wish {
    /// The word used in records.
    pub fn word(self) -> &'static str {
        match self {
            Wish::Promote(_) => "promote",
            Wish::RollBack => "roll_back",
            Wish::Pin => "pin",
            Wish::Unpin => "unpin",
        }
    }
}

/// A decision on roles, at a boundary.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// The boundary.
    pub at: Time,
    /// What is to change; `None` if nothing does.
    pub turn: Option<Turn>,
    /// What was decided: a turn's or a wish's word, or `refused`.
    pub verdict: &'static str,
    /// Why: `better`, `worse`, `undecided`, `not_worse`, `by_hand`, or why it was refused.
    pub reason: &'static str,
    /// The version that it is about, if any.
    pub version: Option<u32>,
    /// The share that a challenger has from then on.
    pub share: Option<f64>,
    /// The comparison that decided, if one did: losses of the version less those of the one that it was compared with.
    pub interval: Option<Interval>,
    /// The same for a person.
    pub text: String,
}

impl Deployment {
    /// Its identity, `<model>-deploy-<at>`: at most one turn of a model is decided at a boundary.
    pub fn id(&self, model: &str) -> String {
        format!("{model}-deploy-{}", self.at)
    }

    /// Its record in `decisions`.
    pub fn record(&self, model: &str) -> Value {
        let figures = self.interval.map(|interval| {
            json!({
                "labelled": interval.n,
                "difference": interval.mean,
                "low": interval.low,
                "high": interval.high,
            })
        });
        json!({
            "at": self.at.to_string(),
            "decision": self.id(model),
            "model": model,
            "kind": "deploy",
            "verdict": self.verdict,
            "reason": self.reason,
            "version": self.version,
            "share": self.share,
            "figures": figures,
            "text": self.text,
        })
    }
}
