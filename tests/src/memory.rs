//! What someone's device remembers: the obvious store, without a disk.

use std::collections::BTreeMap;

use proto::message::Body;
use proto::{
    Accepted, Arriving, Change, Compared, EntryId, Fork, Gone, GroupId, Instead, Loaded, LocalId,
    Member, MemberId, Notice, Op, Order, Wanted, Written,
};
use store::Row;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// An entry's place in what is shown; its id tells two under one number apart.
pub type Place = (Order, EntryId);

/// Everything durable of one member.
#[derive(Debug, Default, Clone)]
pub struct Memory {
    pub(crate) me: Option<Member>,
    /// In the order in which they are shown.
    pub entries: BTreeMap<Place, Accepted>,
    /// By place in the outbox.
    pub written: BTreeMap<u64, Written>,
    pub(crate) notified: Vec<EntryId>,
    /// All of them, as they came.
    pub(crate) notices: Vec<Notice>,
    pub(crate) ops: Vec<Op>,
    pub(crate) forks: BTreeMap<(MemberId, u32), Fork>,
    by_chain: BTreeMap<(MemberId, u32, EntryId), Place>,
    by_id: BTreeMap<EntryId, Place>,
    /// Which entry a local id became.
    signed: BTreeMap<LocalId, EntryId>,
    gone: BTreeMap<(EntryId, MemberId), Gone>,
    instead: BTreeMap<(EntryId, MemberId), Instead>,
    rest: BTreeMap<(u8, [u8; 32]), Change>,
    /// What ended before this day is no more; in days since 1970.
    today: u64,
}

impl Memory {
    pub(crate) fn begin(&mut self, me: Member, ops: Vec<Op>) {
        self.me = Some(me);
        self.ops = ops;
    }

    /// Remembers changes.
    ///
    /// # Panics
    /// At what no engine hands out, such as an entry that was there already.
    pub fn commit(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Op(op) => self.ops.push(op),
                Change::Entry(accepted) => self.file(*accepted),
                Change::Written(written) => {
                    self.written.insert(written.nth, written);
                }
                Change::Unwritten(local) => {
                    self.written.retain(|_, written| written.local != local);
                }
                Change::Notice(notice) => self.note(notice),
                Change::Fork(fork) => {
                    self.forks.insert((fork.author, fork.seq), fork);
                }
                Change::Gone(gone) => self.end(gone),
                Change::Instead(instead) => {
                    let key = (instead.of, instead.author);
                    if self.instead.get(&key).is_none_or(|old| instead.is_newer_than(old)) {
                        self.instead.insert(key, instead);
                    }
                }
                Change::Displaced(id) => {
                    let place = self.by_id.remove(&id).expect("what is displaced was held");
                    let accepted = self.entries.remove(&place).expect("it was filed");
                    self.by_chain.remove(&(accepted.author, accepted.seq, id));
                    self.notified.retain(|notified| *notified != id);
                }
                Change::Chain(ref chain) => self.keep(0, chain.author.0, change),
                Change::Card(ref card) => self.keep(1, card.member.0, change),
                Change::Invite(ref secret) => self.keep(2, secret.invite.0, change),
                Change::Met(member, _) => self.keep(3, member.0, change),
                Change::Held(member, _) => self.keep(4, member.0, change),
                Change::Arrival(arrival) => self.keep(5, arrival.member.0, change),
                Change::Compared(compared) => self.keep(6, compared.member.0, change),
                Change::Arriving(arriving) => self.keep(7, arriving.admitter.0, change),
            }
        }
    }

    fn note(&mut self, notice: Notice) {
        if let Notice::Entry(EntryId(id)) | Notice::Written(LocalId(id)) = notice {
            self.notified.push(EntryId(id));
        }
        self.notices.push(notice);
    }

    fn keep(&mut self, table: u8, key: [u8; 32], change: Change) {
        self.rest.insert((table, key), change);
    }

    fn file(&mut self, mut accepted: Accepted) {
        if let Some(local) = accepted.local {
            self.written.retain(|_, written| written.local != local);
            self.signed.insert(local, accepted.id);
        }
        let (id, place) = (accepted.id, (accepted.order, accepted.id));
        let is_gone = self.gone.remove(&(id, accepted.author)).is_some();
        if is_gone || has_ended(&accepted, self.today) {
            accepted.entry.body = None;
        }
        let twice = self.by_chain.insert((accepted.author, accepted.seq, id), place);
        assert_eq!(twice, None, "an engine hands out an entry once");
        self.by_id.insert(id, place);
        self.entries.insert(place, accepted);
    }

    fn end(&mut self, gone: Gone) {
        let held = self.by_id.get(&gone.id).and_then(|place| self.entries.get_mut(place));
        match held {
            Some(held) if held.author == gone.author => held.entry.body = None,
            Some(_) => {}
            None => {
                self.gone.insert((gone.id, gone.author), gone);
            }
        }
    }

    /// What ended on a day before this is no more, and stays so whatever the clock says later.
    pub fn fade(&mut self, unix_ms: u64) {
        self.today = self.today.max(unix_ms / DAY_MS);
        let today = self.today;
        let ended = |accepted: &&mut Accepted| has_ended(accepted, today);
        self.entries.values_mut().filter(ended).for_each(|accepted| accepted.entry.body = None);
    }

    /// How far a newcomer has come.
    pub(crate) fn arriving(&self) -> Option<Arriving> {
        self.rest.values().find_map(|change| {
            if let Change::Arriving(arriving) = change { Some(*arriving) } else { None }
        })
    }

    /// What is known of someone from comparing words.
    pub(crate) fn compared(&self, member: &MemberId) -> Option<Compared> {
        match self.rest.get(&(6, member.0)) {
            Some(Change::Compared(compared)) => Some(*compared),
            Some(_) | None => None,
        }
    }

    pub(crate) fn holds(&self, id: &EntryId) -> bool {
        self.by_id.contains_key(id)
    }

    /// What is shown of a message: its words, those of its newest edit, or nothing any more.
    ///
    /// # Panics
    /// At an edit whose payload is none.
    #[must_use]
    pub fn words(&self, accepted: &Accepted) -> Option<String> {
        let edited = self.edit_of(accepted).map(|payload| match Body::decode(payload) {
            Ok(Body::Edit(edit)) => edit.words.text.to_string(),
            other => panic!("an edit: {other:?}"),
        });
        let first = accepted.entry.body.as_ref().map(|body| shown(&body.payload));
        edited.or(first)
    }

    /// The payload of a message's newest edit.
    fn edit_of(&self, accepted: &Accepted) -> Option<&[u8]> {
        let edit = self.instead.get(&(accepted.id, accepted.author))?;
        let entry = self.entries.get(self.by_id.get(&edit.by)?)?;
        entry.entry.body.as_ref().map(|body| &*body.payload)
    }

    pub(crate) fn group(&self) -> GroupId {
        self.me.as_ref().expect("a member").group
    }

    /// The timeline as a store is to give it.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let group = self.group();
        let of_entry = |accepted: &Accepted| {
            let header = accepted.entry.parse(&group).expect("it was accepted");
            Row {
                id: accepted.id.0,
                local: accepted.local,
                author: accepted.author,
                wall: header.wall,
                payload: accepted.entry.body.as_ref().map(|body| body.payload.to_vec()),
                edit: self.edit_of(accepted).map(<[u8]>::to_vec),
                ends_ms: accepted.ends_ms,
                signed: true,
                view: header.ops.to_vec(),
            }
        };
        let of_written = |written: &Written| Row {
            id: written.local.0,
            local: Some(written.local),
            author: self.me.as_ref().expect("a member").id,
            wall: written.wall,
            payload: Some(written.payload.to_vec()),
            edit: None,
            ends_ms: None,
            signed: false,
            view: Vec::new(),
        };
        let signed = self.entries.values().filter(|accepted| accepted.is_shown).map(of_entry);
        let is_shown =
            |written: &&Written| Body::decode(&written.payload).is_ok_and(|body| body.is_shown());
        signed.chain(self.written.values().filter(is_shown).map(of_written)).collect()
    }

    /// What is held of an author's chain.
    pub(crate) fn held_of(&self, author: &MemberId) -> Vec<(u32, u32)> {
        match self.rest.get(&(0, author.0)) {
            Some(Change::Chain(chain)) => chain.held.clone(),
            Some(_) | None => Vec::new(),
        }
    }

    /// The payloads of all that is signed or written.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        let signed = self.entries.values().filter_map(|entry| entry.entry.body.as_ref());
        let written = self.written.values().map(|written| &*written.payload);
        signed.map(|body| &*body.payload).chain(written)
    }

    /// Everything that [`Change::is_kept_in_memory`] names.
    #[must_use]
    pub fn remembered(&self) -> Vec<Change> {
        let ops = self.ops.iter().cloned().map(Change::Op);
        let written = self.written.values().cloned().map(Change::Written);
        let forks = self.forks.values().cloned().map(Change::Fork);
        let gone = self.gone.values().copied().map(Change::Gone);
        ops.chain(self.rest.values().cloned()).chain(written).chain(forks).chain(gone).collect()
    }

    pub(crate) fn load(&self, wanted: &Wanted) -> Loaded {
        let (ranges, ids, entries_max, bytes_max) = match wanted {
            Wanted::Entries { ranges, ids, entries_max, bytes_max } => {
                (ranges, ids, *entries_max, *bytes_max)
            }
            Wanted::Held(ids) => {
                let held = ids.iter().filter(|id| self.holds(id)).copied().collect();
                return Loaded { held, ..Loaded::default() };
            }
            Wanted::Versions(id) => {
                return Loaded { entries: self.versions(id), ..Loaded::default() };
            }
        };
        let (first, last) = (EntryId([0; 32]), EntryId([255; 32]));
        let in_ranges = ranges.iter().flat_map(|(author, from, to)| {
            let range = (*author, *from, first)..=(*author, *to, last);
            self.by_chain.range(range).rev().map(|(_, place)| place)
        });
        let by_id = ids.iter().filter_map(|id| self.by_id.get(id));
        let mut loaded = Loaded::default();
        let mut bytes = 0;
        for accepted in in_ranges.chain(by_id).filter_map(|place| self.entries.get(place)) {
            bytes += accepted.entry.size();
            let is_full = loaded.entries.len() == entries_max || bytes > bytes_max;
            if is_full && !loaded.entries.is_empty() {
                loaded.more = true;
                break;
            }
            loaded.entries.push(accepted.entry.clone());
        }
        loaded
    }

    fn versions(&self, id: &EntryId) -> Vec<proto::Entry> {
        let me = self.me.as_ref().expect("a member").id;
        let edit = self.instead.get(&(*id, me)).map(|edit| edit.by);
        let places = [Some(*id), edit].into_iter().flatten();
        let entries = places.filter_map(|id| self.entries.get(self.by_id.get(&id)?));
        entries.map(|accepted| accepted.entry.clone()).collect()
    }
}

/// Whether a body ended before a day since 1970.
fn has_ended(accepted: &Accepted, today: u64) -> bool {
    accepted.ends_ms.is_some_and(|ends| ends / DAY_MS < today)
}

/// The words of a payload.
#[must_use]
pub fn shown(payload: &[u8]) -> String {
    match Body::decode(payload) {
        Ok(Body::Text(text)) => text.text.to_string(),
        Ok(Body::Edit(edit)) => format!("(edit) {}", &*edit.words.text),
        Ok(Body::TakeBack(_) | Body::Noop(_)) => "(nothing)".to_owned(),
        Ok(Body::Unknown(_)) | Err(_) => "(unknown)".to_owned(),
    }
}
