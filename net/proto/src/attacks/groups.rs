//! One text to one id, and nothing of one group in another, whoever signed it.

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::address::Card;
use crate::change::Path;
use crate::control::{Add, Op, OpBody, OpHeader};
use crate::encoding::{Bytes, List, decode, encode};
use crate::engine::{Done, Input, Output, Purpose};
use crate::error::Reject;
use crate::hostile::{Peer, Room, at};
use crate::ids::{EntryId, LinkId};
use crate::join::Invitation;
use crate::keys::Member;
use crate::limits::{LINK_MSG_MAX, SUITE, VERSION};
use crate::link::{Ends, Entries, LinkMsg, Opened, Opening, Pairs, Space, frontier_digest};
use crate::log::{Ends as EntryEnds, Entry, EntryBody, EntryHeader};
use crate::message::{self, Body};
use crate::noise::Role;

fn words(salt: u8, text: &str) -> EntryBody {
    let text = crate::encoding::Text::new(text).unwrap();
    let payload = Body::Text(message::Text { reply_to: None, text }).encode().unwrap();
    EntryBody { salt: [salt; 16], payload: Bytes::new(payload).unwrap() }
}

/// Someone's first entry, signed for real.
fn first_entry(peer: &Peer, body: EntryBody) -> Entry {
    let header = EntryHeader {
        v: VERSION,
        suite: SUITE,
        space: peer.me.group.0,
        author: peer.me.id,
        seq: 0,
        prev: EntryId::ZERO,
        deps: List::default(),
        ops: List::first(peer.dag.heads()),
        lamport: 1,
        msk: 0,
        wall: at(0).unix_ms,
        ends: EntryEnds::Default,
        payload_hash: [0; 32],
    };
    Entry::sign(header, body, &peer.me).unwrap()
}

fn entries(entry: &Entry) -> LinkMsg {
    let entries = List::first([entry.clone()]);
    LinkMsg::Entries(Entries { space: Space::Group, entries, gone: List::default(), more: false })
}

#[test]
fn one_text_per_id() {
    let mut room = Room::new(3);
    let group = room.peers[0].me.group;
    let said = first_entry(&room.peers[0], words(3, "yes"));
    assert!(said.parse(&group).is_ok());
    let mut unpadded = words(3, "yes");
    unpadded.payload = Bytes::new(unpadded.payload[..20].to_vec()).unwrap();
    let mut longer = words(3, "yes");
    longer.payload = Bytes::new([&longer.payload[..], &[0; 768]].concat()).unwrap();
    let mut empty = words(3, "yes");
    empty.payload = Bytes::default();
    for body in [words(3, "no"), words(4, "yes"), words(4, "no"), unpadded, longer, empty] {
        let other = Entry { body: Some(body.clone()), ..said.clone() };
        assert_eq!(other.id(), said.id());
        assert_eq!(other.parse(&group), Err(Reject::BodyHash), "another text under the same id");
        let signed = first_entry(&room.peers[0], body);
        assert!(signed.parse(&group).is_ok() && signed.id() != said.id());
    }
    // One gets the text, the other another one.
    let (to_one, _) = room.link(0, 1);
    let (to_two, _) = room.link(0, 2);
    room.force(0, to_one, &entries(&said));
    room.force(0, to_two, &entries(&Entry { body: Some(words(3, "no")), ..said.clone() }));
    assert_eq!((&room.entries[1][..], &room.entries[2][..]), (&[said.clone()][..], &[][..]));
    assert!(room.links.contains_key(&(0, to_one)) && !room.links.contains_key(&(0, to_two)));
    room.link(1, 2);
    room.wait(1000);
    assert_eq!(room.entries[2], [said], "and the text itself from the one who has it");
}

/// Two groups of the same people with the same keys, who even drew the same random bytes.
fn two_groups() -> [Room; 2] {
    let rooms = ["Tuesday", "Wednesday"].map(|name| Room::named(name, 2));
    for person in [0, 1] {
        let [here, there] = [0, 1].map(|room: usize| &rooms[room].peers[person].me);
        assert_eq!(here.secrets.public(), there.secrets.public());
        assert_ne!(here.group, there.group);
    }
    rooms
}

fn ops(peer: &Peer) -> Vec<Op> {
    peer.dag.except(&fixedbitset::FixedBitSet::new()).map(|(_, op)| op.clone()).collect()
}

#[test]
fn cross_group_replay() {
    let [here, mut there] = two_groups();
    let ours = ops(&here.peers[0]);
    assert_eq!(ours.len(), 3);
    let founder = &mut there.peers[0];
    for op in &ours {
        assert_eq!(founder.dag.take(op.clone()), Err(Reject::Foreign));
        // The same content with the right names, under the signature that was made for the other.
        let header: OpHeader = decode(&op.header, LINK_MSG_MAX).unwrap();
        let next = founder.dag.next_header(&founder.me.id, at(0).minutes());
        let header = encode(&OpHeader { body_hash: header.body_hash, ..next });
        let renamed = Op { header: Bytes::new(header).unwrap(), ..op.clone() };
        let taken = founder.dag.take(renamed);
        let root = Reject::Op("only Genesis stands at the root");
        assert!(matches!(taken, Err(Reject::Signature)) || taken == Err(root), "{taken:?}");
    }
    // Whoever lets people in signs what someone showed to the other group. The invitations' keys are the
    // same too: only group and Invite make the difference.
    let mut alone = Room::named("Wednesday", 1);
    let founder = &mut alone.peers[0];
    let (_, OpBody::Add(shown)) = ours[2].parse().unwrap() else { panic!() };
    let Ok(Done::Invited(invite, link)) = founder.invite(at(0), 3600, &[]) else { panic!() };
    let inv_pk = Invitation::from_text(&link).unwrap().public();
    assert_eq!(here.peers[0].dag.invite(&shown.invite).unwrap().1.inv_pk, inv_pk);
    let stolen = OpBody::Add(Box::new(Add { invite, ..(*shown).clone() }));
    let header = founder.dag.next_header(&founder.me.id, at(0).minutes());
    let me = founder.me.secrets.clone();
    let op = Op::sign(header, &stolen, |label, parts| me.sign_as_member(label, parts)).unwrap();
    assert_eq!(founder.dag.take(op), Err(Reject::Signature));
    assert_eq!(shown.verify(&here.peers[0].me.group, &inv_pk), Ok(()));
    assert_eq!(shown.verify(&founder.me.group, &inv_pk), Err(Reject::Signature));
    assert!(!Invitation::from_text(&link).unwrap().is_to(&here.peers[0].me.group));
}

#[test]
fn cross_group_replay_of_entries_and_cards() {
    let [mut here, mut there] = two_groups();
    here.link(0, 1);
    here.say(0, "for Tuesday alone");
    let entry = here.entries[1][0].clone();
    let [group, other] = [here.peers[0].me.group, there.peers[0].me.group];
    assert!(entry.parse(&group).is_ok());
    assert_eq!(entry.parse(&other), Err(Reject::Foreign));
    let msk = there.peers[0].me.secrets.first_subkey().msk;
    assert_eq!(entry.verify(&msk), Ok(()), "the key is the same: nothing else keeps it out");
    let (ours, theirs) = there.link(0, 1);
    there.force(0, ours, &entries(&entry));
    assert!(there.entries[1].is_empty() && !there.links.contains_key(&(1, theirs)));
    // A card: of the same member, and with the name that they bear in the other group.
    let card = Card::new(&here.peers[0].me, &[], at(5));
    let renamed = Card { member: there.peers[0].me.id, ..card.clone() };
    assert_eq!(card.verify(&group, &msk), Ok(()));
    assert_eq!(card.verify(&other, &msk), Err(Reject::Signature));
    assert_eq!(renamed.verify(&other, &msk), Err(Reject::Signature));
    let (ours, _) = there.link(0, 1);
    let before = there.peers[1].cards.clone();
    for card in [card, renamed] {
        there.force(0, ours, &LinkMsg::Card(Card { wall: at(900).unix_ms, ..card.clone() }));
        there.force(0, ours, &LinkMsg::Card(card));
    }
    assert_eq!(there.peers[1].cards, before);
    assert_ne!(frontier_digest(&group, &[]), frontier_digest(&other, &[]));
}

fn ends() -> Ends {
    Ends { initiator: b"i".to_vec(), responder: b"r".to_vec() }
}

/// What a peer answers to the first bytes of a link, and whether it closes.
fn answer(peer: &mut Peer, hello: &[u8]) -> (usize, bool) {
    let (link, role, purpose, ends) = (LinkId(70), Role::Responder, Purpose::Link, ends());
    peer.handle(at(2000), Input::Opened { link, role, purpose, ends, path: Path::Lan });
    peer.handle(at(2000), Input::Received { link, bytes: hello.to_vec() });
    let (mut sent, mut closed) = (0, false);
    while let Some(output) = peer.poll_output() {
        if let Output::Transmit { bytes, .. } = &output {
            sent += bytes.len();
        }
        closed |= matches!(output, Output::Close(_));
    }
    (sent, closed)
}

#[test]
fn cross_group_replay_of_hints() {
    let [mut here, mut there] = two_groups();
    let (link, role, purpose) = (LinkId(71), Role::Initiator, Purpose::Link);
    let opened = Input::Opened { link, role, purpose, ends: ends(), path: Path::Lan };
    here.peers[0].handle(at(2000), opened);
    let Some(Output::Transmit { bytes: hello, .. }) = here.peers[0].poll_output() else { panic!() };
    assert_eq!(answer(&mut there.peers[1], &hello), (32, true), "as to any stranger");
    assert_eq!(answer(&mut here.peers[1], &hello), (32, false), "a member is answered");
}

/// What someone shares with the others, as a member of another group: even if the ids were equal.
#[test]
fn cross_group_replay_of_a_handshake() {
    let [here, there] = two_groups();
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let [i, r] = [0, 1].map(|at: usize| &here.peers[at]);
    let pairs = |peer: &Peer, me: &Member| {
        let mut pairs = Pairs::default();
        pairs.refresh(me, &peer.dag, peer.dag.members());
        pairs
    };
    let moved = Member { group: there.peers[0].me.group, ..r.me.clone() };
    let [mine, theirs, elsewhere] = [pairs(i, &i.me), pairs(r, &r.me), pairs(r, &moved)];
    let (initiator, hello) = Opening::initiate(&mine, &ends(), &mut rng);
    let hello = &hello[2..];
    let stranger = Opening::Listening.advance(hello, &ends(), (&r.me, &elsewhere), &mut rng);
    assert!(matches!(stranger, Ok(Opened::Stranger(_))), "{stranger:?}");
    let known = Opening::Listening.advance(hello, &ends(), (&r.me, &theirs), &mut rng).unwrap();
    let Opened::Next(Opening::Answered { fitting, prologue }, a2) = known else { panic!() };
    let next = initiator.advance(&a2, &ends(), (&i.me, &mine), &mut rng).unwrap();
    let Opened::Next(_, a3) = next else { panic!() };
    let mut shake = |pairs: &Pairs| {
        let (fitting, prologue) = (fitting.clone(), prologue.clone());
        let state = Opening::Answered { fitting, prologue };
        state.advance(&a3[2..], &ends(), (&r.me, pairs), &mut rng)
    };
    assert!(matches!(shake(&elsewhere), Err(Reject::Handshake)));
    assert!(matches!(shake(&theirs), Ok(Opened::Admitted { .. })));
}
