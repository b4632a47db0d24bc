//! What came and cannot be judged yet: it lacks ops below it, or is ahead of our clock.
//!
//! Bounded whoever sends it: so many of one author whose signature holds, so many of one link for the
//! rest, and so many in all; of what is over a bound, the oldest of the fullest goes first. Nothing here
//! is shown, passed on or named (docs/protocol.md, "Validity of an op").

use std::collections::{BTreeMap, VecDeque};

use rand_core::CryptoRng;

use crate::control::Op;
use crate::engine::Engine;
use crate::ids::{LinkId, MemberId, OpId};
use crate::intake::Batch;
use crate::limits::{PARKED_BYTES_MAX, PARKED_EACH_MAX, PARKED_MAX, PARKED_MS};
use crate::log::Entry;
use crate::timers::{Instant, Now};

/// How often what is parked is tried again when nothing else makes it tried.
const RETRY_MS: u64 = 60_000;

/// Something that cannot be judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parked {
    /// Lacks ops below it, or is ahead of our clock.
    Op(Op),
    /// Lacks ops of its view, or is ahead of our clock.
    Entry(Entry),
}

impl Parked {
    fn size(&self) -> usize {
        match self {
            Self::Op(op) => op.size(),
            Self::Entry(entry) => entry.size(),
        }
    }
}

/// On whose account something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Account {
    /// Its author's, for the signature holds.
    Author(MemberId),
    /// That of the link it came over.
    Link(Option<LinkId>),
}

#[derive(Debug)]
struct Item {
    what: Parked,
    stay: Stay,
}

/// How something waits: it keeps this when it is tried in vain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stay {
    account: Account,
    since: Instant,
}

/// All that waits, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    items: VecDeque<Item>,
    bytes: usize,
    /// When it is tried again at the latest.
    due: Option<Instant>,
    is_trying: bool,
}

impl Parking {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The ops that waiting ops lack.
    pub(crate) fn lacked(&self, is_held: impl Fn(&OpId) -> bool) -> Vec<OpId> {
        let ops = self.items.iter().filter_map(|item| match &item.what {
            Parked::Op(op) => op.parse().ok().map(|(header, _)| header.deps.into_vec()),
            Parked::Entry(_) => None,
        });
        ops.flatten().filter(|dep| !is_held(dep)).collect()
    }

    fn push(&mut self, item: Item) {
        self.bytes = self.bytes.saturating_add(item.what.size());
        let account = item.stay.account;
        self.items.push_back(item);
        if self.counts().get(&account).is_some_and(|count| *count > PARKED_EACH_MAX) {
            self.drop_oldest_of(account);
        }
        while self.bytes > PARKED_BYTES_MAX || self.items.len() > PARKED_MAX {
            let fullest = self.counts().into_iter().max_by_key(|(_, count)| *count);
            let Some((account, _)) = fullest else { break };
            self.drop_oldest_of(account);
        }
    }

    fn counts(&self) -> BTreeMap<Account, usize> {
        let mut counts: BTreeMap<Account, usize> = BTreeMap::new();
        for item in &self.items {
            let count = counts.entry(item.stay.account).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }

    fn drop_oldest_of(&mut self, account: Account) {
        let oldest = self.items.iter().position(|item| item.stay.account == account);
        if let Some(item) = oldest.and_then(|at| self.items.remove(at)) {
            self.bytes = self.bytes.saturating_sub(item.what.size());
        }
    }

    /// An op that waits again keeps how it waited.
    fn keep_stay(&mut self, before: &[Item]) {
        for item in &mut self.items {
            if let Some(old) = before.iter().find(|old| old.what == item.what) {
                item.stay = old.stay;
            }
        }
    }

    fn take(&mut self, now: Instant) -> Vec<Item> {
        self.bytes = 0;
        let items = core::mem::take(&mut self.items);
        items.into_iter().filter(|item| now < item.stay.since.after_ms(PARKED_MS)).collect()
    }
}

impl<R: CryptoRng> Engine<R> {
    /// Keeps an op or entry that cannot be judged yet.
    pub(crate) fn park(&mut self, now: Now, what: Parked, from: Option<LinkId>) {
        let account = self.signer(&what).map_or(Account::Link(from), Account::Author);
        self.park_again(now, what, Stay { account, since: now.instant });
    }

    /// Keeps what waited before, and was tried in vain.
    pub(crate) fn park_again(&mut self, now: Now, what: Parked, stay: Stay) {
        if self.parking.items.iter().any(|item| item.what == what) {
            return;
        }
        self.parking.push(Item { what, stay });
        self.parking.due.get_or_insert_with(|| now.instant.after_ms(RETRY_MS));
    }

    /// Who signed it, if their keys are known here and the signature holds.
    fn signer(&self, what: &Parked) -> Option<MemberId> {
        match what {
            Parked::Op(op) => {
                let (header, _) = op.parse().ok()?;
                op.verify(&self.dag.keys(&header.author)?.ik).ok().map(|()| header.author)
            }
            Parked::Entry(entry) => {
                let header = entry.parse(&self.me.group).ok()?;
                let mut keys = self.dag.all_subkeys(&header.author);
                keys.any(|msk| entry.verify(&msk).is_ok()).then_some(header.author)
            }
        }
    }

    /// Tries everything that waits once more, and goes on until nothing more comes of it. What turns out
    /// invalid was the fault of someone whose link may be long gone: it is dropped.
    pub(crate) fn unpark(&mut self, now: Now) {
        if core::mem::replace(&mut self.parking.is_trying, true) {
            return;
        }
        self.parking.due = None;
        loop {
            let held = self.dag.len();
            let items = self.parking.take(now.instant);
            let (ops, rest): (Vec<_>, Vec<_>) =
                items.into_iter().partition(|item| matches!(item.what, Parked::Op(_)));
            rest.into_iter().for_each(|item| self.parking.push(item));
            let tried = ops.iter().filter_map(|item| match &item.what {
                Parked::Op(op) => Some(op.clone()),
                Parked::Entry(_) => None,
            });
            self.take_ops(now, tried.collect(), None).unwrap_or_default();
            self.parking.keep_stay(&ops);
            if self.dag.len() == held {
                break;
            }
        }
        let items = self.parking.take(now.instant);
        let (entries, rest): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| matches!(item.what, Parked::Entry(_)));
        rest.into_iter().for_each(|item| self.parking.push(item));
        let mut batch = Batch::default();
        for Item { what, stay } in entries {
            if let Parked::Entry(entry) = what {
                batch.waited.push((entry.clone(), stay));
                batch.entries.push(entry);
            }
        }
        self.take_entries(now, batch).unwrap_or_default();
        self.parking.is_trying = false;
        if !self.parking.is_empty() {
            self.parking.due.get_or_insert_with(|| now.instant.after_ms(RETRY_MS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attacks::{forge, push};
    use crate::control::{OpBody, OpHeader};
    use crate::encoding::{Bytes, List};
    use crate::hostile::{Room, at};
    use crate::ids::GroupId;
    use crate::kdf::Label;
    use crate::keys::Sig;
    use crate::limits::PAYLOAD_MAX;
    use crate::link::{LinkMsg, Ops};
    use crate::log::EntryBody;

    fn item(nth: u32, account: Account) -> Item {
        let header = OpHeader {
            v: 1,
            suite: 1,
            group: GroupId([1; 32]),
            author: MemberId([2; 32]),
            seq: nth,
            prev: OpId([3; 32]),
            deps: List::first([OpId([4; 32])]),
            lamport: 2,
            wall: 0,
            body_hash: [0; 32],
        };
        let sign = |_: Label, _: &[&[u8]]| Sig::sign(&[1; 32], Label::OpSig, &[]);
        let what = Parked::Op(Op::sign(header, &OpBody::Merge, sign).unwrap());
        Item { what, stay: Stay { account, since: Instant(u64::from(nth)) } }
    }

    #[test]
    fn one_sender_cannot_crowd_out_what_others_sent() {
        let mut parking = Parking::default();
        let honest = Account::Author(MemberId([9; 32]));
        parking.push(item(0, honest));
        for nth in 1..5000 {
            parking.push(item(nth, Account::Link(Some(LinkId(1)))));
        }
        assert_eq!(parking.items.len(), 1 + PARKED_EACH_MAX);
        assert!(parking.items.iter().any(|item| item.stay.account == honest));
        for link in 0..5000 {
            parking.push(item(9000 + link, Account::Link(Some(LinkId(link.into())))));
        }
        assert!(parking.items.len() <= PARKED_MAX && parking.bytes <= PARKED_BYTES_MAX);
        assert_eq!(parking.bytes, parking.items.iter().map(|item| item.what.size()).sum::<usize>());
    }

    #[test]
    fn asked_for_is_what_is_lacked_and_not_held() {
        let mut parking = Parking::default();
        parking.push(item(1, Account::Link(None)));
        assert_eq!(parking.lacked(|_| false), [OpId([4; 32])]);
        assert_eq!(parking.lacked(|_| true), []);
    }

    #[test]
    fn what_waits_takes_no_more_room_than_is_set_aside_for_it() {
        let (mut parking, mut room) = (Parking::default(), 0);
        for link in 0..70 {
            let payload = Bytes::new(vec![0; PAYLOAD_MAX]).unwrap();
            let body = EntryBody { salt: [link; 16], payload };
            let sig = Sig::sign(&[1; 32], Label::EntrySig, &[]);
            let entry = Entry { header: Bytes::new(vec![1]).unwrap(), sig, body: Some(body) };
            let account = Account::Link(Some(LinkId(link.into())));
            let stay = Stay { account, since: Instant(0) };
            parking.push(Item { what: Parked::Entry(entry), stay });
            room = room.max(parking.bytes);
            assert!(parking.bytes <= PARKED_BYTES_MAX, "{link}");
        }
        assert!(room > PARKED_BYTES_MAX - 2 * PAYLOAD_MAX, "it is used");
        assert!(
            parking.items.len() >= PARKED_BYTES_MAX / PAYLOAD_MAX - 1,
            "the oldest go, one by one"
        );
    }

    /// Not a minute later, when all that waits is tried again.
    #[test]
    fn words_that_came_before_the_op_they_name_are_shown_when_it_comes() {
        let mut room = Room::new(2);
        let (link, _) = room.link(1, 0);
        let me = room.peers[1].me.clone();
        let header = room.peers[1].dag.next_header(&me.id, at(room.ms).minutes());
        let sign = |label: Label, parts: &[&[u8]]| me.secrets.sign_as_member(label, parts);
        let op = Op::sign(header, &OpBody::Merge, sign).unwrap();
        let entry = forge(&me, (0, crate::ids::EntryId::ZERO, 1), vec![op.id()]);
        room.force(1, link, &push(std::slice::from_ref(&entry)));
        assert_eq!((room.entries[0].len(), room.peers[0].tally().parked), (0, 1));
        room.force(1, link, &LinkMsg::Ops(Ops { ops: List::first([op]), more: false }));
        assert_eq!((&room.entries[0][..], room.peers[0].tally().parked), (&[entry][..], 0));
    }

    /// Whoever sends such entries would fill what is set aside for all that waits, for good.
    #[test]
    fn what_must_be_read_for_at_every_try_waits_no_longer_than_a_week_either() {
        let mut room = Room::new(2);
        let (link, _) = room.link(1, 0);
        (0..4).for_each(|_| drop(room.say(1, "before")));
        let me = room.peers[1].me.clone();
        // Beside the second of four, which is not in memory; with an op below it that nobody has.
        let beside = room.entries[0][0].id();
        let early = forge(&me, (1, beside, u64::MAX >> 24), vec![OpId([9; 32])]);
        room.force(1, link, &push(&[early]));
        assert_eq!(room.peers[0].tally().parked, 1);
        for hour in 0..7 * 24 {
            assert_eq!(room.peers[0].tally().parked, 1, "after {hour} hours");
            room.ms += 3_600_000;
            room.input(0, crate::engine::Input::Tick);
        }
        room.ms += 120_000;
        room.input(0, crate::engine::Input::Tick);
        assert_eq!(room.peers[0].tally().parked, 0);
    }

    /// Else whoever sends what an honest author said with a wrong signature has it pushed out.
    #[test]
    fn what_waits_on_a_links_account_does_not_change_on_whose_the_same_words_of_their_author_wait()
    {
        let mut room = Room::new(3);
        let (link, _) = room.link(1, 0);
        let (hostile, theirs) = room.link(2, 0);
        let me = room.peers[1].me.clone();
        let early = forge(&me, (0, crate::ids::EntryId::ZERO, 1), vec![OpId([9; 32])]);
        let wrong = Entry { sig: Sig::sign(&[1; 32], Label::EntrySig, &[]), ..early.clone() };
        room.force(1, link, &push(&[early]));
        room.force(2, hostile, &push(&[wrong]));
        room.ms += 2 * RETRY_MS;
        room.input(0, crate::engine::Input::Tick);
        let waiting = room.peers[0].parking.items.iter().map(|item| item.stay.account);
        let accounts = [Account::Author(me.id), Account::Link(Some(theirs))];
        assert_eq!(waiting.collect::<Vec<_>>(), accounts);
    }

    #[test]
    fn nothing_waits_for_more_than_a_week() {
        let mut parking = Parking::default();
        parking.push(item(5, Account::Link(None)));
        assert_eq!(parking.take(Instant(4 + PARKED_MS)).len(), 1);
        parking.push(item(5, Account::Link(None)));
        assert_eq!(parking.take(Instant(5 + PARKED_MS)).len(), 0);
    }
}
