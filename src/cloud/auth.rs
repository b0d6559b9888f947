//! Login: password or token, at a Keystone endpoint; or an access key, which signs each request instead.
//!
//! A session holds one proof, renews it before it expires and once when it is
//! refused, and knows from the catalogue where its service is.

use std::time::Duration;

use reqwest::{
    Client, RequestBuilder, StatusCode, Url,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};

use super::{
    CloudError,
    catalogue::{Catalogue, Places},
    http::{self, Answer},
    sign::AccessKey,
};
use crate::{
    clock::{self, Timestamp},
    secret::Secret,
};

/// No second login within this time after one was refused: accounts lock.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// A token is renewed this long before it expires, or after three quarters of a short life.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 60);
/// Where services are is asked again after this long with a key, which does not expire.
const CATALOGUE_FOR: Duration = Duration::from_secs(24 * 3600);
/// Believed where the answer does not say how long the token lives.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Who logs in where.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Ends in `/v3`.
    pub auth_url: String,
    pub method: Method,
    /// Name or id; which one is told by the variant.
    pub project: Option<NameOrId>,
    pub region: Option<String>,
    /// Replaces the catalogue's URL of the trace service; may hold `%(project_id)s`.
    pub cts_endpoint_override: Option<String>,
    /// The same of Simple Message Notification.
    pub smn_endpoint_override: Option<String>,
    /// PEM file of a private CA.
    pub ca: Option<std::path::PathBuf>,
}

#[derive(Debug, Clone)]
pub enum Method {
    Password {
        user: NameOrId,
        domain: Option<NameOrId>,
        password: Secret,
    },
    Token(Secret),
    /// Permanent, or for a while.
    Key(AccessKey),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameOrId {
    Name(String),
    Id(String),
}

/// A place to ask, and the token to ask with.
pub struct Session<P> {
    client: Client,
    credentials: Credentials,
    places: Places<P>,
    token: Option<Token<P>>,
    /// The last refusal, repeated without asking until its time is over.
    refused: Option<Refusal>,
}

/// What a login gave.
pub struct Token<P> {
    pub proof: Proof,
    /// Where to ask.
    pub endpoints: P,
    renew_at: Timestamp,
}

/// What makes a request ours.
#[derive(Debug, Clone)]
pub enum Proof {
    /// For `X-Auth-Token`.
    Token(HeaderValue),
    /// Signs for a project.
    Key { key: AccessKey, project: String },
}

impl Proof {
    /// On a request whose other headers are complete.
    pub fn put_on(&self, method: &str, url: &Url, headers: &mut HeaderMap, body: &[u8], now: Timestamp) {
        match self {
            Self::Token(token) => drop(headers.insert("x-auth-token", token.clone())),
            Self::Key { key, project } => key.sign(method, url, headers, Some(project), body, now),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(one), Self::Token(other)) => one == other,
            (Self::Key { .. }, Self::Key { .. }) => true,
            _ => false,
        }
    }
}

struct Refusal {
    at: Timestamp,
    reason: String,
    fix: String,
}

impl<P> Session<P> {
    pub fn new(credentials: &Credentials, places: Places<P>) -> Result<Self, CloudError> {
        let client = http::client(credentials.ca.as_deref())?;
        Ok(Self { client, credentials: credentials.clone(), places, token: None, refused: None })
    }

    /// Where the services are; logs in if need be.
    pub async fn endpoints(&mut self, now: Timestamp) -> Result<&P, CloudError> {
        Ok(&self.token(now).await?.endpoints)
    }

    /// Sends what `build` makes. A refused token is renewed once and the same request sent again.
    pub async fn call(
        &mut self,
        now: Timestamp,
        to: &str,
        build: impl Fn(&Client, &P) -> RequestBuilder,
    ) -> Result<Answer, CloudError> {
        let mut answer = self.attempt(now, to, &build).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.token = None;
            answer = self.attempt(now, to, &build).await?;
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            self.token = None;
            let reason = format!("{to} does not accept a token that was issued this moment ({})", answer.describe());
            return Err(self.refuse(now, reason, "check that the region and the project belong together".to_owned()));
        }
        Ok(answer)
    }

    async fn attempt(
        &mut self,
        now: Timestamp,
        to: &str,
        build: impl Fn(&Client, &P) -> RequestBuilder,
    ) -> Result<Answer, CloudError> {
        let client = self.client.clone();
        let token = self.token(now).await?;
        let request = build(&client, &token.endpoints).header("Accept", "application/json");
        http::send_with(request, to, |request| put_on(&token.proof, request, now)).await
    }

    /// Logs in if need be.
    pub async fn token(&mut self, now: Timestamp) -> Result<&Token<P>, CloudError> {
        match self.token.take() {
            Some(token) if now < token.renew_at => Ok(self.token.insert(token)),
            _ => {
                let token = self.login(now).await?;
                Ok(self.token.insert(token))
            }
        }
    }

    /// The service refused the proof: unless another one is held by now, the next call logs in again.
    pub fn doubt(&mut self, proof: &Proof) {
        self.token = self.token.take().filter(|token| !token.proof.is(proof));
    }

    async fn login(&mut self, now: Timestamp) -> Result<Token<P>, CloudError> {
        if let Some(Refusal { at, reason, fix }) = &self.refused
            && *at <= now
            && now < clock::plus(*at, REFUSED_FOR)
        {
            return Err(CloudError::Refused { reason: reason.clone(), fix: fix.clone() });
        }
        let body = match body(&self.credentials) {
            Ok(body) => body,
            Err(key) => {
                let key = key.clone();
                return self.look_up(key, now).await;
            }
        };
        let to = format!("the login at `{}`", self.credentials.auth_url);
        let url = format!("{}/auth/tokens", self.credentials.auth_url.trim_end_matches('/'));
        let answer = http::send(self.client.post(url).json(&body), &to).await?;
        if answer.is_transient() {
            return Err(answer.transient(&to, now));
        }
        if !answer.status.is_success() {
            let reason = format!("{to} was refused: {}", answer.describe());
            return Err(self.refuse(now, reason, self.fix(&answer)));
        }
        let not_keystone = || CloudError::Transient {
            reason: format!("{to} answered {} without a token", answer.status.as_u16()),
            retry_after: None,
        };
        let mut header = answer.headers.get("X-Subject-Token").cloned().ok_or_else(not_keystone)?;
        header.set_sensitive(true);
        let token = answer.json().and_then(|mut json| Some(json.get_mut("token")?.take())).ok_or_else(not_keystone)?;
        let places = |catalogue| (self.places)(&catalogue, &self.credentials);
        match Catalogue::read(&token).and_then(places) {
            Ok(endpoints) => {
                self.refused = None;
                Ok(Token { proof: Proof::Token(header), renew_at: clock::plus(now, usable(&token)), endpoints })
            }
            Err((reason, fix)) => Err(self.refuse(now, reason, fix)),
        }
    }

    /// With a key there is no login: what a token would tell of project and services is asked for.
    async fn look_up(&mut self, key: AccessKey, now: Timestamp) -> Result<Token<P>, CloudError> {
        let project = match self.credentials.project.clone() {
            Some(NameOrId::Id(id)) => id,
            Some(NameOrId::Name(name)) => self.project(&key, &name, now).await?,
            None => {
                let fix = "give `project_name` or `project_id`: the service belongs to a project".to_owned();
                return Err(self.refuse(now, "an access key is for all projects of its user".to_owned(), fix));
            }
        };
        let answer = self.ask(&key, Some(&project), "auth/catalog", &[], now).await?;
        let catalogue = answer["catalog"].clone();
        let token = json!({ "project": { "id": project }, "catalog": catalogue });
        match Catalogue::read(&token).and_then(|catalogue| (self.places)(&catalogue, &self.credentials)) {
            Ok(endpoints) => {
                self.refused = None;
                let proof = Proof::Key { key, project };
                Ok(Token { proof, renew_at: clock::plus(now, CATALOGUE_FOR), endpoints })
            }
            Err((reason, fix)) => Err(self.refuse(now, reason, fix)),
        }
    }

    async fn project(&mut self, key: &AccessKey, name: &str, now: Timestamp) -> Result<String, CloudError> {
        let answer = self.ask(key, None, "projects", &[("name", name)], now).await?;
        let projects = answer["projects"].as_array().into_iter().flatten();
        let named = projects.into_iter().find(|project| project["name"] == name).and_then(|one| one["id"].as_str());
        match named {
            Some(id) => Ok(id.to_owned()),
            None => {
                let fix = "check `project_name`, or give `project_id`".to_owned();
                Err(self.refuse(now, format!("the access key's user sees no project `{name}`"), fix))
            }
        }
    }

    /// Asks IAM with a signed request.
    async fn ask(
        &mut self,
        key: &AccessKey,
        project: Option<&str>,
        path: &str,
        query: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<Value, CloudError> {
        let base = self.credentials.auth_url.trim_end_matches('/');
        let to = format!("IAM at `{base}`");
        let request = self.client.get(format!("{base}/{path}")).query(query).header("Accept", "application/json");
        let sign = |request: &mut reqwest::Request| {
            let url = request.url().clone();
            key.sign("GET", &url, request.headers_mut(), project, b"", now);
        };
        let answer = http::send_with(request, &to, sign).await?;
        if answer.is_transient() {
            return Err(answer.transient(&to, now));
        }
        if !answer.status.is_success() {
            let reason = format!("{to} refused the access key: {}", answer.describe());
            return Err(self.refuse(now, reason, self.fix(&answer)));
        }
        answer.json().ok_or_else(|| CloudError::Transient {
            reason: format!("{to} answered {} without JSON", answer.status.as_u16()),
            retry_after: None,
        })
    }

    fn refuse(&mut self, now: Timestamp, reason: String, fix: String) -> CloudError {
        self.refused = Some(Refusal { at: now, reason: reason.clone(), fix: fix.clone() });
        CloudError::Refused { reason, fix }
    }

    fn fix(&self, answer: &Answer) -> String {
        let given = match (&self.credentials.method, answer.status.as_u16()) {
            (_, 404) => "check `auth_url`: it ends in `/v3`",
            (Method::Key(key), 401) if key.security_token.is_some() => {
                "check `ak`, `sk` and `security_token`, which expire together, and the clock of this machine: \
                 a signature is good for 15 minutes"
            }
            (Method::Key(_), 401) => {
                "check `ak` and `sk`, that the key is enabled, and the clock of this machine: a signature is good for \
                 15 minutes"
            }
            (Method::Key(_), _) => "the key's user may not read its projects and services: check its permissions",
            (Method::Token(_), _) => "the token is wrong or has expired: give a new one, or a user name and password",
            (Method::Password { .. }, 401) => {
                "check user name, password and `user_domain_name`, and that the user may log in by API"
            }
            (Method::Password { .. }, 403) => {
                "the user exists but may not log in here: check its access mode and the project"
            }
            (Method::Password { .. }, _) => "check user name, `user_domain_name` and project",
        };
        given.to_owned()
    }
}

fn put_on(proof: &Proof, request: &mut reqwest::Request, now: Timestamp) {
    let (method, url) = (request.method().as_str().to_owned(), request.url().clone());
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default().to_vec();
    proof.put_on(&method, &url, request.headers_mut(), &body, now);
}

/// How long a token is used, by the cloud's own two times, so that our clock does not matter.
fn usable(token: &Value) -> Duration {
    let time = |name: &str| token.get(name)?.as_str()?.parse::<Timestamp>().ok();
    let lifetime = match (time("issued_at"), time("expires_at")) {
        (Some(issued), Some(expires)) if issued < expires => clock::since(issued, expires),
        _ => LIFETIME,
    };
    lifetime.saturating_sub(RENEW_BEFORE).max(lifetime * 3 / 4)
}

/// What a login says, or the key that does instead of one.
fn body(credentials: &Credentials) -> Result<Value, &AccessKey> {
    let reference = |what: &NameOrId| match what {
        NameOrId::Name(name) => json!({ "name": name }),
        NameOrId::Id(id) => json!({ "id": id }),
    };
    let identity = match &credentials.method {
        Method::Key(key) => return Err(key),
        Method::Token(token) => json!({ "methods": ["token"], "token": { "id": token.expose() } }),
        Method::Password { user, domain, password } => {
            let mut user = reference(user);
            user["password"] = json!(password.expose());
            if let Some(domain) = domain {
                user["domain"] = reference(domain);
            }
            json!({ "methods": ["password"], "password": { "user": user } })
        }
    };
    let mut auth = json!({ "identity": identity });
    if let Some(project) = &credentials.project {
        auth["scope"] = json!({ "project": reference(project) });
    }
    Ok(json!({ "auth": auth }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_dies_whatever_our_clock_says() {
        let usable =
            |issued: &str, expires: &str| usable(&json!({ "issued_at": issued, "expires_at": expires })).as_secs();
        assert_eq!(usable("2026-01-15T08:30:00.000000Z", "2026-01-16T08:30:00.000000Z"), 23 * 3600 + 1800);
        assert_eq!(usable("2026-01-15T08:30:00Z", "2026-01-15T08:30:40Z"), 30);
        assert_eq!(usable("2026-01-15T08:30:00Z", "2026-01-15T08:30:00Z"), 2700);
        assert_eq!(usable("soon", "later"), 2700);
    }

    #[test]
    fn login_bodies_are_as_documented() {
        let mut credentials = Credentials {
            auth_url: "https://iam.example.org/v3".to_owned(),
            method: Method::Password {
                user: NameOrId::Name("alice".to_owned()),
                domain: Some(NameOrId::Name("OTC1".to_owned())),
                password: Secret::new("pw"),
            },
            project: Some(NameOrId::Name("eu-de".to_owned())),
            region: None,
            cts_endpoint_override: None,
            smn_endpoint_override: None,
            ca: None,
        };
        assert_eq!(
            body(&credentials).unwrap(),
            json!({"auth":{"identity":{"methods":["password"],"password":{"user":{
                "name":"alice","password":"pw","domain":{"name":"OTC1"}}}},"scope":{"project":{"name":"eu-de"}}}})
        );
        credentials.method = Method::Token(Secret::new("t"));
        credentials.project = Some(NameOrId::Id("p".to_owned()));
        assert_eq!(
            body(&credentials).unwrap(),
            json!({"auth":{"identity":{"methods":["token"],"token":{"id":"t"}},"scope":{"project":{"id":"p"}}}})
        );
    }
}
