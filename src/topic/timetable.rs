//! Times of day in a place: when digests are sent. Days are the calendar's, so a day may have 23 or 25 hours.

use jiff::{
    ToSpan,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};

use crate::clock::Timestamp;

/// Further ahead than any timetable's next time: a weekday, whatever the clocks do.
const DAYS: i32 = 9;

/// When a digest is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    /// Never empty.
    pub at: Vec<Time>,
    /// Empty: every day.
    pub on: Vec<Weekday>,
    pub zone: TimeZone,
}

impl Timetable {
    /// The first time after `now`. One that the clocks leave out is told when they have moved on; of one that
    /// they show twice the first counts.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        let today = now.to_zoned(self.zone.clone()).date();
        let times = (-1..=DAYS).flat_map(|day| self.on(today, day));
        times.filter(|time| *time > now).min().unwrap_or(Timestamp::MAX)
    }

    /// The last time before `now`.
    pub fn previous(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        let times = (-DAYS..=1).flat_map(|day| self.on(today, day));
        times.filter(|time| *time < now).max()
    }

    /// Its times on one day, so many after `today`.
    fn on(&self, today: Date, day: i32) -> Vec<Timestamp> {
        let Ok(date) = today.checked_add(day.days()) else { return Vec::new() };
        if !self.on.is_empty() && !self.on.contains(&date.weekday()) {
            return Vec::new();
        }
        self.at.iter().filter_map(|at| moment(date, *at, &self.zone)).collect()
    }
}

/// When the clocks in `zone` show this: after a gap if they never do, the first of two if they do twice.
pub fn moment(date: Date, at: Time, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_zoned(date.to_datetime(at)).compatible().ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_DAY: &str = "";

    /// `at` and `on` as in a configuration, separated by spaces.
    #[track_caller]
    fn check(zone: &str, at: &str, on: &str, now: &str, expected: &str) {
        let times = at.split(' ').map(|at| at.parse().unwrap()).collect();
        let days = on.split_whitespace().map(|day| match day {
            "monday" => Weekday::Monday,
            "friday" => Weekday::Friday,
            "sunday" => Weekday::Sunday,
            other => panic!("{other}"),
        });
        let table = Timetable { at: times, on: days.collect(), zone: TimeZone::get(zone).unwrap() };
        let now: Timestamp = now.parse().unwrap();
        let next = table.next(now);
        assert_eq!(next.to_string(), expected, "after {now}");
        assert!(table.previous(next).unwrap() <= now, "nothing is between {now} and {next}");
    }

    #[test]
    fn the_next_time_is_the_first_that_comes() {
        check("UTC", "07:30", EVERY_DAY, "2026-11-21T07:29:59Z", "2026-11-21T07:30:00Z");
        check("UTC", "07:30", EVERY_DAY, "2026-11-21T07:30:00Z", "2026-11-22T07:30:00Z");
        check("UTC", "16:00 07:30", EVERY_DAY, "2026-11-21T08:00:00Z", "2026-11-21T16:00:00Z");
        check("UTC", "00:00", EVERY_DAY, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z");
        check("Europe/Berlin", "07:30", EVERY_DAY, "2026-11-21T06:00:00Z", "2026-11-21T06:30:00Z");
        // Local days begin before UTC's in the east, and after them in the west.
        check("Pacific/Auckland", "00:30", EVERY_DAY, "2026-11-21T11:00:00Z", "2026-11-21T11:30:00Z");
        check("America/Los_Angeles", "23:30", EVERY_DAY, "2026-11-22T07:00:00Z", "2026-11-22T07:30:00Z");
    }

    #[test]
    fn weekdays_are_those_of_the_place() {
        // The 21st of November 2026 is a Saturday.
        check("UTC", "07:30", "monday", "2026-11-21T07:29:59Z", "2026-11-23T07:30:00Z");
        check("UTC", "07:30", "monday", "2026-11-23T07:30:00Z", "2026-11-30T07:30:00Z");
        check("UTC", "07:30", "monday friday", "2026-11-23T07:30:00Z", "2026-11-27T07:30:00Z");
        check("Pacific/Auckland", "06:00", "sunday", "2026-11-21T10:00:00Z", "2026-11-21T17:00:00Z");
    }

    #[test]
    fn days_of_23_and_25_hours_have_one_digest_each() {
        // On the 29th of March 02:00 to 03:00 is left out: 02:30 is told at 03:30 summer time.
        check("Europe/Berlin", "02:30", EVERY_DAY, "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z");
        check("Europe/Berlin", "02:30", EVERY_DAY, "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z");
        // On the 25th of October 02:30 comes twice: the first counts, and no second digest follows.
        check("Europe/Berlin", "02:30", EVERY_DAY, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
        check("Europe/Berlin", "02:30", EVERY_DAY, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
        // The same hour of the day is another moment in summer.
        check("Europe/Berlin", "07:30", EVERY_DAY, "2026-03-28T12:00:00Z", "2026-03-29T05:30:00Z");
        check("Europe/Berlin", "07:30", EVERY_DAY, "2026-10-24T12:00:00Z", "2026-10-25T06:30:00Z");
    }
}
