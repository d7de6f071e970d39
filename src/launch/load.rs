//! Finding a pipeline's file and reading it, with the files that it names.
//!
//! In: what was typed for PIPELINE, a path or the name of a file in `dataflows/`. Out: the pipeline, its file, and its
//! project's folder, to which the paths in it are relative: the parent of the `dataflows` folder that the file is in,
//! else the folder of the file. Limits: a file of more than 16 MiB is refused.

use crate::config::spec::PipelineSpec;
use crate::config::{self, ConfigError, ConfigErrors};
use crate::feature::plan::{Fault, compile};
use crate::train::golden;
use crate::trigger::check_triggers;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No list of values and no pipeline is longer.
const LONGEST: u64 = 16 << 20;

/// A pipeline that was read without errors, and whose expressions and conditions have none.
#[derive(Debug)]
pub struct Loaded {
    /// The pipeline.
    pub spec: PipelineSpec,
    /// Its file.
    pub file: PathBuf,
    /// Its text, which [`ConfigErrors::new`] needs for the errors of later stages.
    pub text: String,
    /// The project's folder: paths in the file are relative to it.
    pub folder: PathBuf,
}

impl Loaded {
    /// An empty report on this file, for the errors of later stages.
    pub fn errors(&self) -> ConfigErrors {
        ConfigErrors::new(&self.file.display().to_string(), &self.text)
    }
}

/// Why there is no pipeline. All of these are exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not there or cannot be read.
    #[error("cannot read the pipeline {place}: {cause}")]
    Unreadable {
        /// The file.
        place: String,
        /// What the system said.
        cause: String,
    },
    /// The file has errors.
    #[error("{0}")]
    Wrong(ConfigErrors),
}

/// Reads the pipeline that was named on the command line.
///
/// # Errors
/// The file cannot be read, or it has errors.
pub fn load(pipeline: &Path) -> Result<Loaded, LoadError> {
    let file = find(pipeline);
    let text = read_text(&file).map_err(|cause| LoadError::Unreadable { place: file.display().to_string(), cause })?;
    let folder = project_folder(&file);
    let read = |path: &str| read_text(&folder.join(path));
    let spec = check(&text, &file.display().to_string(), &read).map_err(LoadError::Wrong)?;
    Ok(Loaded { spec, file, text, folder })
}

/// Reads a pipeline file and compiles what is in it, as far as its shape is right; the arguments are those of
/// [`config::read`].
///
/// # Errors
/// All errors of the file: of its syntax, its shape, its expressions and its conditions.
pub fn check(
    text: &str,
    file: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<PipelineSpec, ConfigErrors> {
    let mut reading = config::examine(text, file, read)?;
    let mut faults = match compile(&reading.spec) {
        Ok(plan) => {
            let layout = plan.program.layout();
            reading.spec.models.iter().flat_map(|model| golden(model, layout).err().unwrap_or_default()).collect()
        }
        Err(faults) => faults,
    };
    faults.extend(reading.spec.models.iter().flat_map(check_triggers));
    reading.add(faults.into_iter().map(told).collect());
    if reading.errors.is_empty() { Ok(reading.spec) } else { Err(reading.errors) }
}

fn told(fault: Fault) -> ConfigError {
    ConfigError { message: fault.message, span: fault.span, help: fault.help.unwrap_or_default() }
}

/// The file meant by PIPELINE: the path itself if it is there, else `dataflows/PIPELINE.toml` if that is.
fn find(pipeline: &Path) -> PathBuf {
    let plain = pipeline.components().count() == 1 && pipeline.extension().is_none();
    if !pipeline.is_file() && plain {
        let named = Path::new("dataflows").join(pipeline).with_extension("toml");
        if named.is_file() {
            return named;
        }
    }
    pipeline.to_path_buf()
}

/// The folder to which the paths in a pipeline file are relative.
fn project_folder(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // `cd dataflows; tidemill run flights.toml` has no name of its folder to look at.
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    if real.file_name().is_none_or(|name| name != "dataflows") {
        return folder.to_path_buf();
    }
    match folder.parent() {
        Some(above) if folder.file_name().is_some_and(|name| name == "dataflows") => {
            if above.as_os_str().is_empty() {
                PathBuf::from(".")
            } else {
                above.to_path_buf()
            }
        }
        _ => real.parent().map_or_else(|| folder.to_path_buf(), Path::to_path_buf),
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err("it is a folder".to_string());
    }
    let mut text = String::new();
    let read = file.take(LONGEST + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    if read as u64 > LONGEST {
        return Err(format!("it is longer than {} MiB", LONGEST >> 20));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_project() {
        let root = tempfile::tempdir().expect("a folder");
        let flows = root.path().join("dataflows");
        std::fs::create_dir(&flows).expect("a folder");
        assert_eq!(project_folder(&flows.join("a.toml")), root.path());
        assert_eq!(project_folder(&root.path().join("a.toml")), root.path());
        assert_eq!(project_folder(Path::new("nowhere/dataflows/a.toml")), Path::new("nowhere"));
        assert_eq!(project_folder(Path::new("dataflows/a.toml")), Path::new("."));
        assert_eq!(project_folder(Path::new("a.toml")), Path::new("."));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = load(Path::new("no/such.toml")).map(|_| ()).expect_err("there is no such file").to_string();
        assert!(error.starts_with("cannot read the pipeline no/such.toml: "), "{error}");
        let root = tempfile::tempdir().expect("a folder");
        let error = load(root.path()).map(|_| ()).expect_err("a folder is no file").to_string();
        assert!(error.ends_with(": it is a folder"), "{error}");
    }
}
