//! An endpoint that takes nothing for a day, in as many ways as receivers fail, beside one that is well.
//! Time is in the test's hand: a day passes as fast as the attempts of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::sync::watch;
use tracebell::{
    alert::Severity,
    clock::{self, Timestamp},
    deliver::{Deliver, Step},
    delivery::{Cause, State as Stands},
    endpoint::{Endpoint, KindSettings, Settings, client::Outbound, email, webhook},
    generation::Generation,
    health::Board,
    metrics::Metrics,
    notification::Notification,
    secret::Secret,
    store::{DeliveryFilter, DeliveryRow, Sqlite, Store},
    topic::{Due, Subscription, Topics},
};

use crate::world;

const HOUR: Duration = Duration::from_secs(3600);
/// Owed at the beginning, before one more comes every hour.
const AT_FIRST: usize = 10;

/// What `/broken` does; every other path is well.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Well,
    Says(u16, Option<&'static str>),
    /// Takes the request and never answers.
    Drips,
}

type Shared = Arc<Mutex<Mood>>;

async fn take(State(mood): State<Shared>, Path(path): Path<String>) -> Response {
    let mood = if path == "broken" { *mood.lock().unwrap() } else { Mood::Well };
    match mood {
        Mood::Well => "ok".into_response(),
        Mood::Says(status, None) => (StatusCode::from_u16(status).unwrap(), "no").into_response(),
        Mood::Says(status, Some(wait)) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", wait)], "later").into_response()
        }
        Mood::Drips => std::future::pending().await,
    }
}

/// A mail server in another process; what it receives is not looked at here.
struct Relay {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Relay {
    fn start(mode: &str, replies: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/smtp_inbox.py");
        let mut child = world::python()
            .arg(script)
            .arg(folder.path())
            .args([mode, "", replies])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port: u16::try_from(first["port"].as_u64().unwrap()).unwrap(), folder }
    }

    fn mend(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap(), "mended").unwrap();
    }

    fn settings(&self, tls: email::Tls) -> KindSettings {
        KindSettings::Email(email::Settings {
            host: "localhost".into(),
            port: Some(self.port),
            tls,
            username: None,
            password: None,
            oauth2_token: None,
            ca: Some(self.folder.path().join("ca.pem")),
            from: "bell@example.org".into(),
            to: vec!["ops@example.org".into()],
        })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Scene {
    store: Sqlite,
    generation: watch::Sender<Arc<Generation>>,
    settings: Vec<Settings>,
    url: String,
    mood: Shared,
    begun: Timestamp,
    owed: usize,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new(mood: Mood) -> Self {
        let mood = Arc::new(Mutex::new(mood));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/{path}", post(take)).with_state(mood.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let begun = clock::now();
        let store = Sqlite::open(&folder.path().join("state.db"), begun).await.unwrap();
        let (generation, _) = watch::channel(Arc::new(Generation::default()));
        Self { store, generation, settings: Vec::new(), url, mood, begun, owed: 0, _folder: folder }
    }

    fn webhook(&self, path: &str) -> KindSettings {
        KindSettings::Webhook(webhook::Settings::new(Secret::new(format!("{}/{path}", self.url))))
    }

    /// `broken` with `spare` as its fallback, and `fast`; notices go to `spare`.
    fn with(mut self, broken: KindSettings, patience: Duration) -> Self {
        let outbound = Arc::new(Outbound::loopback());
        let settings = |name: &str, kind| Settings { outbound: outbound.clone(), ..Settings::new(name, kind) };
        self.settings = vec![
            Settings { fallback: Some("spare".into()), timeout: patience, ..settings("broken", broken) },
            settings("fast", self.webhook("fast")),
            settings("spare", self.webhook("spare")),
        ];
        let topics = Topics {
            topics: [("ops".to_owned(), vec![Subscription::new("ops/spare".to_owned(), "spare")])].into(),
            addresses: self.settings.iter().map(|one| (one.name.clone(), one.address(None))).collect(),
            notices: Some("ops".to_owned()),
            ..Topics::default()
        };
        let fallbacks = [("broken".to_owned(), "spare".to_owned())].into();
        self.generation.send_replace(Arc::new(Generation { topics, fallbacks, ..Generation::default() }));
        self
    }

    fn worker(&self, name: &str) -> Deliver<Sqlite> {
        let settings = self.settings.iter().find(|one| one.name == name).unwrap().clone();
        let endpoint = Endpoint::new(&settings).unwrap();
        let (generation, rung) = (self.generation.subscribe(), watch::channel(()).0);
        Deliver::new(settings, endpoint, self.store.clone(), generation, rung, Metrics::new().0, Board::default())
    }

    /// One more thing owed to both.
    async fn owe(&mut self, now: Timestamp) {
        let title = format!("alert {:03}", self.owed);
        self.owed += 1;
        let notification = Notification::notice(Severity::High, title.clone(), Vec::new(), now);
        let topics = self.generation.borrow().topics.clone();
        let due = |endpoint: &'static str, subscription: &'static str| {
            let cause = Cause::Alert(format!("alr_{title}"));
            topics.owed(Due { covers: 1, ..Due::new(&notification, &title, subscription, endpoint, cause) })
        };
        self.store.publish(vec![due("broken", "security/broken"), due("fast", "security/fast")]).await.unwrap();
    }

    async fn rows(&self, endpoint: &str, state: Stands) -> Vec<DeliveryRow> {
        let filter = DeliveryFilter { endpoint: Some(endpoint.to_owned()), state: Some(state), ..all() };
        self.store.deliveries(filter).await.unwrap()
    }
}

fn all() -> DeliveryFilter {
    DeliveryFilter { limit: 10_000, ..DeliveryFilter::default() }
}

/// Steps until nothing is due; how many were attempted, and until when there is nothing to do.
async fn work(worker: &mut Deliver<Sqlite>, now: Timestamp) -> (usize, Timestamp) {
    let mut attempted = 0;
    loop {
        match worker.step(now).await.unwrap() {
            Step::Worked(count) => attempted += count,
            Step::Idle { until } => return (attempted, until),
        }
    }
}

/// A day of trouble, then `mend`, then whatever time it takes to drain. `wait` is the Retry-After.
async fn check(name: &str, mut scene: Scene, wait: u64, mend: impl FnOnce(&Scene)) {
    let (mut broken, mut fast, mut spare) = (scene.worker("broken"), scene.worker("fast"), scene.worker("spare"));
    for _ in 0..AT_FIRST {
        scene.owe(scene.begun).await;
    }
    let (mut now, mut attempts, mut last) = (scene.begun, 0, None);
    let mut mend = Some(mend);
    let (mut hours, mut drained_at) = (0, None);
    while drained_at.is_none() {
        let passed = clock::since(scene.begun, now);
        assert!(passed < 30 * HOUR, "{name}: not drained {} after it was mended", clock::in_words(passed - 24 * HOUR));
        let (attempted, until) = work(&mut broken, now).await;
        if attempted > 0 && mend.is_some() {
            attempts += attempted;
            let before = last.replace(now).map_or(24 * HOUR, |last| clock::since(last, now));
            // The worker rounds up to the wall clock, which moves a little while a day passes.
            assert!(wait == 0 || before + Duration::from_secs(1) >= Duration::from_secs(wait), "{name}: {before:?}");
            assert!(wait == 0 || attempted == 1, "{name}: {attempted} requests inside one Retry-After");
        }
        // Whatever the one does, the other has all that is owed to it in the same step.
        work(&mut fast, now).await;
        work(&mut spare, now).await;
        assert_eq!(scene.rows("fast", Stands::Delivered).await.len(), scene.owed, "{name}: the other one waits");
        let waiting = scene.rows("broken", Stands::Ready).await.len();
        if mend.is_none() && waiting == 0 {
            drained_at = Some(now);
        }
        now = until.max(clock::plus(now, Duration::from_secs(1)));
        if mend.is_some() && now >= clock::plus(scene.begun, HOUR * (hours + 1)) {
            hours += 1;
            now = clock::plus(scene.begun, HOUR * hours);
            match hours {
                24 => mend.take().unwrap()(&scene),
                // A new process knows what the old one knew.
                12 => broken = scene.worker("broken"),
                _ => {}
            }
            scene.owe(now).await;
        }
    }
    work(&mut spare, now).await;

    let mut delivered = scene.rows("broken", Stands::Delivered).await;
    delivered.sort_by_key(|row| row.finished_at);
    let told: Vec<&str> = delivered.iter().map(|row| row.delivery.notification.title.as_str()).collect();
    let owed: Vec<String> = (0..scene.owed).map(|index| format!("alert {index:03}")).collect();
    assert_eq!(told, owed, "{name}: all, and the oldest first");
    assert!(attempts <= 120, "{name}: {attempts} attempts in a day");
    let titles: Vec<String> = scene
        .rows("spare", Stands::Delivered)
        .await
        .into_iter()
        .map(|row| row.delivery.notification.title.clone())
        .collect();
    let notices = |of: &str| titles.iter().filter(|title| title.contains(of)).count();
    let begun = notices("refuses everything") + notices("has not taken anything");
    let ended = notices("took deliveries again after");
    assert_eq!((begun, ended, notices("dead letter")), (1, 1, 0), "{name}: {titles:?}");
    let accounts = scene.store.accounting().await.unwrap().subscriptions;
    let account = accounts.iter().find(|account| account.subscription == "security/broken").unwrap();
    assert_eq!((account.delivered, account.pending, account.dead), (scene.owed as u64, 0, 0), "{name}");
    let drained = clock::in_words(clock::since(clock::plus(scene.begun, 24 * HOUR), drained_at.unwrap()));
    println!(
        "{name:<22} attempts in 24 h: {attempts:>3}  waited: {:>2}  lost: 0  notices: {begun}+{ended}  drained after {drained}",
        scene.owed
    );
}

async fn webhook_in(name: &str, mood: Mood, wait: u64) {
    let scene = Scene::new(mood).await;
    let broken = scene.webhook("broken");
    let patience = if matches!(mood, Mood::Drips) { Duration::from_millis(150) } else { Duration::from_secs(10) };
    check(name, scene.with(broken, patience), wait, |scene| *scene.mood.lock().unwrap() = Mood::Well).await;
}

#[tokio::test]
async fn a_day_down() {
    webhook_in("503", Mood::Says(503, None), 0).await;
}

#[tokio::test]
async fn a_day_of_rate_limits() {
    webhook_in("429, Retry-After 1", Mood::Says(429, Some("1")), 1).await;
    webhook_in("429, Retry-After 30", Mood::Says(429, Some("30")), 30).await;
    webhook_in("429, Retry-After 3600", Mood::Says(429, Some("3600")), 3600).await;
}

#[tokio::test]
async fn a_day_with_a_revoked_token() {
    webhook_in("401", Mood::Says(401, None), 0).await;
}

#[tokio::test]
async fn a_day_of_silence_after_the_request() {
    webhook_in("no answer", Mood::Drips, 0).await;
}

#[tokio::test]
async fn a_day_of_greylisting() {
    // More refusals than a day may have attempts.
    let relay = Mutex::new(Relay::start("plain", &["451"; 200].join(",")));
    let kind = relay.lock().unwrap().settings(email::Tls::None);
    let scene = Scene::new(Mood::Well).await.with(kind, Duration::from_secs(10));
    check("451", scene, 0, |_| relay.lock().unwrap().mend()).await;
}

#[tokio::test]
async fn a_day_with_an_expired_certificate() {
    let relay = Mutex::new(Relay::start("expired", ""));
    let kind = relay.lock().unwrap().settings(email::Tls::Tls);
    let scene = Scene::new(Mood::Well).await.with(kind, Duration::from_secs(10));
    check("expired certificate", scene, 0, |_| relay.lock().unwrap().mend()).await;
}
