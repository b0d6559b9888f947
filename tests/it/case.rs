//! Cases: what they leave out is filled in, stories run on a clock, and failures say what differs.

use tracebell::{
    document::{File, Level},
    rule,
};

/// What one case makes of a rule: `None` if it comes out as it says.
#[track_caller]
fn outcome(rule: &str, case: &str) -> Option<String> {
    let indent = |text: &str, by: &str| text.trim().replace('\n', &format!("\n{by}"));
    let text = format!(
        "rules:\n  - id: some-rule\n    title: \"{{{{ actor.name }}}} did {{{{ operation }}}} to {{{{ resource.name or resource.id }}}}\"\n    \
         severity: low\n    {}\n    cases:\n      - {}\n",
        indent(rule, "    "),
        indent(case, "        ")
    );
    let (set, problems) = rule::load(&[File { name: "rules.yaml".into(), text: text.clone() }]);
    assert!(problems.iter().all(|problem| problem.level == Level::Warning), "{problems:?}\n{text}");
    set.rules[0].run_cases().remove(0).failure
}

#[track_caller]
fn check(rule: &str, case: &str) {
    assert_eq!(outcome(rule, case), None, "{case}");
}

#[track_caller]
fn fails(rule: &str, case: &str, expected: &str) {
    assert_eq!(outcome(rule, case).as_deref(), Some(expected), "{case}");
}

const KEYS: &str = "match: { service: KMS, operation: [disableKey, scheduleKeyDeletion] }";

#[test]
fn what_a_case_leaves_out_is_filled_in() {
    let title = |title: &str, trace: &str| check(KEYS, &format!("fires: {trace}\ntitle: {title}"));
    title("sample-actor did disableKey to sample-cmk", "{ service: KMS, operation: disableKey }");
    title(
        "alice did disableKey to k1",
        "{ service: KMS, operation: disableKey, actor.name: alice, resource: { id: k1 } }",
    );
    title(
        "'- did disableKey to -'",
        "{ service: KMS, operation: disableKey, actor.name: null, resource: { name: null, id: null } }",
    );
    let exists = |field: &str, yes: bool| format!("match: {{ {field}: {{ exists: {yes} }} }}");
    for field in
        ["actor.id", "actor.domain", "source_ip", "resource.type", "resource.id", "project.id", "region", "code"]
    {
        check(&exists(field, true), "fires: { service: KMS, operation: disableKey }");
        check(&exists(field, false), &format!("fires: {{ service: KMS, operation: disableKey, {field}: null }}"));
        check(&exists(field, false), "fires: { service: KMS }");
    }
    check(&exists("code", false), "fires: { service: KMS, operation: disableKey, outcome: failed }");
    check("match: { time.weekday: monday, time.hour: 10 }", "fires: { service: KMS, operation: disableKey }");
}

#[test]
fn a_case_names_the_key() {
    let rule = "match: { service: KMS, operation: disableKey }\ndedup: { by: [actor.name, source_ip] }";
    let case = |key: &str| {
        format!("fires: {{ service: KMS, operation: disableKey, actor.name: alice, source_ip: 192.0.2.1 }}\nkey: {key}")
    };
    check(rule, &case("{ user.name: alice, source_ip: 192.0.2.1 }"));
    fails(rule, &case("{ actor.name: bob }"), "expected `bob` for `actor.name` in the key, found `alice`");
    fails(rule, &case("{ region: eu-de }"), "expected `region` in the key, which holds [actor.name, source_ip]");
}

#[test]
fn exceptions_and_steps_count_in_short_cases() {
    let rule =
        "match: { service: KMS, operation: disableKey }\nexcept:\n  - { reason: rotation, match: { actor.name: ci } }";
    check(rule, "silent: { service: KMS, operation: disableKey, actor.name: ci }");
    fails(
        rule,
        "fires: { service: KMS, operation: disableKey, actor.name: ci }",
        "expected to fire, was silent: excepted in rules.yaml:7: rotation",
    );
    let rule = "when:\n  sequence:\n    steps: [{ service: IAM, operation: createUser }, { service: IAM, action: grant }]\n    \
                within: 1h\n    same: resource.name";
    check(rule, "fires: { service: IAM, operation: addUserToGroup }");
    check(rule, "silent: { service: KMS, operation: disableKey }");
    fails(
        rule,
        "fires: { service: IAM, operation: deleteUser }",
        "expected to fire, was silent: no step holds; the nearest is step 1: `operation`: expected `createUser`, found `deleteUser`",
    );
    fails(
        rule,
        "silent: { service: IAM, operation: addUserToGroup }",
        "expected to be silent, fired: every condition of step 2 holds",
    );
}

#[test]
fn a_story_compares_what_rang() {
    let story = |alerts: &str| {
        format!(
            "traces:\n  - {{ service: KMS, operation: disableKey, actor.name: alice }}\n  \
             - {{ at: 3m, service: KMS, operation: disableKey, actor.name: bob, every: 1m, repeat: 3 }}\nalerts: {alerts}"
        )
    };
    check(KEYS, &story("[{ at: 0s, severity: low, key: { actor.name: alice } }, { at: 3m, count: 1 }]"));
    check(
        KEYS,
        &story("[{ at: 0 }, { at: 3m }, { at: 4m, update: repeat, count: 2 }, { at: 5m, update: repeat, count: 3 }]"),
    );
    fails(KEYS, &story("[{ at: 1m }, { at: 3m }]"), "alert 1: expected at 1 min, came at the start");
    fails(
        KEYS,
        &story("[{}]"),
        "expected no further alert, an alert came at 3 min: `bob did disableKey to sample-cmk`",
    );
    fails(KEYS, &story("[]"), "expected no alert, an alert came at the start: `alice did disableKey to sample-cmk`");
    fails(
        KEYS,
        &story("[{}, {}, { at: 9m }]"),
        "expected an alert at 9 min, none came: each match is counted in an alert before",
    );
    fails(KEYS, &story("[{}, { count: 3 }]"), "alert 2: expected a count of 3, found 1");
    fails(
        KEYS,
        &story("[{}, { title: x }]"),
        "alert 2: expected the title `x`, found `bob did disableKey to sample-cmk`",
    );
    fails(
        KEYS,
        &story("[{}, { update: escalated }]"),
        "alert 2: expected an escalation, an alert came at 3 min: `bob did disableKey to sample-cmk`",
    );
    fails(
        "match: { service: ECS, operation: deleteServer }",
        &story("[{}]"),
        "expected an alert, none came: no trace satisfies `match`: `service`: expected `ECS`, found `KMS`",
    );
}
