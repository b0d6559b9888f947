//! `endpoints`: where notifications go.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{named, secrets::Secrets, topics::unknown};
use crate::{
    delivery::Rate,
    document::{Node, Value, Walk},
    endpoint::{
        Endpoint, KindSettings, Settings,
        email::{self, Tls},
        slack, webhook,
    },
};

/// Slack takes one message a second for each webhook; the tenth more keeps clear of it.
const SLACK_RATE: Rate = Rate { interval: Duration::from_millis(1100), burst: 1 };
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

pub fn read(walk: &Walk<'_>, names: &[String], secrets: &Secrets<'_>, folder: &Path) -> BTreeMap<String, Settings> {
    let entries = walk.entries().unwrap_or_default();
    if entries.is_empty() {
        walk.fail_hint("expected at least one endpoint", "write `ops: { webhook: { url: { env: OPS_URL } } }`");
    }
    let mut endpoints = BTreeMap::new();
    for (name, _, walk) in entries {
        let fallback = fallback(name, &walk, names);
        if named(name, &walk)
            && let Some(settings) = endpoint(name, &walk, secrets, folder)
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

fn endpoint(name: &str, walk: &Walk<'_>, secrets: &Secrets<'_>, folder: &Path) -> Option<Settings> {
    let mut fields = walk.fields()?;
    let kinds = [("slack", fields.optional("slack")), ("email", fields.optional("email"))];
    let webhook_walk = fields.optional("webhook");
    let [(_, slack_walk), (_, email_walk)] = kinds;
    let rate = fields.optional("rate_limit");
    // Read by itself; here it is only known.
    fields.optional("fallback");
    let timeout = fields.optional("timeout").map_or(Some(TIMEOUT), |walk| timeout(&walk));
    let give_up_after = fields.optional_duration("give_up_after").unwrap_or(GIVE_UP_AFTER);
    fields.finish();

    let (kind, default_rate, concurrency) = match (slack_walk, email_walk, webhook_walk) {
        (Some(walk), None, None) => (KindSettings::Slack(slack(&walk, secrets)?), Some(SLACK_RATE), 1),
        (None, Some(walk), None) => (KindSettings::Email(email(&walk, secrets, folder)?), Some(EMAIL_RATE), 1),
        (None, None, Some(walk)) => (KindSettings::Webhook(webhook(&walk, secrets)?), None, 4),
        _ => {
            walk.fail_hint("expected exactly one of `slack`, `email` and `webhook`", "the kind is a key");
            return None;
        }
    };
    let rate = match rate {
        Some(walk) => Some(rate_limit(&walk)?),
        None => default_rate,
    };
    let settings =
        Settings { name: name.to_owned(), kind, rate, fallback: None, timeout: timeout?, give_up_after, concurrency };
    if let Err(error) = Endpoint::new(&settings) {
        walk.fail(error.reason);
        return None;
    }
    Some(settings)
}

fn timeout(walk: &Walk<'_>) -> Option<Duration> {
    let found = walk.duration()?;
    if found > LONGEST_TIMEOUT {
        walk.fail("expected a duration of at most 10m: nothing else is sent meanwhile");
        return None;
    }
    Some(found)
}

fn slack(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<slack::Settings> {
    let mut fields = walk.fields()?;
    fields.later("token", "this version posts through an incoming webhook: `webhook_url`");
    fields.later("channel", "an incoming webhook knows its channel");
    let url = fields.required("webhook_url").and_then(|walk| secrets.read(&walk));
    fields.finish();
    Some(slack::Settings { webhook_url: url? })
}

fn webhook(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<webhook::Settings> {
    let mut fields = walk.fields()?;
    let url = fields.required("url");
    let sign = fields.optional("sign");
    let format = fields.optional("format");
    let headers = fields.optional("headers").and_then(|walk| walk.entries()).unwrap_or_default();
    fields.finish();
    if let Some(format) = format {
        format.one_of(&[("tracebell", ())])?;
    }
    let url = url.and_then(|walk| match walk.node.value {
        Value::Map(_) => secrets.read(&walk),
        _ => {
            let text = walk.words()?;
            if text.contains("${") {
                walk.fail_hint("`${...}` is never expanded", "write `url: { env: NAME }`");
                return None;
            }
            Some(crate::secret::Secret::new(text))
        }
    });
    let signing_secret = match sign {
        Some(walk) => {
            let mut fields = walk.fields()?;
            let secret = fields.required("secret").and_then(|walk| secrets.read(&walk));
            fields.finish();
            Some(secret?)
        }
        None => None,
    };
    let headers = headers.into_iter().map(|(name, _, walk)| Some((name.to_owned(), secrets.read(&walk)?)));
    Some(webhook::Settings { headers: headers.collect::<Option<_>>()?, url: url?, signing_secret })
}

fn email(walk: &Walk<'_>, secrets: &Secrets<'_>, folder: &Path) -> Option<email::Settings> {
    let mut fields = walk.fields()?;
    let smtp = fields.required("smtp");
    let from = fields.required_text("from");
    let to: Vec<String> = match fields.required("to") {
        Some(walk) => walk.list()?.iter().filter_map(|item| item.words().map(str::to_owned)).collect(),
        None => Vec::new(),
    };
    fields.finish();
    let mut fields = smtp?.fields()?;
    let host = fields.required_text("host");
    let port = fields.optional_whole("port", 1, 65_535).and_then(|port| u16::try_from(port).ok());
    let tls = fields.optional("tls").map_or(Some(Tls::Starttls), |walk| {
        walk.one_of(&[("none", Tls::None), ("starttls", Tls::Starttls), ("tls", Tls::Tls)])
    });
    let username = fields.optional_text("username").map(str::to_owned);
    let password = match fields.optional("password") {
        Some(walk) => Some(secrets.read(&walk)?),
        None => None,
    };
    let ca = fields.optional_text("ca").map(|path| folder.join(path));
    fields.finish();
    let (host, from, tls) = (host?.to_owned(), from?.to_owned(), tls?);
    Some(email::Settings { host, port, tls, username, password, ca, from, to })
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
