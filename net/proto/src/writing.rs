//! What the person here says: durable at once, signed as soon as it is safe to, then pushed.
//!
//! ```text
//! Written (durable, unsigned) -> first catch-up of this run has ended -> Signed (durable) -> pushed
//! ```

use rand_core::CryptoRng;

use crate::change::{Change, Notice, Wanted, Written};
use crate::encoding::{Bytes, List, Text};
use crate::engine::{Done, Engine, Event, Which};
use crate::error::{Refusal, Reject};
use crate::ids::{EntryId, LocalId, OpId, RequestId};
use crate::intake::accepted;
use crate::kdf::{Label, kdf};
use crate::keys::draw;
use crate::limits::{
    ENTRY_DEPS_MAX, FUTURE_MS, OUTBOX_MAX, SUITE, TEXT_MAX, VERSION, VERSIONS_MAX,
};
use crate::log::{Ends, Entry, EntryBody, EntryHeader, Own, Versions};
use crate::message::{self, Body};
use crate::reading::Reading;
use crate::timers::Now;

/// A clock that is further than this behind what others told has fallen back. Less is no matter for what stays
/// for days, and two may have been wrong together.
const FELL_BACK_MS: u64 = 24 * 3600 * 1000;

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// It says this from now on.
    Edit(EntryId, Text<TEXT_MAX>),
    /// It says nothing any more.
    TakeBack(EntryId),
}

impl<R: CryptoRng> Engine<R> {
    /// A person says something.
    pub(crate) fn say(
        &mut self,
        now: Now,
        text: String,
        reply_to: Option<EntryId>,
    ) -> Result<Done, Refusal> {
        let text = text_of(text)?;
        let body = Body::Text(message::Text { reply_to, text });
        self.write(now, &body, ends_of(&body))
    }

    /// A person says something else instead. None: answered when the message was read.
    pub(crate) fn edit(
        &mut self,
        request: RequestId,
        message: Which,
        text: String,
    ) -> Result<Option<Done>, Refusal> {
        let text = text_of(text)?;
        match message {
            Which::Written(local) => self.edit_written(local, text).map(Some),
            Which::Entry(id) => {
                let why = Reading::Rewrite(request, Rewrite::Edit(id, text));
                self.read(why, Wanted::Versions(id));
                Ok(None)
            }
        }
    }

    /// A person takes something back. None: answered when the message was read.
    pub(crate) fn take_back(
        &mut self,
        request: RequestId,
        message: Which,
    ) -> Result<Option<Done>, Refusal> {
        match message {
            Which::Written(local) => {
                let at = self.outbox.iter().position(|written| written.local == local);
                at.and_then(|at| self.outbox.remove(at)).ok_or(Refusal::NoSuchMessage)?;
                self.held_then.remove(&local);
                let notice = Change::Notice(Notice::Changed(local.0));
                self.persist(vec![Change::Unwritten(local), notice]);
                Ok(Some(Done::Nothing))
            }
            Which::Entry(id) => {
                let why = Reading::Rewrite(request, Rewrite::TakeBack(id));
                self.read(why, Wanted::Versions(id));
                Ok(None)
            }
        }
    }

    fn edit_written(&mut self, local: LocalId, text: Text<TEXT_MAX>) -> Result<Done, Refusal> {
        let written = self.outbox.iter_mut().find(|written| written.local == local);
        let written = written.ok_or(Refusal::NoSuchMessage)?;
        let Ok(Body::Text(before)) = Body::decode(&written.payload) else {
            return Err(Refusal::NoSuchMessage);
        };
        written.payload = payload_of(&Body::Text(message::Text { text, ..before }))?;
        let changed = Change::Written(written.clone());
        self.persist(vec![changed, Change::Notice(Notice::Changed(local.0))]);
        Ok(Done::Nothing)
    }

    /// The message and its newest edit were read: what is wanted of it is written.
    pub(crate) fn on_versions(
        &mut self,
        now: Now,
        request: RequestId,
        rewrite: Rewrite,
        found: Vec<Entry>,
    ) {
        let event = match self.rewrite(now, rewrite, &found) {
            Ok(done) => Event::Done { request, done },
            Err(refusal) => Event::Refused { request, refusal },
        };
        self.event(event);
    }

    fn rewrite(&mut self, now: Now, rewrite: Rewrite, found: &[Entry]) -> Result<Done, Refusal> {
        let (root, edit) = found.split_first().ok_or(Refusal::NoSuchMessage)?;
        let header = root.read_header().map_err(|_damaged| Refusal::NoSuchMessage)?;
        if header.author != self.me.id {
            return Err(Refusal::NotYours);
        }
        let id = root.id();
        let mut versions = vec![Own { seq: header.seq, id }];
        let body =
            |entry: &Entry| entry.body.as_ref().and_then(|body| Body::decode(&body.payload).ok());
        let mut reply_to = None;
        let mut is_there = false;
        if let Some(Body::Text(words)) = body(root) {
            (reply_to, is_there) = (words.reply_to, true);
        }
        if let Some((entry, Body::Edit(edit))) =
            edit.first().and_then(|entry| Some((entry, body(entry)?)))
            && let Ok(header) = entry.read_header()
            && header.author == self.me.id
        {
            versions = edit.versions.all().to_vec();
            versions.push(Own { seq: header.seq, id: entry.id() });
            (reply_to, is_there) = (edit.words.reply_to, true);
        }
        match rewrite {
            Rewrite::Edit(_, text) if is_there => {
                if self.has_ended(now, &header) {
                    return Err(Refusal::NoSuchMessage);
                }
                // One more must fit, to take it back.
                if versions.len() >= VERSIONS_MAX.saturating_sub(1) {
                    return Err(Refusal::Bad("this message was changed too often; take it back"));
                }
                self.check_readers_of_edit(&header.ops)?;
                let versions = Versions::new(versions).ok_or(Refusal::NoSuchMessage)?;
                let words = message::Text { reply_to, text };
                let body = Body::Edit(message::Edit { versions, words });
                // It ends with what it stands for.
                let ends = self.ends_of(now, &header).map_or(Ends::Keep, Ends::At);
                self.write(now, &body, ends).map(|_said| Done::Nothing)
            }
            Rewrite::Edit(..) => Err(Refusal::NoSuchMessage),
            Rewrite::TakeBack(_) if is_there => {
                let versions = Versions::new(versions).ok_or(Refusal::NoSuchMessage)?;
                let body = Body::TakeBack(message::TakeBack { versions });
                self.write(now, &body, ends_of(&body)).map(|_said| Done::Nothing)
            }
            // It is gone already; an entry that is no message cannot be taken back.
            Rewrite::TakeBack(_) if root.body.is_none() => Ok(Done::Nothing),
            Rewrite::TakeBack(_) => Err(Refusal::NoSuchMessage),
        }
    }

    /// An edit is read by the members of today: nobody may come to know by it what was said before they
    /// came. So it is signed at once or not at all, for meanwhile someone might come.
    fn check_readers_of_edit(&mut self, view: &[OpId]) -> Result<(), Refusal> {
        if !self.may_sign {
            return Err(Refusal::NotYet);
        }
        let then = self.dag.readers(view).ok_or(Refusal::NoSuchMessage)?;
        if self.dag.members().is_subset(&then.members) { Ok(()) } else { Err(Refusal::ReadByMore) }
    }

    /// Makes something of ours durable; signed at once if our chain can go on.
    fn write(&mut self, now: Now, body: &Body, ends: Ends) -> Result<Done, Refusal> {
        if self.outbox.len() >= OUTBOX_MAX {
            return Err(Refusal::Busy);
        }
        let payload = payload_of(body)?;
        if self.may_sign {
            self.sign_outbox(now);
        }
        let here = self.time_here(now);
        let nth = |last: &Written| last.nth.saturating_add(1).max(now.unix_ms);
        let written = Written {
            local: LocalId(draw(&mut self.rng)),
            nth: self.outbox.back().map_or(now.unix_ms, nth),
            wall: if here > now.unix_ms { here } else { self.clock.clamped(now) },
            payload,
        };
        if self.may_sign && self.outbox.is_empty() {
            match self.sign(now, written.clone(), ends, false) {
                Ok(id) => return Ok(Done::Said(id)),
                Err(Reject::TooLong) => return Err(Refusal::TooLarge),
                // More heads than a view may name: it stays written until they are merged. An edit does not
                // wait: see `check_readers_of_edit`.
                Err(_not_now) if matches!(body, Body::Edit(_)) => return Err(Refusal::NotYet),
                Err(_not_now) => {}
            }
        }
        let local = written.local;
        self.held_then.insert(local, self.dag.len());
        self.outbox.push_back(written.clone());
        let mut changes = vec![Change::Written(written)];
        changes.extend(self.effects_of_written(body, local));
        self.persist(changes);
        Ok(Done::Written(local))
    }

    /// What time it is, as well as this device knows: by its clock, unless others have told a later time here
    /// than their clocks could have shown by this one. A device that starts with an empty battery believes that
    /// years have not passed yet, and what came then or was said would have ended before anyone read it.
    pub(crate) fn time_here(&self, now: Now) -> u64 {
        let cards = self.cards.values().filter(|card| card.member != self.me.id);
        let told = cards.map(|card| card.wall).max().unwrap_or(0);
        // When it came it was not this far ahead: the clock went back since.
        if told > now.unix_ms.saturating_add(FELL_BACK_MS) { told } else { now.unix_ms }
    }

    /// What is written and not signed shows here at once: as `effects` in `intake.rs`, without an entry.
    fn effects_of_written(&mut self, body: &Body, local: LocalId) -> Vec<Change> {
        // An edit never waits: see `check_readers_of_edit`.
        let Body::TakeBack(take_back) = body else {
            return vec![Change::Notice(Notice::Written(local))];
        };
        let mut changes = self.end_bodies(self.me.id, &take_back.versions);
        let root = take_back.versions.root().map(|(root, _)| root.id.0);
        changes.extend(root.map(|root| Change::Notice(Notice::Changed(root))));
        changes
    }

    /// Signs what was written while nobody was linked, in the order in which it was written.
    pub(crate) fn sign_outbox(&mut self, now: Now) {
        // Who left speaks to nobody any more.
        if !self.dag.members().contains(&self.me.id) {
            return;
        }
        while let Some(written) = self.outbox.pop_front() {
            // What was durable fits; were it not so, it would stay written and never be sent.
            let body = Body::decode(&written.payload);
            let ends = body.as_ref().map_or(Ends::Default, ends_of);
            if self.sign(now, written.clone(), ends, true).is_err() {
                self.outbox.push_front(written);
                return;
            }
            self.held_then.remove(&written.local);
        }
    }

    /// An own entry came back from others: what waits here with the same salt and payload was signed
    /// before.
    pub(crate) fn recognise(&mut self, payload_hash: &[u8; 32]) -> Option<LocalId> {
        let is_same = |written: &Written| {
            kdf(Label::EntryPayload, &[&salt_of(written.local), &written.payload]) == *payload_hash
        };
        let at = self.outbox.iter().position(is_same)?;
        let local = self.outbox.remove(at)?.local;
        self.held_then.remove(&local);
        Some(local)
    }

    /// Signs one message on top of our chain, makes it durable and pushes it.
    fn sign(
        &mut self,
        now: Now,
        written: Written,
        ends: Ends,
        was_durable: bool,
    ) -> Result<EntryId, Reject> {
        let (entry, header) = self.next_entry(now, &written, ends)?;
        let id = entry.id();
        let body = entry.body.as_ref().map(|body| Body::decode(&body.payload));
        let is_shown = body.is_none_or(|body| body.map_or(true, |body| body.is_shown()));
        let effects = self.effects(&header, id, &entry);
        let local = was_durable.then_some(written.local);
        let ends_ms = self.ends_of(now, &header);
        let mut changes = vec![accepted((now, ends_ms), (id, &entry, &header), local, is_shown)];
        changes.extend(self.log.note(id, &header, Vec::new()));
        // Of what was written before, this device heard when it was written.
        changes.extend(
            effects
                .into_iter()
                .filter(|change| !was_durable || !matches!(change, Change::Notice(_))),
        );
        if !was_durable && is_shown {
            changes.push(Change::Notice(Notice::Entry(id)));
        }
        self.persist(changes);
        self.push_entry(&entry, &header);
        Ok(id)
    }

    /// The next entry of our own chain.
    fn next_entry(
        &mut self,
        now: Now,
        written: &Written,
        ends: Ends,
    ) -> Result<(Entry, EntryHeader), Reject> {
        let own = self.log.chain(&self.me.id).cloned();
        let (seq, prev, lamport) = own.as_ref().map_or((0, EntryId::ZERO, 0), |chain| {
            (chain.seq.saturating_add(1), chain.id, chain.lamport)
        });
        // A view never shrinks: what our last entry named, and our own coming, stays in it.
        let mut must: Vec<_> = self.dag.coming_of(&self.me.id).into_iter().collect();
        must.extend(own.map(|chain| chain.ops).unwrap_or_default());
        // What waited is for those who were members, as far as was known here, when it was written.
        let view = match self.held_then.get(&written.local) {
            Some(held) => self.dag.view_then(*held, &must),
            None => self.dag.view_with(&must),
        };
        let view = view.ok_or(Reject::Op("too many heads: a Merge is due"))?;
        // A lamport that is ahead of the clock is not followed: everyone would have to wait for ours.
        let highest = now.unix_ms.saturating_add(FUTURE_MS / 2);
        let mut others: Vec<_> = self
            .log
            .chains()
            .filter(|chain| chain.author != self.me.id && chain.lamport <= highest)
            .map(|chain| (chain.lamport, chain.id, chain.ops.clone()))
            .collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        let seen = others.first().map_or(0, |(lamport, ..)| *lamport);
        // Named are only those that every reader of this one may read: their ids tell that they exist.
        let readers = self.dag.readers(&view).ok_or(Reject::Early)?;
        let mut deps = Vec::new();
        for (_, id, ops) in others {
            let theirs = self.dag.readers(&ops);
            if theirs.is_some_and(|theirs| readers.members.is_subset(&theirs.members)) {
                deps.push(id);
            }
        }
        let header = EntryHeader {
            v: VERSION,
            suite: SUITE,
            space: self.me.group.0,
            author: self.me.id,
            seq,
            prev,
            deps: List::first(deps.into_iter().take(ENTRY_DEPS_MAX)),
            ops: List::first(view),
            lamport: seen.max(lamport).saturating_add(1),
            msk: 0,
            wall: written.wall,
            ends,
            payload_hash: [0; 32],
        };
        let body = EntryBody { salt: salt_of(written.local), payload: written.payload.clone() };
        Entry::sign(header.clone(), body, &self.me).map(|entry| (entry, header))
    }
}

/// The salt of a message's entry: the first half of its local id, which is random. So a restored backup
/// that still holds what was signed long ago knows it again, and says it only once.
fn salt_of(local: LocalId) -> [u8; 16] {
    local.0.first_chunk().copied().unwrap_or_default()
}

/// When a body ends that stands for itself. A take-back holds no words, and must reach those who were away
/// for longer than words stay.
const fn ends_of(body: &Body) -> Ends {
    match body {
        Body::TakeBack(_) => Ends::Keep,
        Body::Text(_) | Body::Edit(_) | Body::Noop(_) | Body::Unknown(_) => Ends::Default,
    }
}

fn text_of(text: String) -> Result<Text<TEXT_MAX>, Refusal> {
    if text.is_empty() {
        return Err(Refusal::Bad("a message needs a text"));
    }
    Text::new(text).ok_or(Refusal::TooLarge)
}

fn payload_of(body: &Body) -> Result<Bytes<{ crate::limits::PAYLOAD_MAX }>, Refusal> {
    body.encode().ok().and_then(Bytes::new).ok_or(Refusal::TooLarge)
}
