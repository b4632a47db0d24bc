//! One group's keys, and which rows are sealed with which.
//!
//! ```text
//! rows     what may stay as long as the group does: headers, ops, cards, places
//! state    what is being written, what is not signed yet, and what admits: a new key every day
//! bodies   what people said: one key for all that ends on one day, in its bucket
//! ```
//!
//! sled keeps what was removed and what was replaced. So what is to be forgotten is sealed with a key that
//! can be: a bucket's key goes when its day is over. When single words are taken back before that, all that
//! is to stay is sealed anew and the key goes ([`Store::forget`](crate::Store::forget)).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use proto::Member;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::rows::{BODY, DRAFT, INVITE, OUTBOX, Place, Table};
use crate::seal::{Ring, Sealer, SpaceKeys};

const DAY_MS: u64 = 24 * 3600 * 1000;
/// Bodies that never end by time share a key with those that came in the same week or so.
const KEPT: u32 = 1 << 31;
const KEPT_DAYS: u32 = 8;
/// Ends farther off than this share a key with others that are near: an author chooses the end, and must
/// not be able to make us keep any number of keys.
const NEAR_DAYS: u32 = 400;
const FAR_DAYS: u32 = 32;
/// What ends still later is kept like what never ends.
const FAR_MAX_DAYS: u32 = 3_000;
const LIFE_SHIFT: u32 = 16;
const LIFE_MAX: u32 = 0x7fff;
const DAY_MAX: u32 = 0xffff;

/// Which bodies are forgotten together.
///
/// ```text
/// | kept (1 bit) | life (15 bits) | day (16 bits) |
/// ```
///
/// They end on that day since 1970 or, if it is far off, up to 31 days before it; kept ones never end and came
/// in that week of eight days. A life ends whenever the clock is set back, for a day that was over may then
/// come again. At most some five hundred of one life and group are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Bucket(u32);

impl Bucket {
    /// The bucket of a body that ends then and came then, in milliseconds since 1970.
    fn of(ends_ms: Option<u64>, first_seen_ms: u64, life: u32) -> Self {
        let came = day_of(first_seen_ms);
        let bucket = match ends_ms.map(day_of) {
            Some(end) if end <= came.saturating_add(NEAR_DAYS) => end,
            Some(end) if end <= came.saturating_add(FAR_MAX_DAYS) => {
                end.next_multiple_of(FAR_DAYS).min(DAY_MAX)
            }
            Some(_) | None => KEPT | (came / KEPT_DAYS),
        };
        Self(bucket | (life.min(LIFE_MAX) << LIFE_SHIFT))
    }

    /// Its number, which no other bucket and not [`Slot::State`] has.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// Whether all of it has ended when this day begins.
    const fn is_before(self, today: u32) -> bool {
        self.0 < KEPT && (self.0 & DAY_MAX) < today
    }
}

/// The day since 1970 of a time in milliseconds; below 2^16, which is in the year 2149.
pub(crate) fn day_of(ms: u64) -> u32 {
    let day = ms.checked_div(DAY_MS).and_then(|day| u32::try_from(day).ok());
    day.unwrap_or(DAY_MAX).min(DAY_MAX)
}

/// What of a group is sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// What is being written, what is not signed, and what admits.
    State,
    /// The bodies of a bucket.
    Bodies(Bucket),
}

impl Slot {
    const STATE: u32 = u32::MAX;

    /// How it is named in [`ERASE`](crate::rows::ERASE) rows.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::State => Self::STATE,
            Self::Bodies(bucket) => bucket.number(),
        }
    }

    pub(crate) const fn from_number(number: u32) -> Self {
        match number {
            Self::STATE => Self::State,
            number => Self::Bodies(Bucket(number)),
        }
    }
}

/// One group's keys, and who this device is in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GroupKeys {
    pub(crate) keys: SpaceKeys,
    pub(crate) me: Member,
    /// Changed by the writer alone, and never while someone reads rows.
    rings: RwLock<Rings>,
    /// How often ops or cards were committed since the profile was opened.
    #[serde(skip)]
    pub(crate) version: AtomicU64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rings {
    state: Ring,
    /// The day on which `state` was drawn.
    state_day: u32,
    /// By the name that a bucket has in row keys.
    bodies: BTreeMap<[u8; 8], (Bucket, Ring)>,
    /// What ends before this day has ended.
    today: u32,
    /// How often the clock was set back to an earlier day.
    life: u32,
}

impl GroupKeys {
    pub(crate) fn generate(me: Member) -> Self {
        let bodies = BTreeMap::new();
        let rings = Rings { state: Ring::generate(), state_day: 0, bodies, today: 0, life: 0 };
        let version = AtomicU64::new(0);
        Self { keys: SpaceKeys::generate(), me, rings: RwLock::new(rings), version }
    }

    fn rings(&self) -> RwLockReadGuard<'_, Rings> {
        self.rings.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rings_mut(&self) -> RwLockWriteGuard<'_, Rings> {
        self.rings.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bucket of a body that ends then and comes then, in milliseconds since 1970.
    pub(crate) fn bucket(&self, ends_ms: Option<u64>, first_seen_ms: u64) -> Bucket {
        Bucket::of(ends_ms, first_seen_ms, self.rings().life)
    }

    /// What stands for a slot in the keys of this table. No number does: from one that is known, and how
    /// far others are from it, whoever holds the disk would read dates.
    pub(crate) fn name_in(&self, table: Table, slot: Slot) -> [u8; 8] {
        let mut id = [0; 32];
        id.iter_mut().zip(slot.number().to_be_bytes()).for_each(|(to, from)| *to = from);
        self.keys.name(table.tag(), &id, &[]).first_chunk().copied().unwrap_or_default()
    }

    fn name_of(&self, bucket: Bucket) -> [u8; 8] {
        self.name_in(BODY, Slot::Bodies(bucket))
    }

    /// The key of an entry's body in a bucket.
    pub(crate) fn body_key(&self, place: &Place, bucket: Bucket) -> Vec<u8> {
        let name = place.name(&self.keys, BODY);
        BODY.key(&self.keys, &[self.name_of(bucket).as_slice(), &name].concat())
    }

    /// Whether bodies of this bucket can be read and written.
    pub(crate) fn holds(&self, bucket: Bucket) -> bool {
        self.rings().bodies.contains_key(&self.name_of(bucket))
    }

    /// Whether a row of [`BODY`] is in a bucket that can be read.
    pub(crate) fn holds_row(&self, key: &[u8]) -> bool {
        bucket_name(key).is_some_and(|name| self.rings().bodies.contains_key(&name))
    }

    /// Whether the bucket's day is over.
    pub(crate) fn has_ended(&self, bucket: Bucket) -> bool {
        bucket.is_before(self.rings().today)
    }

    /// Draws a key for each bucket that has none and has not ended; gives those.
    pub(crate) fn add(&self, buckets: &BTreeSet<Bucket>) -> Vec<Bucket> {
        let mut rings = self.rings_mut();
        let today = rings.today;
        let mut added = Vec::new();
        for bucket in buckets.iter().copied() {
            let name = self.name_of(bucket);
            if !bucket.is_before(today) && !rings.bodies.contains_key(&name) {
                rings.bodies.insert(name, (bucket, Ring::generate()));
                added.push(bucket);
            }
        }
        added
    }

    /// Takes keys away that were never used.
    pub(crate) fn withdraw(&self, buckets: &[Bucket]) {
        self.rings_mut().bodies.retain(|_, (bucket, _)| !buckets.contains(bucket));
    }

    /// It is this day: wipes the keys of all that ended before it. Whether there were any.
    pub(crate) fn end_before(&self, today: u32) -> bool {
        let mut rings = self.rings_mut();
        if today < rings.today {
            rings.life = rings.life.saturating_add(1);
        }
        rings.today = today;
        let before = rings.bodies.len();
        rings.bodies.retain(|_, (bucket, _)| !bucket.is_before(today));
        rings.bodies.len() < before
    }

    /// Whether what is written and what admits is still under the key of another day.
    pub(crate) fn is_state_old(&self, today: u32) -> bool {
        self.rings().state_day != today
    }

    /// Whether a slot has an old key still, because sealing it anew was cut off.
    pub(crate) fn is_unfinished(&self, slot: Slot) -> bool {
        let rings = self.rings();
        match slot {
            Slot::State => rings.state.is_unfinished(),
            Slot::Bodies(bucket) => {
                let held = rings.bodies.get(&self.name_of(bucket));
                held.is_some_and(|(_, ring)| ring.is_unfinished())
            }
        }
    }

    /// Draws the keys with which these are sealed from now on; the old ones still open.
    pub(crate) fn renew(&self, slots: &[Slot]) {
        self.each(slots, Ring::renew);
    }

    /// Takes back what [`Self::renew`] drew, which was not used.
    pub(crate) fn withdraw_renewed(&self, slots: &[Slot]) {
        self.each(slots, Ring::withdraw);
    }

    /// Wipes the old keys: everything was sealed anew.
    pub(crate) fn forget_old(&self, slots: &[Slot]) {
        self.each(slots, Ring::forget_old);
        if slots.contains(&Slot::State) {
            let mut rings = self.rings_mut();
            rings.state_day = rings.today;
        }
    }

    fn each(&self, slots: &[Slot], change: impl Fn(&mut Ring)) {
        let mut rings = self.rings_mut();
        for slot in slots {
            match slot {
                Slot::State => change(&mut rings.state),
                Slot::Bodies(bucket) => {
                    let held = rings.bodies.get_mut(&self.name_of(*bucket));
                    held.into_iter().for_each(|(_, ring)| change(ring));
                }
            }
        }
    }

    /// Calls `with` with the ring of a row, if it is not under the keys that stay.
    fn with_ring<T>(&self, key: &[u8], with: impl FnOnce(Option<&Ring>) -> T) -> Option<T> {
        let tag = key.first().copied();
        let rings = self.rings();
        if tag == Some(BODY.tag()) {
            let held = bucket_name(key).and_then(|name| rings.bodies.get(&name));
            Some(with(held.map(|(_, ring)| ring)))
        } else if [OUTBOX, INVITE, DRAFT].iter().any(|table| tag == Some(table.tag())) {
            Some(with(Some(&rings.state)))
        } else {
            None
        }
    }
}

/// The part of a [`BODY`] row's key that names the bucket.
pub(crate) fn bucket_name(key: &[u8]) -> Option<[u8; 8]> {
    key.get(9..)?.first_chunk().copied()
}

#[cfg(test)]
impl GroupKeys {
    /// Whether any key at all opens a row.
    pub(crate) fn can_open(&self, key: &[u8], sealed: &[u8]) -> bool {
        let rings = self.rings();
        let mut bodies = rings.bodies.values();
        self.keys.open(key, sealed).is_ok()
            || rings.state.open(key, sealed).is_ok()
            || bodies.any(|(_, ring)| ring.open(key, sealed).is_ok())
    }
}

impl Sealer for GroupKeys {
    fn seal(&self, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let sealed = self.with_ring(key, |ring| match ring {
            Some(ring) => ring.seal(key, bytes),
            None => Err(Error::damaged("a body has no key")),
        });
        sealed.unwrap_or_else(|| self.keys.seal(key, bytes))
    }

    fn open(&self, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let opened = self.with_ring(key, |ring| match ring {
            Some(ring) => ring.open(key, sealed),
            None => Err(Error::damaged("a body has no key")),
        });
        opened.unwrap_or_else(|| self.keys.open(key, sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_on_one_day_is_in_one_bucket_and_far_ends_are_few() {
        let day = |n: u64| n * DAY_MS;
        let of = |ends, came| Bucket::of(Some(ends), came, 0);
        assert_eq!(of(day(20_030), day(20_000)), of(day(20_031) - 1, day(20_001)));
        assert_ne!(of(day(20_030), day(20_000)), of(day(20_031), day(20_000)));
        assert_ne!(of(day(20_030), 0), Bucket::of(Some(day(20_030)), 0, 1), "another life");
        assert!(!of(day(20_030), day(20_000)).is_before(20_030));
        assert!(Bucket::of(Some(day(20_030)), day(20_000), 77).is_before(20_031));
        let far: BTreeSet<_> = (0..60_000).map(|n| of(day(20_000 + n), day(20_000))).collect();
        assert!(far.len() < 500, "{} buckets", far.len());
        for n in 0..60_000 {
            let bucket = of(day(20_000 + n), day(20_000));
            let end = u32::try_from(20_000 + n).unwrap().min(DAY_MAX);
            assert!(!bucket.is_before(end), "never too early");
        }
        let kept = Bucket::of(None, day(20_000), 0);
        assert_eq!(kept, of(u64::MAX, day(20_001)));
        assert!(!kept.is_before(u32::MAX));
        assert_ne!(kept, Bucket::of(None, day(20_008), 0));
        for slot in [Slot::State, Slot::Bodies(kept), Slot::Bodies(of(0, 0))] {
            assert_eq!(Slot::from_number(slot.number()), slot);
        }
    }
}
