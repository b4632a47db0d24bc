//! Ops between two members: what one has and the other lacks, and Merge when heads grow many.

use fixedbitset::FixedBitSet;
use rand_core::CryptoRng;

use crate::change::{Change, Notice};
use crate::control::{Op, OpBody, Taken};
use crate::encoding::List;
use crate::engine::{Channel, Engine, Event};
use crate::error::Reject;
use crate::ids::{LinkId, OpId};
use crate::limits::{
    BATCH_BYTES, BATCH_OPS_MAX, FUTURE_MS, HEADS_BEFORE_MERGE, HEADS_MAX, MERGE_STEP_MS,
};
use crate::link::{LinkMsg, Ops, OpsWant};
use crate::parking::Parked;
use crate::timers::{Now, minutes_to_unix_ms};

impl<R: CryptoRng> Engine<R> {
    /// The other end named heads: those known here tell what it holds, the rest is asked for.
    pub(crate) fn on_heads(&mut self, now: Now, link: LinkId, heads: &[OpId]) {
        let (known, unknown): (Vec<OpId>, Vec<OpId>) =
            heads.iter().partition(|head| self.dag.contains(head));
        let theirs = self.dag.closure(&known);
        self.note_farewell(link, &theirs);
        let Some(up) = self.up(link) else { return };
        up.their_ops.union_with(&theirs);
        up.lacking = unknown;
        // As many heads as fit may not be all of them.
        if up.lacking.is_empty() && heads.len() < HEADS_MAX {
            self.check_linked(now, link);
        } else {
            self.ask_ops(link);
        }
    }

    pub(crate) fn ask_ops(&mut self, link: LinkId) {
        let have = self.landmarks();
        let parked = self.parking.lacked(|op| self.dag.contains(op));
        let Some(up) = self.up(link) else { return };
        let want = up.lacking.iter().copied().chain(parked);
        let want = OpsWant { have: List::first(have), want: List::first(want) };
        self.send(link, &LinkMsg::OpsWant(want));
    }

    /// Our heads, then ops at distance 1, 2, 4 .. back in the order in which they came.
    fn landmarks(&self) -> Vec<OpId> {
        let mut have = self.dag.heads();
        have.truncate(HEADS_MAX / 2);
        let ids: Vec<_> = self.dag.ids().collect();
        let mut distance = 1_usize;
        while let Some(id) = ids.len().checked_sub(distance).and_then(|at| ids.get(at)) {
            if !have.contains(id) {
                have.push(*id);
            }
            distance = distance.saturating_mul(2);
        }
        have
    }

    /// They ask: everything they lack, ancestors first, in batches.
    pub(crate) fn on_ops_want(
        &mut self,
        now: Now,
        link: LinkId,
        want: &OpsWant,
    ) -> Result<(), Reject> {
        let known: Vec<_> = want.have.iter().filter(|id| self.dag.contains(id)).copied().collect();
        let theirs = self.dag.closure(&known);
        let Some(up) = self.up(link) else { return Ok(()) };
        if !up.may_ask_ops(now.instant) {
            return Err(Reject::Budget);
        }
        self.note_farewell(link, &theirs);
        let Some(up) = self.up(link) else { return Ok(()) };
        // What they say now is the truth: an op sent on a link that broke may not have arrived.
        up.their_ops = theirs;
        self.push_ops(link);
        self.check_linked(now, link);
        Ok(())
    }

    /// Sends a batch of the ops that the other end lacks.
    pub(crate) fn push_ops(&mut self, link: LinkId) {
        let Some(theirs) = self.up(link).map(|up| up.their_ops.clone()) else { return };
        let (mut batch, mut bytes, mut more) = (Vec::new(), 0_usize, false);
        let mut sent = FixedBitSet::with_capacity(self.dag.len());
        for (at, op) in self.dag.except(&theirs) {
            let size = op.size();
            let full = batch.len() >= BATCH_OPS_MAX || bytes.saturating_add(size) > BATCH_BYTES;
            if full && !batch.is_empty() {
                more = true;
                break;
            }
            bytes = bytes.saturating_add(size);
            batch.push(op.clone());
            sent.insert(at);
        }
        if let Some(up) = self.up(link) {
            up.their_ops.union_with(&sent);
        }
        if !batch.is_empty() {
            self.send(link, &LinkMsg::Ops(Ops { ops: List::first(batch), more }));
        }
    }

    /// Ops came.
    pub(crate) fn on_ops(&mut self, now: Now, link: LinkId, ops: Ops) -> Result<(), Reject> {
        let (more, held) = (ops.more, self.dag.len());
        let ids: Vec<_> = ops.ops.iter().map(Op::id).collect();
        self.take_ops(now, ops.ops.into_vec(), Some(link))?;
        let theirs = self.dag.closure(&ids);
        let dag = &self.dag;
        let Some(Channel::Up(up, _)) = self.channels.get_mut(&link) else { return Ok(()) };
        up.their_ops.union_with(&theirs);
        up.lacking.retain(|id| !dag.contains(id));
        // Asking again for a batch that brought nothing would go on for ever.
        let has_grown = dag.len() > held;
        if has_grown && (more || !up.lacking.is_empty()) {
            self.ask_ops(link);
        } else if self.up(link).is_some_and(|up| up.lacking.is_empty()) {
            self.push_ops(link);
        }
        self.check_linked(now, link);
        Ok(())
    }

    /// Takes in ops; new ones become durable together and are passed on at once.
    ///
    /// From a link, the first bad one is that member's fault, and nothing after it is taken. Without one,
    /// bad ones are left out, and the last of them is what is given.
    pub(crate) fn take_ops(
        &mut self,
        now: Now,
        ops: Vec<Op>,
        from: Option<LinkId>,
    ) -> Result<(), Reject> {
        let before = self.dag.members().clone();
        let mut changes = Vec::new();
        let mut fault = Ok(());
        for op in ops {
            match self.take_op(now, op, from, &mut changes) {
                Ok(()) => {}
                Err(reject) => {
                    fault = Err(reject);
                    if from.is_some() {
                        break;
                    }
                }
            }
        }
        if changes.is_empty() {
            return fault;
        }
        let after = self.dag.members().clone();
        for member in after.difference(&before) {
            changes.extend(self.note_arrival(now, *member));
            changes.push(Change::Notice(Notice::MemberJoined(*member)));
        }
        for member in before.difference(&after) {
            changes.push(Change::Notice(Notice::MemberLeft(*member)));
        }
        self.persist(changes);
        if before != after {
            self.on_members_changed();
            self.event(Event::Members);
        }
        self.after_new_ops(now);
        if !after.contains(&self.me.id) {
            self.say_farewell(now);
        }
        fault
    }

    fn take_op(
        &mut self,
        now: Now,
        op: Op,
        from: Option<LinkId>,
        changes: &mut Vec<Change>,
    ) -> Result<(), Reject> {
        let wall = match op.parse() {
            Ok((header, _)) => minutes_to_unix_ms(header.wall),
            // Of a later version: it waits for a build that knows it.
            Err(Reject::Version) => {
                self.park(now, Parked::Op(op), from);
                return Ok(());
            }
            Err(reject) => return Err(reject),
        };
        if wall > now.unix_ms.saturating_add(FUTURE_MS) {
            self.park(now, Parked::Op(op), from);
            return Ok(());
        }
        match self.dag.take(op.clone())? {
            Taken::Known => {}
            Taken::New => {
                let id = op.id();
                changes.push(Change::Op(op));
                if let Some((invite, member)) = self.dag.used_by(&id)
                    && self.dag.invite(&invite).is_some_and(|(author, _)| author == self.me.id)
                {
                    changes.push(Change::Notice(Notice::InviteUsed(invite, member)));
                }
                let at = self.dag.index_of(&id).unwrap_or_default();
                if let Some(up) = from.and_then(|link| self.up(link)) {
                    up.lacking.retain(|lacked| *lacked != id);
                    up.their_ops.grow_and_insert(at);
                }
            }
            Taken::Missing(missing) => {
                if let Some(up) = from.and_then(|link| self.up(link)) {
                    up.lacking.extend(missing);
                    up.lacking.truncate(HEADS_MAX);
                }
                self.park(now, Parked::Op(op), from);
            }
        }
        Ok(())
    }

    /// New ops are held: everyone linked hears of them, and what waited for them is tried again.
    pub(crate) fn after_new_ops(&mut self, now: Now) {
        for link in self.greeted() {
            if self.up(link).is_some_and(|up| up.lacking.is_empty()) {
                self.push_ops(link);
                self.check_linked(now, link);
            }
        }
        for channel in self.channels.values_mut() {
            if let Channel::Up(up, _) = channel
                && up.said_hello
                && !up.greeted
            {
                up.hello_is_stale = true;
            }
        }
        if !self.parking.is_empty() {
            self.unpark(now);
        }
        self.plan_merge(now);
    }

    /// Signs an op of ours on top of all heads, takes it in and passes it on.
    pub(crate) fn sign_op(&mut self, now: Now, body: &OpBody) -> Result<OpId, Reject> {
        if self.clock.is_off(now) && !matches!(body, OpBody::Leave(_)) {
            return Err(Reject::Early);
        }
        let header = self.dag.next_header(&self.me.id, now.minutes());
        // Our clock was ahead once: until it has caught up, nobody would take the op in, and a second
        // one in its place would be a fork of our own chain.
        if minutes_to_unix_ms(header.wall) > now.unix_ms.saturating_add(FUTURE_MS) {
            return Err(Reject::Early);
        }
        let op =
            Op::sign(header, body, |label, parts| self.me.secrets.sign_as_member(label, parts))?;
        let id = op.id();
        self.take_ops(now, vec![op], None)?;
        if self.dag.contains(&id) {
            Ok(id)
        } else {
            Err(Reject::Op("below it is what is not held"))
        }
    }

    /// More than eight heads: each member waits by rank, so that one Merge is enough.
    pub(crate) fn plan_merge(&mut self, now: Now) {
        if self.dag.heads().len() <= HEADS_BEFORE_MERGE {
            self.merge_due = None;
            return;
        }
        let linked = self.ups().filter(|up| up.linked && up.member < self.me.id).count();
        let rank = u64::try_from(linked).unwrap_or(u64::MAX);
        let due = now.instant.after_ms(rank.saturating_mul(MERGE_STEP_MS));
        self.merge_due.get_or_insert(due);
    }

    pub(crate) fn merge(&mut self, now: Now) {
        let is_linked = self.ups().any(|up| up.linked);
        if is_linked && self.dag.heads().len() > HEADS_BEFORE_MERGE {
            // A Merge of ours is valid while we are a member; if we are not, there is nothing to join.
            self.sign_op(now, &OpBody::Merge).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{Peer, Room, at};

    /// How many messages it wants to send.
    fn sends(peer: &mut Peer) -> usize {
        let outputs = std::iter::from_fn(|| peer.poll_output());
        outputs.filter(|output| matches!(output, crate::engine::Output::Transmit { .. })).count()
    }

    fn merge(peer: &Peer, wall: u32) -> Op {
        let header = peer.dag.next_header(&peer.me.id, wall);
        let me = &peer.me;
        Op::sign(header, &OpBody::Merge, |label, parts| me.secrets.sign_as_member(label, parts))
            .unwrap()
    }

    #[test]
    fn whoever_names_only_ops_that_are_held_is_asked_nothing_unless_there_may_be_more() {
        let mut room = Room::new(2);
        let (link, _) = room.link(0, 1);
        let peer = &mut room.peers[0];
        let heads = peer.dag.heads();
        let mut asks = |heads: &[OpId]| {
            peer.on_heads(at(2_000), link, heads);
            sends(peer)
        };
        assert_eq!(asks(&heads), 0);
        assert_eq!(asks(&vec![heads[0]; HEADS_MAX - 1]), 0);
        assert_eq!(asks(&vec![heads[0]; HEADS_MAX]), 1, "as many as fit may not be all");
        assert_eq!(asks(&[OpId([9; 32])]), 1, "one that is not held");
    }

    #[test]
    fn an_op_ten_minutes_ahead_is_taken_in_and_one_further_ahead_waits() {
        let mut room = Room::new(2);
        let op = merge(&room.peers[1], at(0).minutes() + 30);
        let its = minutes_to_unix_ms(at(0).minutes() + 30);
        let peer = &mut room.peers[0];
        let early = Now { unix_ms: its - FUTURE_MS - 1, ..at(0) };
        peer.take_ops(early, vec![op.clone()], None).unwrap();
        assert!(!peer.dag.contains(&op.id()) && peer.tally().parked == 1);
        let in_time = Now { unix_ms: its - FUTURE_MS, ..at(0) };
        peer.take_ops(in_time, vec![op.clone()], None).unwrap();
        assert!(peer.dag.contains(&op.id()));
    }

    #[test]
    fn whose_clock_was_ahead_makes_no_op_until_the_others_would_take_it_in() {
        let mut room = Room::new(1);
        let peer = &mut room.peers[0];
        let ahead = at(30 * 60_000);
        peer.sign_op(ahead, &OpBody::Merge).unwrap();
        let its = minutes_to_unix_ms(ahead.minutes());
        let set_right = |ms: u64| Now { unix_ms: its - FUTURE_MS - ms, ..ahead };
        assert_eq!(peer.sign_op(set_right(1), &OpBody::Merge), Err(Reject::Early));
        assert!(peer.sign_op(set_right(0), &OpBody::Merge).is_ok());
    }

    #[test]
    fn whoever_sends_an_op_that_is_not_valid_is_let_go() {
        let mut room = Room::new(3);
        let (ours, theirs) = room.link(1, 0);
        let mut op = merge(&room.peers[1], at(room.ms).minutes());
        op.sig = merge(&room.peers[2], at(room.ms).minutes()).sig;
        room.force(1, ours, &LinkMsg::Ops(Ops { ops: List::first([op.clone()]), more: false }));
        assert!(!room.peers[0].dag.contains(&op.id()));
        assert!(room.peers[0].up(theirs).is_none());
        // From what waited here it is left out, and nobody is to blame.
        let good = merge(&room.peers[2], at(room.ms).minutes());
        let both = vec![op.clone(), good.clone()];
        let taken = room.peers[0].take_ops(at(room.ms), both, None);
        assert_eq!(taken, Err(Reject::Signature));
        let dag = &room.peers[0].dag;
        assert!(dag.contains(&good.id()) && !dag.contains(&op.id()));
    }
}
