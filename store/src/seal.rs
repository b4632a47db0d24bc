//! Sealing: one AEAD for everything at rest, names that say nothing, and padding.
//!
//! ```text
//! sealed = | nonce (24) | XChaCha20-Poly1305 of | bytes | 0x80 | 00 .. 00 | | tag (16) |
//! ```
//!
//! What is sealed is bound to where it stands, so that two of them cannot be exchanged. Nonces are
//! random: 24 bytes are enough for as many rows as a disk holds.

use core::fmt;

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::engine::VALUE_MAX;
use crate::error::Error;

const NONCE: usize = 24;
const TAG: usize = 16;
/// What sealing adds, in bytes.
pub(crate) const OVERHEAD: usize = NONCE + TAG;
/// Sizes to which a row's plaintext is padded (ISO/IEC 7816-4).
const SIZES: [usize; 7] = [64, 128, 256, 512, 1024, 2048, VALUE_MAX - OVERHEAD];
/// Most that one row holds, in bytes: the last of [`SIZES`] without the marker.
pub(crate) const ROW_MAX: usize = VALUE_MAX - OVERHEAD - 1;

/// Random bytes from the system-seeded generator of this thread.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// A 32-byte secret. Wiped when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a fresh key.
    pub(crate) fn generate() -> Self {
        Self(random())
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A keyed hash of `parts`, of which all but the last have one length for one use.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        Zeroizing::new(*hasher.finalize().as_bytes())
    }

    /// Seals `plain`, which is overwritten, bound to `place`.
    pub(crate) fn seal_at(&self, place: &[u8], plain: &mut [u8]) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE] = random();
        let tag = XChaCha20Poly1305::new((&self.0).into())
            .encrypt_inout_detached(&XNonce::from(nonce), place, (&mut *plain).into())
            .map_err(|_too_long| Error::TooLarge)?;
        Ok([nonce.as_slice(), plain, tag.as_slice()].concat())
    }

    /// Opens what was sealed for `place`; none for anything else.
    pub(crate) fn open_at(&self, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
        let (body, tag) = rest.split_last_chunk::<TAG>()?;
        let mut plain = Zeroizing::new(body.to_vec());
        XChaCha20Poly1305::new((&self.0).into())
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                place,
                plain.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .ok()?;
        Some(plain)
    }
}

/// What seals rows and opens them.
pub(crate) trait Sealer {
    /// Seals at most [`ROW_MAX`] bytes as the value of the row `key`.
    fn seal(&self, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error>;

    /// Opens the value of the row `key`.
    fn open(&self, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error>;
}

impl Sealer for Key {
    fn seal(&self, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut plain = pad(bytes)?;
        self.seal_at(&place(key), &mut plain)
    }

    fn open(&self, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut plain = self
            .open_at(&place(key), sealed)
            .ok_or_else(|| Error::damaged("a row does not open"))?;
        unpad(&mut plain)?;
        Ok(plain)
    }
}

/// A key that is replaced from time to time: the newest seals, and those before it open as long as rows
/// are sealed anew.
#[expect(clippy::vec_box, reason = "a vector that grows would leave copies of its keys behind")]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ring(Vec<Box<Key>>);

impl Ring {
    pub(crate) fn generate() -> Self {
        Self(vec![Box::new(Key::generate())])
    }

    /// Draws the key that seals from now on.
    pub(crate) fn renew(&mut self) {
        self.0.push(Box::new(Key::generate()));
    }

    /// Takes the newest key away, which nothing was sealed with yet.
    pub(crate) fn withdraw(&mut self) {
        if self.0.len() > 1 {
            self.0.pop();
        }
    }

    /// Whether there are keys beside the newest.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.0.len() > 1
    }

    /// Wipes all keys but the newest.
    pub(crate) fn forget_old(&mut self) {
        let old = self.0.len().saturating_sub(1);
        self.0.drain(..old);
    }
}

impl Sealer for Ring {
    fn seal(&self, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let newest = self.0.last().ok_or_else(|| Error::damaged("a ring without keys"))?;
        newest.seal(key, bytes)
    }

    fn open(&self, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut opened = self.0.iter().rev().filter_map(|ring| ring.open(key, sealed).ok());
        opened.next().ok_or_else(|| Error::damaged("a row does not open"))
    }
}

/// The keys of one group's rows, or of the rows that belong to no group.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct SpaceKeys {
    /// Stands in every row key in place of the group. Random: says nothing of the group.
    handle: [u8; 8],
    names: Key,
    rows: Key,
}

impl fmt::Debug for SpaceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpaceKeys(..)")
    }
}

impl SpaceKeys {
    /// Draws fresh keys.
    pub(crate) fn generate() -> Self {
        Self { handle: random(), names: Key::generate(), rows: Key::generate() }
    }

    pub(crate) const fn handle(&self) -> &[u8; 8] {
        &self.handle
    }

    /// What stands in a row key in place of `id` and what narrows it down, another in every table.
    pub(crate) fn name(&self, table: u8, id: &[u8; 32], narrower: &[u8]) -> [u8; 16] {
        self.names.hash(&[&[table], id, narrower]).first_chunk().copied().unwrap_or_default()
    }

    /// How far the numbers in a table's keys are moved, below 2^63.
    pub(crate) fn distance(&self, table: u8) -> u64 {
        let digest = self.names.hash(&[&[table], b"distance"]);
        digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> 1
    }
}

impl Sealer for SpaceKeys {
    fn seal(&self, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error> {
        self.rows.seal(key, bytes)
    }

    fn open(&self, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.rows.open(key, sealed)
    }
}

fn place(key: &[u8]) -> Vec<u8> {
    [b"v1", key].concat()
}

fn pad(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let size = SIZES.into_iter().find(|size| bytes.len() < *size).ok_or(Error::TooLarge)?;
    pad_to(bytes, size)
}

/// `bytes`, a marker and zeros, to exactly `size`.
pub(crate) fn pad_to(bytes: &[u8], size: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let rest = size.checked_sub(bytes.len()).filter(|rest| *rest > 0).ok_or(Error::TooLarge)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(size));
    plain.extend_from_slice(bytes);
    plain.push(0x80);
    plain.extend(core::iter::repeat_n(0, rest.saturating_sub(1)));
    Ok(plain)
}

/// `head` and the encoding of `value`, in one allocation: a vector that grows leaves copies behind.
pub(crate) fn encode<T: Serialize>(head: &[u8], value: &T) -> Result<Zeroizing<Vec<u8>>, Error> {
    let too_large = |_opaque| Error::TooLarge;
    let len = postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default())
        .map_err(too_large)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(head.len().saturating_add(len)));
    bytes.extend_from_slice(head);
    bytes.resize(head.len().saturating_add(len), 0);
    let body = bytes.get_mut(head.len()..).unwrap_or_default();
    postcard::to_slice(value, body).map_err(too_large)?;
    Ok(bytes)
}

/// Takes marker and zeros off.
pub(crate) fn unpad(plain: &mut Vec<u8>) -> Result<(), Error> {
    let marker = plain.iter().rposition(|byte| *byte != 0);
    let marker = marker.filter(|at| plain.get(*at) == Some(&0x80));
    plain.truncate(marker.ok_or_else(|| Error::damaged("a padding"))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_opens_under_its_own_key_and_place_alone() {
        let keys = SpaceKeys::generate();
        let sealed = keys.seal(b"here", b"words").unwrap();
        assert_eq!(keys.open(b"here", &sealed).unwrap().as_slice(), b"words");
        assert!(matches!(keys.open(b"there", &sealed), Err(Error::Damaged(_))));
        assert!(matches!(SpaceKeys::generate().open(b"here", &sealed), Err(Error::Damaged(_))));
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(keys.open(b"here", &altered).is_err(), "byte {at}");
        }
        assert!(keys.open(b"here", &sealed[..OVERHEAD - 1]).is_err());
    }

    #[test]
    fn only_seven_lengths_are_seen_from_outside() {
        let keys = SpaceKeys::generate();
        for (len, size) in [(0, 64), (63, 64), (64, 128), (2047, 2048), (2048, 4056), (4055, 4056)]
        {
            let sealed = keys.seal(b"k", &vec![0x80; len]).unwrap();
            assert_eq!(sealed.len(), size + OVERHEAD);
            assert_eq!(keys.open(b"k", &sealed).unwrap().len(), len);
        }
        assert!(matches!(keys.seal(b"k", &[0; ROW_MAX + 1]), Err(Error::TooLarge)));
    }

    #[test]
    fn keys_do_not_show_in_debug() {
        assert_eq!(format!("{:?}", Key::new([7; 32])), "Key(..)");
        assert_eq!(format!("{:?}", SpaceKeys::generate()), "SpaceKeys(..)");
    }
}
