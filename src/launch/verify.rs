//! `tidemill verify`: the committed ticks of a run, made again from its input and compared record by record.
//!
//! In: the pipeline, the run's outputs, its input. Out: what was compared, or the first thing that differs. Nothing is
//! written, and a run that goes on meanwhile is not disturbed.

use super::Exit;
use super::again::Again;
use super::args::VerifyArgs;

/// Verifies a run.
pub(super) fn verify(args: &VerifyArgs) -> Exit {
    let VerifyArgs { pipeline, threads, out, kafka, inputs, quiet } = args;
    let again = Again { pipeline, out: out.as_deref(), kafka, inputs, threads: *threads, quiet: *quiet };
    let made = match again.make(|_, _| Ok(None)) {
        Ok(made) => made,
        Err(refusal) => {
            eprintln!("{}", refusal.message.trim_end());
            return refusal.exit;
        }
    };
    let (balance, versions) = (&made.report.balance, made.report.versions().count());
    println!(
        "{}: {} ticks up to {} are the same when they are made again: {} records, {} events, {versions} versions",
        made.plan.spec.name, made.ticks, made.now, balance.records, balance.events
    );
    Exit::Done
}
