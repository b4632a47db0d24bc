//! Attacks by name, as in the threat model's list: each a test of what its answer promises.
//!
//! ```text
//! bytes.rs    24 noncanonical_rejected, 25 length_bombs_allocate_nothing
//! keys.rs     23 a_public_key_is_32_bytes_wherever_it_stands
//! forged.rs   words and cards in the name of another, or out of their place
//! groups.rs   16 one_text_per_id, 32 cross_group_replay
//! floods.rs   26 absurd_frontier_is_bounded, 28 heads_bounded
//! joins.rs    30 join_mitm, sas_grinding_blocked, 31 uks_rejected
//! paths.rs    39 failover_loses_nothing
//! views.rs    7 view_never_shrinks
//! found.rs    what reading the code to break it brought to light
//! cheats.rs   what a client that cheats found against real processes
//! ```
//!
//! Here: a valid encoding of everything that is ever read from a remote, with its decoder.

mod bytes;
mod cheats;
mod floods;
mod forged;
mod found;
mod groups;
mod joins;
mod keys;
mod paths;
mod views;

pub(crate) use found::{forge, push};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::{Addr, Card};
use crate::change::InviteSecret;
use crate::control::{Add, Invite, InviteCancel, Leave, Op, OpBody, OpHeader, Welcome};
use crate::encoding::{Bytes, List, Text, decode, encode, tagged};
use crate::error::Reject;
use crate::hostile::Room;
use crate::ids::{EntryId, GroupId, MemberId, OpId};
use crate::join::{JoinMsg, No, Offer};
use crate::keys::{MemberSecrets, PrekeyBody, Sig};
use crate::limits::{LINK_MSG_MAX, OP_BODY_MAX};
use crate::link::{Entries, Frontier, Have, Hello, LinkMsg, Ops, OpsWant, Space, Want};
use crate::log::{Entry, EntryHeader};
use crate::message::{self, Body};

/// Something that a remote may send, and how it is read.
struct Format {
    name: &'static str,
    /// What an honest member might send.
    valid: Vec<u8>,
    /// As it is read here, and encoded again.
    strict: fn(&[u8]) -> Result<Vec<u8>, Reject>,
    /// As postcard alone would read it, and encoded again.
    lenient: fn(&[u8]) -> Option<Vec<u8>>,
}

fn plain<T: Serialize + DeserializeOwned>(name: &'static str, value: &T) -> Format {
    let strict = |bytes: &[u8]| decode::<T>(bytes, LINK_MSG_MAX).map(|value| encode(&value));
    Format { name, valid: encode(value), strict, lenient: lenient::<T, 0> }
}

fn lenient<T: Serialize + DeserializeOwned, const TAG: usize>(bytes: &[u8]) -> Option<Vec<u8>> {
    let (tag, fields) = bytes.split_at_checked(TAG)?;
    let (value, _rest) = postcard::take_from_bytes::<T>(fields).ok()?;
    Some([tag, &encode(&value)].concat())
}

fn body<T: Serialize + DeserializeOwned>(name: &'static str, body: &OpBody, _: &T) -> Format {
    let strict = |bytes: &[u8]| OpBody::decode(bytes).map(|body| body.encode());
    Format { name, valid: body.encode(), strict, lenient: lenient::<T, 1> }
}

fn said<T: Serialize + DeserializeOwned>(name: &'static str, tag: u8, fields: &T) -> Format {
    let strict = |bytes: &[u8]| LinkMsg::decode(bytes).map(|message| message.encode());
    Format { name, valid: tagged(tag, fields), strict, lenient: lenient::<T, 1> }
}

fn joining<T: Serialize + DeserializeOwned>(name: &'static str, tag: u8, fields: &T) -> Format {
    let strict = |bytes: &[u8]| JoinMsg::decode(bytes).map(|message| message.encode());
    Format { name, valid: tagged(tag, fields), strict, lenient: lenient::<T, 1> }
}

/// A payload of any kind: what is not known is kept as it is.
fn payload(name: &'static str, body: &Body) -> Format {
    let strict = |bytes: &[u8]| match Body::decode(bytes)? {
        known @ (Body::Text(_) | Body::Edit(_) | Body::TakeBack(_) | Body::Noop(_)) => {
            known.encode()
        }
        Body::Unknown(_) => Ok(bytes.to_vec()),
    };
    let lenient = |bytes: &[u8]| {
        let marker = bytes.iter().rposition(|byte| *byte == 0x80)?;
        let (tag, fields) = bytes.get(..marker)?.split_first()?;
        let body = match tag {
            0 => Body::Text(postcard::from_bytes(fields).ok()?),
            1 => Body::Edit(postcard::from_bytes(fields).ok()?),
            2 => Body::TakeBack(postcard::from_bytes(fields).ok()?),
            3 => Body::Noop(message::Noop),
            _ => return None,
        };
        body.encode().ok()
    };
    Format { name, valid: body.encode().unwrap(), strict, lenient }
}

/// A prekey with everything in it, also what suite 1 does not use.
fn prekey(secrets: &MemberSecrets) -> PrekeyBody {
    let kem = List::new(vec![List::new(vec![7; 32]).unwrap()]).unwrap();
    PrekeyBody { idx: 300, kem, ..secrets.first_prekey(3_600_000) }
}

/// Two people who talked: what they sent is what the formats are made of.
struct Talk {
    secrets: MemberSecrets,
    group: GroupId,
    ops: Vec<Op>,
    entry: Entry,
    card: Card,
}

impl Talk {
    fn new() -> Self {
        let mut room = Room::new(2);
        room.link(0, 1);
        room.say(0, "hello");
        let founder = &room.peers[0];
        let none = fixedbitset::FixedBitSet::new();
        let ops = founder.dag.except(&none);
        let addrs = [Addr::Tcp4([1; 4], 4001), Addr::Dns(Text::new("kith.example").unwrap(), 443)];
        Self {
            secrets: founder.me.secrets.clone(),
            group: founder.me.group,
            ops: ops.map(|(_, op)| op.clone()).collect(),
            entry: room.entries[1][0].clone(),
            card: Card::new(&founder.me, &addrs, crate::hostile::at(5)),
        }
    }

    fn body(&self, at: usize) -> OpBody {
        self.ops[at].parse().unwrap().1
    }

    /// Ops and entries, and what is in them.
    fn signed(&self) -> Vec<Format> {
        let [genesis, invite, add] = [0, 1, 2].map(|at| self.body(at));
        let OpBody::Genesis(content) = &genesis else { panic!("{genesis:?}") };
        let OpBody::Invite(invited) = &invite else { panic!("{invite:?}") };
        let OpBody::Add(added) = &add else { panic!("{add:?}") };
        let cancel = InviteCancel { invite: OpId([1; 32]) };
        let welcome = Welcome { member: MemberId([2; 32]) };
        let leave = Leave { last: Some((300, EntryId([3; 32]))) };
        let (prekey, subkey) = (prekey(&self.secrets), self.secrets.first_subkey());
        let unknown = Bytes::<OP_BODY_MAX>::new(vec![17, 1, 2, 3]).unwrap();
        let header: OpHeader = decode(&self.ops[2].header, LINK_MSG_MAX).unwrap();
        let entry_header: EntryHeader = decode(&self.entry.header, LINK_MSG_MAX).unwrap();
        let many = List::first((0..16).map(|n| OpId([n; 32])));
        let wide = OpHeader { deps: many, wall: 3_600_000, ..header };
        vec![
            plain("op header", &wide),
            plain("op", &self.ops[2]),
            body("Genesis", &genesis, &**content),
            body::<Invite>("Invite", &invite, invited),
            body("InviteCancel", &OpBody::InviteCancel(cancel.clone()), &cancel),
            body::<Add>("Add", &add, added),
            body("Welcome", &OpBody::Welcome(welcome.clone()), &welcome),
            body("Leave", &OpBody::Leave(leave.clone()), &leave),
            body("Prekey", &OpBody::Prekey(prekey.clone()), &prekey),
            body("Subkey", &OpBody::Subkey(subkey.clone()), &subkey),
            body("Merge", &OpBody::Merge, &()),
            body("an op of a later build", &OpBody::Unknown(unknown), &()),
            plain("entry header", &entry_header),
            plain("entry", &self.entry),
            plain("card", &self.card),
        ]
    }

    /// What is said inside a link.
    fn links(&self) -> Vec<Format> {
        let (space, member) = (Space::Group, MemberId([4; 32]));
        let heads = List::first([OpId([5; 32]), OpId([6; 32])]);
        let ids = List::first([EntryId([7; 32])]);
        let tips = List::first([(member, 300, EntryId([8; 32])), (member, 2, EntryId([9; 32]))]);
        let items = List::first(tips.to_vec());
        let hello = Hello {
            v: 1,
            now: 3_600_000,
            caps: 0,
            card: self.card.clone(),
            heads: heads.clone(),
            group: [1; 32],
            lane: [0; 32],
        };
        let key = InviteSecret { invite: OpId([1; 32]), join_psk: [2; 32], disc: [3; 32] };
        let entries = List::first([self.entry.clone()]);
        vec![
            said("Hello", 0, &hello),
            said("Card", 1, &self.card),
            said("InviteKey", 2, &key),
            said("OpsWant", 3, &OpsWant { have: heads.clone(), want: heads }),
            said("Ops", 4, &Ops { ops: List::first(self.ops.clone()), more: true }),
            said("Frontier", 5, &Frontier { space, tips, more: false }),
            said("Want", 6, &Want { space, ranges: List::first([(member, 1, 300)]), ids }),
            said("Entries", 7, &Entries { space, entries, gone: List::default(), more: true }),
            said("Have", 8, &Have { space: Space::Lane, items }),
            said("Ping", 11, &300_u64),
            said("Pong", 12, &u64::MAX),
            said("Prune", 13, &()),
        ]
    }

    /// What is said while someone joins, and what members say.
    fn joins(&self) -> Vec<Format> {
        let (keys, subkey) = (self.secrets.public(), self.secrets.first_subkey());
        let sig = Sig::sign(&[1; 32], crate::kdf::Label::AddSig, &[]);
        let offer = Offer {
            nonce: [1; 32],
            group: self.group,
            invite: OpId([2; 32]),
            reason: Text::new("Company.").unwrap(),
            agreement: Text::new("What is said here stays here.").unwrap(),
            ttl_secs: 3600,
        };
        let shown = ([3_u8; 32], keys, prekey(&self.secrets), subkey, sig, sig);
        let ops: List<Op, 256> = List::first(self.ops.clone());
        let text = Text::new("hello, Alder").unwrap();
        let words = message::Text { reply_to: Some(EntryId([0x11; 32])), text };
        let own = |seq| crate::log::Own { seq, id: EntryId([7; 32]) };
        let versions = crate::log::Versions::new(vec![own(3), own(300)]).unwrap();
        let take_back = Body::TakeBack(message::TakeBack { versions: versions.clone() });
        let edit = Body::Edit(message::Edit { versions, words: words.clone() });
        let text = Body::Text(words);
        vec![
            joining("Commit", 0, &([1_u8; 32], Some(MemberId([2; 32])))),
            joining("No", 1, &No::AskFirst),
            joining("Offer", 2, &offer),
            joining("Keys", 3, &shown),
            joining("Admitted", 4, &(MemberId([1; 32]), sig)),
            joining("join Ops", 5, &(ops, false)),
            payload("text", &text),
            payload("edit", &edit),
            payload("take_back", &take_back),
            payload("noop", &Body::Noop(message::Noop)),
        ]
    }
}

/// Everything that is read from a remote.
fn formats() -> Vec<Format> {
    let talk = Talk::new();
    let all: Vec<_> = [talk.signed(), talk.links(), talk.joins()].into_iter().flatten().collect();
    for format in &all {
        assert_eq!((format.strict)(&format.valid).as_ref(), Ok(&format.valid), "{}", format.name);
    }
    all
}
