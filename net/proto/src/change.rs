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
    /// What stands under one number of an author's chain, when it is more than one entry or does not fit
    /// what is held before it. Replaces the one before.
    Fork(Fork),
    /// The body of this entry is to be gone: erased if it is held, else not kept when it comes.
    Gone(Gone),
    /// What is shown in place of a message's first words. Replaces the one before by the same author, if
    /// it is newer.
    Instead(Instead),
    /// A written message was taken back before it was signed: nothing of it stays.
    Unwritten(LocalId),
    /// An entry is not kept any more: its author said too many things under one number, and this is
    /// the one with the greatest id.
    Displaced(EntryId),
    /// Up to where a member holds this device's own chain without a gap, as they said. Replaces the one
    /// before.
    Held(MemberId, u32),
    /// Someone who came lately. Replaces the one before.
    Arrival(Arrival),
    /// What is known of a member from comparing words. Replaces the one before.
    Compared(Compared),
    /// Whom this device has met since it was let in. Replaces the one before.
    Arriving(Arriving),
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
    /// When its body is to be gone, in milliseconds since 1970; none: never by time.
    pub ends_ms: Option<u64>,
    /// The local id it was known by before it was signed; an own entry may have one.
    pub local: Option<LocalId>,
    /// Whether it is a message of its own. Edits and take-backs are none.
    pub is_shown: bool,
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
    /// Its id; the smallest, if several stand there.
    pub id: EntryId,
    /// The entry before it.
    pub prev: EntryId,
    /// Its lamport.
    pub lamport: u64,
    /// The view it names.
    pub ops: Vec<OpId>,
    /// Which entries are held: ascending ranges, ends included, that do not touch.
    pub held: Vec<(u32, u32)>,
}

/// One of several entries under one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Its id.
    pub id: EntryId,
    /// The entry before it.
    pub prev: EntryId,
    /// Its lamport.
    pub lamport: u64,
    /// The view it names.
    pub ops: Vec<OpId>,
}

/// A number of an author's chain under which something is odd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Whose chain.
    pub author: MemberId,
    /// The number.
    pub seq: u32,
    /// What stands there, by ascending id: 1 to 4.
    pub branches: Vec<Branch>,
    /// It breaks a rule with the entry before it, which came later than it did.
    pub is_broken: bool,
}

impl Fork {
    /// Whether people are to see it: their device said two things at once, or what cannot be. Otherwise an
    /// entry only stands above another than the one it follows.
    #[must_use]
    pub const fn is_marked(&self) -> bool {
        self.is_broken || self.branches.len() > 1
    }
}

/// An entry whose body is to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Who said so: counts only for an entry of the same author.
    pub author: MemberId,
    /// Where the entry stands in the author's chain.
    pub seq: u32,
    /// Its id.
    pub id: EntryId,
    /// Whether it is a message of its own, or an edit of one.
    pub is_shown: bool,
    /// Whether the engine waits for it: then it is given back when the engine begins again.
    pub is_awaited: bool,
}

/// What an edit took the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instead {
    /// The message.
    pub of: EntryId,
    /// Who edited: counts only for a message of the same author.
    pub author: MemberId,
    /// Where the edit stands in the author's chain.
    pub seq: u32,
    /// The edit.
    pub by: EntryId,
}

/// Someone who is not counted in yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Who.
    pub member: MemberId,
    /// When this device first saw them, in milliseconds since 1970.
    pub first_seen_ms: u64,
    /// The person here does not want to count them in without being asked.
    pub is_objected: bool,
}

/// Words that two people may compare, and whether they did. Known to this device alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// With whom.
    pub member: MemberId,
    /// What the two devices agreed on when one let the other in: the same on both when nobody stood between
    /// them. None for everyone else.
    pub joined_with: Option<[u8; 32]>,
    /// The person here said that the words were the same.
    pub is_verified: bool,
}

/// How far a newcomer has come: until they have met the inviter, or two others than whoever let them in,
/// nothing but that one's word says that this is the group they were invited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arriving {
    /// Who made the invitation.
    pub inviter: MemberId,
    /// Who let this device in.
    pub admitter: MemberId,
    /// Someone else who was met.
    pub met: Option<MemberId>,
    /// It has arrived.
    pub is_over: bool,
}

impl Arriving {
    /// Takes in that a link to a member is up. False when that changes nothing.
    pub(crate) fn meet(&mut self, member: MemberId) -> bool {
        let before = *self;
        let is_second = self.met.is_some_and(|met| met != member) && member != self.admitter;
        self.is_over |= member == self.inviter || is_second;
        if member != self.admitter {
            self.met = self.met.or(Some(member));
        }
        before != *self && !before.is_over
    }
}

/// A message written before the first catch-up of a run had ended.
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
    /// A message was written before the first catch-up of a run had ended.
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
    /// A message was edited or taken back; by its id, local while it is not signed.
    Changed([u8; 32]),
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
    /// Which of these entries are held.
    Held(Vec<EntryId>),
    /// A message, and its newest edit if it has one that is signed.
    Versions(EntryId),
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The entries, in the order in which they were wanted; those not held are left out.
    pub entries: Vec<Entry>,
    /// Those that are held, of [`Wanted::Held`].
    pub held: Vec<EntryId>,
    /// A bound stopped it before the end.
    pub more: bool,
}

impl Instead {
    /// Whether this is shown rather than `old`: the greater number, under one number the smaller id.
    #[must_use]
    pub fn is_newer_than(&self, old: &Self) -> bool {
        (self.seq, core::cmp::Reverse(self.by)) > (old.seq, core::cmp::Reverse(old.by))
    }
}

impl Change {
    /// Whether a store gives this back when the engine starts again.
    #[must_use]
    pub const fn is_kept_in_memory(&self) -> bool {
        match self {
            Self::Op(_) | Self::Chain(_) | Self::Written(_) | Self::Card(_) | Self::Invite(_) => {
                true
            }
            Self::Met(..) | Self::Fork(_) | Self::Gone(_) | Self::Held(..) | Self::Arrival(_) => {
                true
            }
            Self::Compared(_) | Self::Arriving(_) => true,
            Self::Entry(_)
            | Self::Instead(_)
            | Self::Unwritten(_)
            | Self::Displaced(_)
            | Self::Notice(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(seq: u32, by: u8) -> Instead {
        let (of, author) = (EntryId([1; 32]), MemberId([2; 32]));
        Instead { of, author, seq, by: EntryId([by; 32]) }
    }

    #[test]
    fn of_two_edits_the_later_is_shown_and_of_two_at_once_the_same_one_to_everyone() {
        let shown = |new: Instead, old: Instead| new.is_newer_than(&old);
        assert!(shown(edit(2, 1), edit(1, 0)) && !shown(edit(1, 0), edit(2, 1)));
        assert!(shown(edit(2, 1), edit(2, 9)) && !shown(edit(2, 9), edit(2, 1)));
        assert!(!shown(edit(2, 1), edit(2, 1)), "what came twice changes nothing");
    }

    #[test]
    fn an_engine_begins_with_who_holds_what_and_reads_what_was_said() {
        let member = MemberId([1; 32]);
        assert!(Change::Held(member, 3).is_kept_in_memory());
        assert!(!Change::Instead(edit(1, 1)).is_kept_in_memory());
        assert!(!Change::Notice(Notice::MemberLeft(member)).is_kept_in_memory());
    }
}
