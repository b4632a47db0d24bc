//! How much of one author is taken in before everyone else's turn comes: a burst, refilled by the hour.
//!
//! Over it an author's entries are not lost: they wait behind those of the others. Budgets count against
//! authors, never against whoever passes their entries on (docs/protocol.md, "Gossip").

use std::collections::BTreeMap;

use crate::ids::MemberId;
use crate::limits::{BURST_BYTES, BURST_ENTRIES, HOURLY_BYTES, HOURLY_ENTRIES};
use crate::timers::Instant;

const HOUR_MS: u64 = 3600 * 1000;

/// What one author has used up. Both fall with time, as the hourly allowance says.
#[derive(Debug, Clone, Copy)]
struct Used {
    entries: u64,
    bytes: u64,
    since: Instant,
}

/// What every author has used up.
#[derive(Debug, Default)]
pub(crate) struct Budgets(BTreeMap<MemberId, Used>);

impl Budgets {
    /// Counts an entry of this many bytes.
    pub(crate) fn charge(&mut self, now: Instant, author: MemberId, bytes: usize) {
        let used = self.refreshed(now, &author);
        let bytes = used.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let entries = used.entries.saturating_add(1);
        self.0.insert(author, Used { entries, bytes, ..used });
    }

    /// Whether an author has to wait for the others.
    pub(crate) fn is_over(&self, now: Instant, author: &MemberId) -> bool {
        let used = self.refreshed(now, author);
        used.entries > BURST_ENTRIES || used.bytes > BURST_BYTES
    }

    /// By how much of a burst an author has used up: whoever has the least comes first.
    pub(crate) fn used(&self, now: Instant, author: &MemberId) -> u64 {
        let used = self.refreshed(now, author);
        let share = |used: u64, of: u64| used.saturating_mul(1000).checked_div(of).unwrap_or(0);
        share(used.entries, BURST_ENTRIES).max(share(used.bytes, BURST_BYTES))
    }

    fn refreshed(&self, now: Instant, author: &MemberId) -> Used {
        let Some(used) = self.0.get(author) else {
            return Used { entries: 0, bytes: 0, since: now };
        };
        let passed = now.0.saturating_sub(used.since.0);
        let refill = |hourly: u64| hourly.saturating_mul(passed) / HOUR_MS;
        let (entries, bytes) = (refill(HOURLY_ENTRIES), refill(HOURLY_BYTES));
        // What is less than one entry's worth of time is not lost: it is counted the next time.
        if entries == 0 {
            return *used;
        }
        Used {
            entries: used.entries.saturating_sub(entries),
            bytes: used.bytes.saturating_sub(bytes),
            since: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_six_hundred_an_hour() {
        let (mut budgets, author) = (Budgets::default(), MemberId([1; 32]));
        for _ in 0..BURST_ENTRIES {
            budgets.charge(Instant(0), author, 100);
        }
        assert!(!budgets.is_over(Instant(0), &author));
        budgets.charge(Instant(0), author, 100);
        assert!(budgets.is_over(Instant(0), &author));
        assert!(!budgets.is_over(Instant(0), &MemberId([2; 32])), "nobody else");
        assert!(budgets.is_over(Instant(5_999), &author));
        assert!(!budgets.is_over(Instant(6_000), &author), "one every six seconds");
    }

    #[test]
    fn bytes_count_too() {
        let (mut budgets, author) = (Budgets::default(), MemberId([1; 32]));
        for _ in 0..128 {
            budgets.charge(Instant(0), author, 64 * 1024);
        }
        assert!(!budgets.is_over(Instant(0), &author));
        budgets.charge(Instant(0), author, 64 * 1024);
        assert!(budgets.is_over(Instant(0), &author));
    }
}
