//! Bad input and a bad world: a clear error or a degraded state with a reason; nothing lost.

use std::{process::Command, time::Duration};

use tracebell::{
    clock,
    emulator::{
        Emulator,
        fault::{Fault, Plan},
        inbox::{Inbox, Received},
    },
    store::Store,
};

use crate::world::{self, Bridge, RULES, until};

/// What `check` says about a configuration and rules; exit code and text.
fn check(config: &str, rules: &str) -> (Option<i32>, String) {
    let bridge = Bridge::new("http://127.0.0.1:9", config, rules);
    let output = bridge.command(&["check"]).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    (output.status.code(), text)
}

#[track_caller]
fn refused(config: &str, rules: &str, expected: &[&str]) {
    let (code, text) = check(config, rules);
    assert_eq!(code, Some(1), "{text}");
    for part in expected {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

const URL: &str = "http://127.0.0.1:9/hook";

#[test]
fn a_good_configuration_is_good() {
    let (code, text) = check(&world::config("soar", URL), RULES);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("good: 1 source, 1 endpoint, 1 topic, 1 rule"), "{text}");
}

#[test]
fn more_polls_than_the_cloud_is_asked_for_are_told() {
    let projects: Vec<String> = (0..600).map(|number| format!("p{number}")).collect();
    let many = format!("projects: [{}], poll_every: 5s", projects.join(", "));
    let config = world::config("soar", URL).replace("poll_every: 1s", &many);
    let (code, text) = check(&config, RULES);
    assert_eq!(code, Some(0), "{text}");
    let told = "600 sources behind `http://127.0.0.1:9/v3` need 120 requests a second while all is quiet, and 50 are \
                allowed: each is polled every 12 s at best";
    assert!(text.contains("warning[slow-polls]") && text.contains(told), "{text}");
    let (_, text) = check(&config.replace("poll_every: 5s", "poll_every: 5s, poll_quiet_every: 1m"), RULES);
    assert!(!text.contains("slow-polls"), "{text}");
    let (_, text) = check(&format!("{config}cloud_requests: {{ per_second: 200 }}\n"), RULES);
    assert!(!text.contains("slow-polls"), "{text}");
    refused(&format!("{config}cloud_requests: {{ per_second: 0 }}\n"), RULES, &["cloud_requests.per_second"]);
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    let bad = world::config("soar", URL).replace("poll_every", "poll_evry");
    refused(&bad, RULES, &["tracebell.yaml:2", "unknown key `poll_evry`", "did you mean `poll_every`?"]);
}

#[test]
fn an_unknown_field_is_named_with_its_place() {
    let bad = RULES.replace("match: { operation:", "match: { operatoin:");
    refused(&world::config("soar", URL), &bad, &["rules/test.yaml:6", "operatoin", "did you mean `operation`?"]);
}

#[test]
fn a_bad_regex_is_shown_at_its_character() {
    let bad = RULES.replace("operation: deleteServer", "operation: { regex: \"delete(\" }");
    refused(&world::config("soar", URL), &bad, &["rules/test.yaml:6", "unclosed group"]);
}

#[test]
fn a_rule_id_used_twice_names_both_places() {
    let twice = format!("{RULES}{}", RULES.replace("rules:\n", ""));
    refused(&world::config("soar", URL), &twice, &["server-deleted", "rules/test.yaml:3"]);
}

#[test]
fn a_missing_secret_file_is_named() {
    let bad = world::config("soar", URL).replace("webhook: {", "webhook: { sign: { secret: { file: nowhere } },");
    refused(&bad, RULES, &["nowhere", "it does not exist"]);
}

#[test]
fn an_endpoint_that_is_not_configured_is_named() {
    let bad = world::config("soar", URL).replace("endpoint: soar", "endpoint: sour");
    refused(&bad, RULES, &["no endpoint `sour`", "did you mean `soar`?"]);
}

#[test]
fn an_attempt_may_not_take_for_ever() {
    let bad = world::config("soar", URL).replace("webhook: {", "timeout: 2h, webhook: {");
    refused(&bad, RULES, &["tracebell.yaml:4", "at most 10m"]);
}

#[test]
fn all_problems_are_told_in_one_run() {
    let bad = world::config("soar", URL).replace("poll_every", "poll_evry").replace("endpoint: soar", "endpoint: sour");
    let rules = RULES.replace("match: { operation:", "match: { operatoin:");
    refused(&bad, &rules, &["poll_evry", "sour", "operatoin"]);
}

/// A bridge with an inbox, and the cloud it reads.
struct Scene {
    cloud: Emulator,
    bridge: Bridge,
    received: tokio::sync::mpsc::Receiver<Received>,
    _inbox: Inbox,
    next: usize,
}

impl Scene {
    async fn new() -> Self {
        let cloud = world::cloud().await;
        let (inbox, received) = Inbox::start().await.unwrap();
        let bridge = Bridge::new(&cloud.url(), &world::config("soar", &format!("http://{}/hook", inbox.http)), RULES);
        Self { cloud, bridge, received, _inbox: inbox, next: 0 }
    }

    /// Something happens in the cloud.
    fn delete_server(&mut self) -> String {
        self.next += 1;
        let id = format!("id-{}", self.next);
        self.cloud.handle().add([world::trace(&id, "deleteServer", clock::now())]);
        id
    }

    /// Waits until the webhook was told of `what` (a part of the body).
    async fn told(&mut self, what: &str) {
        let wait = async {
            while let Some(Received::Http { body, .. }) = self.received.recv().await {
                if String::from_utf8_lossy(&body).contains(what) {
                    return;
                }
            }
            panic!("the inbox ended");
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .unwrap_or_else(|_| panic!("the webhook was never told of {what}; the log says:\n{}", self.bridge.log()));
    }

    /// Waits until `/readyz` answers `code` and says `text`.
    async fn ready(&mut self, code: u16, text: &str) {
        let url = format!("{}/readyz", self.bridge.address().await);
        until(&format!("readyz to answer {code} with `{text}`"), Duration::from_secs(30), async || {
            let (status, body) = world::get(&url).await;
            (status == code && body.contains(text)).then_some(())
        })
        .await;
    }

    /// The fault hits, is told, ends, and what happened meanwhile is told.
    async fn survives(mut self, fault: Fault, reason: &str) {
        self.bridge.start();
        let before = self.delete_server();
        self.told(&before).await;
        self.cloud.handle().plan(Plan { fault, times: None, skip: 0, path: "/traces".to_owned() });
        let during = self.delete_server();
        self.ready(503, reason).await;
        self.cloud.handle().clear_faults();
        self.told(&during).await;
        self.ready(200, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn html_in_place_of_json_is_a_reason_and_loses_nothing() {
    Scene::new().await.survives(Fault::Html, "source prod").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_json_loses_nothing() {
    Scene::new().await.survives(Fault::Truncate, "source prod").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_connection_loses_nothing() {
    Scene::new().await.survives(Fault::Reset, "source prod").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_answers_503_loses_nothing() {
    Scene::new().await.survives(Fault::Status(503), "503").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_cloud_is_a_reason() {
    let mut scene = Scene::new().await;
    let port = {
        // Bound and dropped: nobody listens there now.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let clouds = std::fs::read_to_string(scene.bridge.path("clouds.yaml")).unwrap();
    let nowhere = clouds.replace(&scene.cloud.url(), &format!("http://127.0.0.1:{port}"));
    world::write(&scene.bridge.path("clouds.yaml"), &nowhere);
    scene.bridge.start();
    scene.ready(503, "source prod").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_a_reason_with_a_fix_and_is_told() {
    let mut scene = Scene::new().await;
    let clouds = std::fs::read_to_string(scene.bridge.path("clouds.yaml")).unwrap();
    world::write(&scene.bridge.path("clouds.yaml"), &clouds.replace("password: secret", "password: wrong"));
    scene.bridge.start();
    scene.ready(503, "source prod").await;
    let log = scene.bridge.log();
    assert!(!log.contains("\"wrong\"") && !log.contains("password: wrong"), "the password is in the log: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_trace_costs_neither_its_page_nor_its_neighbours() {
    let mut scene = Scene::new().await;
    scene.bridge.start();
    scene.cloud.handle().plan(Plan {
        fault: Fault::HugeTrace(20_000_000),
        times: Some(1),
        skip: 0,
        path: "/traces".to_owned(),
    });
    let neighbour = scene.delete_server();
    scene.told(&neighbour).await;
    scene.ready(200, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_trace_is_kept_and_its_page_is_read() {
    let mut scene = Scene::new().await;
    scene.bridge.start();
    scene.cloud.handle().add_text("42");
    let neighbour = scene.delete_server();
    scene.told(&neighbour).await;
    let store = scene.bridge.store().await;
    until("the broken record to be quarantined", Duration::from_secs(20), async || {
        let accounting = store.accounting().await.ok()?;
        (accounting.quarantined == 1 && accounting.sources.iter().all(|source| source.balanced())).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_reload_keeps_what_runs_and_a_good_one_takes_over() {
    let mut scene = Scene::new().await;
    scene.bridge.start();
    scene.bridge.address().await;
    let rules = scene.bridge.path("rules/test.yaml");
    world::write(&rules, "rules:\n  - id: x\n    titel: oops\n");
    scene.bridge.signal("HUP");
    scene.ready(200, "its last good version is in force").await;
    let old = scene.delete_server();
    scene.told(&old).await;
    world::write(&rules, &RULES.replace("deleted server", "removed machine"));
    scene.bridge.signal("HUP");
    let reloads = async || (scene.bridge.log().matches("reloaded").count() > 1).then_some(());
    until("the second reload", Duration::from_secs(20), reloads).await;
    scene.delete_server();
    scene.told("removed machine").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_told_to_and_says_good_bye() {
    let mut scene = Scene::new().await;
    scene.bridge.start();
    scene.bridge.address().await;
    scene.bridge.signal("TERM");
    let status = until("the process to end", Duration::from_secs(30), async || scene.bridge.ended()).await;
    assert_eq!(status.code(), Some(0), "{}", scene.bridge.log());
}

/// A state file on a file system without room: nothing is acknowledged, nothing lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_pauses_and_loses_nothing() {
    let disk = SmallDisk::mount();
    let mut scene = Scene::new().await;
    let config = std::fs::read_to_string(scene.bridge.path("tracebell.yaml")).unwrap();
    let state = disk.path().join("tracebell.db");
    let config = format!("{config}state: {{ sqlite: {{ path: \"{}\" }} }}\n", state.display());
    world::write(&scene.bridge.path("tracebell.yaml"), &config);
    scene.bridge.start();
    let before = scene.delete_server();
    scene.told(&before).await;
    disk.fill();
    let during: Vec<String> = (0..300).map(|_| scene.delete_server()).collect();
    scene.ready(503, "disk is full").await;
    disk.empty();
    scene.ready(200, "").await;
    let last = scene.delete_server();
    scene.told(&last).await;
    let store = tracebell::store::Sqlite::open_read(&state).await.unwrap();
    until("everything to be delivered", Duration::from_secs(30), async || {
        let accounting = store.accounting().await.ok()?;
        let account = accounting.subscriptions.first()?;
        (account.delivered == during.len() as u64 + 2 && account.balanced()).then_some(())
    })
    .await;
}

/// A tmpfs of 24 MB, unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(folder.path()).status().unwrap();
        assert!(status.success(), "cannot mount a small tmpfs: this test needs the right to mount");
        Self(folder)
    }

    fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.path().join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Whoever removes the state file under a running process is told at once; nothing is promised any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_that_was_removed_is_a_reason() {
    let mut scene = Scene::new().await;
    scene.bridge.start();
    let before = scene.delete_server();
    scene.told(&before).await;
    std::fs::remove_file(scene.bridge.path("tracebell.db")).unwrap();
    scene.ready(503, "was removed or replaced").await;
    // A restart does not throw away what is left; without that it begins afresh and
    // rings for what nobody acknowledged.
    let during = scene.delete_server();
    scene.bridge.kill();
    scene.bridge.start();
    let ended = until("the refusal", Duration::from_secs(20), async || scene.bridge.ended()).await;
    assert_eq!(ended.code(), Some(3), "{}", scene.bridge.log());
    std::fs::remove_file(scene.bridge.path("tracebell.db-wal")).unwrap();
    scene.bridge.start();
    scene.told(&during).await;
}
