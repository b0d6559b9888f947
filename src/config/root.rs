//! The top of the file.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::{
    Config, endpoints, http, inhibitions, requests,
    secrets::{Reading, Secrets},
    sources, topics,
};
use crate::{document::Walk, endpoint::client::Outbound, http::access::Settings, id};

/// Beside the configuration.
const STATE: &str = "tracebell.db";

/// Reads everything, so that all problems are told at once; `None` if this is no map.
pub fn read(walk: &Walk<'_>, folder: &Path, reading: Reading) -> Option<Config> {
    let secrets = Secrets::new(folder, reading);
    let mut fields = walk.fields()?;
    let state = fields.optional("state").and_then(|walk| state(&walk, folder));
    let http = fields.optional("http").and_then(|walk| http::read(&walk, &secrets));
    let rules = rule_paths(fields.list("rules"), folder);
    let source_walk = fields.required("sources");
    let sources = source_walk.as_ref().map(|walk| sources::read(walk, &secrets));
    let allowance = fields.optional("cloud_requests").and_then(|walk| requests::read(&walk)).unwrap_or_default();
    if let (Some(walk), Some(sources)) = (&source_walk, &sources) {
        requests::look(walk, &sources.list, allowance);
    }
    let pushed = source_walk.as_ref().zip(sources.as_ref());
    let pushes = pushed.map(|(walk, sources)| sources::push::read(walk, &sources.list, &secrets, folder));
    let outbound = fields.optional("outbound").and_then(|walk| outbound(&walk, &secrets)).unwrap_or_default();
    let zone = fields.optional("timezone").and_then(|walk| endpoints::timezone(&walk)).unwrap_or(TimeZone::UTC);
    let endpoints = fields.required("endpoints");
    let names = endpoints.as_ref().map(endpoints::names).unwrap_or_default();
    let public_url = http.as_ref().and_then(|(_, settings)| settings.public_url.as_deref());
    let outbound = Arc::new(outbound);
    let endpoints = endpoints
        .map(|walk| endpoints::read(&walk, &names, &secrets, folder, &outbound, &zone, public_url))
        .unwrap_or_default();
    let (notices, topic_lists) = (fields.optional("notices"), fields.required("topics"));
    let mut topics = topics::read(notices, topic_lists, &endpoints, &names);
    topics.storm = topics::storm(fields.optional("storm"));
    let inhibitions = fields.optional("inhibitions").map(|walk| inhibitions::read(&walk)).unwrap_or_default();
    fields.finish();

    let (seen, pushes) = (secrets.seen(), pushes.unwrap_or_default());
    let sources::Sources { list: sources, archives } = sources.unwrap_or_default();
    // The credentials of a source stand in another file.
    let logins = sources.iter().map(sources::fingerprint);
    let logins: Vec<String> = logins.chain(pushes.iter().map(sources::push::fingerprint)).collect();
    let others: Vec<String> = endpoints.values().filter_map(endpoints::fingerprint).collect();
    let mut parts: Vec<&str> = vec![&walk.file.text];
    parts.extend(seen.iter().chain(&logins).chain(&others).map(String::as_str));
    let (listen, mut http) = http.unwrap_or((http::LISTEN, Settings::default()));
    http.zone = Some(zone);
    Some(Config {
        state: state.unwrap_or_else(|| folder.join(STATE)),
        listen,
        http,
        rules,
        sources,
        allowance,
        archives,
        pushes,
        topics,
        inhibitions,
        endpoints,
        rule_files: Vec::new(),
        fingerprint: id::derive(&parts),
    })
}

fn state(walk: &Walk<'_>, folder: &Path) -> Option<PathBuf> {
    let mut fields = walk.fields()?;
    fields.later("postgres", "this version keeps its state in SQLite: `sqlite: { path: ./tracebell.db }`");
    let sqlite = fields.required("sqlite");
    fields.finish();
    let mut fields = sqlite?.fields()?;
    let path = fields.required_text("path").map(|path| folder.join(path));
    fields.finish();
    path
}

/// Which destinations endpoints may be at.
fn outbound(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<Outbound> {
    let mut fields = walk.fields()?;
    let (allow, ports) = (fields.list("allow"), fields.list("ports"));
    let proxy = fields.optional("proxy").and_then(|walk| secrets.read(&walk));
    fields.finish();
    let ports = ports.iter().filter_map(|walk| u16::try_from(walk.whole(1, 65_535)?).ok()).collect();
    Some(Outbound { allow: allow.iter().filter_map(network).collect(), ports, proxy })
}

/// `10.0.0.0/8`, or one address.
pub(super) fn network(walk: &Walk<'_>) -> Option<IpNet> {
    let text = walk.words()?;
    let found = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if found.is_none() {
        walk.fail_hint(format!("`{text}` is not a network"), "write `10.0.0.0/8`, `fd00::/8` or one address");
    }
    found
}

fn rule_paths(items: Vec<Walk<'_>>, folder: &Path) -> Vec<PathBuf> {
    if items.is_empty() {
        return vec![folder.join("rules")];
    }
    items.iter().filter_map(|item| item.words().map(|path| folder.join(path))).collect()
}
