//! What a reader sees of a body, in plain lines or as a small page.
//!
//! Made from the body itself and not from the notification: what is missing there is missing here. The
//! first line is the sentence.

use mail_parser::{MessageParser, MimeHeaders as _};
use minijinja::{Environment, context};
use serde_json::Value;

use crate::render::{Format, Letter, facts};

mod chat;

pub fn text(letter: &Letter<'_>, body: &[u8]) -> String {
    let lines = match (&letter.address.format, serde_json::from_slice::<Value>(body)) {
        (Format::Email(_), _) => mail(body),
        (Format::Slack, Ok(body)) => chat::slack(&body),
        (Format::SlackBot, Ok(body)) => chat::bot(&body),
        (Format::Mattermost(_) | Format::Rocketchat, Ok(body)) => chat::attachments(&body),
        (Format::Teams, Ok(body)) => chat::teams(&body),
        (Format::Telegram, Ok(body)) => chat::telegram(&body),
        (_, Ok(body)) => named(letter, &format!("{body:#}")),
        (_, Err(_)) => named(letter, &String::from_utf8_lossy(body)),
    };
    lines.join("\n")
}

/// Of a mail its own; else the text on a page.
pub fn page(letter: &Letter<'_>, body: &[u8]) -> String {
    if let (Format::Email(_), Some(html)) = (&letter.address.format, html(body)) {
        return html;
    }
    let text = text(letter, body);
    let (sentence, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let page = context! { headline => facts::headline(letter.notification), sentence, rest => rest.trim_matches('\n') };
    // A name that ends in `.html` makes every value escaped for HTML.
    Environment::new()
        .render_named_str("page.html", include_str!("shown/page.html"), page)
        .expect("the page names nothing that it is not given")
}

fn mail(body: &[u8]) -> Vec<String> {
    let Some(mail) = MessageParser::default().parse(body) else {
        return String::from_utf8_lossy(body).lines().map(str::to_owned).collect();
    };
    let text = mail.body_text(0).unwrap_or_default();
    let mut lines = vec![mail.subject().unwrap_or("(no subject)").to_owned(), String::new()];
    lines.extend(text.trim().lines().map(str::to_owned));
    lines
}

fn html(body: &[u8]) -> Option<String> {
    let mail = MessageParser::default().parse(body)?;
    let part = mail.html_part(0).filter(|part| part.is_content_type("text", "html"))?;
    part.text_contents().map(str::to_owned)
}

/// A body for programs, below the sentence that says what it is about.
fn named(letter: &Letter<'_>, body: &str) -> Vec<String> {
    let mut lines = vec![facts::headline(letter.notification), String::new()];
    lines.extend(body.lines().map(str::to_owned));
    lines
}
