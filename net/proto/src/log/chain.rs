//! What is held of every author's chain: a range set, the newest entry, and where it forks. No entry
//! stays in memory, only the ids of the latest.

use std::collections::{BTreeMap, VecDeque};

use crate::change::{Branch, ChainState, Change, Fork};
use crate::ids::{EntryId, MemberId};
use crate::limits::{BRANCHES_MAX, FORKS_MAX, HELD_RANGES_MAX};
use crate::log::{EntryHeader, SeqRange};

/// What is held of one author.
pub(super) type Chain = ChainState;

/// What is held of everyone.
#[derive(Debug, Default)]
pub(crate) struct Log {
    chains: BTreeMap<MemberId, Chain>,
    /// Numbers under which several entries are held, or one that breaks a rule.
    forks: BTreeMap<(MemberId, u32), Fork>,
    /// The ids of each author's entries that came last in this run, by their numbers: what is told again of
    /// words that were just said need not be looked up.
    recent: BTreeMap<MemberId, VecDeque<(u32, EntryId)>>,
}

/// Ids that are remembered of each author.
const RECENT_MAX: usize = 64;

impl Log {
    /// Takes back what was held before.
    pub(crate) fn restore(&mut self, chain: Chain) {
        self.chains.insert(chain.author, chain);
    }

    /// Takes back what was marked before.
    pub(crate) fn restore_fork(&mut self, fork: Fork) {
        self.forks.insert((fork.author, fork.seq), fork);
    }

    /// The places of an author's chain where several entries are held, or one that breaks a rule.
    pub(crate) fn forks_of(&self, author: &MemberId) -> impl Iterator<Item = &Fork> {
        self.forks.range((*author, 0)..=(*author, u32::MAX)).map(|(_, fork)| fork)
    }

    /// Whether several entries are held under a number.
    #[must_use]
    pub(crate) fn is_forked(&self, author: &MemberId, seq: u32) -> bool {
        self.forks.get(&(*author, seq)).is_some_and(|fork| fork.branches.len() > 1)
    }

    /// What stands under a number, as far as it is in memory. None where nothing is held, or where the
    /// entry must be read to know.
    #[must_use]
    pub(crate) fn branches(&self, author: &MemberId, seq: u32) -> Option<Vec<Branch>> {
        if let Some(fork) = self.forks.get(&(*author, seq)) {
            return Some(fork.branches.clone());
        }
        let chain = self.chains.get(author).filter(|chain| chain.seq == seq)?;
        Some(vec![Branch {
            id: chain.id,
            prev: chain.prev,
            lamport: chain.lamport,
            ops: chain.ops.clone(),
        }])
    }

    /// Whether this very entry is known to be held. What says no may only be too long ago: it must be read
    /// to know.
    #[must_use]
    pub(crate) fn knows(&self, author: &MemberId, seq: u32, id: EntryId) -> bool {
        let mut recent = self.recent.get(author).into_iter().flatten();
        !self.forks.contains_key(&(*author, seq)) && recent.any(|known| *known == (seq, id))
    }

    /// Whether one more entry may stand beside `others` under a number: four at most, those with the
    /// smallest ids, and under so many numbers of one author.
    #[must_use]
    pub(crate) fn may_branch(
        &self,
        (author, seq): (&MemberId, u32),
        others: &[Branch],
        id: EntryId,
    ) -> bool {
        let is_full = others.len() >= BRANCHES_MAX && others.iter().all(|other| other.id < id);
        let is_known = self.forks.contains_key(&(*author, seq));
        !is_full && (is_known || self.forks_of(author).count() < FORKS_MAX)
    }

    /// Whether one more place of an author's chain may be marked.
    #[must_use]
    pub(crate) fn may_mark(&self, author: &MemberId) -> bool {
        self.forks_of(author).count() < FORKS_MAX
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

    /// Notes that an entry is held, beside others under its number if there are any; gives what is to be
    /// remembered.
    pub(crate) fn note(
        &mut self,
        id: EntryId,
        header: &EntryHeader,
        beside: Vec<Branch>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let recent = self.recent.entry(header.author).or_default();
        recent.push_front((header.seq, id));
        recent.truncate(RECENT_MAX);
        let new = Branch::of(id, header);
        let newest = if beside.is_empty() {
            new
        } else {
            let mut branches = beside;
            branches.push(new.clone());
            branches.sort_unstable_by_key(|branch| branch.id);
            let displaced = branches.split_off(branches.len().min(BRANCHES_MAX));
            changes.extend(displaced.into_iter().map(|branch| Change::Displaced(branch.id)));
            let smallest = branches.first().cloned().unwrap_or(new);
            changes.extend(self.mark(header.author, header.seq, (branches, false)));
            smallest
        };
        let chain = self.chains.entry(header.author).or_insert_with(|| Chain {
            author: header.author,
            seq: header.seq,
            id,
            prev: header.prev,
            lamport: header.lamport,
            ops: header.ops.to_vec(),
            held: Vec::new(),
        });
        if header.seq >= chain.seq {
            chain.seq = header.seq;
            chain.id = newest.id;
            chain.prev = newest.prev;
            chain.lamport = newest.lamport;
            chain.ops = newest.ops;
        }
        insert(&mut chain.held, header.seq);
        changes.push(Change::Chain(chain.clone()));
        changes
    }

    /// Marks a number, if there is room for one more mark of this author; gives what is to be remembered.
    pub(crate) fn mark(
        &mut self,
        author: MemberId,
        seq: u32,
        (branches, is_broken): (Vec<Branch>, bool),
    ) -> Option<Change> {
        let old = self.forks.get(&(author, seq));
        if old.is_none() && self.forks_of(&author).count() >= FORKS_MAX {
            return None;
        }
        let is_broken = is_broken || old.is_some_and(|old| old.is_broken);
        let fork = Fork { author, seq, branches, is_broken };
        self.forks.insert((author, seq), fork.clone());
        Some(Change::Fork(fork))
    }

    /// Notes that an entry was refused for good: it counts as held, so that nobody is asked for it.
    pub(crate) fn refuse(&mut self, author: &MemberId, seq: u32) -> Option<Change> {
        let chain = self.chains.get_mut(author)?;
        insert(&mut chain.held, seq);
        Some(Change::Chain(chain.clone()))
    }

    /// How many places are marked, of all authors.
    #[must_use]
    pub(crate) fn marks(&self) -> usize {
        self.forks.len()
    }

    /// Whether anything is missing between entries of an author that are held.
    #[must_use]
    pub(crate) fn has_gap(&self, author: &MemberId) -> bool {
        self.chains.get(author).is_some_and(|chain| chain.held.len() > 1)
    }
}

impl Branch {
    pub(crate) fn of(id: EntryId, header: &EntryHeader) -> Self {
        Self { id, prev: header.prev, lamport: header.lamport, ops: header.ops.to_vec() }
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
    use crate::encoding::List;
    use crate::log::Ends;

    fn log(seqs: &[u32]) -> Log {
        let mut log = Log::default();
        let author = MemberId([1; 32]);
        let mut held = Vec::new();
        seqs.iter().for_each(|seq| insert(&mut held, *seq));
        let id = EntryId([2; 32]);
        log.restore(Chain { author, seq: 9, id, prev: id, lamport: 1, ops: vec![], held });
        log
    }

    fn header(author: MemberId, seq: u32) -> EntryHeader {
        EntryHeader {
            v: 1,
            suite: 1,
            space: [0; 32],
            author,
            seq,
            prev: EntryId::ZERO,
            deps: List::default(),
            ops: List::default(),
            lamport: 1,
            msk: 0,
            wall: 0,
            ends: Ends::Keep,
            payload_hash: [0; 32],
        }
    }

    #[test]
    fn what_came_lately_is_known_unless_something_else_stands_beside_it() {
        let (mut log, author) = (Log::default(), MemberId([1; 32]));
        let id = |n: u32| EntryId([u8::try_from(n).unwrap(); 32]);
        for seq in 0..100 {
            log.note(id(seq), &header(author, seq), Vec::new());
        }
        assert!(log.knows(&author, 99, id(99)) && log.knows(&author, 36, id(36)));
        assert!(!log.knows(&author, 99, id(98)), "something else");
        assert!(!log.knows(&author, 35, id(35)), "too long ago");
        assert!(!log.knows(&MemberId([2; 32]), 99, id(99)));
        let beside = vec![Branch::of(id(98), &header(author, 98))];
        log.note(id(200), &header(author, 98), beside);
        assert!(!log.knows(&author, 98, id(98)), "what stands there is looked at as a whole");
    }

    #[test]
    fn of_many_entries_under_one_number_the_four_with_the_smallest_ids_stay() {
        let (mut log, author) = (Log::default(), MemberId([1; 32]));
        let id = |n: u8| EntryId([n; 32]);
        log.note(id(50), &header(author, 7), Vec::new());
        for n in [40, 30, 20] {
            let beside = log.branches(&author, 7).unwrap();
            assert!(log.may_branch((&author, 7), &beside, id(n)));
            log.note(id(n), &header(author, 7), beside);
        }
        let beside = log.branches(&author, 7).unwrap();
        assert!(!log.may_branch((&author, 7), &beside, id(60)), "there are four that are smaller");
        assert!(log.may_branch((&author, 7), &beside, id(10)));
        let changes = log.note(id(10), &header(author, 7), beside);
        assert!(changes.contains(&Change::Displaced(id(50))), "the greatest is kept no more");
        let ids = log.branches(&author, 7).unwrap();
        assert_eq!(ids.iter().map(|one| one.id).collect::<Vec<_>>(), [10, 20, 30, 40].map(id));
        assert_eq!(log.chain(&author).unwrap().id, id(10), "the chain goes on from the smallest");
    }

    #[test]
    fn under_so_many_numbers_and_no_more_may_one_author_have_several_entries() {
        let (mut log, author) = (Log::default(), MemberId([1; 32]));
        let id = |n: u8| EntryId([n; 32]);
        let last = u32::try_from(FORKS_MAX).unwrap();
        for seq in 0..=last {
            log.note(id(9), &header(author, seq), Vec::new());
        }
        for seq in 0..last {
            let beside = log.branches(&author, seq);
            let beside = beside.unwrap_or_else(|| vec![Branch::of(id(9), &header(author, seq))]);
            assert!(log.may_branch((&author, seq), &beside, id(8)) && log.may_mark(&author));
            log.note(id(8), &header(author, seq), beside);
        }
        let beside = log.branches(&author, last).unwrap();
        assert!(!log.may_branch((&author, last), &beside, id(8)), "one number too many");
        assert!(!log.may_mark(&author) && log.mark(author, last, (beside, true)).is_none());
        let beside = log.branches(&author, 0).unwrap();
        assert!(
            log.may_branch((&author, 0), &beside, id(7)),
            "beside two there is room for a third"
        );
        assert!(log.mark(author, 0, (beside, true)).is_some());
        assert!(log.may_mark(&MemberId([2; 32])), "nobody else has to do with it");
        assert_eq!(log.marks(), FORKS_MAX);
    }

    #[test]
    fn a_mark_that_tells_of_a_broken_rule_is_not_taken_away_by_one_more_entry() {
        let (mut log, author) = (Log::default(), MemberId([1; 32]));
        let id = |n: u8| EntryId([n; 32]);
        log.note(id(9), &header(author, 3), Vec::new());
        let stands = log.branches(&author, 3).unwrap();
        log.mark(author, 3, (stands.clone(), true));
        assert!(!log.is_forked(&author, 3), "one entry alone");
        log.note(id(8), &header(author, 3), stands);
        assert!(log.is_forked(&author, 3) && log.forks_of(&author).all(|fork| fork.is_broken));
    }

    #[test]
    fn what_is_marked_is_marked_after_a_restart() {
        let (mut log, author) = (Log::default(), MemberId([1; 32]));
        let branches = vec![Branch::of(EntryId([3; 32]), &header(author, 3))];
        let fork = Fork { author, seq: 3, branches, is_broken: true };
        log.restore_fork(fork.clone());
        assert!(log.forks_of(&author).eq([&fork]) && log.marks() == 1);
    }

    #[test]
    fn a_chain_in_too_many_pieces_takes_in_only_what_touches_one() {
        let author = MemberId([1; 32]);
        let pieces = u32::try_from(HELD_RANGES_MAX).unwrap();
        let few = log(&(1..pieces).map(|n| n * 10).collect::<Vec<_>>());
        assert!(!few.is_in_pieces(&author, 5), "one more piece is kept");
        let many = log(&(1..=pieces).map(|n| n * 10).collect::<Vec<_>>());
        for (seq, is_too_much) in [(5, true), (8, true), (9, false), (11, false), (12, true)] {
            assert_eq!(many.is_in_pieces(&author, seq), is_too_much, "{seq}");
        }
        assert!(!many.is_in_pieces(&MemberId([2; 32]), 5));
        assert!(many.has_gap(&author) && !log(&[1, 2]).has_gap(&author));
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
