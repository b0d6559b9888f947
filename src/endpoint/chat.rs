//! Mattermost and Rocket.Chat: incoming webhooks that take Slack's attachments and answer as Slack's do, nearly.

use std::time::Duration;

use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};

use super::{
    InvalidEndpoint,
    answer::{self, Answer},
    client::{self, Client},
};
use crate::{
    clock::Timestamp,
    delivery::{Delivery, Outcome},
    render::attachments::Style,
    secret::Secret,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub webhook_url: Secret,
    /// Mattermost only: elsewhere than the webhook was made for.
    pub channel: Option<String>,
    /// Mattermost only: the name it posts under.
    pub username: Option<String>,
}

impl Settings {
    pub fn style(&self) -> Style {
        Style { channel: self.channel.clone(), username: self.username.clone() }
    }
}

#[derive(Clone)]
pub struct Chat {
    client: Client,
    url: Url,
    timeout: Duration,
    judge: fn(Answer<'_>) -> Outcome,
}

impl Chat {
    pub fn mattermost(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        Self::new(endpoint, settings, answer::mattermost)
    }

    pub fn rocketchat(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        Self::new(endpoint, settings, answer::rocketchat)
    }

    fn new(
        endpoint: &super::Settings,
        settings: &Settings,
        judge: fn(Answer<'_>) -> Outcome,
    ) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason| endpoint.invalid(reason);
        let url = client::url("webhook_url", &settings.webhook_url, &endpoint.outbound).map_err(invalid)?;
        let client = client::new(&endpoint.outbound, &client::Tls::default()).map_err(invalid)?;
        Ok(Self { client, url, timeout: endpoint.timeout, judge })
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let (url, body, timeout) = (&self.url, &delivery.body, self.timeout);
        let request = client::Request { method: Method::POST, url, headers, body, timeout, now };
        client::send(&self.client, request, self.judge).await
    }
}
