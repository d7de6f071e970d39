//! What becomes of a version that passed its gate.

use super::Spanned;
use crate::task::Task;
use crate::time::Span;

/// `[model.NAME.deploy]`
#[derive(Clone, Debug, PartialEq)]
pub struct DeploySpec {
    /// `strategy`: what becomes of a version that passed its gate.
    pub strategy: Strategy,
    /// `metric`: the loss by which versions are compared live. Default log_loss, of a regression mae.
    pub loss: Loss,
    /// `alpha`: the share of wrong decisions allowed where there is no difference, in (0, 0.5). Default 0.05.
    pub alpha: f64,
    /// `min_labels`: labelled events compared before anything is decided. Default 500.
    pub min_labels: u64,
    /// `by`: the event columns by which a challenger's share is drawn and sticks; empty for the event's own key.
    pub by: Vec<Spanned<String>>,
    /// `rollback_within`: for so long the champion before is scored beside a new one, and comes back if that is worse.
    /// Default none.
    pub rollback_within: Option<Span>,
}

impl DeploySpec {
    /// A strategy, with the default of everything else.
    pub fn of(strategy: Strategy, task: Task) -> DeploySpec {
        let by = Vec::new();
        DeploySpec { strategy, loss: Loss::first_of(task), alpha: 0.05, min_labels: 500, by, rollback_within: None }
    }

    /// Whether roles may change by themselves after a release.
    pub fn turns(&self) -> bool {
        matches!(self.strategy, Strategy::Canary { .. } | Strategy::Ab { .. }) || self.rollback_within.is_some()
    }
}

/// What becomes of a version that passed its gate.
#[derive(Clone, Debug, PartialEq)]
pub enum Strategy {
    /// The new version is the champion from its activation on.
    Immediate,
    /// The new version is scored beside the champion, not served.
    Shadow,
    /// The new version answers a share that grows by steps, until it is better and promoted, or worse and retired.
    Canary {
        /// The share of each step, ascending, each in (0, 1). Default 0.05, 0.25, 0.5.
        steps: Vec<f64>,
        /// Pipeline time a step lasts at least, a multiple of `every`. Default 1d.
        step_every: Span,
        /// Undecided for so long, it is retired. Default 30d.
        give_up_after: Span,
    },
    /// The champion and as many challengers as there are further weights share the events.
    Ab {
        /// The champion's weight, then the challengers', each above 0. Default 0.5, 0.5.
        weights: Vec<f64>,
        /// Undecided for so long, a challenger is retired. Default 30d.
        give_up_after: Span,
    },
}

/// A loss that every single event has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Logarithmic.
    LogLoss,
    /// Squared error of the probability.
    Brier,
    /// 1 where the class is wrong.
    Accuracy,
    /// Absolute error.
    Mae,
    /// Squared error.
    Rmse,
}

impl Loss {
    /// By the metric's name.
    pub const ALL: [(&'static str, Loss); 5] = [
        ("log_loss", Loss::LogLoss),
        ("brier", Loss::Brier),
        ("accuracy", Loss::Accuracy),
        ("mae", Loss::Mae),
        ("rmse", Loss::Rmse),
    ];

    /// The metric's name, but for what is compared where that is no mean: the error, the squared error.
    pub const fn name(self) -> &'static str {
        match self {
            Loss::LogLoss => "log_loss",
            Loss::Brier => "brier",
            Loss::Accuracy => "error",
            Loss::Mae => "absolute error",
            Loss::Rmse => "squared error",
        }
    }

    /// Those of a task, by the metric's name.
    pub fn of(task: Task) -> Vec<(&'static str, Loss)> {
        let regression = task == Task::Regression;
        Loss::ALL.into_iter().filter(|(_, loss)| matches!(loss, Loss::Mae | Loss::Rmse) == regression).collect()
    }

    /// The one by which versions of a task are compared where the file does not say.
    pub fn first_of(task: Task) -> Loss {
        if task == Task::Regression { Loss::Mae } else { Loss::LogLoss }
    }
}
