//! Opsgenie, and what speaks its alert API.

use reqwest::header::AUTHORIZATION;

use super::{
    InvalidEndpoint,
    answer::{self, Answer},
    client::Tls,
    post::{self, Post},
};
use crate::{
    clock::Timestamp,
    delivery::{Delivery, Outcome},
    secret::Secret,
};

/// Europe's is `https://api.eu.opsgenie.com`.
const URL: &str = "https://api.opsgenie.com";
const PATH: &str = "/v2/alerts";

#[derive(Debug, Clone)]
pub struct Settings {
    pub api_key: Secret,
    /// Of the service, without the path of its API.
    pub url: Option<Secret>,
}

#[derive(Clone)]
pub struct Opsgenie(Post);

impl Opsgenie {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let base = settings.url.as_ref().map_or(URL, Secret::expose).trim().trim_end_matches('/');
        let url = Secret::new(format!("{}{PATH}", base.trim_end_matches(PATH)));
        let login = format!("GenieKey {}", settings.api_key.expose().trim());
        let post = Post::new(endpoint, "url", &url, &Tls::default())?.header(AUTHORIZATION, &login);
        let wrong = || endpoint.invalid("`api_key` holds a line break or another character that headers cannot carry");
        post.map(Self).ok_or_else(wrong)
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        self.0.send(&delivery.body, now, judge).await
    }
}

fn judge(answer: Answer<'_>) -> Outcome {
    match (answer.status, answer::webhook(answer)) {
        (202, outcome) => outcome,
        (200..=299, _) => answer::retry("http_other", &format!("answered {} where Opsgenie says 202", answer.status)),
        (401 | 403, outcome) => post::fix(
            outcome,
            "the service does not accept this key: configure the key of an API integration that may create alerts as `api_key`",
        ),
        (_, outcome) => post::fix(outcome, "the service does not take alerts at this address: check `url`"),
    }
}
