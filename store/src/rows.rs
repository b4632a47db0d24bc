//! What is kept where: one tree, a table's tag first in every key.
//!
//! ```text
//! key = | table (1) | handle (8) | rest |        value = a record (record.rs)
//!
//! 00 META     | 01 (1)                          schema version; the profile's handle
//! 01 EV       | lamport* (8) | name (12)        an entry without its body
//! 02 ID       | name of the id (16)             where an entry, a written message or an op is
//! 0c BLOB     reserved: a file, whose sealed chunks will lie in files of their own
//! 10 ERASE    | name of the slot (8)            of this bucket, single bodies are to be forgotten
//! 20 SEQ      | author (16) | seq* (8) | name (4) where the author's entry is
//! 21 OPS      | arrival (8)                     an op
//! 22 CHAIN    | author (16)                     what is held of a chain
//! 23 OUTBOX   | nth* (8)                        a message not yet signed
//! 24 CARD     | member (16)                     a card
//! 25 INVITE   | invite (16)                     what admits
//! 26 MET      | member (16)                     where a member was last met
//! 27 NOTE     | cursor (8)                      a notice; the profile's handle
//! 28 LOCAL    | which (1)                       01 port, 02 the group was added
//! 29 FORK     | author and seq (16)             what stands under one number of a chain
//! 2a GONE     | id (16)                         who took back an entry that is not here
//! 2b INSTEAD  | message and author (16)         the author's newest edit of it
//! 2c HELD     | member (16)                     up to where a member holds this device's chain
//! 2d ARRIVAL  | member (16)                     someone who came lately
//! 2e BODY     | name of the bucket (8) | name (16) what an entry says
//! 2f COMPARED | member (16)                     words compared with a member
//! 30 ARRIVING | admitter (16)                   whom a newcomer has met
//! 31 DRAFT    | which (1)                       01 what a person is writing
//! ```
//!
//! Numbers are big-endian, ids and names are keyed hashes. A number with a star is moved by a secret
//! distance of its group and table: its order stays, and whoever holds the disk and knows a group's
//! words cannot find them here. Entries of one lamport are sorted when they are opened. Bodies stand by
//! bucket (`group_keys.rs`), so that what is forgotten together is found together. The other tags from 03
//! to 1f are taken by what later versions bring.

use proto::{Accepted, Entry, EntryBody, EntryId, LocalId, MemberId};
use serde::{Deserialize, Serialize};

use crate::group_keys::Bucket;
use crate::seal::SpaceKeys;

pub(crate) const META: Table = Table { tag: 0x00, rest: 1 };
pub(crate) const EV: Table = Table { tag: 0x01, rest: 20 };
pub(crate) const ID: Table = Table { tag: 0x02, rest: 16 };
pub(crate) const ERASE: Table = Table { tag: 0x10, rest: 8 };
pub(crate) const SEQ: Table = Table { tag: 0x20, rest: 28 };
pub(crate) const OPS: Table = Table { tag: 0x21, rest: 8 };
pub(crate) const CHAIN: Table = Table { tag: 0x22, rest: 16 };
pub(crate) const OUTBOX: Table = Table { tag: 0x23, rest: 8 };
pub(crate) const CARD: Table = Table { tag: 0x24, rest: 16 };
pub(crate) const INVITE: Table = Table { tag: 0x25, rest: 16 };
pub(crate) const MET: Table = Table { tag: 0x26, rest: 16 };
pub(crate) const NOTE: Table = Table { tag: 0x27, rest: 8 };
pub(crate) const LOCAL: Table = Table { tag: 0x28, rest: 1 };
pub(crate) const FORK: Table = Table { tag: 0x29, rest: 16 };
pub(crate) const GONE: Table = Table { tag: 0x2a, rest: 16 };
pub(crate) const INSTEAD: Table = Table { tag: 0x2b, rest: 16 };
pub(crate) const HELD: Table = Table { tag: 0x2c, rest: 16 };
pub(crate) const ARRIVAL: Table = Table { tag: 0x2d, rest: 16 };
pub(crate) const BODY: Table = Table { tag: 0x2e, rest: 24 };
pub(crate) const COMPARED: Table = Table { tag: 0x2f, rest: 16 };
pub(crate) const ARRIVING: Table = Table { tag: 0x30, rest: 16 };
pub(crate) const DRAFT: Table = Table { tag: 0x31, rest: 1 };

/// The schema version, in [`META`].
pub(crate) const META_SCHEMA: [u8; 1] = [1];
/// The port the system chose, in [`LOCAL`].
pub(crate) const LOCAL_PORT: [u8; 1] = [1];
/// What a person is writing, in [`DRAFT`].
pub(crate) const DRAFT_WRITING: [u8; 1] = [1];
/// The group's first changes are all here, in [`LOCAL`].
pub(crate) const LOCAL_ADDED: [u8; 1] = [2];

/// Notices kept; older ones go as newer ones come.
pub(crate) const NOTICES_KEPT: u64 = 100_000;

/// A kind of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    tag: u8,
    /// Length of what follows the handle in a record's first row, in bytes.
    rest: usize,
}

impl Table {
    /// The first byte of all its keys.
    pub(crate) const fn tag(self) -> u8 {
        self.tag
    }

    /// The key of the record with this rest.
    pub(crate) fn key(self, keys: &SpaceKeys, rest: &[u8]) -> Vec<u8> {
        [&[self.tag], keys.handle().as_slice(), rest].concat()
    }

    /// The key of a record that stands by a number below 2^63, which does not show.
    pub(crate) fn numbered(self, keys: &SpaceKeys, number: u64, rest: &[u8]) -> Vec<u8> {
        self.key(keys, &[&self.moved(keys, number), rest].concat())
    }

    fn moved(self, keys: &SpaceKeys, number: u64) -> [u8; 8] {
        number.saturating_add(keys.distance(self.tag)).to_be_bytes()
    }

    /// The key of the record about `id`.
    pub(crate) fn named(self, keys: &SpaceKeys, id: &[u8; 32]) -> Vec<u8> {
        self.named_with(keys, id, &[])
    }

    /// The key of the record about `id` and what narrows it down.
    pub(crate) fn named_with(self, keys: &SpaceKeys, id: &[u8; 32], narrower: &[u8]) -> Vec<u8> {
        self.key(keys, &keys.name(self.tag, id, narrower))
    }

    /// Not greater than any key of the table.
    pub(crate) fn start(self, keys: &SpaceKeys) -> Vec<u8> {
        self.key(keys, &[])
    }

    /// Greater than every key of the table.
    pub(crate) fn end(self, keys: &SpaceKeys) -> Vec<u8> {
        self.key(keys, &vec![0xff; self.rest.saturating_add(1)])
    }

    /// Whether `key`, one of the table's, is that of a record's first row.
    pub(crate) const fn is_head(self, key: &[u8]) -> bool {
        key.len() == self.rest.saturating_add(9)
    }

    /// The number that `key`, one of the table's, begins with after the handle.
    pub(crate) fn number(key: &[u8]) -> Option<u64> {
        key.get(9..)?.first_chunk().map(|number| u64::from_be_bytes(*number))
    }
}

/// Where an entry's row is; compares as entries are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    order: [u8; 16],
    /// The first half of the id. An author may say two things under one number and lamport, which
    /// have one order; that they agree in this too, nobody can bring about.
    tie: [u8; 16],
}

impl Place {
    pub(crate) fn of(accepted: &Accepted) -> Self {
        Self { order: accepted.order.0, tie: tie(&accepted.id) }
    }

    /// Whether it is where this entry is, not merely where a local id leads.
    pub(crate) fn is_of(&self, id: &EntryId) -> bool {
        self.tie == tie(id)
    }

    /// The key of the entry's row.
    pub(crate) fn key(&self, keys: &SpaceKeys) -> Vec<u8> {
        let name = self.name(keys, EV);
        EV.numbered(keys, self.lamport(), name.first_chunk::<12>().unwrap_or(&[0; 12]))
    }

    /// Greater than the key of every entry with this lamport, and of none with a greater one.
    pub(crate) fn level_end(&self, keys: &SpaceKeys) -> Vec<u8> {
        EV.numbered(keys, self.lamport().saturating_add(1), &[])
    }

    /// The first half of the order.
    pub(crate) fn lamport(&self) -> u64 {
        self.order.first_chunk().map_or(0, |lamport| u64::from_be_bytes(*lamport))
    }

    /// What stands for it in the keys of a table.
    pub(crate) fn name(&self, keys: &SpaceKeys, table: Table) -> [u8; 16] {
        let mut place = [0; 32];
        let bytes = self.order.iter().chain(&self.tie);
        place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        keys.name(table.tag, &place, &[])
    }

    /// The key under which the author's chain leads here.
    pub(crate) fn seq_key(&self, keys: &SpaceKeys, author: &MemberId, seq: u32) -> Vec<u8> {
        let name = self.name(keys, SEQ);
        let name = name.first_chunk::<4>().unwrap_or(&[0; 4]);
        [seq_start(keys, author, seq).as_slice(), name].concat()
    }
}

fn tie(id: &EntryId) -> [u8; 16] {
    id.0.first_chunk().copied().unwrap_or_default()
}

/// Not greater than any key of the author's entries from `seq` on.
pub(crate) fn seq_start(keys: &SpaceKeys, author: &MemberId, seq: u32) -> Vec<u8> {
    let name = keys.name(SEQ.tag, &author.0, &[]);
    SEQ.key(keys, &[name.as_slice(), &SEQ.moved(keys, u64::from(seq))].concat())
}

/// Greater than every key of the author's entries up to `seq`.
pub(crate) fn seq_end(keys: &SpaceKeys, author: &MemberId, seq: u32) -> Vec<u8> {
    [seq_start(keys, author, seq).as_slice(), &[0xff; 5]].concat()
}

/// What an id leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Known {
    /// An entry, by its own id or by the local id it had before.
    Signed(Place),
    /// A message not yet signed, by which it is.
    Written(u64),
    /// An op.
    Op,
}

/// An entry's record: all but its body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Filed {
    pub(crate) id: EntryId,
    pub(crate) place: Place,
    pub(crate) local: Option<LocalId>,
    pub(crate) author: MemberId,
    pub(crate) seq: u32,
    pub(crate) wall: u64,
    pub(crate) first_seen_ms: u64,
    pub(crate) ends_ms: Option<u64>,
    pub(crate) is_shown: bool,
    /// Where its body is; none where there is none any more.
    pub(crate) bucket: Option<Bucket>,
    /// The entry without its body.
    pub(crate) stub: Entry,
}

impl Filed {
    /// The entry, with a body or without.
    pub(crate) fn entry(self, body: Option<EntryBody>) -> Entry {
        Entry { body, ..self.stub }
    }
}

/// A notice's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NoteRecord {
    /// The group, as it stands in row keys.
    pub(crate) handle: [u8; 8],
    pub(crate) at_ms: u64,
    /// The notice, sealed with the group's own key: it is forgotten with the group.
    pub(crate) sealed: Vec<u8>,
}
