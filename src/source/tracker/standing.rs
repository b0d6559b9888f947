//! How a tracker stands, and what a change of it means to people. Pure.
//!
//! What the cloud fills in by itself (ids of the log service, location, defaults of an option that
//! nobody chose) is no change. A version of the API that once spoke of a setting and now does not says that it
//! is not set; of what a version never spoke nothing is concluded, since v1 says less than v3.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Tracker,
    settings::{
        AGENCY, BUCKET, COMPRESS, DATA_BUCKET, DATA_EVENTS, ENCRYPT, EXCLUDE, KMS_KEY, LIFECYCLE, LTS, ORGANIZATION,
        PREFIX, SORT, STATUS, VALIDATE, is_chosen, is_empty, words,
    },
};
use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    source::cts::Api,
};

/// Without a tracker ever and without a trace for this long, a person is told.
const WITHOUT_TRACES: Duration = Duration::from_secs(10 * 60);
/// Looks that fail for so long are told: who switches the tracker off meanwhile is not seen.
const FAILING: Duration = Duration::from_secs(3600);
/// What is held against what was, worst first.
const WATCHED: [&str; 14] = [
    BUCKET,
    VALIDATE,
    ENCRYPT,
    KMS_KEY,
    LTS,
    EXCLUDE,
    ORGANIZATION,
    DATA_BUCKET,
    DATA_EVENTS,
    PREFIX,
    LIFECYCLE,
    SORT,
    COMPRESS,
    AGENCY,
];
/// These take a value by themselves where nobody chose one.
const FILLED_IN: [&str; 4] = [LIFECYCLE, SORT, COMPRESS, AGENCY];
/// A change of one of these alone cannot hide what happened.
const HARMLESS: [&str; 4] = [PREFIX, SORT, COMPRESS, AGENCY];

/// What one look at the tracker found.
#[derive(Debug)]
pub enum Look {
    /// Seen by this version of the API.
    Tracker(Box<Tracker>, Api),
    /// There is none.
    Absent,
    /// We may not look.
    Forbidden { reason: String, fix: String },
}

/// What is remembered between looks, also over a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// As it was last seen; `None`: there was none.
    tracker: Option<Seen>,
    /// Whether there ever was one.
    ever: bool,
    /// Since when nothing, or not all, is recorded.
    off_since: Option<Timestamp>,
    forbidden: bool,
    /// It was told that there never was a tracker.
    told_absent: bool,
    /// Since when every look fails.
    #[serde(default)]
    failing_since: Option<Timestamp>,
    /// And that this was told.
    #[serde(default)]
    told_failing: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    id: Option<String>,
    status: Option<String>,
    detail: Option<String>,
    /// What was said last of each setting, by whichever version.
    values: BTreeMap<String, Value>,
    /// The versions that spoke of each.
    #[serde(default)]
    spoken: BTreeMap<String, BTreeSet<Api>>,
    /// The versions that ever looked.
    #[serde(default)]
    versions: BTreeSet<Api>,
}

/// Something to tell people.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub severity: Severity,
    pub title: String,
    pub lines: Vec<String>,
    /// Whether every topic hears of it, as of a blind source.
    pub everybody: bool,
    /// One word for what it is about: the same is not told twice.
    pub about: &'static str,
}

/// Whether the cloud records what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Enabled,
    Disabled,
    Error,
    Absent,
}

impl Health {
    /// In one word, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Error => "error",
            Self::Absent => "absent",
        }
    }
}

impl Look {
    /// `None` if we may not know.
    pub fn health(&self) -> Option<Health> {
        match self {
            Self::Tracker(tracker, _) => Some(health(tracker.status())),
            Self::Absent => Some(Health::Absent),
            Self::Forbidden { .. } => None,
        }
    }
}

impl Memory {
    /// What is to be remembered after `look`, and what is to be told. `before` is `None` at the first look
    /// ever; `silent` says that no trace of this source was ever read.
    pub fn after(
        before: Option<&Self>,
        look: &Look,
        source: &str,
        silent: bool,
        now: Timestamp,
    ) -> (Self, Vec<Finding>) {
        let mut memory = before.cloned().unwrap_or_default();
        let mut findings = Vec::new();
        let (failing_since, told_failing) = (memory.failing_since.take(), std::mem::take(&mut memory.told_failing));
        if let Look::Forbidden { reason, fix } = look {
            // Of one that fails no more and is forbidden now it would be wrong to say that it can be looked at again.
            if !memory.forbidden || told_failing {
                findings.push(forbidden(source, reason, fix));
            }
            memory.forbidden = true;
            return (memory, findings);
        }
        if memory.forbidden || told_failing {
            let about = if memory.forbidden { "allowed" } else { "answered" };
            findings.push(again(source, failing_since.filter(|_| told_failing), about, now));
        }
        memory.forbidden = false;
        // A memory of nothing but refusals knows no tracker yet.
        let known = before.filter(|before| before.ever || before.off_since.is_some());
        let (was, is) = (known.map(Self::health), look.health().expect("a look that was allowed found something"));
        let old = known.and_then(|known| known.tracker.as_ref());
        let seen = if let Look::Tracker(tracker, api) = look { Some(Seen::of(tracker, *api, old)) } else { None };
        findings.extend(turned(source, was, is, old, seen.as_ref(), memory.ever, memory.off_since, now));
        if let (Some(old), Some(seen), Look::Tracker(_, api)) = (old, &seen, look) {
            findings.extend(reconfigured(source, old, seen, *api));
        }
        memory.off_since = if is == Health::Enabled { None } else { memory.off_since.or(Some(now)) };
        memory.ever |= seen.is_some();
        let long = memory.off_since.is_some_and(|since| clock::since(since, now) >= WITHOUT_TRACES);
        if is == Health::Absent && !memory.ever && silent && long && !memory.told_absent {
            memory.told_absent = true;
            findings.push(never(source));
        }
        memory.tracker = seen;
        (memory, findings)
    }

    /// What is to be remembered after a look that failed, and what is to be told. How it stood before stays known,
    /// so whatever is changed meanwhile is found by the next look.
    pub fn after_failure(
        before: Option<&Self>,
        reason: &str,
        fix: Option<&str>,
        source: &str,
        now: Timestamp,
    ) -> (Self, Option<Finding>) {
        let mut memory = before.cloned().unwrap_or_default();
        // One that lies ahead is left from a clock that was set back since.
        let since = memory.failing_since.map_or(now, |since| since.min(now));
        memory.failing_since = Some(since);
        if memory.told_failing || clock::since(since, now) < FAILING {
            return (memory, None);
        }
        memory.told_failing = true;
        let finding = failing(source, since, reason, fix);
        (memory, Some(finding))
    }

    /// Whether the next look wants to know if any trace was read.
    pub fn asks_for_traces(&self) -> bool {
        !self.ever && !self.told_absent
    }

    fn health(&self) -> Health {
        self.tracker.as_ref().map_or(Health::Absent, Seen::health)
    }
}

impl Seen {
    /// A tracker as this version shows it; of what the version never spoke, what was known before stays known.
    fn of(tracker: &Tracker, api: Api, old: Option<&Self>) -> Self {
        let mut seen = Self {
            id: tracker.id.clone().or_else(|| old.and_then(|old| old.id.clone())),
            status: tracker.status().map(str::to_owned),
            detail: tracker.detail.clone(),
            values: BTreeMap::new(),
            spoken: old.map(|old| old.spoken.clone()).unwrap_or_default(),
            versions: old.map(|old| old.versions.clone()).unwrap_or_default(),
        };
        seen.versions.insert(api);
        for name in WATCHED {
            let spoken = seen.spoken.get(name).is_some_and(|versions| versions.contains(&api));
            let known = || old.and_then(|old| old.values.get(name)).filter(|_| !spoken);
            if let Some(value) = tracker.get(name).or_else(known) {
                seen.values.insert(name.to_owned(), value.clone());
            }
            if tracker.get(name).is_some() {
                seen.spoken.entry(name.to_owned()).or_default().insert(api);
            }
        }
        seen
    }

    fn health(&self) -> Health {
        health(self.status.as_deref())
    }
}

/// A word that nobody documents is no reason to ring.
fn health(status: Option<&str>) -> Health {
    match status {
        Some("disabled") => Health::Disabled,
        Some("error") => Health::Error,
        _ => Health::Enabled,
    }
}

/// What the cloud's word for trouble means, and what helps.
pub fn trouble(detail: Option<&str>) -> (&'static str, &'static str) {
    match detail {
        Some("noBucket") => {
            ("its bucket is gone", "create the bucket again, or name another: `tracebell tracker update --bucket NAME`")
        }
        Some("bucketPolicyError") => {
            ("it may not write into its bucket", "let CTS write into the bucket again: check the bucket's policy")
        }
        Some("checkBucketExistFailed") => {
            ("its bucket cannot be checked", "check that the bucket exists and that CTS may reach it")
        }
        Some("arrears") => ("the account is in arrears: traces are no longer transferred", "settle the account's bill"),
        _ => ("the cloud does not say why", "look at the tracker in the cloud's console"),
    }
}

#[expect(clippy::too_many_arguments, reason = "two looks, side by side")]
fn turned(
    source: &str,
    was: Option<Health>,
    is: Health,
    old: Option<&Seen>,
    seen: Option<&Seen>,
    ever: bool,
    off_since: Option<Timestamp>,
    now: Timestamp,
) -> Option<Finding> {
    let detail = |seen: Option<&Seen>| seen.and_then(|seen| seen.detail.clone());
    let from = match was {
        Some(was) => format!("{STATUS}: {} -> {}", was.as_str(), is.as_str()),
        None => format!("{STATUS}: {}, when it was first looked at", is.as_str()),
    };
    let who = "What to do: find out who did it (service CTS in the trace list)".to_owned();
    let finding = |severity, title: String, lines, about| Finding { severity, title, lines, everybody: true, about };
    match is {
        Health::Disabled if was != Some(Health::Disabled) => {
            let means = "While it is disabled the cloud records no operation, so no rule can ring.".to_owned();
            let lines =
                vec![from, means, format!("{who}, then enable it: `tracebell tracker update --status enabled`.")];
            let title = format!("The tracker of source {source} is disabled: nothing is recorded");
            Some(finding(Severity::Critical, title, lines, "disabled"))
        }
        Health::Absent if ever && was.is_some_and(|was| was != Health::Absent) => {
            let means = "Without a tracker the cloud records no operation, so no rule can ring.".to_owned();
            let bucket = old.and_then(|old| old.values.get(BUCKET)).filter(|bucket| !is_empty(bucket));
            let bucket = bucket.and_then(Value::as_str).unwrap_or("NAME");
            let again = format!("{who}, then create it again: `tracebell tracker create --bucket {bucket}`.");
            let title = format!("The tracker of source {source} was deleted: nothing is recorded");
            Some(finding(Severity::Critical, title, vec![from, means, again], "deleted"))
        }
        Health::Error if was != Some(Health::Error) || detail(old) != detail(seen) => {
            let detail = detail(seen);
            let (means, fix) = trouble(detail.as_deref());
            let from = detail.map_or_else(|| from.clone(), |detail| format!("{from} ({detail})"));
            let kept =
                "The cloud still lists traces for seven days; beyond that only the bucket keeps them.".to_owned();
            let title = format!("The tracker of source {source} is in trouble: {means}");
            Some(finding(Severity::High, title, vec![from, kept, format!("What to do: {fix}.")], "error"))
        }
        Health::Enabled if was.is_some_and(|was| was != Health::Enabled) => {
            let off = off_since.map_or(Duration::ZERO, |since| clock::since(since, now));
            let words = clock::in_words(off);
            let gap = match was {
                Some(Health::Error) => format!("It was in trouble for {words}."),
                _ => format!("It was off for {words}: what happened meanwhile is not recorded."),
            };
            let title = format!("The tracker of source {source} is enabled again");
            let mended = finding(Severity::Info, title, vec![from, gap], "mended");
            // Nobody but the operator was told that there was none.
            Some(Finding { everybody: ever, ..mended })
        }
        _ => None,
    }
}

fn reconfigured(source: &str, old: &Seen, seen: &Seen, api: Api) -> Option<Finding> {
    let mut lines = Vec::new();
    let mut severity = Severity::Medium;
    if let (Some(before), Some(after)) = (&old.id, &seen.id)
        && before != after
    {
        severity = Severity::High;
        lines.push("It was deleted and created again: what happened in between is not recorded.".to_owned());
        lines.push(format!("id: {before} -> {after}"));
    }
    for name in WATCHED {
        let (before, after) = (old.values.get(name), seen.values.get(name));
        // A version that looks for the first time may just say more.
        if before.is_none() && !old.versions.contains(&api) {
            continue;
        }
        let (from, to) = (words(name, before), words(name, after));
        // Off and not said are the same.
        let chosen = before.is_some_and(is_chosen) || after.is_some_and(is_chosen);
        if from == to || !chosen || FILLED_IN.contains(&name) && before.is_none_or(is_empty) {
            continue;
        }
        if !HARMLESS.contains(&name) {
            severity = Severity::High;
        }
        lines.push(format!("{name}: {from} -> {to}"));
    }
    if lines.is_empty() {
        return None;
    }
    lines.push(
        "What to do: if nobody of yours did this, find out who did (service CTS in the trace list) and set it back: \
         `tracebell tracker update`."
            .to_owned(),
    );
    let title = format!("The tracker of source {source} was changed");
    Some(Finding { severity, title, lines, everybody: true, about: "changed" })
}

fn forbidden(source: &str, reason: &str, fix: &str) -> Finding {
    let lines = vec![
        format!("What was found: {reason}"),
        "Alerts ring as before; but that somebody switches the tracker off is seen only by the trace that it leaves."
            .to_owned(),
        format!("What to do: {fix}, or write `watch_tracker: off` beside `cloud` of this source."),
    ];
    let title = format!("The tracker of source {source} cannot be looked at");
    Finding { severity: Severity::Low, title, lines, everybody: false, about: "forbidden" }
}

fn failing(source: &str, since: Timestamp, reason: &str, fix: Option<&str>) -> Finding {
    let since = since.strftime("%Y-%m-%d %H:%M:%S UTC");
    let fix = fix.unwrap_or("check that the cloud's API answers from this machine: `tracebell doctor`");
    let lines = vec![
        format!("Since {since} every look at it failed."),
        format!("What was found: {reason}"),
        "That somebody switches the tracker off meanwhile is seen only by the trace that it leaves.".to_owned(),
        format!(
            "What to do: {fix}. The looks go on by themselves, and what was changed is told by the first that succeeds."
        ),
    ];
    let title = format!("The tracker of source {source} could not be looked at for an hour");
    Finding { severity: Severity::Medium, title, lines, everybody: false, about: "failing" }
}

fn again(source: &str, failing_since: Option<Timestamp>, about: &'static str, now: Timestamp) -> Finding {
    let title = format!("The tracker of source {source} can be looked at again");
    let meanwhile = failing_since.map(|since| clock::in_words(clock::since(since, now)));
    let lines = match meanwhile {
        Some(words) => vec![format!("It could not be for {words}; from now on it is watched again.")],
        None => vec!["From now on it is watched.".to_owned()],
    };
    Finding { severity: Severity::Info, title, lines, everybody: false, about }
}

fn never(source: &str) -> Finding {
    let lines = vec![
        "No trace was ever read from it either: without a tracker the cloud records nothing.".to_owned(),
        "What to do: create one: `tracebell tracker create --bucket NAME`.".to_owned(),
    ];
    let title = format!("Source {source} has no tracker");
    Finding { severity: Severity::Low, title, lines, everybody: false, about: "never" }
}

#[cfg(test)]
mod tests;
