//! What a run does with its checkpoints while the disk is well.

use super::*;
use crate::state::disk::RealDisk;

fn names(checkpoints: &Checkpoints) -> Vec<String> {
    checkpoints.names().unwrap().iter().map(Name::to_string).collect()
}

#[test]
fn on_a_real_disk_the_newest_at_or_below_a_tick_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(Arc::new(RealDisk), &folder.path().join("a/b")).unwrap();
    assert!(checkpoints.load(u64::MAX, accept).unwrap().is_none());
    for tick in [3, 50, 700, u64::MAX] {
        write(&checkpoints, tick, 2).unwrap();
    }
    assert_eq!(checkpoints.ticks().unwrap(), [50, 700, u64::MAX]);
    for (at_most, tick) in [(u64::MAX, u64::MAX), (u64::MAX - 1, 700), (700, 700), (699, 50), (50, 50)] {
        let found = checkpoints.load(at_most, accept).unwrap().unwrap();
        assert_eq!(found.name().tick, tick);
        assert_right(&found);
    }
    assert!(checkpoints.load(49, accept).unwrap().is_none());
}

#[test]
fn a_judge_refuses_those_of_another_history() {
    let disk = ForgetfulDisk::default();
    let checkpoints = open(&disk).unwrap();
    for tick in [1, 2, 3] {
        write(&checkpoints, tick, 1).unwrap();
    }
    let judge = |header: &Header| if header.tick > 1 { Err("outputs differ".to_string()) } else { Ok(()) };
    let found = checkpoints.load(9, judge).unwrap().unwrap();
    assert_eq!(found.name().tick, 1);
    let refused: Vec<String> = found.refused().iter().map(Refusal::to_string).collect();
    let expected = [3, 2].map(|tick| format!("{tick:020}-1: it is not of this run: outputs differ"));
    assert_eq!(refused, expected);
    let none = checkpoints.load(9, |_| Err("no".to_string())).unwrap_err().to_string();
    assert!(none.starts_with("no checkpoint in /state/checkpoints at or below tick 9 can be used: 0000"), "{none}");
    assert_eq!(none.matches("it is not of this run: no").count(), 3);
}

#[test]
fn a_commit_ends_what_was_newer_and_unfinished() {
    let disk = ForgetfulDisk::default();
    let checkpoints = open(&disk).unwrap();
    for tick in [10, 20, 30] {
        write(&checkpoints, tick, 1).unwrap();
    }
    let draft = checkpoints.draft(40).unwrap();
    let mut part = checkpoints.part(draft, 0).unwrap();
    part.section(Section { operator: "window", shard: 0, schema: schema_of("window"), bytes: b"lost" }).unwrap();
    drop(part);
    // A run that fell back to tick 10 comes to 20 again.
    write(&checkpoints, 20, 1).unwrap();
    assert_eq!(
        names(&checkpoints),
        [10, 20].map(|t| format!("{t:020}-1")).into_iter().chain([format!("{:020}-2", 20)]).collect::<Vec<_>>()
    );
    assert_eq!(checkpoints.ticks().unwrap(), [10, 20]);
    assert_eq!(checkpoints.load(99, accept).unwrap().unwrap().name(), Name { tick: 20, attempt: 2 });
}

#[test]
fn foreign_names_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(Arc::new(RealDisk), folder.path()).unwrap();
    for name in ["lock", "5-1", "00000000000000000005-01", "00000000000000000005-+1", "-", "00000000000000000005-1.tmp"]
    {
        std::fs::write(folder.path().join(name), "not ours").unwrap();
    }
    for tick in 1..6 {
        write(&checkpoints, tick, 1).unwrap();
    }
    assert_eq!(checkpoints.names().unwrap().len(), 3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 9);
}

#[test]
fn changed_operators_are_seen() {
    let disk = ForgetfulDisk::default();
    let checkpoints = open(&disk).unwrap();
    write(&checkpoints, 4, 2).unwrap();
    let found = checkpoints.load(4, accept).unwrap().unwrap();
    let there: Vec<&str> = found.sections().iter().map(|s| s.operator.as_str()).collect();
    assert!(there.contains(&"window") && there.contains(&"detector"), "the case has both: {there:?}");
    let other = Schema::of("window, 2");
    let declared = [("constant", schema_of("constant")), ("fresh", schema_of("fresh")), ("window", other)];
    let changes = found.changes(declared);
    assert_eq!((&changes.kept[..], &changes.added[..]), (&["constant".to_string()][..], &["fresh".to_string()][..]));
    assert_eq!(changes.incompatible, ["window"]);
    assert!(changes.removed.contains(&"detector".to_string()) && !changes.removed.contains(&"window".to_string()));
    assert_eq!(found.read("window", 0, other).unwrap(), None);
    assert_eq!(found.read("fresh", 0, schema_of("fresh")).unwrap(), None);
    assert_eq!(found.read("constant", 1, schema_of("constant")).unwrap(), None);
    assert_eq!(found.read("constant", 0, schema_of("constant")).unwrap().unwrap(), b"always so");
}

#[test]
fn parts_that_contradict_each_other_are_not_committed() {
    let disk = ForgetfulDisk::default();
    let checkpoints = open(&disk).unwrap();
    write(&checkpoints, 1, 1).unwrap();
    let draft = checkpoints.draft(2).unwrap();
    let part = |writer: u32| {
        let mut part = checkpoints.part(draft, writer).unwrap();
        part.section(Section { operator: "window", shard: 5, schema: schema_of("window"), bytes: b"x" }).unwrap();
        part.finish().unwrap()
    };
    let twice = checkpoints.commit(draft, header(2), vec![part(0), part(1)]).unwrap_err();
    assert!(matches!(twice, CheckpointError::Parts { why: Damage::SectionTwice { shard: 5, .. }, .. }), "{twice}");
    let one = part(0);
    let twice = checkpoints.commit(draft, header(2), vec![one.clone(), one]).unwrap_err();
    assert!(matches!(twice, CheckpointError::Parts { why: Damage::WriterTwice { writer: 0 }, .. }), "{twice}");
    assert_eq!(checkpoints.load(9, accept).unwrap().unwrap().name().tick, 1);
    checkpoints.discard(draft).unwrap();
    assert_eq!(names(&checkpoints), ["00000000000000000001-1"]);
}

#[test]
fn what_changes_after_the_check_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(Arc::new(RealDisk), folder.path()).unwrap();
    write(&checkpoints, 1, 1).unwrap();
    let found = checkpoints.load(1, accept).unwrap().unwrap();
    let part = folder.path().join(found.name().to_string()).join("part-0");
    let mut bytes = std::fs::read(&part).unwrap();
    bytes.iter_mut().for_each(|b| *b = !*b);
    std::fs::write(&part, bytes).unwrap();
    let refused = found.read("constant", 0, schema_of("constant")).unwrap_err();
    assert!(matches!(refused, CheckpointError::Changed { .. }), "{refused}");
}
