//! PagerDuty, through its Events API v2.

use serde_json::Value;

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

/// The service region of most accounts; Europe's is `https://events.eu.pagerduty.com/v2/enqueue`.
const URL: &str = "https://events.pagerduty.com/v2/enqueue";

#[derive(Debug, Clone)]
pub struct Settings {
    /// Of an integration of the service.
    pub routing_key: Secret,
    pub url: Option<Secret>,
}

#[derive(Clone)]
pub struct PagerDuty {
    post: Post,
    routing_key: Secret,
}

impl PagerDuty {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let url = settings.url.clone().unwrap_or_else(|| Secret::new(URL));
        let post = Post::new(endpoint, "url", &url, &Tls::default())?;
        Ok(Self { post, routing_key: settings.routing_key.clone() })
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        let add = |body: &mut Value| body["routing_key"] = self.routing_key.expose().trim().into();
        match post::with(&delivery.body, add) {
            Ok(body) => self.post.send(&body, now, judge).await,
            Err(outcome) => outcome,
        }
    }
}

fn judge(answer: Answer<'_>) -> Outcome {
    let key = answer.body.to_ascii_lowercase();
    match (answer.status, answer::webhook(answer)) {
        (202, outcome) => outcome,
        // Somebody else's page: the service says 202.
        (200..=299, _) => answer::retry("http_other", &format!("answered {} where PagerDuty says 202", answer.status)),
        (400, outcome) if key.contains("routing") || key.contains("integration key") => answer::paused(
            outcome.reason().to_owned(),
            "PagerDuty does not know this key: configure the integration key of an Events API v2 integration as `routing_key`",
        ),
        (_, outcome) => post::fix(outcome, "PagerDuty does not take events here: check `routing_key` and `url`"),
    }
}
