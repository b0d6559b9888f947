//! Webhooks: one request for each delivery, in the format and with the proofs that the receiver wants.
//!
//! Sends frozen bytes; what they hold is the business of `render`.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    InvalidEndpoint, answer,
    client::{self, Client},
};
use crate::{
    clock::Timestamp,
    delivery::{Delivery, Outcome},
    render::Format,
    secret::Secret,
};

mod headers;
mod sign;

pub use headers::Login;
pub use sign::Sign;

#[derive(Debug, Clone)]
pub struct Settings {
    pub url: Secret,
    pub method: Verb,
    /// Of the body.
    pub format: Format,
    pub sign: Option<Sign>,
    pub login: Option<Login>,
    /// Whatever else the receiver wants.
    pub headers: Vec<(String, Secret)>,
    pub tls: client::Tls,
}

/// The methods that carry a body to be stored or acted upon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verb {
    #[default]
    Post,
    Put,
    Patch,
}

impl Settings {
    /// A POST of Tracebell's own JSON, unsigned, with no headers of its own.
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            method: Verb::Post,
            format: Format::Webhook,
            sign: None,
            login: None,
            headers: Vec::new(),
            tls: client::Tls::default(),
        }
    }
}

#[derive(Clone)]
pub struct Webhook {
    receiver: Arc<Receiver>,
}

struct Receiver {
    client: Client,
    url: Url,
    method: Method,
    content_type: &'static str,
    signer: Option<sign::Signer>,
    headers: HeaderMap,
    timeout: Duration,
}

impl Webhook {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason| endpoint.invalid(reason);
        let receiver = Receiver {
            url: client::url("url", &settings.url, &endpoint.outbound).map_err(invalid)?,
            method: match settings.method {
                Verb::Post => Method::POST,
                Verb::Put => Method::PUT,
                Verb::Patch => Method::PATCH,
            },
            content_type: content_type(&settings.format),
            signer: settings.sign.as_ref().map(sign::Signer::new).transpose().map_err(invalid)?,
            headers: headers::configured(&settings.headers, settings.login.as_ref()).map_err(invalid)?,
            client: client::new(&endpoint.outbound, &settings.tls).map_err(invalid)?,
            timeout: endpoint.timeout,
        };
        Ok(Self { receiver: Arc::new(receiver) })
    }

    pub async fn send(&self, delivery: &Delivery, attempt: u32, now: Timestamp) -> Outcome {
        let Receiver { client, url, method, timeout, .. } = &*self.receiver;
        let (headers, method) = (self.receiver.headers(delivery, attempt, now), method.clone());
        let (body, timeout) = (&delivery.body, *timeout);
        client::send(client, client::Request { method, url, headers, body, timeout, now }, answer::webhook).await
    }
}

impl Receiver {
    fn headers(&self, delivery: &Delivery, attempt: u32, now: Timestamp) -> HeaderMap {
        let timestamp = now.as_second().to_string();
        let mut headers = self.headers.clone();
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).expect("ids, numbers and base64 are visible ASCII");
            headers.insert(HeaderName::from_static(name), value);
        };
        set(CONTENT_TYPE.as_str(), self.content_type);
        set("webhook-id", &visible(&delivery.id));
        set("webhook-timestamp", &timestamp);
        set("tracebell-attempt", &attempt.to_string());
        if let Some(signer) = &self.signer {
            set("webhook-signature", &signer.sign(&visible(&delivery.id), &timestamp, &delivery.body));
        }
        headers
    }
}

fn content_type(format: &Format) -> &'static str {
    match format {
        Format::Cloudevents => "application/cloudevents+json; charset=utf-8",
        _ => "application/json",
    }
}

/// Delivery ids are visible ASCII; one read from a damaged store might not be.
fn visible(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).collect()
}
