//! `endpoints`: where notifications go.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use super::{named, secrets::Secrets, topics::unknown};
use crate::{
    delivery::Rate,
    document::{Node, Value, Walk},
    endpoint::{
        Endpoint, KindSettings, Settings,
        client::{Outbound, Tls},
    },
    secret::Secret,
};

mod alertmanager;
mod chat;
mod email;
mod opsgenie;
mod pagerduty;
mod slack;
mod smn;
mod teams;
mod telegram;
mod webhook;

/// What an endpoint can be; the kind is a key.
const KINDS: [&str; 11] = [
    "slack",
    "mattermost",
    "rocketchat",
    "email",
    "webhook",
    "teams",
    "telegram",
    "pagerduty",
    "opsgenie",
    "alertmanager",
    "smn",
];

/// Slack takes one message a second for each webhook; the tenth more keeps clear of it.
const SLACK_RATE: Rate = Rate { interval: Duration::from_millis(1100), burst: 1 };
/// Servers of their own take more, but people do not read more.
const CHAT_RATE: Rate = Rate { interval: Duration::from_secs(1), burst: 5 };
/// A workflow takes 25 messages in five minutes.
const TEAMS_RATE: Rate = Rate { interval: Duration::from_secs(12), burst: 5 };
/// A group takes 20 messages a minute from a bot.
const TELEGRAM_RATE: Rate = Rate { interval: Duration::from_secs(3), burst: 3 };
/// An integration key takes 120 events a minute.
const PAGERDUTY_RATE: Rate = Rate { interval: Duration::from_millis(500), burst: 10 };
/// Accounts are limited by their size; the smallest take about one request a second.
const OPSGENIE_RATE: Rate = Rate { interval: Duration::from_secs(1), burst: 10 };
/// SMN documents no limit of its own; the people behind it have one, and a number takes 60 short messages an hour.
const SMN_RATE: Rate = Rate { interval: Duration::from_secs(1), burst: 10 };
/// A relay that sees more than this from one sender starts to suspect it.
const EMAIL_RATE: Rate = Rate { interval: Duration::from_secs(2), burst: 10 };
const TIMEOUT: Duration = Duration::from_secs(15);
/// A lease outlives its attempt, and one longer than an hour is taken for a clock's mistake.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
const GIVE_UP_AFTER: Duration = Duration::from_secs(72 * 3600);

/// All names under `endpoints`, those with a problem included: who refers to one of them makes no second mistake.
pub fn names(walk: &Walk<'_>) -> Vec<String> {
    let Value::Map(entries) = &walk.node.value else { return Vec::new() };
    let text = |(key, _): &(Node, Node)| if let Value::Text(name) = &key.value { Some(name.clone()) } else { None };
    entries.iter().filter_map(text).collect()
}

pub fn read(
    walk: &Walk<'_>,
    names: &[String],
    secrets: &Secrets<'_>,
    folder: &Path,
    outbound: &Arc<Outbound>,
    zone: &TimeZone,
    public_url: Option<&str>,
) -> BTreeMap<String, Settings> {
    let entries = walk.entries().unwrap_or_default();
    if entries.is_empty() {
        walk.fail_hint("expected at least one endpoint", "write `ops: { webhook: { url: { env: OPS_URL } } }`");
    }
    let mut endpoints = BTreeMap::new();
    for (name, _, walk) in entries {
        let fallback = fallback(name, &walk, names);
        if named(name, &walk)
            && let Some(settings) = endpoint(name, &walk, secrets, folder, outbound, zone, public_url)
        {
            endpoints.insert(name.to_owned(), Settings { fallback, ..settings });
        }
    }
    endpoints
}

/// Looked at by itself, so that another mistake in the endpoint does not hide this one.
fn fallback(name: &str, walk: &Walk<'_>, names: &[String]) -> Option<String> {
    let Value::Map(_) = walk.node.value else { return None };
    let (_, _, walk) = walk.entries()?.into_iter().find(|(key, _, _)| *key == "fallback")?;
    let fallback = walk.words()?;
    if fallback == name {
        walk.fail("an endpoint cannot be its own fallback");
        return None;
    }
    if !names.iter().any(|known| known == fallback) {
        let mut others = names.iter().map(String::as_str).filter(|known| *known != name).peekable();
        if others.peek().is_some() {
            unknown(&walk, "endpoint", fallback, others);
        } else {
            walk.fail_hint(format!("no endpoint `{fallback}`"), "there is no other endpoint: leave `fallback` out");
        }
        return None;
    }
    Some(fallback.to_owned())
}

/// Credentials that stand in another file than the configuration. For hashing only.
pub fn fingerprint(settings: &Settings) -> Option<String> {
    let KindSettings::Smn(smn) = &settings.kind else { return None };
    Some(format!("{smn:?} {}", smn.credentials.secrets()))
}

fn endpoint(
    name: &str,
    walk: &Walk<'_>,
    secrets: &Secrets<'_>,
    folder: &Path,
    outbound: &Arc<Outbound>,
    zone: &TimeZone,
    public_url: Option<&str>,
) -> Option<Settings> {
    let mut fields = walk.fields()?;
    let kinds = KINDS.map(|kind| (kind, fields.optional(kind)));
    let rate = fields.optional("rate_limit");
    // Read by itself; here it is only known.
    fields.optional("fallback");
    let timeout = fields.optional("timeout").map_or(Some(TIMEOUT), |walk| timeout(&walk));
    let give_up_after = fields.optional_duration("give_up_after").unwrap_or(GIVE_UP_AFTER);
    let zone = fields.optional("timezone").map_or_else(|| Some(zone.clone()), |walk| timezone(&walk));
    let attempts = fields.optional_whole("concurrency", 1, 64).and_then(|number| usize::try_from(number).ok());
    fields.finish();

    let mut kinds = kinds.into_iter().filter_map(|(kind, walk)| Some((kind, walk?)));
    let (Some((kind, inner)), None) = (kinds.next(), kinds.next()) else {
        walk.fail_hint(format!("expected exactly one of {}", in_words(&KINDS)), "the kind is a key");
        return None;
    };
    let (kind, default_rate, concurrency) = match kind {
        "slack" => (slack::read(&inner, secrets)?, Some(SLACK_RATE), 1),
        "mattermost" => (chat::mattermost(&inner, secrets)?, Some(CHAT_RATE), 1),
        "rocketchat" => (chat::rocketchat(&inner, secrets)?, Some(CHAT_RATE), 1),
        "email" => (KindSettings::Email(email::read(&inner, secrets, folder)?), Some(EMAIL_RATE), 1),
        "teams" => (KindSettings::Teams(teams::read(&inner, secrets)?), Some(TEAMS_RATE), 1),
        "telegram" => (KindSettings::Telegram(telegram::read(&inner, secrets)?), Some(TELEGRAM_RATE), 1),
        "pagerduty" => (KindSettings::PagerDuty(pagerduty::read(&inner, secrets)?), Some(PAGERDUTY_RATE), 1),
        "opsgenie" => (KindSettings::Opsgenie(opsgenie::read(&inner, secrets)?), Some(OPSGENIE_RATE), 1),
        "smn" => (KindSettings::Smn(smn::read(&inner)?), Some(SMN_RATE), 1),
        // One at a time keeps what was told last the newest.
        "alertmanager" => (KindSettings::Alertmanager(alertmanager::read(&inner, secrets, folder)?), None, 1),
        _ => (KindSettings::Webhook(webhook::read(&inner, secrets, folder, public_url)?), None, 16),
    };
    let rate = match rate {
        Some(walk) => Some(rate_limit(&walk)?),
        None => default_rate,
    };
    let (timeout, zone) = (timeout?, zone?);
    let (outbound, concurrency) = (outbound.clone(), attempts.unwrap_or(concurrency));
    let settings = Settings { rate, timeout, give_up_after, concurrency, zone, outbound, ..Settings::new(name, kind) };
    if secrets.are_read()
        && let Err(error) = Endpoint::new(&settings)
    {
        walk.fail(error.reason);
        return None;
    }
    Some(settings)
}

/// A URL as it stands, or a secret that holds one.
fn address(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<Secret> {
    if let Value::Map(_) = walk.node.value {
        return secrets.read(walk);
    }
    let text = walk.words()?;
    if text.contains("${") {
        walk.fail_hint("`${...}` is never expanded", "write `url: { env: NAME }`");
        return None;
    }
    Some(Secret::new(text))
}

/// `{ ca: ca.pem, cert: us.pem, key: us.key }`, files relative to the configuration.
fn tls(walk: &Walk<'_>, folder: &Path) -> Option<Tls> {
    let mut fields = walk.fields()?;
    let ca = fields.optional_text("ca").map(|path| folder.join(path));
    let (cert, key) = (fields.optional("cert"), fields.optional("key"));
    fields.finish();
    let path = |walk: Walk<'_>| walk.words().map(|path| folder.join(path));
    let identity = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((path(cert)?, path(key)?)),
        _ => {
            walk.fail_hint("`cert` and `key` belong together", "give both PEM files, or neither");
            return None;
        }
    };
    Some(Tls { ca, identity })
}

/// What is there must be good; the outer `None` says that it is not.
fn all_or_none<T>(found: Option<Option<T>>) -> Option<Option<T>> {
    match found {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

/// `Europe/Berlin`
pub fn timezone(walk: &Walk<'_>) -> Option<TimeZone> {
    let name = walk.words()?;
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        walk.fail_hint(format!("`{name}` is not a time zone"), "write its IANA name, for example `Europe/Berlin`");
    }
    zone
}

fn timeout(walk: &Walk<'_>) -> Option<Duration> {
    let found = walk.duration()?;
    if found > LONGEST_TIMEOUT {
        walk.fail("expected a duration of at most 10m: nothing else is sent meanwhile");
        return None;
    }
    Some(found)
}

/// `{ per_minute: 40, burst: 5 }`
fn rate_limit(walk: &Walk<'_>) -> Option<Rate> {
    let mut fields = walk.fields()?;
    let per_second = fields.optional_whole("per_second", 1, 1000);
    let per_minute = fields.optional_whole("per_minute", 1, 60_000);
    let burst = fields.optional_whole("burst", 1, 10_000).unwrap_or(1);
    fields.finish();
    let interval = match (per_second, per_minute) {
        (Some(number), None) => Duration::from_secs(1).div_f64(number as f64),
        (None, Some(number)) => Duration::from_secs(60).div_f64(number as f64),
        _ => {
            walk.fail_hint(
                "expected exactly one of `per_minute` and `per_second`",
                "write `{ per_minute: 40, burst: 5 }`",
            );
            return None;
        }
    };
    Some(Rate { interval, burst: u32::try_from(burst).unwrap_or(u32::MAX) })
}

/// `a`, `b` and `c`
fn in_words(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
