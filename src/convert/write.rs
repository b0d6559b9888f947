//! Drafts as the text of a rule file.

use super::{
    Draft, When,
    term::{Check, Term},
    yaml::Yaml,
};

/// A rule file with these rules, or an empty text for none.
pub fn text(drafts: &[Draft]) -> String {
    if drafts.is_empty() {
        return String::new();
    }
    let mut out = String::from("rules:\n");
    for (index, draft) in drafts.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for line in draft.comments.iter().flat_map(|comment| comment.lines()) {
            // A carriage return or a separator would end the comment and begin YAML.
            let line: String = line.chars().map(|c| if breaks(c) { ' ' } else { c }).collect();
            out += &format!("  # {}\n", line.trim_end());
        }
        let mut body = String::new();
        rule(draft).block(4, &mut body);
        out += &format!("  - {}", body.trim_start());
    }
    out
}

fn breaks(char: char) -> bool {
    char.is_control() || ['\u{2028}', '\u{2029}', '\u{feff}'].contains(&char)
}

fn rule(draft: &Draft) -> Yaml {
    let mut keys = vec![
        ("id", Yaml::text(&draft.id)),
        ("title", Yaml::text(&draft.title)),
        ("severity", Yaml::text(draft.severity.as_str())),
    ];
    keys.extend(
        draft.mode.map(|mode| ("mode", Yaml::Plain(if mode == "off" { "\"off\"".into() } else { mode.into() }))),
    );
    keys.extend(draft.why.as_ref().map(|why| ("why", Yaml::text(why))));
    keys.extend(draft.runbook.as_ref().map(|link| ("runbook", Yaml::text(link))));
    if !draft.topics.is_empty() {
        keys.push(("topics", Yaml::texts(&draft.topics)));
    }
    let sequence = matches!(draft.when, Some(When::Sequence { .. }));
    if !sequence {
        keys.push(("match", group(&draft.condition)));
    }
    keys.extend(draft.when.as_ref().map(|when| ("when", self::when(when))));
    // Both run over single traces; what a window rings for needs several.
    let mut cases = Vec::new();
    for (verdict, trace) in [("fires", &draft.fires), ("silent", &draft.silent)] {
        if !trace.is_empty() && draft.when.is_none() {
            cases.push(case(verdict, trace));
        }
    }
    if let Some(when) = &draft.when {
        cases.extend(window(when, draft));
    }
    if !cases.is_empty() {
        keys.push(("cases", Yaml::List(cases)));
    }
    Yaml::Map(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn trace(fields: &[(String, String)]) -> Vec<(String, Yaml)> {
    fields.iter().map(|(field, value)| (field.clone(), Yaml::text(value))).collect()
}

fn case(verdict: &str, fields: &[(String, String)]) -> Yaml {
    Yaml::Map(vec![(verdict.to_owned(), Yaml::Map(trace(fields)))])
}

/// The case of a count: one trace fewer than it takes stays silent.
fn window(when: &When, draft: &Draft) -> Option<Yaml> {
    let When::Count { at_least, .. } = when else { return None };
    if *at_least < 2 || *at_least > 1_000 || draft.fires.is_empty() {
        return None;
    }
    let mut fields = trace(&draft.fires);
    fields.push(("repeat".into(), Yaml::Plain((at_least - 1).to_string())));
    fields.push(("every".into(), Yaml::Plain("1s".into())));
    Some(Yaml::Map(vec![
        ("name".into(), Yaml::text("one fewer than it takes")),
        ("traces".into(), Yaml::List(vec![Yaml::Map(fields)])),
        ("alerts".into(), Yaml::List(Vec::new())),
    ]))
}

fn when(when: &When) -> Yaml {
    let (kind, keys) = match when {
        When::Count { at_least, within, by } => (
            "count",
            vec![
                ("at_least", Yaml::Plain(at_least.to_string())),
                ("within", Yaml::Plain(within.clone())),
                ("by", Yaml::texts(by)),
            ],
        ),
        When::Distinct { of, at_least, within, by } => (
            "distinct",
            vec![
                ("of", Yaml::text(of)),
                ("at_least", Yaml::Plain(at_least.to_string())),
                ("within", Yaml::Plain(within.clone())),
                ("by", Yaml::texts(by)),
            ],
        ),
        When::Sequence { steps, within, same } => (
            "sequence",
            vec![
                ("steps", Yaml::List(steps.iter().map(group).collect())),
                ("within", Yaml::Plain(within.clone())),
                ("same", Yaml::texts(same)),
            ],
        ),
    };
    // Without `by` all are counted together; `same` is asked for even if it is empty.
    let keys = keys.into_iter().filter(|(key, value)| *key != "by" || *value != Yaml::List(Vec::new()));
    Yaml::Map(vec![(kind.to_owned(), Yaml::Map(keys.map(|(key, value)| (key.to_owned(), value)).collect()))])
}

/// A condition as the map below `match`.
fn group(term: &Term) -> Yaml {
    Yaml::Map(entries(term))
}

fn entries(term: &Term) -> Vec<(String, Yaml)> {
    match term {
        Term::All(parts) if parts.is_empty() => vec![("rating".into(), Yaml::text("*"))],
        Term::All(parts) => {
            // A key can stand once in a map; what comes again goes into `all`.
            let (mut keys, mut again): (Vec<(String, Yaml)>, Vec<Yaml>) = (Vec::new(), Vec::new());
            for part in parts {
                let found = entries(part);
                if found.iter().any(|(key, _)| key == "all" || keys.iter().any(|(taken, _)| taken == key)) {
                    again.push(Yaml::Map(found));
                } else {
                    keys.extend(found);
                }
            }
            if !again.is_empty() {
                keys.push(("all".into(), Yaml::List(again)));
            }
            keys
        }
        Term::Any(parts) => vec![("any".into(), Yaml::List(parts.iter().map(group).collect()))],
        Term::Not(inner) => vec![("not".into(), group(inner))],
        Term::Services(names) => vec![("service".into(), one_or_list(names.iter().copied()))],
        Term::Operations(pairs) => {
            let mut services: Vec<&str> = pairs.iter().map(|(service, _)| *service).collect();
            services.dedup();
            let of = |service: &str| {
                // The catalogue lists some names in two spellings; the language compares without case.
                let mut names: Vec<&str> = Vec::new();
                for (_, operation) in pairs.iter().filter(|(of, _)| *of == service) {
                    if !names.iter().any(|name| name.eq_ignore_ascii_case(operation)) {
                        names.push(operation);
                    }
                }
                vec![
                    ("service".to_owned(), Yaml::text(service)),
                    ("operation".to_owned(), one_or_list(names.into_iter())),
                ]
            };
            match services.as_slice() {
                [service] => of(service),
                several => {
                    vec![("any".into(), Yaml::List(several.iter().map(|service| Yaml::Map(of(service))).collect()))]
                }
            }
        }
        Term::Test(test) => {
            let value = match &test.check {
                Check::Is(words) => one_or_list(words.iter().map(String::as_str)),
                Check::Operator(name, values) => {
                    Yaml::Map(vec![((*name).to_owned(), one_or_list(values.iter().map(String::as_str)))])
                }
                Check::Exists(expected) => Yaml::Map(vec![("exists".into(), Yaml::Plain(expected.to_string()))]),
            };
            vec![(test.field.name(), value)]
        }
    }
}

fn one_or_list<'a>(words: impl Iterator<Item = &'a str>) -> Yaml {
    let words: Vec<&str> = words.collect();
    match words.as_slice() {
        [word] => Yaml::text(*word),
        words => Yaml::texts(words),
    }
}
