//! `inhibitions`: which open alerts keep which others from people.

use super::named;
use crate::{
    alert::Severity,
    document::{Value, Walk},
    silence::{Inhibition, Is, Matcher, Of},
};

pub fn read(walk: &Walk<'_>) -> Vec<Inhibition> {
    let mut found: Vec<Inhibition> = Vec::new();
    for item in walk.list().unwrap_or_default() {
        let Some(inhibition) = one(&item) else { continue };
        if found.iter().any(|other| other.name == inhibition.name) {
            item.fail(format!("there is an inhibition `{}` already", inhibition.name));
        }
        found.push(inhibition);
    }
    found
}

fn one(walk: &Walk<'_>) -> Option<Inhibition> {
    let mut fields = walk.fields()?;
    let name = fields.required("name");
    let (when, mutes) = (fields.required("when"), fields.required("mutes"));
    let same = fields.list("same");
    fields.finish();
    let same: Vec<Option<Of>> = same.iter().map(|walk| field(walk, walk.words()?)).collect();
    let (when, mutes) = (when.and_then(|walk| matchers(&walk)), mutes.and_then(|walk| matchers(&walk)));
    let name = name?;
    let word = name.words().filter(|word| named(word, &name))?;
    Some(Inhibition {
        name: word.to_owned(),
        when: when?,
        mutes: mutes?,
        same: same.into_iter().collect::<Option<_>>()?,
    })
}

/// `{ rule: x, severity: [info, low], actor.name: { not: alice } }`
fn matchers(walk: &Walk<'_>) -> Option<Vec<Matcher>> {
    let entries = walk.entries()?;
    if entries.is_empty() {
        walk.fail_hint("an empty map holds for every alert", "name a rule or a severity");
        return None;
    }
    let matchers: Vec<Option<Matcher>> = entries.iter().map(|(name, _, walk)| matcher(name, walk)).collect();
    let matchers: Vec<Matcher> = matchers.into_iter().collect::<Option<_>>()?;
    if matchers.iter().all(Matcher::matches_everything) {
        walk.fail_hint("this holds for every alert", "name a rule or a severity");
        return None;
    }
    Some(matchers)
}

fn matcher(name: &str, walk: &Walk<'_>) -> Option<Matcher> {
    let of = field(walk, name)?;
    let Value::Map(_) = &walk.node.value else { return listed(walk, of, Is::OneOf) };
    let mut fields = walk.fields()?;
    let (not, regex, least) = (fields.optional("not"), fields.optional("regex"), fields.optional("at_least"));
    fields.finish();
    match (not, regex, least) {
        (Some(not), None, None) => listed(&not, of, Is::NoneOf),
        (None, Some(regex), None) => told(&regex, Matcher::regex(of, Is::OneOf, regex.words()?)),
        (None, None, Some(least)) if of == Of::Severity => {
            let least = super::topics::severity(&least)?;
            let enough = Severity::ALL.into_iter().filter(|severity| *severity >= least);
            told(walk, Matcher::words(of, Is::OneOf, enough.map(|severity| severity.as_str().to_owned()).collect()))
        }
        _ => {
            let hint = "write a value, a list of values, `{ not: VALUE }`, `{ regex: PATTERN }`, or for a severity \
                        `{ at_least: high }`";
            walk.fail_hint("expected one operator", hint);
            None
        }
    }
}

/// One value or several; globs if they hold a `*`.
fn listed(walk: &Walk<'_>, of: Of, is: Is) -> Option<Matcher> {
    let values: Vec<String> = match &walk.node.value {
        Value::List(items) if items.is_empty() => {
            walk.fail("an empty list holds for nothing");
            return None;
        }
        Value::List(_) => walk.list()?.iter().map(|walk| walk.text().map(str::to_owned)).collect::<Option<_>>()?,
        _ => vec![walk.text()?.to_owned()],
    };
    told(walk, Matcher::words(of, is, values))
}

fn field(walk: &Walk<'_>, name: &str) -> Option<Of> {
    told(walk, Of::parse(name))
}

fn told<T>(walk: &Walk<'_>, read: Result<T, String>) -> Option<T> {
    read.map_err(|error| walk.fail(error)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, File, Problems};

    /// Names that were read, and problems with their paths.
    fn load(text: &str) -> (Vec<Inhibition>, Vec<String>) {
        let file = File { name: "tracebell.yaml".into(), text: text.into() };
        let tree = document::parse(&file).unwrap();
        let problems = Problems::default();
        let found = read(&Walk::new(&file, &tree, &problems));
        (found, problems.into_vec().iter().map(|problem| format!("{}: {}", problem.path, problem.text)).collect())
    }

    #[test]
    fn inhibitions_are_read() {
        let text = "- { name: n, when: { rule: x, severity: { at_least: high } }, mutes: { severity: [info, low], \
                    actor.name: { not: a }, title: { regex: 'b.*' } }, same: [actor.name, key.source_ip] }";
        let (found, problems) = load(text);
        assert!(problems.is_empty(), "{problems:?}");
        let words = |matchers: &[Matcher]| matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(words(&found[0].when), "rule=x severity=high|critical");
        assert_eq!(words(&found[0].mutes), "severity=info|low actor.name!=a title=~b.*");
        assert_eq!(found[0].same.len(), 2);
    }

    #[test]
    fn mistakes_have_places() {
        for (text, expected) in [
            ("- { name: n, when: { ruel: x }, mutes: { rule: y } }", "[0].when.ruel: `ruel` is not a field"),
            (
                "- { name: n, when: { rule: x }, mutes: { severity: hihg } }",
                "[0].mutes.severity: `hihg` is not a severity",
            ),
            ("- { name: n, when: {}, mutes: { rule: y } }", "[0].when: an empty map holds for every alert"),
            ("- { name: n, when: { rule: '*' }, mutes: { rule: y } }", "[0].when: this holds for every alert"),
            ("- { name: n, when: { rule: x }, mutes: { rule: y }, same: [actor.nmae] }", "[0].same[0]: `actor.nmae`"),
            ("- { name: n, when: { rule: { regex: '(' } }, mutes: { rule: y } }", "`(` is not a regular expression"),
            ("- { name: n, when: { rule: { at_least: high } }, mutes: { rule: y } }", "expected one operator"),
            ("- { name: n, when: { rule: x } }", "the key `mutes` is missing"),
            ("- { name: 'a b', when: { rule: x }, mutes: { rule: y } }", "`a b` is not a name"),
        ] {
            let (found, problems) = load(text);
            assert!(found.is_empty() && problems.iter().any(|p| p.contains(expected)), "{text}: {problems:?}");
        }
        let twice = "- { name: n, when: { rule: x }, mutes: { rule: y } }\n- { name: n, when: { rule: x }, mutes: { rule: z } }";
        assert!(load(twice).1[0].contains("there is an inhibition `n` already"));
    }
}
