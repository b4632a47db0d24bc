//! Who is dialled, and when; and when nobody is left to be dialled, for this device has left.
//!
//! ```text
//! left -> linked members hear of it, the others are still sought -> everyone was told, or 14 days -> over
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libp2p::swarm::dial_opts::DialOpts;
use proto::{LinkId, MemberId};
use rand::RngExt as _;
use tokio::time::Instant;

use super::GroupTask;
use crate::address;
use crate::node::now;

/// A link that lived for so long is no sign of trouble when it ends.
const STEADY: Duration = Duration::from_secs(60);
/// First and last pause between two tries to reach a member.
const REDIAL_FIRST: Duration = Duration::from_secs(1);
const REDIAL_LAST: Duration = Duration::from_secs(30);
/// The last pause for someone who could not be reached for so long: when they come they dial us at once.
const REDIAL_AWAY: Duration = Duration::from_secs(10 * 60);
const AWAY: Duration = Duration::from_secs(30 * 60);
/// The last pause of a device that left: whoever heard of it from others does not answer any more.
const TELL_LAST: Duration = Duration::from_secs(15 * 60);
/// By how much more than the other clock the wall clock must have run for the device to have slept.
const SLEPT_MS: u64 = 60_000;
/// How long the last bytes may take on their way.
const LINGER: Duration = Duration::from_secs(10);

/// When to try a member again.
struct Redial {
    /// Since when they are sought.
    since: Instant,
    at: Instant,
    pause: Duration,
}

/// What came of trying to reach members.
#[derive(Default)]
pub(super) struct Seeking {
    redials: BTreeMap<MemberId, Redial>,
    up_since: BTreeMap<LinkId, (MemberId, Instant)>,
    /// A moment by both clocks.
    noted: Option<(Instant, u64)>,
    /// When all is over; none while someone is linked or sought.
    over_at: Option<Instant>,
}

impl Seeking {
    /// This device is somewhere else, or woke up: everyone is sought as if they had just gone.
    pub(super) fn begin_again(&mut self) {
        self.redials.clear();
    }

    /// Notes what time it is. A device that slept finds that its wall clock ran and nothing else did.
    fn note_time(&mut self, at: Instant, unix_ms: u64) {
        let slept = self.noted.is_some_and(|(before, unix_before)| {
            let ran = u64::try_from((at - before).as_millis()).unwrap_or(u64::MAX);
            unix_ms.saturating_sub(unix_before) > ran.saturating_add(SLEPT_MS)
        });
        self.noted = Some((at, unix_ms));
        if slept {
            self.begin_again();
        }
    }

    pub(super) fn on_link_up(&mut self, link: LinkId, member: MemberId) {
        if let Some(redial) = self.redials.get_mut(&member) {
            redial.since = Instant::now();
            redial.pause = redial.pause.min(REDIAL_LAST);
        }
        self.up_since.insert(link, (member, Instant::now()));
    }

    pub(super) fn on_link_down(&mut self, link: LinkId, member: MemberId) {
        let since = self.up_since.remove(&link).map(|(_, since)| since);
        if since.is_some_and(|since| since.elapsed() >= STEADY) {
            self.redials.remove(&member);
        }
    }
}

impl GroupTask {
    /// Whether this device left, and nobody is left to tell.
    pub(super) fn is_over(&mut self) -> bool {
        let is_quiet = self.engine.has_left()
            && self.streams.is_empty()
            && self.engine.unreached().next().is_none();
        if !is_quiet {
            self.seeking.over_at = None;
            return false;
        }
        let now = Instant::now();
        *self.seeking.over_at.get_or_insert(now + LINGER) <= now
    }

    /// Tries every member to whom no link is up and whose time has come.
    pub(super) fn redial(&mut self) {
        let now = Instant::now();
        self.seeking.note_time(now, crate::node::now().unix_ms);
        let own: BTreeSet<_> = self.swarm.listeners().filter_map(address::from_multiaddr).collect();
        let has_left = self.engine.has_left();
        let unreached: Vec<_> = self.engine.unreached().collect();
        for (member, addrs) in unreached {
            let redial = self.seeking.redials.entry(member).or_insert_with(|| Redial {
                since: now,
                // Two who lost each other at once would else dial each other at once, from the same ports.
                at: now + REDIAL_FIRST.mul_f64(0.05 + 0.45 * rand::rng().random::<f64>()),
                pause: REDIAL_FIRST,
            });
            if redial.at > now {
                continue;
            }
            // Half to one and a half times the pause: two who lost each other do not collide again.
            redial.at = now + redial.pause.mul_f64(0.5 + rand::rng().random::<f64>());
            redial.pause = (redial.pause * 2).min(match now - redial.since {
                _ if has_left => TELL_LAST,
                away if away >= AWAY => REDIAL_AWAY,
                _ => REDIAL_LAST,
            });
            for addr in addrs.iter().filter(|addr| !own.contains(addr)) {
                if let Some(address) = address::to_multiaddr(addr) {
                    let dial = DialOpts::unknown_peer_id().address(address).build();
                    // An address that cannot be dialled is one more that does not answer.
                    self.swarm.dial(dial).ok();
                }
            }
        }
    }

    /// The next time that something is due: the engine's, a redial, or the end.
    pub(super) fn next_wake(&self) -> Instant {
        let asleep = Instant::now() + REDIAL_LAST;
        let engine = self.engine.poll_timeout().map(|at| {
            let ms = at.0.saturating_sub(now().instant.0);
            Instant::now() + Duration::from_millis(ms)
        });
        let redials = self.engine.unreached().map(|(member, _)| {
            // Whoever was never tried is tried soon.
            self.seeking.redials.get(&member).map_or_else(Instant::now, |redial| redial.at)
        });
        redials.chain(engine).chain(self.seeking.over_at).min().unwrap_or(asleep).min(asleep)
    }
}

#[cfg(test)]
mod tests {
    use proto::{Change, Command, Engine, Founding, GroupParams, Input, Now, RequestId};

    use super::*;

    #[test]
    fn whoever_woke_up_seeks_everyone_anew() {
        let mut seeking = Seeking::default();
        let member = MemberId([1; 32]);
        let at = Instant::now();
        let away = Redial { since: at, at: at + REDIAL_AWAY, pause: REDIAL_AWAY };
        seeking.note_time(at, 1_000_000);
        seeking.redials.insert(member, away);
        // Ten minutes by both clocks, and the wall clock set back, are no sleep.
        seeking.note_time(at + Duration::from_secs(600), 1_600_000);
        seeking.note_time(at + Duration::from_secs(601), 2_000);
        assert!(seeking.redials.contains_key(&member));
        seeking.note_time(at + Duration::from_secs(602), 3_600_000);
        assert!(seeking.redials.is_empty());
    }

    #[test]
    fn nobody_is_told_of_a_leave_after_14_days() {
        let founding = Founding {
            name: "Tuesday".into(),
            reason: "Company.".into(),
            agreement: String::new(),
            pseudonym: "Wren".into(),
            params: GroupParams::default(),
        };
        let (me, genesis) = founding.begin(now(), &mut rand::rng()).unwrap();
        let mut engine = Engine::new(me, rand::rng(), [Change::Op(genesis)]).unwrap();
        let in_days = |days: u64| Now { unix_ms: now().unix_ms + days * 86_400_000, ..now() };
        assert!(!engine.is_over(in_days(400)), "of a member there is nothing to tell");
        let (request, command) = (RequestId(0), Command::Leave);
        engine.handle(now(), Input::Command { request, command });
        assert!(!engine.is_over(in_days(13)));
        assert!(engine.is_over(in_days(14)));
    }
}
