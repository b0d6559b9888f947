//! `topics` and `notices`: who hears what.

use std::collections::BTreeMap;

use super::named;
use crate::{
    alert::Severity,
    document::{Value, Walk, did_you_mean},
    endpoint,
    topic::{Filter, Subscription, Topics},
};

pub fn read(
    notices: Option<Walk<'_>>,
    lists: Option<Walk<'_>>,
    endpoints: &BTreeMap<String, endpoint::Settings>,
    names: &[String],
) -> Topics {
    let mut topics = Topics {
        addresses: endpoints.iter().map(|(name, settings)| (name.clone(), settings.address(None))).collect(),
        ..Topics::default()
    };
    for (name, _, walk) in lists.as_ref().and_then(Walk::entries).unwrap_or_default() {
        if !named(name, &walk) {
            continue;
        }
        let mut subscriptions: Vec<Subscription> = Vec::new();
        for item in walk.list().unwrap_or_default() {
            let Some((endpoint, filter)) = subscription(&item, names) else { continue };
            let again = subscriptions.iter().filter(|other| other.endpoint == endpoint).count();
            let id = if again == 0 { format!("{name}/{endpoint}") } else { format!("{name}/{endpoint}#{}", again + 1) };
            subscriptions.push(Subscription { filter, ..Subscription::new(id, endpoint) });
        }
        topics.topics.insert(name.to_owned(), subscriptions);
    }
    if let Some(walk) = notices
        && let Some(name) = walk.words()
    {
        if topics.topics.contains_key(name) {
            topics.notices = Some(name.to_owned());
        } else {
            unknown(&walk, "topic", name, topics.topics.keys().map(String::as_str));
        }
    }
    topics
}

fn subscription(walk: &Walk<'_>, names: &[String]) -> Option<(String, Filter)> {
    let mut fields = walk.fields()?;
    fields.later("digest", "each alert is sent at once in this version");
    fields.later("schedule", "each alert is sent at once in this version");
    fields.later("group", "each alert is sent at once in this version");
    let endpoint = fields.required("endpoint");
    let filter = fields.optional("filter").map_or_else(|| Some(Filter::default()), |walk| filter(&walk));
    fields.finish();
    let endpoint = endpoint?;
    let name = endpoint.words()?;
    if !names.iter().any(|known| known == name) {
        unknown(&endpoint, "endpoint", name, names.iter().map(String::as_str));
        return None;
    }
    Some((name.to_owned(), filter?))
}

fn filter(walk: &Walk<'_>) -> Option<Filter> {
    let mut fields = walk.fields()?;
    let severity = fields.optional("severity");
    fields.finish();
    Some(Filter { severities: severity.and_then(|walk| severities(&walk)), ..Filter::default() })
}

/// `high`, `[info, low]` or `{ at_least: high }`.
fn severities(walk: &Walk<'_>) -> Option<Vec<Severity>> {
    match &walk.node.value {
        Value::List(items) if items.is_empty() => {
            walk.fail_hint("an empty list takes nothing", "leave the filter out to take everything");
            None
        }
        Value::List(_) => walk.list()?.iter().map(severity).collect(),
        Value::Map(_) => {
            let mut fields = walk.fields()?;
            let least = fields.required("at_least");
            fields.finish();
            let least = severity(&least?)?;
            Some(Severity::ALL.into_iter().filter(|severity| *severity >= least).collect())
        }
        _ => severity(walk).map(|severity| vec![severity]),
    }
}

pub fn severity(walk: &Walk<'_>) -> Option<Severity> {
    walk.one_of(&Severity::ALL.map(|severity| (severity.as_str(), severity)))
}

/// Reports a name that is not configured.
pub fn unknown<'a>(walk: &Walk<'_>, what: &str, name: &str, known: impl Iterator<Item = &'a str>) {
    let known: Vec<&str> = known.collect();
    let text = format!("no {what} `{name}`");
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => walk.fail_hint(text, format!("did you mean `{near}`?")),
        None if known.is_empty() => walk.fail_hint(text, format!("no {what} is configured")),
        None => walk.fail_hint(text, format!("configured are: {}", known.join(", "))),
    }
}
