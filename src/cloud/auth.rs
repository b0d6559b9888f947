//! Who logs in where, and a session: one place to ask, and what to ask with.
//!
//! Sessions of the same credentials share one login (`logins`); each knows from the catalogue where its
//! own service is.

use std::{path::PathBuf, sync::Arc};

use reqwest::{
    Client, RequestBuilder, Url,
    header::{HeaderMap, HeaderValue},
};

use super::{
    CloudError,
    catalogue::Places,
    http::{self, Answer},
    logins::{Held, Login, Refusal},
    sign::AccessKey,
};
use crate::{clock::Timestamp, id, secret::Secret};

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
    pub ca: Option<PathBuf>,
    /// Everything goes through it; its address may hold a login. Variables such as `http_proxy` are not read.
    pub proxy: Option<Secret>,
    /// Sign with keys for a while, which the token is exchanged for.
    pub temporary_key: bool,
    /// Where this was found, for people: ``cloud `otc` in `clouds.yaml` ``.
    pub place: String,
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
    /// Another account's agency, taken on by who logs in first.
    Agency(Box<Agency>),
    /// The agency of the machine this runs on. The metadata service at this address gives keys for a while.
    EcsAgency {
        metadata: String,
    },
}

/// What another account lends.
#[derive(Debug, Clone)]
pub struct Agency {
    /// Who takes it on: a password, a token or a permanent key.
    pub by: Method,
    /// The account that lends.
    pub domain: NameOrId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameOrId {
    Name(String),
    Id(String),
}

impl Credentials {
    /// Without project, region, overrides, CA and proxy.
    pub fn new(auth_url: impl Into<String>, method: Method) -> Self {
        Self {
            auth_url: auth_url.into(),
            method,
            project: None,
            region: None,
            cts_endpoint_override: None,
            smn_endpoint_override: None,
            ca: None,
            proxy: None,
            temporary_key: false,
            place: String::new(),
        }
    }

    /// The same for all that log in as the same user in the same way, for whichever project.
    pub fn user(&self) -> [u8; 32] {
        let ca = self.ca.as_ref().map(|ca| ca.display().to_string()).unwrap_or_default();
        id::hash(&["user", &self.auth_url, &format!("{:?}", self.method), &ca, &self.secrets()])
    }

    /// Every secret there is, in one text. For hashing only.
    pub fn secrets(&self) -> String {
        format!("{}\n{}", self.method.secrets(), self.proxy.as_ref().map_or("", Secret::expose))
    }
}

impl Method {
    /// Who logs in, without any secret: to tell one account from another. A token or a temporary key
    /// is another one at each renewal, and says nothing of whose it is.
    pub fn who(&self) -> String {
        match self {
            Self::Password { user, domain, .. } => format!("user {user:?} {domain:?}"),
            Self::Token(_) => "token".to_owned(),
            // Another one at each renewal.
            Self::Key(key) if key.security_token.is_some() => "temporary key".to_owned(),
            Self::Key(key) => format!("key {}", key.access),
            Self::Agency(agency) => format!("agency {:?} {:?} {}", agency.name, agency.domain, agency.by.who()),
            Self::EcsAgency { metadata } => format!("server {metadata}"),
        }
    }

    fn secrets(&self) -> String {
        match self {
            Self::Password { password, .. } => password.expose().to_owned(),
            Self::Token(token) => token.expose().to_owned(),
            Self::Key(key) => {
                format!("{} {}", key.secret.expose(), key.security_token.as_ref().map_or("", Secret::expose))
            }
            Self::Agency(agency) => agency.by.secrets(),
            Self::EcsAgency { .. } => String::new(),
        }
    }
}

/// A place to ask, and what to ask with.
pub struct Session<P> {
    login: Arc<Login>,
    /// Region and overrides are this session's own: sessions that differ in nothing else share the login.
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
    held: Arc<Held>,
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

    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(one), Self::Token(other)) => one == other,
            (Self::Key { key: one, .. }, Self::Key { key: other, .. }) => one.access == other.access,
            _ => false,
        }
    }
}

impl<P> Session<P> {
    /// Sends nothing yet.
    pub fn new(credentials: &Credentials, places: Places<P>) -> Result<Self, CloudError> {
        let login = Login::of(credentials)?;
        Ok(Self { login, credentials: credentials.clone(), places, token: None, refused: None })
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
        if answer.wants_login() {
            answer = self.attempt(now, to, &build).await?;
        }
        if answer.wants_login() {
            let reason = format!("{to} does not accept a login of this moment ({})", answer.describe());
            return Err(self.refuse(now, reason, "check that the region and the project belong together".to_owned()));
        }
        Ok(answer)
    }

    /// A proof that is not accepted is not used again.
    async fn attempt(
        &mut self,
        now: Timestamp,
        to: &str,
        build: impl Fn(&Client, &P) -> RequestBuilder,
    ) -> Result<Answer, CloudError> {
        let client = self.login.client();
        let token = self.token(now).await?;
        let proof = token.proof.clone();
        let request = build(&client, &token.endpoints).header("Accept", "application/json");
        let answer = http::send_with(request, to, |request| put_on(&proof, request, now)).await?;
        if answer.wants_login() {
            self.doubt(&proof);
        }
        Ok(answer)
    }

    /// Logs in if need be.
    pub async fn token(&mut self, now: Timestamp) -> Result<&Token<P>, CloudError> {
        if let Some(refusal) = self.refused.as_ref().filter(|refusal| refusal.holds(now)) {
            return Err(refusal.error());
        }
        let held = self.login.held(now).await?;
        match self.token.take() {
            Some(token) if Arc::ptr_eq(&token.held, &held) => Ok(self.token.insert(token)),
            _ => match (self.places)(&held.catalogue, &self.credentials) {
                Ok(endpoints) => Ok(self.token.insert(Token { proof: held.proof.clone(), endpoints, held })),
                Err((reason, fix)) => {
                    // The next login may bring another catalogue.
                    self.login.doubt(&held.proof);
                    Err(self.refuse(now, reason, fix))
                }
            },
        }
    }

    /// The service refused the proof: unless another one is held by now, the next call logs in again.
    pub fn doubt(&mut self, proof: &Proof) {
        self.login.doubt(proof);
    }

    fn refuse(&mut self, now: Timestamp, reason: String, fix: String) -> CloudError {
        self.refused.insert(Refusal { at: now, reason, fix }).error()
    }
}

fn put_on(proof: &Proof, request: &mut reqwest::Request, now: Timestamp) {
    http::touched(request, |method, url, headers, body| proof.put_on(method, url, headers, body, now));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_temporary_key_is_still_the_one_it_was() {
        let key = |access: &str, token: Option<&str>| {
            let security_token = token.map(Secret::new);
            Method::Key(AccessKey { access: access.into(), secret: Secret::new("secret"), security_token }).who()
        };
        assert_eq!(key("AK1", Some("t1")), key("AK2", Some("t2")));
        assert_ne!(key("AK1", None), key("AK2", None));
        assert_eq!(key("AK1", None), "key AK1");
    }
}
