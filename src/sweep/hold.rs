//! When a hold ends: what it kept back is told in one message, or goes as it is if it is one.

use std::time::Duration;

use jiff::{ToSpan, tz::TimeZone};

use crate::{
    clock::{self, Timestamp},
    delivery::{Cause, Delivery, HoldKind},
    generation::Generation,
    notification::{Gathered, Kind, Notification},
    store::{Flush, Held, Shown, Store, StoreError},
    topic::{Due, GroupBy, Subscription, pace::GROW_EVERY},
};

/// Told in one step; more wait for the next.
const HOLDS_PER_STEP: usize = 50;
const GROWN_PER_STEP: usize = 200;
/// Names in a title.
const NAMED: usize = 4;

/// Tells what holds kept back that are over. Returns how many ended.
pub async fn flush<S: Store>(store: &S, generation: &Generation, now: Timestamp) -> Result<usize, StoreError> {
    let due = store.due_holds(now, HOLDS_PER_STEP).await?;
    let ended = due.len();
    for held in due {
        // A digest is what its reader asked for; of anything else that waited alone, nothing has to be gathered.
        let into = (held.deliveries > 1 || held.kind == HoldKind::Digest).then(|| carrier(generation, &held, now));
        store.flush(Flush { hold: held.hold, up_to: held.up_to, into, now }).await?;
    }
    Ok(ended)
}

/// Shows in place how often open alerts were seen by now, where messages can be changed. Returns of how many.
pub async fn show_grown<S: Store>(store: &S, generation: &Generation, now: Timestamp) -> Result<usize, StoreError> {
    if !generation.topics.addresses.values().any(|address| address.format.edits()) {
        return Ok(0);
    }
    let grown = store.grown(clock::minus(now, GROW_EVERY), GROWN_PER_STEP).await?;
    if grown.is_empty() {
        return Ok(0);
    }
    let mut shown = Shown { alerts: Vec::new(), deliveries: Vec::new(), now };
    for grown in &grown {
        shown.alerts.push((grown.id.clone(), grown.alert.as_ref().map(|alert| alert.count)));
        let Some(alert) = &grown.alert else { continue };
        let occasion = format!("{} {}", alert.id, alert.count);
        let notification = Notification::repeated(alert, now);
        let edits = grown.subscribers.iter().filter(|by| generation.topics.format(&by.endpoint).edits());
        shown.deliveries.extend(edits.filter_map(|by| {
            let cause = Cause::Repeated(alert.id.clone());
            let due = Due::new(&notification, &occasion, &by.subscription, &by.endpoint, cause);
            generation.topics.delivery(Due { thread: Some(&by.thread), ..due })
        }));
    }
    store.show(shown).await?;
    Ok(grown.len())
}

fn carrier(generation: &Generation, held: &Held, now: Timestamp) -> Delivery {
    let subscription = generation.topics.subscription(&held.subscription);
    let zone = generation.topics.addresses.get(&held.endpoint).map_or(TimeZone::UTC, |address| address.zone.clone());
    let (kind, title) = match held.kind {
        HoldKind::Group => (Kind::Group, group_title(subscription, &held.gathered)),
        _ => (Kind::Digest, digest_title(subscription, held, &zone, now)),
    };
    let notification = Notification {
        kind,
        gathered: Some(held.gathered.clone()),
        ..Notification::notice(held.worst, title, lines(held), now)
    };
    // More may come under the same hold, of a group that grows.
    let occasion = format!("{} {}", held.hold, held.up_to);
    let cause = Cause::Held(held.kind);
    let thread = (held.kind == HoldKind::Group).then_some(held.thread.as_str());
    let due = Due::new(&notification, &occasion, &held.subscription, &held.endpoint, cause);
    generation.topics.owed(Due { thread, ..due })
}

/// `alice, 14 actions in 6 min over IAM, KMS, OBS, 3 failed`
fn group_title(subscription: Option<&Subscription>, gathered: &Gathered) -> String {
    let by = subscription.and_then(|subscription| subscription.group.as_ref()).map(|group| group.by);
    let by_resource = by == Some(GroupBy::Resource) || by.is_none() && gathered.by_actor.len() > 1;
    let (who, over, word) = match by_resource {
        true => (&gathered.by_resource, &gathered.by_actor, "by"),
        false => (&gathered.by_actor, &gathered.by_service, "over"),
    };
    let who = who.first().map_or("several", |(name, _)| name);
    let mut title = format!("{who}, {}", counted(gathered.total, "action"));
    if let Some(span) = span(gathered) {
        title.push_str(&format!(" in {span}"));
    }
    if !over.is_empty() {
        title.push_str(&format!(" {word} {}", names(over)));
    }
    if gathered.failed > 0 {
        title.push_str(&format!(", {} failed", gathered.failed));
    }
    title
}

/// `Digest of security: 37 alerts since yesterday 07:30, worst critical`
fn digest_title(subscription: Option<&Subscription>, held: &Held, zone: &TimeZone, now: Timestamp) -> String {
    let topic = held.subscription.split('/').next().unwrap_or(&held.subscription);
    let timetable = subscription.and_then(|subscription| subscription.digest.as_ref());
    let schedule = subscription.and_then(|subscription| subscription.schedule.as_ref());
    let (what, since, zone) = match (held.kind, timetable, schedule) {
        (HoldKind::Digest, Some(timetable), _) => {
            ("Digest", timetable.previous(held.until).map_or(held.since, |last| last.min(held.since)), &timetable.zone)
        }
        (HoldKind::Quiet, _, Some(schedule)) => ("Quiet hours", held.since, &schedule.zone),
        (HoldKind::Quiet, ..) => ("Quiet hours", held.since, zone),
        (HoldKind::Budget, ..) => ("Beyond the noise budget", held.since, zone),
        (HoldKind::Storm, ..) => ("Storm", held.since, zone),
        (HoldKind::Fill, ..) => return filled_title(topic, held),
        (HoldKind::Digest | HoldKind::Group, ..) => ("Digest", held.since, zone),
    };
    let (alerts, ago) = (counted(held.gathered.total, "alert"), past(since, zone, now));
    format!("{what} of {topic}: {alerts} since {ago}, worst {}", held.worst)
}

/// `Gap filled for security: 37 alerts from 2026-11-02 08:00 UTC to 2026-11-12 09:30 UTC, worst critical`
fn filled_title(topic: &str, held: &Held) -> String {
    let alerts = counted(held.gathered.total, "alert");
    let when = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let span = match (held.gathered.first, held.gathered.last) {
        (Some(first), Some(last)) if first < last => format!(" from {} to {}", when(first), when(last)),
        (Some(at), _) => format!(" of {}", when(at)),
        _ => String::new(),
    };
    format!("Gap filled for {topic}: {alerts}{span}, worst {}", held.worst)
}

fn lines(held: &Held) -> Vec<String> {
    let why = match held.kind {
        HoldKind::Digest | HoldKind::Group => None,
        HoldKind::Quiet => Some("They came in quiet hours."),
        HoldKind::Budget => Some("Their rules rang more often in a day than their authors expect."),
        HoldKind::Fill => {
            Some("They come late: a gap in the audit log was filled from the archive, and all of them are told here.")
        }
        HoldKind::Storm => Some("More alerts came at once than people can read."),
    };
    let kept = "Each of them is kept: `tracebell delivery list` shows it.";
    why.into_iter().chain([kept]).map(str::to_owned).collect()
}

/// `1 alert`, `37 alerts`
fn counted(count: u64, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// In whole minutes where it is longer than one; nothing for a moment.
fn span(gathered: &Gathered) -> Option<String> {
    let seconds = clock::since(gathered.first?, gathered.last?).as_secs();
    let whole = if seconds < 60 { seconds } else { (seconds + 30) / 60 * 60 };
    (whole > 0).then(|| clock::in_words(Duration::from_secs(whole)))
}

/// `IAM, KMS, OBS`, and how many more.
fn names(list: &[(String, u64)]) -> String {
    let named: Vec<&str> = list.iter().take(NAMED).map(|(name, _)| name.as_str()).collect();
    match list.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// A past time as people say it: `07:30`, `yesterday 07:30`, `Friday 07:30`, `2026-11-01 07:30`.
fn past(time: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let (then, today) = (time.to_zoned(zone.clone()), now.to_zoned(zone.clone()).date());
    let days = |ago: i64| today.checked_sub(ago.days()).ok();
    let date = then.date();
    let form = if date == today {
        "%H:%M"
    } else if days(1) == Some(date) {
        "yesterday %H:%M"
    } else if days(7).is_some_and(|week_ago| date > week_ago) {
        "%A %H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    then.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::Severity,
        topic::{Grouping, Timetable},
    };

    fn list(names: &[(&str, u64)]) -> Vec<(String, u64)> {
        names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn gathered(total: u64, failed: u64, seconds: u64) -> Gathered {
        let first: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        Gathered {
            total,
            failed,
            first: Some(first),
            last: Some(clock::plus(first, Duration::from_secs(seconds))),
            by_actor: list(&[("alice", total)]),
            by_service: list(&[("IAM", 7), ("KMS", 4), ("OBS", 3)]),
            by_resource: list(&[("prod-db", total)]),
            ..Gathered::default()
        }
    }

    #[track_caller]
    fn check_group(by: GroupBy, gathered: &Gathered, expected: &str) {
        let group = Some(Grouping { by, within: Duration::from_secs(600) });
        let subscription = Subscription { group, ..Subscription::new("security/slack", "slack") };
        assert_eq!(group_title(Some(&subscription), gathered), expected);
    }

    #[test]
    fn a_group_is_a_sentence() {
        let actor = GroupBy::Actor;
        check_group(actor, &gathered(14, 3, 370), "alice, 14 actions in 6 min over IAM, KMS, OBS, 3 failed");
        check_group(actor, &gathered(2, 0, 20), "alice, 2 actions in 20 s over IAM, KMS, OBS");
        check_group(GroupBy::Resource, &gathered(2, 1, 0), "prod-db, 2 actions by alice, 1 failed");
        let many = Gathered {
            by_service: list(&[("A", 1), ("B", 1), ("C", 1), ("D", 1), ("E", 1), ("F", 1)]),
            ..gathered(6, 0, 3600)
        };
        check_group(actor, &many, "alice, 6 actions in 1 h over A, B, C, D and 2 more");
        check_group(actor, &Gathered { total: 2, ..Gathered::default() }, "several, 2 actions");
    }

    #[track_caller]
    fn check_digest(kind: HoldKind, total: u64, since: &str, now: &str, expected: &str) {
        let now: Timestamp = now.parse().unwrap();
        let held = Held {
            hold: "h".into(),
            kind,
            until: now,
            since: since.parse().unwrap(),
            subscription: "security/slack".into(),
            endpoint: "slack".into(),
            thread: String::new(),
            deliveries: 9,
            up_to: 9,
            worst: Severity::Critical,
            gathered: gathered(total, 0, 60),
        };
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let digest = Some(Timetable { at: vec!["07:30".parse().unwrap()], on: vec![], zone: berlin.clone() });
        let subscription = Subscription { digest, ..Subscription::new("security/slack", "slack") };
        assert_eq!(digest_title(Some(&subscription), &held, &berlin, now), expected);
    }

    #[test]
    fn a_digest_says_since_when_in_its_own_zone() {
        let (now, noon) = ("2026-11-22T06:30:00Z", "2026-11-21T12:00:00Z");
        let expected = "Digest of security: 37 alerts since yesterday 07:30, worst critical";
        check_digest(HoldKind::Digest, 37, noon, now, expected);
        let one = "Digest of security: 1 alert since yesterday 07:30, worst critical";
        check_digest(HoldKind::Digest, 1, noon, now, one);
        // What should have been told earlier, had Tracebell run.
        let late = "Digest of security: 2 alerts since Wednesday 13:00, worst critical";
        check_digest(HoldKind::Digest, 2, "2026-11-18T12:00:00Z", now, late);
        let quiet = "Quiet hours of security: 2 alerts since yesterday 23:00, worst critical";
        check_digest(HoldKind::Quiet, 2, "2026-11-21T22:00:00Z", now, quiet);
        let storm = "Storm of security: 312 alerts since 07:29, worst critical";
        check_digest(HoldKind::Storm, 312, "2026-11-22T06:29:10Z", now, storm);
        let long = "Beyond the noise budget of security: 2 alerts since 2026-11-01 00:00, worst critical";
        check_digest(HoldKind::Budget, 2, "2026-10-31T23:00:00Z", now, long);
    }
}
