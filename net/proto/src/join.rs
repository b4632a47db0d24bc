//! Joining: a newcomer with an invitation, and any member who may let them in.
//!
//! ```text
//! Noise_NNpsk0 under the invitation's key, 48 + 48 bytes; then, as messages in frames:
//! J1 newcomer -> admitter   Commit   to a nonce and to the newcomer's keys; and who they are, if they
//!                                    showed these keys before and the stream broke
//! J2 admitter -> newcomer   No       used, expired, ..; or
//!                           Offer    group, why it meets, what was agreed on: nothing about members
//! J3 newcomer -> admitter   Keys     after the person has agreed; must match the commitment
//! J4 admitter -> newcomer   Admitted once the Add is durable, then all ops, the Add last
//! ```
//!
//! Without the invitation nobody gets an answer at all. Whoever takes the members' keys has been
//! recorded as a newcomer first (docs/protocol.md, "Joining").

mod admission;
mod invitation;
mod newcomer;

pub(crate) use admission::{Admission, Tried};
pub use invitation::Invitation;
pub(crate) use newcomer::PREKEY_MINUTES;
pub use newcomer::{Candidate, JoinStep, Joined, Newcomer};

use serde::{Deserialize, Serialize};

use crate::control::Op;
use crate::encoding::{self, List, Text, split_tag, tagged};
use crate::error::Reject;
use crate::ids::{GroupId, MemberId, OpId};
use crate::kdf::{Label, framed, kdf};
use crate::keys::{MemberKeys, PrekeyBody, Sig, SubkeyBody, keys_digest};
use crate::limits::{AGREEMENT_MAX, BATCH_OPS_MAX, LINK_MSG_MAX, REASON_MAX, SUITE};
use crate::link::Ends;

/// Why someone who holds an invitation is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum No {
    /// Someone came in with it already.
    Used,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Cancelled,
    /// Too much to do; try again.
    Busy,
    /// A person there has to agree first.
    AskFirst,
}

/// What someone with an invitation learns before agreeing: nothing about members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Makes the words that two people may compare depend on both sides.
    pub nonce: [u8; 32],
    /// The group; the invitation commits to it.
    pub group: GroupId,
    /// The invitation's op.
    pub invite: OpId,
    /// Why the group meets.
    pub reason: Text<REASON_MAX>,
    /// What was agreed on; may be empty.
    pub agreement: Text<AGREEMENT_MAX>,
    /// How long words stay, in seconds; 0 keeps them.
    pub ttl_secs: u32,
}

/// A newcomer's keys, with what proves that they hold them and the invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) nonce: [u8; 32],
    pub(crate) keys: MemberKeys,
    pub(crate) prekey: PrekeyBody,
    pub(crate) subkey: SubkeyBody,
    pub(crate) join_sig: Sig,
    pub(crate) self_sig: Sig,
}

impl Keys {
    /// What J1 commits to.
    fn commitment(&self) -> [u8; 32] {
        commitment(&self.nonce, &keys_digest(&self.keys, &self.prekey, &self.subkey))
    }
}

pub(crate) fn commitment(nonce: &[u8; 32], digest: &[u8; 32]) -> [u8; 32] {
    kdf(Label::SasCommit, &[nonce, digest])
}

/// What the two people of a join may compare as words. Each side adds a nonce, and the newcomer is bound to
/// theirs before they see the other: whoever stands between has one guess (docs/protocol.md, "Joining").
pub(crate) fn sas(session: &[u8], offer: &[u8; 32], keys: &Keys) -> [u8; 32] {
    let digest = keys_digest(&keys.keys, &keys.prekey, &keys.subkey);
    kdf(Label::Sas, &[session, offer, &keys.nonce, &digest])
}

/// J1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commit {
    pub(crate) commitment: [u8; 32],
    /// Set when J3 was sent before: the invitation may be used up by this very newcomer.
    pub(crate) again: Option<MemberId>,
}

/// Who let the newcomer in, and their signature over this very session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Admitted {
    admitter: MemberId,
    sig: Sig,
}

/// Ops for a newcomer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinOps {
    ops: List<Op, BATCH_OPS_MAX>,
    more: bool,
}

/// A message of a join, by tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JoinMsg {
    /// 0
    Commit(Commit),
    /// 1
    No(No),
    /// 2
    Offer(Box<Offer>),
    /// 3
    Keys(Box<Keys>),
    /// 4
    Admitted(Admitted),
    /// 5
    Ops(JoinOps),
}

impl JoinMsg {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Commit(commit) => tagged(0, commit),
            Self::No(no) => tagged(1, no),
            Self::Offer(offer) => tagged(2, offer),
            Self::Keys(keys) => tagged(3, keys),
            Self::Admitted(admitted) => tagged(4, admitted),
            Self::Ops(ops) => tagged(5, ops),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Reject> {
        let (tag, rest) = split_tag(bytes)?;
        Ok(match tag {
            0 => Self::Commit(encoding::decode(rest, LINK_MSG_MAX)?),
            1 => Self::No(encoding::decode(rest, LINK_MSG_MAX)?),
            2 => Self::Offer(Box::new(encoding::decode(rest, LINK_MSG_MAX)?)),
            3 => Self::Keys(Box::new(encoding::decode(rest, LINK_MSG_MAX)?)),
            4 => Self::Admitted(encoding::decode(rest, LINK_MSG_MAX)?),
            5 => Self::Ops(encoding::decode(rest, LINK_MSG_MAX)?),
            _ => return Err(Reject::Encoding),
        })
    }
}

pub(crate) fn prologue(ends: &Ends) -> Vec<u8> {
    framed(Label::Join, &[&[SUITE], &ends.initiator, &ends.responder])
}
