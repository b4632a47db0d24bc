//! Links in the engine: opened, admitted, greeted, kept alive, closed.
//!
//! ```text
//! Opening -> Up -> (both Hellos) greeted -> (ops equal, their card durable) linked
//! ```

use rand_core::CryptoRng;

use crate::address::Card;
use crate::change::{Change, Notice, Path};
use crate::encoding::List;
use crate::engine::{Channel, Engine, Event};
use crate::error::Reject;
use crate::ids::{LinkId, MemberId};
use crate::limits::{
    ASKED_MS, CARD_EVERY_MS, FUTURE_MS, HANDSHAKE_MS, LINKS_PER_MINUTE, OPENINGS_MAX,
    OPENINGS_PER_PEER, PING_MS, SILENT_MS, VERSION,
};
use crate::link::frame::Deframer;
use crate::link::{ANSWER_LEN, Ends, Hello, LinkMsg, Opened, Opening, Up};
use crate::noise::Role;
use crate::timers::{Instant, Now};

impl<R: CryptoRng> Engine<R> {
    pub(crate) fn on_link_opened(&mut self, now: Now, link: LinkId, how: (Role, Path, Ends)) {
        let (role, path, ends) = how;
        let state = match role {
            Role::Initiator => {
                let (state, send) = Opening::initiate(&self.pairs, &ends, &mut self.rng);
                self.transmit(link, send);
                state
            }
            Role::Responder => Opening::Listening,
        };
        let due = now.instant.after_ms(HANDSHAKE_MS);
        let deframer = Deframer::default();
        self.make_room(role, &ends);
        self.channels.insert(link, Channel::Opening { state, role, ends, path, deframer, due });
    }

    /// Strangers may open streams and say nothing: few at a time from one peer, and few in all, of
    /// which the oldest goes first, and those with hints that fit a member last. What we opened ourselves and what
    /// is admitted stays.
    fn make_room(&mut self, role: Role, from: &Ends) {
        if role == Role::Initiator {
            return;
        }
        let accepted = |channel: &Channel| match channel {
            Channel::Opening { role: Role::Responder, ends, state, .. } => {
                Some((ends.initiator == from.initiator, matches!(state, Opening::Listening)))
            }
            Channel::Opening { .. } | Channel::Up(..) | Channel::Joining(..) => None,
        };
        let openings: Vec<_> = self
            .channels
            .iter()
            .filter_map(|(link, channel)| Some((*link, accepted(channel)?)))
            .collect();
        let of_peer = openings.iter().filter(|(_, (is_of_peer, _))| *is_of_peer);
        let oldest = if of_peer.clone().count() >= OPENINGS_PER_PEER {
            of_peer.map(|(link, _)| *link).next()
        } else if openings.len() >= OPENINGS_MAX {
            let unknown = openings.iter().find(|(_, (_, may_be_anyone))| *may_be_anyone);
            unknown.or_else(|| openings.first()).map(|(link, _)| *link)
        } else {
            None
        };
        if let Some(oldest) = oldest {
            self.close(oldest);
        }
    }

    /// Bytes came on any stream.
    pub(crate) fn on_received(
        &mut self,
        now: Now,
        link: LinkId,
        bytes: &[u8],
    ) -> Result<(), Reject> {
        match self.channels.get_mut(&link) {
            None => return Ok(()),
            Some(
                Channel::Opening { deframer, .. }
                | Channel::Up(_, deframer)
                | Channel::Joining(_, deframer),
            ) => deframer.push(bytes),
        }
        // Whatever a message does to the stream decides how the next bytes are read.
        while let Some(message) = self.next_message(link) {
            match self.channels.remove(&link) {
                None => return Ok(()),
                Some(Channel::Opening { state, role, ends, path, deframer, due }) => {
                    let opened =
                        state.advance(&message, &ends, (&self.me, &self.pairs), &mut self.rng)?;
                    match opened {
                        Opened::Next(state, send) => {
                            let next = Channel::Opening { state, role, ends, path, deframer, due };
                            self.channels.insert(link, next);
                            self.transmit(link, send);
                        }
                        Opened::Admitted { member, session, send } => {
                            self.transmit(link, send);
                            let up = Up::new(member, session, (role, path, ends), now.instant);
                            self.on_admitted(now, link, up, deframer);
                        }
                        Opened::Stranger(send) => {
                            self.transmit(link, send);
                            self.close(link);
                        }
                    }
                }
                Some(Channel::Up(mut up, deframer)) => {
                    let messages = up.open(&message);
                    up.heard = now.instant;
                    self.channels.insert(link, Channel::Up(up, deframer));
                    for message in messages? {
                        self.on_message(now, link, message)?;
                    }
                }
                Some(Channel::Joining(admission, deframer)) => {
                    self.on_join_frame(now, link, (*admission, deframer), &message)?;
                }
            }
        }
        Ok(())
    }

    fn next_message(&mut self, link: LinkId) -> Option<Vec<u8>> {
        match self.channels.get_mut(&link)? {
            Channel::Opening { state, deframer, .. } if state.awaits_raw() => {
                deframer.next_raw(ANSWER_LEN)
            }
            Channel::Opening { deframer, .. }
            | Channel::Up(_, deframer)
            | Channel::Joining(_, deframer) => deframer.next(),
        }
    }

    /// A member is at the other end. Of two links to one member, one stays.
    fn on_admitted(&mut self, now: Now, link: LinkId, up: Up, deframer: Deframer) {
        if !self.dag.members().contains(&up.member) {
            return self.close(link); // Their membership ended while they shook hands.
        }
        let (since, count) = self.admitted.entry(up.member).or_insert((now.instant, 0));
        if since.after_ms(60_000) <= now.instant {
            (*since, *count) = (now.instant, 0);
        }
        *count = count.saturating_add(1);
        if *count > LINKS_PER_MINUTE {
            return self.close(link);
        }
        let other = self
            .channels
            .iter()
            .find(|(_, channel)| matches!(channel, Channel::Up(old, _) if old.member == up.member))
            .map(|(other, _)| *other);
        if let Some(other) = other {
            if self.up(other).is_some_and(|old| old.stays_against_newer(&up)) {
                return self.close(link);
            }
            self.close(other);
        }
        let speaks_first = up.role == Role::Initiator;
        self.channels.insert(link, Channel::Up(Box::new(up), deframer));
        if speaks_first {
            self.say_hello(now, link);
        }
    }

    fn say_hello(&mut self, now: Now, link: LinkId) {
        let Some(member) = self.up(link).map(|up| up.member) else { return };
        let card = self.own_card(now);
        let hello = Hello {
            v: VERSION,
            now: now.minutes(),
            caps: 0,
            card,
            heads: List::first(self.dag.heads()),
            group: self.digest_for(&member),
            lane: [0; 32],
        };
        self.send(link, &LinkMsg::Hello(Box::new(hello)));
        if let Some(up) = self.up(link) {
            up.said_hello = true;
        }
    }

    fn on_message(&mut self, now: Now, link: LinkId, message: LinkMsg) -> Result<(), Reject> {
        let Some(up) = self.up(link) else { return Ok(()) };
        let is_first = !up.greeted;
        if matches!(message, LinkMsg::Hello(_)) != is_first {
            return Err(Reject::OutOfTurn);
        }
        if self.has_left() && !matters_to_leaver(&message) {
            return Ok(());
        }
        match message {
            LinkMsg::Hello(hello) => self.on_hello(now, link, *hello),
            LinkMsg::Card(card) => {
                self.take_card(now, link, card);
                Ok(())
            }
            LinkMsg::InviteKey(key) => {
                self.on_invite_key(link, key);
                Ok(())
            }
            LinkMsg::OpsWant(want) => self.on_ops_want(now, link, &want),
            LinkMsg::Ops(ops) => self.on_ops(now, link, ops),
            LinkMsg::Frontier(frontier) => self.on_frontier(now, link, frontier),
            LinkMsg::Want(want) => self.on_want(link, want),
            LinkMsg::Entries(entries) => self.on_entries(now, link, entries),
            LinkMsg::Have(have) => self.on_have(now, link, &have),
            LinkMsg::Ping(digest) => {
                self.on_ping(now, link, digest);
                Ok(())
            }
            LinkMsg::Pong(_) => Ok(()),
            LinkMsg::Prune => {
                if let Some(up) = self.up(link) {
                    up.is_eager = false;
                }
                Ok(())
            }
        }
    }

    fn on_hello(&mut self, now: Now, link: LinkId, hello: Hello) -> Result<(), Reject> {
        let Some(up) = self.up(link) else { return Ok(()) };
        if hello.v != VERSION {
            return Err(Reject::Version);
        }
        if hello.card.member != up.member {
            return Err(Reject::Foreign);
        }
        up.greeted = true;
        up.their_digest = hello.group;
        let (member, replies) = (up.member, !up.said_hello);
        self.clock.heard(now, member, hello.now);
        self.take_card(now, link, hello.card);
        if replies {
            self.say_hello(now, link);
        }
        self.on_heads(now, link, &hello.heads);
        if self.up(link).is_some_and(|up| up.hello_is_stale) {
            // They may hold what came meanwhile, and then nothing else would tell them that we do too.
            self.push_ops(link);
            self.ask_ops(link);
            self.check_linked(now, link);
        }
        Ok(())
    }

    /// Takes in a member's card, if it is newer than the one held, and passes it on.
    ///
    /// One that does not verify is nobody's fault here: whoever passed it on may know a subkey that we
    /// do not. It is ignored, and comes again with its member's own Hello.
    fn take_card(&mut self, now: Now, link: LinkId, card: Card) {
        let is_older = self.cards.get(&card.member).is_some_and(|held| held.wall >= card.wall);
        // A clock far ahead would pin these addresses for good.
        let is_early = card.wall > now.unix_ms.saturating_add(FUTURE_MS);
        // Each is written and passed on to everyone: one of a member in five seconds is enough, and it comes
        // again with their Hello.
        let last = self.cards_at.get(&card.member);
        let is_hasty = last.is_some_and(|last| now.instant < last.after_ms(CARD_EVERY_MS));
        if card.member == self.me.id || is_older || is_early || is_hasty {
            return;
        }
        let group = self.me.group;
        if !self.dag.all_subkeys(&card.member).any(|msk| card.verify(&group, &msk).is_ok()) {
            return;
        }
        self.cards_at.insert(card.member, now.instant);
        self.cards.insert(card.member, card.clone());
        self.persist(vec![Change::Card(card.clone())]);
        self.event(Event::Members);
        for other in self.greeted() {
            let is_theirs = self.up(other).is_some_and(|up| up.member == card.member);
            if other != link && !is_theirs {
                self.send(other, &LinkMsg::Card(card.clone()));
            }
        }
    }

    /// Our addresses changed: everyone linked hears it.
    pub(crate) fn on_reachable(&mut self, now: Now, addrs: Vec<crate::address::Addr>) {
        if self.reachable == addrs {
            return;
        }
        self.reachable = addrs;
        self.own_card = None;
        let card = self.own_card(now);
        for link in self.greeted() {
            self.send(link, &LinkMsg::Card(card.clone()));
        }
    }

    /// This device's card: the same one until something in it changes, for a newer one travels to
    /// everyone; renewed twice a day, so that it shows how lately it was true.
    fn own_card(&mut self, now: Now) -> Card {
        const RENEW_MS: u64 = 12 * 3600 * 1000;
        let is_fresh = |card: &Card| now.unix_ms.abs_diff(card.wall) < RENEW_MS;
        match self.own_card.take().filter(is_fresh) {
            Some(card) => self.own_card.insert(card).clone(),
            None => self.own_card.insert(Card::new(&self.me, &self.reachable, now)).clone(),
        }
    }

    /// Passes on the names of those the other end may not have met.
    pub(crate) fn send_cards(&mut self, link: LinkId) {
        let member = self.up(link).map(|up| up.member);
        let members = self.dag.members();
        let cards: Vec<_> = self
            .cards
            .values()
            .filter(|card| Some(card.member) != member && members.contains(&card.member))
            .cloned()
            .collect();
        for card in cards {
            self.send(link, &LinkMsg::Card(card));
        }
    }

    /// Seals a message and sends it. What does not fit is a bug of ours and closes the link.
    pub(crate) fn send(&mut self, link: LinkId, message: &LinkMsg) {
        let Some(up) = self.up(link) else { return };
        match up.seal(message) {
            Ok(bytes) => self.transmit(link, bytes),
            Err(_too_long) => self.close(link),
        }
    }

    /// Says that a link is up, once it is: admitted both ways, ops equal, their card durable.
    pub(crate) fn check_linked(&mut self, now: Now, link: LinkId) {
        let everything = self.dag.everything();
        let Some(up) = self.up(link) else { return };
        if up.linked
            || !up.greeted
            || !up.lacking.is_empty()
            || !everything.is_subset(&up.their_ops)
        {
            return;
        }
        up.linked = true;
        self.plan_merge(now);
        let Some(up) = self.up(link) else { return };
        let (member, path): (MemberId, Path) = (up.member, up.path);
        self.note_met(member);
        self.persist(vec![Change::Notice(Notice::LinkUp(member, path))]);
        self.event(Event::LinkUp(link, member, path));
        self.send_cards(link);
        self.send_invite_keys(now, link);
        self.begin_catch_up(now, link);
    }

    /// Says that we are here, and what we hold in eight bytes: at a constant rate, so that it tells nobody
    /// on the way whether anything is said.
    fn ping(&mut self, now: Now, link: LinkId) {
        let Some(up) = self.up(link) else { return };
        up.pinged = now.instant;
        self.pings = self.pings.saturating_add(1);
        let Some(up) = self.up(link) else { return };
        let (member, is_linked) = (up.member, up.linked);
        let digest = if is_linked { self.short_digest_for(&member) } else { 0 };
        self.send(link, &LinkMsg::Ping(digest));
    }

    /// What they hold is not what we hold: who lacks what is seen from the frontiers.
    fn on_ping(&mut self, now: Now, link: LinkId, digest: u64) {
        let Some(up) = self.up(link) else { return };
        let is_quiet = up.linked && up.heard_frontier && !up.is_asking() && up.have.is_empty();
        let member = up.member;
        // Each costs us a look at everything they may read: not more often than they are due.
        if digest == 0 || !is_quiet || now.instant < up.looked.after_ms(PING_MS / 2) {
            return;
        }
        up.looked = now.instant;
        let ours = self.short_digest_for(&member);
        let Some(up) = self.up(link) else { return };
        let is_same_as_before =
            core::mem::replace(&mut up.unlike_as, (ours, digest)) == (ours, digest);
        up.unlike = match (ours == digest, is_same_as_before) {
            (true, _) => 0,
            (false, true) => up.unlike.saturating_add(1),
            // Something else is missing than before: that is no reason to wait longer.
            (false, false) => up.unlike.min(1).saturating_add(1),
        };
        // Once is no wonder: words may be on their way. What never goes away is said ever more rarely.
        if up.unlike > 1 && up.unlike.is_power_of_two() {
            self.say_frontier(link);
        }
    }

    fn short_digest_for(&mut self, member: &MemberId) -> u64 {
        self.digest_for(member).first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    pub(crate) fn channel_timeout(channel: &Channel) -> Option<Instant> {
        match channel {
            Channel::Opening { due, .. } => Some(*due),
            Channel::Up(up, _) => {
                let ping = up.said_hello.then(|| up.pinged.after_ms(PING_MS));
                let silent = up.heard.after_ms(SILENT_MS);
                let asked = up.asked_at.map(|at| at.after_ms(ASKED_MS));
                [up.have_due, up.answer_due, up.farewell, asked, ping]
                    .into_iter()
                    .flatten()
                    .chain([silent])
                    .min()
            }
            Channel::Joining(admission, _) => Some(admission.due()),
        }
    }

    pub(crate) fn on_channel_tick(&mut self, now: Now, link: LinkId) {
        let is_due = |due: Instant| due <= now.instant;
        match self.channels.get(&link) {
            Some(Channel::Opening { due, .. }) if is_due(*due) => self.close(link),
            Some(Channel::Joining(admission, _)) if is_due(admission.due()) => self.close(link),
            Some(Channel::Up(up, _)) => {
                let gave_no_answer = up.asked_at.is_some_and(|at| is_due(at.after_ms(ASKED_MS)));
                let is_over = up.farewell.is_some_and(is_due);
                if is_due(up.heard.after_ms(SILENT_MS)) || gave_no_answer || is_over {
                    return self.close(link);
                }
                // The responder says nothing before the initiator's Hello (Noise, section 7.7).
                let ping = up.said_hello && is_due(up.pinged.after_ms(PING_MS));
                let have = up.have_due.is_some_and(is_due);
                if have {
                    self.advertise(link);
                }
                self.answer_frontier(now, link);
                if ping {
                    self.ping(now, link);
                }
            }
            Some(Channel::Opening { .. } | Channel::Joining(..)) | None => {}
        }
    }
}

/// What whoever left still listens to: whatever else is said is not theirs to hear.
const fn matters_to_leaver(message: &LinkMsg) -> bool {
    matches!(message, LinkMsg::Hello(_) | LinkMsg::OpsWant(_) | LinkMsg::Ops(_) | LinkMsg::Ping(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Addr;
    use crate::engine::{Command, Input, Output, Purpose};
    use crate::hostile::{Peer, Room, at};
    use crate::ids::RequestId;

    fn command(peer: &mut Peer, ms: u64, command: Command) -> (Vec<Change>, usize) {
        peer.handle(at(ms), Input::Command { request: RequestId(0), command });
        let (mut changes, mut sent) = (Vec::new(), 0);
        while let Some(output) = peer.poll_output() {
            match output {
                Output::Persist(some) => changes.extend(some),
                Output::Transmit { .. } => sent += 1,
                Output::Load { .. } | Output::Close(_) | Output::Event(_) => {}
            }
        }
        (changes, sent)
    }

    #[test]
    fn where_someone_can_be_reached_now_is_heard_by_everyone_linked_and_once() {
        let mut room = Room::new(3);
        room.link(0, 1);
        room.link(2, 0);
        room.ms += CARD_EVERY_MS;
        let addr = Addr::Tcp4([1; 4], 4001);
        let reachable = Command::Reachable(vec![addr.clone()]);
        room.input(0, Input::Command { request: RequestId(0), command: reachable.clone() });
        let founder = [room.peers[0].me.id].into();
        for other in [1, 2] {
            let known = room.peers[other].addresses_of(&founder);
            assert_eq!(known, std::slice::from_ref(&addr), "person {other}");
        }
        let ms = room.ms + CARD_EVERY_MS;
        assert_eq!(command(&mut room.peers[0], ms, reachable).1, 0, "nothing has changed");
        assert_eq!(command(&mut room.peers[0], ms, Command::Reachable(vec![])).1, 2);
    }

    #[test]
    fn where_someone_was_met_is_written_once_and_tried_first() {
        let mut room = Room::new(2);
        let member = room.peers[1].me.id;
        let addr = |n: u8| Addr::Tcp4([n; 4], 4001);
        let founder = &mut room.peers[0];
        let met = |n| Command::Met(member, addr(n));
        assert_eq!(command(founder, 0, met(1)).0, [Change::Met(member, addr(1))]);
        assert_eq!(command(founder, 0, met(1)).0, []);
        assert_eq!(command(founder, 0, met(2)).0, [Change::Met(member, addr(2))]);
        assert!(founder.unreached().eq([(member, vec![addr(2)])]));
    }

    #[test]
    fn a_card_stays_the_same_for_twelve_hours() {
        let mut room = Room::new(2);
        let founder = room.peers[0].me.id;
        let mut made = |ms| {
            room.ms = ms;
            room.link(0, 1);
            room.peers[1].cards[&founder].wall - at(0).unix_ms
        };
        let half_a_day = 12 * 3600 * 1000;
        assert_eq!(made(1_000), 1_000);
        assert_eq!(made(1_000 + half_a_day - 1), 1_000);
        assert_eq!(made(1_000 + half_a_day), 1_000 + half_a_day);
    }

    #[test]
    fn a_stream_over_which_nobody_is_let_in_within_ten_seconds_is_closed() {
        for purpose in [Purpose::Link, Purpose::Join] {
            let mut room = Room::new(1);
            let peer = &mut room.peers[0];
            let (link, role, path) = (LinkId(1), Role::Responder, Path::Lan);
            let ends = Ends { initiator: vec![1], responder: vec![2] };
            peer.handle(at(0), Input::Opened { link, role, purpose, ends, path });
            assert_eq!(peer.poll_timeout(), Some(Instant(HANDSHAKE_MS)));
            peer.handle(at(HANDSHAKE_MS - 1), Input::Tick);
            assert_eq!(peer.tally().channels, 1);
            peer.handle(at(HANDSHAKE_MS), Input::Tick);
            assert_eq!(peer.tally().channels, 0);
        }
    }

    #[test]
    fn what_two_hold_is_compared_by_pings_and_said_ever_more_rarely_while_it_stays_unlike() {
        let mut room = Room::new(3);
        let (ours, theirs) = room.link(1, 0);
        room.wait(PING_MS / 2 + 2_000);
        let mut ms = room.ms;
        let [first, second] = &mut room.peers[..2] else { panic!() };
        let equal = first.short_digest_for(&second.me.id);
        assert_eq!(equal, second.short_digest_for(&first.me.id));
        assert_ne!(equal, 0, "which would tell nothing");
        let mut says = |digest: u64, after_ms| {
            ms += after_ms;
            let bytes = second.up(ours).unwrap().seal(&LinkMsg::Ping(digest)).unwrap();
            first.handle(at(ms), Input::Received { link: theirs, bytes });
            let frontiers = std::iter::from_fn(|| first.poll_output())
                .filter(|output| matches!(output, Output::Transmit { .. }))
                .count();
            (first.up(theirs).unwrap().unlike, frontiers)
        };
        assert_eq!(says(0, PING_MS / 2), (0, 0), "who is not linked yet tells nothing");
        assert_eq!(says(equal, PING_MS / 2), (0, 0));
        assert_eq!(says(7, PING_MS / 2 - 1), (0, 0), "sooner than it is due");
        let told: Vec<_> = (0..8).map(|_| says(7, PING_MS / 2)).collect();
        let told_frontiers: Vec<_> = told.iter().map(|(_, frontiers)| *frontiers).collect();
        assert_eq!(told_frontiers, [0, 1, 0, 1, 0, 0, 0, 1]);
        assert_eq!(told.last(), Some(&(8, 1)));
        assert_eq!(says(8, PING_MS / 2), (2, 1), "something else is missing");
        assert_eq!(says(equal, PING_MS / 2), (0, 0));
    }

    /// Hands over what one has to send, and gives how many pieces that were.
    fn hand_over(from: &mut Peer, to: &mut Peer, link: LinkId) -> usize {
        let mut pieces = 0;
        while let Some(output) = from.poll_output() {
            if let Output::Transmit { bytes, .. } = output {
                pieces += 1;
                to.handle(at(1), Input::Received { link, bytes });
            }
        }
        pieces
    }

    /// What the responder says before the initiator's first message could be for someone who replays the
    /// initiator's handshake (Noise, section 7.7).
    #[test]
    fn whoever_is_called_says_nothing_before_whoever_calls() {
        let mut room = Room::new(2);
        let [caller, called] = &mut room.peers[..] else { panic!() };
        let link = LinkId(1);
        let ends = Ends { initiator: vec![1], responder: vec![2] };
        for (peer, role) in [(&mut *caller, Role::Initiator), (&mut *called, Role::Responder)] {
            let (purpose, path, ends) = (Purpose::Link, Path::Lan, ends.clone());
            peer.handle(at(0), Input::Opened { link, role, purpose, ends, path });
        }
        assert_eq!(hand_over(caller, called, link), 1, "hints");
        assert_eq!(hand_over(called, caller, link), 1, "the answer to them");
        assert_eq!(hand_over(caller, called, link), 1, "a handshake message");
        assert!(called.up(link).is_some(), "to the called one it is a link now");
        assert_eq!(hand_over(called, caller, link), 1, "a handshake message and nothing else");
        called.handle(at(PING_MS), Input::Tick);
        assert_eq!(hand_over(called, caller, link), 0, "not even that they are here");
        // The caller said Hello: what is news after that, the Hello did not tell.
        assert!(caller.up(link).is_some_and(|up| up.said_hello && !up.hello_is_stale));
        caller.after_new_ops(at(1));
        assert!(caller.up(link).is_some_and(|up| up.hello_is_stale));
        hand_over(caller, called, link);
        assert!(called.up(link).is_some_and(|up| up.said_hello && up.greeted));
        called.after_new_ops(at(1));
        assert!(called.up(link).is_some_and(|up| !up.hello_is_stale));
    }
}
