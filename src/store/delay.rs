//! How long traces take from their record time until they are stored, by the way they came.
//!
//! Kept as counts in buckets that each reach a fifth further than the one before: a quantile read from them is
//! at most that much too long, and a busy day is a few dozen rows.

use std::{collections::BTreeMap, time::Duration};

/// How a trace came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// SMN posted it, or a function.
    Push,
    /// The trace list was read.
    Poll,
}

/// Traces that took equally long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    pub way: Way,
    pub bucket: u16,
    pub count: u64,
}

/// How long traces of one source took on one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayRow {
    pub source: String,
    pub way: Way,
    pub spread: Spread,
}

/// Counts by bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread(pub BTreeMap<u16, u64>);

const FACTOR: f64 = 1.2;

impl Way {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Push, Self::Poll].into_iter().find(|way| way.as_str() == text)
    }
}

/// The traces that took so long, counted.
pub fn delay(way: Way, took: &[Duration]) -> Vec<Delay> {
    let mut spread = Spread::default();
    took.iter().for_each(|took| *spread.0.entry(bucket(*took)).or_default() += 1);
    spread.0.into_iter().map(|(bucket, count)| Delay { way, bucket, count }).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a week of milliseconds is bucket 112")]
fn bucket(took: Duration) -> u16 {
    let milliseconds = took.as_secs_f64() * 1000.0;
    if milliseconds <= 1.0 { 0 } else { (milliseconds.ln() / FACTOR.ln()).ceil().min(f64::from(u16::MAX)) as u16 }
}

impl Spread {
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// What `part` of the traces did not exceed; `None` if there were none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a count is a count"
    )]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * part).ceil().max(1.0) as u64;
        let mut so_far = 0;
        let reached = self.0.iter().find(|(_, count)| {
            so_far += **count;
            so_far >= wanted
        });
        reached.map(|(bucket, _)| Duration::from_millis(FACTOR.powi(i32::from(*bucket)).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_a_fifth_too_long() {
        let took: Vec<Duration> = (1..=1000).map(|n| Duration::from_millis(n * 10)).collect();
        let spread = Spread(delay(Way::Push, &took).into_iter().map(|delay| (delay.bucket, delay.count)).collect());
        assert_eq!(spread.count(), 1000);
        for (part, exact) in [(0.5, 5000.0), (0.99, 9900.0), (1.0, 10_000.0)] {
            let found = spread.quantile(part).unwrap().as_secs_f64() * 1000.0;
            assert!((exact..=exact * FACTOR + 1.0).contains(&found), "{part}: {found}");
        }
        assert_eq!(Spread::default().quantile(0.5), None);
        assert_eq!(bucket(Duration::ZERO), 0);
        assert!(bucket(Duration::MAX) > bucket(Duration::from_secs(7 * 86_400)));
    }
}
