//! Counting newcomers in, and leaving.

use fixedbitset::FixedBitSet;
use rand_core::CryptoRng;

use crate::change::{Arrival, Change, Compared};
use crate::control::{Leave, OpBody, Welcome};
use crate::encoding::List;
use crate::engine::{Done, Engine};
use crate::error::{Refusal, Reject};
use crate::ids::{LinkId, MemberId};
use crate::limits::{FAREWELL_MS, LEAVE_TOLD_MS, WELCOME_AFTER_MS, WELCOMES_PER_SPONSOR};
use crate::link::{LinkMsg, OpsWant};
use crate::timers::{Now, minutes_to_unix_ms};

impl<R: CryptoRng> Engine<R> {
    /// A person counts someone in. Twice is once.
    pub(crate) fn welcome(&mut self, now: Now, member: MemberId) -> Result<Done, Refusal> {
        if self.dag.has_welcomed(&self.me.id, &member) {
            return Ok(Done::Nothing);
        }
        if !self.may_sign {
            return Err(Refusal::NotYet);
        }
        match self.sign_op(now, &OpBody::Welcome(Welcome { member })) {
            Ok(_) => Ok(Done::Nothing),
            Err(reject) => Err(self.refusal(now, reject, Refusal::NotToWelcome)),
        }
    }

    /// A person does not want to count someone in without being asked.
    pub(crate) fn object(&mut self, now: Now, member: MemberId) -> Result<Done, Refusal> {
        if member == self.me.id || !self.dag.members().contains(&member) {
            return Err(Refusal::NotToWelcome);
        }
        let first_seen_ms =
            self.arrivals.get(&member).map_or(now.unix_ms, |arrival| arrival.first_seen_ms);
        let arrival = Arrival { member, first_seen_ms, is_objected: true };
        self.arrivals.insert(member, arrival);
        self.persist(vec![Change::Arrival(arrival)]);
        Ok(Done::Nothing)
    }

    /// A person compared words with someone, and they were the same.
    pub(crate) fn verify(&mut self, member: MemberId) -> Result<Done, Refusal> {
        if member == self.me.id || !self.dag.members().contains(&member) {
            return Err(Refusal::NoSuchMember);
        }
        let joined_with = self.compared.get(&member).and_then(|compared| compared.joined_with);
        self.keep_compared(Compared { member, joined_with, is_verified: true });
        Ok(Done::Nothing)
    }

    pub(crate) fn keep_compared(&mut self, compared: Compared) {
        if self.compared.insert(compared.member, compared) != Some(compared) {
            self.persist(vec![Change::Compared(compared)]);
        }
    }

    /// A link to someone is up: whoever was let in knows more of the group than before.
    pub(crate) fn note_met(&mut self, member: MemberId) {
        if let Some(arriving) = &mut self.arriving
            && arriving.meet(member)
        {
            let change = Change::Arriving(*arriving);
            self.persist(vec![change]);
        }
    }

    /// Someone is seen here for the first time.
    pub(crate) fn note_arrival(&mut self, now: Now, member: MemberId) -> Option<Change> {
        if self.arrivals.contains_key(&member) {
            return None;
        }
        let arrival = Arrival { member, first_seen_ms: now.unix_ms, is_objected: false };
        self.arrivals.insert(member, arrival);
        Some(Change::Arrival(arrival))
    }

    /// Whoever came a week ago and was not objected to is counted in, at most two of one sponsor in a
    /// week: people had the time to look.
    pub(crate) fn welcome_those_due(&mut self, now: Now) {
        if !self.may_sign || self.clock.is_off(now) {
            return;
        }
        let mut due: Vec<_> = self
            .arrivals
            .values()
            .filter(|arrival| {
                !arrival.is_objected
                    && now.unix_ms >= arrival.first_seen_ms.saturating_add(WELCOME_AFTER_MS)
            })
            .map(|arrival| (arrival.first_seen_ms, arrival.member))
            .collect();
        due.sort_unstable();
        let a_week_ago = now.unix_ms.saturating_sub(WELCOME_AFTER_MS);
        for (_, member) in due {
            if !self.dag.awaits_welcome_by(&self.me.id, &member) {
                continue;
            }
            let is_enough = self.dag.sponsors_of(&member).into_iter().any(|sponsor| {
                let lately = self.dag.welcomed_by(&self.me.id).filter(|(wall, welcomed)| {
                    minutes_to_unix_ms(*wall) > a_week_ago
                        && self.dag.sponsors_of(welcomed).contains(&sponsor)
                });
                lately.count() >= WELCOMES_PER_SPONSOR
            });
            if !is_enough {
                // What is not valid now is tried again the next time.
                self.sign_op(now, &OpBody::Welcome(Welcome { member })).ok();
            }
        }
    }

    /// Ends this device's membership: what was said up to here is pinned, and everyone linked hears of it,
    /// says so, and closes the link.
    pub(crate) fn leave(&mut self, now: Now) -> Result<Done, Refusal> {
        if self.may_sign {
            self.sign_outbox(now);
        }
        let last = self.log.chain(&self.me.id).map(|chain| (chain.seq, chain.id));
        match self.sign_op(now, &OpBody::Leave(Leave { last })) {
            Ok(_) => Ok(Done::Nothing),
            Err(Reject::Early) => Err(Refusal::ClockWentBack),
            Err(_reject) => Err(Refusal::Bad("not while the group is as it is")),
        }
    }

    /// This device is no member any more: the others, who were pushed why, are to say that they heard. Who
    /// did not leave has nothing to wait for.
    pub(crate) fn say_farewell(&mut self, now: Now) {
        let has_left = self.has_left();
        for link in self.greeted() {
            match self.up(link) {
                Some(up) if has_left => {
                    up.farewell.get_or_insert_with(|| now.instant.after_ms(FAREWELL_MS));
                }
                _ => self.close(link),
            }
        }
    }

    /// Whoever is at the other end holds these ops: if our Leave is among them, they need not be told again.
    pub(crate) fn note_farewell(&mut self, link: LinkId, theirs: &FixedBitSet) {
        if self.dag.members().contains(&self.me.id) {
            return;
        }
        let leave = self.dag.left_by(&self.me.id).and_then(|leave| self.dag.index_of(&leave));
        if let (Some(at), Some(up)) = (leave, self.up(link)) {
            up.knows_we_left |= theirs.contains(at);
        }
    }

    /// Says to whoever left that it was heard, before the link is closed: else they would go on telling.
    pub(crate) fn confirm_leave(&mut self, link: LinkId) {
        let Some(member) = self.up(link).filter(|up| up.greeted).map(|up| up.member) else {
            return;
        };
        if let Some(leave) = self.dag.left_by(&member) {
            let want = OpsWant { have: List::first([leave]), want: List::default() };
            self.send(link, &LinkMsg::OpsWant(want));
        }
    }

    /// Whether this device left, by a Leave of its own.
    #[must_use]
    pub fn has_left(&self) -> bool {
        !self.dag.members().contains(&self.me.id) && self.dag.left_at(&self.me.id).is_some()
    }

    /// Whether this device left so long ago that nobody is told any more.
    #[must_use]
    pub fn is_over(&self, now: Now) -> bool {
        self.has_left() && !self.is_leaving(now)
    }

    /// Whether this device left, and some of the others may not have heard of it yet: then they are still
    /// looked for, to tell them.
    pub(crate) fn is_leaving(&self, now: Now) -> bool {
        self.dag.left_at(&self.me.id).is_some_and(|wall| {
            now.unix_ms < minutes_to_unix_ms(wall).saturating_add(LEAVE_TOLD_MS)
        })
    }

    /// Why an op of ours was not made: our clock, too many of them, or what else is to be said.
    pub(crate) fn refusal(&self, now: Now, reject: Reject, otherwise: Refusal) -> Refusal {
        if reject == Reject::Budget {
            Refusal::TooMuchToday
        } else if reject != Reject::Early {
            otherwise
        } else if self.clock.is_off(now) {
            Refusal::ClockIsOff
        } else {
            Refusal::ClockWentBack
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Command, Input};
    use crate::hostile::{Room, at};
    use crate::ids::RequestId;

    fn leave(room: &mut Room, who: usize) -> Vec<Done> {
        let request = RequestId(0);
        room.input(who, Input::Command { request, command: Command::Leave })
    }

    #[test]
    fn who_left_tells_others_for_two_weeks_and_who_did_not_is_never_done() {
        let mut room = Room::new(2);
        let years = at(1 << 40);
        let founder = &room.peers[0];
        assert!(!founder.has_left() && !founder.is_over(years));
        leave(&mut room, 0);
        let founder = &room.peers[0];
        let left = minutes_to_unix_ms(founder.dag.left_at(&founder.me.id).unwrap());
        let after = |ms| Now { unix_ms: left + ms, ..at(0) };
        assert!(founder.has_left());
        assert!(founder.is_leaving(after(LEAVE_TOLD_MS - 1)));
        assert!(!founder.is_over(after(LEAVE_TOLD_MS - 1)));
        assert!(!founder.is_leaving(after(LEAVE_TOLD_MS)) && founder.is_over(after(LEAVE_TOLD_MS)));
    }

    #[test]
    fn who_left_waits_ten_seconds_for_one_who_does_not_say_that_they_heard() {
        let mut room = Room::new(2);
        let (ours, theirs) = room.link(0, 1);
        // Nothing that the second says arrives any more.
        room.links.remove(&(1, theirs));
        leave(&mut room, 0);
        room.wait(FAREWELL_MS - 100);
        assert!(room.peers[0].up(ours).is_some(), "they may yet say it");
        room.wait(100);
        assert!(room.peers[0].up(ours).is_none());
    }

    #[test]
    fn who_left_hears_nothing_more_and_looks_for_nobody_who_knows() {
        let mut room = Room::new(3);
        room.link(0, 1);
        leave(&mut room, 0);
        let lookup = |room: &Room| room.peers[0].unreached().map(|(of, _)| of).collect::<Vec<_>>();
        assert_eq!(lookup(&room), [room.peers[2].me.id], "the second said that they heard");
        let (ours, theirs) = room.link(0, 2);
        assert!(room.peers[0].up(ours).is_none() && room.peers[2].up(theirs).is_none());
        assert_eq!(lookup(&room), [], "so did the third");
    }

    #[test]
    fn with_a_clock_that_is_off_one_can_leave_and_do_nothing_else() {
        let mut room = Room::new(3);
        let now = at(room.ms);
        for other in [1, 2] {
            let id = room.peers[other].me.id;
            room.peers[0].clock.heard(now, id, now.minutes() + 60);
        }
        let founder = &mut room.peers[0];
        let invited = founder.invite(now, 3600, &[]);
        assert_eq!(invited, Err(Refusal::ClockIsOff));
        assert_eq!(founder.sign_op(now, &OpBody::Merge), Err(Reject::Early));
        assert_eq!(founder.leave(now), Ok(Done::Nothing));
        assert!(founder.has_left());
    }

    /// "That cannot be done" was all that was said: who read it tried again and again.
    #[test]
    fn who_did_too_much_in_a_day_is_told_so_and_can_leave_all_the_same() {
        let mut room = Room::new(1);
        let mut last = None;
        while let Ok(made) = room.peers[0].invite(at(room.ms), 3600, &[]) {
            last = Some(made);
        }
        let Some(Done::Invited(invite, _)) = last else { panic!("{last:?}") };
        let founder = &mut room.peers[0];
        assert_eq!(founder.dag.len(), 1 + crate::limits::OPS_PER_DAY_MAX);
        let now = at(room.ms);
        assert_eq!(founder.invite(now, 3600, &[]), Err(Refusal::TooMuchToday));
        assert_eq!(founder.cancel_invite(now, invite), Err(Refusal::TooMuchToday));
        let tomorrow = at(room.ms + 24 * 3600 * 1000);
        assert_eq!(founder.cancel_invite(tomorrow, invite), Ok(Done::Nothing));
        // Who leaves makes no more of them.
        let mut room = Room::new(1);
        let founder = &mut room.peers[0];
        while founder.invite(now, 3600, &[]).is_ok() {}
        assert_eq!(founder.leave(now), Ok(Done::Nothing));
    }

    #[test]
    fn nobody_is_counted_in_before_this_device_knows_what_it_said_before() {
        let mut room = Room::new(3);
        let newcomer = room.peers[2].me.id;
        let later = at(WELCOME_AFTER_MS);
        let peer = &mut room.peers[1];
        let arrival =
            Arrival { member: newcomer, first_seen_ms: at(0).unix_ms, is_objected: false };
        peer.arrivals.insert(newcomer, arrival);
        peer.welcome_those_due(later);
        assert!(!peer.dag.has_welcomed(&peer.me.id, &newcomer), "nobody was met yet");
        peer.may_sign = true;
        peer.welcome_those_due(at(WELCOME_AFTER_MS - 1));
        assert!(!peer.dag.has_welcomed(&peer.me.id, &newcomer), "a week is not over");
        peer.welcome_those_due(later);
        assert!(peer.dag.has_welcomed(&peer.me.id, &newcomer));
    }
}
