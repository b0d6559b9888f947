//! `webhook`.

use std::{path::Path, sync::Arc};

use super::{address, all_or_none, tls};
use crate::{
    config::secrets::Secrets,
    document::{Fields, Walk},
    endpoint::{
        client::Tls,
        webhook::{Login, Settings, Sign, Verb},
    },
    render::Format,
};

mod smn;
mod template;

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>, folder: &Path, public_url: Option<&str>) -> Option<Settings> {
    let mut fields = walk.fields()?;
    let url = fields.required("url");
    let method = fields.optional("method").map_or(Some(Verb::Post), |walk| walk.one_of(VERBS));
    let format = format(&mut fields);
    let (smn, place) = (fields.optional("smn"), fields.walk.clone());
    let sign = fields.optional("sign").map(|walk| sign(&walk, secrets));
    let login = login(&mut fields, secrets);
    let headers = fields.optional("headers").and_then(|walk| walk.entries()).unwrap_or_default();
    let tls = fields.optional("tls").map_or(Some(Tls::default()), |walk| tls(&walk, folder));
    fields.finish();
    let url = url.and_then(|walk| address(&walk, secrets));
    let headers = headers.into_iter().map(|(name, _, walk)| Some((name.to_owned(), secrets.read(&walk)?)));
    let headers = headers.collect::<Option<_>>();
    let smn = smn::read(&place, format.as_ref(), smn.as_ref(), secrets, folder, public_url);
    let (sign, login, smn) = (all_or_none(sign)?, all_or_none(login)?, smn?);
    Some(Settings { url: url?, method: method?, format: format?, sign, login, headers: headers?, tls: tls?, smn })
}

const VERBS: &[(&str, Verb)] = &[("POST", Verb::Post), ("PUT", Verb::Put), ("PATCH", Verb::Patch)];

/// What `format` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Tracebell,
    Cloudevents,
    Template,
    Smn,
}

const FORMATS: &[(&str, Name)] = &[
    ("tracebell", Name::Tracebell),
    ("cloudevents", Name::Cloudevents),
    ("template", Name::Template),
    ("smn", Name::Smn),
];

/// `format`, and the key that belongs to it.
fn format(fields: &mut Fields<'_>) -> Option<Format> {
    let (format, tree) = (fields.optional("format"), fields.optional("template"));
    let name = format.as_ref().map_or(Some(Name::Tracebell), |walk| walk.one_of(FORMATS));
    let read = tree.as_ref().map(template::read);
    match (name?, read) {
        (Name::Template, Some(tree)) => Some(Format::Template(Arc::new(tree?))),
        (Name::Template, None) => {
            let hint = "write `template: { text: \"{{ title }}\" }`";
            format.as_ref().unwrap_or(&fields.walk).fail_hint("the format `template` needs the key `template`", hint);
            None
        }
        (_, Some(_)) => {
            tree.as_ref()
                .unwrap_or(&fields.walk)
                .fail_hint("`template` needs the format of that name", "add `format: template`");
            None
        }
        (Name::Tracebell, None) => Some(Format::Webhook),
        (Name::Cloudevents, None) => Some(Format::Cloudevents),
        (Name::Smn, None) => Some(Format::Smn),
    }
}

/// `{ secret: { env: NEW }, previous: { env: OLD } }`
fn sign(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<Sign> {
    let mut fields = walk.fields()?;
    let secret = fields.required("secret").and_then(|walk| secrets.read(&walk));
    let previous = fields.optional("previous").map(|walk| secrets.read(&walk));
    fields.finish();
    Some(Sign { secret: secret?, previous: all_or_none(previous)? })
}

/// `basic: { username, password }` or `bearer: { env: TOKEN }`.
fn login(fields: &mut Fields<'_>, secrets: &Secrets<'_>) -> Option<Option<Login>> {
    let (basic, bearer) = (fields.optional("basic"), fields.optional("bearer"));
    match (basic, bearer) {
        (None, None) => None,
        (None, Some(bearer)) => Some(secrets.read(&bearer).map(Login::Bearer)),
        (Some(basic), None) => Some(basic_login(&basic, secrets)),
        (Some(_), Some(bearer)) => {
            bearer.fail("`basic` and `bearer` exclude each other: a request has one authorization");
            Some(None)
        }
    }
}

fn basic_login(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<Login> {
    let mut fields = walk.fields()?;
    let username = fields.required_text("username").map(str::to_owned);
    let password = fields.required("password").and_then(|walk| secrets.read(&walk));
    fields.finish();
    Some(Login::Basic { username: username?, password: password? })
}
