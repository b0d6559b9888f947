//! Days, and small bars for them.

use jiff::{civil::Date, tz::TimeZone};

use crate::clock::Timestamp;

/// More columns than this say no more; several days then share one.
const COLUMNS: usize = 31;

/// The day of a moment, in UTC.
pub fn day(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// Every day from one moment to another; a span of more than ten years is cut.
pub fn days(from: Timestamp, to: Timestamp) -> Vec<Date> {
    const MOST: usize = 3660;
    let (mut at, last) = (day(from), day(to));
    let mut days = vec![at];
    while at < last && days.len() < MOST {
        let Ok(next) = at.tomorrow() else { break };
        at = next;
        days.push(at);
    }
    days
}

/// How many days share a column of a chart.
pub fn days_a_column(days: usize) -> usize {
    days.div_ceil(COLUMNS).max(1)
}

/// The counts by column.
pub fn columns(counts: &[u64]) -> Vec<u64> {
    counts.chunks(days_a_column(counts.len())).map(|days| days.iter().sum()).collect()
}

/// One block a column, the highest for the highest count; a dot for none.
pub fn bars(counts: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let columns = columns(counts);
    let most = columns.iter().copied().max().unwrap_or(0).max(1);
    let block = |count: u64| match count {
        0 => '·',
        count => BLOCKS[usize::try_from((count * 8).div_ceil(most) - 1).unwrap_or(7).min(7)],
    };
    columns.into_iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_the_counts() {
        for (counts, expected) in [
            (&[][..], ""),
            (&[0, 0], "··"),
            (&[1, 0, 1], "█·█"),
            (&[1, 8, 4, 0, 1000], "▁▁▁·█"),
            (&[1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
        ] {
            assert_eq!(bars(counts), expected, "{counts:?}");
        }
        assert_eq!(bars(&[1; 100]).chars().count(), 25);
    }

    #[test]
    fn both_ends_are_days() {
        let time = |text: &str| text.parse::<Timestamp>().expect("written as a time");
        let found = days(time("2026-02-27T23:59:00Z"), time("2026-03-01T00:00:00Z"));
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["2026-02-27", "2026-02-28", "2026-03-01"]
        );
        assert_eq!(days(time("2026-03-01T00:00:00Z"), time("2026-02-27T23:59:00Z")).len(), 1);
        assert_eq!(days(Timestamp::MIN, Timestamp::MAX).len(), 3660);
    }
}
