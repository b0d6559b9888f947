//! Windows are right under disorder: the same traces in any order, with duplicates, in
//! any page split, with a restart between any two pages, give the same alerts.
//!
//! What is told is held against the definitions of the rules, written down here in the
//! plainest way; what becomes of it against the same traces in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use tracebell::{
    clock::{self, Timestamp},
    document::File,
    rule::{self, RuleSet},
    trace::{Rating, Trace},
};

mod changed;
mod definition;
mod desk;

use desk::Desk;

const RULES: &str = r#"
rules:
- id: count
  title: "Guessing from {{ key.source_ip }}"
  severity: low
  match: { operation: fail }
  except: [ { reason: known, match: { actor.name: robot } } ]
  when: { count: { at_least: 4, within: 5m, by: [source_ip] } }
  then: { match: { operation: enter }, within: 20m, severity: critical, title: "{{ actor.name }} guessed right" }
  dedup: { for: 10m }
- id: distinct
  title: "{{ key.actor.name }} touched many"
  severity: low
  match: { operation: [fail, enter] }
  when: { distinct: { of: [resource.id], at_least: 3, within: 4m, by: [actor.name] } }
  dedup: { for: 10m }
- id: first
  title: "{{ actor.name }} is new at {{ source_ip }}"
  severity: low
  match: { operation: [enter, leave] }
  when: { first_seen: { of: [actor.name, source_ip], remember: 20m, learn: 20m } }
  dedup: { for: 10m }
- id: absent
  title: "Nothing of {{ key.resource.name }}"
  severity: low
  match: { operation: leave }
  when: { absent: { for: 12m, by: [resource.name], arm_after: 2 } }
  dedup: { for: 10m }
- id: chain
  title: "Chain at {{ key.source_ip }}"
  severity: low
  match: { resource.name: "*" }
  when: { sequence: { steps: [ { operation: fail }, { operation: [fail, enter] }, { operation: leave } ], within: 3m, same: [source_ip] } }
  dedup: { for: 10m }
- id: each
  title: "{{ actor.name }}"
  severity: low
  match: { operation: [enter, leave] }
  except: [ { reason: known, match: { actor.name: robot } } ]
  then: { match: { operation: [fail, leave] }, within: 2m, severity: high }
  dedup: { by: [source_ip, actor.name], for: 10m }
"#;

const SEEDS: u64 = 60;

fn rules() -> RuleSet {
    let (set, problems) = rule::load(&[File { name: "rules.yaml".into(), text: RULES.into() }]);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.level == tracebell::document::Level::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    set
}

pub fn at(seconds: u64) -> Timestamp {
    clock::plus("2026-03-01T00:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
}

/// Where traces lie: bursts of less than ten minutes, with much more than any window between; or anywhere.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Bursts,
    Anywhere,
}

fn traces(shape: Shape, rng: &mut Rng) -> Vec<Arc<Trace>> {
    let count = rng.usize(10..160);
    let one = |number: usize, rng: &mut Rng| {
        let seconds = match shape {
            // Learning ends at 20 minutes, between the first and the second.
            Shape::Bursts => rng.u64(0..5) * 2400 + rng.u64(0..590),
            Shape::Anywhere => rng.u64(0..6000),
        };
        let mut trace = Trace::blank(format!("t{number}"), at(seconds));
        trace.operation = (*rng.choice(&["fail", "fail", "fail", "enter", "leave"]).unwrap()).to_owned();
        let pick = |words: &[&str], rng: &mut Rng| {
            rng.choice(words).filter(|word| **word != "-").map(|word| (*word).to_owned())
        };
        trace.actor.name = pick(&["alice", "bob", "robot", "-"], rng);
        trace.source_ip = pick(&["192.0.2.1", "192.0.2.2", "-"], rng);
        trace.resource.id = pick(&["1", "2", "3", "4", "5", "-"], rng);
        trace.resource.name = pick(&["one", "two"], rng);
        Arc::new(trace)
    };
    (0..count).map(|number| one(number, rng)).collect()
}

/// The traces in another order, some of them twice, cut into pages.
fn pages(traces: &[Arc<Trace>], rng: &mut Rng) -> Vec<Vec<Arc<Trace>>> {
    let mut list = traces.to_vec();
    list.sort_by_key(|trace| trace.time);
    match rng.u8(0..5) {
        0 => {}
        1 => list.reverse(),
        _ => rng.shuffle(&mut list),
    }
    for _ in 0..rng.usize(0..20) {
        let twice = list[rng.usize(0..list.len())].clone();
        list.insert(rng.usize(0..=list.len()), twice);
    }
    let mut pages = Vec::new();
    while !list.is_empty() {
        let length = if rng.bool() { 1 } else { rng.usize(1..40) }.min(list.len());
        pages.push(list.drain(..length).collect());
    }
    pages
}

fn run(rules: &RuleSet, pages: &[Vec<Arc<Trace>>]) -> Desk {
    let mut desk = Desk::default();
    desk.page(rules, &[], None, at(0));
    for page in pages {
        desk.page(rules, page, None, at(20_000));
    }
    desk.page(rules, &[], Some(at(20_000)), at(20_000));
    desk
}

#[test]
fn what_is_told_is_what_the_rules_define_whatever_the_order() {
    let rules = rules();
    let escalated = "escalated".to_owned();
    let mut all: BTreeMap<&String, usize> = BTreeMap::new();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let shape = if seed % 2 == 0 { Shape::Anywhere } else { Shape::Bursts };
        let traces = traces(shape, &mut rng);
        let desk = run(&rules, &pages(&traces, &mut rng));
        for rule in &rules.rules {
            if rule.id == "first" {
                // Which of several sightings is the first to come is up to the order.
                continue;
            }
            let (told, defined) = (desk.told(&rule.id), definition::told(rule, &traces, at(20_000)));
            assert_eq!(told, defined, "seed {seed}, {}", rule.id);
            *all.entry(&rule.id).or_default() += told.len();
        }
        *all.entry(&escalated).or_default() += desk.alerts().iter().filter(|alert| alert.escalated).count();
    }
    // Else equality would prove little.
    let few: Vec<(&&String, &usize)> = all.iter().filter(|(_, told)| **told < 100).collect();
    assert!(few.is_empty() && all.len() == 6, "{all:?}");
}

#[test]
fn bursts_give_the_same_alerts_whatever_the_order() {
    let rules = rules();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let traces = traces(Shape::Bursts, &mut rng);
        let mut sorted = traces.clone();
        sorted.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let ordered: Vec<Vec<Arc<Trace>>> = sorted.into_iter().map(|trace| vec![trace]).collect();
        let (straight, shuffled) = (run(&rules, &ordered), run(&rules, &pages(&traces, &mut rng)));
        assert_eq!(shuffled.alerts(), straight.alerts(), "seed {seed}");
    }
}

#[test]
fn a_value_is_new_once_in_each_burst_after_learning() {
    let rules = rules();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let traces = traces(Shape::Bursts, &mut rng);
        let desk = run(&rules, &pages(&traces, &mut rng));
        let values: BTreeSet<(u64, String, String)> = traces
            .iter()
            .filter(|trace| ["enter", "leave"].contains(&trace.operation.as_str()))
            .filter_map(|trace| {
                let burst = clock::since(at(0), trace.time).as_secs() / 2400;
                Some((burst, trace.actor.name.clone()?, trace.source_ip.clone()?))
            })
            .filter(|(burst, ..)| *burst >= 1)
            .collect();
        assert_eq!(desk.told("first").len(), values.len(), "seed {seed}");
    }
}

#[test]
fn silences_are_the_same_however_often_they_are_judged() {
    let rules = rules();
    let absent = rules.rules.iter().find(|rule| rule.id == "absent").unwrap();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let traces = traces(Shape::Anywhere, &mut rng);
        let mut desk = Desk::default();
        // Disorder reaches back to the last watermark, not beyond.
        let mut from = 0;
        while from < 20_000 {
            let to = from + rng.u64(1..2000);
            let within = |trace: &&Arc<Trace>| (from..to).contains(&clock::since(at(0), trace.time).as_secs());
            let some: Vec<Arc<Trace>> = traces.iter().filter(within).cloned().collect();
            if !some.is_empty() {
                for page in pages(&some, &mut rng) {
                    desk.page(&rules, &page, None, at(20_000));
                }
            }
            desk.page(&rules, &[], Some(at(to - 1)), at(20_000));
            from = to;
        }
        let defined = definition::told(absent, &traces, at(from - 1));
        assert_eq!(desk.told("absent"), defined, "seed {seed}");
    }
}

#[test]
fn a_request_and_its_result_are_one_alert_whatever_the_order() {
    let text = "rules:\n- id: delete\n  title: t\n  severity: low\n  match: { action: delete }\n";
    let (rules, _) = rule::load(&[File { name: "rules.yaml".into(), text: text.into() }]);
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let operations = rng.usize(1..8);
        let mut traces = Vec::new();
        for number in 0..operations {
            // More than ten minutes apart: each request is an alert of its own.
            let begun = number as u64 * 2000;
            let half = |id: &str, seconds: u64| {
                let mut trace = Trace::blank(format!("{id}{number}"), at(begun + seconds));
                (trace.service, trace.operation) = ("ECS".into(), "deleteServer".into());
                trace.resource.id = Some(format!("server-{number}"));
                trace
            };
            let mut request = half("request", 0);
            request.actor.name = Some("alice".into());
            let mut result = half("result", rng.u64(1..900));
            result.rating = if rng.bool() { Rating::Incident } else { Rating::Normal };
            traces.extend([Arc::new(request), Arc::new(result)]);
        }
        let desk = run(&rules, &pages(&traces, &mut rng));
        assert_eq!(desk.told("delete").len(), traces.len(), "seed {seed}");
        assert_eq!(desk.alerts().len(), operations, "seed {seed}");
    }
}
