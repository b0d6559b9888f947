//! A topic of the cloud's Simple Message Notification: its subscribers are told by mail, short message,
//! HTTP or function, each in its own way.
//!
//! The login follows `clouds.yaml`, as sources do. What is published goes only to where the guard allows.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::timeout};

use super::{
    InvalidEndpoint, answer,
    client::{self, Client, Tls},
};
use crate::{
    clock::Timestamp,
    cloud::{
        CloudError,
        auth::{Credentials, Proof, Session},
        catalogue::Catalogue,
        host, http,
    },
    delivery::{Delivery, Outcome},
    render::publication::Style,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub credentials: Credentials,
    /// `urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts`
    pub topic_urn: String,
    pub style: Style,
    /// Replaces the catalogue's URL; may hold `%(project_id)s`.
    pub url: Option<String>,
}

#[derive(Clone)]
pub struct Topic(Arc<Publisher>);

struct Publisher {
    client: Client,
    settings: Settings,
    /// Held while logging in: attempts that are under way at once must not log in each for itself.
    session: Mutex<Session<Catalogue>>,
    timeout: Duration,
}

// An answer is a few hundred bytes; a gateway's page may be longer.
const ANSWER_LIMIT: usize = 4096;

impl Topic {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let whole = |catalogue: &Catalogue, _: &Credentials| Ok(catalogue.clone());
        // What is published goes through the proxy of endpoints, and so must the login.
        let mut credentials = settings.credentials.clone();
        credentials.proxy = credentials.proxy.or_else(|| endpoint.outbound.proxy.clone());
        let session = Session::new(&credentials, whole);
        Ok(Self(Arc::new(Publisher {
            client: client::new(&endpoint.outbound, &Tls::default()).map_err(|reason| endpoint.invalid(reason))?,
            settings: settings.clone(),
            session: Mutex::new(session.map_err(|error| endpoint.invalid(error.to_string()))?),
            timeout: endpoint.timeout,
        })))
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        let attempt = self.0.publish(&delivery.body, now);
        timeout(self.0.timeout, attempt).await.unwrap_or_else(|_| answer::timed_out(self.0.timeout))
    }
}

impl Publisher {
    /// What is refused as a login is renewed once.
    async fn publish(&self, body: &[u8], now: Timestamp) -> Outcome {
        let body = publication(body);
        let mut logins = 0;
        loop {
            logins += 1;
            let (proof, url) = match self.way(now).await {
                Ok(way) => way,
                Err(outcome) => return outcome,
            };
            let json = HeaderValue::from_static("application/json");
            let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json.clone()), (ACCEPT, json)]);
            proof.put_on("POST", &url, &mut headers, &body, now);
            let (method, timeout) = (Method::POST, self.timeout);
            let request = client::Request { method, url: &url, headers, body: &body, timeout, now };
            let said = match client::ask(&self.client, request, ANSWER_LIMIT).await {
                Ok(said) => said,
                Err(outcome) => return outcome,
            };
            let answer = said.answer();
            if logins == 2 || !http::wants_login(answer.status, answer.body.as_bytes()) {
                return answer::smn(answer);
            }
            self.session.lock().await.doubt(&proof);
        }
    }

    /// What to show, and the address.
    async fn way(&self, now: Timestamp) -> Result<(Proof, Url), Outcome> {
        let mut session = self.session.lock().await;
        let token = session.token(now).await.map_err(refused)?;
        let (reason, fix) = match self.address(&token.endpoints) {
            Ok(address) => match Url::parse(&address) {
                Ok(url) => return Ok((token.proof.clone(), url)),
                Err(error) => (format!("the address of SMN is none ({error})"), "check `url`".to_owned()),
            },
            Err(wrong) => wrong,
        };
        Err(answer::paused(format!("login: {reason}"), &fix))
    }

    fn address(&self, catalogue: &Catalogue) -> Result<String, (String, String)> {
        let Settings { topic_urn, credentials, url, .. } = &self.settings;
        let region = topic_urn.split(':').nth(2).unwrap_or_default();
        let given = url.as_ref().or(credentials.smn_endpoint_override.as_ref()).map(|url| catalogue.fill(url));
        let found = || catalogue.find("smn", Some(region)).map(str::to_owned);
        let login = credentials.auth_url.split('/').nth(2).unwrap_or_default();
        // Nobody but this cloud's own login is sent there with its token.
        let usual = || host::is_the_clouds(login).then(|| format!("https://{}/v2", host::of("smn", region)));
        let base = given.or_else(found).or_else(usual).ok_or_else(|| {
            (
                format!(
                    "the catalogue does not list Simple Message Notification (`smn`) in the topic's region `{region}`"
                ),
                "check the region in `topic_urn`, or give the service's address as `url`".to_owned(),
            )
        })?;
        Ok(format!("{}/notifications/topics/{topic_urn}/publish", versioned(&base, &catalogue.project_id)))
    }
}

/// Catalogues list the service without its version, with it, or with the project too.
fn versioned(base: &str, project: &str) -> String {
    let mut base = base.trim_end_matches('/').to_owned();
    if base.ends_with(&format!("/{project}")) {
        return base;
    }
    if !base.ends_with("/v2") {
        base.push_str("/v2");
    }
    format!("{base}/{project}")
}

fn refused(error: CloudError) -> Outcome {
    let reason = format!("login: {error}");
    match error {
        CloudError::Transient { retry_after, .. } => Outcome::Retry { reason, retry_after },
        CloudError::Refused { fix, .. } => answer::paused(reason, &fix),
    }
}

/// What was frozen while the endpoint was of another kind is published as it is.
fn publication(body: &[u8]) -> Vec<u8> {
    let kinds = ["message", "message_structure", "message_template_name"];
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(map)) if kinds.iter().any(|key| map.get(*key).is_some_and(Value::is_string)) => body.to_vec(),
        _ => json!({ "message": String::from_utf8_lossy(body) }).to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_address_is_completed() {
        for base in ["https://smn.example.org", "https://smn.example.org/v2/", "https://smn.example.org/v2/p0"] {
            assert_eq!(versioned(base, "p0"), "https://smn.example.org/v2/p0", "{base}");
        }
        assert_eq!(versioned("http://127.0.0.1:1/smn/v2", "p0"), "http://127.0.0.1:1/smn/v2/p0");
    }
}
