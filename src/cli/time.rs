//! Times and spans as people write them: `2h ago`, `yesterday 08:00`, `monday`, `2026-01-15`.
//!
//! One place for all commands. A day without a time is its beginning; the zone is UTC unless named.

use std::time::Duration;

use jiff::{
    SpanRelativeTo, ToSpan,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use crate::clock::{self, Timestamp, WEEKDAYS};

/// What is understood, in the words of an error.
const EXPECTED: &str = "expected a time such as `2h ago`, `yesterday 08:00`, `monday`, `08:00`, `2026-01-15`, \
                        `2026-01-15T08:00:00Z`, or milliseconds since 1970";

/// A stretch of the past.
#[derive(Debug, clap::Args)]
pub(super) struct SpanArgs {
    /// How far back (2h, 30m, 7d), or since when (yesterday, "monday 08:00")
    #[arg(long, value_name = "TIME", conflicts_with = "from")]
    since: Option<String>,
    /// Begin: 2026-01-15, "2026-01-15 08:00", "yesterday 08:00", "2h ago", or milliseconds since 1970
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End, written like the begin (default: now)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Zone of times that name none, and of times that are shown: Europe/Berlin (default: UTC)
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
}

/// What [`SpanArgs`] say.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
    pub zone: TimeZone,
}

impl SpanArgs {
    /// The span; without a begin it is `usual` long. Every problem is told.
    pub fn span(&self, usual: Duration, now: Timestamp) -> Result<Span, Vec<String>> {
        let mut problems = Vec::new();
        let zone = zone(self.timezone.as_deref()).unwrap_or_else(|problem| {
            problems.push(problem);
            TimeZone::UTC
        });
        let mut read = |flag: &str, text: &str| {
            let found = match flag {
                "--since" => since(text, &zone, now),
                _ => moment(flag, text, &zone, now),
            };
            found.map_err(|problem| problems.push(problem)).ok()
        };
        let to = self.to.as_deref().map_or(Some(now), |text| read("--to", text));
        let from = match (&self.from, &self.since) {
            (Some(from), _) => read("--from", from),
            (None, Some(since)) => read("--since", since),
            (None, None) => to.map(|to| clock::minus(to, usual)),
        };
        let (Some(from), Some(to)) = (from, to) else { return Err(problems) };
        if from > now {
            problems.push(format!("the window begins at {}, which is still to come", shown(from, &zone)));
        } else if from >= to {
            let (from, to) = (shown(from, &zone), shown(to, &zone));
            problems.push(format!("the window begins at {from} and ends at {to}; expected the begin before the end"));
        }
        if problems.is_empty() { Ok(Span { from, to, zone }) } else { Err(problems) }
    }

    /// The zone of that name; without one, UTC.
    pub fn zone(name: Option<&str>) -> Result<TimeZone, String> {
        zone(name)
    }

    /// Whether a begin was named.
    pub fn has_begin(&self) -> bool {
        self.since.is_some() || self.from.is_some()
    }

    /// As it was written, to tell one wish from another.
    pub fn written(&self) -> [Option<&str>; 4] {
        [self.since.as_deref(), self.from.as_deref(), self.to.as_deref(), self.timezone.as_deref()]
    }
}

/// A moment as people read it; UTC is told by its `Z`.
pub(super) fn shown(time: Timestamp, zone: &TimeZone) -> String {
    if *zone == TimeZone::UTC {
        return time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    }
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}

/// How far back.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`--since` is `{text}`; expected a duration such as `2h`, `30m` or `7d`");
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero()).ok_or_else(wrong)
}

/// A duration back from now, or a moment.
fn since(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(back) = duration(text) {
        return Ok(clock::minus(now, back));
    }
    moment("--since", text, zone, now).map_err(|_| {
        format!("`--since` is `{text}`; expected a duration such as `2h`, `30m` or `7d`, or a time such as `yesterday 08:00`")
    })
}

/// A moment.
pub(super) fn moment(flag: &str, text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || format!("`{flag}` is `{text}`; {EXPECTED}");
    let text = text.trim();
    if let Ok(ms) = text.parse::<i64>()
        && text.len() >= 12
    {
        return Timestamp::from_millisecond(ms).map_err(|_| wrong());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(zoned) = text.parse::<jiff::Zoned>() {
        return Ok(zoned.timestamp());
    }
    let at = |time: DateTime| zone.to_timestamp(time).map_err(|_| wrong());
    if let Ok(time) = text.parse::<DateTime>() {
        return at(time);
    }
    let words = text.to_ascii_lowercase();
    if words == "now" {
        return Ok(now);
    }
    if let Some(back) = words.strip_suffix("ago") {
        return duration(back).map(|back| clock::minus(now, back)).map_err(|_| wrong());
    }
    let (day, time) = words.split_once(' ').unwrap_or((&words, ""));
    let today = now.to_zoned(zone.clone()).date();
    if let Some(time) = clock_time(day).filter(|_| time.is_empty()) {
        return at(today.to_datetime(time));
    }
    let time = if time.trim().is_empty() { Time::midnight() } else { clock_time(time).ok_or_else(wrong)? };
    let day = self::day(day, today).ok_or_else(wrong)?;
    let found = at(day.to_datetime(time))?;
    // Of a weekday the last one that has been.
    if found > now && WEEKDAYS.iter().any(|(_, weekday)| *weekday == day.weekday()) && !is_relative(&words) {
        return at(day.saturating_sub(7.days()).to_datetime(time));
    }
    Ok(found)
}

fn is_relative(words: &str) -> bool {
    words.starts_with("today") || words.starts_with("yesterday")
}

/// A day by its name; of weekdays the last one, today included. The beginning of a name is enough: `mon`.
fn day(word: &str, today: Date) -> Option<Date> {
    match word {
        "today" => return Some(today),
        "yesterday" => return today.yesterday().ok(),
        _ => {}
    }
    let (_, weekday) = WEEKDAYS.iter().find(|(name, _)| word.len() >= 3 && name.starts_with(word))?;
    if today.weekday() == *weekday { Some(today) } else { today.nth_weekday(-1, *weekday).ok() }
}

/// `8:00`, `08:00`, `08:00:30`.
fn clock_time(text: &str) -> Option<Time> {
    let text = text.trim();
    let mut parts = text.split(':').map(|part| {
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i8>().ok().filter(|_| digits)
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = match parts.next() {
        None => 0,
        Some(second) => second?,
    };
    if parts.next().is_some() { None } else { Time::new(hour, minute, second, 0).ok() }
}

fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name.filter(|name| !name.eq_ignore_ascii_case("utc")) else { return Ok(TimeZone::UTC) };
    TimeZone::get(name)
        .map_err(|_| format!("`--timezone` is `{name}`; expected the name of a zone such as `Europe/Berlin` or `UTC`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Thursday, 09:30 in Berlin.
    const NOW: &str = "2026-01-15T08:30:00Z";

    fn read(text: &str, zone: &str) -> Result<String, String> {
        let zone = self::zone(Some(zone)).unwrap();
        moment("--from", text, &zone, NOW.parse().unwrap()).map(|time| time.to_string())
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("now", NOW),
            ("2h ago", "2026-01-15T06:30:00Z"),
            ("1d2h ago", "2026-01-14T06:30:00Z"),
            ("today", "2026-01-15T00:00:00Z"),
            ("Yesterday 08:00", "2026-01-14T08:00:00Z"),
            ("08:00", "2026-01-15T08:00:00Z"),
            ("thursday", "2026-01-15T00:00:00Z"),
            ("thursday 08:30:01", "2026-01-08T08:30:01Z"),
            ("monday 7:05", "2026-01-12T07:05:00Z"),
            ("fri", "2026-01-09T00:00:00Z"),
            ("2026-01-15", "2026-01-15T00:00:00Z"),
            ("2026-01-15 08:00", "2026-01-15T08:00:00Z"),
            ("2026-01-15T08:00:00", "2026-01-15T08:00:00Z"),
            ("2026-01-15T09:00:00+01:00", "2026-01-15T08:00:00Z"),
            ("1768464000000", "2026-01-15T08:00:00Z"),
        ] {
            assert_eq!(read(text, "UTC").as_deref(), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("today", "2026-01-14T23:00:00Z"),
            ("yesterday 08:00", "2026-01-14T07:00:00Z"),
            ("2026-01-15 08:00", "2026-01-15T07:00:00Z"),
            // An hour that daylight saving leaves out is the one after it.
            ("2025-03-30 02:30", "2025-03-30T01:30:00Z"),
        ] {
            assert_eq!(read(text, "Europe/Berlin").as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "17",
            "soon",
            "2026-13-01",
            "mo",
            "yesterday 25:00",
            "yesterday noon",
            "ago",
            "8",
            "08:00:00:00",
            "tomorrow",
        ] {
            assert!(read(text, "UTC").is_err_and(|error| error.contains("--from")), "{text}");
        }
        assert!(zone(Some("Berlin")).is_err_and(|error| error.contains("Europe/Berlin")));
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("2h", 7200), ("30m", 1800), ("7d", 604_800), ("1h30m", 5400), ("90s", 90)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "5", "-2h", "0s", "soon", "1 month"] {
            assert!(duration(text).is_err_and(|error| error.contains("--since")), "{text}");
        }
    }

    #[track_caller]
    fn check(since: Option<&str>, from: Option<&str>, to: Option<&str>, expected: Result<(&str, &str), &[&str]>) {
        let [since, from, to] = [since, from, to].map(|text| text.map(str::to_owned));
        let args = SpanArgs { since, from, to, timezone: None };
        let found = args.span(Duration::from_secs(3600), NOW.parse().unwrap());
        match (found, expected) {
            (Ok(span), Ok((from, to))) => {
                assert_eq!((span.from.to_string().as_str(), span.to.to_string().as_str()), (from, to))
            }
            (Err(problems), Err(words)) => {
                assert_eq!(problems.len(), words.len(), "{problems:?}");
                for (problem, word) in problems.iter().zip(words) {
                    assert!(problem.contains(word), "{problem}");
                }
            }
            (found, expected) => panic!("expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn a_span_begins_before_it_ends() {
        check(None, None, None, Ok(("2026-01-15T07:30:00Z", NOW)));
        check(None, None, Some("yesterday 12:00"), Ok(("2026-01-14T11:00:00Z", "2026-01-14T12:00:00Z")));
        check(Some("2h"), None, None, Ok(("2026-01-15T06:30:00Z", NOW)));
        check(Some("yesterday"), None, None, Ok(("2026-01-14T00:00:00Z", NOW)));
        check(None, Some("today"), Some("yesterday"), Err(&["begin before the end"]));
        check(None, Some("09:00"), None, Err(&["still to come"]));
        check(None, Some("soon"), Some("later"), Err(&["--to", "--from"]));
    }
}
