//! An emulated account, and `tracebell run` in a folder of its own beside it.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tracebell::{
    clock::Timestamp,
    emulator::{Emulator, Settings},
};

use crate::{
    process::Process,
    receiver::{MARK, Receiver},
};

const RULES: &str = "rules:\n  - id: server-deleted\n    title: \"{{ actor.name }} deleted {{ resource.name }}\"\n    \
                     severity: high\n    match: { operation: deleteServer }\n    \
                     dedup: { by: [resource.id], for: 1h }\n    topics: [security]\n    noise_budget: 1000000\n";

pub struct Account {
    pub cloud: Emulator,
    folder: tempfile::TempDir,
}

impl Account {
    /// With so many projects; `cts` is what the source says beside its cloud and projects.
    pub async fn new(projects: usize, cts: &str, receiver: &Receiver) -> Self {
        let settings = Settings { more_projects: projects - 1, ..Settings::default() };
        let cloud = Emulator::start(settings).await.expect("the emulator starts");
        let names: Vec<String> = cloud.handle().projects().into_iter().map(|(name, _)| name).collect();
        let clouds = format!(
            "clouds:\n  otc:\n    auth: {{ auth_url: {}/v3, username: alice, password: secret, \
             user_domain_name: OTC00000000001000000001, project_name: eu-de }}\n    region_name: eu-de\n",
            cloud.url()
        );
        let config = format!(
            "sources:\n  prod: {{ cts: {{ cloud: otc, projects: [{}], {cts} }} }}\n\
             outbound: {{ allow: [127.0.0.0/8] }}\n\
             endpoints:\n  soar: {{ webhook: {{ url: \"{}\" }} }}\n\
             topics:\n  security: [ {{ endpoint: soar }} ]\n\
             http: {{ listen: \"127.0.0.1:0\" }}\n",
            names.join(", "),
            receiver.url()
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("rules")).expect("a folder");
        for (name, text) in [("clouds.yaml", clouds.as_str()), ("tracebell.yaml", &config), ("rules/r.yaml", RULES)] {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        Self { cloud, folder }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("tracebell.db")
    }

    /// Returns once it is ready.
    pub fn start(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracebell"));
        let clouds = self.folder.path().join("clouds.yaml");
        command.arg("run").current_dir(self.folder.path()).env("OS_CLIENT_CONFIG_FILE", clouds);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| line.contains("ready on http://"));
        assert!(ready.is_some(), "it ended before it was ready");
        std::thread::spawn(move || lines.for_each(drop));
        Process(child)
    }
}

/// In v3 shape; the receiver knows it by its number if it rings.
pub fn trace(number: usize, at: Timestamp, project: &str, operation: &str) -> Value {
    let millis = at.as_millisecond();
    json!({
        "trace_id": format!("{MARK}{number}"), "trace_name": operation, "trace_rating": "normal",
        "trace_type": "ApiCall", "service_type": "ECS", "resource_type": "ecs", "project_id": project,
        "resource_name": format!("server-{number}"), "resource_id": format!("{MARK}{number}"),
        "source_ip": "198.51.100.7", "code": "200", "time": millis, "record_time": millis,
        "user": { "name": format!("user-{}", number % 97), "id": "u-1", "domain": { "name": "OTC1", "id": "d-1" } },
    })
}
