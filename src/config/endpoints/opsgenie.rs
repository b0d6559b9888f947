//! `opsgenie`.

use super::address;
use crate::{config::secrets::Secrets, document::Walk, endpoint::opsgenie};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<opsgenie::Settings> {
    let mut fields = walk.fields()?;
    let key = fields.required("api_key").and_then(|walk| secrets.read(&walk));
    let url = fields.optional("url").map(|walk| address(&walk, secrets));
    fields.finish();
    Some(opsgenie::Settings { api_key: key?, url: super::all_or_none(url)? })
}
