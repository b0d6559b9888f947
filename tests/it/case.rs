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

const GUESSING: &str = "match: { service: IAM, operation: \"*login*failed\" }
when: { count: { at_least: 8, within: 10m, by: [source_ip] } }
then: { match: { service: IAM, action: login, outcome: succeeded, operation: { not: \"*failed\" } }, within: 30m, severity: critical, title: \"IN from {{ key.source_ip }}\" }";

/// So many failed logins a minute apart, then one that succeeds.
fn guessing(failures: u64, login: &str, alerts: &str) -> String {
    format!(
        "traces:\n  - {{ operation: loginFailed, service: IAM, source_ip: 192.0.2.1, every: 1m, repeat: {failures} }}\n  \
         - {{ at: {login}, service: IAM, operation: login, source_ip: 192.0.2.1 }}\nalerts: {alerts}"
    )
}

#[test]
fn a_count_rings_and_escalates() {
    let opened = "{ at: 7m, severity: low, key: { source_ip: 192.0.2.1 }, count: 8 }";
    let worse = "{ at: 12m, update: escalated, severity: critical, title: IN from 192.0.2.1 }";
    check(GUESSING, &guessing(8, "12m", &format!("[{opened}, {worse}]")));
    check(GUESSING, &guessing(10, "12m", &format!("[{opened}, {worse}]")));
    check(GUESSING, &guessing(8, "2h", &format!("[{opened}]")));
    check(GUESSING, &guessing(7, "12m", "[]"));
    fails(
        GUESSING,
        &guessing(7, "12m", "[{ at: 7m }]"),
        "expected an alert at 7 min, none came: 7 of 8 traces counted within 10 min with the same `source_ip`",
    );
    fails(
        GUESSING,
        &guessing(8, "2h", &format!("[{opened}, {worse}]")),
        "expected an escalation at 12 min, none came: a trace satisfies `then`, but not within 30 min with the same `source_ip` as the alert",
    );
    fails(
        GUESSING,
        "traces: [{ service: IAM, operation: loginFailed, every: 2m, repeat: 9 }]\nalerts: [{}]",
        "expected an alert, none came: 6 of 8 traces counted within 10 min with the same `source_ip`",
    );
}

#[test]
fn other_windows_ring_in_stories() {
    let distinct = "match: { service: ECS, operation: deleteServer }\nwhen: { distinct: { of: resource.id, at_least: 3, within: 5m, by: actor.name } }";
    let servers = |last: &str, alerts: &str| {
        format!(
            "traces:\n  - {{ service: ECS, operation: deleteServer, resource.id: a, repeat: 2 }}\n  \
             - {{ service: ECS, operation: deleteServer, resource.id: b }}\n  \
             - {{ at: 1m, service: ECS, operation: deleteServer, resource.id: {last} }}\nalerts: {alerts}"
        )
    };
    check(distinct, &servers("c", "[{ at: 1m }]"));
    check(distinct, &servers("b", "[]"));
    fails(
        distinct,
        &servers("b", "[{ at: 1m }]"),
        "expected an alert at 1 min, none came: 2 of 3 different values of `resource.id` counted within 5 min with the same `actor.name`",
    );

    let first = "match: { service: IAM, action: login }\nwhen: { first_seen: { of: [actor.name, source_network] } }";
    let logins = |address: &str, alerts: &str| {
        format!(
            "traces:\n  - {{ service: IAM, operation: login, source_ip: 192.0.2.1 }}\n  \
             - {{ at: 2h, service: IAM, operation: login, source_ip: {address} }}\nalerts: {alerts}"
        )
    };
    check(first, &logins("198.51.100.9", "[{ at: 0s, key: { source_network: 192.0.2.0/24 } }, { at: 2h }]"));
    check(first, &logins("192.0.2.77", "[{ at: 0s }]"));
    fails(
        first,
        &logins("192.0.2.77", "[{}, { at: 2h }]"),
        "expected an alert at 2 h, none came: every value of `actor.name` and `source_network` was seen before",
    );
}

#[test]
fn a_silence_rings_when_it_is_over_due() {
    let rule = "match: { service: CBR, operation: createBackup }\nwhen: { absent: { for: 25h, by: [resource.name], arm_after: 2 } }";
    let story = |repeat: u64, until: &str, alerts: &str| {
        format!(
            "traces: [{{ service: CBR, operation: createBackup, every: 24h, repeat: {repeat} }}]\n{until}\nalerts: {alerts}"
        )
    };
    check(rule, &story(2, "until: 72h", "[{ at: 49h }]"));
    check(rule, &story(2, "until: 49h", "[{ at: 49h }]"));
    check(rule, &story(3, "", "[]"));
    fails(
        rule,
        &story(2, "", "[{ at: 49h }]"),
        "expected an alert at 2 d 1 h, none came: the case ends at 1 d, a match is over due at 2 d 1 h: give a later `until`",
    );
    fails(
        rule,
        &story(1, "until: 30h", "[{}]"),
        "expected an alert, none came: 1 of 2 matches seen that it waits for before it watches",
    );
}

#[test]
fn a_sequence_rings_in_its_order() {
    let rule = "when:\n  sequence:\n    steps: [{ service: IAM, operation: createUser }, { service: IAM, operation: addUserToGroup }]\n    \
                within: 1h\n    same: resource.name";
    let story = |first: &str, second: &str, alerts: &str| {
        format!(
            "traces:\n  - {{ service: IAM, operation: {first}, resource.name: eve }}\n  \
             - {{ at: 5m, service: IAM, operation: {second}, resource.name: eve }}\nalerts: {alerts}"
        )
    };
    check(rule, &story("createUser", "addUserToGroup", "[{ at: 5m, count: 2, key: { resource.name: eve } }]"));
    check(rule, &story("addUserToGroup", "createUser", "[]"));
    fails(
        rule,
        &story("addUserToGroup", "createUser", "[{}]"),
        "expected an alert, none came: each step has a trace, but they did not come in this order within 1 h with the same `resource.name`",
    );
    fails(
        rule,
        &story("createUser", "deleteUser", "[{ at: 5m }]"),
        "expected an alert at 5 min, none came: no trace satisfies step 2 of 2: `operation`: expected `addUserToGroup`, found `createUser`",
    );
}
