//! `teams`.

use crate::{config::secrets::Secrets, document::Walk, endpoint::teams};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<teams::Settings> {
    let mut fields = walk.fields()?;
    let url = fields.required("webhook_url").and_then(|walk| secrets.read(&walk));
    fields.finish();
    Some(teams::Settings { webhook_url: url? })
}
