//! Histories that are whole, and ones that are damaged in every way, each refused by name.

use super::super::balance::Balance;
use super::super::progress::{Activation, Ahead, Deadline, Poison, Stamp};
use super::*;
use proptest::prelude::*;

fn plan() -> Plan {
    let text = include_str!("../../../dataflows/sea.toml");
    let spec = crate::config::read(text, "sea.toml", &|_| Err("it names no file".to_owned())).expect("it is valid");
    Plan::new(spec).expect("it compiles")
}

fn tick(tick: Tick) -> Progress {
    let stamp = |n: u64| Stamp(Time(1_700_000_000_000_000 + n as i64 * 1_000_000));
    Progress {
        activation: (tick == 3).then(|| Activation {
            decision: "d".to_owned(),
            verdict: "kept".to_owned(),
            deadline: None,
        }),
        ahead: vec![Ahead { of: "events/0".to_owned(), offset: 10 * tick, now: stamp(tick) }],
        balance: Balance::default(),
        boundary: (tick == 2).then(|| stamp(tick)),
        bytes: [("predictions".to_owned(), 100 * (tick + 1)), ("metrics".to_owned(), 7)].into(),
        ends: [("events/0".to_owned(), 10 * tick + 10), ("labels/1".to_owned(), tick + 1)].into(),
        forget: Vec::new(),
        inputs: "0".repeat(64),
        last: false,
        manual: 0,
        wishes: Vec::new(),
        next_boundary: Some(stamp(tick + 100)),
        outputs: "1".repeat(64),
        pipeline_time: stamp(tick),
        poison: if tick == 4 { vec![poison()] } else { Vec::new() },
        pushed: Vec::new(),
        retrain: if tick == 2 { vec!["m".into()] } else { Vec::new() },
        tick,
    }
}

fn poison() -> Poison {
    Poison { of: "labels/1".to_owned(), offset: 4, detail: "it said \"no\"".to_owned() }
}

fn sealed(ticks: impl IntoIterator<Item = Progress>) -> Vec<String> {
    let mut link = Link::default();
    ticks.into_iter().map(|tick| link.seal(&tick)).collect()
}

/// The line that is refused, and why.
fn refused(lines: Vec<String>) -> (usize, String) {
    let error = History::check(&plan(), lines, "progress.log", "do something").expect_err("it is refused");
    let told = error.to_string();
    assert!(told.starts_with(&format!("progress.log, line {}: ", error.line)), "{told}");
    assert!(told.ends_with("; do something"), "{told}");
    (error.line, error.cause)
}

#[test]
fn what_was_written_is_read_back() {
    let plan = plan();
    let lines = sealed((0..5).map(tick));
    let history = History::check(&plan, lines.clone(), "here", "").expect("it is whole");
    assert_eq!((history.end(), history.now()), (5, tick(4).pipeline_time.0));
    assert_eq!(*history.lengths(), [500, 7, 0, 0, 0, 0, 0]);
    assert_eq!(history.bytes(), lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>());
    let third = history.recorded(&plan, 3).expect("it is there");
    assert_eq!(third.progress, tick(3));
    assert_eq!(third.ends, [((0, 0), 40), ((1, 1), 4)].into());
    assert_eq!(third.ahead, [(((0, 0), 30), tick(3).pipeline_time.0)].into());
    let fourth = history.recorded(&plan, 4).expect("it is there");
    assert_eq!(fourth.poison, [(((1, 1), 4), poison().detail)].into());
    for (place, has) in [(((0, 0), 49), true), (((0, 0), 50), false), (((1, 1), 4), true), (((1, 0), 0), false)] {
        assert_eq!(history.has(&plan, place), has, "{place:?}");
    }
    assert_eq!(history.line(4), Some(lines[4].as_str()));
    assert!(history.line(5).is_none() && history.recorded(&plan, 5).is_none());
    let nothing = History::check(&plan, Vec::new(), "here", "").expect("a run that has not begun");
    assert_eq!((nothing.end(), *nothing.lengths()), (0, [0; 7]));
}

#[test]
fn lines_out_of_their_place_are_refused() {
    let lines = sealed((0..5).map(tick));
    let without = |place: usize| [&lines[..place], &lines[place + 1..]].concat();
    assert_eq!([0, 2, 3].map(|place| refused(without(place)).0), [1, 3, 4]);
    let twice = [&lines[..3], &lines[2..]].concat();
    assert_eq!(refused(twice).0, 4);
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    assert_eq!(refused(swapped).0, 2);
    assert_eq!(refused(vec![lines[0].clone(), String::new()]), (2, "it has no `chain` at its end".to_owned()));
}

#[test]
fn records_that_contradict_each_other_are_refused() {
    let with = |change: &dyn Fn(&mut Progress)| {
        let mut ticks: Vec<Progress> = (0..5).map(tick).collect();
        change(&mut ticks[2]);
        refused(sealed(ticks))
    };
    let told = |change: &dyn Fn(&mut Progress), cause: &str| {
        let (line, found) = with(change);
        assert!(line == 3 && found.contains(cause), "line {line}: {found}, expected {cause}");
    };
    told(&|t| t.tick = 7, "it is of tick 7, expected is 2");
    told(&|t| t.pipeline_time = Stamp(Time(5)), "its pipeline time 1970-01-01T00:00:00.000005Z is before");
    told(&|t| t.ends = [("events/0".to_owned(), 20)].into(), "`events/0` ends at 20, the tick before ended at 20");
    told(&|t| t.bytes = [("predictions".to_owned(), 199)].into(), "`predictions` has 199 bytes, fewer than before");
    for name in ["nobody/0", "events", "events/x", "events/70000"] {
        told(&|t| t.ends = [(name.to_owned(), 900)].into(), "is no partition of this pipeline");
    }
}

proptest! {
    /// Whatever happens to a byte of a line, that line is refused.
    #[test]
    fn damage_is_found_where_it_is(line in 0usize..4, at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let mut lines = sealed((0..4).map(tick));
        let mut bytes = std::mem::take(&mut lines[line]).into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        lines[line] = String::from_utf8(bytes).expect("it is ASCII");
        prop_assert_eq!(refused(lines).0, line + 1);
    }

    /// Nothing that is read makes it panic.
    #[test]
    fn no_text_makes_it_panic(lines in prop::collection::vec(".*", 0..4)) {
        let _ = History::check(&plan(), lines, "here", "");
    }
}

/// What the clock said of trainings is found by the boundary of the decision, and behind the tick of a checkpoint.
#[test]
fn what_the_clock_said_is_indexed() {
    let stamp = |n: u64| tick(n).pipeline_time;
    let told = |n: u64| {
        let mut told = tick(n);
        let of = |decided: u64, missed| Activation {
            decision: format!("d{n}"),
            verdict: "failed".to_owned(),
            deadline: Some(Deadline { decided: stamp(decided), missed }),
        };
        told.activation = match n {
            5 => Some(of(2, true)),
            6 => Some(of(2, false)),
            8 => Some(of(7, true)),
            _ => told.activation,
        };
        told
    };
    let history = History::check(&plan(), sealed((0..9).map(told)), "here", "").expect("it is whole");
    let words = |all: Vec<Measured>| all.into_iter().map(|one| (one.decision, one.missed)).collect::<Vec<_>>();
    let (d5, d6, d8) = (("d5".to_owned(), true), ("d6".to_owned(), false), ("d8".to_owned(), true));
    assert_eq!(words(history.measured_at(stamp(2).0)), [d5, d6.clone()]);
    assert_eq!(words(history.measured_at(stamp(7).0)), std::slice::from_ref(&d8));
    assert_eq!(words(history.measured_at(stamp(3).0)), [], "one without a deadline was not measured");
    assert_eq!(words(history.measured_behind(5)), [d6, d8]);
    assert_eq!(words(history.measured_behind(8)), []);
}
