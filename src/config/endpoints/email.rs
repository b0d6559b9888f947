//! `email`.

use std::path::Path;

use crate::{
    config::secrets::Secrets,
    document::Walk,
    endpoint::email::{self, Tls},
};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>, folder: &Path) -> Option<email::Settings> {
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
