//! Files and streams as partitions: what is in them comes out, whatever happens to them.

use super::*;
use crate::config::spec::Spanned;
use crate::record::{Column, Kind, Reason, Schema, Type};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

/// A record's offset, its bytes, and the reason if it is a dead letter.
type Seen = (u64, String, Option<Reason>);

type Failure = Box<dyn std::error::Error>;

fn spec() -> SourceSpec {
    let column = |name: &str, kind| Column { name: name.to_string(), kind, nullable: false };
    SourceSpec {
        name: Spanned { value: "s".to_string(), span: 0..0 },
        kind: Kind::Event,
        key: vec!["id".to_string()],
        time: "at".to_string(),
        schema: Schema { columns: vec![column("id", Type::Text), column("at", Type::Timestamp)] },
        path: Vec::new(),
        format: None,
        topic: "p.s".to_string(),
        refuse_unknown: false,
        check: Vec::new(),
        label: None,
        classes: Vec::new(),
        timeout: None,
        erasable: None,
    }
}

/// All records of a partition and how it ended.
fn drain(partition: &Partition) -> (Vec<Seen>, Option<Delivery>) {
    let mut out = Vec::new();
    loop {
        match partition.deliveries.recv() {
            Ok(Delivery::Batch(batch)) => out.extend(batch.records.into_iter().map(|record| {
                let (position, raw, reason) = match record.body {
                    Ok(row) => (row.position, row.raw, None),
                    Err(letter) => (letter.position, letter.raw, Some(letter.reason)),
                };
                (position.offset, String::from_utf8_lossy(&raw.value.unwrap_or_default()).into_owned(), reason)
            })),
            Ok(last) => return (out, Some(last)),
            Err(_) => return (out, None),
        }
    }
}

fn read(name: &str, content: &[u8]) -> Result<(Vec<Seen>, Option<Delivery>), Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    std::fs::write(&path, content)?;
    let partitions = open(0, &spec(), &[path], &|_| 0, 100, || {})?;
    Ok(drain(&partitions[0]))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    assert!(out.write_all(bytes).is_ok(), "memory takes what it is given");
    out.finish().unwrap_or_default()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut out = zstd::Encoder::new(Vec::new(), 3).expect("it has this level");
    out.include_checksum(true).and_then(|()| out.write_all(bytes)).expect("memory takes what it is given");
    out.finish().expect("memory takes what it is given")
}

fn json_lines(count: usize) -> Vec<String> {
    // Varied enough that a compressed stream is long.
    (0..count).map(|i| format!("{{\"id\":\"{:x}\",\"at\":{i}}}", crate::record::digest64(&i.to_le_bytes()))).collect()
}

#[test]
fn plain_and_packed_json_and_csv_give_the_same_records() -> Result<(), Failure> {
    let json = b"{\"id\":\"a\",\"at\":1}\n\n{\"id\":\"b\"}\r\n{\"id\":\"c\",\"at\":3}";
    let expected = vec![
        (0, "{\"id\":\"a\",\"at\":1}".to_string(), None),
        (1, "{\"id\":\"b\"}".to_string(), Some(Reason::MissingField)),
        (2, "{\"id\":\"c\",\"at\":3}".to_string(), None),
    ];
    assert_eq!(read("s.jsonl", json)?.0, expected);
    assert_eq!(read("s.jsonl.gz", &gzip(json))?.0, expected);
    assert_eq!(read("told_by_its_bytes", &gzip(json))?.0, expected);
    assert_eq!(read("s.jsonl.zst", &zstd(json))?.0, expected);
    assert_eq!(read("told_too", &zstd(json))?.0, expected);
    let skipped = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"any"].concat();
    let frames: Vec<u8> = [&skipped[..], &zstd(&json[..10]), &zstd(b""), &skipped, &zstd(&json[10..])].concat();
    assert_eq!(read("frames.jsonl.zst", &frames)?.0, expected);
    let members: Vec<u8> = [gzip(&json[..10]), gzip(b""), gzip(&json[10..])].concat();
    assert_eq!(read("members.jsonl.gz", &members)?.0, expected);

    let csv = b"\xef\xbb\xbfat,id\r\n1,a\r\n\r\n2\r\n3,\"c\nd\"\r\n";
    let expected = vec![
        (0, "1,a".to_string(), None),
        (1, "2".to_string(), Some(Reason::Malformed)),
        (2, "3,\"c\nd\"".to_string(), None),
    ];
    let (records, last) = read("s.csv", csv)?;
    assert_eq!(records, expected);
    assert!(matches!(last, Some(Delivery::End)));
    assert_eq!(read("s.CSV.gz", &gzip(csv))?.0, expected);
    assert_eq!(read("s.csv.ZST", &zstd(csv))?.0, expected);
    assert!(matches!(read("empty.csv", b"")?, (records, Some(Delivery::End)) if records.is_empty()));
    Ok(())
}

#[test]
fn a_line_beyond_the_limit_is_one_dead_letter() -> Result<(), Failure> {
    let text = format!("{{\"id\":\"a\",\"at\":1}}\n{}\n{{\"id\":\"b\",\"at\":2}}\n", "x".repeat(1_000_000));
    let expected = vec![
        (0, "{\"id\":\"a\",\"at\":1}".to_string(), None),
        (1, "x".repeat(100), Some(Reason::TooLong)),
        (2, "{\"id\":\"b\",\"at\":2}".to_string(), None),
    ];
    assert_eq!(read("s.jsonl", text.as_bytes())?.0, expected);
    Ok(())
}

#[test]
fn what_cannot_be_opened_says_so_and_what_to_do() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let missing = default_paths(folder.path(), "p", "s");
    assert_eq!(missing, [folder.path().join("p/s.csv")]);
    let told = |paths: &[PathBuf]| open(0, &spec(), paths, &|_| 0, 100, || {}).map(|_| ()).map_err(|e| e.to_string());
    let error = told(&missing);
    let parts = ["source `s`: cannot open", "p/s.csv", "No such file", "`path` in [source.s]", "--input s=FILE"];
    assert!(error.as_ref().is_err_and(|e| parts.iter().all(|part| e.contains(part))), "{error:?}");
    assert!(told(&[folder.path().to_path_buf()]).is_err_and(|e| e.contains("it is a folder")));

    std::fs::create_dir(folder.path().join("p"))?;
    for name in ["s.jsonl.gz", "s.jsonl", "s.csv.gz"] {
        std::fs::write(folder.path().join("p").join(name), "id\n1\n")?;
        assert_eq!(default_paths(folder.path(), "p", "s"), [folder.path().join("p").join(name)]);
    }
    let path = folder.path().join("other.csv");
    std::fs::write(&path, "id,time\na,1\n")?;
    let error = told(&[path]);
    assert!(error.as_ref().is_err_and(|e| e.contains("has no column `at` (its header has: id,time)")), "{error:?}");
    Ok(())
}

#[test]
fn what_is_damaged_fails_after_what_was_good() -> Result<(), Failure> {
    for pack in [gzip, zstd] {
        damaged(pack)?;
    }
    Ok(())
}

fn damaged(pack: fn(&[u8]) -> Vec<u8>) -> Result<(), Failure> {
    let lines = json_lines(50_000);
    let mut bytes = pack(lines.join("\n").as_bytes());
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 64] {
        *byte ^= 0xa5;
    }
    let (records, last) = read("s.jsonl.gz", &bytes)?;
    assert!(matches!(last, Some(Delivery::Failed(SourceError::Read { .. }))), "{last:?}");
    // Bytes behind the damage may come out wrong before the checksum tells; those before it do not.
    let good = records.iter().zip(&lines).take_while(|(record, line)| record.1 == **line).count();
    assert!(good > lines.len() / 4, "{good} of {}", lines.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever whole blocks were there is used, up to the torn record.
    #[test]
    fn a_zstd_cut_short_loses_only_the_torn_record(cut in 0.0f64..1.0, csv in any::<bool>()) {
        let mut lines = json_lines(20_000);
        if csv {
            lines = (0..20_000_u64).map(|i| format!("{:x},{i}", crate::record::digest64(&i.to_le_bytes()))).collect();
            lines.insert(0, "id,at".to_string());
        }
        let bytes = zstd((lines.join("\n") + "\n").as_bytes());
        // Its first four bytes at least, or it is no zstd.
        let cut = 4 + ((bytes.len() - 4) as f64 * cut) as usize;
        let name = if csv { "s.csv.zst" } else { "s.jsonl.zst" };
        let (records, last) = read(name, &bytes[..cut]).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(matches!(last, Some(Delivery::End)), "{last:?}");
        let header = usize::from(csv);
        for (at, (offset, value, reason)) in records.iter().enumerate() {
            prop_assert_eq!(*offset, at as u64);
            let whole = match reason {
                None => *value == lines[at + header],
                Some(reason) => *reason == Reason::Truncated && at + 1 == records.len(),
            };
            prop_assert!(whole, "{at}: {value}, {reason:?}");
        }
        // A decoder of its own says how much the cut stream still held.
        let (mut held, mut decoder) = (Vec::new(), zstd::Decoder::new(&bytes[..cut]).expect("memory"));
        let _ = decoder.read_to_end(&mut held);
        let ends = held.iter().filter(|byte| **byte == b'\n').count();
        let whole = records.iter().filter(|(_, _, reason)| reason.is_none()).count();
        prop_assert_eq!(whole, ends.saturating_sub(header));
    }

    #[test]
    fn a_gzip_cut_short_loses_only_the_torn_record(cut in 0.0f64..1.0, csv in any::<bool>()) {
        let mut lines = json_lines(2000);
        if csv {
            let id = |i: u64| crate::record::digest64(&i.to_le_bytes());
            lines = (0..2000).map(|i| format!("{:x},{i}", id(i))).collect();
            lines.insert(0, "id,at".to_string());
        }
        let text = lines.join("\n") + "\n";
        let bytes = gzip(text.as_bytes());
        // Two bytes at least, or it is no gzip.
        let cut = 2 + ((bytes.len() - 2) as f64 * cut) as usize;
        let name = if csv { "s.csv.gz" } else { "s.jsonl.gz" };
        let (records, last) = read(name, &bytes[..cut]).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(matches!(last, Some(Delivery::End)));
        let header = if csv && !matches!(records.first(), None | Some((_, _, Some(_)))) { 1 } else { 0 };
        for (at, (offset, value, reason)) in records.iter().enumerate() {
            prop_assert_eq!(*offset, at as u64);
            let line = &lines[at + header];
            match reason {
                None => prop_assert_eq!(value, line),
                Some(reason) => {
                    prop_assert_eq!(*reason, Reason::Truncated);
                    prop_assert_eq!(at, records.len() - 1);
                    prop_assert!(line.starts_with(value.as_str()));
                }
            }
        }
        // All that the cut stream still held is there: a flate of its own says how much that is.
        let mut held = Vec::new();
        let _ = flate2::read::GzDecoder::new(&bytes[..cut]).read_to_end(&mut held);
        let there: usize = records.iter().map(|(_, value, reason)| value.len() + usize::from(reason.is_none())).sum();
        let header_bytes = if csv && held.len() > 5 { 6 } else { 0 };
        prop_assert_eq!(there + header_bytes, held.len());
    }
}

/// A stream that gives what it is sent, and waits in between.
struct Live {
    sent: mpsc::Receiver<&'static [u8]>,
    rest: &'static [u8],
}

impl Read for Live {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.sent.recv().unwrap_or_default();
        }
        self.rest.read(buffer)
    }
}

fn live(wake: impl Fn() + Send + 'static) -> Result<(mpsc::Sender<&'static [u8]>, Partition), Failure> {
    let (sender, sent) = mpsc::channel();
    let reader = Reader::new(Box::new(Live { sent, rest: b"" }), true, &spec(), Format::Csv, 100, Position::default());
    Ok((sender, reader.start(wake)?))
}

fn offsets(delivery: Delivery) -> Vec<u64> {
    match delivery {
        Delivery::Batch(batch) => batch.records.iter().flat_map(|r| &r.body).map(|row| row.position.offset).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_live_stream_hands_over_what_has_come() -> Result<(), Failure> {
    let wakes = Arc::new(AtomicUsize::new(0));
    let seen = wakes.clone();
    let (sender, partition) = live(move || {
        seen.fetch_add(1, Ordering::SeqCst);
    })?;
    // Each part is received before the next is sent: nothing waits for a full batch.
    sender.send(b"id,")?;
    sender.send(b"at\na,1\nb,2\nc,")?;
    assert_eq!(offsets(partition.deliveries.recv()?), [0, 1]);
    sender.send(b"3\n")?;
    assert_eq!(offsets(partition.deliveries.recv()?), [2]);
    sender.send(b"d,4")?;
    drop(sender);
    assert_eq!(offsets(partition.deliveries.recv()?), [3]);
    assert!(matches!(partition.deliveries.recv()?, Delivery::End));
    assert!(partition.deliveries.recv().is_err());
    // Three batches and the end have been woken for before the hang-up; it wakes once more, perhaps not yet.
    assert!((4..=5).contains(&wakes.load(Ordering::SeqCst)));
    Ok(())
}

#[test]
fn a_live_header_without_a_column_is_delivered_as_a_failure() -> Result<(), Failure> {
    let (sender, partition) = live(|| {})?;
    sender.send(b"id\n")?;
    assert!(
        matches!(partition.deliveries.recv()?, Delivery::Failed(SourceError::Header { column, .. }) if column == "at")
    );
    Ok(())
}

#[test]
fn a_thread_that_dies_is_seen_as_a_hang_up() -> Result<(), Failure> {
    struct Dies;
    impl Read for Dies {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("a reader that dies, on purpose")
        }
    }
    let (woken, wakes) = mpsc::channel();
    let reader = Reader::new(Box::new(Dies), true, &spec(), Format::Json, 100, Position::default());
    let partition = reader.start(move || {
        let _ = woken.send(());
    })?;
    assert!(wakes.recv().is_ok(), "whoever waits is woken");
    assert!(matches!(drain(&partition), (records, None) if records.is_empty()));
    Ok(())
}
