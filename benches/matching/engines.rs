//! What is measured: each takes the text of a record and tells how many rules it satisfies.

use std::collections::HashSet;

use quamina::{MatcherBuildMode, Quamina, QuaminaBuilder};
use rsigma_eval::{Engine as Sigma, JsonEvent};
use serde::Deserialize;
use tracebell::{
    clock::Timestamp,
    document::File,
    rule::{self, RuleSet},
    trace::{
        Raw,
        decode::{Context, decode},
    },
};

use super::rules::{self, Rule};

pub type Engine = Box<dyn Fn(&str) -> usize>;

/// The set that the rules make, loaded from YAML.
pub fn load(rules: &[Rule]) -> RuleSet {
    let text = rules::ours(rules);
    load_files(&split(&text))
}

/// Files below the limit of one file.
pub fn split(text: &str) -> Vec<File> {
    const RULES: usize = 5_000;
    let body = text.strip_prefix("rules:\n").unwrap_or(text);
    let rules: Vec<&str> = body.split_inclusive("\n  - id").collect();
    let joined: Vec<String> = rules.chunks(RULES).map(<[&str]>::concat).collect();
    let file = |(at, part): (usize, &String)| {
        let part = part.strip_suffix("\n  - id").unwrap_or(part);
        let part = if at == 0 { part.to_owned() } else { format!("  - id{part}") };
        File { name: format!("rules/{at}.yaml"), text: format!("rules:\n{part}\n") }
    };
    joined.iter().enumerate().map(file).collect()
}

pub fn load_files(files: &[File]) -> RuleSet {
    let (set, problems) = rule::load(files);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.level == tracebell::document::Level::Error).collect();
    assert!(errors.is_empty(), "{:?}", &errors[..errors.len().min(3)]);
    set
}

pub fn lazy(set: RuleSet) -> Engine {
    let context = Context::default();
    Box::new(move |record| set.holding(&Raw::read(record, &context, Timestamp::UNIX_EPOCH).expect("a record")).len())
}

pub fn decoded(set: RuleSet) -> Engine {
    let context = Context::default();
    Box::new(move |record| set.holding(&decode(record, &context, Timestamp::UNIX_EPOCH).expect("a record")).len())
}

pub fn plain_loop(set: RuleSet) -> Engine {
    let context = Context::default();
    Box::new(move |record| {
        set.holding_one_by_one(&decode(record, &context, Timestamp::UNIX_EPOCH).expect("a record")).len()
    })
}

/// The rules spread over so many matchers, each of which sees every record.
pub fn quamina(rules: &[Rule], mode: MatcherBuildMode, matchers: usize) -> Result<Engine, String> {
    let mut all: Vec<Quamina<usize>> = Vec::new();
    for _ in 0..matchers {
        let mut matcher = QuaminaBuilder::new()
            .with_arena_byte_budget(usize::MAX / 4)
            .with_max_states_per_pattern(usize::MAX / 4)
            .build()
            .map_err(|error| error.to_string())?;
        matcher.set_matcher_build_mode(mode);
        all.push(matcher);
    }
    for (at, rule) in rules.iter().enumerate() {
        let pattern = rules::quamina(rule);
        all[at % matchers].add_pattern(at, &pattern).map_err(|error| format!("{error}: {pattern}"))?;
    }
    let one = |matcher: &Quamina<usize>, record: &str| {
        let found = matcher.matches_for_event(record.as_bytes()).expect("a record");
        // A rule is counted once.
        if found.len() < 2 { found.len() } else { found.into_iter().collect::<HashSet<_>>().len() }
    };
    Ok(Box::new(move |record| all.iter().map(|matcher| one(matcher, record)).sum()))
}

pub fn sigma(rules: &[Rule]) -> Engine {
    let collection = rsigma_parser::parse_sigma_yaml(&rules::sigma(rules)).expect("Sigma rules");
    let mut engine = Sigma::new();
    engine.add_collection(&collection).expect("Sigma rules");
    assert_eq!(engine.rule_count(), rules.len());
    Box::new(move |record| {
        let value: serde_json::Value = serde_json::from_str(record).expect("a record");
        engine.evaluate(&JsonEvent::borrow(&value)).len()
    })
}

/// A record whose fields are all looked at, and borrowed: what decoding alone costs.
#[derive(Deserialize)]
#[expect(dead_code, reason = "reading the fields is what is measured")]
struct Borrowed<'a> {
    trace_id: &'a str,
    trace_name: &'a str,
    trace_rating: &'a str,
    trace_type: &'a str,
    service_type: &'a str,
    resource_type: &'a str,
    resource_name: &'a str,
    resource_id: &'a str,
    user: User<'a>,
    source_ip: &'a str,
    code: u32,
    api_version: &'a str,
    time: u64,
    record_time: u64,
    #[serde(borrow)]
    request: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    response: &'a serde_json::value::RawValue,
    message: &'a str,
    project_id: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct User<'a> {
    name: &'a str,
    id: &'a str,
    domain: Domain<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Domain<'a> {
    name: &'a str,
    id: &'a str,
}

pub fn decoding_alone() -> Engine {
    Box::new(|record| {
        let record: Borrowed<'_> = serde_json::from_str(record).expect("a record");
        std::hint::black_box(&record);
        0
    })
}
