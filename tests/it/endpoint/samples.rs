//! Notifications of every shape, and what an attacker may write into traces.

use std::time::Duration;

use tracebell::{
    alert::{Key, Severity},
    clock::{self, Timestamp},
    notification::{AlertFacts, Bar, Evidence, Gathered, Kind, Notification, Worse},
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

/// Told hours later, with what made it match and what the past says.
pub fn late() -> Notification {
    let mut late = Notification { kind: Kind::Late, created_at: "2026-01-15T11:35:04Z".parse().unwrap(), ..opened() };
    let evidence = |field: &str, value: &str| Evidence { field: field.into(), value: value.into() };
    late.evidence = vec![
        evidence("service", "KMS"),
        evidence("operation", "scheduleKeyDeletion"),
        evidence("outcome", "succeeded"),
    ];
    late.context = vec!["first time alice used KMS in 30 days".into(), "new network 203.0.113.0/24".into()];
    late.alert.as_mut().unwrap().trace.record_time = "2026-01-15T11:30:00Z".parse().unwrap();
    late
}

/// What alice did further, below a first message.
pub fn group() -> Notification {
    let title = "alice, 14 actions in 6 min over IAM, KMS, OBS, 3 failed";
    let mut group = Notification::notice(Severity::High, title, vec![], "2026-01-15T08:46:00Z".parse().unwrap());
    group.kind = Kind::Group;
    let counts = |counts: &[(&str, u64)]| counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    group.gathered = Some(Gathered {
        total: 14,
        failed: 3,
        first: Some("2026-01-15T08:40:00Z".parse().unwrap()),
        last: Some("2026-01-15T08:46:00Z".parse().unwrap()),
        by_rule: counts(&[("iam-user-created", 6), ("kms-key-destruction", 5), ("obs-bucket-policy", 3)]),
        by_actor: counts(&[("alice", 14)]),
        by_resource: counts(&[("prod-db", 5), ("backup-2026", 3), ("deploy", 2)]),
        by_service: counts(&[("IAM", 6), ("KMS", 5), ("OBS", 3)]),
        titles: (1..=6).map(|n| format!("alice created user helper-{n}")).collect(),
        bars: Vec::new(),
    });
    group
}

/// A day of low alerts, hour by hour.
pub fn digest() -> Notification {
    let from: Timestamp = "2026-01-14T06:30:00Z".parse().unwrap();
    let mut digest = Notification {
        kind: Kind::Digest,
        severity: Severity::Medium,
        title: "61 alerts in the day to 07:30".into(),
        ..group()
    };
    let bar = |(hour, count): (u64, u64)| Bar {
        from: clock::plus(from, Duration::from_secs(hour * 3600)),
        count,
        worst: if count > 8 { Severity::Medium } else { Severity::Low },
    };
    let counts = [0, 1, 4, 9, 14, 8, 3, 2, 5, 6, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 1];
    let gathered = digest.gathered.as_mut().unwrap();
    gathered.total = counts.iter().sum();
    gathered.first = Some(from);
    gathered.last = Some(clock::plus(from, Duration::from_secs(24 * 3600)));
    gathered.bars = (0..).zip(counts).map(bar).collect();
    digest
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
    hostile.evidence = vec![Evidence { field: "actor.name".into(), value: text.to_owned() }];
    hostile.context = vec![text.to_owned()];
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
    samples.extend([late(), group(), digest()]);
    let untitled = |title: &str| Notification { title: title.into(), ..opened() };
    samples.extend([untitled(""), untitled("- deleted -")]);
    samples
}
