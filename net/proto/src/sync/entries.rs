//! Entries between two members: frontiers, what is missing between them, asking and serving.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;

use crate::change::{Change, Loaded, Notice, Wanted};
use crate::encoding::List;
use crate::engine::{Channel, Engine, Event};
use crate::error::Reject;
use crate::ids::{EntryId, LinkId, MemberId};
use crate::intake::{Answer, Batch};
use crate::limits::{
    ACK_MS, ANSWER_EVERY_MS, ASKED_ELSEWHERE_MS, ASKED_MS, BATCH_BYTES, BATCH_ENTRIES_MAX,
    RANGES_MAX, SERVING_MAX, TIPS_MAX,
};
use crate::link::{Entries, Frontier, LinkMsg, Space, Tip, Up, Want};
use crate::log::SeqRange;
use crate::reading::Reading;
use crate::timers::Now;

impl<R: CryptoRng> Engine<R> {
    /// Ops are equal: compare frontiers, and say ours if they differ.
    pub(crate) fn begin_catch_up(&mut self, now: Now, link: LinkId) {
        let Some((member, theirs)) = self.up(link).map(|up| (up.member, up.their_digest)) else {
            return;
        };
        self.ask_ancestors(link);
        if self.digest_for(&member) == theirs {
            let tips = self.tips_for(&member);
            if let Some(up) = self.up(link) {
                up.heard_frontier = true;
                tips.iter().for_each(|(author, seq, _)| up.note_held(*author, *seq));
            }
            self.fetch(now, link);
        } else {
            self.say_frontier(link);
        }
    }

    pub(crate) fn say_frontier(&mut self, link: LinkId) {
        let Some(member) = self.up(link).map(|up| up.member) else { return };
        let tips = self.tips_for(&member);
        let messages = tips.len().div_ceil(TIPS_MAX).max(1);
        for at in 0..messages {
            let tips = tips.iter().skip(at.saturating_mul(TIPS_MAX)).copied();
            let more = at.saturating_add(1) < messages;
            let frontier = Frontier { space: Space::Group, tips: List::first(tips), more };
            self.send(link, &LinkMsg::Frontier(frontier));
        }
        if let Some(up) = self.up(link) {
            // Whatever makes us say it, it is the answer that is owed.
            up.said_frontier = up.answer_due.take().is_none();
            up.has_said_frontier = true;
        }
    }

    /// Theirs is to be answered. Questions are short and answers may be long: what comes soon after an answer
    /// is answered together, later.
    fn owe_frontier(&mut self, now: Now, link: LinkId) {
        let Some(up) = self.up(link) else { return };
        let next = up.answered.map_or(now.instant, |at| at.after_ms(ANSWER_EVERY_MS));
        up.answer_due = Some(next.max(now.instant));
        self.answer_frontier(now, link);
    }

    /// Says our frontier, if it is owed and due.
    pub(crate) fn answer_frontier(&mut self, now: Now, link: LinkId) {
        let Some(up) = self.up(link) else { return };
        if up.answer_due.is_some_and(|due| due <= now.instant) {
            up.answered = Some(now.instant);
            self.say_frontier(link);
        }
    }

    pub(crate) fn on_frontier(
        &mut self,
        now: Now,
        link: LinkId,
        frontier: Frontier,
    ) -> Result<(), Reject> {
        let Some(up) = self.up(link) else { return Ok(()) };
        if frontier.space != Space::Group {
            return Err(Reject::Foreign);
        }
        // They may have learned what they lacked before.
        if !frontier.more {
            up.floors.clear();
        }
        self.note_tips(link, &frontier.tips);
        self.look_for_forks(link, &frontier.tips);
        self.note_evidence(now, link, &frontier);
        let Some(up) = self.up(link) else { return Ok(()) };
        if frontier.more {
            return Ok(());
        }
        up.heard_frontier = true;
        // One that answers ours is not answered again, nor one that names all we could name.
        let is_answer = core::mem::replace(&mut up.said_frontier, false);
        let (member, is_first) = (up.member, !up.has_said_frontier);
        let is_owed = up.answer_due.is_some();
        let mut names_all = || self.tips_for(&member).iter().all(|tip| frontier.tips.contains(tip));
        if !is_owed && !is_answer && (is_first || !names_all()) {
            self.owe_frontier(now, link);
        }
        self.fetch(now, link);
        Ok(())
    }

    /// What this member may give us of an author: what they hold and we lack, up to where the author's
    /// chain counts.
    pub(crate) fn missing_on(&self, up: &Up, author: &MemberId) -> Vec<SeqRange> {
        let Some(tip) = up.tips.get(author) else { return Vec::new() };
        // Of someone who is out only what they pinned is taken in (docs/protocol.md, "Cut").
        let last = if self.dag.members().contains(author) {
            *tip
        } else {
            match self.dag.cut(author) {
                Some((pinned, _)) => pinned.min(*tip),
                None => return Vec::new(),
            }
        };
        let floor = up.floors.get(author).copied().unwrap_or(0);
        u32::try_from(floor)
            .map_or_else(|_nothing_above| Vec::new(), |floor| self.log.missing(author, floor, last))
    }

    /// Whether anything of an author may still be taken in.
    pub(crate) fn may_come_from(&self, author: &MemberId) -> bool {
        self.dag.members().contains(author) || self.dag.cut(author).is_some()
    }

    /// Asks the other end for what it holds and we lack, unless that is under way elsewhere; when
    /// nothing is left to ask for, catch-up with it has ended.
    pub(crate) fn fetch(&mut self, now: Now, link: LinkId) {
        let Some(Channel::Up(up, _)) = self.channels.get(&link) else { return };
        if !up.heard_frontier || up.is_asking() {
            return;
        }
        let is_recent = |other: &&Up| {
            other.asked_at.is_some_and(|at| now.instant < at.after_ms(ASKED_ELSEWHERE_MS))
        };
        let elsewhere: BTreeSet<MemberId> = self
            .ups()
            .filter(is_recent)
            .flat_map(|other| other.asked.iter().map(|(author, ..)| *author))
            .collect();
        let (mut ranges, mut waiting) = (Vec::new(), Vec::new());
        // Who said little lately comes before who said much; over budget, after everyone else.
        let mut authors: Vec<_> = up.tips.keys().collect();
        authors.sort_by_cached_key(|author| self.budgets.used(now.instant, author));
        for author in authors {
            let missing = self.missing_on(up, author);
            let is_elsewhere = elsewhere.contains(author) && self.may_wait(now, up, author);
            if !missing.is_empty() && is_elsewhere {
                waiting.push(*author);
            } else {
                ranges.extend(missing);
            }
        }
        ranges.truncate(RANGES_MAX);
        let Some(up) = self.up(link) else { return };
        let ids = up.take_wanted_ids();
        up.waits.retain(|author, _| waiting.contains(author));
        let is_waiting = !waiting.is_empty();
        for author in waiting {
            up.waits.entry(author).or_insert(now.instant);
        }
        if is_waiting {
            self.fetch_due.get_or_insert_with(|| now.instant.after_ms(ASKED_ELSEWHERE_MS));
        }
        if !ranges.is_empty() || !ids.is_empty() {
            self.want(now, link, ranges, ids);
        } else if !is_waiting {
            self.on_settled(now, link);
        }
    }

    /// Whether an author may be left to those who were asked for them: while something comes of it, and
    /// not for ever.
    fn may_wait(&self, now: Now, up: &Up, author: &MemberId) -> bool {
        let Some(since) = up.waits.get(author) else { return true };
        let moved = self.progress.get(author).map_or(*since, |moved| *moved.max(since));
        now.instant < moved.after_ms(ASKED_ELSEWHERE_MS) && now.instant < since.after_ms(ASKED_MS)
    }

    fn want(&mut self, now: Now, link: LinkId, ranges: Vec<SeqRange>, ids: BTreeSet<EntryId>) {
        let Some(up) = self.up(link) else { return };
        up.asked.clone_from(&ranges);
        up.asked_ids.clone_from(&ids);
        up.asked_at = Some(now.instant);
        up.is_fed = true;
        self.fetch_due = Some(now.instant.after_ms(ASKED_ELSEWHERE_MS));
        let (ranges, ids) = (List::first(ranges), List::first(ids));
        self.send(link, &LinkMsg::Want(Want { space: Space::Group, ranges, ids }));
    }

    /// All that this member could give was taken in: what it held of ours too, so our chain can go on.
    fn on_settled(&mut self, now: Now, link: LinkId) {
        let Some(up) = self.up(link) else { return };
        let member = up.member;
        let is_first = !core::mem::replace(&mut up.settled, true);
        if is_first {
            self.persist(vec![Change::Notice(Notice::Complete(member))]);
        }
        if is_first || self.acks.contains(&member) {
            self.send_ack(link);
        }
        if !core::mem::replace(&mut self.may_sign, true) {
            self.sign_outbox(now);
        }
        self.must_tell |= self.filling.remove(&link);
    }

    /// What filled a gap is told to all with whom frontiers were exchanged.
    pub(crate) fn tell_frontier(&mut self) {
        for link in self.greeted() {
            if self.up(link).is_some_and(|up| up.heard_frontier) {
                self.say_frontier(link);
            }
        }
    }

    /// A member said of our own chain up to where they hold it.
    fn note_evidence(&mut self, now: Now, link: LinkId, frontier: &Frontier) {
        let Some(member) = self.up(link).map(|up| up.member) else { return };
        let me = self.me.id;
        // One tip and more to come is an acknowledgement; a page of a frontier has many.
        let [(author, seq, id)] = &frontier.tips[..] else { return };
        if !frontier.more || *author != me {
            return;
        }
        // Where this device once ran twice, they may hold what the other one said.
        let is_ours = match self.log.branches(&me, *seq) {
            Some(stands) => stands.iter().any(|own| own.id == *id),
            None => self.log.forks_of(&me).next().is_none(),
        };
        let is_sent = is_ours && self.log.chain(&me).is_some_and(|chain| chain.seq >= *seq);
        let is_news = self.held.get(&member).is_none_or(|held| held < seq);
        if is_sent && is_news {
            self.held.insert(member, *seq);
            self.held_unsaved.insert(member);
            self.held_due.get_or_insert_with(|| now.instant.after_ms(ACK_MS));
        }
    }

    /// What was heard of who holds what becomes durable, some of it together.
    pub(crate) fn save_evidence(&mut self) {
        self.held_due = None;
        let members = core::mem::take(&mut self.held_unsaved);
        let held = members.iter().filter_map(|member| Some((*member, *self.held.get(member)?)));
        let changes = held.map(|(member, seq)| Change::Held(member, seq)).collect();
        self.persist(changes);
        self.event(Event::Held);
    }

    /// Notes what the other end holds, of authors that are known.
    pub(crate) fn note_tips(&mut self, link: LinkId, tips: &[Tip]) {
        let known: Vec<_> =
            tips.iter().filter(|(author, ..)| self.may_come_from(author)).copied().collect();
        let Some(up) = self.up(link) else { return };
        known.into_iter().for_each(|(author, seq, _)| up.note_held(author, seq));
    }

    /// Whether anything is missing between the oldest entry of an author that is held, or this one, and
    /// this one.
    fn is_behind(&self, author: &MemberId, tip: u32) -> bool {
        let first = self.log.chain(author).and_then(|chain| chain.held.first());
        let from = first.map_or(tip, |(from, _)| *from);
        self.dag.members().contains(author) && !self.log.missing(author, from, tip).is_empty()
    }

    /// From time to time, while something is parked or missing: what do you hold?
    pub(crate) fn compare_frontiers(&mut self) {
        let has_gap = self.dag.members().iter().any(|author| self.log.has_gap(author));
        let is_missing = !self.parking.is_empty() || has_gap || {
            self.ups().any(|up| up.tips.iter().any(|(author, tip)| self.is_behind(author, *tip)))
        };
        if !is_missing {
            return;
        }
        for link in self.greeted() {
            if self.up(link).is_some_and(|up| up.linked) {
                if !self.parking.is_empty() {
                    self.ask_ops(link);
                }
                // They may have learned meanwhile what they lacked before.
                if let Some(up) = self.up(link) {
                    up.floors.clear();
                }
                self.must_fetch = true;
                self.say_frontier(link);
            }
        }
    }

    /// They ask for entries: read them, and answer when they are read.
    pub(crate) fn on_want(&mut self, link: LinkId, want: Want) -> Result<(), Reject> {
        let Some(up) = self.up(link) else { return Ok(()) };
        if want.space != Space::Group {
            return Err(Reject::Foreign);
        }
        // Parts that overlap would have the same read again and again; nobody honest asks like that.
        let mut ranges = want.ranges.to_vec();
        ranges.sort_unstable();
        let overlap = |pair: &[SeqRange]| match pair {
            [(author, _, to), (next, from, _)] => author == next && from <= to,
            _ => false,
        };
        if up.serving >= SERVING_MAX || ranges.windows(2).any(overlap) {
            return Err(Reject::Budget);
        }
        up.serving = up.serving.saturating_add(1);
        // They want what we only told them of: from now on it is pushed.
        up.is_eager = true;
        let ids = want.ids.iter().copied().collect();
        self.read_for(link, want.ranges.into_vec(), ids);
        Ok(())
    }

    fn read_for(&mut self, link: LinkId, ranges: Vec<SeqRange>, ids: BTreeSet<EntryId>) {
        let what = Wanted::Entries {
            ranges: ranges.clone(),
            ids: ids.iter().copied().collect(),
            entries_max: BATCH_ENTRIES_MAX,
            bytes_max: BATCH_BYTES,
        };
        self.read(Reading::Serve { link, ranges, ids }, what);
    }

    /// What they asked for was read: the serve rule, then the answer. An author's entries come newest
    /// first, and a view never shrinks: below a number of which they may read nothing, the rest is not
    /// theirs. What was asked for by its id is judged alone.
    pub(crate) fn serve(
        &mut self,
        now: Now,
        link: LinkId,
        (ranges, ids): (Vec<SeqRange>, BTreeSet<EntryId>),
        loaded: Loaded,
    ) {
        let Some(up) = self.up(link) else { return };
        let member = up.member;
        let mut entries = Vec::new();
        // Of each author: the number that was looked at last, and whether something there is theirs.
        let mut seen: BTreeMap<MemberId, (u32, bool)> = BTreeMap::new();
        let mut last = None;
        for mut entry in loaded.entries {
            let Ok(header) = entry.parse(&self.me.group) else { continue };
            if self.has_ended(now, &header) {
                entry.body = None;
            }
            let (author, seq) = (header.author, header.seq);
            let is_single = ids.contains(&entry.id());
            last = Some(author);
            let before = seen.get(&author).copied();
            let is_below = before.is_some_and(|(at, theirs)| !theirs && at != seq);
            if is_below && !is_single {
                continue;
            }
            let is_theirs = self.may_read(&member, &header.ops);
            if !is_single {
                let same = before.is_some_and(|(at, theirs)| at == seq && theirs);
                seen.insert(author, (seq, is_theirs || same));
            }
            if is_theirs {
                if let Some(up) = self.up(link) {
                    up.note_held(author, seq);
                }
                entries.push(entry);
            }
        }
        if entries.is_empty() && loaded.more {
            // Nothing of this batch is theirs: go on behind the author at which it ended.
            let is_ranged = !ranges.is_empty();
            let rest: Vec<_> = ranges
                .into_iter()
                .skip_while(|(author, ..)| Some(*author) != last)
                .skip(1)
                .collect();
            if !rest.is_empty() || (is_ranged && !ids.is_empty()) {
                return self.read_for(link, rest, ids);
            }
        }
        if let Some(up) = self.up(link) {
            up.serving = up.serving.saturating_sub(1);
        }
        let more = loaded.more && !entries.is_empty();
        let entries = Entries {
            space: Space::Group,
            entries: List::first(entries),
            gone: List::default(),
            more,
        };
        self.send(link, &LinkMsg::Entries(entries));
    }

    /// Entries came: an answer if any of them was asked for, or if it is empty; else new ones.
    pub(crate) fn on_entries(
        &mut self,
        now: Now,
        link: LinkId,
        entries: Entries,
    ) -> Result<(), Reject> {
        if entries.space != Space::Group {
            return Err(Reject::Foreign);
        }
        let Some(up) = self.up(link) else { return Ok(()) };
        let (asked, asked_ids) = (up.asked.clone(), up.asked_ids.clone());
        let is_asking = up.is_asking();
        let mut answers = entries.entries.is_empty();
        let mut is_known = !entries.entries.is_empty();
        for entry in entries.entries.iter() {
            let header = match entry.parse(&self.me.group) {
                // It waits for a build that knows it; asked for again it would only come again.
                Err(Reject::Version) => {
                    answers |= is_asking;
                    continue;
                }
                parsed => parsed?,
            };
            let (author, seq, id) = (header.author, header.seq, entry.id());
            answers |= asked_ids.contains(&id);
            if let Some(up) = self.up(link) {
                up.asked_ids.remove(&id);
            }
            answers |=
                asked.iter().any(|(of, from, to)| author == *of && (*from..=*to).contains(&seq));
            is_known &= self.log.holds(&author, seq);
            self.note_tips(link, &[(author, seq, id)]);
        }
        let more = entries.more && !entries.entries.is_empty();
        let answer = (answers && is_asking).then_some(Answer { asked, more });
        if answer.is_none() && is_known && !self.mesh.is_full() {
            self.on_duplicate(link);
        }
        let entries = entries.entries.into_vec();
        self.take_entries(now, Batch { entries, from: Some(link), answer, ..Batch::default() })
    }

    /// Notes what an answer left open: with `more`, it will be asked for again; without, this member
    /// has no more of it for us.
    pub(crate) fn on_answer(&mut self, link: LinkId, answer: &Answer) {
        let Answer { asked, more } = answer;
        let rest: Vec<_> = asked
            .iter()
            .flat_map(|(author, from, to)| self.log.missing(author, *from, *to))
            .collect();
        let Some(up) = self.up(link) else { return };
        up.asked.clear();
        up.asked_at = None;
        // What did not fit is asked for again.
        let left = core::mem::take(&mut up.asked_ids);
        left.into_iter().filter(|_| *more).for_each(|id| up.want_id(id));
        // An answer that brought nothing of what was asked for would come again and again.
        if !more || rest.iter().map(span).sum::<u64>() >= asked.iter().map(span).sum() {
            for (author, _, to) in rest {
                let floor = up.floors.entry(author).or_insert(0);
                *floor = (*floor).max(u64::from(to).saturating_add(1));
            }
        }
    }
}

/// How many entries a range holds.
fn span((_, from, to): &SeqRange) -> u64 {
    u64::from(*to).saturating_sub(u64::from(*from)).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attacks::{forge, push};
    use crate::engine::{Input, Output};
    use crate::hostile::{Peer, Room, at};
    use crate::log::Entry;

    fn reads(peer: &mut Peer) -> Vec<Wanted> {
        let mut reads = Vec::new();
        while let Some(output) = peer.poll_output() {
            if let Output::Load { what, .. } = output {
                reads.push(what);
            }
        }
        reads
    }

    #[test]
    fn whoever_came_late_is_served_what_is_theirs_behind_much_that_is_not() {
        let mut room = Room::new(3);
        let (_, link) = room.link(2, 0);
        let [first, second] = [0, 1].map(|who: usize| room.peers[who].me.clone());
        let before = room.peers[0].dag.coming_of(&second.id).unwrap();
        let old = forge(&first, (5, EntryId([9; 32]), 9), vec![before]);
        let peer = &mut room.peers[0];
        reads(peer);
        let ranges = vec![(first.id, 0, 5), (second.id, 0, 3)];
        let batch = |more| Loaded { entries: vec![old.clone()], more, ..Loaded::default() };
        let mut serve = |ranges: &[SeqRange], ids: &[EntryId], more| {
            let ids: BTreeSet<_> = ids.iter().copied().collect();
            peer.up(link).unwrap().serving = 1;
            peer.serve(at(2000), link, (ranges.to_vec(), ids), batch(more));
            (reads(peer), peer.up(link).unwrap().serving)
        };
        let read = |ranges: &[SeqRange], ids: &[EntryId]| Wanted::Entries {
            ranges: ranges.to_vec(),
            ids: ids.to_vec(),
            entries_max: BATCH_ENTRIES_MAX,
            bytes_max: BATCH_BYTES,
        };
        let id = EntryId([3; 32]);
        assert_eq!(
            serve(&ranges, &[], true),
            (vec![read(&ranges[1..], &[])], 1),
            "the next author"
        );
        assert_eq!(serve(&ranges, &[id], true), (vec![read(&ranges[1..], &[id])], 1));
        assert_eq!(
            serve(&ranges[..1], &[id], true),
            (vec![read(&[], &[id])], 1),
            "then single ones"
        );
        assert_eq!(
            serve(&ranges[..1], &[], true),
            (vec![], 0),
            "nothing is left: that is answered"
        );
        assert_eq!(serve(&[], &[id], true), (vec![], 0), "nor here");
        assert_eq!(serve(&ranges, &[], false), (vec![], 0), "that was all");
    }

    #[test]
    fn what_only_a_later_build_knows_is_an_answer_too() {
        let mut room = Room::new(2);
        let (ours, theirs) = room.link(1, 0);
        // What the first asks for never reaches the second.
        room.links.remove(&(0, theirs));
        let author = room.peers[1].me.id;
        let tips = List::first([(author, 0, EntryId([9; 32]))]);
        let claim = LinkMsg::Frontier(Frontier { space: Space::Group, tips, more: false });
        room.force(1, ours, &claim);
        assert!(room.peers[0].up(theirs).unwrap().is_asking());
        let me = room.peers[1].me.clone();
        let heads = room.peers[1].dag.heads();
        let known = forge(&me, (0, EntryId::ZERO, 1), heads);
        let mut header = known.header.to_vec();
        header[0] = 2;
        let unknown = Entry { header: crate::encoding::Bytes::new(header).unwrap(), ..known };
        room.force(1, ours, &push(&[unknown]));
        assert!(!room.peers[0].up(theirs).unwrap().is_asking(), "it would only come again");
        assert_eq!(room.peers[0].tally().parked, 1, "it waits for a build that knows it");
    }
    #[test]
    fn what_is_asked_of_one_is_asked_of_another_when_nothing_comes_of_it() {
        let mut room = Room::new(4);
        let author = room.peers[3].me.id;
        let links: Vec<_> = [1, 2].map(|other| (other, room.link(other, 0))).into();
        for (other, (ours, theirs)) in &links {
            // What the first asks for reaches nobody.
            room.links.remove(&(0, *theirs));
            let tips = List::first([(author, 9, EntryId([9; 32]))]);
            let claim = LinkMsg::Frontier(Frontier { space: Space::Group, tips, more: false });
            room.force(*other, *ours, &claim);
        }
        let [one, another] = [0, 1].map(|at: usize| links[at].1.1);
        let asked = |room: &mut Room, link| room.peers[0].up(link).unwrap().asked.clone();
        assert_eq!(asked(&mut room, one), [(author, 0, 9)]);
        assert_eq!(asked(&mut room, another), [], "it is under way");
        room.ms += ASKED_ELSEWHERE_MS - 1;
        room.input(0, Input::Tick);
        assert_eq!(asked(&mut room, another), []);
        room.ms += 1;
        room.input(0, Input::Tick);
        assert_eq!(asked(&mut room, another), [(author, 0, 9)]);
    }

    #[test]
    fn an_author_is_left_to_those_who_were_asked_while_it_goes_on_and_not_for_ever() {
        let mut room = Room::new(3);
        let (_, link) = room.link(1, 0);
        let author = room.peers[2].me.id;
        let peer = &mut room.peers[0];
        let waits = |peer: &Peer, ms| {
            let Some(Channel::Up(up, _)) = peer.channels.get(&link) else { panic!() };
            peer.may_wait(at(ms), up, &author)
        };
        assert!(waits(peer, 1 << 40), "nobody waits yet");
        peer.up(link).unwrap().waits.insert(author, at(0).instant);
        assert!(waits(peer, ASKED_ELSEWHERE_MS - 1) && !waits(peer, ASKED_ELSEWHERE_MS));
        peer.progress.insert(author, at(5_000).instant);
        assert!(waits(peer, 4_999 + ASKED_ELSEWHERE_MS), "something came of it");
        assert!(!waits(peer, 5_000 + ASKED_ELSEWHERE_MS));
        peer.progress.insert(author, at(ASKED_MS).instant);
        assert!(waits(peer, ASKED_MS - 1) && !waits(peer, ASKED_MS), "not for ever");
    }
}
