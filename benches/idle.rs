//! How little an idle Tracebell costs: `cargo bench --bench idle [-- --minutes 5]`.
//!
//! Prints the binary's size, the time from start to ready, and the resident
//! memory while it polls an emulated cloud in which nothing happens. Figures,
//! not assertions: machines are noisy. The goals: 20 MB, 100 ms, 25 MB.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tracebell::emulator::{Emulator, Settings};

const BINARY: &str = env!("CARGO_BIN_EXE_tracebell");
/// Starts measured; the median is what counts.
const STARTS: usize = 9;

#[tokio::main]
async fn main() {
    let minutes = minutes();
    let cloud = Emulator::start(Settings::default()).await.expect("the emulator starts");
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_configuration(folder.path(), &cloud.url());

    let size = fs::metadata(BINARY).expect("the binary exists").len();
    println!("binary size              {:.1} MB", size as f64 / 1e6);

    let mut starts: Vec<Duration> = (0..STARTS).map(|_| start(folder.path()).1).collect();
    starts.sort();
    println!(
        "start to ready           {} ms median, {} ms slowest of {STARTS}",
        starts[STARTS / 2].as_millis(),
        starts[STARTS - 1].as_millis()
    );

    let (mut bridge, _) = start(folder.path());
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut largest = 0;
    while Instant::now() < end {
        #[expect(clippy::disallowed_methods, reason = "idling is what is measured")]
        tokio::time::sleep(Duration::from_secs(1)).await;
        largest = largest.max(resident(bridge.0.id(), "VmRSS"));
    }
    let (last, peak) = (resident(bridge.0.id(), "VmRSS"), resident(bridge.0.id(), "VmHWM"));
    println!(
        "resident after {minutes} min     {:.1} MB (largest seen {:.1} MB, peak {:.1} MB)",
        last as f64 / 1024.0,
        largest as f64 / 1024.0,
        peak as f64 / 1024.0
    );
    println!("polls answered           {}", cloud.handle().stats().answered.values().sum::<u64>());
    bridge.0.kill().expect("it can be killed");
}

fn minutes() -> u64 {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == "--minutes");
    at.and_then(|at| args.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// Killed when dropped.
struct Bridge(std::process::Child);

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path) -> (Bridge, Duration) {
    let begun = Instant::now();
    let mut command = Command::new(BINARY);
    command.arg("run").current_dir(folder).env("OS_CLIENT_CONFIG_FILE", folder.join("clouds.yaml"));
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    let ready = lines.by_ref().map_while(Result::ok).find(|line| line.contains("ready on http://"));
    let took = begun.elapsed();
    assert!(ready.is_some(), "it ended before it was ready");
    std::thread::spawn(move || lines.for_each(drop));
    (Bridge(child), took)
}

/// In KiB, as the kernel counts it.
fn resident(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn write_configuration(folder: &Path, url: &str) {
    let clouds = format!(
        "clouds:\n  otc:\n    auth: {{ auth_url: {url}/v3, username: alice, password: secret, \
         user_domain_name: OTC00000000001000000001, project_name: eu-de }}\n    region_name: eu-de\n"
    );
    let config = "sources:\n  prod: { cts: { cloud: otc, poll_every: 5s } }\n\
        endpoints:\n  soar: { webhook: { url: \"http://127.0.0.1:9/hook\" } }\n  chat: { slack: { webhook_url: { file: url } } }\noutbound: { allow: [127.0.0.0/8] }\n\
        topics:\n  security: [ { endpoint: soar }, { endpoint: chat } ]\n  default: [ { endpoint: soar } ]\n\
        http: { listen: \"127.0.0.1:0\" }\n";
    fs::create_dir(folder.join("rules")).expect("a folder");
    for file in tracebell::rule::shipped() {
        let name = file.name.rsplit('/').next().unwrap_or_default().to_owned();
        fs::write(folder.join("rules").join(name), file.text).expect("a rule file");
    }
    fs::write(folder.join("url"), "http://127.0.0.1:9/slack").expect("a secret");
    fs::write(folder.join("clouds.yaml"), clouds).expect("clouds.yaml");
    fs::write(folder.join("tracebell.yaml"), config).expect("tracebell.yaml");
}
