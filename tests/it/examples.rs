//! Every YAML example in the documents loads, by the reader of what it is: rules, overlays, a configuration or
//! the cloud's login. A part of something says in its first line of what, and stands here in a whole one:
//! ```` ```yaml rule ````, `topic`, `webhook`, or `head` for the comments above a rule file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;
use tracebell::{
    config,
    document::{File, draw},
    rule,
};

use crate::{docs, world};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What a part of a rule is put into.
const RULE: &str = "rules:\n  - id: one\n    title: One\n    severity: high\n    topics: [security]\n";
const SOURCES: &str = "sources: { prod: { cts: { cloud: otc } } }\n";
const ENDPOINTS: &str = "endpoints:\n  soar: { webhook: { url: https://soar.example.org/hook } }\n";

#[test]
fn every_example_loads() {
    let folder = folder();
    let mut seen = BTreeMap::new();
    for (name, text) in docs::documents() {
        for (line, mark, block) in blocks(&text) {
            let name = format!("{name}:{line}");
            *seen.entry(load(&name, mark, &block, folder.path())).or_insert(0) += 1;
        }
    }
    for (what, most) in [("rules", 10), ("overlays", 1), ("configuration", 20), ("login", 1)] {
        assert!(seen.get(what).is_some_and(|count| *count >= most), "only {seen:?}");
    }
}

/// An example that no test would find, because it is indented only.
#[test]
fn every_example_is_marked_as_yaml() {
    let mut unmarked = Vec::new();
    for (name, text) in docs::documents() {
        let mut fenced = false;
        for (index, line) in text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            let key = line.strip_prefix("    ").and_then(|line| line.split_once(':')).filter(|_| !fenced);
            let is_key =
                |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if key.is_some_and(|(key, rest)| is_key(key) && (rest.is_empty() || rest.starts_with(' '))) {
                unmarked.push(format!("{name}:{}: {line}", index + 1));
            }
        }
        assert!(!text.contains("```yml"), "{name}: write ```yaml");
    }
    assert!(unmarked.is_empty(), "put these between ```yaml and ```:\n{}", unmarked.join("\n"));
}

#[test]
fn shipped_configurations_pass_the_check() {
    let read = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).expect("the file exists");
    let folder = folder();
    let kubernetes = read("deploy/kubernetes/config.yaml");
    let (_, kubernetes) = kubernetes.split_once("tracebell.yaml: |\n").expect("the ConfigMap holds tracebell.yaml");
    let kubernetes: String =
        kubernetes.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    check("deploy/kubernetes/config.yaml", &kubernetes, folder.path());
    check("tracebell init", &read("src/cli/init/tracebell.yaml"), folder.path());
}

/// Says what it was taken for.
fn load(name: &str, mark: &str, block: &str, folder: &Path) -> &'static str {
    let keys: Vec<&str> = block
        .lines()
        .filter(|line| line.starts_with(|letter: char| letter.is_ascii_lowercase()))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let known = |schema: &Value| {
        let properties = schema["properties"].as_object().expect("a map at the top");
        !keys.is_empty() && keys.iter().all(|key| properties.contains_key(*key))
    };
    match mark {
        "rule" => rules(name, format!("{RULE}{block}")),
        "head" => rules(name, format!("{block}{RULE}    match: {{ service: KMS }}\n")),
        "topic" => {
            let items: String = block.lines().map(|line| format!("    {line}\n")).collect();
            check(name, &format!("{SOURCES}{ENDPOINTS}topics:\n  security:\n{items}"), folder);
            "configuration"
        }
        "webhook" => {
            let keys: String = block.lines().map(|line| format!("      {line}\n")).collect();
            let site = "http: { public_url: https://bell.example.org }\n";
            let hook =
                format!("{site}endpoints:\n  soar:\n    webhook:\n      url: https://soar.example.org/hook\n{keys}");
            check(name, &whole(&hook, &["endpoints"]), folder);
            "configuration"
        }
        "" if keys == ["clouds"] => {
            let kept = fs::read(folder.join("clouds.yaml")).expect("the folder holds it");
            fs::write(folder.join("clouds.yaml"), block).expect("the folder can be written");
            check(name, &whole("", &[]), folder);
            fs::write(folder.join("clouds.yaml"), kept).expect("the folder can be written");
            "login"
        }
        "" if keys == ["overlays"] => {
            let mut files = rule::shipped();
            files.push(File { name: name.to_owned(), text: block.to_owned() });
            let problems = rule::load(&files).1;
            assert!(problems.is_empty(), "{}", draw::draw(&problems, &files, false));
            "overlays"
        }
        "" if known(&rule::shape::schema()) && !keys.contains(&"overlays") => rules(name, block.to_owned()),
        "" if known(&config::shape::schema()) => {
            check(name, &whole(block, &keys), folder);
            "configuration"
        }
        _ => panic!("{name}: what is this (`{mark}`, {keys:?})? See the top of tests/it/examples.rs:\n{block}"),
    }
}

fn rules(name: &str, text: String) -> &'static str {
    let file = File { name: name.to_owned(), text };
    let (rules, problems) = rule::load(std::slice::from_ref(&file));
    assert!(problems.is_empty(), "{}", draw::draw(&problems, &[file], false));
    assert!(!rules.rules.is_empty(), "{name}");
    for rule in &rules.rules {
        for case in rule.run_cases() {
            assert_eq!(case.failure, None, "{name}: {}: {}", rule.id, case.name);
        }
    }
    "rules"
}

/// With what a configuration needs beside what is shown.
fn whole(block: &str, keys: &[&str]) -> String {
    let mut text = block.to_owned();
    let mut endpoint = "soar";
    if let Some(shown) = block.split("endpoints:\n").nth(1) {
        endpoint = shown.trim_start().split(':').next().expect("split gives at least one part");
    }
    for (key, default) in [
        ("sources", SOURCES.to_owned()),
        ("endpoints", ENDPOINTS.to_owned()),
        ("topics", format!("topics: {{ security: [ {{ endpoint: {endpoint} }} ] }}\n")),
    ] {
        if !keys.contains(&key) {
            text.push_str(&default);
        }
    }
    text
}

/// `tracebell check` with every secret at hand that the text names.
fn check(name: &str, text: &str, folder: &Path) {
    let text = text
        .replace("/run/secrets/smtp", "smtp")
        .replace("/run/secrets/tracebell/slack_url", "slack_url")
        .replace("/etc/tracebell-rules", "rules")
        .replace("/data/", "");
    fs::write(folder.join("tracebell.yaml"), &text).expect("the folder can be written");
    let named = text.split("env: ").skip(1).map(|rest| rest.split([' ', '}', '\n']).next().unwrap_or_default());
    let secrets: BTreeSet<&str> = named.collect();
    let output = world::tracebell()
        .arg("check")
        .current_dir(folder)
        .env("OS_CLIENT_CONFIG_FILE", "clouds.yaml")
        .env("NO_COLOR", "1")
        .envs(secrets.into_iter().map(|name| (name, secret(name))))
        .output()
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains(" 0 errors"), "{name}: {said}\n{text}");
}

/// What the examples' variables may hold.
fn secret(name: &str) -> &'static str {
    match name {
        "SLACK_URL" => "https://hooks.slack.com/services/T0/B0/x",
        "SLACK_TOKEN" => "xoxb-1234567890-abcdefghij",
        "TELEGRAM_TOKEN" => "123456789:AAbbccddeeffgghhiijjkkllmmnnooppqqr",
        "PROXY" => "http://user:password@proxy.example.org:3128",
        name if name.starts_with("SOAR_") && name.ends_with("SECRET") => "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0",
        name if name.ends_with("_URL") => "https://chat.example.org/hooks/0123456789abcdef",
        _ => "0123456789abcdef0123456789abcdef",
    }
}

/// With all files that the examples name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, text: &[u8]| fs::write(folder.path().join(path), text).expect("the folder can be written");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bell", "-days", "2"])
        .args(["-keyout", "bell.key", "-out", "bell.pem"])
        .current_dir(folder.path())
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    let read = |path: &str| fs::read(folder.path().join(path)).expect("openssl wrote it");
    write("ca.pem", &read("bell.pem"));
    write("smn.pem", &read("bell.pem"));
    write("smn.key", &read("bell.key"));
    write("smtp", b"secret\n");
    write("wall.token", b"fedcba9876543210fedcba98\n");
    write("slack_url", b"https://hooks.slack.com/services/T0/B0/x\n");
    write("clouds.yaml", CLOUDS.as_bytes());
    fs::create_dir(folder.path().join("rules")).expect("the folder can be written");
    write("rules/one.yaml", format!("{RULE}    match: {{ service: KMS }}\n").as_bytes());
    folder
}

const CLOUDS: &str = "clouds:
  otc:
    auth:
      auth_url: https://iam.eu-de.otc.t-systems.com/v3
      username: tracebell
      password: secret
      user_domain_name: OTC00000000001000000001
      project_name: eu-de
    region_name: eu-de
";

/// What is marked as YAML: its line, what stands behind the mark, and the text without the indent of a list.
fn blocks(text: &str) -> Vec<(usize, &str, String)> {
    let mut found: Vec<(usize, &str, String)> = Vec::new();
    let mut open: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        match (open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(if info.starts_with("yaml") { indent } else { "-" });
                found.extend(info.strip_prefix("yaml").map(|mark| (index + 1, mark.trim(), String::new())));
            }
            (Some(_), Some(_)) => open = None,
            (Some("-") | None, None) => {}
            (Some(indent), None) => {
                let (.., block) = found.last_mut().expect("it was opened");
                block.push_str(line.strip_prefix(indent).unwrap_or(line));
                block.push('\n');
            }
        }
    }
    found
}
