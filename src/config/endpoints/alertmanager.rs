//! `alertmanager`.

use std::path::Path;

use super::address;
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

fn tls(walk: &Walk<'_>, folder: &Path) -> Option<Tls> {
    let mut fields = walk.fields()?;
    let ca = fields.optional_text("ca").map(|path| folder.join(path));
    let cert = fields.optional_text("cert").map(|path| folder.join(path));
    let key = fields.optional_text("key").map(|path| folder.join(path));
    fields.finish();
    let identity = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((cert, key)),
        _ => {
            walk.fail_hint("`cert` and `key` belong together", "give both PEM files, or neither");
            return None;
        }
    };
    Some(Tls { ca, identity })
}
