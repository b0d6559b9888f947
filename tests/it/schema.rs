//! The schemas that editors complete from say what the readers read, no more and no less.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::Path,
    process::Stdio,
};

use serde_json::{Value, json};
use tracebell::{
    config,
    document::{File, Level, Problem, decode_bytes},
    rule,
};

use crate::world;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A key that is near no other.
const UNKNOWN: &str = "qqqqqqqqqqqqqqqqqqqq";

/// Each definition of the rules' schema with a file in which one map of that kind stands at `@`.
const RULE_MAPS: &[(&str, &str)] = &[
    ("", "{ @ }"),
    ("Rule", "rules: [ { @ } ]"),
    ("Exception", "rules: [ { except: [ { @ } ] } ]"),
    ("Dedup", "rules: [ { dedup: { @ } } ]"),
    ("Count", "rules: [ { when: { count: { @ } } } ]"),
    ("Distinct", "rules: [ { when: { distinct: { @ } } } ]"),
    ("FirstSeen", "rules: [ { when: { first_seen: { @ } } } ]"),
    ("Absent", "rules: [ { when: { absent: { @ } } } ]"),
    ("Sequence", "rules: [ { when: { sequence: { @ } } } ]"),
    ("Then", "rules: [ { then: { @ } } ]"),
    ("Fires", "rules: [ { cases: [ { fires: { service: KMS }, @ } ] } ]"),
    ("Silent", "rules: [ { cases: [ { silent: { service: KMS }, @ } ] } ]"),
    ("Story", "rules: [ { cases: [ { traces: [ { service: KMS } ], alerts: [], @ } ] } ]"),
    ("Expected", "rules: [ { cases: [ { traces: [ { service: KMS } ], alerts: [ { @ } ] } ] } ]"),
    ("RuleOverlay", "overlays: [ { id: x, @ } ]"),
    ("ListOverlay", "overlays: [ { list: x, items: [a], @ } ]"),
];

const CONFIG_MAPS: &[(&str, &str)] = &[
    ("", "{ @ }"),
    ("State", "state: { @ }"),
    ("Sqlite", "state: { sqlite: { @ } }"),
    ("Http", "http: { @ }"),
    ("Token", "http: { tokens: [ { @ } ] }"),
    ("Source", "sources: { a: { @ } }"),
    ("Cts", "sources: { a: { cts: { @ } } }"),
    ("Archive", "sources: { a: { archive: { @ } } }"),
    ("Push", "sources: { a: { cts: { cloud: x }, smn: { @ } } }"),
    ("Outbound", "outbound: { @ }"),
    ("Endpoint", "endpoints: { a: { @ } }"),
    ("Slack", "endpoints: { a: { slack: { @ } } }"),
    ("Mattermost", "endpoints: { a: { mattermost: { @ } } }"),
    ("Rocketchat", "endpoints: { a: { rocketchat: { @ } } }"),
    ("Email", "endpoints: { a: { email: { @ } } }"),
    ("Smtp", "endpoints: { a: { email: { smtp: { @ }, from: a, to: [a] } } }"),
    ("Webhook", "endpoints: { a: { webhook: { @ } } }"),
    ("Sign", "endpoints: { a: { webhook: { url: 'https://x', sign: { @ } } } }"),
    ("Publisher", "endpoints: { a: { webhook: { url: 'https://x', format: smn, smn: { @ } } } }"),
    ("Basic", "endpoints: { a: { webhook: { url: 'https://x', basic: { @ } } } }"),
    ("Secret", "endpoints: { a: { slack: { webhook_url: { @ } } } }"),
    ("Teams", "endpoints: { a: { teams: { @ } } }"),
    ("Telegram", "endpoints: { a: { telegram: { @ } } }"),
    ("PagerDuty", "endpoints: { a: { pagerduty: { @ } } }"),
    ("Opsgenie", "endpoints: { a: { opsgenie: { @ } } }"),
    ("Alertmanager", "endpoints: { a: { alertmanager: { @ } } }"),
    ("Smn", "endpoints: { a: { smn: { @ } } }"),
    ("TrustAndIdentity", "endpoints: { a: { alertmanager: { url: 'https://x', tls: { @ } } } }"),
    ("RateLimit", "endpoints: { a: { webhook: { url: 'https://x' }, rate_limit: { @ } } }"),
    ("Inhibition", "inhibitions: [ { @ } ]"),
    ("Wanting", "inhibitions: [ { name: n, when: { rule: { @ } } } ]"),
    ("Subscription", "topics: { a: [ { @ } ] }"),
    ("Those", "endpoints: { b: {} }\ntopics: { a: [ { endpoint: b, filter: { severity: { @ } } } ] }"),
    ("Digest", "endpoints: { b: {} }\ntopics: { a: [ { endpoint: b, digest: { @ } } ] }"),
    ("Schedule", "endpoints: { b: {} }\ntopics: { a: [ { endpoint: b, schedule: { @ } } ] }"),
    ("Quiet", "endpoints: { b: {} }\ntopics: { a: [ { endpoint: b, schedule: { quiet: { @ } } } ] }"),
    ("Grouping", "endpoints: { b: {} }\ntopics: { a: [ { endpoint: b, group: { @ } } ] }"),
    ("Storm", "storm: { @ }"),
    ("CloudRequests", "cloud_requests: { @ }"),
];

#[test]
fn rules_are_described_key_by_key() {
    let read = |text: String| rule::load(&[File { name: "rules.yaml".into(), text }]).1;
    // Conditions and samples take fields, which one table lists for both; see below for the other two.
    compare(&rule::shape::schema(), RULE_MAPS, &["Group", "Sample", "Told", "Operator", "When"], read);
}

#[test]
fn the_configuration_is_described_key_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: String| {
        let path = folder.path().join("tracebell.yaml");
        fs::write(&path, text).unwrap();
        config::load(&path).problems
    };
    // A filter takes fields, which one table lists for both sides.
    compare(&config::shape::schema(), CONFIG_MAPS, &["Filter", "Group", "Operator"], read);
}

#[test]
fn operators_and_kinds_of_when_are_described() {
    let schema = rule::shape::schema();
    for (definition, text, mark) in [
        ("Operator", format!("rules: [ {{ match: {{ service: {{ {UNKNOWN}: x }} }} }} ]"), "operators: "),
        ("When", format!("rules: [ {{ when: {{ {UNKNOWN}: x }} }} ]"), "`when` is one of "),
    ] {
        let (_, problems) = rule::load(&[File { name: "rules.yaml".into(), text }]);
        let listed = problems.iter().find_map(|problem| problem.hint.as_ref()?.strip_prefix(mark)).unwrap();
        let words = listed.replace(" or ", ", ").replace('`', "");
        let known: BTreeSet<String> = words.split(", ").map(str::to_owned).collect();
        assert_eq!(known, keys(&schema["definitions"][definition]), "{definition}");
    }
}

/// The kinds of a case, which one reader tells apart.
const CASES: [&str; 3] = ["Fires", "Silent", "Story"];

/// Adds a key nobody knows to a map of each kind: the reader then lists those it knows.
fn compare(schema: &Value, maps: &[(&str, &str)], others: &[&str], read: impl Fn(String) -> Vec<Problem>) {
    let (mut cases_known, mut cases_described) = (BTreeSet::new(), BTreeSet::new());
    for (definition, text) in maps {
        let map = if definition.is_empty() { schema } else { &schema["definitions"][*definition] };
        let problems = read(text.replace('@', &format!("{UNKNOWN}: 1")));
        let unknown = problems.iter().find(|problem| problem.text == format!("unknown key `{UNKNOWN}`"));
        let unknown = unknown.unwrap_or_else(|| panic!("{definition}: {problems:#?}"));
        let listed = unknown.hint.as_ref().unwrap().strip_prefix("known keys: ").unwrap();
        let known: BTreeSet<String> = listed.split(", ").map(str::to_owned).collect();
        // What an overlay may not change, and what a case of another kind holds, is known only to be refused.
        let refused = definition.ends_with("Overlay") || CASES.contains(definition);
        let described = keys(map);
        if CASES.contains(definition) {
            cases_known.extend(known.clone());
            cases_described.extend(described.clone());
        }
        if refused {
            assert!(described.is_subset(&known), "{definition}: {described:?}, read are {known:?}");
        } else {
            assert_eq!(known, described, "{definition}");
        }
        for key in described.iter().filter(|_| refused) {
            let problems = read(text.replace('@', &format!("{key}: 1")));
            let bad =
                |problem: &&Problem| problem.text.starts_with("unknown key") || problem.text.contains("be overlaid");
            assert!(!problems.iter().any(|problem| bad(&problem)), "{definition}.{key}: {problems:#?}");
        }
    }
    assert_eq!(cases_known, cases_described, "cases");
    let strict = |(name, map): (&String, &Value)| {
        (map["additionalProperties"] == json!(false) && !others.contains(&name.as_str())).then(|| name.clone())
    };
    let described: BTreeSet<String> = schema["definitions"].as_object().unwrap().iter().filter_map(strict).collect();
    let compared: BTreeSet<String> =
        maps.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !name.is_empty()).collect();
    assert_eq!(described, compared, "every map of the schema is compared with its reader");
}

fn keys(map: &Value) -> BTreeSet<String> {
    map["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn everything_is_explained() {
    for schema in [rule::shape::schema(), config::shape::schema()] {
        let maps = schema["definitions"].as_object().unwrap().iter();
        for (name, map) in maps.chain([(&"top".to_owned(), &schema)]) {
            for (key, shape) in map["properties"].as_object().into_iter().flatten() {
                let words = shape["description"].as_str().unwrap_or_default();
                assert!(words.len() > 8 && !words.contains('\n'), "{name}.{key}: {shape}");
            }
        }
    }
}

/// Mistakes of shape among the bad files; the others are right in shape and wrong in sense.
const MISSHAPEN: &[&str] = &[
    "bad-id",
    "boolean-text",
    "case",
    "case-story",
    "dedup",
    "duration",
    "empty-group",
    "except",
    "exists-is-yes",
    "list-at-top",
    "match-is-a-list",
    "missing-keys",
    "mode",
    "never-true",
    "no-condition",
    "no-match",
    "no-value",
    "noise-budget",
    "operator-as-field",
    "overlay-list",
    "overlay-map",
    "severity-is-a-rating",
    "severity-slip",
    "then",
    "two-operators",
    "unknown-field",
    "unknown-key",
    "unknown-operator",
    "when-absent",
    "when-count",
    "when-distinct",
    "when-first-seen",
    "when-kind",
    "when-sequence",
];

#[test]
fn files_that_load_are_valid_and_misshapen_ones_are_not() {
    let (mut texts, mut good) = (Vec::new(), BTreeSet::new());
    let mut add = |name: String, schema: &str, text: String, is_good: bool| {
        texts.push(json!({ "name": name, "schema": schema, "text": text }));
        if is_good {
            good.insert(name);
        }
    };
    for file in rule::shipped() {
        add(file.name, "rules", file.text, true);
    }
    add(
        "init".into(),
        "config",
        fs::read_to_string(Path::new(ROOT).join("src/cli/init/tracebell.yaml")).unwrap(),
        true,
    );
    for name in ["rules.md", "configuration.md", "endpoints.md"] {
        let text = fs::read_to_string(Path::new(ROOT).join("docs").join(name)).unwrap();
        for (index, block) in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).enumerate() {
            let rules = ["rules:\n", "overlays:", "lists:"].iter().any(|start| block.starts_with(start));
            if rules || block.starts_with("state:") {
                add(format!("{name} {index}"), if rules { "rules" } else { "config" }, block.to_owned(), true);
            }
        }
    }
    let bad = Path::new(ROOT).join("tests/fixtures/rules/bad");
    let mut names: Vec<_> = fs::read_dir(bad).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Ok(file) = decode_bytes(&stem, &fs::read(path).unwrap()) else { continue };
        // What only gives a warning loads.
        let loads = !rule::load(std::slice::from_ref(&file)).1.iter().any(|problem| problem.level == Level::Error);
        add(stem, "rules", file.text, loads);
    }
    let schemas = json!({ "rules": rule::shape::schema(), "config": config::shape::schema() });
    let found = validate(&json!({ "schemas": schemas, "texts": texts }));
    for name in &good {
        assert!(found[name].is_empty(), "{name}: {:#?}", found[name]);
    }
    for name in MISSHAPEN {
        assert!(!found[*name].is_empty(), "{name} is valid");
    }
    assert!(good.len() > 15, "{good:?}");
}

fn validate(task: &Value) -> BTreeMap<String, Vec<String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/schema_check.py");
    let mut python = world::python().arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the validator failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The first lines say where the schema is, and `init` puts it there.
#[test]
fn shipped_files_name_the_schema_that_init_writes() {
    let folder = tempfile::tempdir().unwrap();
    let output = world::tracebell().arg("init").current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut files: Vec<_> =
        fs::read_dir(folder.path().join("rules")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(folder.path().join("tracebell.yaml"));
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        let named =
            first.strip_prefix("# yaml-language-server: $schema=").unwrap_or_else(|| panic!("{path:?}: {first}"));
        let schema = fs::read_to_string(path.parent().unwrap().join(named)).unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{path:?}");
    }
}

#[test]
fn the_command_prints_both() {
    for (of, title) in [("rules", "Tracebell rules"), ("config", "Tracebell configuration")] {
        let output = world::tracebell().args(["schema", of]).output().unwrap();
        let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(output.status.success() && schema["title"] == title, "{schema}");
    }
}
