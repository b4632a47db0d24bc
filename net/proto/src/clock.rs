//! How our clock compares with those of the members we are linked with. Advisory: nothing secret rests on
//! it (docs/protocol.md, "Clocks").

use std::collections::BTreeMap;

use crate::ids::MemberId;
use crate::limits::{CLOCK_OFF_MINUTES, SILENT_MS};
use crate::timers::{Instant, Now};

/// What linked members said their clocks showed.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// In minutes since 2020, and when they said it.
    heard: BTreeMap<MemberId, (u32, Instant)>,
    /// A moment by both of our clocks.
    noted: Option<Now>,
}

impl Clock {
    /// Notes what time it is. Whether the wall clock ran on without the other, for longer than a link lives in
    /// silence: this device slept, or its clock was set.
    pub(crate) fn ran_on(&mut self, now: Now) -> bool {
        self.noted.replace(now).is_some_and(|before| {
            let ran = now.instant.0.saturating_sub(before.instant.0);
            now.unix_ms.saturating_sub(before.unix_ms) > ran.saturating_add(SILENT_MS)
        })
    }

    /// A member said what time it is, in minutes since 2020.
    pub(crate) fn heard(&mut self, now: Now, member: MemberId, theirs: u32) {
        self.heard.insert(member, (theirs, now.instant));
    }

    /// A member is linked no more.
    pub(crate) fn forget(&mut self, member: &MemberId) {
        self.heard.remove(member);
    }

    /// By how many minutes most clocks, ours among them, are ahead of ours; none while that is little, or
    /// while fewer than two others could tell: one alone could tell anything.
    fn off(&self, now: Now) -> Option<i64> {
        if self.heard.len() < 2 {
            return None;
        }
        // Their clocks went on since; ours may have been set.
        let ahead = |(theirs, then): &(u32, Instant)| {
            let passed = now.instant.0.saturating_sub(then.0) / 60_000;
            let shows = i64::from(*theirs).saturating_add_unsigned(passed);
            shows.saturating_sub(i64::from(now.minutes()))
        };
        let mut all: Vec<_> = self.heard.values().map(ahead).chain([0]).collect();
        all.sort_unstable();
        // Of two in the middle, the one that is nearer to ours.
        let middle = all.len() / 2;
        let lower = if all.len().is_multiple_of(2) { middle.saturating_sub(1) } else { middle };
        let [lower, upper] = [lower, middle].map(|at| all.get(at).copied().unwrap_or(0));
        let median = if lower.saturating_abs() < upper.saturating_abs() { lower } else { upper };
        (median.saturating_abs() > CLOCK_OFF_MINUTES).then_some(median)
    }

    /// Whether our clock is so far off that no op should bear its time.
    pub(crate) fn is_off(&self, now: Now) -> bool {
        self.off(now).is_some()
    }

    /// The time to put on an entry, in milliseconds since 1970: ours, or that of most others if it is
    /// earlier. Never a later one: an entry that is ahead of everyone's clock is taken in by nobody, and
    /// those who lie could see to that.
    pub(crate) fn clamped(&self, now: Now) -> u64 {
        let ahead = self.off(now).map_or(0, |minutes| minutes.min(0).unsigned_abs());
        now.unix_ms.saturating_sub(ahead.saturating_mul(60_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_slow_or_set_back_ran_on_no_more_than_one_that_just_runs() {
        let mut clock = Clock::default();
        let at = |instant, unix_ms| Now { instant: Instant(instant), unix_ms };
        let times = [(0, 10_000_000), (5, 10_059_000), (900_000, 10_900_000), (900_001, 2_000_000)];
        for (instant, unix_ms) in times {
            assert!(!clock.ran_on(at(instant, unix_ms)), "{unix_ms}");
        }
        let woke = 2_000_000 + SILENT_MS + 1_000;
        assert!(clock.ran_on(at(900_002, woke)));
        assert!(!clock.ran_on(at(900_003, woke + 1)), "once");
    }

    #[test]
    fn one_liar_moves_no_clock_and_two_that_agree_do() {
        let now = Now { instant: Instant(0), unix_ms: 1_795_176_000_000 };
        let (mut clock, minutes) = (Clock::default(), now.minutes());
        clock.heard(now, MemberId([1; 32]), 0);
        assert_eq!(clock.clamped(now), now.unix_ms, "a liar alone");
        clock.heard(now, MemberId([2; 32]), minutes + 1);
        assert!(!clock.is_off(now), "a liar and an honest one");
        clock.heard(now, MemberId([1; 32]), minutes - 60);
        clock.heard(now, MemberId([2; 32]), minutes - 61);
        assert!(clock.is_off(now));
        assert_eq!(clock.clamped(now), now.unix_ms - 60 * 60_000);
        // Ours is set right, or theirs would have gone on as far.
        let later = Now { instant: Instant(3_600_000), unix_ms: now.unix_ms };
        assert!(!clock.is_off(later), "an hour later by our own reckoning");
        clock.forget(&MemberId([2; 32]));
        assert!(!clock.is_off(now));
    }

    #[test]
    fn of_many_clocks_the_one_in_the_middle_tells_and_five_minutes_are_nothing() {
        let now = Now { instant: Instant(0), unix_ms: 1_795_176_000_000 };
        let off = |ahead: &[i64]| {
            let mut clock = Clock::default();
            for (member, ahead) in (0..).zip(ahead) {
                let theirs = u32::try_from(i64::from(now.minutes()) + ahead).unwrap();
                clock.heard(now, MemberId([member; 32]), theirs);
            }
            clock.off(now)
        };
        assert_eq!(off(&[5, 5]), None);
        assert_eq!(off(&[6, 6]), Some(6));
        assert_eq!(off(&[-6, -6]), Some(-6));
        assert_eq!(off(&[-90, 7, 8, 9]), Some(7), "of five");
        assert_eq!(off(&[8, 9, 90]), Some(8), "of two in the middle the one nearer to ours");
        assert_eq!(off(&[-8, -9, -90]), Some(-8));
        assert_eq!(off(&[-90, 90, 90, 90]), Some(90), "however far");
        assert_eq!(off(&[0, 90, 90]), None, "ours is one of the two");
    }
}
