//! Webhooks with Standard Webhooks headers.

use std::{sync::Arc, time::Duration};

use base64::{
    Engine,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use sha2::Sha256;

use super::{
    InvalidEndpoint, answer,
    client::{self, Client},
};
use crate::{
    clock::Timestamp,
    delivery::{Delivery, Outcome},
    secret::Secret,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub url: Secret,
    /// `whsec_` and base64, or any text.
    pub signing_secret: Option<Secret>,
    /// Extra headers, for example an Authorization the receiver wants.
    pub headers: Vec<(String, Secret)>,
}

impl Settings {
    /// Unsigned, with no headers of its own.
    pub fn new(url: Secret) -> Self {
        Self { url, signing_secret: None, headers: Vec::new() }
    }
}

#[derive(Clone)]
pub struct Webhook {
    receiver: Arc<Receiver>,
}

struct Receiver {
    client: Client,
    url: Url,
    signer: Option<Hmac<Sha256>>,
    headers: HeaderMap,
    timeout: Duration,
}

/// Set by us for every request, so a configured one would be lost or would lie.
const OWN_HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "host",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "tracebell-attempt",
];

impl Webhook {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason| endpoint.invalid(reason);
        let url = client::url("url", &settings.url, &endpoint.outbound).map_err(invalid)?;
        let signer = settings.signing_secret.as_ref().map(signer).transpose().map_err(invalid)?;
        let headers = headers(&settings.headers).map_err(invalid)?;
        let client = client::new(&endpoint.outbound, &client::Tls::default()).map_err(invalid)?;
        Ok(Self { receiver: Arc::new(Receiver { client, url, signer, headers, timeout: endpoint.timeout }) })
    }

    pub async fn send(&self, delivery: &Delivery, attempt: u32, now: Timestamp) -> Outcome {
        let Receiver { client, url, timeout, .. } = &*self.receiver;
        let headers = self.receiver.headers(delivery, attempt, now);
        let (body, timeout) = (&delivery.body, *timeout);
        let request = client::Request { method: Method::POST, url, headers, body, timeout, now };
        client::send(client, request, answer::webhook).await
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
        set(CONTENT_TYPE.as_str(), "application/json");
        set("webhook-id", &visible(&delivery.id));
        set("webhook-timestamp", &timestamp);
        set("tracebell-attempt", &attempt.to_string());
        if let Some(signer) = &self.signer {
            set("webhook-signature", &sign(signer.clone(), &visible(&delivery.id), &timestamp, &delivery.body));
        }
        headers
    }
}

/// Delivery ids are visible ASCII; one read from a damaged store might not be.
fn visible(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).collect()
}

/// `v1,` and the signature of `id.timestamp.body`.
fn sign(mut signer: Hmac<Sha256>, id: &str, timestamp: &str, body: &[u8]) -> String {
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        signer.update(part);
    }
    format!("v1,{}", STANDARD.encode(signer.finalize().into_bytes()))
}

/// `whsec_` announces base64, as the specification has it; any other text is the key itself.
fn signer(secret: &Secret) -> Result<Hmac<Sha256>, String> {
    let text = secret.expose().trim();
    let key = match text.strip_prefix("whsec_") {
        Some(encoded) => lenient_base64()
            .decode(encoded)
            .map_err(|_| "`sign.secret` begins with `whsec_` but what follows is not base64".to_owned())?,
        None => text.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err("`sign.secret` is empty".into());
    }
    Ok(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
}

/// Padding may be missing: other implementations accept that too.
fn lenient_base64() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config)
}

fn headers(configured: &[(String, Secret)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in configured {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`headers.{}` is not a header name", name.escape_debug()))?;
        if OWN_HEADERS.contains(&parsed.as_str()) {
            return Err(format!("`headers.{name}` is set by tracebell itself; choose another name"));
        }
        let mut value = HeaderValue::from_str(value.expose().trim()).map_err(|_| {
            format!("`headers.{name}` holds a line break or another character that headers cannot carry")
        })?;
        value.set_sensitive(true);
        headers.append(parsed, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_example_is_signed_alike() {
        let signer = signer(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signed = sign(signer, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_base64_or_text() {
        assert!(signer(&Secret::new("whsec_YWJj")).is_ok());
        assert!(signer(&Secret::new("whsec_YWI")).is_ok(), "padding may be missing");
        assert!(signer(&Secret::new("correct horse battery staple")).is_ok());
        for (secret, wrong) in [("whsec_%%SECRET", "not base64"), ("whsec_", "is empty"), ("  ", "is empty")] {
            let found = signer(&Secret::new(secret)).unwrap_err();
            assert!(found.contains(wrong) && !found.contains("SECRET"), "{found}");
        }
    }

    #[test]
    fn extra_headers_are_checked() {
        let check = |name: &str, value: &str| headers(&[(name.to_owned(), Secret::new(value))]).map(|_| ());
        assert_eq!(check("Authorization", "Bearer x"), Ok(()));
        assert!(check("Webhook-Id", "x").unwrap_err().contains("set by tracebell"));
        assert!(check("bad name", "x").unwrap_err().contains("not a header name"));
        let broken = check("X-Key", "SECRET\r\nX-Other: y").unwrap_err();
        assert!(broken.contains("line break") && !broken.contains("SECRET"));
    }
}
