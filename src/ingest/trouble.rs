//! A source that fails: when to try again, and whom to tell.

use std::time::Duration;

use super::{Failure, LONGEST_RETRY};
use crate::{
    alert::Severity,
    backoff,
    checkpoint::{Fill, Gap, Part},
    clock::{self, Timestamp},
    delivery::Delivery,
    generation::Generation,
    notification::Notification,
    source::SourceError,
    store::{IngestBatch, StoreError},
};

/// Failing this long makes a source blind, and every topic hears of it.
const BLIND_AFTER: Duration = Duration::from_secs(10 * 60);
/// A refusal needs a person, so it is told at the second one.
const REFUSALS_BEFORE_NOTICE: u32 = 2;

/// The current run of failures, if any.
#[derive(Debug)]
pub struct Trouble {
    source: String,
    since: Option<Timestamp>,
    failures: u32,
    /// From when and until when nothing is tried.
    wait: Option<(Timestamp, Timestamp)>,
    /// What was found last, and what to do about it.
    found: Option<Found>,
    /// A window was given up, so that its first pages can be read proves nothing.
    stuck: bool,
    told: bool,
}

#[derive(Debug)]
struct Found {
    reason: String,
    fix: String,
    refused: bool,
}

impl Trouble {
    pub fn new(source: &str) -> Self {
        let source = source.to_owned();
        Self { source, since: None, failures: 0, wait: None, found: None, stuck: false, told: false }
    }

    /// The end of the current wait, if it is not over. One that begins in the
    /// future is left from a clock that was set back since.
    pub fn wait(&self, now: Timestamp) -> Option<Timestamp> {
        self.wait.filter(|(from, until)| *from <= now && now < *until).map(|(_, until)| until)
    }

    /// True from the first failure until [`Trouble::end`].
    pub fn lasts(&self) -> bool {
        self.since.is_some()
    }

    /// Counts a failure; says when to try again: full jitter, at most a minute,
    /// or what the cloud asked for.
    pub fn more(&mut self, failure: &Failure, now: Timestamp) -> Timestamp {
        self.since.get_or_insert(now);
        self.failures += 1;
        let parts = [self.source.as_str(), &now.to_string()];
        let spread = backoff::full_jitter(Duration::from_secs(1), LONGEST_RETRY, self.failures, &parts);
        let own = Duration::from_millis(500) + spread;
        let asked = match failure {
            Failure::Source(SourceError::Transient { retry_after, .. }) => retry_after.unwrap_or_default(),
            // A wrong password tried often locks the account.
            Failure::Source(SourceError::Refused { .. }) => LONGEST_RETRY,
            Failure::Store(_) => Duration::ZERO,
        };
        let until = clock::plus(now, own.max(asked));
        self.wait = Some((now, until));
        self.found = Some(Found::of(failure));
        until
    }

    /// The window is read from its beginning again: from here on only a window
    /// that was read to its end is a good sign.
    pub fn give_up(&mut self) {
        self.stuck = true;
    }

    /// Whether a committed page shows that what failed works again.
    pub fn is_over_with(&self, complete: bool) -> bool {
        complete || !self.stuck
    }

    /// Notices that the source is blind, until [`Trouble::told`].
    pub fn blind(&self, generation: &Generation, now: Timestamp) -> Option<Vec<Delivery>> {
        let (since, found) = (self.since?, self.found.as_ref()?);
        let long = clock::since(since, now) >= BLIND_AFTER;
        if self.told || !(long || found.refused && self.failures >= REFUSALS_BEFORE_NOTICE) {
            return None;
        }
        let lines = vec![
            format!(
                "Since {} the traces of source {} could not be read, or not all of them.",
                stamp(since),
                self.source
            ),
            format!("What was found: {}", found.reason),
            format!("What to do: {}", found.fix),
            "Nothing is lost yet: the cloud keeps traces for seven days.".into(),
        ];
        let title = format!("Source {} is blind: alerts from it cannot ring", self.source);
        let notice = Notification::notice(Severity::Critical, title, lines, now);
        Some(generation.topics.notice(&notice, &format!("blind {} {since}", self.source), true))
    }

    /// The notices of [`Trouble::blind`] are stored: once is enough for each run of failures.
    pub fn told(&mut self) {
        self.told = true;
    }

    /// Notices that the source sees again, if its blindness was told.
    pub fn seeing(&self, generation: &Generation, now: Timestamp) -> Option<Vec<Delivery>> {
        let since = self.since.filter(|_| self.told)?;
        let lines = vec![format!(
            "It was blind for {}; what happened meanwhile is being read now.",
            clock::in_words(clock::since(since, now))
        )];
        let title = format!("Source {} can be read again", self.source);
        let notice = Notification::notice(Severity::Info, title, lines, now);
        Some(generation.topics.notice(&notice, &format!("seeing {} {since}", self.source), true))
    }

    /// Ends a run of failures.
    pub fn end(&mut self) {
        *self = Self::new(&self.source);
    }
}

impl Found {
    fn of(failure: &Failure) -> Self {
        let fix = match failure {
            Failure::Source(SourceError::Refused { fix, .. }) => fix.clone(),
            Failure::Source(SourceError::Transient { .. }) => {
                "check that the cloud's API answers from this machine; reading goes on by itself when it does".into()
            }
            Failure::Store(StoreError::Unavailable { .. }) => "free space or unlock the state file".into(),
            Failure::Store(_) => "look at the log of Tracebell".into(),
        };
        let refused = matches!(failure, Failure::Source(SourceError::Refused { .. }));
        Self { reason: failure.to_string(), fix, refused }
    }
}

/// Polls go well, and what is recorded late may be missed.
pub fn unread_notice(
    generation: &Generation,
    source: &str,
    since: Timestamp,
    failure: &Failure,
    now: Timestamp,
) -> Vec<Delivery> {
    let found = Found::of(failure);
    let lines = vec![
        format!("Since {} the re-read of older traces fails each time; new ones ring as ever.", stamp(since)),
        "Traces that the cloud records late may be missed, if it has forgotten them before it can be read.".into(),
        format!("What was found: {}", found.reason),
        format!("What to do: {}", found.fix),
    ];
    let title = format!("Source {source}: traces that come late are not read");
    let notice = Notification::notice(Severity::High, title, lines, now);
    generation.topics.notice(&notice, &format!("unread {source} {since}"), true)
}

/// More sources ask a host of the cloud than it answers in time.
pub fn queued_notice(generation: &Generation, source: &str, since: Timestamp, now: Timestamp) -> Vec<Delivery> {
    let lines = vec![
        format!("Since {} it waits for its turn: too many sources ask the same host of the cloud.", stamp(since)),
        "What to do: see whether the host answers (`tracebell doctor`); raise `cloud_requests`, or `poll_quiet_every` \
         of sources where little happens."
            .into(),
        "Nothing is lost yet: the cloud keeps traces for seven days.".into(),
    ];
    let title = format!("Source {source} is late: alerts from it ring late");
    let notice = Notification::notice(Severity::High, title, lines, now);
    generation.topics.notice(&notice, &format!("queued {source} {since}"), true)
}

/// A stretch that could not be read is told to everybody: it may hide an attack.
pub fn gap_notice(generation: &Generation, gap: &Gap, now: Timestamp) -> Vec<Delivery> {
    let lines = vec![
        format!("From {} to {}: {}.", stamp(gap.from), stamp(gap.to), gap.reason),
        "What to do: `tracebell fill-gap` reads these hours from the tracker's bucket and rings what they hold; \
         without a bucket, look at them in the cloud's console as long as it keeps them."
            .into(),
    ];
    let title = format!("Part of the audit log of source {} could not be read", gap.source);
    let notice = Notification::notice(Severity::High, title, lines, now);
    generation.topics.notice(&notice, &format!("gap {} {} {}", gap.source, gap.from, gap.to), true)
}

/// Something is missed that may be in what a fill did not get to read: told once for each place where one stands still.
pub fn stalled_notice(generation: &Generation, fill: &Fill, now: Timestamp) -> Vec<Delivery> {
    let Fill { source, part, .. } = fill;
    let lines = vec![
        format!(
            "The gap from {} to {} is filled up to {} only, and that stands still since {}.",
            stamp(part.from),
            stamp(part.to),
            stamp(part.reached),
            stamp(fill.at)
        ),
        "Alerts that something did not come were not held back any longer: it may lie in what was not read.".into(),
        "What to do: `tracebell fill-gap` goes on where it was; `--close` counts the gap as filled if no more will come."
            .into(),
    ];
    let title = format!("Source {source}: what is missed may lie in a gap that is not filled");
    let notice = Notification::notice(Severity::Medium, title, lines, now);
    let occasion = format!("stalled {source} {} {} {}", part.from, part.to, part.reached);
    generation.topics.notice(&notice, &occasion, false)
}

/// Trace files that somebody changed after the tracker wrote them: told once for each part of a gap, to everybody,
/// for it may hide an attack.
pub fn suspect_notice(
    generation: &Generation,
    source: &str,
    part: &Part,
    first: &str,
    now: Timestamp,
) -> Vec<Delivery> {
    let lines = vec![
        format!("Found while the gap from {} to {} was filled from the archive.", stamp(part.from), stamp(part.to)),
        format!("The first one is {}.", first.replace('\n', " ")),
        "What these files hold was judged all the same; what was taken out of them is not known.".into(),
        "What to do: find out who may write to the bucket and did, and keep it as it is; `tracebell archive verify` \
         lists all that is off."
            .into(),
    ];
    let title = format!("Archive of source {source}: files are not what the tracker wrote");
    let notice = Notification::notice(Severity::High, title, lines, now);
    generation.topics.notice(&notice, &format!("suspect {source} {} {}", part.from, part.to), true)
}

/// Records that could not be decoded: told once a day for each source.
pub fn quarantine_notice(generation: &Generation, batch: &IngestBatch, now: Timestamp) -> Vec<Delivery> {
    let Some(first) = batch.quarantine.first() else { return Vec::new() };
    let lines = vec![
        format!("The first one is {}: {}.", first.id.replace('\n', " "), first.reason),
        "It is kept as it came; `tracebell status` counts them. This notice comes once a day.".into(),
    ];
    let title = format!("Source {} sent a record that could not be decoded", batch.source);
    let notice = Notification::notice(Severity::Medium, title, lines, now);
    let day = now.as_second() / 86_400;
    generation.topics.notice(&notice, &format!("quarantine {} {day}", batch.source), false)
}

/// Memories that could not be read, so that their rules begin anew: told once a day for each source.
pub fn forgotten_notice(generation: &Generation, batch: &IngestBatch, now: Timestamp) -> Vec<Delivery> {
    let mut forgotten = batch.memories.iter().filter(|remembered| remembered.memory.is_none()).peekable();
    let Some(first) = forgotten.peek().map(|first| &first.slot) else { return Vec::new() };
    let (rule, key) = (first.rule.split('/').next().unwrap_or_default(), &first.key);
    let keys = match forgotten.count() {
        1 => format!("Rule {rule} begins to count anew for {key}."),
        many => format!("Rules begin to count anew for {many} keys. The first one is {key} of rule {rule}."),
    };
    let lines = vec![
        keys,
        "What to do: check the disk that holds the state file. What was found is kept in quarantine; \
         `tracebell status` counts it. This notice comes once a day."
            .into(),
    ];
    let title = format!("What rules remember of source {} was damaged in the store", batch.source);
    let notice = Notification::notice(Severity::High, title, lines, now);
    let day = now.as_second() / 86_400;
    generation.topics.notice(&notice, &format!("forgotten {} {day}", batch.source), false)
}

fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
