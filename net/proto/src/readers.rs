//! Who may read what: the rule, in one place.
//!
//! *Serve rule*: an entry goes only to its readers who are members now; its readers are the members in the
//! view it names. It is asked
//!
//! - when an entry is signed: the view is chosen so that it never shrinks (`next_entry` in `writing.rs`);
//! - when one comes: we must be among its readers (`check_alone` in `intake.rs`);
//! - when one leaves, which it does in two places, `push_to` in `spread.rs` and `serve` in
//!   `sync/entries.rs`; and when one is told of, in a Have or a frontier. Whoever ceases to be a member has
//!   no link any more, so nothing that was planned before reaches them.

use rand_core::CryptoRng;

use crate::change::Branch;
use crate::engine::Engine;
use crate::ids::{MemberId, OpId};
use crate::link::{Tip, frontier_digest};

impl<R: CryptoRng> Engine<R> {
    /// Whether a view lists a member who still is one.
    pub(crate) fn may_read(&mut self, member: &MemberId, view: &[OpId]) -> bool {
        self.dag.members().contains(member)
            && self.dag.readers(view).is_some_and(|readers| readers.members.contains(member))
    }

    /// The tips that a member may read, by author: the newest entry, and whatever stands where the chain
    /// forks.
    pub(crate) fn tips_for(&mut self, member: &MemberId) -> Vec<Tip> {
        let mut places: Vec<(MemberId, u32, Branch)> = Vec::new();
        for chain in self.log.chains() {
            let newest = self.log.branches(&chain.author, chain.seq).unwrap_or_default();
            places.extend(newest.into_iter().map(|branch| (chain.author, chain.seq, branch)));
            for fork in self.log.forks_of(&chain.author).filter(|fork| fork.seq != chain.seq) {
                let branches = fork.branches.iter().filter(|_| fork.branches.len() > 1).cloned();
                places.extend(branches.map(|branch| (fork.author, fork.seq, branch)));
            }
        }
        let mut tips: Vec<Tip> = places
            .into_iter()
            .filter(|(_, _, branch)| self.may_read(member, &branch.ops))
            .map(|(author, seq, branch)| (author, seq, branch.id))
            .collect();
        tips.sort_unstable();
        tips
    }

    /// The digest of what a member may read.
    pub(crate) fn digest_for(&mut self, member: &MemberId) -> [u8; 32] {
        let tips = self.tips_for(member);
        frontier_digest(&self.me.group, &tips)
    }
}
