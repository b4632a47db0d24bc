//! A folder that one process may use at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::Error;
use crate::shared::Shared;
use crate::vault::{self, Cost, KeyTable, Vault};
use crate::writer::Store;

/// A folder of mode 0700 whose `LOCK` this process holds. No keys are in it.
///
/// The lock is let go when the home, the [`Store`] it opened and all readers are dropped.
pub struct Home {
    path: PathBuf,
    lock: Arc<File>,
    /// Set while it is being erased: what is still open writes no vault any more.
    is_erased: Arc<AtomicBool>,
    /// What was opened here last; one at a time.
    opened: Mutex<Weak<Shared>>,
}

impl core::fmt::Debug for Home {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Home(..)")
    }
}

impl Home {
    /// Takes a folder, and makes it and its parents when there is none.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds it, [`Error::NotAFolder`], and [`Error::Io`] with a
    /// sentence when the folder cannot be made, read or written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => return Err(Error::NotAFolder),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
            Err(error) => return Err(refused("the folder cannot be read", error)),
        }
        let ours = vault::exists(path) || is_empty(path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        vault::private(&mut options);
        let lock = options
            .open(path.join("LOCK"))
            .map_err(|error| refused("the folder cannot be written to", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse),
            Err(TryLockError::Error(error)) => {
                return Err(refused("the folder cannot be locked", error));
            }
        }
        if ours {
            close_to_others(path)?;
        }
        let (lock, is_erased, opened) = (Arc::new(lock), Arc::default(), Mutex::default());
        Ok(Self { path: path.to_owned(), lock, is_erased, opened })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something was created here, even if it is damaged.
    #[must_use]
    pub fn has_profile(&self) -> bool {
        vault::exists(&self.path) || self.path.join("store").exists()
    }

    /// Makes a profile under a passphrase. Takes some two seconds, so that trying passphrases is slow.
    ///
    /// # Errors
    /// [`Error::ProfileExists`], [`Error::Full`], [`Error::Io`].
    pub fn create(&self, passphrase: &str) -> Result<Store, Error> {
        self.create_at_cost(passphrase, Cost::calibrated)
    }

    /// [`Self::create`] at the least cost that is ever used, whatever the machine could bear: for tests
    /// and measurements, which make many profiles.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_at_floor(&self, passphrase: &str) -> Result<Store, Error> {
        self.create_at_cost(passphrase, || Ok(Cost::FLOOR))
    }

    fn create_at_cost(
        &self,
        passphrase: &str,
        cost: impl FnOnce() -> Result<Cost, Error>,
    ) -> Result<Store, Error> {
        if self.has_profile() {
            return Err(Error::ProfileExists);
        }
        self.open_store(|| {
            vault::remove_unfinished(&self.path)?;
            Vault::create(&self.path, passphrase, cost()?)
        })
    }

    /// Opens the profile. Takes about a second.
    ///
    /// # Errors
    /// [`Error::NoProfile`]; [`Error::WrongPassphrase`], which changed nothing; [`Error::InUse`] while
    /// an earlier [`Store`] or one of its readers lives; [`Error::Damaged`]; [`Error::Newer`],
    /// [`Error::Older`]; [`Error::Full`], [`Error::Io`].
    pub fn unlock(&self, passphrase: &str) -> Result<Store, Error> {
        if !self.has_profile() {
            return Err(Error::NoProfile);
        }
        self.open_store(|| match Vault::unlock(&self.path, passphrase) {
            Err(Error::NoProfile) => Err(Error::damaged("both headers are gone")),
            done => done,
        })
    }

    /// Checks a passphrase, also while the profile is open. Takes about a second.
    ///
    /// # Errors
    /// [`Error::NoProfile`], [`Error::WrongPassphrase`], [`Error::Damaged`], [`Error::Newer`].
    pub fn check(&self, passphrase: &str) -> Result<(), Error> {
        // The key table is none of its business: the writer may be replacing it.
        let _header_stays = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        vault::check(&self.path, passphrase)
    }

    /// Lets `new` open the profile in place of `old`, also while it is open. Takes about two seconds.
    ///
    /// # Errors
    /// As [`Self::check`], after which nothing was changed; [`Error::Full`], [`Error::Io`], after which
    /// either of the two opens it.
    pub fn change_passphrase(&self, old: &str, new: &str) -> Result<(), Error> {
        let _one_at_a_time = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        vault::change(&self.path, old, new)
    }

    /// Erases the profile, with or without its passphrase: at once the vault, without which nothing that
    /// is left can be opened, then everything else. What is no part of a profile stays.
    ///
    /// # Errors
    /// [`Error::InUse`] while a [`Store`] or a [`Reader`](crate::Reader) lives: the vault is gone, and the
    /// rest goes when this is called again after they were dropped. [`Error::Io`].
    pub fn erase(&self) -> Result<(), Error> {
        let _one_at_a_time = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_erased.store(true, Ordering::Release);
        vault::wipe(&self.path)?;
        // What was opened here holds the lock to its very end.
        if Arc::strong_count(&self.lock) > 1 {
            return Err(Error::InUse);
        }
        for file in fs::read_dir(&self.path)? {
            let file = file?;
            let name = file.file_name();
            if !name.to_str().is_some_and(is_of_profile) {
                continue;
            }
            let is_dir = file.file_type()?.is_dir();
            let removed =
                if is_dir { fs::remove_dir_all(file.path()) } else { fs::remove_file(file.path()) };
            removed.map_err(|error| refused("a file cannot be removed", error))?;
        }
        vault::sync_dir(&self.path).map_err(Error::from_io)
    }

    fn open_store(
        &self,
        vault: impl FnOnce() -> Result<(Vault, KeyTable), Error>,
    ) -> Result<Store, Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.strong_count() > 0 {
            return Err(Error::InUse);
        }
        self.is_erased.store(false, Ordering::Release);
        let (mut vault, table) = vault()?;
        vault.end_with(Arc::clone(&self.is_erased));
        let store = Store::open(&self.path, Arc::clone(&self.lock), vault, table)?;
        *opened = store.watch();
        Ok(store)
    }
}

/// Whether a file or folder of this name in a home is ours, and not somebody's `keys.kdbx`. The lock stays:
/// it is held.
fn is_of_profile(name: &str) -> bool {
    let ours = ["store", "store.part", "store.new", "quarantine", "ballast"];
    vault::is_file_name(name) || ours.contains(&name)
}

fn make(path: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let cannot = |error| refused("the folder cannot be made", error);
    let missing: Vec<_> = path.ancestors().take_while(|folder| !exists(folder)).collect();
    builder.create(path).map_err(cannot)?;
    // Else a power cut could take the folder with all that was durable in it.
    missing.into_iter().filter_map(Path::parent).try_for_each(|parent| {
        let nameless = parent.as_os_str().is_empty();
        vault::sync_dir(if nameless { Path::new(".") } else { parent }).map_err(cannot)
    })
}

fn exists(folder: &Path) -> bool {
    // The parent of a relative path is named by nothing.
    folder.as_os_str().is_empty() || folder.exists()
}

fn is_empty(path: &Path) -> Result<bool, Error> {
    let mut files =
        fs::read_dir(path).map_err(|error| refused("the folder cannot be read", error))?;
    Ok(files.next().is_none())
}

/// A folder that held other things when it was given to us is left as it is; our files are closed
/// themselves.
fn close_to_others(path: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(|error| refused("the folder cannot be closed to others", error))?;
    #[cfg(not(unix))]
    let _left_to_the_system = path;
    Ok(())
}

fn refused(what: &str, error: io::Error) -> Error {
    let kind = error.kind();
    if kind == io::ErrorKind::NotADirectory {
        return Error::NotAFolder;
    }
    if let Error::Io(error) = Error::from_io(error) {
        Error::Io(io::Error::new(kind, format!("{what}: {error}")))
    } else {
        Error::Full
    }
}
