//! `tracebell check`: what it says, to people and to programs.

use std::{collections::BTreeSet, fs, path::Path};

use tracebell::cli::check::codes;

use crate::world::{self, Bridge};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rules");

/// Exit code, standard output, standard error, in the folder of the fixtures.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = world::tracebell().arg("check").args(args).current_dir(FIXTURES).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Every mistake of the demonstration, drawn. `TRACEBELL_UPDATE=1` writes the drawing anew.
#[test]
fn the_demonstration_is_drawn_as_expected() {
    let (code, out, err) = run(&["demonstration"]);
    assert_eq!(code, Some(1), "{out}{err}");
    let drawing = format!("{err}\n{out}");
    let expected = Path::new(FIXTURES).join("demonstration.txt");
    if std::env::var_os("TRACEBELL_UPDATE").is_some() {
        fs::write(&expected, &drawing).expect("a file can be written");
    }
    let expected = fs::read_to_string(&expected).expect("the snapshot");
    assert!(expected == drawing, "not as in demonstration.txt (TRACEBELL_UPDATE=1 accepts):\n{drawing}");
    let mistakes = err.lines().filter(|line| line.starts_with("error") || line.starts_with("warning"));
    // What was found, without the names in it.
    let kind = |line: &str| line.rsplit(": ").next().unwrap_or(line).split('`').step_by(2).collect::<String>();
    let kinds: BTreeSet<String> = mistakes.map(kind).collect();
    assert!(kinds.len() >= 40, "{} kinds of mistakes: {kinds:#?}", kinds.len());
}

#[test]
fn warnings_count_only_if_asked_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let text = "rules:\n  - { id: a, title: \"{{ actor.name }}\", severity: low, match: { service: KSM } }\n";
    fs::write(&rules, text).expect("a file can be written");
    let path = rules.to_str().expect("UTF-8");
    let (code, out, err) = run(&[path]);
    assert_eq!((code, out.as_str()), (Some(0), "good: 1 rule in 1 file; 0 errors, 1 warning\n"), "{err}");
    assert!(
        err.contains("warning[unknown-service]: a.match.service: `KSM`") && err.contains("did you mean `KMS`?"),
        "{err}"
    );
    assert_eq!(run(&[path, "--strict"]).0, Some(1));
    fs::write(&rules, text.replace("KSM", "KMS")).expect("a file can be written");
    assert_eq!(run(&[path, "--strict"]).0, Some(0));
    let (code, _, err) = run(&["nowhere"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("there is no such file or folder: nowhere"), "{err}");
}

#[test]
fn programs_get_places_codes_and_hints() {
    let (code, out, err) = run(&["demonstration", "--output", "json"]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    let problems: Vec<serde_json::Value> = serde_json::from_str(&out).expect("JSON");
    let slip = problems.iter().find(|problem| problem["text"] == "unknown key `topcis`").expect("the slip");
    let expected = serde_json::json!({
        "level": "error", "code": "unknown-key", "file": "demonstration/rules.yaml", "line": 20, "column": 5,
        "end_line": 20, "end_column": 11, "path": "key-disabled", "text": "unknown key `topcis`",
        "hint": "did you mean `topics`?",
    });
    assert_eq!(*slip, expected);
    let known: BTreeSet<&str> = codes().map(|(code, _)| *code).collect();
    for problem in &problems {
        assert!(known.contains(problem["code"].as_str().expect("a code")), "{problem}");
    }
}

/// What SARIF 2.1.0 asks for, as far as code scanning reads it.
#[test]
fn code_scanning_gets_sarif() {
    let (code, out, err) = run(&["demonstration", "--output", "sarif"]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    let log: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), rules.len(), "a code stands twice");
    let results = run["results"].as_array().expect("results");
    assert!(results.len() > 40, "{}", results.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().expect("a level")));
        assert!(!result["message"]["text"].as_str().expect("a text").is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].as_str().expect("a path").starts_with("demonstration/"));
        // A file that is not text has no places.
        let Some(region) = place.get("region") else { continue };
        let number = |key: &str| region[key].as_u64().expect("a number");
        assert!(number("startLine") >= 1 && number("startColumn") >= 1, "{region}");
        let (start, end) = ((number("startLine"), number("startColumn")), (number("endLine"), number("endColumn")));
        assert!(end >= start, "{region}");
    }
    let slip = results.iter().find(|result| result["ruleId"] == "unknown-key").expect("the slip");
    let change = &slip["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change["insertedContent"]["text"], "topics");
    let region = serde_json::json!({ "startLine": 20, "startColumn": 5, "endLine": 20, "endColumn": 11 });
    assert_eq!((&change["deletedRegion"], &slip["locations"][0]["physicalLocation"]["region"]), (&region, &region));
}

#[test]
fn who_hears_nothing_is_told() {
    let config = |topics: &str| {
        format!(
            "sources:\n  prod: {{ cts: {{ cloud: otc }} }}\nendpoints:\n  soar: {{ webhook: {{ url: \"http://127.0.0.1:9/hook\" }} }}\n\
             notices: ops\ntopics:\n  ops: [ {{ endpoint: soar }} ]\n  default: [ {{ endpoint: soar }} ]\n{topics}\
             outbound: {{ allow: [127.0.0.0/8] }}\n"
        )
    };
    let rule = |rest: &str| {
        format!(
            "rules:\n  - id: a\n    title: \"{{{{ actor.name }}}}\"\n    severity: low\n    match: {{ service: KMS }}\n{rest}"
        )
    };
    let security = "    topics: [security]\n";
    let escalates = "    then: { match: { service: KMS, operation: disableKey }, within: 1h, severity: high }\n    topics: [security]\n";
    let high = "  security: [ { endpoint: soar, filter: { severity: { at_least: high } } } ]\n";
    let low = "  security: [ { endpoint: soar, filter: { severity: [low] } }, { endpoint: soar, filter: { severity: high } } ]\n";
    for (topics, rest, expected) in [
        ("", "", &[][..]),
        (
            "",
            security,
            &["warning[unknown-topic]: a: there is no topic `security`, so this rule cannot ring", "^^^^^^^^"],
        ),
        (
            "  securty: []\n",
            security,
            &["did you mean `securty`?", "warning[idle-topic]: topics.securty: no rule publishes"],
        ),
        (high, security, &["warning[unheard-rule]: a: no subscription of `security` takes severity `low`"]),
        (high, escalates, &[]),
        (low, security, &["warning[idle-subscription]: topics.security[1].filter: this filter lets nothing through"]),
        (high, "    mode: off\n    topics: [security]\n", &[]),
    ] {
        let bridge = Bridge::new("http://127.0.0.1:9", &config(topics), &rule(rest));
        let output = bridge.command(&["check"]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.is_empty(), expected.is_empty(), "{topics}{rest}:\n{said}");
        expected.iter().for_each(|words| assert!(said.contains(words), "`{words}` is missing:\n{said}"));
    }
}

#[test]
fn names_that_nothing_bears_are_told_with_what_was_meant() {
    let config = |filter: &str, inhibition: &str| {
        format!(
            "sources:\n  prod: {{ cts: {{ cloud: otc }} }}\nendpoints:\n  soar: {{ webhook: {{ url: \"http://127.0.0.1:9/hook\" }} }}\n\
             topics:\n  default:\n    - {{ endpoint: soar }}\n    - {{ endpoint: soar, filter: {{ {filter} }} }}\n\
             inhibitions:\n  - {{ name: n, {inhibition} }}\noutbound: {{ allow: [127.0.0.0/8] }}\n"
        )
    };
    let rules =
        "rules:\n  - id: key-used\n    title: \"{{ actor.name }}\"\n    severity: low\n    match: { service: KMS }\n";
    let good = "when: { rule: key-used }, mutes: { severity: info }";
    for (filter, inhibition, expected) in [
        ("rule: 'key-*', source: [prod], service: kms", good, &[][..]),
        ("service: { prefix: KM }", "when: { rule: 'key*' }, mutes: { source: { not: prod } }", &[]),
        (
            "severity: low",
            "when: { rule: key-usde }, mutes: { rule: [key-used, other] }",
            &[
                "warning[unknown-rule]: inhibitions[0].when.rule: there is no rule `key-usde`",
                "did you mean `key-used`?",
                "warning[unknown-rule]: inhibitions[0].mutes.rule[1]: there is no rule `other`",
                "name the `id` of a rule",
                "tracebell.yaml:10:30",
            ],
        ),
        (
            "source: { not: prd }",
            good,
            &["topics.default[1].filter.source.not: there is no source `prd`", "did you mean `prod`?"],
        ),
        ("source: elsewhere", good, &["there is no source `elsewhere`", "there is `prod`"]),
        (
            "service: [KSM, ECS]",
            good,
            &[
                "warning[unknown-service]: topics.default[1].filter.service[0]: there is no service `KSM`",
                "did you mean `",
            ],
        ),
        ("rule: { not: ['lock-*'] }", good, &["filter.rule.not[0]: no rule is named as `lock-*` says"]),
    ] {
        let bridge = Bridge::new("http://127.0.0.1:9", &config(filter, inhibition), rules);
        let output = bridge.command(&["check"]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.is_empty(), expected.is_empty(), "{filter}, {inhibition}:\n{said}");
        expected.iter().for_each(|words| assert!(said.contains(words), "`{words}` is missing:\n{said}"));
    }
}

#[test]
fn the_documents_list_every_code() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/check.md")).expect("docs/check.md");
    let listed: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")).collect();
    assert_eq!(listed, codes().copied().collect::<Vec<_>>());
}
