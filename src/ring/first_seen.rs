//! `first_seen`: a value that was not there for a long time, before or after.
//!
//! Late traces do not ring again: a value is known as soon as it was seen within
//! `remember` to either side. Only the first that comes of several rings.

use std::time::Duration;

use super::{Entry, Memory, window::apart};

/// A value comes; true if it is not known.
pub fn arrive(memory: &mut Memory, mut entry: Entry, remember: Duration) -> bool {
    let known = memory.entries.iter().any(|other| apart(other.time, entry.time) <= remember);
    entry.ring();
    memory.put(entry);
    // Whatever lies between two entries is in reach of one of them.
    memory.thin(remember.saturating_mul(2));
    !known
}

#[cfg(test)]
mod tests {
    use super::{super::recall::tests::arrivals, *};
    use crate::ring::recall::Found;

    #[track_caller]
    fn check(arrivals_in: &[&str], expected: &[&str]) -> usize {
        let mut kept = 0;
        let hits = arrivals(arrivals_in, |memory, entry, trace| {
            let fresh = arrive(memory, entry, Duration::from_secs(600));
            kept = memory.entries.len();
            fresh.then(|| Found::new(trace.clone(), vec![(trace.id.clone(), trace.time)]))
        });
        assert_eq!(hits, expected, "{arrivals_in:?}");
        kept
    }

    #[test]
    fn a_value_is_new_once() {
        check(&["0", "5", "10"], &["0"]);
        check(&["0", "10", "20", "30"], &["0"]);
        check(&["0", "11"], &["0", "11"]);
        check(&["10", "0", "5"], &["10"]);
        check(&["11", "0", "5"], &["11", "0"]);
    }

    #[test]
    fn little_is_kept_of_a_value_that_is_always_there() {
        let minutes: Vec<String> = (0..2000).map(|minute| minute.to_string()).collect();
        let kept = check(&minutes.iter().map(String::as_str).collect::<Vec<_>>(), &["0"]);
        assert!(kept <= 250, "{kept} entries");
    }
}
