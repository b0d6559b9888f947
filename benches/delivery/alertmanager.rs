//! Debian's Alertmanager as the other side of the comparison: each alert is a group of its own, sent at once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tracebell::clock;

use super::{
    process::Process,
    receiver::{MARK, Receiver},
};
use crate::Figures;

/// Alerts in one request, as Prometheus sends them (its `max_batch_size` is 64).
const BATCH: usize = 64;

pub fn find() -> Option<PathBuf> {
    let names = ["prometheus-alertmanager", "alertmanager"];
    let folders = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/debian/usr/bin");
    let folders = folders.unwrap_or_default().into_iter().chain([unpacked]);
    let mut found = folders.flat_map(|folder| names.map(|name| folder.join(name)));
    std::env::var_os("TRACEBELL_ALERTMANAGER").map(PathBuf::from).or_else(|| found.find(|path| path.exists()))
}

pub async fn round(program: &Path, alerts: usize, receiver: &Receiver) -> Figures {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = format!(
        "route: {{ receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 24h }}\n\
         receivers: [ {{ name: hook, webhook_configs: [ {{ url: '{}', send_resolved: false }} ] }} ]\n",
        receiver.url()
    );
    fs::write(folder.path().join("alertmanager.yml"), config).expect("a configuration");
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port").local_addr().expect("bound").port();
    let mut command = Command::new(program);
    command
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--cluster.listen-address=", "--log.level=error"]);
    command.arg(format!("--storage.path={}", folder.path().display()));
    command.arg(format!("--config.file={}", folder.path().join("alertmanager.yml").display()));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("Alertmanager starts");
    let process = Process(child);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let base = format!("http://127.0.0.1:{port}");
    while client.get(format!("{base}/-/ready")).send().await.is_err() {
        #[expect(clippy::disallowed_methods, reason = "a program of others starts")]
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    receiver.reset();
    let ends = clock::plus(clock::now(), Duration::from_secs(3600)).to_string();
    for batch in (0..alerts).collect::<Vec<_>>().chunks(BATCH) {
        let body: Vec<_> = batch.iter().map(|number| alert(*number, &ends)).collect();
        let answer = client.post(format!("{base}/api/v2/alerts")).json(&body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
    receiver.wait(alerts).await;
    let cpu = process.cpu() / u32::try_from(alerts).expect("few enough");
    Figures { per_second: receiver.rate(), cpu, peak: process.peak() }
}

/// As much text as our notification of the same trace holds.
fn alert(number: usize, ends: &str) -> serde_json::Value {
    serde_json::json!({
        "labels": {
            "alertname": "server-deleted", "severity": "high", "service": "ECS", "source": "prod", "actor": "alice",
            "resource": format!("{MARK}{number}"), "region": "eu-de", "source_ip": "198.51.100.7",
        },
        "annotations": {
            "summary": format!("alice deleted server {number}"),
            "description": "A server is gone with its local disks. Ask its owner whether that was meant.",
        },
        "endsAt": ends,
        "generatorURL": "https://bell.example.org/",
    })
}
