//! From the outbox to an endpoint, step by step, with the clock in the test's hand
//! and a receiver that answers what it is told to.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracebell::{
    alert::Severity,
    clock::{self, Timestamp},
    deliver::{Deliver, Step},
    delivery::{Cause, Rate, State as Standing},
    endpoint::{Endpoint, KindSettings, Settings, client::Outbound, webhook},
    generation::Generation,
    health::Board,
    metrics::Metrics,
    notification::{Kind, Notification},
    secret::Secret,
    store::{DeliveryFilter, DeliveryRow, Pick, Sqlite, Store},
    topic::{Due, Subscription, Topics},
};

/// What the receiver got, and what it will answer next: a status and a Retry-After.
#[derive(Default)]
struct Receiver {
    got: Vec<(String, String, Vec<u8>)>,
    answers: BTreeMap<String, VecDeque<(u16, Option<&'static str>)>>,
    always: BTreeMap<String, u16>,
}

type Shared = Arc<Mutex<Receiver>>;

async fn take(State(shared): State<Shared>, Path(path): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let mut receiver = shared.lock().unwrap();
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    receiver.got.push((path.clone(), id, body.to_vec()));
    let next = receiver.answers.get_mut(&path).and_then(VecDeque::pop_front);
    let (status, wait) = next.unwrap_or((receiver.always.get(&path).copied().unwrap_or(200), None));
    let status = StatusCode::from_u16(status).unwrap();
    match wait {
        Some(wait) => (status, [("retry-after", wait)], "later").into_response(),
        None => (status, "answer").into_response(),
    }
}

struct Scene {
    receiver: Shared,
    store: Sqlite,
    generation: watch::Sender<Arc<Generation>>,
    settings: BTreeMap<&'static str, Settings>,
    now: Timestamp,
    board: Board,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// Endpoints `soar` (with fallback) and `spare`, subscribed to topics `security` and `ops`.
    async fn new(rate: Option<Rate>) -> Self {
        let receiver = Shared::default();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/{path}", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let outbound = Arc::new(Outbound::loopback());
        let settings = |name: &'static str, fallback: Option<&str>, rate| {
            let url = Secret::new(format!("http://{address}/{name}"));
            let kind = KindSettings::Webhook(webhook::Settings::new(url));
            let (fallback, timeout) = (fallback.map(str::to_owned), Duration::from_secs(5));
            let settings =
                Settings { rate, fallback, timeout, outbound: outbound.clone(), ..Settings::new(name, kind) };
            (name, settings)
        };
        let settings = BTreeMap::from([settings("soar", Some("spare"), rate), settings("spare", None, None)]);
        let subscription = |topic: &str, endpoint: &str| {
            let id = format!("{topic}/{endpoint}");
            (topic.to_owned(), vec![Subscription::new(id, endpoint)])
        };
        let topics = Topics {
            topics: [subscription("security", "soar"), subscription("ops", "spare")].into(),
            addresses: settings.iter().map(|(name, one)| ((*name).to_owned(), one.address(None))).collect(),
            notices: Some("ops".to_owned()),
            storm: None,
        };
        let fallbacks = [("soar".to_owned(), "spare".to_owned())].into();
        let (generation, _) = watch::channel(Arc::new(Generation { topics, fallbacks, ..Generation::default() }));
        let folder = tempfile::tempdir().unwrap();
        let now = clock::now();
        let store = Sqlite::open(&folder.path().join("state.db"), now).await.unwrap();
        Self { receiver, store, generation, settings, now, board: Board::default(), _folder: folder }
    }

    fn worker(&self, name: &str) -> Deliver<Sqlite> {
        let settings = self.settings[name].clone();
        let endpoint = Endpoint::new(&settings).unwrap();
        let (rung, _) = watch::channel(());
        let (metrics, _) = Metrics::new();
        self.board.expect(&Deliver::<Sqlite>::task(name), Duration::from_secs(90), self.now);
        Deliver::new(
            settings,
            endpoint,
            self.store.clone(),
            self.generation.subscribe(),
            rung,
            metrics,
            self.board.clone(),
        )
    }

    fn answers(&self, path: &str, answers: &[(u16, Option<&'static str>)]) {
        self.receiver.lock().unwrap().answers.insert(path.to_owned(), answers.iter().copied().collect());
    }

    fn always(&self, path: &str, status: u16) {
        self.receiver.lock().unwrap().always.insert(path.to_owned(), status);
    }

    /// Something is owed to `soar`.
    async fn owe(&self, name: &str, severity: Severity) {
        let notification = Notification::notice(severity, name, Vec::new(), self.now);
        let topics = self.generation.borrow().topics.clone();
        let cause = Cause::Alert(format!("alr_{name}"));
        let delivery = topics.owed(Due { covers: 1, ..Due::new(&notification, name, "security/soar", "soar", cause) });
        self.store.publish(vec![delivery]).await.unwrap();
    }

    /// Ids that `path` got, in order.
    fn got(&self, path: &str) -> Vec<String> {
        let receiver = self.receiver.lock().unwrap();
        receiver.got.iter().filter(|(at, _, _)| at == path).map(|(_, id, _)| id.clone()).collect()
    }

    fn titles(&self, path: &str) -> Vec<String> {
        let receiver = self.receiver.lock().unwrap();
        let title = |body: &[u8]| {
            let payload: serde_json::Value = serde_json::from_slice(body).unwrap();
            payload["title"].as_str().unwrap().to_owned()
        };
        receiver.got.iter().filter(|(at, _, _)| at == path).map(|(_, _, body)| title(body)).collect()
    }

    async fn rows(&self, state: Standing) -> Vec<DeliveryRow> {
        let filter = DeliveryFilter { state: Some(state), limit: 1000, ..DeliveryFilter::default() };
        self.store.deliveries(filter).await.unwrap()
    }

    /// Steps until nothing is due at this moment; returns until when.
    async fn work(&self, worker: &mut Deliver<Sqlite>, now: Timestamp) -> Timestamp {
        for _ in 0..1000 {
            if let Step::Idle { until } = worker.step(now).await.unwrap() {
                return until;
            }
        }
        panic!("it never came to rest");
    }

    fn after(&self, seconds: u64) -> Timestamp {
        clock::plus(self.now, Duration::from_secs(seconds))
    }
}

#[tokio::test]
async fn what_is_owed_is_delivered_once_worst_first() {
    let scene = Scene::new(None).await;
    scene.owe("low", Severity::Low).await;
    scene.owe("worst", Severity::Critical).await;
    scene.owe("high", Severity::High).await;
    let mut worker = scene.worker("soar");
    scene.work(&mut worker, scene.now).await;
    scene.work(&mut worker, scene.after(3600)).await;
    assert_eq!(scene.titles("soar"), ["worst", "high", "low"]);
    assert_eq!(scene.rows(Standing::Delivered).await.len(), 3);
}

#[tokio::test]
async fn a_failing_endpoint_is_tried_for_72_hours_with_the_same_bytes_and_then_the_fallback_has_it() {
    let scene = Scene::new(None).await;
    scene.always("soar", 500);
    scene.owe("a", Severity::High).await;
    let mut worker = scene.worker("soar");
    let mut now = scene.now;
    let mut waits = Vec::new();
    while scene.rows(Standing::Dead).await.is_empty() {
        let until = scene.work(&mut worker, now).await;
        waits.push(clock::since(now, until));
        now = until.max(clock::plus(now, Duration::from_secs(1)));
        assert!(clock::since(scene.now, now) < Duration::from_secs(80 * 3600), "never given up");
    }
    let hours = clock::since(scene.now, now).as_secs() / 3600;
    assert!((72..=74).contains(&hours), "given up after {hours} hours");
    let ids = scene.got("soar");
    assert!(ids.len() > 70 && ids.len() < 1200, "{} attempts in 72 hours", ids.len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1, "a repeat had another id");
    let bodies: BTreeSet<Vec<u8>> =
        scene.receiver.lock().unwrap().got.iter().map(|(_, _, body)| body.clone()).collect();
    assert_eq!(bodies.len(), 1, "a repeat had another body");
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(3700)), "a wait was longer than an hour");

    let mut spare = scene.worker("spare");
    scene.work(&mut spare, now).await;
    let told = scene.titles("spare");
    assert_eq!(told.iter().filter(|title| *title == "a").count(), 1, "the fallback rings once: {told:?}");
}

#[tokio::test]
async fn retry_after_is_kept_for_the_whole_endpoint() {
    let scene = Scene::new(None).await;
    scene.answers("soar", &[(429, Some("30"))]);
    scene.owe("a", Severity::High).await;
    scene.owe("b", Severity::Critical).await;
    let mut worker = scene.worker("soar");
    scene.work(&mut worker, scene.now).await;
    // The worker reads the wall clock after an attempt, so leave a second of room.
    for seconds in [1, 10, 29] {
        scene.work(&mut worker, scene.after(seconds)).await;
    }
    assert_eq!(scene.got("soar").len(), 1, "a request came inside the Retry-After");
    scene.work(&mut worker, scene.after(32)).await;
    assert_eq!(scene.titles("soar"), ["b", "b", "a"]);
}

#[tokio::test]
async fn a_refused_body_is_a_dead_letter_that_a_person_can_retry() {
    let scene = Scene::new(None).await;
    scene.answers("soar", &[(400, None)]);
    scene.owe("a", Severity::High).await;
    let mut worker = scene.worker("soar");
    scene.work(&mut worker, scene.now).await;
    let dead = scene.rows(Standing::Dead).await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0].last_reason.as_ref().unwrap().contains("400"), "{:?}", dead[0].last_reason);

    // Four days later somebody mends the receiver; the first answer is one more failure.
    let late = scene.after(96 * 3600);
    assert_eq!(scene.store.retry(Pick::one(dead[0].delivery.id.clone()), late).await.unwrap(), 1);
    scene.answers("soar", &[(503, None)]);
    let until = scene.work(&mut worker, late).await;
    assert!(scene.rows(Standing::Dead).await.is_empty(), "one failure and it was given up again");
    scene.work(&mut worker, clock::plus(until, Duration::from_secs(60))).await;
    let ids = scene.got("soar");
    assert_eq!(ids.len(), 3);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1, "the retry had another id");
    assert_eq!(scene.rows(Standing::Delivered).await.len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_refuses_everything_is_paused_told_and_replaced_by_its_fallback() {
    let scene = Scene::new(None).await;
    scene.always("soar", 404);
    scene.owe("a", Severity::High).await;
    scene.owe("b", Severity::High).await;
    let mut worker = scene.worker("soar");
    let until = scene.work(&mut worker, scene.now).await;
    assert_eq!(scene.got("soar").len(), 1, "it was asked again although it refuses everything");
    assert!(clock::since(scene.now, until) > Duration::from_secs(10));
    let report = scene.board.check(scene.now);
    let line = report.lines.iter().find(|line| line.task == "endpoint soar").unwrap();
    assert!(line.text.contains("paused") && line.text.contains("404"), "{line:?}");

    let mut spare = scene.worker("spare");
    scene.work(&mut spare, scene.after(1)).await;
    let titles = scene.titles("spare");
    assert_eq!(titles.iter().filter(|title| title.contains("paused")).count(), 1, "{titles:?}");
    assert!(titles.contains(&"a".to_owned()) && titles.contains(&"b".to_owned()), "{titles:?}");
    assert_eq!(titles.len(), 3, "the fallback was told something twice: {titles:?}");

    // Mended: what waited arrives, and nothing more goes to the fallback.
    scene.always("soar", 200);
    let mut now = until;
    for _ in 0..5 {
        now = clock::plus(scene.work(&mut worker, now).await, Duration::from_secs(60));
    }
    scene.work(&mut spare, now).await;
    assert_eq!(scene.titles("soar"), ["a", "a", "b"]);
    let told = scene.titles("spare").split_off(3);
    assert!(told.len() == 1 && told[0].starts_with("Endpoint soar took deliveries again after"), "{told:?}");
    let report = scene.board.check(scene.now);
    assert!(report.lines.iter().all(|line| !line.text.contains("paused")), "{report:?}");
}

#[tokio::test]
async fn a_breaker_opens_and_probes_instead_of_hammering() {
    let scene = Scene::new(None).await;
    scene.always("soar", 503);
    for index in 0..50 {
        scene.owe(&format!("n{index}"), Severity::Medium).await;
    }
    let mut worker = scene.worker("soar");
    let mut now = scene.now;
    while clock::since(scene.now, now) < Duration::from_secs(24 * 3600) {
        let until = scene.work(&mut worker, now).await;
        now = until.max(clock::plus(now, Duration::from_millis(100)));
    }
    let attempts = scene.got("soar").len();
    assert!(attempts <= 220, "{attempts} attempts in 24 hours for a queue of 50");
    scene.always("soar", 200);
    for _ in 0..20 {
        now = clock::plus(scene.work(&mut worker, now).await, Duration::from_secs(60));
    }
    assert_eq!(scene.rows(Standing::Delivered).await.iter().filter(|row| row.delivery.endpoint == "soar").count(), 50);
}

#[tokio::test]
async fn what_exceeds_the_rate_becomes_one_summary_that_names_it_and_critical_goes_alone() {
    let rate = Rate { interval: Duration::from_secs(10), burst: 1 };
    let scene = Scene::new(Some(rate)).await;
    for index in 0..30 {
        scene.owe(&format!("n{index}"), Severity::Medium).await;
    }
    scene.owe("worst", Severity::Critical).await;
    let mut worker = scene.worker("soar");
    let mut now = scene.now;
    for _ in 0..10 {
        let until = scene.work(&mut worker, now).await;
        now = until.max(clock::plus(now, Duration::from_secs(1)));
    }
    let titles = scene.titles("soar");
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert_eq!(titles[0], "worst");
    assert!(titles[1].starts_with("30 alerts summed up"), "{titles:?}");
    let folded = scene.rows(Standing::Folded).await;
    assert_eq!(folded.len(), 30);
    let summary = scene.got("soar")[1].clone();
    assert!(folded.iter().all(|row| row.folded_into.as_ref() == Some(&summary)));
    let delivered = scene.rows(Standing::Delivered).await;
    assert!(delivered.iter().any(|row| row.delivery.notification.kind == Kind::Overflow));
}

#[tokio::test]
async fn an_endpoint_that_only_fails_is_told_of_once_long_before_it_is_given_up() {
    let scene = Scene::new(None).await;
    scene.always("soar", 500);
    scene.owe("a", Severity::High).await;
    let (mut worker, mut spare) = (scene.worker("soar"), scene.worker("spare"));
    let mut now = scene.now;
    while clock::since(scene.now, now) < Duration::from_secs(3 * 3600) {
        let until = scene.work(&mut worker, now).await;
        scene.work(&mut spare, now).await;
        now = until.max(clock::plus(now, Duration::from_secs(1)));
    }
    let titles = scene.titles("spare");
    assert_eq!(titles.iter().filter(|title| title.contains("has not taken anything")).count(), 1, "{titles:?}");
    assert_eq!(titles.iter().filter(|title| *title == "a").count(), 1, "{titles:?}");
}

#[tokio::test]
async fn an_endpoint_that_refuses_one_body_answers_again_and_its_next_outage_is_told() {
    let scene = Scene::new(None).await;
    // Paused, then it takes requests again but not this one, then it is gone once more.
    scene.answers("soar", &[(404, None), (400, None)]);
    scene.owe("a", Severity::High).await;
    let (mut worker, mut spare) = (scene.worker("soar"), scene.worker("spare"));
    let until = scene.work(&mut worker, scene.now).await;
    let now = clock::plus(until, Duration::from_secs(1));
    scene.work(&mut worker, now).await;
    let report = scene.board.check(scene.now);
    assert!(report.lines.iter().all(|line| !line.text.contains("paused")), "{report:?}");

    scene.always("soar", 404);
    scene.owe("b", Severity::High).await;
    scene.work(&mut worker, now).await;
    scene.work(&mut spare, now).await;
    let titles = scene.titles("spare");
    assert_eq!(titles.iter().filter(|title| title.contains("is paused")).count(), 2, "{titles:?}");
}

#[tokio::test]
async fn dead_letters_are_told_once_an_hour() {
    let scene = Scene::new(None).await;
    scene.always("soar", 400);
    for name in ["a", "b", "c"] {
        scene.owe(name, Severity::High).await;
    }
    let (mut worker, mut spare) = (scene.worker("soar"), scene.worker("spare"));
    scene.work(&mut worker, scene.now).await;
    scene.work(&mut spare, scene.after(5)).await;
    let titles = scene.titles("spare");
    let told = titles.iter().filter(|title| title.contains("dead letter")).count();
    // Two only if the hour turns while this runs.
    assert!((1..=2).contains(&told), "{titles:?}");
    assert_eq!(titles.len() - told, 3, "each goes to the fallback, too: {titles:?}");
}

#[tokio::test]
async fn what_was_claimed_ahead_is_given_back_when_the_endpoint_says_wait() {
    const AT_ONCE: usize = 8;
    let mut scene = Scene::new(None).await;
    scene.settings.get_mut("soar").unwrap().concurrency = AT_ONCE;
    let owed: Vec<String> = (0..600).map(|index| format!("n{index}")).collect();
    for name in &owed {
        scene.owe(name, Severity::Medium).await;
    }
    let mut answers = vec![(200, None); 300];
    answers.push((429, Some("30")));
    scene.answers("soar", &answers);
    let stop = CancellationToken::new();
    let worker = tokio::spawn(scene.worker("soar").run(stop.clone()));
    let held = async || scene.store.endpoints().await.unwrap().iter().any(|state| state.hold_until.is_some());
    while !held().await || !scene.rows(Standing::Leased).await.is_empty() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    worker.await.unwrap();
    let got: BTreeSet<String> = scene.got("soar").into_iter().collect();
    assert!((301..301 + AT_ONCE).contains(&got.len()), "{} requests, of which one was told to wait", got.len());
    let waiting = scene.rows(Standing::Ready).await;
    assert_eq!(waiting.len() + scene.rows(Standing::Delivered).await.len(), owed.len(), "each is still owed, or told");
    for row in waiting.iter().filter(|row| !got.contains(&row.delivery.id)) {
        assert_eq!(row.attempts, 0, "{} was counted as tried and was not", row.delivery.id);
    }
}
