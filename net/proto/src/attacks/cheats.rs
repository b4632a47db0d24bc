//! What a client that cheats found against real processes (docs/testing.md, "A client that cheats").

use super::*;
use crate::engine::{Input, Output};
use crate::hostile::at;
use crate::ids::LinkId;

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
