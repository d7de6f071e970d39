//! Power is lost at every point of writing checkpoints, on a disk that forgets what was not synced.

use super::*;

/// Runs and crashes until the case is over; says what went wrong, if anything did.
///
/// What must hold after each crash: there is a checkpoint at least as new as the last whose writing had returned, it is
/// right, and nothing is damaged: what a crash leaves is whole or unfinished.
fn case(seed: u64, lying: bool) -> Result<(), String> {
    let mut dice = Dice(seed);
    let mut disk = ForgetfulDisk::default();
    let mut returned: Option<u64> = None;
    let mut tick = 0;
    for _ in 0..1 + dice.below(3) {
        disk.die_at(1 + dice.below(90) as u64);
        if lying {
            disk.lie();
        }
        // The run: it comes from what it finds, and writes until the power is gone.
        if let Ok(checkpoints) = open(&disk) {
            loop {
                tick += dice.below(3) as u64;
                let writers = 1 + dice.below(2) as u32;
                match write(&checkpoints, tick, writers) {
                    Ok(()) => returned = Some(tick),
                    Err(_) => break,
                }
            }
        }
        disk = disk.after_crash(&mut dice);
        let checkpoints = open(&disk).map_err(|e| e.to_string())?;
        let found = checkpoints.load(u64::MAX, accept).map_err(|e| e.to_string())?;
        let Some(found) = found else {
            match returned {
                Some(tick) => return Err(format!("checkpoint {tick} was written and none is there")),
                None => continue,
            }
        };
        if let Some(damaged) = found.refused().iter().find(|r| !matches!(r.why, Damage::Unfinished)) {
            return Err(format!("damaged by a crash: {damaged}"));
        }
        if returned.is_some_and(|tick| found.name().tick < tick) {
            return Err(format!("checkpoint {returned:?} was written and {} is the newest", found.name()));
        }
        assert_right(&found);
        let kept = checkpoints.ticks().map_err(|e| e.to_string())?;
        if kept.iter().any(|tick| checkpoints.load(*tick, accept).is_err()) {
            return Err(format!("of {kept:?} not all are whole"));
        }
        // As the run that comes back goes on from there.
        tick = found.name().tick;
        returned = Some(tick);
    }
    Ok(())
}

#[test]
fn no_crash_loses_a_checkpoint() {
    for seed in 0..cases(4_000, 100_000) {
        if let Err(what) = case(seed, false) {
            panic!("case {seed}: {what}");
        }
    }
}

/// The same, each crash at each operation of writing the fourth checkpoint, which also removes the first.
#[test]
fn no_operation_is_a_bad_time_to_crash() {
    let before = |disk: &ForgetfulDisk| {
        let checkpoints = open(disk).unwrap();
        for tick in [1, 2, 3] {
            write(&checkpoints, tick, 2).unwrap();
        }
        checkpoints
    };
    let disk = ForgetfulDisk::default();
    let checkpoints = before(&disk);
    let first = disk.operations();
    write(&checkpoints, 4, 2).unwrap();
    let operations = disk.operations() - first;
    assert!(operations > 20, "{operations} operations");
    for operation in 1..=operations {
        for seed in 0..cases(20, 300) {
            let disk = ForgetfulDisk::default();
            let checkpoints = before(&disk);
            disk.die_at(operation);
            let written = write(&checkpoints, 4, 2).is_ok();
            let after = disk.after_crash(&mut Dice(seed));
            let found = open(&after).unwrap().load(9, accept).unwrap().expect("three were there");
            let expected = if written { 4..=4 } else { 3..=4 };
            assert!(expected.contains(&found.name().tick), "operation {operation}, seed {seed}: {}", found.name());
            assert_right(&found);
        }
    }
}

/// The test can tell: a disk that says it syncs and does not is caught.
#[test]
fn a_skipped_sync_is_caught() {
    let caught = (0..200).filter(|seed| case(*seed, true).is_err()).count();
    assert!(caught > 100, "of 200 runs without syncs only {caught} were caught");
}
