//! Rules: what ships works, and every mistake is drawn where it stands.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tracebell::{
    alert::Severity,
    clock::Timestamp,
    document::{self, File, Level, draw},
    rule::{self, When},
    trace::Field,
};

use crate::world;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rules");

/// When the fixtures are looked at: exceptions until 2026-06-01 are over.
const NOW: Timestamp = Timestamp::constant(1_781_000_000, 0);

fn load_text(text: &str) -> (rule::RuleSet, Vec<document::Problem>) {
    rule::load(&[File { name: "rules.yaml".into(), text: text.into() }])
}

#[test]
fn shipped_rules_load_without_a_word_and_pass_their_cases() {
    let files = rule::shipped();
    let (set, mut problems) = rule::load(&files);
    problems.extend(rule::lint(&files, NOW));
    assert!(problems.is_empty(), "{}", draw::draw(&problems, &files, false));
    assert!(set.rules.len() >= 20, "{}", set.rules.len());
    for rule in &set.rules {
        let results = rule.run_cases();
        for result in &results {
            assert_eq!(result.failure, None, "{} {}:{}", rule.id, rule.place, result.line);
        }
        assert!(results.iter().any(|result| result.fires), "{} has no case that fires", rule.id);
        assert!(results.iter().any(|result| !result.fires), "{} has no case that is silent", rule.id);
        assert!(rule.why.is_some(), "{} does not say why", rule.id);
    }
}

#[test]
fn every_rule_file_is_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let on_disk: BTreeSet<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let embedded: BTreeSet<String> = rule::shipped::FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(on_disk, embedded);
}

/// Each `bad/NAME.yaml` (or folder of files) with the drawing of its problems in
/// `bad/NAME.txt`. `TRACEBELL_UPDATE=1` writes the drawings anew.
#[test]
fn every_mistake_is_drawn_as_expected() {
    let update = std::env::var_os("TRACEBELL_UPDATE").is_some();
    let mut checked = 0;
    let mut wrong = String::new();
    for path in sorted(&Path::new(FIXTURES).join("bad")) {
        if path.extension().is_some_and(|extension| extension == "txt") {
            continue;
        }
        let paths = if path.is_dir() { sorted(&path) } else { vec![path.clone()] };
        let mut files = Vec::new();
        let mut problems = Vec::new();
        for path in paths {
            let name = path.file_name().unwrap().to_str().unwrap();
            match document::decode_bytes(name, &fs::read(&path).unwrap()) {
                Ok(file) => files.push(file),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(rule::load(&files).1);
        let warns = path.file_stem().unwrap().to_str().unwrap().starts_with("warn-");
        if warns {
            problems.extend(rule::lint(&files, NOW));
        }
        let level = if warns { Level::Warning } else { Level::Error };
        assert!(problems.iter().any(|problem| problem.level == level), "{} is not refused", path.display());
        let mut drawing = draw::draw(&problems, &files, false);
        drawing.push('\n');
        for problem in &problems {
            writeln!(drawing, "\n{}", draw::line(problem, &files)).unwrap();
        }
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &drawing).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != drawing {
            writeln!(wrong, "{}:\n{drawing}", path.display()).unwrap();
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "not as in the .txt beside it (TRACEBELL_UPDATE=1 accepts):\n{wrong}");
    assert!(checked >= 30, "{checked}");
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// One rule around a condition, with a case for each trace: every case must come out as marked.
#[track_caller]
fn check(condition: &str, cases: &[(bool, &str)]) {
    let mut text = format!(
        "lists: {{ admins: [alice, \"svc-*\"], nets: [10.0.0.0/8, 192.0.2.1] }}\n\
         rules:\n  - id: some-rule\n    title: t\n    severity: low\n    match: {condition}\n    cases:\n"
    );
    for (fires, trace) in cases {
        let kind = if *fires { "fires" } else { "silent" };
        writeln!(text, "      - {kind}: {trace}").expect("a string takes all");
    }
    let (set, problems) = load_text(&text);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.level == Level::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for result in set.rules[0].run_cases() {
        assert_eq!(result.failure, None, "{condition}: {}", text.lines().nth(result.line - 1).unwrap_or_default());
    }
}

#[test]
fn values_compare_as_documented() {
    check(
        "{ service: kms, operation: scheduleKeyDELETION }",
        &[
            (true, "{ service: KMS, operation: scheduleKeyDeletion }"),
            (false, "{ service: KMS, operation: disableKey }"),
            (false, "{ operation: scheduleKeyDeletion }"),
        ],
    );
    check(
        "{ code: 200 }",
        &[(true, "{ code: 200 }"), (true, "{ code: \"200\" }"), (false, "{ code: 200.0 }"), (false, "{}")],
    );
    check(
        "{ project.id: [0123456789, 1e5, 05e8d] }",
        &[
            (true, "{ project.id: \"0123456789\" }"),
            (true, "{ project.id: \"1e5\" }"),
            (true, "{ project_id: 05e8d }"),
            (false, "{ project.id: \"123456789\" }"),
            (false, "{ project.id: \"100000\" }"),
        ],
    );
    // Names of resources are the customer's own and keep their case.
    check("{ resource.name: Prod }", &[(true, "{ resource.name: Prod }"), (false, "{ resource.name: prod }")]);
    check("{ actor.name: ÄNNE }", &[(true, "{ actor.name: änne }"), (false, "{ actor.name: \"a\\u0308nne\" }")]);
    check(
        "{ operation: \"*login*failed\" }",
        &[
            (true, "{ operation: loginFailed }"),
            (true, "{ operation: iamUserSsoLoginFailed }"),
            (false, "{ operation: loginFailedAgain }"),
        ],
    );
    check(
        "{ actor.name: $admins }",
        &[
            (true, "{ actor.name: ALICE }"),
            (true, "{ actor.name: svc-backup }"),
            (false, "{ actor.name: bob }"),
            (false, "{}"),
        ],
    );
    check(
        "{ user.name: [bob, $admins], trace_rating: warning }",
        &[
            (true, "{ actor: { name: bob }, rating: warning }"),
            (true, "{ user: { name: alice }, outcome: failed }"),
            (false, "{ actor.name: bob }"),
        ],
    );
}

#[test]
fn operators_compare_as_documented() {
    check(
        "{ resource.name: { not: prod } }",
        &[(true, "{ resource.name: test }"), (true, "{}"), (false, "{ resource.name: prod }")],
    );
    check(
        "{ actor.name: { not_in: $admins } }",
        &[(true, "{}"), (true, "{ actor.name: bob }"), (false, "{ actor.name: alice }")],
    );
    check(
        "{ actor.name: { not: { prefix: SVC- } } }",
        &[(true, "{}"), (true, "{ actor.name: a }"), (false, "{ actor.name: svc-a }")],
    );
    check(
        "{ operation: { prefix: Delete } }",
        &[(true, "{ operation: deleteServer }"), (false, "{ operation: undelete }")],
    );
    check(
        "{ resource.name: { suffix: [-db, -cache] } }",
        &[(true, "{ resource.name: a-cache }"), (false, "{ resource.name: a-DB }")],
    );
    check(
        "{ message: { contains: denied } }",
        &[(true, "{ message: access denied by policy }"), (false, "{ message: ok }")],
    );
    check(
        "{ resource.name: { regex: '^prod-(db|web)[0-9]+$' } }",
        &[
            (true, "{ resource.name: prod-db1 }"),
            (false, "{ resource.name: prod-db }"),
            (false, "{ resource.name: PROD-DB1 }"),
        ],
    );
    check(
        "{ actor.name: { regex: '^svc-\\w+$' } }",
        &[(true, "{ actor.name: SVC-ä }"), (false, "{ actor.name: svc-a-b }")],
    );
    check(
        "{ source_ip: { cidr: [10.1.2.3/8, \"2001:db8::/32\"] } }",
        &[
            (true, "{ source_ip: 10.255.0.1 }"),
            (true, "{ source_ip: \"::ffff:10.0.0.1\" }"),
            (true, "{ source_ip: \"2001:db8::1%eth0\" }"),
            (false, "{ source_ip: 11.0.0.1 }"),
            (false, "{ source_ip: not-an-address }"),
            (false, "{}"),
        ],
    );
    check("{ source_ip: { cidr: $nets } }", &[(true, "{ source_ip: 192.0.2.1 }"), (false, "{ source_ip: 192.0.2.2 }")]);
    check(
        "{ source_ip: { not_cidr: 0.0.0.0/0 } }",
        &[(false, "{ source_ip: 1.2.3.4 }"), (true, "{ source_ip: \"::1\" }"), (true, "{}")],
    );
    check(
        "{ code: { gte: 400 } }",
        &[
            (true, "{ code: 400 }"),
            (true, "{ code: 1000 }"),
            (false, "{ code: 399 }"),
            (false, "{ code: ok }"),
            (false, "{}"),
        ],
    );
    check(
        "{ all: [{ code: { gt: 399 } }, { code: { lt: 500 } }, { code: { lte: 404 } }] }",
        &[(true, "{ code: 404 }"), (false, "{ code: 405 }"), (false, "{ code: 399 }")],
    );
    check(
        "{ time: { lt: 2026-01-01T00:00:00Z } }",
        &[(true, "{ time: 2025-12-31T23:59:59Z }"), (false, "{ time: 2026-01-01T00:00:00Z }")],
    );
    check(
        "{ rating: { at_least: warning } }",
        &[
            (true, "{ rating: Warning }"),
            (true, "{ rating: incident }"),
            (false, "{ rating: normal }"),
            (false, "{ rating: strange }"),
        ],
    );
    check("{ source_ip: { exists: false } }", &[(true, "{}"), (false, "{ source_ip: 1.2.3.4 }")]);
    check(
        "{ actor.id: { same_as: resource.id } }",
        &[(true, "{ actor.id: u1, resource.id: u1 }"), (false, "{ actor.id: u1, resource.id: u2 }"), (false, "{}")],
    );
    check(
        "{ request.rule.ports.0: 22 }",
        &[
            (true, "{ request: { rule: { ports: [22, 23] } } }"),
            (true, "{ request: '{\"rule\":{\"ports\":[\"22\"]}}' }"),
            (false, "{ request: { rule: { ports: [23, 22] } } }"),
            (false, "{ request: not json }"),
        ],
    );
    check(
        "{ any: [{ service: ECS, not: { operation: \"start*\" } }, { service: KMS }] }",
        &[
            (true, "{ service: ECS, operation: stopServer }"),
            (true, "{ service: KMS }"),
            (false, "{ service: ECS, operation: startServer }"),
            (false, "{ service: OBS }"),
        ],
    );
}

#[test]
fn networks_hold_exactly_their_addresses() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..300 {
        let (network, length) = (random.u32(..), random.u32(0..=32));
        // Near misses and hits: the network's own bits with a few turned.
        let address = network ^ (1u32 << random.u32(0..32)) ^ random.u32(0..4);
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        let [network_text, address_text] =
            [network, address].map(|bits| std::net::Ipv4Addr::from_bits(bits).to_string());
        let fires = network & mask == address & mask;
        check(
            &format!("{{ source_ip: {{ cidr: {network_text}/{length} }} }}"),
            &[(fires, &format!("{{ source_ip: {address_text} }}"))],
        );
        check(
            &format!("{{ source_ip: {{ not_cidr: {network_text}/{length} }} }}"),
            &[(!fires, &format!("{{ source_ip: {address_text} }}"))],
        );
    }
}

#[test]
fn a_failed_case_says_what_differs() {
    let text = "rules:
  - id: some-rule
    title: \"{{ actor.name }} did it\"
    severity: low
    match:
      service: KMS
      operation: [disableKey, deleteKey]
      any:
        - { resource.name: prod }
        - { source_ip: { cidr: 10.0.0.0/8 }, resource.name: test }
      not: { actor.name: root }
    cases:
      - fires: { service: ECS }
      - fires: { service: KMS, operation: createKey }
      - fires: { service: KMS, operation: disableKey, source_ip: 10.0.0.1 }
      - fires: { service: KMS, operation: disableKey, resource.name: prod, actor.name: root }
      - silent: { service: KMS, operation: disableKey, resource.name: prod }
      - { fires: { service: KMS, operation: disableKey, resource.name: prod }, title: x, severity: low }
      - { fires: { service: KMS, operation: disableKey, resource.name: prod }, severity: high }
      - fires: { service: KMS, operation: disableKey, resource.name: prod }
";
    let (set, problems) = load_text(text);
    assert!(problems.iter().all(|problem| problem.level == Level::Warning), "{problems:?}");
    let failures: Vec<Option<String>> = set.rules[0].run_cases().into_iter().map(|result| result.failure).collect();
    let expected = [
        Some("expected to fire, was silent: `service`: expected `KMS`, found `ECS`"),
        Some("expected to fire, was silent: `operation`: expected `disableKey` or `deleteKey`, found `createKey`"),
        Some("expected to fire, was silent: `resource.name`: expected `prod`, found `sample-cmk`"),
        Some(
            "expected to fire, was silent: `not`: expected a trace unlike the `not` group, found `every condition in it holds`",
        ),
        Some("expected to be silent, fired: every condition of `match` holds"),
        Some("expected the title `x`, found `sample-actor did it`"),
        Some("expected severity `high`, found `low`"),
        None,
    ];
    assert_eq!(failures, expected.map(|text| text.map(str::to_owned)));
}

#[test]
fn defaults_are_as_documented() {
    let (set, problems) = load_text("rules: [{ id: a, title: t, severity: low, match: { rating: incident } }]");
    assert!(problems.is_empty(), "{problems:?}");
    let rule = &set.rules[0];
    assert_eq!((rule.topics.as_slice(), rule.mode), (&["default".to_owned()][..], rule::Mode::Live));
    assert_eq!(rule.dedup, rule::Dedup::default());
    assert_eq!(rule.place, "rules.yaml:1");
    let (other, _) = load_text("rules: [{ id: a, title: u, severity: low, match: { rating: incident } }]");
    assert_eq!(set.generation.len(), 12);
    assert_ne!(set.generation, other.generation);
}

/// One rule with these further keys, loaded without a word.
#[track_caller]
fn rule_with(keys: &str) -> rule::Rule {
    let text = format!("rules:\n  - id: a\n    title: t\n    severity: low\n    {}\n", keys.replace('\n', "\n    "));
    let (mut set, problems) = load_text(&text);
    assert!(problems.is_empty(), "{problems:?}");
    set.rules.remove(0)
}

#[test]
fn what_a_rule_waits_for_is_read() {
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let check = |when: &str, expected: When, by: &[Field], window: Duration| {
        let rule = rule_with(&format!("match: {{ rating: incident }}\nwhen: {when}"));
        assert_eq!(format!("{:?}", rule.when.unwrap()), format!("{expected:?}"), "{when}");
        assert_eq!(rule.dedup, rule::Dedup { by: by.to_vec(), window }, "{when}");
    };
    let (name, address) = (Field::ActorName, Field::SourceIp);
    check(
        "{ count: { at_least: 8, within: 5m, by: [source_ip] } }",
        When::Count { at_least: 8, within: minutes(5), by: vec![address.clone()] },
        std::slice::from_ref(&address),
        minutes(10),
    );
    check(
        "{ count: { at_least: 2, within: 7d } }",
        When::Count { at_least: 2, within: minutes(7 * 1440), by: vec![] },
        &[],
        minutes(7 * 1440),
    );
    check(
        "{ distinct: { of: resource_id, at_least: 10, within: 1h, by: user.name } }",
        When::Distinct { of: vec![Field::ResourceId], at_least: 10, within: minutes(60), by: vec![name.clone()] },
        std::slice::from_ref(&name),
        minutes(60),
    );
    check(
        "{ first_seen: { of: [actor.name, source_network] } }",
        When::FirstSeen {
            of: vec![name.clone(), Field::SourceNetwork],
            remember: minutes(90 * 1440),
            learn: minutes(7 * 1440),
        },
        &[name.clone(), Field::SourceNetwork],
        minutes(10),
    );
    check(
        "{ absent: { for: 25h, by: resource.name, arm_after: 3 } }",
        When::Absent { quiet: minutes(25 * 60), by: vec![Field::ResourceName], arm_after: 3 },
        &[Field::ResourceName],
        minutes(10),
    );
    let rule = rule_with(
        "when: { count: { at_least: 3, within: 1h, by: [source_ip] } }\nmatch: { rating: incident }\ndedup: { by: [] }",
    );
    assert_eq!(rule.dedup, rule::Dedup { by: vec![], window: minutes(60) }, "what `dedup` leaves out is as usual");
}

#[test]
fn a_sequence_needs_no_match() {
    let rule = rule_with(
        "when:\n  sequence:\n    steps: [{ service: IAM, operation: createUser }, { service: IAM, action: grant }]\n    within: 1h\n    same: resource.name",
    );
    let Some(When::Sequence { steps, .. }) = &rule.when else { panic!("{:?}", rule.when) };
    let mut trace = rule::case::blank_trace();
    (trace.service, trace.operation) = ("IAM".into(), "addUserToGroup".into());
    assert_eq!(steps.iter().map(|step| step.holds(&trace)).collect::<Vec<_>>(), [false, true]);
    assert_eq!(rule.dedup.by, [Field::ResourceName]);
}

#[test]
fn what_makes_an_alert_worse_is_read() {
    let rule = rule_with(
        "match: { operation: \"*login*failed\" }\nwhen: { count: { at_least: 8, within: 10m, by: [source_ip, actor.name] } }\n\
         then: { match: { action: login }, within: 30m, same: [actor.name, source_ip], severity: critical, title: \"{{ key.source_ip }} is in\" }\n\
         noise_budget: 3",
    );
    let then = rule.then.expect("it has one");
    assert_eq!((then.severity, then.within.as_secs(), rule.noise_budget), (Severity::Critical, 1_800, Some(3)));
    let rule =
        rule_with("match: { rating: incident }\nthen: { match: { action: login }, within: 30m, severity: high }");
    assert_eq!(rule.then.expect("it has one").same, [Field::ActorName], "tied by what the alert is folded by");
}

#[test]
fn a_silence_is_not_made_worse_by_a_trace() {
    let text = "rules:\n- id: r\n  title: t\n  severity: low\n  match: { service: CBR }\n  when: { absent: { for: 1h } }\n  \
                then: { match: { service: KMS }, within: 5m, severity: high }\n";
    let (set, problems) = rule::load(&[File { name: "r.yaml".into(), text: text.into() }]);
    let told: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    assert_eq!((set.rules.len(), told), (0, vec!["`then` follows a trace, and what is `absent` is none"]));
}

#[test]
fn an_exception_ends_with_its_day() {
    let rule = rule_with(
        "match: { service: KMS }\nexcept:\n  - { reason: rotation, match: { actor.name: ci }, until: 2027-03-31 }\n  \
         - { reason: tests, match: { actor.name: qa }, until: \"2027-03-31T12:00:00+02:00\" }\n  - { reason: ours, match: { actor.name: us } }",
    );
    let excepted = |name: &str, time: &str| {
        let mut trace = rule::case::blank_trace();
        (trace.actor.name, trace.time) = (Some(name.into()), time.parse().unwrap());
        rule.excepted(&trace).map(|exception| exception.reason.clone())
    };
    assert_eq!(excepted("ci", "2027-03-31T23:59:59.9Z").as_deref(), Some("rotation"));
    assert_eq!(excepted("ci", "2027-04-01T00:00:00Z"), None);
    assert_eq!(excepted("qa", "2027-03-31T09:59:59Z").as_deref(), Some("tests"));
    assert_eq!(excepted("qa", "2027-03-31T10:00:00Z"), None);
    assert_eq!(excepted("us", "2099-01-01T00:00:00Z").as_deref(), Some("ours"));
    assert_eq!(excepted("bob", "2026-01-01T00:00:00Z"), None);
    assert_eq!(rule.exceptions[1].place, "rules.yaml:8");
}

#[test]
fn overlays_change_rules_and_lists_of_other_files() {
    let file = |name: &str, text: &str| File { name: name.into(), text: text.into() };
    let mut files = rule::shipped();
    files.push(file(
        "ours.yaml",
        "lists: { mine: [a] }\nrules:\n  - { id: own, title: t, severity: low, match: { actor.name: $mine }, dedup: { by: [source_ip], for: 1h } }\n",
    ));
    let plain = rule::load(&files).0;
    files.push(file(
        "changes.yaml",
        "overlays:\n  - { id: kms-key-destruction, severity: high, mode: shadow, topics: [ours], noise_budget: 3 }\n  \
         - { id: kms-key-destruction, except: [{ reason: rotation, match: { actor.name: ci } }] }\n  \
         - { id: own, dedup: { for: 5m } }\n  - { list: mine, items: [b, c] }\n",
    ));
    let (set, problems) = rule::load(&files);
    assert!(problems.is_empty(), "{}", draw::draw(&problems, &files, false));
    let find = |set: &rule::RuleSet, id: &str| set.rules.iter().find(|rule| rule.id == id).unwrap().clone();
    let changed = find(&set, "kms-key-destruction");
    assert_eq!((changed.severity, changed.mode, changed.noise_budget), (Severity::High, rule::Mode::Shadow, Some(3)));
    assert_eq!((changed.topics, changed.exceptions[0].place.as_str()), (vec!["ours".into()], "changes.yaml:3"));
    let own = find(&set, "own");
    assert_eq!(own.dedup, rule::Dedup { by: vec![Field::SourceIp], window: Duration::from_secs(300) });
    let taken = |rule: &rule::Rule, name: &str| {
        let mut trace = rule::case::blank_trace();
        trace.actor.name = Some(name.into());
        rule.condition.holds(&trace)
    };
    assert_eq!(["a", "b", "c"].map(|name| taken(&own, name)), [false, true, true]);

    let (written, problems) = rule::load::as_written(&files);
    assert!(problems.is_empty());
    let told = |set: &rule::RuleSet, id: &str| {
        let rule = find(set, id);
        (rule.severity, rule.mode, rule.topics.clone(), rule.dedup.clone(), rule.exceptions.len(), taken(&rule, "a"))
    };
    for id in ["kms-key-destruction", "own"] {
        assert_eq!(told(&written, id), told(&plain, id), "cases judge the rule as written");
    }
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_read() {
    let text =
        "\u{feff}rules:\r\n  - id: a\r\n    title: t\r\n    severity: low\r\n    match: { rating: incident }\r\n";
    let file = document::decode_bytes("a.yaml", text.as_bytes()).unwrap();
    let (set, problems) = rule::load(&[file]);
    assert!(problems.is_empty() && set.rules.len() == 1, "{problems:?}");
}

/// A tenth of the largest load that was promised to take a second, in a debug build.
#[test]
fn a_thousand_rules_load_quickly() {
    let mut text = String::from("rules:\n");
    for n in 0..1_000 {
        writeln!(
            text,
            "  - id: rule-{n}\n    title: \"{{{{ actor.name }}}} did {n}\"\n    severity: low\n    match:\n      service: KMS\n      \
             operation: [disableKey, enableKey]\n      resource.name: {{ regex: '^prod-{n}-[a-z]+$' }}\n    cases:\n      \
             - fires: {{ service: KMS, operation: disableKey, resource.name: prod-{n}-a }}"
        )
        .unwrap();
    }
    let before = Instant::now();
    let (set, problems) = load_text(&text);
    assert!(problems.is_empty() && set.rules.len() == 1_000, "{problems:?}");
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}

#[test]
fn slow_but_legal_patterns_and_long_lists_stay_cheap() {
    let values: Vec<String> = (0..100_000).map(|n| format!("id-{n}")).collect();
    let text = format!(
        "lists:\n  many: [{}]\nrules:\n  - {{ id: a, title: t, severity: low, match: {{ resource.id: $many }} }}\n  \
         - {{ id: b, title: t, severity: low, match: {{ actor.id: $many }} }}\n  \
         - {{ id: c, title: t, severity: low, match: {{ message: {{ regex: 'a.{{0,30}}b.{{0,30}}[cd]$' }} }} }}\n",
        values.join(", ")
    );
    let (set, problems) = load_text(&text);
    assert!(problems.is_empty(), "{problems:?}");
    let mut trace = rule::case::blank_trace();
    trace.resource.id = Some("id-99999".into());
    trace.message = Some("ab".repeat(500_000));
    let before = Instant::now();
    let held = set.holding(&trace);
    assert_eq!(held.iter().map(|held| set.rules[held.rule].id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

#[test]
fn the_command_prints_verdicts_and_exit_codes() {
    let run = |args: &[&str]| {
        let output = world::tracebell().arg("test").args(args).current_dir(FIXTURES).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = run(&["--shipped"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("kms-key-destruction") && out.contains("0 failed") && !out.contains('\u{1b}'), "{out}");

    let (code, out, _) = run(&["failing.yaml"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains(
            "failing.yaml:9: expected to fire, was silent: `operation`: expected `disableKey`, found `enableKey`"
        ),
        "{out}"
    );
    assert!(out.contains("1 rule, 2 cases: 1 ok, 1 failed"), "{out}");

    let (code, out, _) = run(&["failing.yaml", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["failed"], &json["cases"][1]["ok"]), (Some(1), &1.into(), &false.into()));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verdicts.xml");
    let (code, out, _) = run(&["failing.yaml", "--coverage", "--junit", file.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{out}");
    let lacks = "key-disabled  no case that is silent  failing.yaml:2\n0 of 1 rule have a case";
    assert!(out.contains(lacks), "{out}");
    let xml = fs::read_to_string(file).unwrap();
    assert!(
        xml.contains("tests=\"2\"") && xml.contains("failures=\"1\"") && xml.contains("name=\"failing.yaml\""),
        "{xml}"
    );
    assert!(xml.contains("message=\"failing.yaml:9: expected to fire, was silent: `operation`"), "{xml}");
    let (code, out, _) = run(&["--shipped", "--coverage"]);
    assert!(code == Some(0) && out.contains(" rules have a case that fires"), "{out}");

    let (code, _, err) = run(&["bad/unknown-field.yaml"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("did you mean `user.name`?") && err.contains("^^^^^^^^^"), "{err}");
    assert_eq!(run(&["nowhere.yaml"]).0, Some(2));
    assert_eq!(run(&[]).0, Some(2), "there is no folder `rules` here");
}

/// Whatever becomes of a file, it loads or its problems are drawn: nothing panics.
#[test]
fn damaged_files_never_panic() {
    let mut random = fastrand::Rng::with_seed(23);
    let sources: Vec<String> = rule::shipped().into_iter().map(|file| file.text).collect();
    let pieces = [
        "\t", "{{", "}}", "\"", "'", "[", "]", "{", "}", ": ", "- ", "&a ", "*a", "<<: *a", "\n", "ä", "|\n", "~",
        "!x ", "#",
    ];
    let mut broken = 0;
    for _ in 0..200 {
        let mut text = sources[random.usize(0..sources.len())].clone();
        for _ in 0..random.usize(1..4) {
            let at = text.floor_char_boundary(random.usize(0..text.len()));
            if random.bool() {
                text.insert_str(at, pieces[random.usize(0..pieces.len())]);
            } else {
                let end = text.floor_char_boundary((at + random.usize(1..40)).min(text.len()));
                text.replace_range(at..end.max(at), "");
            }
        }
        let files = [File { name: "damaged.yaml".into(), text }];
        let (set, problems) = rule::load(&files);
        let drawing = draw::draw(&problems, &files, random.bool());
        assert_eq!(problems.is_empty(), drawing.is_empty());
        for problem in &problems {
            assert!(draw::line(problem, &files).starts_with("damaged.yaml:"));
        }
        for rule in &set.rules {
            rule.run_cases();
        }
        broken += usize::from(!problems.is_empty());
    }
    assert!(broken > 50, "{broken}");
}
