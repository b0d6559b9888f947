//! What a message says that no rule asked for: what made the rule match, how late it is, what the past says.

use tracebell::render::Letterhead;

use super::*;

const EACH: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: high
    match: { any: [ { operation: deleteServer }, { operation: takeOver } ], service: ECS, actor.name: { not: root } }
    dedup: { by: [resource.id], for: 10m }
    topics: [security]
  - id: guessing
    title: "Guessing from {{ key.source_ip }}"
    severity: medium
    match: { operation: loginFailed }
    when: { count: { at_least: 4, within: 5m, by: [source_ip] } }
    then:
      match: { operation: login, outcome: succeeded }
      within: 30m
      same: [source_ip]
      severity: critical
    topics: [security]
"#;

const DAY: u64 = 86_400;

/// Everybody gets everything: a program, a chat and a mailbox.
async fn scene() -> Scene {
    let (rules, problems) = rule::load(&[File { name: "test.yaml".into(), text: EACH.into() }]);
    assert!(problems.iter().all(|problem| problem.level != tracebell::document::Level::Error), "{problems:?}");
    let letterhead = Letterhead { from: "bell@example.org".into(), to: vec!["ops@example.org".into()] };
    let formats = [("soar", Format::Webhook), ("slack", Format::Slack), ("mail", Format::Email(letterhead))];
    let security = formats.iter().map(|(name, _)| Subscription::new(format!("security/{name}"), *name)).collect();
    let addresses = formats.map(|(name, format)| (name.to_owned(), Address::plain(format))).into();
    let topics = Topics { topics: [("security".to_owned(), security)].into(), addresses, ..Topics::default() };
    Scene::with(Generation { rules, topics, ..Generation::default() }, "secret").await
}

fn by(actor: &str, id: &str, operation: &str, time: Timestamp) -> serde_json::Value {
    let mut trace = world::trace(id, operation, time);
    trace["user"]["name"] = actor.into();
    trace
}

impl Scene {
    /// What the program was told, in the order of the outbox.
    async fn soar(&self) -> Vec<DeliveryRow> {
        self.accounting().await;
        let mut rows = self.deliveries().await;
        rows.retain(|row| row.delivery.endpoint == "soar");
        rows
    }

    /// What the past says in what was told last.
    async fn said(&self) -> Vec<String> {
        self.soar().await.pop().expect("something was told").delivery.notification.context.clone()
    }
}

fn evidence(row: &DeliveryRow) -> Vec<String> {
    row.delivery.notification.evidence.iter().map(|shown| format!("{}: {}", shown.field, shown.value)).collect()
}

#[tokio::test]
async fn what_an_actor_does_for_the_first_time_is_said_once_and_a_month_later_again() {
    let mut scene = scene().await;
    let now = clock::now();
    let ago = |seconds: u64| clock::minus(now, Duration::from_secs(seconds));
    scene.cloud.handle().add([by("bob", "b1", "deleteServer", ago(90))]);
    scene.read_all(now).await;
    assert_eq!(scene.said().await, Vec::<String>::new(), "a source that is new knows nothing");

    scene.sql("UPDATE habits SET at = at - 12 * 86400000000 - 3600000000").await;
    scene.cloud.handle().add([by("alice", "a1", "deleteServer", ago(80))]);
    scene.read_all(after(now, 2)).await;
    let said = [
        "First time alice used ECS in the 12 days since Tracebell watches",
        "First time alice came from network 198.51.100.0/24 in the 12 days since Tracebell watches",
    ];
    assert_eq!(scene.said().await, said);
    let told = scene.deliveries().await.split_off(3);
    assert_eq!(told.len(), 3);
    for row in told {
        // The mail breaks its lines.
        let body = String::from_utf8(row.delivery.body).unwrap().replace("=\r\n", "");
        let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [said[0], said[1], "deleteServer"] {
            assert!(body.contains(part), "{} says nothing of `{part}`:\n{body}", row.delivery.endpoint);
        }
    }

    scene.cloud.handle().add([by("Alice", "a2", "deleteServer", ago(70))]);
    scene.read_all(after(now, 4)).await;
    assert_eq!((scene.soar().await.len(), scene.said().await), (3, vec![]), "the second time is silent");
    scene.restart().await;
    scene.cloud.handle().add([by("alice", "a3", "deleteServer", ago(60))]);
    scene.read_all(after(now, 6)).await;
    assert_eq!((scene.soar().await.len(), scene.said().await), (4, vec![]), "after a restart too");

    scene.sql("UPDATE habits SET at = at - 32 * 86400000000").await;
    scene.cloud.handle().add([by("alice", "a4", "deleteServer", ago(50))]);
    scene.read_all(after(now, 8)).await;
    let said =
        ["First time alice used ECS in 30 days", "First time alice came from network 198.51.100.0/24 in 30 days"];
    assert_eq!(scene.said().await, said);
}

#[tokio::test]
async fn a_page_that_is_read_again_because_it_was_not_stored_says_the_same() {
    let mut scene = scene().await;
    let now = clock::now();
    scene.cloud.handle().add([by("bob", "b1", "startServer", clock::minus(now, Duration::from_secs(90)))]);
    scene.read_all(now).await;
    scene.sql("UPDATE habits SET at = at - 40 * 86400000000").await;
    scene.sql("CREATE TRIGGER refuse BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    scene.cloud.handle().add([by("alice", "a1", "deleteServer", clock::minus(now, Duration::from_secs(60)))]);
    let Step::Failed { until } = scene.ingest.step(after(now, 2)).await else { panic!("it was stored after all") };
    scene.sql("DROP TRIGGER refuse").await;
    scene.read_all(until).await;
    assert_eq!((scene.soar().await.len(), scene.said().await.len()), (1, 2));
}

#[tokio::test]
async fn what_is_told_late_says_so_and_a_total_re_read_tells_nothing_twice() {
    let mut scene = scene().await;
    let now = clock::now();
    let ago = |seconds: u64| clock::minus(now, Duration::from_secs(seconds));
    scene.left_off(ago(DAY)).await;
    let traces = [by("alice", "old", "deleteServer", ago(3 * 3600)), by("bob", "fresh", "deleteServer", ago(600))];
    scene.cloud.handle().add(traces);
    scene.read_all(now).await;
    let told = scene.soar().await;
    let kinds: Vec<Kind> = told.iter().map(|row| row.delivery.notification.kind).collect();
    assert_eq!(kinds, [Kind::Late, Kind::Opened]);
    assert!(String::from_utf8_lossy(&told[0].delivery.body).contains("\"late\""));
    assert!(told.iter().all(|row| row.delivery.thread == row.delivery.id), "both open their conversation");

    // Two hours later everything is read again: by then the second one is late as well.
    scene.sweep().step(after(now, 3660)).await.unwrap();
    scene.sql("DELETE FROM seen").await;
    scene.left_off(ago(DAY)).await;
    scene.restart().await;
    scene.read_all(after(now, 7200)).await;
    let accounting = scene.accounting().await;
    assert_eq!(accounting.sources[0].counts.matched, 4, "it was read again");
    let again = scene.soar().await;
    let ids = |rows: &[DeliveryRow]| rows.iter().map(|row| row.delivery.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&told));
    assert!(accounting.subscriptions.iter().all(|account| account.owed == 2), "{accounting:?}");
}

#[tokio::test]
async fn what_made_the_rule_match_is_shown_and_what_it_counted() {
    let mut scene = scene().await;
    let now = clock::now();
    scene.read_all(now).await;
    let ago = |seconds: u64| clock::minus(now, Duration::from_secs(seconds));
    scene.cloud.handle().add([by("alice", "a1", "takeOver", ago(80))]);
    scene.cloud.handle().add((0..5).map(|i| by("mallory", &format!("f{i}"), "loginFailed", ago(100 - i))));
    scene.read_all(after(now, 2)).await;
    scene.cloud.handle().add([by("mallory", "in", "login", ago(30))]);
    scene.read_all(after(now, 4)).await;
    let told = scene.soar().await;
    let shown: Vec<_> = told.iter().map(evidence).collect();
    let counted = ["operation: loginFailed", "count: 4 matches in 5 min by source_ip 198.51.100.7"];
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown.iter().any(|shown| *shown == counted), "{shown:?}");
    assert!(shown.iter().any(|shown| *shown == ["operation: takeOver", "service: ECS"]), "{shown:?}");
    assert_eq!(shown[2], ["operation: login", "outcome: succeeded"]);
}

#[tokio::test]
async fn a_body_that_made_the_rule_match_is_cut() {
    let mut generation = generation();
    let text =
        "rules: [ { id: r, title: T, severity: low, match: { request.note: { prefix: x } }, topics: [security] } ]";
    let (rules, problems) = rule::load(&[File { name: "test.yaml".into(), text: text.into() }]);
    assert!(problems.iter().all(|problem| problem.level != tracebell::document::Level::Error), "{problems:?}");
    generation.rules = rules;
    let mut scene = Scene::with(generation, "secret").await;
    let now = clock::now();
    scene.read_all(now).await;
    let mut trace = by("alice", "a1", "createNote", clock::minus(now, Duration::from_secs(60)));
    trace["request"] = serde_json::json!({ "note": "x".repeat(5000) });
    scene.cloud.handle().add([trace]);
    scene.read_all(after(now, 2)).await;
    let row = scene.soar().await.remove(0);
    let shown = &row.delivery.notification.evidence[0];
    assert_eq!((shown.field.as_str(), shown.value.chars().count()), ("request.note", 200));
    let body: serde_json::Value = serde_json::from_slice(&row.delivery.body).unwrap();
    assert_eq!(body["evidence"][0]["value"], shown.value, "as it is sent");
}
