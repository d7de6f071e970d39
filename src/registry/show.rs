//! What `tidemill models` says of the registry.

use super::log::champion;
use super::{Card, Entry, Registry, RegistryError, files};
use crate::config::spec::Metric;
use crate::train::{Figures, Importance};
use serde::Serialize;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The features that a card is printed with, those worth most first; the card has all.
const MOST_FEATURES: usize = 10;

/// One model as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listing {
    /// The model.
    pub model: String,
    /// The version that is champion.
    pub champion: Option<u32>,
    /// The cards of its versions, ascending.
    pub versions: Vec<Card>,
    /// The log, oldest first.
    pub log: Vec<Entry>,
}

/// All models under a root, by name; none if there is no registry. Folders that cannot be a model's are passed over.
pub fn list(root: &Path) -> Result<Vec<Listing>, RegistryError> {
    let folder = root.join("registry");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut models = Vec::new();
    for entry in files::at(&folder, fs::read_dir(&folder))? {
        models.extend(files::at(&folder, entry)?.file_name().into_string());
    }
    models.sort_unstable();
    let found = models.iter().filter_map(|model| Registry::read(root, model).ok());
    found.map(|registry| listing(&registry)).collect()
}

/// One model, with its versions and its log.
pub fn show(root: &Path, model: &str) -> Result<Listing, RegistryError> {
    listing(&Registry::read(root, model)?)
}

fn listing(registry: &Registry) -> Result<Listing, RegistryError> {
    let numbers = registry.versions()?;
    let versions = numbers.into_iter().map(|number| registry.card(number)).collect::<Result<_, _>>()?;
    let log = registry.log()?;
    Ok(Listing { model: registry.model().to_string(), champion: champion(&log), versions, log })
}

/// All models as a table, a version a line; `*` marks the champion.
pub fn listing_text(models: &[Listing]) -> String {
    if models.is_empty() {
        return "no models\n".to_string();
    }
    let head = ["", "model", "version", "kind", "source", "effective from", "digest", "cause"].map(String::from);
    let mut rows = vec![head];
    for listing in models {
        for card in &listing.versions {
            rows.push([
                if listing.champion == Some(card.number) { "*" } else { "" }.to_string(),
                listing.model.clone(),
                card.number.to_string(),
                one_line(&card.kind),
                one_line(&card.source),
                card.effective_at.to_string(),
                one_line(&card.digest).chars().take(12).collect(),
                one_line(&card.cause),
            ]);
        }
    }
    let widths: Vec<usize> =
        (0..8).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One version's card for a person, or of a model without `number` its log.
pub fn shown_text(listing: &Listing, number: Option<u32>) -> Option<String> {
    match number {
        Some(number) => listing.versions.iter().find(|card| card.number == number).map(card_text),
        None => {
            let mut text = listing_text(std::slice::from_ref(listing));
            text.push('\n');
            for entry in &listing.log {
                let version = entry.version.map_or(String::new(), |version| format!(" v{version}"));
                let role = entry.role.map_or(String::new(), |role| format!(" as {role}"));
                let _ =
                    writeln!(text, "{}  {}{version}{role}: {}", entry.at, entry.event.word(), one_line(&entry.text));
            }
            Some(text)
        }
    }
}

fn card_text(card: &Card) -> String {
    let (kind, source) = (one_line(&card.kind), one_line(&card.source));
    let mut text = format!("{} version {}, {kind} from {source}\n", card.model, card.number);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<14} {}", one_line(&value));
    };
    line("digest", card.digest.clone());
    line("cause", card.cause.clone());
    card.decision.iter().for_each(|decision| line("decision", decision.clone()));
    card.parent.iter().for_each(|parent| line("parent", format!("version {parent}")));
    line("decided at", card.decided_at.to_string());
    line("effective at", card.effective_at.to_string());
    line("inputs up to", format!("tick {}", card.lineage.tick));
    for offsets in &card.lineage.offsets {
        line("", format!("{}[{}] before offset {}", offsets.source, offsets.partition, offsets.end));
    }
    card.lineage.window.iter().for_each(|window| line("window", format!("{} to {}", window.from, window.to)));
    if card.lineage.outside {
        line("made", "elsewhere".to_owned());
    }
    line("learned", format!("{} labels", card.lineage.updates));
    line("features", card.lineage.features.clone());
    let Some(report) = &card.report else { return text };
    line("fitted", format!("{} rows for the gate, {} for the release", report.fitted, report.refitted));
    line("held out", format!("{} rows", report.held_out));
    for candidate in &report.candidates {
        let name = candidate.parameters.name();
        match (&candidate.digest, &candidate.error) {
            (Some(digest), _) => line("judged", format!("{name}, {digest}")),
            (None, error) => line("not fitted", format!("{name}: {}", error.as_deref().unwrap_or("unknown"))),
        }
    }
    if let Some(paired) = &report.paired {
        line(
            "row by row",
            format!(
                "{} differs by {:.5}, in [{:.5}, {:.5}]; only it is right on {} rows, only the champion on {} \
                 (McNemar p {:.4})",
                if report.champion.contains_key("mae") { "absolute error" } else { "log_loss" },
                paired.difference,
                paired.low,
                paired.high,
                paired.only_candidate,
                paired.only_champion,
                paired.mcnemar_p
            ),
        );
    }
    let mut worth: Vec<&Importance> = report.importance.iter().collect();
    worth.sort_by(|a, b| b.increase.total_cmp(&a.increase));
    for one in worth.iter().take(MOST_FEATURES) {
        line("worth", format!("{} {:+.5} (standard error {:.5})", one.feature, one.increase, one.error));
    }
    if let Some(bare) = &report.without_rolling {
        let of = |figures: Option<&Figures>| figures.and_then(|figures| figures.get(&report.metric)).copied();
        let (bare, whole) = (of(Some(bare)), of(report.batch().and_then(|candidate| candidate.figures.as_ref())));
        let (bare, whole) = (bare.unwrap_or(f64::NAN), whole.unwrap_or(f64::NAN));
        line("no windows", format!("{} {bare:.5} fitted without them, {whole:.5} with them", report.metric));
    }
    for check in &report.checks {
        let (word, figure) = (if check.passed { "passed" } else { "failed" }, check.figure.unwrap_or(f64::NAN));
        let slice = check.slice.as_ref().map_or(String::new(), |slice| format!(" in {slice}"));
        line("check", format!("{} {word}: {figure:.5}{slice} against {}", check.check, check.limit));
    }
    let fitted = || report.candidates.iter().filter_map(|c| Some((c.parameters.name(), c.figures.as_ref()?)));
    let names: Vec<&str> =
        ["champion", "live"].into_iter().chain(fitted().map(|(name, _)| name)).chain(["majority"]).collect();
    let mut row = |name: &str, cells: &[String], end: &str| {
        let _ = write!(text, "  {name:<14}");
        for (cell, name) in cells.iter().zip(&names) {
            let _ = write!(text, " {cell:>width$}", width = name.len().max(10));
        }
        let _ = writeln!(text, "{end}");
    };
    row("held-out", &names.iter().map(|name| name.to_string()).collect::<Vec<String>>(), "");
    for (name, _) in Metric::ALL {
        let cell = |figure: Option<&f64>| figure.map_or("-".to_string(), |value| format!("{value:.4}"));
        let all =
            [&report.champion, &report.live].into_iter().chain(fitted().map(|(_, f)| f)).chain([&report.majority]);
        let cells: Vec<String> = all.map(|figures| cell(figures.get(name))).collect();
        row(name, &cells, if report.metric == name { "  gate" } else { "" });
    }
    text
}

/// A text without control characters: what a stranger wrote into a card is printed on a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
