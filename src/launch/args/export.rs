//! `tidemill export`: what is typed.

use super::{KafkaArgs, input, number};
use crate::time::Time;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// `tidemill export`
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// What of the run.
    #[command(subcommand)]
    pub what: ExportCommand,
}

/// What of a run is exported.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum ExportCommand {
    /// Every event of the committed ticks as it was served: vector, scores, version, and its label as known at the end
    #[command(disable_help_flag = true)]
    Examples(Box<ExamplesArgs>),
}

/// `tidemill export examples`
#[derive(Debug, clap::Args)]
pub struct ExamplesArgs {
    /// The pipeline file, or the name of one in dataflows/
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// The run's outputs [default: out/<pipeline>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Only of this model; of all of them else, a record each
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Only events with a time from here on: `2013-04-01`, `2013-04-01T05:15:00Z`
    #[arg(long, value_name = "T", value_parser = time)]
    pub from: Option<Time>,
    /// Only events with a time before this
    #[arg(long, value_name = "T", value_parser = time)]
    pub to: Option<Time>,
    /// How they are written
    #[arg(long, value_name = "csv|jsonl|parquet", default_value = "csv")]
    pub format: ExportFormat,
    /// Where they are written, whole or not at all [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub to_file: Option<PathBuf>,
    /// Worker threads
    #[arg(short = 'w', long, value_name = "THREADS", default_value_t = 1, value_parser = number(1, 256))]
    pub threads: usize,
    /// Where the run's streams are, if not in files.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// The file that a source was read from, as it was given to the run
    #[arg(long = "input", value_name = "SOURCE=PATH", value_parser = input)]
    pub inputs: Vec<(String, PathBuf)>,
    /// No progress bar
    #[arg(long)]
    pub quiet: bool,
}

/// How examples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A header line, then a line an example.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// A Parquet file.
    Parquet,
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "allowed: an instant like 2013-04-01 or 2013-04-01T05:15:00Z".to_owned())
}
