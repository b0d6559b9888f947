//! Quiet hours, weekdays and holidays of a subscription.

use jiff::{
    ToSpan,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};

use super::timetable::moment;
use crate::{alert::Severity, clock::Timestamp};

/// Quiet times in a row are followed this far: somebody who wants more does not want to be told at all.
const LONGEST: usize = 400;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub quiet: Vec<Quiet>,
    /// Quiet from midnight to midnight.
    pub holidays: Vec<Date>,
    pub zone: TimeZone,
    /// Rings at any hour, and what is worse.
    pub pass: Severity,
    pub then: Then,
}

/// Quiet hours of a day. `to` at or before `from` is on the next day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    pub from: Time,
    pub to: Time,
    /// The days on which it begins; empty: every day.
    pub on: Vec<Weekday>,
}

/// What becomes of that which comes meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Told in one when the quiet time is over.
    Hold,
    /// Not told; only recorded.
    Drop,
}

impl Schedule {
    /// The end of the quiet time that `now` is in; one that leads into another ends with it.
    pub fn quiet_until(&self, now: Timestamp) -> Option<Timestamp> {
        let mut until = self.ends_after(now)?;
        for _ in 0..LONGEST {
            match self.ends_after(until) {
                Some(later) => until = later,
                None => break,
            }
        }
        Some(until)
    }

    /// The latest end of the quiet times that hold `now`.
    fn ends_after(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        let days = [today.checked_sub(1.day()).ok()?, today];
        let quiet = days.iter().flat_map(|day| self.quiet.iter().filter_map(|quiet| quiet.begins_on(*day, &self.zone)));
        let holidays = self.holidays.iter().filter(|day| **day == today).filter_map(|day| whole(*day, &self.zone));
        quiet.chain(holidays).filter(|(from, to)| *from <= now && now < *to).map(|(_, to)| to).max()
    }
}

impl Quiet {
    fn begins_on(&self, day: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.on.is_empty() && !self.on.contains(&day.weekday()) {
            return None;
        }
        let last = if self.to > self.from { day } else { day.tomorrow().ok()? };
        Some((moment(day, self.from, zone)?, moment(last, self.to, zone)?))
    }
}

fn whole(day: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    Some((moment(day, Time::midnight(), zone)?, moment(day.tomorrow().ok()?, Time::midnight(), zone)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEKEND: [Weekday; 2] = [Weekday::Saturday, Weekday::Sunday];

    fn quiet(from: &str, to: &str, on: &[Weekday]) -> Quiet {
        Quiet { from: from.parse().unwrap(), to: to.parse().unwrap(), on: on.to_vec() }
    }

    #[track_caller]
    fn check(quiet: &[Quiet], holidays: &[&str], now: &str, expected: Option<&str>) {
        let schedule = Schedule {
            quiet: quiet.to_vec(),
            holidays: holidays.iter().map(|day| day.parse().unwrap()).collect(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            pass: Severity::Critical,
            then: Then::Hold,
        };
        let until = schedule.quiet_until(now.parse().unwrap()).map(|until| until.to_string());
        assert_eq!(until.as_deref(), expected, "at {now}");
    }

    #[test]
    fn nights_go_over_midnight() {
        let night = [quiet("20:00", "07:00", &[])];
        check(&night, &[], "2026-11-21T18:59:59Z", None);
        check(&night, &[], "2026-11-21T19:00:00Z", Some("2026-11-22T06:00:00Z"));
        check(&night, &[], "2026-11-21T23:30:00Z", Some("2026-11-22T06:00:00Z"));
        check(&night, &[], "2026-11-22T05:59:59Z", Some("2026-11-22T06:00:00Z"));
        check(&night, &[], "2026-11-22T06:00:00Z", None);
        check(&[quiet("12:00", "13:00", &[])], &[], "2026-11-22T11:30:00Z", Some("2026-11-22T12:00:00Z"));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let friday = [quiet("22:00", "06:00", &[Weekday::Friday])];
        check(&friday, &[], "2026-11-20T21:00:00Z", Some("2026-11-21T05:00:00Z"));
        check(&friday, &[], "2026-11-21T04:00:00Z", Some("2026-11-21T05:00:00Z"));
        check(&friday, &[], "2026-11-21T21:00:00Z", None);
        check(&friday, &[], "2026-11-20T04:00:00Z", None);
    }

    #[test]
    fn quiet_times_that_touch_are_one() {
        // Friday's night, the weekend, Sunday's night: quiet from Friday evening until Monday morning.
        let times = [quiet("20:00", "07:00", &[]), quiet("00:00", "00:00", &WEEKEND)];
        check(&times, &[], "2026-11-20T19:00:00Z", Some("2026-11-23T06:00:00Z"));
        check(&times, &[], "2026-11-22T12:00:00Z", Some("2026-11-23T06:00:00Z"));
        check(&times, &["2026-11-23"], "2026-11-22T12:00:00Z", Some("2026-11-24T06:00:00Z"));
        check(&times, &[], "2026-11-23T12:00:00Z", None);
    }

    #[test]
    fn holidays_are_quiet_from_midnight_to_midnight() {
        check(&[], &["2026-12-25", "2026-12-26"], "2026-12-25T00:00:00Z", Some("2026-12-26T23:00:00Z"));
        check(&[], &["2026-12-25"], "2026-12-24T22:59:59Z", None);
        check(&[], &["2026-12-25"], "2026-12-24T23:00:00Z", Some("2026-12-25T23:00:00Z"));
        check(&[], &[], "2026-12-25T12:00:00Z", None);
    }

    #[test]
    fn the_clocks_change_in_a_quiet_night() {
        // One hour shorter in March, one longer in October; 02:30 is not in one and twice in the other.
        let night = [quiet("20:00", "07:00", &[])];
        check(&night, &[], "2026-03-28T19:00:00Z", Some("2026-03-29T05:00:00Z"));
        check(&night, &[], "2026-10-24T18:00:00Z", Some("2026-10-25T06:00:00Z"));
        let early = [quiet("01:00", "02:30", &[])];
        check(&early, &[], "2026-03-29T00:30:00Z", Some("2026-03-29T01:30:00Z"));
        check(&early, &[], "2026-10-25T00:00:00Z", Some("2026-10-25T00:30:00Z"));
        check(&early, &[], "2026-10-25T01:15:00Z", None);
    }

    #[test]
    fn what_never_ends_is_cut() {
        let always = [quiet("00:00", "00:00", &[])];
        check(&always, &[], "2026-01-01T12:00:00Z", Some("2027-02-05T23:00:00Z"));
    }
}
