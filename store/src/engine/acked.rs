//! How many batches were acknowledged, told by the rows and beside them.
//!
//! Where a message of its log is damaged near the end, sled takes all that follows for a torn tail and
//! cuts it off without a word. Every batch carries its number in a row, and the number that was
//! acknowledged last stands in a file: rows that know less have lost something.
//!
//! ```text
//! | number (8) | its complement (8) |
//! ```
//!
//! The file is not synced: after a power cut it may be older than the rows, never newer.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::error::Error;

/// Under which the rows keep their number; greater than every other key.
pub(super) const KEY: [u8; 1] = [0xff];

/// The file.
pub(super) struct Acked(File);

impl Acked {
    /// Opens or makes it, and says what was acknowledged last; 0 when that is not known.
    pub(super) fn open(dir: &Path) -> Result<(Self, u64), Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        crate::vault::private(&mut options);
        let mut file = options.open(dir.join("acked")).map_err(Error::from_io)?;
        let mut bytes = [0; 16];
        let number = match file.read_exact(&mut bytes) {
            Ok(()) => {
                let (number, check) =
                    (u128::from_be_bytes(bytes) >> 64, u128::from_be_bytes(bytes));
                let whole = u64::try_from(number).unwrap_or_default();
                if encoded(whole) == check.to_be_bytes() { whole } else { 0 }
            }
            Err(_too_short) => 0,
        };
        Ok((Self(file), number))
    }

    /// Notes that everything up to this number is durable. Best effort: it may only be known later.
    pub(super) fn note(&mut self, number: u64) {
        let written = self.0.rewind().and_then(|()| self.0.write_all(&encoded(number)));
        if let Err(error) = written {
            tracing::debug!("what was acknowledged is not noted: {}", error.kind());
        }
    }
}

fn encoded(number: u64) -> [u8; 16] {
    ((u128::from(number) << 64) | u128::from(!number)).to_be_bytes()
}

/// The number in a row; 0 when there is none.
pub(super) fn number(row: Option<&[u8]>) -> u64 {
    row.and_then(|row| row.first_chunk()).map_or(0, |number| u64::from_be_bytes(*number))
}
