//! A chart in one line of text, for places that show no pictures.

use jiff::tz::TimeZone;

use crate::{
    clock::{self, Timestamp},
    notification::Bar,
};

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// As many letters as a phone shows in one line.
const WIDEST: usize = 24;

/// `Jan 14 07:30 ▁·▃█ Jan 15 07:30, 14 at most in 1 h`; `None` if there is nothing to compare.
pub fn line(bars: &[Bar], zone: &TimeZone) -> Option<String> {
    let (first, second) = (bars.first()?, bars.get(1)?);
    let each = bars.len().div_ceil(WIDEST);
    let step = clock::since(first.from, second.from);
    let counts: Vec<u64> =
        bars.chunks(each).map(|some| some.iter().fold(0u64, |sum, bar| sum.saturating_add(bar.count))).collect();
    let most = counts.iter().copied().max().filter(|most| *most > 0)?;
    let end = clock::plus(bars.last()?.from, step);
    let drawn: String = counts.iter().map(|count| letter(*count, most)).collect();
    let each = u32::try_from(each).unwrap_or(u32::MAX);
    let wide = clock::in_words(step.saturating_mul(each));
    Some(format!("{} {drawn} {}, {most} at most in {wide}", told(first.from, zone), told(end, zone)))
}

fn letter(count: u64, most: u64) -> char {
    // Nothing at all must differ from little.
    if count == 0 {
        return '·';
    }
    let step = (count as f64 / most as f64 * STEPS.len() as f64).ceil() as usize;
    STEPS[step.clamp(1, STEPS.len()) - 1]
}

fn told(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%b %-d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Severity;

    #[track_caller]
    fn check(counts: &[u64], expected: Option<&str>) {
        let bar = |(at, count): (usize, &u64)| Bar {
            from: Timestamp::from_second(at as i64 * 3600).expect("in 1970"),
            count: *count,
            worst: Severity::Low,
        };
        let bars: Vec<Bar> = counts.iter().enumerate().map(bar).collect();
        assert_eq!(line(&bars, &TimeZone::UTC).as_deref(), expected);
    }

    #[test]
    fn counts_over_time_in_one_line() {
        check(&[1, 0, 4, 8], Some("Jan 1 00:00 ▁·▄█ Jan 1 04:00, 8 at most in 1 h"));
        check(&[0, u64::MAX], Some(&format!("Jan 1 00:00 ·█ Jan 1 02:00, {} at most in 1 h", u64::MAX)));
        check(&[1; 49], Some(&format!("Jan 1 00:00 {}▃ Jan 3 01:00, 3 at most in 3 h", "█".repeat(16))));
        for nothing in [&[][..], &[3], &[0, 0]] {
            check(nothing, None);
        }
    }
}
