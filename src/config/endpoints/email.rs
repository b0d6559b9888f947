//! `email`.

use std::path::Path;

use crate::{
    config::secrets::Secrets,
    document::Walk,
    endpoint::email::{self, Tls, Token},
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
    let oauth2_token = match fields.optional("oauth2_token") {
        Some(walk) => Some(token(&walk, secrets, folder)?),
        None => None,
    };
    let ca = fields.optional_text("ca").map(|path| folder.join(path));
    fields.finish();
    let (host, from, tls) = (host?.to_owned(), from?.to_owned(), tls?);
    Some(email::Settings { host, port, tls, username, password, oauth2_token, ca, from, to })
}

/// Looked at now, so that a missing one is told at the start; one in a file is read again at each login.
fn token(walk: &Walk<'_>, secrets: &Secrets<'_>, folder: &Path) -> Option<Token> {
    let token = secrets.read(walk)?;
    let file = walk.entries()?.into_iter().find(|(key, ..)| *key == "file").and_then(|(.., walk)| walk.words());
    Some(file.map_or(Token::Fixed(token), |path| Token::File(folder.join(path))))
}
