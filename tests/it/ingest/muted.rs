//! Silences and inhibitions, from the cloud to the accounts.

use tracebell::{
    alert::MuteKind,
    silence::{Draft, Inhibition, Matcher, Of, Silence},
    store::{Muted, MutedFilter},
};

use super::*;

const MUTABLE: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: low
    match: { operation: deleteServer }
    dedup: { by: [actor.name], for: 2h }
    then: { match: { operation: deleteBackup }, within: 2h, same: [actor.name], severity: critical }
    topics: [security]
  - id: account-taken
    title: "{{ actor.name }} is not who it was"
    severity: critical
    match: { operation: takeOver }
    dedup: { by: [actor.name], for: 10m }
    topics: [security]
"#;

async fn scene() -> Scene {
    let (rules, problems) = rule::load(&[File { name: "test.yaml".into(), text: MUTABLE.into() }]);
    assert!(problems.iter().all(|problem| problem.level != tracebell::document::Level::Error), "{problems:?}");
    let matchers = |text: &str| vec![Matcher::parse(text).unwrap()];
    let inhibition = Inhibition {
        name: "taken".into(),
        when: matchers("rule=account-taken"),
        mutes: matchers("rule=server-deleted"),
        same: vec![Of::parse("actor.name").unwrap()],
    };
    let mut scene = Scene::with(Generation { rules, inhibitions: vec![inhibition], ..generation() }, "secret").await;
    scene.read_all(clock::now()).await;
    scene
}

/// Seconds around a fixed now.
struct Clock(Timestamp);

impl Clock {
    fn at(&self, seconds: i64) -> Timestamp {
        self.0.checked_add(clock::SignedDuration::from_secs(seconds)).unwrap()
    }
}

fn silence(clock: &Clock, matcher: &str, from: i64, to: i64) -> Silence {
    let matchers = vec![Matcher::parse(matcher).unwrap()];
    let (author, comment) = ("anna".to_owned(), "planned rotation".to_owned());
    let draft = Draft { matchers, starts_at: clock.at(from), ends_at: clock.at(to), author, comment };
    Silence::new(draft, clock.at(from)).unwrap()
}

fn by(actor: &str, id: &str, operation: &str, time: Timestamp) -> serde_json::Value {
    let mut trace = world::trace(id, operation, time);
    trace["user"]["name"] = actor.into();
    trace
}

impl Scene {
    /// `[owed, suppressed, pending]`, which balance with what is delivered.
    async fn account(&self) -> [u64; 3] {
        let accounting = self.accounting().await;
        let account = accounting.subscriptions.first().cloned().unwrap_or_default();
        [account.owed, account.suppressed, account.pending]
    }

    async fn swallowed(&self, kind: MuteKind, id: &str) -> Vec<Muted> {
        let by = Some((kind, id.to_owned()));
        self.store.muted(MutedFilter { by, alert: None, limit: 100 }).await.unwrap()
    }

    async fn reasons(&self, verdict: &str) -> Vec<Option<String>> {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.folder.path().join("state.db"));
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let rows = sqlx::query_scalar("SELECT reason FROM ledger WHERE verdict = ?1 ORDER BY seq").bind(verdict);
        let rows = rows.fetch_all(&pool).await.unwrap();
        pool.close().await;
        rows
    }
}

#[tokio::test]
async fn what_is_silenced_is_counted_and_rings_once_the_silence_is_over() {
    let mut scene = scene().await;
    let clock = Clock(clock::now());
    let silence = silence(&clock, "actor.name=alice", -3600, 3600);
    let reason = format!("silence {} by anna: planned rotation", silence.id);
    scene.store.put_silence(silence.clone()).await.unwrap();
    scene.cloud.handle().add(["a1", "a2"].map(|id| by("alice", id, "deleteServer", clock.at(-20))));
    scene.cloud.handle().add([by("bob", "b1", "deleteServer", clock.at(-20))]);
    scene.read_all(clock.at(2)).await;
    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 1, "bob alone is told of");
    assert!(rows[0].delivery.notification.title.starts_with("bob"));
    assert_eq!(scene.account().await, [3, 2, 1]);
    let swallowed = scene.swallowed(MuteKind::Silence, &silence.id).await;
    assert_eq!(swallowed.iter().map(|muted| muted.count).sum::<u64>(), 2);
    assert!(swallowed.iter().all(|muted| muted.by.reason == reason && muted.rule == "server-deleted"));
    assert_eq!(scene.reasons("muted").await, [Some(reason.clone()), Some(reason.clone())]);

    // A person ends it; the next match rings as if it were the first, and says what was kept back.
    assert!(scene.store.expire_silence(&silence.id, clock.at(3)).await.unwrap());
    scene.cloud.handle().add([by("alice", "a3", "deleteServer", clock.at(-10))]);
    scene.read_all(clock.at(4)).await;
    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 2);
    let told = &rows[1].delivery;
    assert_eq!((told.notification.kind, told.covers), (Kind::Opened, 1));
    assert_eq!(told.thread, told.id, "it opens the conversation");
    assert!(told.notification.lines[0].contains("2 matches before this were kept back"), "{told:?}");
    assert!(told.notification.lines[0].contains(&reason), "{told:?}");
    assert_eq!(scene.account().await, [4, 2, 2]);

    // From then on it is an alert like any other.
    scene.cloud.handle().add([by("alice", "a4", "deleteServer", clock.at(-5))]);
    scene.read_all(clock.at(6)).await;
    assert_eq!(scene.deliveries().await.len(), 2);
    assert_eq!(scene.account().await, [5, 2, 3]);
    scene.sweep().step(clock.at(3 * 3600)).await.unwrap();
    let rows = scene.deliveries().await;
    let summary = &rows[2].delivery;
    assert_eq!((summary.notification.kind, summary.covers, &summary.thread), (Kind::Summary, 1, &rows[1].delivery.id));
    assert_eq!(scene.account().await, [5, 2, 3]);
}

#[tokio::test]
async fn what_happened_in_a_silence_is_swallowed_though_recorded_late() {
    let mut scene = scene().await;
    let clock = Clock(clock::now());
    scene.store.put_silence(silence(&clock, "rule=server-deleted", -3600, -30)).await.unwrap();
    scene.cloud.handle().add([by("alice", "a1", "deleteServer", clock.at(-60))]);
    scene.read_all(clock.at(2)).await;
    assert_eq!(scene.account().await, [1, 1, 0]);
    scene.cloud.handle().add([by("alice", "a2", "deleteServer", clock.at(-10))]);
    scene.read_all(clock.at(4)).await;
    assert_eq!(scene.account().await, [2, 1, 1]);
    assert_eq!(scene.deliveries().await.len(), 1);
}

#[tokio::test]
async fn an_escalation_is_judged_by_its_new_severity() {
    let mut scene = scene().await;
    let clock = Clock(clock::now());
    scene.store.put_silence(silence(&clock, "severity=low", -3600, 3600)).await.unwrap();
    scene.cloud.handle().add([by("alice", "a1", "deleteServer", clock.at(-20))]);
    scene.read_all(clock.at(2)).await;
    assert_eq!((scene.deliveries().await.len(), scene.account().await), (0, [1, 1, 0]));
    scene.cloud.handle().add([by("alice", "a2", "deleteBackup", clock.at(-10))]);
    scene.read_all(clock.at(4)).await;
    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 1);
    let told = &rows[0].delivery;
    assert_eq!((told.notification.kind, &told.thread), (Kind::Escalated, &told.id));
    assert!(told.notification.lines[0].contains("1 match before this was kept back"), "{told:?}");
    scene.account().await;
}

#[tokio::test]
async fn an_escalation_that_is_silenced_too_leaves_earlier_repeats_to_their_summary() {
    let mut scene = scene().await;
    let clock = Clock(clock::now());
    scene.cloud.handle().add(["a1", "a2", "a3"].map(|id| by("alice", id, "deleteServer", clock.at(-20))));
    scene.read_all(clock.at(2)).await;
    assert_eq!(scene.account().await, [3, 0, 3]);
    let silence = silence(&clock, "key.actor.name=alice", -30, 60);
    scene.store.put_silence(silence.clone()).await.unwrap();
    scene.cloud.handle().add([by("alice", "a4", "deleteBackup", clock.at(-10))]);
    scene.read_all(clock.at(4)).await;
    assert_eq!(scene.deliveries().await.len(), 1, "the escalation is swallowed");
    assert_eq!(scene.reasons("muted").await.len(), 1);
    scene.account().await;
    // Told of before, so it opens anew under another id.
    scene.store.expire_silence(&silence.id, clock.at(5)).await.unwrap();
    scene.cloud.handle().add([by("alice", "a5", "deleteServer", clock.at(-5))]);
    scene.read_all(clock.at(6)).await;
    let rows = scene.deliveries().await;
    assert_eq!((rows.len(), rows[1].delivery.notification.kind), (2, Kind::Opened));
    assert_eq!(rows[1].delivery.thread, rows[0].delivery.id, "the conversation goes on");
    assert_eq!(scene.account().await, [5, 1, 4]);
}

#[tokio::test]
async fn an_open_alert_inhibits_another_until_it_closes() {
    let mut scene = scene().await;
    let clock = Clock(clock::now());
    // The inhibiting alert comes with the same page, and after what it mutes.
    scene.cloud.handle().add([
        by("alice", "a1", "deleteServer", clock.at(-20)),
        by("bob", "b1", "deleteServer", clock.at(-20)),
        by("alice", "a0", "takeOver", clock.at(-15)),
    ]);
    scene.read_all(clock.at(2)).await;
    let titles = |rows: &[DeliveryRow]| -> Vec<String> {
        rows.iter().map(|row| row.delivery.notification.title.clone()).collect()
    };
    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 2, "{:?}", titles(&rows));
    assert!(!titles(&rows).iter().any(|title| title.starts_with("alice deleted")), "{:?}", titles(&rows));
    assert_eq!(scene.account().await, [3, 1, 2]);
    // Of another page it is read from the store.
    scene.cloud.handle().add([by("alice", "a2", "deleteServer", clock.at(-12))]);
    scene.read_all(clock.at(4)).await;
    assert_eq!(scene.account().await, [4, 2, 2]);
    let swallowed = scene.swallowed(MuteKind::Inhibition, "taken").await;
    assert_eq!(swallowed.len(), 2);
    assert!(swallowed[0].by.reason.contains("of rule account-taken: alice is not who it was"), "{swallowed:?}");

    assert_eq!(scene.sweep().step(clock.at(4000)).await.unwrap().windows_closed, 1, "the one that inhibits");
    scene.cloud.handle().add([by("alice", "a3", "deleteServer", clock.at(-5))]);
    scene.read_all(clock.at(4002)).await;
    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 3);
    assert!(rows[2].delivery.notification.lines[0].contains("inhibition taken by alert"), "{:?}", rows[2]);
    assert_eq!(scene.account().await, [5, 2, 3]);
}

#[tokio::test]
async fn a_summary_that_is_silenced_is_not_sent() {
    let mut scene = scene().await;
    let clock = Clock(clock::now());
    scene.cloud.handle().add(["a1", "a2", "a3"].map(|id| by("alice", id, "deleteServer", clock.at(-20))));
    scene.read_all(clock.at(2)).await;
    let silence = silence(&clock, "rule=server-deleted", -1, 4 * 3600);
    scene.store.put_silence(silence.clone()).await.unwrap();
    assert_eq!(scene.sweep().step(clock.at(3 * 3600)).await.unwrap().windows_closed, 1);
    assert_eq!(scene.deliveries().await.len(), 1);
    assert_eq!(scene.account().await, [3, 2, 1]);
    let swallowed = scene.swallowed(MuteKind::Silence, &silence.id).await;
    assert_eq!(swallowed.iter().map(|muted| muted.count).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn people_hear_once_before_a_silence_ends() {
    let mut scene = scene().await;
    let clock = Clock(clock::now());
    let silence = silence(&clock, "rule=server-deleted", -36_000, 3600);
    scene.store.put_silence(silence.clone()).await.unwrap();
    scene.sweep().step(clock.at(1800)).await.unwrap();
    assert_eq!(scene.told("ends in").await, 0, "it swallowed nothing");
    scene.cloud.handle().add([by("alice", "a1", "deleteServer", clock.at(-20))]);
    scene.read_all(clock.at(2)).await;
    let mut sweep = scene.sweep();
    sweep.step(clock.at(-60)).await.unwrap();
    assert_eq!(scene.told("ends in").await, 0, "it is not near its end");
    sweep.step(clock.at(1800)).await.unwrap();
    sweep.step(clock.at(1900)).await.unwrap();
    scene.sweep().step(clock.at(2000)).await.unwrap();
    assert_eq!(scene.told("ends in 30 min").await, 1);
    let rows = scene.deliveries().await;
    let lines = rows[0].delivery.notification.lines.join("\n");
    for part in ["1 of rule server-deleted, such as: alice deleted", "--match rule=server-deleted --for 8h", "by anna"]
    {
        assert!(lines.contains(part), "no `{part}` in {lines}");
    }
}
