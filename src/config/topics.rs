//! `topics` and `notices`: who hears what.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::named;
use crate::{
    document::{Walk, did_you_mean},
    endpoint,
    topic::{Filter, Subscription, Topics},
};

mod filter;
mod when;

pub use filter::severity;
pub use when::storm;

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
            let Some(subscription) = subscription(&item, names, endpoints) else { continue };
            let endpoint = &subscription.endpoint;
            let again = subscriptions.iter().filter(|other| other.endpoint == *endpoint).count();
            let id = if again == 0 { format!("{name}/{endpoint}") } else { format!("{name}/{endpoint}#{}", again + 1) };
            subscriptions.push(Subscription { id, ..subscription });
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

/// All but its id, which its place gives it.
fn subscription(
    walk: &Walk<'_>,
    names: &[String],
    endpoints: &BTreeMap<String, endpoint::Settings>,
) -> Option<Subscription> {
    let mut fields = walk.fields()?;
    let endpoint = fields.required("endpoint");
    let filter = fields.optional("filter").map_or_else(|| Some(Filter::default()), |walk| filter::read(&walk));
    let (digest, schedule, group) = (fields.optional("digest"), fields.optional("schedule"), fields.optional("group"));
    fields.finish();
    if let (Some(_), Some(group)) = (&digest, &group) {
        group.fail_hint("a digest gathers everything already", "leave `group` out, or `digest`");
    }
    let named = endpoint.as_ref().and_then(Walk::words);
    let zone = named.and_then(|name| endpoints.get(name)).map_or(TimeZone::UTC, |settings| settings.zone.clone());
    // Looked at before the endpoint's name, so that a mistake there does not hide these.
    let digest = digest.map(|walk| when::digest(&walk, &zone));
    let schedule = schedule.map(|walk| when::schedule(&walk, &zone));
    let group = group.map(|walk| when::group(&walk));
    let name = named?;
    if !names.iter().any(|known| known == name) {
        unknown(&endpoint?, "endpoint", name, names.iter().map(String::as_str));
        return None;
    }
    Some(Subscription {
        filter: filter?,
        digest: digest.flatten(),
        schedule: schedule.flatten(),
        group: group.flatten(),
        ..Subscription::new("", name)
    })
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
