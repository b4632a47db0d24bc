//! What is stored, for everyone but the writer.

mod check;
mod load;
mod messages;

pub use check::Checked;
pub use messages::{Page, Row};

use std::sync::Arc;
use std::sync::atomic::Ordering;

use proto::{
    Addr, Arriving, Card, Change, Compared, Entry, EntryBody, EntryId, Fork, Gone, GroupId,
    Instead, Member, MemberId, Notice, Op,
};
use serde::de::DeserializeOwned;

use crate::engine::{Dir, Engine};
use crate::error::Error;
use crate::group_keys::GroupKeys;
use crate::record::{self, Records};
use crate::rows::{
    ARRIVAL, ARRIVING, CARD, CHAIN, COMPARED, FORK, Filed, GONE, HELD, ID, INSTEAD, INVITE, Known,
    LOCAL, LOCAL_PORT, MET, NOTE, NoteRecord, OPS, OUTBOX, Place, Table,
};
use crate::seal::Sealer as _;
use crate::shared::Shared;

/// Reads what is committed. As many as wanted, on any thread; a call waits while a commit is written.
///
/// Every method may fail with [`Error::Damaged`] where a row does not open, and with
/// [`Error::Poisoned`] after a failed write; those about a group with [`Error::NoSuchGroup`].
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

impl core::fmt::Debug for Reader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Reader(..)")
    }
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
    /// by `nth`, cards, invitations, where members were met, forks, bodies that are not to be kept when
    /// they come, what members hold, arrivals, words compared, and whom a newcomer has met.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn remembered(&self, group: &GroupId) -> Result<Vec<Change>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        let mut changes = Vec::new();
        changes.extend(self.all(&group, OPS)?.into_iter().map(Change::Op));
        changes.extend(self.all(&group, CHAIN)?.into_iter().map(Change::Chain));
        changes.extend(self.all(&group, OUTBOX)?.into_iter().map(Change::Written));
        changes.extend(self.all(&group, CARD)?.into_iter().map(Change::Card));
        changes.extend(self.all(&group, INVITE)?.into_iter().map(Change::Invite));
        let met: Vec<(MemberId, Addr)> = self.all(&group, MET)?;
        changes.extend(met.into_iter().map(|(member, addr)| Change::Met(member, addr)));
        changes.extend(self.all(&group, FORK)?.into_iter().map(Change::Fork));
        let gone: Vec<Vec<Gone>> = self.all(&group, GONE)?;
        changes.extend(gone.into_iter().flatten().map(Change::Gone));
        let held: Vec<(MemberId, u32)> = self.all(&group, HELD)?;
        changes.extend(held.into_iter().map(|(member, seq)| Change::Held(member, seq)));
        changes.extend(self.all(&group, ARRIVAL)?.into_iter().map(Change::Arrival));
        changes.extend(self.all(&group, COMPARED)?.into_iter().map(Change::Compared));
        changes.extend(self.all(&group, ARRIVING)?.into_iter().map(Change::Arriving));
        Ok(changes)
    }

    /// A number that rises when ops or cards are committed, for whoever keeps what they mean: read before
    /// them, it tells later whether they are still all. It begins anew whenever the profile is opened.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`].
    pub fn version(&self, group: &GroupId) -> Result<u64, Error> {
        Ok(self.shared.group(group)?.version.load(Ordering::SeqCst))
    }

    /// The group's ops, in the order in which they came.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn ops(&self, group: &GroupId) -> Result<Vec<Op>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        self.all(&group, OPS)
    }

    /// The cards of the group's members.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn cards(&self, group: &GroupId) -> Result<Vec<Card>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        self.all(&group, CARD)
    }

    /// The numbers of chains that are to be marked where they are shown, in no order.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn forks(&self, group: &GroupId) -> Result<Vec<Fork>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        self.all(&group, FORK)
    }

    /// Up to where each member holds this device's own chain without a gap, as they said, in no order.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn held(&self, group: &GroupId) -> Result<Vec<(MemberId, u32)>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        self.all(&group, HELD)
    }

    /// What is known of members from comparing words, in no order.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn compared(&self, group: &GroupId) -> Result<Vec<Compared>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        self.all(&group, COMPARED)
    }

    /// How far this device has come since it was let in; none for who began the group.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn arriving(&self, group: &GroupId) -> Result<Option<Arriving>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        Ok(self.all(&group, ARRIVING)?.pop())
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
        let records = Records::all(self.engine(), (keys, keys), NOTE, Dir::Up)
            .from(NOTE.key(keys, &first.to_be_bytes()));
        let groups = self.shared.groups();
        let noted = records.map(|record| {
            let (key, bytes) = record?;
            let cursor = Table::number(&key).ok_or_else(|| Error::damaged("a notice's key"))?;
            let note: NoteRecord = record::decode(&bytes)?;
            // Of a group that was erased some may be left.
            let Some(group) = groups.iter().find(|group| *group.keys.handle() == note.handle)
            else {
                return Ok(None);
            };
            let plain = group.keys.open(&key, &note.sealed)?;
            let notice =
                postcard::from_bytes(&plain).map_err(|_malformed| Error::damaged("a notice"))?;
            Ok(Some(Noted { cursor, group: group.me.group, at_ms: note.at_ms, notice }))
        });
        noted.filter_map(Result::transpose).take(limit).collect()
    }

    /// The cursor of the newest notice; 0 when there was none.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn latest_cursor(&self) -> Result<u64, Error> {
        let _still = self.shared.reading();
        let keys = self.shared.profile();
        let mut records = Records::all(self.engine(), (keys, keys), NOTE, Dir::Down);
        let newest = records.next().transpose()?;
        Ok(newest.and_then(|(key, _)| Table::number(&key)).unwrap_or(0))
    }

    /// The port that [`Store::set_port`](crate::Store::set_port) was given last.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn port(&self, group: &GroupId) -> Result<Option<u16>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        self.read(&group, &LOCAL.key(&group.keys, &LOCAL_PORT))
    }

    fn engine(&self) -> &dyn Engine {
        self.shared.engine()
    }

    fn records<'a>(&'a self, group: &'a GroupKeys, table: Table, dir: Dir) -> Records<'a> {
        Records::all(self.engine(), (&group.keys, group), table, dir)
    }

    fn all<T: DeserializeOwned>(&self, group: &GroupKeys, table: Table) -> Result<Vec<T>, Error> {
        let records = self.records(group, table, Dir::Up);
        records.map(|record| record::decode(&record?.1)).collect()
    }

    fn read<T: DeserializeOwned>(&self, group: &GroupKeys, key: &[u8]) -> Result<Option<T>, Error> {
        record::read(self.engine(), group, key)
    }

    fn known(&self, group: &GroupKeys, id: &[u8; 32]) -> Result<Option<Known>, Error> {
        self.read(group, &ID.named(&group.keys, id))
    }

    /// What its author edited a message with last.
    fn instead_of(&self, group: &GroupKeys, message: &Filed) -> Result<Option<EntryId>, Error> {
        let key = INSTEAD.named_with(&group.keys, &message.id.0, &message.author.0);
        let instead: Option<Instead> = self.read(group, &key)?;
        Ok(instead.map(|instead| instead.by))
    }

    fn filed(&self, group: &GroupKeys, place: &Place) -> Result<Filed, Error> {
        let filed = self.read(group, &place.key(&group.keys))?;
        filed.ok_or_else(|| Error::damaged("an entry is gone"))
    }

    /// What an entry says; none where it ended or was taken back.
    fn body(&self, group: &GroupKeys, filed: &Filed) -> Result<Option<EntryBody>, Error> {
        let Some(bucket) = filed.bucket.filter(|bucket| group.holds(*bucket)) else {
            return Ok(None);
        };
        let body = self.read(group, &group.body_key(&filed.place, bucket))?;
        body.map(Some).ok_or_else(|| Error::damaged("a body is gone"))
    }

    /// An entry as it can be given to others.
    fn entry(&self, group: &GroupKeys, filed: Filed) -> Result<Entry, Error> {
        let body = self.body(group, &filed)?;
        Ok(filed.entry(body))
    }
}
