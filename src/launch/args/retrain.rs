//! The command line of `tidemill retrain`.

use std::path::PathBuf;

/// `tidemill retrain`
#[derive(Debug, clap::Args)]
pub struct RetrainArgs {
    /// The run's outputs
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The model [default: all of them]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
}
