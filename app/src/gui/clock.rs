//! How a moment is said: by the day it fell on here, never to the second.

use jiff::{Timestamp, Unit, civil::Date, tz::TimeZone};

/// This device's time zone, and what day it is.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    zone: TimeZone,
    today: Date,
    #[cfg(test)]
    standing: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

impl Clock {
    /// By this device's settings.
    pub(crate) fn system() -> Self {
        let zone = TimeZone::system();
        let today = Timestamp::now().to_zoned(zone.clone()).date();
        Self {
            zone,
            today,
            #[cfg(test)]
            standing: None,
        }
    }

    /// A clock that stands at this moment, in UTC, until its hands are moved.
    #[cfg(test)]
    pub(crate) fn standing_at(ms: u64) -> Self {
        let hands = std::sync::Arc::new(ms.into());
        let utc = Self { zone: TimeZone::UTC, today: Date::ZERO, standing: Some(hands) };
        let today = utc.day(ms);
        Self { today, ..utc }
    }

    /// The hands of a standing clock.
    #[cfg(test)]
    pub(crate) fn hands(&self) -> std::sync::Arc<std::sync::atomic::AtomicU64> {
        self.standing.clone().unwrap()
    }

    /// What time it is, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        #[cfg(test)]
        if let Some(hands) = &self.standing {
            return hands.load(std::sync::atomic::Ordering::Relaxed);
        }
        u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
    }

    /// The day it is.
    pub(crate) const fn today(&self) -> Date {
        self.today
    }

    /// Notices that a new day has begun.
    pub(crate) fn tick(&mut self) {
        self.today = self.day(self.now_ms());
    }

    /// The day a moment fell on.
    pub(crate) fn day(&self, ms: u64) -> Date {
        self.at(ms).date()
    }

    /// `09:41`
    pub(crate) fn time(&self, ms: u64) -> String {
        self.at(ms).strftime("%H:%M").to_string()
    }

    /// `Today`, `Yesterday`, `Tuesday`, `27 November`, `27 November 2025`
    pub(crate) fn day_name(&self, ms: u64) -> String {
        let day = self.day(ms);
        match self.days_ago(day) {
            0 => "Today".to_owned(),
            1 => "Yesterday".to_owned(),
            2..=6 => day.strftime("%A").to_string(),
            _ => self.date(ms),
        }
    }

    /// `09:41` today, then `Tue`, then `27 Nov`.
    pub(crate) fn short(&self, ms: u64) -> String {
        let day = self.day(ms);
        match self.days_ago(day) {
            0 => self.time(ms),
            1..=6 => day.strftime("%a").to_string(),
            _ => day.strftime("%-d %b").to_string(),
        }
    }

    /// `27 November`, with the year when it is another one.
    pub(crate) fn date(&self, ms: u64) -> String {
        let day = self.day(ms);
        let format = if day.year() == self.today.year() { "%-d %B" } else { "%-d %B %Y" };
        day.strftime(format).to_string()
    }

    /// How many days ago it was; negative when it is to come.
    fn days_ago(&self, day: Date) -> i32 {
        self.today.since((Unit::Day, day)).map_or(i32::MAX, |span| span.get_days())
    }

    /// A remote clock may say anything: what no calendar holds counts as 1970.
    fn at(&self, ms: u64) -> jiff::Zoned {
        let ms = i64::try_from(ms).unwrap_or(0);
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Friday 20 November 2026, 09:42 UTC.
    const NOW_MS: u64 = 1_795_167_720_000;
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    #[test]
    fn a_day_is_named_as_people_name_it() {
        let clock = Clock::standing_at(NOW_MS);
        assert_eq!(clock.time(NOW_MS), "09:42");
        assert_eq!(clock.day_name(NOW_MS), "Today");
        assert_eq!(clock.day_name(NOW_MS - DAY_MS), "Yesterday");
        assert_eq!(clock.day_name(NOW_MS - 3 * DAY_MS), "Tuesday");
        assert_eq!(clock.day_name(NOW_MS - 20 * DAY_MS), "31 October");
        assert_eq!(clock.day_name(NOW_MS - 400 * DAY_MS), "16 October 2025");
        assert_eq!(clock.date(NOW_MS + 7 * DAY_MS), "27 November");
        assert_eq!(clock.short(NOW_MS - 3 * DAY_MS), "Tue");
    }

    #[test]
    fn a_moment_that_no_calendar_holds_is_shown_all_the_same() {
        let clock = Clock::standing_at(NOW_MS);
        assert_eq!(clock.date(u64::MAX), "1 January 1970");
    }
}
