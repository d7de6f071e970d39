//! Purity: predicting and measuring change nothing. What stands beside the champion, and what is measured of it,
//! leaves its predictions and decisions as they are.

use super::support::{Run, flights, plain, rewrite, run, same_lines};
use std::fs;

fn champions(run: &Run) -> String {
    let all = run.text("predictions.jsonl");
    all.lines().filter(|line| line.contains("\"role\":\"champion\"")).map(|line| line.to_string() + "\n").collect()
}

#[test]
fn shadows_and_slices_change_no_prediction() {
    let with = plain(flights());
    let bare = flights().file.with_file_name("bare.toml");
    fs::copy(&flights().file, &bare).expect("a pipeline");
    let changes = [
        ("freeze_at = [\"2013-01-15\"]\n", ""),
        ("since   = [\"2013-01-15\"]\n", ""),
        ("slices  = [\"carrier\", \"origin\"]\n", ""),
        (
            "names   = [\"log_loss\", \"roc_auc\", \"accuracy\", \"f1\", \"kappa\", \"brier\", \"ece\"]",
            "names = [\"log_loss\"]",
        ),
    ];
    rewrite(&bare, &changes);
    let without = run("flights_bare", &bare, &[]);
    assert!(with.text("predictions.jsonl").contains("\"frozen_at\""));
    assert!(!without.text("predictions.jsonl").contains("\"frozen_at\""));
    assert!(with.text("metrics.jsonl").len() > 5 * without.text("metrics.jsonl").len());
    same_lines("the champion's predictions", &champions(with), &champions(&without));
    same_lines("decisions", &with.text("decisions.jsonl"), &without.text("decisions.jsonl"));
    same_lines("versions", &with.text("models.jsonl"), &without.text("models.jsonl"));
}
