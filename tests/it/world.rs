//! Running programs that tests talk to, all on port 0, all killed on drop.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tracebell::emulator::{self, Emulator};

/// The Python of the tests' virtual environment; `tests/run` makes it.
pub fn python() -> Command {
    let path = std::env::var_os("TRACEBELL_TEST_PYTHON")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/python")), PathBuf::from);
    assert!(path.exists(), "{} is missing: run tests/run once, it makes the virtual environment", path.display());
    Command::new(path)
}

/// The binary under test.
pub fn tracebell() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tracebell"))
}

/// Waits for a fact, looking often; panics with `what` after `limit`.
#[expect(clippy::disallowed_methods, reason = "the one place where tests look again")]
pub async fn until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A folder with a configuration, and `tracebell run` in it, started as often as wanted.
pub struct Bridge {
    pub folder: tempfile::TempDir,
    program: PathBuf,
    child: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Bridge {
    /// Writes the configuration (`{folder}` is replaced) and logs in at `cloud`.
    pub fn new(cloud: &str, config: &str, rules: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clouds = format!(
            "clouds:\n  otc:\n    auth: {{ auth_url: {cloud}/v3, username: alice, password: secret, \
             user_domain_name: OTC00000000001000000001, project_name: eu-de }}\n    region_name: eu-de\n"
        );
        fs::write(folder.path().join("clouds.yaml"), clouds).unwrap();
        fs::write(folder.path().join("tracebell.yaml"), config).unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        fs::write(folder.path().join("rules/test.yaml"), rules).unwrap();
        Self { folder, program: env!("CARGO_BIN_EXE_tracebell").into(), child: None, log: Arc::default() }
    }

    /// Runs another build of the binary.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the folder, with the folder's cloud.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.folder.path());
        command.env("OS_CLIENT_CONFIG_FILE", self.path("clouds.yaml")).env_remove("OS_CLOUD");
        command
    }

    pub fn start(&mut self) {
        let mut child =
            self.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        self.log.lock().unwrap().clear();
        let log = self.log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.lock().unwrap().push(line);
            }
        });
        self.child = Some(child);
    }

    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// SIGKILL, and gone when this returns.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the process can be killed");
            child.wait().expect("the process ends");
        }
    }

    /// Sends a signal by name, for example `TERM` or `HUP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill runs");
        assert!(status.success());
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().expect("it was started").try_wait().expect("a child can be waited for")
    }

    /// Most memory it ever had resident, in MB.
    pub fn peak(&self) -> u64 {
        let id = self.child.as_ref().expect("it runs").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("Linux says so");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
    }

    /// What it logged since it was last started.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Where its HTTP side listens, once it says so.
    pub async fn address(&mut self) -> String {
        let log = self.log.clone();
        until("the bridge to be ready", Duration::from_secs(20), async || {
            let log = log.lock().unwrap();
            let line = log.iter().find(|line| line.contains("ready on http://"))?;
            let rest = line.split("ready on ").nth(1)?;
            Some(rest.split('"').next()?.trim().to_owned())
        })
        .await
    }

    /// Its state, read beside the running process.
    pub async fn store(&self) -> tracebell::store::Sqlite {
        tracebell::store::Sqlite::open_read(&self.path("tracebell.db")).await.expect("the state can be read")
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Rings once for each server that is deleted.
pub const RULES: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: high
    match: { operation: deleteServer }
    dedup: { by: [resource.id], for: 1h }
    topics: [security]
"#;

/// One source that is polled each second, one webhook, and the topic between them.
pub fn config(endpoint: &str, url: &str) -> String {
    format!(
        "sources:\n  prod: {{ cts: {{ cloud: otc, poll_every: 1s }} }}\n\
         endpoints:\n  {endpoint}: {{ webhook: {{ url: \"{url}\" }} }}\n\
         topics:\n  security: [ {{ endpoint: {endpoint} }} ]\n\
         http: {{ listen: \"127.0.0.1:0\" }}\n\
         outbound: {{ allow: [127.0.0.0/8] }}\n"
    )
}

/// An emulated cloud in this process, without a scenario.
pub async fn cloud() -> Emulator {
    Emulator::start(emulator::Settings::default()).await.expect("the emulator starts")
}

/// A trace in v3 shape.
pub fn trace(id: &str, operation: &str, record_time: tracebell::clock::Timestamp) -> serde_json::Value {
    let millis = record_time.as_millisecond();
    serde_json::json!({
        "trace_id": id, "trace_name": operation, "trace_rating": "normal", "trace_type": "ApiCall",
        "service_type": "ECS", "resource_type": "ecs", "resource_name": format!("server-{id}"), "resource_id": id,
        "source_ip": "198.51.100.7", "code": "200", "time": millis, "record_time": millis,
        "user": { "name": "alice", "id": "u-1", "domain": { "name": "OTC1", "id": "d-1" } },
    })
}

/// An HTTP GET without TLS, for tests: status and body.
pub async fn get(url: &str) -> (u16, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(url).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

pub fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written");
}
