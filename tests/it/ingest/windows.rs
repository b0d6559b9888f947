//! Rules that remember, around the real store: what rings, what is told, and what a restart forgets (nothing).

use fastrand::Rng;
use serde_json::Value;
use sqlx::Row;
use tracebell::{
    alert::{Alert, Severity},
    ring,
    store::{Remembered, StoreError},
};

use super::*;

mod filling;

const GUESSING: &str = r#"
rules:
  - id: login-guessing
    title: "Password guessing from {{ key.source_ip }}"
    severity: medium
    match: { service: IAM, operation: loginFailed }
    when: { count: { at_least: 4, within: 5m, by: [source_ip] } }
    dedup: { by: [source_ip], for: 10m }
    then:
      match: { service: IAM, operation: login }
      within: 30m
      same: [source_ip]
      severity: critical
      title: "Password guessing SUCCEEDED from {{ key.source_ip }}"
    topics: [security]
"#;

/// Everybody gets everything, the pager what is critical.
fn generation_of(text: &str) -> Generation {
    let (rules, problems) = rule::load(&[File { name: "test.yaml".into(), text: text.into() }]);
    assert!(problems.is_empty(), "{problems:?}");
    let subscription = |endpoint: &str, severities: Option<Vec<Severity>>| Subscription {
        filter: Filter { severities, ..Filter::default() },
        ..Subscription::new(format!("security/{endpoint}"), endpoint)
    };
    let security = vec![subscription("soar", None), subscription("pager", Some(vec![Severity::Critical]))];
    let addresses = ["soar", "pager"].map(|name| (name.to_owned(), Address::plain(Format::Webhook)));
    let topics =
        Topics { topics: [("security".to_owned(), security)].into(), addresses: addresses.into(), ..Topics::default() };
    Generation { rules, topics, ..Generation::default() }
}

/// A trace of IAM, so many seconds before `now`.
fn iam(id: &str, operation: &str, ip: &str, now: Timestamp, ago: u64) -> Value {
    let mut trace = world::trace(id, operation, clock::minus(now, Duration::from_secs(ago)));
    trace["service_type"] = "IAM".into();
    trace["source_ip"] = ip.into();
    trace
}

impl Scene {
    async fn of(rules: &str) -> (Self, Timestamp) {
        let mut scene = Self::with(generation_of(rules), "secret").await;
        let now = clock::now();
        scene.read_all(now).await;
        (scene, now)
    }

    async fn connection(&self) -> sqlx::SqlitePool {
        let path = self.folder.path().join("state.db");
        sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(path)).await.unwrap()
    }

    /// All alerts ever, oldest first.
    async fn alerts(&self) -> Vec<Alert> {
        let pool = self.connection().await;
        let facts: Vec<String> =
            sqlx::query_scalar("SELECT facts FROM alerts ORDER BY opened_at, id").fetch_all(&pool).await.unwrap();
        pool.close().await;
        facts.iter().map(|facts| serde_json::from_str(facts).unwrap()).collect()
    }

    /// The ledger in one word per trace: `a counted`, `b excepted: reason`.
    pub(super) async fn ledger(&self) -> Vec<String> {
        let pool = self.connection().await;
        let rows =
            sqlx::query("SELECT trace, verdict, reason FROM ledger ORDER BY seq").fetch_all(&pool).await.unwrap();
        pool.close().await;
        let row = |row: &sqlx::sqlite::SqliteRow| {
            let reason: Option<String> = row.get(2);
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} {}{reason}", row.get::<String, _>(0), row.get::<String, _>(1))
        };
        rows.iter().map(row).collect()
    }

    /// What each subscription is sent, oldest first: `soar opened medium 4`, the number is what it covers.
    async fn sent(&self) -> Vec<String> {
        let rows = self.deliveries().await;
        let row = |row: &DeliveryRow| {
            let (delivery, notification) = (&row.delivery, &row.delivery.notification);
            let (kind, severity) = (notification.kind.as_str(), notification.severity);
            format!("{} {kind} {severity} {}", delivery.endpoint, delivery.covers)
        };
        rows.iter().map(row).collect()
    }

    /// `[owed, delivered, summarised, suppressed, pending, dead]` of an endpoint's subscription.
    async fn owed(&self, endpoint: &str) -> [u64; 6] {
        let accounting = self.accounting().await;
        let account = accounting.subscriptions.iter().find(|account| account.subscription.ends_with(endpoint));
        account.map_or([0; 6], |account| {
            [account.owed, account.delivered, account.summarised, account.suppressed, account.pending, account.dead]
        })
    }
}

#[tokio::test]
async fn a_count_tells_all_it_counted_and_sums_up_the_rest() {
    let (mut scene, now) = Scene::of(GUESSING).await;
    let failed = |id: &str, ago: u64| iam(id, "loginFailed", "192.0.2.1", now, ago);
    scene.cloud.handle().add([failed("a", 240), failed("b", 180), failed("c", 120)]);
    scene.read_all(after(now, 2)).await;
    assert_eq!(scene.ledger().await, ["a counted", "b counted", "c counted"]);
    assert!(scene.sent().await.is_empty());

    scene.restart().await;
    scene.cloud.handle().add([failed("d", 60)]);
    scene.read_all(after(now, 4)).await;
    assert_eq!(scene.ledger().await[3..], ["a opened", "b opened", "c opened", "d opened"]);
    assert_eq!(scene.sent().await, ["soar opened medium 4"]);
    let rows = scene.deliveries().await;
    let body: Value = serde_json::from_slice(&rows[0].delivery.body).unwrap();
    assert_eq!((&body["alert"]["count"], &body["alert"]["span_seconds"]), (&4.into(), &180.into()));

    scene.cloud.handle().add([failed("e", 30), failed("f", 20)]);
    scene.read_all(after(now, 6)).await;
    assert_eq!(scene.ledger().await[7..], ["e repeat", "f repeat"]);
    assert_eq!(scene.owed("soar").await, [6, 0, 0, 0, 6, 0]);
    scene.sweep().step(after(now, 7200)).await.unwrap();
    assert_eq!(scene.sent().await, ["soar opened medium 4", "soar summary medium 2"]);
    assert_eq!(scene.owed("soar").await, [6, 0, 0, 0, 6, 0]);
    assert_eq!(scene.accounting().await.windows[0].rule, "login-guessing");
}

#[tokio::test]
async fn what_gets_worse_rings_again_for_all_and_for_those_it_concerns_now() {
    let (mut scene, now) = Scene::of(GUESSING).await;
    let failed = |id: &str, ago: u64| iam(id, "loginFailed", "192.0.2.1", now, ago);
    scene.cloud.handle().add([failed("a", 240), failed("b", 230), failed("c", 220), failed("d", 210)]);
    scene.read_all(after(now, 2)).await;
    scene.cloud.handle().add([failed("e", 200)]);
    scene.read_all(after(now, 4)).await;
    scene.restart().await;
    scene.cloud.handle().add([iam("in", "login", "192.0.2.1", now, 190), iam("other", "login", "192.0.2.9", now, 189)]);
    scene.read_all(after(now, 6)).await;
    assert_eq!(
        scene.sent().await,
        ["soar opened medium 4", "soar escalated critical 2", "pager escalated critical 6"],
        "those who knew of it learn of the rest, the pager of everything"
    );
    assert_eq!(scene.ledger().await.last().map(String::as_str), Some("in escalated"));
    assert_eq!((scene.owed("soar").await[0], scene.owed("pager").await[0]), (6, 6));
    let rows = scene.deliveries().await;
    let body: Value = serde_json::from_slice(&rows[2].delivery.body).unwrap();
    assert_eq!(body["title"], "Password guessing SUCCEEDED from 192.0.2.1");
    assert_eq!((&body["worse"]["was"], &body["worse"]["trace"]["id"]), (&"medium".into(), &"in".into()));

    // Worse than this it does not get; what follows is summed up, for the pager too.
    scene.cloud.handle().add([iam("again", "login", "192.0.2.1", now, 180), failed("f", 170)]);
    scene.read_all(after(now, 8)).await;
    assert_eq!(scene.sent().await.len(), 3);
    scene.sweep().step(after(now, 7200)).await.unwrap();
    assert_eq!(scene.sent().await[3..], ["pager summary critical 2", "soar summary critical 2"]);
    assert_eq!((scene.owed("soar").await[0], scene.owed("pager").await[0]), (8, 8));
}

#[tokio::test]
async fn a_shadow_that_gets_worse_stays_silent() {
    let (mut scene, now) = Scene::of(&GUESSING.replace("severity: medium", "severity: medium\n    mode: shadow")).await;
    let failed = |id: &str, ago: u64| iam(id, "loginFailed", "192.0.2.1", now, ago);
    scene.cloud.handle().add([failed("a", 240), failed("b", 230), failed("c", 220), failed("d", 210)]);
    scene.cloud.handle().add([iam("in", "login", "192.0.2.1", now, 100)]);
    scene.read_all(after(now, 2)).await;
    scene.sweep().step(after(now, 7200)).await.unwrap();
    assert!(scene.sent().await.is_empty());
    assert!(scene.alerts().await[0].escalated);
    assert_eq!(scene.owed("soar").await, [5, 0, 0, 5, 0, 0]);
    assert_eq!(scene.owed("pager").await, [5, 0, 0, 5, 0, 0]);
    assert_eq!(scene.ledger().await, ["a shadow", "b shadow", "c shadow", "d shadow", "in shadow"]);
}

#[tokio::test]
async fn an_operation_that_ends_badly_rings_again() {
    let (mut scene, now) = Scene::of(RULES).await;
    let half = |id: &str, actor: &str, rating: &str, ago: u64| {
        let mut trace = world::trace(id, "deleteServer", clock::minus(now, Duration::from_secs(ago)));
        (trace["resource_id"], trace["resource_name"]) = ("srv".into(), "web-1".into());
        trace["user"]["name"] = actor.into();
        trace["trace_rating"] = rating.into();
        trace
    };
    scene.cloud.handle().add([half("asked", "alice", "normal", 300)]);
    scene.read_all(after(now, 2)).await;
    scene.restart().await;
    let mut result = half("ended", "alice", "incident", 60);
    result["user"] = Value::Null;
    scene.cloud.handle().add([result]);
    scene.read_all(after(now, 4)).await;
    assert_eq!(scene.sent().await, ["soar opened high 1", "soar updated high 1"]);
    assert_eq!(scene.ledger().await, ["asked opened", "ended updated"]);
    assert_eq!(scene.alerts().await.len(), 1);
    assert_eq!(scene.owed("soar").await[0], 2);
}

/// One alert for all that an actor deletes.
const BY_ACTOR: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deletes servers"
    severity: high
    match: { operation: deleteServer }
    dedup: { by: [actor.name], for: 1h }
    topics: [security]
"#;

#[tokio::test]
async fn each_operation_that_ends_badly_rings_and_leaves_nothing_untold() {
    let (mut scene, now) = Scene::of(BY_ACTOR).await;
    let half = |id: &str, server: &str, rating: &str, ago: u64| {
        let mut trace = world::trace(id, "deleteServer", clock::minus(now, Duration::from_secs(ago)));
        (trace["resource_id"], trace["resource_name"]) = (server.into(), server.into());
        trace["trace_rating"] = rating.into();
        trace
    };
    for (seconds, trace) in [
        (2, half("asked-1", "srv-1", "normal", 300)),
        (4, half("asked-2", "srv-2", "normal", 290)),
        (6, half("ended-1", "srv-1", "incident", 200)),
        (8, half("asked-3", "srv-3", "normal", 190)),
        (10, half("ended-2", "srv-2", "incident", 100)),
    ] {
        scene.cloud.handle().add([trace]);
        scene.read_all(after(now, seconds)).await;
    }
    assert_eq!(scene.sent().await, ["soar opened high 1", "soar updated high 2", "soar updated high 2"]);
    assert_eq!(scene.owed("soar").await[0], 5);
}

const HEARTBEAT: &str = r#"
rules:
  - id: backup-missing
    title: "No backup by {{ actor.name }}"
    severity: high
    match: { operation: createBackup }
    when: { absent: { for: 5m, by: [actor.name], arm_after: 2 } }
    topics: [security]
"#;

#[tokio::test]
async fn a_silence_is_told_once_and_says_since_when() {
    let (mut scene, now) = Scene::of(HEARTBEAT).await;
    let backup = |id: &str, ago: u64| world::trace(id, "createBackup", clock::minus(now, Duration::from_secs(ago)));
    scene.cloud.handle().add([backup("a", 1200)]);
    scene.read_all(after(now, 2)).await;
    assert!(scene.sent().await.is_empty(), "seen once, it is not waited for");
    scene.cloud.handle().add([backup("b", 1000), backup("c", 900)]);
    scene.read_all(after(now, 4)).await;
    assert_eq!(scene.sent().await, ["soar opened high 1"]);
    scene.restart().await;
    scene.read_all(after(now, 6)).await;
    scene.read_all(after(now, 8)).await;
    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 1, "a silence is told once");
    let notification = &rows[0].delivery.notification;
    assert_eq!(notification.alert.as_ref().unwrap().trace.id, "c");
    let since = tracebell::render::facts::when(clock::minus(now, Duration::from_secs(900)));
    assert!(notification.lines[0].contains(&format!("Nothing was seen since {since}, for more than 5 min")));
    assert_eq!(scene.owed("soar").await[0], 1);
}

const EXCEPTED: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted a server"
    severity: high
    match: { operation: deleteServer }
    except:
      - { reason: clean-up job, match: { actor.name: alice } }
      - { reason: migration of 2026, match: { actor.name: bob }, until: UNTIL }
    topics: [security]
"#;

#[tokio::test]
async fn an_exception_is_in_the_ledger_and_its_end_is_told_once() {
    let end = after(clock::now(), 3600);
    let rules = EXCEPTED.replace("UNTIL", &end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let (mut scene, now) = Scene::of(&rules).await;
    scene.cloud.handle().add([world::trace("x", "deleteServer", now)]);
    scene.read_all(after(now, 2)).await;
    assert_eq!(scene.ledger().await, ["x excepted: clean-up job"]);
    assert_eq!(scene.accounting().await.sources[0].counts.unmatched, 1);

    let mut sweep = scene.sweep();
    sweep.step(after(now, 1800)).await.unwrap();
    assert!(scene.sent().await.is_empty());
    for seconds in [3700, 3800] {
        sweep.step(after(now, seconds)).await.unwrap();
    }
    scene.restart().await;
    scene.sweep().step(after(now, 90_000)).await.unwrap();
    assert_eq!(
        scene.told("The exception `migration of 2026` of rule server-deleted ended").await,
        2,
        "one for each endpoint"
    );
    assert_eq!(scene.sent().await.len(), 2);
    let notice = &scene.deliveries().await[0].delivery.notification;
    assert!(notice.lines.iter().any(|line| line.contains("test.yaml:9")), "{:?}", notice.lines);
}

#[tokio::test]
async fn an_exception_that_ended_long_ago_is_no_news() {
    let end = clock::minus(clock::now(), Duration::from_secs(31 * 86_400));
    let rules = EXCEPTED.replace("UNTIL", &end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let (scene, now) = Scene::of(&rules).await;
    scene.sweep().step(now).await.unwrap();
    assert!(scene.sent().await.is_empty());
}

const WINDOWS: &str = r#"
  - id: many-servers
    title: "{{ actor.name }} deletes many servers"
    severity: high
    match: { operation: deleteServer }
    when: { distinct: { of: resource.id, at_least: 3, within: 5m, by: [actor.name] } }
    dedup: { by: [actor.name], for: 10m }
    topics: [security]
  - id: user-then-grant
    title: "{{ actor.name }} made a user and gave it rights"
    severity: high
    when: { sequence: { steps: [ { operation: createUser }, { operation: addUserToGroup } ], within: 5m, same: [actor.name] } }
    dedup: { by: [actor.name], for: 10m }
    topics: [security]
  - id: new-address
    title: "{{ actor.name }} from a new address"
    severity: low
    match: { operation: login }
    when: { first_seen: { of: [actor.name, source_ip], remember: 30d, learn: 1h } }
    dedup: { by: [actor.name, source_ip], for: 10m }
    topics: [security]
"#;

/// Two bursts, further apart than any window is long, of everything the rules wait for.
fn traffic(random: &mut Rng, now: Timestamp) -> Vec<Value> {
    let mut traces = Vec::new();
    for burst in [1400u64, 240] {
        for number in 0..60u64 {
            let id = format!("t{burst}-{number}");
            let operation =
                ["loginFailed", "login", "deleteServer", "createUser", "addUserToGroup"][random.usize(0..5)];
            let ip = format!("192.0.2.{}", random.u8(1..4));
            let mut trace = iam(&id, operation, &ip, now, burst - number * 3);
            trace["user"]["name"] = ["alice", "bob", "carol"][random.usize(0..3)].into();
            trace["resource_id"] = format!("r{}", random.u8(0..5)).into();
            traces.push(trace);
        }
    }
    traces
}

/// What must not depend on how traces come: rule, key, severity, and all traces that were counted.
async fn outcome(scene: &Scene) -> Vec<String> {
    scene.accounting().await;
    let pool = scene.connection().await;
    let counted: Vec<(String, String)> = sqlx::query_as(
        "SELECT alert, group_concat(trace, ' ') FROM \
         (SELECT DISTINCT alert, trace FROM ledger WHERE alert <> '' ORDER BY trace) GROUP BY alert",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    pool.close().await;
    let mut found = Vec::new();
    for alert in scene.alerts().await {
        let traces = &counted.iter().find(|(id, _)| *id == alert.id).unwrap().1;
        // Of several first sightings the one that comes first rings.
        let traces = if alert.rule == "new-address" { "-" } else { traces };
        found.push(format!("{} {:?} {} {} {traces}", alert.rule, alert.key, alert.severity, alert.count));
    }
    found.sort();
    found
}

#[tokio::test]
async fn pages_in_any_order_with_restarts_between_ring_as_in_one_go() {
    // A success within reach of both bursts would belong to whichever was told first.
    let rules = format!("{}{WINDOWS}", GUESSING.replace("within: 30m", "within: 5m"));
    for seed in 0..8 {
        let mut random = Rng::with_seed(seed);
        let (mut whole, now) = Scene::watching(&rules).await;
        let mut traces = traffic(&mut random, now);
        whole.cloud.handle().add(traces.clone());
        whole.read_all(after(now, 2)).await;
        let expected = outcome(&whole).await;
        for rule in ["login-guessing", "many-servers", "user-then-grant", "new-address"] {
            assert!(expected.iter().any(|line| line.starts_with(rule)), "too tame for {rule}: {expected:?}");
        }
        assert!(expected.iter().any(|line| line.contains("critical")), "nothing got worse: {expected:?}");

        let (mut pieces, _) = Scene::watching(&rules).await;
        random.shuffle(&mut traces);
        let mut second = 0;
        while !traces.is_empty() {
            let page = random.usize(1..=traces.len().min(40));
            let mut page: Vec<Value> = traces.drain(..page).collect();
            page.extend(page.first().cloned());
            pieces.cloud.handle().add(page);
            second += 2;
            pieces.read_all(after(now, second)).await;
            pieces.restart().await;
        }
        assert_eq!(outcome(&pieces).await, expected, "seed {seed}");
    }
}

#[tokio::test]
async fn a_trace_that_is_recorded_late_comes_in_time_to_break_a_silence() {
    let (mut scene, now) = Scene::of(&HEARTBEAT.replace("for: 5m", "for: 10m")).await;
    let backup = |id: &str, ago: u64| world::trace(id, "createBackup", clock::minus(now, Duration::from_secs(ago)));
    scene.cloud.handle().add([backup("a", 910), backup("b", 900)]);
    scene.read_all(after(now, 2)).await;
    assert!(scene.sent().await.is_empty(), "what came in time may still be on its way into the log");
    scene.cloud.handle().add([backup("c", 400)]);
    scene.read_all(after(now, 4)).await;
    // Nothing is on its way any more for the one that has been silent for twice as long as it may be.
    let old = |id: &str, ago: u64| {
        let mut trace = backup(id, ago);
        trace["user"]["name"] = "bob".into();
        trace
    };
    scene.cloud.handle().add([old("d", 1310), old("e", 1300)]);
    scene.read_all(after(now, 6)).await;
    let alerts = scene.alerts().await;
    assert_eq!(alerts.iter().map(|alert| alert.first.id.as_str()).collect::<Vec<_>>(), ["e"]);
}

#[tokio::test]
async fn a_damaged_memory_is_put_aside_and_does_not_stop_its_source() {
    for (rules, operation) in [(GUESSING, "loginFailed"), (HEARTBEAT, "createBackup")] {
        let (mut scene, now) = Scene::of(rules).await;
        let trace = |id: &str, ago: u64| iam(id, operation, "192.0.2.1", now, ago);
        scene.cloud.handle().add([trace("a", 200), trace("b", 199)]);
        scene.read_all(after(now, 2)).await;
        let pool = scene.connection().await;
        let damage = "UPDATE memories SET facts = CAST(x'7b22ff' AS TEXT), due_at = iif(due_at IS NULL, NULL, 1)";
        assert_eq!(sqlx::query(damage).execute(&pool).await.unwrap().rows_affected(), 1);
        scene.read_all(after(now, 4)).await;
        scene.cloud.handle().add(["c", "d", "e", "f"].map(|id| trace(id, 60)));
        scene.read_all(after(now, 6)).await;
        let rang = operation == "loginFailed";
        assert_eq!(scene.sent().await.iter().filter(|sent| sent.contains("opened")).count(), usize::from(rang));
        assert_eq!(scene.told("What rules remember of source prod was damaged in the store").await, 2, "{rules}");
        assert_eq!(scene.accounting().await.quarantined, 1);
        let unread: i64 = sqlx::query_scalar("SELECT count(*) FROM memories WHERE NOT json_valid(facts)")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(unread, 0, "what cannot be read is asked for again and again");
        pool.close().await;
    }
}

#[tokio::test]
async fn a_damaged_alert_stops_neither_its_source_nor_the_sweep() {
    let (mut scene, now) = Scene::of(GUESSING).await;
    let failed = |id: &str, ago: u64| iam(id, "loginFailed", "192.0.2.1", now, ago);
    scene.cloud.handle().add([failed("a", 60), failed("b", 59), failed("c", 58), failed("d", 57)]);
    scene.read_all(after(now, 2)).await;
    scene.cloud.handle().add([failed("e", 50)]);
    scene.read_all(after(now, 4)).await;
    let pool = scene.connection().await;
    sqlx::query("UPDATE alerts SET facts = CAST(x'7b22ff' AS TEXT)").execute(&pool).await.unwrap();
    scene.cloud.handle().add([failed("f", 40)]);
    scene.read_all(after(now, 6)).await;
    assert_eq!(scene.sent().await, ["soar opened medium 4", "soar opened medium 1"]);
    scene.sweep().step(after(now, 90_000)).await.unwrap();
    let open: i64 =
        sqlx::query_scalar("SELECT count(*) FROM alerts WHERE closed_at IS NULL").fetch_one(&pool).await.unwrap();
    assert_eq!(open, 0);
    pool.close().await;
    let [owed, delivered, summarised, suppressed, pending, dead] = scene.owed("soar").await;
    assert_eq!((owed, suppressed), (6, 1), "the repeat that no summary tells of is accounted for");
    assert_eq!(owed, delivered + summarised + suppressed + pending + dead);
}

impl Scene {
    /// One whose rules have learnt what they have to.
    async fn watching(rules: &str) -> (Self, Timestamp) {
        let mut scene = Self::with(generation_of(rules), "secret").await;
        let now = clock::now();
        let since = clock::minus(now, Duration::from_secs(86_400));
        let ids =
            scene.generation.borrow().rules.rules.iter().filter_map(ring::watch).map(|watch| (watch, since)).collect();
        let batch = IngestBatch { source: "prod".into(), now: since, watches: ids, ..IngestBatch::default() };
        scene.store.commit_ingest(batch).await.unwrap();
        scene.read_all(now).await;
        (scene, now)
    }
}

#[tokio::test]
async fn what_two_writers_of_one_source_remember_is_forgotten_by_neither() {
    let (scene, now) = Scene::of(GUESSING).await;
    let failed = |id: &str| iam(id, "loginFailed", "203.0.113.9", now, 30);
    let decided = scene.store.revision("prod").await.unwrap();
    // Another process judges and writes meanwhile.
    let mut other = source(&scene.cloud, &scene.store, &scene.generation, "secret", Duration::from_secs(1));
    scene.cloud.handle().add([failed("f1"), failed("f2"), failed("f3")]);
    while let Step::Page { .. } = other.step(after(now, 2)).await {}
    let written = scene.store.revision("prod").await.unwrap();
    assert!(written > decided, "{decided} {written}");
    let batch = |seen: &str, revision| IngestBatch {
        source: "prod".into(),
        now,
        seen: vec![seen.to_owned()],
        revision: Some(revision),
        memories: vec![Remembered { slot: slot(), memory: None, limit: 10 }],
        ..IngestBatch::default()
    };
    let stale = scene.store.commit_ingest(batch("x", decided)).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    assert!(scene.store.seen("prod", &["x".to_owned()]).await.unwrap().is_empty(), "half of it was written");
    scene.store.commit_ingest(batch("x", written)).await.unwrap();
    // What writes neither alerts nor memories is in nobody's way.
    let harmless = IngestBatch { memories: Vec::new(), ..batch("y", decided) };
    scene.store.commit_ingest(harmless).await.unwrap();
}

fn slot() -> ring::Slot {
    ring::Slot { rule: "login-guessing".into(), key: "[\"203.0.113.9\"]".into() }
}
