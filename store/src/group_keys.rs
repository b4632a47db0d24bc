//! One group's keys, and which rows are sealed with which.
//!
//! ```text
//! rows     what may stay as long as the group does: headers, ops, cards, places
//! state    what is written and not signed yet, and what admits: a new key every day
//! bodies   what people said: one key for all that ends on one day, in its bucket
//! ```
//!
//! sled keeps what was removed and what was replaced. So what is to be forgotten is sealed with a key that
//! can be: a bucket's key goes when its day is over. When single words are taken back before that, all that
//! is to stay is sealed anew and the key goes ([`Store::forget`](crate::Store::forget)).

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use proto::Member;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::rows::{BODY, INVITE, OUTBOX, Table};
use crate::seal::{Ring, Sealer, SpaceKeys};

const DAY_MS: u64 = 24 * 3600 * 1000;
/// Bodies that never end by time share a key with those that came in the same week or so.
const KEPT: u32 = 1 << 31;
const KEPT_DAYS: u32 = 8;
/// Ends farther off than this share a key with others that are near: an author chooses the end, and must
/// not be able to make us keep any number of keys.
const NEAR_DAYS: u32 = 400;
const FAR_DAYS: u32 = 32;
/// What ends after half a century is kept like what never ends.
const FAR_MAX_DAYS: u32 = 20_000;

/// Which bodies are forgotten together: a day since 1970 on which they end or, from 2^31 on, eight days in
/// which those came that never end. At most some thousand of one group are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Bucket(u32);

impl Bucket {
    /// The bucket of a body that ends then and came then, in milliseconds since 1970.
    pub(crate) fn of(ends_ms: Option<u64>, first_seen_ms: u64) -> Self {
        let came = day_of(first_seen_ms);
        match ends_ms.map(day_of) {
            Some(end) if end <= came.saturating_add(NEAR_DAYS) => Self(end),
            Some(end) if end <= came.saturating_add(FAR_MAX_DAYS) => {
                Self(end.next_multiple_of(FAR_DAYS))
            }
            Some(_) | None => Self(KEPT | (came / KEPT_DAYS)),
        }
    }

    /// By this its rows stand in [`BODY`].
    pub(crate) fn number(self) -> u64 {
        self.0.into()
    }

    pub(crate) fn from_number(number: u64) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }

    /// Whether all of it has ended when this day begins.
    const fn is_before(self, today: u32) -> bool {
        self.0 < KEPT && self.0 < today
    }
}

/// The day since 1970 of a time in milliseconds; below 2^31.
pub(crate) fn day_of(ms: u64) -> u32 {
    let day = ms.checked_div(DAY_MS).and_then(|day| u32::try_from(day).ok());
    day.unwrap_or(u32::MAX).min(KEPT.saturating_sub(1))
}

/// What of a group is sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    State,
    Bodies(Bucket),
}

/// One group's keys, and who this device is in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GroupKeys {
    pub(crate) keys: SpaceKeys,
    pub(crate) me: Member,
    /// Changed by the writer alone, and never while someone reads rows.
    rings: RwLock<Rings>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rings {
    state: Ring,
    /// The day on which `state` was drawn.
    state_day: u32,
    bodies: BTreeMap<Bucket, Ring>,
    /// What ends before this day has ended for good, whatever the clock says later.
    today: u32,
}

impl GroupKeys {
    pub(crate) fn generate(me: Member) -> Self {
        let bodies = BTreeMap::new();
        let rings = Rings { state: Ring::generate(), state_day: 0, bodies, today: 0 };
        Self { keys: SpaceKeys::generate(), me, rings: RwLock::new(rings) }
    }

    fn rings(&self) -> RwLockReadGuard<'_, Rings> {
        self.rings.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rings_mut(&self) -> RwLockWriteGuard<'_, Rings> {
        self.rings.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether bodies of this bucket can be read and written.
    pub(crate) fn holds(&self, bucket: Bucket) -> bool {
        self.rings().bodies.contains_key(&bucket)
    }

    /// Whether the bucket's day is over.
    pub(crate) fn has_ended(&self, bucket: Bucket) -> bool {
        bucket.is_before(self.rings().today)
    }

    /// Draws a key for each bucket that has none and has not ended; gives those.
    pub(crate) fn add(&self, buckets: impl IntoIterator<Item = Bucket>) -> Vec<Bucket> {
        let mut rings = self.rings_mut();
        let today = rings.today;
        let mut added = Vec::new();
        for bucket in buckets {
            if !bucket.is_before(today) && !rings.bodies.contains_key(&bucket) {
                rings.bodies.insert(bucket, Ring::generate());
                added.push(bucket);
            }
        }
        added
    }

    /// Takes keys away that were never used.
    pub(crate) fn withdraw(&self, buckets: &[Bucket]) {
        self.rings_mut().bodies.retain(|bucket, _| !buckets.contains(bucket));
    }

    /// Wipes the keys of all that ended before this day; whether there were any.
    pub(crate) fn end_before(&self, today: u32) -> bool {
        let mut rings = self.rings_mut();
        rings.today = rings.today.max(today);
        let before = rings.bodies.len();
        rings.bodies.retain(|bucket, _| !bucket.is_before(today));
        rings.bodies.len() < before
    }

    /// Whether what is written and what admits is still under the key of a day before this one.
    pub(crate) fn is_state_old(&self, today: u32) -> bool {
        self.rings().state_day < today
    }

    /// Draws the keys with which these are sealed from now on; the old ones still open.
    pub(crate) fn renew(&self, slots: &[Slot]) {
        self.each(slots, Ring::renew);
    }

    /// Takes back what [`Self::renew`] drew, which was not used.
    pub(crate) fn withdraw_renewed(&self, slots: &[Slot]) {
        self.each(slots, Ring::withdraw);
    }

    /// Wipes the old keys: everything was sealed anew, on this day.
    pub(crate) fn forget_old(&self, slots: &[Slot], today: u32) {
        self.each(slots, Ring::forget_old);
        if slots.contains(&Slot::State) {
            let mut rings = self.rings_mut();
            rings.state_day = rings.state_day.max(today);
        }
    }

    fn each(&self, slots: &[Slot], change: impl Fn(&mut Ring)) {
        let mut rings = self.rings_mut();
        for slot in slots {
            match slot {
                Slot::State => change(&mut rings.state),
                Slot::Bodies(bucket) => {
                    rings.bodies.get_mut(bucket).into_iter().for_each(&change);
                }
            }
        }
    }

    /// The bucket in which a row of [`BODY`] stands.
    pub(crate) fn bucket_of(&self, key: &[u8]) -> Option<Bucket> {
        let moved = Table::number(key)?;
        Bucket::from_number(moved.checked_sub(self.keys.distance(BODY.tag()))?)
    }

    /// Calls `with` with the ring of a row, if it is not under the keys that stay.
    fn with_ring<T>(&self, key: &[u8], with: impl FnOnce(Option<&Ring>) -> T) -> Option<T> {
        let tag = key.first().copied();
        let rings = self.rings();
        if tag == Some(BODY.tag()) {
            let ring = self.bucket_of(key).and_then(|bucket| rings.bodies.get(&bucket));
            Some(with(ring))
        } else if tag == Some(OUTBOX.tag()) || tag == Some(INVITE.tag()) {
            Some(with(Some(&rings.state)))
        } else {
            None
        }
    }
}

#[cfg(test)]
impl GroupKeys {
    /// Whether any key at all opens a row.
    pub(crate) fn can_open(&self, key: &[u8], sealed: &[u8]) -> bool {
        let rings = self.rings();
        let mut bodies = rings.bodies.values();
        self.keys.open(key, sealed).is_ok()
            || rings.state.open(key, sealed).is_ok()
            || bodies.any(|ring| ring.open(key, sealed).is_ok())
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
        let of = |ends, came| Bucket::of(Some(ends), came);
        assert_eq!(of(day(20_030), day(20_000)), of(day(20_031) - 1, day(20_001)));
        assert_ne!(of(day(20_030), day(20_000)), of(day(20_031), day(20_000)));
        assert!(!of(day(20_030), 0).is_before(20_030));
        assert!(of(day(20_030), day(20_000)).is_before(20_031));
        let far: std::collections::BTreeSet<_> =
            (0..30_000).map(|n| of(day(20_000 + n), day(20_000))).collect();
        assert!(far.len() < 1_100, "{} buckets", far.len());
        for n in 0..30_000 {
            let bucket = of(day(20_000 + n), day(20_000));
            assert!(!bucket.is_before(20_000 + u32::try_from(n).unwrap()), "never too early");
        }
        let kept = Bucket::of(None, day(20_000));
        assert_eq!(kept, of(u64::MAX, day(20_001)));
        assert!(!kept.is_before(u32::MAX));
        assert_ne!(kept, Bucket::of(None, day(20_008)));
    }
}
