//! Rules of others turned into ours: what they mean afterwards, and what the command says of them.

use std::process::{Command, Output, Stdio};

use tracebell::{
    convert::{Converted, Verdict, counts, key_event::key_event, sigma::sigma, text},
    document::{File, Level},
    rule::{self, RuleSet, case::blank_trace},
    trace::{Rating, Trace},
};

const SIGMA: &str = include_str!("../fixtures/sigma/rules.yml");
const CORRELATION: &str = include_str!("../fixtures/sigma/correlation.yml");
const NOTIFICATIONS: &str = include_str!("../fixtures/key-event/list.json");

fn file(name: &str, text: &str) -> File {
    File { name: name.into(), text: text.into() }
}

/// What was written, loaded; every case must pass.
#[track_caller]
fn loaded(converted: &[Converted]) -> RuleSet {
    let drafts: Vec<_> = converted.iter().filter_map(|one| one.draft.clone()).collect();
    let (set, problems) = rule::load(&[file("converted.yaml", &text(&drafts))]);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.level == Level::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{}", text(&drafts));
    for rule in &set.rules {
        let failed: Vec<_> = rule.run_cases().into_iter().filter_map(|case| case.failure).collect();
        assert!(failed.is_empty(), "{}: {failed:?}", rule.id);
    }
    assert_eq!(set.rules.len(), drafts.len());
    set
}

fn rule_of(source: &str, detection: &str) -> Converted {
    let text = format!("title: t\nlogsource: {source}\ndetection:\n  {}\n", detection.replace('\n', "\n  "));
    sigma(&[file("a.yml", &text)]).remove(0)
}

const AWS: &str = "{ product: aws, service: cloudtrail }";
const AZURE: &str = "{ product: azure, service: activitylogs }";
const GCP: &str = "{ product: gcp, service: gcp.audit }";

/// `IAM createUser alice 192.0.2.1 failed`, a dash for what is missing.
fn trace(words: &str) -> Trace {
    let mut words = words.split(' ').map(|word| Some(word.to_owned()).filter(|word| word != "-"));
    let mut next = || words.next().flatten();
    let mut trace = blank_trace();
    trace.service = next().unwrap_or_default();
    trace.operation = next().unwrap_or_default();
    trace.actor.name = next();
    trace.source_ip = next();
    if next().is_some_and(|word| word == "failed") {
        trace.rating = Rating::parse("warning");
    }
    trace.actor.domain = Some("acme".into());
    trace
}

#[track_caller]
fn rings(source: &str, detection: &str, yes: &[&str], no: &[&str]) -> Converted {
    let converted = rule_of(source, detection);
    assert_ne!(converted.verdict, Verdict::Refused, "{:?}", converted.notes);
    let set = loaded(std::slice::from_ref(&converted));
    for (traces, expected) in [(yes, true), (no, false)] {
        for words in traces {
            let held = set.rules[0].condition.holds(&trace(words));
            assert_eq!(held, expected, "{words} against\n{}", text(&[converted.draft.clone().unwrap()]));
        }
    }
    converted
}

#[track_caller]
fn told(converted: &Converted, verdict: Verdict, part: &str) {
    assert_eq!(converted.verdict, verdict, "{:?}", converted.notes);
    assert!(converted.notes.iter().any(|note| note.contains(part)), "`{part}` is not in {:?}", converted.notes);
}

#[test]
fn maps_are_and_lists_are_or() {
    let users = "selection:\n  eventSource: iam.amazonaws.com\n  eventName: [CreateUser, DeleteUser]\n  userIdentity.userName: Alice\ncondition: selection";
    let one = rings(
        AWS,
        users,
        &["IAM createUser alice", "iam DELETEUSER ALICE"],
        &["IAM createUser bob", "IAM updateUser alice", "ECS createUser alice"],
    );
    assert_eq!((one.verdict, one.notes.len()), (Verdict::Carried, 0));
    let either = "selection:\n  - eventName: CreateUser\n  - sourceIPAddress: 192.0.2.1\ncondition: selection";
    rings(AWS, either, &["IAM createUser", "ECS deleteServer bob 192.0.2.1"], &["ECS deleteServer bob 192.0.2.2"]);
}

#[test]
fn conditions_join_selections() {
    let text = "sel_a:\n  eventName: CreateUser\nsel_b:\n  eventName: DeleteUser\nfilter_1:\n  userIdentity.userName|startswith: 'svc-'\n_base:\n  awsRegion: x\n";
    let some = format!("{text}condition: 1 of sel_* and not filter_1");
    rings(AWS, &some, &["IAM createUser bob", "IAM deleteUser -"], &["IAM createUser SVC-ci", "IAM updateUser bob"]);
    told(&rule_of(AWS, &format!("{text}condition: all of sel_*")), Verdict::Refused, "exclude each other");
    let several = format!("{text}condition:\n  - sel_a\n  - sel_b and filter_1");
    rings(AWS, &several, &["IAM createUser bob", "IAM deleteUser svc-1"], &["IAM deleteUser bob"]);
    told(&rule_of(AWS, &format!("{text}condition: sel_c")), Verdict::Refused, "`sel_c`, which is not a selection");
    told(&rule_of(AWS, &format!("{text}condition: 1 of x_*")), Verdict::Refused, "no selection is called so");
}

#[test]
fn modifiers_and_wildcards_mean_what_they_meant() {
    for (test, yes, no) in [
        ("userIdentity.userName: 'a*e'", "X x ALICE", "X x alicex"),
        ("userIdentity.userName: 'a?ice'", "X x alice", "X x allice"),
        ("userIdentity.userName|endswith: ce", "X x aliCE", "X x cea"),
        ("userIdentity.userName|contains|all: [li, ce]", "X x alice", "X x lix"),
        ("userIdentity.userName|re: '^al.*e$'", "X x alice", "X x xalice"),
        ("userIdentity.userName: null", "X x -", "X x alice"),
        ("userIdentity.userName|exists: true", "X x alice", "X x -"),
        ("userIdentity.userName: '*'", "X x alice", "X x -"),
        ("sourceIPAddress|cidr: [192.0.2.0/24, '2001:db8::/32']", "X x - 192.0.2.7", "X x - 192.0.3.7"),
        ("errorCode: '*'", "X x a 192.0.2.1 failed", "X x a"),
        ("errorCode: null", "X x a", "X x a 192.0.2.1 failed"),
        ("userIdentity.type: Root", "X x acme", "X x alice"),
    ] {
        rings(AWS, &format!("selection:\n  {test}\ncondition: selection"), &[yes], &[no]);
    }
}

#[test]
fn logins_fail_by_name_or_by_outcome() {
    let detection = "s: { eventName: ConsoleLogin, responseElements.ConsoleLogin: Failure }\ncondition: s";
    rings(AWS, detection, &["IAM loginfailed", "IAM login a 192.0.2.1 failed"], &["IAM login alice"]);
    let detection = "s: { eventName: ConsoleLogin, responseElements.ConsoleLogin: Success }\ncondition: s";
    rings(AWS, detection, &["IAM login"], &["IAM loginfailed", "IAM login a 192.0.2.1 failed"]);
}

#[test]
fn the_other_clouds_are_read_too() {
    let parts = "s:\n  operationName|startswith: MICROSOFT.NETWORK/DNSZONES\n  operationName|endswith: [/WRITE, /DELETE]\ncondition: s";
    rings(AZURE, parts, &["DNS deletePublicZone", "DNS createPublicZone"], &["VPC deleteVpc", "DNS deletePrivateZone"]);
    rings(AZURE, "k:\n  - Microsoft.Authorization/roleAssignments/write\ncondition: k", &["IAM createAssignment"], &[]);
    let version = "s: { gcp.audit.method_name: 'v*.Compute.VpnTunnels.Delete' }\ncondition: s";
    let one = rings(GCP, version, &["VPC deleteVpn"], &["VPC createVpn"]);
    assert_eq!(one.verdict, Verdict::Carried, "{:?}", one.notes);
    let nested = "s: { data.protoPayload.methodName|endswith: .DeleteSink, data.protoPayload.authenticationInfo.principalEmail: a@b.c }\ncondition: s";
    rings(GCP, nested, &["CTS deleteTracker A@B.C"], &["CTS deleteTracker x"]);
}

#[test]
fn what_is_left_out_is_told_with_its_effect() {
    let filter = "s: { eventName: CreateUser }\nf: { userAgent: x }\ncondition: s and not f";
    told(
        &rule_of(AWS, filter),
        Verdict::Partly,
        "filter left out: line 5: a trace has no counterpart of the field `userAgent` (finds more)",
    );
    let branch = "s: { eventName: [CreateUser, MakeTea] }\ncondition: s";
    told(
        &rule_of(AWS, branch),
        Verdict::Partly,
        "left out: line 4: the operation `MakeTea` has no counterpart (finds less)",
    );
    let guess = "s: { eventName: StopLogging }\ncondition: s";
    told(&rule_of(AWS, guess), Verdict::Partly, "guessed: line 4: `StopLogging` as `updateTracker`");
    let set = loaded(&[rule_of(AWS, guess)]);
    assert_eq!(set.rules[0].mode, rule::Mode::Shadow);
    // A condition that is lost would let the rule ring wrongly.
    let both = "s: { eventName: CreateUser, userAgent: x }\ncondition: s";
    told(&rule_of(AWS, both), Verdict::Refused, "no counterpart of the field `userAgent`");
    told(&rule_of(AWS, "s: { eventName: CreateUser }\ncondition: not s"), Verdict::Refused, "only a filter is left");
    told(&rule_of(AWS, "k: [foo, bar]\ncondition: k"), Verdict::Refused, "keywords without a field");
    let encoded = "s: { eventName|base64: x }\ncondition: s";
    told(&rule_of(AWS, encoded), Verdict::Refused, "the modifier `|base64` is not carried over");
    let looking = "s: { userIdentity.userName|re: '(?=x)y' }\ncondition: s";
    told(&rule_of(AWS, looking), Verdict::Refused, "it would not load");
    told(&rule_of("{ product: okta }", "s: { a: b }\ncondition: s"), Verdict::Refused, "the log source is `okta`");
}

#[test]
fn aggregations_become_windows() {
    let counted = |tail: &str| format!("s: {{ eventName: CreateUser }}\ntimeframe: 15m\ncondition: s | {tail}");
    let one = rule_of(AWS, &counted("count() by sourceIPAddress > 5"));
    let written = text(&[one.draft.clone().unwrap()]);
    assert!(written.contains("count:\n        at_least: 6\n        within: 15m\n        by: [source_ip]"), "{written}");
    loaded(&[one]);
    let one = rule_of(AWS, &counted("count(userIdentity.userName) by sourceIPAddress >= 3"));
    assert!(text(&[one.draft.clone().unwrap()]).contains("of: actor.name"), "{one:?}");
    loaded(&[one]);
    told(&rule_of(AWS, &counted("count() < 3")), Verdict::Refused, "is not carried over");
    told(&rule_of(AWS, &counted("count() by userAgent > 3")), Verdict::Refused, "counts by `userAgent`");
    let timeless = "s: { eventName: CreateUser }\ncondition: s | count() > 5";
    told(&rule_of(AWS, timeless), Verdict::Refused, "without a `timeframe`");
}

#[test]
fn correlations_take_their_rules_along() {
    let converted = sigma(&[file("c.yml", CORRELATION)]);
    assert_eq!(counts(&converted), [3, 0, 1], "{converted:?}");
    loaded(&converted);
    let drafts: Vec<_> = converted.iter().filter_map(|one| one.draft.clone()).collect();
    let written = text(&drafts);
    for part in ["at_least: 8", "within: 10m", "at_least: 5", "of: actor.name", "sequence:", "same: [source_ip]"] {
        assert!(written.contains(part), "{part} is not in\n{written}");
    }
    told(&converted[3], Verdict::Refused, "in any order");
}

#[test]
fn files_hold_several_rules_and_keep_their_authors() {
    let converted = sigma(&[file("s.yml", SIGMA), file("s.yml", SIGMA), file("bad.yml", "title: [\n")]);
    assert_eq!(counts(&converted), [2, 2, 3], "{converted:?}");
    assert_eq!(converted[1].place, "s.yml:29");
    let set = loaded(&converted);
    let ids: Vec<&str> = set.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "audit-trail-removed",
            "users-made-outside-of-office",
            "audit-trail-removed-2",
            "users-made-outside-of-office-2"
        ]
    );
    assert_eq!(set.rules[0].runbook.as_deref(), Some("https://wiki.example.org/trail"));
    assert_eq!(set.rules[0].why.as_deref(), Some("Somebody removed the trail. Ask who."));
    let written = text(&[converted[0].draft.clone().unwrap()]);
    for part in ["by Somebody Else; licence: MIT", "11111111-2222", "May ring for nothing: A cleaned up account"] {
        assert!(written.contains(part), "{part} is not in\n{written}");
    }
}

/// Hostile texts end in words, never in YAML that means something else.
#[test]
fn texts_of_strangers_stay_texts() {
    for title in [
        "'{{ actor.name }}'",
        r#""a\n- id: x""#,
        "'# \" \\ : {'",
        r#""\u0007\u2028""#,
        r#""a\r  - id: x\r""#,
        "'----'",
        "ünï",
    ] {
        let text = format!(
            "title: {title}\nauthor: \"x\\n  - id: y\"\nlogsource: {AWS}\ndescription: \"{{{{ x }}}}: - \\\"\"\ndetection:\n  s: {{ eventName: CreateUser, userIdentity.userName: \"$x\\\"\\n\" }}\n  condition: s\n"
        );
        let converted = sigma(&[file("a.yml", &text)]);
        assert_ne!(converted[0].verdict, Verdict::Refused, "{title}: {:?}", converted[0].notes);
        assert_eq!(loaded(&converted).rules.len(), 1, "{title}");
    }
}

#[test]
fn notifications_become_rules() {
    let converted = key_event(&file("n.json", NOTIFICATIONS)).unwrap();
    let verdicts: Vec<&str> = converted.iter().map(|one| one.verdict.as_str()).collect();
    assert_eq!(verdicts, ["carried", "carried", "refused", "partly", "refused"], "{converted:?}");
    told(&converted[2], Verdict::Refused, "the user group `admin`");
    told(&converted[3], Verdict::Partly, "the user group `ops`");
    told(&converted[4], Verdict::Refused, "`user` is not a field");
    let set = loaded(&converted);
    assert_eq!(set.rules[0].topics, ["alerts"]);
    assert_eq!(set.rules[1].mode, rule::Mode::Off);
    for (words, kind, code, expected) in [
        ("CTS deleteTracker alice", "tracker", "204", true),
        ("CTS deleteTracker Bob", "tracker", "204", true),
        ("CTS deleteTracker carol", "tracker", "204", false),
        ("CTS deleteTracker alice", "notification", "204", false),
        ("CTS deleteTracker alice", "tracker", "304", false),
        ("CTS deleteTracker alice - failed", "tracker", "204", false),
        ("CTS createTracker alice", "tracker", "204", false),
    ] {
        let mut trace = trace(words);
        trace.resource.kind = Some(kind.into());
        trace.code = Some(code.into());
        assert_eq!(set.rules[0].condition.holds(&trace), expected, "{words} {kind} {code}");
    }
    for text in ["", "[", "{}", "{\"notifications\": 1}", "7"] {
        assert!(key_event(&file("n.json", text)).is_err(), "{text}");
    }
}

fn tracebell(args: &[&str], input: &str) -> Output {
    let folder = env!("CARGO_MANIFEST_DIR");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tracebell"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    child.wait_with_output().expect("the binary ends")
}

#[test]
fn the_command_prints_rules_and_says_what_became_of_each() {
    let output = tracebell(&["convert", "sigma", "tests/fixtures/sigma"], "");
    let (rules, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.ends_with("7 rules: 4 carried over, 1 in part (as shadows), 2 refused\n"), "{said}");
    assert!(said.contains("refused   A process on a desktop"), "{said}");
    let (set, problems) = rule::load(&[file("out.yaml", &rules)]);
    assert_eq!((set.rules.len(), problems.iter().filter(|p| p.level == Level::Error).count()), (5, 0), "{rules}");

    let output = tracebell(&["convert", "key-event", "-", "--output", "json"], NOTIFICATIONS);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (json["carried"].as_u64(), json["partly"].as_u64(), json["refused"].as_u64()),
        (Some(2), Some(1), Some(2))
    );
    assert_eq!(json["rules"][0]["id"], "cts-guard");
}

#[test]
fn the_command_writes_a_folder_once() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("rules");
    let args = ["convert", "sigma", "tests/fixtures/sigma/rules.yml", "--write", to.to_str().unwrap()];
    assert_eq!(tracebell(&args, "").status.code(), Some(0));
    let mut names: Vec<String> =
        std::fs::read_dir(&to).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["sigma-cts.yaml", "sigma-iam.yaml"]);
    let again = tracebell(&args, "");
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"), "{again:?}");
    assert_eq!(again.status.code(), Some(3));
    assert_eq!(tracebell(&["convert", "sigma", "nowhere.yml"], "").status.code(), Some(2));
    assert_eq!(tracebell(&["convert", "key-event", "-"], "{}").status.code(), Some(2));
    let windows = "title: t\nlogsource: { product: windows }\ndetection: { s: { a: b }, condition: s }\n";
    let path = folder.path().join("w.yml");
    std::fs::write(&path, windows).unwrap();
    assert_eq!(tracebell(&["convert", "sigma", path.to_str().unwrap()], "").status.code(), Some(1));
}
