//! A POST of JSON to one address, which is what most services want.

use std::time::Duration;

use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    InvalidEndpoint, Settings,
    answer::{self, Answer},
    client::{self, Client, Tls},
};
use crate::{clock::Timestamp, delivery::Outcome, secret::Secret};

#[derive(Clone)]
pub struct Post {
    client: Client,
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
}

/// What is read of an answer that may repeat the whole message.
const ANSWER_LIMIT: usize = 64 * 1024;

impl Post {
    /// To the address in `url`, which the configuration calls `key`.
    pub fn new(endpoint: &Settings, key: &str, url: &Secret, tls: &Tls) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason| endpoint.invalid(reason);
        let url = client::url(key, url, &endpoint.outbound).map_err(invalid)?;
        let client = client::new(&endpoint.outbound, tls).map_err(invalid)?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Ok(Self { client, url, headers, timeout: endpoint.timeout })
    }

    /// With a header whose value nobody is shown.
    pub fn header(mut self, name: HeaderName, value: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Some(self)
    }

    pub async fn send(&self, body: &[u8], now: Timestamp, judge: fn(Answer<'_>) -> Outcome) -> Outcome {
        let (url, headers, timeout) = (&self.url, self.headers.clone(), self.timeout);
        let request = client::Request { method: Method::POST, url, headers, body, timeout, now };
        match client::ask(&self.client, request, ANSWER_LIMIT).await {
            Ok(said) => judge(said.answer()),
            Err(outcome) => outcome,
        }
    }
}

/// The stored body with what is not stored: keys, addresses, what was answered before.
pub fn with(body: &[u8], add: impl FnOnce(&mut serde_json::Value)) -> Result<Vec<u8>, Outcome> {
    let damaged = |error: serde_json::Error| answer::retry("io", &format!("the stored body is damaged: {error}"));
    let mut body = serde_json::from_slice(body).map_err(damaged)?;
    add(&mut body);
    serde_json::to_vec(&body).map_err(damaged)
}

/// The same outcome, with words for this service where somebody must mend something.
pub fn fix(outcome: Outcome, words: &str) -> Outcome {
    match outcome {
        Outcome::Paused { reason, .. } => answer::paused(reason, words),
        outcome => outcome,
    }
}
