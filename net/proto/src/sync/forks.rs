//! Where a chain forks: how devices that hold one branch learn of the others.
//!
//! A frontier names the newest entry of a chain and all that stands where it forks; a Have names what is new.
//! Whatever is named under a number that is held is the same entry, or another branch: that is looked up,
//! and what is not held is asked for by its id. So is what a branch goes back to.

use std::collections::BTreeSet;

use rand_core::CryptoRng;

use crate::change::Wanted;
use crate::engine::Engine;
use crate::ids::{EntryId, LinkId};
use crate::limits::IDS_MAX;
use crate::link::Tip;
use crate::reading::Reading;

impl<R: CryptoRng> Engine<R> {
    /// They hold these: where something is held under the same number, it is the same or a fork.
    pub(crate) fn look_for_forks(&mut self, link: LinkId, tips: &[Tip]) {
        let mut doubtful = Vec::new();
        for (author, seq, id) in tips {
            if !self.log.holds(author, *seq) || !self.may_come_from(author) {
                continue;
            }
            match self.log.branches(author, *seq) {
                Some(held) if held.iter().any(|held| held.id == *id) => {}
                Some(held) => {
                    if self.log.may_branch((author, *seq), &held, *id)
                        && let Some(up) = self.up(link)
                    {
                        up.want_id(*id);
                    }
                }
                None if self.log.knows(author, *seq, *id) => {}
                None => doubtful.push(*id),
            }
        }
        for ids in doubtful.chunks(IDS_MAX) {
            self.read(Reading::Compare(link, ids.to_vec()), Wanted::Held(ids.to_vec()));
        }
    }

    /// Which of them are held was read: the others are asked for.
    pub(crate) fn on_compared(&mut self, link: LinkId, ids: Vec<EntryId>, held: &[EntryId]) {
        let Some(up) = self.up(link) else { return };
        ids.into_iter().filter(|id| !held.contains(id)).for_each(|id| up.want_id(id));
        self.must_fetch = true;
    }

    /// Where a chain forks, each branch goes back to where they part: what is lacking of that is asked
    /// for by its id, for no frontier names it.
    pub(crate) fn ask_ancestors(&mut self, link: LinkId) {
        let authors: Vec<_> = self.log.chains().map(|chain| chain.author).collect();
        let branches = authors.iter().flat_map(|author| self.log.forks_of(author));
        let before: BTreeSet<_> = branches
            .flat_map(|fork| fork.branches.iter().map(|branch| branch.prev))
            .filter(|prev| *prev != EntryId::ZERO)
            .collect();
        if !before.is_empty() {
            let before: Vec<_> = before.into_iter().collect();
            self.read(Reading::Compare(link, before.clone()), Wanted::Held(before));
        }
    }
}
