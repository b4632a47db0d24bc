//! An admitted link: its session, and what is known of what its member holds.

use std::collections::{BTreeMap, BTreeSet};

use fixedbitset::FixedBitSet;

use super::frame::{self, Reassembly};
use super::{Ends, LinkMsg, Tip};
use crate::change::Path;
use crate::error::Reject;
use crate::ids::{EntryId, MemberId, OpId};
use crate::limits::{IDS_MAX, OPS_WANTS_PER_SECOND};
use crate::log::SeqRange;
use crate::noise::{Role, Session};
use crate::timers::Instant;

/// A link to a member. "Theirs" is what this device knows of the other end, from what it said.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) member: MemberId,
    pub(crate) role: Role,
    pub(crate) path: Path,
    pub(crate) ends: Ends,
    session: Box<Session>,
    reassembly: Reassembly,
    /// Our Hello is sent.
    pub(crate) said_hello: bool,
    /// An op was taken in between our Hello and theirs.
    pub(crate) hello_is_stale: bool,
    /// Their Hello came.
    pub(crate) greeted: bool,
    /// Admitted both ways, and ops are equal.
    pub(crate) linked: bool,
    /// The ops they hold, by our index.
    pub(crate) their_ops: FixedBitSet,
    /// We left, and they said that they heard.
    pub(crate) knows_we_left: bool,
    /// We left: closed then, if they do not do it.
    pub(crate) farewell: Option<Instant>,
    /// Ops they named that are not held here.
    pub(crate) lacking: Vec<OpId>,
    /// Their digest of the frontier, from their Hello.
    pub(crate) their_digest: [u8; 32],
    /// Our frontier is sent, and none of theirs came since that would have to be answered.
    pub(crate) said_frontier: bool,
    /// Our frontier was sent once at least.
    pub(crate) has_said_frontier: bool,
    /// When our frontier was last said as an answer, and when the next answer is due, if one is owed.
    pub(crate) answered: Option<Instant>,
    pub(crate) answer_due: Option<Instant>,
    /// In a large group: new entries are pushed to them, or only told.
    pub(crate) is_eager: bool,
    /// The same the other way round.
    pub(crate) is_fed: bool,
    /// Frontiers were found equal, or theirs came.
    pub(crate) heard_frontier: bool,
    /// All they could give was taken in once.
    pub(crate) settled: bool,
    /// The newest entry of every author that they are known to hold.
    pub(crate) tips: BTreeMap<MemberId, u32>,
    /// Below this, they cannot give us more of an author.
    pub(crate) floors: BTreeMap<MemberId, u64>,
    /// Since when we wait to ask them of an author, because others are asked.
    pub(crate) waits: BTreeMap<MemberId, Instant>,
    /// Single entries that they hold and we may lack.
    wanted_ids: BTreeSet<EntryId>,
    /// What we asked them for; empty when nothing is under way.
    pub(crate) asked: Vec<SeqRange>,
    /// The single entries among it.
    pub(crate) asked_ids: BTreeSet<EntryId>,
    /// Since when.
    pub(crate) asked_at: Option<Instant>,
    /// Requests for ops in the second that began then.
    ops_wants: (Instant, u32),
    /// Loads under way for them.
    pub(crate) serving: usize,
    /// What is to be advertised to them, and when.
    pub(crate) have: Vec<Tip>,
    pub(crate) have_due: Option<Instant>,
    /// How many of their Pings in a row told of something else than we hold.
    pub(crate) unlike: u32,
    /// Ours and theirs, when they last told.
    pub(crate) unlike_as: (u64, u64),
    /// When a Ping of theirs was last looked at.
    pub(crate) looked: Instant,
    /// When they were last heard, and when we last said that we are here.
    pub(crate) heard: Instant,
    pub(crate) pinged: Instant,
}

impl Up {
    pub(crate) fn new(
        member: MemberId,
        session: Box<Session>,
        (role, path, ends): (Role, Path, Ends),
        now: Instant,
    ) -> Self {
        Self {
            member,
            role,
            path,
            ends,
            session,
            reassembly: Reassembly::default(),
            said_hello: false,
            hello_is_stale: false,
            greeted: false,
            linked: false,
            their_ops: FixedBitSet::new(),
            knows_we_left: false,
            farewell: None,
            lacking: Vec::new(),
            their_digest: [0; 32],
            said_frontier: false,
            has_said_frontier: false,
            answered: None,
            answer_due: None,
            is_eager: true,
            is_fed: true,
            heard_frontier: false,
            settled: false,
            tips: BTreeMap::new(),
            floors: BTreeMap::new(),
            waits: BTreeMap::new(),
            wanted_ids: BTreeSet::new(),
            asked: Vec::new(),
            asked_ids: BTreeSet::new(),
            asked_at: None,
            ops_wants: (now, 0),
            serving: 0,
            have: Vec::new(),
            have_due: None,
            heard: now,
            unlike: 0,
            unlike_as: (0, 0),
            looked: Instant(0),
            pinged: now,
        }
    }

    /// Seals a message for this link; the result must be sent before anything sealed later.
    pub(crate) fn seal(&mut self, message: &LinkMsg) -> Result<Vec<u8>, Reject> {
        frame::seal(&mut self.session, &message.encode())
    }

    /// Seals messages that stand behind their lengths already.
    #[cfg(test)]
    pub(crate) fn seal_plain(&mut self, messages: &[u8]) -> Vec<u8> {
        frame::seal_plain(&mut self.session, messages).unwrap()
    }

    /// Opens a frame and gives the messages that it completes.
    pub(crate) fn open(&mut self, sealed: &[u8]) -> Result<Vec<LinkMsg>, Reject> {
        self.reassembly.push(&mut self.session, sealed)?;
        let mut messages = Vec::new();
        while let Some(bytes) = self.reassembly.next()? {
            messages.push(LinkMsg::decode(&bytes)?);
        }
        Ok(messages)
    }

    /// Whether they may ask for ops once more in this second.
    pub(crate) fn may_ask_ops(&mut self, now: Instant) -> bool {
        if self.ops_wants.0.after_ms(1000) <= now {
            self.ops_wants = (now, 0);
        }
        self.ops_wants.1 = self.ops_wants.1.saturating_add(1);
        self.ops_wants.1 <= OPS_WANTS_PER_SECOND
    }

    /// Notes a single entry to be asked for.
    pub(crate) fn want_id(&mut self, id: EntryId) {
        if self.wanted_ids.len() < IDS_MAX && !self.asked_ids.contains(&id) {
            self.wanted_ids.insert(id);
        }
    }

    /// The single entries to ask for now.
    pub(crate) fn take_wanted_ids(&mut self) -> BTreeSet<EntryId> {
        core::mem::take(&mut self.wanted_ids)
    }

    /// Whether something was asked for and no answer came yet.
    pub(crate) fn is_asking(&self) -> bool {
        self.asked_at.is_some()
    }

    /// Notes that they hold an author's `seq`-th entry.
    pub(crate) fn note_held(&mut self, author: MemberId, seq: u32) {
        let tip = self.tips.entry(author).or_insert(seq);
        *tip = (*tip).max(seq);
    }

    /// Whether they are known to hold an author's `seq`-th entry, or a newer one.
    pub(crate) fn is_known_to_hold(&self, author: &MemberId, seq: u32) -> bool {
        self.tips.get(author).is_some_and(|tip| *tip >= seq)
    }

    /// Of two links to one member, whether `self` stays. Between the same two peers direct beats relayed,
    /// then stays the one whose initiator has the smaller PeerId; otherwise the newer one, for a peer that is
    /// gone does not come back under its old PeerId.
    pub(crate) fn stays_against_newer(&self, newer: &Self) -> bool {
        let crossed = self.ends.initiator == newer.ends.responder
            && self.ends.responder == newer.ends.initiator;
        let is_same = crossed || self.ends == newer.ends;
        match (self.path == Path::Relayed, newer.path == Path::Relayed) {
            (false, true) if is_same => true,
            (true, false) if is_same => false,
            _ => crossed && self.ends.initiator < newer.ends.initiator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::Room;

    #[test]
    fn single_entries_are_asked_for_once_and_so_many_at_a_time() {
        let mut room = Room::new(2);
        let (link, _) = room.link(0, 1);
        let up = room.peers[0].up(link).unwrap();
        let id = |n: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_le_bytes());
            EntryId(id)
        };
        up.asked_ids.insert(id(0));
        up.want_id(id(0));
        assert_eq!(up.take_wanted_ids(), BTreeSet::new(), "it is asked for already");
        (0..IDS_MAX + 9).for_each(|n| up.want_id(id(n)));
        assert_eq!(up.take_wanted_ids().len(), IDS_MAX);
        assert_eq!(up.take_wanted_ids().len(), 0);
    }

    #[test]
    fn of_two_links_that_cross_the_one_from_the_smaller_peer_stays_at_both_ends() {
        for first_is_from_smaller in [true, false] {
            let mut room = Room::new(2);
            let (a, b) = if first_is_from_smaller { (0, 1) } else { (1, 0) };
            let (a_old, b_old) = room.link(a, b);
            let (b_new, a_new) = room.link(b, a);
            let mut is_up = |who: usize, link| room.peers[who].up(link).is_some();
            let old = (is_up(a, a_old), is_up(b, b_old));
            let new = (is_up(a, a_new), is_up(b, b_new));
            let stays = (first_is_from_smaller, first_is_from_smaller);
            assert_eq!((old, new), (stays, (!stays.0, !stays.1)));
        }
    }

    /// The member comes back under another PeerId: the link to the old one is dead, whatever the PeerIds are.
    #[test]
    fn a_link_to_a_peer_that_is_gone_gives_way_to_one_from_where_its_member_is_now() {
        let mut rooms = [Room::new(2), Room::new(2)];
        let links = rooms.each_mut().map(|room| room.link(0, 1).0);
        let [old, new] = &mut rooms;
        let old = old.peers[0].up(links[0]).unwrap();
        let new = new.peers[0].up(links[1]).unwrap();
        let ends = |initiator: u8, responder: u8| Ends {
            initiator: vec![initiator],
            responder: vec![responder],
        };
        for (before, after, stays) in [
            (ends(5, 1), ends(9, 5), false),
            (ends(5, 1), ends(5, 9), false),
            (ends(1, 5), ends(9, 5), false),
            (ends(1, 5), ends(5, 9), false),
            (ends(5, 9), ends(9, 5), true),
            (ends(9, 5), ends(5, 9), false),
            (ends(5, 9), ends(5, 9), false),
        ] {
            (old.ends, new.ends) = (before.clone(), after.clone());
            assert_eq!(old.stays_against_newer(new), stays, "{before:?} {after:?}");
        }
    }

    #[test]
    fn forty_questions_for_ops_in_a_second_are_answered() {
        let mut room = Room::new(2);
        let (link, _) = room.link(0, 1);
        let up = room.peers[0].up(link).unwrap();
        let asks = |up: &mut Up, ms: u64| (0..50).filter(|_| up.may_ask_ops(Instant(ms))).count();
        assert_eq!(asks(up, 10_000), 40);
        assert_eq!(asks(up, 10_999), 0, "the second is not over");
        assert_eq!(asks(up, 11_000), 40);
    }
}
