//! From the cloud into the outbox, step by step, with the clock in the test's hand.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracebell::{
    checkpoint::Checkpoint,
    clock::{self, Timestamp},
    cloud::{
        auth::{Credentials, Method, NameOrId},
        budget::{Allowance, Budget},
    },
    delivery::State,
    document::File,
    emulator::{
        Emulator,
        fault::{Fault, Plan},
    },
    generation::Generation,
    health::Board,
    ingest::{Ingest, Patience, Step},
    metrics::Metrics,
    notification::Kind,
    render::{Address, Format},
    rule,
    secret::Secret,
    source::{Settings, Source, cts::Cts, plan::Polling},
    store::{Accounting, DeliveryFilter, DeliveryRow, IngestBatch, Sqlite, Store},
    sweep::Sweep,
    topic::{Filter, Subscription, Topics},
};

use crate::world;

mod muted;
mod past;
mod promises;
mod silenced;
mod topic;
mod tracker;
mod turn;
mod windows;

const RULES: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: high
    match: { operation: deleteServer }
    dedup: { by: [actor.name], for: 10m }
    topics: [security]
  - id: server-started
    title: "{{ actor.name }} started a server"
    severity: info
    mode: shadow
    match: { operation: startServer }
    topics: [security]
"#;

/// An emulated cloud, a store, and one source between them.
struct Scene {
    cloud: Emulator,
    store: Sqlite,
    folder: tempfile::TempDir,
    ingest: Ingest<Sqlite>,
    generation: watch::Sender<Arc<Generation>>,
    password: &'static str,
    poll_every: Duration,
}

impl Scene {
    async fn new() -> Self {
        Self::with(generation(), "secret").await
    }

    async fn with_password(password: &'static str) -> Self {
        Self::with(generation(), password).await
    }

    async fn with(generation: Generation, password: &'static str) -> Self {
        Self::at(world::cloud().await, generation, password, Duration::from_secs(1)).await
    }

    async fn at(cloud: Emulator, generation: Generation, password: &'static str, poll_every: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("state.db"), clock::now()).await.unwrap();
        let (generation, _) = watch::channel(Arc::new(generation));
        let ingest = source(&cloud, &store, &generation, password, poll_every);
        Self { cloud, store, folder, ingest, generation, password, poll_every }
    }

    /// A new process with the same state.
    async fn restart(&mut self) {
        self.store.close().await;
        self.store = Sqlite::open(&self.folder.path().join("state.db"), clock::now()).await.unwrap();
        self.ingest = source(&self.cloud, &self.store, &self.generation, self.password, self.poll_every);
    }

    fn sweep(&self) -> Sweep<Sqlite> {
        let (committed, _) = watch::channel(());
        Sweep::new(self.store.clone(), self.generation.subscribe(), committed, Board::default())
    }

    /// As if it had last read everything at `then`.
    async fn left_off(&self, then: Timestamp) {
        let checkpoint = Some(Checkpoint { watermark: then, warm_at: then, cold_at: then, deep_at: then });
        let batch = IngestBatch { source: "prod".into(), now: then, checkpoint, ..IngestBatch::default() };
        self.store.commit_ingest(batch).await.unwrap();
    }

    /// Steps at `now` until nothing is due.
    async fn read_all(&mut self, now: Timestamp) {
        for _ in 0..10_000 {
            match self.ingest.step(now).await {
                Step::Page { .. } => {}
                Step::Idle { .. } => return,
                Step::Failed { until } => panic!("failed until {until}"),
            }
        }
        panic!("it never came to an end");
    }

    /// Fails each second or so until `end` has come; returns when it will try again.
    async fn fail_until(&mut self, mut now: Timestamp, end: Timestamp) -> Timestamp {
        while now < end {
            now = match self.ingest.step(now).await {
                Step::Failed { until } => until,
                Step::Idle { until } => until.max(after(now, 1)),
                Step::Page { .. } => after(now, 1),
            };
        }
        now
    }

    /// Runs a statement on the state, beside the process.
    async fn sql(&self, statement: &'static str) {
        let path = self.folder.path().join("state.db");
        let pool = sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(path));
        let pool = pool.await.unwrap();
        sqlx::query(statement).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// How many notices were stored whose title holds `part`.
    async fn told(&self, part: &str) -> usize {
        let rows = self.deliveries().await;
        rows.iter().filter(|row| row.delivery.notification.title.contains(part)).count()
    }

    async fn deliveries(&self) -> Vec<DeliveryRow> {
        let mut rows =
            self.store.deliveries(DeliveryFilter { limit: 1000, ..DeliveryFilter::default() }).await.unwrap();
        rows.reverse();
        rows
    }

    async fn accounting(&self) -> Accounting {
        let accounting = self.store.accounting().await.unwrap();
        assert!(accounting.sources.iter().all(|source| source.balanced()), "{accounting:?}");
        assert!(accounting.subscriptions.iter().all(|subscription| subscription.balanced()), "{accounting:?}");
        accounting
    }
}

fn generation() -> Generation {
    let (rules, problems) = rule::load(&[File { name: "test.yaml".into(), text: RULES.into() }]);
    assert!(problems.is_empty(), "{problems:?}");
    let subscription = Subscription::new("security/soar", "soar");
    let topics = Topics {
        topics: [("security".to_owned(), vec![subscription])].into(),
        addresses: [("soar".to_owned(), Address::plain(Format::Webhook))].into(),
        notices: None,
        storm: None,
    };
    Generation { rules, topics, ..Generation::default() }
}

fn credentials(cloud: &Emulator, password: &str) -> Credentials {
    Credentials {
        project: Some(NameOrId::Name("eu-de".into())),
        region: Some("eu-de".into()),
        ..Credentials::new(
            format!("{}/v3", cloud.url()),
            Method::Password {
                user: NameOrId::Name("alice".into()),
                domain: Some(NameOrId::Name("OTC00000000001000000001".into())),
                password: Secret::new(password),
            },
        )
    }
}

fn source(
    cloud: &Emulator,
    store: &Sqlite,
    generation: &watch::Sender<Arc<Generation>>,
    password: &str,
    poll_every: Duration,
) -> Ingest<Sqlite> {
    source_within(None, cloud, store, generation, password, poll_every)
}

fn source_within(
    budget: Option<&Arc<Budget>>,
    cloud: &Emulator,
    store: &Sqlite,
    generation: &watch::Sender<Arc<Generation>>,
    password: &str,
    poll_every: Duration,
) -> Ingest<Sqlite> {
    let credentials = credentials(cloud, password);
    let settings = Settings {
        name: "prod".into(),
        credentials,
        tracker: "system".into(),
        polling: Polling { poll_every, poll_quiet_every: poll_every, ..Polling::default() },
    };
    let mut cts = Cts::new(&settings).unwrap();
    if let Some(budget) = budget {
        cts = cts.within(Arc::clone(budget));
    }
    let (metrics, _) = Metrics::new();
    let (committed, _) = watch::channel(());
    Ingest::new(
        "prod".into(),
        Source::Cts(Box::new(cts)),
        settings.polling,
        store.clone(),
        generation.subscribe(),
        committed,
        metrics,
        Board::default(),
    )
}

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    clock::plus(now, Duration::from_secs(seconds))
}

#[tokio::test]
async fn repeats_fold_and_are_summed_up_when_the_window_closes() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.read_all(now).await;
    let deleted = |i: u64| world::trace(&format!("d{i}"), "deleteServer", clock::minus(now, Duration::from_secs(i)));
    scene.cloud.handle().add((1..=5).map(deleted));
    scene.read_all(after(now, 2)).await;

    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 1, "one message for five repeats");
    assert_eq!(rows[0].delivery.notification.kind, Kind::Opened);
    let accounting = scene.accounting().await;
    assert_eq!((accounting.subscriptions[0].owed, accounting.subscriptions[0].pending), (5, 5));

    let mut sweep = scene.sweep();
    assert_eq!(sweep.step(after(now, 300)).await.unwrap().windows_closed, 0);
    assert_eq!(sweep.step(after(now, 3000)).await.unwrap().windows_closed, 1);
    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[1].delivery.notification.kind, rows[1].delivery.covers), (Kind::Summary, 4));
    scene.accounting().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_window_loses_and_repeats_nothing() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.read_all(now).await;
    let traces: Vec<_> = (0..1000u64)
        .map(|i| {
            let mut trace = world::trace(&format!("m{i}"), "deleteServer", clock::minus(now, Duration::from_millis(i)));
            trace["user"]["name"] = format!("user-{i}").into();
            trace
        })
        .collect();
    scene.cloud.handle().add(traces);
    for _ in 0..2 {
        assert!(matches!(scene.ingest.step(after(now, 2)).await, Step::Page { complete: false, .. }));
    }
    scene.restart().await;
    scene.read_all(after(now, 4)).await;
    let accounting = scene.accounting().await;
    assert_eq!(accounting.sources[0].counts.matched, 1000);
    assert_eq!(accounting.subscriptions[0].owed, 1000);
    assert_eq!(scene.deliveries().await.len(), 1000);
}

#[tokio::test]
async fn late_and_duplicate_traces_count_once() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.read_all(now).await;
    let time = clock::minus(now, Duration::from_secs(60));
    scene.cloud.handle().add([world::trace("x", "deleteServer", time)]);
    scene.read_all(after(now, 2)).await;
    // The same id once more, and one that the cloud recorded late.
    scene.cloud.handle().add([
        world::trace("x", "deleteServer", clock::plus(time, Duration::from_millis(5))),
        world::trace("late", "deleteServer", clock::minus(now, Duration::from_secs(240))),
    ]);
    scene.read_all(after(now, 4)).await;
    let accounting = scene.accounting().await;
    assert_eq!(accounting.sources[0].counts.matched, 2);
    assert!(accounting.sources[0].counts.duplicate >= 1);
}

#[tokio::test]
async fn a_shadow_rule_is_counted_and_not_sent() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.read_all(now).await;
    scene.cloud.handle().add([world::trace("s", "startServer", now)]);
    scene.read_all(after(now, 2)).await;
    assert!(scene.deliveries().await.is_empty());
    let accounting = scene.accounting().await;
    assert_eq!((accounting.subscriptions[0].owed, accounting.subscriptions[0].suppressed), (1, 1));
}

#[tokio::test]
async fn an_outage_longer_than_the_clouds_memory_is_a_gap_that_is_told() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.left_off(clock::minus(now, Duration::from_secs(9 * 86_400))).await;
    scene.read_all(now).await;
    let gaps = scene.store.gaps("prod").await.unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let told = scene.deliveries().await;
    let gap = told.iter().find(|row| row.delivery.notification.kind == Kind::Notice).expect("a notice");
    assert!(gap.delivery.notification.title.contains("could not be read"), "{}", gap.delivery.notification.title);
    assert_eq!(gap.state, State::Ready);
}

#[tokio::test]
async fn an_outage_of_a_day_is_caught_up_oldest_first() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    let yesterday = clock::minus(now, Duration::from_secs(86_400));
    scene.left_off(yesterday).await;
    let hours = 1..24u64;
    let at = |hour: u64| clock::plus(yesterday, Duration::from_secs(hour * 3600));
    scene.cloud.handle().add(hours.clone().map(|hour| world::trace(&format!("h{hour}"), "deleteServer", at(hour))));
    scene.read_all(now).await;
    let accounting = scene.accounting().await;
    assert_eq!(accounting.sources[0].counts.matched, hours.count() as u64);
    let rows = scene.deliveries().await;
    let times: Vec<Timestamp> =
        rows.iter().filter_map(|row| row.delivery.notification.alert.as_ref()).map(|alert| alert.trace.time).collect();
    assert!(times.is_sorted(), "not oldest first: {times:?}");
}

#[tokio::test]
async fn a_wrong_password_makes_the_source_blind_and_every_topic_hears_of_it_once() {
    let mut scene = Scene::with_password("wrong").await;
    let mut now = clock::now();
    for _ in 0..5 {
        let Step::Failed { until } = scene.ingest.step(now).await else { panic!("a wrong password got in") };
        now = after(until, 61);
    }
    let rows = scene.deliveries().await;
    assert_eq!(rows.len(), 1, "told once, not at each failure");
    let notification = &rows[0].delivery.notification;
    assert!(notification.title.contains("blind"), "{}", notification.title);
    assert!(!format!("{notification:?}").contains("wrong\""), "the password is in the notice");
}

/// Deletions of servers, each by a user of its own, one millisecond apart.
fn deletions(count: u64, before: Timestamp) -> Vec<serde_json::Value> {
    let deletion = |i: u64| {
        let mut trace = world::trace(&format!("m{i}"), "deleteServer", clock::minus(before, Duration::from_millis(i)));
        trace["user"]["name"] = format!("user-{i}").into();
        trace
    };
    (0..count).map(deletion).collect()
}

#[tokio::test]
async fn a_page_that_could_not_be_stored_is_read_again() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.read_all(now).await;
    scene.cloud.handle().add(deletions(600, now));
    assert!(matches!(scene.ingest.step(after(now, 2)).await, Step::Page { complete: false, .. }));
    scene.sql("CREATE TRIGGER refuse BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    let Step::Failed { until } = scene.ingest.step(after(now, 2)).await else { panic!("it was stored after all") };
    scene.sql("DROP TRIGGER refuse").await;
    // This window must hold them all: the next one may not reach back that far.
    while !matches!(scene.ingest.step(until).await, Step::Page { complete: true, .. }) {}
    assert_eq!(scene.accounting().await.sources[0].counts.matched, 600);
}

#[tokio::test]
async fn a_window_that_never_ends_makes_the_source_blind_though_its_first_page_is_good() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.read_all(now).await;
    scene.cloud.handle().add(deletions(300, now));
    scene.cloud.handle().plan(Plan::new(Fault::MarkerLoop).path("/traces"));
    let now = scene.fail_until(after(now, 2), after(now, 1800)).await;
    assert_eq!((scene.told("is blind").await, scene.told("can be read again").await), (1, 0));
    scene.cloud.handle().clear_faults();
    scene.read_all(now).await;
    assert_eq!((scene.told("is blind").await, scene.told("can be read again").await), (1, 1));
}

#[tokio::test]
async fn a_cloud_that_asks_for_a_day_of_patience_is_told_of() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    let throttle = Fault::Throttle { retry_after: Some("86400".into()) };
    scene.cloud.handle().plan(Plan::new(throttle).path("/traces"));
    let Step::Failed { until } = scene.ingest.step(now).await else { panic!("it was not throttled") };
    assert!(until >= after(now, 86_400), "Retry-After is honoured");
    assert_eq!(scene.ingest.step(after(now, 700)).await, Step::Failed { until });
    assert_eq!(scene.told("is blind").await, 1);
    // A clock that was set back does not make the wait longer.
    scene.cloud.handle().clear_faults();
    assert!(matches!(scene.ingest.step(clock::minus(now, Duration::from_secs(3600))).await, Step::Page { .. }));
}

#[tokio::test]
async fn a_gap_that_still_grows_is_told_once_when_it_ends() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.left_off(clock::minus(now, Duration::from_secs(9 * 86_400))).await;
    scene.cloud.handle().plan(Plan::new(Fault::Status(503)).path("/traces"));
    let now = scene.fail_until(now, after(now, 7200)).await;
    assert_eq!((scene.told("is blind").await, scene.told("could not be read").await), (1, 0));
    assert_eq!(scene.told("can be read again").await, 0);
    scene.cloud.handle().clear_faults();
    scene.read_all(now).await;
    assert_eq!((scene.told("could not be read").await, scene.told("can be read again").await), (1, 1));
    assert_eq!(scene.store.gaps("prod").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_clock_that_runs_ahead_at_start_makes_no_gap() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.left_off(clock::minus(now, Duration::from_secs(60))).await;
    scene.cloud.handle().add([world::trace("x", "deleteServer", clock::minus(now, Duration::from_secs(30)))]);
    let ahead = after(now, 30 * 86_400);
    for second in 0..20 {
        scene.ingest.step(after(ahead, second)).await;
    }
    assert_eq!(scene.store.gaps("prod").await.unwrap(), []);
    assert_eq!(scene.accounting().await.sources[0].counts.matched, 1);
}

#[tokio::test]
async fn records_that_cannot_be_read_are_told_once_a_day() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    // Both on one day.
    let now =
        if after(now, 60).strftime("%F").to_string() == now.strftime("%F").to_string() { now } else { after(now, 60) };
    scene.read_all(now).await;
    let broken = |id: &str| format!(r#"{{"trace_id": "{id}", "record_time": {}}}"#, now.as_millisecond() - 1000);
    for (seconds, id) in [(2, "b1"), (4, "b2")] {
        scene.cloud.handle().add_text(&broken(id));
        scene.read_all(after(now, seconds)).await;
    }
    assert_eq!(scene.accounting().await.sources[0].counts.undecodable, 2);
    assert_eq!(scene.told("sent a record that could not be decoded").await, 1);
}

#[tokio::test]
async fn a_notice_that_could_not_be_stored_is_told_later() {
    let mut scene = Scene::with_password("wrong").await;
    let now = clock::now();
    scene.sql("CREATE TRIGGER refuse BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    let now = scene.fail_until(now, after(now, 600)).await;
    assert_eq!(scene.told("is blind").await, 0);
    scene.sql("DROP TRIGGER refuse").await;
    scene.fail_until(now, after(now, 200)).await;
    assert_eq!(scene.told("is blind").await, 1);
}

#[tokio::test]
async fn a_summary_for_an_endpoint_that_is_gone_has_something_to_say_when_it_comes_back() {
    let mut scene = Scene::new().await;
    let now = clock::now();
    scene.read_all(now).await;
    let deleted = |i: u64| world::trace(&format!("d{i}"), "deleteServer", clock::minus(now, Duration::from_secs(i)));
    scene.cloud.handle().add((1..=5).map(deleted));
    scene.read_all(after(now, 2)).await;
    scene.generation.send_replace(Arc::default());
    scene.sweep().step(after(now, 3000)).await.unwrap();
    let rows = scene.deliveries().await;
    let summary = rows.iter().find(|row| row.delivery.notification.kind == Kind::Summary).expect("a summary");
    let body: serde_json::Value = serde_json::from_slice(&summary.delivery.body).expect("not an empty body");
    assert!(body.to_string().contains("deleted server"), "{body}");
    scene.accounting().await;
}

#[tokio::test]
async fn what_is_old_is_forgotten_faster_than_it_grows() {
    let scene = Scene::new().await;
    let now = clock::now();
    let seen: Vec<String> = (0..50_000).map(|id| id.to_string()).collect();
    let then = clock::minus(now, Duration::from_secs(10 * 86_400));
    let page = IngestBatch { source: "prod".into(), now: then, seen: seen.clone(), ..IngestBatch::default() };
    scene.store.commit_ingest(page).await.unwrap();
    let mut sweep = scene.sweep();
    for minute in 0..3 {
        sweep.step(after(now, minute * 60)).await.unwrap();
    }
    assert_eq!(scene.store.seen("prod", &seen).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_cloud_that_takes_its_time_does_not_hold_up_a_stop() {
    let scene = Scene::new().await;
    let cloud = scene.cloud.handle();
    cloud.plan(Plan::new(Fault::LatencyMs(20_000)).times(1).path("/traces"));
    let stop = CancellationToken::new();
    let task = tokio::spawn(scene.ingest.run(stop.clone()));
    let asked = async || (cloud.stats().faults_planned == 0).then_some(());
    world::until("the cloud to be asked", Duration::from_secs(20), asked).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), task).await.expect("it stops at once").unwrap();
}
