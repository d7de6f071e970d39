//! The command line of `tidemill forget`.

use std::path::PathBuf;

/// `tidemill forget`
#[derive(Debug, clap::Args)]
pub struct ForgetArgs {
    /// The prediction ids of the events
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// The run's outputs
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}
