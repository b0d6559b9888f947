//! How long to wait before trying again: full jitter, derived and not drawn, so
//! that it needs no random source and a test can name the result.

use std::time::Duration;

use crate::id;

/// A number in 0..=1 that depends on the parts alone.
pub fn jitter(parts: &[&str]) -> f64 {
    let hash = id::hash(parts);
    f64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])) / f64::from(u32::MAX)
}

/// Between 0 and `base` doubled with each attempt, never above `cap`.
pub fn full_jitter(base: Duration, cap: Duration, attempt: u32, parts: &[&str]) -> Duration {
    base.saturating_mul(1 << attempt.min(20)).min(cap).mul_f64(jitter(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_spread_and_are_capped() {
        let cap = Duration::from_secs(3600);
        let wait = |attempt, id: &str| full_jitter(Duration::from_secs(2), cap, attempt, &[id]);
        let spread: std::collections::BTreeSet<Duration> = (0..100).map(|i| wait(30, &i.to_string())).collect();
        assert!(spread.len() > 90, "waits are not spread");
        assert!(spread.iter().all(|wait| *wait <= cap));
        assert!(wait(0, "x") <= Duration::from_secs(2));
        assert_eq!(wait(3, "x"), wait(3, "x"));
    }
}
