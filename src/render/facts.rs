//! What every format tells: who, what, where, when, in words.

use crate::{
    clock::{self, Timestamp, in_words},
    notification::{AlertFacts, Notification},
    render::{inert, link::Link},
    trace::{ActorKind, Origin, Outcome, Trace},
};

/// One line of a table: a label and harmless text, never empty.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fact {
    pub label: &'static str,
    pub value: String,
}

/// A heading and lines below it, all harmless text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Listing {
    pub heading: &'static str,
    pub lines: Vec<String>,
}

// Long enough for any name the cloud allows, short enough for a phone.
const VALUE: usize = 300;
const NAME: usize = 120;
const TITLE: usize = 200;
const PARAGRAPH: usize = 1500;
const LINES: usize = 20;

/// The sentence that comes first.
pub fn title(notification: &Notification) -> String {
    inert::line(&notification.title, TITLE)
}

/// That the alert got worse, from what to what, and what did it.
pub fn worse(notification: &Notification) -> Option<String> {
    let worse = notification.worse.as_ref()?;
    let severity = match (worse.was, notification.severity) {
        (was, now) if was == now => String::new(),
        (was, now) => format!(", {was} before and {now} now"),
    };
    let trace = &worse.trace;
    let by = inert::line(trace.actor_label(), NAME);
    Some(format!("This alert got worse{severity}: {}, by {by}", what(trace)))
}

/// How often and for how long, if the alert took more than one match.
pub fn repeats(notification: &Notification) -> Option<String> {
    let alert = notification.alert.as_ref()?;
    (alert.count > 1).then(|| match alert.span.as_secs() {
        0 => format!("{} times within a second", alert.count),
        _ => format!("{} times in {}", alert.count, in_words(alert.span)),
    })
}

/// The sentence in one line for lists, subjects and lock screens: `[critical] alice deleted ...`,
/// `[critical, was medium] ...` when it got worse.
pub fn headline(notification: &Notification) -> String {
    let tail = repeats(notification).map(|words| format!(" ({words})")).unwrap_or_default();
    let head = match &notification.worse {
        None => format!("[{}] ", notification.severity),
        Some(worse) if worse.was == notification.severity => format!("[{}, got worse] ", notification.severity),
        Some(worse) => format!("[{}, was {}] ", notification.severity, worse.was),
    };
    let room = TITLE.saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", inert::line(&notification.title, room))
}

/// Who did what to which resource, from where and when: of the trace that made it worse, if one did,
/// else of the one that opened the alert. How often is said by [`repeats`].
pub fn facts(notification: &Notification) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(alert) = &notification.alert {
        let trace = notification.worse.as_ref().map_or(&alert.trace, |worse| &worse.trace);
        add(&mut facts, "Who", who(trace));
        add(&mut facts, "What", what(trace));
        add(&mut facts, "Resource", resource(trace));
        add(&mut facts, "From", from(trace));
        add(&mut facts, "Project", project(trace));
        if alert.count > 1 {
            let first = alert.first_time.unwrap_or(alert.trace.time);
            add(&mut facts, "First", when(first));
            add(&mut facts, "Newest", when(clock::plus(first, alert.span)));
            add(&mut facts, "Grouped by", key(alert));
        } else {
            add(&mut facts, "When", when(trace.time));
        }
    }
    if Link::runbook(notification).is_none() {
        add(&mut facts, "What to do", notification.runbook.clone().unwrap_or_default());
    }
    facts
}

/// Names by which to find the alert again: rule, severity, ids.
pub fn references(notification: &Notification, delivery: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(alert) = &notification.alert {
        add(&mut facts, "Rule", alert.rule.clone());
    }
    add(&mut facts, "Severity", notification.severity.to_string());
    add(&mut facts, "Source", notification.source.clone());
    if let Some(alert) = &notification.alert {
        let trace = notification.worse.as_ref().map_or(&alert.trace, |worse| &worse.trace);
        add(&mut facts, "Trace", trace.id.clone());
        add(&mut facts, "Alert", alert.id.clone());
    } else {
        add(&mut facts, "Sent", when(notification.created_at));
    }
    add(&mut facts, "Delivery", delivery.to_owned());
    facts
}

/// Why it matters, in the rule author's words.
pub fn why(notification: &Notification) -> Option<String> {
    let why = inert::line(notification.why.as_deref()?, PARAGRAPH);
    (!why.trim().is_empty()).then(|| why.trim().to_owned())
}

/// The lines of a notice and the parts of an overflow summary.
pub fn listings(notification: &Notification) -> Vec<Listing> {
    let mut listings = Vec::new();
    if !notification.lines.is_empty() {
        let mut lines: Vec<_> =
            notification.lines.iter().take(LINES).map(|line| inert::line(line, 2 * VALUE)).collect();
        lines.extend(more(notification.lines.len() as u64, lines.len() as u64));
        listings.push(Listing { heading: "", lines });
    }
    if let Some(gathered) = &notification.gathered {
        let total = gathered.total;
        listings.push(counted("By rule", &gathered.by_rule, total));
        listings.push(counted("By actor", &gathered.by_actor, total));
        let mut lines: Vec<_> = gathered.titles.iter().take(LINES).map(|title| inert::line(title, TITLE)).collect();
        lines.extend(more(total, lines.len() as u64));
        listings.push(Listing { heading: "The first", lines });
    }
    listings.retain(|listing| !listing.lines.is_empty());
    listings
}

/// `Alerts` and its number for an overflow summary.
pub fn total(notification: &Notification) -> Option<String> {
    let total = notification.gathered.as_ref()?.total;
    Some(format!(
        "{total} {} told in this one notification",
        if total == 1 { "alert or repeat" } else { "alerts and repeats" }
    ))
}

/// `2026-01-15 08:30:00 UTC`
pub fn when(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn counted(heading: &'static str, counts: &[(String, u64)], total: u64) -> Listing {
    let shown = &counts[..counts.len().min(LINES / 2)];
    let mut lines: Vec<_> =
        shown.iter().map(|(name, count)| format!("{count} × {}", inert::line(name, NAME))).collect();
    if !lines.is_empty() {
        let told = shown.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        lines.extend(more(total, told));
    }
    Listing { heading, lines }
}

fn more(total: u64, told: u64) -> Option<String> {
    (total > told).then(|| format!("+{} more", total - told))
}

fn add(facts: &mut Vec<Fact>, label: &'static str, value: String) {
    let value = inert::line(value.trim(), VALUE);
    if !value.trim().is_empty() {
        facts.push(Fact { label, value });
    }
}

/// `name (detail, detail)`; the details that are missing are left out.
fn with_details(name: &str, details: &[Option<String>]) -> String {
    let details: Vec<&str> = details.iter().flatten().map(String::as_str).collect();
    if details.is_empty() { name.to_owned() } else { format!("{name} ({})", details.join(", ")) }
}

fn short(text: &Option<String>) -> Option<String> {
    text.as_deref().map(|text| inert::line(text.trim(), NAME)).filter(|text| !text.is_empty())
}

fn who(trace: &Trace) -> String {
    let actor = &trace.actor;
    let kind = match trace.actor_kind() {
        ActorKind::AccountOwner => Some("account owner".to_owned()),
        ActorKind::User => Some("user".to_owned()),
        ActorKind::Agency => Some("agency".to_owned()),
        ActorKind::Federated => Some("federated user".to_owned()),
        ActorKind::System => actor.name.is_some().then(|| "system".to_owned()),
    };
    let used_by = short(&actor.assumed_by).map(|name| format!("used by {name}"));
    let account = short(&actor.domain).map(|name| format!("account {name}"));
    with_details(&inert::line(trace.actor_label(), NAME), &[kind, used_by, account])
}

fn what(trace: &Trace) -> String {
    let service = inert::line(&trace.service, NAME);
    let operation = inert::line(&trace.operation, NAME);
    let outcome = match trace.outcome() {
        Outcome::Succeeded => "succeeded".to_owned(),
        Outcome::Failed => match short(&trace.code) {
            Some(code) => format!("failed with code {code}"),
            None => "failed".to_owned(),
        },
        Outcome::Incident => "incident".to_owned(),
        Outcome::Unknown => format!("rated {}", inert::line(trace.rating.as_str(), NAME)),
    };
    [service, operation].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ") + ", " + &outcome
}

fn resource(trace: &Trace) -> String {
    let resource = &trace.resource;
    let (kind, name, id) = (short(&resource.kind), short(&resource.name), short(&resource.id));
    match (name, id) {
        (Some(name), id) => with_details(&name, &[kind, id.filter(|id| *id != name).map(|id| format!("id {id}"))]),
        (None, Some(id)) => with_details(&id, &[kind]),
        (None, None) => kind.unwrap_or_default(),
    }
}

fn from(trace: &Trace) -> String {
    let by = match trace.origin() {
        Origin::Console => Some("console".to_owned()),
        Origin::Api => Some("API".to_owned()),
        Origin::System => Some("the platform itself".to_owned()),
        Origin::Other => None,
    };
    match short(&trace.source_ip) {
        Some(address) => with_details(&address, &[by]),
        None => by.unwrap_or_default(),
    }
}

fn project(trace: &Trace) -> String {
    let name = short(&trace.project_name).or_else(|| short(&trace.project_id));
    match (name, short(&trace.region)) {
        (Some(name), region) => with_details(&name, &[region.filter(|region| *region != name)]),
        (None, region) => region.unwrap_or_default(),
    }
}

fn key(alert: &AlertFacts) -> String {
    let parts = alert.key.iter().filter(|(_, value)| !value.is_empty());
    parts.map(|(name, value)| format!("{name} {}", inert::line(value, NAME))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        alert::{Key, Severity},
        notification::{Gathered, Kind, Worse},
        trace::Rating,
    };

    fn notification(change: impl FnOnce(&mut Notification, &mut AlertFacts)) -> Notification {
        let time = Timestamp::UNIX_EPOCH;
        let (service, operation) = ("IAM".to_owned(), "login".to_owned());
        let trace = Trace { service, operation, rating: Rating::Warning, ..Trace::blank("t1", time) };
        let (id, rule) = ("alr_x".into(), "r".into());
        let mut alert =
            AlertFacts { id, rule, key: Key::new(), count: 1, tells: 1, first_time: None, span: Duration::ZERO, trace };
        let mut notification = Notification::notice(Severity::High, "A login failed", vec![], time);
        notification.kind = Kind::Opened;
        change(&mut notification, &mut alert);
        notification.alert = Some(alert);
        notification
    }

    #[track_caller]
    fn check(notification: &Notification, expected: &[(&str, &str)]) {
        let facts = facts(notification);
        let found: Vec<_> = facts.iter().map(|fact| (fact.label, fact.value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_missing_has_no_line() {
        let bare = notification(|_, _| {});
        let time = "1970-01-01 00:00:00 UTC";
        check(&bare, &[("Who", "the platform"), ("What", "IAM login, failed"), ("When", time)]);
        let blank = notification(|_, alert| {
            alert.trace.source_ip = Some(" ".into());
            alert.trace.actor.domain = Some(String::new());
            alert.trace.resource.name = Some("\u{0}".into());
        });
        check(&blank, &[("Who", "the platform"), ("What", "IAM login, failed"), ("When", time)]);
    }

    #[test]
    fn who_and_where_read_as_words() {
        let told = notification(|notification, alert| {
            notification.kind = Kind::Summary;
            notification.runbook = Some("page 7 of the binder".into());
            alert.count = 3;
            alert.span = Duration::from_secs(65);
            alert.key = Key::from([("source_ip".into(), "203.0.113.7".into())]);
            let trace = &mut alert.trace;
            trace.actor.name = Some("ops".into());
            trace.actor.domain = Some("OTC1".into());
            trace.actor.assumed_by = Some("bob".into());
            trace.trace_type = Some("ApiCall".into());
            trace.code = Some("401".into());
            trace.source_ip = Some("203.0.113.7".into());
            trace.resource.kind = Some("user".into());
            trace.resource.id = Some("u1".into());
            trace.project_id = Some("p1".into());
            trace.region = Some("eu-de".into());
        });
        check(
            &told,
            &[
                ("Who", "ops (agency, used by bob, account OTC1)"),
                ("What", "IAM login, failed with code 401"),
                ("Resource", "u1 (user)"),
                ("From", "203.0.113.7 (API)"),
                ("Project", "p1 (eu-de)"),
                ("First", "1970-01-01 00:00:00 UTC"),
                ("Newest", "1970-01-01 00:01:05 UTC"),
                ("Grouped by", "source_ip 203.0.113.7"),
                ("What to do", "page 7 of the binder"),
            ],
        );
        assert_eq!(headline(&told), "[high] A login failed (3 times in 1 min 5 s)");
    }

    #[test]
    fn what_got_worse_says_from_what_to_what_and_why() {
        let mut told = notification(|notification, alert| {
            notification.kind = Kind::Escalated;
            notification.severity = Severity::Critical;
            alert.count = 9;
            alert.first_time = Some(Timestamp::from_second(60).unwrap());
            alert.span = Duration::from_secs(720);
        });
        let (service, operation) = ("IAM".to_owned(), "login".to_owned());
        let mut login = Trace { service, operation, ..Trace::blank("t9", Timestamp::from_second(780).unwrap()) };
        login.actor.name = Some("alice".into());
        login.rating = Rating::Normal;
        told.worse = Some(Worse { was: Severity::Medium, trace: login });
        let sentence = "This alert got worse, medium before and critical now: IAM login, succeeded, by alice";
        assert_eq!(worse(&told).unwrap(), sentence);
        assert_eq!(headline(&told), "[critical, was medium] A login failed (9 times in 12 min)");
        check(
            &told,
            &[
                ("Who", "alice (user)"),
                ("What", "IAM login, succeeded"),
                ("First", "1970-01-01 00:01:00 UTC"),
                ("Newest", "1970-01-01 00:13:00 UTC"),
            ],
        );
        told.kind = Kind::Updated;
        told.worse = told.worse.map(|worse| Worse { was: Severity::Critical, ..worse });
        assert_eq!(worse(&told).unwrap(), "This alert got worse: IAM login, succeeded, by alice");
        assert_eq!(headline(&told), "[critical, got worse] A login failed (9 times in 12 min)");
    }

    #[test]
    fn headlines_keep_their_end_however_long_the_title() {
        let long = notification(|notification, alert| {
            notification.kind = Kind::Summary;
            notification.title = "x".repeat(5000);
            alert.count = 2;
        });
        let headline = headline(&long);
        assert_eq!(headline.chars().count(), 200);
        assert!(headline.starts_with("[high] xxx") && headline.ends_with("x… (2 times within a second)"), "{headline}");
    }

    #[test]
    fn overflow_lists_say_what_they_leave_out() {
        let counts = |n: u64| (0..n).map(|i| (format!("rule-{i}"), 10)).collect::<Vec<_>>();
        let mut told = Notification::notice(Severity::High, "More", vec![], Timestamp::UNIX_EPOCH);
        let by_rule = counts(12);
        told.gathered = Some(Gathered { total: 125, by_rule, titles: vec!["A".into()], ..Gathered::default() });
        let listings = listings(&told);
        let headings: Vec<_> = listings.iter().map(|listing| listing.heading).collect();
        assert_eq!(headings, ["By rule", "The first"]);
        assert_eq!(listings[0].lines.len(), 11);
        assert_eq!(listings[0].lines[10], "+25 more");
        assert_eq!(listings[1].lines, ["A", "+124 more"]);
    }
}
