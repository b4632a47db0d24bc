//! What a client that cheats found against real processes (docs/testing.md, "A client that cheats").

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::change::Path;
use crate::engine::{Command, Done, Input, Output, Purpose};
use crate::hostile::at;
use crate::ids::{LinkId, RequestId};
use crate::join::{Candidate, Invitation, Newcomer};
use crate::limits::OPENINGS_MAX;
use crate::link::Ends;
use crate::noise::Role;

/// All bytes of these messages, sealed as one: as full as a frame can be.
fn together(room: &mut Room, link: (usize, LinkId), messages: &[LinkMsg]) -> Vec<u8> {
    let plain: Vec<_> = messages
        .iter()
        .flat_map(|message| {
            let bytes = message.encode();
            [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
        })
        .collect();
    room.peers[link.0].up(link.1).unwrap().seal_plain(&plain)
}

/// What someone answers to these bytes.
fn answered(room: &mut Room, link: LinkId, bytes: Vec<u8>) -> usize {
    let now = at(room.ms);
    room.peers[0].handle(now, Input::Received { link, bytes });
    let mut answered = 0;
    while let Some(output) = room.peers[0].poll_output() {
        if let Output::Transmit { bytes, .. } = output {
            answered += bytes.len();
        }
    }
    answered
}

/// Eight bytes asked for all that is held of everyone, a frame has room for thousands, and all answers were made
/// before the first had left: a few such frames took all memory there was.
#[test]
fn thousands_of_questions_in_one_frame_are_one() {
    let mut room = Room::new(3);
    let (ours, theirs) = room.link(1, 0);
    room.link(2, 0);
    room.say(2, "so that there is something to tell");
    room.wait(2_000);
    let nothing = Frontier { space: Space::Group, tips: List::default(), more: false };
    let questions = vec![LinkMsg::Frontier(nothing); 8_000];
    let bytes = together(&mut room, (1, ours), &questions);
    let asked = bytes.len();
    let answer = answered(&mut room, theirs, bytes);
    assert!(answer > 0, "they are answered");
    assert!(answer < asked / 10, "{answer} bytes are answered to {asked}");
    // And what is answered later is answered once.
    room.ms += 1_000;
    room.peers[0].handle(at(room.ms), Input::Tick);
    let late: usize = std::iter::from_fn(|| room.peers[0].poll_output())
        .map(|output| if let Output::Transmit { bytes, .. } = output { bytes.len() } else { 0 })
        .sum();
    assert!(late > 0 && late < 4096, "{late} bytes are answered later");
}

/// Someone opens a stream to the first; gives what it answers.
fn knock(room: &mut Room, nth: u64, (purpose, peer): (Purpose, Vec<u8>)) -> LinkId {
    let link = LinkId(1_000_000 + nth);
    let ends = Ends { initiator: peer, responder: vec![0] };
    let (role, path) = (Role::Responder, Path::Direct);
    let now = at(room.ms);
    room.peers[0].handle(now, Input::Opened { link, role, purpose, ends, path });
    link
}

fn strangers(room: &mut Room, count: u64, purpose: Purpose) {
    for nth in 0..count {
        let peer = nth.to_le_bytes().to_vec();
        knock(room, nth, (purpose, peer));
    }
    while room.peers[0].poll_output().is_some() {}
}

/// What the first answers over a stream, and whether it closed it.
fn over(room: &mut Room, link: LinkId, bytes: Vec<u8>) -> (Vec<u8>, bool) {
    let now = at(room.ms);
    room.peers[0].handle(now, Input::Received { link, bytes });
    let (mut answer, mut is_closed) = (Vec::new(), false);
    while let Some(output) = room.peers[0].poll_output() {
        is_closed |= matches!(output, Output::Close(closed) if closed == link);
        if let Output::Transmit { to, bytes } = output
            && to == link
        {
            answer.extend(bytes);
        }
    }
    (answer, is_closed)
}

/// A first message for whoever has this invitation.
fn begin_join(room: &Room, text: &str, nth: u64) -> Vec<u8> {
    let mut rng = ChaCha12Rng::seed_from_u64(nth);
    let ends = Ends { initiator: vec![200], responder: vec![0] };
    let candidate = Candidate::new(at(room.ms), &mut rng);
    let invitation = Invitation::from_text(text).unwrap();
    Newcomer::new(invitation, candidate, &ends, &mut rng).unwrap().1
}

fn invited(room: &mut Room) -> String {
    let command = Command::Invite { expires_secs: 3600, addrs: vec![] };
    let done = room.input(0, Input::Command { request: RequestId(0), command });
    let [Done::Invited(_, ref text)] = done[..] else { panic!("{done:?}") };
    text.clone()
}

/// Sixteen streams without a word, or twenty in each second with nonsense, kept everyone out who was invited.
#[test]
fn strangers_keep_no_newcomer_out() {
    let mut room = Room::new(2);
    let text = invited(&mut room);
    strangers(&mut room, 200, Purpose::Join);
    let send = begin_join(&room, &text, 1);
    let link = knock(&mut room, 500, (Purpose::Join, vec![200]));
    assert_eq!(over(&mut room, link, send).0.len(), 50, "their handshake is answered");
    // One stranger, with nonsense on one stream after the other.
    for nth in 501..800 {
        let link = knock(&mut room, nth, (Purpose::Join, vec![9]));
        let nonsense = [&[0, 48][..], &[9; 48]].concat();
        assert_eq!(over(&mut room, link, nonsense), (vec![], true));
    }
    let send = begin_join(&room, &text, 2);
    let link = knock(&mut room, 900, (Purpose::Join, vec![200]));
    assert_eq!(over(&mut room, link, send).0.len(), 50, "and so it is the next time");
    // Those who were invited and read why the group meets do not give way to strangers.
    strangers(&mut room, 200, Purpose::Join);
    assert!(room.peers[0].channels.contains_key(&link));
}

/// Strangers who opened streams faster than a member's handshake goes to and fro put the member out.
#[test]
fn strangers_at_the_door_do_not_put_out_who_is_being_let_in() {
    let mut room = Room::new(2);
    let ours = LinkId(77);
    let ends = Ends { initiator: vec![1], responder: vec![0] };
    let (role, purpose, path) = (Role::Initiator, Purpose::Link, Path::Direct);
    let now = at(room.ms);
    room.peers[1].handle(now, Input::Opened { link: ours, role, purpose, ends, path });
    let says = |room: &mut Room, bytes: Vec<u8>| {
        if !bytes.is_empty() {
            room.peers[1].handle(now, Input::Received { link: ours, bytes });
        }
        let mut said = Vec::new();
        while let Some(output) = room.peers[1].poll_output() {
            if let Output::Transmit { bytes, .. } = output {
                said.extend(bytes);
            }
        }
        said
    };
    let link = knock(&mut room, 5000, (purpose, vec![1]));
    let a1 = says(&mut room, Vec::new());
    let (a2, _) = over(&mut room, link, a1);
    strangers(&mut room, 1000, purpose);
    let a3 = says(&mut room, a2);
    let (a4, is_closed) = over(&mut room, link, a3);
    assert_eq!((a4.len(), is_closed), (50, false), "they are let in");
    assert!(room.peers[0].channels.len() <= OPENINGS_MAX + 1);
}

/// A member who came and went a hundred times a second had each time kept and told to whoever listens, until nothing
/// else was left of what is replayed.
#[test]
fn who_comes_and_goes_without_end_is_let_in_once_a_second() {
    let mut room = Room::new(2);
    for _ in 0..1000 {
        room.ms += 10;
        let (_, theirs) = room.link(1, 0);
        room.input(0, Input::Closed { link: theirs });
        room.links.clear();
    }
    assert!(room.up[0] <= 60, "{} times", room.up[0]);
    room.ms += 60_000;
    room.link(1, 0);
    room.say(1, "here to stay");
    assert_eq!(room.entries[0].len(), 1);
}
