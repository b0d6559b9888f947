//! How far a source has been read: the durable position and what could not be read.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::clock::{self, Timestamp};

/// What waits for a fill waits no longer once it stood still for so long. One that runs says so each minute, so
/// this one was killed or left open; an hour is enough to see why and to go on, and keeps no alert longer from
/// those who need it.
pub const GIVEN_UP: Duration = Duration::from_secs(3600);

/// Position of one source. Moves only together with the effects of what was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Newest time up to which every trace that was readable then has been read.
    pub watermark: Timestamp,
    /// When each wider re-read last completed.
    pub warm_at: Timestamp,
    pub cold_at: Timestamp,
    pub deep_at: Timestamp,
}

/// A stretch of the past that could not be read, and why. Never closed silently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub source: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub reason: String,
}

/// A part of a gap, and how far it is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub from: Timestamp,
    pub to: Timestamp,
    /// What happened before is stored.
    pub reached: Timestamp,
}

/// A part of a gap that was filled, or is being filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    pub source: String,
    pub part: Part,
    pub by: String,
    /// When the last of it was stored.
    pub at: Timestamp,
    pub traces: u64,
    pub fresh: u64,
    pub alerts: u64,
    /// Files that could not be read, of the last try.
    pub unreadable: u64,
    /// Files that are not what the tracker wrote, as its digests tell.
    pub suspects: BTreeSet<String>,
    pub done: bool,
}

impl Fill {
    /// True if something of the part was not read yet.
    pub fn is_unread(&self) -> bool {
        !self.done && self.part.reached < self.part.to
    }

    /// True while others wait for what was not read yet.
    pub fn is_waited_for(&self, now: Timestamp) -> bool {
        // A time far in the future is left from a clock that was set back since.
        self.is_unread() && clock::since(self.at, now) < GIVEN_UP && self.at < clock::plus(now, GIVEN_UP)
    }
}

/// Up to when all is known of a source that was read up to `watermark`, but for what is being filled.
pub fn known_up_to(fills: &[Fill], watermark: Timestamp, now: Timestamp) -> Timestamp {
    let waited_for = fills.iter().filter(|fill| fill.is_waited_for(now));
    waited_for.map(|fill| fill.part.reached).fold(watermark, Timestamp::min)
}

/// What is left to fill of a gap between `from` and `to`, oldest first. A part that was begun goes on where it was.
pub fn parts(gap: &Gap, fills: &[Fill], from: Timestamp, to: Timestamp) -> Vec<Part> {
    let mut fills: Vec<&Fill> = fills
        .iter()
        .filter(|fill| fill.source == gap.source && fill.part.from <= gap.to && gap.from <= fill.part.to)
        .collect();
    fills.sort_by_key(|fill| fill.part.from);
    let begun = |fill: &&&Fill| !fill.done && fill.part.from <= to && from <= fill.part.to;
    let mut parts: Vec<Part> = fills.iter().filter(begun).map(|fill| fill.part).collect();
    // A gap of one moment is covered by whatever part it lies in.
    let none_there = fills.is_empty();
    let (mut at, end) = (gap.from.max(from), gap.to.min(to));
    for fill in fills {
        if at < fill.part.from && at < end {
            let to = fill.part.from.min(end);
            parts.push(Part { from: at, to, reached: at });
        }
        at = at.max(fill.part.to);
    }
    if at < end || gap.from == gap.to && at == end && none_there {
        parts.push(Part { from: at, to: end, reached: at });
    }
    parts.sort_by_key(|part| part.from);
    parts
}

/// True if nothing of it is left to fill.
pub fn is_filled(gap: &Gap, fills: &[Fill]) -> bool {
    parts(gap, fills, Timestamp::MIN, Timestamp::MAX).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn fill((from, to, reached): (i64, i64, i64)) -> Fill {
        Fill {
            source: "prod".into(),
            part: Part { from: at(from), to: at(to), reached: at(reached) },
            by: "alice".into(),
            at: at(0),
            traces: 0,
            fresh: 0,
            alerts: 0,
            unreadable: 0,
            suspects: BTreeSet::new(),
            done: reached == to,
        }
    }

    #[test]
    fn one_that_stands_still_is_not_waited_for_nor_one_of_another_clock() {
        let fill = fill((100, 200, 150));
        for (now, waited) in [(0, true), (3599, true), (3600, false), (-3599, true), (-3600, false)] {
            assert_eq!(fill.is_waited_for(at(now)), waited, "{now}");
        }
    }

    /// Of a gap from 100 to 200 with these fills; asked for from 0 to 1000.
    #[track_caller]
    fn check(fills: &[(i64, i64, i64)], expected: &[(i64, i64, i64)]) {
        check_within(fills, 0, 1000, expected);
    }

    #[track_caller]
    fn check_within(fills: &[(i64, i64, i64)], from: i64, to: i64, expected: &[(i64, i64, i64)]) {
        let gap = Gap { source: "prod".into(), from: at(100), to: at(200), reason: String::new() };
        let fills: Vec<Fill> = fills.iter().copied().map(fill).collect();
        let found: Vec<(i64, i64, i64)> = parts(&gap, &fills, at(from), at(to))
            .iter()
            .map(|part| (part.from.as_second(), part.to.as_second(), part.reached.as_second()))
            .collect();
        assert_eq!(found, expected, "{fills:?}");
    }

    #[test]
    fn what_is_left_of_a_gap_is_what_no_fill_covers() {
        check(&[], &[(100, 200, 100)]);
        check(&[(100, 200, 200)], &[]);
        check(&[(100, 200, 150)], &[(100, 200, 150)]);
        check(&[(100, 140, 140)], &[(140, 200, 140)]);
        check(&[(120, 140, 140), (150, 160, 160)], &[(100, 120, 100), (140, 150, 140), (160, 200, 160)]);
        check(&[(120, 140, 130)], &[(100, 120, 100), (120, 140, 130), (140, 200, 140)]);
        check(&[(0, 99, 99)], &[(100, 200, 100)]);
        check(&[(50, 500, 500)], &[]);
    }

    #[test]
    fn a_part_may_be_asked_for() {
        check_within(&[], 120, 130, &[(120, 130, 120)]);
        check_within(&[], 0, 130, &[(100, 130, 100)]);
        check_within(&[(120, 130, 130)], 120, 130, &[]);
        check_within(&[], 300, 400, &[]);
    }

    #[test]
    fn a_fill_is_waited_for_until_it_is_done_or_stands_still_for_an_hour() {
        let known = |fills: &[(i64, i64, i64)], now| {
            let fills: Vec<Fill> = fills.iter().copied().map(fill).collect();
            known_up_to(&fills, at(500), at(now)).as_second()
        };
        assert_eq!(known(&[], 10), 500);
        assert_eq!(known(&[(100, 200, 200)], 10), 500);
        assert_eq!(known(&[(100, 200, 150), (300, 400, 320)], 10), 150);
        assert_eq!(known(&[(600, 700, 650)], 10), 500);
        assert_eq!(known(&[(100, 200, 150)], 3599), 150);
        assert_eq!(known(&[(100, 200, 150)], 3600), 500);
    }

    #[test]
    fn a_gap_of_one_moment_is_filled_like_any_other() {
        let gap = Gap { source: "prod".into(), from: at(100), to: at(100), reason: String::new() };
        assert_eq!(parts(&gap, &[], Timestamp::MIN, Timestamp::MAX).len(), 1);
        assert!(is_filled(&gap, &[fill((100, 100, 100))]));
        assert!(!is_filled(&gap, &[fill((101, 200, 200))]));
    }
}
