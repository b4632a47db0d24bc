//! The header: what a passphrase opens. Two files say the same, so that one may be lost.
//!
//! ```text
//! | "KithHdr1" | schema (2) | generation (8) | m (4) | t (4) | salt (32) | 8 slots of 128 | random | BLAKE3 (32) |
//! slot = seal(KEK, m t salt, MK | zeros)        4,096 bytes in all; numbers big-endian
//! ```
//!
//! Slots that are not used hold random bytes, so that nobody can count passphrases. The checksum covers
//! the whole file (a sealed slot is no secret): what fails it is damaged, and what passes it and opens
//! no slot is a wrong passphrase.

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::seal::{self, Key, OVERHEAD};

/// Version of what a vault holds. A greater one is [`Error::Newer`], a smaller one [`Error::Older`].
pub(crate) const SCHEMA: u16 = 2;

const FILES: [&str; 2] = ["hdr.a", "hdr.b"];
const LEN: usize = 4096;
const MAGIC: &[u8; 8] = b"KithHdr1";
const SLOT: usize = 128;
const SLOTS: usize = 8;
/// What a slot seals: the master key and zeros to the slot's length.
const SLOT_PLAIN: usize = SLOT - OVERHEAD;

/// About how long a passphrase takes to try, chosen when a vault is made.
const TARGET: Duration = Duration::from_secs(1);
const T_MAX: u32 = 64;

/// What Argon2id costs, with one lane (RFC 9106; `p` only matters where lanes run at once).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Memory, in KiB.
    m_kib: u32,
    /// Passes.
    t: u32,
}

impl Cost {
    /// The least that is ever used: 64 MiB and three passes (docs/architecture.md, "What is on the disk").
    pub(crate) const FLOOR: Self = Self { m_kib: 64 * 1024, t: 3 };
    /// The most memory that is ever used: other programs want to live, and so do phones.
    const M_KIB_MAX: u32 = 256 * 1024;

    /// What takes about [`TARGET`] on this machine, by one run at the floor.
    pub(crate) fn calibrated() -> Result<Self, Error> {
        let start = Instant::now();
        Self::FLOOR.derive("", &[0; 32])?;
        Ok(Self::for_floor_of(start.elapsed()))
    }

    /// Raises memory first and passes after it, as far as a run at the floor that took `floor` allows.
    fn for_floor_of(floor: Duration) -> Self {
        let times = TARGET.as_millis().checked_div(floor.as_millis()).unwrap_or(u128::MAX);
        let times = u32::try_from(times).unwrap_or(u32::MAX).max(1);
        let m_kib = Self::FLOOR.m_kib.saturating_mul(times).min(Self::M_KIB_MAX);
        let left = times.checked_div(m_kib / Self::FLOOR.m_kib).unwrap_or(1);
        Self { m_kib, t: Self::FLOOR.t.saturating_mul(left).min(T_MAX) }
    }

    /// Bounded both ways: a header may be written by whoever holds the disk.
    fn is_sane(self) -> bool {
        (Self::FLOOR.m_kib..=Self::M_KIB_MAX).contains(&self.m_kib)
            && (Self::FLOOR.t..=T_MAX).contains(&self.t)
    }

    fn derive(self, passphrase: &str, salt: &[u8; 32]) -> Result<Key, Error> {
        // The parameters are sane, so that only memory can be short.
        let refused = |error: argon2::Error| {
            Error::Io(io::Error::new(io::ErrorKind::OutOfMemory, error.to_string()))
        };
        let params = Params::new(self.m_kib, self.t, 1, Some(32)).map_err(refused)?;
        let mut kek = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), salt, &mut *kek)
            .map_err(refused)?;
        Ok(Key::new(*kek))
    }
}

/// One header, valid or about to be written.
pub(super) struct Header {
    generation: u64,
    cost: Cost,
    salt: [u8; 32],
    slots: Vec<[u8; SLOT]>,
}

impl Header {
    /// A header with one passphrase, in a slot of its own choosing.
    pub(super) fn new(passphrase: &str, master: &Key, cost: Cost) -> Result<Self, Error> {
        let salt = seal::random();
        let kek = cost.derive(passphrase, &salt)?;
        let mut slots: Vec<[u8; SLOT]> = (0..SLOTS).map(|_| seal::random()).collect();
        let sealed = slot_of(&kek, master, (cost, &salt))?;
        let chosen = rand::random_range(0..SLOTS);
        slots.iter_mut().skip(chosen).take(1).for_each(|slot| *slot = sealed);
        Ok(Self { generation: 1, cost, salt, slots })
    }

    /// The master key, if the passphrase opens any slot.
    pub(super) fn open(&self, passphrase: &str) -> Result<Key, Error> {
        self.find(passphrase).map(|(_, master)| master)
    }

    /// A header in which `new` opens the slot that `old` did, and nothing else is different.
    pub(super) fn changed(&self, old: &str, new: &str) -> Result<Self, Error> {
        let (at, master) = self.find(old)?;
        let kek = self.cost.derive(new, &self.salt)?;
        let mut slots = self.slots.clone();
        let sealed = slot_of(&kek, &master, (self.cost, &self.salt))?;
        slots.iter_mut().skip(at).take(1).for_each(|slot| *slot = sealed);
        let generation = self.generation.saturating_add(1);
        Ok(Self { generation, cost: self.cost, salt: self.salt, slots })
    }

    fn find(&self, passphrase: &str) -> Result<(usize, Key), Error> {
        let kek = self.cost.derive(passphrase, &self.salt)?;
        let bound = bound_to(self.cost, &self.salt);
        let opened = self.slots.iter().map(|slot| kek.open_at(&bound, slot)).enumerate();
        let found = opened.filter_map(|(at, plain)| Some((at, plain?))).next();
        let (at, plain) = found.ok_or(Error::WrongPassphrase)?;
        let master = plain.first_chunk().ok_or_else(|| Error::damaged("a header slot"))?;
        Ok((at, Key::new(*master)))
    }

    /// Writes both files, one after the other, so that one is whole at any time.
    pub(super) fn write_both(&self, home: &Path) -> Result<(), Error> {
        for (name, generation) in FILES.into_iter().zip(self.generation..) {
            super::replace_file(home, name, &self.encode(generation))?;
        }
        Ok(())
    }

    /// The newest valid header, and whether both are valid and say the same.
    pub(super) fn read(home: &Path) -> Result<(Self, bool), Error> {
        let mut valid = Vec::new();
        let mut here = false;
        for name in FILES {
            match fs::read(home.join(name)) {
                Ok(bytes) => {
                    here = true;
                    match Self::decode(&bytes) {
                        Err(Error::Damaged(_)) => {}
                        header => valid.push(header?),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        let twins = match valid.as_slice() {
            [one, other] => one.salt == other.salt && one.slots == other.slots,
            _ => false,
        };
        match valid.into_iter().max_by_key(|header| header.generation) {
            Some(newest) => Ok((newest, twins)),
            None if here => Err(Error::damaged("both headers")),
            None => Err(Error::NoProfile),
        }
    }

    fn encode(&self, generation: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&SCHEMA.to_be_bytes());
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&self.cost.m_kib.to_be_bytes());
        bytes.extend_from_slice(&self.cost.t.to_be_bytes());
        bytes.extend_from_slice(&self.salt);
        self.slots.iter().for_each(|slot| bytes.extend_from_slice(slot));
        let filler = seal::random::<LEN>();
        let left = LEN.saturating_sub(bytes.len()).saturating_sub(blake3::OUT_LEN);
        bytes.extend(filler.into_iter().take(left));
        bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (body, sum) = bytes.split_last_chunk().ok_or_else(damaged)?;
        if bytes.len() != LEN || blake3::hash(body) != blake3::Hash::from_bytes(*sum) {
            return Err(damaged());
        }
        let mut rest = body;
        if take::<8>(&mut rest)? != *MAGIC {
            return Err(damaged());
        }
        match u16::from_be_bytes(take(&mut rest)?).cmp(&SCHEMA) {
            Ordering::Less => return Err(Error::Older),
            Ordering::Equal => {}
            Ordering::Greater => return Err(Error::Newer),
        }
        let generation = u64::from_be_bytes(take(&mut rest)?);
        let m_kib = u32::from_be_bytes(take(&mut rest)?);
        let cost = Cost { m_kib, t: u32::from_be_bytes(take(&mut rest)?) };
        let salt = take(&mut rest)?;
        let slots = (0..SLOTS).map(|_| take(&mut rest)).collect::<Result<_, _>>()?;
        if !cost.is_sane() {
            return Err(damaged());
        }
        Ok(Self { generation, cost, salt, slots })
    }
}

/// Whether there is a header, whole or not.
pub(super) fn exists(home: &Path) -> bool {
    FILES.iter().any(|name| home.join(name).exists())
}

/// The names of both files.
pub(super) const fn files() -> [&'static str; 2] {
    FILES
}

/// A slot that opens to the master key.
fn slot_of(kek: &Key, master: &Key, (cost, salt): (Cost, &[u8; 32])) -> Result<[u8; SLOT], Error> {
    let mut plain = Zeroizing::new([0; SLOT_PLAIN]);
    plain.iter_mut().zip(master.bytes()).for_each(|(to, from)| *to = *from);
    let sealed = kek.seal_at(&bound_to(cost, salt), &mut *plain)?;
    <[u8; SLOT]>::try_from(sealed).map_err(|_length| Error::TooLarge)
}

fn bound_to(cost: Cost, salt: &[u8; 32]) -> Vec<u8> {
    [b"slot".as_slice(), &cost.m_kib.to_be_bytes(), &cost.t.to_be_bytes(), salt].concat()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (taken, left) = rest.split_first_chunk().ok_or_else(damaged)?;
    *rest = left;
    Ok(*taken)
}

fn damaged() -> Error {
    Error::damaged("a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_rises_with_the_machine_and_never_falls_below_the_floor() {
        for (floor_ms, m_mib, t) in
            [(5000, 64, 3), (900, 64, 3), (400, 128, 3), (250, 256, 3), (100, 256, 6), (0, 256, 64)]
        {
            let cost = Cost::for_floor_of(Duration::from_millis(floor_ms));
            assert_eq!(cost, Cost { m_kib: m_mib * 1024, t }, "floor took {floor_ms} ms");
            assert!(cost.is_sane());
        }
    }

    #[test]
    fn every_changed_byte_of_a_header_is_damage_and_not_a_wrong_passphrase() {
        let header = Header::new("p", &Key::new([7; 32]), Cost::FLOOR).unwrap();
        let bytes = header.encode(1);
        assert_eq!(bytes.len(), LEN);
        assert!(Header::decode(&bytes).is_ok());
        for at in 0..LEN {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(matches!(Header::decode(&altered), Err(Error::Damaged(_))), "byte {at}");
        }
        assert!(Header::decode(&bytes[1..]).is_err());
        assert!(Header::decode(&[]).is_err());
    }

    #[test]
    fn a_change_of_passphrase_is_one_slot() {
        let header = Header::new("old", &Key::new([7; 32]), Cost::FLOOR).unwrap();
        assert!(matches!(header.changed("wrong", "new"), Err(Error::WrongPassphrase)));
        let changed = header.changed("old", "new").unwrap();
        let slots = header.slots.iter().zip(&changed.slots);
        assert_eq!(slots.filter(|(one, other)| one != other).count(), 1);
        assert_eq!((changed.salt, changed.cost), (header.salt, header.cost));
        assert_eq!(changed.open("new").unwrap().bytes(), &[7; 32]);
        assert!(matches!(changed.open("old"), Err(Error::WrongPassphrase)));
    }

    #[test]
    fn a_header_of_another_build_is_told_from_a_damaged_one() {
        let header = Header::new("p", &Key::new([7; 32]), Cost::FLOOR).unwrap();
        let mut bytes = header.encode(1);
        let mut decoded = |schema: u16| {
            bytes[8..10].copy_from_slice(&schema.to_be_bytes());
            let sum = *blake3::hash(&bytes[..LEN - 32]).as_bytes();
            bytes[LEN - 32..].copy_from_slice(&sum);
            Header::decode(&bytes)
        };
        assert!(matches!(decoded(SCHEMA + 1), Err(Error::Newer)));
        assert!(matches!(decoded(SCHEMA - 1), Err(Error::Older)));
        assert!(decoded(SCHEMA).is_ok());
    }
}
