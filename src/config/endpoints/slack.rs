//! `slack`.

use crate::{config::secrets::Secrets, document::Walk, endpoint::slack};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<slack::Settings> {
    let mut fields = walk.fields()?;
    fields.later("token", "this version posts through an incoming webhook: `webhook_url`");
    fields.later("channel", "an incoming webhook knows its channel");
    let url = fields.required("webhook_url").and_then(|walk| secrets.read(&walk));
    fields.finish();
    Some(slack::Settings { webhook_url: url? })
}
