//! Whether this Tracebell does its work: each task reports, one board remembers.
//!
//! A task that dies cannot say so; its silence says it. Knows nothing about
//! what the tasks are, and not the wall clock: `now` is an argument.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::clock::{self, Timestamp};

/// Cheap to clone: all clones write on the same board.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Task>>>);

#[derive(Debug)]
struct Task {
    /// Longest silence that is still well; `None` if the task works only on demand.
    within: Option<Duration>,
    heard_at: Timestamp,
    /// Alive, but its work fails: since when and why. The next beat clears it.
    trouble: Option<(Timestamp, String)>,
    /// Works, but less than it should: shown, and no reason to be unready.
    note: Option<String>,
}

/// Every task at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub ready: bool,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub task: String,
    pub ok: bool,
    /// In words; empty if there is nothing to say.
    pub text: String,
}

impl Board {
    /// From now on `task` must be heard of at least every `within`.
    pub fn expect(&self, task: &str, within: Duration, now: Timestamp) {
        let mut tasks = self.lock();
        let task = tasks.entry(task.to_owned()).or_insert_with(|| Task::new(now));
        (task.within, task.heard_at) = (Some(within), now);
    }

    /// The task works.
    pub fn beat(&self, task: &str, now: Timestamp) {
        let mut tasks = self.lock();
        let task = tasks.entry(task.to_owned()).or_insert_with(|| Task::new(now));
        (task.heard_at, task.trouble) = (now, None);
    }

    /// The task is alive but cannot do its work.
    pub fn trouble(&self, task: &str, reason: &str, now: Timestamp) {
        let mut tasks = self.lock();
        let task = tasks.entry(task.to_owned()).or_insert_with(|| Task::new(now));
        let since = task.trouble.take().map_or(now, |(since, _)| since);
        (task.heard_at, task.trouble) = (now, Some((since, reason.to_owned())));
    }

    /// The task works less than it should, for example a paused endpoint; `None` takes the note off.
    /// Notes on tasks that were never heard of are dropped.
    pub fn note(&self, task: &str, note: Option<String>) {
        if let Some(task) = self.lock().get_mut(task) {
            task.note = note;
        }
    }

    /// The task ended on purpose, for example because a reload took its endpoint away.
    pub fn forget(&self, task: &str) {
        self.lock().remove(task);
    }

    pub fn check(&self, now: Timestamp) -> Report {
        let lines: Vec<Line> = self.lock().iter().map(|(name, task)| task.line(name, now)).collect();
        Report { ready: lines.iter().all(|line| line.ok), lines }
    }

    /// A panic while the lock was held leaves whole values behind, so they can be read on.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    fn new(now: Timestamp) -> Self {
        Self { within: None, heard_at: now, trouble: None, note: None }
    }

    fn line(&self, name: &str, now: Timestamp) -> Line {
        let silence = clock::since(self.heard_at, now);
        let mut said: Vec<String> = Vec::new();
        let late = self.within.filter(|within| silence > *within);
        if let Some(within) = late {
            let (silence, within) = (clock::in_words(silence), clock::in_words(within));
            said.push(format!("not heard of for {silence}, expected every {within}"));
        }
        if let Some((since, reason)) = &self.trouble {
            said.push(format!("{reason} (for {})", clock::in_words(clock::since(*since, now))));
        }
        said.extend(self.note.clone());
        Line { task: name.to_owned(), ok: late.is_none() && self.trouble.is_none(), text: said.join("; ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[track_caller]
    fn check(board: &Board, seconds: i64, expected: &[(&str, bool, &str)]) {
        let report = board.check(at(seconds));
        let lines: Vec<_> = report.lines.iter().map(|l| (l.task.as_str(), l.ok, l.text.as_str())).collect();
        assert_eq!(lines, expected);
        assert_eq!(report.ready, expected.iter().all(|(_, ok, _)| *ok));
    }

    #[test]
    fn silence_is_told_and_a_beat_mends_it() {
        let board = Board::default();
        board.expect("source prod", MINUTE, at(0));
        check(&board, 60, &[("source prod", true, "")]);
        check(&board, 61, &[("source prod", false, "not heard of for 1 min 1 s, expected every 1 min")]);
        board.clone().beat("source prod", at(61));
        check(&board, 61, &[("source prod", true, "")]);
    }

    #[test]
    fn trouble_keeps_its_beginning_until_a_beat() {
        let board = Board::default();
        board.expect("store", MINUTE, at(0));
        board.trouble("store", "disk is full", at(10));
        board.trouble("store", "disk is still full", at(30));
        check(&board, 40, &[("store", false, "disk is still full (for 30 s)")]);
        board.beat("store", at(50));
        check(&board, 50, &[("store", true, "")]);
    }

    #[test]
    fn a_note_is_shown_but_stays_ready() {
        let board = Board::default();
        board.beat("endpoint slack", at(0));
        board.note("endpoint slack", Some("paused: HTTP 403".into()));
        board.note("endpoint unheard", Some("lost".into()));
        check(&board, 9999, &[("endpoint slack", true, "paused: HTTP 403")]);
        board.note("endpoint slack", None);
        check(&board, 9999, &[("endpoint slack", true, "")]);
        board.forget("endpoint slack");
        check(&board, 9999, &[]);
    }
}
