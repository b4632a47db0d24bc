//! What is known to be missing: evidence, never a guess.

use rand_core::CryptoRng;

use crate::engine::{Done, Engine};
use crate::ids::MemberId;

/// A part of an author's chain that this device may read, knows of, and does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Whose.
    pub author: MemberId,
    /// The first number that is missing.
    pub from: u32,
    /// The last; the same for one.
    pub to: u32,
    /// Who is linked now and said that they hold it.
    pub held_by: Vec<MemberId>,
}

impl<R: CryptoRng> Engine<R> {
    /// Everything that is known to be missing: gaps in what is held, and what linked members said that they
    /// hold beyond it. What nobody here has heard of is in no list.
    pub(crate) fn completeness(&self) -> Done {
        let mut missing = Vec::new();
        let known = self.log.chains().map(|chain| chain.author);
        let mut authors: Vec<_> =
            known.chain(self.ups().flat_map(|up| up.tips.keys().copied())).collect();
        authors.sort_unstable();
        authors.dedup();
        for author in authors.iter().filter(|author| self.may_come_from(author)) {
            missing.extend(self.missing_of(author));
        }
        // What waits for an op, or for its time, is known and cannot be shown yet.
        Done::Completeness { missing, waiting: self.parking.len() }
    }

    fn missing_of(&self, author: &MemberId) -> Vec<Missing> {
        let chain = self.log.chain(author);
        // Who was asked and gave nothing only said so: catch-up no longer asks them either.
        let may_give = self.ups().filter(|up| !self.missing_on(up, author).is_empty());
        let told = may_give.filter_map(|up| up.tips.get(author)).max();
        let Some(newest) = chain.map(|chain| chain.seq).into_iter().chain(told.copied()).max()
        else {
            return Vec::new();
        };
        let last = match self.dag.cut(author) {
            Some((pinned, _)) if !self.dag.members().contains(author) => pinned.min(newest),
            _ => newest,
        };
        // What was said before one came is not one's own to miss: a chain begins with what one has of it.
        let first = chain.and_then(|chain| chain.held.first()).map_or(last, |(from, _)| *from);
        let gaps = self.log.missing(author, first, last).into_iter();
        let mut missing: Vec<_> = gaps
            .map(|(author, from, to)| {
                let says_so = self.ups().filter(|up| {
                    let floor = up.floors.get(&author).copied().unwrap_or(0);
                    up.tips.get(&author).is_some_and(|tip| *tip >= to) && floor <= from.into()
                });
                Missing { author, from, to, held_by: says_so.map(|up| up.member).collect() }
            })
            .collect();
        missing.reverse();
        missing
    }
}
