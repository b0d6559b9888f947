//! The archive as people meet it: a bucket on a real S3 server, gaps that are filled from it, and what is told.

use std::{process::Output, time::Duration};

use tracebell::{
    clock::{self, Timestamp},
    cloud::sign::AccessKey,
    emulator::{
        Emulator,
        inbox::{Inbox, Received},
    },
    secret::Secret,
    source::{
        Record, SourceError,
        archive::{Bucket, Reading, Settings, Style, digest::PublicKey, reading::Step},
    },
    store::Store,
};

use signer::Signer;

use crate::{
    moto::{self, Moto},
    world::{self, Bridge},
};

mod backtest;
mod fill;
mod read;
mod signer;
mod trust;
mod verify;

pub const BUCKET: &str = "audit-bucket";
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Rules see of an archived trace what they see of a polled one.
const PROJECT: &str = r#"
rules:
  - id: of-project
    title: "Deleted in {{ project.name }}"
    severity: high
    match: { operation: deleteServer, project.name: eu-de }
    topics: [security]
"#;

/// A source with an archive at `s3`, and a webhook.
fn config(s3: &str, url: &str) -> String {
    world::config("soar", url).replace(
        "poll_every: 1s } }",
        &format!(
            "poll_every: 1s }}, archive: {{ bucket: {BUCKET}, endpoint: \"{s3}\", access_key: {{ file: ak }}, \
             secret_key: {{ file: sk }} }} }}"
        ),
    )
}

pub fn settings(s3: &str) -> Settings {
    let key = AccessKey { access: "test".into(), secret: Secret::new("secret"), security_token: None };
    Settings {
        bucket: BUCKET.into(),
        prefix: None,
        region: "eu-de".into(),
        endpoint: s3.parse().unwrap(),
        style: Style::Path,
        key,
        public_key: PublicKey::documented(),
        ca: None,
        proxy: None,
        tracker: "system".into(),
        project: None,
        project_id: None,
        project_name: None,
    }
}

/// An emulated cloud, an S3 server, an inbox, and a bridge between them that was down for ten days.
struct Scene {
    _cloud: Emulator,
    _inbox: Inbox,
    moto: Moto,
    bridge: Bridge,
    received: tokio::sync::mpsc::Receiver<Received>,
    now: Timestamp,
}

impl Scene {
    async fn new(rules: &str) -> Self {
        Self::with(rules, |config, _| config).await
    }

    /// With another configuration, made of the usual one and the webhook's address.
    async fn with(rules: &str, change: impl Fn(String, &str) -> String) -> Self {
        let (cloud, moto) = (world::cloud().await, Moto::start(BUCKET).await);
        let (inbox, received) = Inbox::start().await.unwrap();
        let url = format!("http://{}/hook", inbox.http);
        let bridge = Bridge::new(&cloud.url(), &change(config(&moto.url, &url), &url), rules);
        world::write(&bridge.path("url"), &url);
        for name in ["ak", "sk"] {
            world::write(&bridge.path(name), "test");
        }
        let mut scene = Self { _cloud: cloud, _inbox: inbox, moto, bridge, received, now: clock::now() };
        scene.leave_gap().await;
        scene
    }

    /// Runs it until the gap is recorded.
    async fn leave_gap(&mut self) {
        let path = self.bridge.path("tracebell.db");
        let store = tracebell::store::Sqlite::open(&path, self.now).await.unwrap();
        let at = clock::minus(self.now, DAY * 10);
        let checkpoint = tracebell::checkpoint::Checkpoint { watermark: at, warm_at: at, cold_at: at, deep_at: at };
        let batch = tracebell::store::IngestBatch {
            source: "prod".into(),
            now: at,
            checkpoint: Some(checkpoint),
            ..Default::default()
        };
        store.commit_ingest(batch).await.unwrap();
        store.close().await;
        self.start().await;
        let store = self.bridge.store().await;
        world::until("the gap", Duration::from_secs(20), async || {
            (!store.gaps("prod").await.unwrap().is_empty()).then_some(())
        })
        .await;
        store.close().await;
    }

    async fn start(&mut self) {
        self.bridge.start();
        self.bridge.address().await;
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        self.bridge.command(args)
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32, expected: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert_eq!(status.code(), Some(code), "{args:?}:\n{text}");
        for part in expected {
            assert!(text.contains(part), "`{part}` is missing after {args:?}:\n{text}");
        }
        assert!(!text.contains("panicked"), "{text}");
        text
    }

    /// In the gap: this long after it began.
    fn at(&self, after: Duration) -> Timestamp {
        clock::plus(clock::minus(self.now, DAY * 10), after)
    }

    /// One file of these traces, uploaded five minutes after the last of them.
    async fn deliver(&self, serial: u32, traces: &[serde_json::Value]) {
        let last = traces.iter().map(|trace| trace["time"].as_i64().unwrap()).max().unwrap();
        let uploaded = clock::plus(Timestamp::from_millisecond(last).unwrap(), Duration::from_secs(300));
        self.moto.put(BUCKET, &moto::key(uploaded, "ECS", serial), moto::file(traces)).await;
    }

    /// Notices, by path and title, until nothing is waiting any more.
    async fn notices(&mut self) -> Vec<(String, String)> {
        let told = self.received().await.into_iter().filter(|(_, told)| told["kind"] == "notice");
        let mut notices: Vec<(String, String)> =
            told.map(|(path, told)| (path, told["title"].as_str().unwrap().to_owned())).collect();
        notices.sort();
        notices
    }

    /// What the webhook gets until nothing is waiting any more.
    async fn told(&mut self) -> Vec<serde_json::Value> {
        self.received().await.into_iter().map(|(_, told)| told).collect()
    }

    async fn received(&mut self) -> Vec<(String, serde_json::Value)> {
        let store = self.bridge.store().await;
        let (received, mut told) = (&mut self.received, Vec::new());
        world::until("everything to be sent", Duration::from_secs(60), async || {
            // The inbox holds only so many.
            while let Ok(Received::Http { path, body, .. }) = received.try_recv() {
                told.push((path, serde_json::from_slice(&body).unwrap()));
            }
            let accounting = store.accounting().await.unwrap();
            let waiting: u64 = accounting.subscriptions.iter().map(|account| account.pending).sum();
            let ready: u64 = store.endpoints().await.unwrap().iter().map(|state| state.ready).sum();
            (waiting + ready == 0).then_some(())
        })
        .await;
        store.close().await;
        while let Ok(Received::Http { path, body, .. }) = received.try_recv() {
            told.push((path, serde_json::from_slice(&body).unwrap()));
        }
        told
    }
}
