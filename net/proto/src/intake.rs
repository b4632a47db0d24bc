//! Taking in entries of others: judged against the ops of their view and against what stands around them
//! in their author's chain, then made durable together, and told to those who may lack them.
//!
//! ```text
//! entries -> (what stands around them, read if need be) -> judge -> Persist -> advertised, acknowledged
//! ```
//!
//! Validity is a function of the entry and the ops of its view alone. The rules of the chain are checked
//! where both ends are held: an entry that is seen to break one when it comes is refused, one that is
//! found out later stays and is marked. Two entries under one number are both kept, and marked.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;

use crate::change::{Accepted, Branch, Change, Gone, Instead, Loaded, Notice, Wanted};
use crate::engine::Engine;
use crate::error::Reject;
use crate::ids::{EntryId, LinkId, LocalId, MemberId};
use crate::limits::{AROUND_BYTES_MAX, AROUND_MAX, ENDED_SLACK_MS, FUTURE_MS, GONE_MAX, IDS_MAX};
use crate::log::{Entry, EntryHeader, Order, SeqRange, Versions};
use crate::message::Body;
use crate::parking::{Parked, Stay};
use crate::reading::Reading;
use crate::timers::Now;

/// Entries that came, and where from.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    /// None: they had been waiting here.
    pub(crate) from: Option<LinkId>,
    /// What they answer, if something was asked for.
    pub(crate) answer: Option<Answer>,
    /// How those of them waited that are tried again. The id alone does not tell them apart: it is of the header,
    /// and anybody can put another signature to that.
    pub(crate) waited: Vec<(Entry, Stay)>,
}

/// What was asked for, and how the answer came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) asked: Vec<SeqRange>,
    pub(crate) more: bool,
}

/// What stands where, as far as it was read for this batch or came with it.
type Around = BTreeMap<(MemberId, u32), Vec<Branch>>;

/// How an entry fared.
enum Judged {
    /// Valid and new.
    New(Box<New>),
    /// Held already, of an author who is out, or without the body it should have.
    Dropped,
    /// Breaks a rule of its author's chain.
    Refused(MemberId, u32),
    /// Cannot be judged yet.
    Early,
    /// What stands around it is held, and was not read.
    Unread,
}

/// A valid, new entry.
struct New {
    id: EntryId,
    entry: Entry,
    header: EntryHeader,
    /// What stands under its number already.
    beside: Vec<Branch>,
    /// Entries that follow it and break a rule with it.
    broken: Vec<Branch>,
    /// The entry it follows, if something else is held there.
    lacks: Option<EntryId>,
}

impl<R: CryptoRng> Engine<R> {
    /// Takes in entries, all that are valid and new in one durable commit; at once, or when what stands
    /// around them was read.
    ///
    /// From a link, the first bad one is that member's fault. Without one, bad ones are dropped.
    pub(crate) fn take_entries(&mut self, now: Now, batch: Batch) -> Result<(), Reject> {
        let ranges = self.places_to_read(&batch.entries);
        if ranges.is_empty() {
            return self.judge_batch(now, batch, Around::new());
        }
        let what = Wanted::Entries {
            ranges: ranges.clone(),
            ids: Vec::new(),
            entries_max: AROUND_MAX,
            bytes_max: AROUND_BYTES_MAX,
        };
        self.read(Reading::Around(batch, ranges), what);
        Ok(())
    }

    /// What stood around a batch was read.
    pub(crate) fn on_around(
        &mut self,
        now: Now,
        (batch, read): (Batch, Vec<SeqRange>),
        loaded: Loaded,
    ) -> Result<(), Reject> {
        let mut around = Around::new();
        if !loaded.more {
            // Where nothing came nothing stands.
            around.extend(read.into_iter().map(|(author, seq, _)| ((author, seq), Vec::new())));
        }
        let mut last = None;
        for entry in loaded.entries {
            let Ok(header) = entry.parse(&self.me.group) else { continue };
            let branch = Branch::of(entry.id(), &header);
            last = Some((header.author, header.seq));
            around.entry((header.author, header.seq)).or_default().push(branch);
        }
        if let Some(cut) = last.filter(|_| loaded.more) {
            // More may stand there than was read.
            around.remove(&cut);
        }
        self.judge_batch(now, batch, around)
    }

    /// The places in their authors' chains, beside what is in memory, that decide about these entries.
    fn places_to_read(&self, entries: &[Entry]) -> Vec<SeqRange> {
        let is_unknown = |(author, seq): &(MemberId, u32)| {
            self.log.holds(author, *seq) && self.log.branches(author, *seq).is_none()
        };
        let places = places_around(entries).into_iter().filter(is_unknown);
        places.map(|(author, seq)| (author, seq, seq)).take(IDS_MAX).collect()
    }

    fn judge_batch(&mut self, now: Now, batch: Batch, mut around: Around) -> Result<(), Reject> {
        let Batch { entries, from, answer, waited } = batch;
        let is_push = answer.is_none() && from.is_some();
        let (mut changes, mut taken, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        let count = entries.len();
        let mut fault = Ok(());
        // What is in memory now may not be when an entry further down is judged.
        for (author, seq) in places_around(&entries) {
            if let Some(stands) = self.log.branches(&author, seq) {
                around.insert((author, seq), stands);
            }
        }
        for entry in entries {
            match self.judge(now, &entry, (&around, is_push)) {
                Ok(Judged::New(new)) => {
                    let place = (new.header.author, new.header.seq);
                    let branch = Branch::of(new.id, &new.header);
                    around.entry(place).or_default().push(branch);
                    let (lacks, is_fork) = (new.lacks, !new.beside.is_empty());
                    let (entry, header) = self.file(now, *new, &mut changes);
                    taken.push((entry, header, lacks, is_fork));
                }
                Ok(Judged::Refused(author, seq)) => changes.extend(self.log.refuse(&author, seq)),
                Ok(Judged::Early) => match waited.iter().find(|(waited, _)| *waited == entry) {
                    Some((_, stay)) => self.park_again(now, Parked::Entry(entry), *stay),
                    None => self.park(now, Parked::Entry(entry), from),
                },
                Ok(Judged::Dropped) => {}
                Ok(Judged::Unread) => unread.push(entry),
                Err(_reject) if from.is_none() => {}
                Err(reject) => {
                    fault = Err(reject);
                    break;
                }
            }
        }
        // What is older than the newest that others are known to hold of its author is not told one by one.
        let fills_gap = taken.iter().any(|(_, header, ..)| {
            self.log.chain(&header.author).is_some_and(|chain| chain.seq > header.seq)
        });
        if let (Some(link), Some(_), true) = (from, &answer, fills_gap) {
            self.filling.insert(link);
        }
        self.persist(changes);
        for (entry, header, lacks, is_fork) in taken {
            if let (Some(id), Some(up)) = (lacks, from.and_then(|link| self.up(link))) {
                up.want_id(id);
            }
            self.spread(now, (&entry, &header), from, (is_fork, is_push));
            self.owe_ack(now, header.author);
            if answer.is_some() {
                self.progress.insert(header.author, now.instant);
            }
        }
        match (from, answer) {
            (Some(link), Some(answer)) => {
                self.on_answer(link, &answer);
                self.must_fetch = true;
            }
            (Some(link), None) => self.fetch(now, link),
            (None, _) => {}
        }
        // Fewer of them need less to be read. What not even one alone can have read comes again.
        if unread.len() < count && !unread.is_empty() {
            let rest = Batch { entries: unread, waited, ..Batch::default() };
            self.take_entries(now, rest)?;
        }
        fault
    }

    /// Notes a new entry of someone else in memory, and adds to `changes` what is to be remembered.
    fn file(&mut self, now: Now, new: New, changes: &mut Vec<Change>) -> (Entry, EntryHeader) {
        let New { id, mut entry, header, beside, broken, lacks } = new;
        self.budgets.charge(now.instant, header.author, entry.size());
        let gone = self.gone.remove(&(header.author, id));
        if gone.is_some() {
            entry.body = None;
        }
        let is_shown = match (&entry.body, gone) {
            (Some(body), _) => Body::decode(&body.payload).map_or(true, |body| body.is_shown()),
            // It ended before it came, and nobody here ever saw it.
            (None, gone) => gone.is_some_and(|gone| gone.is_shown),
        };
        let ends_ms = self.ends_of(now, &header);
        let has_ended = ends_ms.is_some_and(|ends| ends <= now.unix_ms);
        let is_shown = is_shown && !has_ended;
        let is_own = header.author == self.me.id;
        let local = if is_own { self.recognise(&header.payload_hash) } else { None };
        let effects = self.effects(&header, id, &entry);
        if has_ended {
            entry.body = None;
        }
        changes.push(accepted((now, ends_ms), (id, &entry, &header), local, is_shown));
        changes.extend(self.log.note(id, &header, beside));
        if let (false, Some(next)) = (broken.is_empty(), header.seq.checked_add(1)) {
            let stands = self.log.branches(&header.author, next).unwrap_or(broken);
            changes.extend(self.log.mark(header.author, next, (stands, true)));
        }
        if lacks.is_some() {
            // What it follows is asked for, over this link or another (`ask_ancestors`).
            let stands = self.log.branches(&header.author, header.seq);
            let stands = stands.unwrap_or_else(|| vec![Branch::of(id, &header)]);
            changes.extend(self.log.mark(header.author, header.seq, (stands, false)));
        }
        changes.extend(effects);
        if is_shown && local.is_none() {
            changes.push(Change::Notice(Notice::Entry(id)));
        }
        (entry, header)
    }

    /// Notes what an entry does to others of its author, and gives what is to be remembered: an edit takes
    /// the place of words, a take-back ends them. For what is not signed yet, see `effects_of_written`.
    pub(crate) fn effects(
        &mut self,
        header: &EntryHeader,
        id: EntryId,
        entry: &Entry,
    ) -> Vec<Change> {
        let body = entry.body.as_ref().and_then(|body| Body::decode(&body.payload).ok());
        let versions = match &body {
            Some(Body::Edit(edit)) => &edit.versions,
            Some(Body::TakeBack(take_back)) => &take_back.versions,
            Some(Body::Text(_) | Body::Noop(_) | Body::Unknown(_)) | None => return Vec::new(),
        };
        if !versions.are_before(header.seq) {
            return Vec::new();
        }
        let author = header.author;
        let mut changes = self.end_bodies(author, versions);
        if let Some((root, _)) = versions.root() {
            if matches!(body, Some(Body::Edit(_))) {
                let instead = Instead { of: root.id, author, seq: header.seq, by: id };
                changes.push(Change::Instead(instead));
            }
            changes.push(Change::Notice(Notice::Changed(root.id.0)));
        }
        changes
    }

    /// The bodies of these entries are to be gone.
    pub(crate) fn end_bodies(&mut self, author: MemberId, versions: &Versions) -> Vec<Change> {
        let mut changes = Vec::new();
        for (nth, own) in versions.all().iter().enumerate() {
            let is_shown = nth == 0;
            let mut gone = Gone { author, seq: own.seq, id: own.id, is_shown, is_awaited: false };
            let is_held = self.log.holds(&author, own.seq) && !self.log.is_forked(&author, own.seq);
            if !is_held {
                let waiting = self.gone.keys().filter(|(of, _)| *of == author).count();
                if waiting < GONE_MAX {
                    gone.is_awaited = true;
                    self.gone.insert((author, own.id), gone);
                    self.ask_again(&author, own.seq);
                } else if !self.log.holds(&author, own.seq) {
                    continue;
                }
            }
            changes.push(Change::Gone(gone));
        }
        changes
    }

    /// What came without its body before its author's word for it was not taken in: it may be now.
    fn ask_again(&mut self, author: &MemberId, seq: u32) {
        for link in self.greeted() {
            if let Some(floor) = self.up(link).and_then(|up| up.floors.get_mut(author)) {
                *floor = (*floor).min(u64::from(seq));
                self.must_fetch = true;
            }
        }
    }

    /// When the body of an entry that comes now is to be gone.
    pub(crate) fn ends_of(&self, now: Now, header: &EntryHeader) -> Option<u64> {
        let ttl_secs = self.dag.genesis().params.ttl_default_secs;
        header.ends_ms(self.time_here(now), ttl_secs)
    }

    /// Whether the body of an entry is to be gone by now.
    pub(crate) fn has_ended(&self, now: Now, header: &EntryHeader) -> bool {
        self.ends_of(now, header).is_some_and(|ends| ends <= now.unix_ms)
    }

    fn judge(
        &mut self,
        now: Now,
        entry: &Entry,
        (around, is_push): (&Around, bool),
    ) -> Result<Judged, Reject> {
        let header = match entry.parse(&self.me.group) {
            // Of a later version: it waits for a build that knows it.
            Err(Reject::Version) => return Ok(Judged::Early),
            parsed => parsed?,
        };
        let (id, author, seq) = (entry.id(), header.author, header.seq);
        let is_held = self.log.holds(&author, seq);
        let beside = if is_held { self.branches_at(around, &author, seq) } else { Some(vec![]) };
        let Some(beside) = beside else { return Ok(Judged::Unread) };
        if is_held && (beside.is_empty() || beside.iter().any(|held| held.id == id)) {
            self.duplicates = self.duplicates.saturating_add(1);
            return Ok(Judged::Dropped);
        }
        if self.is_cut(&header, id) || self.log.is_in_pieces(&author, seq) {
            return Ok(Judged::Dropped);
        }
        // A body goes only when its author says so, or when its time is over, by a clock that may be a day
        // ahead of ours: else whoever served it took it away.
        let soon = Now { unix_ms: now.unix_ms.saturating_add(ENDED_SLACK_MS), ..now };
        let may_lack = self.gone.contains_key(&(author, id)) || self.has_ended(soon, &header);
        if entry.body.is_none() && !may_lack {
            return Ok(Judged::Dropped);
        }
        // A lamport ahead of the clock would stand below everything for good.
        if header.wall.max(header.lamport) > now.unix_ms.saturating_add(FUTURE_MS) {
            return Ok(Judged::Early);
        }
        if let Some(early) = self.check_alone(entry, &header)? {
            return Ok(early);
        }
        if !beside.is_empty() && !self.log.may_branch((&author, seq), &beside, id) {
            return Ok(Judged::Dropped);
        }
        // Over budget: it comes with the answer to a Want, when the others had theirs.
        if is_push && self.budgets.is_over(now.instant, &author) {
            return Ok(Judged::Dropped);
        }
        Ok(self.judge_in_chain(around, (id, entry, header), beside))
    }

    /// Validity: a function of the entry and the ops of its view alone.
    fn check_alone(
        &mut self,
        entry: &Entry,
        header: &EntryHeader,
    ) -> Result<Option<Judged>, Reject> {
        let Some(readers) = self.dag.readers(&header.ops) else { return Ok(Some(Judged::Early)) };
        if !readers.members.contains(&header.author) {
            return Err(Reject::Entry("its author is not in the view it names"));
        }
        if !readers.members.contains(&self.me.id) {
            return Err(Reject::Entry("not ours to read"));
        }
        let subkeys = self.dag.subkeys_in(&header.author, header.msk, &header.ops);
        if !subkeys.iter().any(|msk| entry.verify(msk).is_ok()) {
            return Err(Reject::Signature);
        }
        Ok(None)
    }

    /// The rules between an entry and those before and after it, as far as they are held.
    fn judge_in_chain(
        &self,
        around: &Around,
        (id, entry, header): (EntryId, &Entry, EntryHeader),
        beside: Vec<Branch>,
    ) -> Judged {
        let (author, seq) = (header.author, header.seq);
        // What is held there; none where that would have to be read to know.
        let at = |seq: Option<u32>| match seq.filter(|seq| self.log.holds(&author, *seq)) {
            Some(seq) => self.branches_at(around, &author, seq),
            None => Some(Vec::new()),
        };
        let this = Branch::of(id, &header);
        let (Some(before), Some(after)) = (at(seq.checked_sub(1)), at(seq.checked_add(1))) else {
            return Judged::Unread;
        };
        let follows = before.iter().find(|held| held.id == header.prev);
        if follows.is_some_and(|held| !self.may_follow(held, &this)) {
            return Judged::Refused(author, seq);
        }
        let lacks = (!before.is_empty() && follows.is_none()).then_some(header.prev);
        let broken = after
            .into_iter()
            .filter(|next| next.prev == id && !self.may_follow(&this, next))
            .collect::<Vec<_>>();
        // What would have to be marked, and cannot be any more, is not taken in.
        if (lacks.is_some() || !broken.is_empty()) && !self.log.may_mark(&author) {
            return Judged::Dropped;
        }
        Judged::New(Box::new(New { id, entry: entry.clone(), header, beside, broken, lacks }))
    }

    /// Lamport rises, and a view never shrinks.
    fn may_follow(&self, before: &Branch, after: &Branch) -> bool {
        after.lamport > before.lamport
            && self.dag.closure(&before.ops).is_subset(&self.dag.closure(&after.ops))
    }

    fn branches_at(&self, around: &Around, author: &MemberId, seq: u32) -> Option<Vec<Branch>> {
        self.log.branches(author, seq).or_else(|| around.get(&(*author, seq)).cloned())
    }

    /// Whether an entry is one of someone who is out, beyond what they pinned as theirs.
    fn is_cut(&self, header: &EntryHeader, id: EntryId) -> bool {
        !self.dag.members().contains(&header.author)
            && self
                .dag
                .cut(&header.author)
                .is_none_or(|(seq, pinned)| header.seq > seq || (header.seq == seq && id != pinned))
    }
}

/// The places in their authors' chains that decide about these entries: theirs, and those beside.
fn places_around(entries: &[Entry]) -> BTreeSet<(MemberId, u32)> {
    let mut places = BTreeSet::new();
    for entry in entries {
        let Ok(header) = entry.read_header() else { continue };
        let seq = header.seq;
        let around = [Some(seq), seq.checked_sub(1), seq.checked_add(1)];
        places.extend(around.into_iter().flatten().map(|seq| (header.author, seq)));
    }
    places
}

/// What a store needs to file an entry.
pub(crate) fn accepted(
    (now, ends_ms): (Now, Option<u64>),
    (id, entry, header): (EntryId, &Entry, &EntryHeader),
    local: Option<LocalId>,
    is_shown: bool,
) -> Change {
    Change::Entry(Box::new(Accepted {
        id,
        author: header.author,
        seq: header.seq,
        order: Order::new(header.lamport, &header.author, header.seq),
        first_seen_ms: now.unix_ms,
        ends_ms,
        local,
        is_shown,
        entry: entry.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attacks::{forge, push};
    use crate::hostile::{Peer, Room};
    use crate::log::Own;

    /// How many of these of an author's entries are remembered as gone, and for how many it is waited.
    fn end(peer: &mut Peer, author: MemberId, seqs: impl Iterator<Item = u32>) -> (usize, usize) {
        let own = |seq: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&seq.to_be_bytes());
            Own { seq, id: EntryId(id) }
        };
        let (mut all, mut awaited) = (0, 0);
        for seq in seqs {
            let versions = Versions::new(vec![own(seq)]).unwrap();
            for change in peer.end_bodies(author, &versions) {
                let Change::Gone(gone) = change else { panic!() };
                assert!(gone.is_shown);
                (all, awaited) = (all + 1, awaited + usize::from(gone.is_awaited));
            }
        }
        (all, awaited)
    }

    #[test]
    fn take_backs_of_words_that_never_come_fill_no_memory_and_take_nobody_elses_place() {
        let mut room = Room::new(3);
        room.link(0, 1);
        room.say(1, "words that are here");
        let [second, third] = [1, 2].map(|who: usize| room.peers[who].me.id);
        let max = u32::try_from(GONE_MAX).unwrap();
        let peer = &mut room.peers[0];
        assert_eq!(end(peer, second, 1..=max), (GONE_MAX, GONE_MAX));
        assert_eq!(end(peer, second, max + 1..max + 9), (0, 0), "too many");
        assert_eq!(end(peer, second, 0..1), (1, 0), "what is here is gone at once");
        assert_eq!(end(peer, third, 0..5), (5, 5), "another's are their own");
        assert_eq!(peer.tally().gone, GONE_MAX + 5);
    }

    /// Entries of a member's chain, each on top of the one before.
    fn chain(room: &Room, who: usize, len: u32) -> Vec<Entry> {
        let peer = &room.peers[who];
        let mut chain: Vec<Entry> = Vec::new();
        for seq in 0..len {
            let prev = chain.last().map_or(EntryId::ZERO, Entry::id);
            let place = (seq, prev, u64::from(seq) + 1);
            chain.push(forge(&peer.me, place, peer.dag.heads()));
        }
        chain
    }

    #[test]
    fn whoever_was_marked_as_often_as_can_be_is_still_heard() {
        let mut room = Room::new(2);
        let (link, _) = room.link(1, 0);
        let chain = chain(&room, 1, 2);
        let author = room.peers[1].me.id;
        room.force(1, link, &push(&chain[..1]));
        for seq in (100..).step_by(2).take(crate::limits::FORKS_MAX) {
            room.peers[0].log.mark(author, seq, (Vec::new(), true));
        }
        assert!(!room.peers[0].log.may_mark(&author));
        room.force(1, link, &push(&chain[1..]));
        assert_eq!(room.entries[0], chain);
    }

    #[test]
    fn one_that_turns_out_not_to_be_valid_takes_nothing_else_with_it_that_waited() {
        let mut room = Room::new(2);
        let now = crate::hostile::at(room.ms);
        let chain = chain(&room, 1, 1);
        let other = forge(&room.peers[0].me, (0, EntryId::ZERO, 1), room.peers[0].dag.heads());
        let wrong = Entry { sig: chain[0].sig, ..other };
        let batch = Batch { entries: vec![wrong, chain[0].clone()], ..Batch::default() };
        let peer = &mut room.peers[0];
        assert_eq!(peer.take_entries(now, batch), Ok(()));
        let author = chain[0].read_header().unwrap().author;
        assert!(peer.log.holds(&author, 0) && !peer.log.holds(&peer.me.id, 0));
    }
}
