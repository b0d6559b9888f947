//! `tracebell explain` and `tracebell catalog`, as rule authors run them.

use std::{io::Write, process::Stdio};

use serde_json::Value;
use tracebell::clock;

use crate::world::{self, Bridge};

const RULES: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: high
    match: { service: ECS, operation: deleteServer }
    topics: [security]
  - id: user-deleted
    title: User
    severity: high
    match: { operation: deleteServer, service: IAM }
    topics: [security]
  - id: many-deleted
    title: Many
    severity: high
    match: { service: ECS, action: delete }
    when: { count: { at_least: 8, within: 10m, by: [actor.name] } }
    topics: [security]
"#;

fn bridge() -> Bridge {
    Bridge::new("http://127.0.0.1:9", &world::config("soar", "http://127.0.0.1:9/hook"), RULES)
}

#[track_caller]
fn run(bridge: &Bridge, args: &[&str], input: &str, code: i32, expected: &[&str]) -> String {
    let mut command = bridge.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // A command that does not want its input has every right to end first.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the binary ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}:\n{text}{told}");
    for part in expected {
        assert!(text.contains(part) || told.contains(part), "`{part}` is missing after {args:?}:\n{text}{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    text
}

fn trace() -> String {
    world::trace("t-1", "deleteServer", clock::Timestamp::from_second(1_768_000_000).unwrap()).to_string()
}

#[test]
fn matches_and_near_misses_are_told_with_their_fields() {
    let bridge = bridge();
    let expected = [
        "alice: ECS deleteServer on server-t-1, succeeded, from 198.51.100.7",
        "fires      server-deleted  high",
        "\"alice deleted server server-t-1\"",
        "service    ECS           is `ECS`",
        "counts     many-deleted",
        "counts towards 8 within 10 min of actor.name=alice",
        "one condition away:",
        "`service`: expected `IAM`, found `ECS`",
    ];
    run(&bridge, &["explain", "-"], &trace(), 0, &expected);
    world::write(&bridge.path("two.json"), &format!("[{},\n{}]", trace(), trace().replace("t-1", "t-2")));
    run(&bridge, &["explain", "two.json"], "", 0, &["server-t-1", "server-t-2"]);
    let found = run(&bridge, &["explain", "-", "--output", "json"], &trace(), 0, &[]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found[0]["matches"][0]["rule"], "server-deleted");
    assert_eq!(found[0]["near"][0]["misses"][0]["expected"], "`IAM`");
}

#[test]
fn what_is_no_trace_is_told() {
    let bridge = bridge();
    let expected = ["record 1 of `-` is not a trace: the record has neither `trace_name` nor `service_type`"];
    run(&bridge, &["explain", "-"], "{\"a\": 1}", 1, &expected);
    run(&bridge, &["explain", "-"], "", 1, &["no trace in `-`"]);
    run(&bridge, &["explain", "-"], "[ { \n", 1, &["neither one JSON record a line nor a list of records"]);
    run(&bridge, &["explain", "./gone.json"], "", 2, &["there is no such file"]);
    let hostile = trace().replace("alice", "\\u001b[2J");
    let told = run(&bridge, &["explain", "-"], &hostile, 0, &["\\u{1b}[2J"]);
    assert!(!told.contains('\u{1b}'), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_fetched_from_the_cloud() {
    let cloud = world::cloud().await;
    cloud.handle().add(vec![world::trace("0a-1", "deleteServer", clock::now())]);
    let bridge = Bridge::new(&cloud.url(), &world::config("soar", "http://127.0.0.1:9/hook"), RULES);
    let told = tokio::task::spawn_blocking(move || {
        run(&bridge, &["explain", "0a-1"], "", 0, &["alice deleted server server-0a-1"]);
        run(&bridge, &["explain", "0a-2"], "", 1, &["is called `0a-2`"])
    });
    told.await.unwrap();
    cloud.shutdown().await;
}

#[test]
fn observed_operations_are_held_against_the_catalogue() {
    let bridge = bridge();
    run(&bridge, &["catalog", "list", "--service", "kms"], "", 0, &["scheduleKeyDeletion", "1 service, "]);
    run(&bridge, &["catalog", "list", "--service", "KSM"], "", 2, &["did you mean `KMS`?"]);
    let past =
        [trace(), trace().replace("deleteServer", "DELETESERVER"), trace().replace("deleteServer", "polishServer")];
    world::write(&bridge.path("past.ndjson"), &past.join("\n").replace("\"t-1\"", "\"\""));
    let expected = [
        "DELETESERVER",
        "known as ECS deleteServer",
        "operation not known",
        "1 known, 1 known in another spelling, 1 not known",
    ];
    run(&bridge, &["catalog", "seen", "--from-file", "past.ndjson", "--write", "more.txt"], "", 0, &expected);
    let more = std::fs::read_to_string(bridge.path("more.txt")).unwrap();
    assert!(more.ends_with("ECS | ecs | polishServer\n"), "{more}");
}

#[test]
fn emulated_days_are_written_for_trying_rules() {
    let bridge = bridge();
    let args = ["emulate", "--write", "past.ndjson.gz", "--days", "1", "--traces", "1000"];
    run(&bridge, &args, "", 0, &["traces of 1 day written"]);
    let report =
        run(&bridge, &["backtest", "--from-file", "past.ndjson.gz", "--shipped", "--output", "json"], "", 0, &[]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["traces"].as_u64().is_some_and(|count| (800..1200).contains(&count)), "{}", report["traces"]);
    assert!(report["alerts"].as_u64().is_some_and(|count| count > 10), "{}", report["alerts"]);
}
