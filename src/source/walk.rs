//! Paging through one window: marker, stop rules, loops.
//!
//! Pure: a page's ids and times go in, what follows comes out. The cloud's
//! contract is contradictory (a last page may carry a marker, a marker may be
//! inclusive), so a walk ends on what the pages show, and never spins.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::{PageNext, Window};
use crate::clock::{self, Timestamp};

/// Largest page the API gives; always asked for.
pub const PAGE_LIMIT: usize = 200;
/// A window of more pages than this is split, or is an endless loop.
const PAGE_CAP: u32 = 10_000;
/// Pages without anything new before a walk is given up.
const STALE_LIMIT: u32 = 3;
/// Pages whose ids are remembered; older repeats are for the store to see.
const REMEMBERED: usize = 4;
const HOUR_MS: i64 = 3_600_000;

/// Progress through one window.
#[derive(Debug, Clone)]
pub struct Walk {
    pub window: Window,
    /// Until a page was read the window ends when it is asked for, and not when it was planned.
    is_open: bool,
    /// What to send as `next`.
    pub(super) marker: Option<String>,
    pages: u32,
    stale: u32,
    /// Hashes of every marker sent: at most one for each page up to the cap.
    sent: HashSet<u64>,
    recent: VecDeque<HashSet<u64>>,
    oldest: Option<Timestamp>,
}

/// What of a page matters here: its ids, times and marker.
#[derive(Debug)]
pub(super) struct Seen {
    /// Id, time and record time of each record, also of undecodable ones.
    pub ids: Vec<String>,
    pub times: Vec<(Timestamp, Timestamp)>,
    pub marker: Option<String>,
}

impl Walk {
    pub fn new(window: Window) -> Self {
        Self {
            window,
            is_open: false,
            marker: None,
            pages: 0,
            stale: 0,
            sent: HashSet::new(),
            recent: VecDeque::new(),
            oldest: None,
        }
    }

    /// Through a window that reaches the present, until a page of it is read.
    pub fn open(window: Window) -> Self {
        Self { is_open: true, ..Self::new(window) }
    }

    /// It waited for so long to be asked: what happened meanwhile is not left to the next poll.
    pub(super) fn waited(&mut self, wait: Duration) {
        if self.is_open && self.marker.is_none() {
            self.window.to = clock::plus(self.window.to, wait);
        }
    }

    /// Takes note of a page. The error is the reason why this walk cannot end;
    /// the walk then stays where it was.
    pub(super) fn turn(&mut self, page: &Seen) -> Result<PageNext, String> {
        let Some(marker) = &page.marker else { return Ok(PageNext::Complete) };
        if page.ids.is_empty() {
            return Ok(PageNext::Complete);
        }
        let ids: HashSet<u64> = page.ids.iter().map(|id| hash(id)).collect();
        let fresh = ids.iter().any(|id| !self.recent.iter().any(|page| page.contains(id)));
        let full = page.ids.len() >= PAGE_LIMIT;
        let repeated = self.marker.as_ref() == Some(marker);
        // A short page that brings nothing new and points at itself is the end.
        if !fresh && !full && repeated {
            return Ok(PageNext::Complete);
        }
        let looped = repeated || self.sent.contains(&hash(marker));
        if looped && !fresh {
            return self.stuck(page, full);
        }
        if looped {
            // What it brings is new and is handed on; the same place is asked again.
            self.remember(ids);
            self.count()?;
            return Ok(PageNext::More);
        }
        let oldest = page.times.iter().map(|(_, recorded)| *recorded).min();
        let moved = oldest < self.oldest || self.oldest.is_none();
        if !fresh && !moved && self.stale + 1 >= STALE_LIMIT {
            return Err(format!("{STALE_LIMIT} pages in a row brought nothing new"));
        }
        if self.pages + 1 >= PAGE_CAP {
            return match self.halves() {
                Some(parts) => Ok(PageNext::Split(parts)),
                None => self.give_up(),
            };
        }
        self.stale = if fresh || moved { 0 } else { self.stale + 1 };
        self.oldest = match (self.oldest, oldest) {
            (Some(known), Some(found)) => Some(known.min(found)),
            (known, found) => known.or(found),
        };
        self.remember(ids);
        self.pages += 1;
        self.sent.insert(hash(marker));
        self.marker = Some(marker.clone());
        Ok(PageNext::More)
    }

    /// The marker leads nowhere. If a full page lies in one millisecond, that
    /// millisecond holds more than a page, and is read by itself.
    fn stuck(&self, page: &Seen, full: bool) -> Result<PageNext, String> {
        match one_millisecond(&page.times) {
            Some(at) if full => Ok(self.around(at)),
            _ => Err("marker loop: the trace list points back at a page that was read already".to_owned()),
        }
    }

    fn around(&self, at: i64) -> PageNext {
        let (from, to) = (self.window.from.as_millisecond(), self.window.to.as_millisecond());
        if from >= to {
            let reason = format!(
                "more than {PAGE_LIMIT} traces in one millisecond, and the trace list cannot page through them"
            );
            return PageNext::Unreadable { window: self.window.clone(), reason };
        }
        let parts = if (from..=to).contains(&at) {
            vec![(from, at - 1), (at, at), (at + 1, to)]
        } else {
            // The list is filtered by a clock that the records do not show.
            let middle = from + (to - from) / 2;
            vec![(from, middle), (middle + 1, to)]
        };
        PageNext::Split(
            parts.into_iter().filter(|(from, to)| from <= to).map(|(from, to)| self.part(from, to)).collect(),
        )
    }

    fn halves(&self) -> Option<Vec<Window>> {
        let (from, to) = (self.window.from.as_millisecond(), self.window.to.as_millisecond());
        let middle = from + (to - from) / 2;
        (to - from > HOUR_MS).then(|| vec![self.part(from, middle), self.part(middle + 1, to)])
    }

    fn part(&self, from: i64, to: i64) -> Window {
        let time = |ms, otherwise| Timestamp::from_millisecond(ms).unwrap_or(otherwise);
        Window { from: time(from, self.window.from), to: time(to, self.window.to), pass: self.window.pass }
    }

    fn count(&mut self) -> Result<(), String> {
        self.pages += 1;
        if self.pages >= PAGE_CAP { self.give_up().map(|_| ()) } else { Ok(()) }
    }

    /// Starts over: the pages read so far led nowhere.
    fn give_up(&mut self) -> Result<PageNext, String> {
        *self = Self::new(self.window.clone());
        Err(format!("the window did not end within {PAGE_CAP} pages"))
    }

    fn remember(&mut self, ids: HashSet<u64>) {
        self.recent.push_back(ids);
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }
}

/// The millisecond that all records share, by either clock.
fn one_millisecond(times: &[(Timestamp, Timestamp)]) -> Option<i64> {
    let shared = |pick: fn(&(Timestamp, Timestamp)) -> Timestamp| {
        let first = times.first().map(pick)?.as_millisecond();
        times.iter().all(|times| pick(times).as_millisecond() == first).then_some(first)
    };
    shared(|times| times.1).or_else(|| shared(|times| times.0))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
