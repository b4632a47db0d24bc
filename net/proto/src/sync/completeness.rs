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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attacks::{forge, push};
    use crate::encoding::List;
    use crate::engine::{Command, Input};
    use crate::hostile::Room;
    use crate::ids::{EntryId, RequestId};
    use crate::link::{Frontier, LinkMsg, Space};

    #[test]
    fn of_who_left_only_what_they_said_before_leaving_is_missing() {
        let mut room = Room::new(3);
        room.link(0, 1);
        let (link, theirs) = room.link(1, 2);
        // What the third asks the second for never reaches them.
        room.links.remove(&(2, theirs));
        room.say(0, "one");
        let one = room.entries[1][0].clone();
        room.force(1, link, &push(&[one]));
        room.say(0, "two");
        room.say(0, "three");
        room.input(0, Input::Command { request: RequestId(0), command: Command::Leave });
        let [author, second] = [0, 1].map(|who: usize| room.peers[who].me.id);
        assert!(!room.peers[2].dag.members().contains(&author), "the third heard of it");
        let tips = List::first([(author, 1000, EntryId([9; 32]))]);
        let claim = LinkMsg::Frontier(Frontier { space: Space::Group, tips, more: false });
        room.force(1, link, &claim);
        let Done::Completeness { missing, .. } = room.peers[2].completeness() else { panic!() };
        assert_eq!(missing, [Missing { author, from: 1, to: 2, held_by: vec![second] }]);
    }
    #[test]
    fn what_is_held_is_compared_from_time_to_time_only_while_something_is_missing() {
        // A frontier says what is held, and a question for ops what else something waits for.
        for (has_gap, waits, is_behind, messages) in [
            (false, false, false, 0),
            (true, false, false, 1),
            (false, true, false, 2),
            (true, true, false, 2),
            (false, false, true, 1),
        ] {
            let mut room = Room::new(2);
            let (link, _) = room.link(1, 0);
            room.say(0, "one");
            room.say(1, "two");
            let author = room.peers[1].me.clone();
            if has_gap {
                let heads = room.peers[1].dag.heads();
                let later = forge(&author, (5, EntryId([9; 32]), 9), heads);
                room.force(1, link, &push(&[later]));
            }
            if waits {
                let unknown = vec![crate::ids::OpId([7; 32])];
                room.force(1, link, &push(&[forge(&author, (9, EntryId([9; 32]), 9), unknown)]));
            }
            if is_behind {
                // They were asked, and had nothing to give.
                let tips = List::first([(author.id, 5, EntryId([9; 32]))]);
                let claim = LinkMsg::Frontier(Frontier { space: Space::Group, tips, more: false });
                room.force(1, link, &claim);
            }
            let peer = &mut room.peers[0];
            peer.compare_frontiers();
            let sent = std::iter::from_fn(|| peer.poll_output()).count();
            assert_eq!(sent, messages, "{has_gap} {waits} {is_behind}");
        }
    }
}
