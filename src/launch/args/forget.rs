//! The command line of `tidemill forget`.

use super::{KafkaArgs, input};
use std::path::PathBuf;

/// `tidemill forget`
#[derive(Debug, clap::Args)]
pub struct ForgetArgs {
    /// The prediction ids of the events
    #[arg(value_name = "ID", required_unless_present = "whose")]
    pub ids: Vec<String>,
    /// The run's outputs
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// All events of the input so far in which a column has this value
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = column, requires = "pipeline")]
    pub whose: Option<(String, String)>,
    /// Of --where: the pipeline file, or the name of one in dataflows/
    #[arg(long, value_name = "PIPELINE", requires = "whose")]
    pub pipeline: Option<PathBuf>,
    /// Of --where: where the events are, if not in files.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Of --where: the file that a source was read from, as it was given to the run
    #[arg(long = "input", value_name = "SOURCE=PATH", value_parser = input, requires = "whose")]
    pub inputs: Vec<(String, PathBuf)>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

fn column(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok((column.into(), value.into())),
        _ => Err("allowed: COLUMN=VALUE, of a column of the events".to_string()),
    }
}
