//! What lies between people: streams that keep their order, and nothing else in common.

use std::collections::{BTreeMap, BTreeSet};

use proto::{Ends, LinkId};

/// Something that comes to pass at a time.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Bytes sent on `link` reach its other end.
    Bytes { link: LinkId, bytes: Vec<u8> },
    /// The end of a stream, closed by the holder of `link`, reaches the other.
    Closed { link: LinkId },
    /// Someone looks for the members they have no stream to.
    Dial { who: usize },
}

/// Streams, and what is under way.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// Each end: whose it is, and the end opposite.
    ends: BTreeMap<LinkId, (usize, LinkId)>,
    under_way: BTreeMap<(u64, u64), Arrival>,
    /// When the last piece of each end arrives: the next one comes no earlier.
    last: BTreeMap<LinkId, u64>,
    /// Until when each end's line is busy with what was sent before.
    busy: BTreeMap<LinkId, u64>,
    parted: BTreeSet<(usize, usize)>,
    next: u64,
}

impl Network {
    /// A fresh stream from `who` to `other`: both ends' numbers, and their PeerIds.
    pub(crate) fn open(
        &mut self,
        who: usize,
        other: usize,
        peers: &[Vec<u8>],
    ) -> (LinkId, LinkId, Ends) {
        let (ours, theirs) = (LinkId(self.next), LinkId(self.next + 1));
        self.next += 2;
        self.ends.insert(ours, (who, theirs));
        self.ends.insert(theirs, (other, ours));
        let ends = Ends { initiator: peers[who].clone(), responder: peers[other].clone() };
        (ours, theirs, ends)
    }

    /// Who is at the other end, and under which number.
    pub(crate) fn other_end(&self, link: LinkId) -> Option<(usize, LinkId)> {
        let (_, theirs) = self.ends.get(&link)?;
        self.ends.get(theirs).map(|(who, _)| (*who, *theirs))
    }

    /// Who holds this end.
    pub(crate) fn holder(&self, link: LinkId) -> Option<usize> {
        self.ends.get(&link).map(|(who, _)| *who)
    }

    /// Removes a stream: who held `link`, and the other end.
    pub(crate) fn close(&mut self, link: LinkId) -> Option<(usize, (usize, LinkId))> {
        let (this, theirs) = self.ends.remove(&link)?;
        let (that, _) = self.ends.remove(&theirs)?;
        Some((this, (that, theirs)))
    }

    /// One person's ends of all their streams.
    pub(crate) fn links_of(&self, who: usize) -> Vec<LinkId> {
        self.ends.iter().filter(|(_, (of, _))| *of == who).map(|(link, _)| *link).collect()
    }

    /// Cuts all streams between two people and lets them open no other.
    pub(crate) fn part(&mut self, a: usize, b: usize) -> Vec<(LinkId, LinkId)> {
        self.parted.insert((a.min(b), a.max(b)));
        let between: Vec<_> = self
            .ends
            .iter()
            .filter(|(link, (of, _))| {
                *of == a && self.other_end(**link).is_some_and(|(to, _)| to == b)
            })
            .map(|(link, _)| *link)
            .collect();
        between
            .into_iter()
            .filter_map(|link| self.close(link).map(|(_, (_, theirs))| (link, theirs)))
            .collect()
    }

    pub(crate) fn is_parted(&self, a: usize, b: usize) -> bool {
        self.parted.contains(&(a.min(b), a.max(b)))
    }

    pub(crate) fn heal(&mut self) {
        self.parted.clear();
    }

    pub(crate) fn send_at(&mut self, at: u64, link: LinkId, bytes: Vec<u8>) {
        let at = self.in_order(at, link);
        self.at(at, Arrival::Bytes { link, bytes });
    }

    /// When the last byte is on its way, over a line that carries so many bytes in a millisecond.
    pub(crate) fn sent_at(&mut self, now: u64, link: LinkId, bytes: u64, per_ms: u64) -> u64 {
        let busy = self.busy.entry(link).or_insert(0);
        *busy = now.max(*busy) + bytes / per_ms;
        *busy
    }

    pub(crate) fn close_at(&mut self, at: u64, link: LinkId) {
        let at = self.in_order(at, link);
        self.at(at, Arrival::Closed { link });
    }

    pub(crate) fn dial_at(&mut self, at: u64, who: usize) {
        // One plan a person: a second wake replaces the first.
        self.under_way
            .retain(|_, arrival| !matches!(arrival, Arrival::Dial { who: of } if *of == who));
        self.at(at, Arrival::Dial { who });
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Arrival)> {
        self.under_way.pop_first().map(|((at, _), arrival)| (at, arrival))
    }

    fn in_order(&mut self, at: u64, link: LinkId) -> u64 {
        let last = self.last.entry(link).or_insert(0);
        *last = (*last).max(at);
        *last
    }

    fn at(&mut self, at: u64, arrival: Arrival) {
        self.next += 2;
        self.under_way.insert((at, self.next), arrival);
    }
}
