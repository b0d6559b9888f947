//! The command line as people and scripts meet it: words and exit codes.

use crate::world::{Bridge, tracebell};

const CONFIG: &str = "sources:\n  prod: { cts: { cloud: otc } }\n\
    endpoints:\n  soar: { webhook: { url: \"http://127.0.0.1:9/hook\" } }\n\
    topics:\n  security: [ { endpoint: soar } ]\n\
    http: { listen: \"127.0.0.1:0\" }\n";

const RULES: &str = "rules:\n  - id: any-deletion\n    title: \"{{ actor.name }} deleted something\"\n    severity: high\n    \
    match: { operation: \"delete*\" }\n    topics: [security]\n    cases:\n      - fires: { operation: deleteUser }\n      - silent: { operation: createUser }\n";

#[track_caller]
fn run(bridge: &Bridge, args: &[&str], code: i32, expected: &[&str]) -> String {
    let output = bridge.command(args).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}:\n{text}");
    for part in expected {
        assert!(text.contains(part), "`{part}` is missing after {args:?}:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    text
}

fn bridge() -> Bridge {
    Bridge::new("http://127.0.0.1:9", CONFIG, RULES)
}

#[test]
fn every_command_explains_itself() {
    let bridge = bridge();
    let help = run(&bridge, &["--help"], 0, &["demo", "run", "init", "check", "test", "status", "delivery", "emulate"]);
    for line in help.lines().filter(|line| line.starts_with("  ") && !line.trim_start().starts_with('-')) {
        let command = line.split_whitespace().next().expect("a word");
        if command != "help" {
            run(&bridge, &[command, "--help"], 0, &["Usage:"]);
        }
    }
}

#[test]
fn good_things_exit_with_zero() {
    let bridge = bridge();
    run(&bridge, &["check"], 0, &["good:"]);
    run(&bridge, &["test", "rules"], 0, &["any-deletion"]);
    run(&bridge, &["completions", "bash"], 0, &["tracebell"]);
}

#[test]
fn a_failing_case_exits_with_one_and_says_which_condition() {
    let bridge = Bridge::new("http://127.0.0.1:9", CONFIG, &RULES.replace("createUser", "deleteAgency"));
    run(&bridge, &["test", "rules"], 1, &["any-deletion", "deleteAgency"]);
}

#[test]
fn wrong_usage_exits_with_two() {
    let bridge = bridge();
    run(&bridge, &["dance"], 2, &["unrecognized subcommand"]);
    run(&bridge, &["endpoint", "test", "nobody"], 2, &["no endpoint `nobody`", "soar"]);
    std::fs::remove_file(bridge.path("tracebell.yaml")).unwrap();
    run(&bridge, &["run"], 2, &["tracebell.yaml", "does not exist", "tracebell init"]);
}

#[test]
fn the_outside_world_failing_exits_with_three() {
    let bridge = bridge();
    run(&bridge, &["endpoint", "test", "soar"], 3, &["soar did not take it now"]);
    run(&bridge, &["healthcheck", "--url", "http://127.0.0.1:9/readyz"], 3, &[]);
}

#[test]
fn a_first_configuration_is_good_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let init = tracebell().args(["init", "--dir"]).arg(folder.path()).output().unwrap();
    assert_eq!(init.status.code(), Some(0), "{}", String::from_utf8_lossy(&init.stderr));
    let again = tracebell().args(["init", "--dir"]).arg(folder.path()).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "init wrote over what was there");
    let rules = tracebell().arg("test").arg(folder.path().join("rules")).output().unwrap();
    assert_eq!(rules.status.code(), Some(0), "{}", String::from_utf8_lossy(&rules.stdout));
}
