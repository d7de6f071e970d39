//! The progress bar: what a person sees of a run while it goes on, on a terminal only.

use crate::flow::report::RunReport;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often it is drawn anew.
const PERIOD: Duration = Duration::from_millis(200);

/// A bar, or nothing where nobody looks.
pub struct Bar {
    bar: Option<ProgressBar>,
    drawn: Instant,
}

impl Bar {
    /// A bar on standard error if that is a terminal and the run is not quiet.
    pub fn new(quiet: bool) -> Bar {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Bar { bar, drawn: Instant::now() }
    }

    /// Shows where the run is.
    pub fn show(&mut self, report: &RunReport) {
        let Some(bar) = &self.bar else { return };
        if self.drawn.elapsed() < PERIOD {
            return;
        }
        self.drawn = Instant::now();
        let rate = report.events_per_s();
        let metric = |name: &str| report.served().and_then(|m| m[name].as_f64());
        let metrics: String = ["log_loss", "roc_auc"]
            .iter()
            .filter_map(|name| metric(name).map(|value| format!("  {name} {value:.4}")))
            .collect();
        let versions: Vec<String> = report.champions.values().map(u32::to_string).collect();
        let (now, events, versions) = (report.now, report.balance.events, versions.join(" "));
        bar.tick();
        bar.set_message(format!("{now}  {events} events  {rate:.0}/s  version {versions}{metrics}"));
    }

    /// Takes it away.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
