//! The real disk and the one that forgets do the same while nothing crashes; and the latter forgets what it should.

use super::forgetful::{Dice, ForgetfulDisk};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Clone, Debug)]
enum Act {
    Create(usize, Vec<u8>),
    Append(usize, Vec<u8>),
    Cut(usize, u64),
    Rename(usize, usize),
    Remove(usize),
    MakeFolder(usize),
    RemoveFolder(usize),
}

const FILES: [&str; 5] = ["a", "b", "x/a", "x/b", "y/z/a"];
const FOLDERS: [&str; 3] = ["x", "y", "y/z"];

fn act() -> impl Strategy<Value = Act> {
    let file = || 0..FILES.len();
    let bytes = || prop::collection::vec(any::<u8>(), 0..6);
    prop_oneof![
        (file(), bytes()).prop_map(|(file, bytes)| Act::Create(file, bytes)),
        (file(), bytes()).prop_map(|(file, bytes)| Act::Append(file, bytes)),
        (file(), 0u64..8).prop_map(|(file, length)| Act::Cut(file, length)),
        (file(), file()).prop_map(|(from, to)| Act::Rename(from, to)),
        file().prop_map(Act::Remove),
        (0..FOLDERS.len()).prop_map(Act::MakeFolder),
        (0..FOLDERS.len()).prop_map(Act::RemoveFolder),
    ]
}

/// Does it, and says what a caller can tell of it.
fn perform(disk: &dyn Disk, root: &Path, act: &Act) -> Result<(), io::ErrorKind> {
    let file = |i: &usize| root.join(FILES[*i]);
    let folder = |i: &usize| root.join(FOLDERS[*i]);
    let done = match act {
        Act::Create(i, bytes) => disk.create(&file(i)).and_then(|mut f| f.write_all(bytes).and_then(|()| f.sync())),
        Act::Append(i, bytes) => disk.append(&file(i)).and_then(|mut f| f.write_all(bytes)),
        Act::Cut(i, length) => disk.append(&file(i)).and_then(|mut f| {
            f.cut(*length)?;
            f.write_all(b"!")
        }),
        Act::Rename(from, to) => disk.rename(&file(from), &file(to)),
        Act::Remove(i) => disk.remove(&file(i)),
        Act::MakeFolder(i) => disk.make_folder(&folder(i)),
        Act::RemoveFolder(i) => disk.remove_folder(&folder(i)),
    };
    done.map_err(|cause| cause.kind())
}

fn seen(disk: &dyn Disk, root: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for folder in std::iter::once("").chain(FOLDERS) {
        out.push(format!("{folder}: {:?}", disk.list(&root.join(folder)).map_err(|e| e.kind())));
    }
    for file in FILES {
        let path = root.join(file);
        out.push(format!("{file}: {:?}", read_whole(disk, &path, 100).map_err(|e| e.kind())));
        out.push(format!("{file}: {:?}", disk.read(&path, 2, 3).map_err(|e| e.kind())));
        out.push(format!("{file}: {:?}", disk.read(&path, u64::MAX, usize::MAX / 2).map_err(|e| e.kind())));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn both_disks_do_the_same(acts in prop::collection::vec(act(), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let memory = ForgetfulDisk::default();
        let root = Path::new("/run");
        memory.make_folder(root).unwrap();
        for act in &acts {
            let real = perform(&RealDisk, folder.path(), act);
            prop_assert_eq!(perform(&memory, root, act), real, "{:?}", act);
        }
        prop_assert_eq!(seen(&memory, root), seen(&RealDisk, folder.path()));
    }

    /// What was synced is there after any crash, and what was not is there in part at most.
    #[test]
    fn an_appended_file_keeps_what_was_synced(
        sizes in prop::collection::vec((1usize..20, any::<bool>()), 1..12),
        seed in any::<u64>(),
        dies in 1u64..40,
    ) {
        let disk = ForgetfulDisk::default();
        let path = Path::new("/progress.log");
        let mut synced = 0;
        let mut written = Vec::new();
        disk.die_at(dies);
        let ran = (|| {
            let mut file = disk.append(path)?;
            disk.sync_folder(folder_of(path))?;
            for (i, (size, sync)) in sizes.iter().enumerate() {
                let line = vec![i as u8 + 1; *size];
                written.extend_from_slice(&line);
                file.write_all(&line)?;
                if *sync {
                    file.sync()?;
                    synced = written.len();
                }
            }
            io::Result::Ok(())
        })();
        let after = disk.after_crash(&mut Dice(seed));
        match read_whole(&after, path, usize::MAX) {
            Ok(found) => {
                prop_assert!(found.len() >= synced && found.len() <= written.len());
                prop_assert_eq!(&found[..synced], &written[..synced]);
                // A byte behind is what was written there, or nothing.
                prop_assert!(found.iter().zip(&written).all(|(f, w)| f == w || *f == 0));
            }
            Err(cause) => {
                prop_assert_eq!(cause.kind(), io::ErrorKind::NotFound);
                prop_assert!(synced == 0 && ran.is_err());
            }
        }
    }
}

#[test]
fn what_was_not_synced_may_be_lost_in_each_way() {
    let mut ways = BTreeSet::new();
    for seed in 0..2000 {
        let disk = ForgetfulDisk::default();
        let mut old = disk.create(Path::new("/old")).unwrap();
        old.write_all(b"synced").unwrap();
        old.sync().unwrap();
        disk.sync_folder(Path::new("/")).unwrap();
        old.write_all(b"later").unwrap();
        disk.rename(Path::new("/old"), Path::new("/new")).unwrap();
        let after = disk.after_crash(&mut Dice(seed));
        let named: Vec<PathBuf> = after.contents().into_keys().collect();
        assert_eq!(named.len(), 1, "a rename is one step: {named:?}");
        let bytes = after.contents().into_values().next().unwrap();
        assert!(bytes.starts_with(b"synced"));
        ways.insert(named[0].display().to_string());
        ways.insert(String::from_utf8(bytes).unwrap());
    }
    for way in ["/old", "/new", "synced", "syncedlater", "syncedl", "syncedlate", "synced\0\0\0\0\0"] {
        assert!(ways.contains(way), "never {way:?} in {ways:?}");
    }
}

#[test]
fn a_file_is_put_whole_or_not_at_all() {
    let path = Path::new("/f");
    for seed in 0..3000u64 {
        let mut dice = Dice(seed);
        let disk = ForgetfulDisk::default();
        put(&disk, path, b"before").unwrap();
        disk.die_at(1 + dice.below(6) as u64);
        let done = put(&disk, path, b"afterwards");
        let found = read_whole(&disk.after_crash(&mut dice), path, 100).unwrap();
        assert!(found == b"before" || found == b"afterwards", "{found:?}");
        assert!(done.is_err() || found == b"afterwards");
    }
}

#[test]
fn folders_are_made_with_all_above() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    make_folders(&RealDisk, &deep).unwrap();
    make_folders(&RealDisk, &deep).unwrap();
    assert!(deep.is_dir());
    for seed in 0..200 {
        let memory = ForgetfulDisk::default();
        make_folders(&memory, Path::new("/a/b/c")).unwrap();
        assert!(memory.after_crash(&mut Dice(seed)).list(Path::new("/a/b/c")).is_ok());
    }
}

#[test]
fn a_longer_file_than_allowed_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    put(&RealDisk, &path, &[0; 101]).unwrap();
    assert_eq!(read_whole(&RealDisk, &path, 100).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(read_whole(&RealDisk, &path, 101).unwrap().len(), 101);
}
