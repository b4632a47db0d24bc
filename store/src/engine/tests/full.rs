//! A disk that is full. Needs root, for a small file system of its own.

use std::io::Write as _;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// A small disk, gone with the test.
struct Disk(TempDir);

impl Disk {
    /// None, with a word on why, where it cannot be made.
    fn of(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        match mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output() {
            Ok(done) if done.status.success() => {
                fs::create_dir(dir.path().join("home")).unwrap();
                Some(Self(dir))
            }
            Ok(done) => {
                println!("skipped: {}", String::from_utf8_lossy(&done.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: mount: {error}");
                None
            }
        }
    }

    /// What others have on it takes all the room there is.
    fn fill(&self, name: &str) {
        let mut file = File::create(self.0.path().join(name)).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
    }

    fn make_room(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }

    fn engine(&self) -> Result<SledEngine, Error> {
        SledEngine::open(&self.0.path().join("home/store"))
    }

    fn ballast(&self) -> u64 {
        fs::metadata(self.0.path().join("home/ballast")).map_or(0, |file| file.len())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0.path()).status().ok();
    }
}

/// Thirty rows of some 120 KB.
fn batch(n: u32) -> Batch {
    let mut batch = Batch::default();
    for row in 0..30_u32 {
        batch.put([n.to_be_bytes(), row.to_be_bytes()].concat(), vec![n.to_be_bytes()[3]; 4000]);
    }
    batch
}

/// Whole batches, each as it was written.
fn check(engine: &SledEngine, batches: u32) {
    let rows = engine.scan(&[], &[0xff], Dir::Up, usize::MAX).unwrap();
    let expected: Vec<_> = (0..batches).flat_map(|n| batch(n).rows).collect();
    assert_eq!(rows.len(), expected.len());
    assert!(rows.into_iter().map(|(key, value)| (key, Some(value))).eq(expected));
}

#[test]
fn on_a_full_disk_all_is_read_and_with_room_again_all_is_written() {
    let Some(disk) = Disk::of(32) else { return };
    let engine = disk.engine().unwrap();
    assert_eq!(disk.ballast(), BALLAST);
    (0..8).for_each(|n| engine.commit(&batch(n)).unwrap());
    disk.fill("others");
    let mut n = 8;
    while engine.commit(&batch(n)).is_ok() {
        n += 1;
    }
    for _ in 0..3 {
        assert!(matches!(engine.commit(&batch(n)), Err(Error::Full)));
        check(&engine, n);
    }
    let left = disk.ballast();
    assert!(left < BALLAST, "some was given up");
    disk.make_room("others");
    engine.commit(&batch(n)).unwrap();
    check(&engine, n + 1);
    assert_eq!(disk.ballast(), BALLAST, "it is whole again");
    drop(engine);
    check(&disk.engine().unwrap(), n + 1);
}

#[test]
fn a_full_disk_can_be_opened_again_and_again() {
    let Some(disk) = Disk::of(32) else { return };
    let engine = disk.engine().unwrap();
    (0..8).for_each(|n| engine.commit(&batch(n)).unwrap());
    drop(engine);
    disk.fill("others");
    let mut n = 8;
    for round in 0..5 {
        let engine = disk.engine().unwrap();
        check(&engine, n);
        // What sled has room for in its file it may use.
        while engine.commit(&batch(n)).is_ok() {
            n += 1;
        }
        assert!(n < 40, "it is full");
        check(&engine, n);
        drop(engine);
        disk.fill(&format!("more {round}"));
    }
    disk.make_room("others");
    let engine = disk.engine().unwrap();
    engine.commit(&batch(n)).unwrap();
    check(&engine, n + 1);
}

#[test]
fn a_disk_that_fills_up_while_much_is_written_loses_nothing_acknowledged() {
    for spare in 0..4_usize {
        let Some(disk) = Disk::of(24) else { return };
        let engine = disk.engine().unwrap();
        // So that it ends elsewhere each time.
        fs::write(disk.0.path().join("others"), vec![7; spare * 300_000]).unwrap();
        let mut n = 0;
        while engine.commit(&batch(n)).is_ok() {
            n += 1;
        }
        assert!(n > 5, "{n} batches");
        check(&engine, n);
        drop(engine);
        check(&disk.engine().unwrap(), n);
    }
}
