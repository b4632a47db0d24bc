//! What ends: days, single words, whole groups. The keys go, whatever sled keeps of the rows.

use std::sync::Arc;

use proto::GroupId;

use crate::engine::{BATCH_MAX, Batch, Dir};
use crate::error::Error;
use crate::group_keys::{Bucket, GroupKeys, Slot, day_of};
use crate::record;
use crate::rows::{BODY, DRAFT, ERASE, INVITE, NOTE, NoteRecord, OUTBOX, Table};
use crate::seal::Sealer as _;
use crate::writer::Store;

/// Rows that are looked at together.
const CHUNK: usize = 64;

/// What of one group is to be sealed with other keys.
type Work = (Arc<GroupKeys>, Vec<Slot>);

impl Store {
    /// Makes unreadable for good some of what was taken back or replaced, as far as the disk lets us: what
    /// stays beside it is sealed anew, and the old keys go. Whether there was anything; then there may be
    /// more. Takes as long as sealing all that ends on one day. A crash in between is made good at the next
    /// call.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn forget(&mut self) -> Result<bool, Error> {
        if !self.must_forget {
            return Ok(false);
        }
        for group in self.shared.groups() {
            let (from, to) = (ERASE.start(&group.keys), ERASE.end(&group.keys));
            let rows = self.shared.engine().scan(&from, &to, Dir::Up, 1)?;
            let Some((key, _)) = rows.into_iter().next() else { continue };
            let slot = record::read::<u32>(self.shared.engine(), &*group, &key)?;
            let mut slots = vec![Slot::State];
            slots.extend(slot.map(Slot::from_number).filter(|slot| *slot != Slot::State));
            self.renew(&[(group, slots)])?;
            self.remove_rows(vec![key])?;
            return Ok(true);
        }
        self.sweep_if_due()?;
        self.must_forget = false;
        Ok(false)
    }

    /// It is this time, in milliseconds since 1970: ends what is over. Of each day before this one the bodies
    /// that end on it can be read by nobody any more, not even with all that is left on the disk and the
    /// passphrase; those that ended more than 400 days after they came, up to 31 days later. The keys of what
    /// is being written or not signed, and of invitations, are drawn anew every day. Gives the groups in which
    /// something ended. A clock that is wrong ends what it takes for over, for good.
    ///
    /// # Errors
    /// As [`Self::commit`]; the next call makes it good.
    pub fn end_days(&mut self, now_ms: u64) -> Result<Vec<GroupId>, Error> {
        let today = day_of(now_ms);
        let groups = self.shared.groups();
        let ended: Vec<GroupId> = {
            let _alone = self.shared.alone();
            let ended = groups.iter().filter(|group| group.end_before(today));
            ended.map(|group| group.me.group).collect()
        };
        if !ended.is_empty() {
            self.must_sweep = true;
            self.is_vault_behind = true;
        }
        if self.is_vault_behind {
            self.write_vault()?;
        }
        let old = groups.into_iter().filter(|group| group.is_state_old(today));
        let work: Vec<Work> = old.map(|group| (group, vec![Slot::State])).collect();
        if !work.is_empty() {
            self.renew(&work)?;
        }
        self.sweep_if_due()?;
        Ok(ended)
    }

    /// Erases a group from this device: its keys first, so that nothing of it opens any more, then its rows
    /// and notices. What a crash leaves of those is not shown, and goes with the next [`Self::forget`].
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`]; else as [`Self::commit`].
    pub fn erase_group(&mut self, group: &GroupId) -> Result<(), Error> {
        self.shared.group(group)?;
        self.shared.remove_group(group);
        self.unfinished.retain(|left| left.me.group != *group);
        self.arrivals.remove(group);
        self.must_sweep = true;
        self.write_vault()?;
        self.sweep_if_due()
    }

    /// Seals everything in these slots with new keys; the old ones are gone when it returns.
    fn renew(&mut self, work: &[Work]) -> Result<(), Error> {
        // What was cut off is finished first: a ring never has more than two keys.
        let unfinished: Vec<Work> = work
            .iter()
            .map(|(group, slots)| {
                let slots = slots.iter().copied().filter(|slot| group.is_unfinished(*slot));
                (Arc::clone(group), slots.collect::<Vec<_>>())
            })
            .filter(|(_, slots)| !slots.is_empty())
            .collect();
        if !unfinished.is_empty() {
            self.finish_renewing(&unfinished)?;
        }
        for (group, slots) in work {
            group.renew(slots);
        }
        // Durable before the first use.
        if let Err(error) = self.write_vault() {
            work.iter().for_each(|(group, slots)| group.withdraw_renewed(slots));
            return Err(error);
        }
        self.finish_renewing(work)
    }

    fn finish_renewing(&mut self, work: &[Work]) -> Result<(), Error> {
        for (group, slots) in work {
            for slot in slots {
                self.seal_anew(group, *slot)?;
            }
        }
        {
            let _alone = self.shared.alone();
            for (group, slots) in work {
                group.forget_old(slots);
            }
        }
        self.write_vault()
    }

    fn sweep_if_due(&mut self) -> Result<(), Error> {
        if self.must_sweep {
            self.sweep()?;
            self.must_sweep = false;
        }
        Ok(())
    }

    fn seal_anew(&self, group: &GroupKeys, slot: Slot) -> Result<(), Error> {
        let keys = &group.keys;
        let range = |table: Table| (table.start(keys), table.end(keys));
        let ranges = match slot {
            Slot::State => vec![range(OUTBOX), range(INVITE), range(DRAFT)],
            Slot::Bodies(bucket) => vec![bodies_of(group, bucket)],
        };
        for (mut from, to) in ranges {
            loop {
                let rows = self.shared.engine().scan(&from, &to, Dir::Up, CHUNK)?;
                let Some((last, _)) = rows.last() else { break };
                from = after(last);
                let mut batch = Batch::default();
                for (key, sealed) in rows {
                    match group.open(&key, &sealed) {
                        Ok(plain) => {
                            let sealed = group.seal(&key, &plain)?;
                            batch.put(key, sealed);
                        }
                        // It opens with no key, so it is no worse without the old ones.
                        Err(_damaged) => tracing::warn!("a damaged row cannot be sealed anew"),
                    }
                    if batch.bytes() > BATCH_MAX / 2 {
                        self.shared.commit(&core::mem::take(&mut batch))?;
                    }
                }
                if !batch.is_empty() {
                    self.shared.commit(&batch)?;
                }
            }
        }
        Ok(())
    }

    /// Removes rows that no key opens any more: of erased groups, and of days that ended. As long as there
    /// are rows of an erased group there may be notices of it too.
    fn sweep(&self) -> Result<(), Error> {
        let groups = self.shared.groups();
        let groups: Vec<_> = groups.iter().chain(&self.unfinished).collect();
        let mut from = Vec::new();
        let mut are_notices_swept = false;
        while let Some(key) = self.first_from(&from)? {
            let (Some(prefix), Some(handle)) = (key.get(..9), key.get(1..9)) else {
                return Err(Error::damaged("a row has too short a key"));
            };
            let group = groups.iter().find(|group| group.keys.handle() == handle);
            let is_body = key.first() == Some(&BODY.tag());
            let (end, is_dead) = match (group, is_body) {
                (Some(group), true) => {
                    let end = after_all(key.get(..17).unwrap_or(prefix));
                    (end, !group.holds_row(&key))
                }
                (Some(_), false) => (after_all(prefix), false),
                (None, _) => (after_all(prefix), handle != self.shared.profile().handle()),
            };
            if is_dead && group.is_none() && !are_notices_swept {
                self.sweep_notices()?;
                are_notices_swept = true;
            }
            if is_dead {
                self.remove_range(key, &end)?;
            }
            from = end;
        }
        Ok(())
    }

    /// Removes the notices of groups that are not known any more. Of the newest one its number stays: none
    /// is given twice.
    fn sweep_notices(&self) -> Result<(), Error> {
        let keys = self.shared.profile();
        let groups = self.shared.groups();
        let mut dead = Vec::new();
        let mut newest = None;
        let names = (keys, keys as &dyn crate::seal::Sealer);
        for record in record::Records::all(self.shared.engine(), names, NOTE, Dir::Up) {
            let (key, bytes) = record?;
            let note: NoteRecord = record::decode(&bytes)?;
            let is_dead = !groups.iter().any(|group| *group.keys.handle() == note.handle);
            if is_dead {
                dead.push(key.clone());
            }
            newest = Some(key).filter(|_| is_dead);
        }
        if let Some(newest) = newest {
            dead.retain(|key| *key != newest);
            let note = NoteRecord { handle: [0; 8], at_ms: 0, sealed: Vec::new() };
            let mut batch = Batch::default();
            record::write(&mut batch, keys, &newest, &note, None)?;
            self.shared.commit(&batch)?;
        }
        self.remove_rows(dead)
    }

    fn first_from(&self, from: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let rows = self.shared.engine().scan(from, &[0xff], Dir::Up, 1)?;
        Ok(rows.into_iter().next().map(|(key, _)| key))
    }

    fn remove_range(&self, mut from: Vec<u8>, to: &[u8]) -> Result<(), Error> {
        loop {
            let rows = self.shared.engine().scan(&from, to, Dir::Up, CHUNK)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = after(last);
            self.remove_rows(rows.into_iter().map(|(key, _)| key).collect())?;
        }
    }

    fn remove_rows(&self, keys: Vec<Vec<u8>>) -> Result<(), Error> {
        let mut batch = Batch::default();
        for key in keys {
            batch.remove(key);
            if batch.bytes() > BATCH_MAX / 2 {
                self.shared.commit(&core::mem::take(&mut batch))?;
            }
        }
        if batch.is_empty() { Ok(()) } else { self.shared.commit(&batch) }
    }
}

/// Where the bodies of a bucket stand.
fn bodies_of(group: &GroupKeys, bucket: Bucket) -> (Vec<u8>, Vec<u8>) {
    let from = BODY.key(&group.keys, &group.name_in(BODY, Slot::Bodies(bucket)));
    let to = after_all(&from);
    (from, to)
}

/// The first key after this one.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Greater than all keys that begin so.
fn after_all(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[0xff; 64]].concat()
}
