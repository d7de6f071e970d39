//! The long form: a generated stream of millions of events under hundreds of kills. `just torture`.

use super::asked::asked;
use super::dice::Dice;
use super::files::Subject;
use super::reference;
use super::stream::streams;
use super::verify::verify;
use std::fs;

/// The short form of what follows.
#[test]
fn a_short_stream_survives_being_killed() {
    let lines = streams(30_000, &mut Dice::of(2));
    let subject = Subject::generated(&lines);
    subject.survives(&mut Dice::new("a_short_stream_survives_being_killed"), 8);
    reference::compare(&subject, "killed", &lines);
    assert_eq!(verify(&subject, "killed", &["-w", "2"]).0, 0, "made again, all comes out the same");
}

#[test]
#[ignore = "long: just torture (TIDEMILL_EVENTS, TIDEMILL_KILLS)"]
fn a_long_stream_survives_being_killed() {
    let mut dice = Dice::new("a_long_stream_survives_being_killed");
    let (events, kills) = (asked("TIDEMILL_EVENTS", 2_000_000), asked("TIDEMILL_KILLS", 200));
    let lines = streams(events, &mut Dice::of(1));
    let subject = Subject::generated(&lines);
    println!("{events} events, {kills} kills, {:.1} s uninterrupted", subject.took.as_secs_f64());
    subject.survives(&mut dice, kills as usize);
    reference::compare(&subject, "killed", &lines);
    assert_eq!(verify(&subject, "killed", &["-w", "2"]).0, 0, "made again, all comes out the same");
    assert_eq!(fs::metadata(subject.out("killed").join("dead_letters.jsonl")).expect("it is there").len(), 0);
}
