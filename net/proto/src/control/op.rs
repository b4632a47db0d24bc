//! A control op: the signed unit of the control DAG.
//!
//! ```text
//! Op     = | header | sig (64) | body |
//! header = | v | suite | group | author | seq | prev | deps | lamport | wall | body_hash |
//! body   = | tag (1) | fields |
//! ```
//!
//! The id covers the header's bytes, the header commits to the body, the signature covers the id.
//! A tag this build does not know is kept and passed on and has no effect.

use serde::{Deserialize, Serialize};

use crate::encoding::{self, Bytes, List, Text, split_tag, tagged};
use crate::error::Reject;
use crate::ids::{EntryId, GroupId, MemberId, OpId};
use crate::kdf::{Label, kdf};
use crate::keys::{MemberKeys, PrekeyBody, Sig, SubkeyBody, keys_digest};
use crate::limits::{
    ADMITTERS_MAX, AGREEMENT_MAX, NAME_MAX, OP_BODY_MAX, OP_BODY_SMALL, OP_DEPS_MAX, OP_HEADER_MAX,
    REASON_MAX, SUITE, VERSION,
};

/// What an op says of itself; its encoding's bytes are what the id covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpHeader {
    /// Protocol version.
    pub v: u8,
    /// Cipher suite.
    pub suite: u8,
    /// The group; zero in Genesis, whose id *is* the group.
    pub group: GroupId,
    /// The author; zero in Genesis, whose keys are in its body.
    pub author: MemberId,
    /// Counts the author's ops from 0. Genesis is the founder's 0.
    pub seq: u32,
    /// The author's op before this one; zero if there is none.
    pub prev: OpId,
    /// The heads that the author saw, strictly ascending.
    pub deps: List<OpId, OP_DEPS_MAX>,
    /// One more than the greatest of `deps`.
    pub lamport: u64,
    /// The author's clock, in minutes since 2020.
    pub wall: u32,
    /// Commits to the body.
    pub body_hash: [u8; 32],
}

/// A signed op, as it is stored and passed on: the exact bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// [`OpHeader`], canonical.
    pub header: Bytes<OP_HEADER_MAX>,
    /// By the author's identity key.
    pub sig: Sig,
    /// [`OpBody`], canonical.
    pub body: Bytes<OP_BODY_MAX>,
}

impl Op {
    /// The op's id.
    #[must_use]
    pub fn id(&self) -> OpId {
        OpId(kdf(Label::OpId, &[&self.header]))
    }

    /// Its size on the wire, near enough to fill a batch.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header.len().saturating_add(self.body.len()).saturating_add(72)
    }

    /// Signs a new op.
    ///
    /// # Errors
    /// [`Reject::TooLong`] when it is over the format's bounds; nothing here comes from a remote.
    pub fn sign(
        mut header: OpHeader,
        body: &OpBody,
        sign: impl FnOnce(Label, &[&[u8]]) -> Sig,
    ) -> Result<Self, Reject> {
        let body = Bytes::new(body.encode()).ok_or(Reject::TooLong)?;
        header.body_hash = kdf(Label::OpBody, &[&body]);
        let header = Bytes::new(encoding::encode(&header)).ok_or(Reject::TooLong)?;
        let id = kdf(Label::OpId, &[&header]);
        Ok(Self { header, sig: sign(Label::OpSig, &[&id]), body })
    }

    /// Reads header and body and checks everything that needs no other op: form, limits, hash.
    /// Not the signature: the author's key stands in another op.
    ///
    /// # Errors
    /// What is wrong with the bytes, all of which a remote controls.
    pub fn parse(&self) -> Result<(OpHeader, OpBody), Reject> {
        // Before anything else: a later version may lay out its header in another way.
        if !self.header.starts_with(&[VERSION, SUITE]) {
            return Err(Reject::Version);
        }
        let header: OpHeader = encoding::decode(&self.header, OP_HEADER_MAX)?;
        if !header.deps.is_sorted_by(|a, b| a < b) {
            return Err(Reject::Op("deps are not strictly ascending"));
        }
        if (header.prev == OpId::ZERO) != (header.seq == 0) {
            return Err(Reject::Op("prev does not fit seq"));
        }
        if kdf(Label::OpBody, &[&self.body]) != header.body_hash {
            return Err(Reject::BodyHash);
        }
        let body = OpBody::decode(&self.body)?;
        let genesis = matches!(body, OpBody::Genesis(_));
        let nameless = header.group == GroupId::ZERO && header.author == MemberId::ZERO;
        let rootless = header.deps.is_empty() && header.seq == 0 && header.lamport == 1;
        if genesis && !(nameless && rootless) || !genesis && (nameless || header.deps.is_empty()) {
            return Err(Reject::Op("only Genesis stands at the root"));
        }
        Ok((header, body))
    }

    /// Checks the signature by an identity key.
    ///
    /// # Errors
    /// [`Reject::Signature`].
    pub fn verify(&self, ik: &[u8; 32]) -> Result<(), Reject> {
        self.sig.verify(ik, Label::OpSig, &[&self.id().0])
    }
}

/// What the group is: its numbers, fixed at Genesis unless said otherwise (docs/protocol.md, "Group").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupParams {
    /// Cipher suite.
    pub suite: u8,
    /// Oldest protocol version a member may speak.
    pub ver_min: u8,
    /// Vouches an invitation needs beside its author.
    pub vouches: u8,
    /// Adds by one author in seven days.
    pub max_adds_per_week: u16,
    /// Days after which a silent voter does not count as active.
    pub dormant_days: u16,
    /// Age of a branch that is taken in without asking, in days.
    pub horizon_days: u16,
    /// One over this share of the voters must agree to a removal.
    pub remove_floor_den: u8,
    /// Voters who must agree to a removal at least.
    pub min_yes: u8,
    /// How long words stay, in seconds; 0 keeps them. May be changed by agreement.
    pub ttl_default_secs: u32,
    /// How long the stub of an ended entry stays, in days.
    pub keep_headers_days: u16,
    /// How long a suggestion is open at least, in hours. May be changed by agreement.
    pub consent_hours: u16,
    /// A person presses yes before someone is let in. May be changed by agreement.
    pub ask_first: bool,
    /// Addresses are never told. May be changed by agreement.
    pub relay_only: bool,
}

impl Default for GroupParams {
    fn default() -> Self {
        Self {
            suite: SUITE,
            ver_min: VERSION,
            vouches: 0,
            max_adds_per_week: 60,
            dormant_days: 60,
            horizon_days: 45,
            remove_floor_den: 3,
            min_yes: 2,
            ttl_default_secs: 30 * 24 * 3600,
            keep_headers_days: 90,
            consent_hours: 72,
            ask_first: false,
            relay_only: false,
        }
    }
}

/// What a group is called, why it meets, and what its members agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// What the group is called.
    pub name: Text<NAME_MAX>,
    /// Why it meets; shown before joining.
    pub reason: Text<REASON_MAX>,
    /// What was agreed on; shown before joining. May be empty.
    pub text: Text<AGREEMENT_MAX>,
}

/// The root of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// The group's numbers.
    pub params: GroupParams,
    /// The first agreement.
    pub agreement: Agreement,
    /// Makes two groups with equal content differ.
    pub nonce: [u8; 16],
    /// The founder's keys.
    pub keys: MemberKeys,
    /// Their first prekey.
    pub prekey: PrekeyBody,
    /// Their first subkey.
    pub subkey: SubkeyBody,
    /// By the founder's `ik` over the digest of the three above.
    pub self_sig: Sig,
}

/// Announces that someone may be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Public half of the key that the invitation's seed yields.
    pub inv_pk: [u8; 32],
    /// Who may let them in, the author first, in order of priority.
    pub admitters: List<MemberId, ADMITTERS_MAX>,
    /// Until when, in whole minutes since 1970: valid while it is not greater than this.
    pub expires: u32,
}

/// Takes an invitation back. Only its author may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteCancel {
    /// The invitation.
    pub invite: OpId,
}

/// Counts a newcomer in: by more than half of the others, and they get a say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The newcomer.
    pub member: MemberId,
}

/// Ends the author's own membership, at once and for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// The author's last entry: what they said up to here is theirs.
    pub last: Option<(u32, EntryId)>,
}

/// Makes someone a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add {
    /// The invitation that is used up by this.
    pub invite: OpId,
    /// The newcomer's keys.
    pub keys: MemberKeys,
    /// Their first prekey.
    pub prekey: PrekeyBody,
    /// Their first subkey.
    pub subkey: SubkeyBody,
    /// By the invitation's key: the newcomer held the link.
    pub join_sig: Sig,
    /// By the newcomer's `ik`: they hold the keys.
    pub self_sig: Sig,
}

impl Add {
    /// Checks both of the newcomer's signatures and their keys.
    ///
    /// # Errors
    /// What is wrong with them; the newcomer and the admitter control all of it.
    pub fn verify(&self, group: &GroupId, inv_pk: &[u8; 32]) -> Result<(), Reject> {
        self.keys.check()?;
        let digest = keys_digest(&self.keys, &self.prekey, &self.subkey);
        let parts: [&[u8]; 3] = [&group.0, &self.invite.0, &digest];
        self.join_sig.verify(inv_pk, Label::AddSig, &parts)?;
        self.self_sig.verify(&self.keys.ik, Label::AddSig, &parts)
    }
}

/// What an op does. Tags are append-only.
///
/// Reserved where they will stand: 3 `Vouch`, 7 `Revoke`, 8 `Propose`, 9 `Vote`,
/// 10 `RemoveCert`, 13 `Suggest`, 14 `Answer`, 15 `Adopt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpBody {
    /// 0: the root.
    Genesis(Box<Genesis>),
    /// 1: someone may be let in.
    Invite(Invite),
    /// 2: nobody comes in with this invitation any more.
    InviteCancel(InviteCancel),
    /// 4: someone is a member.
    Add(Box<Add>),
    /// 5: I count them in.
    Welcome(Welcome),
    /// 6: I go.
    Leave(Leave),
    /// 11: a fresh prekey.
    Prekey(PrekeyBody),
    /// 12: a fresh subkey.
    Subkey(SubkeyBody),
    /// 16: joins heads, says nothing.
    Merge,
    /// A tag of a newer build, 17 and above: kept, passed on, without effect.
    Unknown(Bytes<OP_BODY_MAX>),
}

impl OpBody {
    /// The keys of whom it makes a member, and the subkey that comes with them.
    #[must_use]
    pub fn newcomer(&self) -> Option<(&MemberKeys, &SubkeyBody)> {
        match self {
            Self::Genesis(genesis) => Some((&genesis.keys, &genesis.subkey)),
            Self::Add(add) => Some((&add.keys, &add.subkey)),
            Self::Invite(_)
            | Self::InviteCancel(_)
            | Self::Welcome(_)
            | Self::Leave(_)
            | Self::Prekey(_)
            | Self::Subkey(_)
            | Self::Merge
            | Self::Unknown(_) => None,
        }
    }

    /// The invitation that it uses up.
    #[must_use]
    pub fn uses(&self) -> Option<OpId> {
        if let Self::Add(add) = self { Some(add.invite) } else { None }
    }

    /// Whether it can change who is a member or who has a say.
    #[must_use]
    pub(super) const fn bears_on_membership(&self) -> bool {
        match self {
            Self::Genesis(_)
            | Self::InviteCancel(_)
            | Self::Add(_)
            | Self::Welcome(_)
            | Self::Leave(_) => true,
            Self::Invite(_)
            | Self::Prekey(_)
            | Self::Subkey(_)
            | Self::Merge
            | Self::Unknown(_) => false,
        }
    }

    /// The canonical bytes: tag and fields.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Genesis(genesis) => tagged(0, genesis),
            Self::Invite(invite) => tagged(1, invite),
            Self::InviteCancel(cancel) => tagged(2, cancel),
            Self::Add(add) => tagged(4, add),
            Self::Welcome(welcome) => tagged(5, welcome),
            Self::Leave(leave) => tagged(6, leave),
            Self::Prekey(prekey) => tagged(11, prekey),
            Self::Subkey(subkey) => tagged(12, subkey),
            Self::Merge => tagged(16, &()),
            Self::Unknown(bytes) => bytes.to_vec(),
        }
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`Reject::Encoding`] and [`Reject::TooLong`]; a remote controls all of it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Reject> {
        let (tag, rest) = split_tag(bytes)?;
        // An Invite with 32 admitters takes 1,064 bytes and a Prekey of suite 2 some 1,250: over the small
        // bound of the design.
        if !matches!(tag, 0 | 1 | 4 | 10 | 11 | 13) && bytes.len() > OP_BODY_SMALL {
            return Err(Reject::TooLong);
        }
        Ok(match tag {
            0 => Self::Genesis(Box::new(encoding::decode(rest, OP_BODY_MAX)?)),
            1 => Self::Invite(encoding::decode(rest, OP_BODY_MAX)?),
            2 => Self::InviteCancel(encoding::decode(rest, OP_BODY_SMALL)?),
            4 => Self::Add(Box::new(encoding::decode(rest, OP_BODY_MAX)?)),
            5 => Self::Welcome(encoding::decode(rest, OP_BODY_SMALL)?),
            6 => Self::Leave(encoding::decode(rest, OP_BODY_SMALL)?),
            11 => Self::Prekey(encoding::decode(rest, OP_BODY_MAX)?),
            12 => Self::Subkey(encoding::decode(rest, OP_BODY_SMALL)?),
            16 if rest.is_empty() => Self::Merge,
            16 => return Err(Reject::Encoding),
            // A later build will say what these mean: until then they wait, like an unknown version, for
            // nobody may plant one that it must refuse.
            3 | 7..=10 | 13..=15 => return Err(Reject::Version),
            _ => Self::Unknown(Bytes::new(bytes.to_vec()).ok_or(Reject::TooLong)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_ops_is_counted_by_their_bytes() {
        let header = Bytes::new(vec![1; 300]).unwrap();
        let sig = Sig::sign(&[1; 32], Label::OpSig, &[]);
        let op = Op { header, sig, body: Bytes::new(vec![2; 700]).unwrap() };
        let bytes = encoding::encode(&op).len();
        assert!((bytes..bytes + 8).contains(&op.size()), "{} for {bytes}", op.size());
    }
}
