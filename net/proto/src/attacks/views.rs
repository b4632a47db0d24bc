//! Authors who name an old view, so that someone who has gone stays a reader.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::*;
use crate::engine::{Command, Input};
use crate::ids::{LinkId, RequestId};
use crate::log::{Ends, EntryBody};

/// A member whose entries name whatever view they like.
struct Liar {
    room: Room,
    link: LinkId,
    /// Views, each of which has all of those before it.
    views: Vec<List<OpId, 16>>,
}

impl Liar {
    fn new() -> Self {
        let mut room = Room::new(2);
        let (_, link) = room.link(0, 1);
        let mut views = Vec::new();
        for _ in 0..5 {
            views.push(List::first(room.peers[0].dag.heads()));
            let invite = Command::Invite { expires_secs: 60, addrs: vec![] };
            let request = RequestId(0);
            room.input(0, Input::Command { request, command: invite });
        }
        Self { room, link, views }
    }

    /// An entry of the liar's chain with the n-th view.
    fn entry(&self, seq: u32, prev: EntryId, view: usize) -> Entry {
        let me = &self.room.peers[1].me;
        let header = EntryHeader {
            v: 1,
            suite: 1,
            space: me.group.0,
            author: me.id,
            seq,
            prev,
            deps: List::default(),
            ops: self.views[view].clone(),
            lamport: u64::from(seq) + 1,
            msk: 0,
            wall: 1_795_176_000_000,
            ends: Ends::Default,
            payload_hash: [0; 32],
        };
        let payload = Body::Noop(message::Noop).encode().unwrap();
        let body = EntryBody { salt: [9; 16], payload: Bytes::new(payload).unwrap() };
        Entry::sign(header, body, me).unwrap()
    }

    /// A chain with these views, each entry on top of the one before.
    fn chain(&self, views: &[usize]) -> Vec<Entry> {
        let mut chain: Vec<Entry> = Vec::new();
        for (seq, view) in (0..).zip(views) {
            let prev = chain.last().map_or(EntryId::ZERO, Entry::id);
            chain.push(self.entry(seq, prev, *view));
        }
        chain
    }

    fn send(&mut self, entry: &Entry) {
        let entries = List::first([entry.clone()]);
        let (space, gone) = (Space::Group, List::default());
        let push = LinkMsg::Entries(Entries { space, entries, gone, more: false });
        self.room.force(1, self.link, &push);
    }

    fn holds(&self, entry: &Entry) -> bool {
        self.room.entries[0].contains(entry)
    }

    fn is_marked(&self, seq: u32) -> bool {
        let author = self.room.peers[1].me.id;
        let mut marks = self.room.peers[0].log.forks_of(&author);
        marks.any(|mark| mark.seq == seq && mark.is_marked())
    }
}

#[test]
fn view_never_shrinks() {
    let mut liar = Liar::new();
    let chain = liar.chain(&[1, 3, 2]);
    chain.iter().for_each(|entry| liar.send(entry));
    assert!(liar.holds(&chain[0]) && liar.holds(&chain[1]));
    assert!(!liar.holds(&chain[2]), "it forgot what its author knew");
    let author = liar.room.peers[1].me.id;
    assert!(liar.room.peers[0].log.holds(&author, 2), "nobody is asked for it any more");
    // What comes after it is judged by what is held.
    let next = liar.entry(3, chain[2].id(), 4);
    liar.send(&next);
    assert!(liar.holds(&next));
    assert_eq!(liar.room.peers[0].tally().rejects, 0, "whoever passed it on is not to blame");
}

#[test]
fn a_view_that_shrank_and_came_first_stays_and_is_marked() {
    let mut liar = Liar::new();
    let chain = liar.chain(&[1, 3, 2]);
    for at in [0, 2, 1] {
        liar.send(&chain[at]);
        assert!(liar.holds(&chain[at]), "number {at}");
    }
    assert!(liar.is_marked(2) && !liar.is_marked(1) && !liar.is_marked(0));
}

/// Whatever the views and the order in which they come: of two entries that follow each other and are
/// both held, the later one has the greater view, or is marked.
#[test]
fn view_never_shrinks_unmarked_in_any_order() {
    for seed in 0..60 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut below = |bound: usize| (rng.next_u64() as usize) % bound;
        let mut liar = Liar::new();
        let views: Vec<_> = (0..7).map(|_| below(5)).collect();
        let chain = liar.chain(&views);
        let mut left: Vec<usize> = (0..7).collect();
        while !left.is_empty() {
            let at = left.swap_remove(below(left.len()));
            liar.send(&chain[at]);
        }
        for (before, after) in (0..6).map(|at| (at, at + 1)) {
            if liar.holds(&chain[before]) && liar.holds(&chain[after]) {
                let is_marked = liar.is_marked(u32::try_from(after).unwrap());
                assert_eq!(views[before] > views[after], is_marked, "seed {seed}: {views:?}");
            }
        }
        assert_eq!(liar.room.peers[0].tally().rejects, 0, "seed {seed}");
    }
}

/// So many come at once that what stands around all of them cannot be read at once.
#[test]
fn a_view_that_shrank_behind_hundreds_of_others_is_marked_too() {
    let mut liar = Liar::new();
    let views = [vec![1; 599], vec![4, 3, 4]].concat();
    let chain = liar.chain(&views);
    let (gaps, held): (Vec<_>, Vec<_>) =
        chain.iter().enumerate().partition(|(seq, _)| seq % 3 == 2);
    held.iter().for_each(|(_, entry)| liar.send(entry));
    let gaps = gaps.into_iter().map(|(_, entry)| entry.clone()).collect();
    let (entries, gone) = (List::new(gaps).unwrap(), List::default());
    let push = LinkMsg::Entries(Entries { space: Space::Group, entries, gone, more: false });
    liar.room.force(1, liar.link, &push);
    assert!(chain.iter().all(|entry| liar.holds(entry)));
    assert!(liar.is_marked(600) && !liar.is_marked(599) && !liar.is_marked(598));
}
