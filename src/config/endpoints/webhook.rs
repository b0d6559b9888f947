//! `webhook`.

use crate::{
    config::secrets::Secrets,
    document::{Value, Walk},
    endpoint::webhook,
};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<webhook::Settings> {
    let mut fields = walk.fields()?;
    let url = fields.required("url");
    let sign = fields.optional("sign");
    let format = fields.optional("format");
    let headers = fields.optional("headers").and_then(|walk| walk.entries()).unwrap_or_default();
    fields.finish();
    if let Some(format) = format {
        format.one_of(&[("tracebell", ())])?;
    }
    let url = url.and_then(|walk| match walk.node.value {
        Value::Map(_) => secrets.read(&walk),
        _ => {
            let text = walk.words()?;
            if text.contains("${") {
                walk.fail_hint("`${...}` is never expanded", "write `url: { env: NAME }`");
                return None;
            }
            Some(crate::secret::Secret::new(text))
        }
    });
    let signing_secret = match sign {
        Some(walk) => {
            let mut fields = walk.fields()?;
            let secret = fields.required("secret").and_then(|walk| secrets.read(&walk));
            fields.finish();
            Some(secret?)
        }
        None => None,
    };
    let headers = headers.into_iter().map(|(name, _, walk)| Some((name.to_owned(), secrets.read(&walk)?)));
    Some(webhook::Settings { headers: headers.collect::<Option<_>>()?, url: url?, signing_secret })
}
