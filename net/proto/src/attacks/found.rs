//! What someone who read the code to break it found, each as the attack that it was.

use std::collections::BTreeSet;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::engine::{Command, Done, Input, Output};
use crate::hostile::{add, at};
use crate::ids::RequestId;
use crate::keys::Member;
use crate::limits::{FORKS_MAX, HELD_RANGES_MAX, PING_MS};
use crate::log::{Ends, EntryBody, Order};

/// An entry of any place, lamport and predecessor.
pub(crate) fn forge(
    me: &Member,
    (seq, prev, lamport): (u32, EntryId, u64),
    view: Vec<OpId>,
) -> Entry {
    let header = EntryHeader {
        v: 1,
        suite: 1,
        space: me.group.0,
        author: me.id,
        seq,
        prev,
        deps: List::default(),
        ops: List::first(view),
        lamport,
        msk: 0,
        wall: at(0).unix_ms,
        ends: Ends::Default,
        payload_hash: [0; 32],
    };
    let words = message::Text { reply_to: None, text: Text::new("x").unwrap() };
    let payload = Bytes::new(Body::Text(words).encode().unwrap()).unwrap();
    Entry::sign(header, EntryBody { salt: [1; 16], payload }, me).unwrap()
}

pub(crate) fn push(entries: &[Entry]) -> LinkMsg {
    let (space, gone) = (Space::Group, List::default());
    LinkMsg::Entries(Entries { space, entries: List::first(entries.to_vec()), gone, more: false })
}

/// One word with the greatest lamport that honest members followed parted the order for good: every
/// answer after it stood far above what it answered.
#[test]
fn nobodys_lamport_parts_the_order_for_good() {
    for lamport in [(1 << 62) - 1, (1 << 63) - 2, at(0).unix_ms + 290_000] {
        let mut room = Room::new(3);
        room.link(0, 1);
        let (link, _) = room.link(2, 0);
        room.link(2, 1);
        let me = room.peers[2].me.clone();
        let heads = room.peers[0].dag.heads();
        room.force(2, link, &push(&[forge(&me, (0, EntryId::ZERO, lamport), heads)]));
        room.wait(5_000);
        for n in 0..20 {
            room.say(1, &format!("{n}"));
            room.wait(1_000);
        }
        room.say(0, "an answer");
        room.wait(1_000);
        let order = |entry: &Entry| {
            let header = entry.read_header().unwrap();
            Order::new(header.lamport, &header.author, header.seq)
        };
        let answer = room.entries[1].last().unwrap();
        assert_eq!(answer.read_header().unwrap().author, room.peers[0].me.id);
        let below = room.entries[1].iter().filter(|entry| order(entry) > order(answer)).count();
        assert_eq!(below, 0, "lamport {lamport}: older words below the answer");
    }
}

/// Entries that follow nothing escaped the rule that lamports rise, and one author could fill the newest
/// page for ever.
#[test]
fn one_author_cannot_say_everything_at_one_place_of_the_order() {
    let mut room = Room::new(2);
    let (link, _) = room.link(1, 0);
    let me = room.peers[1].me.clone();
    let heads = room.peers[0].dag.heads();
    let lamport = at(0).unix_ms;
    for chunk in 0..20_u32 {
        let entry = |seq: u32| {
            let prev = if seq == 0 { EntryId::ZERO } else { EntryId([7; 32]) };
            forge(&me, (seq, prev, lamport), heads.clone())
        };
        let some: Vec<_> = (chunk * 60..chunk * 60 + 60).map(entry).collect();
        room.force(1, link, &push(&some));
    }
    // Those that can be marked, and those that stand alone: what is held falls into so many pieces.
    assert!(room.entries[0].len() <= FORKS_MAX + HELD_RANGES_MAX, "{}", room.entries[0].len());
}

/// Two who say that it is next year made a third sign words that everyone else put aside for a year.
#[test]
fn two_liars_about_the_time_take_nobodys_words() {
    let mut room = Room::new(4);
    room.link(0, 1);
    for liar in [2, 3] {
        room.link(liar, 0);
        let (now, id) = (at(room.ms), room.peers[liar].me.id);
        room.peers[0].clock.heard(now, id, now.minutes() + 365 * 24 * 60);
    }
    room.say(0, "important");
    room.wait(1_000);
    assert_eq!(room.entries[1].len(), 1, "the honest one has it");
}

/// Whoever may admit signed the same Add once more, and then two things at once: the newcomer was out.
#[test]
fn a_copied_add_puts_nobody_out_and_marks_nothing() {
    let mut room = Room::new(3);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        room.link(a, b);
    }
    let command = Command::Invite { expires_secs: 24 * 3600, addrs: vec![] };
    let done = room.input(0, Input::Command { request: RequestId(0), command });
    let [Done::Invited(invite, ref link)] = done[..] else { panic!("{done:?}") };
    // The hostile one stands earlier among the admitters than the honest one.
    let first_is_earlier = room.peers[1].me.id < room.peers[2].me.id;
    let (liar, honest) = if first_is_earlier { (1, 2) } else { (2, 1) };
    let secrets = MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(99));
    let newcomer = secrets.public().member_id(&room.peers[0].me.group);
    let body = OpBody::Add(Box::new(add(&room.peers[0], &secrets, invite, link)));
    let now = at(room.ms);
    let me = room.peers[liar].me.clone();
    let header = room.peers[liar].dag.next_header(&me.id, now.minutes());
    let sign = |body: &OpBody| {
        Op::sign(header.clone(), body, |label, parts| me.secrets.sign_as_member(label, parts))
            .unwrap()
    };
    let (copied, forked) = (sign(&body), sign(&OpBody::Merge));
    room.peers[honest].sign_op(now, &body).unwrap();
    room.input(honest, Input::Tick);
    room.ms += 600_000;
    room.say(0, "for the newcomer too");
    let said = room.entries[0].last().unwrap().read_header().unwrap();
    for op in [copied, forked] {
        let now = at(room.ms);
        room.peers[0].take_ops(now, vec![op], None).unwrap();
        let dag = &room.peers[0].dag;
        assert!(dag.members().contains(&newcomer));
        assert_eq!(dag.unheard(&said.ops, said.wall), []);
    }
    let members: BTreeSet<_> = room.peers[0].dag.members().clone();
    assert!(!members.contains(&me.id), "only who said two things at once is out");
    let now = at(room.ms);
    let none = fixedbitset::FixedBitSet::new();
    let ops = room.peers[0].dag.except(&none).map(|(_, op)| op.clone()).collect();
    room.peers[liar].take_ops(now, ops, None).unwrap();
    assert!(!room.peers[liar].has_left(), "out, and not by leaving");
    assert!(room.peers[liar].ups().next().is_none(), "nobody is to say that they heard");
}

/// A card a millisecond made everyone write and pass on a card a millisecond.
#[test]
fn a_thousand_cards_are_one() {
    let mut room = Room::new(6);
    let (ours, theirs) = room.link(5, 0);
    for other in 1..5 {
        room.link(0, other);
    }
    let me = room.peers[5].me.clone();
    room.wait(6_000);
    let mut bytes = Vec::new();
    for n in 0..1_000 {
        let card = Card::new(&me, &[], at(room.ms + 100 + n));
        bytes.extend(room.peers[5].up(ours).unwrap().seal(&LinkMsg::Card(card)).unwrap());
    }
    let now = at(room.ms);
    room.peers[0].handle(now, Input::Received { link: theirs, bytes });
    let mut writes = 0;
    while let Some(output) = room.peers[0].poll_output() {
        writes += usize::from(matches!(output, Output::Persist(_)));
    }
    assert!(writes <= 1, "{writes} writes");
}

/// Looking at what a member may read is dear; a Ping is not.
#[test]
fn a_hundred_pings_are_one() {
    let mut room = Room::new(3);
    let (ours, theirs) = room.link(1, 0);
    room.wait(PING_MS / 2 + 2_000);
    let up = room.peers[1].up(ours).unwrap();
    let bytes = (1..=100).flat_map(|n| up.seal(&LinkMsg::Ping(n)).unwrap()).collect();
    let now = at(room.ms);
    room.peers[0].handle(now, Input::Received { link: theirs, bytes });
    assert_eq!(room.peers[0].up(theirs).map(|up| up.unlike), Some(1));
}
