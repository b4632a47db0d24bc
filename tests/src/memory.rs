//! What someone's device remembers: the obvious store, without a disk.

use std::collections::BTreeMap;

use proto::{
    Accepted, Change, EntryId, Loaded, LocalId, Member, MemberId, Notice, Op, Order, Wanted,
    Written,
};

/// Everything durable of one member.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) me: Option<Member>,
    /// By place in what is shown.
    pub(crate) entries: BTreeMap<Order, Accepted>,
    /// By place in the outbox.
    pub(crate) written: BTreeMap<u64, Written>,
    pub(crate) notified: Vec<EntryId>,
    pub(crate) ops: Vec<Op>,
    by_chain: BTreeMap<(MemberId, u32), Order>,
    by_id: BTreeMap<EntryId, Order>,
    rest: BTreeMap<(u8, [u8; 32]), Change>,
}

impl Memory {
    pub(crate) fn begin(&mut self, me: Member, ops: Vec<Op>) {
        self.me = Some(me);
        self.ops = ops;
    }

    pub(crate) fn commit(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Op(op) => self.ops.push(op),
                Change::Entry(accepted) => self.file(*accepted),
                Change::Written(written) => {
                    self.written.insert(written.nth, written);
                }
                Change::Notice(Notice::Entry(id)) => self.notified.push(id),
                Change::Notice(Notice::Written(LocalId(id))) => self.notified.push(EntryId(id)),
                Change::Notice(_) => {}
                Change::Chain(ref chain) => {
                    self.rest.insert((0, chain.author.0), change);
                }
                Change::Card(ref card) => {
                    self.rest.insert((1, card.member.0), change);
                }
                Change::Invite(ref secret) => {
                    self.rest.insert((2, secret.invite.0), change);
                }
                Change::Met(member, _) => {
                    self.rest.insert((3, member.0), change);
                }
            }
        }
    }

    fn file(&mut self, accepted: Accepted) {
        if let Some(local) = accepted.local {
            self.written.retain(|_, written| written.local != local);
        }
        let twice = self.by_chain.insert((accepted.author, accepted.seq), accepted.order);
        assert_eq!(twice, None, "an engine hands out an entry once, and no number twice");
        self.by_id.insert(accepted.id, accepted.order);
        self.entries.insert(accepted.order, accepted);
    }

    pub(crate) fn holds(&self, id: &EntryId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn remembered(&self) -> Vec<Change> {
        let ops = self.ops.iter().cloned().map(Change::Op);
        let written = self.written.values().cloned().map(Change::Written);
        ops.chain(self.rest.values().cloned()).chain(written).collect()
    }

    pub(crate) fn load(&self, wanted: &Wanted) -> Loaded {
        let Wanted::Entries { ranges, ids, entries_max, bytes_max } = wanted;
        let in_ranges = ranges.iter().flat_map(|(author, from, to)| {
            self.by_chain.range((*author, *from)..=(*author, *to)).rev().map(|(_, order)| order)
        });
        let by_id = ids.iter().filter_map(|id| self.by_id.get(id));
        let mut loaded = Loaded::default();
        let mut bytes = 0;
        for accepted in in_ranges.chain(by_id).filter_map(|order| self.entries.get(order)) {
            bytes += accepted.entry.size();
            let is_full = loaded.entries.len() == *entries_max || bytes > *bytes_max;
            if is_full && !loaded.entries.is_empty() {
                loaded.more = true;
                break;
            }
            loaded.entries.push(accepted.entry.clone());
        }
        loaded
    }
}
