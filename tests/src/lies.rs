//! Members who lie: entries that no honest client makes, signed with a member's own keys and put into
//! their own device, which then passes them on in good faith.

use proto::message::{Body, Edit, Noop, TakeBack, Text};
use proto::{
    Accepted, Bytes, ChainState, Change, Entry, EntryBody, EntryEnds, EntryHeader, EntryId, List,
    Order, Own, Versions,
};
use rand_core::Rng as _;

use crate::World;

/// Something untrue that a member signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// A view that is smaller than that of their last entry.
    OldView,
    /// A lamport that no chain reaches.
    FarAhead,
    /// An entry before it that nobody has.
    NoSuchEntry,
    /// A thousand entries before it that nobody has.
    Gap,
    /// Another's message, edited.
    EditOfAnother,
    /// Another's message, taken back.
    TakeBackOfAnother,
}

/// All of them.
pub const LIES: [Lie; 6] = [
    Lie::OldView,
    Lie::FarAhead,
    Lie::NoSuchEntry,
    Lie::Gap,
    Lie::EditOfAnother,
    Lie::TakeBackOfAnother,
];

impl World {
    /// Someone's device signs a lie from now on; it is restarted for it. Nothing, before they said or
    /// heard anything.
    pub fn lie(&mut self, who: usize, lie: Lie) {
        let memory = &self.people[who].memory;
        let Some(me) = memory.me.clone() else { return };
        let Some(own) = memory
            .entries
            .values()
            .filter(|entry| entry.author == me.id)
            .max_by_key(|entry| entry.seq)
        else {
            return;
        };
        // Whose lamport is at its end already has nothing more to say.
        let Ok(last) = own.entry.parse(&me.group) else { return };
        let another =
            memory.entries.values().find(|entry| entry.author != me.id && entry.seq < own.seq);
        let versions =
            another.and_then(|entry| Versions::new(vec![Own { seq: entry.seq, id: entry.id }]));
        let words = || Text { reply_to: None, text: proto::Text::new("not my words").unwrap() };
        let body = match (lie, versions) {
            (Lie::EditOfAnother, Some(versions)) => Body::Edit(Edit { versions, words: words() }),
            (Lie::TakeBackOfAnother, Some(versions)) => Body::TakeBack(TakeBack { versions }),
            _ => Body::Noop(Noop),
        };
        let coming: Vec<_> = self.people[who]
            .engine
            .as_ref()
            .and_then(|engine| engine.dag().coming_of(&me.id))
            .into_iter()
            .collect();
        let id = own.id;
        let is_old = lie == Lie::OldView && !coming.is_empty();
        let ops = if is_old { List::first(coming) } else { last.ops.clone() };
        let header = EntryHeader {
            seq: if lie == Lie::Gap { last.seq + 1000 } else { last.seq + 1 },
            prev: if lie == Lie::NoSuchEntry { EntryId([7; 32]) } else { id },
            ops,
            lamport: if lie == Lie::FarAhead { (1 << 63) - 2 } else { last.lamport + 1 },
            ends: EntryEnds::Default,
            ..last
        };
        let mut salt = [0; 16];
        self.rng.fill_bytes(&mut salt);
        let body = EntryBody { salt, payload: Bytes::new(body.encode().unwrap()).unwrap() };
        let Ok(entry) = Entry::sign(header.clone(), body, &me) else { return };
        self.plant(who, &entry, &header);
    }

    /// Puts an entry into someone's device, as if it had been made there.
    fn plant(&mut self, who: usize, entry: &Entry, header: &EntryHeader) {
        let was_awake = self.is_awake(who);
        if was_awake {
            self.sleep(who);
        }
        let person = &mut self.people[who];
        let id = entry.id();
        let accepted = Accepted {
            id,
            author: header.author,
            seq: header.seq,
            order: Order::new(header.lamport, &header.author, header.seq),
            first_seen_ms: header.wall,
            ends_ms: None,
            local: None,
            is_shown: false,
            entry: entry.clone(),
        };
        let mut held = person.memory.held_of(&header.author);
        match held.last_mut() {
            Some((_, to)) if *to + 1 == header.seq => *to = header.seq,
            Some(_) | None => held.push((header.seq, header.seq)),
        }
        let chain = ChainState {
            author: header.author,
            seq: header.seq,
            id,
            prev: header.prev,
            lamport: header.lamport,
            ops: header.ops.to_vec(),
            held,
        };
        person.commit(vec![Change::Entry(Box::new(accepted)), Change::Chain(chain)]);
        if was_awake {
            self.wake(who);
        }
    }
}
