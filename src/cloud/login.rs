//! The exchanges by which each kind of credentials becomes a proof and a catalogue.
//!
//! Remembers nothing: who may ask, and when, is told by [`super::logins`].

use std::time::Duration;

use reqwest::{Client, RequestBuilder, header::HeaderValue};
use serde_json::{Value, json};

use super::{
    CloudError,
    auth::{Agency, Credentials, Method, NameOrId, Proof},
    catalogue::Catalogue,
    http::{self, Answer},
    logins::Held,
    metadata::{Lent, Metadata, lent},
    sign::AccessKey,
};
use crate::clock::{self, Timestamp};

/// A proof is renewed this long before it expires, or after three quarters of a short life.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 60);
/// Where services are is asked again after this long with a key, which does not expire.
const CATALOGUE_FOR: Duration = Duration::from_secs(24 * 3600);
/// Believed where the answer does not say how long the token lives.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Asked for, of keys for a while: the longest that the cloud gives, so that they are asked for as seldom as tokens.
const KEY_SECONDS: u32 = 86_400;

/// What came in place of a login.
pub struct Failure {
    pub error: CloudError,
    /// Whether user name, password or key may be wrong: then no other project is tried with them for a while.
    pub of_user: bool,
}

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        Self { error, of_user: false }
    }
}

pub async fn login(client: &Client, credentials: &Credentials, now: Timestamp) -> Result<Held, Failure> {
    let exchange = Exchange { client, credentials, now };
    match &credentials.method {
        Method::Key(key) => exchange.with_key(key.clone(), None, None).await,
        Method::EcsAgency { metadata } => {
            let mut metadata = Metadata::new(metadata)?;
            let lent = metadata.key(now).await?;
            let project = match credentials.project {
                Some(_) => None,
                None => metadata.project().await?,
            };
            exchange.with_key(lent.key, Some(lent.lifetime), project).await
        }
        Method::Agency(agency) => match &agency.by {
            Method::Key(key) => {
                let lent = exchange.agency_key(key, agency).await?;
                exchange.with_key(lent.key, Some(lent.lifetime), None).await
            }
            by => {
                let first = exchange.token(None, &json!({ "auth": { "identity": identity(by) } })).await?;
                let taken = exchange.token(Some((&first.header, agency)), &exchange.agency_body(agency)).await?;
                exchange.finish(taken).await
            }
        },
        Method::Password { .. } | Method::Token(_) => {
            let granted = exchange.token(None, &body(credentials)).await?;
            exchange.finish(granted).await
        }
    }
}

struct Exchange<'a> {
    client: &'a Client,
    credentials: &'a Credentials,
    now: Timestamp,
}

/// A token, and what its answer says.
struct Granted {
    header: HeaderValue,
    token: Value,
}

impl Exchange<'_> {
    fn base(&self) -> &str {
        self.credentials.auth_url.trim_end_matches('/')
    }

    fn to(&self) -> String {
        format!("the login at `{}`", self.credentials.auth_url)
    }

    /// Asks for a token; with an agency, as somebody who has one already.
    async fn token(&self, by: Option<(&HeaderValue, &Agency)>, body: &Value) -> Result<Granted, Failure> {
        let to = self.to();
        let mut request = self.client.post(format!("{}/auth/tokens", self.base())).json(body);
        if let Some((token, _)) = by {
            request = request.header("X-Auth-Token", token);
        }
        let answer = http::send(request.header("Accept", "application/json"), &to).await?;
        if answer.is_transient() {
            return Err(answer.transient(&to, self.now).into());
        }
        if !answer.status.is_success() {
            let (what, fix) = match by {
                Some((_, agency)) => (
                    format!("{to} does not let the user take on the agency `{}`", agency.name),
                    "check `target_agency_name` and `target_domain_name`, that the agency trusts the user's account, \
                     and that the user has `Agent Operator` there"
                        .to_owned(),
                ),
                None => (format!("{to} was refused"), self.fix(&answer)),
            };
            let error = CloudError::Refused { reason: format!("{what}: {}", answer.describe()), fix };
            return Err(Failure { error, of_user: by.is_none() });
        }
        let not_keystone = || CloudError::Transient {
            reason: format!("{to} answered {} without a token", answer.status.as_u16()),
            retry_after: None,
        };
        let mut header = answer.headers.get("X-Subject-Token").cloned().ok_or_else(not_keystone)?;
        header.set_sensitive(true);
        let token = answer.json().and_then(|mut json| Some(json.get_mut("token")?.take())).ok_or_else(not_keystone)?;
        Ok(Granted { header, token })
    }

    /// What a token is good for; exchanged for a key if that is wanted.
    async fn finish(&self, granted: Granted) -> Result<Held, Failure> {
        let catalogue = Catalogue::read(&granted.token).map_err(refused)?;
        let lifetime = lifetime(&granted.token);
        if !self.credentials.temporary_key {
            let proof = Proof::Token(granted.header);
            return Ok(self.held(proof, catalogue, lifetime));
        }
        let request = self.client.post(self.keys_url()).header("X-Auth-Token", &granted.header);
        let identity = json!({ "methods": ["token"], "token": { "duration_seconds": KEY_SECONDS } });
        let lent = self.lent(request.json(&json!({ "auth": { "identity": identity } })), |_| {}).await?;
        let proof = Proof::Key { key: lent.key, project: catalogue.project_id.clone() };
        Ok(self.held(proof, catalogue, lifetime.min(lent.lifetime)))
    }

    fn held(&self, proof: Proof, catalogue: Catalogue, lifetime: Duration) -> Held {
        let [renew_at, expires_at] = [usable(lifetime), lifetime].map(|time| clock::plus(self.now, time));
        Held { proof, catalogue, renew_at, expires_at }
    }

    /// Beside `/v3`, and under a version of its own.
    fn keys_url(&self) -> String {
        let root = self.base().strip_suffix("/v3").unwrap_or(self.base());
        format!("{root}/v3.0/OS-CREDENTIAL/securitytokens")
    }

    /// A key for a while of an agency, with a permanent key of who takes it on.
    async fn agency_key(&self, key: &AccessKey, agency: &Agency) -> Result<Lent, Failure> {
        let mut assume = assume(agency);
        assume["duration_seconds"] = json!(KEY_SECONDS);
        let body = json!({ "auth": { "identity": { "methods": ["assume_role"], "assume_role": assume } } });
        let sign = |request: &mut reqwest::Request| sign(key, request, None, self.now);
        self.lent(self.client.post(self.keys_url()).json(&body), sign).await
    }

    async fn lent(&self, request: RequestBuilder, touch: impl FnOnce(&mut reqwest::Request)) -> Result<Lent, Failure> {
        let to = format!("IAM at `{}`", self.base());
        let answer = http::send_with(request.header("Accept", "application/json"), &to, touch).await?;
        if answer.is_transient() {
            return Err(answer.transient(&to, self.now).into());
        }
        if !answer.status.is_success() {
            let reason = format!("{to} gives no temporary access key: {}", answer.describe());
            let fix = match &self.credentials.method {
                Method::Agency(agency) if matches!(agency.by, Method::Key(_)) => {
                    "check `ak`, `sk`, `target_agency_name` and `target_domain_name`, and that the key's user has \
                     `Agent Operator`"
                }
                _ => "the user needs programmatic access; or leave `autocreate_aksk` out",
            };
            let error = CloudError::Refused { reason, fix: fix.to_owned() };
            return Err(Failure { error, of_user: answer.status.as_u16() == 401 });
        }
        Ok(lent(&answer, self.now)?)
    }

    fn agency_body(&self, agency: &Agency) -> Value {
        let mut auth = json!({ "identity": { "methods": ["assume_role"], "assume_role": assume(agency) } });
        auth["scope"] = match &self.credentials.project {
            Some(project) => json!({ "project": reference(project) }),
            None => json!({ "domain": reference(&agency.domain) }),
        };
        json!({ "auth": auth })
    }

    /// With a key there is no login: what a token would tell of project and services is asked for.
    async fn with_key(
        &self,
        key: AccessKey,
        lifetime: Option<Duration>,
        own_project: Option<String>,
    ) -> Result<Held, Failure> {
        let project = match (&self.credentials.project, own_project) {
            (Some(NameOrId::Id(id)), _) => id.clone(),
            (Some(NameOrId::Name(name)), _) => self.project(&key, name).await?,
            (None, Some(id)) => id,
            (None, None) => {
                let fix = "give `project_name` or `project_id`: the service belongs to a project";
                return Err(refused(("an access key is for all projects of its user".to_owned(), fix.to_owned())));
            }
        };
        let answer = self.ask(&key, Some(&project), "auth/catalog", &[]).await?;
        let name = match &self.credentials.project {
            Some(NameOrId::Name(name)) => json!(name),
            _ => Value::Null,
        };
        let token = json!({ "project": { "id": project, "name": name }, "catalog": answer["catalog"] });
        let catalogue = Catalogue::read(&token).map_err(refused)?;
        let proof = Proof::Key { key, project };
        Ok(match lifetime {
            Some(lifetime) => self.held(proof, catalogue, lifetime),
            None => {
                let renew_at = clock::plus(self.now, CATALOGUE_FOR);
                Held { proof, catalogue, renew_at, expires_at: Timestamp::MAX }
            }
        })
    }

    async fn project(&self, key: &AccessKey, name: &str) -> Result<String, Failure> {
        let answer = self.ask(key, None, "projects", &[("name", name)]).await?;
        let projects = answer["projects"].as_array().into_iter().flatten();
        let named = projects.into_iter().find(|project| project["name"] == name).and_then(|one| one["id"].as_str());
        named.map(str::to_owned).ok_or_else(|| {
            let fix = "check `project_name`, or give `project_id`".to_owned();
            refused((format!("the access key's user sees no project `{name}`"), fix))
        })
    }

    /// Asks IAM with a signed request.
    async fn ask(
        &self,
        key: &AccessKey,
        project: Option<&str>,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let to = format!("IAM at `{}`", self.base());
        let request = self.client.get(format!("{}/{path}", self.base())).query(query);
        let touch = |request: &mut reqwest::Request| sign(key, request, project, self.now);
        let answer = http::send_with(request.header("Accept", "application/json"), &to, touch).await?;
        if answer.is_transient() {
            return Err(answer.transient(&to, self.now).into());
        }
        if !answer.status.is_success() {
            let reason = format!("{to} refused the access key: {}", answer.describe());
            let error = CloudError::Refused { reason, fix: self.fix(&answer) };
            return Err(Failure { error, of_user: answer.status.as_u16() == 401 });
        }
        let no_json = || CloudError::Transient {
            reason: format!("{to} answered {} without JSON", answer.status.as_u16()),
            retry_after: None,
        };
        Ok(answer.json().ok_or_else(no_json)?)
    }

    fn fix(&self, answer: &Answer) -> String {
        let method = match &self.credentials.method {
            Method::Agency(agency) => &agency.by,
            method => method,
        };
        let about_project = answer.describe().to_ascii_lowercase().contains("project");
        let given = match (method, answer.status.as_u16(), answer.error_code().as_deref()) {
            (Method::Password { .. } | Method::Token(_), 400..=404, _) if about_project => {
                "check `project_name` (or `project_id`), and that the user's group has a role in this project; projects \
                 are called `eu-de` or `eu-de_NAME`"
            }
            (_, 404, _) => "check `auth_url`: it ends in `/v3`",
            (Method::Password { .. }, _, Some("IAM.0061")) => {
                "the account is locked after too many wrong passwords: wait a quarter of an hour, or let an \
                 administrator unlock it, and check the password before the next try"
            }
            (Method::Key(key), 401, _) if key.security_token.is_some() => {
                "check `ak`, `sk` and `security_token`, which expire together, and the clock of this machine: \
                 a signature is good for 15 minutes"
            }
            (Method::EcsAgency { .. }, 401, _) => {
                "IAM does not know the key of this server's agency: check the agency, `auth_url` and the clock"
            }
            (Method::EcsAgency { .. }, _, _) => "the server's agency may not read projects and services: give it more",
            (Method::Key(_), 401, _) => {
                "check `ak` and `sk`, that the key is enabled, and the clock of this machine: a signature is good for \
                 15 minutes"
            }
            (Method::Key(_), ..) => "the key's user may not read its projects and services: check its permissions",
            (Method::Token(_), ..) => "the token is wrong or has expired: give a new one, or a user name and password",
            (_, 401, _) => "check user name, password and `user_domain_name`, and that the user may log in by API",
            (_, 403, _) => "the user exists but may not log in here: check its access mode and the project",
            _ => "check user name, `user_domain_name` and project",
        };
        given.to_owned()
    }
}

fn refused((reason, fix): (String, String)) -> Failure {
    CloudError::Refused { reason, fix }.into()
}

fn sign(key: &AccessKey, request: &mut reqwest::Request, project: Option<&str>, now: Timestamp) {
    http::touched(request, |method, url, headers, body| key.sign(method, url, headers, project, body, now));
}

/// How long a token lives, by the cloud's own two times, so that our clock does not matter.
fn lifetime(token: &Value) -> Duration {
    let time = |name: &str| token.get(name)?.as_str()?.parse::<Timestamp>().ok();
    match (time("issued_at"), time("expires_at")) {
        (Some(issued), Some(expires)) if issued < expires => clock::since(issued, expires),
        _ => LIFETIME,
    }
}

fn usable(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(RENEW_BEFORE).max(lifetime * 3 / 4)
}

fn reference(what: &NameOrId) -> Value {
    match what {
        NameOrId::Name(name) => json!({ "name": name }),
        NameOrId::Id(id) => json!({ "id": id }),
    }
}

/// The documentation says `agency_name` in its table and `xrole_name` in its example; clients send the latter.
fn assume(agency: &Agency) -> Value {
    match &agency.domain {
        NameOrId::Name(domain) => json!({ "domain_name": domain, "xrole_name": agency.name }),
        NameOrId::Id(domain) => json!({ "domain_id": domain, "xrole_name": agency.name }),
    }
}

/// Who logs in; a key does instead of that.
fn identity(method: &Method) -> Value {
    match method {
        Method::Token(token) => json!({ "methods": ["token"], "token": { "id": token.expose() } }),
        Method::Password { user, domain, password } => {
            let mut user = reference(user);
            user["password"] = json!(password.expose());
            if let Some(domain) = domain {
                user["domain"] = reference(domain);
            }
            json!({ "methods": ["password"], "password": { "user": user } })
        }
        Method::Key(_) | Method::Agency(_) | Method::EcsAgency { .. } => json!({ "methods": [] }),
    }
}

fn body(credentials: &Credentials) -> Value {
    let mut auth = json!({ "identity": identity(&credentials.method) });
    if let Some(project) = &credentials.project {
        auth["scope"] = json!({ "project": reference(project) });
    }
    json!({ "auth": auth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_token_is_renewed_before_it_dies_whatever_our_clock_says() {
        let usable = |issued: &str, expires: &str| {
            usable(lifetime(&json!({ "issued_at": issued, "expires_at": expires }))).as_secs()
        };
        assert_eq!(usable("2026-01-15T08:30:00.000000Z", "2026-01-16T08:30:00.000000Z"), 23 * 3600 + 1800);
        assert_eq!(usable("2026-01-15T08:30:00Z", "2026-01-15T08:30:40Z"), 30);
        assert_eq!(usable("2026-01-15T08:30:00Z", "2026-01-15T08:30:00Z"), 2700);
        assert_eq!(usable("soon", "later"), 2700);
    }

    #[test]
    fn login_bodies_are_as_documented() {
        let method = Method::Password {
            user: NameOrId::Name("alice".to_owned()),
            domain: Some(NameOrId::Name("OTC1".to_owned())),
            password: Secret::new("pw"),
        };
        let mut credentials = Credentials::new("https://iam.example.org/v3", method);
        credentials.project = Some(NameOrId::Name("eu-de".to_owned()));
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
