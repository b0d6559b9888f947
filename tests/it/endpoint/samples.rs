//! Notifications of every shape, and what an attacker may write into traces.

use std::time::Duration;

use tracebell::{
    alert::{Key, Severity},
    clock::{self, Timestamp},
    notification::{AlertFacts, Gathered, Kind, Notification, Worse},
    trace::{Actor, Rating, Resource, Trace},
};

/// What traces of the bad-input corpus hold in their names.
const HOSTILE: &[&str] = &[
    "<!channel> <@U1> <#C1> <!here|x>",
    "*bold* _it_ `code` :rotating_light: @everyone",
    "{{7*7}} {% raw %} ${jndi:ldap://x}",
    "eve\r\nBcc: victim@example.net\r\n\r\nbody",
    "<script>alert(1)</script><img src=x onerror=y>\"'>",
    "exe.\u{202e}gpj\u{2066}x\u{200b}\u{feff}",
    "\u{1b}[2J\u{1b}]0;t\u{7}\u{0}\u{7f}\u{9b}31m",
    "=cmd()|'/C calc'!A0",
    "https://evil.example/ javascript:alert(1) [x](https://evil.example)",
    "&amp;&lt;b&gt;",
];

fn trace() -> Trace {
    let time: Timestamp = "2026-01-15T08:30:00Z".parse().unwrap();
    Trace {
        id: "b1a2c3d4-0000-11f0-8000-0242ac110002".into(),
        time,
        record_time: time,
        service: "KMS".into(),
        operation: "scheduleKeyDeletion".into(),
        rating: Rating::Normal,
        trace_type: Some("ConsoleAction".into()),
        actor: Actor { name: Some("alice".into()), domain: Some("OTC00000000001".into()), ..Actor::default() },
        resource: Resource { kind: Some("cmk".into()), name: Some("prod-db".into()), id: Some("0d0466b0".into()) },
        source_ip: Some("203.0.113.7".into()),
        code: Some("204".into()),
        api_version: None,
        request: Some(r#"{"pending_days":"7"}"#.into()),
        response: None,
        message: None,
        project_id: Some("0123456789abcdef".into()),
        project_name: Some("eu-de_prod".into()),
        region: Some("eu-de".into()),
        console_url: Some("https://console.otc.t-systems.com/dew/?region=eu-de#/kms".into()),
        extra: serde_json::Map::new(),
        truncated: false,
    }
}

pub fn opened() -> Notification {
    Notification {
        kind: Kind::Opened,
        severity: Severity::Critical,
        title: "alice scheduled deletion of key prod-db".into(),
        why: Some("Data under a deleted key cannot be read again.".into()),
        runbook: Some("https://wiki.example.org/kms-deletion".into()),
        source: "prod".into(),
        alert: Some(AlertFacts {
            id: "alr_abcdefghijklmnopqrstuvwxyz".into(),
            rule: "kms-key-destruction".into(),
            fingerprint: String::new(),
            key: Key::from([("actor.name".into(), "alice".into())]),
            count: 1,
            tells: 1,
            first_time: None,
            span: Duration::ZERO,
            open_until: None,
            trace: trace(),
        }),
        worse: None,
        gathered: None,
        evidence: Vec::new(),
        context: Vec::new(),
        lines: Vec::new(),
        created_at: "2026-01-15T08:30:04Z".parse().unwrap(),
    }
}

pub fn summary() -> Notification {
    let mut summary = Notification { kind: Kind::Summary, ..opened() };
    let alert = summary.alert.as_mut().unwrap();
    alert.count = 14;
    alert.span = Duration::from_secs(725);
    summary
}

pub fn escalated() -> Notification {
    let mut success = trace();
    success.operation = "disableKey".into();
    success.actor.name = Some("bob".into());
    let worse = Some(Worse { was: Severity::Medium, trace: success });
    Notification { kind: Kind::Escalated, worse, ..summary() }
}

pub fn updated() -> Notification {
    let failed = Trace { rating: Rating::Incident, actor: Actor::default(), ..trace() };
    let worse = Some(Worse { was: Severity::Critical, trace: failed });
    Notification { kind: Kind::Updated, worse, ..summary() }
}

pub fn overflow() -> Notification {
    let mut notice = Notification::notice(Severity::High, "412 more alerts for sec-slack", vec![], clock::now());
    notice.kind = Kind::Overflow;
    notice.gathered = Some(Gathered {
        total: 412,
        by_rule: vec![("kms-key-destruction".into(), 300), ("login-guessing".into(), 100)],
        by_actor: vec![("alice".into(), 400)],
        titles: (1..=10).map(|n| format!("alice deleted server web-{n}")).collect(),
        ..Gathered::default()
    });
    notice
}

pub fn notice() -> Notification {
    let lines = vec!["no answer since 08:30:00 UTC".to_owned(), "check the credentials of `prod`".to_owned()];
    Notification::notice(Severity::High, "Source prod is blind", lines, clock::now())
}

pub fn hostile(text: &str) -> Notification {
    let mut hostile = summary();
    let evil = || Some(text.to_owned());
    hostile.title = text.to_owned();
    hostile.why = evil();
    let alert = hostile.alert.as_mut().unwrap();
    alert.key = Key::from([("actor.name".into(), text.to_owned())]);
    alert.trace = Trace {
        id: text.to_owned(),
        service: text.to_owned(),
        operation: text.to_owned(),
        rating: Rating::Other(text.to_owned()),
        actor: Actor { name: evil(), id: evil(), domain: evil(), domain_id: evil(), assumed_by: evil() },
        resource: Resource { kind: evil(), name: evil(), id: evil() },
        source_ip: evil(),
        code: evil(),
        project_name: evil(),
        region: evil(),
        console_url: evil(),
        request: evil(),
        ..trace()
    };
    let trace = hostile.alert.as_ref().unwrap().trace.clone();
    hostile.worse = Some(Worse { was: Severity::Low, trace });
    hostile
}

/// Every shape of notification, and the whole corpus.
pub fn samples() -> Vec<Notification> {
    let mut samples = vec![opened(), summary(), escalated(), updated(), overflow(), notice()];
    samples.push(Notification { kind: Kind::Test, ..notice() });
    samples.push(Notification { title: String::new(), lines: vec![String::new()], ..notice() });
    samples.extend(HOSTILE.iter().map(|text| hostile(text)));
    let endless = "👩\u{200d}🚀".repeat(10_000);
    samples.push(hostile(&endless));
    let mut flood = overflow();
    flood.lines = vec![endless.clone(); 500];
    flood.gathered = Some(Gathered {
        total: u64::MAX,
        by_rule: vec![(endless.clone(), u64::MAX); 100],
        by_actor: vec![(endless.clone(), 1); 100],
        titles: vec![endless; 1000],
        ..Gathered::default()
    });
    samples.push(flood);
    samples
}
