//! `smn` beside `cts`: the same source, pushed to.

use std::{ops::RangeInclusive, path::Path, time::Duration};

use super::{super::secrets::Secrets, bounded};
use crate::{
    cloud::auth::NameOrId,
    document::{Value, Walk},
    source::{
        self,
        push::{CLOCK_SKEW, MAX_AGE, Settings, Trust, check, is_topic},
    },
};

/// SMN gives up earlier than this, and trace ids are remembered for longer.
const AGES: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
const SKEWS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// Shorter ones can be guessed in a year of trying.
const SHORTEST: usize = 16;

/// What `smn` says in each source of the map; `sources` are those that were read of it.
pub fn read(walk: &Walk<'_>, sources: &[source::Settings], secrets: &Secrets<'_>, folder: &Path) -> Vec<Settings> {
    let entries = walk.entries().unwrap_or_default();
    entries.iter().filter_map(|(name, _, walk)| one(name, walk, sources, secrets, folder)).collect()
}

/// Changes with the files that the settings name. For hashing only.
pub fn fingerprint(settings: &Settings) -> String {
    let path = match &settings.trust {
        Trust::Pinned(path) => Some(path),
        Trust::Fetched { ca, .. } => ca.as_ref(),
    };
    path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
}

fn one(
    name: &str,
    walk: &Walk<'_>,
    sources: &[source::Settings],
    secrets: &Secrets<'_>,
    folder: &Path,
) -> Option<Settings> {
    // What is no map was told when the source was read.
    let Value::Map(_) = walk.node.value else { return None };
    let walk = walk.fields()?.optional("smn")?;
    let mut fields = walk.fields()?;
    let topics = fields.required("topic_urn").and_then(|walk| topics(&walk));
    let certificate = fields.optional("certificate");
    let host = fields.optional("certificate_host");
    let (certificate_name, ca) = (fields.optional("certificate_name"), fields.optional("ca"));
    let max_age = bounded(fields.optional("max_age"), AGES).unwrap_or(MAX_AGE);
    let clock_skew = bounded(fields.optional("clock_skew"), SKEWS).unwrap_or(CLOCK_SKEW);
    let token = fields.optional("function_token").map(|walk| token(&walk, secrets));
    let confirm_hosts = fields.list("confirm_hosts").iter().filter_map(host_name).collect();
    fields.finish();
    let path = |walk: &Walk<'_>| walk.words().map(|path| folder.join(path));
    let trust = match &certificate {
        Some(certificate) => {
            for other in [&host, &certificate_name, &ca].into_iter().flatten() {
                let hint = "leave it out: a pinned certificate is never fetched";
                other.fail_hint("`certificate` and this exclude each other", hint);
            }
            Trust::Pinned(path(certificate)?)
        }
        None => Trust::Fetched {
            host: host.and_then(|walk| host_name(&walk)),
            name: certificate_name.and_then(|walk| host_name(&walk)),
            ca: ca.as_ref().and_then(path),
        },
    };
    let Some(source) = sources.iter().find(|source| source.name == name) else {
        // Of a source that could not be read enough was told.
        if sources.iter().any(|source| source.name.starts_with(&format!("{name}/"))) {
            let hint = "give the project that is pushed a source of its own: its topic belongs to one project";
            walk.fail_hint("`smn` is for one project, and `cts.projects` names several", hint);
        }
        return None;
    };
    let project_name = match &source.credentials.project {
        Some(NameOrId::Name(name)) => Some(name.clone()),
        _ => None,
    };
    let function_token = match token {
        Some(token) => Some(token?),
        None => None,
    };
    let settings = Settings {
        source: name.to_owned(),
        topics: topics?,
        trust,
        max_age,
        clock_skew,
        function_token,
        confirm_hosts,
        project_name,
    };
    // What cannot be used at all must not replace what runs.
    if secrets.are_read()
        && let Err(found) = check(&settings)
    {
        certificate.as_ref().or(ca.as_ref()).unwrap_or(&walk).fail_hint(found, "give a file in PEM");
        return None;
    }
    Some(settings)
}

fn topics(walk: &Walk<'_>) -> Option<Vec<String>> {
    let items = match walk.node.value {
        Value::List(_) => walk.list()?,
        _ => vec![walk.clone()],
    };
    if items.is_empty() {
        walk.fail_hint("expected at least one topic", "write `urn:smn:REGION:PROJECT_ID:TOPIC`");
    }
    let topic = |item: &Walk<'_>| {
        let text = item.words()?;
        if !is_topic(text) {
            let hint = "write `urn:smn:REGION:PROJECT_ID:TOPIC`, as `tracebell push enable` prints it";
            item.fail_hint(format!("`{text}` is not the URN of a topic"), hint);
        }
        is_topic(text).then(|| text.to_owned())
    };
    let topics: Vec<Option<String>> = items.iter().map(topic).collect();
    topics.into_iter().collect::<Option<Vec<String>>>().filter(|topics| !topics.is_empty())
}

/// `smn.example.org`, or with a port.
fn host_name(walk: &Walk<'_>) -> Option<String> {
    let text = walk.words()?;
    let url = reqwest::Url::parse(&format!("https://{text}/")).ok();
    let plain = url.is_some_and(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", url.host_str().unwrap_or_default()) == text
    });
    if !plain {
        walk.fail_hint(format!("`{text}` is not the name of a host"), "write `smn.example.org`, or with a port");
    }
    plain.then(|| text.to_owned())
}

fn token(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<crate::secret::Secret> {
    let secret = secrets.read(walk)?;
    let text = secret.expose();
    if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let expected = format!("expected at least {SHORTEST} letters, digits and signs, without blanks");
        walk.fail_hint(expected, "make one with `openssl rand -hex 24`");
        return None;
    }
    Some(secret)
}
