//! `slack`: an incoming webhook, or a bot.

use crate::{
    config::secrets::Secrets,
    document::Walk,
    endpoint::{
        KindSettings,
        slack::{Settings, bot},
    },
};

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<KindSettings> {
    let mut fields = walk.fields()?;
    let url = fields.optional("webhook_url");
    let token = fields.optional("token");
    let channel = fields.optional("channel");
    let api_url = fields.optional("api_url");
    fields.finish();
    match (url, token) {
        (Some(url), None) => {
            if let Some(walk) = channel.or(api_url) {
                walk.fail_hint("an incoming webhook knows its channel", "leave it out, or configure a `token`");
                return None;
            }
            Some(KindSettings::Slack(Settings { webhook_url: secrets.read(&url)? }))
        }
        (None, Some(token)) => {
            let token = secrets.read(&token);
            let Some(channel) = channel else {
                walk.fail_hint("a bot needs a `channel`", "write `channel: \"#sec\"`, or the channel's id");
                return None;
            };
            let channel = channel.words()?.to_owned();
            let api_url = match api_url {
                Some(walk) => walk.words()?.to_owned(),
                None => bot::API.to_owned(),
            };
            Some(KindSettings::SlackBot(bot::Settings { token: token?, channel, api_url }))
        }
        _ => {
            walk.fail_hint(
                "expected exactly one of `webhook_url` and `token`",
                "write `{ webhook_url: { env: SLACK_URL } }`, or `{ token: { env: SLACK_TOKEN }, channel: \"#sec\" }`",
            );
            None
        }
    }
}
