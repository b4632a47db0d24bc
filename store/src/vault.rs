//! The vault: from a passphrase to the keys of every row.
//!
//! ```text
//! passphrase --Argon2id(salt)--> KEK --opens a slot of hdr--> MK --derive--> mask
//! erase.<g> = split(EK xor hash(mask, g))        EK is random in every generation g
//! keys.<g>  = seal(EK, g, key table)
//! ```
//!
//! A write makes the next generation, syncs it, and then overwrites and unlinks the one before: without
//! its `erase` file an old key table stays shut, whatever the file system kept of it. The highest
//! generation whose two files open is the valid one, so each header alone leads to it.
//!
//! A member's secrets stand in this table and not in a row, because sled keeps old rows for good and a
//! table of an old generation can be destroyed.

mod header;
mod split;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::group_keys::GroupKeys;
use crate::seal::{self, Key, SpaceKeys};

pub(crate) use header::Cost;
use header::Header;

const KEYS: &str = "keys";
const ERASE: &str = "erase";
/// Behind the name of a file that is not finished.
const DRAFT: &str = ".new";
/// The key table is padded to multiples of this, in bytes, so that its length hardly counts groups.
const TABLE_STEP: usize = 16 * 1024;
/// Largest key table, in bytes.
const TABLE_MAX: usize = 4 << 20;
const MASK_CONTEXT: &str = "kith 2026-11 v1 store mask";

/// What a vault keeps, as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyTable {
    /// Keys of the rows that belong to no group.
    pub(crate) profile: SpaceKeys,
    /// In the order in which they were added.
    pub(crate) groups: Vec<GroupKeys>,
}

/// What a vault keeps, as it is written: encodes as [`KeyTable`] and copies no key.
#[derive(Debug, Serialize)]
pub(crate) struct TableView<'a> {
    pub(crate) profile: &'a SpaceKeys,
    pub(crate) groups: Vec<&'a GroupKeys>,
}

/// An open vault.
pub(crate) struct Vault {
    home: PathBuf,
    master: Key,
    generation: u64,
    /// Once this is set nothing is written any more.
    is_erased: Arc<AtomicBool>,
}

impl core::fmt::Debug for Vault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    /// Makes a vault in a home that has none. It exists once its first header does.
    pub(crate) fn create(
        home: &Path,
        passphrase: &str,
        cost: Cost,
    ) -> Result<(Self, KeyTable), Error> {
        let master = Key::generate();
        let table = KeyTable { profile: SpaceKeys::generate(), groups: Vec::new() };
        let mut vault =
            Self { home: home.to_owned(), master, generation: 0, is_erased: Arc::default() };
        let header = Header::new(passphrase, &vault.master, cost)?;
        vault.write(&TableView { profile: &table.profile, groups: Vec::new() })?;
        header.write_both(home)?;
        Ok((vault, table))
    }

    /// Opens a vault. Writes nothing unless the passphrase is right.
    pub(crate) fn unlock(home: &Path, passphrase: &str) -> Result<(Self, KeyTable), Error> {
        let (header, twins) = Header::read(home)?;
        let master = header.open(passphrase)?;
        let is_erased = Arc::default();
        let mut vault = Self { home: home.to_owned(), master, generation: 0, is_erased };
        let generations = generations(home)?;
        let (generation, table) = vault.newest(&generations)?;
        vault.generation = generation;
        for stale in generations.into_iter().filter(|g| *g != generation) {
            vault.destroy(stale);
        }
        shred_drafts(home);
        if !twins {
            tracing::warn!("one of two headers was damaged and is made again");
            header.write_both(home)?;
        }
        Ok((vault, table))
    }

    /// Writes nothing any more once `is_erased` is set.
    pub(crate) fn end_with(&mut self, is_erased: Arc<AtomicBool>) {
        self.is_erased = is_erased;
    }

    /// Makes `table` what the vault keeps: durable when this returns, and the one before destroyed as
    /// far as the disk lets us.
    pub(crate) fn write(&mut self, table: &TableView<'_>) -> Result<(), Error> {
        if self.is_erased.load(Ordering::Acquire) {
            return Err(Error::NoProfile);
        }
        let next = self.generation.checked_add(1).ok_or(Error::TooLarge)?;
        let ek = Key::generate();
        let mut plain = encode(table)?;
        let sealed = ek.seal_at(&next.to_be_bytes(), &mut plain)?;
        let masked = xor(ek.bytes(), &self.mask(next));
        write_file(&self.home, &name(ERASE, next), &split::split(&masked))?;
        write_file(&self.home, &name(KEYS, next), &sealed)?;
        sync_dir(&self.home)?;
        self.generation = next;
        // One that could not be destroyed the last time is tried again.
        for stale in generations(&self.home)?.into_iter().filter(|g| *g < next) {
            self.destroy(stale);
        }
        Ok(())
    }

    /// The highest generation that was finished. An IO error ends the search: it may pass.
    fn newest(&self, generations: &[u64]) -> Result<(u64, KeyTable), Error> {
        for generation in generations.iter().rev() {
            match self.read(*generation) {
                Ok(table) => return Ok((*generation, table)),
                Err(Error::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::damaged("the key table"))
    }

    fn read(&self, generation: u64) -> Result<KeyTable, Error> {
        let spread = Zeroizing::new(self.read_file(ERASE, generation)?);
        let masked = split::merge(&spread).ok_or_else(|| Error::damaged("an erase file"))?;
        let ek = Key::new(*xor(&masked, &self.mask(generation)));
        let sealed = self.read_file(KEYS, generation)?;
        let mut plain = ek
            .open_at(&generation.to_be_bytes(), &sealed)
            .ok_or_else(|| Error::damaged("the key table"))?;
        seal::unpad(&mut plain)?;
        postcard::from_bytes(&plain).map_err(|_malformed| Error::damaged("the key table"))
    }

    fn read_file(&self, file: &str, generation: u64) -> Result<Vec<u8>, Error> {
        fs::read(self.home.join(name(file, generation))).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                Error::Damaged(format!("the file {file} is gone"))
            } else {
                error.into()
            }
        })
    }

    fn mask(&self, generation: u64) -> Zeroizing<[u8; 32]> {
        let mask = Zeroizing::new(blake3::derive_key(MASK_CONTEXT, self.master.bytes()));
        Key::new(*mask).hash(&[b"ek", &generation.to_be_bytes()])
    }

    /// Overwrites and unlinks a generation. Best effort: the next one is durable already.
    fn destroy(&self, generation: u64) {
        for file in [ERASE, KEYS] {
            if let Err(error) = shred(&self.home.join(name(file, generation))) {
                tracing::debug!("an old {file} file stays for now: {}", error.kind());
            }
        }
    }
}

/// Lets `new` open what `old` did. Durable when it returns; before, either of them opens it. Only a slot is
/// written: nothing is sealed anew. Whoever has a copy of the header and the old passphrase still has both.
pub(crate) fn change(home: &Path, old: &str, new: &str) -> Result<(), Error> {
    let (header, _twins) = Header::read(home)?;
    header.changed(old, new)?.write_both(home)
}

/// Whether a passphrase is the right one. Reads the header alone.
pub(crate) fn check(home: &Path, passphrase: &str) -> Result<(), Error> {
    let (header, _twins) = Header::read(home)?;
    header.open(passphrase).map(drop)
}

/// Overwrites and removes all files of a vault, those first without which the others are noise. Goes on
/// where one of them cannot be overwritten, and then says so.
pub(crate) fn wipe(home: &Path) -> Result<(), Error> {
    let mut done = Ok(());
    // A write that was under way may leave one more generation.
    for _again in 0..2 {
        let mut files = file_names(home)?;
        files.sort_by_key(|file| !file.starts_with(ERASE));
        for file in files {
            let path = home.join(file);
            if let Err(error) = shred(&path) {
                done = Err(Error::from_io(error));
                fs::remove_file(&path).ok();
            }
        }
    }
    sync_dir(home)?;
    done
}

/// Whether a file of this name belongs to a vault, finished or not.
pub(crate) fn is_file_name(name: &str) -> bool {
    let name = name.strip_suffix(DRAFT).unwrap_or(name);
    let number = name.split_once('.').filter(|(file, _)| [KEYS, ERASE].contains(file));
    header::files().contains(&name) || number.is_some_and(|(_, g)| g.parse::<u64>().is_ok())
}

fn file_names(home: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for file in fs::read_dir(home)? {
        found.extend(file?.file_name().into_string().ok().filter(|name| is_file_name(name)));
    }
    Ok(found)
}

/// Overwrites and removes what was not finished: a draft may hold every key. Best effort.
fn shred_drafts(home: &Path) {
    let drafts = file_names(home).unwrap_or_default();
    for draft in drafts.iter().filter(|name| name.ends_with(DRAFT)) {
        if let Err(error) = shred(&home.join(draft)) {
            tracing::debug!("a draft stays for now: {}", error.kind());
        }
    }
}

/// Removes what a vault that was never finished left behind.
pub(crate) fn remove_unfinished(home: &Path) -> Result<(), Error> {
    for generation in generations(home)? {
        for file in [ERASE, KEYS] {
            match fs::remove_file(home.join(name(file, generation))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Whether a vault was finished here once.
pub(crate) fn exists(home: &Path) -> bool {
    header::exists(home)
}

/// Makes what happened to a folder's names durable. Only Unix knows how; elsewhere it is on its own.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Generations of which at least one file is here, ascending.
fn generations(home: &Path) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    for file in fs::read_dir(home)? {
        let file = file?.file_name();
        let number = file.to_str().and_then(|file| file.split_once('.')).and_then(|(name, g)| {
            if [KEYS, ERASE].contains(&name) { g.parse::<u64>().ok() } else { None }
        });
        found.extend(number);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn name(file: &str, generation: u64) -> String {
    format!("{file}.{generation}")
}

fn encode(table: &TableView<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bytes = seal::encode(&[], table)?;
    let padded = bytes.len().saturating_add(1).next_multiple_of(TABLE_STEP);
    if padded > TABLE_MAX {
        return Err(Error::TooLarge);
    }
    seal::pad_to(&bytes, padded)
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    for (out, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
        *out = a ^ b;
    }
    out
}

/// Writes a file anew and syncs it before it bears its name. The folder is not synced yet.
fn write_file(home: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let draft = home.join(format!("{name}{DRAFT}"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    private(&mut options);
    let mut file = options.open(&draft).map_err(Error::from_io)?;
    file.write_all(bytes).map_err(Error::from_io)?;
    file.sync_all().map_err(Error::from_io)?;
    fs::rename(&draft, home.join(name)).map_err(Error::from_io)
}

/// Writes a file in place of the one of this name, durably, and overwrites the one before as far as the
/// disk lets us.
fn replace_file(home: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let old = OpenOptions::new().write(true).open(home.join(name));
    write_file(home, name, bytes)?;
    sync_dir(home)?;
    if let Ok(mut old) = old
        && let Err(error) = overwrite(&mut old)
    {
        tracing::debug!("an old {name} stays for now: {}", error.kind());
    }
    Ok(())
}

/// Lets nobody but the owner read what is created with `options`.
pub(crate) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _unchanged = options;
}

fn shred(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Ok(mut file) => overwrite(&mut file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    fs::remove_file(path)
}

fn overwrite(file: &mut File) -> io::Result<()> {
    let len = file.metadata()?.len();
    for _chunk in 0..len.div_ceil(1024) {
        file.write_all(&seal::random::<1024>())?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(home: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(home)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn rewrite(vault: &mut Vault, table: &KeyTable) {
        vault.write(&TableView { profile: &table.profile, groups: Vec::new() }).unwrap();
    }

    #[test]
    fn a_new_generation_leaves_nothing_of_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let (mut vault, table) = Vault::create(dir.path(), "p", Cost::FLOOR).unwrap();
        let old = fs::read(dir.path().join("keys.1")).unwrap();
        rewrite(&mut vault, &table);
        assert_eq!(names(dir.path()), ["erase.2", "hdr.a", "hdr.b", "keys.2"]);
        // Whoever kept the old table still lacks its erase file.
        fs::write(dir.path().join("keys.1"), old).unwrap();
        fs::copy(dir.path().join("erase.2"), dir.path().join("erase.1")).unwrap();
        assert!(matches!(vault.read(1), Err(Error::Damaged(_))));
        assert_eq!(vault.read(2).unwrap().profile.handle(), table.profile.handle());
    }

    #[test]
    fn a_generation_that_was_not_finished_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (mut vault, table) = Vault::create(dir.path(), "p", Cost::FLOOR).unwrap();
        rewrite(&mut vault, &table);
        fs::write(dir.path().join("erase.3"), [0; split::LEN]).unwrap();
        fs::write(dir.path().join("keys.4.new"), b"half").unwrap();
        let (vault, _) = Vault::unlock(dir.path(), "p").unwrap();
        assert_eq!(vault.generation, 2);
        assert_eq!(names(dir.path()), ["erase.2", "hdr.a", "hdr.b", "keys.2"]);
    }

    #[test]
    fn a_changed_bit_anywhere_in_the_erase_file_shuts_the_table() {
        let dir = tempfile::tempdir().unwrap();
        let (vault, _) = Vault::create(dir.path(), "p", Cost::FLOOR).unwrap();
        let path = dir.path().join("erase.1");
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), 64 * 1024);
        for at in [0, 1000, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&path, bytes).unwrap();
            assert!(matches!(vault.read(1), Err(Error::Damaged(_))), "byte {at}");
        }
        fs::write(&path, whole).unwrap();
        assert!(vault.read(1).is_ok());
    }
}
