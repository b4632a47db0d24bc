//! Times as they stand in `kith rpc`: RFC 3339 in UTC.

use jiff::Timestamp;

/// What this device's clock says, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// A time to the whole minute, cut: clocks are advisory, and seconds tell more than people need.
pub(crate) fn minute(unix_ms: u64) -> String {
    show(unix_ms - unix_ms % 60_000)
}

/// A time to the millisecond.
pub(crate) fn exact(unix_ms: u64) -> String {
    show(unix_ms)
}

/// A time that no calendar holds, from a clock gone mad, is shown as the beginning.
fn show(unix_ms: u64) -> String {
    let millis = i64::try_from(unix_ms).unwrap_or(0);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_utc_and_cut_to_the_minute() {
        assert_eq!(minute(1_795_176_059_999), "2026-11-20T12:00:00Z");
        assert_eq!(exact(1_795_176_059_500), "2026-11-20T12:00:59.5Z");
        assert_eq!(minute(u64::MAX), "1970-01-01T00:00:00Z");
    }
}
