use super::*;

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// Codes found in a file, with the text under the caret.
fn found(text: &str) -> Vec<String> {
    let file = File { name: "rules.yaml".into(), text: text.into() };
    let (_, problems) = crate::rule::load(std::slice::from_ref(&file));
    assert!(!problems.iter().any(|problem| problem.level == Level::Error), "{text}: {problems:?}");
    let shown = |problem: &Problem| format!("{} {}", problem.code, &text[problem.span.start..problem.span.end]);
    lint(&[file], NOW).iter().map(shown).collect()
}

/// A rule of one condition, and the findings in it.
#[track_caller]
fn check(condition: &str, expected: &[&str]) {
    let text = format!(
        "lists: {{ people: [alice, bob] }}\nrules:\n  - id: some-rule\n    title: \"{{{{ actor.name }}}} did it\"\n    \
         severity: low\n    match: {condition}\n    except: [ {{ reason: r, match: {{ actor.name: $people }} }} ]\n"
    );
    assert_eq!(found(&text), expected, "{condition}");
}

#[test]
fn what_can_be_meant_is_left_alone() {
    for condition in [
        "{ service: KMS, operation: scheduleKeyDeletion, outcome: succeeded }",
        "{ service: kms, operation: \"*key*\", rating: [warning, incident] }",
        "{ operation: { prefix: delete }, action: delete }",
        "{ service: IAM, action: login, outcome: failed, rating: warning }",
        "{ service: ECS, operation: deleteServer, outcome: failed }",
        "{ service: ECS, operation: { prefix: delete }, resource.name: { suffix: -prod } }",
        "{ service: ECS, any: [ { operation: deleteServer }, { operation: stopServer, resource.name: { regex: '^db' } } ] }",
        "{ service: ECS, not: { operation: \"start*\" } }",
        "{ service: ECS, not: { operation: deleteServer, actor.name: alice } }",
        "{ service: ECS, resource.name: { exists: true }, source_ip: { exists: false } }",
        "{ all: [ { code: { gte: 400 } }, { code: { lt: 500 } } ], service: ECS }",
        "{ service: ECS, actor.name: $people, operation: { not: deleteServer } }",
        "{ source_ip: { cidr: 10.0.0.0/8 }, service: ECS, all: [ { source_ip: { not_cidr: 10.1.0.0/16 } } ] }",
        "{ service: OBS, request.bucket.acl: public-read, response.code: 200 }",
        "{ service: IAM, outcome: unknown, rating: strange-new } # allow: unknown-rating",
    ] {
        check(condition, &[]);
    }
}

#[test]
fn words_of_the_catalogue_and_of_the_cloud() {
    check("{ service: KSM, operation: disableKey }", &["unknown-service KSM"]);
    check("{ service: KSM, operation: disbleKey }", &["unknown-service KSM", "unknown-operation disbleKey"]);
    check("{ service: ECS, operation: [deleteServer, disableKey] }", &["unknown-operation disableKey"]);
    check("{ service: ECS, not: { operation: noSuchThing } }", &["unknown-operation noSuchThing"]);
    check("{ trace_name: deleteServer, service_type: ECS }", &["raw-name trace_name", "raw-name service_type"]);
    check("{ service: ECS, rating: [Critical, warnin] }", &["rating-is-severity Critical", "unknown-rating warnin"]);
    check("{ service: ECS, operation: deleteServer, rating: warning }", &["failed-deletion warning"]);
    check(
        "{ service: ECS, action: delete, trace_rating: Warning }",
        &["raw-name trace_rating", "failed-deletion Warning"],
    );
}

#[test]
fn what_can_never_hold() {
    for (condition, caret) in [
        ("{ service: ECS, outcome: succeeded, rating: warning }", "warning"),
        ("{ service: ECS, rating: { at_least: warning }, outcome: succeeded }", "succeeded"),
        ("{ service: ECS, any: [ { service: KMS }, { code: 200 } ] }", "KMS"),
        ("{ service: ECS, not: { service: ecs } }", "ecs"),
        ("{ service: ECS, operation: deleteServer, all: [ { operation: { prefix: stop } } ] }", "prefix"),
        ("{ service: ECS, operation: \"delete*\", all: [ { operation: \"stop*\" } ] }", "\"stop*\""),
        ("{ service: ECS, operation: deleteServer, action: create }", "create"),
        ("{ service: ECS, all: [ { code: { gte: 500 } }, { code: { lt: 500 } } ] }", "lt"),
        ("{ service: ECS, source_ip: 10.0.0.1, all: [ { source_ip: { cidr: 192.168.0.0/16 } } ] }", "cidr"),
        ("{ service: ECS, source_ip: { cidr: 10.0.0.0/8 }, all: [ { source_ip: { cidr: 11.0.0.0/8 } } ] }", "cidr"),
        ("{ service: ECS, resource.name: prod, all: [ { resource.name: { regex: '^test' } } ] }", "regex"),
        ("{ service: ECS, resource.name: prod, all: [ { resource.name: { exists: false } } ] }", "exists"),
        ("{ service: ECS, resource.name: prod, all: [ { resource.name: { not_in: [prod, test] } } ] }", "not_in"),
        ("{ service: ECS, operation: deleteServer, not: { service: ECS, action: delete } }", "not"),
    ] {
        check(condition, &[&format!("never-holds {caret}")]);
    }
}

#[test]
fn what_always_holds() {
    check("{ service: ECS, operation: \"*\" }", &["always-holds \"*\""]);
    check("{ service: ECS, not: { service: KMS } }", &["always-holds not"]);
    check("{ outcome: succeeded }", &["wide-rule outcome"]);
    check("{ rating: \"*\" }", &["wide-rule rating"]);
    check("{ outcome: failed }", &[]);
}

#[test]
fn keys_titles_exceptions_and_lists() {
    let rule = |title: &str, rest: &str| {
        format!(
            "lists: {{ people: [alice], admins: [bob] }}\nrules:\n  - id: some-rule\n    title: {title}\n    severity: low\n    \
             match: {{ service: ECS, actor.name: $people }}\n    {rest}\n"
        )
    };
    let who = "\"{{ actor.name }}\"";
    for (title, rest, expected) in [
        ("Something", "", vec!["unused-list admins", "title-names-nothing Something"]),
        (
            who,
            "dedup: { by: [trace_id, user.name] }",
            vec!["unused-list admins", "raw-name user.name", "unique-key trace_id"],
        ),
        ("\"{{ user.name }}\"", "", vec!["unused-list admins", "raw-name user.name"]),
        (
            who,
            "except: [ { reason: r, match: { actor.name: $admins }, until: 2026-01-31 } ]",
            vec!["expired-exception 2026-01-31"],
        ),
        (who, "except: [ { reason: r, match: { actor.name: $admins }, until: 2999-01-31 } ]", vec![]),
        (
            who,
            "except: [ { reason: r, match: { service: [ECS, KMS] } } ]",
            vec!["unused-list admins", "exception-takes-all service"],
        ),
        (who, "except: [ { reason: r, match: { service: KMS } } ]", vec!["unused-list admins", "idle-exception KMS"]),
        (
            who,
            "then: { match: { service: ECS, not: { service: ECS } }, within: 1h, severity: high }",
            vec!["unused-list admins", "never-holds ECS"],
        ),
        ("The nightly backup is missing", "when: { absent: { for: 25h } }", vec!["unused-list admins"]),
    ] {
        let mut found = found(&rule(title, rest));
        found.sort_by_key(|line| expected.iter().position(|wanted| wanted == line));
        assert_eq!(found, expected, "{title} {rest}");
    }
}

#[test]
fn rules_that_ring_for_the_same() {
    let rule = |id: &str, severity: &str, condition: &str, rest: &str| {
        format!("  - {{ id: {id}, title: \"{{{{ actor.name }}}}\", severity: {severity}, match: {condition}{rest} }}\n")
    };
    let key = "{ service: KMS, operation: disableKey }";
    let swapped = "{ operation: disableKey, service: KMS }";
    let wide = "{ service: KMS, operation: [disableKey, enableKey] }";
    let cases: &[(&str, &str, &str, &str, &[&str])] = &[
        (key, swapped, "low", "", &["duplicate-rule b"]),
        (key, swapped, "high", "", &["duplicate-rule b"]),
        (key, swapped, "low", ", topics: [other]", &[]),
        (key, swapped, "low", ", mode: off", &[]),
        (key, swapped, "low", ", when: { count: { at_least: 5, within: 1h } }", &[]),
        (wide, key, "low", "", &["shadowed-rule b"]),
        (key, wide, "low", "", &["shadowed-rule a"]),
        (wide, key, "high", "", &[]),
        (
            wide,
            key,
            "low",
            ", then: { match: { service: KMS, operation: deleteKey }, within: 1h, severity: high }",
            &["unknown-operation deleteKey"],
        ),
        ("{ service: KMS }", key, "low", "", &["shadowed-rule b"]),
        ("{ action: disable }", key, "low", "", &["shadowed-rule b"]),
        ("{ service: ECS }", key, "low", "", &[]),
    ];
    for (first, second, severity, rest, expected) in cases {
        let text = format!("rules:\n{}{}", rule("a", "low", first, ""), rule("b", severity, second, rest));
        assert_eq!(found(&text), *expected, "{text}");
    }
    let text = format!(
        "rules:\n{}{}overlays: [ {{ id: b, mode: off }} ]\n",
        rule("a", "low", key, ""),
        rule("b", "low", key, "")
    );
    assert_eq!(found(&text), [""; 0]);
}

#[test]
fn a_finding_can_be_answered_in_the_file() {
    let rule = "rules:\n  - id: a\n    title: \"{{ actor.name }}\"\n    severity: low\n    match:\n";
    let quiet = [
        "      operation: newThing # allow: unknown-operation\n",
        "      # Seen on 3 May. # allow: unknown-operation, raw-name\n      trace_name: newThing\n",
    ];
    let loud = [
        "      operation: newThing # allow: unknown-service\n",
        "      code: 200 # allow: unknown-operation\n      operation: newThing\n",
        "      # allow: unknown-operation\n      code: 200\n      operation: newThing\n",
    ];
    for lines in quiet {
        assert_eq!(found(&format!("{rule}{lines}")), [""; 0], "{lines}");
    }
    for lines in loud {
        assert_eq!(found(&format!("{rule}{lines}")), ["unknown-operation newThing"], "{lines}");
    }
}
