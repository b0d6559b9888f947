//! Matchers, silences and inhibitions, as data.

use super::*;
use crate::alert::{Key, Severity};

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + 60 * minutes).unwrap()
}

fn alert(id: &str, rule: &str, severity: Severity, actor: Option<&str>) -> Alert {
    let mut first = Trace::blank(format!("trace-{id}"), at(0));
    (first.service, first.operation) = ("KMS".into(), "scheduleKeyDeletion".into());
    first.actor.name = actor.map(str::to_owned);
    first.resource.name = Some("prod *key*".into());
    Alert {
        id: id.into(),
        source: "prod".into(),
        rule: rule.into(),
        fingerprint: String::new(),
        key: actor.map(|actor| ("actor.name".to_owned(), actor.to_owned())).into_iter().collect::<Key>(),
        severity,
        title: "Alice put key \"prod\" at risk".into(),
        why: None,
        runbook: None,
        first_time: None,
        last_time: at(0),
        count: 1,
        told: 1,
        opened_at: at(0),
        closes_at: at(10),
        window: Duration::from_secs(600),
        shadow: false,
        escalated: false,
        muted: None,
        swallowed: 0,
        first,
    }
}

fn matchers(texts: &[&str]) -> Vec<Matcher> {
    texts.iter().map(|text| Matcher::parse(text).unwrap_or_else(|error| panic!("{error}"))).collect()
}

#[test]
fn matchers_hold_as_they_read() {
    let alert = alert("alr_1", "kms-key-destruction", Severity::High, Some("alice"));
    for (text, holds) in [
        ("rule=kms-key-destruction", true),
        ("rule=kms-*", true),
        ("rule=KMS-*", false),
        ("rule!=kms-*", false),
        ("severity=high", true),
        ("severity=HIGH", true),
        ("severity=~high|critical", true),
        ("severity!~high|critical", false),
        ("source=prod", true),
        ("title=*key*", true),
        ("title=~.*\"prod\".*", true),
        ("title=~key", false),
        ("alert=alr_1", true),
        ("key.actor.name=alice", true),
        ("key.user.name=Alice", true),
        ("key.source_ip=10.0.0.1", false),
        ("key.source_ip!=10.0.0.1", true),
        ("actor.name=ALICE", true),
        ("service=kms", true),
        ("action!=login", true),
        ("resource.name=~prod \\*key\\*", true),
        ("resource.id=x", false),
        ("resource.id!=x", true),
        ("request.a.b=x", false),
        ("actor.name=~a|alice", true),
        ("actor.name=~a)|(.*", false),
    ] {
        let Ok(matcher) = Matcher::parse(text) else {
            assert!(text.contains(")|("), "{text} is refused");
            continue;
        };
        assert_eq!(matcher.holds(Subject::of(&alert)), holds, "{text}");
        assert_eq!(Matcher::parse(&matcher.to_string()), Ok(matcher), "{text} reads back");
    }
}

#[test]
fn what_is_no_matcher_is_told_why() {
    for (text, part) in [
        ("rule", "write `field=value`"),
        ("rule!kms", "write `field=value`"),
        ("ruel=kms", "did you mean `rule`?"),
        ("actor.nmae=alice", "did you mean `actor.name`?"),
        ("key.actor.nmae=alice", "did you mean `key.actor.name`?"),
        ("zzzzzzzz=1", "`key.FIELD`"),
        ("severity=hihg", "did you mean `high`?"),
        ("rule=~(", "is not a regular expression"),
        ("rule=~a)|(b", "is not a regular expression"),
        ("rule=~(\\w{1000}){1000}", "is not a regular expression"),
        (&format!("rule={}", "x".repeat(5000)), "at most 4096"),
    ] {
        let error = Matcher::parse(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

fn draft(texts: &[&str], starts_at: Timestamp, ends_at: Timestamp) -> Draft {
    Draft { matchers: matchers(texts), starts_at, ends_at, author: "anna".into(), comment: "planned\n rotation".into() }
}

#[test]
fn a_silence_has_an_end_a_reason_and_names_something() {
    let good = || draft(&["rule=*", "actor.name=alice"], at(0), at(60));
    let silence = Silence::new(good(), at(0)).unwrap();
    assert_eq!((silence.id.len(), silence.comment.as_str()), (14, "planned rotation"));
    assert!(silence.doubts().is_empty());
    assert_ne!(Silence::new(good(), at(1)).unwrap().id, silence.id, "made again it is another one");
    for (draft, part) in [
        (draft(&[], at(0), at(60)), "needs a matcher"),
        (draft(&["rule=*"], at(0), at(60)), "`rule=*` would swallow every alert"),
        (draft(&["rule=~.*", "actor.name!=", "title=~.+|"], at(0), at(60)), "would swallow every alert"),
        (draft(&["rule=x"], at(60), at(60)), "not after its start"),
        (draft(&["rule=x"], at(-60), at(-1)), "is past"),
        (Draft { comment: " \n".into(), ..good() }, "needs a comment"),
        (Draft { author: "\t".into(), ..good() }, "needs an author"),
        (Draft { comment: "x".repeat(501), ..good() }, "longer than 500"),
    ] {
        let problems = Silence::new(draft, at(0)).expect_err(part);
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
    }
    let year = Silence::new(draft(&["rule=x"], at(0), at(60 * 24 * 400)), at(0)).unwrap();
    assert!(year.doubts()[0].contains("400 d"), "{:?}", year.doubts());
    assert!(Silence::new(draft(&["severity!=critical"], at(0), at(9)), at(0)).is_ok(), "all but the worst");
}

#[test]
fn a_silence_holds_while_it_lasts_and_for_what_is_recorded_late() {
    let silence = Silence::new(draft(&["actor.name=alice"], at(10), at(20)), at(0)).unwrap();
    let ended = Silence { expired_at: Some(at(15)), ..silence.clone() };
    let alice = alert("a", "r", Severity::Low, Some("alice"));
    // The silence, when the trace happened, when it is judged.
    for (silence, time, now, mutes, standing) in [
        (&silence, 0, 5, false, Standing::Pending),
        (&silence, 12, 5, false, Standing::Pending),
        (&silence, 0, 10, true, Standing::Active),
        (&silence, 12, 19, true, Standing::Active),
        (&silence, 12, 20, true, Standing::Expired),
        (&silence, 20, 20, false, Standing::Expired),
        (&silence, 0, 30, false, Standing::Expired),
        (&ended, 12, 14, true, Standing::Active),
        (&ended, 12, 15, false, Standing::Expired),
    ] {
        let mut trace = alice.first.clone();
        let subject = Subject { alert: &alice, trace: &trace, time: at(time) };
        assert_eq!(silence.mutes(subject, at(now)), mutes, "{time} at {now}");
        assert_eq!(silence.standing(at(now)), standing, "at {now}");
        // What counts is the trace at hand, not the one that opened the alert.
        trace.actor.name = Some("mallory".into());
        assert!(!silence.mutes(Subject { alert: &alice, trace: &trace, time: at(time) }, at(now)));
    }
}

#[test]
fn more_of_the_same_is_matched_by_rule_and_key() {
    let mut one = alert("a", "kms", Severity::Low, Some("al*ice"));
    one.key.insert("resource.name".into(), "~x y".into());
    let found = like(&one);
    let texts: Vec<String> = found.iter().map(Matcher::to_string).collect();
    assert_eq!(texts, ["rule=kms", "key.actor.name=~al\\*ice", "key.resource.name=~\\~x y"]);
    assert!(found.iter().all(|matcher| matcher.holds(Subject::of(&one))));
    one.key.insert("actor.name".into(), "alxice".into());
    assert!(!found.iter().all(|matcher| matcher.holds(Subject::of(&one))));
    one.key.insert("actor.name".into(), "\u{e9}".repeat(20_000));
    assert!(like(&one).iter().all(|matcher| matcher.holds(Subject::of(&one))), "however long");
}

#[test]
fn another_open_alert_inhibits() {
    let inhibition = |when: &str, mutes: &str, same: &[&str]| Inhibition {
        name: "n".into(),
        when: matchers(&[when]),
        mutes: matchers(&[mutes]),
        same: same.iter().map(|name| Of::parse(name).unwrap()).collect(),
    };
    let source = |id: &str, actor| alert(id, "account-taken-over", Severity::Critical, actor);
    let target = alert("t", "login", Severity::Low, Some("Alice"));
    let by_actor = inhibition("severity=critical", "severity=~low|info", &["actor.name"]);
    let any = inhibition("severity=critical", "severity=~low|info", &[]);
    let shadow = Alert { shadow: true, ..source("s", Some("alice")) };
    for (inhibition, open, expected) in [
        (&by_actor, vec![], false),
        (&by_actor, vec![source("s", Some("alice"))], true),
        (&by_actor, vec![source("s", Some("bob"))], false),
        (&by_actor, vec![source("s", None)], false),
        (&by_actor, vec![shadow], false),
        (&any, vec![source("s", None)], true),
        (&inhibition("rule=login", "rule=login", &[]), vec![target.clone()], false),
        (&inhibition("severity=~.*", "severity=low", &[]), vec![alert("u", "r", Severity::Low, None)], false),
        (&inhibition("severity=~.*", "severity=low", &[]), vec![source("s", None)], true),
    ] {
        let inhibitions = std::slice::from_ref(inhibition);
        let mute = Muting { inhibitions, open: &open, ..Muting::default() }.judge(Subject::of(&target), at(0));
        assert_eq!(mute.is_some(), expected, "{inhibition:?} {open:?}");
        if let Some(mute) = mute {
            assert!(mute.reason.starts_with("inhibition n by alert s of rule account-taken-over"), "{}", mute.reason);
        }
    }
}

#[test]
fn doubtful_silences_are_found() {
    use hygiene::Finding::{EndsSoon, Long, NeverSwallowed, WholeRule};
    const DAY: i64 = 1440;
    for (texts, days, swallowed, now, expected) in [
        (&["rule=x", "actor.name=a"][..], 7, 3, 2, vec![]),
        (&["rule=x", "actor.name=a"], 7, 0, 2, vec![NeverSwallowed]),
        (&["rule=x"], 40, 0, 0, vec![Long, WholeRule]),
        (&["actor.name=a"], 7, 1, 7, vec![]),
        (&["actor.name=a"], 2, 1, 1, vec![]),
    ] {
        let silence = Silence::new(draft(texts, at(0), at(days * DAY)), at(0)).unwrap();
        assert_eq!(hygiene::look(&silence, swallowed, at(now * DAY)), expected, "{texts:?} {days}");
    }
    let silence = Silence::new(draft(&["actor.name=a"], at(0), at(2 * DAY)), at(0)).unwrap();
    assert_eq!(hygiene::look(&silence, 1, at(DAY + 1)), [EndsSoon]);
}
