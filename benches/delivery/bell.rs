//! `tracebell run` as an operator runs it: the release binary, its state on disk, an emulated cloud.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tracebell::{
    alert::{Alert, Key, Severity},
    clock,
    delivery::{Cause, Delivery},
    emulator::{Emulator, Settings},
    notification::Notification,
    render::{Address, Format},
    store::{Sqlite, Store},
    topic::{Due, Topics},
    trace::{Actor, Resource, Trace},
};

use super::{
    process::Process,
    receiver::{MARK, Receiver},
};
use crate::Figures;

const RULES: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: high
    why: A server is gone with its local disks. Ask its owner whether that was meant.
    match: { operation: deleteServer }
    dedup: { by: [resource.id], for: 1h }
    topics: [security]
    noise_budget: 1000000
"#;

/// For a receiver that is known to be quick; the default for webhooks is 16.
pub const CONCURRENCY: usize = 64;

/// A folder with configuration and state, and the cloud it reads.
pub struct Bell {
    folder: tempfile::TempDir,
    cloud: Emulator,
}

impl Bell {
    async fn new(receiver: &Receiver, poll: &str) -> Self {
        let cloud = Emulator::start(Settings::default()).await.expect("the emulator starts");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clouds = format!(
            "clouds:\n  otc:\n    auth: {{ auth_url: {}/v3, username: alice, password: secret, \
             user_domain_name: OTC00000000001000000001, project_name: eu-de }}\n    region_name: eu-de\n",
            cloud.url()
        );
        let config = format!(
            "sources:\n  prod: {{ cts: {{ cloud: otc, poll_every: {poll} }} }}\n\
             outbound: {{ allow: [127.0.0.0/8] }}\n\
             endpoints:\n  soar: {{ webhook: {{ url: \"{}\" }}, concurrency: {CONCURRENCY} }}\n\
             topics:\n  security: [ {{ endpoint: soar }} ]\n\
             http: {{ listen: \"127.0.0.1:0\" }}\n",
            receiver.url()
        );
        for (name, text) in [("clouds.yaml", clouds.as_str()), ("tracebell.yaml", &config), ("rules.yaml", RULES)] {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        fs::create_dir(folder.path().join("rules")).expect("a folder");
        fs::rename(folder.path().join("rules.yaml"), folder.path().join("rules/rules.yaml")).expect("a file");
        Self { folder, cloud }
    }

    /// With an outbox in which as many deliveries wait.
    pub async fn with_outbox(alerts: usize, receiver: &Receiver) -> Self {
        let bell = Self::new(receiver, "30s").await;
        let store = Sqlite::open(&bell.folder.path().join("tracebell.db"), clock::now()).await.expect("a store");
        let topics =
            Topics { addresses: [("soar".into(), Address::plain(Format::Webhook))].into(), ..Topics::default() };
        let owed: Vec<Delivery> = (0..alerts).map(|number| owed(&topics, number)).collect();
        for page in owed.chunks(200) {
            store.publish(page.to_vec()).await.expect("written");
        }
        store.close().await;
        bell
    }

    /// Runs until the outbox is empty.
    pub async fn drain(&self, alerts: usize, receiver: &Receiver) -> Figures {
        receiver.reset();
        let process = start(self.folder.path());
        receiver.wait(alerts).await;
        let cpu = process.cpu() / u32::try_from(alerts).expect("few enough");
        Figures { per_second: receiver.rate(), cpu, peak: process.peak() }
    }
}

/// All traces are visible at once, and again as many: rate, and whether memory stays.
pub async fn end_to_end(alerts: usize, receiver: &Receiver) {
    let bell = Bell::new(receiver, "1s").await;
    let process = start(bell.folder.path());
    receiver.reset();
    for round in 1..=2 {
        let begun = Instant::now();
        let cpu = process.cpu();
        let first = (round - 1) * alerts;
        bell.cloud.handle().add((first..first + alerts).map(trace));
        receiver.wait(round * alerts).await;
        let took = begun.elapsed();
        println!(
            "traces to requests {round}     {:8.0} alerts a second, {:.3} ms CPU each, {:.0} MB resident after {}",
            alerts as f64 / took.as_secs_f64(),
            (process.cpu() - cpu).as_secs_f64() * 1e3 / alerts as f64,
            process.resident(),
            round * alerts
        );
    }
}

/// A hundred traces a second for twenty seconds: from visible in the cloud to received.
pub async fn latency(receiver: &Receiver) {
    const PER_TICK: usize = 5;
    const TICKS: usize = 400;
    let bell = Bell::new(receiver, "500ms").await;
    let process = start(bell.folder.path());
    // The first poll, which logs in, is not what is measured.
    receiver.reset();
    bell.cloud.handle().add([trace(0)]);
    receiver.wait(1).await;
    receiver.reset();
    let mut visible = Vec::with_capacity(TICKS * PER_TICK + 1);
    visible.push(Instant::now());
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..TICKS {
        ticks.tick().await;
        for _ in 0..PER_TICK {
            bell.cloud.handle().add([trace(visible.len())]);
            visible.push(Instant::now());
        }
    }
    receiver.wait(TICKS * PER_TICK).await;
    let mut delays: Vec<Duration> =
        receiver.arrivals().iter().map(|(number, at)| at.saturating_duration_since(visible[*number])).collect();
    delays.sort();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize].as_millis();
    println!(
        "visible to received      {} ms median, {} ms for 99 %, {} ms slowest of {} at 100 a second, {:.0} MB",
        at(0.5),
        at(0.99),
        at(1.0),
        delays.len(),
        process.resident()
    );
}

fn start(folder: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracebell"));
    command.arg("run").current_dir(folder).env("OS_CLIENT_CONFIG_FILE", folder.join("clouds.yaml"));
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    let ready = lines.by_ref().map_while(Result::ok).find(|line| line.contains("ready on http://"));
    assert!(ready.is_some(), "it ended before it was ready");
    std::thread::spawn(move || lines.for_each(drop));
    Process(child)
}

/// In v3 shape, recorded now.
fn trace(number: usize) -> Value {
    let millis = clock::now().as_millisecond();
    json!({
        "trace_id": format!("{MARK}{number}"), "trace_name": "deleteServer", "trace_rating": "normal",
        "trace_type": "ApiCall", "service_type": "ECS", "resource_type": "ecs",
        "resource_name": format!("server-{number}"), "resource_id": format!("{MARK}{number}"),
        "source_ip": "198.51.100.7", "code": "200", "time": millis, "record_time": millis,
        "user": { "name": "alice", "id": "u-1", "domain": { "name": "OTC1", "id": "d-1" } },
    })
}

fn owed(topics: &Topics, number: usize) -> Delivery {
    let now = clock::now();
    let name = format!("{MARK}{number}");
    let first = Trace {
        service: "ECS".into(),
        operation: "deleteServer".into(),
        actor: Actor { name: Some("alice".into()), ..Actor::default() },
        resource: Resource { kind: Some("ecs".into()), name: Some(name.clone()), id: Some(name.clone()) },
        source_ip: Some("198.51.100.7".into()),
        region: Some("eu-de".into()),
        ..Trace::blank(&name, now)
    };
    let alert = alert(&name, first);
    let notification = Notification::opened(&alert, now);
    let cause = Cause::Alert(alert.id.clone());
    let due = Due::new(&notification, &alert.id, "security/soar", "soar", cause);
    topics.owed(Due { covers: 1, ..due })
}

fn alert(name: &str, first: Trace) -> Alert {
    let key = Key::from([("resource.id".to_owned(), name.to_owned())]);
    let fingerprint = Alert::fingerprint("prod", "server-deleted", &key);
    let (now, window) = (first.time, Duration::from_secs(3600));
    serde_json::from_value(json!({
        "id": Alert::id(&fingerprint, name), "source": "prod", "rule": "server-deleted", "fingerprint": fingerprint,
        "key": key, "severity": Severity::High, "title": format!("alice deleted server {name}"),
        "why": "A server is gone with its local disks. Ask its owner whether that was meant.", "runbook": null,
        "first": first, "last_time": now, "count": 1, "opened_at": now, "closes_at": clock::plus(now, window),
        "window": window, "shadow": false,
    }))
    .expect("an alert as the store keeps it")
}
