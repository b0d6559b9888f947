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
