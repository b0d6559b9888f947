//! The same rules in three languages: ours, quamina's patterns and Sigma.
//!
//! In every set the same eight rules of a kind speak of values that occur; all others
//! are near misses, as in any account: rules for services it does not use yet. So a
//! record satisfies as many rules in a large set as in a small one, and what differs
//! between two sets is the search alone.

use std::fmt::Write;

use fastrand::Rng;

use super::traces::{self, FLAVORS, RATINGS, ROLES, SERVICES, TEAMS, operation};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Exact,
    Glob,
    Number,
    Regex,
    Mixed,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Mixed, Self::Exact, Self::Glob, Self::Number, Self::Regex];

    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Glob => "glob",
            Self::Number => "number",
            Self::Regex => "regex",
            Self::Mixed => "mixed",
        }
    }
}

/// One rule: what each field must be.
pub struct Rule(Vec<(Field, Test)>);

#[derive(Clone, Copy)]
pub enum Field {
    Service,
    Operation,
    Rating,
    Code,
    SourceIp,
    User,
    Flavor,
    Name,
}

pub enum Test {
    Is(String),
    Not(String),
    Prefix(String),
    Suffix(String),
    Glob(String),
    AtLeast(u32),
    Cidr(String),
    /// Over the whole text, without anything that one language writes unlike another.
    Regex(String),
}

impl Field {
    /// Ours; then the path in the record.
    fn names(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Service => ("service", &["service_type"]),
            Self::Operation => ("operation", &["trace_name"]),
            Self::Rating => ("rating", &["trace_rating"]),
            Self::Code => ("code", &["code"]),
            Self::SourceIp => ("source_ip", &["source_ip"]),
            Self::User => ("actor.name", &["user", "name"]),
            Self::Flavor => ("request.flavor", &["request", "flavor"]),
            Self::Name => ("request.name", &["request", "name"]),
        }
    }
}

/// So many rules of a set speak of values that occur.
const OCCURRING: usize = 8;

pub fn make(wanted: Kind, count: usize) -> Vec<Rule> {
    let mut rng = Rng::with_seed(count as u64);
    // The rules that occur are drawn from a sequence of their own: the same ones in every set.
    let mut same = Rng::with_seed(4);
    let step = (count / OCCURRING).max(1);
    (0..count)
        .map(|at| {
            // Spread over the set; with a turn of one, so that every form has its share.
            let place = at / step;
            let occurs = place < OCCURRING && at % step == (place % 4).min(step - 1);
            let turn = if occurs { place } else { at };
            let kind = match wanted {
                Kind::Mixed => [Kind::Exact, Kind::Glob, Kind::Number, Kind::Regex][turn % 4],
                kind => kind,
            };
            let form = if wanted == Kind::Mixed { turn / 4 } else { turn };
            if occurs { one(kind, at, form, true, &mut same) } else { one(kind, at, form, false, &mut rng) }
        })
        .collect()
}

fn one(kind: Kind, at: usize, form: usize, occurs: bool, rng: &mut Rng) -> Rule {
    // What occurs is among the commonest traffic, or a record would satisfy none of it.
    let (service, verb) = if occurs { traces::ranked(form % 4) } else { traces::kind(rng) };
    let name = operation(service, verb);
    // What makes a near miss.
    let miss = if occurs { String::new() } else { format!("{}", 100 + at) };
    let pick = |rng: &mut Rng, from: &[&str]| from[rng.usize(..from.len())].to_owned();
    let tests = match kind {
        Kind::Exact => vec![
            (Field::Service, Test::Is(SERVICES[service].to_owned())),
            (Field::Operation, Test::Is(format!("{name}{miss}"))),
            (Field::Rating, Test::Is(if occurs { RATINGS[0].to_owned() } else { pick(rng, &RATINGS) })),
        ],
        Kind::Glob => match form % 3 {
            0 => vec![(
                Field::Operation,
                Test::Prefix(if occurs { name[..8].to_owned() } else { format!("{name}{miss}") }),
            )],
            1 => vec![(
                Field::Operation,
                Test::Suffix(if occurs { name[6..].to_owned() } else { format!("{miss}{}", &name[4..]) }),
            )],
            _ => vec![(Field::Operation, Test::Glob(format!("{}*{miss}{}", &name[..5], &name[7..])))],
        },
        Kind::Number => {
            let other = if occurs { operation(service, (verb + 1) % 6) } else { name };
            let service = (Field::Service, Test::Is(SERVICES[service].to_owned()));
            let network = match occurs {
                true => "192.0.0.0/4".to_owned(),
                false => format!("172.{}.{}.0/24", at / 256 % 256, at % 256),
            };
            // quamina breaks off if more than 255 rules compare one field that is sorted before the others.
            let code = (Field::Code, Test::AtLeast(100 + rng.u32(..10)));
            let code = Some(code).filter(|_| occurs);
            let rest = [(Field::Operation, Test::Not(other)), (Field::SourceIp, Test::Cidr(network))];
            std::iter::once(service).chain(code).chain(rest).collect()
        }
        _ => vec![
            (
                Field::User,
                Test::Regex(match occurs {
                    true => {
                        format!("({}|{}|{})-[a-z]+-[0-9]+", pick(rng, &TEAMS), pick(rng, &TEAMS), pick(rng, &TEAMS))
                    }
                    false => format!("{}-({}|{})-[0-9]+", pick(rng, &TEAMS), pick(rng, &ROLES), pick(rng, &ROLES)),
                }),
            ),
            match form % 2 {
                0 => (
                    Field::Flavor,
                    Test::Regex(format!(
                        "[a-z0-9]+.{}",
                        if occurs {
                            pick(rng, &FLAVORS)[3..].replace('.', "[.]")
                        } else {
                            format!("xl{miss}[a-z]+[0-9]")
                        }
                    )),
                ),
                _ => (
                    Field::Name,
                    Test::Regex(if occurs {
                        "[a-z]+-[0-4][0-9]+".to_owned()
                    } else {
                        format!("{}-v{miss}-[0-9]+", pick(rng, &TEAMS))
                    }),
                ),
            },
        ],
    };
    Rule(tests)
}

/// Rules as a rule file has them.
pub fn ours(rules: &[Rule]) -> String {
    let mut text = String::from("rules:\n");
    for (at, Rule(tests)) in rules.iter().enumerate() {
        write!(text, "  - id: rule-{at}\n    title: \"{{{{ actor.name }}}} did {{{{ operation }}}}\"\n    severity: low\n    match:\n").expect("a string");
        for (field, test) in tests {
            let value = match test {
                Test::Is(word) => word.clone(),
                Test::Not(word) => format!("{{ not: {word} }}"),
                Test::Prefix(word) => format!("{{ prefix: {word} }}"),
                Test::Suffix(word) => format!("{{ suffix: \"{word}\" }}"),
                Test::Glob(word) => format!("\"{word}\""),
                Test::AtLeast(number) => format!("{{ gte: {number} }}"),
                Test::Cidr(network) => format!("{{ cidr: {network} }}"),
                Test::Regex(pattern) => format!("{{ regex: \"^{pattern}$\" }}"),
            };
            writeln!(text, "      {}: {value}", field.names().0).expect("a string");
        }
    }
    text
}

/// One of quamina's patterns for each rule.
pub fn quamina(Rule(tests): &Rule) -> String {
    let mut root = serde_json::Map::new();
    for (field, test) in tests {
        let value = match test {
            Test::Is(word) => serde_json::json!([word]),
            Test::Not(word) => serde_json::json!([{"anything-but": [word]}]),
            Test::Prefix(word) => serde_json::json!([{"prefix": word}]),
            Test::Suffix(word) => serde_json::json!([{"suffix": word}]),
            Test::Glob(word) => serde_json::json!([{"wildcard": word}]),
            Test::AtLeast(number) => serde_json::json!([{"numeric": [">=", number]}]),
            Test::Cidr(network) => serde_json::json!([{"cidr": network}]),
            Test::Regex(pattern) => serde_json::json!([{"regexp": pattern}]),
        };
        match field.names().1 {
            [key] => drop(root.insert((*key).to_owned(), value)),
            path => {
                let inner = root.entry(path[0]).or_insert_with(|| serde_json::json!({}));
                inner[path[1]] = value;
            }
        }
    }
    serde_json::Value::Object(root).to_string()
}

/// All rules as Sigma documents.
pub fn sigma(rules: &[Rule]) -> String {
    let mut text = String::new();
    for (at, Rule(tests)) in rules.iter().enumerate() {
        let (mut all, mut none) = (String::new(), String::new());
        for (field, test) in tests {
            let name = field.names().1.join(".");
            let (name, value, negated) = match test {
                Test::Is(word) => (name, word.clone(), false),
                Test::Not(word) => (name, word.clone(), true),
                Test::Prefix(word) => (name + "|startswith", word.clone(), false),
                Test::Suffix(word) => (name + "|endswith", format!("'{word}'"), false),
                Test::Glob(word) => (name, format!("'{word}'"), false),
                Test::AtLeast(number) => (name + "|gte", number.to_string(), false),
                Test::Cidr(network) => (name + "|cidr", network.clone(), false),
                Test::Regex(pattern) => (name + "|re", format!("'^{pattern}$'"), false),
            };
            let to = if negated { &mut none } else { &mut all };
            writeln!(to, "        {name}: {value}").expect("a string");
        }
        let (filter, condition) = match none.is_empty() {
            true => (String::new(), "selection"),
            false => (format!("    filter:\n{none}"), "selection and not filter"),
        };
        write!(text, "---\ntitle: rule {at}\nlogsource:\n    product: otc\ndetection:\n    selection:\n{all}{filter}    condition: {condition}\nlevel: low\n").expect("a string");
    }
    text
}
