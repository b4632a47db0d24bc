//! Membership: a pure function of a down-closed set of valid ops, as it is defined, slow and obvious.
//!
//! ```text
//! equiv(S)    = authors with two ops of equal seq in S; fork(m) = the smallest such seq
//! voided(A,S) = a sponsor s of A is not the founder and every Add of s before A is voided
//!               or A's author forked at or before A
//!               or the same invitation was used, concurrently, by an admitter who stands earlier
//! Members(S)  = { m : an Add of m in S is not voided, and m not in equiv(S) }
//! ```
//!
//! This is docs/protocol.md, "Membership", with the reasons that exist so far; an Add cannot yet be
//! confirmed by welcomes, so a fork of its author voids it whatever others thought.

use std::collections::{BTreeMap, BTreeSet};

use fixedbitset::FixedBitSet;

use super::OpBody;
use super::dag::{Dag, Node};
use crate::ids::MemberId;

impl Dag {
    /// The members in a down-closed set of ops.
    pub(super) fn members_of(&self, set: &FixedBitSet) -> BTreeSet<MemberId> {
        let forks = self.forks(set);
        let mut adds: Vec<_> =
            self.nodes_in(set).filter(|(_, node)| node.makes.is_some()).collect();
        adds.sort_by_key(|(_, node)| (node.header.lamport, node.id));
        let mut voided = FixedBitSet::with_capacity(self.nodes.len());
        for (at, add) in &adds {
            if self.is_voided(add, set, &forks, &voided) {
                voided.insert(*at);
            }
        }
        adds.into_iter()
            .filter(|(at, _)| !voided.contains(*at))
            .filter_map(|(_, add)| add.makes)
            .filter(|member| !forks.contains_key(member))
            .collect()
    }

    fn is_voided(
        &self,
        add: &Node,
        set: &FixedBitSet,
        forks: &BTreeMap<MemberId, u32>,
        voided: &FixedBitSet,
    ) -> bool {
        let Some((inviter, invite)) = add.uses().and_then(|invite| self.invite(&invite)) else {
            return false; // Genesis
        };
        let sponsor_is_voided = |sponsor: MemberId| {
            sponsor != self.founder()
                && self
                    .nodes_in(&add.past)
                    .filter(|(_, node)| node.makes == Some(sponsor))
                    .all(|(at, _)| voided.contains(at))
        };
        if sponsor_is_voided(add.author) || sponsor_is_voided(inviter) {
            return true;
        }
        if forks.get(&add.author).is_some_and(|fork| *fork <= add.header.seq) {
            return true;
        }
        let rank = |member: &MemberId| invite.admitters.iter().position(|other| other == member);
        self.nodes_in(set).any(|(_, other)| {
            other.uses() == add.uses()
                && other.id != add.id
                && self.are_concurrent(other, add)
                && rank(&other.author) < rank(&add.author)
        })
    }

    /// Authors who said two things at once in their control chain, with the first such seq.
    fn forks(&self, set: &FixedBitSet) -> BTreeMap<MemberId, u32> {
        let mut seen = BTreeSet::new();
        let mut forks = BTreeMap::new();
        for (_, node) in self.nodes_in(set) {
            if !seen.insert((node.author, node.header.seq)) {
                let fork = forks.entry(node.author).or_insert(node.header.seq);
                *fork = (*fork).min(node.header.seq);
            }
        }
        forks
    }

    fn are_concurrent(&self, one: &Node, other: &Node) -> bool {
        let before = |earlier: &Node, later: &Node| {
            self.index_of(&earlier.id).is_some_and(|at| later.past.contains(at))
        };
        !before(one, other) && !before(other, one)
    }

    pub(super) fn nodes_in<'a>(
        &'a self,
        set: &'a FixedBitSet,
    ) -> impl Iterator<Item = (usize, &'a Node)> {
        set.ones().filter_map(|at| Some((at, self.nodes.get(at)?)))
    }

    /// How many Adds an author made within seven days before `wall`, in a set of ops.
    pub(super) fn adds_in_week(&self, author: &MemberId, set: &FixedBitSet, wall: u32) -> usize {
        const WEEK_MINUTES: u32 = 7 * 24 * 60;
        self.nodes_in(set)
            .filter(|(_, node)| node.author == *author && matches!(node.body, OpBody::Add(_)))
            .filter(|(_, node)| node.header.wall > wall.saturating_sub(WEEK_MINUTES))
            .count()
    }
}
