//! Time as an argument: the core never asks for it.

/// A point on the driver's monotonic clock, in milliseconds since an instant of its choosing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// This instant and `ms` milliseconds; stops at the end of time rather than wrap.
    #[must_use]
    pub const fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// What time it is, said with every input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For deadlines: never goes back.
    pub instant: Instant,
    /// For what people see: the wall clock, in milliseconds since 1970-01-01 UTC. May jump.
    pub unix_ms: u64,
}

/// Milliseconds from 1970-01-01 to 2020-01-01, both UTC.
const EPOCH_2020_MS: u64 = 1_577_836_800_000;

impl Now {
    /// Minutes since 2020-01-01 UTC, the unit of control ops (docs/protocol.md, "Encoding").
    #[must_use]
    pub fn minutes(self) -> u32 {
        u32::try_from(self.unix_ms.saturating_sub(EPOCH_2020_MS) / 60_000).unwrap_or(u32::MAX)
    }

    /// Whole minutes since 1970, the unit of an invitation's end.
    #[must_use]
    pub fn unix_minutes(self) -> u32 {
        u32::try_from(self.unix_ms / 60_000).unwrap_or(u32::MAX)
    }
}

/// Milliseconds since 1970 of a time given in minutes since 2020.
#[must_use]
pub fn minutes_to_unix_ms(minutes: u32) -> u64 {
    u64::from(minutes).saturating_mul(60_000).saturating_add(EPOCH_2020_MS)
}
