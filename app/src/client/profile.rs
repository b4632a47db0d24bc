//! The profile as a whole: another passphrase, and the end of everything.

use std::thread;
use std::time::{Duration, Instant};

use super::{CLOSING, Client};
use crate::backend::{Backend as _, Trouble};
use crate::trouble::from_store;

/// How often it is looked whether a store is closed.
const PAUSE: Duration = Duration::from_millis(10);

impl Client {
    /// Lets `new` open the profile in place of `old`, locked or not. Takes about two seconds on purpose.
    ///
    /// # Errors
    /// `no_profile`; `wrong_passphrase`, after which nothing was changed; `bad_params`.
    pub(crate) fn change_passphrase(&self, old: &str, new: &str) -> Result<(), Trouble> {
        if new.is_empty() {
            return Err(Trouble::new("bad_params", "A passphrase cannot be empty."));
        }
        self.home.change_passphrase(old, new).map_err(from_store)
    }

    /// Reads everything that is stored, and says what cannot be; and how many bytes the home takes.
    ///
    /// # Errors
    /// `locked`, `store_damaged` where nothing can be read at all.
    pub(crate) fn check(&self) -> Result<(store::Checked, u64), Trouble> {
        let checked = self.open()?.reader().check().map_err(from_store)?;
        Ok((checked, size_of(self.home.path())))
    }

    /// Erases all that this home holds, locked or not; what it was cannot be read again by anyone who has
    /// the disk. Members keep what they hold.
    ///
    /// # Errors
    /// A sentence, when the file system refuses.
    pub(crate) fn erase(&self) -> Result<(), Trouble> {
        let end = Instant::now() + CLOSING;
        loop {
            // The vault goes at once, while everything else still runs.
            match self.home.erase() {
                Err(store::Error::InUse) if Instant::now() < end => {
                    self.lock().ok();
                    thread::sleep(PAUSE);
                }
                erased => {
                    let done = self.forget_appearance();
                    self.tell();
                    return erased.map_err(from_store).and(done);
                }
            }
        }
    }
}

/// The bytes of the files in a folder and below; what cannot be looked at counts nothing.
fn size_of(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size_of(&entry.path()),
            Ok(about) => about.len(),
            Err(_gone) => 0,
        })
        .sum()
}
