//! Gossip over links: an author pushes to every link that may read; whoever learns of an entry tells those
//! who may lack it, and its author that it arrived.
//!
//! ```text
//! author ── push ──> all its links
//! reader ── Have, 50 to 250 ms later ──> six links not known to hold it ── Want ──> reader
//! all    ── Ping with a digest, every 30 s ──> all their links: whoever lacks something finds out
//! reader ── Frontier of that author alone, within 1 s ──> author: evidence that it is held here
//! ```
//!
//! In groups too large for everyone to be linked with everyone, entries are pushed on along a tree that
//! grows by itself: a link over which an entry came twice says Prune and gets Have from then on, one over
//! which it was asked for is pushed to again (Leitao et al., "Epidemic Broadcast Trees", SRDS 2007).

use rand_core::CryptoRng;

use crate::encoding::List;
use crate::engine::{Channel, Engine};
use crate::error::Reject;
use crate::ids::{LinkId, MemberId};
use crate::keys::pick;
use crate::limits::{ACK_MS, IDS_MAX, TELL_JITTER_MS, TELL_MAX, TELL_MS};
use crate::link::{Entries, Frontier, Have, LinkMsg, Space, Tip};
use crate::log::{Entry, EntryHeader};
use crate::timers::Now;

impl<R: CryptoRng> Engine<R> {
    /// An own entry goes to every link whose member may read it, ops before it.
    pub(crate) fn push_entry(&mut self, entry: &Entry, header: &EntryHeader) {
        for link in self.greeted() {
            self.push_to(link, (entry, header));
        }
    }

    /// Pushes an entry over one link, ops before it, if its member may read it and named no op that is
    /// lacking here.
    fn push_to(&mut self, link: LinkId, (entry, header): (&Entry, &EntryHeader)) {
        let Some(up) = self.up(link) else { return };
        // The frontiers after their ops will bring it.
        let member = up.member;
        if !up.lacking.is_empty() || !self.may_read(&member, &header.ops) {
            return;
        }
        self.push_ops(link);
        let entries = Entries {
            space: Space::Group,
            entries: List::first([entry.clone()]),
            gone: List::default(),
            more: false,
        };
        self.send(link, &LinkMsg::Entries(entries));
        if let Some(up) = self.up(link) {
            up.note_held(header.author, header.seq);
        }
    }

    /// An entry of someone else was taken in: told to those who may lack it, or in a large group pushed
    /// on along the tree.
    pub(crate) fn spread(
        &mut self,
        now: Now,
        (entry, header): (&Entry, &EntryHeader),
        from: Option<LinkId>,
        (is_fork, is_push): (bool, bool),
    ) {
        let (author, seq, id) = (header.author, header.seq, entry.id());
        if is_fork {
            return self.tell_fork(now, (author, seq), from);
        }
        let pushes_on = is_push && !self.mesh.is_full();
        let mut lazy = Vec::new();
        for link in self.greeted() {
            let Some(up) = self.up(link) else { continue };
            let is_needless = Some(link) == from || up.is_known_to_hold(&author, seq);
            let (member, is_eager) = (up.member, up.is_eager);
            if is_needless || member == author || !self.may_read(&member, &header.ops) {
                continue;
            }
            if pushes_on && is_eager {
                self.push_to(link, (entry, header));
            } else {
                lazy.push(link);
            }
        }
        for link in self.some_of(lazy) {
            self.plan_have(now, link, (author, seq, id));
        }
    }

    /// Some of many links, by chance: whoever lacks something hears of it from several of those who hold
    /// it, and if from nobody, from the digest in the next Ping.
    fn some_of(&mut self, mut links: Vec<LinkId>) -> Vec<LinkId> {
        (0..TELL_MAX).map_while(|_| pick(&mut self.rng, &mut links)).collect()
    }

    /// Two entries under one number: everyone who may read one of them hears of it, whatever they are
    /// known to hold.
    fn tell_fork(&mut self, now: Now, (author, seq): (MemberId, u32), from: Option<LinkId>) {
        for branch in self.log.branches(&author, seq).unwrap_or_default() {
            for link in self.greeted() {
                let Some(member) = self.up(link).map(|up| up.member) else { continue };
                if self.may_read(&member, &branch.ops) {
                    self.plan_have(now, link, (author, seq, branch.id));
                }
            }
        }
        // Whoever sent one of them may lack the others, and hears of them as everyone does.
        if let Some(up) = from.and_then(|link| self.up(link)) {
            up.note_held(author, seq);
        }
    }

    fn plan_have(&mut self, now: Now, link: LinkId, tip: Tip) {
        let jitter = self.rng.next_u64().checked_rem(TELL_JITTER_MS).unwrap_or(0);
        let due = now.instant.after_ms(TELL_MS.saturating_add(jitter));
        if let Some(up) = self.up(link) {
            up.have.push(tip);
            up.have_due.get_or_insert(due);
        }
    }

    /// The time to advertise has come: whatever the other end has not got meanwhile.
    pub(crate) fn advertise(&mut self, link: LinkId) {
        let Some(Channel::Up(up, _)) = self.channels.get_mut(&link) else { return };
        up.have_due = None;
        let have = core::mem::take(&mut up.have);
        let log = &self.log;
        let items: Vec<_> = have
            .into_iter()
            .filter(|(author, seq, _)| {
                log.is_forked(author, *seq) || !up.is_known_to_hold(author, *seq)
            })
            .collect();
        for items in items.chunks(IDS_MAX) {
            let items = List::first(items.iter().copied());
            self.send(link, &LinkMsg::Have(Have { space: Space::Group, items }));
        }
    }

    /// They advertise: what is not held here is asked for.
    pub(crate) fn on_have(&mut self, now: Now, link: LinkId, have: &Have) -> Result<(), Reject> {
        if have.space != Space::Group {
            return Err(Reject::Foreign);
        }
        self.note_tips(link, &have.items);
        self.look_for_forks(link, &have.items);
        let log = &self.log;
        let Some(Channel::Up(up, _)) = self.channels.get_mut(&link) else { return Ok(()) };
        for (author, seq, _) in have.items.iter() {
            if !log.holds(author, *seq)
                && let Some(floor) = up.floors.get_mut(author)
            {
                *floor = (*floor).min(u64::from(*seq));
            }
        }
        self.fetch(now, link);
        Ok(())
    }

    /// An entry came again: in a large group, this link is not one of the tree.
    pub(crate) fn on_duplicate(&mut self, link: LinkId) {
        let Some(up) = self.up(link) else { return };
        if core::mem::replace(&mut up.is_fed, false) {
            self.send(link, &LinkMsg::Prune);
        }
    }

    /// Entries of an author were taken in: if we are linked, the author hears of it soon.
    pub(crate) fn owe_ack(&mut self, now: Now, author: MemberId) {
        let is_linked = self.ups().any(|up| up.greeted && up.member == author);
        if is_linked && self.acks.insert(author) {
            self.acks_due.get_or_insert_with(|| now.instant.after_ms(ACK_MS / 2));
        }
    }

    /// Tells authors what is held here of their own chain, unless something of it is still to come.
    pub(crate) fn send_acks(&mut self) {
        self.acks_due = None;
        for link in self.greeted() {
            let Some(Channel::Up(up, _)) = self.channels.get(&link) else { continue };
            if self.acks.contains(&up.member) && self.missing_on(up, &up.member).is_empty() {
                self.send_ack(link);
            }
        }
    }

    /// Tells a member up to where their own chain is held here without a gap.
    pub(crate) fn send_ack(&mut self, link: LinkId) {
        let Some(author) = self.up(link).map(|up| up.member) else { return };
        self.acks.remove(&author);
        let Some(chain) = self.log.chain(&author) else { return };
        if chain.held.len() != 1 {
            return; // Something is missing: what was said before still holds.
        }
        let tips = List::first([(author, chain.seq, chain.id)]);
        let frontier = Frontier { space: Space::Group, tips, more: true };
        self.send(link, &LinkMsg::Frontier(frontier));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::attacks::{forge, push};
    use crate::hostile::Room;
    use crate::ids::EntryId;
    use crate::link::Want;

    #[test]
    fn in_a_small_group_nobody_hears_twice_what_its_author_said_to_all() {
        let mut room = Room::new(4);
        for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            room.link(a, b);
        }
        room.say(0, "to all");
        room.wait(1_000);
        for who in 1..4 {
            assert_eq!(room.entries[who].len(), 1, "person {who}");
            assert_eq!(room.peers[who].tally().duplicates, 0, "person {who}");
        }
    }

    #[test]
    fn an_author_hears_within_a_second_up_to_where_their_words_are_held() {
        let mut room = Room::new(3);
        room.link(0, 1);
        room.link(1, 2);
        let [first, second] = [0, 1].map(|who: usize| room.peers[who].me.id);
        for seq in 0..3 {
            room.say(0, "words");
            room.wait(ACK_MS);
            assert_eq!(room.peers[0].held, BTreeMap::from([(second, seq)]));
        }
        room.wait(2 * ACK_MS);
        assert_eq!(room.entries[2].len(), 3, "told by the second");
        assert!(!room.peers[2].acks.contains(&first), "who is not here is owed no word");
    }
    /// As in a large group, where not everyone is linked with everyone.
    fn enlarge(room: &mut Room) {
        let others = (0..65).map(|n| MemberId([n; 32])).collect();
        for peer in &mut room.peers {
            peer.mesh.refresh(&others, &BTreeSet::new(), &mut peer.rng);
        }
    }

    #[test]
    fn in_a_large_group_a_link_over_which_words_came_twice_is_told_of_them_until_it_asks() {
        let mut room = Room::new(3);
        let (ours, theirs) = room.link(1, 0);
        enlarge(&mut room);
        let me = room.peers[1].me.clone();
        let heads = room.peers[1].dag.heads();
        let entry = forge(&me, (0, EntryId::ZERO, 1), heads);
        room.force(1, ours, &push(std::slice::from_ref(&entry)));
        assert!(room.peers[1].up(ours).unwrap().is_eager, "it was new");
        room.force(1, ours, &push(&[entry]));
        assert!(!room.peers[1].up(ours).unwrap().is_eager, "it came twice");
        assert!(!room.peers[0].up(theirs).unwrap().is_fed);
        let (space, ranges) = (Space::Group, List::first([(me.id, 0, 0)]));
        room.force(0, theirs, &LinkMsg::Want(Want { space, ranges, ids: List::default() }));
        assert!(room.peers[1].up(ours).unwrap().is_eager, "they want what they are only told of");
        // An answer that brings what came meanwhile from elsewhere is none of that.
        room.peers[0].up(theirs).unwrap().is_fed = true;
        let now = room.peers[0].up(theirs).unwrap().heard;
        let up = room.peers[0].up(theirs).unwrap();
        (up.asked, up.asked_at) = (vec![(me.id, 0, 0)], Some(now));
        let again = room.entries[0][0].clone();
        room.force(1, ours, &push(&[again]));
        assert!(room.peers[0].up(theirs).unwrap().is_fed);
        assert!(room.peers[1].up(ours).unwrap().is_eager);
    }

    #[test]
    fn what_was_asked_for_by_its_id_is_an_answer() {
        let mut room = Room::new(2);
        let (ours, theirs) = room.link(1, 0);
        let me = room.peers[1].me.clone();
        let heads = room.peers[1].dag.heads();
        let [one, other] =
            [1, 2].map(|lamport| forge(&me, (0, EntryId::ZERO, lamport), heads.clone()));
        for (asked_for, is_open) in [(other.id(), true), (one.id(), false)] {
            let up = room.peers[0].up(theirs).unwrap();
            up.asked_ids = [asked_for].into();
            up.asked_at = Some(up.heard);
            room.force(1, ours, &push(std::slice::from_ref(&one)));
            assert_eq!(room.peers[0].up(theirs).unwrap().is_asking(), is_open);
        }
    }
    #[test]
    fn what_fills_a_gap_is_told_at_once_to_those_who_have_the_gap_too() {
        let mut room = Room::new(3);
        let (to_second, theirs) = room.link(0, 1);
        room.link(1, 2);
        // What the second asks the first for never reaches them.
        room.links.remove(&(1, theirs));
        let me = room.peers[0].me.clone();
        let heads = room.peers[0].dag.heads();
        let mut chain: Vec<Entry> = Vec::new();
        for seq in 0..3 {
            let prev = chain.last().map_or(EntryId::ZERO, Entry::id);
            chain.push(forge(&me, (seq, prev, u64::from(seq) + 1), heads.clone()));
        }
        room.force(0, to_second, &push(&chain[2..]));
        room.wait(1_000);
        assert_eq!((room.entries[1].len(), room.entries[2].len()), (1, 1), "both lack two");
        room.force(0, to_second, &push(&chain[..2]));
        assert_eq!((room.entries[1].len(), room.entries[2].len()), (3, 3));
    }
}
