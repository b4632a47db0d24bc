//! How the window looks, in a small file beside the profile: it has to be read before any passphrase is, and
//! says nothing of groups or people.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;

use super::Client;
use crate::backend::{Appearance, Trouble};

/// The file's name in the home.
const FILE: &str = "window.json";
/// The most bytes of it that are read.
const LEN_MAX: u64 = 1024;

impl Client {
    /// What the file says; as it comes where there is none, or where it makes no sense.
    pub(super) fn read_appearance(&self) -> Appearance {
        let mut text = String::new();
        let file = fs::File::open(self.appearance_file());
        let read = file.and_then(|file| file.take(LEN_MAX).read_to_string(&mut text));
        read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Writes the file anew, whole or not at all.
    ///
    /// # Errors
    /// A sentence, when the file system refuses.
    pub(super) fn write_appearance(&self, appearance: Appearance) -> Result<(), Trouble> {
        let refused =
            |error| Trouble::new("internal", format!("How Kith looks cannot be kept: {error}."));
        let text =
            serde_json::to_string(&appearance).map_err(|error| refused(error.to_string()))?;
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(self.home.path())?;
            file.write_all(text.as_bytes())?;
            file.persist(self.appearance_file()).map_err(|error| error.error)
        };
        write().map(drop).map_err(|error| refused(error.to_string()))
    }

    /// Removes the file.
    ///
    /// # Errors
    /// A sentence, when the file system refuses.
    pub(super) fn forget_appearance(&self) -> Result<(), Trouble> {
        match fs::remove_file(self.appearance_file()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Trouble::new("internal", format!("How Kith looked is still kept: {error}.")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn appearance_file(&self) -> PathBuf {
        self.home.path().join(FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend as _;

    fn client(home: &std::path::Path) -> Client {
        Client::new(home, net::Config { listen: Vec::new(), mdns: false }).unwrap()
    }

    #[test]
    fn the_look_is_there_after_a_restart_and_gone_once_everything_is_erased() {
        let home = tempfile::tempdir().unwrap();
        let look = Appearance { percent: 200, dark: Some(true) };
        let before = client(home.path());
        assert_eq!(before.appearance(), Appearance::default());
        before.keep_appearance(look).unwrap();
        drop(before);
        let after = client(home.path());
        assert_eq!(after.appearance(), look);
        after.erase().unwrap();
        assert_eq!(after.appearance(), Appearance::default());
        assert!(!home.path().join(FILE).exists());
    }

    #[test]
    fn a_look_that_makes_no_sense_is_as_if_there_were_none() {
        let home = tempfile::tempdir().unwrap();
        let client = client(home.path());
        let long = format!("{{\"percent\": 150, \"dark\": null{}}}", " ".repeat(5000));
        for bytes in [b"".as_slice(), b"{}", b"\xff\xfe", b"{\"percent\": 9000}", long.as_bytes()] {
            fs::write(home.path().join(FILE), bytes).unwrap();
            assert_eq!(client.appearance(), Appearance::default());
        }
    }
}
