//! What becomes of a change: which rows are written and removed for it.
//!
//! Reads see what was filed before in the same commit, so that a commit may write a message and sign it.

use proto::{
    Accepted, Change, Entry, EntryHeader, EntryId, Fork, Gone, Instead, LocalId, Notice, Op,
    Written,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Batch, Dir, Engine};
use crate::error::Error;
use crate::group_keys::{Bucket, GroupKeys, Slot};
use crate::record::{self, Lookup};
use crate::rows::{
    ARRIVAL, ARRIVING, CARD, CHAIN, COMPARED, ERASE, FORK, Filed, GONE, HELD, ID, INSTEAD, INVITE,
    Known, LOCAL, MET, NOTE, NOTICES_KEPT, NoteRecord, OPS, OUTBOX, Place, Table,
};
use crate::seal::{self, Sealer as _, SpaceKeys};

/// Rows about bodies that are to be gone when they come, up to which such are kept that no engine waits for:
/// whoever takes back what never was must not fill the disk.
const UNAWAITED_MAX: usize = 256;

/// What the next op and the next notice are numbered. A number is used once; failed commits leave gaps.
#[derive(Debug)]
pub(crate) struct Counters<'a> {
    /// The newest op of the group.
    pub(crate) arrival: &'a mut u64,
    /// The newest notice.
    pub(crate) cursor: &'a mut u64,
    /// The wall clock, in milliseconds since 1970.
    pub(crate) now_ms: u64,
}

/// The rows of one change, on top of what waits to be committed and of what is.
pub(crate) struct Filing<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) waiting: &'a Batch,
    pub(crate) profile: &'a SpaceKeys,
    pub(crate) group: &'a GroupKeys,
    /// What this change comes to.
    pub(crate) rows: Batch,
    /// Whether it takes something away of which no copy is to be left.
    pub(crate) must_forget: bool,
}

impl Lookup for Filing<'_> {
    fn look(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.rows.said(key).or_else(|| self.waiting.said(key)) {
            Some(said) => Ok(said.map(<[u8]>::to_vec)),
            None => self.engine.get(key),
        }
    }
}

impl Filing<'_> {
    /// Files a change.
    pub(crate) fn file(
        &mut self,
        change: &Change,
        counters: &mut Counters<'_>,
    ) -> Result<(), Error> {
        let keys = &self.group.keys;
        match change {
            Change::Op(op) => self.on_op(op, counters.arrival),
            Change::Entry(accepted) => self.on_entry(accepted),
            Change::Chain(chain) => self.write(&CHAIN.named(keys, &chain.author.0), chain),
            Change::Written(written) => self.on_written(written),
            Change::Card(card) => self.write(&CARD.named(keys, &card.member.0), card),
            Change::Invite(invite) => self.write(&INVITE.named(keys, &invite.invite.0), invite),
            Change::Met(member, addr) => {
                self.write(&MET.named(keys, &member.0), &(*member, addr.clone()))
            }
            Change::Fork(fork) => self.on_fork(fork),
            Change::Held(member, seq) => self.write(&HELD.named(keys, &member.0), &(*member, *seq)),
            Change::Arrival(arrival) => {
                self.write(&ARRIVAL.named(keys, &arrival.member.0), arrival)
            }
            Change::Compared(compared) => {
                self.write(&COMPARED.named(keys, &compared.member.0), compared)
            }
            Change::Arriving(arriving) => {
                self.write(&ARRIVING.named(keys, &arriving.admitter.0), arriving)
            }
            Change::Gone(gone) => self.on_gone(gone),
            Change::Unwritten(local) => self.on_unwritten(local),
            Change::Displaced(id) => self.on_displaced(id),
            Change::Instead(instead) => self.on_instead(instead),
            Change::Notice(notice) => self.on_notice(notice, counters),
        }
    }

    /// Files one of the group's small local values.
    pub(crate) fn keep<T: Serialize>(&mut self, which: &[u8; 1], value: &T) -> Result<(), Error> {
        self.write(&LOCAL.key(&self.group.keys, which), value)
    }

    fn on_op(&mut self, op: &Op, arrival: &mut u64) -> Result<(), Error> {
        let id = ID.named(&self.group.keys, &op.id().0);
        if self.read::<Known>(&id)?.is_some() {
            return Ok(());
        }
        *arrival = next(*arrival)?;
        self.write_new(&id, &Known::Op)?;
        self.write_new(&OPS.key(&self.group.keys, &arrival.to_be_bytes()), op)
    }

    fn on_entry(&mut self, accepted: &Accepted) -> Result<(), Error> {
        let keys = &self.group.keys;
        let id = ID.named(keys, &accepted.id.0);
        if let Some(Known::Signed(place)) = self.read(&id)? {
            return accepted.local.map_or(Ok(()), |local| self.on_local_id_known(local, &place));
        }
        let place = Place::of(accepted);
        let gone = self.gone_before(accepted)?;
        let bucket = self.group.bucket(accepted.ends_ms, accepted.first_seen_ms);
        let body = accepted.entry.body.as_ref();
        let kept = body.filter(|_| gone.is_none() && !self.group.has_ended(bucket));
        let filed = Filed {
            id: accepted.id,
            place,
            local: accepted.local,
            author: accepted.author,
            seq: accepted.seq,
            wall: wall(&accepted.entry)?,
            first_seen_ms: accepted.first_seen_ms,
            ends_ms: accepted.ends_ms,
            is_shown: gone
                .filter(|_| body.is_none())
                .map_or(accepted.is_shown, |gone| gone.is_shown),
            bucket: kept.map(|_| bucket),
            stub: stub_of(&accepted.entry),
        };
        if let Some(body) = kept {
            self.write_new(&self.group.body_key(&place, bucket), body)?;
        }
        self.write_new(&place.key(keys), &filed)?;
        self.write_new(&place.seq_key(keys, &accepted.author, accepted.seq), &place)?;
        self.write_new(&id, &Known::Signed(place))?;
        accepted.local.map_or(Ok(()), |local| self.sign_off(local, place))
    }

    /// What its own author said of an entry before it came. What others said of it goes too: nothing
    /// waits for an entry that is here.
    fn gone_before(&mut self, accepted: &Accepted) -> Result<Option<Gone>, Error> {
        let key = GONE.named(&self.group.keys, &accepted.id.0);
        let Some(waiting) = self.read::<Vec<Gone>>(&key)? else {
            return Ok(None);
        };
        self.remove(&key)?;
        Ok(waiting.into_iter().find(|gone| gone.author == accepted.author))
    }

    /// An entry that is filed already turns out to be one written here.
    fn on_local_id_known(&mut self, local: LocalId, place: &Place) -> Result<(), Error> {
        let mut filed = self.filed(place)?;
        if filed.local.is_none() {
            filed.local = Some(local);
            self.write(&place.key(&self.group.keys), &filed)?;
        }
        self.sign_off(local, *place)
    }

    /// From now on the local id leads to the entry, and nothing waits under it.
    fn sign_off(&mut self, local: LocalId, place: Place) -> Result<(), Error> {
        let id = ID.named(&self.group.keys, &local.0);
        if let Some(Known::Written(nth)) = self.read(&id)? {
            self.remove(&OUTBOX.numbered(&self.group.keys, nth, &[]))?;
        }
        self.write(&id, &Known::Signed(place))
    }

    fn on_fork(&mut self, fork: &Fork) -> Result<(), Error> {
        let seq = fork.seq.to_be_bytes();
        self.write(&FORK.named_with(&self.group.keys, &fork.author.0, &seq), fork)
    }

    fn on_written(&mut self, written: &Written) -> Result<(), Error> {
        let keys = &self.group.keys;
        let id = ID.named(keys, &written.local.0);
        match self.read(&id)? {
            Some(Known::Signed(_) | Known::Op) => return Ok(()),
            Some(Known::Written(nth)) if nth != written.nth => {
                self.remove(&OUTBOX.numbered(keys, nth, &[]))?;
                self.forget(Slot::State)?;
            }
            // Its words before are to be gone.
            Some(Known::Written(_)) => self.forget(Slot::State)?,
            None => {}
        }
        self.write(&id, &Known::Written(written.nth))?;
        self.write(&OUTBOX.numbered(keys, written.nth, &[]), written)
    }

    fn on_unwritten(&mut self, local: &LocalId) -> Result<(), Error> {
        let id = ID.named(&self.group.keys, &local.0);
        match self.read(&id)? {
            Some(Known::Written(nth)) => {
                self.remove(&OUTBOX.numbered(&self.group.keys, nth, &[]))?;
                self.remove(&id)?;
                self.forget(Slot::State)
            }
            Some(Known::Signed(_) | Known::Op) | None => Ok(()),
        }
    }

    fn on_gone(&mut self, gone: &Gone) -> Result<(), Error> {
        match self.read(&ID.named(&self.group.keys, &gone.id.0))? {
            Some(Known::Signed(place)) => self.erase_body(gone, &place),
            // No entry will ever have this id.
            Some(Known::Written(_) | Known::Op) => Ok(()),
            None => self.wait_for(gone),
        }
    }

    fn erase_body(&mut self, gone: &Gone, place: &Place) -> Result<(), Error> {
        let mut filed = self.filed(place)?;
        if filed.id != gone.id || filed.author != gone.author {
            return Ok(());
        }
        let Some(bucket) = filed.bucket.take() else { return Ok(()) };
        self.remove_body(place, bucket)?;
        self.write(&place.key(&self.group.keys), &filed)
    }

    /// Removes a body, and notes that no copy of it is to be left behind.
    fn remove_body(&mut self, place: &Place, bucket: Bucket) -> Result<(), Error> {
        if !self.group.holds(bucket) {
            return Ok(());
        }
        self.remove(&self.group.body_key(place, bucket))?;
        self.forget(Slot::Bodies(bucket))
    }

    /// Notes that single rows under a ring's keys are to be forgotten: see `forgetting.rs`.
    fn forget(&mut self, slot: Slot) -> Result<(), Error> {
        self.must_forget = true;
        let key = ERASE.key(&self.group.keys, &self.group.name_in(ERASE, slot));
        self.write(&key, &slot.number())
    }

    /// One for each author: whoever names another's entry must not undo what its author said.
    fn wait_for(&mut self, gone: &Gone) -> Result<(), Error> {
        if !gone.is_awaited && self.are_many(GONE)? {
            return Ok(());
        }
        let key = GONE.named(&self.group.keys, &gone.id.0);
        let mut waiting = self.read::<Vec<Gone>>(&key)?.unwrap_or_default();
        waiting.retain(|before| before.author != gone.author);
        waiting.push(*gone);
        self.write(&key, &waiting)
    }

    /// Whether a table has as many rows as it may have of what nobody waits for.
    fn are_many(&self, table: Table) -> Result<bool, Error> {
        let keys = &self.group.keys;
        let rows =
            self.engine.scan(&table.start(keys), &table.end(keys), Dir::Up, UNAWAITED_MAX)?;
        Ok(rows.len() >= UNAWAITED_MAX)
    }

    /// By author too: whoever edits the words of another must not hide how they edited them.
    fn on_instead(&mut self, instead: &Instead) -> Result<(), Error> {
        let key = INSTEAD.named_with(&self.group.keys, &instead.of.0, &instead.author.0);
        match self.read::<Instead>(&key)? {
            Some(newest) if !instead.is_newer_than(&newest) => Ok(()),
            Some(_) | None => self.write(&key, instead),
        }
    }

    fn on_displaced(&mut self, id: &EntryId) -> Result<(), Error> {
        let keys = &self.group.keys;
        let known = ID.named(keys, &id.0);
        let Some(Known::Signed(place)) = self.read(&known)? else {
            return Ok(());
        };
        if !place.is_of(id) {
            return Ok(());
        }
        let filed = self.filed(&place)?;
        if let Some(bucket) = filed.bucket {
            self.remove_body(&place, bucket)?;
        }
        self.remove(&place.key(keys))?;
        self.remove(&place.seq_key(keys, &filed.author, filed.seq))?;
        self.remove(&known)?;
        match filed.local {
            Some(local) => self.remove(&ID.named(keys, &local.0)),
            None => Ok(()),
        }
    }

    fn on_notice(&mut self, notice: &Notice, counters: &mut Counters<'_>) -> Result<(), Error> {
        let cursor = next(*counters.cursor)?;
        *counters.cursor = cursor;
        let key = NOTE.key(self.profile, &cursor.to_be_bytes());
        let sealed = self.group.keys.seal(&key, &seal::encode(&[], notice)?)?;
        let handle = *self.group.keys.handle();
        let note = NoteRecord { handle, at_ms: counters.now_ms, sealed };
        record::write(&mut self.rows, self.profile, &key, &note, None)?;
        if let Some(old) = cursor.checked_sub(NOTICES_KEPT) {
            // A notice is one row.
            self.rows.remove(NOTE.key(self.profile, &old.to_be_bytes()));
        }
        Ok(())
    }

    fn filed(&self, place: &Place) -> Result<Filed, Error> {
        let filed = self.read(&place.key(&self.group.keys))?;
        filed.ok_or_else(|| Error::damaged("an entry is gone"))
    }

    fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        record::read(self, self.group, key)
    }

    fn write<T: Serialize>(&mut self, key: &[u8], value: &T) -> Result<(), Error> {
        let old = self.look(key)?;
        record::write(&mut self.rows, self.group, key, value, old.as_deref())
    }

    /// Writes a record where there is none.
    fn write_new<T: Serialize>(&mut self, key: &[u8], value: &T) -> Result<(), Error> {
        record::write(&mut self.rows, self.group, key, value, None)
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), Error> {
        match self.look(key)? {
            Some(first) => record::remove(&mut self.rows, self.group, key, &first),
            None => Ok(()),
        }
    }
}

/// An entry without its body.
fn stub_of(entry: &Entry) -> Entry {
    Entry { header: entry.header.clone(), sig: entry.sig, body: None }
}

/// When its author says an entry was written, in milliseconds since 1970.
fn wall(entry: &Entry) -> Result<u64, Error> {
    let header = proto::decode::<EntryHeader>(&entry.header, entry.header.len());
    header.map(|header| header.wall).map_err(|_malformed| Error::damaged("an entry's header"))
}

fn next(number: u64) -> Result<u64, Error> {
    number.checked_add(1).ok_or_else(|| Error::damaged("a counter"))
}
