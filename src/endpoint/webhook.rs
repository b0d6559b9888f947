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
use smn::Parcel;

use crate::{
    clock::Timestamp,
    delivery::{Delivery, Outcome},
    render::Format,
    secret::Secret,
};

mod headers;
mod sign;
pub mod smn;

pub use headers::Login;
pub use sign::Sign;
pub use smn::{Invitation, Publisher};

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
    /// Whom the receiver takes for SMN, in that format.
    pub smn: Option<smn::Settings>,
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
            smn: None,
        }
    }
}

impl Settings {
    /// Who signs as SMN does, if this endpoint wants that.
    pub fn publisher(&self, endpoint: &str) -> Result<Option<Arc<Publisher>>, String> {
        self.smn.as_ref().map(|smn| Publisher::new(endpoint, &self.url, smn).map(Arc::new)).transpose()
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
    publisher: Option<Arc<Publisher>>,
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
            publisher: settings.publisher(&endpoint.name).map_err(invalid)?,
            headers: headers::configured(&settings.headers, settings.login.as_ref()).map_err(invalid)?,
            client: client::new(&endpoint.outbound, &settings.tls).map_err(invalid)?,
            timeout: endpoint.timeout,
        };
        Ok(Self { receiver: Arc::new(receiver) })
    }

    pub fn publisher(&self) -> Option<&Arc<Publisher>> {
        self.receiver.publisher.as_ref()
    }

    pub async fn send(&self, delivery: &Delivery, attempt: u32, now: Timestamp) -> Outcome {
        let sealed = self.publisher().map(|publisher| publisher.notification(&delivery.body, &delivery.id, now));
        let id = visible(&delivery.id);
        match &sealed {
            Some(parcel) => self.receiver.post(&id, &parcel.body, Some(parcel), attempt, now).await,
            None => self.receiver.post(&id, &delivery.body, None, attempt, now).await,
        }
    }

    /// What SMN sends before and after everything else.
    pub async fn invite(&self, invitation: Invitation, now: Timestamp) -> Outcome {
        let Some(publisher) = self.publisher() else {
            return Outcome::Refused { reason: "nobody has to confirm here".to_owned(), shorter_may_help: false };
        };
        let parcel = publisher.invitation(invitation, now);
        self.receiver.post(&parcel.message_id, &parcel.body, Some(&parcel), 1, now).await
    }
}

impl Receiver {
    async fn post(&self, id: &str, body: &[u8], parcel: Option<&Parcel>, attempt: u32, now: Timestamp) -> Outcome {
        let mut headers = self.headers.clone();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        let timestamp = now.as_second().to_string();
        set(CONTENT_TYPE.as_str(), self.content_type);
        set("webhook-id", id);
        set("webhook-timestamp", &timestamp);
        set("tracebell-attempt", &attempt.to_string());
        if let Some(signer) = &self.signer {
            set("webhook-signature", &signer.sign(id, &timestamp, body));
        }
        if let (Some(parcel), Some(publisher)) = (parcel, &self.publisher) {
            set("x-smn-message-type", parcel.kind);
            set("x-smn-message-id", &parcel.message_id);
            set("x-smn-topic-urn", &publisher.topic_urn);
        }
        let (method, url, timeout) = (self.method.clone(), &self.url, self.timeout);
        let request = client::Request { method, url, headers, body, timeout, now };
        client::send(&self.client, request, answer::webhook).await
    }
}

fn content_type(format: &Format) -> &'static str {
    match format {
        Format::Cloudevents => "application/cloudevents+json; charset=utf-8",
        Format::Smn => "application/json;charset=utf-8",
        _ => "application/json",
    }
}

/// Delivery ids are visible ASCII; one read from a damaged store might not be.
fn visible(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).collect()
}
