//! `telegram`.

use super::address;
use crate::{
    config::secrets::Secrets,
    document::{Value, Walk},
    endpoint::telegram,
};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<telegram::Settings> {
    let mut fields = walk.fields()?;
    let token = fields.required("token").and_then(|walk| secrets.read(&walk));
    let chat = fields.required("chat");
    let url = fields.optional("api_url").map(|walk| address(&walk, secrets));
    fields.finish();
    let chat = chat.and_then(|walk| match walk.node.value {
        // Groups have negative numbers.
        Value::Int(number) => Some(number.to_string()),
        _ => walk.words().map(str::to_owned),
    });
    Some(telegram::Settings { token: token?, chat: chat?, api_url: super::all_or_none(url)? })
}
