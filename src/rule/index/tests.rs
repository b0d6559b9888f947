//! Random rules and random traces: the index finds what asking every rule finds.

use std::fmt::Write;

use fastrand::Rng;

use crate::{
    document::{File, Level},
    rule::{self, RuleSet},
    trace::{
        Raw,
        decode::{Context, decode},
    },
};

const WORDS: [&str; 12] = [
    "IAM",
    "kms",
    "deleteKey",
    "deleteUser",
    "createKey",
    "Größe",
    "STRASSE",
    "ſession",
    "session",
    "alice",
    "bob",
    "K",
];

fn word(rng: &mut Rng) -> String {
    let word = WORDS[rng.usize(..WORDS.len())];
    match rng.u8(..8) {
        0 => word.to_lowercase(),
        1 => word.to_uppercase(),
        2 => format!("{word}{}", rng.u8(..4)),
        3 => word.chars().take(3).collect(),
        4 => word.chars().skip(2).chain(['x']).collect(),
        _ => word.to_owned(),
    }
}

fn address(rng: &mut Rng) -> String {
    match rng.u8(..6) {
        0 => format!("2001:DB8::{:x}", rng.u8(..3)),
        1 => format!("::ffff:10.0.0.{}", rng.u8(..4)),
        2 => "console".to_owned(),
        _ => format!("10.0.{}.{}", rng.u8(..3), rng.u8(..4)),
    }
}

fn test(rng: &mut Rng) -> String {
    let word = word(rng);
    let other = self::word(rng);
    let pattern = match rng.u8(..6) {
        0 => format!("^{word}"),
        1 => format!("({word}|{other})$"),
        2 => format!("{word}?[a-z]*"),
        3 => format!("[{word}]{{2}}"),
        4 => format!("(?i){word}"),
        _ => format!("{word}.*{other}"),
    };
    match rng.u8(..12) {
        0 => format!("[{word}, \"{other}\"]"),
        1 => format!("\"{word}*\""),
        2 => format!("[\"*{word}\", \"{other}*{word}\"]"),
        3 => format!("{{ prefix: {word} }}"),
        4 => format!("{{ suffix: [{word}, {other}] }}"),
        5 => format!("{{ contains: {word} }}"),
        6 => format!("{{ regex: '{pattern}' }}"),
        7 => format!("{{ not: {word} }}"),
        8 => format!("{{ not: {{ not: {{ prefix: {word} }} }} }}"),
        9 => format!("{{ exists: {} }}", rng.bool()),
        _ => word,
    }
}

fn group(rng: &mut Rng, depth: usize) -> String {
    let mut keys = Vec::new();
    for name in ["service", "operation", "actor.name", "actor.id", "request.name", "request.list.0", "message"] {
        if rng.u8(..4) == 0 {
            keys.push(format!("{name}: {}", test(rng)));
        }
    }
    match rng.u8(..12) {
        0 => {
            keys.push(format!("source_ip: {{ cidr: [10.0.{}.0/24, 10.0.0.{}, 0.0.0.0/0] }}", rng.u8(..3), rng.u8(..4)))
        }
        1 => keys.push(format!("source_ip: {{ cidr: [10.0.0.0/{}, '2001:db8::/{}'] }}", rng.u8(8..33), rng.u8(1..129))),
        2 => keys.push("source_ip: { not_cidr: 10.0.0.0/24 }".to_owned()),
        3 => keys.push(format!("code: {{ gte: {} }}", rng.u16(200..500))),
        4 => keys.push("rating: { at_least: warning }".to_owned()),
        5 => keys.push("actor.name: { same_as: request.name }".to_owned()),
        6 => keys.push("rating: [normal, Warning]".to_owned()),
        _ => {}
    }
    keys.dedup_by(|a, b| a.split(':').next() == b.split(':').next());
    if depth > 0 {
        let (one, two) = (group(rng, depth - 1), group(rng, depth - 1));
        match rng.u8(..4) {
            0 => keys.push(format!("any: [{one}, {two}]")),
            1 => keys.push(format!("all: [{one}, {two}]")),
            2 => keys.push(format!("not: {one}")),
            _ => {}
        }
    }
    if keys.is_empty() {
        keys.push(format!("operation: {}", test(rng)));
    }
    let mut seen = Vec::new();
    keys.retain(|key| {
        let name = key.split(':').next().unwrap_or_default().to_owned();
        let fresh = !seen.contains(&name);
        seen.push(name);
        fresh
    });
    format!("{{ {} }}", keys.join(", "))
}

fn rules(rng: &mut Rng, count: usize) -> RuleSet {
    let mut text = "rules:\n".to_owned();
    for at in 0..count {
        let mode = ["live", "shadow", "off"][usize::from(rng.u8(..10) == 0) * 2];
        let group = group(rng, 2);
        writeln!(text, "  - {{ id: r{at}, title: t, severity: low, mode: {mode}, match: {group} }}").unwrap();
    }
    let (set, problems) = rule::load(&[File { name: "rules/random.yaml".into(), text: text.clone() }]);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.level == Level::Error).take(3).collect();
    assert!(errors.is_empty(), "{errors:?}\n{}", text.lines().take(30).collect::<Vec<_>>().join("\n"));
    set
}

fn record(rng: &mut Rng) -> String {
    let text = |text: String| serde_json::Value::String(text).to_string();
    let mut members = vec![
        format!("\"trace_name\":{}", text(word(rng))),
        format!("\"trace_rating\":\"{}\"", ["normal", "WARNING", "incident", "odd"][rng.usize(..4)]),
        format!("\"code\":{}", rng.u16(200..500)),
        format!("\"source_ip\":\"{}\"", address(rng)),
        format!("\"service_type\":{}", text(word(rng))),
        format!("\"user\":{{\"name\":{},\"id\":{}}}", text(word(rng)), text(word(rng))),
        format!("\"request\":{{\"name\":{},\"list\":[{}]}}", text(word(rng)), text(word(rng))),
        format!("\"message\":{}", text(format!("{} {}", word(rng), word(rng)))),
    ];
    rng.shuffle(&mut members);
    members.truncate(rng.usize(5..9));
    members.push("\"resource_type\":\"x\",\"service_type\":\"IAM\"".to_owned());
    format!("{{{}}}", members.join(","))
}

#[test]
fn the_index_finds_what_asking_every_rule_finds() {
    let context = Context::default();
    let now = crate::clock::Timestamp::UNIX_EPOCH;
    let (mut found, mut asked, mut indexed) = (0, 0, 0);
    for seed in 0..12 {
        let mut rng = Rng::with_seed(seed);
        let set = rules(&mut rng, 300);
        indexed += set.index.parts.len() - set.index.always.len();
        for _ in 0..150 {
            let record = record(&mut rng);
            let trace = decode(&record, &context, now).unwrap();
            let expected = set.holding_one_by_one(&trace);
            assert_eq!(set.holding(&trace), expected, "seed {seed}: {record}");
            assert_eq!(set.holding(&Raw::read(&record, &context, now).unwrap()), expected, "seed {seed}: {record}");
            found += expected.len();
            asked += set.rules.len();
        }
    }
    assert!(found > asked / 50 && found < asked / 2, "{found} of {asked}");
    assert!(indexed > 1_000, "only {indexed} parts have a key");
}

#[test]
fn rare_shapes_are_narrowed_and_still_found() {
    let mut text = "rules:\n".to_owned();
    for at in 0..400 {
        let (first, last) = (at % 20 + 1, at / 20 + 1);
        let match_ =
            format!("operation: {{ prefix: {} }}, actor.name: {{ suffix: {} }}", "a".repeat(first), "b".repeat(last));
        writeln!(text, "  - {{ id: r{at}, title: t, severity: low, match: {{ {match_} }} }}").unwrap();
    }
    let (set, _) = rule::load(&[File { name: "rules/many.yaml".into(), text }]);
    assert!(set.index.shapes.len() <= super::SHAPES, "{}", set.index.shapes.len());
    let (operation, name) = ("a".repeat(15), "b".repeat(9));
    let record = format!("{{\"trace_name\":\"{operation}\",\"user\":{{\"name\":\"{name}\"}}}}");
    let context = Context::default();
    let trace = Raw::read(&record, &context, crate::clock::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(set.holding(&trace), set.holding_one_by_one(&trace));
    assert_eq!(set.holding(&trace).len(), 15 * 9);
}
