//! The hand-written side of the core benchmark: what one would write for exactly one pipeline, on one thread.
//!
//! usage: core flights|stream FOLDER OUT
//!
//! In: the streams of FOLDER (`datasets/flights`, or what `benches/generate.py` wrote). Out: the engine's
//! `predictions.jsonl`, byte for byte, in OUT; on standard output one JSON line of counts, seconds and metrics. It
//! reads, unpacks, decodes, merges by event time, computes the features, scores, learns, and sums the metrics; it knows
//! nothing of late or duplicate records, corrections, timeouts, dead letters, ticks, digests or versions. Nothing of
//! the engine is used here; only the allocator and the crates that read gzip, JSON and short texts are the same.

mod csv;
mod flights;
mod learner;
mod lines;
mod names;
mod newest;
mod output;
mod score_board;
mod standardizer;
mod stream;
mod time;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [kind, folder, out] = &arguments[..] else {
        println!("usage: core flights|stream FOLDER OUT (benches/run.sh calls it)");
        return ExitCode::SUCCESS;
    };
    let start = Instant::now();
    let (folder, out) = (Path::new(folder), Path::new(out));
    let ran = match kind.as_str() {
        "flights" => flights::run(folder, out),
        "stream" => stream::run(folder, out),
        other => Err(std::io::Error::other(format!("{other} is neither flights nor stream"))),
    };
    match ran {
        Ok((events, board)) => {
            let seconds = start.elapsed().as_secs_f64();
            println!("{{\"events\":{events},\"seconds\":{seconds:.3},{}}}", board.metrics());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
