//! The HTTP rim against strangers: slow, big, wrong and many.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracebell::{
    clock,
    health::Board,
    http::{self, Limits, Refresh},
    metrics::{self, Metrics},
};

/// Nothing here takes this long; a test that does has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: std::net::SocketAddr,
    board: Board,
    metrics: Metrics,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::with(limits, |_| http::refresh(|| async {})).await
    }

    async fn with(limits: Limits, refresh: impl FnOnce(Metrics) -> Refresh) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (metrics, registry) = Metrics::new();
        let (board, shutdown) = (Board::default(), CancellationToken::new());
        let router = http::router(board.clone(), Arc::new(registry), refresh(metrics.clone()), axum::Router::new());
        let task = tokio::spawn(http::serve_within(limits, listener, router, shutdown.clone()));
        Self { address, board, metrics, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `head` (without its blank line) and reads until the server closes.
    async fn ask(&self, head: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(format!("{head}\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        rest_of(&mut stream).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task).await.expect("the server stops").unwrap();
    }
}

/// What still comes until the connection ends; a reset is an end too.
async fn rest_of(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the server closes the connection");
    String::from_utf8(text).unwrap()
}

#[track_caller]
fn check(answer: &str, status: &str, contains: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "expected {status}: {answer}");
    assert!(answer.contains(contains), "expected {contains:?} in: {answer}");
}

#[tokio::test]
async fn routes_answer_and_others_do_not() {
    let server = Server::start(Limits::default()).await;
    check(&server.ask("GET /healthz HTTP/1.1").await, "200", "alive");
    check(&server.ask("GET /readyz HTTP/1.1").await, "200", "ready");
    check(&server.ask("HEAD /readyz HTTP/1.1").await, "200", "");
    check(&server.ask("GET / HTTP/1.1").await, "404", "ask /healthz, /readyz or /metrics");
    check(&server.ask("GET /healthz/..%2fmetrics HTTP/1.1").await, "404", "");
    check(&server.ask("POST /healthz HTTP/1.1\r\ncontent-length: 0").await, "405", "");
    check(&server.ask("DELETE /metrics HTTP/1.1").await, "405", "");
    check(&server.ask(&format!("GET /{} HTTP/1.1", "x".repeat(20_000))).await, "431", "");
    check(&server.ask("GET\0/ HTTP/1.1").await, "400", "");
    server.stop().await;
}

#[tokio::test]
async fn readiness_follows_the_tasks() {
    let server = Server::start(Limits::default()).await;
    server.board.expect("source prod", Duration::from_secs(90), clock::now());
    server.board.beat("endpoint slack", clock::now());
    server.board.note("endpoint slack", Some("paused: HTTP 403 invalid_token".into()));
    check(&server.ask("GET /readyz HTTP/1.1").await, "200", "ok  endpoint slack: paused: HTTP 403 invalid_token\n");

    // The poller died ten minutes ago: nobody says so, it is only silent.
    let long_ago = clock::minus(clock::now(), Duration::from_secs(600));
    server.board.expect("source prod", Duration::from_secs(90), long_ago);
    let answer = server.ask("GET /readyz HTTP/1.1").await;
    check(&answer, "503", "not ready\nBAD source prod: not heard of for 10 min");
    check(&server.ask("GET /healthz HTTP/1.1").await, "200", "alive");

    server.board.beat("source prod", clock::now());
    check(&server.ask("GET /readyz HTTP/1.1").await, "200", "ok  source prod\n");
    server.stop().await;
}

#[tokio::test]
async fn slow_headers_are_cut() {
    let server = Server::start(Limits { headers_within: Duration::from_millis(200), ..Limits::default() }).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: te").await.unwrap();
    let answer = rest_of(&mut slow).await;
    assert!(!answer.contains("alive"), "{answer}");

    // A connection that says nothing, and one that idles after its answer, end too.
    assert!(!rest_of(&mut server.connect().await).await.contains("200"));
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    check(&rest_of(&mut idle).await, "200", "alive");
    server.stop().await;
}

#[tokio::test]
async fn a_big_body_is_refused() {
    let server = Server::start(Limits::default()).await;
    let answer = server.ask("POST /healthz HTTP/1.1\r\ncontent-length: 100000000").await;
    check(&answer, "413", "");
    check(&server.ask("GET /healthz HTTP/1.1\r\ncontent-length: 65537").await, "413", "");
    server.stop().await;
}

#[tokio::test]
async fn connections_above_the_cap_are_turned_away_and_come_back() {
    let server = Server::start(Limits { connections: 2, ..Limits::default() }).await;
    let (mut first, second) = (server.connect().await, server.connect().await);
    let mut third = server.connect().await;
    check(&rest_of(&mut third).await, "503", "connection: close");
    // Those inside are served all the while.
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
    check(&rest_of(&mut first).await, "200", "alive");
    drop(second);
    loop {
        let answer = server.ask("GET /healthz HTTP/1.1").await;
        if answer.contains("alive") {
            break;
        }
        // The slot is given back a moment after the connection closed.
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut() {
    let limits =
        Limits { lifetime: Duration::from_millis(100), grace: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits).await;
    for endpoint in 0..2000 {
        let label = metrics::EndpointLabel { endpoint: format!("{endpoint}-{}", "x".repeat(100)) };
        server.metrics.attempt_seconds.get_or_create(&label).observe(1.0);
    }
    let mut greedy = server.connect().await;
    let request = "GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n".repeat(20);
    greedy.write_all(request.as_bytes()).await.unwrap();
    // The cut is seen as an end while reading late: far less came than was asked for.
    let answer = rest_of(&mut greedy).await;
    assert!(answer.matches("# EOF").count() < 20, "all 20 answers came");
    server.stop().await;
}

#[tokio::test]
async fn shutdown_lets_requests_finish() {
    let (entered, in_refresh) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (tell, wait) = (Arc::clone(&entered), Arc::clone(&in_refresh));
    let server = Server::with(Limits::default(), |_| {
        http::refresh(move || {
            let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
            async move {
                tell.notify_one();
                wait.notified().await;
            }
        })
    })
    .await;
    let mut asking = server.connect().await;
    asking.write_all(b"GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    timeout(PATIENCE, entered.notified()).await.expect("the refresh runs before the answer");
    server.shutdown.cancel();
    in_refresh.notify_one();
    check(&rest_of(&mut asking).await, "200", "# EOF");
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_fresh_and_promtool_agrees() {
    let server = Server::with(Limits::default(), |metrics| {
        http::refresh(move || {
            let metrics = metrics.clone();
            async move {
                metrics.rules_loaded.set(12);
            }
        })
    })
    .await;
    every_metric_once(&server.metrics);
    let answer = server.ask("GET /metrics HTTP/1.1").await;
    check(&answer, "200", "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8");
    let page = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(page.contains("tracebell_rules_loaded 12\n") && page.ends_with("# EOF\n"), "{page}");
    lint(page);
    server.stop().await;
}

/// A sample for each family, since an empty one is not printed.
fn every_metric_once(m: &Metrics) {
    let source = metrics::SourceLabel { source: "prod".into() };
    let endpoint = metrics::EndpointLabel { endpoint: "slack \"a\\b\"\n".into() };
    m.traces.get_or_create(&metrics::SourceStateLabel { source: "prod".into(), state: "fetched" }).set(7);
    m.owed.get_or_create(&metrics::SubscriptionStateLabel { subscription: "sec/slack".into(), state: "dead" }).set(1);
    m.source_lag_seconds.get_or_create(&source).set(1.5);
    m.source_up.get_or_create(&source).set(1);
    m.tracker_enabled.get_or_create(&source).set(1);
    m.source_failures.get_or_create(&source).inc();
    m.source_gaps.get_or_create(&source).set(0);
    m.alerts.get_or_create(&metrics::RuleLabel { rule: "kms".into(), severity: "high" }).inc();
    let attempt = metrics::AttemptLabel { endpoint: "slack".into(), outcome: "retry", reason: "http_429".into() };
    m.attempts.get_or_create(&attempt).inc();
    m.attempt_seconds.get_or_create(&endpoint).observe(0.2);
    m.queue.get_or_create(&endpoint).set(3);
    m.queue_age_seconds.get_or_create(&endpoint).set(3.0);
    m.endpoint_held.get_or_create(&endpoint).set(1);
    m.window_keys.get_or_create(&metrics::WindowLabel { rule: "kms".into() }).set(5);
    m.window_keys_evicted.get_or_create(&metrics::WindowLabel { rule: "kms".into() }).inc();
    m.trace_to_delivery_seconds.get_or_create(&endpoint).observe(12.0);
    m.source_gaps_filled.get_or_create(&source).set(1);
    m.pushed_traces.get_or_create(&metrics::PushLabel { source: "prod".into(), outcome: "fresh" }).inc();
    m.push_refused.get_or_create(&metrics::RefusalLabel { source: "prod".into(), reason: "signature" }).inc();
    m.push_certificate_fetches.get_or_create(&metrics::FetchLabel { source: "prod".into(), outcome: "good" }).inc();
    m.trace_delay_seconds.get_or_create(&metrics::PathLabel { path: "push" }).observe(0.1);
}

/// `promtool check metrics`, which reads the older text format: there a counter's
/// description carries the sample's name, and `# EOF` is an ordinary comment.
fn lint(page: &str) {
    let mut older = String::new();
    let counters: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    assert!(!counters.is_empty(), "no counters on the page");
    for line in page.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", what @ ("HELP" | "TYPE"), name, rest] if counters.contains(&name) => {
                older.push_str(&format!("# {what} {name}_total {rest}\n"));
            }
            _ => older.push_str(&format!("{line}\n")),
        }
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: run tests/run, it installs Debian's `prometheus` package");
    promtool.stdin.take().unwrap().write_all(older.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim().is_empty(), "promtool: {said}\n{older}");
}

/// Alert rules and documentation name metrics that exist, and all of them.
#[test]
fn metrics_are_documented_and_the_alert_rules_hold() {
    let (metrics, registry) = Metrics::new();
    every_metric_once(&metrics);
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    let mut real: BTreeSet<String> = BTreeSet::new();
    for line in page.lines() {
        let mut words = line.strip_prefix("# TYPE ").into_iter().flat_map(|rest| rest.split(' '));
        if let (Some(name), Some(kind)) = (words.next(), words.next()) {
            real.insert(if kind == "counter" { format!("{name}_total") } else { name.to_owned() });
        }
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let alerts = format!("{root}deploy/prometheus/rules.yaml");
    let used = metric_names(&std::fs::read_to_string(&alerts).unwrap());
    assert!(!used.is_empty());
    assert_eq!(used.difference(&real).collect::<Vec<_>>(), Vec::<&String>::new(), "no such metrics");
    let told = metric_names(&std::fs::read_to_string(format!("{root}docs/operations.md")).unwrap());
    assert_eq!(told, real, "docs/operations.md and src/metrics.rs differ");

    let promtool = Command::new("promtool").args(["check", "rules", &alerts]).output();
    let output = promtool.expect("promtool is missing: run tests/run, it installs Debian's `prometheus` package");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn metric_names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("tracebell_"))
        .map(str::to_owned)
        .collect()
}
