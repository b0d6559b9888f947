//! `absent`: nothing came for too long.
//!
//! A silence is judged only up to a watermark, when all before it was seen; so it
//! does not matter in which order, or how late, traces came. It is told once, led
//! by the last sighting before it.

use std::{sync::Arc, time::Duration};

use super::{Entry, Memory, recall::Found};
use crate::clock::{self, Timestamp};

/// How long a key that is silent stays armed, beyond `quiet`.
const KEEP: Duration = Duration::from_secs(30 * 86_400);
/// Sightings kept of a key that is not armed yet, beyond those that arm it.
const ROOM: usize = 64;

/// What counts as absent.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    pub quiet: Duration,
    pub arm_after: u64,
}

/// The key was seen.
pub fn arrive(memory: &mut Memory, mut entry: Entry, silence: Silence, now: Timestamp) {
    let dropped = dropped(memory);
    memory.sightings += 1;
    if dropped > 0 && memory.entries.first().is_some_and(|first| entry.time < first.time) {
        // What came before was judged already.
        return;
    }
    if memory.judged.is_some_and(|judged| clock::plus(entry.time, silence.quiet) < judged) {
        // The silence after it was told as that after an earlier one.
        entry.ring();
    }
    memory.put(entry);
    settle(memory, silence, now);
}

/// Judges the silences up to the watermark.
pub fn judge(memory: &mut Memory, silence: Silence, watermark: Timestamp) -> Vec<Found> {
    let mut found = Vec::new();
    for at in armed_from(memory, silence)..memory.entries.len() {
        let next = memory.entries.get(at + 1).map(|next| next.time);
        let entry = &mut memory.entries[at];
        let over = clock::plus(entry.time, silence.quiet);
        if entry.rang || watermark < over || next.is_some_and(|next| next <= over) {
            continue;
        }
        let lead = entry.whole.take();
        let evidence = vec![entry.ring()];
        // One without its trace is old: `for` was longer when it came.
        found.extend(lead.map(|lead| Found::new(Arc::from(lead), evidence)));
    }
    memory.judged = memory.judged.max(Some(watermark));
    let seen = memory.entries.partition_point(|entry| entry.time <= watermark);
    memory.entries.drain(..seen.saturating_sub(1));
    settle(memory, silence, watermark);
    found
}

/// Keeps what a later judgement needs, and says when it is due.
fn settle(memory: &mut Memory, silence: Silence, now: Timestamp) {
    let room = ROOM + usize::try_from(silence.arm_after).unwrap_or(usize::MAX).min(10_000);
    if armed_from(memory, silence) == 0 {
        memory.thin(silence.quiet);
    }
    let over = memory.entries.len().saturating_sub(room);
    memory.entries.drain(..over);
    // Only the last one before a silence leads an alert.
    for at in 1..memory.entries.len() {
        if clock::since(memory.entries[at - 1].time, memory.entries[at].time) <= silence.quiet {
            memory.entries[at - 1].whole = None;
        }
    }
    let entries = &memory.entries;
    let last = |at: &usize| {
        let next = entries.get(at + 1).map(|next| clock::since(entries[*at].time, next.time));
        !entries[*at].rang && next.is_none_or(|gap| gap > silence.quiet)
    };
    let due = (armed_from(memory, silence)..entries.len()).find(last);
    memory.due_at = due.map(|at| clock::plus(entries[at].time, silence.quiet));
    memory.expires_at = clock::plus(memory.newest(now), silence.quiet.saturating_add(KEEP));
}

/// Sightings no longer among the entries.
fn dropped(memory: &Memory) -> u64 {
    memory.sightings.saturating_sub(memory.entries.len() as u64)
}

/// Index of the first entry after which silence counts.
fn armed_from(memory: &Memory, silence: Silence) -> usize {
    let missing = silence.arm_after.saturating_sub(1).saturating_sub(dropped(memory));
    usize::try_from(missing).unwrap_or(usize::MAX).min(memory.entries.len())
}

#[cfg(test)]
mod tests {
    use super::{
        super::recall::tests::{arrivals, minute},
        *,
    };

    const HOUR: Duration = Duration::from_secs(3600);

    /// Arrivals as minutes; `|90` judges up to minute 90.
    #[track_caller]
    fn check(arm_after: u64, arrivals_in: &[&str], expected: &[&str]) -> usize {
        let silence = Silence { quiet: HOUR, arm_after };
        let (mut kept, mut found) = (0, Vec::new());
        arrivals(arrivals_in, |memory, entry, trace| {
            if entry.word == "|" {
                let watermark = entry.time;
                let due = memory.due_at.is_some_and(|due| due <= watermark);
                let hits = judge(memory, silence, watermark);
                assert!(due || hits.is_empty(), "a silence was told that was not due at {watermark}");
                found.extend(hits.iter().map(|hit| minute(hit.lead.time)));
            } else {
                arrive(memory, entry, silence, trace.time);
            }
            kept = memory.entries.len();
            None
        });
        assert_eq!(found, expected, "{arrivals_in:?}");
        kept
    }

    #[test]
    fn silence_is_told_once_after_it_was_long_enough() {
        check(1, &["10", "69 |"], &[]);
        check(1, &["10", "70 |"], &["10"]);
        check(1, &["10", "70", "70 |"], &[]);
        check(1, &["10", "71 |", "90 |", "300 |"], &["10"]);
        check(1, &["10", "71 |", "100", "150 |", "160 |", "500 |"], &["10", "100"]);
        check(1, &["10", "60", "71 |", "100 |", "121 |"], &["60"]);
    }

    #[test]
    fn a_key_is_armed_first() {
        check(3, &["1", "2", "100 |", "400 |"], &[]);
        check(3, &["1", "2", "3", "100 |"], &["3"]);
        check(3, &["1", "100", "200", "201 |", "300 |"], &["200"]);
        check(2, &["200", "1", "100", "201 |"], &["100"]);
    }

    #[test]
    fn late_sightings_fill_a_gap_until_it_is_judged() {
        check(1, &["10", "130", "70", "130 |"], &[]);
        check(1, &["10", "130", "131 |"], &["10"]);
        // Every gap is told, not only the last.
        check(1, &["10", "100", "200", "300", "320 |"], &["10", "100", "200"]);
        // Already told as silent since 10; what follows 60 is another silence.
        check(1, &["10", "100 |", "60", "110 |", "121 |"], &["10", "60"]);
        check(1, &["10", "200 |", "60", "300 |"], &["10"]);
    }

    #[test]
    fn little_is_kept_of_a_key_that_is_never_silent() {
        let minutes: Vec<String> = (1..3000).map(|minute| minute.to_string()).collect();
        let kept = check(3, &minutes.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        assert!(kept <= 110, "{kept} entries");
    }
}
