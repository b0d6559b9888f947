//! The least that is worth sending, for an endpoint that refused the whole: the sentence, the
//! severity, who and what, the rule, the ids and the runbook.
//!
//! Works on the notification and not on a format, so that each format stays as valid as it is.
//! Nothing is lost by it: the outbox keeps the whole notification.

use super::{
    Format, Letter,
    attachments::{self, Style},
    inert, slack,
};
use crate::{
    notification::{AlertFacts, Gathered, Notification, Worse},
    trace::{Actor, Resource, Trace},
};

// A third of what a full message takes; any receiver that takes one line takes these.
const SENTENCE: usize = 150;
const LINE: usize = 160;
const NAME: usize = 80;
const LINK: usize = 500;
/// A notice is its first lines: what was found, what to do.
const LINES: usize = 2;
const COUNTED: usize = 3;

/// The body to send in place of one that was refused.
pub(super) fn body(letter: &Letter<'_>) -> Vec<u8> {
    let notification = notification(letter.notification);
    let letter = Letter { notification: &notification, ..*letter };
    // Whatever a chat does not like about its blocks, a text it takes.
    match &letter.address.format {
        Format::Slack => slack::reduced(&letter),
        Format::SlackBot => slack::bot::reduced(&letter),
        Format::Mattermost(style) => attachments::reduced(&letter, style),
        Format::Rocketchat => attachments::reduced(&letter, &Style::default()),
        _ => super::body(&letter),
    }
}

pub(super) fn notification(whole: &Notification) -> Notification {
    Notification {
        title: inert::cut(&whole.title, SENTENCE),
        why: None,
        // A link that was cut leads nowhere.
        runbook: whole.runbook.clone().filter(|link| link.len() <= LINK),
        alert: whole.alert.as_ref().map(|alert| AlertFacts {
            key: alert.key.iter().map(|(name, value)| (name.clone(), inert::cut(value, NAME))).collect(),
            trace: trace(&alert.trace),
            ..alert.clone()
        }),
        worse: whole.worse.as_ref().map(|worse| Worse { was: worse.was, trace: trace(&worse.trace) }),
        gathered: whole.gathered.as_ref().map(gathered),
        evidence: Vec::new(),
        context: Vec::new(),
        lines: whole.lines.iter().take(LINES).map(|line| inert::cut(line, LINE)).collect(),
        ..whole.clone()
    }
}

fn gathered(whole: &Gathered) -> Gathered {
    let most = |list: &[(String, u64)]| {
        list.iter().take(COUNTED).map(|(name, count)| (inert::cut(name, NAME), *count)).collect()
    };
    Gathered {
        total: whole.total,
        failed: whole.failed,
        first: whole.first,
        last: whole.last,
        by_rule: most(&whole.by_rule),
        by_actor: most(&whole.by_actor),
        ..Gathered::default()
    }
}

fn trace(whole: &Trace) -> Trace {
    let short = |text: &Option<String>| text.as_deref().map(|text| inert::cut(text, NAME));
    Trace {
        service: inert::cut(&whole.service, NAME),
        operation: inert::cut(&whole.operation, NAME),
        rating: whole.rating.clone(),
        record_time: whole.record_time,
        trace_type: short(&whole.trace_type),
        actor: Actor { name: short(&whole.actor.name), domain: short(&whole.actor.domain), ..Actor::default() },
        resource: Resource {
            kind: short(&whole.resource.kind),
            name: short(&whole.resource.name),
            id: short(&whole.resource.id),
        },
        source_ip: short(&whole.source_ip),
        region: short(&whole.region),
        project_name: short(&whole.project_name),
        console_url: whole.console_url.clone().filter(|link| link.len() <= LINK),
        ..Trace::blank(inert::cut(&whole.id, NAME), whole.time)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::{
        alert::Severity,
        clock::Timestamp,
        notification::Kind,
        render::{Address, Letterhead},
    };

    fn long() -> Notification {
        let trace = Trace {
            service: "KMS".to_owned(),
            operation: "scheduleKeyDeletion".to_owned(),
            request: Some("r".repeat(3000)),
            actor: Actor { name: Some("alice <!channel>".repeat(40)), ..Actor::default() },
            ..Trace::blank("8d7c", Timestamp::UNIX_EPOCH)
        };
        let lines = vec!["l".repeat(900); 9];
        let notice = Notification::notice(Severity::Critical, "alice deleted <key>".repeat(30), lines, trace.time);
        let alert = AlertFacts {
            id: "alr_1".to_owned(),
            rule: "kms-key-destruction".to_owned(),
            fingerprint: String::new(),
            key: [("actor.name".to_owned(), "a".repeat(900))].into(),
            count: 3,
            tells: 3,
            first_time: None,
            span: std::time::Duration::from_secs(60),
            open_until: None,
            trace,
        };
        Notification { kind: Kind::Opened, why: Some("w".repeat(900)), alert: Some(alert), ..notice }
    }

    #[test]
    fn a_reduced_body_is_short_valid_and_still_says_what_matters() {
        let notification = long();
        let letterhead = Letterhead { from: "bell@example.org".into(), to: vec!["ops@example.org".into()] };
        for format in [Format::Slack, Format::SlackBot, Format::Rocketchat, Format::Webhook, Format::Email(letterhead)]
        {
            let address = Address::plain(format.clone());
            let letter = Letter {
                address: &address,
                notification: &notification,
                id: "msg_1",
                thread: "msg_1",
                subscription: "s",
            };
            let (whole, short) = (crate::render::body(&letter), body(&letter));
            assert!(short.len() * 2 < whole.len(), "{format:?}: {} of {}", short.len(), whole.len());
            let text = String::from_utf8(short.clone()).unwrap();
            for told in ["alice deleted", "critical", "kms-key-destruction", "msg_1"] {
                // A chat's markup stands between letters.
                let text = text.replace('\\', "");
                assert!(text.contains(told), "{format:?}: {told} in {text}");
            }
            assert!(!text.contains("<!channel>") || format != Format::Slack, "{text}");
            if !matches!(format, Format::Email(_)) {
                let read: Map<String, Value> = serde_json::from_slice(&short).unwrap();
                assert!(!read.contains_key("blocks"), "{text}");
            }
        }
    }
}
