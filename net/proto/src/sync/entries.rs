//! Entries between two members: frontiers, what is missing between them, and the serve rule.
//!
//! *Serve rule*: an entry goes only to its readers who are members now. It is checked when a message
//! is sealed, here and in [`crate::spread`], and nowhere can one be sealed without it.

use std::collections::BTreeSet;

use rand_core::CryptoRng;

use crate::change::{Change, Loaded, Notice};
use crate::encoding::List;
use crate::engine::{Channel, Engine};
use crate::error::Reject;
use crate::ids::{LinkId, MemberId};
use crate::limits::{ASKED_ELSEWHERE_MS, RANGES_MAX, TIPS_MAX};
use crate::link::{Entries, Frontier, LinkMsg, Space, Tip, Up, Want, frontier_digest};
use crate::log::SeqRange;
use crate::timers::Now;

/// Loads that one link may have under way.
const SERVING_MAX: usize = 4;

impl<R: CryptoRng> Engine<R> {
    /// The tips that a member may read, by author.
    fn tips_for(&mut self, member: &MemberId) -> Vec<Tip> {
        let chains: Vec<_> = self.log.chains().cloned().collect();
        chains
            .into_iter()
            .filter(|chain| self.may_read(member, &chain.ops))
            .map(|chain| (chain.author, chain.seq, chain.id))
            .collect()
    }

    /// Whether a view lists a member who still is one.
    pub(crate) fn may_read(&mut self, member: &MemberId, view: &[crate::ids::OpId]) -> bool {
        self.dag.members().contains(member)
            && self.dag.readers(view).is_some_and(|readers| readers.members.contains(member))
    }

    pub(crate) fn digest_for(&mut self, member: &MemberId) -> [u8; 32] {
        let tips = self.tips_for(member);
        frontier_digest(&self.me.group, &tips)
    }

    /// Ops are equal: compare frontiers, and say ours if they differ.
    pub(crate) fn begin_catch_up(&mut self, now: Now, link: LinkId) {
        let Some((member, theirs)) = self.up(link).map(|up| (up.member, up.their_digest)) else {
            return;
        };
        if self.digest_for(&member) == theirs {
            let tips = self.tips_for(&member);
            if let Some(up) = self.up(link) {
                up.heard_frontier = true;
                tips.iter().for_each(|(author, seq, _)| up.holds(*author, *seq));
            }
            self.fetch(now, link);
        } else {
            self.say_frontier(now, link);
        }
    }

    fn say_frontier(&mut self, now: Now, link: LinkId) {
        let Some(member) = self.up(link).map(|up| up.member) else { return };
        let tips = self.tips_for(&member);
        let messages = tips.len().div_ceil(TIPS_MAX).max(1);
        for at in 0..messages {
            let tips = tips.iter().skip(at.saturating_mul(TIPS_MAX)).copied();
            let more = at.saturating_add(1) < messages;
            let frontier = Frontier { space: Space::Group, tips: List::first(tips), more };
            self.send(now, link, &LinkMsg::Frontier(frontier));
        }
        if let Some(up) = self.up(link) {
            up.said_frontier = true;
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
        up.floors.clear();
        self.note_tips(link, &frontier.tips);
        let Some(up) = self.up(link) else { return Ok(()) };
        if frontier.more {
            return Ok(());
        }
        up.heard_frontier = true;
        if !up.said_frontier {
            self.say_frontier(now, link);
        }
        self.fetch(now, link);
        Ok(())
    }

    /// Asks the other end for what it holds and we lack, unless that is under way elsewhere; when
    /// nothing is left to ask for, catch-up with it has ended.
    pub(crate) fn fetch(&mut self, now: Now, link: LinkId) {
        let Some(Channel::Up(up, _)) = self.channels.get(&link) else { return };
        if !up.heard_frontier || !up.asked.is_empty() {
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
        let members = self.dag.members();
        let (mut ranges, mut waits) = (Vec::new(), false);
        for (author, tip) in &up.tips {
            // Of someone who is out nothing new is taken in (docs/protocol.md, "Cut").
            if !members.contains(author) {
                continue;
            }
            let floor = up.floors.get(author).copied().unwrap_or(0);
            let missing = self.log.missing(author, floor, *tip);
            if !missing.is_empty() && elsewhere.contains(author) {
                waits = true;
            } else {
                ranges.extend(missing);
            }
        }
        ranges.truncate(RANGES_MAX);
        if !ranges.is_empty() {
            self.want(now, link, ranges);
        } else if !waits {
            self.on_settled(now, link);
        }
    }

    fn want(&mut self, now: Now, link: LinkId, ranges: Vec<SeqRange>) {
        let Some(up) = self.up(link) else { return };
        up.asked.clone_from(&ranges);
        up.asked_at = Some(now.instant);
        self.fetch_due = Some(now.instant.after_ms(ASKED_ELSEWHERE_MS));
        let want = Want { space: Space::Group, ranges: List::first(ranges), ids: List::default() };
        self.send(now, link, &LinkMsg::Want(want));
    }

    /// All that this member could give was taken in: what it held of ours too, so our chain can go on.
    fn on_settled(&mut self, now: Now, link: LinkId) {
        let Some(up) = self.up(link) else { return };
        if !core::mem::replace(&mut up.settled, true) {
            let member = up.member;
            self.persist(vec![Change::Notice(Notice::Complete(member))]);
        }
        if !core::mem::replace(&mut self.is_current, true) {
            self.sign_outbox(now);
        }
        if core::mem::take(&mut self.has_caught_up) {
            for other in self.greeted() {
                if other != link && self.up(other).is_some_and(|up| up.heard_frontier) {
                    self.say_frontier(now, other);
                }
            }
        }
    }

    /// Notes what the other end holds, of authors that are known.
    pub(crate) fn note_tips(&mut self, link: LinkId, tips: &[Tip]) {
        let members = self.dag.standing();
        let Some(up) = self.up(link) else { return };
        for (author, seq, _) in tips.iter().filter(|(author, ..)| members.members.contains(author))
        {
            up.holds(*author, *seq);
        }
    }

    /// They ask for entries: read them, and answer when they are read.
    pub(crate) fn on_want(&mut self, link: LinkId, want: Want) -> Result<(), Reject> {
        let Some(up) = self.up(link) else { return Ok(()) };
        if want.space != Space::Group {
            return Err(Reject::Foreign);
        }
        if up.serving >= SERVING_MAX {
            return Err(Reject::Budget);
        }
        up.serving = up.serving.saturating_add(1);
        self.load(link, want.ranges.into_vec(), want.ids.into_vec());
        Ok(())
    }

    /// What they asked for was read: the serve rule, then the answer. An author's entries come newest
    /// first, and a view never shrinks: from the first that they may not read, the rest is not theirs.
    pub(crate) fn on_loaded(
        &mut self,
        now: Now,
        link: LinkId,
        ranges: Vec<SeqRange>,
        loaded: Loaded,
    ) {
        let Some(up) = self.up(link) else { return };
        let member = up.member;
        let (mut entries, mut closed) = (Vec::new(), BTreeSet::new());
        let mut last = None;
        for entry in loaded.entries {
            let Ok(header) = entry.parse(&self.me.group) else { continue };
            last = Some(header.author);
            if closed.contains(&header.author) {
                continue;
            }
            if self.may_read(&member, &header.ops) {
                if let Some(up) = self.up(link) {
                    up.holds(header.author, header.seq);
                }
                entries.push(entry);
            } else {
                closed.insert(header.author);
            }
        }
        if entries.is_empty() && loaded.more {
            // Nothing of this batch is theirs: go on behind the author at which it ended.
            let rest: Vec<_> = ranges
                .into_iter()
                .skip_while(|(author, ..)| Some(*author) != last)
                .skip(1)
                .collect();
            if !rest.is_empty() {
                return self.load(link, rest, Vec::new());
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
        self.send(now, link, &LinkMsg::Entries(entries));
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
        let asked = up.asked.clone();
        let mut answers = entries.entries.is_empty();
        for entry in entries.entries.iter() {
            let header = entry.parse(&self.me.group)?;
            answers |= asked.iter().any(|(author, from, to)| {
                header.author == *author && (*from..=*to).contains(&header.seq)
            });
            self.note_tips(link, &[(header.author, header.seq, entry.id())]);
        }
        let is_empty = entries.entries.is_empty();
        let more = entries.more && !is_empty;
        self.take_entries(now, entries.entries.into_vec(), Some(link))?;
        if answers && !asked.is_empty() {
            self.on_answer(link, &asked, more);
            self.has_caught_up |= !is_empty;
            self.must_fetch = true;
        } else {
            self.fetch(now, link);
        }
        Ok(())
    }

    /// Notes what an answer left open: with `more`, it will be asked for again; without, this member
    /// has no more of it for us.
    fn on_answer(&mut self, link: LinkId, asked: &[SeqRange], more: bool) {
        let rest: Vec<_> = asked
            .iter()
            .flat_map(|(author, from, to)| self.log.missing(author, *from, *to))
            .collect();
        let Some(up) = self.up(link) else { return };
        up.asked.clear();
        up.asked_at = None;
        // An answer that brought nothing of what was asked for would come again and again.
        if !more || rest.iter().map(span).sum::<u64>() >= asked.iter().map(span).sum() {
            for (author, _, to) in rest {
                let floor = up.floors.entry(author).or_insert(0);
                *floor = (*floor).max(to.saturating_add(1));
            }
        }
    }
}

/// How many entries a range holds.
fn span((_, from, to): &SeqRange) -> u64 {
    u64::from(*to).saturating_sub(u64::from(*from)).saturating_add(1)
}
