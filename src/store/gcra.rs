//! The rate limit's arithmetic (GCRA), in microseconds. Its one number is kept by the store.

use crate::delivery::Rate;

/// A bit over a year; with the bound on bursts, no product overflows.
const LONGEST: i64 = i64::MAX >> 18;

/// How many permits there are now, and where the limit stands after `wanted` at most are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Permits {
    pub free: u64,
    tat: i64,
    interval: i64,
    burst: i64,
}

/// Reads the limit at `now`, given the theoretical arrival time kept from before.
pub(super) fn permits(rate: Rate, tat: Option<i64>, now: i64) -> Permits {
    let interval = i64::try_from(rate.interval.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
    let burst = i64::from(rate.burst.clamp(1, 1 << 16));
    let mut tat = tat.unwrap_or(now).max(now);
    // No permit lies further ahead than a spent burst, so the clock was stepped
    // back (or the limit loosened); waiting for the old time would freeze the endpoint.
    if tat > now.saturating_add(interval * (burst + 1)) {
        tat = now.saturating_add(interval * burst);
    }
    let free = (now.saturating_add(interval * burst) - tat) / interval;
    Permits { free: u64::try_from(free).unwrap_or(0), tat, interval, burst }
}

impl Permits {
    /// What to keep after `taken` permits were used.
    pub fn after(&self, taken: u64) -> i64 {
        self.tat.saturating_add(self.interval.saturating_mul(i64::try_from(taken).unwrap_or(i64::MAX)))
    }

    /// When the next permit comes free, if none is now.
    pub fn next(&self) -> i64 {
        self.tat.saturating_sub(self.interval * (self.burst - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { interval: Duration::from_secs(10), burst: 3 };
    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_burst_then_one_per_interval() {
        let fresh = permits(RATE, None, 0);
        assert_eq!(fresh.free, 3);
        let spent = permits(RATE, Some(fresh.after(3)), 0);
        assert_eq!((spent.free, spent.next()), (0, 10 * SECOND));
        assert_eq!(permits(RATE, Some(fresh.after(3)), 10 * SECOND - 1).free, 0);
        assert_eq!(permits(RATE, Some(fresh.after(3)), 10 * SECOND).free, 1);
        assert_eq!(permits(RATE, Some(fresh.after(3)), 1000 * SECOND).free, 3);
    }

    #[test]
    fn any_sequence_stays_within_the_rate() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut tat, mut now, mut taken) = (None, 0, 0);
        for _ in 0..1000 {
            now += random.i64(0..15 * SECOND);
            let permits = permits(RATE, tat, now);
            let take = random.u64(0..=permits.free);
            tat = Some(permits.after(take));
            taken += take;
            assert!(taken <= 3 + u64::try_from(now / (10 * SECOND)).expect("positive"));
        }
    }

    #[test]
    fn a_clock_stepped_back_does_not_freeze() {
        let tat = permits(RATE, None, 86_400 * SECOND).after(3);
        let back = permits(RATE, Some(tat), 0);
        assert_eq!((back.free, back.next()), (0, 10 * SECOND));
    }
}
