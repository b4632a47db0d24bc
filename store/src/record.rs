//! Records: values of any length as rows of at most 4 KiB.
//!
//! ```text
//! first row   key            | rows (1) | version (1) | postcard ..
//! n-th more   key | n (1)    .. postcard ..
//! ```
//!
//! All rows of a record are written in one batch. In key order a record's rows stand together, the
//! first one first.

use std::collections::VecDeque;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::engine::{Batch, Dir, Engine, Pair};
use crate::error::Error;
use crate::rows::Table;
use crate::seal::{self, ROW_MAX, Sealer, SpaceKeys};

/// Version of what follows it in a record.
const VERSION: u8 = 1;
/// Rows that a scan takes at once.
const CHUNK: usize = 32;

/// Where rows are looked up: what is committed, or what is about to be.
pub(crate) trait Lookup {
    /// The value under `key`.
    fn look(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;
}

impl<E: Engine + ?Sized> Lookup for E {
    fn look(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.get(key)
    }
}

/// The record under `key`.
pub(crate) fn read<T: DeserializeOwned>(
    rows: &(impl Lookup + ?Sized),
    keys: &(impl Sealer + ?Sized),
    key: &[u8],
) -> Result<Option<T>, Error> {
    match rows.look(key)? {
        Some(first) => decode(&join(rows, keys, key, &first)?).map(Some),
        None => Ok(None),
    }
}

/// Seals the rows of a record into `batch` and removes what an `old` one had more.
pub(crate) fn write<T: Serialize>(
    batch: &mut Batch,
    keys: &(impl Sealer + ?Sized),
    key: &[u8],
    value: &T,
    old: Option<&[u8]>,
) -> Result<(), Error> {
    let mut bytes = seal::encode(&[0, VERSION], value)?;
    let count = u8::try_from(bytes.len().div_ceil(ROW_MAX)).ok().filter(|rows| *rows < u8::MAX);
    let count = count.ok_or(Error::TooLarge)?;
    bytes.iter_mut().take(1).for_each(|first| *first = count);
    for (n, chunk) in (0_u8..).zip(bytes.chunks(ROW_MAX)) {
        let key = row_key(key, n);
        let sealed = keys.seal(&key, chunk)?;
        batch.put(key, sealed);
    }
    if let Some(first) = old {
        let had = row_count(&keys.open(key, first)?)?;
        (count..had).for_each(|n| batch.remove(row_key(key, n)));
    }
    Ok(())
}

/// Removes all rows of the record whose first row is `first`.
pub(crate) fn remove(
    batch: &mut Batch,
    keys: &(impl Sealer + ?Sized),
    key: &[u8],
    first: &[u8],
) -> Result<(), Error> {
    let had = row_count(&keys.open(key, first)?)?;
    (0..had).for_each(|n| batch.remove(row_key(key, n)));
    Ok(())
}

/// Reads what [`Records`] gives.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&VERSION, value)) => {
            postcard::from_bytes(value).map_err(|_malformed| Error::damaged("a record"))
        }
        Some((version, _)) if *version > VERSION => Err(Error::Newer),
        Some(_) | None => Err(Error::damaged("a record's version")),
    }
}

/// The records of a table from one key to another, in either direction.
pub(crate) struct Records<'a> {
    engine: &'a dyn Engine,
    keys: &'a dyn Sealer,
    table: Table,
    dir: Dir,
    from: Vec<u8>,
    to: Vec<u8>,
    rows: VecDeque<Pair>,
    /// No more rows come, because there are none or because of an error.
    ended: bool,
}

impl<'a> Records<'a> {
    /// All records of a table, of what has these names and this sealer.
    pub(crate) fn all(
        engine: &'a dyn Engine,
        (names, keys): (&SpaceKeys, &'a dyn Sealer),
        table: Table,
        dir: Dir,
    ) -> Self {
        let (from, to) = (table.start(names), table.end(names));
        Self { engine, keys, table, dir, from, to, rows: VecDeque::new(), ended: false }
    }

    /// Only those from `from` on.
    pub(crate) fn from(self, from: Vec<u8>) -> Self {
        Self { from, ..self }
    }

    /// Only those before `to`.
    pub(crate) fn to(self, to: Vec<u8>) -> Self {
        Self { to, ..self }
    }

    fn next_first_row(&mut self) -> Result<Option<Pair>, Error> {
        loop {
            while let Some(row) = self.rows.pop_front() {
                if self.table.is_head(&row.0) {
                    return Ok(Some(row));
                }
            }
            if self.ended {
                return Ok(None);
            }
            self.rows = self.engine.scan(&self.from, &self.to, self.dir, CHUNK)?.into();
            self.ended = self.rows.len() < CHUNK;
            if let Some((last, _)) = self.rows.back() {
                match self.dir {
                    Dir::Up => self.from = [last.as_slice(), &[0]].concat(),
                    Dir::Down => self.to.clone_from(last),
                }
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let Some((key, first)) = self.next_first_row()? else {
            return Ok(None);
        };
        let value = join(self.engine, self.keys, &key, &first)?;
        Ok(Some((key, value)))
    }
}

/// A record's key and its bytes, for [`decode`].
type Record = (Vec<u8>, Zeroizing<Vec<u8>>);

impl Iterator for Records<'_> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.next_record();
        if record.is_err() {
            self.ended = true;
            self.rows.clear();
        }
        record.transpose()
    }
}

/// Version and value of the record whose first row is `first`.
fn join(
    rows: &(impl Lookup + ?Sized),
    keys: &(impl Sealer + ?Sized),
    key: &[u8],
    first: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let first = keys.open(key, first)?;
    let count = row_count(&first)?;
    let mut value = Zeroizing::new(Vec::with_capacity(ROW_MAX.saturating_mul(count.into())));
    value.extend_from_slice(first.get(1..).unwrap_or_default());
    for n in 1..count {
        let key = row_key(key, n);
        let row = rows.look(&key)?.ok_or_else(|| Error::damaged("a part of a record is gone"))?;
        value.extend_from_slice(&keys.open(&key, &row)?);
    }
    Ok(value)
}

fn row_count(first: &[u8]) -> Result<u8, Error> {
    let count = first.first().copied().filter(|count| *count > 0);
    count.ok_or_else(|| Error::damaged("a record's length"))
}

fn row_key(key: &[u8], n: u8) -> Vec<u8> {
    if n == 0 { key.to_vec() } else { [key, &[n]].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::CHAIN;

    #[test]
    fn a_shorter_record_leaves_no_row_of_the_longer_one_before() {
        let keys = SpaceKeys::generate();
        let key = CHAIN.named(&keys, &[1; 32]);
        let mut long = Batch::default();
        write(&mut long, &keys, &key, &vec![7_u8; 3 * ROW_MAX], None).unwrap();
        let first = long.said(&key).flatten().unwrap();
        assert!(long.said(&row_key(&key, 3)).flatten().is_some(), "four rows with the head");
        let mut short = Batch::default();
        write(&mut short, &keys, &key, &vec![7_u8; ROW_MAX], Some(first)).unwrap();
        let said = |n| short.said(&row_key(&key, n)).map(|row| row.is_some());
        assert_eq!(
            [0, 1, 2, 3, 4].map(said),
            [Some(true), Some(true), Some(false), Some(false), None]
        );
        let mut gone = Batch::default();
        remove(&mut gone, &keys, &key, first).unwrap();
        assert!((0..4).all(|n| gone.said(&row_key(&key, n)) == Some(None)));
    }

    #[test]
    fn a_record_of_a_newer_build_is_told_from_a_damaged_one() {
        assert_eq!(decode::<u8>(&[VERSION, 7]).unwrap(), 7);
        assert!(matches!(decode::<u8>(&[VERSION + 1, 7]), Err(Error::Newer)));
        for bad in [&[][..], &[0, 7], &[VERSION]] {
            assert!(matches!(decode::<u8>(bad), Err(Error::Damaged(_))));
        }
    }
}
