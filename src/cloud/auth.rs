//! Login: password or token, at a Keystone endpoint.
//!
//! A session holds one token, renews it before it expires and once when it is
//! refused, and knows from the token's catalogue where its service is.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, header::HeaderValue};
use serde_json::{Value, json};

use super::{
    CloudError,
    catalogue::{Catalogue, Places},
    http::{self, Answer},
};
use crate::{
    clock::{self, Timestamp},
    secret::Secret,
};

/// No second login within this time after one was refused: accounts lock.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// A token is renewed this long before it expires, or after three quarters of a short life.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 60);
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
    Password { user: NameOrId, domain: Option<NameOrId>, password: Secret },
    Token(Secret),
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
    /// For `X-Auth-Token`.
    pub header: HeaderValue,
    /// Where to ask.
    pub endpoints: P,
    renew_at: Timestamp,
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
        let request = build(&client, &token.endpoints)
            .header("X-Auth-Token", token.header.clone())
            .header("Accept", "application/json");
        http::send(request, to).await
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

    /// The service refused the token: unless another one is held by now, the next call logs in again.
    pub fn doubt(&mut self, header: &HeaderValue) {
        self.token = self.token.take().filter(|token| token.header != *header);
    }

    async fn login(&mut self, now: Timestamp) -> Result<Token<P>, CloudError> {
        if let Some(Refusal { at, reason, fix }) = &self.refused
            && *at <= now
            && now < clock::plus(*at, REFUSED_FOR)
        {
            return Err(CloudError::Refused { reason: reason.clone(), fix: fix.clone() });
        }
        let to = format!("the login at `{}`", self.credentials.auth_url);
        let url = format!("{}/auth/tokens", self.credentials.auth_url.trim_end_matches('/'));
        let answer = http::send(self.client.post(url).json(&body(&self.credentials)), &to).await?;
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
                Ok(Token { header, renew_at: clock::plus(now, usable(&token)), endpoints })
            }
            Err((reason, fix)) => Err(self.refuse(now, reason, fix)),
        }
    }

    fn refuse(&mut self, now: Timestamp, reason: String, fix: String) -> CloudError {
        self.refused = Some(Refusal { at: now, reason: reason.clone(), fix: fix.clone() });
        CloudError::Refused { reason, fix }
    }

    fn fix(&self, answer: &Answer) -> String {
        let given = match (&self.credentials.method, answer.status.as_u16()) {
            (_, 404) => "check `auth_url`: it ends in `/v3`",
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

/// How long a token is used, by the cloud's own two times, so that our clock does not matter.
fn usable(token: &Value) -> Duration {
    let time = |name: &str| token.get(name)?.as_str()?.parse::<Timestamp>().ok();
    let lifetime = match (time("issued_at"), time("expires_at")) {
        (Some(issued), Some(expires)) if issued < expires => clock::since(issued, expires),
        _ => LIFETIME,
    };
    lifetime.saturating_sub(RENEW_BEFORE).max(lifetime * 3 / 4)
}

fn body(credentials: &Credentials) -> Value {
    let reference = |what: &NameOrId| match what {
        NameOrId::Name(name) => json!({ "name": name }),
        NameOrId::Id(id) => json!({ "id": id }),
    };
    let identity = match &credentials.method {
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
    json!({ "auth": auth })
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
            body(&credentials),
            json!({"auth":{"identity":{"methods":["password"],"password":{"user":{
                "name":"alice","password":"pw","domain":{"name":"OTC1"}}}},"scope":{"project":{"name":"eu-de"}}}})
        );
        credentials.method = Method::Token(Secret::new("t"));
        credentials.project = Some(NameOrId::Id("p".to_owned()));
        assert_eq!(
            body(&credentials),
            json!({"auth":{"identity":{"methods":["token"],"token":{"id":"t"}},"scope":{"project":{"id":"p"}}}})
        );
    }
}
