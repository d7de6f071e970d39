//! What a folder holds after a run that ended, one that was cut off anywhere, and one that failed to write.

use super::*;
use crate::sink::Page;
use crate::sink::folder::Identity;
use crate::time::Time;
use std::fs::read_to_string;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn tick(tick: u64, pages: &[(Stream, &str)]) -> Written {
    let page = |(stream, lines): &(Stream, &str)| Page {
        stream: *stream,
        lines: lines.as_bytes().to_vec(),
        entries: Vec::new(),
    };
    let progress = format!("{{\"tick\":{tick}}}");
    Written { tick, time: Time(5), pages: pages.iter().map(page).collect(), progress }
}

fn claim(path: &Path) -> Result<Folder, SinkError> {
    let identity = Identity {
        pipeline: "p".to_owned(),
        spec: String::new(),
        outputs: "files".to_owned(),
        before: Vec::new(),
        publish: Vec::new(),
    };
    Folder::claim(path, &identity, false)
}

#[test]
fn what_is_behind_the_last_progress_record_never_happened() -> Outcome {
    let folder = tempfile::tempdir()?;
    let claimed = claim(folder.path())?;
    let mut sink = FileSink::open(&claimed, &Stream::of(&[]), &Lengths::default(), 0)?;
    sink.write(tick(0, &[(Stream::Predictions, "{\"p\":1}\n{\"p\":2}\n"), (Stream::Metrics, "{\"m\":1}\n")]))?;
    sink.write(tick(1, &[(Stream::Predictions, "{\"p\":3}\n")]))?;
    sink.close()?;
    let text = |stream| read_to_string(folder.path().join(file_name(stream)));
    assert_eq!(text(Stream::Predictions)?, "{\"p\":1}\n{\"p\":2}\n{\"p\":3}\n");
    assert_eq!(text(Stream::Metrics)?, "{\"m\":1}\n");
    assert!(text(Stream::Features).is_err() && text(Stream::Examples).is_err(), "nobody asked for them");
    assert_eq!(progress(folder.path())?, ["{\"tick\":0}", "{\"tick\":1}"]);

    // As if the second record had been cut short.
    let log = folder.path().join("progress.log");
    std::fs::write(&log, "{\"tick\":0}\n{\"tick\"")?;
    let lines = progress(folder.path())?;
    assert_eq!(lines, ["{\"tick\":0}"]);
    let mut sink = FileSink::open(&claimed, &Stream::of(&[]), &[16, 8, 0, 0, 0, 0, 0], 11)?;
    assert_eq!(text(Stream::Predictions)?, "{\"p\":1}\n{\"p\":2}\n");
    sink.write(tick(1, &[(Stream::Predictions, "{\"p\":4}\n")]))?;
    sink.close()?;
    assert_eq!(text(Stream::Predictions)?, "{\"p\":1}\n{\"p\":2}\n{\"p\":4}\n");
    assert_eq!(progress(folder.path())?, ["{\"tick\":0}", "{\"tick\":1}"]);
    Ok(())
}

#[test]
fn what_was_committed_must_be_there() -> Outcome {
    let folder = tempfile::tempdir()?;
    let claimed = claim(folder.path())?;
    std::fs::write(folder.path().join("predictions.jsonl"), "{}\n")?;
    let opened = FileSink::open(&claimed, &Stream::of(&[]), &[4, 0, 0, 0, 0, 0, 0], 0).map(|_| ());
    let error = opened.expect_err("it is too short").to_string();
    assert!(error.contains("predictions.jsonl") && error.contains("3 bytes, committed are 4"), "{error}");
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_file() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut sink = FileSink::behind(&claim(folder.path())?, &Stream::of(&[]), &Lengths::default(), 0)?;
    let path = folder.path().join("predictions.jsonl");
    let full = OpenOptions::new().write(true).open("/dev/full")?;
    let predictions = sink.outputs.get_mut(&Stream::Predictions).expect("it has predictions");
    predictions.file = BufWriter::with_capacity(BUFFER_BYTES, full);
    sink.take(tick(1, &[(Stream::Predictions, "{}\n")]))?;
    let error = sink.commit();
    assert!(matches!(&error, Err(SinkError::Write { place, .. }) if *place == path.display().to_string()), "{error:?}");
    assert_eq!(read_to_string(folder.path().join("progress.log"))?, "", "no progress without its outputs");
    Ok(())
}

#[test]
fn the_outputs_stand_in_the_order_of_the_streams() {
    assert!(Stream::ALL.into_iter().enumerate().all(|(at, stream)| stream as usize == at));
}
