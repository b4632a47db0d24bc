//! Ops and entries as a member who lies signs them.

use proto::message::{Body, Text};
use proto::{
    Bytes, Card, Entry, EntryBody, EntryEnds, EntryHeader, EntryId, List, Op, OpBody, OpHeader,
    OpId, encode,
};
use rand_core::Rng as _;

use crate::member::{Me, message};
use crate::{now, rng};

/// Where a chain goes on.
#[derive(Clone, Copy)]
pub struct At {
    pub seq: u32,
    pub prev: EntryId,
    pub lamport: u64,
}

impl At {
    pub const BEGIN: Self = Self { seq: 0, prev: EntryId::ZERO, lamport: 1 };
}

/// An entry of any place, so many bytes long.
pub fn entry(me: &Me, at: At, (len, wall): (usize, u64)) -> Entry {
    let header = EntryHeader {
        v: 1,
        suite: 1,
        space: me.member.group.0,
        author: me.member.id,
        seq: at.seq,
        prev: at.prev,
        deps: List::default(),
        ops: List::first(me.dag.heads()),
        lamport: at.lamport,
        msk: 0,
        wall,
        ends: EntryEnds::Default,
        payload_hash: [0; 32],
    };
    let text = format!("cheat {} ", at.seq).chars().cycle().take(len).collect::<String>();
    let words = Text { reply_to: None, text: proto::Text::new(text).unwrap() };
    let payload = Bytes::new(Body::Text(words).encode().unwrap()).unwrap();
    let mut salt = [0; 16];
    rng().fill_bytes(&mut salt);
    Entry::sign(header, EntryBody { salt, payload }, &me.member).unwrap()
}

/// The next of an honest chain.
pub fn next(me: &Me, at: &mut At, len: usize) -> Entry {
    let entry = entry(me, *at, (len, now().unix_ms));
    *at = At { seq: at.seq + 1, prev: entry.id(), lamport: at.lamport + 1 };
    entry
}

pub fn entries(entries: &[Entry]) -> Vec<u8> {
    message(7, &(0_u8, entries, Vec::<EntryId>::new(), false))
}

pub fn ops(ops: &[Op]) -> Vec<u8> {
    message(4, &(ops, false))
}

/// An op of ours over these, as it would be valid but for what is changed.
pub fn op(me: &Me, body: &OpBody, change: impl FnOnce(&mut OpHeader)) -> Op {
    let mut header = me.dag.next_header(&me.member.id, now().minutes());
    change(&mut header);
    Op::sign(header, body, |label, parts| me.member.secrets.sign_as_member(label, parts)).unwrap()
}

/// An op whose body is 10,000 bytes where 1,024 are allowed.
pub fn fat_op(me: &Me) -> Op {
    let fat = op(me, &OpBody::Merge, |_| {});
    let mut body = OpBody::Merge.encode();
    body.resize(10_000, 7);
    Op { body: Bytes::new(body).unwrap(), ..fat }
}

/// An op that names one nobody has.
pub fn orphan(me: &Me, nth: u64) -> Op {
    let mut id = [0xee; 32];
    id[..8].copy_from_slice(&nth.to_le_bytes());
    op(me, &OpBody::Merge, |header| header.deps = List::first([OpId(id)]))
}

pub fn card(me: &Me, nth: u64) -> Vec<u8> {
    let at = proto::Now { unix_ms: now().unix_ms + nth % 500_000, ..now() };
    let addrs: Vec<_> = (1..=8_u8).map(|n| proto::Addr::Tcp4([127, 0, 0, n], 9)).collect();
    let card = Card::new(&me.member, &addrs, at);
    [vec![1], encode(&card)].concat()
}
