//! The command line: what was typed, checked and typed.
//!
//! In: the arguments, and two things from elsewhere: the environment variable `TIDEMILL_KAFKA` and the file named by
//! `--kafka-config`. Out: [`Args`]. `-w -n -p -h` mean what they mean to timely; `-h` is the hostfile, `--help` is
//! help. Usage errors end with exit code 2. Secrets belong into the file of `--kafka-config`: arguments are visible to
//! everybody on the machine.

mod export;
mod forget;
mod retrain;

pub use export::{ExamplesArgs, ExportArgs, ExportCommand, ExportFormat};
pub use forget::ForgetArgs;
pub use retrain::RetrainArgs;

use crate::flow::saving::Cadence;
use crate::time::Span;
use clap::{ArgAction, Parser, Subcommand, error::ErrorKind};
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The environment variable that stands in for `--kafka`.
const KAFKA: &str = "TIDEMILL_KAFKA";

const ABOUT: &str = "Continuous machine learning on event streams, as one incremental dataflow.";
const CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 fenced, 4 determinism broken, \
    5 start it again, 6 input no longer there.\nHelp is --help; -h is the hostfile of `run`.";

/// A whole command line.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, about = ABOUT, after_help = CODES, disable_help_flag = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print help (`-h` is the hostfile)
    #[arg(long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum Command {
    /// Run a pipeline: over files to their end, over Kafka until SIGTERM
    #[command(disable_help_flag = true)]
    Run(Box<RunArgs>),
    /// Make the committed ticks of a run again from its input, and compare every record
    #[command(disable_help_flag = true)]
    Verify(Box<VerifyArgs>),
    /// Write what a run served and learned from, for others
    #[command(disable_help_flag = true)]
    Export(ExportArgs),
    /// Validate a pipeline file and draw its graph
    #[command(disable_help_flag = true)]
    Check(CheckArgs),
    /// Play a dataset's streams into Kafka topics, in the order of event time
    #[command(disable_help_flag = true)]
    Feed(Box<FeedArgs>),
    /// List a run's versions, or show one
    #[command(disable_help_flag = true)]
    Models(ModelsArgs),
    /// Ask a run to forget the labels of events at its next boundary
    #[command(disable_help_flag = true)]
    Forget(ForgetArgs),
    /// Ask a run for a retraining at its next boundary, of one model or of all
    #[command(disable_help_flag = true)]
    Retrain(RetrainArgs),
}

/// `tidemill run`
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The pipeline file, or the name of one in dataflows/
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// Worker threads a process
    #[arg(short = 'w', long, value_name = "THREADS", default_value_t = 1, value_parser = number(1, 256))]
    pub threads: usize,
    /// Processes; without -p all of them are started and supervised on this machine
    #[arg(short = 'n', long, value_name = "PROCESSES", default_value_t = 1, value_parser = number(1, 256))]
    pub processes: usize,
    /// Be one member of -n processes: its index from 0
    #[arg(short = 'p', long, value_name = "INDEX", value_parser = number(0, 255))]
    pub process: Option<usize>,
    /// Where the members are: one host:port a line, in the order of their indices (help is --help)
    #[arg(short = 'h', long, value_name = "HOSTFILE", requires = "process")]
    pub hostfile: Option<PathBuf>,
    /// What members prove to each other that they know, if not TIDEMILL_SECRET: the same for all, 16 bytes or more
    #[arg(long, value_name = "PATH")]
    pub secret_file: Option<PathBuf>,
    /// Seconds after which a member gives up waiting for the others
    #[arg(long = "join-within", value_name = "SECONDS", default_value_t = 60, value_parser = number(1, 86_400))]
    pub join_within_s: usize,
    /// With -n without -p: start a group that crashed again, at most so often in a row
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number(0, 1_000_000))]
    pub restarts: usize,
    /// Where outputs are written [default: out/<pipeline>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where state is kept [default: <out>/state]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Kafka instead of files.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Serve a page, /metrics, /models, /healthz while it runs; a port alone is on 127.0.0.1, port 0 is a free one
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = http)]
    pub http: Option<SocketAddr>,
    /// How often state is saved: `10s`, `5m`, `5000 ticks`; with `never` it is neither saved nor taken up
    #[arg(long, value_name = "SPAN|TICKS", default_value = "10s", value_parser = cadence)]
    pub checkpoint_every: Cadences,
    /// Where the pipeline file was changed: let go of what an operator had kept, by its name; several for several
    #[arg(long = "drop-state", value_name = "NAME")]
    pub drop_state: Vec<String>,
    /// Stop behind a tick when a process holds more, like `4GiB`; it must cover what queues may hold
    #[arg(long, value_name = "BYTES", value_parser = super::memory::bytes)]
    pub memory_limit: Option<u64>,
    /// On Kafka: end at the high watermarks captured at start, instead of at SIGTERM
    #[arg(long)]
    pub until_end: bool,
    /// Start over: remove the run that the outputs hold
    #[arg(long)]
    pub fresh: bool,
    /// No progress bar and no summary
    #[arg(long)]
    pub quiet: bool,
    /// Read a source from this file (`-` is standard input); several for several partitions
    #[arg(long = "input", value_name = "SOURCE=PATH", value_parser = input)]
    pub inputs: Vec<(String, PathBuf)>,
    /// Close a tick after so many records [default: the pipeline's tick_records]
    #[arg(long, value_name = "N", value_parser = number(1, 1_000_000))]
    pub tick_records: Option<usize>,
}

impl RunArgs {
    /// Where outputs are written: `--out`, or `out/<pipeline>`.
    pub fn out(&self, pipeline: &str) -> PathBuf {
        self.out.clone().unwrap_or_else(|| PathBuf::from("out").join(pipeline))
    }

    /// Where state is kept: `--state`, or `state` in the outputs.
    pub fn state(&self, pipeline: &str) -> PathBuf {
        self.state.clone().unwrap_or_else(|| self.out(pipeline).join("state"))
    }

    /// Whether this process only starts and supervises the others.
    pub fn supervises(&self) -> bool {
        self.processes > 1 && self.process.is_none()
    }
}

/// `tidemill verify`
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The pipeline file, or the name of one in dataflows/
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// Worker threads
    #[arg(short = 'w', long, value_name = "THREADS", default_value_t = 1, value_parser = number(1, 256))]
    pub threads: usize,
    /// The run's outputs [default: out/<pipeline>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where its streams are, if not in files.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// The file that a source was read from, as it was given to the run
    #[arg(long = "input", value_name = "SOURCE=PATH", value_parser = input)]
    pub inputs: Vec<(String, PathBuf)>,
    /// No progress bar
    #[arg(long)]
    pub quiet: bool,
}

/// `tidemill check`
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The pipeline file, or the name of one in dataflows/
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
}

/// `tidemill feed`
#[derive(Debug, clap::Args)]
pub struct FeedArgs {
    /// The pipeline file, or the name of one in dataflows/
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// Where to.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// How fast event time passes: 1x is as it happened, 100x a hundred times faster, max without waiting
    #[arg(long, value_name = "1x|100x|max")]
    pub speed: Speed,
    /// Partitions of the topics that are created
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(1, 10_000))]
    pub partitions: usize,
    /// Only these sources
    #[arg(long = "source", value_name = "NAME")]
    pub sources: Vec<String>,
    /// Stop after so many records
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Remove the topics first
    #[arg(long)]
    pub fresh: bool,
}

/// `tidemill models`
#[derive(Debug, clap::Args)]
pub struct ModelsArgs {
    /// What about them.
    #[command(subcommand)]
    pub what: ModelsCommand,
}

/// What to do with a run's versions.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum ModelsCommand {
    /// List all versions: number, cause, digest, when they were in effect
    #[command(disable_help_flag = true)]
    List {
        /// The run's outputs
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Show the card of one version
    #[command(disable_help_flag = true)]
    Show {
        /// The run's outputs
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The version's number
        version: u32,
    },
    /// Ask a run to make a challenger or shadow the champion at its next boundary
    #[command(disable_help_flag = true)]
    Promote {
        /// The run's outputs
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The model, where there are several
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
        /// The version's number
        version: u32,
    },
    /// Ask a run to bring the champion before back at its next boundary
    #[command(disable_help_flag = true)]
    Rollback {
        /// The run's outputs
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The model, where there are several
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
    },
    /// Ask a run to judge a model that was trained elsewhere at its next boundary, and to release it if it is better
    #[command(disable_help_flag = true)]
    Push {
        /// The artifact
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The run's outputs
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The model, where there are several
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
    },
    /// Ask a run to let nothing change by itself: no training, no promotion, no rollback
    #[command(disable_help_flag = true)]
    Pin {
        /// The run's outputs
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The model, where there are several
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
    },
    /// Take that back
    #[command(disable_help_flag = true)]
    Unpin {
        /// The run's outputs
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The model, where there are several
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
    },
}

/// How to reach Kafka.
#[derive(Clone, Default, clap::Args)]
pub struct KafkaArgs {
    /// Bootstrap servers, host:port[,host:port..] [env: TIDEMILL_KAFKA]
    #[arg(long = "kafka", value_name = "BOOTSTRAP")]
    pub bootstrap: Option<String>,
    /// Any librdkafka property; secrets belong into --kafka-config
    #[arg(long = "kafka-property", value_name = "K=V", value_parser = property)]
    pub properties: Vec<(String, String)>,
    /// A file of librdkafka properties, one K=V a line, `#` before comments
    #[arg(long = "kafka-config", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl fmt::Debug for KafkaArgs {
    /// Names of properties only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaArgs").field("bootstrap", &self.bootstrap).field("properties", &names).finish()
    }
}

impl KafkaArgs {
    /// Completes what was typed: the bootstrap from the environment, the properties of the file before those of the
    /// command line, so that the latter win where both are set in order.
    fn complete(&mut self, bootstrap: Option<String>) -> Result<(), String> {
        if self.bootstrap.is_none() {
            self.bootstrap = bootstrap.filter(|b| !b.trim().is_empty());
        }
        let Some(path) = &self.config else { return Ok(()) };
        let text =
            std::fs::read_to_string(path).map_err(|e| format!("cannot read --kafka-config {}: {e}", path.display()))?;
        let mut all = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The line itself may be a secret and is not printed.
            all.push(
                property(line).map_err(|_| format!("{}, line {}: not of the form K=V", path.display(), number + 1))?,
            );
        }
        all.append(&mut self.properties);
        self.properties = all;
        Ok(())
    }
}

/// How fast event time passes when a dataset is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times faster than it happened.
    Times(f64),
    /// Without waiting.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        match text.strip_suffix('x').and_then(|n| n.parse::<f64>().ok()) {
            Some(times) if times > 0.0 && times <= 1e9 => Ok(Speed::Times(times)),
            _ => Err("allowed: above 0x and at most 1e9x, or max".to_string()),
        }
    }
}

/// The command line of this process. Ends the process with help (0) or a usage error (2).
pub fn parse() -> Args {
    match parse_from(std::env::args_os(), std::env::var(KAFKA).ok()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    }
}

/// A command line, the program's name first; `kafka` is what the environment says of the bootstrap servers.
///
/// # Errors
/// Usage, and the requests for help and version, as clap's errors: their exit code is 2, or 0.
pub fn parse_from(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    kafka: Option<String>,
) -> Result<Args, clap::Error> {
    let mut args = Args::try_parse_from(words)?;
    let wrong = |message: String| clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n"));
    match &mut args.command {
        Command::Run(run) => {
            run.kafka.complete(kafka).map_err(wrong)?;
            check_run(run).map_err(wrong)?;
        }
        Command::Verify(verify) => {
            verify.kafka.complete(kafka).map_err(wrong)?;
            check_input(&verify.kafka, &verify.inputs, false).map_err(wrong)?;
        }
        Command::Export(ExportArgs { what: ExportCommand::Examples(examples) }) => {
            examples.kafka.complete(kafka).map_err(wrong)?;
            check_input(&examples.kafka, &examples.inputs, false).map_err(wrong)?;
        }
        Command::Forget(forget) => {
            forget.kafka.complete(kafka).map_err(wrong)?;
            check_input(&forget.kafka, &forget.inputs, false).map_err(wrong)?;
        }
        Command::Feed(feed) => {
            feed.kafka.complete(kafka).map_err(wrong)?;
            if feed.kafka.bootstrap.is_none() {
                return Err(wrong(format!("feed needs --kafka BOOTSTRAP, or {KAFKA} in the environment")));
            }
        }
        Command::Check(_) | Command::Models(_) | Command::Retrain(_) => {}
    }
    Ok(args)
}

fn check_run(run: &RunArgs) -> Result<(), String> {
    if let Some(index) = run.process.filter(|p| *p >= run.processes) {
        return Err(format!("-p is {index}, allowed with -n {}: 0 to {}", run.processes, run.processes - 1));
    }
    check_input(&run.kafka, &run.inputs, run.until_end)
}

fn check_input(kafka: &KafkaArgs, inputs: &[(String, PathBuf)], until_end: bool) -> Result<(), String> {
    if kafka.bootstrap.is_none() {
        for (typed, flag) in [(until_end, "--until-end"), (!kafka.properties.is_empty(), "a Kafka property")] {
            if typed {
                return Err(format!("{flag} is for Kafka: it needs --kafka BOOTSTRAP, or {KAFKA} in the environment"));
            }
        }
    } else if !inputs.is_empty() {
        return Err("--input is for files, --kafka for topics: one of them".to_string());
    }
    Ok(())
}

/// How often state is saved; `None` is never.
pub type Cadences = Option<Cadence>;

fn cadence(text: &str) -> Result<Cadences, String> {
    let time = |span: Span| u64::try_from(span.0).ok().filter(|micros| *micros > 0).map(Duration::from_micros);
    let ticks = |text: &str| text.trim_end().parse::<u64>().ok().filter(|ticks| *ticks > 0);
    let cadence = match text.strip_suffix("ticks").or_else(|| text.strip_suffix("tick")) {
        _ if text == "never" => return Ok(None),
        Some(text) => ticks(text).map(Cadence::Ticks),
        None => Span::parse(text).and_then(time).map(Cadence::Time),
    };
    cadence.map(Some).ok_or_else(|| "allowed: a span like 10s or 5m, a number of ticks like `5000 ticks`, never".into())
}

/// A parser of whole numbers from `low` to `high`.
fn number(low: usize, high: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(n) if low <= n && n <= high => Ok(n),
        _ => Err(format!("allowed: {low} to {high}")),
    }
}

fn input(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((source, path)) if !source.is_empty() && !path.is_empty() => Ok((source.into(), path.into())),
        _ => Err("allowed: SOURCE=PATH".to_string()),
    }
}

fn http(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
    let address = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|_| text.parse());
    address.map_err(|_| "allowed: a port, or an address and a port like 0.0.0.0:8080 or [::1]:8080".to_string())
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().into(), value.trim().into())),
        _ => Err("allowed: K=V".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn words(line: &str) -> Result<Args, clap::Error> {
        parse_from(std::iter::once("tidemill").chain(line.split_whitespace()), None)
    }

    fn run(line: &str) -> RunArgs {
        match words(line).map(|a| a.command) {
            Ok(Command::Run(run)) => *run,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_declaration_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_flags_are_those_of_timely() {
        let r = run("run flights -w 4 -n 2 -p 1 -h hosts.txt");
        assert_eq!((r.threads, r.processes, r.process), (4, 2, Some(1)));
        assert_eq!(r.hostfile, Some(PathBuf::from("hosts.txt")));
        assert!(!r.supervises());
        let r = run("run flights -n 2 --input a=x.csv --input a=- --tick-records 7 --fresh --quiet");
        assert!(r.supervises() && r.fresh && r.quiet);
        assert_eq!(r.inputs, [("a".to_string(), PathBuf::from("x.csv")), ("a".to_string(), PathBuf::from("-"))]);
        assert_eq!((r.tick_records, r.out("flights")), (Some(7), PathBuf::from("out/flights")));
        assert!(!run("run flights -n 1").supervises());
    }

    #[test]
    fn help_is_long_and_says_so() {
        for line in ["--help", "run --help", "models list --help"] {
            let error = words(line).map(|_| ()).expect_err("help is not a command");
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::DisplayHelp, 0), "{line}");
        }
        let help = words("run --help").map(|_| ()).expect_err("help").to_string();
        assert!(help.contains("-h, --hostfile <HOSTFILE>") && help.contains("help is --help"), "{help}");
        assert!(help.contains("-h` is the hostfile"), "{help}");
    }

    #[test]
    fn usage_errors_are_exit_code_2() {
        for line in [
            "",
            "run",
            "walk flights",
            "run flights -w 0",
            "run flights -n 2 -p 2",
            "run flights -h hosts.txt -n 2",
            "run flights --until-end",
            "run flights --kafka-property a=b",
            "run flights --kafka h:1 --input a=b",
            "run flights --input a",
            "feed flights --speed max",
            "feed flights --kafka h:1 --speed 0x",
            "feed flights --kafka h:1 --speed NaNx",
            "feed flights --kafka h:1",
            "models show --out x",
            "models list",
            "forget --out x",
            "forget 7",
            "export",
            "export examples sea --format arrow",
            "export examples sea --from yesterday",
        ] {
            let error = words(line).map(|args| panic!("{line}: {args:?}")).expect_err("a usage error");
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
    }

    #[test]
    fn a_port_alone_is_on_loopback() {
        let http = |text: &str| run(&format!("run sea --http {text}")).http.map(|address| address.to_string());
        for (text, address) in [
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
            ("localhost:1", "127.0.0.1:1"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(http(text).as_deref(), Some(address));
        }
        for text in ["", "65536", "-1", ":80", "127.0.0.1", "host:80"] {
            let error = words(&format!("run sea --http={text}")).map(|_| ()).expect_err("no address");
            assert_eq!(error.exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn speeds_are_factors_or_max() {
        for (text, speed) in [("1x", Speed::Times(1.0)), ("2.5x", Speed::Times(2.5)), ("max", Speed::Max)] {
            assert_eq!(text.parse(), Ok(speed));
        }
    }

    #[test]
    fn the_environment_and_a_file_complete_the_command_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kafka.properties");
        std::fs::write(&path, "# ours\nsasl.password = s3cret=\n\nacks=all\n").expect("a file");
        let line = format!("tidemill run flights --kafka-property acks=1 --kafka-config {}", path.display());
        let args = parse_from(line.split_whitespace(), Some("h:9092".into())).expect("complete");
        let Command::Run(run) = args.command else { panic!("not run") };
        assert_eq!(run.kafka.bootstrap.as_deref(), Some("h:9092"));
        let pairs: Vec<(&str, &str)> = run.kafka.properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("sasl.password", "s3cret="), ("acks", "all"), ("acks", "1")]);
        assert!(!format!("{run:?}").contains("s3cret"), "{run:?}");

        std::fs::write(&path, "acks=1\ns3cret\n").expect("a file");
        let error = parse_from(line.split_whitespace(), None).map(|_| ()).expect_err("no K=V").to_string();
        assert!(error.contains("line 2") && !error.contains("s3cret"), "{error}");
    }
}
