//! What people said, as it is shown.

use proto::message::Body;
use proto::{EntryHeader, EntryId, GroupId, LocalId, MemberId, OpId, Written};

use super::Reader;
use crate::engine::Dir;
use crate::error::Error;
use crate::group_keys::GroupKeys;
use crate::record;
use crate::rows::{EV, Filed, Known, OUTBOX, Place};

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
    /// The padded payload as it was first said; none where the body is gone.
    pub payload: Option<Vec<u8>>,
    /// The padded payload of its newest edit, whether that is signed or not. Where this is none and the
    /// payload too, the message is gone.
    pub edit: Option<Vec<u8>>,
    /// When it is to be gone, in milliseconds since 1970; none: never by time. That it is hidden from then
    /// on is up to whoever shows it: the body itself may be here for the rest of the day.
    pub ends_ms: Option<u64>,
    /// Whether it is an entry yet.
    pub signed: bool,
    /// The view it names; empty while it is not signed.
    pub view: Vec<OpId>,
}

/// A part of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Oldest first.
    pub rows: Vec<Row>,
    /// There are older ones.
    pub more: bool,
}

impl Reader {
    /// The newest `limit` messages, or the newest of those strictly older than `before`: an entry id or
    /// a local id, both good for as long as what they name is kept. Signed ones in
    /// [`Order`](proto::Order), then written ones. Edits and take-backs are left out, and may be `before`.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] for a `before` that is neither; else see [`Reader`].
    pub fn timeline(
        &self,
        group: &GroupId,
        before: Option<&[u8; 32]>,
        limit: usize,
    ) -> Result<Page, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
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
        let written = self.records(&group, OUTBOX, Dir::Down).to(written_to);
        let written = written.map(|record| record::decode::<Written>(&record?.1));
        let written = written.filter(|written| written.as_ref().map_or(true, is_shown));
        let written = written.map(|written| Ok(row_of_written(written?, &group)));
        let wanted = limit.saturating_add(1);
        let mut rows = written.take(wanted).collect::<Result<Vec<_>, Error>>()?;
        let signed =
            self.newest(&group, signed_before.as_ref(), wanted.saturating_sub(rows.len()))?;
        for filed in signed {
            rows.push(self.row_of_entry(&group, filed)?);
        }
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
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        match self.known(&group, id)? {
            Some(Known::Signed(place)) => {
                let filed = self.filed(&group, &place)?;
                self.row_of_entry(&group, filed).map(Some)
            }
            Some(Known::Written(nth)) => {
                Ok(Some(row_of_written(self.written(&group, nth)?, &group)))
            }
            Some(Known::Op) | None => Ok(None),
        }
    }

    fn written(&self, group: &GroupKeys, nth: u64) -> Result<Written, Error> {
        let written = self.read(group, &OUTBOX.numbered(&group.keys, nth, &[]))?;
        written.ok_or_else(|| Error::damaged("a written message is gone"))
    }

    fn row_of_entry(&self, group: &GroupKeys, filed: Filed) -> Result<Row, Error> {
        let header = proto::decode::<EntryHeader>(&filed.stub.header, filed.stub.header.len());
        let header = header.map_err(|_malformed| Error::damaged("an entry's header"))?;
        Ok(Row {
            view: header.ops.into_vec(),
            edit: self.edit_of(group, &filed)?,
            id: filed.id.0,
            local: filed.local,
            author: filed.author,
            wall: filed.wall,
            payload: self.body(group, &filed)?.map(|body| body.payload.into_vec()),
            ends_ms: filed.ends_ms,
            signed: true,
        })
    }

    /// What an entry's author said in place of it. Nothing of what leads there is taken on trust.
    fn edit_of(&self, group: &GroupKeys, filed: &Filed) -> Result<Option<Vec<u8>>, Error> {
        let Some(by) = self.instead_of(group, filed)? else { return Ok(None) };
        let Some(Known::Signed(place)) = self.known(group, &by.0)? else { return Ok(None) };
        let edit = self.filed(group, &place)?;
        let payload = self.body(group, &edit)?.map(|body| body.payload.into_vec());
        let payload = payload.filter(|_| edit.author == filed.author);
        Ok(payload.filter(|payload| is_edit_of(payload, &filed.id)))
    }

    /// The newest entries before a place that are shown, newest first. Rows stand by lamport alone:
    /// those of one lamport, at most a few for every member, are read together and sorted.
    fn newest(
        &self,
        group: &GroupKeys,
        before: Option<&Place>,
        wanted: usize,
    ) -> Result<Vec<Filed>, Error> {
        let keys = &group.keys;
        let end = before.map_or_else(|| EV.end(keys), |place| place.level_end(keys));
        let mut entries: Vec<Filed> = Vec::new();
        let mut sorted = 0;
        for record in self.records(group, EV, Dir::Down).to(end) {
            let filed: Filed = record::decode(&record?.1)?;
            let level = entries.last().map(|last| last.place.lamport());
            if level.is_some_and(|level| level != filed.place.lamport()) {
                sort_newest_first(&mut entries, sorted);
                sorted = entries.len();
                if sorted >= wanted {
                    break;
                }
            }
            if filed.is_shown && before.is_none_or(|place| filed.place < *place) {
                entries.push(filed);
            }
        }
        sort_newest_first(&mut entries, sorted);
        entries.truncate(wanted);
        Ok(entries)
    }
}

fn sort_newest_first(entries: &mut [Filed], from: usize) {
    if let Some(level) = entries.get_mut(from..) {
        level.sort_by_key(|entry| std::cmp::Reverse(entry.place));
    }
}

/// Whether it stands in the timeline by itself. What cannot be read does, to say so.
fn is_shown(written: &Written) -> bool {
    Body::decode(&written.payload).map_or(true, |body| body.is_shown())
}

fn is_edit_of(payload: &[u8], of: &EntryId) -> bool {
    match Body::decode(payload) {
        Ok(Body::Edit(edit)) => edit.versions.root().is_some_and(|(root, _edits)| root.id == *of),
        Ok(Body::Text(_) | Body::TakeBack(_) | Body::Noop(_) | Body::Unknown(_)) | Err(_) => false,
    }
}

fn row_of_written(written: Written, group: &GroupKeys) -> Row {
    Row {
        id: written.local.0,
        local: Some(written.local),
        author: group.me.id,
        wall: written.wall,
        payload: Some(written.payload.into_vec()),
        edit: None,
        ends_ms: None,
        signed: false,
        view: Vec::new(),
    }
}
