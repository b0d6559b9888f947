//! Microsoft Teams, through the webhook of a workflow.

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

#[derive(Debug, Clone)]
pub struct Settings {
    pub webhook_url: Secret,
}

#[derive(Clone)]
pub struct Teams(Post);

impl Teams {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        Post::new(endpoint, "webhook_url", &settings.webhook_url, &Tls::default()).map(Self)
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        self.0.send(&delivery.body, now, judge).await
    }
}

fn judge(answer: Answer<'_>) -> Outcome {
    let said = answer.body.to_ascii_lowercase();
    match (answer.status, answer::webhook(answer)) {
        // What is behind the address failed, which it tells in the text alone.
        (200..=299, _) if said.contains("message delivery failed") => Outcome::Retry {
            reason: format!("http_other: {}", crate::render::inert::line(answer.body.trim(), 200)),
            retry_after: answer.retry_after,
        },
        (200..=299, _) if said.contains("<html") => answer::retry("http_other", "a web page answered, not a workflow"),
        (_, outcome) => post::fix(
            outcome,
            "Teams no longer takes this webhook: see that the workflow is on and has an owner, or create a new one and \
             configure its address as `webhook_url`",
        ),
    }
}
