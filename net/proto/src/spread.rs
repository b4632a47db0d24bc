//! Writing, taking in and passing on entries: an author pushes to every link that may read; whoever
//! learns of an entry advertises it to those who may lack it.
//!
//! ```text
//! Written (durable, unsigned) -> first exchange of frontiers in this run -> Signed (durable) -> pushed
//! ```

use rand_core::CryptoRng;

use crate::change::{Accepted, Change, Notice, Written};
use crate::encoding::{Bytes, List, Text};
use crate::engine::{Channel, Engine, Parked};
use crate::error::{Refusal, Reject};
use crate::ids::{EntryId, LinkId, LocalId};
use crate::keys::draw;
use crate::limits::{ENTRY_DEPS_MAX, FUTURE_MS, IDS_MAX, OUTBOX_MAX, SUITE, TEXT_MAX, VERSION};
use crate::link::{Entries, Have, LinkMsg, Space};
use crate::log::{Ends, Entry, EntryBody, EntryHeader, Order};
use crate::message::{self, Body};
use crate::timers::Now;

/// An entry's lamport never reaches this by an honest author (docs/protocol.md, "Entries").
const LAMPORT_HONEST_MAX: u64 = 1 << 62;
/// How long to wait before advertising: 50 ms and up to 200 more.
const ADVERTISE_MS: u64 = 50;
const ADVERTISE_JITTER_MS: u64 = 200;

/// How an entry fared.
enum Judged {
    /// Valid and new.
    New(Box<EntryHeader>),
    /// Held already, or of an author who is out.
    Dropped,
    /// Cannot be judged yet.
    Early,
}

impl<R: CryptoRng> Engine<R> {
    /// A person says something: durable at once, signed as soon as it is safe to.
    pub(crate) fn say(
        &mut self,
        now: Now,
        text: String,
        reply_to: Option<EntryId>,
    ) -> Result<crate::engine::Done, Refusal> {
        if text.is_empty() {
            return Err(Refusal::Bad("a message needs a text"));
        }
        if text.len() > TEXT_MAX {
            return Err(Refusal::TooLarge);
        }
        if self.outbox.len() >= OUTBOX_MAX {
            return Err(Refusal::Busy);
        }
        if self.is_current {
            self.sign_outbox(now);
        }
        let text = Text::new(text).ok_or(Refusal::TooLarge)?;
        let payload = Body::Text(message::Text { reply_to, text })
            .encode()
            .ok()
            .and_then(Bytes::new)
            .ok_or(Refusal::TooLarge)?;
        let written = Written {
            local: LocalId(draw(&mut self.rng)),
            nth: self
                .outbox
                .back()
                .map_or(now.unix_ms, |last| last.nth.saturating_add(1).max(now.unix_ms)),
            wall: now.unix_ms,
            payload,
        };
        if self.is_current && self.outbox.is_empty() {
            match self.sign(now, written.clone(), false) {
                Ok(id) => return Ok(crate::engine::Done::Said(id)),
                Err(Reject::TooLong) => return Err(Refusal::TooLarge),
                // More heads than a view may name: it stays written until they are merged.
                Err(_not_now) => {}
            }
        }
        let local = written.local;
        self.outbox.push_back(written.clone());
        self.persist(vec![Change::Written(written), Change::Notice(Notice::Written(local))]);
        Ok(crate::engine::Done::Written(local))
    }

    /// Signs what was written while nobody was linked, in the order in which it was written.
    pub(crate) fn sign_outbox(&mut self, now: Now) {
        while let Some(written) = self.outbox.pop_front() {
            // What was durable fits; were it not so, it would stay written and never be sent.
            if self.sign(now, written.clone(), true).is_err() {
                self.outbox.push_front(written);
                return;
            }
        }
    }

    /// Signs one message on top of our chain, makes it durable and pushes it.
    fn sign(&mut self, now: Now, written: Written, was_durable: bool) -> Result<EntryId, Reject> {
        let (seq, prev, own) = self.log.chain(&self.me.id).map_or((0, EntryId::ZERO, 0), |chain| {
            (chain.seq.saturating_add(1), chain.id, chain.lamport)
        });
        // A view never shrinks: what our last entry named, and our own coming, stays in it.
        let mut must: Vec<_> = self.dag.coming_of(&self.me.id).into_iter().collect();
        must.extend(self.log.chain(&self.me.id).map_or(&[][..], |chain| &chain.ops));
        let view = self.dag.view_with(&must).ok_or(Reject::Op("too many heads: a Merge is due"))?;
        let mut others: Vec<_> = self
            .log
            .chains()
            .filter(|chain| chain.author != self.me.id && chain.lamport < LAMPORT_HONEST_MAX)
            .map(|chain| (chain.lamport, chain.id))
            .collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        let seen = others.first().map_or(0, |(lamport, _)| *lamport);
        let header = EntryHeader {
            v: VERSION,
            suite: SUITE,
            space: self.me.group.0,
            author: self.me.id,
            seq,
            prev,
            deps: List::first(others.into_iter().map(|(_, id)| id).take(ENTRY_DEPS_MAX)),
            ops: List::first(view),
            lamport: seen.max(own).saturating_add(1),
            msk: 0,
            wall: written.wall,
            ends: Ends::Default,
            payload_hash: [0; 32],
        };
        let body = EntryBody { salt: draw(&mut self.rng), payload: written.payload };
        let entry = Entry::sign(header.clone(), body, &self.me)?;
        let id = entry.id();
        let mut changes = self.accepted(now, &entry, &header, was_durable.then_some(written.local));
        if !was_durable {
            changes.push(Change::Notice(Notice::Entry(id)));
        }
        self.persist(changes);
        self.push_entry(now, &entry, &header);
        Ok(id)
    }

    /// What is to be remembered of a valid entry.
    fn accepted(
        &mut self,
        now: Now,
        entry: &Entry,
        header: &EntryHeader,
        local: Option<LocalId>,
    ) -> Vec<Change> {
        let id = entry.id();
        let accepted = Accepted {
            id,
            author: header.author,
            seq: header.seq,
            order: Order::new(header.lamport, &header.author, header.seq),
            first_seen_ms: now.unix_ms,
            local,
            entry: entry.clone(),
        };
        vec![Change::Entry(Box::new(accepted)), Change::Chain(self.log.note(id, header))]
    }

    /// An own entry goes to every link whose member may read it, ops before it.
    fn push_entry(&mut self, now: Now, entry: &Entry, header: &EntryHeader) {
        for link in self.greeted() {
            let Some(up) = self.up(link) else { continue };
            if !up.lacking.is_empty() {
                continue; // The frontiers after their ops will bring it.
            }
            let member = up.member;
            if !self.may_read(&member, &header.ops) {
                continue;
            }
            self.push_ops(now, link);
            let entries = Entries {
                space: Space::Group,
                entries: List::first([entry.clone()]),
                gone: List::default(),
                more: false,
            };
            self.send(now, link, &LinkMsg::Entries(entries));
            if let Some(up) = self.up(link) {
                up.holds(header.author, header.seq);
            }
        }
    }

    /// Takes in entries of others, all that are valid and new in one durable commit.
    ///
    /// From a link, the first bad one is that member's fault. Without one, bad ones are dropped.
    pub(crate) fn take_entries(
        &mut self,
        now: Now,
        entries: Vec<Entry>,
        from: Option<LinkId>,
    ) -> Result<(), Reject> {
        let (mut changes, mut taken) = (Vec::new(), Vec::new());
        let mut fault = Ok(());
        for entry in entries {
            match self.judge(now, &entry) {
                Ok(Judged::New(header)) => {
                    changes.extend(self.accepted(now, &entry, &header, None));
                    changes.push(Change::Notice(Notice::Entry(entry.id())));
                    taken.push((header.author, header.seq, entry.id(), header.ops.into_vec()));
                }
                Ok(Judged::Early) => self.park(now, Parked::Entry(entry)),
                Ok(Judged::Dropped) => {}
                Err(_reject) if from.is_none() => {}
                Err(reject) => {
                    fault = Err(reject);
                    break;
                }
            }
        }
        self.persist(changes);
        for (author, seq, id, view) in taken {
            for link in self.greeted() {
                let Some(up) = self.up(link) else { continue };
                let member = up.member;
                let is_needless = Some(link) == from || up.is_known_to_hold(&author, seq);
                if is_needless || member == author || !self.may_read(&member, &view) {
                    continue;
                }
                let jitter = self.rng.next_u64().checked_rem(ADVERTISE_JITTER_MS).unwrap_or(0);
                let due = now.instant.after_ms(ADVERTISE_MS.saturating_add(jitter));
                if let Some(up) = self.up(link) {
                    up.have.push((author, seq, id));
                    up.have_due.get_or_insert(due);
                }
            }
        }
        fault
    }

    /// Whether an entry is valid: a function of the entry and the ops of its view alone.
    fn judge(&mut self, now: Now, entry: &Entry) -> Result<Judged, Reject> {
        let header = entry.parse(&self.me.group)?;
        let is_held = self.log.holds(&header.author, header.seq);
        // Until bodies end, an entry without one was stripped by whoever served it.
        if is_held || entry.body.is_none() || self.is_cut(&header) {
            return Ok(Judged::Dropped);
        }
        if self.log.is_in_pieces(&header.author, header.seq) {
            return Ok(Judged::Dropped);
        }
        if header.wall > now.unix_ms.saturating_add(FUTURE_MS) {
            return Ok(Judged::Early);
        }
        let Some(readers) = self.dag.readers(&header.ops) else { return Ok(Judged::Early) };
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
        if let Some(chain) = self.log.chain(&header.author)
            && chain.seq.checked_add(1) == Some(header.seq)
        {
            let before = self.dag.closure(&chain.ops);
            if chain.id != header.prev {
                // Two things under one number: what came first stays, the other is not taken in.
                return Ok(Judged::Dropped);
            }
            if header.lamport <= chain.lamport || !before.is_subset(&self.dag.closure(&header.ops))
            {
                // Whoever served it may have got it before the one it breaks with: not their fault.
                return Ok(Judged::Dropped);
            }
        }
        Ok(Judged::New(Box::new(header)))
    }

    /// Whether an entry is one of someone who is out, beyond what they pinned as theirs.
    fn is_cut(&self, header: &EntryHeader) -> bool {
        !self.dag.members().contains(&header.author)
            && self.dag.cut(&header.author).is_none_or(|(seq, _)| header.seq > seq)
    }

    /// The time to advertise has come: whatever the other end has not got meanwhile.
    pub(crate) fn advertise(&mut self, now: Now, link: LinkId) {
        let Some(up) = self.up(link) else { return };
        up.have_due = None;
        let have = core::mem::take(&mut up.have);
        let items: Vec<_> = have
            .into_iter()
            .filter(|(author, seq, _)| !up.is_known_to_hold(author, *seq))
            .collect();
        for items in items.chunks(IDS_MAX) {
            let items = List::first(items.iter().copied());
            self.send(now, link, &LinkMsg::Have(Have { space: Space::Group, items }));
        }
    }

    /// They advertise: what is not held here is asked for.
    pub(crate) fn on_have(&mut self, now: Now, link: LinkId, have: &Have) -> Result<(), Reject> {
        if have.space != Space::Group {
            return Err(Reject::Foreign);
        }
        self.note_tips(link, &have.items);
        let log = &self.log;
        let Some(Channel::Up(up, _)) = self.channels.get_mut(&link) else { return Ok(()) };
        for (author, seq, _) in have.items.iter() {
            if !log.holds(author, *seq)
                && let Some(floor) = up.floors.get_mut(author)
            {
                *floor = (*floor).min(*seq);
            }
        }
        self.fetch(now, link);
        Ok(())
    }
}
