//! Words and cards in the name of another, or of a member who could not have made them.

use super::*;
use crate::hostile::at;
use crate::ids::LinkId;
use crate::limits::{CARD_EVERY_MS, FUTURE_MS};

/// Three in a room, and a link from the second to the first.
fn room() -> (Room, LinkId, LinkId) {
    let mut room = Room::new(3);
    let (link, theirs) = room.link(1, 0);
    (room, link, theirs)
}

#[test]
fn nobodys_words_are_made_by_another() {
    let (mut room, link, theirs) = room();
    let heads = room.peers[0].dag.heads();
    let mut me = room.peers[1].me.clone();
    me.id = room.peers[2].me.id;
    room.force(1, link, &push(&[forge(&me, (0, EntryId::ZERO, 1), heads)]));
    assert_eq!(room.entries[0], [], "signed with the key of another");
    assert!(room.peers[0].up(theirs).is_none(), "whoever passes that on is let go");
    assert_eq!(room.peers[0].tally().rejects, 1);
}

#[test]
fn nobody_speaks_by_a_view_in_which_they_are_no_member() {
    let (mut room, link, theirs) = room();
    let genesis = room.peers[0].dag.ids().next().unwrap();
    let me = room.peers[1].me.clone();
    room.force(1, link, &push(&[forge(&me, (0, EntryId::ZERO, 1), vec![genesis])]));
    assert!(room.entries[0].is_empty() && room.peers[0].up(theirs).is_none());
}

#[test]
fn what_was_said_before_one_came_is_not_taken_in_by_whoever_came() {
    let mut room = Room::new(3);
    let me = room.peers[1].me.clone();
    let coming = room.peers[0].dag.coming_of(&me.id).unwrap();
    let entry = forge(&me, (0, EntryId::ZERO, 1), vec![coming]);
    for (who, is_taken) in [(0, true), (2, false)] {
        let (link, theirs) = room.link(1, who);
        room.force(1, link, &push(std::slice::from_ref(&entry)));
        assert_eq!(room.entries[who].contains(&entry), is_taken, "person {who}");
        assert_eq!(room.peers[who].up(theirs).is_some(), is_taken, "person {who}");
    }
}

/// With the key that it names, an entry is one member's alone, whoever brings it.
#[test]
fn words_are_signed_with_the_key_that_they_name() {
    let (mut room, link, theirs) = room();
    let heads = room.peers[0].dag.heads();
    let me = room.peers[1].me.clone();
    let entry = forge(&me, (0, EntryId::ZERO, 1), heads);
    let other = Entry { sig: Sig::sign(&[7; 32], crate::kdf::Label::EntrySig, &[]), ..entry };
    room.force(1, link, &push(&[other]));
    assert!(room.entries[0].is_empty() && room.peers[0].up(theirs).is_none());
}

fn addresses(room: &Room, of: usize) -> Vec<Addr> {
    room.peers[0].addresses_of(&[room.peers[of].me.id].into())
}

#[test]
fn nobody_says_where_another_is_and_no_time_to_come_pins_it() {
    let (mut room, link, theirs) = room();
    let me = room.peers[1].me.clone();
    let mut other = me.clone();
    other.id = room.peers[2].me.id;
    let addr = |n: u8| Addr::Tcp4([n; 4], 4001);
    room.ms += CARD_EVERY_MS;
    let now = room.ms;
    let card = |me, n, ms| LinkMsg::Card(Card::new(me, &[addr(n)], at(ms)));
    room.force(1, link, &card(&other, 1, now));
    assert_eq!(addresses(&room, 2), [], "signed by another");
    room.force(1, link, &card(&me, 2, now + FUTURE_MS + 1));
    assert_eq!(addresses(&room, 1), [], "of a time to come");
    room.force(1, link, &card(&me, 3, now + FUTURE_MS));
    assert_eq!(addresses(&room, 1), [addr(3)]);
    room.force(1, link, &card(&me, 4, now + FUTURE_MS - 1));
    assert_eq!(addresses(&room, 1), [addr(3)], "at once, and an older one");
    room.ms += CARD_EVERY_MS;
    room.force(1, link, &card(&me, 4, now + FUTURE_MS - 1));
    assert_eq!(addresses(&room, 1), [addr(3)], "an older one");
    room.force(1, link, &card(&me, 4, now + FUTURE_MS + 1));
    assert_eq!(addresses(&room, 1), [addr(4)]);
    assert!(room.peers[0].up(theirs).is_some(), "a card is no reason to part");
}
