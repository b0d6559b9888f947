//! Rules on the past, from a file and from the emulated cloud, as people and pipelines run them.

use serde_json::Value;
use tracebell::clock;

use crate::world::{self, Bridge};

const RULES: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: critical
    match: { operation: deleteServer }
    dedup: { by: [resource.id], for: 1h }
    noise_budget: 3
    topics: [security]
  - id: many-stopped
    title: "{{ actor.name }} stops many servers"
    severity: medium
    match: { operation: stopServer }
    when: { count: { at_least: 3, within: 10m, by: [actor.name] } }
    topics: [security]
  - id: quiet
    title: Nothing
    severity: low
    match: { operation: neverHappens }
    topics: [security]
"#;

/// A trace of the test: what, which server, minutes after the start.
fn line(operation: &str, server: &str, minute: i64) -> String {
    let time = clock::Timestamp::from_second(1_767_960_000 + minute * 60).unwrap();
    world::trace(&format!("{operation}-{server}-{minute}"), operation, time)
        .to_string()
        .replace(&format!("server-{operation}-{server}-{minute}"), &format!("server-{server}"))
}

/// Newest first, with one trace twice and one line that is no trace.
fn past() -> String {
    let mut lines = vec!["{\"hello\": 1}".to_owned(), line("deleteServer", "a", 0)];
    for minute in [0, 1, 2] {
        lines.push(line("stopServer", "b", minute));
    }
    for (server, minute) in [("a", 0), ("b", 5), ("c", 6), ("d", 7), ("e", 60 * 26)] {
        lines.push(line("deleteServer", server, minute));
    }
    lines.reverse();
    lines.join("\n") + "\n"
}

fn bridge(rules: &str) -> Bridge {
    let bridge = Bridge::new("http://127.0.0.1:9", &world::config("soar", "http://127.0.0.1:9/hook"), rules);
    world::write(&bridge.path("past.ndjson"), &past());
    bridge
}

#[track_caller]
fn run(bridge: &Bridge, args: &[&str], code: i32, expected: &[&str]) -> String {
    let output = bridge.command(args).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}:\n{text}{told}");
    for part in expected {
        assert!(text.contains(part) || told.contains(part), "`{part}` is missing after {args:?}:\n{text}{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    text
}

#[test]
fn a_report_tells_what_would_have_rung() {
    let bridge = bridge(RULES);
    let expected = [
        "1 d 2 h, 2026-01-09",
        "8 traces read, 8 matched, 6 alerts (5.5 a day)",
        "1 trace left out: seen before",
        "1 record could not be read: the record has neither `trace_name` nor `service_type`",
        "over the noise budget: server-deleted",
        "4 of 3: over on 1 day",
        "1 rule matched nothing: quiet",
        "alice stops many servers",
        "(3 traces)",
        "soar: 7 notifications, no rate limit",
    ];
    run(&bridge, &["backtest", "--from-file", "past.ndjson"], 0, &expected);
    let report = run(&bridge, &["backtest", "--from-file", "past.ndjson", "--output", "json"], 0, &[]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let rule = &report["rules"][0];
    assert_eq!(rule["rule"], "server-deleted");
    assert_eq!((rule["matches"].as_u64(), rule["alerts"].as_u64()), (Some(5), Some(5)));
    assert_eq!(rule["by_day"], serde_json::json!([4, 1]));
    assert_eq!(rule["over_budget"], serde_json::json!([["2026-01-09", 4]]));
    let many = report["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "many-stopped").unwrap();
    assert_eq!((many["matches"].as_u64(), many["alerts"].as_u64()), (Some(3), Some(1)));
    assert!(!bridge.path("tracebell.db").exists(), "a backtest touches no state");
}

#[test]
fn a_difference_tells_what_is_lost_and_why() {
    let bridge = bridge(RULES);
    let narrower = RULES
        .replace("match: { operation: deleteServer }", "match: { operation: deleteServer, resource.name: server-a }")
        .replace("at_least: 3", "at_least: 4");
    world::write(&bridge.path("narrower.yaml"), &narrower);
    let args = ["backtest", "--from-file", "past.ndjson", "--rules", "narrower.yaml", "--against", "rules"];
    let expected = [
        "6 alerts before, 1 now: 5 lost, 4 of them critical; 0 gained",
        "`match.resource.name` no longer holds: expected `server-a`, found `server-b`",
        "threshold raised 3 -> 4",
    ];
    run(&bridge, &args, 1, &expected);
    let back = ["backtest", "--from-file", "past.ndjson", "--against", "narrower.yaml"];
    let expected = [
        "1 alert before, 6 now: 0 lost; 5 gained",
        "`match.resource.name` did not hold before: expected `server-a`, found `server-b`",
        "threshold lowered 4 -> 3",
    ];
    run(&bridge, &back, 0, &expected);
    let markdown = run(&bridge, &[&args[..], &["--output", "markdown"]].concat(), 1, &["| `server-deleted` | 5 | 1 |"]);
    assert!(markdown.starts_with("### :red_circle: 6 alerts before"), "{markdown}");
    let same = ["backtest", "--from-file", "past.ndjson", "--against", "rules"];
    run(&bridge, &same, 0, &["no difference: 6 alerts either way"]);
}

#[test]
fn each_way_to_lose_an_alert_has_its_reason() {
    let excepting =
        "topics: [security]\n    except: [ { reason: the test farm, match: { actor.name: alice } } ]\n  - id: many";
    for (good, bad, code, reason) in [
        ("operation: deleteServer }\n", "operation: deleteServer }\n    mode: shadow\n", 1, "its mode is now `shadow`"),
        ("operation: deleteServer }\n", "operation: deleteServer }\n    mode: 'off'\n", 1, "its mode is now `off`"),
        ("id: server-deleted", "id: server-gone", 1, "the rule was removed"),
        ("topics: [security]\n  - id: many", excepting, 1, "excepted now: the test farm"),
        ("severity: critical", "severity: high", 0, "`high` now, was `critical`"),
        ("by: [resource.id], for: 1h", "by: [actor.name], for: 1h", 0, "`dedup.by` resource.id -> actor.name"),
        ("within: 10m", "within: 1m", 0, "window shorter: 10 min -> 1 min"),
    ] {
        assert!(RULES.contains(good), "{good}");
        let bridge = bridge(RULES);
        world::write(&bridge.path("now.yaml"), &RULES.replace(good, bad));
        let args = ["backtest", "--from-file", "past.ndjson", "--rules", "now.yaml", "--against", "rules"];
        run(&bridge, &args, code, &[reason]);
    }
}

#[test]
fn a_page_shows_hostile_names_as_text() {
    let bridge = bridge(RULES);
    let hostile =
        past().replace("server-c", "<script>alert(1)</script>\\\" onload=\\\"x").replace("alice", "<b>&'mallory");
    world::write(&bridge.path("past.ndjson"), &hostile);
    world::write(&bridge.path("old.yaml"), &RULES.replace("deleteServer", "stopServer"));
    let args = ["backtest", "--from-file", "past.ndjson", "--against", "old.yaml", "--html", "report.html"];
    run(&bridge, &args, 1, &["written: report.html"]);
    let page = std::fs::read_to_string(bridge.path("report.html")).unwrap();
    assert!(page.contains("&lt;b&gt;&amp;&#39;mallory deleted server"), "{page}");
    for bad in ["<script", "<b>&", "onload=\"", "http://", "https://", "src=", "url("] {
        assert!(!page.contains(bad), "`{bad}` in {page}");
    }
    let markdown = run(&bridge, &[&args[..5], &["--output", "markdown"]].concat(), 1, &[]);
    assert!(markdown.contains("mallory") && !markdown.contains("<b>"), "{markdown}");
}

#[test]
fn bad_input_is_told_in_words() {
    let bridge = bridge(RULES);
    run(&bridge, &["backtest", "--from-file", "gone.ndjson"], 2, &["`gone.ndjson`: there is no such file"]);
    world::write(&bridge.path("none.ndjson"), "{\"a\":1}\n");
    run(
        &bridge,
        &["backtest", "--from-file", "none.ndjson"],
        2,
        &["no traces in none.ndjson; 1 record could not be read"],
    );
    run(&bridge, &["backtest", "--since", "8d"], 2, &["the cloud keeps traces for 7 days only"]);
    run(&bridge, &["backtest", "--since", "1h", "--source", "test"], 2, &["no source `test`; configured are: prod"]);
    world::write(&bridge.path("bad.yaml"), "rules: [ { id: x } ]\n");
    let args = ["backtest", "--from-file", "past.ndjson", "--against", "bad.yaml"];
    run(&bridge, &args, 2, &["bad.yaml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_is_read_to_its_oldest_trace() {
    let cloud = world::cloud().await;
    let now = clock::now();
    let hours = |hours: u64| clock::minus(now, std::time::Duration::from_secs(hours * 3600));
    for (number, back) in [1, 5, 30, 100, 160].into_iter().enumerate() {
        cloud.handle().add(vec![world::trace(&format!("t-{number}"), "deleteServer", hours(back))]);
    }
    let bridge = Bridge::new(&cloud.url(), &world::config("soar", "http://127.0.0.1:9/hook"), RULES);
    let report =
        tokio::task::spawn_blocking(move || run(&bridge, &["backtest", "--since", "7d", "--output", "json"], 0, &[]));
    let report: Value = serde_json::from_str(&report.await.unwrap()).unwrap();
    assert_eq!(report["traces"], 5);
    assert_eq!(report["alerts"], 5);
    cloud.shutdown().await;
}
