//! The documents tell the truth: links lead somewhere, commands exist, examples load.

use std::{collections::BTreeMap, fs, path::Path};

use clap::CommandFactory;
use tracebell::{
    cli::Cli,
    document::{File, draw},
    rule,
};

use crate::world;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for (name, text) in documents() {
        let folder = Path::new(ROOT).join(&name).parent().expect("a document is in a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.starts_with("https://") {
                continue;
            }
            let target = if path.is_empty() { Path::new(ROOT).join(&name) } else { folder.join(path) };
            let heading = |text: String| text.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
            if !target.exists() || !anchor.is_empty() && !fs::read_to_string(&target).is_ok_and(heading) {
                dead.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn commands_and_options_exist() {
    let (mut unknown, mut seen) = (Vec::new(), 0);
    for (name, text) in documents() {
        // Commands stand between backticks or alone on an indented line.
        let spans = text.split('`').skip(1).step_by(2);
        let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
        for code in spans.chain(lines).filter_map(|code| code.trim().strip_prefix("tracebell ")) {
            seen += 1;
            let mut command = Cli::command();
            for word in code.split_whitespace() {
                let found = match word.strip_prefix("--") {
                    Some(option) => {
                        let option = option.split('=').next().expect("split gives at least one part");
                        option == "help" || command.get_arguments().any(|known| known.get_long() == Some(option))
                    }
                    None => match command.find_subcommand(word).cloned() {
                        Some(next) => {
                            command = next;
                            true
                        }
                        // A value, if commands are not expected any more.
                        None => !command.has_subcommands(),
                    },
                };
                if !found {
                    unknown.push(format!("{name}: `tracebell {code}`: no `{word}`"));
                    break;
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    assert!(seen > 15, "{seen} commands found in the documents");
}

#[test]
fn rules_in_the_documents_load() {
    let mut seen = 0;
    for (name, text) in documents() {
        for block in yaml_blocks(&text).filter(|block| block.starts_with("rules:\n")) {
            seen += 1;
            let file = File { name: name.clone(), text: block.to_owned() };
            let (rules, problems) = rule::load(std::slice::from_ref(&file));
            assert!(problems.is_empty(), "{}", draw::draw(&problems, &[file], false));
            assert!(!rules.rules.is_empty());
            for rule in &rules.rules {
                for case in rule.run_cases() {
                    assert_eq!(case.failure, None, "{name}: {}: {}", rule.id, case.name);
                }
            }
        }
    }
    assert!(seen >= 3, "{seen} rule files found in the documents");
}

#[test]
fn overlays_in_the_documents_fit_the_shipped_rules() {
    let mut seen = 0;
    for (name, text) in documents() {
        for block in yaml_blocks(&text).filter(|block| block.starts_with("overlays:\n")) {
            seen += 1;
            let mut files = rule::shipped();
            files.push(File { name: name.clone(), text: block.to_owned() });
            let problems = rule::load(&files).1;
            assert!(problems.is_empty(), "{}", draw::draw(&problems, &files, false));
        }
    }
    assert!(seen >= 1, "no overlays found in the documents");
}

#[test]
fn configurations_in_the_documents_pass_the_check() {
    let read = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).expect("the file exists");
    let whole = read("docs/configuration.md");
    let whole = yaml_blocks(&whole).find(|block| block.starts_with("state:")).expect("a whole configuration");
    let kubernetes = read("deploy/kubernetes/config.yaml");
    let (_, kubernetes) = kubernetes.split_once("tracebell.yaml: |\n").expect("the ConfigMap holds tracebell.yaml");
    let kubernetes: String =
        kubernetes.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    let first = read("src/cli/init/tracebell.yaml");
    let topics = read("docs/topics.md");
    let topics = yaml_blocks(&topics).find(|block| block.starts_with("sources:")).expect("a whole configuration");
    check("docs/configuration.md", whole);
    check("docs/topics.md", topics);
    check("deploy/kubernetes/config.yaml", &kubernetes);
    check("tracebell init", &first);
}

/// `tracebell check` in a folder of its own, with every secret it names at hand.
fn check(name: &str, text: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, text: &str| fs::write(dir.path().join(path), text).expect("the folder can be written");
    write("smtp", "secret\n");
    write("slack_url", "https://hooks.slack.com/services/T0/B0/x\n");
    write("clouds.yaml", CLOUDS);
    let text = text
        .replace("/run/secrets/smtp", "smtp")
        .replace("/run/secrets/tracebell/slack_url", "slack_url")
        .replace("/etc/tracebell-rules", "rules")
        .replace("/data/", "");
    write("tracebell.yaml", &text);
    fs::create_dir(dir.path().join("rules")).expect("the folder can be written");
    write(
        "rules/one.yaml",
        "rules:\n  - { id: one, title: One, severity: high, topics: [security], match: { service: KMS } }\n",
    );
    let environment: BTreeMap<&str, &str> = BTreeMap::from([
        ("SLACK_URL", "https://hooks.slack.com/services/T0/B0/x"),
        ("SOAR_SECRET", "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"),
        ("OS_CLIENT_CONFIG_FILE", "clouds.yaml"),
        ("NO_COLOR", "1"),
    ]);
    let output = world::tracebell().arg("check").current_dir(dir.path()).envs(environment).output().expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains(" 0 errors"), "{name}: {said}");
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

/// The blocks marked as YAML.
fn yaml_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

/// How a heading is linked to.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-')
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Every document for people, by its path from the root.
fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in [".", "docs", "docs/decisions"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect("the folder exists") {
            let name = entry.expect("the folder can be listed").file_name().to_string_lossy().into_owned();
            if name.ends_with(".md") {
                let path = format!("{folder}/{name}");
                let text = fs::read_to_string(Path::new(ROOT).join(&path)).expect("a document can be read");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 10, "no documents found");
    found
}
