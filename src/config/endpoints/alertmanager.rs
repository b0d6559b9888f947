//! `alertmanager`.

use std::path::Path;

use super::{address, tls};
use crate::{
    config::secrets::Secrets,
    document::Walk,
    endpoint::{
        alertmanager::{Login, Settings},
        client::Tls,
    },
};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>, folder: &Path) -> Option<Settings> {
    let mut fields = walk.fields()?;
    let url = fields.required("url").and_then(|walk| address(&walk, secrets));
    let username = fields.optional_text("username").map(str::to_owned);
    let password = fields.optional("password").map(|walk| secrets.read(&walk));
    let bearer = fields.optional("bearer").map(|walk| secrets.read(&walk));
    let tls = fields.optional("tls").map_or(Some(Tls::default()), |walk| tls(&walk, folder));
    fields.finish();
    let login = match (username, super::all_or_none(password)?, super::all_or_none(bearer)?) {
        (None, None, None) => None,
        (None, None, Some(token)) => Some(Login::Bearer(token)),
        (Some(username), Some(password), None) => Some(Login::Basic { username, password }),
        _ => {
            walk.fail_hint(
                "expected either `username` with `password`, or `bearer`",
                "a request has one authorization",
            );
            return None;
        }
    };
    Some(Settings { url: url?, login, tls: tls? })
}
