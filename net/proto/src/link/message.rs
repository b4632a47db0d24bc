//! Everything that is said inside a link.
//!
//! ```text
//! | tag (1) | fields |      at most 128 KiB; tags are append-only
//! ```

use serde::{Deserialize, Serialize};

use crate::address::Card;
use crate::change::InviteSecret;
use crate::control::Op;
use crate::encoding::{self, List, split_tag, tagged};
use crate::error::Reject;
use crate::ids::{EntryId, GroupId, MemberId, OpId};
use crate::limits::{
    BATCH_ENTRIES_MAX, BATCH_OPS_MAX, HEADS_MAX, IDS_MAX, LINK_MSG_MAX, RANGES_MAX, TIPS_MAX,
};
use crate::log::{Entry, SeqRange};

/// The first message each way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Protocol version.
    pub v: u8,
    /// The sender's clock, in minutes since 2020.
    pub now: u32,
    /// What the sender's build can do, one bit each.
    pub caps: u32,
    /// The sender's name and addresses.
    pub card: Card,
    /// The sender's op heads.
    pub heads: List<OpId, HEADS_MAX>,
    /// Digest of the group's frontier as far as the receiver may read it.
    pub group: [u8; 32],
    /// The same of the lane of the two; zero while there is none.
    pub lane: [u8; 32],
}

/// Which log an entry is in. A lane's id never stands on the wire: it would tell who speaks apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Space {
    /// The group's.
    Group,
    /// That of the two ends of this link.
    Lane,
}

/// An author, a sequence number and the entry that stands there.
pub(crate) type Tip = (MemberId, u32, EntryId);

/// Heads known to the sender, and what it wants of the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpsWant {
    /// Heads, and ancestors at distance 1, 2, 4 ..
    pub have: List<OpId, HEADS_MAX>,
    /// Ops that the sender heard of and lacks.
    pub want: List<OpId, HEADS_MAX>,
}

/// Ops, ancestors first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ops {
    /// The ops.
    pub ops: List<Op, BATCH_OPS_MAX>,
    /// The receiver lacks more: ask again.
    pub more: bool,
}

/// The newest entries held of every author that the receiver may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frontier {
    /// Which log.
    pub space: Space,
    /// The tips: the newest of every author, and all that stands where a chain forks.
    pub tips: List<Tip, TIPS_MAX>,
    /// This is not all: another such message follows, or it is about one author alone.
    pub more: bool,
}

/// What the sender lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Want {
    /// Which log.
    pub space: Space,
    /// Parts of chains, to be served from the newest down.
    pub ranges: List<SeqRange, RANGES_MAX>,
    /// Single entries.
    pub ids: List<EntryId, IDS_MAX>,
}

/// Entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entries {
    /// Which log.
    pub space: Space,
    /// The entries.
    pub entries: List<Entry, BATCH_ENTRIES_MAX>,
    /// Reserved: empty, and not looked at. An entry without its body says as much.
    pub gone: List<EntryId, IDS_MAX>,
    /// More of what was wanted is held here: ask again.
    pub more: bool,
}

/// Entries that the sender holds and believes the receiver lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Have {
    /// Which log.
    pub space: Space,
    /// The entries.
    pub items: List<Tip, IDS_MAX>,
}

/// A message inside a link. Tags 9 and 10 are kept for files (`ChunkWant`, `Chunk`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkMsg {
    /// 0
    Hello(Box<Hello>),
    /// 1: a member's name and addresses.
    Card(Card),
    /// 2: what lets the receiver admit with an invitation.
    InviteKey(InviteSecret),
    /// 3
    OpsWant(OpsWant),
    /// 4
    Ops(Ops),
    /// 5
    Frontier(Frontier),
    /// 6
    Want(Want),
    /// 7
    Entries(Entries),
    /// 8
    Have(Have),
    /// 11: we are here; and the first eight bytes of our digest for you, or 0 before we are linked.
    Ping(u64),
    /// 12: reserved, and ignored.
    Pong(u64),
    /// 13: entries that you push come twice; tell me of them instead.
    Prune,
}

impl LinkMsg {
    /// The canonical bytes.
    #[must_use]
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => tagged(0, hello),
            Self::Card(card) => tagged(1, card),
            Self::InviteKey(key) => tagged(2, key),
            Self::OpsWant(want) => tagged(3, want),
            Self::Ops(ops) => tagged(4, ops),
            Self::Frontier(frontier) => tagged(5, frontier),
            Self::Want(want) => tagged(6, want),
            Self::Entries(entries) => tagged(7, entries),
            Self::Have(have) => tagged(8, have),
            Self::Ping(n) => tagged(11, n),
            Self::Pong(n) => tagged(12, n),
            Self::Prune => tagged(13, &()),
        }
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`Reject::Encoding`] and [`Reject::TooLong`]; the member at the other end controls all of it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Reject> {
        let (tag, rest) = split_tag(bytes)?;
        let max = LINK_MSG_MAX;
        Ok(match tag {
            0 => Self::Hello(Box::new(encoding::decode(rest, max)?)),
            1 => Self::Card(encoding::decode(rest, max)?),
            2 => Self::InviteKey(encoding::decode(rest, max)?),
            3 => Self::OpsWant(encoding::decode(rest, max)?),
            4 => Self::Ops(encoding::decode(rest, max)?),
            5 => Self::Frontier(encoding::decode(rest, max)?),
            6 => Self::Want(encoding::decode(rest, max)?),
            7 => Self::Entries(encoding::decode(rest, max)?),
            8 => Self::Have(encoding::decode(rest, max)?),
            11 => Self::Ping(encoding::decode(rest, max)?),
            12 => Self::Pong(encoding::decode(rest, max)?),
            13 => encoding::decode(rest, max).map(|()| Self::Prune)?,
            _ => return Err(Reject::Encoding),
        })
    }
}

/// Digest of a group and its tips, by author ascending: equal on both sides, or something is missing.
#[must_use]
pub(crate) fn frontier_digest(group: &GroupId, tips: &[Tip]) -> [u8; 32] {
    crate::kdf::kdf(crate::kdf::Label::Frontier, &[&group.0, &encoding::encode(tips)])
}
