//! Models of scikit-learn, written by `scripts/from_sklearn.py`: what is served says what scikit-learn says, to 1e-9.
//! One is fitted on what was exported of a run, and that run takes it.

use super::support::{project, read, scratch, sea, tidemill};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidemill::feature::Vector;
use tidemill::model::{Artifact, Fixed};
use tidemill::task::{Prediction, Task};

#[derive(Deserialize)]
struct Said {
    rows: Vec<Vec<f64>>,
    /// A probability or one a class, or a value.
    scores: Vec<Vec<f64>>,
}

/// Fits a model and writes it; `None` where there is no scikit-learn.
fn fitted(
    folder: &Path,
    kind: &str,
    (name, digest, width): (&str, &str, usize),
    examples: Option<&Path>,
) -> Option<()> {
    let python = std::env::var("TIDEMILL_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let mut fit = Command::new(&python);
    fit.arg(project().join("tests/laws/elsewhere.py")).arg(project().join("scripts/from_sklearn.py"));
    fit.args([kind, name, digest, &width.to_string()]).arg(folder).args(examples);
    // More threads than cores fit more slowly.
    let Ok(ended) = fit.env("OMP_NUM_THREADS", "1").output() else {
        eprintln!("skipped: no {python}");
        return None;
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{kind}: {stderr}");
    if stdout.starts_with("skipped") {
        eprintln!("{}", stdout.trim_end());
        return None;
    }
    Some(())
}

/// The artifact says of the rows what scikit-learn said.
fn agrees(folder: &Path) -> Artifact {
    let artifact = Artifact::from_bytes(read(&folder.join("artifact.json")).as_bytes()).expect("it is an artifact");
    let said: Said = serde_json::from_str(&read(&folder.join("scores.json"))).expect("rows and scores");
    let fixed = Fixed::from(artifact.clone());
    assert_eq!((said.rows.len(), said.scores.len()), (1000, 1000));
    for (row, wanted) in said.rows.iter().zip(&said.scores) {
        let found = match fixed.predict(&Vector { dense: row.as_slice().into(), hot: [].into() }) {
            Prediction::Number(one) => vec![one],
            Prediction::Classes(of) => of.to_vec(),
        };
        let near = |(found, wanted): (&f64, &f64)| (found - wanted).abs() <= 1e-9;
        let same = found.len() == wanted.len() && found.iter().zip(wanted).all(near);
        assert!(same, "{folder:?}: {found:?} is not {wanted:?}");
    }
    let first = said.scores.iter().map(|said| said[0]);
    let spread = first.clone().fold(f64::MIN, f64::max) - first.fold(f64::MAX, f64::min);
    assert!(spread > 0.3, "they say something: {spread}");
    artifact
}

#[test]
fn models_of_scikit_learn_say_the_same_here() {
    for (kind, body, task) in [
        ("logistic", "logistic", Task::Binary),
        ("gaussian_nb", "gaussian_nb", Task::Binary),
        ("gaussian_nb_of_classes", "gaussian_nb", Task::Multiclass(3)),
        ("tree", "voting_trees", Task::Binary),
        ("tree_of_classes", "voting_trees", Task::Multiclass(3)),
        ("tree_of_values", "voting_trees", Task::Regression),
        ("forest", "voting_trees", Task::Binary),
        ("forest_of_classes", "voting_trees", Task::Multiclass(3)),
        ("forest_of_values", "voting_trees", Task::Regression),
        ("extra_trees", "voting_trees", Task::Binary),
        ("extra_trees_of_classes", "voting_trees", Task::Multiclass(3)),
        ("extra_trees_of_values", "voting_trees", Task::Regression),
        ("boosting", "boosted_trees", Task::Binary),
        ("boosting_from_zero", "boosted_trees", Task::Binary),
        ("boosting_of_classes", "boosted_trees", Task::Multiclass(3)),
        ("boosting_of_values", "boosted_trees", Task::Regression),
        ("histograms", "boosted_trees", Task::Binary),
        ("histograms_of_classes", "boosted_trees", Task::Multiclass(3)),
        ("histograms_of_values", "boosted_trees", Task::Regression),
    ] {
        let folder = scratch(&format!("elsewhere_{kind}"));
        let Some(()) = fitted(&folder, kind, ("m", &"0a".repeat(32), 7), None) else { return };
        let artifact = agrees(&folder);
        assert_eq!((artifact.body.kind(), artifact.body.task()), (body, task), "{kind}");
    }
}

#[test]
fn a_model_fitted_on_what_was_exported_is_one_of_the_run() {
    let pipeline = sea().file.to_str().expect("a path");
    let folder = scratch("elsewhere_exported");
    // The registry is not that of other tests' run.
    let out = folder.join("out");
    let ran = tidemill(["run", pipeline, "--out", out.to_str().expect("a path"), "--quiet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let examples: PathBuf = folder.join("examples.csv");
    let (to, from) = (examples.to_str().expect("a path"), out.to_str().expect("a path"));
    let exported = tidemill(["export", "examples", pipeline, "--out", from, "--to-file", to, "--quiet"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    // What the script is to be told stands at the end of `check`.
    let checked = tidemill(["check", pipeline]).stdout;
    let last = checked.lines().last().expect("a line");
    let (width, digest) = last.split_once(" slots, feature schema ").expect("slots and digest");
    let about = ("concept", digest, width.parse().expect("a number"));
    let Some(()) = fitted(&folder, "forest", about, Some(&examples)) else { return };
    let artifact = agrees(&folder);
    let file = folder.join("artifact.json");
    let pushed = tidemill(["models", "push", file.to_str().expect("a path"), "--out", from]);
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    assert!(pushed.stdout.contains(&Artifact::digest(&artifact.to_bytes())), "{}", pushed.stdout);
}
