//! The one place that reads the wall clock and the one place that sleeps.
//!
//! Everything else takes `now: Timestamp` as an argument, so a test moves time
//! by passing another value. Clippy forbids the other ways in.

use std::time::Duration;

use jiff::civil::Weekday;
pub use jiff::{SignedDuration, Timestamp};

/// As people write them.
pub const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// The wall clock, in UTC, microsecond precision (what the store keeps).
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).expect("a time read from the clock is in range")
}

/// Sleeps; cancel by dropping.
#[expect(clippy::disallowed_methods, reason = "loops pace themselves here")]
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Time from `earlier` to `later`, zero if they are the other way round.
pub fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    later.duration_since(earlier).try_into().unwrap_or(Duration::ZERO)
}

/// `now` as it is by now: moved on by what passed since `begun`, a moment of this machine's clock. For whoever was told
/// the time, waited, and goes on.
pub fn moved_on(now: Timestamp, begun: Timestamp) -> Timestamp {
    plus(now, since(begun, self::now()))
}

/// `time` plus `duration`, held at the end of representable time.
pub fn plus(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// `time` minus `duration`, held at the beginning of representable time.
pub fn minus(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

/// A duration in words a person says: `4 s`, `12 min`, `3 h 5 min`, `6 d 2 h`.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |a: u64, unit_a: &str, b: u64, unit_b: &str| {
        if b == 0 { format!("{a} {unit_a}") } else { format!("{a} {unit_a} {b} {unit_b}") }
    };
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_words() {
        let cases =
            [(0, "0 ms"), (4, "4 s"), (60, "1 min"), (725, "12 min 5 s"), (11_100, "3 h 5 min"), (525_600, "6 d 2 h")];
        for (seconds, words) in cases {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn arithmetic_never_panics() {
        assert_eq!(plus(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(minus(Timestamp::MIN, Duration::from_secs(1)), Timestamp::MIN);
        assert_eq!(since(Timestamp::MAX, Timestamp::MIN), Duration::ZERO);
    }
}
