//! What subscriptions ask to be held back, from the cloud into the outbox and out of it.

use jiff::{civil::Time, tz::TimeZone};
use tracebell::{
    alert::Severity,
    delivery::HoldKind,
    rule::{Condition, check::Check},
    store::{AttemptRecord, Claim, Next},
    topic::{
        GroupBy, Grouping, Schedule, Storm, Timetable,
        schedule::{Quiet, Then},
    },
    trace::Field,
};

use super::*;

/// Each trace is an alert of its own.
const DELETED: &str = r#"
rules:
  - id: deleted
    title: "{{ actor.name }} deleted {{ resource.name }}"
    severity: high
    match: { operation: "delete*" }
    dedup: { by: [resource.id], for: 10m }
    topics: [security]
  - id: key-lost
    title: "{{ actor.name }} lost {{ resource.name }}"
    severity: critical
    match: { service: KMS }
    dedup: { by: [resource.id], for: 10m }
    topics: [security]
"#;

const NOISY: &str = r#"
rules:
  - id: deleted
    title: "{{ actor.name }} deleted {{ resource.name }}"
    severity: high
    noise_budget: 2
    match: { operation: "delete*" }
    dedup: { by: [resource.id], for: 10m }
    topics: [security]
"#;

fn plain(endpoint: &str) -> Subscription {
    Subscription::new(format!("security/{endpoint}"), endpoint)
}

/// People at `slack`, a program at `soar`, with a topic of their own for notices.
async fn scene(rules: &str, security: Vec<Subscription>, storm: Option<Storm>) -> (Scene, Timestamp) {
    let (rules, problems) = rule::load(&[File { name: "test.yaml".into(), text: rules.into() }]);
    assert!(problems.is_empty(), "{problems:?}");
    let ops = vec![Subscription::new("ops/mail", "mail")];
    let topics = Topics {
        topics: [("security".to_owned(), security), ("ops".to_owned(), ops)].into(),
        addresses: [("slack", Format::Slack), ("soar", Format::Webhook), ("mail", Format::Webhook)]
            .map(|(name, format)| (name.to_owned(), Address::plain(format)))
            .into(),
        notices: Some("ops".into()),
        storm,
    };
    let mut scene = Scene::with(Generation { rules, topics, ..Generation::default() }, "secret").await;
    let now = clock::now();
    scene.read_all(now).await;
    (scene, now)
}

/// Deletions a second apart, the first a minute before `now`: of servers, of what `key` begins, and failed ones with `!`.
fn deletions_by(actor: &str, ids: &[&str], now: Timestamp) -> Vec<serde_json::Value> {
    let deletion = |(at, id): (usize, &&str)| {
        let mut trace = world::trace(id, "deleteServer", clock::minus(now, Duration::from_secs(60 - at as u64)));
        trace["user"]["name"] = actor.into();
        if id.starts_with('!') {
            trace["trace_rating"] = "warning".into();
        }
        if id.starts_with("key") {
            trace["service_type"] = "KMS".into();
        }
        trace
    };
    ids.iter().enumerate().map(deletion).collect()
}

impl Scene {
    /// Everything of `endpoint` that is ready is delivered; returns the titles.
    async fn deliver(&self, endpoint: &str, now: Timestamp) -> Vec<String> {
        let lease_until = after(now, 60);
        let claim = Claim { endpoint: endpoint.into(), now, lease_until, limit: 1000, rate: None };
        let leased = self.store.claim_deliveries(claim).await.unwrap().deliveries;
        let record = |leased: &tracebell::delivery::Leased| AttemptRecord {
            delivery: leased.delivery.id.clone(),
            endpoint: endpoint.into(),
            token: leased.token,
            attempt: leased.attempt,
            started_at: now,
            took: Duration::from_millis(1),
            outcome: tracebell::delivery::Outcome::Delivered { answer: "200".into(), receipt: None },
            next: Next::Delivered,
            trouble: None,
            hold_endpoint_until: None,
            deliveries: vec![],
        };
        self.store.record_attempts(leased.iter().map(record).collect()).await.unwrap();
        leased.into_iter().map(|leased| leased.delivery.notification.title.clone()).collect()
    }

    /// `[owed, delivered, summarised, suppressed, pending, dead]`, which must balance.
    async fn numbers(&self, endpoint: &str) -> [u64; 6] {
        let accounting = self.accounting().await;
        let account = accounting.subscriptions.iter().find(|account| account.subscription.ends_with(endpoint));
        account.map_or([0; 6], |account| {
            let found = [account.delivered, account.summarised, account.suppressed, account.pending, account.dead];
            assert_eq!(account.owed, found.iter().sum::<u64>(), "{account:?}");
            [account.owed, found[0], found[1], found[2], found[3], found[4]]
        })
    }
}

#[tokio::test]
async fn the_first_of_a_group_rings_and_the_rest_follows_in_one() {
    let group = Some(Grouping { by: GroupBy::Actor, within: Duration::from_secs(600) });
    let (mut scene, now) = scene(DELETED, vec![Subscription { group, ..plain("slack") }], None).await;
    scene.cloud.handle().add(deletions_by("alice", &["a", "b", "c"], now));
    scene.cloud.handle().add(deletions_by("bob", &["z"], now));
    scene.read_all(after(now, 2)).await;
    assert_eq!(scene.numbers("slack").await, [4, 0, 0, 0, 4, 0]);
    assert_eq!(scene.deliver("slack", after(now, 3)).await, ["alice deleted server-a", "bob deleted server-z"]);
    assert_eq!(scene.numbers("slack").await, [4, 2, 0, 0, 2, 0]);

    // More of her with the next page, critical too, before and after a restart.
    scene.cloud.handle().add(deletions_by("alice", &["!d", "key-e"], after(now, 60)));
    scene.read_all(after(now, 62)).await;
    scene.restart().await;
    scene.cloud.handle().add(deletions_by("alice", &["f"], after(now, 120)));
    scene.read_all(after(now, 122)).await;
    assert_eq!(scene.deliver("slack", after(now, 123)).await, Vec::<String>::new());
    let owed = scene.numbers("slack").await[0];
    assert!(owed >= 7, "{owed}");
    let held: Vec<_> =
        scene.deliveries().await.into_iter().filter(|row| row.state == State::Held).map(|row| row.delivery).collect();
    let first = scene.deliveries().await.remove(0).delivery.id;
    assert!(held.iter().all(|held| held.thread == first), "all of it is one conversation");
    assert!(held.iter().all(|held| held.hold.as_ref().unwrap().kind == HoldKind::Group));

    let mut sweep = scene.sweep();
    sweep.step(after(now, 600)).await.unwrap();
    assert_eq!(scene.numbers("slack").await, [owed, 2, 0, 0, owed - 2, 0], "it is told when the group closes");
    scene.restart().await;
    scene.sweep().step(after(now, 603)).await.unwrap();
    assert_eq!(scene.numbers("slack").await, [owed, 2, 0, 0, owed - 2, 0], "on its way is not there");
    let title = format!("alice, {} actions in 2 min over ECS, KMS, 1 failed", owed - 2);
    assert_eq!(scene.deliver("slack", after(now, 604)).await, [title]);
    assert_eq!(scene.numbers("slack").await, [owed, 2, owed - 2, 0, 0, 0]);
    let told = scene.deliveries().await.pop().unwrap().delivery;
    assert_eq!((told.notification.kind, &told.thread), (Kind::Group, &first));
    assert_eq!(told.notification.gathered.as_ref().unwrap().bars.iter().map(|bar| bar.count).sum::<u64>(), owed - 2);

    // The group is closed: the next one rings again.
    scene.cloud.handle().add(deletions_by("alice", &["g"], after(now, 700)));
    scene.read_all(after(now, 702)).await;
    assert_eq!(scene.deliver("slack", after(now, 703)).await, ["alice deleted server-g"]);
}

#[tokio::test]
async fn a_digest_tells_everything_at_its_time() {
    let (now, in_an_hour) = (clock::now(), after(clock::now(), 3600).to_zoned(TimeZone::UTC).time());
    let at = vec![Time::new(in_an_hour.hour(), in_an_hour.minute(), 0, 0).unwrap()];
    let digest = Some(Timetable { at, on: vec![], zone: TimeZone::UTC });
    let due = digest.as_ref().map(|timetable| timetable.next(now)).unwrap();
    let security = vec![Subscription { digest, ..plain("slack") }, plain("soar")];
    let (mut scene, now) = scene(DELETED, security, None).await;
    scene.cloud.handle().add(deletions_by("alice", &["a", "b", "key-c"], now));
    scene.read_all(after(now, 2)).await;
    let soar = scene.numbers("soar").await[0];
    assert_eq!(scene.deliver("soar", after(now, 3)).await.len() as u64, soar, "another one hears at once");
    assert_eq!(scene.deliver("slack", after(now, 3)).await, Vec::<String>::new());
    let [owed, ..] = scene.numbers("slack").await;
    assert_eq!(scene.numbers("slack").await, [owed, 0, 0, 0, owed, 0]);
    scene.sweep().step(clock::minus(due, Duration::from_secs(1))).await.unwrap();
    assert_eq!(scene.numbers("slack").await, [owed, 0, 0, 0, owed, 0]);
    scene.sweep().step(due).await.unwrap();
    let told = scene.deliver("slack", after(due, 1)).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with(&format!("Digest of security: {owed} alerts since ")), "{told:?}");
    assert!(told[0].ends_with("worst critical"), "{told:?}");
    assert_eq!(scene.numbers("slack").await, [owed, 0, owed, 0, 0, 0]);
}

/// Quiet at any time.
fn quiet(then: Then) -> Subscription {
    let quiet = vec![Quiet { from: Time::midnight(), to: Time::midnight(), on: vec![] }];
    let schedule = Schedule { quiet, holidays: vec![], zone: TimeZone::UTC, pass: Severity::Critical, then };
    Subscription { schedule: Some(schedule), ..plain("slack") }
}

const QUIET: &str = r#"
rules:
  - id: deleted
    title: "{{ actor.name }} deleted {{ resource.name }}"
    severity: high
    match: { operation: "delete*" }
    dedup: { by: [resource.id], for: 10m }
    then: { match: { operation: purgeServer }, within: 1h, same: [resource.id], severity: critical }
    topics: [security]
"#;

#[tokio::test]
async fn quiet_hours_drop_what_is_not_critical_and_say_so() {
    let (mut scene, now) = scene(QUIET, vec![quiet(Then::Drop), plain("soar")], None).await;
    scene.cloud.handle().add(deletions_by("alice", &["a", "b"], now));
    scene.read_all(after(now, 2)).await;
    assert_eq!(scene.numbers("slack").await, [2, 0, 0, 2, 0, 0]);
    assert_eq!(scene.numbers("soar").await, [2, 0, 0, 0, 2, 0]);
    assert_eq!(scene.deliver("slack", after(now, 3)).await, Vec::<String>::new());
    assert!(
        scene.ledger().await.iter().any(|row| row.starts_with("a muted: schedule of security/slack: quiet until "))
    );

    // It got worse: that passes, and tells of what it adds.
    let mut worse = world::trace("p", "purgeServer", now);
    worse["resource_id"] = "a".into();
    scene.cloud.handle().add([worse]);
    scene.read_all(after(now, 4)).await;
    assert_eq!(scene.deliver("slack", after(now, 5)).await.len(), 1);
    let [owed, delivered, _, suppressed, pending, _] = scene.numbers("slack").await;
    assert_eq!((owed, suppressed, pending), (2 + delivered, 2, 0));
}

#[tokio::test]
async fn quiet_hours_hold_and_tell_in_the_morning() {
    let until = clock::now().to_zoned(TimeZone::UTC).date();
    let mut subscription = quiet(Then::Hold);
    if let Some(schedule) = &mut subscription.schedule {
        schedule.quiet.clear();
        schedule.holidays = vec![until];
    }
    let morning = subscription.schedule.as_ref().unwrap().quiet_until(clock::now()).unwrap();
    let (mut scene, now) = scene(DELETED, vec![subscription], None).await;
    scene.cloud.handle().add(deletions_by("alice", &["a", "b", "key-c"], now));
    scene.read_all(after(now, 2)).await;
    let rang = scene.deliver("slack", after(now, 3)).await;
    assert_eq!(rang, ["alice lost server-key-c"], "the worst passes");
    let [owed, ..] = scene.numbers("slack").await;
    assert_eq!(scene.numbers("slack").await, [owed, 1, 0, 0, owed - 1, 0]);
    scene.sweep().step(morning).await.unwrap();
    let told = scene.deliver("slack", after(morning, 1)).await;
    assert!(told.len() == 1 && told[0].starts_with("Quiet hours of security: "), "{told:?}");
    assert_eq!(scene.numbers("slack").await, [owed, 1, owed - 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_rule_beyond_its_noise_budget_is_gathered_and_its_owner_told_once() {
    let (mut scene, now) = scene(NOISY, vec![plain("slack")], None).await;
    scene.cloud.handle().add(deletions_by("alice", &["a", "b", "c"], now));
    scene.read_all(after(now, 2)).await;
    scene.cloud.handle().add(deletions_by("alice", &["d", "e"], after(now, 30)));
    scene.read_all(after(now, 32)).await;
    let told = scene.deliver("slack", after(now, 33)).await;
    let notices = told.iter().filter(|title| title.contains("used up its noise budget of 2 alerts a day")).count();
    assert_eq!((told.len(), notices), (3, 1), "{told:?}");
    assert_eq!(scene.numbers("slack").await, [5, 2, 0, 0, 3, 0]);
    scene.sweep().step(after(now, 3600)).await.unwrap();
    let told = scene.deliver("slack", after(now, 3601)).await;
    // Two if the hour changed between the pages; what waited alone goes as it is.
    assert!(told.iter().any(|title| title.starts_with("Beyond the noise budget of security: ")), "{told:?}");
    let alone = told.iter().filter(|title| title.starts_with("alice")).count() as u64;
    assert_eq!(scene.numbers("slack").await, [5, 2 + alone, 3 - alone, 0, 0, 0]);
}

#[tokio::test]
async fn a_storm_reaches_people_in_one_message_and_programs_one_by_one() {
    let storm = Some(Storm { at_most: 3, within: Duration::from_secs(60) });
    let (mut scene, now) = scene(DELETED, vec![plain("slack"), plain("soar")], storm).await;
    scene.cloud.handle().add(deletions_by("alice", &["a", "b", "c", "d", "e"], now));
    scene.read_all(after(now, 2)).await;
    scene.cloud.handle().add(deletions_by("bob", &["f", "g"], after(now, 4)));
    scene.read_all(after(now, 6)).await;
    assert_eq!(scene.deliver("slack", after(now, 7)).await.len(), 3, "what came before the storm was known");
    assert_eq!(scene.deliver("soar", after(now, 7)).await.len(), 7);
    assert_eq!(scene.told("Storm: more than 3 alerts within 1 min").await, 1);
    assert_eq!(scene.numbers("slack").await, [7, 3, 0, 0, 4, 0]);
    scene.sweep().step(after(now, 120)).await.unwrap();
    let told = scene.deliver("slack", after(now, 121)).await;
    // Two if the minute changed between the pages.
    assert!(told.len() <= 2 && told.iter().all(|title| title.starts_with("Storm of security: ")), "{told:?}");
    assert_eq!(scene.numbers("slack").await, [7, 3, 4, 0, 0, 0]);
}

#[tokio::test]
async fn a_filter_looks_at_rule_source_and_trace() {
    let word = |field: Field, text: &str| {
        let text =
            format!("rules: [ {{ id: x, title: x, severity: low, match: {{ {}: \"{text}\" }} }} ]", field.name());
        let (rules, problems) = rule::load(&[File { name: "x".into(), text }]);
        assert_eq!(rules.rules.len(), 1, "{problems:?}");
        match rules.rules[0].condition.clone() {
            Condition::Field(_, check) => check,
            other => panic!("{other:?}"),
        }
    };
    let only = |name: &str, filter: Filter| Subscription { id: format!("security/{name}"), filter, ..plain("soar") };
    let by = |field: Field, text: &str| Some(Condition::Field(field.clone(), word(field, text)));
    let not = |check| Some(Check::Not(Box::new(check)));
    let security = vec![
        only("kms", Filter { trace: by(Field::Service, "kms"), ..Filter::default() }),
        only("alice", Filter { trace: by(Field::ActorName, "ali*"), ..Filter::default() }),
        only("rule", Filter { rule: Some(word(Field::TraceId, "key-*")), ..Filter::default() }),
        only("elsewhere", Filter { source: not(word(Field::TraceId, "prod")), ..Filter::default() }),
    ];
    let (mut scene, now) = scene(DELETED, security, None).await;
    scene.cloud.handle().add(deletions_by("alice", &["a"], now));
    scene.cloud.handle().add(deletions_by("bob", &["b", "key-c"], now));
    scene.read_all(after(now, 2)).await;
    let mut heard: Vec<(String, String)> = Vec::new();
    for row in scene.deliveries().await {
        heard.push((row.delivery.subscription, row.delivery.notification.title.clone()));
    }
    heard.sort();
    let expected = [
        ("security/alice", "alice deleted server-a"),
        ("security/kms", "bob deleted server-key-c"),
        ("security/kms", "bob lost server-key-c"),
        ("security/rule", "bob lost server-key-c"),
    ];
    assert_eq!(heard, expected.map(|(by, title)| (by.to_owned(), title.to_owned())));
}
