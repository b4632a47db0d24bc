//! What is held of every author's chain: a range set and the newest entry. No entry stays in memory.

use std::collections::BTreeMap;

use crate::change::ChainState;
use crate::ids::{EntryId, MemberId};
use crate::limits::HELD_RANGES_MAX;
use crate::log::{EntryHeader, SeqRange};

/// What is held of one author.
pub(super) type Chain = ChainState;

/// What is held of everyone.
#[derive(Debug, Default)]
pub(crate) struct Log {
    chains: BTreeMap<MemberId, Chain>,
}

impl Log {
    /// Takes back what was held before.
    pub(crate) fn restore(&mut self, chain: Chain) {
        self.chains.insert(chain.author, chain);
    }

    /// What is held of one author.
    #[must_use]
    pub(crate) fn chain(&self, author: &MemberId) -> Option<&Chain> {
        self.chains.get(author)
    }

    /// All chains, by author.
    pub(crate) fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.chains.values()
    }

    /// Whether an author's `seq`-th entry is held.
    #[must_use]
    pub(crate) fn holds(&self, author: &MemberId, seq: u32) -> bool {
        self.chains
            .get(author)
            .is_some_and(|chain| chain.held.iter().any(|(from, to)| (*from..=*to).contains(&seq)))
    }

    /// The parts of `from..=to` that are not held, newest first.
    #[must_use]
    pub(crate) fn missing(&self, author: &MemberId, from: u32, to: u32) -> Vec<SeqRange> {
        let held = self.chains.get(author).map_or(&[][..], |chain| &chain.held);
        let mut gaps = Vec::new();
        let mut next = Some(from);
        for (low, high) in held.iter().filter(|(_, high)| *high >= from) {
            let Some(start) = next.filter(|start| *start <= to) else { break };
            if let Some(end) = low.checked_sub(1).filter(|end| *end >= start) {
                gaps.push((*author, start, end.min(to)));
            }
            next = high.checked_add(1);
        }
        if let Some(start) = next.filter(|start| *start <= to) {
            gaps.push((*author, start, to));
        }
        gaps.reverse();
        gaps
    }

    /// Whether taking in this entry would make more pieces of a chain than are kept.
    #[must_use]
    pub(crate) fn is_in_pieces(&self, author: &MemberId, seq: u32) -> bool {
        let touches = |(from, to): &(u32, u32)| {
            from.checked_sub(1) == Some(seq) || to.checked_add(1) == Some(seq)
        };
        self.chains.get(author).is_some_and(|chain| {
            chain.held.len() >= HELD_RANGES_MAX && !chain.held.iter().any(touches)
        })
    }

    /// Notes that an entry is held; gives what is to be remembered of its chain.
    pub(crate) fn note(&mut self, id: EntryId, header: &EntryHeader) -> Chain {
        let chain = self.chains.entry(header.author).or_insert_with(|| Chain {
            author: header.author,
            seq: header.seq,
            id,
            lamport: header.lamport,
            ops: header.ops.to_vec(),
            held: Vec::new(),
        });
        if header.seq >= chain.seq {
            chain.seq = header.seq;
            chain.id = id;
            chain.lamport = header.lamport;
            chain.ops = header.ops.to_vec();
        }
        insert(&mut chain.held, header.seq);
        chain.clone()
    }
}

/// Adds one number to ascending ranges that do not touch.
fn insert(ranges: &mut Vec<(u32, u32)>, seq: u32) {
    if ranges.iter().any(|(from, to)| (*from..=*to).contains(&seq)) {
        return;
    }
    let at = ranges.partition_point(|(_, to)| *to < seq);
    ranges.insert(at, (seq, seq));
    let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(from) => last.1 = to,
            Some(_) | None => merged.push((from, to)),
        }
    }
    *ranges = merged;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(seqs: &[u32]) -> Log {
        let mut log = Log::default();
        let author = MemberId([1; 32]);
        let mut held = Vec::new();
        seqs.iter().for_each(|seq| insert(&mut held, *seq));
        let id = EntryId([2; 32]);
        log.restore(Chain { author, seq: 9, id, lamport: 1, ops: vec![], held });
        log
    }

    #[test]
    fn what_is_missing_is_the_rest_newest_first() {
        let author = MemberId([1; 32]);
        let log = log(&[2, 4, 3, 7]);
        assert_eq!(log.chain(&author).unwrap().held, [(2, 4), (7, 7)]);
        assert_eq!(log.missing(&author, 0, 9), [(author, 8, 9), (author, 5, 6), (author, 0, 1)]);
        assert_eq!(log.missing(&author, 3, 6), [(author, 5, 6)]);
        assert_eq!(log.missing(&author, 2, 4), []);
        assert_eq!(log.missing(&MemberId([9; 32]), 0, 1), [(MemberId([9; 32]), 0, 1)]);
        assert!(log.holds(&author, 7) && !log.holds(&author, 5));
    }
}
