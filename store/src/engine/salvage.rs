//! What is done with a damaged row file: every row that can still be read is copied into a new one.
//!
//! ```text
//! store.part     under way; thrown away at the next open
//! store.new      whole; takes the place of store, also after a crash
//! quarantine/    what was put aside last: the old store, or its index
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::raw::{Raw, sync_all_files};
use super::{BATCH_MAX, Batch, Dir, KEY_MAX};
use crate::error::Error;
use crate::vault::sync_dir;

/// In a store that met damage, or whose rows are not known to agree with each other.
const DAMAGED: &str = "damaged";
const TO_MEND: &str = "mend";
/// Rows that are read at once.
const CHUNK: usize = 64;
/// Bytes of a key that tell where to go on behind a leaf that cannot be read; no head is longer.
const PLACE: usize = 40;

/// The folders around a store.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    pub(super) store: PathBuf,
    part: PathBuf,
    new: PathBuf,
    aside: PathBuf,
}

impl Folders {
    pub(super) fn around(store: &Path) -> Self {
        let beside = |name| store.with_file_name(name);
        let (part, new, aside) = (beside("store.part"), beside("store.new"), beside("quarantine"));
        Self { store: store.to_owned(), part, new, aside }
    }

    /// Makes the store's folder, after what a crash left of a salvage was ended.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        remove(&self.part)?;
        if self.new.exists() {
            self.swap()?;
        }
        if !self.store.is_dir() {
            make(&self.store)?;
            sync_dir(self.home())?;
        }
        Ok(())
    }

    /// Notes that the store has met damage. It is salvaged when it is opened next.
    pub(super) fn mark_damaged(&self) {
        mark(&self.store, DAMAGED);
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.store.join(DAMAGED).exists()
    }

    /// Notes that rows were lost, so that those left may not agree. Holds until [`Self::mended`].
    pub(super) fn mark_to_mend(&self) {
        mark(&self.store, TO_MEND);
    }

    pub(super) fn is_to_mend(&self) -> bool {
        self.store.join(TO_MEND).exists()
    }

    pub(super) fn mended(&self) -> Result<(), Error> {
        remove(&self.store.join(TO_MEND))?;
        Ok(sync_dir(&self.store)?)
    }

    /// Copies what can be read of `from` and puts the copy in its place. Says how many rows there are,
    /// and in how many places there were more.
    ///
    /// # Errors
    /// [`Error::Full`] and others, after which all is as before.
    pub(super) fn salvage(&self, from: Raw, cache: u64) -> Result<(usize, usize), Error> {
        remove(&self.part)?;
        make(&self.part)?;
        let copied = Raw::open(&self.part, cache, None).and_then(|to| copy(&from, &to));
        drop(from);
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) => {
                remove(&self.part)?;
                return Err(error);
            }
        };
        mark(&self.part, TO_MEND);
        sync_all_files(&self.part)?;
        fs::rename(&self.part, &self.new)?;
        sync_dir(self.home())?;
        self.swap()?;
        Ok(copied)
    }

    /// The new store is whole: the old one goes aside. May be cut anywhere and done again.
    fn swap(&self) -> Result<(), Error> {
        if self.store.exists() {
            self.put_aside(core::slice::from_ref(&self.store))?;
        }
        fs::rename(&self.new, &self.store)?;
        Ok(sync_dir(self.home())?)
    }

    /// Puts something into the quarantine, in place of what was there, and says where it went.
    fn put_aside(&self, what: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
        remove(&self.aside)?;
        make(&self.aside)?;
        let mut went = Vec::new();
        for path in what {
            let to = self.aside.join(path.file_name().unwrap_or_default());
            fs::rename(path, &to)?;
            went.push(to);
        }
        sync_dir(&self.aside)?;
        sync_dir(self.home())?;
        Ok(went)
    }

    /// Opens without what sled can make again: its snapshots are only an index of its log, which it
    /// replays, and its `conf` says what we tell it. Where that does not help they come back.
    pub(super) fn without_index<T>(
        &self,
        open: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut index = Vec::new();
        for file in fs::read_dir(&self.store)? {
            let file = file?;
            let name = file.file_name();
            if name == "conf" || name.to_string_lossy().starts_with("snap.") {
                index.push(file.path());
            }
        }
        let went = self.put_aside(&index)?;
        let done = open();
        if done.is_err() {
            for (from, to) in went.iter().zip(&index) {
                fs::rename(from, to)?;
            }
        }
        done
    }

    fn home(&self) -> &Path {
        self.store.parent().unwrap_or_else(|| Path::new("."))
    }
}

/// Every row that can be read, in order. Where a leaf cannot, it goes on behind it.
fn copy(from: &Raw, to: &Raw) -> Result<(usize, usize), Error> {
    let end = [0xff; KEY_MAX];
    let (mut at, mut copied, mut holes) = (Vec::new(), 0_usize, 0_usize);
    let mut batch = Batch::default();
    loop {
        let (rows, done) = from.rows((&at, &end), Dir::Up, CHUNK);
        let full = rows.len() == CHUNK;
        if let Some((last, _)) = rows.last() {
            at = [last.as_slice(), &[0]].concat();
        }
        copied = copied.saturating_add(rows.len());
        for (key, value) in rows {
            batch.put(key, value);
        }
        if batch.bytes() > BATCH_MAX / 2 {
            write(to, &core::mem::take(&mut batch))?;
        }
        match done {
            Ok(()) if full => {}
            Ok(()) => break,
            Err(_unreadable) => {
                holes = holes.saturating_add(1);
                match behind(from, &at, &end) {
                    Some(next) => at = next,
                    None => break,
                }
            }
        }
    }
    write(to, &batch)?;
    Ok((copied, holes))
}

fn write(to: &Raw, batch: &Batch) -> Result<(), Error> {
    if batch.is_empty() {
        return Ok(());
    }
    to.apply(batch)?;
    to.sync().map_err(Error::from_io)
}

/// The first key found behind `bad` from which rows can be read again. A leaf holds a stretch of keys,
/// and it cannot be asked how long: so ever greater steps are tried, then the last one is halved.
fn behind(from: &Raw, bad: &[u8], end: &[u8]) -> Option<Vec<u8>> {
    let reads = |key: &[u8; PLACE]| from.rows((key, end), Dir::Up, 1).1.is_ok();
    let start = place(bad);
    let mut bad = start;
    let mut good = (0..PLACE * 8).find_map(|bit| {
        let tried = step(&start, bit)?;
        let good = reads(&tried);
        if !good {
            bad = tried;
        }
        good.then_some(tried)
    })?;
    loop {
        let middle = halfway(&bad, &good);
        if middle == bad || middle == good {
            return Some(good.to_vec());
        }
        if reads(&middle) { good = middle } else { bad = middle }
    }
}

fn place(key: &[u8]) -> [u8; PLACE] {
    let mut place = [0; PLACE];
    place.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    place
}

/// The place greater by two to the power of `bit`; none beyond the last.
fn step(place: &[u8; PLACE], bit: usize) -> Option<[u8; PLACE]> {
    let mut stepped = *place;
    let mut carry = 1_u8 << (bit % 8);
    for byte in stepped.iter_mut().rev().skip(bit / 8) {
        let (sum, over) = byte.overflowing_add(carry);
        *byte = sum;
        carry = u8::from(over);
        if carry == 0 {
            return Some(stepped);
        }
    }
    None
}

fn halfway(low: &[u8; PLACE], high: &[u8; PLACE]) -> [u8; PLACE] {
    // The sum, one byte longer than either, and then half of it.
    let mut sum = [0; PLACE];
    let mut carry = 0_u16;
    for (to, (a, b)) in sum.iter_mut().zip(low.iter().zip(high)).rev() {
        let both = u16::from(*a).wrapping_add(u16::from(*b)).wrapping_add(carry);
        *to = both.to_be_bytes()[1];
        carry = both >> 8;
    }
    for byte in &mut sum {
        let both = (carry << 8) | u16::from(*byte);
        *byte = (both >> 1).to_be_bytes()[1];
        carry = both & 1;
    }
    sum
}

fn mark(dir: &Path, name: &str) {
    let made = fs::File::create(dir.join(name)).and_then(|file| file.sync_all());
    if let Err(error) = made.and_then(|()| sync_dir(dir)) {
        tracing::error!("the mark {name} could not be set: {}", error.kind());
    }
}

fn make(dir: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(Error::from_io)
}

/// Removes a file or a folder, if there is one.
fn remove(path: &Path) -> io::Result<()> {
    let done = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
