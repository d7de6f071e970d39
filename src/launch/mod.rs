//! The command line: arguments, the pipeline file as a whole, supervision of processes, and what a person is told.

mod again;
pub mod args;
mod bar;
mod checkpoints;
mod crashes;
mod export;
pub mod feed;
mod forget;
pub mod graph;
mod input;
mod join;
pub mod load;
mod memory;
mod outputs;
mod push;
mod requests;
mod run;
mod stop;
mod summary;
pub mod supervise;
mod verify;
mod whose;

use crate::config::suggest;
use crate::deploy::Wish;
use args::{CheckArgs, Command, ExportCommand, FeedArgs, KafkaArgs, ModelsArgs, ModelsCommand, RetrainArgs};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All went well.
    Done = 0,
    /// It failed while running.
    Failed = 1,
    /// It was asked wrongly: usage or configuration.
    Usage = 2,
    /// Another run has taken over its outputs.
    Fenced = 3,
    /// A committed tick came out otherwise when it was made again.
    Diverged = 4,
    /// What became of its last ticks is not known, or they could not be committed: start it again.
    Again = 5,
    /// The input that it has consumed is not there any more.
    Gone = 6,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    if !supervise::tie_to_supervisor() {
        return ExitCode::from(Exit::Failed as u8);
    }
    let args = args::parse();
    log();
    let code = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Verify(args) => verify::verify(&args) as i32,
        Command::Check(args) => check(&args) as i32,
        Command::Export(args) => match &args.what {
            ExportCommand::Examples(args) => export::examples(args) as i32,
        },
        Command::Feed(args) => play(&args) as i32,
        Command::Models(args) => models(&args) as i32,
        Command::Forget(args) => forget::forget(&args) as i32,
        Command::Retrain(args) => retrain(&args) as i32,
    };
    ExitCode::from(u8::try_from(code).unwrap_or(Exit::Failed as u8))
}

/// Logs go to standard error, `warn` and above unless `TIDEMILL_LOG` says otherwise (as in `info` or `tidemill=debug`).
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIDEMILL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn check(args: &CheckArgs) -> Exit {
    match run::prepare(&args.pipeline) {
        Ok((_, plan)) => {
            print!("{}", graph::draw(&plan.spec));
            let layout = plan.features.program.layout();
            println!("{} slots, feature schema {}", layout.width(), layout.digest());
            Exit::Done
        }
        Err(message) => usage(&message),
    }
}

fn play(args: &FeedArgs) -> Exit {
    let Some(broker) = broker(&args.kafka) else { return usage("feed needs --kafka BOOTSTRAP, or TIDEMILL_KAFKA") };
    let (loaded, plan) = match run::prepare(&args.pipeline) {
        Ok(prepared) => prepared,
        Err(message) => return usage(&message),
    };
    let stop = stop::on_signals();
    let options = feed::FeedOptions {
        broker,
        folder: loaded.folder,
        sources: args.sources.clone(),
        limit: args.limit,
        speed: args.speed,
        partitions: args.partitions.min(usize::from(u16::MAX)) as u16,
        fresh: args.fresh,
        stop,
    };
    match feed::feed(&options, &plan.spec) {
        Ok(report) => {
            for fed in &report.topics {
                eprintln!(
                    "{}: {} messages in {} partitions, {} tombstones, {} that do not decode",
                    fed.topic, fed.records, fed.partitions, fed.tombstones, fed.undecoded
                );
            }
            eprintln!("{} messages in {:.1} s, {:.0}/s", report.records(), report.seconds, report.records_per_s());
            Exit::Done
        }
        Err(error) => usage(&error.to_string()),
    }
}

fn models(args: &ModelsArgs) -> Exit {
    let shown = match &args.what {
        ModelsCommand::Promote { out, model, version } => return wish(out, model.as_deref(), Wish::Promote(*version)),
        ModelsCommand::Rollback { out, model } => return wish(out, model.as_deref(), Wish::RollBack),
        ModelsCommand::Pin { out, model } => return wish(out, model.as_deref(), Wish::Pin),
        ModelsCommand::Unpin { out, model } => return wish(out, model.as_deref(), Wish::Unpin),
        ModelsCommand::Push { file, out, model } => return push::push(file, out, model.as_deref()),
        ModelsCommand::List { out } => crate::registry::list(out).map(|listings| {
            let shown = listings.iter().filter_map(|listing| crate::registry::shown_text(listing, None));
            shown.collect::<Vec<_>>().join("\n")
        }),
        ModelsCommand::Show { out, version } => crate::registry::list(out).map(|listings| {
            let shown = listings.iter().filter_map(|listing| crate::registry::shown_text(listing, Some(*version)));
            shown.collect::<Vec<_>>().join("\n")
        }),
    };
    match shown {
        Ok(text) if text.is_empty() => usage("no such version there; see tidemill models list"),
        Ok(text) => {
            println!("{text}");
            Exit::Done
        }
        Err(error) => usage(&error.to_string()),
    }
}

/// Asks the run that writes to `out` for a change of a model's roles.
fn wish(out: &Path, model: Option<&str>, wish: Wish) -> Exit {
    let model = match meant(out, model) {
        Ok(model) => model,
        Err(message) => return usage(&message),
    };
    match requests::wish(out, &model, wish) {
        Ok(()) => {
            println!("asked for {} of {model}; it is decided at the run's next boundary", wish.word());
            Exit::Done
        }
        Err(error) => usage(&format!("cannot ask the run that writes to {}: {error}", out.display())),
    }
}

/// Asks the run that writes to `out` for a training of one model, or of all.
fn retrain(RetrainArgs { out, model }: &RetrainArgs) -> Exit {
    let model = match model.as_deref().map(|name| meant(out, Some(name))).transpose() {
        Ok(model) => model,
        Err(message) => return usage(&message),
    };
    match requests::request(out, model.as_deref()) {
        Ok(()) => {
            let of = model.as_deref().unwrap_or("all models");
            println!("asked for a retraining of {of}; it is decided at the run's next boundary");
            Exit::Done
        }
        Err(error) => usage(&format!("cannot leave a request in {}: {error}", out.display())),
    }
}

/// The model of the run that writes to `out` which is meant.
fn meant(out: &Path, model: Option<&str>) -> Result<String, String> {
    let known = crate::registry::list(out).map_err(|error| error.to_string())?;
    let known: Vec<String> = known.into_iter().map(|listing| listing.model).collect();
    let names = known.join(", ");
    match (model, &known[..]) {
        (Some(model), _) if known.iter().any(|name| name == model) => Ok(model.to_owned()),
        (_, []) => Err(format!("no run writes to {}: it has no models", out.display())),
        (Some(model), _) => {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            Err(format!("no model `{model}` in {}; {}", out.display(), suggest(model, &names)))
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(format!("--model says which of {names} is meant")),
    }
}

fn usage(message: &str) -> Exit {
    eprintln!("{}", message.trim_end());
    Exit::Usage
}

fn broker(kafka: &KafkaArgs) -> Option<crate::broker::Broker> {
    let bootstrap = kafka.bootstrap.as_deref()?;
    Some(crate::broker::Broker::new(bootstrap, &kafka.properties))
}
