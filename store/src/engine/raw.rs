//! sled itself, unguarded but for its panics. The only file that names it.
//!
//! Read in its source (0.34.7), and why the rules above it are as they are: a batch that failed for want
//! of room stays in its cache and is read from there; opening writes, so that a full disk cannot be
//! opened; an open that failed for want of room leaves a half-written snapshot, which the next open
//! takes for damage; a batch that meets a leaf it cannot read is left half done, and is written so; a flush
//! looks at the buffer that is being written without keeping it alive, so that a thread which was put to
//! sleep at that moment may find it freed ([`pinned`]).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::{Batch, Dir, Pair};
use crate::error::Error;

/// sled's segments, in bytes. Goes with [`super::BATCH_MAX`].
const SEGMENT: usize = 2 << 20;
/// How often a lock that an engine just dropped is asked for again, and how long after each.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// How long sled may take to close before it is left to itself.
const CLOSING_MAX: Duration = Duration::from_secs(30);
/// What fills a segment: under a key that no scan reaches, so many bytes at a time.
const FILLER_KEY: [u8; 2] = [0xff, 0];
const FILLER: usize = 2048;
/// The page cache of a sled that nothing is read from, in bytes.
const CACHE_MIN: u64 = 1 << 20;

/// sled in one folder.
pub(super) struct Raw {
    /// None only while it is dropped.
    open: Option<(sled::Tree, sled::Db)>,
    /// Our own handle on sled's log: its flush is no fsync on Linux.
    log: File,
    /// Whoever holds it keeps other processes away.
    keeper: Option<Arc<File>>,
    /// Of the folder, where sled is to be opened once more when it is closed.
    settles: Option<PathBuf>,
}

impl Raw {
    /// Opens or makes the rows in an existing folder, and syncs every file of it.
    pub(super) fn open(dir: &Path, cache: u64, keeper: Option<Arc<File>>) -> Result<Self, Error> {
        let open = open_patiently(dir, cache)?;
        sync_all_files(dir)?;
        let log = OpenOptions::new().read(true).write(true).open(dir.join("db"))?;
        Ok(Self { open: Some(open), log, keeper, settles: None })
    }

    /// Has sled write an index of what was written since its open when it is closed. Without one a
    /// damaged byte of its log costs all that follows, or everything; with one, a leaf.
    pub(super) fn settle(&mut self, dir: &Path) {
        self.settles = Some(dir.to_owned());
    }

    /// The value under `key`.
    pub(super) fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.guard(|tree, _| Ok(tree.get(key)?.map(|value| value.to_vec())))
    }

    /// At most `limit` rows, and what stopped it if it was neither the limit nor the end.
    pub(super) fn rows(
        &self,
        (from, to): (&[u8], &[u8]),
        dir: Dir,
        limit: usize,
    ) -> (Vec<Pair>, Result<(), Error>) {
        let mut pairs = Vec::new();
        let done = self.guard(|tree, _| {
            let rows = tree.range(from..to);
            let mut take = |row: sled::Result<(sled::IVec, sled::IVec)>| {
                row.map(|(key, value)| pairs.push((key.to_vec(), value.to_vec())))
            };
            // After an error it would give nothing but errors.
            match dir {
                Dir::Up => rows.take(limit).try_for_each(&mut take),
                Dir::Down => rows.rev().take(limit).try_for_each(&mut take),
            }
        });
        (pairs, done)
    }

    /// Writes a batch as far as the system's own memory.
    pub(super) fn apply(&self, batch: &Batch) -> Result<(), Error> {
        let mut rows = sled::Batch::default();
        for (key, value) in &batch.rows {
            match value {
                Some(value) => rows.insert(key.as_slice(), value.as_slice()),
                None => rows.remove(key.as_slice()),
            }
        }
        self.guard(|tree, _| tree.apply_batch(rows))?;
        self.guard(|_, db| pinned(|| db.flush())).map(drop)
    }

    /// Whether what stands under the keys of a batch can be read.
    pub(super) fn knows(&self, batch: &Batch) -> Result<(), Error> {
        batch.rows.keys().try_for_each(|key| self.value(key).map(drop))
    }

    /// Whether a batch was applied.
    pub(super) fn holds(&self, batch: &Batch) -> Result<bool, Error> {
        for (key, value) in &batch.rows {
            if self.value(key)? != *value {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes what was applied durable. Where this fails it is never to be asked again.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.log.sync_data()
    }

    /// Runs `call`. [`Error::Poisoned`] says that sled panicked.
    fn guard<T>(
        &self,
        call: impl FnOnce(&sled::Tree, &sled::Db) -> sled::Result<T>,
    ) -> Result<T, Error> {
        let Some((tree, db)) = &self.open else { return Err(Error::Poisoned) };
        match catch_unwind(AssertUnwindSafe(|| call(tree, db))) {
            Ok(done) => done.map_err(meaning),
            Err(_panic) => Err(Error::Poisoned),
        }
    }

    /// A device that cannot be synced.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn break_log(&mut self, log: File) {
        self.log = log;
    }
}

/// Keeps what sled retires in other threads meanwhile from being freed: `make_stable_inner` of sled 0.34.7 loads
/// the current buffer's pointer and counts itself in only afterwards, under no guard of its own. Found by
/// `AddressSanitizer` in some ten thousand cases of the model test on a busy machine (docs/testing.md). The guard
/// is that of the very `crossbeam-epoch` that sled uses; there is one version of it in the lock file.
fn pinned<T>(call: impl FnOnce() -> T) -> T {
    let _guard = crossbeam_epoch::pin();
    call()
}

/// Closing flushes, syncs and waits for threads of sled's own: it may panic, and after a panic in one of
/// them it never ends. So a thread does it, and what keeps other processes away goes with it.
impl Drop for Raw {
    fn drop(&mut self) {
        let (open, keeper, settles) = (self.open.take(), self.keeper.take(), self.settles.take());
        let (close, closed) = sync_channel::<()>(1);
        let work = move || {
            let _told_also_by_a_panic = close;
            catch_unwind(AssertUnwindSafe(|| pinned(|| drop(open)))).ok();
            if let Some(dir) = settles {
                settle(&dir);
            }
            drop(keeper);
        };
        let spawn = || thread::Builder::new().name("closing".into()).spawn(work);
        // Where there are no threads it was closed right here.
        let Ok(Ok(_thread)) = catch_unwind(AssertUnwindSafe(spawn)) else { return };
        if closed.recv_timeout(CLOSING_MAX) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the row file does not close; it stays locked until this program ends");
        }
    }
}

/// sled writes its index in an open. Of what stands in the segment it writes to, it takes a damaged byte
/// for a torn tail, index or not: so that one is filled up first, and the last segment holds next to
/// nothing. Best effort.
fn settle(dir: &Path) {
    let settled = index(dir, fill_segment).and_then(|()| index(dir, |_, _, _| Ok(())));
    if let Err(error) = settled {
        tracing::warn!(%error, "the row file was closed without an index");
    }
}

fn index(
    dir: &Path,
    then: impl FnOnce(&Path, &sled::Tree, &sled::Db) -> sled::Result<()>,
) -> Result<(), Error> {
    let (tree, db) = open_patiently(dir, CACHE_MIN)?;
    let done = catch_unwind(AssertUnwindSafe(move || then(dir, &tree, &db)));
    done.map_err(|_panic| Error::Poisoned)?.map_err(meaning)?;
    Ok(sync_all_files(dir)?)
}

fn fill_segment(dir: &Path, tree: &sled::Tree, db: &sled::Db) -> sled::Result<()> {
    let Some(tip) = tip(dir)? else { return Ok(()) };
    let mut left = SEGMENT.saturating_sub(tip % SEGMENT);
    for n in 0_u32..(SEGMENT / FILLER).try_into().unwrap_or(u32::MAX) {
        if left == 0 {
            break;
        }
        // What is as it was would not be written.
        let other: Vec<u8> = (n..).flat_map(u32::to_be_bytes).take(FILLER).collect();
        tree.insert(FILLER_KEY, other)?;
        left = left.saturating_sub(pinned(|| db.flush())?);
    }
    Ok(())
}

/// Up to where the newest index reaches; its name tells.
fn tip(dir: &Path) -> io::Result<Option<usize>> {
    let mut tip = None;
    for file in fs::read_dir(dir)? {
        let name = file?.file_name();
        let hex = name.to_str().and_then(|name| name.strip_prefix("snap."));
        tip = tip.max(hex.and_then(|hex| usize::from_str_radix(hex, 16).ok()));
    }
    Ok(tip)
}

fn meaning(error: sled::Error) -> Error {
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            Error::InUse
        }
        sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::damaged("the row file ends too early")
        }
        sled::Error::Io(error) => Error::from_io(error),
        sled::Error::Corruption { .. } => Error::damaged("the row file"),
        sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => Error::damaged("the row file, in a way unheard of"),
    }
}

fn open_patiently(dir: &Path, cache: u64) -> Result<(sled::Tree, sled::Db), Error> {
    let mut tries = 0;
    loop {
        // A crash while sled writes a snapshot, and a full disk, leave one that its next open takes for
        // the newest.
        remove_half_snapshots(dir)?;
        match open_once(dir, cache) {
            // A dropped engine may let go of its lock late.
            Err(Error::InUse) if tries < LOCK_TRIES => tries += 1,
            done => return done,
        }
        thread::sleep(LOCK_PAUSE);
    }
}

fn open_once(dir: &Path, cache: u64) -> Result<(sled::Tree, sled::Db), Error> {
    let config = sled::Config::new()
        .path(dir)
        .segment_size(SEGMENT)
        .cache_capacity(cache)
        .flush_every_ms(Some(250));
    let open = || {
        let db = config.open()?;
        let tree = db.open_tree(b"r")?;
        pinned(|| db.flush())?;
        Ok((tree, db))
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(opened) => opened.map_err(meaning),
        Err(_panic) => Err(Error::damaged("the row file could not be read")),
    }
}

fn remove_half_snapshots(dir: &Path) -> io::Result<()> {
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_name().to_string_lossy().ends_with(".generating") {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

pub(super) fn sync_all_files(dir: &Path) -> io::Result<()> {
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_type()?.is_file() {
            OpenOptions::new().read(true).write(true).open(file.path())?.sync_all()?;
        }
    }
    crate::vault::sync_dir(dir)
}
