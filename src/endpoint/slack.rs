//! Slack: incoming webhooks, and bots in a file of their own.

use std::time::Duration;

use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};

use super::{
    InvalidEndpoint, answer,
    client::{self, Client},
};
use crate::{
    clock::Timestamp,
    delivery::{Delivery, Outcome},
    secret::Secret,
};

pub mod bot;
mod call;
mod receipt;

#[derive(Debug, Clone)]
pub struct Settings {
    pub webhook_url: Secret,
}

#[derive(Clone)]
pub struct Slack {
    client: Client,
    url: Url,
    timeout: Duration,
}

impl Slack {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let url = client::url("webhook_url", &settings.webhook_url, &endpoint.outbound)
            .map_err(|reason| endpoint.invalid(reason))?;
        let client =
            client::new(&endpoint.outbound, &client::Tls::default()).map_err(|reason| endpoint.invalid(reason))?;
        Ok(Self { client, url, timeout: endpoint.timeout })
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))]);
        let (url, body, timeout) = (&self.url, &delivery.body, self.timeout);
        let request = client::Request { method: Method::POST, url, headers, body, timeout, now };
        client::send(&self.client, request, answer::slack).await
    }
}
