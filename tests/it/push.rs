//! What the cloud pushes: genuine and forged, set up by command, and beside the poller.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::Mutex,
    time::Duration,
};

use serde_json::{Value, json};
use tracebell::{
    clock::{self, Timestamp},
    source::push::{CLOCK_SKEW, MAX_AGE, Settings, Trust},
};

use crate::world;

mod enable;
mod forged;
mod kept;
mod posted;

const TOPIC: &str = "urn:smn:eu-de:0123456789abcdef0123456789abcdef:tracebell_prod";

/// Signs as SMN does, apart from Tracebell, and hands out certificates.
struct Forge {
    folder: tempfile::TempDir,
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    port: u64,
    paths: Value,
}

impl Forge {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/smn_forge.py");
        let mut python = world::python();
        let mut child = python
            .arg(script)
            .arg(folder.path())
            .arg("eu-de")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let hello = line(&mut stdout);
        let (port, paths) = (hello["port"].as_u64().unwrap(), hello["paths"].clone());
        Self { folder, child, talk: Mutex::new((stdin, stdout)), port, paths }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where a certificate is, by its name in the script.
    fn certificate(&self, name: &str) -> String {
        format!("https://{}{}", self.host(), self.paths[name].as_str().unwrap())
    }

    /// The paths that were asked for.
    fn served(&self) -> Vec<String> {
        serde_json::from_value(self.ask(&json!({ "served": true }))["served"].take()).unwrap()
    }

    /// The fields as SMN posts them, signed.
    fn seal(&self, fields: &Value) -> Value {
        self.seal_with(fields, "good", "sha256")
    }

    fn seal_with(&self, fields: &Value, key: &str, hash: &str) -> Value {
        let signature = self.ask(&json!({ "sign": fields, "key": key, "hash": hash }))["signature"].take();
        let mut sealed = fields.clone();
        sealed["signature"] = signature;
        sealed["signature_version"] = "v1".into();
        if sealed["signing_cert_url"].is_null() {
            sealed["signing_cert_url"] = self.certificate("good").into();
        }
        sealed
    }

    fn ask(&self, question: &Value) -> Value {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{question}").unwrap();
        line(&mut talk.1)
    }

    fn settings(&self) -> Settings {
        Settings {
            source: "prod".to_owned(),
            topics: vec![TOPIC.to_owned()],
            trust: Trust::Fetched { host: Some(self.host()), name: None, ca: Some(self.file("ca.pem")) },
            max_age: MAX_AGE,
            clock_skew: CLOCK_SKEW,
            function_token: None,
            confirm_hosts: Vec::new(),
            project_name: None,
        }
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(from: &mut impl BufRead) -> Value {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

/// A notification of a number, not signed yet.
fn notification(number: u32, message: &str, at: Timestamp) -> Value {
    json!({
        "type": "Notification", "message_id": format!("{number:032x}"), "topic_urn": TOPIC, "subject": "CTS",
        "message": message, "timestamp": stamp(at), "unsubscribe_url": "https://console.example.org/",
    })
}

fn invitation(number: u32, subscribe_url: &str) -> Value {
    json!({
        "type": "SubscriptionConfirmation", "message_id": format!("{number:032x}"), "topic_urn": TOPIC,
        "message": "You are invited", "subscribe_url": subscribe_url, "timestamp": stamp(clock::now()),
    })
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A trace as text, as CTS publishes it.
fn text(id: &str, operation: &str) -> String {
    world::trace(id, operation, clock::now()).to_string()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

/// Posts a body as SMN does; status and answer.
async fn post(url: &str, kind: &str, body: impl Into<String>) -> (u16, String) {
    let request = client().post(url).header("X-SMN-MESSAGE-TYPE", kind).header("Content-Type", "text/plain");
    let answer = request.body(body.into()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A copy of a configuration file in which one thing is replaced.
fn rewrite(path: &Path, from: &str, to: &str) {
    let before = std::fs::read_to_string(path).unwrap();
    assert!(before.contains(from), "{before}");
    world::write(path, &before.replace(from, to));
}
