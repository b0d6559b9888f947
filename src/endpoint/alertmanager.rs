//! Prometheus Alertmanager, through its API v2.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use super::{
    InvalidEndpoint,
    answer::{self, Answer},
    client::Tls,
    post::{self, Post},
};
use crate::{
    clock::{self, Timestamp},
    delivery::{Delivery, Outcome},
    render::alertmanager::AT_LEAST,
    secret::Secret,
};

const PATH: &str = "/api/v2/alerts";

#[derive(Debug, Clone)]
pub struct Settings {
    /// Of Alertmanager, with its route prefix if it has one, without the path of its API.
    pub url: Secret,
    pub login: Option<Login>,
    pub tls: Tls,
}

#[derive(Debug, Clone)]
pub enum Login {
    Basic { username: String, password: Secret },
    Bearer(Secret),
}

#[derive(Clone)]
pub struct Alertmanager(Post);

impl Alertmanager {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let base = settings.url.expose().trim().trim_end_matches('/');
        let url = Secret::new(format!("{}{PATH}", base.trim_end_matches(PATH)));
        let post = Post::new(endpoint, "url", &url, &settings.tls)?;
        let (login, key) = match &settings.login {
            None => return Ok(Self(post)),
            Some(Login::Bearer(token)) => (format!("Bearer {}", token.expose().trim()), "bearer"),
            Some(Login::Basic { username, password }) => {
                (format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose()))), "password")
            }
        };
        let wrong = || endpoint.invalid(format!("`{key}` holds a character that headers cannot carry"));
        post.header(AUTHORIZATION, &login).map(Self).ok_or_else(wrong)
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        match post::with(&delivery.body, |alerts| last(alerts, now)) {
            Ok(body) => self.0.send(&body, now, judge).await,
            Err(outcome) => outcome,
        }
    }
}

/// An alert that waited past its end is still news.
fn last(alerts: &mut Value, now: Timestamp) {
    let soonest = clock::plus(now, AT_LEAST);
    for alert in alerts.as_array_mut().into_iter().flatten() {
        let ends: Option<Timestamp> = alert["endsAt"].as_str().and_then(|time| time.parse().ok());
        if ends.is_none_or(|ends| ends < soonest) {
            alert["endsAt"] = soonest.to_string().into();
        }
    }
}

fn judge(answer: Answer<'_>) -> Outcome {
    match (answer.status, answer::webhook(answer)) {
        (200, outcome) => outcome,
        (201..=299, _) => {
            answer::retry("http_other", &format!("answered {} where Alertmanager says 200", answer.status))
        }
        (401 | 403, outcome) => {
            post::fix(outcome, "Alertmanager does not accept our login: check `username` and `password`, or `bearer`")
        }
        (_, outcome) => {
            post::fix(outcome, "there is no Alertmanager at this address: check `url` and its route prefix")
        }
    }
}
