//! What is stored, for everyone but the writer.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::{
    Addr, Card, Change, Entry, EntryId, GroupId, Loaded, LocalId, Member, MemberId, Notice, Op,
    SeqRange, Wanted, Written,
};
use serde::de::DeserializeOwned;

use crate::engine::{Dir, Engine};
use crate::error::Error;
use crate::record::{self, Records};
use crate::rows::{
    CARD, CHAIN, EV, Filed, ID, INVITE, Known, LOCAL, LOCAL_PORT, MET, NOTE, NoteRecord, OPS,
    OUTBOX, Place, SEQ, Table, seq_end, seq_start,
};
use crate::seal::SpaceKeys;
use crate::shared::Shared;
use crate::vault::GroupKeys;

/// Reads what is committed. As many as wanted, on any thread; a call waits while a commit is written.
///
/// Every method may fail with [`Error::Damaged`] where a row does not open, and with
/// [`Error::Poisoned`] after a failed write; those about a group with [`Error::NoSuchGroup`].
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl core::fmt::Debug for Reader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Reader(..)")
    }
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The entry's id once it is signed, else the local id.
    pub id: [u8; 32],
    /// The local id it has or had, if it was written here.
    pub local: Option<LocalId>,
    /// Who wrote it.
    pub author: MemberId,
    /// When, by their clock, in milliseconds since 1970.
    pub wall: u64,
    /// The padded payload; none where the body is gone.
    pub payload: Option<Vec<u8>>,
    /// Whether it is an entry yet.
    pub signed: bool,
}

/// A part of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Oldest first.
    pub rows: Vec<Row>,
    /// There are older ones.
    pub more: bool,
}

/// A notice as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Its number in this profile; greater than that of every notice before.
    pub cursor: u64,
    /// The group it is about.
    pub group: GroupId,
    /// When it was committed, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub notice: Notice,
}

impl Reader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Who this device is in each group, in the order in which the groups were added.
    ///
    /// # Errors
    /// None at present.
    pub fn groups(&self) -> Result<Vec<Member>, Error> {
        Ok(self.shared.members())
    }

    /// Everything that [`Change::is_kept_in_memory`] names: ops as they came, chains, written messages
    /// by `nth`, cards, invitations, and where members were met.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn remembered(&self, group: &GroupId) -> Result<Vec<Change>, Error> {
        let group = self.shared.group(group)?;
        let _still = self.shared.reading();
        let mut changes = Vec::new();
        changes.extend(self.all(&group, OPS)?.into_iter().map(Change::Op));
        changes.extend(self.all(&group, CHAIN)?.into_iter().map(Change::Chain));
        changes.extend(self.all(&group, OUTBOX)?.into_iter().map(Change::Written));
        changes.extend(self.all(&group, CARD)?.into_iter().map(Change::Card));
        changes.extend(self.all(&group, INVITE)?.into_iter().map(Change::Invite));
        let met: Vec<(MemberId, Addr)> = self.all(&group, MET)?;
        changes.extend(met.into_iter().map(|(member, addr)| Change::Met(member, addr)));
        Ok(changes)
    }

    /// The group's ops, in the order in which they came.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn ops(&self, group: &GroupId) -> Result<Vec<Op>, Error> {
        let group = self.shared.group(group)?;
        let _still = self.shared.reading();
        self.all(&group, OPS)
    }

    /// The cards of the group's members.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn cards(&self, group: &GroupId) -> Result<Vec<Card>, Error> {
        let group = self.shared.group(group)?;
        let _still = self.shared.reading();
        self.all(&group, CARD)
    }

    /// The entries wanted: each range from its newest down, then the ids, each entry once. Stops at
    /// either bound, but gives one entry if there is one.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn load(&self, group: &GroupId, wanted: &Wanted) -> Result<Loaded, Error> {
        let group = self.shared.group(group)?;
        let _still = self.shared.reading();
        let Wanted::Entries { ranges, ids, entries_max, bytes_max } = wanted;
        let mut load = Load { entries_max: *entries_max, bytes_max: *bytes_max, ..Load::default() };
        for range in ranges {
            self.load_range(&group, range, &mut load)?;
        }
        for id in ids {
            if let Some(Known::Signed(place)) = self.known(&group, &id.0)?
                && !load.loaded.more
            {
                load.take(self.filed(&group, &place)?);
            }
        }
        Ok(load.loaded)
    }

    /// The newest `limit` messages, or the newest of those strictly older than `before`: an entry id or
    /// a local id, both good for ever. Signed ones in [`Order`](proto::Order), then written ones.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] for a `before` that is neither; else see [`Reader`].
    pub fn timeline(
        &self,
        group: &GroupId,
        before: Option<&[u8; 32]>,
        limit: usize,
    ) -> Result<Page, Error> {
        let group = self.shared.group(group)?;
        let _still = self.shared.reading();
        let keys = &group.keys;
        let before = match before {
            Some(id) => Some(self.known(&group, id)?.ok_or(Error::NoSuchMessage)?),
            None => None,
        };
        let (signed_before, written_to) = match before {
            None => (None, OUTBOX.end(keys)),
            Some(Known::Written(nth)) => (None, OUTBOX.numbered(keys, nth, &[])),
            Some(Known::Signed(place)) => (Some(place), OUTBOX.start(keys)),
            Some(Known::Op) => return Err(Error::NoSuchMessage),
        };
        let written = self.records(keys, OUTBOX, Dir::Down).to(written_to);
        let written = written.map(|record| Ok(row_of_written(record::decode(&record?.1)?, &group)));
        let wanted = limit.saturating_add(1);
        let mut rows = written.take(wanted).collect::<Result<Vec<_>, Error>>()?;
        let signed =
            self.newest(&group, signed_before.as_ref(), wanted.saturating_sub(rows.len()))?;
        rows.extend(signed.into_iter().map(row_of_entry));
        let more = rows.len() > limit;
        rows.truncate(limit);
        rows.reverse();
        Ok(Page { rows, more })
    }

    /// One message, by its entry id or its local id.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn message(&self, group: &GroupId, id: &[u8; 32]) -> Result<Option<Row>, Error> {
        let group = self.shared.group(group)?;
        let _still = self.shared.reading();
        match self.known(&group, id)? {
            Some(Known::Signed(place)) => Ok(Some(row_of_entry(self.filed(&group, &place)?))),
            Some(Known::Written(nth)) => {
                let key = OUTBOX.numbered(&group.keys, nth, &[]);
                let written = self.read(&group.keys, &key)?;
                let written = written.ok_or_else(|| Error::damaged("a written message is gone"))?;
                Ok(Some(row_of_written(written, &group)))
            }
            Some(Known::Op) | None => Ok(None),
        }
    }

    /// At most `limit` notices of all groups with a cursor greater than `after`, ascending. The newest
    /// 100,000 are kept.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn notices(&self, after: u64, limit: usize) -> Result<Vec<Noted>, Error> {
        let Some(first) = after.checked_add(1) else {
            return Ok(Vec::new());
        };
        let _still = self.shared.reading();
        let keys = self.shared.profile();
        let records = self.records(keys, NOTE, Dir::Up).from(NOTE.key(keys, &first.to_be_bytes()));
        let noted = records.take(limit).map(|record| {
            let (key, bytes) = record?;
            let cursor = Table::number(&key).ok_or_else(|| Error::damaged("a notice's key"))?;
            let NoteRecord { group, at_ms, notice } = record::decode(&bytes)?;
            Ok(Noted { cursor, group, at_ms, notice })
        });
        noted.collect()
    }

    /// The cursor of the newest notice; 0 when there was none.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn latest_cursor(&self) -> Result<u64, Error> {
        let _still = self.shared.reading();
        let newest = self.records(self.shared.profile(), NOTE, Dir::Down).next().transpose()?;
        Ok(newest.and_then(|(key, _)| Table::number(&key)).unwrap_or(0))
    }

    /// The port that [`Store::set_port`](crate::Store::set_port) was given last.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn port(&self, group: &GroupId) -> Result<Option<u16>, Error> {
        let group = self.shared.group(group)?;
        let _still = self.shared.reading();
        self.read(&group.keys, &LOCAL.key(&group.keys, &LOCAL_PORT))
    }

    fn engine(&self) -> &dyn Engine {
        self.shared.engine()
    }

    fn records<'a>(&'a self, keys: &'a SpaceKeys, table: Table, dir: Dir) -> Records<'a> {
        Records::all(self.engine(), keys, table, dir)
    }

    fn all<T: DeserializeOwned>(&self, group: &GroupKeys, table: Table) -> Result<Vec<T>, Error> {
        let records = self.records(&group.keys, table, Dir::Up);
        records.map(|record| record::decode(&record?.1)).collect()
    }

    fn read<T: DeserializeOwned>(&self, keys: &SpaceKeys, key: &[u8]) -> Result<Option<T>, Error> {
        record::read(self.engine(), keys, key)
    }

    fn known(&self, group: &GroupKeys, id: &[u8; 32]) -> Result<Option<Known>, Error> {
        self.read(&group.keys, &ID.named(&group.keys, id))
    }

    fn filed(&self, group: &GroupKeys, place: &Place) -> Result<Filed<Entry>, Error> {
        let filed = self.read(&group.keys, &place.key(&group.keys))?;
        filed.ok_or_else(|| Error::damaged("an entry is gone"))
    }

    /// The newest entries before a place, newest first. Rows stand by lamport alone: those of one
    /// lamport, at most a few for every member, are read together and sorted.
    fn newest(
        &self,
        group: &GroupKeys,
        before: Option<&Place>,
        wanted: usize,
    ) -> Result<Vec<Filed<Entry>>, Error> {
        let keys = &group.keys;
        let end = before.map_or_else(|| EV.end(keys), |place| place.level_end(keys));
        let mut entries: Vec<Filed<Entry>> = Vec::new();
        let mut sorted = 0;
        for record in self.records(keys, EV, Dir::Down).to(end) {
            let filed: Filed<Entry> = record::decode(&record?.1)?;
            let level = entries.last().map(|last| last.place.lamport());
            if level.is_some_and(|level| level != filed.place.lamport()) {
                sort_newest_first(&mut entries, sorted);
                sorted = entries.len();
                if sorted >= wanted {
                    break;
                }
            }
            if before.is_none_or(|place| filed.place < *place) {
                entries.push(filed);
            }
        }
        sort_newest_first(&mut entries, sorted);
        entries.truncate(wanted);
        Ok(entries)
    }

    fn load_range(
        &self,
        group: &GroupKeys,
        range: &SeqRange,
        load: &mut Load,
    ) -> Result<(), Error> {
        let (author, first, last) = range;
        let keys = &group.keys;
        let places = self
            .records(keys, SEQ, Dir::Down)
            .from(seq_start(keys, author, *first))
            .to(seq_end(keys, author, *last));
        for place in places {
            if load.loaded.more {
                break;
            }
            load.take(self.filed(group, &record::decode(&place?.1)?)?);
        }
        Ok(())
    }
}

/// A load under way.
#[derive(Default)]
struct Load {
    entries_max: usize,
    bytes_max: usize,
    bytes: usize,
    taken: BTreeSet<EntryId>,
    loaded: Loaded,
}

impl Load {
    fn take(&mut self, filed: Filed<Entry>) {
        if self.taken.contains(&filed.id) {
            return;
        }
        let bytes = self.bytes.saturating_add(filed.entry.size());
        let entries = &mut self.loaded.entries;
        let full = entries.len() >= self.entries_max || bytes > self.bytes_max;
        if full && !entries.is_empty() {
            self.loaded.more = true;
        } else {
            self.bytes = bytes;
            self.taken.insert(filed.id);
            entries.push(filed.entry);
        }
    }
}

fn sort_newest_first(entries: &mut [Filed<Entry>], from: usize) {
    if let Some(level) = entries.get_mut(from..) {
        level.sort_by_key(|entry| std::cmp::Reverse(entry.place));
    }
}

fn row_of_entry(filed: Filed<Entry>) -> Row {
    Row {
        id: filed.id.0,
        local: filed.local,
        author: filed.author,
        wall: filed.wall,
        payload: filed.entry.body.map(|body| body.payload.into_vec()),
        signed: true,
    }
}

fn row_of_written(written: Written, group: &GroupKeys) -> Row {
    Row {
        id: written.local.0,
        local: Some(written.local),
        author: group.me.id,
        wall: written.wall,
        payload: Some(written.payload.into_vec()),
        signed: false,
    }
}
