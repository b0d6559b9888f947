//! `pagerduty`.

use super::address;
use crate::{config::secrets::Secrets, document::Walk, endpoint::pagerduty};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<pagerduty::Settings> {
    let mut fields = walk.fields()?;
    let key = fields.required("routing_key").and_then(|walk| secrets.read(&walk));
    let url = fields.optional("url").map(|walk| address(&walk, secrets));
    fields.finish();
    Some(pagerduty::Settings { routing_key: key?, url: super::all_or_none(url)? })
}
