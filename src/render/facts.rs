//! What every format tells: who, what, where, when, in words.
//!
//! All of it is inert text. Its order is the reader's: what happened, how bad, what to do, then the
//! details, then the names by which to find it again.

use jiff::tz::TimeZone;

use crate::{
    clock::{self, in_words},
    notification::{Kind, Notification},
    render::{inert, link::Link},
    trace::Trace,
};

pub mod chart;
mod gathered;
mod sentence;
mod time;
mod trace;

pub use gathered::total;
pub use time::{until, when, when_in};

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

/// The sentence that comes first: the author's, or one made from the trace where that says nothing.
pub fn title(notification: &Notification) -> String {
    titled(notification, TITLE)
}

fn titled(notification: &Notification, room: usize) -> String {
    let written = inert::line(notification.title.trim(), room);
    // A template writes `-` for a field that the trace does not have.
    let says_nothing = written.starts_with("- ") || written.chars().all(|c| c == '-' || c.is_whitespace());
    if says_nothing { inert::cut(&made(notification), room) } else { written }
}

fn made(notification: &Notification) -> String {
    match (trace_of(notification), notification.kind) {
        (Some(trace), _) => sentence::sentence(trace),
        (None, Kind::Notice) => "A notice from Tracebell".to_owned(),
        (None, Kind::Test) => "A test from Tracebell".to_owned(),
        (None, _) => total(notification).unwrap_or_else(|| "An alert from Tracebell".to_owned()),
    }
}

/// That the alert got worse, from what to what, and what did it.
pub fn worse(notification: &Notification) -> Option<String> {
    let worse = notification.worse.as_ref()?;
    let severity = match (worse.was, notification.severity) {
        (was, now) if was == now => String::new(),
        (was, now) => format!(", {was} before and {now} now"),
    };
    let by = inert::line(worse.trace.actor_label(), NAME);
    Some(format!("This alert got worse{severity}: {}, by {by}", trace::what(&worse.trace)))
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
    headed(notification, &tail)
}

/// As [`headline`], with `tail` in place of how often.
pub fn headed(notification: &Notification, tail: &str) -> String {
    let severity = notification.severity;
    let head = match &notification.worse {
        None if notification.kind == Kind::Late => format!("[{severity}, late] "),
        None => format!("[{severity}] "),
        Some(worse) if worse.was == severity => format!("[{severity}, got worse] "),
        Some(worse) => format!("[{severity}, was {}] ", worse.was),
    };
    let room = TITLE.saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", titled(notification, room))
}

/// Who did what to which resource, from where and when: of the trace that made it worse, if one did,
/// else of the one that opened the alert. How often is said by [`repeats`].
pub fn facts(notification: &Notification, zone: &TimeZone) -> Vec<Fact> {
    let mut facts = Vec::new();
    if Link::runbook(notification).is_none() {
        add(&mut facts, "What to do", notification.runbook.clone().unwrap_or_default());
    }
    if let (Some(alert), Some(trace)) = (&notification.alert, trace_of(notification)) {
        add(&mut facts, "Who", trace::who(trace));
        add(&mut facts, "What", trace::what(trace));
        add(&mut facts, "Resource", trace::resource(trace));
        add(&mut facts, "From", trace::from(trace));
        add(&mut facts, "Project", trace::project(trace));
        if alert.count > 1 {
            let first = alert.first_time.unwrap_or(alert.trace.time);
            add(&mut facts, "First", when_in(first, zone));
            add(&mut facts, "Newest", when_in(clock::plus(first, alert.span), zone));
            add(&mut facts, "Grouped by", trace::key(alert));
        } else {
            add(&mut facts, "When", when_in(trace.time, zone));
        }
        add(&mut facts, "Late", late(notification, trace).unwrap_or_default());
    }
    if let Some(gathered) = &notification.gathered {
        for (label, time) in [("First", gathered.first), ("Newest", gathered.last)] {
            add(&mut facts, label, time.map(|time| when_in(time, zone)).unwrap_or_default());
        }
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
    if let (Some(alert), Some(trace)) = (&notification.alert, trace_of(notification)) {
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

/// What made the rule match, what the past says, the lines of a notice, the parts of one message in
/// place of many.
pub fn listings(notification: &Notification) -> Vec<Listing> {
    let evidence = notification.evidence.iter().map(|evidence| format!("{}: {}", evidence.field, evidence.value));
    let mut listings = vec![
        listed("Why it fired", evidence),
        listed("Worth knowing", notification.context.iter().cloned()),
        listed("", notification.lines.iter().cloned()),
    ];
    listings.extend(gathered::listings(notification));
    listings.retain(|listing| !listing.lines.is_empty());
    listings
}

fn listed(heading: &'static str, all: impl ExactSizeIterator<Item = String>) -> Listing {
    let total = all.len() as u64;
    let mut lines: Vec<_> = all.take(LINES).map(|line| inert::line(&line, 2 * VALUE)).collect();
    lines.extend(more(total, lines.len() as u64));
    Listing { heading, lines }
}

/// That it is told long after it happened, and whose doing that was.
fn late(notification: &Notification, trace: &Trace) -> Option<String> {
    let seen = in_words(clock::since(trace.time, notification.created_at));
    let recorded = clock::since(trace.time, trace.record_time);
    (notification.kind == Kind::Late).then(|| match recorded.as_secs() {
        0..60 => format!("seen {seen} after it happened, though the cloud recorded it at once"),
        _ => format!("seen {seen} after it happened; the cloud recorded it {} late", in_words(recorded)),
    })
}

/// The trace to tell of.
fn trace_of(notification: &Notification) -> Option<&Trace> {
    let opening = notification.alert.as_ref().map(|alert| &alert.trace);
    notification.worse.as_ref().map(|worse| &worse.trace).or(opening)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        alert::{Key, Severity},
        clock::Timestamp,
        notification::{AlertFacts, Evidence, Gathered, Worse},
        trace::Rating,
    };

    fn notification(change: impl FnOnce(&mut Notification, &mut AlertFacts)) -> Notification {
        let time = Timestamp::UNIX_EPOCH;
        let (service, operation) = ("IAM".to_owned(), "login".to_owned());
        let trace = Trace { service, operation, rating: Rating::Warning, ..Trace::blank("t1", time) };
        let (id, rule) = ("alr_x".into(), "r".into());
        let mut alert = AlertFacts {
            id,
            rule,
            fingerprint: String::new(),
            key: Key::new(),
            count: 1,
            tells: 1,
            first_time: None,
            span: Duration::ZERO,
            open_until: None,
            trace,
        };
        let mut notification = Notification::notice(Severity::High, "A login failed", vec![], time);
        notification.kind = Kind::Opened;
        change(&mut notification, &mut alert);
        notification.alert = Some(alert);
        notification
    }

    #[track_caller]
    fn check(notification: &Notification, expected: &[(&str, &str)]) {
        let facts = facts(notification, &TimeZone::UTC);
        let found: Vec<_> = facts.iter().map(|fact| (fact.label, fact.value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_missing_has_no_line() {
        let bare = notification(|_, _| {});
        let time = "Thu 1 Jan 1970, 00:00 UTC";
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
                ("What to do", "page 7 of the binder"),
                ("Who", "ops (agency, used by bob, account OTC1)"),
                ("What", "IAM login, failed with code 401"),
                ("Resource", "u1 (user)"),
                ("From", "203.0.113.7 (API)"),
                ("Project", "p1 (eu-de)"),
                ("First", "Thu 1 Jan 1970, 00:00 UTC"),
                ("Newest", "Thu 1 Jan 1970, 00:01 UTC"),
                ("Grouped by", "source_ip 203.0.113.7"),
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
                ("First", "Thu 1 Jan 1970, 00:01 UTC"),
                ("Newest", "Thu 1 Jan 1970, 00:13 UTC"),
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

    #[test]
    fn a_title_that_says_nothing_is_made_from_the_trace() {
        let titled = |text: &str| {
            let told = notification(|notification, alert| {
                notification.title = text.to_owned();
                alert.trace.actor.name = Some("alice".into());
                alert.trace.operation = "deleteUser".into();
                alert.trace.resource.name = Some("bob".into());
                alert.trace.region = Some("eu-de".into());
            });
            title(&told)
        };
        for nothing in ["", "  ", "-", "- -", "- deleted -", "\u{0}\r\n"] {
            assert_eq!(titled(nothing), "alice failed to delete user bob in eu-de", "{nothing:?}");
        }
        assert_eq!(titled("KMS - a key is gone"), "KMS - a key is gone");
        let blank = |kind| Notification { kind, ..Notification::notice(Severity::Low, "", vec![], Timestamp::MIN) };
        assert_eq!(title(&blank(Kind::Notice)), "A notice from Tracebell");
        assert_eq!(headline(&blank(Kind::Test)), "[low] A test from Tracebell");
        let gathered = Some(Gathered { total: 14, failed: 3, ..Gathered::default() });
        let group = Notification { gathered, ..blank(Kind::Group) };
        assert_eq!(title(&group), "14 alerts and repeats, 3 of them failed");
    }

    #[test]
    fn what_came_late_says_how_late_and_why() {
        let late = |recorded: i64| {
            notification(|notification, alert| {
                notification.kind = Kind::Late;
                notification.created_at = Timestamp::from_second(11_100).unwrap();
                alert.trace.record_time = Timestamp::from_second(recorded).unwrap();
            })
        };
        let told = |recorded| facts(&late(recorded), &TimeZone::UTC).pop().map(|fact| (fact.label, fact.value));
        let once = "seen 3 h 5 min after it happened, though the cloud recorded it at once";
        assert_eq!(told(4), Some(("Late", once.to_owned())));
        let slow = "seen 3 h 5 min after it happened; the cloud recorded it 3 h late";
        assert_eq!(told(10_800), Some(("Late", slow.to_owned())));
        assert_eq!(headline(&late(0)), "[high, late] A login failed");
    }

    #[test]
    fn what_made_it_match_and_what_the_past_says_is_listed() {
        let told = notification(|notification, _| {
            let evidence = |field: &str, value: &str| Evidence { field: field.into(), value: value.into() };
            notification.evidence = vec![evidence("operation", "login"), evidence("actor.name", "a\r\nb\u{202e}")];
            notification.context = vec!["first time alice used KMS in 30 days".into()];
            notification.lines = vec!["more".into(); 25];
        });
        let listings = listings(&told);
        assert_eq!(listings[0].heading, "Why it fired");
        assert_eq!(listings[0].lines, ["operation: login", "actor.name: a b\\u{202e}"]);
        assert_eq!(listings[1].lines, ["first time alice used KMS in 30 days"]);
        assert_eq!((listings[2].lines.len(), listings[2].lines[20].as_str()), (21, "+5 more"));
    }

    #[test]
    fn what_is_gathered_is_counted_in_one_line() {
        let told = |failed, seconds| {
            let last = Timestamp::from_second(seconds).unwrap();
            let gathered = Gathered {
                total: 14,
                failed,
                first: Some(Timestamp::UNIX_EPOCH),
                last: Some(last),
                by_service: vec![("IAM".into(), 9), (" ".into(), 5)],
                ..Gathered::default()
            };
            let notice = Notification::notice(Severity::High, "More", vec![], Timestamp::UNIX_EPOCH);
            Notification { gathered: Some(gathered), kind: Kind::Group, ..notice }
        };
        assert_eq!(total(&told(3, 360)).unwrap(), "14 alerts and repeats in 6 min, 3 of them failed");
        assert_eq!(total(&told(14, 0)).unwrap(), "14 alerts and repeats, all of them failed");
        assert_eq!(listings(&told(0, 0))[0].lines, ["9 × IAM", "5 × (no name)"]);
        let times = facts(&told(0, 60), &TimeZone::UTC);
        assert_eq!(times[1].value, "Thu 1 Jan 1970, 00:01 UTC");
    }
}
