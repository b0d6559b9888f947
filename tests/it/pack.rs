//! The shipped rules prove themselves: every condition in them is held by a case.
//!
//! A small mutation test: each rule is broken in every way listed in `mutants`, one at a
//! time, and some case of the rule has to notice.

use serde_json::{Map, Value, json};
use tracebell::{
    document::{self, File, Level, Node},
    rule,
};

/// A rule as JSON, which is YAML too, with something broken in it.
struct Mutant {
    rule: Value,
    /// What was broken: `match.operation[2] removed`.
    what: String,
}

#[test]
fn every_condition_of_the_pack_is_held_by_a_case() {
    let (lists, rules) = pack();
    let (mut caught, mut refused, mut survivors) = (0, 0, Vec::new());
    for rule in &rules {
        for mutant in mutants(rule) {
            match verdict(&lists, &mutant.rule) {
                Verdict::Caught => caught += 1,
                // No case is needed where the loader refuses the file.
                Verdict::Refused => refused += 1,
                Verdict::Survived => survivors.push(format!("{}: {}", rule["id"], mutant.what)),
            }
        }
    }
    println!("{} rules, {caught} mutants caught by a case, {refused} refused by the loader", rules.len());
    assert!(caught > 10 * rules.len(), "too few mutants were tried: {caught}");
    assert!(survivors.is_empty(), "no case notices these:\n{}", survivors.join("\n"));
}

#[test]
fn every_name_in_the_packs_lists_is_held_by_a_case() {
    let (lists, rules) = pack();
    let mut survivors = Vec::new();
    for (name, items) in &lists {
        let users: Vec<&Value> =
            rules.iter().filter(|rule| rule.to_string().contains(&format!("\"${name}\""))).collect();
        for index in 0..items.as_array().map_or(0, Vec::len) {
            let mut shorter = lists.clone();
            let item = shorter[name].as_array_mut().expect("a list").remove(index);
            if users.iter().all(|rule| matches!(verdict(&shorter, rule), Verdict::Survived)) {
                survivors.push(format!("{name}: {item}"));
            }
        }
    }
    assert!(survivors.is_empty(), "no case notices that these are gone:\n{}", survivors.join("\n"));
}

#[test]
fn every_rule_says_why_and_has_both_kinds_of_case() {
    let (set, problems) = rule::load(&rule::shipped());
    assert!(problems.is_empty(), "{problems:?}");
    assert!(set.rules.len() >= 64, "{}", set.rules.len());
    for rule in &set.rules {
        assert!(rule.why.is_some() && rule.noise_budget.is_some(), "{}", rule.id);
    }
}

enum Verdict {
    Caught,
    Refused,
    Survived,
}

fn verdict(lists: &Map<String, Value>, rule: &Value) -> Verdict {
    let file = File { name: "mutant.yaml".into(), text: json!({ "lists": lists, "rules": [rule] }).to_string() };
    let (set, problems) = rule::load(&[file]);
    if problems.iter().any(|problem| problem.level == Level::Error) {
        return Verdict::Refused;
    }
    match set.rules[0].run_cases().iter().any(|result| result.failure.is_some()) {
        true => Verdict::Caught,
        false => Verdict::Survived,
    }
}

/// The lists and the rules of all shipped files.
fn pack() -> (Map<String, Value>, Vec<Value>) {
    let (mut lists, mut rules) = (Map::new(), Vec::new());
    for file in rule::shipped() {
        let tree = json_of(&document::parse(&file).expect("shipped files are YAML"));
        lists.extend(tree["lists"].as_object().cloned().unwrap_or_default());
        rules.extend(tree["rules"].as_array().cloned().unwrap_or_default());
    }
    (lists, rules)
}

fn json_of(node: &Node) -> Value {
    match &node.value {
        document::Value::Null => Value::Null,
        document::Value::Bool(value) => (*value).into(),
        document::Value::Int(value) => (*value).into(),
        document::Value::Float(value) => (*value).into(),
        document::Value::Text(value) => value.as_str().into(),
        document::Value::List(items) => items.iter().map(json_of).collect(),
        document::Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| match &key.value {
                document::Value::Text(name) => (name.clone(), json_of(value)),
                other => panic!("a key that is {}", other.kind()),
            })
            .collect(),
    }
}

/// Every way in which a rule is broken.
fn mutants(rule: &Value) -> Vec<Mutant> {
    let mut found = Vec::new();
    for part in ["match", "when", "then", "except"] {
        walk(rule, &[part.to_owned()], &mut found);
    }
    if rule.get("then").is_some() {
        found.push(Mutant { rule: without(rule, &["then".into()]), what: "then removed".into() });
    }
    if rule.get("except").is_some() {
        found.push(Mutant { rule: without(rule, &["except".into()]), what: "except removed".into() });
    }
    found
}

/// Breaks what stands at `path` and below.
fn walk(rule: &Value, path: &[String], found: &mut Vec<Mutant>) {
    let Some(at) = rule.pointer(&pointer(path)) else { return };
    let name = path.last().map(String::as_str).unwrap_or_default();
    match at {
        // Texts for people and keys without which a rule does not load.
        _ if ["reason", "title", "learn", "severity"].contains(&name) => {}
        Value::Object(map) => {
            for key in map.keys() {
                let below = [path, std::slice::from_ref(key)].concat();
                let what = format!("{} removed", below.join("."));
                // Without these their default counts, which here is the same.
                if !["learn", "remember"].contains(&key.as_str()) && what != "then.same removed" {
                    found.push(Mutant { rule: without(rule, &below), what });
                }
                walk(rule, &below, found);
            }
        }
        Value::Array(items) => {
            for index in 0..items.len() {
                let below = [path, &[index.to_string()]].concat();
                if items.len() > 1 {
                    let mutant = without(rule, &below);
                    found.push(Mutant { rule: mutant, what: format!("{} removed", below.join(".")) });
                }
                walk(rule, &below, found);
            }
        }
        Value::Number(number) if name == "at_least" => {
            let number = number.as_u64().expect("a whole number");
            for other in [number - 1, number + 1] {
                found.push(changed(rule, path, json!(other)));
            }
        }
        Value::String(text) if name == "within" => {
            found.push(changed(rule, path, json!(format!("{text}{text}"))));
            found.push(changed(rule, path, json!("1s")));
        }
        Value::String(_) if name == "remember" => found.push(changed(rule, path, json!("1s"))),
        Value::String(_) => found.push(changed(rule, path, json!("no-such-thing"))),
        _ => {}
    }
}

fn changed(rule: &Value, path: &[String], to: Value) -> Mutant {
    let mut broken = rule.clone();
    let what = format!("{} is {to}", path.join("."));
    *broken.pointer_mut(&pointer(path)).expect("the path was just walked") = to;
    Mutant { rule: broken, what }
}

fn without(rule: &Value, path: &[String]) -> Value {
    let mut broken = rule.clone();
    let (last, parents) = path.split_last().expect("a path has a last step");
    match broken.pointer_mut(&pointer(parents)).expect("the path was just walked") {
        Value::Object(map) => drop(map.remove(last)),
        Value::Array(items) => drop(items.remove(last.parse().expect("an index"))),
        _ => {}
    }
    broken
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}
