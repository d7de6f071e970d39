//! Examples as Parquet are those of the CSV, cell by cell and each with its type, as DuckDB reads them; and the same
//! bytes each time.

use super::support::{Subject, delays, plain, project, scratch, sea, segments, tidemill};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn export(subject: &'static Subject, file: &Path, format: &str) {
    let (run, to) = (plain(subject), file.to_str().expect("a path"));
    let out = run.out.to_str().expect("a path");
    let words = ["export", "examples", subject.file.to_str().expect("a path"), "--out", out, "--to-file", to];
    let ended = tidemill(words.into_iter().chain(["--format", format, "--quiet"]));
    assert_eq!(ended.code, 0, "{format}: {}", ended.stderr);
}

fn comparison(csv: &Path, parquet: &Path) -> Command {
    let python = std::env::var("TIDEMILL_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let mut compare = Command::new(python);
    compare.arg(project().join("tests/laws/parquet.py")).arg(csv).arg(parquet);
    compare
}

/// What DuckDB found the same; `None` where there is no DuckDB.
fn compared(csv: &Path, parquet: &Path) -> Option<Value> {
    let Ok(ended) = comparison(csv, parquet).output() else {
        eprintln!("skipped: no Python");
        return None;
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{}: {stderr}", parquet.display());
    if stdout.starts_with("skipped") {
        eprintln!("{}", stdout.trim_end());
        return None;
    }
    Some(serde_json::from_str(&stdout).expect("what it found"))
}

/// Both forms of a run: of two classes, of several, and a value.
fn both(subject: &'static Subject) -> [PathBuf; 2] {
    let folder = scratch(&format!("parquet_{}", subject.name));
    ["csv", "parquet"].map(|format| {
        let file = folder.join(format!("examples.{format}"));
        export(subject, &file, format);
        file
    })
}

#[test]
fn every_cell_is_that_of_the_csv() {
    let cases = [(sea(), "DOUBLE", "BOOLEAN"), (segments(), "DOUBLE[]", "VARCHAR"), (delays(), "DOUBLE", "DOUBLE")];
    for (subject, score, label) in cases {
        let [csv, parquet] = both(subject);
        let lines = fs::read_to_string(&csv).expect("the CSV").lines().count() - 1;
        let Some(found) = compared(&csv, &parquet) else { continue };
        assert_eq!(found["rows"], lines, "{}", subject.name);
        let types = ["prediction_id", "at", "version", "score", "live", "label", "settled", "tick"];
        let types = types.map(|name| found["types"][name].as_str().unwrap_or_else(|| panic!("no {name}: {found}")));
        let at = "TIMESTAMP WITH TIME ZONE";
        assert_eq!(types, ["VARCHAR", at, "BIGINT", score, score, label, "BOOLEAN", "BIGINT"], "{}", subject.name);
        let slots: Vec<&Value> = found["types"]
            .as_object()
            .expect("types")
            .iter()
            .filter(|(name, _)| name.starts_with("features."))
            .map(|(_, kind)| kind)
            .collect();
        assert!(!slots.is_empty() && slots.iter().all(|kind| **kind == json!("DOUBLE")), "{found}");
        // Whatever is wrong with a cell is found.
        let other = csv.with_extension("other");
        let text = fs::read_to_string(&csv).expect("the CSV");
        let (head, last) = text.trim_end().rsplit_once(',').expect("cells");
        let value: f64 = last.parse().expect("a number");
        fs::write(&other, format!("{head},{}\n", value + 1.0)).expect("it is written");
        let ended = comparison(&other, &parquet).output().expect("it starts");
        assert!(!ended.status.success() && String::from_utf8_lossy(&ended.stderr).contains("wanted"), "{ended:?}");
        // However long it is, so much of it is kept at once.
        let most = ((1 << 19) / found["types"].as_object().expect("types").len()).min(65_536);
        assert_eq!(found["groups"], lines.div_ceil(most), "{}", subject.name);
        assert!(subject.name != "sea" || lines > most);
    }
}

#[test]
fn it_is_the_same_file_each_time() {
    let folder = scratch("parquet_again");
    let bytes = ["one", "two"].map(|name| {
        let file = folder.join(format!("{name}.parquet"));
        export(sea(), &file, "parquet");
        fs::read(file).expect("the file")
    });
    assert!(bytes[0] == bytes[1] && bytes[0].starts_with(b"PAR1") && bytes[0].ends_with(b"PAR1"));
}
