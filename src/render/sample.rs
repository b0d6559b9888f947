//! A realistic notification of every kind, for showing what an endpoint would get and for tests.
//!
//! Everything in them is made up. The same kind at the same time is always the same notification.

use std::time::Duration;

use crate::{
    alert::{Key, Severity},
    clock::{self, Timestamp},
    notification::{AlertFacts, Bar, Evidence, Gathered, Kind, Notification, Worse},
    trace::{Actor, Rating, Resource, Trace},
};

/// What is told at `now` of something that happened shortly before.
pub fn notification(kind: Kind, now: Timestamp) -> Notification {
    match kind {
        Kind::Opened => opened(now),
        Kind::Late => {
            let mut late = opened(clock::minus(now, Duration::from_secs(5 * 3600)));
            (late.kind, late.created_at) = (kind, now);
            late
        }
        Kind::Escalated => {
            let worse = Worse { was: Severity::High, trace: Trace { operation: "deleteKey".into(), ..trace(now) } };
            // Of the trace that made it worse, as everything that is told of it.
            let evidence = vec![told("operation", "deleteKey"), told("resource.name", "prod-db")];
            Notification { kind, worse: Some(worse), evidence, ..counted(now, 9) }
        }
        Kind::Updated => {
            let failed = Trace { rating: Rating::Incident, code: Some("500".into()), ..trace(now) };
            let worse = Some(Worse { was: Severity::Critical, trace: failed });
            Notification { kind, worse, context: Vec::new(), ..counted(now, 2) }
        }
        // What made it ring and what was new then was said when it rang.
        Kind::Repeated | Kind::Summary => {
            Notification { kind, evidence: Vec::new(), context: Vec::new(), ..counted(now, 14) }
        }
        Kind::Silenced | Kind::Lifted => {
            let title = match kind {
                Kind::Silenced => "Silenced until 14:00 UTC by anna: planned key rotation",
                _ => "No longer silenced: what anna asked for is over, it kept 14 alerts and repeats back",
            };
            let told = counted(now, 14);
            let lines = vec![format!("Of what is told here: {}", told.title)];
            Notification { kind, title: title.to_owned(), lines, ..told }
        }
        Kind::Overflow => gathered(kind, "412 more alerts: more than this endpoint takes at once", 412, now),
        Kind::Group => {
            let title = "alice@example.org, 14 actions in 36 min over KMS, IAM, OBS, 3 failed";
            gathered(kind, title, 14, now)
        }
        Kind::Digest => gathered(kind, "Digest of security: 37 alerts since yesterday 07:30, worst critical", 37, now),
        Kind::Notice => {
            let lines = vec![
                "no trace could be read for 12 min: the cloud does not accept the login".to_owned(),
                "what to do: check the credentials of `prod` in clouds.yaml".to_owned(),
            ];
            Notification::notice(Severity::High, "Source prod is blind", lines, now)
        }
        Kind::Test => {
            let lines = vec!["If you can read this, alerts will arrive here.".to_owned()];
            Notification { kind, ..Notification::notice(Severity::Info, "This is a test of Tracebell", lines, now) }
        }
    }
}

fn told(field: &str, value: &str) -> Evidence {
    Evidence { field: field.to_owned(), value: value.to_owned() }
}

fn opened(now: Timestamp) -> Notification {
    Notification {
        kind: Kind::Opened,
        severity: Severity::Critical,
        title: "alice@example.org put encryption key prod-db at risk".into(),
        why: Some("Data under a deleted key cannot be read again.".into()),
        runbook: Some("https://wiki.example.org/kms-deletion".into()),
        source: "prod".into(),
        alert: Some(AlertFacts {
            id: "alr_4kq2m7c5x3b6n1v8z9p0w2e4r5".into(),
            rule: "kms-key-destruction".into(),
            fingerprint: "9c1f0a7d3b52e684".into(),
            key: Key::from([("actor.name".into(), "alice@example.org".into())]),
            count: 1,
            tells: 1,
            first_time: None,
            span: Duration::ZERO,
            open_until: Some(clock::plus(now, Duration::from_secs(590))),
            trace: trace(now),
        }),
        worse: None,
        gathered: None,
        evidence: vec![told("operation", "scheduleKeyDeletion"), told("resource.name", "prod-db")],
        context: vec!["first time alice@example.org used KMS in 30 days".into()],
        lines: Vec::new(),
        created_at: now,
    }
}

/// Of an alert that took more than one match.
fn counted(now: Timestamp, count: u64) -> Notification {
    let begun = clock::minus(now, Duration::from_secs(725));
    let mut notification = Notification { created_at: now, ..opened(begun) };
    if let Some(alert) = &mut notification.alert {
        (alert.count, alert.tells) = (count, count - 1);
        alert.span = clock::since(begun, now);
    }
    notification
}

fn gathered(kind: Kind, title: &str, total: u64, now: Timestamp) -> Notification {
    const STEP: Duration = Duration::from_secs(180);
    const STEPS: u32 = 12;
    let first = clock::minus(now, STEP * STEPS);
    let counts = |names: &[(&str, u64)]| names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let bar = |step: u32| {
        let worst = if step == 4 { Severity::Critical } else { Severity::Medium };
        // Each step a little more or less than its share.
        let count = total / u64::from(STEPS) + u64::from(step * step % 5);
        Bar { from: clock::plus(first, STEP * step), count, worst }
    };
    let gathered = Gathered {
        total,
        failed: 3,
        first: Some(first),
        last: Some(now),
        by_rule: counts(&[("kms-key-destruction", total / 2), ("iam-policy-changed", total / 4)]),
        by_actor: counts(&[("alice@example.org", total - total / 4), ("terraform-ci", total / 4)]),
        by_resource: counts(&[("prod-db", total / 2), ("backup-bucket", total / 4)]),
        by_service: counts(&[("KMS", total / 2), ("IAM", total / 4), ("OBS", total / 4)]),
        titles: vec![
            "alice@example.org put encryption key prod-db at risk".into(),
            "alice@example.org gave herself the role Security Administrator".into(),
            "alice@example.org made the bucket backup-bucket public".into(),
        ],
        bars: (0..STEPS).map(bar).collect(),
    };
    let notice = Notification::notice(Severity::Critical, title, Vec::new(), now);
    Notification { kind, gathered: Some(gathered), ..notice }
}

fn trace(now: Timestamp) -> Trace {
    let text = |text: &str| Some(text.to_owned());
    let time = clock::minus(now, Duration::from_secs(8));
    Trace {
        record_time: clock::plus(time, Duration::from_secs(2)),
        service: "KMS".into(),
        operation: "scheduleKeyDeletion".into(),
        rating: Rating::Normal,
        trace_type: text("ConsoleAction"),
        actor: Actor { name: text("alice@example.org"), domain: text("OTC00000000001"), ..Actor::default() },
        resource: Resource {
            kind: text("cmk"),
            name: text("prod-db"),
            id: text("0d0466b0-e727-4d9c-b35d-f84bb474a37f"),
        },
        source_ip: text("203.0.113.7"),
        code: text("204"),
        request: text(r#"{"pending_days":"7"}"#),
        project_id: text("0123456789abcdef0123456789abcdef"),
        project_name: text("eu-de_prod"),
        region: text("eu-de"),
        console_url: text("https://console.otc.t-systems.com/dew/?region=eu-de#/kms"),
        ..Trace::blank("b1a2c3d4-5e6f-11f1-8000-0242ac110002", time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_sample_of_its_own() {
        let now = "2026-01-15T08:30:04Z".parse().unwrap();
        for kind in Kind::ALL {
            let sample = notification(kind, now);
            assert_eq!((sample.kind, sample.created_at), (kind, now));
            assert_eq!(sample, notification(kind, now));
            let worse = matches!(kind, Kind::Escalated | Kind::Updated);
            assert_eq!(sample.worse.is_some(), worse, "{kind:?}");
        }
    }
}
