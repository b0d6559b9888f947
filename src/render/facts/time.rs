//! Points in time, as people read them: in their own zone and in UTC.

use jiff::tz::TimeZone;

use crate::clock::{Timestamp, since};

/// `2026-01-15 08:30:00 UTC`
pub fn when(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `Thu 15 Jan 2026, 09:30 CET (08:30 UTC)`, without the bracket where the zone is UTC.
pub fn when_in(time: Timestamp, zone: &TimeZone) -> String {
    let (here, utc) = (time.to_zoned(zone.clone()), time.to_zoned(TimeZone::UTC));
    let told = here.strftime("%a %-d %b %Y, %H:%M %Z").to_string();
    if *zone == TimeZone::UTC || told.ends_with(" UTC") {
        told
    } else if here.date() == utc.date() {
        format!("{told} ({})", utc.strftime("%H:%M UTC"))
    } else {
        format!("{told} ({})", utc.strftime("%a %-d %b, %H:%M UTC"))
    }
}

/// `14:00 UTC` for the rest of the day that is `now`, else `Fri 16 Jan, 09:30 CET`.
pub fn until(time: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let (then, today) = (time.to_zoned(zone.clone()), now.to_zoned(zone.clone()).date());
    then.strftime(if then.date() == today { "%H:%M %Z" } else { "%a %-d %b, %H:%M %Z" }).to_string()
}

/// `07:30` for the axis of a chart, with the day where it covers several.
pub fn tick(time: Timestamp, zone: &TimeZone, days: bool) -> String {
    time.to_zoned(zone.clone()).strftime(if days { "%a %-d %b, %H:%M" } else { "%H:%M" }).to_string()
}

/// True if a span needs days to be told apart.
pub fn over_days(first: Timestamp, last: Timestamp, zone: &TimeZone) -> bool {
    since(first, last).as_secs() >= 24 * 3600
        || first.to_zoned(zone.clone()).date() != last.to_zoned(zone.clone()).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(time: &str, zone: &str, expected: &str) {
        assert_eq!(when_in(time.parse().unwrap(), &TimeZone::get(zone).unwrap()), expected);
    }

    #[test]
    fn times_are_told_in_the_readers_zone_and_in_utc() {
        check("2026-01-15T08:30:00Z", "Europe/Berlin", "Thu 15 Jan 2026, 09:30 CET (08:30 UTC)");
        check("2026-07-05T08:30:59Z", "Europe/Berlin", "Sun 5 Jul 2026, 10:30 CEST (08:30 UTC)");
        check("2026-01-15T23:30:00Z", "Europe/Berlin", "Fri 16 Jan 2026, 00:30 CET (Thu 15 Jan, 23:30 UTC)");
        check("2026-01-15T08:30:00Z", "UTC", "Thu 15 Jan 2026, 08:30 UTC");
        check("2026-01-15T08:30:00Z", "Etc/UTC", "Thu 15 Jan 2026, 08:30 UTC");
        check("2026-01-15T08:30:00Z", "Europe/London", "Thu 15 Jan 2026, 08:30 GMT (08:30 UTC)");
        // Either side of the hour that comes twice.
        check("2026-10-25T00:30:00Z", "Europe/Berlin", "Sun 25 Oct 2026, 02:30 CEST (00:30 UTC)");
        check("2026-10-25T01:30:00Z", "Europe/Berlin", "Sun 25 Oct 2026, 02:30 CET (01:30 UTC)");
        let now: Timestamp = "2026-01-15T08:30:00Z".parse().unwrap();
        for (time, expected) in
            [("2026-01-15T13:00:00Z", "14:00 CET"), ("2026-01-15T23:30:00Z", "Fri 16 Jan, 00:30 CET")]
        {
            assert_eq!(until(time.parse().unwrap(), &TimeZone::get("Europe/Berlin").unwrap(), now), expected);
        }
        for time in [Timestamp::MIN, Timestamp::MAX] {
            when_in(time, &TimeZone::get("Asia/Kathmandu").unwrap());
        }
    }
}
