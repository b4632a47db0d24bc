//! The only vocabulary between core and disk, both ways.
//!
//! The engine says what is to be remembered as [`Change`]s; a store keeps them, durably, in one
//! commit, and gives back at the next start what [`Change::is_kept_in_memory`] tells. Bodies are never
//! replayed: what the engine must read it asks for with a [`Wanted`].

use serde::{Deserialize, Serialize};

use crate::address::{Addr, Card};
use crate::control::Op;
use crate::encoding::Bytes;
use crate::ids::{EntryId, LocalId, MemberId, OpId};
use crate::limits::PAYLOAD_MAX;
use crate::log::{Entry, Order, SeqRange};

/// Something to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A valid op. Replayed in the order in which they came.
    Op(Op),
    /// A valid entry. Kept once for each id; not replayed.
    Entry(Box<Accepted>),
    /// What is held of an author's chain and which entry is the newest. Replaces the one before.
    Chain(ChainState),
    /// A message that is durable here and not yet signed. Shown after everything signed. An
    /// [`Accepted`] entry with the same local id takes its place.
    Written(Written),
    /// A member's name and addresses. Replaces the one before.
    Card(Card),
    /// What admits with an invitation. Replaces the one before; sealed like everything else.
    Invite(InviteSecret),
    /// Where a member was last met. Replaces the one before.
    Met(MemberId, Addr),
    /// Something that a person may want to hear of. Gets the next cursor; not replayed.
    Notice(Notice),
}

/// An entry that was found valid, with what a store needs to file it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The entry's id.
    pub id: EntryId,
    /// Its author.
    pub author: MemberId,
    /// Its place in the author's chain.
    pub seq: u32,
    /// Its place in what is shown.
    pub order: Order,
    /// When it came to this device, in milliseconds since 1970.
    pub first_seen_ms: u64,
    /// The local id it was known by before it was signed; an own entry may have one.
    pub local: Option<LocalId>,
    /// The entry.
    pub entry: Entry,
}

/// What this device holds of one author's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainState {
    /// Whose chain.
    pub author: MemberId,
    /// Sequence number of the newest entry held.
    pub seq: u32,
    /// Its id.
    pub id: EntryId,
    /// Its lamport.
    pub lamport: u64,
    /// The view it names.
    pub ops: Vec<OpId>,
    /// Which entries are held: ascending ranges, ends included, that do not touch.
    pub held: Vec<(u32, u32)>,
}

/// A message written while nobody was linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// What it is known by until it is signed, and afterwards too.
    pub local: LocalId,
    /// Counts this device's written messages; they are signed in this order.
    pub nth: u64,
    /// When it was written, in milliseconds since 1970.
    pub wall: u64,
    /// The padded payload.
    pub payload: Bytes<PAYLOAD_MAX>,
}

/// What lets this device admit with an invitation (docs/protocol.md, "Joining").
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteSecret {
    /// The Invite op.
    pub invite: OpId,
    /// Key of the join handshake.
    pub join_psk: [u8; 32],
    /// Where the admitters are looked for.
    pub disc: [u8; 32],
}

impl core::fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "InviteSecret({:?}, ..)", self.invite)
    }
}

/// How a link reaches its member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Path {
    /// Over a network further away.
    Direct,
    /// Through a meeting point.
    Relayed,
    /// Over the local network.
    Lan,
}

/// Something that a person may want to hear of, by reference: what ended is not heard again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// An entry came, or was written and signed in one go.
    Entry(EntryId),
    /// A message was written while nobody was linked.
    Written(LocalId),
    /// Someone became a member.
    MemberJoined(MemberId),
    /// Someone is no member any more.
    MemberLeft(MemberId),
    /// A link to a member is up: admitted both ways, ops equal, their addresses durable.
    LinkUp(MemberId, Path),
    /// A link to a member is down.
    LinkDown(MemberId, Path),
    /// Someone came in with this device's invitation.
    InviteUsed(OpId, MemberId),
    /// Catch-up with a member has ended.
    Complete(MemberId),
}

/// What the engine wants to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Entries, each range from its newest down, then those named by id; as many as fit.
    Entries {
        /// Parts of authors' chains.
        ranges: Vec<SeqRange>,
        /// Single entries.
        ids: Vec<EntryId>,
        /// Stop before more than so many.
        entries_max: usize,
        /// Stop before more bytes than this, but give at least one entry.
        bytes_max: usize,
    },
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The entries, in the order in which they were wanted; those not held are left out.
    pub entries: Vec<Entry>,
    /// A bound stopped it before the end.
    pub more: bool,
}

impl Change {
    /// Whether a store gives this back when the engine starts again.
    #[must_use]
    pub const fn is_kept_in_memory(&self) -> bool {
        match self {
            Self::Op(_) | Self::Chain(_) | Self::Written(_) | Self::Card(_) | Self::Invite(_) => {
                true
            }
            Self::Met(..) => true,
            Self::Entry(_) | Self::Notice(_) => false,
        }
    }
}
