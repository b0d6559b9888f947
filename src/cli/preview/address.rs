//! How the one that a preview is for is addressed.

use std::process::ExitCode;

use super::Whose;
use crate::{
    cli::{
        USAGE,
        check::print_problems,
        status::{StateArg, plain},
    },
    config,
    document::did_you_mean,
    render::{Address, Format, Letterhead, Links, attachments::Style},
    secret::Secret,
};

/// Words for the formats that need no configuration.
pub const FORMATS: [&str; 13] = [
    "slack",
    "slack-bot",
    "mattermost",
    "rocketchat",
    "email",
    "webhook",
    "cloudevents",
    "smn",
    "teams",
    "telegram",
    "pagerduty",
    "opsgenie",
    "alertmanager",
];

/// An `Err` is the exit code of something that was already said.
pub fn of(whose: &Whose, file: &StateArg) -> Result<Address, ExitCode> {
    match (&whose.endpoint, &whose.format) {
        (Some(name), _) => configured(name, file),
        (None, word) => Ok(Address::plain(format(word.as_deref().unwrap_or_default()))),
    }
}

fn configured(name: &str, file: &StateArg) -> Result<Address, ExitCode> {
    let loaded = config::load_for_looking(file.config());
    let Some(config) = &loaded.config else {
        print_problems(&loaded.problems, &loaded.files);
        return Err(ExitCode::from(USAGE));
    };
    let Some(settings) = config.endpoints.get(name) else {
        let known: Vec<&str> = config.endpoints.keys().map(String::as_str).collect();
        let hint = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!(" (did you mean `{near}`?)"),
            None => format!("; configured are: {}", known.join(", ")),
        };
        anstream::eprintln!("error: no endpoint `{}`{hint}", plain(name));
        return Err(ExitCode::from(USAGE));
    };
    // The key that signs is kept with the state, and what is made here must open nothing.
    let links = config.http.public_url.as_deref().map(|site| Links::new(site, Secret::new("preview")));
    Ok(settings.address(links.as_ref()))
}

/// One of [`FORMATS`].
fn format(word: &str) -> Format {
    match word {
        "slack" => Format::Slack,
        "slack-bot" => Format::SlackBot,
        "mattermost" => Format::Mattermost(Style::default()),
        "rocketchat" => Format::Rocketchat,
        "email" => Format::Email(Letterhead {
            from: "Tracebell <bell@example.org>".to_owned(),
            to: vec!["ops@example.org".to_owned()],
        }),
        "cloudevents" => Format::Cloudevents,
        "smn" => Format::Smn,
        "teams" => Format::Teams,
        "telegram" => Format::Telegram,
        "pagerduty" => Format::PagerDuty,
        "opsgenie" => Format::Opsgenie,
        "alertmanager" => Format::Alertmanager,
        _ => Format::Webhook,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_a_format_of_its_own() {
        let formats = FORMATS.map(format);
        for (at, format) in formats.iter().enumerate() {
            assert!(!formats[..at].contains(format), "{}", FORMATS[at]);
        }
    }
}
