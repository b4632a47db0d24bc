//! Rows that agree with each other again, after some of them were lost (`engine/salvage.rs`).
//!
//! What is left of something that is not all there goes, and what tells what is held is told anew from
//! what is: so the engine misses what was lost, and others are asked for it. Nothing is made up, and
//! doing it twice does no harm.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    Addr, Arrival, Arriving, Branch, Card, ChainState, Compared, Dag, EntryBody, EntryHeader, Fork,
    Gone, Instead, InviteSecret, MemberId, Op, Taken, Written,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{BATCH_MAX, Batch, Dir, Engine};
use crate::error::Error;
use crate::group_keys::GroupKeys;
use crate::record;
use crate::rows::{
    ARRIVAL, ARRIVING, BODY, CARD, CHAIN, COMPARED, DRAFT, ERASE, EV, FORK, Filed, GONE, HELD, ID,
    INSTEAD, INVITE, Known, LOCAL, LOCAL_ADDED, MET, NOTE, NoteRecord, OPS, OUTBOX, Place, SEQ,
    Table,
};
use crate::seal::{Sealer, SpaceKeys};
use crate::vault::KeyTable;

/// Rows that are looked at together.
const CHUNK: usize = 64;

/// Where the entries of each author are.
type Entries = BTreeMap<MemberId, BTreeMap<u32, Vec<Place>>>;

/// Puts the rows of a whole profile right.
pub(crate) fn mend(engine: &dyn Engine, table: &KeyTable) -> Result<(), Error> {
    let mut profile = Mending::new(engine, &table.profile, &table.profile);
    profile.keep_readable::<NoteRecord>(NOTE)?;
    profile.flush()?;
    for group in &table.groups {
        let mut mending = Mending::new(engine, &group.keys, group);
        mending.group(group)?;
        mending.flush()?;
        if mending.lost > 0 {
            tracing::warn!(lost = mending.lost, "what was damaged of a group is asked for again");
        }
    }
    Ok(())
}

/// One group, or the profile, being put right.
struct Mending<'a> {
    engine: &'a dyn Engine,
    keys: &'a SpaceKeys,
    sealer: &'a dyn Sealer,
    batch: Batch,
    /// Entries and ops that were not all there.
    lost: usize,
}

impl<'a> Mending<'a> {
    fn new(engine: &'a dyn Engine, keys: &'a SpaceKeys, sealer: &'a dyn Sealer) -> Self {
        Self { engine, keys, sealer, batch: Batch::default(), lost: 0 }
    }

    fn group(&mut self, group: &GroupKeys) -> Result<(), Error> {
        let ops = self.ops()?;
        let entries = self.entries(group)?;
        self.flush()?;
        self.seqs(&entries)?;
        self.ids(&ops, &entries)?;
        self.chains(&entries)?;
        self.forks(&entries)?;
        self.keep_readable::<Card>(CARD)?;
        self.keep_readable::<InviteSecret>(INVITE)?;
        self.keep_readable::<(MemberId, Addr)>(MET)?;
        self.keep_readable::<Vec<Gone>>(GONE)?;
        self.keep_readable::<Instead>(INSTEAD)?;
        self.keep_readable::<(MemberId, u32)>(HELD)?;
        self.keep_readable::<Arrival>(ARRIVAL)?;
        self.keep_readable::<Compared>(COMPARED)?;
        self.keep_readable::<Arriving>(ARRIVING)?;
        self.keep_readable::<u32>(ERASE)?;
        self.keep_readable::<Vec<u8>>(DRAFT)?;
        // A group whose rows are all gone is one that cannot be read, and none that never was.
        self.keep_readable::<u16>(LOCAL)?;
        self.flush()?;
        self.write(&LOCAL.key(self.keys, &LOCAL_ADDED), &0_u16)
    }

    /// The ops that are left and whose ancestors are; gives the keys under which they are known. Without
    /// the first one nothing can be told of them: they stay as they are.
    fn ops(&mut self) -> Result<BTreeSet<Vec<u8>>, Error> {
        let mut ops = Vec::new();
        self.each(OPS, |this, key| {
            let op: Option<Op> = this.read(key)?;
            let is_kept = op.is_some();
            this.lost = this.lost.saturating_add(usize::from(!is_kept));
            ops.extend(op.map(|op| (key.to_vec(), op)));
            Ok(is_kept)
        })?;
        let mut dag = ops.first().and_then(|(_, first)| Dag::new(first.clone()).ok());
        let mut known = BTreeSet::new();
        for (key, op) in ops {
            let id = ID.named(self.keys, &op.id().0);
            let taken = dag.as_mut().map(|dag| dag.take(op));
            if matches!(taken, None | Some(Ok(Taken::New | Taken::Known))) {
                self.write(&id, &Known::Op)?;
                known.insert(id);
            } else {
                self.lost = self.lost.saturating_add(1);
                self.remove_record(&key)?;
            }
        }
        Ok(known)
    }

    /// The entries that are all there; the others go, and bodies without an entry.
    fn entries(&mut self, group: &GroupKeys) -> Result<Entries, Error> {
        let mut entries = Entries::new();
        let mut bodies = BTreeSet::new();
        self.each(EV, |this, key| {
            let whole = match this.read::<Filed>(key)? {
                Some(filed) => this.body_of(&filed, group)?.map(|body| (filed, body)),
                None => None,
            };
            let Some((filed, body)) = whole else {
                this.lost = this.lost.saturating_add(1);
                return Ok(false);
            };
            bodies.extend(body);
            let known = Known::Signed(filed.place);
            this.write(&ID.named(this.keys, &filed.id.0), &known)?;
            if let Some(local) = filed.local {
                this.write(&ID.named(this.keys, &local.0), &known)?;
            }
            let seq = filed.place.seq_key(this.keys, &filed.author, filed.seq);
            this.write(&seq, &filed.place)?;
            let places = entries.entry(filed.author).or_default().entry(filed.seq).or_default();
            places.push(filed.place);
            Ok(true)
        })?;
        self.each(BODY, |_, key| Ok(bodies.contains(key)))?;
        Ok(entries)
    }

    /// Where an entry's body is, if it should have one. None where it should and has not.
    fn body_of(&self, filed: &Filed, group: &GroupKeys) -> Result<Option<Option<Vec<u8>>>, Error> {
        let header = &filed.stub.header;
        if proto::decode::<EntryHeader>(header, header.len()).is_err() {
            return Ok(None);
        }
        let Some(bucket) = filed.bucket.filter(|bucket| group.holds(*bucket)) else {
            return Ok(Some(None));
        };
        let key = group.body_key(&filed.place, bucket);
        Ok(self.read::<EntryBody>(&key)?.map(|_whole| Some(key)))
    }

    fn seqs(&mut self, entries: &Entries) -> Result<(), Error> {
        let mut wanted = BTreeSet::new();
        for (author, seqs) in entries {
            for (seq, places) in seqs {
                wanted.extend(places.iter().map(|place| place.seq_key(self.keys, author, *seq)));
            }
        }
        self.each(SEQ, |_, key| Ok(wanted.contains(key)))
    }

    fn ids(&mut self, ops: &BTreeSet<Vec<u8>>, entries: &Entries) -> Result<(), Error> {
        let places: BTreeSet<_> =
            entries.values().flat_map(BTreeMap::values).flatten().copied().collect();
        let mut waiting = BTreeSet::new();
        self.each(OUTBOX, |this, key| {
            let written: Option<Written> = this.read(key)?;
            let is_kept = written.is_some();
            if let Some(written) = written {
                let id = ID.named(this.keys, &written.local.0);
                this.write(&id, &Known::Written(written.nth))?;
                waiting.insert(id);
            }
            Ok(is_kept)
        })?;
        self.flush()?;
        self.each(ID, |this, key| {
            Ok(match this.read(key)? {
                Some(Known::Signed(place)) => places.contains(&place),
                Some(Known::Written(_)) => waiting.contains(key),
                Some(Known::Op) => ops.contains(key),
                None => false,
            })
        })
    }

    /// What is held of each chain, told from the entries that are.
    fn chains(&mut self, entries: &Entries) -> Result<(), Error> {
        let mut told = BTreeSet::new();
        for (author, seqs) in entries {
            let Some((seq, places)) = seqs.last_key_value() else { continue };
            let Some(tip) = self.branches(places)?.into_iter().next() else { continue };
            let key = CHAIN.named(self.keys, &author.0);
            let Branch { id, prev, lamport, ops } = tip;
            let held = ranges(seqs.keys().copied());
            let chain = ChainState { author: *author, seq: *seq, id, prev, lamport, ops, held };
            self.write(&key, &chain)?;
            told.insert(key);
        }
        self.flush()?;
        self.each(CHAIN, |_, key| Ok(told.contains(key)))
    }

    /// What stands under one number, where it is more than one entry or was marked before.
    fn forks(&mut self, entries: &Entries) -> Result<(), Error> {
        let mut marked = BTreeMap::new();
        self.each(FORK, |this, key| {
            let Some(fork) = this.read::<Fork>(key)? else { return Ok(false) };
            let is_kept =
                entries.get(&fork.author).is_some_and(|seqs| seqs.contains_key(&fork.seq));
            marked.insert((fork.author, fork.seq), fork.is_broken);
            Ok(is_kept)
        })?;
        self.flush()?;
        for (author, seqs) in entries {
            for (seq, places) in seqs {
                let old = marked.get(&(*author, *seq));
                if old.is_some() || places.len() > 1 {
                    let is_broken = old.copied().unwrap_or_default();
                    let branches = self.branches(places)?;
                    let fork = Fork { author: *author, seq: *seq, branches, is_broken };
                    let key = FORK.named_with(self.keys, &author.0, &seq.to_be_bytes());
                    self.write(&key, &fork)?;
                }
            }
        }
        Ok(())
    }

    /// The entries at these places, by ascending id.
    fn branches(&self, places: &[Place]) -> Result<Vec<Branch>, Error> {
        let mut branches = Vec::new();
        for place in places {
            let Some(filed) = self.read::<Filed>(&place.key(self.keys))? else { continue };
            let header = &filed.stub.header;
            let Ok(header) = proto::decode::<EntryHeader>(header, header.len()) else { continue };
            let EntryHeader { prev, lamport, ops, .. } = header;
            branches.push(Branch { id: filed.id, prev, lamport, ops: ops.into_vec() });
        }
        branches.sort_unstable_by_key(|branch| branch.id);
        Ok(branches)
    }

    fn keep_readable<T: DeserializeOwned>(&mut self, table: Table) -> Result<(), Error> {
        self.each(table, |this, key| Ok(this.read::<T>(key)?.is_some()))
    }

    /// Asks of every record, by the key of its first row, whether it is kept. The rows of others go, and
    /// so do those whose first one is gone.
    fn each(
        &mut self,
        table: Table,
        mut is_kept: impl FnMut(&mut Self, &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let (mut from, to) = (table.start(self.keys), table.end(self.keys));
        let mut kept: Option<Vec<u8>> = None;
        loop {
            let rows = self.engine.scan(&from, &to, Dir::Up, CHUNK)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = [last.as_slice(), &[0]].concat();
            for (key, _) in rows {
                if table.is_head(&key) {
                    kept = if is_kept(self, &key)? { Some(key.clone()) } else { None };
                }
                if !kept.as_ref().is_some_and(|kept| key.starts_with(kept)) {
                    self.batch.remove(key);
                }
            }
            self.flush_if_much()?;
        }
    }

    /// A record that is not all there, or does not open, is none.
    fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        match record::read(self.engine, self.sealer, key) {
            Err(Error::Damaged(_)) => Ok(None),
            read => read,
        }
    }

    /// Writes a record, unless it is as it should be.
    fn write<T>(&mut self, key: &[u8], value: &T) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + PartialEq,
    {
        if self.read::<T>(key)?.as_ref() == Some(value) {
            return Ok(());
        }
        self.remove_record(key)?;
        record::write(&mut self.batch, self.sealer, key, value, None)?;
        self.flush_if_much()
    }

    fn remove_record(&mut self, key: &[u8]) -> Result<(), Error> {
        let end = [key, &[0xff, 0xff]].concat();
        for (row, _) in self.engine.scan(key, &end, Dir::Up, usize::from(u8::MAX))? {
            if row.len() <= key.len().saturating_add(1) {
                self.batch.remove(row);
            }
        }
        Ok(())
    }

    fn flush_if_much(&mut self) -> Result<(), Error> {
        if self.batch.bytes() > BATCH_MAX / 2 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let batch = core::mem::take(&mut self.batch);
        if batch.is_empty() { Ok(()) } else { self.engine.commit(&batch) }
    }
}

/// Ascending numbers as ranges, ends included, that do not touch.
fn ranges(seqs: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for seq in seqs {
        match ranges.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(seq) => last.1 = seq,
            Some(_) | None => ranges.push((seq, seq)),
        }
    }
    ranges
}
