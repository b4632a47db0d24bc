//! Members who claim, and make, far more than anyone would.

use std::collections::BTreeMap;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::change::{Change, Loaded};
use crate::control::VIEWED_MAX;
use crate::control::{Leave, Op, OpBody};
use crate::encoding::{Bytes, List, Text};
use crate::engine::{Done, Engine, Input, Output};
use crate::hostile::{Peer, Room, add, at};
use crate::ids::{EntryId, LinkId, MemberId};
use crate::keys::{Member, MemberSecrets};
use crate::limits::{HEADS_BEFORE_MERGE, IDS_MAX, OP_DEPS_MAX, OPS_PER_DAY_MAX, TIPS_MAX};
use crate::link::frame::Deframer;
use crate::link::{Entries, Frontier, Have, LinkMsg, Ops, Space, Tip};

/// A member on a link to the first, who hears what is answered and answers only what we say.
struct Hostile {
    who: usize,
    ours: LinkId,
    theirs: LinkId,
    deframer: Deframer,
    heard_bytes: usize,
}

impl Hostile {
    fn link(room: &mut Room, who: usize) -> Self {
        let (ours, theirs) = room.link(who, 0);
        room.links.remove(&(0, theirs));
        Self { who, ours, theirs, deframer: Deframer::default(), heard_bytes: 0 }
    }

    /// Sends these in one go.
    fn sealed(&self, room: &mut Room, messages: &[LinkMsg]) -> Input {
        let up = room.peers[self.who].up(self.ours).unwrap();
        let bytes = messages.iter().flat_map(|message| up.seal(message).unwrap()).collect();
        Input::Received { link: self.theirs, bytes }
    }

    /// Says something; gives what the first answers.
    fn say(&mut self, room: &mut Room, messages: &[LinkMsg]) -> Vec<LinkMsg> {
        let input = self.sealed(room, messages);
        let (now, theirs) = (at(room.ms), self.theirs);
        room.peers[0].handle(now, input);
        while let Some(output) = room.peers[0].poll_output() {
            if let Output::Transmit { bytes, .. } = &output {
                self.deframer.push(bytes);
                self.heard_bytes += bytes.len();
            } else if let Output::Load { ticket, .. } = output {
                room.peers[0].handle(now, Input::Loaded { ticket, loaded: Loaded::default() });
            } else {
                assert!(
                    !matches!(output, Output::Close(link) if link == theirs),
                    "no rule is broken"
                );
            }
        }
        let mut heard = Vec::new();
        while let Some(frame) = self.deframer.next() {
            heard.extend(room.peers[self.who].up(self.ours).unwrap().open(&frame).unwrap());
        }
        heard
    }
}

/// The newest entry of everyone has the greatest number there is: of members, of those who were, and of
/// as many as nobody ever heard of.
fn absurd(people: &[MemberId], len: usize, nth: u64) -> impl Iterator<Item = Tip> {
    let unknown = (0..len as u64).map(move |n| {
        let mut id = [0xee; 32];
        id[..8].copy_from_slice(&(nth * 1000 + n).to_le_bytes());
        MemberId(id)
    });
    let all = people.iter().copied().chain(unknown).take(len).collect::<Vec<_>>();
    all.into_iter().map(|author| (author, u32::MAX, EntryId([9; 32])))
}

fn frontier(people: &[MemberId], nth: u64) -> LinkMsg {
    let tips = List::first(absurd(people, TIPS_MAX, nth));
    LinkMsg::Frontier(Frontier { space: Space::Group, tips, more: false })
}

fn have(people: &[MemberId], nth: u64) -> LinkMsg {
    LinkMsg::Have(Have { space: Space::Group, items: List::first(absurd(people, IDS_MAX, nth)) })
}

fn nothing() -> LinkMsg {
    let (entries, gone) = (List::default(), List::default());
    LinkMsg::Entries(Entries { space: Space::Group, entries, gone, more: false })
}

fn wants(heard: &[LinkMsg]) -> usize {
    heard.iter().filter(|message| matches!(message, LinkMsg::Want(_))).count()
}

/// The first, one who is honest, one who is not, one who left, and one more; and everyone's ids.
fn with_one_who_left() -> (Room, Vec<MemberId>) {
    let mut room = Room::new(5);
    room.link(3, 0);
    let now = at(room.ms);
    room.peers[3].sign_op(now, &OpBody::Leave(Leave { last: None })).unwrap();
    room.input(3, Input::Tick);
    let people = room.peers.iter().map(|peer| peer.me.id).collect();
    assert_eq!(room.peers[0].dag.members().len(), 4);
    (room, people)
}

#[test]
fn absurd_frontier_is_bounded() {
    let (mut room, people) = with_one_who_left();
    let mut hostile = Hostile::link(&mut room, 2);
    let mut asked = 0;
    for nth in 0..1000 {
        let claims = [frontier(&people, nth), have(&people, nth)];
        asked += wants(&hostile.say(&mut room, &claims));
        let up = room.peers[0].up(hostile.theirs).unwrap();
        assert!(up.tips.len() <= 4 && up.floors.len() <= 4, "after {nth}");
        assert!(up.asked.len() <= 4 && up.have.is_empty() && up.lacking.is_empty());
    }
    assert_eq!(asked, 1, "what was asked is not asked again before it is answered");
    assert!(hostile.heard_bytes < 4096, "{} bytes were answered", hostile.heard_bytes);
    // Whoever answers, with nothing, is asked once for each time that they claim.
    for nth in 0..1000 {
        let claims = [nothing(), frontier(&people, nth), have(&people, nth)];
        assert!(wants(&hostile.say(&mut room, &claims)) <= 1, "at {nth}");
    }
    assert!(hostile.heard_bytes < 1001 * 300, "{} bytes were answered", hostile.heard_bytes);
    let first = &room.peers[0];
    assert!(first.log.chains().next().is_none() && first.parking.is_empty());
}

/// What someone only says that they hold is missing until they were asked for it, and not for ever.
#[test]
fn absurd_frontier_makes_nobody_incomplete_once_it_was_answered_with_nothing() {
    let (mut room, people) = with_one_who_left();
    let mut hostile = Hostile::link(&mut room, 2);
    let missing = |room: &Room| {
        let done = room.peers[0].completeness();
        let Done::Completeness { missing, .. } = done else { panic!("{done:?}") };
        missing.len()
    };
    hostile.say(&mut room, &[frontier(&people, 0)]);
    assert!(missing(&room) > 0, "they say so, and are asked");
    for _ in 0..people.len() {
        hostile.say(&mut room, &[nothing()]);
    }
    assert_eq!(missing(&room), 0, "they were asked, and have nothing");
}

/// Who says nothing new is asked nothing new.
#[test]
fn absurd_frontier_is_bounded_also_when_every_question_is_answered_with_nothing() {
    let (mut room, people) = with_one_who_left();
    let mut hostile = Hostile::link(&mut room, 2);
    let mut heard = hostile.say(&mut room, &[frontier(&people, 0)]);
    let mut asked = 0;
    while wants(&heard) > 0 && asked < 1000 {
        asked += wants(&heard);
        heard = hostile.say(&mut room, &[nothing()]);
    }
    assert!(asked <= 4, "{asked} questions for one claim");
    assert!(room.peers[0].up(hostile.theirs).unwrap().settled, "catch-up with them has ended");
}

/// Lets the hostile one say the same ten times a second for half a minute, while someone honest has
/// what the first lacks.
fn while_they_claim(say: impl Fn(&[MemberId], u64) -> Vec<LinkMsg>) {
    let (mut room, people) = with_one_who_left();
    room.link(1, 4);
    room.say(1, "before you came");
    assert_eq!((room.entries[1].len(), room.entries[4].len()), (1, 1));
    let hostile = Hostile::link(&mut room, 2);
    let input = hostile.sealed(&mut room, &[frontier(&people, 0)]);
    room.input(0, input);
    room.link(0, 1);
    for nth in 0..300 {
        if room.peers[0].up(hostile.theirs).is_some() {
            let input = hostile.sealed(&mut room, &say(&people, nth));
            room.input(0, input);
        }
        room.wait(100);
    }
    assert!(room.entries[2].is_empty());
    assert_eq!(room.entries[0].len(), 1, "what the honest one holds has come");
    assert!(matches!(&room.say(0, "and I can speak")[..], [Done::Said(_)]));
}

#[test]
fn absurd_frontier_keeps_nobody_from_catching_up() {
    while_they_claim(|people, nth| vec![frontier(people, nth), have(people, nth)]);
}

#[test]
fn absurd_frontier_keeps_nobody_from_catching_up_who_is_always_answered_with_nothing() {
    while_they_claim(|_, _| vec![nothing()]);
}

#[test]
fn absurd_frontier_keeps_nobody_from_catching_up_who_is_answered_and_told_again() {
    while_they_claim(|people, nth| vec![nothing(), frontier(people, nth)]);
}

fn ops_of(peer: &Peer) -> Vec<Op> {
    peer.dag.except(&fixedbitset::FixedBitSet::new()).map(|(_, op)| op.clone()).collect()
}

/// An op on top of all that `peer` holds, by anyone. It says nothing that this build knows.
fn next_op(peer: &Peer, (who, secrets): (&MemberId, &MemberSecrets), now_ms: u64, nth: u32) -> Op {
    let header = peer.dag.next_header(who, at(now_ms).minutes());
    let body = [&[17], &nth.to_le_bytes()[..]].concat();
    let body = OpBody::Unknown(Bytes::new(body).unwrap());
    Op::sign(header, &body, |label, parts| secrets.sign_as_member(label, parts)).unwrap()
}

/// At most eight heads on all of these, the same, and no op with more than sixteen deps.
fn assert_few_heads(room: &Room, people: &[usize]) {
    for who in people {
        let dag = &room.peers[*who].dag;
        assert!(dag.heads().len() <= HEADS_BEFORE_MERGE, "{} heads", dag.heads().len());
        assert_eq!(dag.heads(), room.peers[people[0]].dag.heads(), "person {who}");
        let mut by_day = BTreeMap::new();
        for id in dag.ids() {
            let (header, _) = dag.get(&id).unwrap();
            assert!(header.deps.len() <= OP_DEPS_MAX);
            *by_day.entry((header.author, header.wall / 1440)).or_insert(0) += 1;
        }
        by_day.retain(|(author, _), _| dag.members().contains(author));
        assert!(by_day.values().all(|ops| *ops <= OPS_PER_DAY_MAX));
    }
}

/// One member gives each of the others 250 ops that stand beside each other.
#[test]
fn heads_bounded() {
    let mut room = Room::new(5);
    let links: Vec<_> = (0..4).map(|other| room.link(4, other).0).collect();
    let me = room.peers[4].me.clone();
    let now_ms = room.ms;
    let forks = (0..1000).map(|nth| next_op(&room.peers[4], (&me.id, &me.secrets), now_ms, nth));
    let forks: Vec<_> = forks.collect();
    for (link, some) in links.into_iter().zip(forks.chunks(250)) {
        let ops = List::first(some.to_vec());
        room.force(4, link, &LinkMsg::Ops(Ops { ops, more: true }));
        // Once they are known to fork, nothing more is taken from them.
        room.force(4, link, &LinkMsg::Ops(Ops { ops: List::first(forks.clone()), more: true }));
    }
    for who in 0..4 {
        assert_eq!(room.peers[who].dag.heads().len(), 250);
        assert!(!room.peers[who].dag.members().contains(&me.id), "who forks is out");
    }
    for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        room.link(a, b);
    }
    assert!(room.peers[0].dag.heads().len() > 900);
    room.wait(600_000);
    assert_few_heads(&room, &[0, 1, 2, 3]);
    room.say(1, "and we go on");
    assert!((0..4).all(|who| room.entries[who].len() == 1));
}

/// Day after day the founder lets someone in, until so many are there; then each of them makes an op,
/// all beside each other. Gives the first four of them; `holds(a, b)` is whether the a-th of these holds
/// what the b-th of all made.
fn crowd(people: usize, holds: impl Fn(usize, usize) -> bool) -> Room {
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let mut room = Room::new(1);
    let mut founder = room.peers.pop().unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let mut everyone = vec![(founder.me.id, founder.me.secrets.clone())];
    for nth in 1..people {
        let (secrets, now) = (MemberSecrets::generate(&mut rng), at(nth as u64 * DAY_MS));
        let Ok(Done::Invited(invite, link)) = founder.invite(now, 3600, &[]) else { panic!() };
        let body = OpBody::Add(Box::new(add(&founder, &secrets, invite, &link)));
        founder.sign_op(now, &body).unwrap();
        everyone.push((secrets.public().member_id(&founder.me.group), secrets));
    }
    let ms = people as u64 * DAY_MS;
    let before = ops_of(&founder);
    let beside: Vec<_> = everyone
        .iter()
        .zip(0..)
        .map(|((id, secrets), nth)| next_op(&founder, (id, secrets), ms, nth))
        .collect();
    let group = founder.me.group;
    for (who, (id, secrets)) in everyone.into_iter().take(4).enumerate() {
        let me = Member { group, id, secrets, name: Text::new("x").unwrap() };
        let held = beside.iter().enumerate().filter(|(nth, _)| holds(who, *nth));
        let ops = before.iter().chain(held.map(|(_, op)| op)).cloned().map(Change::Op);
        room.peers.push(Engine::new(me, ChaCha12Rng::seed_from_u64(20 + who as u64), ops).unwrap());
    }
    (room.entries, room.up, room.ms) = (vec![Vec::new(); 4], vec![0; 4], ms);
    room
}

#[test]
fn heads_bounded_when_a_crowd_speaks_at_once() {
    let mut room = crowd(120, |who, nth| nth % 4 == who);
    for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        room.link(a, b);
    }
    assert!(room.peers.iter().all(|peer| peer.dag.heads().len() > 100));
    room.wait(120_000);
    assert_few_heads(&room, &[0, 1, 2, 3]);
}

/// Two who hold the same many heads already have to find out that they do.
#[test]
fn heads_bounded_when_those_who_meet_hold_them_already() {
    let mut room = crowd(120, |_, _| true);
    room.link(0, 1);
    room.wait(120_000);
    assert_eq!(room.up[..2], [1, 1], "they are linked");
    assert_few_heads(&room, &[0, 1]);
    room.say(0, "here we are");
    assert_eq!(room.entries[1].len(), 1);
}

/// Nothing new comes, and a Merge is due all the same.
#[test]
fn heads_bounded_when_those_who_meet_were_asleep() {
    let mut room = crowd(20, |_, _| true);
    room.link(0, 1);
    assert_eq!((room.up[0], room.peers[0].dag.heads().len()), (1, 20));
    room.wait(120_000);
    assert_few_heads(&room, &[0, 1]);
}

/// More than one message holds, and all of it known at both ends.
#[test]
fn heads_bounded_when_those_who_meet_hold_hundreds_already() {
    let mut room = Room::new(3);
    let (me, now) = (room.peers[2].me.clone(), at(room.ms));
    let forks: Vec<_> = (0..600)
        .map(|nth| next_op(&room.peers[2], (&me.id, &me.secrets), now.unix_ms - at(0).unix_ms, nth))
        .collect();
    for who in [0, 1] {
        room.peers[who].take_ops(now, forks.clone(), None).unwrap();
        room.input(who, Input::Tick);
    }
    // And one that only the first has.
    room.peers[0].sign_op(now, &OpBody::Merge).unwrap();
    room.link(0, 1);
    room.wait(300_000);
    assert_few_heads(&room, &[0, 1]);
}

/// A large group in which every entry names another view: its members were remembered for each of 4096.
#[test]
fn what_is_remembered_of_views_is_bounded_by_how_many_they_name() {
    let mut room = crowd(120, |_, _| true);
    let dag = &mut room.peers[0].dag;
    let ids: Vec<_> = dag.ids().collect();
    let (some, others) = ids[ids.len() - 60..].split_at(30);
    let large = some.iter().flat_map(|one| others.iter().map(move |other| vec![*one, *other]));
    // Then ever larger ones, which are smaller than those.
    let small = ids.iter().take(ids.len() - 120).map(|one| vec![*one]);
    for mut view in large.chain(small) {
        view.sort_unstable();
        let standing = dag.standing_in(&view).unwrap();
        assert_eq!(*dag.readers(&view).unwrap(), standing);
        assert!(dag.viewed() <= VIEWED_MAX, "{}", dag.viewed());
    }
    assert!(dag.viewed() > VIEWED_MAX - 480, "it is used");
}
