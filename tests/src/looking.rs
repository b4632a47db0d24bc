//! Looking at a [`World`]: what people see, and what their devices remember.

use std::collections::BTreeSet;

use proto::message::Body;
use proto::{Compared, Engine, EntryId, MemberId, OpId};

use crate::memory::shown;
use crate::{World, reference};

impl World {
    /// What someone's window shows, in order. What was taken back is shown as "(gone)".
    #[must_use]
    pub fn screen(&self, who: usize) -> Vec<String> {
        let memory = &self.people[who].memory;
        let signed = memory.entries.values().filter(|entry| entry.is_shown);
        let words = signed.map(|entry| memory.words(entry).unwrap_or_else(|| "(gone)".to_owned()));
        let written = memory.written.values().map(|written| &written.payload);
        let is_shown = |payload: &[u8]| Body::decode(payload).is_ok_and(|body| body.is_shown());
        words
            .chain(written.filter(|payload| is_shown(payload)).map(|payload| shown(payload)))
            .collect()
    }

    /// When someone's window says that a message was written, in milliseconds since this world began; its
    /// time of today is [`World::time`].
    #[must_use]
    pub fn written_at(&self, who: usize, text: &str) -> u64 {
        let memory = &self.people[who].memory;
        let shown = |row: &store::Row| row.payload.as_deref().map(shown);
        let row = memory.rows().into_iter().find(|row| shown(row).is_some_and(|is| is == text));
        row.expect("it is shown").wall.saturating_sub(crate::BEGIN_UNIX_MS)
    }

    /// What time it is, in milliseconds since this world began.
    #[must_use]
    pub const fn time(&self) -> u64 {
        self.now_ms
    }

    /// The same, in milliseconds since 1970.
    #[must_use]
    pub const fn unix_ms(&self) -> u64 {
        crate::BEGIN_UNIX_MS + self.now_ms
    }

    /// The messages that someone's window marks: their device said two things at once.
    #[must_use]
    pub fn marked(&self, who: usize) -> Vec<String> {
        let memory = &self.people[who].memory;
        let is_marked = |entry: &&proto::Accepted| {
            memory.forks.get(&(entry.author, entry.seq)).is_some_and(proto::Fork::is_marked)
        };
        let marked = memory.entries.values().filter(is_marked);
        marked.filter_map(|entry| memory.words(entry)).collect()
    }

    /// What someone's window says beside a message: whose coming or going its author had not heard of.
    #[must_use]
    pub fn unheard(&self, who: usize, text: &str) -> Vec<proto::Unheard> {
        let id = self.find(who, text).expect("it is shown");
        let person = &self.people[who];
        let accepted = person.memory.entries.values().find(|entry| entry.id == id);
        let group = person.memory.me.as_ref().expect("a member").group;
        let header = accepted.expect("it is held").entry.parse(&group).unwrap();
        let engine = person.engine.as_ref().expect("awake");
        engine.dag().unheard(&header.ops, header.wall)
    }

    /// What someone's engine holds in memory, in numbers, while their device is awake.
    #[must_use]
    pub fn tally(&self, who: usize) -> Option<proto::Tally> {
        self.people[who].engine.as_ref().map(Engine::tally)
    }

    /// Whether someone holds as much of everybody's chain as its author; newcomers never do.
    #[must_use]
    pub fn is_complete(&self, who: usize) -> bool {
        let members = self.people.iter().filter_map(|person| {
            let me = person.memory.me.as_ref()?;
            Some((me.id, &person.memory))
        });
        let ours = &self.people[who].memory;
        members.into_iter().all(|(id, theirs)| ours.held_of(&id) == theirs.held_of(&id))
    }

    /// Whether these words are anywhere in what someone's device remembers.
    #[must_use]
    pub fn remembers(&self, who: usize, words: &str) -> bool {
        self.people[who].memory.payloads().any(|payload| shown(payload).contains(words))
    }

    /// Streams that anyone closed because of what came over them. While nobody lies there are none.
    #[must_use]
    pub fn rejects(&self) -> u64 {
        let now = self.people.iter().filter_map(|person| person.engine.as_ref());
        now.map(|engine| engine.tally().rejects).sum::<u64>() + self.rejects_before
    }

    /// The ids of what someone's window shows and is signed, in order.
    #[must_use]
    pub fn messages(&self, who: usize) -> Vec<EntryId> {
        let memory = &self.people[who].memory;
        memory.entries.values().filter(|entry| entry.is_shown).map(|entry| entry.id).collect()
    }

    /// Whom someone believes to be in the group.
    #[must_use]
    pub fn members(&self, who: usize) -> BTreeSet<MemberId> {
        let engine = self.people[who].engine.as_ref();
        engine.map(|engine| engine.dag().members().clone()).unwrap_or_default()
    }

    /// Who has a say, as someone sees it.
    #[must_use]
    pub fn voters(&self, who: usize) -> BTreeSet<MemberId> {
        let engine = self.people[who].engine.as_ref();
        engine.map(|engine| engine.dag().standing().voters.clone()).unwrap_or_default()
    }

    /// How many streams someone has open.
    #[must_use]
    pub fn links(&self, who: usize) -> usize {
        self.tally(who).map_or(0, |tally| tally.channels)
    }

    /// How many members someone looks for.
    #[must_use]
    pub fn looks_for(&self, who: usize) -> usize {
        self.people[who].engine.as_ref().map_or(0, |engine| engine.unreached().count())
    }

    /// The entries that someone was told of, in the order of the notices.
    #[must_use]
    pub fn notified(&self, who: usize) -> Vec<EntryId> {
        self.people[who].memory.notified.clone()
    }

    /// Whether someone ever was let in.
    #[must_use]
    pub fn is_member(&self, who: usize) -> bool {
        self.people[who].memory.me.is_some()
    }

    /// Whether someone was let in and has not met enough of the others yet to know whom by.
    #[must_use]
    pub fn is_arriving(&self, who: usize) -> bool {
        self.people[who].memory.arriving().is_some_and(|arriving| !arriving.is_over)
    }

    /// What someone's device remembers of comparing words with another.
    #[must_use]
    pub fn compared(&self, who: usize, with: usize) -> Option<Compared> {
        self.people[who].memory.compared(&self.id_of(with))
    }

    /// Whether someone's device runs.
    #[must_use]
    pub fn is_awake(&self, who: usize) -> bool {
        self.people[who].engine.is_some()
    }

    /// How many of the comings and goings that someone's window tells the author of a message had heard of.
    #[must_use]
    pub fn heard(&self, who: usize, text: &str) -> usize {
        let id = self.find(who, text).expect("it is shown");
        let memory = &self.people[who].memory;
        let accepted = memory.entries.values().find(|entry| entry.id == id);
        let group = memory.me.as_ref().expect("a member").group;
        let header = accepted.expect("it is held").entry.parse(&group).unwrap();
        self.room(who).heard(&header.ops)
    }

    /// What the group is to someone.
    #[must_use]
    pub fn room(&self, who: usize) -> room::Room {
        let memory = &self.people[who].memory;
        let me = memory.me.as_ref().expect("a member");
        let cards = memory.remembered().into_iter().filter_map(|change| {
            let proto::Change::Card(card) = change else { return None };
            Some(card)
        });
        let room = room::Room::fold(memory.ops.iter().cloned(), cards, (me.id, &me.name));
        room.expect("what is held makes a group")
    }

    /// Who came and who left, as someone's window tells it.
    #[must_use]
    pub fn comings(&self, who: usize) -> Vec<(MemberId, room::How)> {
        let comings = self.room(who).comings;
        comings.into_iter().map(|coming| (coming.member, coming.how)).collect()
    }

    /// Someone's member.
    #[must_use]
    pub fn id_of(&self, who: usize) -> MemberId {
        self.people[who].memory.me.as_ref().expect("a member").id
    }

    /// The ops that someone holds.
    #[must_use]
    pub fn ops(&self, who: usize) -> BTreeSet<OpId> {
        let engine = self.people[who].engine.as_ref();
        engine.map(|engine| engine.dag().ids().collect()).unwrap_or_default()
    }

    /// The entries that someone holds.
    #[must_use]
    pub fn entries(&self, who: usize) -> Vec<EntryId> {
        self.people[who].memory.entries.values().map(|entry| entry.id).collect()
    }

    /// Who may read an entry, as defined, by the ops that `who` holds.
    #[must_use]
    pub fn readers(&self, who: usize, id: &EntryId) -> BTreeSet<MemberId> {
        let memory = &self.people[who].memory;
        let entry = memory.entries.values().find(|entry| entry.id == *id).expect("it is held");
        let header = entry.entry.parse(&memory.me.as_ref().expect("a member").group).unwrap();
        let reference = reference::Reference::new(&memory.ops, reference::Without::Nothing);
        reference.standing(&reference.closure(&header.ops)).members
    }

    /// The id of a message by what it says now, on someone's screen.
    #[must_use]
    pub fn find(&self, who: usize, text: &str) -> Option<EntryId> {
        let memory = &self.people[who].memory;
        let says = |entry: &&proto::Accepted| {
            entry.is_shown && memory.words(entry).is_some_and(|words| words == text)
        };
        memory.entries.values().find(says).map(|entry| entry.id)
    }
}
