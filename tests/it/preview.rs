//! `tracebell preview`: what people would get, without anything being sent and without any secret.

use tracebell::{
    clock,
    notification::Kind,
    render::{facts, sample},
};

use crate::world::{Bridge, tracebell};

const FORMATS: [&str; 13] = [
    "slack",
    "slack-bot",
    "mattermost",
    "rocketchat",
    "email",
    "webhook",
    "cloudevents",
    "smn",
    "teams",
    "telegram",
    "pagerduty",
    "opsgenie",
    "alertmanager",
];

const CONFIG: &str = r##"
sources:
  prod: { cts: { cloud: there-is-no-such-cloud } }
http:
  public_url: https://bell.example.org
  tokens: [ { name: ops, role: operator, secret: { env: TRACEBELL_TEST_IS_NOT_SET } } ]
endpoints:
  sec-slack: { slack: { webhook_url: { env: TRACEBELL_TEST_IS_NOT_SET } }, timezone: Europe/Berlin }
  sec-bot: { slack: { token: { file: there-is-none }, channel: "#sec" } }
  ops-mail: { email: { smtp: { host: mail.example.org, username: bell, password: { file: there-is-none } }, from: "Bell <bell@example.org>", to: [oncall@example.org] } }
  soar: { webhook: { url: "https://soar.example.org/CANARY", bearer: { env: TRACEBELL_TEST_IS_SET }, format: template, template: { who: "{{ actor.name }}" } } }
  duty: { pagerduty: { routing_key: { env: TRACEBELL_TEST_IS_NOT_SET } } }
topics:
  security: [ { endpoint: sec-slack }, { endpoint: nobody } ]
"##;

const RULES: &str = r#"
rules:
  - id: key-at-risk
    title: "{{ actor.name }} put key {{ resource.name }} at risk"
    severity: critical
    match: { service: KMS, operation: scheduleKeyDeletion }
    topics: [security]
  - id: key-touched
    title: "{{ actor.name }} touched a key"
    severity: low
    match: { service: KMS }
    topics: [security]
  - id: keys-touched
    title: "{{ actor.name }} touched many keys"
    severity: low
    match: { service: KMS }
    when: { count: { at_least: 8, within: 10m, by: [actor.name] } }
    topics: [security]
"#;

const TRACE: &str = r#"{"trace_id":"b1a2c3d4-0000-11f0-8000-0242ac110002","time":1768465800000,"record_time":1768465801000,
    "service_type":"KMS","trace_name":"scheduleKeyDeletion","trace_rating":"normal","resource_type":"cmk",
    "resource_name":"prod-db","user":{"name":"carol","domain":{"name":"OTC1"}},"source_ip":"203.0.113.7"}"#;

fn bridge() -> Bridge {
    let bridge = Bridge::new("http://127.0.0.1:9", CONFIG, RULES);
    std::fs::write(bridge.path("trace.json"), TRACE).unwrap();
    bridge
}

/// Arguments, exit code, what is said and what is not.
type Case = (&'static [&'static str], i32, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    // A made-up alert, in the endpoint's zone and with links to pages of ours.
    (
        &["--endpoint", "sec-slack"],
        0,
        &["🔴 critical  alice@example.org put encryption key prod-db at risk", "bell.example.org/alerts/", "CET"],
        &["blocks"],
    ),
    (&["--endpoint", "sec-slack", "--as", "json"], 0, &["\"blocks\":[", "\"unfurl_links\":false"], &[]),
    (
        &["--endpoint", "ops-mail"],
        0,
        &["[critical] alice@example.org put encryption key prod-db at risk\n", "203.0.113.7", "cannot be read again"],
        &["<html", "Content-Type"],
    ),
    (
        &["--endpoint", "ops-mail", "--as", "json"],
        0,
        &["From: Bell <bell@example.org>", "To: oncall@example.org", "multipart/alternative"],
        &[],
    ),
    (&["--endpoint", "ops-mail", "--as", "html"], 0, &["<!doctype html>", "prod-db"], &["multipart"]),
    (&["--endpoint", "soar", "--as", "json"], 0, &["{\"who\":\"alice@example.org\"}"], &[]),
    (&["--endpoint", "soar"], 0, &["[critical] alice@example.org put", "  \"who\": \"alice@example.org\""], &[]),
    (&["--endpoint", "duty"], 0, &["\"event_action\": \"trigger\""], &[]),
    (
        &["--endpoint", "sec-bot", "--kind", "escalated"],
        0,
        &["This alert got worse, high before and critical now", "the first message becomes", "is marked ⏫"],
        &[],
    ),
    (&["--endpoint", "sec-bot", "--kind", "repeated"], 0, &["14 times in", "still open"], &["first message becomes"]),
    (&["--format", "teams", "--kind", "digest"], 0, &["Digest of security: 37 alerts", "By actor"], &["contentUrl"]),
    (&["--format", "telegram", "--as", "html"], 0, &["<h1>🔴 critical  alice@example.org put"], &["entities"]),
    // What the rules make of traces.
    (
        &["--endpoint", "sec-slack", "--trace", "trace.json"],
        0,
        &["carol put key prod-db at risk", "Why it fired", "service: KMS"],
        &["touched", "Late"],
    ),
    (
        &["--endpoint", "sec-slack", "--trace", "trace.json", "--rule", "key-touched"],
        0,
        &["🔵 low  carol touched a key", "09:30 CET"],
        &["at risk"],
    ),
    (
        &["--endpoint", "sec-slack", "--trace", "trace.json", "--rule", "keys-touched"],
        1,
        &["`keys-touched` does not ring for `trace.json`", "a rule with `when` may need more traces"],
        &[],
    ),
    (
        &["--endpoint", "sec-slack", "--trace", "trace.json", "--rule", "key-tuched"],
        2,
        &["no rule `key-tuched` (did you mean `key-touched`?)"],
        &[],
    ),
    (&["--format", "slack", "--trace", "nowhere.json"], 2, &["`nowhere.json`"], &[]),
    (&["--format", "slack", "--trace", "rules/test.yaml"], 1, &["rules/test.yaml"], &[]),
    // Mistakes.
    (&["--endpoint", "sec-slak"], 2, &["no endpoint `sec-slak` (did you mean `sec-slack`?)"], &[]),
    (&["--endpoint", "zebra"], 2, &["no endpoint `zebra`; configured are: duty, ops-mail, sec-bot"], &[]),
    (&["--endpoint", "soar", "--format", "slack"], 2, &["cannot be used with"], &[]),
    (&[], 2, &["--endpoint <NAME>", "--format <FORMAT>"], &[]),
    (&["--format", "slakc"], 2, &["slack-bot"], &[]),
    (&["--format", "slack", "--kind", "open"], 2, &["opened"], &[]),
    (&["--format", "slack", "--alert", "alr_x"], 2, &["there is no state at"], &[]),
];

#[test]
fn endpoints_and_formats_are_shown_and_mistakes_told() {
    let bridge = bridge();
    for (args, code, expected, absent) in CASES {
        let (found, text) = run(&bridge, args);
        assert_eq!(found, Some(*code), "{args:?}:\n{text}");
        for part in *expected {
            assert!(text.contains(part), "`{part}` is missing after {args:?}:\n{text}");
        }
        for part in absent.iter().chain(&["CANARY", "SECRET", "left-alone", "panicked", "\u{1b}"]) {
            assert!(!text.contains(part), "`{part}` after {args:?}:\n{text}");
        }
    }
    assert!(!bridge.path("tracebell.db").exists(), "a preview makes no state");
}

#[test]
fn a_mistake_in_an_endpoint_is_told_with_its_place() {
    let bridge = bridge();
    let bad = CONFIG.replace("timezone: Europe/Berlin", "timezone: Europe/Berln");
    std::fs::write(bridge.path("tracebell.yaml"), bad).unwrap();
    let (code, text) = run(&bridge, &["--endpoint", "soar"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("tracebell.yaml:8:") && text.contains("`Europe/Berln` is not a time zone"), "{text}");
    assert!(!text.contains("there-is-no-such-cloud") && !text.contains("nobody"), "{text}");
}

#[test]
fn what_is_written_to_a_file_is_what_would_be_sent() {
    let bridge = bridge();
    let (code, text) =
        run(&bridge, &["--format", "cloudevents", "--kind", "summary", "--as", "json", "--out", "body.json"]);
    assert_eq!((code, text.as_str()), (Some(0), ""));
    let body: serde_json::Value = serde_json::from_slice(&std::fs::read(bridge.path("body.json")).unwrap()).unwrap();
    assert_eq!(body["specversion"], "1.0");
    let (code, text) = run(&bridge, &["--format", "slack", "--out", "no/such/folder"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("cannot write `no/such/folder`"), "{text}");
}

#[test]
fn every_kind_in_every_format_begins_with_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        let sample = sample::notification(kind, clock::now());
        let sentences = [Some(facts::title(&sample)), facts::worse(&sample)];
        for format in FORMATS {
            let output = tracebell()
                .args(["preview", "--format", format, "--kind", kind.as_str()])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{format} {kind:?}: {text}");
            let first = text.lines().next().unwrap_or_default();
            let told = sentences.iter().flatten().any(|sentence| first.contains(sentence));
            assert!(told, "{format} {kind:?}: {first}");
            assert!(text.lines().count() > 3 && !text.contains("null"), "{format} {kind:?}:\n{text}");
        }
    }
}

fn run(bridge: &Bridge, args: &[&str]) -> (Option<i32>, String) {
    let mut command = bridge.command(&["preview"]);
    let output = command.args(args).env("TRACEBELL_TEST_IS_SET", "SECRET").output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}
