//! Room that is ours while the disk is full: a file of nothing, given up bit by bit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use crate::error::Error;

/// How much a whole ballast holds, in bytes.
pub(super) const BALLAST: u64 = 8 << 20;
/// What is given up at a time: a segment, the most that an open usually writes.
const STEP: u64 = 2 << 20;

/// A file of zeros beside the rows. While it is whole there is room to close and open them.
pub(super) struct Ballast {
    path: PathBuf,
    len: u64,
    is_whole: bool,
}

impl Ballast {
    /// What lies at `path`; whole at `len` bytes, no matter how many they are now.
    pub(super) fn at(path: PathBuf, len: u64) -> Self {
        let is_whole = fs::metadata(&path).is_ok_and(|file| file.len() == len);
        Self { path, len, is_whole }
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Makes it whole, unless it is.
    ///
    /// # Errors
    /// [`Error::Full`] while there is no room for it and what comes next; then it is as before.
    pub(super) fn restore(&mut self) -> Result<(), Error> {
        if self.is_whole {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        crate::vault::private(&mut options);
        let mut file = options.open(&self.path).map_err(Error::from_io)?;
        let had = file.metadata()?.len().min(self.len);
        // Half as much must be free beside it, so that the next commit finds room.
        let wanted = self.len.saturating_add(self.len / 2);
        match fill(&mut file, had, wanted) {
            Ok(()) => {
                file.set_len(self.len)?;
                self.is_whole = true;
                Ok(())
            }
            Err(error) => {
                file.set_len(had)?;
                Err(Error::from_io(error))
            }
        }
    }

    /// Gives up a part; false when nothing was left.
    pub(super) fn give_up(&mut self) -> bool {
        self.is_whole = false;
        let left = fs::metadata(&self.path).map_or(0, |file| file.len());
        let given = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .and_then(|file| file.set_len(left.saturating_sub(STEP)));
        left > 0 && given.is_ok()
    }
}

/// Zeros from `from` to `to`, on the disk and not only promised.
fn fill(file: &mut File, from: u64, to: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let zeros = [0; 64 * 1024];
    let mut left = to.saturating_sub(from);
    while left > 0 {
        let some = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(zeros.get(..some).unwrap_or(&zeros))?;
        left = left.saturating_sub(some as u64);
    }
    file.sync_all()
}
