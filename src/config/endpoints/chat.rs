//! `mattermost` and `rocketchat`.

use crate::{
    config::secrets::Secrets,
    document::Walk,
    endpoint::{KindSettings, chat::Settings},
};

pub fn mattermost(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<KindSettings> {
    let mut fields = walk.fields()?;
    let url = fields.required("webhook_url").and_then(|walk| secrets.read(&walk));
    let channel = fields.optional_text("channel").map(str::to_owned);
    let username = fields.optional_text("username").map(str::to_owned);
    fields.finish();
    Some(KindSettings::Mattermost(Settings { webhook_url: url?, channel, username }))
}

pub fn rocketchat(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<KindSettings> {
    let mut fields = walk.fields()?;
    let url = fields.required("webhook_url").and_then(|walk| secrets.read(&walk));
    fields.finish();
    Some(KindSettings::Rocketchat(Settings { webhook_url: url?, channel: None, username: None }))
}
