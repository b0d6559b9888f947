//! The parts of a push that live in the cloud: SMN's topic and subscription, and the key event notification of CTS.

use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};

use super::host;
use crate::{
    clock::Timestamp,
    cloud::{
        auth::{Credentials, Session},
        catalogue::{Catalogue, Wrong},
        http::Answer,
    },
    source::{
        SourceError,
        catalogue::{self, Endpoints},
    },
};

/// Where both services are.
#[derive(Debug, Clone)]
struct Places {
    cts: Endpoints,
    /// With version and project.
    smn: String,
    region: String,
}

pub struct Cloud {
    session: Session<Places>,
}

/// One subscriber of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub urn: String,
    pub endpoint: String,
    pub standing: Consent,
}

/// What the cloud says of a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    Unconfirmed,
    Confirmed,
    /// Left, or something that is not documented.
    Ended,
}

/// What CTS tells a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEvents {
    pub id: String,
    pub enabled: bool,
    pub topic_urn: Option<String>,
    /// As the cloud has it: operation type, operations, users and filter.
    pub wanted: Value,
}

/// The list holds at most 100.
const PAGE: usize = 100;

impl Cloud {
    pub fn new(credentials: &Credentials) -> Result<Self, SourceError> {
        Ok(Self { session: Session::new(credentials, places)? })
    }

    /// What a topic of this name is called in the project.
    pub async fn topic_urn(&mut self, name: &str, now: Timestamp) -> Result<String, SourceError> {
        let places = self.session.endpoints(now).await?;
        Ok(format!("urn:smn:{}:{}:{name}", places.region, places.cts.project_id))
    }

    /// The origin of SMN's API, which is trusted with our token anyway; and its region.
    pub async fn smn(&mut self, now: Timestamp) -> Result<(String, String), SourceError> {
        let places = self.session.endpoints(now).await?;
        Ok((places.smn.clone(), places.region.clone()))
    }

    pub async fn has_topic(&mut self, urn: &str, now: Timestamp) -> Result<bool, SourceError> {
        let path = format!("/notifications/topics/{urn}");
        let answer = self.ask_smn("SMN's topic", now, |client, base| client.get(format!("{base}{path}"))).await?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal("SMN's topic", &answer, now)),
        }
    }

    /// Gives its URN, also if it is there already.
    pub async fn create_topic(&mut self, name: &str, now: Timestamp) -> Result<String, SourceError> {
        let body = json!({ "name": name, "display_name": "Tracebell" });
        let create = |client: &Client, base: &str| client.post(format!("{base}/notifications/topics")).json(&body);
        let answer = self.ask_smn("SMN's topic", now, create).await?;
        text(&good("SMN's topic", answer, now)?, "topic_urn")
    }

    pub async fn delete_topic(&mut self, urn: &str, now: Timestamp) -> Result<(), SourceError> {
        let path = format!("/notifications/topics/{urn}");
        let answer = self.ask_smn("SMN's topic", now, |client, base| client.delete(format!("{base}{path}"))).await?;
        gone("SMN's topic", &answer, now)
    }

    pub async fn subscriptions(&mut self, urn: &str, now: Timestamp) -> Result<Vec<Subscription>, SourceError> {
        const TO: &str = "SMN's subscriptions";
        let mut found = Vec::new();
        loop {
            let path = format!("/notifications/topics/{urn}/subscriptions?offset={}&limit={PAGE}", found.len());
            let answer = self.ask_smn(TO, now, |client, base| client.get(format!("{base}{path}"))).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(found);
            }
            let page = good(TO, answer, now)?;
            let items = page["subscriptions"].as_array().map(Vec::as_slice).unwrap_or_default();
            found.extend(items.iter().map(|item| Subscription {
                urn: item["subscription_urn"].as_str().unwrap_or_default().to_owned(),
                endpoint: item["endpoint"].as_str().unwrap_or_default().to_owned(),
                standing: match item["status"].as_i64() {
                    Some(0) => Consent::Unconfirmed,
                    Some(1) => Consent::Confirmed,
                    _ => Consent::Ended,
                },
            }));
            if items.len() < PAGE {
                return Ok(found);
            }
        }
    }

    /// SMN then posts an invitation to the endpoint.
    pub async fn subscribe(&mut self, urn: &str, endpoint: &str, now: Timestamp) -> Result<(), SourceError> {
        let protocol = endpoint.split(':').next().unwrap_or_default();
        let body = json!({ "protocol": protocol, "endpoint": endpoint, "remark": "Tracebell" });
        let path = format!("/notifications/topics/{urn}/subscriptions");
        let add = |client: &Client, base: &str| client.post(format!("{base}{path}")).json(&body);
        let answer = self.ask_smn("SMN's subscription", now, add).await?;
        good("SMN's subscription", answer, now).map(|_| ())
    }

    pub async fn unsubscribe(&mut self, subscription: &str, now: Timestamp) -> Result<(), SourceError> {
        const TO: &str = "SMN's subscription";
        let path = format!("/notifications/subscriptions/{subscription}");
        let answer = self.ask_smn(TO, now, |client, base| client.delete(format!("{base}{path}"))).await?;
        gone(TO, &answer, now)
    }

    pub async fn key_events(&mut self, name: &str, now: Timestamp) -> Result<Option<KeyEvents>, SourceError> {
        let query = [("notification_name", name)];
        let list = |client: &Client, base: &str| client.get(format!("{base}/notifications/smn")).query(&query);
        let found = good(EVENTS, self.ask_cts(now, list).await?, now)?;
        let items = found["notifications"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(items.iter().find(|item| item["notification_name"] == name).map(key_events))
    }

    /// `wanted` holds operation type, operations and filter. Enabled, whatever a new one begins as.
    pub async fn put_key_events(
        &mut self,
        name: &str,
        known: Option<&KeyEvents>,
        wanted: &Value,
        topic_urn: &str,
        now: Timestamp,
    ) -> Result<KeyEvents, SourceError> {
        let mut body = wanted.clone();
        body["notification_name"] = name.into();
        body["topic_id"] = topic_urn.into();
        let id = match known {
            Some(known) => known.id.clone(),
            None => {
                let create = |client: &Client, base: &str| client.post(format!("{base}/notifications")).json(&body);
                let made = key_events(&good(EVENTS, self.ask_cts(now, create).await?, now)?);
                if made.enabled {
                    return Ok(made);
                }
                made.id
            }
        };
        body["notification_id"] = id.into();
        body["status"] = "enabled".into();
        let update = |client: &Client, base: &str| client.put(format!("{base}/notifications")).json(&body);
        good(EVENTS, self.ask_cts(now, update).await?, now)?;
        let made = self.key_events(name, now).await?;
        made.ok_or_else(|| transient(format!("{EVENTS} does not list `{name}`, which was written this moment")))
    }

    pub async fn delete_key_events(&mut self, id: &str, now: Timestamp) -> Result<(), SourceError> {
        let query = [("notification_id", id)];
        let delete = |client: &Client, base: &str| client.delete(format!("{base}/notifications")).query(&query);
        gone(EVENTS, &self.ask_cts(now, delete).await?, now)
    }

    async fn ask_smn(
        &mut self,
        to: &str,
        now: Timestamp,
        build: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<Answer, SourceError> {
        Ok(self.session.call(now, to, |client, places| build(client, &places.smn)).await?)
    }

    async fn ask_cts(
        &mut self,
        now: Timestamp,
        build: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<Answer, SourceError> {
        Ok(self.session.call(now, EVENTS, |client, places| build(client, &places.cts.v3)).await?)
    }
}

const EVENTS: &str = "the key event notifications";

fn key_events(item: &Value) -> KeyEvents {
    let text = |name: &str| item[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let mut wanted = json!({ "operation_type": item["operation_type"] });
    for name in ["operations", "notify_user_list", "filter"] {
        let empty = item[name].is_null() || item[name].as_array().is_some_and(Vec::is_empty);
        if !empty {
            wanted[name] = item[name].clone();
        }
    }
    KeyEvents {
        id: text("notification_id").unwrap_or_default(),
        enabled: item["status"] == "enabled",
        topic_urn: text("topic_id"),
        wanted,
    }
}

fn places(catalogue: &Catalogue, credentials: &Credentials) -> Result<Places, Wrong> {
    let cts = catalogue::endpoints(catalogue, credentials)?;
    let regions = catalogue.regions("smn");
    let region = match (&cts.region, regions.as_slice()) {
        (Some(region), _) => region.clone(),
        (None, [only]) => (*only).to_owned(),
        (None, _) => {
            return Err((
                "the region of Simple Message Notification is not known".to_owned(),
                "set `region_name` in clouds.yaml".to_owned(),
            ));
        }
    };
    let given = credentials.smn_endpoint_override.as_ref().map(|url| catalogue.fill(url));
    let found = || catalogue.find("smn", Some(&region)).map(str::to_owned);
    let login = credentials.auth_url.split('/').nth(2).unwrap_or_default();
    // Nobody but this cloud's own login is sent there with its token.
    let usual = || crate::cloud::host::is_the_clouds(login).then(|| format!("https://{}/v2", host(&region)));
    let base = given.or_else(found).or_else(usual).ok_or_else(|| {
        (
            format!("the catalogue does not list Simple Message Notification (`smn`) in region `{region}`"),
            "check the region, or give `smn_endpoint_override` in clouds.yaml".to_owned(),
        )
    })?;
    let smn = versioned(&base, &catalogue.project_id);
    Ok(Places { cts, smn, region })
}

/// Catalogues list the service without its version, with it, or with the project too.
fn versioned(base: &str, project: &str) -> String {
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix(project).map_or(base, |base| base.trim_end_matches('/'));
    let version = if base.ends_with("/v2") { "" } else { "/v2" };
    format!("{base}{version}/{project}")
}

/// Whether a confirmation may be opened: on SMN's API, which has our token anyway, or over TLS on the cloud's own
/// pages and on hosts that the operator named.
pub fn may_open(url: &str, smn: &str, region: &str, others: &[String]) -> bool {
    let (Ok(url), Ok(smn)) = (Url::parse(url), Url::parse(smn)) else { return false };
    let Some(name) = url.host_str() else { return false };
    if !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    let near = smn.host_str().is_some_and(|host| host.parse().is_ok_and(|at: std::net::IpAddr| at.is_loopback()));
    if url.origin() == smn.origin() && (url.scheme() == "https" || near) {
        return true;
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let pages = ["console.otc.t-systems.com".to_owned(), format!("console.{region}.otc.t-systems.com"), host(region)];
    url.scheme() == "https" && pages.iter().chain(others).any(|known| *known == format!("{name}{port}"))
}

/// Opens it as a person would, without a token.
pub async fn confirm(url: &str, credentials: &Credentials, now: Timestamp) -> Result<(), SourceError> {
    use crate::cloud::http;
    let pem = credentials.ca.as_deref().map(http::Pem::read).transpose()?;
    let client = http::client(pem.as_ref(), credentials.proxy.as_ref())?;
    let answer = http::send(client.get(url), "SMN's confirmation").await?;
    if answer.status.is_success() { Ok(()) } else { Err(refusal("SMN's confirmation", &answer, now)) }
}

fn good(to: &str, answer: Answer, now: Timestamp) -> Result<Value, SourceError> {
    match answer.json() {
        Some(json) if answer.status.is_success() => Ok(json),
        None if answer.status.is_success() => Err(transient(format!("{to} answered without JSON"))),
        _ => Err(refusal(to, &answer, now)),
    }
}

/// What is not there any more is as good as deleted.
fn gone(to: &str, answer: &Answer, now: Timestamp) -> Result<(), SourceError> {
    let done = answer.status.is_success() || answer.status == StatusCode::NOT_FOUND;
    if done { Ok(()) } else { Err(refusal(to, answer, now)) }
}

fn text(json: &Value, name: &str) -> Result<String, SourceError> {
    let text = json[name].as_str().map(str::to_owned);
    text.ok_or_else(|| transient(format!("SMN answered without `{name}`")))
}

fn transient(reason: String) -> SourceError {
    SourceError::Transient { reason, retry_after: None }
}

fn refusal(to: &str, answer: &Answer, now: Timestamp) -> SourceError {
    if answer.is_transient() {
        return answer.transient(to, now).into();
    }
    let code = answer.json().and_then(|json| json["code"].as_str().map(str::to_owned)).unwrap_or_default();
    let fix = match (answer.status.as_u16(), code.as_str()) {
        (_, "SMN.0069") => "SMN posts to public addresses only: give `http.public_url` one",
        (_, "SMN.0012") => "SMN does not accept this address: check `http.public_url`",
        (_, "SMN.0004" | "SMN.0007" | "SMN.0078") => "delete topics or subscriptions that are not needed any more",
        (403, _) if to == EVENTS => "grant the user's group `CTS FullAccess` in this project",
        (403, _) => "grant the user's group `SMN Administrator` in this project",
        (404, _) => "check region, `cts_endpoint_override` and `smn_endpoint_override`",
        _ => "check the parameters against the cloud's words",
    };
    let code = if code.is_empty() { code } else { format!(" ({code})") };
    SourceError::Refused { reason: format!("{to} answered {}{code}", answer.describe()), fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clouds_own_pages_are_opened() {
        let real = "https://smn.eu-de.otc.t-systems.com/v2/p";
        let check = |url: &str, smn: &str, expected: bool| {
            assert_eq!(may_open(url, smn, "eu-de", &["smn.example.org:8443".to_owned()]), expected, "{url}");
        };
        check("https://console.otc.t-systems.com/smn/subscription/confirm?token=1", real, true);
        check("https://smn.eu-de.otc.t-systems.com/confirm", real, true);
        check("https://smn.example.org:8443/confirm", real, true);
        check("http://127.0.0.1:8081/smn/subscription/confirm", "http://127.0.0.1:8081/v2/p", true);
        for url in [
            "http://console.otc.t-systems.com/smn/subscription/confirm",
            "https://console.otc.t-systems.com:8443/",
            "https://console.otc.t-systems.com.evil.example/",
            "https://console.otc.t-systems.com@evil.example/",
            "https://user@console.otc.t-systems.com/",
            "https://bucket.obs.eu-de.otc.t-systems.com/",
            "https://smn.example.org/confirm",
            "http://169.254.169.254/latest",
            "http://127.0.0.1:8081/",
            "file:///etc/passwd",
            "",
        ] {
            check(url, real, false);
        }
        check("http://smn.example.org/confirm", "http://smn.example.org/v2/p", false);
        check("http://127.0.0.1:9999/", "http://127.0.0.1:8081/v2/p", false);
        for base in ["https://smn.example.org", "https://smn.example.org/v2/", "https://smn.example.org/v2/p0"] {
            assert_eq!(versioned(base, "p0"), "https://smn.example.org/v2/p0", "{base}");
        }
    }
}
