//! An entry: the signed unit of the message layer, one link in its author's chain.
//!
//! ```text
//! Entry  = | header | sig (64) | body: 0, or 1 and salt (16) and payload |
//! header = | v | suite | space | author | seq | prev | deps | ops | lamport | msk | wall | ends | payload_hash |
//! ```
//!
//! The header commits to the plaintext, salted, so an entry is the same however it travelled, and a
//! body can be erased while the header keeps the chain whole. `ops` is the view: its members are the
//! entry's readers.

use serde::{Deserialize, Serialize};

use crate::encoding::{self, Bytes, List};
use crate::error::Reject;
use crate::ids::{EntryId, GroupId, MemberId, OpId};
use crate::kdf::{Label, kdf};
use crate::keys::{Member, Sig};
use crate::limits::{ENTRY_DEPS_MAX, ENTRY_HEADER_MAX, OP_DEPS_MAX, PAYLOAD_MAX, SUITE, VERSION};

/// When an entry's body is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ends {
    /// As the group's agreement says.
    Default,
    /// Never by time.
    Keep,
    /// At this time, in milliseconds since 1970.
    At(u64),
}

/// What an entry says of itself; its encoding's bytes are what the id covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryHeader {
    /// Protocol version.
    pub v: u8,
    /// Cipher suite.
    pub suite: u8,
    /// The group, or a lane of two.
    pub space: [u8; 32],
    /// The author.
    pub author: MemberId,
    /// Counts the author's entries in this space from 0.
    pub seq: u32,
    /// The author's entry before this one; zero if there is none.
    pub prev: EntryId,
    /// Newest entries of others that the author had seen.
    pub deps: List<EntryId, ENTRY_DEPS_MAX>,
    /// The op heads that the author saw, strictly ascending: the view.
    pub ops: List<OpId, OP_DEPS_MAX>,
    /// Greater than that of `prev` and of every dep.
    pub lamport: u64,
    /// Which of the author's subkeys signed.
    pub msk: u16,
    /// The author's clock, in milliseconds since 1970.
    pub wall: u64,
    /// When the body is forgotten.
    pub ends: Ends,
    /// Commits to salt and payload.
    pub payload_hash: [u8; 32],
}

impl EntryHeader {
    /// When the body is to be gone from a device to which it came at `first_seen_ms`, in milliseconds since
    /// 1970; none: never by time. `ttl_secs` is the group's, 0 for words that stay. A `wall` that was
    /// backdated only shortens the time.
    #[must_use]
    pub fn ends_ms(&self, first_seen_ms: u64, ttl_secs: u32) -> Option<u64> {
        match self.ends {
            Ends::Default if ttl_secs == 0 => None,
            Ends::Default => {
                let ttl_ms = u64::from(ttl_secs).saturating_mul(1000);
                Some(self.wall.min(first_seen_ms).saturating_add(ttl_ms))
            }
            Ends::Keep => None,
            Ends::At(end) => Some(end),
        }
    }
}

/// What is said, and the salt that keeps a short text from being guessed from its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryBody {
    /// Random to everyone else: for one's own words, the first half of their local id.
    pub salt: [u8; 16],
    /// A padded payload (`message`).
    pub payload: Bytes<PAYLOAD_MAX>,
}

impl core::fmt::Debug for EntryBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("EntryBody(..)")
    }
}

/// A signed entry, as it is passed on: the exact bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`EntryHeader`], canonical.
    pub header: Bytes<ENTRY_HEADER_MAX>,
    /// By the author's subkey.
    pub sig: Sig,
    /// Absent once it ended.
    pub body: Option<EntryBody>,
}

impl Entry {
    /// The entry's id.
    #[must_use]
    pub fn id(&self) -> EntryId {
        EntryId(kdf(Label::EntryId, &[&self.header]))
    }

    /// Its size on the wire, near enough to fill a batch.
    #[must_use]
    pub fn size(&self) -> usize {
        let body = self.body.as_ref().map_or(0, |body| body.payload.len().saturating_add(24));
        self.header.len().saturating_add(body).saturating_add(72)
    }

    /// Signs a new entry.
    ///
    /// # Errors
    /// [`Reject::TooLong`] when it is over the format's bounds; nothing here comes from a remote.
    pub fn sign(mut header: EntryHeader, body: EntryBody, me: &Member) -> Result<Self, Reject> {
        header.payload_hash = kdf(Label::EntryPayload, &[&body.salt, &body.payload]);
        let header = Bytes::new(encoding::encode(&header)).ok_or(Reject::TooLong)?;
        let id = kdf(Label::EntryId, &[&header]);
        let sig = me.secrets.sign_message(Label::EntrySig, &[&id]);
        Ok(Self { header, sig, body: Some(body) })
    }

    /// Reads the header alone, of an entry that is still to be checked.
    ///
    /// # Errors
    /// [`Reject::Encoding`] and [`Reject::TooLong`]; a remote controls the bytes.
    pub(crate) fn read_header(&self) -> Result<EntryHeader, Reject> {
        encoding::decode(&self.header, ENTRY_HEADER_MAX)
    }

    /// Reads the header and checks all that needs no op: form, limits, and that the body is the one
    /// the header commits to. Not the signature: the subkey stands in an op.
    ///
    /// # Errors
    /// What is wrong with the bytes, all of which a remote controls.
    pub fn parse(&self, group: &GroupId) -> Result<EntryHeader, Reject> {
        // Before anything else: a later version may lay out its header in another way.
        if !self.header.starts_with(&[VERSION, SUITE]) {
            return Err(Reject::Version);
        }
        let header = self.read_header()?;
        if header.space != group.0 {
            return Err(Reject::Foreign);
        }
        if header.ops.is_empty() || !header.ops.is_sorted_by(|a, b| a < b) {
            return Err(Reject::Entry("the view is empty or not strictly ascending"));
        }
        if (header.prev == EntryId::ZERO) != (header.seq == 0) {
            return Err(Reject::Entry("prev does not fit seq"));
        }
        if header.lamport == 0 || header.lamport >= 1 << 63 {
            return Err(Reject::Entry("lamport out of bounds"));
        }
        if let Some(body) = &self.body
            && kdf(Label::EntryPayload, &[&body.salt, &body.payload]) != header.payload_hash
        {
            return Err(Reject::BodyHash);
        }
        Ok(header)
    }

    /// Checks the signature by a subkey.
    ///
    /// # Errors
    /// [`Reject::Signature`].
    pub fn verify(&self, msk: &[u8; 32]) -> Result<(), Reject> {
        self.sig.verify(msk, Label::EntrySig, &[&self.id().0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::MemberSecrets;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng as _;

    fn entry() -> (Entry, Member) {
        let secrets = MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(1));
        let group = GroupId([9; 32]);
        let id = secrets.public().member_id(&group);
        let me = Member { group, id, secrets, name: encoding::Text::default() };
        let header = EntryHeader {
            v: VERSION,
            suite: SUITE,
            space: group.0,
            author: id,
            seq: 0,
            prev: EntryId::ZERO,
            deps: List::default(),
            ops: List::new(vec![OpId([1; 32])]).unwrap(),
            lamport: 1,
            msk: 0,
            wall: 5,
            ends: Ends::Default,
            payload_hash: [0; 32],
        };
        let body = EntryBody { salt: [3; 16], payload: Bytes::new(vec![1, 2, 3]).unwrap() };
        (Entry::sign(header, body, &me).unwrap(), me)
    }

    #[test]
    fn altered_body_rejected() {
        let (entry, me) = entry();
        assert!(entry.parse(&me.group).is_ok());
        let mut altered = entry.clone();
        altered.body.as_mut().unwrap().payload = Bytes::new(vec![1, 2, 4]).unwrap();
        assert_eq!(altered.parse(&me.group), Err(Reject::BodyHash));
        let mut salted = entry.clone();
        salted.body.as_mut().unwrap().salt = [4; 16];
        assert_eq!(salted.parse(&me.group), Err(Reject::BodyHash));
        let stub = Entry { body: None, ..entry.clone() };
        assert_eq!(stub.id(), entry.id(), "an entry is the same without its body");
    }

    #[test]
    fn an_entry_of_another_group_is_foreign() {
        let (entry, me) = entry();
        assert_eq!(entry.parse(&GroupId([8; 32])), Err(Reject::Foreign));
        assert_eq!(entry.verify(&me.secrets.first_subkey().msk), Ok(()));
        assert_eq!(entry.verify(&me.secrets.public().ik), Err(Reject::Signature));
    }
}
