//! The engine: ordered rows, atomic batches, real fsync. The only file that names sled.
//!
//! sled 0.34.7 does not keep its promises unless it is held to nine rules (docs/architecture.md,
//! "Choices"): the profile's own lock comes first (`home.rs`), half-written snapshots go, open is
//! guarded and retried without snapshots, every file is synced after open, a commit is a batch, a
//! flush and an fdatasync, sizes are bounded, there is one writer, and whatever fails while writing
//! ends the engine's life.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::Error;

/// Longest key, in bytes.
pub(crate) const KEY_MAX: usize = 128;
/// Longest value, in bytes: sixteen of them stay far below what sled moves to blob files, which it
/// never syncs.
pub(crate) const VALUE_MAX: usize = 4096;
/// Most that one batch holds, in bytes. sled writes five to seven times as much log, and two syncs
/// must not be further apart than one segment.
pub(crate) const BATCH_MAX: usize = 256 * 1024;

/// sled's segments, in bytes. Goes with [`BATCH_MAX`].
const SEGMENT: usize = 2 << 20;
/// sled's page cache, in bytes; it holds sealed rows only.
const CACHE: u64 = 64 << 20;
/// How often a lock that an engine just dropped is asked for again, and how long after each.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// What a row costs in a batch beside its own bytes.
const ROW_COST: usize = 32;

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Which end a scan begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dir {
    /// At the smallest key.
    Up,
    /// At the greatest key.
    Down,
}

/// Ordered rows of bytes that know nothing of what they hold.
pub(crate) trait Engine: Send + Sync {
    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// At most `limit` rows from `from`, included, to `to`, excluded.
    fn scan(&self, from: &[u8], to: &[u8], dir: Dir, limit: usize) -> Result<Vec<Pair>, Error>;

    /// Writes all of `batch` or nothing; what returned `Ok` survives a power cut.
    fn commit(&self, batch: &Batch) -> Result<(), Error>;
}

/// Rows to be written and removed together. The last word on a key counts.
#[derive(Default)]
pub(crate) struct Batch {
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
}

impl Batch {
    /// Writes a row.
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.say(key, Some(value));
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.say(key, None);
    }

    fn say(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let len = key.len().saturating_add(value.as_ref().map_or(0, Vec::len));
        self.bytes = self.bytes.saturating_add(len).saturating_add(ROW_COST);
        self.rows.insert(key, value);
    }

    /// What the batch says of a key: nothing, removed, or a value.
    pub(crate) fn said(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.rows.get(key).map(Option::as_deref)
    }

    /// Adds everything `later` says, over what was said before.
    pub(crate) fn absorb(&mut self, later: Self) {
        self.bytes = self.bytes.saturating_add(later.bytes);
        self.rows.extend(later.rows);
    }

    /// What it costs, in bytes; what was said over again counts every time.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn fits(&self) -> bool {
        self.bytes <= BATCH_MAX
            && self.rows.iter().all(|(key, value)| {
                key.len() <= KEY_MAX && value.as_ref().is_none_or(|value| value.len() <= VALUE_MAX)
            })
    }
}

/// sled, held to the rules.
pub(crate) struct SledEngine {
    tree: sled::Tree,
    db: sled::Db,
    /// Our own handle on sled's log: its flush is no fsync on Linux.
    log: File,
    poisoned: AtomicBool,
}

impl SledEngine {
    /// Opens or makes the rows in `dir`, an existing folder of a home whose lock is held.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        remove_half_snapshots(dir)?;
        let fresh = !dir.join("db").exists();
        let (db, tree) = match open_patiently(dir) {
            Err(Error::Damaged(_)) if !fresh => {
                // A snapshot is only an index: without it sled replays its whole log.
                quarantine_snapshots(dir)?;
                tracing::warn!("the row file's index was damaged and is made again");
                open_patiently(dir)?
            }
            other => other?,
        };
        sync_all_files(dir)?;
        let log = OpenOptions::new().read(true).write(true).open(dir.join("db"))?;
        Ok(Self { tree, db, log, poisoned: AtomicBool::new(false) })
    }

    /// Runs `call`; a panic inside it ends the engine's life.
    fn guard<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(Error::Poisoned);
        }
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(done) => done.map_err(meaning),
            Err(_panic) => {
                self.poison();
                Err(Error::Poisoned)
            }
        }
    }

    fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    fn write(&self, batch: &Batch) -> Result<(), Error> {
        let mut rows = sled::Batch::default();
        for (key, value) in &batch.rows {
            match value {
                Some(value) => rows.insert(key.as_slice(), value.as_slice()),
                None => rows.remove(key.as_slice()),
            }
        }
        self.guard(|| self.tree.apply_batch(rows))?;
        self.guard(|| self.db.flush())?;
        self.log.sync_data().map_err(Error::from_io)
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.guard(|| Ok(self.tree.get(key)?.map(|value| value.to_vec())))
    }

    fn scan(&self, from: &[u8], to: &[u8], dir: Dir, limit: usize) -> Result<Vec<Pair>, Error> {
        if from >= to {
            return Ok(Vec::new());
        }
        let pair = |row: sled::Result<(sled::IVec, sled::IVec)>| {
            row.map(|(key, value)| (key.to_vec(), value.to_vec()))
        };
        self.guard(|| {
            let rows = self.tree.range(from..to);
            match dir {
                Dir::Up => rows.take(limit).map(pair).collect(),
                Dir::Down => rows.rev().take(limit).map(pair).collect(),
            }
        })
    }

    fn commit(&self, batch: &Batch) -> Result<(), Error> {
        if !batch.fits() {
            return Err(Error::TooLarge);
        }
        let done = self.write(batch);
        if done.is_err() {
            // Whether it is on disk is unknown, and a second fsync would not tell.
            self.poison();
        }
        done
    }
}

fn meaning(error: sled::Error) -> Error {
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            Error::InUse
        }
        sled::Error::Io(error) => Error::from_io(error),
        sled::Error::Corruption { .. } => Error::damaged("the row file"),
        sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => Error::damaged("the row file, in a way unheard of"),
    }
}

fn open_patiently(dir: &Path) -> Result<(sled::Db, sled::Tree), Error> {
    let mut tries = 0;
    loop {
        match open_once(dir) {
            // A dropped engine may let go of its lock late.
            Err(Error::InUse) if tries < LOCK_TRIES => tries += 1,
            done => return done,
        }
        thread::sleep(LOCK_PAUSE);
    }
}

fn open_once(dir: &Path) -> Result<(sled::Db, sled::Tree), Error> {
    let config = sled::Config::new()
        .path(dir)
        .segment_size(SEGMENT)
        .cache_capacity(CACHE)
        .flush_every_ms(Some(250));
    let open = || {
        let db = config.open()?;
        let tree = db.open_tree(b"r")?;
        db.flush()?;
        Ok((db, tree))
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(opened) => opened.map_err(meaning),
        Err(_panic) => Err(Error::damaged("the row file could not be read")),
    }
}

/// A crash while sled writes a snapshot leaves a file that its next open takes for the newest one.
fn remove_half_snapshots(dir: &Path) -> io::Result<()> {
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_name().to_string_lossy().ends_with(".generating") {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

fn quarantine_snapshots(dir: &Path) -> io::Result<()> {
    let aside = dir.join("quarantine");
    fs::create_dir_all(&aside)?;
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("snap.") {
            fs::rename(file.path(), aside.join(file.file_name()))?;
        }
    }
    Ok(())
}

fn sync_all_files(dir: &Path) -> io::Result<()> {
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_type()?.is_file() {
            OpenOptions::new().read(true).write(true).open(file.path())?.sync_all()?;
        }
    }
    crate::vault::sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pairs: &[(&str, Option<&str>)]) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in pairs {
            match value {
                Some(value) => batch.put((*key).into(), (*value).into()),
                None => batch.remove((*key).into()),
            }
        }
        batch
    }

    fn keys(engine: &SledEngine, from: &str, to: &str, dir: Dir, limit: usize) -> Vec<String> {
        let pairs = engine.scan(from.as_bytes(), to.as_bytes(), dir, limit).unwrap();
        pairs.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
    }

    #[test]
    fn a_committed_batch_is_there_after_reopening_and_scans_both_ways() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(dir.path()).unwrap();
        let batch = [("a", Some("1")), ("b", Some("2")), ("c", Some("3"))];
        engine.commit(&rows(&batch)).unwrap();
        engine.commit(&rows(&[("b", None), ("d", Some("4"))])).unwrap();
        drop(engine);
        let engine = SledEngine::open(dir.path()).unwrap();
        assert_eq!(engine.get(b"b").unwrap(), None);
        assert_eq!(engine.get(b"d").unwrap(), Some(b"4".to_vec()));
        assert_eq!(keys(&engine, "a", "d", Dir::Up, 9), ["a", "c"]);
        assert_eq!(keys(&engine, "a", "z", Dir::Down, 2), ["d", "c"]);
        assert!(keys(&engine, "z", "a", Dir::Up, 9).is_empty());
    }

    #[test]
    fn what_is_over_a_bound_is_refused_and_the_engine_lives_on() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(dir.path()).unwrap();
        let long = "k".repeat(KEY_MAX + 1);
        let big = "v".repeat(VALUE_MAX + 1);
        let full = "v".repeat(VALUE_MAX);
        let names: Vec<String> = (0..64).map(|n| format!("{n:02}")).collect();
        let many: Vec<_> = names.iter().map(|n| (n.as_str(), Some(full.as_str()))).collect();
        for bad in [vec![(long.as_str(), Some("v"))], vec![("k", Some(big.as_str()))], many] {
            assert!(matches!(engine.commit(&rows(&bad)), Err(Error::TooLarge)));
        }
        engine.commit(&rows(&[("k", Some(full.as_str()))])).unwrap();
        assert_eq!(keys(&engine, "", "z", Dir::Up, 99), ["k"]);
    }

    #[test]
    fn a_half_written_snapshot_and_a_damaged_one_do_not_stop_it() {
        let dir = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(dir.path()).unwrap();
        engine.commit(&rows(&[("a", Some("1"))])).unwrap();
        drop(engine);
        fs::write(dir.path().join("snap.ffffffffffffffff.generating"), b"half").unwrap();
        let engine = SledEngine::open(dir.path()).unwrap();
        assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
        drop(engine);
        assert!(!dir.path().join("quarantine").exists(), "the good snapshot stays");
        fs::write(dir.path().join("snap.7fffffffffffffff"), b"damaged, newest").unwrap();
        let engine = SledEngine::open(dir.path()).unwrap();
        assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
        assert!(dir.path().join("quarantine/snap.7fffffffffffffff").exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn after_a_failed_sync_nothing_is_said_or_written_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = SledEngine::open(dir.path()).unwrap();
        engine.commit(&rows(&[("a", Some("1"))])).unwrap();
        // A device that cannot be synced.
        engine.log = File::open("/dev/null").unwrap();
        assert!(matches!(engine.commit(&rows(&[("b", Some("2"))])), Err(Error::Io(_))));
        assert!(matches!(engine.commit(&rows(&[("c", Some("3"))])), Err(Error::Poisoned)));
        assert!(matches!(engine.get(b"a"), Err(Error::Poisoned)));
    }
}
