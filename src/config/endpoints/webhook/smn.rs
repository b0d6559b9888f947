//! `smn`, of a webhook in the format of that name.

use std::path::Path;

use super::super::smn::topic_urn;
use crate::{config::secrets::Secrets, document::Walk, endpoint::webhook::smn::Settings, render::Format};

/// `{ topic_urn: "urn:smn:eu-de:PROJECT:alerts", key: { file: smn.key }, cert: smn.pem }`
///
/// The outer `None` says that something is wrong.
pub fn read(
    webhook: &Walk<'_>,
    format: Option<&Format>,
    smn: Option<&Walk<'_>>,
    secrets: &Secrets<'_>,
    folder: &Path,
    public_url: Option<&str>,
) -> Option<Option<Settings>> {
    match (format, smn) {
        (Some(Format::Smn), None) => {
            let hint = "write `smn: { topic_urn: ..., key: { file: smn.key }, cert: smn.pem }`";
            webhook.fail_hint("the format `smn` needs the key `smn`", hint);
            None
        }
        (Some(Format::Smn) | None, Some(walk)) => settings(walk, secrets, folder, public_url).map(Some),
        (Some(_), Some(walk)) => {
            walk.fail_hint("`smn` needs the format of that name", "add `format: smn`");
            None
        }
        (_, None) => Some(None),
    }
}

fn settings(walk: &Walk<'_>, secrets: &Secrets<'_>, folder: &Path, public_url: Option<&str>) -> Option<Settings> {
    let mut fields = walk.fields()?;
    let topic_urn = fields.required("topic_urn").and_then(|walk| topic_urn(&walk));
    let key = fields.required("key").and_then(|walk| secrets.read(&walk));
    let cert = fields.required_text("cert").map(|path| folder.join(path));
    let site = match (fields.optional("public_url"), public_url) {
        (Some(walk), _) => site(&walk),
        (None, Some(ours)) => Some(ours.to_owned()),
        (None, None) => {
            let hint = "give `http.public_url`, or `public_url` here: `https://bell.example.org`";
            walk.fail_hint("subscribers must be told where they reach us", hint);
            None
        }
    };
    fields.finish();
    Some(Settings { topic_urn: topic_urn?, key: key?, cert: cert?, site: site? })
}

/// Where subscribers reach us; it goes into addresses that they are asked to open.
fn site(walk: &Walk<'_>) -> Option<String> {
    let text = walk.words()?.trim_end_matches('/');
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if rest.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]".contains(&b))
    }) {
        return Some(text.to_owned());
    }
    walk.fail_hint(format!("`{text}` is not the address of a site"), "write `https://bell.example.org`");
    None
}
