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
        if let Look::Forbidden { reason, fix } = look {
            if !memory.forbidden {
                findings.push(forbidden(source, reason, fix));
            }
            memory.forbidden = true;
            return (memory, findings);
        }
        if memory.forbidden {
            let title = format!("The tracker of source {source} can be looked at again");
            let lines = vec!["From now on it is watched.".to_owned()];
            findings.push(Finding { severity: Severity::Info, title, lines, everybody: false, about: "allowed" });
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

fn never(source: &str) -> Finding {
    let lines = vec![
        "No trace was ever read from it either: without a tracker the cloud records nothing.".to_owned(),
        "What to do: create one: `tracebell tracker create --bucket NAME`.".to_owned(),
    ];
    let title = format!("Source {source} has no tracker");
    Finding { severity: Severity::Low, title, lines, everybody: false, about: "never" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tracker(change: &[(&str, Value)]) -> Look {
        let mut raw = json!({ "id": "i-1", "tracker_name": "system", "status": "enabled", "detail": "",
            "is_support_validate": true, "lts": { "is_lts_enabled": true, "log_group_name": "" },
            "obs_info": { "bucket_name": "b-1", "file_prefix_name": "", "compress_type": "", "bucket_lifecycle": 0 } });
        for (place, value) in change {
            super::super::settings::put(&mut raw, place, value.clone());
        }
        Look::Tracker(Box::new(Tracker::read(raw).unwrap()), Api::V3)
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_768_465_800 + 60 * minutes).unwrap()
    }

    /// Looks one after the other, a minute apart; what each tells: what about, how bad, to whom.
    #[track_caller]
    fn check(looks: Vec<Look>, expected: &[&str]) {
        let mut memory: Option<Memory> = None;
        let mut told = Vec::new();
        for (minute, look) in looks.iter().enumerate() {
            let (after, findings) = Memory::after(memory.as_ref(), look, "prod", true, at(6 * minute as i64));
            for finding in findings {
                let to = if finding.everybody { "all" } else { "notices" };
                told.push(format!("{minute} {} {} {to}", finding.about, finding.severity.as_str()));
            }
            // As after a restart.
            let kept = serde_json::to_string(&after).unwrap();
            memory = Some(serde_json::from_str(&kept).unwrap());
            assert_eq!(memory.as_ref(), Some(&after));
        }
        assert_eq!(told, expected);
    }

    #[test]
    fn switching_off_is_told_once_and_so_is_mending() {
        let off = || tracker(&[("/status", json!("disabled"))]);
        let looks = vec![tracker(&[]), tracker(&[]), off(), off(), tracker(&[]), tracker(&[])];
        check(looks, &["2 disabled critical all", "4 mended info all"]);
        check(vec![off(), off()], &["0 disabled critical all"]);
        check(
            vec![tracker(&[]), Look::Absent, Look::Absent, tracker(&[])],
            &["1 deleted critical all", "3 mended info all"],
        );
    }

    #[test]
    fn trouble_with_the_bucket_is_told_with_its_reason() {
        let error = |detail: &str| tracker(&[("/status", json!("error")), ("/detail", json!(detail))]);
        let looks = vec![tracker(&[]), error("noBucket"), error("noBucket"), error("arrears"), tracker(&[])];
        check(looks, &["1 error high all", "3 error high all", "4 mended info all"]);
    }

    #[test]
    fn what_was_changed_is_told_from_before_to_after() {
        let (memory, _) = Memory::after(None, &tracker(&[]), "prod", false, at(0));
        let changed = tracker(&[("/obs_info/bucket_name", json!("evil")), ("/is_support_validate", json!(false))]);
        let (memory, findings) = Memory::after(Some(&memory), &changed, "prod", false, at(1));
        assert_eq!(findings[0].lines[..2], ["bucket: b-1 -> evil", "validate: on -> off"]);
        assert_eq!((findings[0].severity, findings[0].about), (Severity::High, "changed"));
        assert!(Memory::after(Some(&memory), &changed, "prod", false, at(2)).1.is_empty());
        check(vec![tracker(&[]), tracker(&[("/obs_info/file_prefix_name", json!("p"))])], &["1 changed medium all"]);
        check(vec![tracker(&[]), tracker(&[("/id", json!("i-2"))])], &["1 changed high all"]);
    }

    #[test]
    fn what_the_cloud_fills_in_or_leaves_out_is_no_change() {
        let filled = || {
            tracker(&[
                ("/obs_info/compress_type", json!("gzip")),
                ("/obs_info/is_sort_by_service", json!(true)),
                ("/obs_info/bucket_lifecycle", json!(30)),
                ("/obs_info/is_authorized_bucket", json!(true)),
                ("/lts/log_group_name", json!("CTS")),
                ("/group_id", json!("g")),
            ])
        };
        let flat = json!({ "id": "i-1", "tracker_name": "system", "status": "enabled", "bucket_name": "b-1" });
        let v1 = || Look::Tracker(Box::new(Tracker::read(flat.clone()).unwrap()), Api::V1);
        check(vec![tracker(&[]), filled(), v1(), v1(), filled()], &[]);
        // The other way round v3 says more than was known, and nothing that changed.
        let excluded = || tracker(&[("/management_event_selector/exclude_service", json!(["KMS"]))]);
        check(vec![v1(), excluded(), v1(), v1(), excluded()], &[]);
        // Off and not said are the same.
        check(
            vec![tracker(&[("/is_support_validate", json!(false))]), tracker(&[("/is_support_validate", json!(null))])],
            &[],
        );
    }

    #[test]
    fn a_setting_that_appears_or_disappears_is_told() {
        let excluded = || tracker(&[("/management_event_selector/exclude_service", json!(["KMS"]))]);
        let (memory, _) = Memory::after(None, &tracker(&[]), "prod", false, at(0));
        let (memory, findings) = Memory::after(Some(&memory), &excluded(), "prod", false, at(1));
        assert_eq!(findings[0].lines[0], "exclude-service: - -> KMS");
        let (_, findings) = Memory::after(Some(&memory), &tracker(&[]), "prod", false, at(2));
        assert_eq!(findings[0].lines[0], "exclude-service: KMS -> -");
        check(vec![tracker(&[]), excluded(), excluded(), tracker(&[])], &["1 changed high all", "3 changed high all"]);
        let without = || tracker(&[("/obs_info", json!(null))]);
        check(vec![tracker(&[]), without(), without()], &["1 changed high all"]);
        // A look by v1 in between hides nothing, and makes nothing up.
        let flat = json!({ "id": "i-1", "tracker_name": "system", "status": "enabled", "bucket_name": "b-1" });
        let v1 = || Look::Tracker(Box::new(Tracker::read(flat.clone()).unwrap()), Api::V1);
        check(vec![tracker(&[]), v1(), excluded(), v1(), tracker(&[])], &["2 changed high all", "4 changed high all"]);
        check(vec![tracker(&[]), v1(), without()], &["2 changed high all"]);
    }

    #[test]
    fn a_source_without_a_tracker_is_told_of_late_and_quietly() {
        check(vec![Look::Absent, Look::Absent, Look::Absent, Look::Absent], &["2 never low notices"]);
        check(vec![Look::Absent, tracker(&[])], &["1 mended info notices"]);
        let (memory, _) = Memory::after(None, &Look::Absent, "prod", false, at(0));
        assert!(Memory::after(Some(&memory), &Look::Absent, "prod", false, at(99)).1.is_empty(), "traces are read");
    }

    #[test]
    fn a_missing_permission_is_told_once_and_hides_no_change() {
        let no = || Look::Forbidden { reason: "403".to_owned(), fix: "grant it".to_owned() };
        check(vec![no(), no(), tracker(&[])], &["0 forbidden low notices", "2 allowed info notices"]);
        let off = tracker(&[("/status", json!("disabled"))]);
        check(
            vec![tracker(&[]), no(), off],
            &["1 forbidden low notices", "2 allowed info notices", "2 disabled critical all"],
        );
    }
}
