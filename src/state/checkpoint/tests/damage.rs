//! Checkpoints damaged in every way that one can think of: what is loaded is right, or it is said that nothing is.

use super::*;
use crate::state::frame::HEADER_BYTES;
use proptest::prelude::*;

type Contents = BTreeMap<PathBuf, Vec<u8>>;
type Change<'c> = &'c dyn Fn(&mut Contents);
const TICKS: [u64; 3] = [5, 6, 9];

fn undamaged() -> Contents {
    let disk = ForgetfulDisk::default();
    let checkpoints = open(&disk).unwrap();
    for tick in TICKS {
        write(&checkpoints, tick, 2).unwrap();
    }
    disk.contents()
}

fn folder(tick: u64) -> PathBuf {
    Path::new(ROOT).join(Name { tick, attempt: 1 }.to_string())
}

/// One damage to the files; says what it did.
fn damage(files: &mut Contents, dice: &mut Dice) -> String {
    let paths: Vec<PathBuf> = files.keys().cloned().collect();
    if paths.is_empty() {
        return "nothing is left".to_string();
    }
    let path = paths[dice.below(paths.len())].clone();
    let other = paths[dice.below(paths.len())].clone();
    let shown = path.display().to_string();
    let bytes = files.get_mut(&path).expect("it was just listed");
    let at = dice.below(bytes.len());
    match dice.below(9) {
        0 if !bytes.is_empty() => {
            bytes[at] ^= 1 << dice.below(8);
            format!("flipped byte {at} of {shown}")
        }
        1 => {
            bytes.truncate(at);
            format!("cut {shown} at {at}")
        }
        2 => {
            let more = dice.below(50);
            bytes.extend(dice.bytes(more));
            format!("added {more} bytes to {shown}")
        }
        3 => {
            files.remove(&path);
            format!("dropped {shown}")
        }
        4 => {
            let (a, b) = (files[&path].clone(), files[&other].clone());
            files.insert(path, b);
            files.insert(other.clone(), a);
            format!("swapped {shown} and {}", other.display())
        }
        5 => {
            files.insert(other.clone(), files[&path].clone());
            format!("wrote {shown} over {}", other.display())
        }
        6 => {
            let to = at + dice.below(bytes.len() - at + 1);
            bytes[at..to].fill(0);
            format!("zeroed {at}..{to} of {shown}")
        }
        7 => {
            let (a, b) = (folder(TICKS[dice.below(3)]), folder(TICKS[dice.below(3)]));
            let moved = |path: PathBuf| match (path.strip_prefix(&a).ok(), path.strip_prefix(&b).ok()) {
                (Some(file), _) => b.join(file),
                (_, Some(file)) => a.join(file),
                _ => path,
            };
            *files = std::mem::take(files).into_iter().map(|(path, bytes)| (moved(path), bytes)).collect();
            format!("swapped folders {} and {}", a.display(), b.display())
        }
        _ => {
            let copy = path.with_file_name(format!("part-{}", dice.below(4)));
            files.insert(copy.clone(), files[&path].clone());
            format!("copied {shown} to {}", copy.display())
        }
    }
}

/// Whether all files of a tick's checkpoint are as they were; further ones beside them do no harm.
fn is_whole(tick: u64, files: &Contents, good: &Contents) -> bool {
    good.iter().filter(|(path, _)| path.starts_with(folder(tick))).all(|(path, bytes)| files.get(path) == Some(bytes))
}

#[test]
fn no_damage_loads_a_wrong_checkpoint() {
    let good = undamaged();
    let (mut newest, mut fell_back, mut refused, mut none) = (0, 0, 0, 0);
    for seed in 0..cases(2_000, 10_000) {
        let mut dice = Dice(seed);
        let mut files = good.clone();
        let done: Vec<String> = (0..1 + dice.below(5)).map(|_| damage(&mut files, &mut dice)).collect();
        let case = format!("case {seed}: {done:?}");
        let checkpoints = open(&ForgetfulDisk::with(&files)).unwrap();
        let expected = TICKS.into_iter().rev().find(|tick| is_whole(*tick, &files, &good));
        match checkpoints.load(u64::MAX, accept) {
            Ok(Some(found)) => {
                assert_eq!(Some(found.name().tick), expected, "{case}");
                assert_right(&found);
                if found.refused().is_empty() { newest += 1 } else { fell_back += 1 }
            }
            Ok(None) => {
                assert_eq!(expected, None, "{case}");
                assert!(!files.keys().any(|path| path.ends_with(MANIFEST)), "{case}");
                none += 1;
            }
            Err(CheckpointError::NoneLeft { refused: why, .. }) => {
                assert_eq!(expected, None, "{case}");
                assert!(!why.is_empty(), "{case}");
                refused += 1;
            }
            Err(other) => panic!("{case}: {other}"),
        }
    }
    let seen = format!("newest {newest}, fell back {fell_back}, refused {refused}, none {none}");
    assert!(newest > 300 && fell_back > 600 && refused > 200, "the cases do not cover enough: {seen}");
}

/// Each single bit of a checkpoint counts.
#[test]
fn every_bit_is_covered() {
    let good = undamaged();
    for (path, bytes) in good.iter().filter(|(path, _)| path.starts_with(folder(9))) {
        for at in 0..bytes.len() {
            let mut files = good.clone();
            files.get_mut(path).expect("it is listed")[at] ^= 1 << (at % 8);
            let found = open(&ForgetfulDisk::with(&files)).unwrap().load(9, accept).unwrap().expect("two are left");
            assert_eq!(found.name().tick, 6, "byte {at} of {}", path.display());
            assert_eq!(found.refused().len(), 1);
        }
    }
}

#[test]
fn each_damage_is_said() {
    let good = undamaged();
    let said = |change: &dyn Fn(&mut Contents)| {
        let mut files = good.clone();
        change(&mut files);
        let found = open(&ForgetfulDisk::with(&files)).unwrap().load(9, accept).unwrap().expect("two are left");
        found.refused()[0].to_string().split_once(": ").expect("name and reason").1.to_string()
    };
    let at = |file: &str| folder(9).join(file);
    let manifest = |tick: u64| folder(tick).join(MANIFEST);
    let cases: [(Change, &str); 7] = [
        (&|f| drop(f.remove(&manifest(9))), "it has no manifest, so it was never finished"),
        (&|f| f.get_mut(&manifest(9)).unwrap()[100] ^= 1, "its manifest is damaged: the checksum does not match"),
        (
            &|f| f.get_mut(&manifest(9)).unwrap().truncate(5),
            "its manifest is damaged: 5 bytes are less than a header of 96",
        ),
        (
            &|f| drop(f.insert(manifest(9), good[&manifest(6)].clone())),
            "its manifest is that of 00000000000000000006-1",
        ),
        (&|f| drop(f.remove(&at("part-0"))), "part-0 cannot be read: entity not found"),
        (&|f| f.get_mut(&at("part-0")).unwrap().push(0), "part-0 has "),
        (
            &|f| f.get_mut(&at("part-0")).unwrap()[0] ^= 1,
            "section constant of shard 0 in part-0 does not match its checksum",
        ),
    ];
    for (change, expected) in cases {
        let said = said(change);
        assert!(said.starts_with(expected), "{said}");
    }
}

/// Manifests that are not there say that nothing was committed; that one has to be there, the progress says.
#[test]
fn without_manifests_there_is_none() {
    let mut files = undamaged();
    files.retain(|path, _| !path.ends_with(MANIFEST));
    let checkpoints = open(&ForgetfulDisk::with(&files)).unwrap();
    assert!(checkpoints.load(9, accept).unwrap().is_none());
    assert!(checkpoints.ticks().unwrap().is_empty());
}

/// A manifest that is right in itself, and lies: lengths without end, the same section twice, another's tick.
#[test]
fn a_forged_manifest_is_checked() {
    let good = undamaged();
    let place = folder(9).join(MANIFEST);
    let forge = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = Manifest::decode(&good[&place]).unwrap();
        change(&mut manifest);
        let mut files = good.clone();
        files.insert(place.clone(), manifest.encode().unwrap());
        let found = open(&ForgetfulDisk::with(&files)).unwrap().load(9, accept).unwrap().expect("two are left");
        assert_eq!(found.name().tick, 6);
        found.refused()[0].to_string()
    };
    let said = forge(&|m| m.parts[0].sections[0].length = u64::MAX);
    assert!(said.contains("instead of") || said.contains("longer than"), "{said}");
    let said = forge(&|m| m.parts.iter_mut().flat_map(|p| &mut p.sections).for_each(|s| s.length = u64::MAX / 2));
    assert!(said.contains("longer than"), "{said}");
    let said = forge(&|m| {
        let again = m.parts[0].sections[0].clone();
        m.parts[0].sections.push(again);
    });
    assert!(said.contains("two sections"), "{said}");
    let said = forge(&|m| {
        let again = m.parts[0].clone();
        m.parts.push(again);
    });
    assert!(said.contains("two parts"), "{said}");
    let said = forge(&|m| m.header.tick = 8);
    assert!(said.contains("its manifest is that of"), "{said}");
    let said = forge(&|m| m.parts[0].writer = 77);
    assert!(said.contains("part-77 cannot be read"), "{said}");
}

proptest! {
    #[test]
    fn any_bytes_are_no_manifest(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Manifest::decode(&bytes).is_err());
    }

    /// Sealed anew around any body: a manifest or an error, and a checkpoint that it does not fit is refused.
    #[test]
    fn any_sealed_body_is_a_manifest_or_an_error(
        at in any::<prop::sample::Index>(),
        change in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let good = undamaged();
        let place = folder(9).join(MANIFEST);
        let mut body = good[&place][HEADER_BYTES..].to_vec();
        let from = at.index(body.len());
        let to = (from + change.len()).min(body.len());
        body.splice(from..to, change);
        let schema = Schema(std::array::from_fn(|i| good[&place][8 + i]));
        let mut draft = crate::state::frame::Draft::new(0);
        draft.body().extend_from_slice(&body);
        let mut files = good.clone();
        files.insert(place, draft.seal(crate::state::frame::Kind::Manifest, schema, 1));
        let found = open(&ForgetfulDisk::with(&files)).unwrap().load(9, accept).unwrap().expect("two are left");
        prop_assert!(found.name().tick == 9 || found.refused().len() == 1);
    }
}
