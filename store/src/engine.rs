//! The engine: ordered rows, atomic batches, real fsync.
//!
//! sled 0.34.7 does not keep its promises unless it is held to nine rules (docs/architecture.md,
//! "Choices"):
//!
//! 1. the profile's own lock comes first (`home.rs`), and stays until sled is closed;
//! 2. half-written snapshots go before every open;
//! 3. open is guarded, retried without snapshots and `conf`, and a store that met damage is salvaged;
//! 4. every file and the folder are synced after open;
//! 5. a commit is a batch, a flush and an fdatasync, which is never asked twice;
//! 6. keys, values and batches are bounded;
//! 7. there is one writer;
//! 8. a panic inside ends the engine's life;
//! 9. a ballast keeps room for opening: on a full disk nothing is written, and all is read.
//!
//! Read next: `engine/raw.rs`, the only file that names sled.

mod acked;
mod ballast;
mod raw;
mod salvage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::error::Error;
use acked::Acked;
use ballast::{BALLAST, Ballast};
use raw::Raw;
use salvage::Folders;

/// Longest key, in bytes.
pub(crate) const KEY_MAX: usize = 128;
/// Longest value, in bytes: sixteen of them stay far below what sled moves to blob files, which it
/// never syncs.
pub(crate) const VALUE_MAX: usize = 4096;
/// Most that one batch holds, in bytes. sled writes five to seven times as much log, and two syncs
/// must not be further apart than one segment.
pub(crate) const BATCH_MAX: usize = 256 * 1024;

/// sled's page cache, in bytes; it holds sealed rows only.
const CACHE: u64 = 16 << 20;
/// A commit that takes longer is worth a warning.
const SLOW: Duration = Duration::from_secs(30);
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
#[derive(Default, Clone)]
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

/// What an open found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// sled's index was damaged and was made again.
    pub(crate) reindexed: bool,
    /// The rows were copied into a new file, those that could be read.
    pub(crate) salvaged: bool,
    /// Rows are lost, now or earlier: those left may contradict each other until
    /// [`SledEngine::mended`].
    pub(crate) is_to_mend: bool,
}

/// How an engine is run.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// sled's page cache, in bytes; it holds sealed rows only.
    pub(crate) cache: u64,
    /// In bytes.
    pub(crate) ballast: u64,
    /// Kept open for as long as sled is.
    pub(crate) lock: Option<Arc<File>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { cache: CACHE, ballast: BALLAST, lock: None }
    }
}

/// sled, held to the rules.
pub(crate) struct SledEngine {
    folders: Folders,
    setup: Setup,
    state: RwLock<State>,
    /// A row could not be read, and that is noted.
    is_damaged: AtomicBool,
    report: Report,
}

struct State {
    life: Life,
    ballast: Ballast,
    acked: Acked,
    /// Batches that are durable, and how many of them were when it was opened.
    batches: u64,
    begun: u64,
}

enum Life {
    Open(Raw),
    /// The disk is full, and not even what is there could be opened.
    Shut,
    /// What is on the disk is unknown until it is opened anew.
    Poisoned,
}

impl SledEngine {
    /// Opens or makes the rows in `dir`, of a home whose lock is held.
    #[cfg(test)]
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_as(dir, Setup::default())
    }

    /// Opens or makes the rows in `dir`, of a home whose lock is held. A store that met damage is
    /// salvaged first.
    ///
    /// # Errors
    /// [`Error::Damaged`] when nothing helps; [`Error::Full`], [`Error::InUse`], [`Error::Io`].
    pub(crate) fn open_as(dir: &Path, setup: Setup) -> Result<Self, Error> {
        let folders = Folders::around(dir);
        folders.prepare()?;
        let mut ballast = Ballast::at(dir.with_file_name("ballast"), setup.ballast);
        let mut report = Report::default();
        let opening = Opening { folders: &folders, setup: &setup };
        let mut raw = opening.open(&mut ballast, &mut report)?;
        if folders.is_damaged() {
            raw = opening.salvage(raw, &mut ballast, &mut report)?;
        }
        let (mut acked, known) = Acked::open(dir)?;
        let batches = acked::number(raw.value(&acked::KEY).unwrap_or_default().as_deref());
        if batches < known {
            tracing::error!("the newest rows are lost: {} of {known} batches", known - batches);
            folders.mark_to_mend();
            acked.note(batches);
        }
        report.is_to_mend = folders.is_to_mend();
        // A disk that is full now may have room when something is to be written.
        if let Err(error) = ballast.restore() {
            tracing::warn!(%error, "there is no room to write");
        }
        let state =
            RwLock::new(State { life: Life::Open(raw), ballast, acked, batches, begun: batches });
        Ok(Self { folders, setup, state, is_damaged: AtomicBool::new(false), report })
    }

    /// What the open found.
    pub(crate) const fn report(&self) -> Report {
        self.report
    }

    /// Whether a row could not be read since the open. The next one salvages what can.
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Acquire)
    }

    /// The rows agree with each other again.
    pub(crate) fn mended(&self) -> Result<(), Error> {
        self.folders.mended()
    }

    /// Reads. A panic inside ends the engine's life, as does a failed write.
    fn read<T>(&self, call: impl Fn(&Raw) -> Result<T, Error>) -> Result<T, Error> {
        let done = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            state.raw().and_then(&call)
        };
        match done {
            // Reading may split a leaf, for which there may be no room.
            Err(Error::Full) => {
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                self.reopen(&mut state)?;
                state.raw().and_then(call).inspect_err(|error| self.on_unread(error, &mut state))
            }
            Err(error @ (Error::Damaged(_) | Error::Poisoned)) => {
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                self.on_unread(&error, &mut state);
                Err(error)
            }
            done => done,
        }
    }

    fn on_unread(&self, error: &Error, state: &mut State) {
        let panicked = matches!((error, &state.life), (Error::Poisoned, Life::Open(_)));
        if panicked {
            state.life = Life::Poisoned;
        }
        let is_damage = panicked || matches!(error, Error::Damaged(_));
        if is_damage && !self.is_damaged.swap(true, Ordering::AcqRel) {
            tracing::error!(
                "a row cannot be read; what can is saved when the store is opened next"
            );
            self.folders.mark_damaged();
        }
    }

    /// Forgets what did not reach the disk: sled would go on to show it.
    fn reopen(&self, state: &mut State) -> Result<(), Error> {
        if matches!(state.life, Life::Poisoned) {
            return Err(Error::Poisoned);
        }
        state.ballast.give_up();
        // Closes it, before it is opened again.
        state.life = Life::Shut;
        let opening = Opening { folders: &self.folders, setup: &self.setup };
        match opening.patiently(&mut state.ballast) {
            Ok(raw) => {
                state.life = Life::Open(raw);
                Ok(())
            }
            Err(Error::Full) => Err(Error::Full),
            Err(error) => {
                state.life = Life::Poisoned;
                Err(error)
            }
        }
    }

    fn write(&self, state: &mut State, batch: &Batch) -> Result<(), Error> {
        if matches!(state.life, Life::Shut) {
            self.reopen(state)?;
        }
        state.ballast.restore()?;
        // A batch that meets a leaf which cannot be read would be left half done.
        let known = state.raw()?.knows(batch);
        known.inspect_err(|error| self.on_unread(error, state))?;
        match state.raw()?.apply(batch) {
            Ok(()) => {}
            Err(Error::Full) => {
                self.reopen(state)?;
                // All of it may have come to the disk all the same; never a part.
                if !state.raw()?.holds(batch)? {
                    return Err(Error::Full);
                }
            }
            Err(error) => {
                state.life = Life::Poisoned;
                return Err(error);
            }
        }
        if let Err(error) = state.raw()?.sync() {
            // Whether it is on disk is unknown, and a second fsync would not tell.
            state.life = Life::Poisoned;
            return Err(Error::from_io(error));
        }
        Ok(())
    }
}

impl Drop for SledEngine {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Life::Open(raw) = &mut state.life
            && state.batches > state.begun
            && state.ballast.is_whole()
        {
            raw.settle(&self.folders.store);
        }
    }
}

impl State {
    const fn raw(&self) -> Result<&Raw, Error> {
        match &self.life {
            Life::Open(raw) => Ok(raw),
            Life::Shut => Err(Error::Full),
            Life::Poisoned => Err(Error::Poisoned),
        }
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.read(|raw| raw.value(key))
    }

    fn scan(&self, from: &[u8], to: &[u8], dir: Dir, limit: usize) -> Result<Vec<Pair>, Error> {
        let to = to.min(&acked::KEY);
        if from >= to {
            return Ok(Vec::new());
        }
        self.read(|raw| {
            let (pairs, done) = raw.rows((from, to), dir, limit);
            done.map(|()| pairs)
        })
    }

    fn commit(&self, batch: &Batch) -> Result<(), Error> {
        if !batch.fits() {
            return Err(Error::TooLarge);
        }
        let begun = Instant::now();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let number = state.batches.saturating_add(1);
        let mut numbered = batch.clone();
        numbered.put(acked::KEY.to_vec(), number.to_be_bytes().to_vec());
        let mut done = self.write(&mut state, &numbered);
        if matches!(done, Err(Error::Full)) && state.ballast.restore().is_ok() {
            // It was full only for a moment.
            done = self.write(&mut state, &numbered);
        }
        if begun.elapsed() > SLOW {
            tracing::warn!(secs = begun.elapsed().as_secs(), "the disk was slow to write");
        }
        done?;
        state.batches = number;
        state.acked.note(number);
        Ok(())
    }
}

/// An open under way.
struct Opening<'a> {
    folders: &'a Folders,
    setup: &'a Setup,
}

impl Opening<'_> {
    fn once(&self) -> Result<Raw, Error> {
        Raw::open(&self.folders.store, self.setup.cache, self.setup.lock.clone())
    }

    /// Opening writes: on a full disk the ballast makes room.
    fn patiently(&self, ballast: &mut Ballast) -> Result<Raw, Error> {
        loop {
            match self.once() {
                Err(Error::Full) if ballast.give_up() => {}
                done => return done,
            }
        }
    }

    fn open(&self, ballast: &mut Ballast, report: &mut Report) -> Result<Raw, Error> {
        let fresh = !self.folders.store.join("db").exists();
        match self.patiently(ballast) {
            Err(Error::Damaged(_)) if !fresh => {
                let raw = self.folders.without_index(|| self.patiently(ballast))?;
                tracing::warn!("the row file's index was damaged and is made again");
                report.reindexed = true;
                Ok(raw)
            }
            done => done,
        }
    }

    fn salvage(&self, raw: Raw, ballast: &mut Ballast, report: &mut Report) -> Result<Raw, Error> {
        match self.folders.salvage(raw, self.setup.cache) {
            Ok((rows, holes)) => {
                tracing::warn!(rows, holes, "the row file was damaged; what can be read is saved");
                report.salvaged = true;
            }
            // What can be read can be read as it is, until there is room.
            Err(Error::Full) => tracing::warn!("there is no room to save the damaged row file"),
            Err(error) => return Err(error),
        }
        self.patiently(ballast)
    }
}
