//! What do window pages save beside a plain serde encoding, in time and in bytes?
//!
//! One million rows of a window (time, order, value), as a page and as a section with the same rows; both with their
//! checksum, in one run, with the copy of the rows and the checksum alone beside them as the least there is to do.
//! Best of nine; MB/s are of the rows in memory.

use std::hint::black_box;
use std::time::Instant;
use tidemill::state::{Digest, Schema, page, section};

tidemill::page_row! {
    /// A row as a window keeps it.
    struct Entry { time: i64, order: u64, value: f64 }
}

const ROWS: i64 = 1_000_000;
const TIMES: usize = 9;

/// The best of some runs, in seconds, and what the last gave.
fn best<T>(mut run: impl FnMut() -> T) -> (f64, T) {
    let mut least = f64::INFINITY;
    let mut last = None;
    for _ in 0..TIMES {
        let from = Instant::now();
        let out = black_box(run());
        least = least.min(from.elapsed().as_secs_f64());
        last = Some(out);
    }
    (least, last.expect("it ran at least once"))
}

fn main() {
    // Microseconds of 2013, a row about every 30 s; orders are hashes; values with two decimals.
    let rows: Vec<Entry> = (0..ROWS)
        .map(|i| Entry {
            time: 1_356_998_400_000_000 + i * 31_337_000,
            order: (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            value: ((i * 7919) % 36_000) as f64 / 100.0,
        })
        .collect();
    let plain: Vec<(i64, u64, f64)> = rows.iter().map(|r| (r.time, r.order, r.value)).collect();
    let schema = Schema::of("rows of a window: time, order, value");
    let memory = size_of_val(&rows[..]);
    let megabytes = |seconds: f64| memory as f64 / 1e6 / seconds;

    let (page_out, page) = best(|| page::encode(&rows));
    let (page_in, read) = best(|| page::decode::<Entry>(&page).expect("it was just written"));
    assert!(read == rows);
    let (section_out, section) = best(|| section::encode(schema, &plain).expect("rows can be encoded"));
    let (section_in, read) =
        best(|| section::decode::<Vec<(i64, u64, f64)>>(schema, &section).expect("it was just written"));
    assert!(read == plain);
    let (copy, _) = best(|| rows.clone());
    let (digest, _) = best(|| Digest::of(&page));

    println!("{ROWS} rows of {} bytes", size_of::<Entry>());
    println!();
    println!("| | encode MB/s | decode MB/s | bytes a row |");
    println!("| --- | ---: | ---: | ---: |");
    let line = |what: &str, out: f64, back: f64, bytes: usize| {
        let bytes = bytes as f64 / ROWS as f64;
        println!("| {what} | {:.0} | {:.0} | {bytes:.1} |", megabytes(out), megabytes(back));
    };
    line("page (abomonation)", page_out, page_in, page.len());
    line("section (serde, postcard)", section_out, section_in, section.len());
    println!(
        "| page by section | {:.1} | {:.1} | {:.2} |",
        section_out / page_out,
        section_in / page_in,
        page.len() as f64 / section.len() as f64
    );
    line("the rows copied, no checksum", copy, copy, memory);
    line("the checksum alone", digest, digest, memory);
}
