//! Counts over time, as a few bars that any format can draw.

use jiff::tz::TimeZone;

use super::time::{over_days, tick};
use crate::{
    alert::Severity,
    notification::{Bar, Notification},
};

/// Bars from the left, each a share of the highest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    pub columns: Vec<Column>,
    /// The highest count, which is drawn at full height.
    pub most: u64,
    /// When the first and the last column begin; the last one says in which zone.
    pub from: String,
    pub to: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub count: u64,
    /// 0 to 100; only nothing is 0.
    pub percent: u64,
    pub worst: Severity,
}

// As many as a phone can show side by side.
const COLUMNS: usize = 31;
/// Fewer are read, not drawn.
const ENOUGH: u64 = 4;

/// The chart of what was gathered, if it shows more than one step.
pub fn chart(notification: &Notification, zone: &TimeZone) -> Option<Chart> {
    let bars = &notification.gathered.as_ref()?.bars;
    let (first, last) = (bars.first()?, bars.last()?);
    let counts: Vec<(u64, Severity)> = bars.chunks(bars.len().div_ceil(COLUMNS)).map(merged).collect();
    let most = counts.iter().map(|(count, _)| *count).max().filter(|most| *most > 0)?;
    let share = |count: u64| u64::try_from(u128::from(count) * 100 / u128::from(most)).unwrap_or(100);
    let column = |&(count, worst): &(u64, Severity)| {
        let percent = share(count).max(u64::from(count > 0));
        Column { count, percent, worst }
    };
    let days = over_days(first.from, last.from, zone);
    let told = counts.iter().fold(0u64, |sum, (count, _)| sum.saturating_add(*count));
    (counts.len() > 1 && told >= ENOUGH).then(|| Chart {
        columns: counts.iter().map(column).collect(),
        most,
        from: tick(first.from, zone, days),
        to: format!("{} {}", tick(last.from, zone, days), last.from.to_zoned(zone.clone()).strftime("%Z")),
    })
}

impl Chart {
    /// `▁▁▃█▂`, for formats that have nothing but letters.
    pub fn letters(&self) -> String {
        const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let letter = |column: &Column| match column.percent {
            0 => '·',
            percent => EIGHTHS[usize::try_from(percent * 7 / 100).unwrap_or(7).min(7)],
        };
        self.columns.iter().map(letter).collect()
    }
}

fn merged(bars: &[Bar]) -> (u64, Severity) {
    let count = bars.iter().fold(0u64, |sum, bar| sum.saturating_add(bar.count));
    let worst = bars.iter().filter(|bar| bar.count > 0).map(|bar| bar.worst).max();
    (count, worst.unwrap_or(Severity::Info))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, notification::Gathered};

    fn drawn(counts: &[u64], step: i64) -> Option<Chart> {
        let bar = |(at, &count): (usize, &u64)| Bar {
            from: Timestamp::from_second(i64::try_from(at).unwrap() * step).unwrap(),
            count,
            worst: if count > 5 { Severity::High } else { Severity::Low },
        };
        let mut notification = Notification::notice(Severity::Info, "t", vec![], Timestamp::UNIX_EPOCH);
        let bars = counts.iter().enumerate().map(bar).collect();
        notification.gathered = Some(Gathered { bars, ..Gathered::default() });
        chart(&notification, &TimeZone::UTC)
    }

    #[test]
    fn the_highest_bar_is_full_and_nothing_is_empty() {
        let chart = drawn(&[0, 1, 1000, 500], 3600).unwrap();
        let percents: Vec<_> = chart.columns.iter().map(|column| column.percent).collect();
        assert_eq!((percents, chart.most), (vec![0, 1, 100, 50], 1000));
        assert_eq!((chart.from.as_str(), chart.to.as_str()), ("00:00", "03:00 UTC"));
        assert_eq!(chart.letters(), "·▁█▄");
        assert_eq!(drawn(&[0, 4], 86_400).unwrap().to, "Fri 2 Jan, 00:00 UTC");
        assert_eq!(drawn(&[0, u64::MAX, 1], 60).unwrap().letters(), "·█▁");
    }

    #[test]
    fn many_steps_become_few_bars() {
        let chart = drawn(&[1; 100], 60).unwrap();
        assert_eq!((chart.columns.len(), chart.most), (25, 4));
        let chart = drawn(&[0, 0, 9, 1], 60).unwrap();
        assert_eq!(chart.columns.iter().map(|column| column.worst).max(), Some(Severity::High));
    }

    #[test]
    fn one_step_and_nothing_at_all_make_no_chart() {
        assert_eq!(drawn(&[], 60), None);
        assert_eq!(drawn(&[7], 60), None);
        assert_eq!(drawn(&[0, 0, 0], 60), None);
        assert_eq!(drawn(&[1, 0, 2], 60), None);
    }
}
