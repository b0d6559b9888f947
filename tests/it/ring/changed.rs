//! A rule changes while it remembers: what it remembers of its old self must not ring.

use super::{desk::Desk, *};

/// Traces under a rule, then under the same rule changed: how many are told of all, `None` for a panic.
#[track_caller]
fn check(before: &str, after: &str, traces: &[(u64, &str)], expected: usize) {
    let of = |rest: &str| {
        let text = format!("rules:\n- id: r\n  title: t\n  severity: low\n{rest}");
        let (set, problems) = rule::load(&[File { name: "r.yaml".into(), text }]);
        assert_eq!(set.rules.len(), 1, "{problems:?}");
        set
    };
    let (before, after) = (of(before), of(after));
    let mut desk = Desk::default();
    desk.page(&before, &[], None, at(0));
    let trace = |(number, (seconds, operation)): (usize, &(u64, &str))| {
        let mut trace = Trace::blank(format!("t{number}"), at(*seconds));
        trace.operation = (*operation).to_owned();
        trace.source_ip = Some("192.0.2.1".into());
        trace.resource.id = Some(number.to_string());
        trace.actor.name = Some("alice".into());
        Arc::new(trace)
    };
    let traces: Vec<Arc<Trace>> = traces.iter().enumerate().map(trace).collect();
    let (last, first) = traces.split_last().unwrap();
    desk.page(&before, first, None, at(900_000));
    desk.page(&after, std::slice::from_ref(last), None, at(900_000));
    desk.page(&after, &[], Some(at(900_000)), at(900_000));
    assert_eq!(desk.told("r").len(), expected);
}

const COUNT: &str = "  match: { operation: fail }\n  when: { count: { at_least: 3, within: 5m, by: [source_ip] } }\n";
const FAILS: [(u64, &str); 3] = [(0, "fail"), (60, "fail"), (120, "fail")];

#[test]
fn a_rule_that_looks_for_something_else_begins_anew() {
    let distinct = COUNT.replace("count: {", "distinct: { of: resource.id,");
    let chain = "  when: { sequence: { steps: [ { operation: fail }, { operation: enter } ], within: 5m, same: [source_ip] } }\n";
    let enter = COUNT.replace("fail", "enter");
    let absent = "  match: { operation: fail }\n  when: { absent: { for: 1h, by: [source_ip], arm_after: 3 } }\n";
    check(COUNT, &distinct, &FAILS, 0);
    check(&distinct, COUNT, &FAILS, 0);
    check(COUNT, chain, &FAILS, 0);
    check(chain, COUNT, &FAILS, 0);
    check(COUNT, &enter, &[(0, "fail"), (60, "fail"), (120, "enter")], 0);
    check(&chain.replace("fail", "leave"), chain, &[(0, "leave"), (60, "enter")], 0);
    check(COUNT, absent, &FAILS, 0);
    check(absent, COUNT, &FAILS, 0);
    check(absent, &absent.replace("fail", "enter"), &[(0, "fail"), (1, "fail"), (2, "fail"), (3, "leave")], 0);
    let then = "  match: { operation: fail }\n  dedup: { by: [source_ip], for: 1s }\n  then: { match: { operation: enter }, within: 5m, severity: high }\n";
    check(then, &then.replace("enter", "leave"), &[(5, "enter"), (4, "fail")], 1);
}

#[test]
fn a_rule_that_looks_for_more_or_less_of_the_same_goes_on() {
    let laid_out = "  when:\n    count:\n      by: [source_ip]\n      at_least: 2\n      within: 10m\n  match: { operation:   fail }\n";
    check(COUNT, laid_out, &FAILS, 3);
    check(
        COUNT,
        &COUNT.replace("at_least: 3", "at_least: 4"),
        &[(0, "fail"), (1, "fail"), (2, "fail"), (3, "fail")],
        4,
    );
    let absent = "  match: { operation: fail }\n  when: { absent: { for: 1h, by: [source_ip], arm_after: 3 } }\n";
    check(absent, &absent.replace("1h", "2h"), &FAILS, 1);
}

#[test]
fn another_value_is_learnt_first() {
    let first = "  match: { operation: fail }\n  when: { first_seen: { of: [actor.name], learn: 1d } }\n";
    let late = [(700_000, "fail"), (700_060, "fail")];
    check(first, first, &late, 1);
    check(first, &first.replace("actor.name", "resource.id"), &late, 1);
    check(first, &first.replace("operation: fail", "operation: [fail, enter]"), &late, 1);
}

#[test]
fn a_clock_that_ran_ahead_makes_no_rule_learn_for_years() {
    let text = "rules:\n- id: r\n  title: t\n  severity: low\n  match: { operation: fail }\n  \
                when: { first_seen: { of: [resource.id], learn: 1d } }\n";
    let set = rule::load(&[File { name: "r.yaml".into(), text: text.into() }]).0;
    let mut desk = Desk::default();
    let trace = |id: &str, seconds: u64| {
        let mut trace = Trace::blank(id, at(seconds));
        (trace.operation, trace.resource.id) = ("fail".into(), Some(id.to_owned()));
        Arc::new(trace)
    };
    desk.page(&set, &[trace("a", 0)], None, at(900_000_000));
    desk.page(&set, &[trace("b", 60)], None, at(120));
    desk.page(&set, &[trace("c", 90_000)], None, at(90_000));
    assert_eq!(desk.told("r"), ["c"]);
}
