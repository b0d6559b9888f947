//! The command line as people and scripts meet it: words and exit codes.

use crate::world::{Bridge, tracebell};

const CONFIG: &str = "sources:\n  prod: { cts: { cloud: otc } }\n\
    endpoints:\n  soar: { webhook: { url: \"http://127.0.0.1:9/hook\" } }\n\
    topics:\n  security: [ { endpoint: soar } ]\n\
    http: { listen: \"127.0.0.1:0\" }\n\
    outbound: { allow: [127.0.0.0/8] }\n";

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
    run(&bridge, &["endpoint", "test", "soar"], 3, &["soar did not take the test now", "refused"]);
    let gone = ["no answer from http://127.0.0.1:9/readyz", "is Tracebell running there?"];
    let told = run(&bridge, &["healthcheck", "--url", "http://127.0.0.1:9/readyz"], 3, &gone);
    assert!(!told.contains("os error"), "{told}");
    // The configuration in this folder says where, even if it has a mistake elsewhere.
    let config = CONFIG.replace("127.0.0.1:0", "127.0.0.1:9").replace("soar } ]", "soar }, { endpoint: nobody } ]");
    std::fs::write(bridge.path("tracebell.yaml"), config).unwrap();
    run(&bridge, &["healthcheck"], 3, &gone);
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

#[test]
fn one_mistake_in_an_endpoint_is_one_error() {
    let config = CONFIG.replace("\"http://127.0.0.1:9/hook\"", "{ env: TRACEBELL_TEST_IS_NOT_SET }");
    let bridge = Bridge::new("http://127.0.0.1:9", &config, RULES);
    run(&bridge, &["check"], 1, &["`TRACEBELL_TEST_IS_NOT_SET` is not set", "bad: 1 error, 0 warnings"]);
}

#[test]
fn looking_beside_needs_no_secret_and_no_rule() {
    let config = CONFIG.replace("\"http://127.0.0.1:9/hook\"", "{ env: TRACEBELL_TEST_IS_NOT_SET }");
    let bridge = Bridge::new("http://127.0.0.1:9", &config, "rules: [ { id: broken } ]\n");
    run(&bridge, &["status"], 2, &["there is no state at", "tracebell.db"]);
    run(&bridge, &["delivery", "list"], 2, &["there is no state at"]);
    std::fs::write(bridge.path("tracebell.yaml"), format!("{config}state: {{ sqlte: {{}} }}\n")).unwrap();
    run(&bridge, &["status"], 2, &["unknown key `sqlte`"]);
}

#[test]
fn what_would_never_ring_or_ring_twice_is_told() {
    let cases = [
        ("cloud: otc }", "cloud: otc, projects: [a, a] }", "the project `a` stands here twice"),
        ("cloud: otc }", "cloud: otc, overlap: 30d }", "expected a duration from 1 s to 7 d, found 30 d"),
        ("cloud: otc }", "cloud: otc, poll_every: 2h }", "expected a duration from 500 ms to 1 h, found 2 h"),
        ("  prod:", "  prod/one:", "`prod/one` is not a name"),
        ("  security:", "  \"se curity\":", "`se curity` is not a name"),
        ("endpoint: soar }", "endpoint: soar, filter: { severity: [] } }", "an empty list takes nothing"),
        ("127.0.0.1:9/hook", "${HOOK}", "`${...}` is never expanded"),
        ("\"127.0.0.1:0\"", "8080", "`8080` is not an address with a port"),
        (
            "\"127.0.0.1:0\"",
            "127.0.0.1:0, trusted_proxies: [10.0.0.0/8, 10.0.0.0/33]",
            "http.trusted_proxies[1]: `10.0.0.0/33` is not a network",
        ),
        ("/hook\" } }", "/hook\" }, fallback: sour }", "no endpoint `sour`"),
    ];
    for (good, bad, told) in cases {
        assert!(CONFIG.contains(good), "{good}");
        let bridge = Bridge::new("http://127.0.0.1:9", &CONFIG.replace(good, bad), RULES);
        run(&bridge, &["check"], 1, &[told, "bad: 1 error"]);
    }
    let second = RULES.replace("rules:\n", "").replace("any-deletion", "second");
    let both = format!("{RULES}{second}");
    let bridge = Bridge::new("http://127.0.0.1:9", &CONFIG.replace("  security:", "  ops:"), &both);
    let told = [
        "there is no topic `security`, so this rule and one more cannot ring",
        "no rule publishes to `ops`",
        "the same traces as `any-deletion`",
        "3 warnings",
    ];
    run(&bridge, &["check"], 0, &told);
    let severe = CONFIG.replace("endpoint: soar }", "endpoint: soar, filter: { severity: low } }");
    let bridge = Bridge::new("http://127.0.0.1:9", &severe, &both);
    run(&bridge, &["check"], 0, &["no subscription of `security` takes severity `high`", "3 warnings"]);
    let bridge = Bridge::new("http://127.0.0.1:9", CONFIG, "rules: []\n");
    run(&bridge, &["check"], 0, &["there is no rule in these files", "1 warning"]);
}

#[test]
fn a_result_that_cannot_be_written_is_told_and_a_closed_pipe_is_not() {
    let bridge = bridge();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    for args in [&["test", "rules"][..], &["check", "--output", "json"], &["completions", "zsh"]] {
        let output = bridge.command(args).stdout(full.try_clone().unwrap()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {told}");
        assert!(told.contains("No space left") && !told.contains("panicked"), "{args:?}: {told}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bridge.command(args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
