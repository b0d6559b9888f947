//! The metadata service of a machine in the cloud: keys of the agency that the machine has, and its project.
//!
//! Asked only where the configuration says so, and never through a proxy. Speaks the hardened mode, in which a token
//! is fetched first, and goes on without where there is none.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::{
    CloudError,
    http::{self, Answer},
    sign::AccessKey,
};
use crate::{
    clock::{self, Timestamp},
    secret::Secret,
};

/// Where every machine of the cloud finds it.
pub const ADDRESS: &str = "http://169.254.169.254";

/// It is next door: who does not answer at once is not there.
const PATIENCE: Duration = Duration::from_secs(3);
const TOKEN_FOR: &str = "21600";
const TO: &str = "the metadata service";

/// A key for a while, and how long it is good.
pub struct Lent {
    pub key: AccessKey,
    pub lifetime: Duration,
}

pub struct Metadata {
    client: Client,
    base: String,
    token: Option<String>,
}

impl Metadata {
    pub fn new(base: &str) -> Result<Self, CloudError> {
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { client: http::near(PATIENCE)?, base, token: None })
    }

    /// Keys of the machine's agency.
    pub async fn key(&mut self, now: Timestamp) -> Result<Lent, CloudError> {
        self.token = self.fetch_token().await?;
        let mut answer = self.get("/openstack/latest/securitykey").await?;
        if answer.status == StatusCode::UNAUTHORIZED && !wants_agency(&answer) {
            self.token = self.fetch_token().await?;
            answer = self.get("/openstack/latest/securitykey").await?;
        }
        match answer.status.as_u16() {
            200 => {}
            401 if wants_agency(&answer) => return Err(self.no_agency(&answer)),
            404 => return Err(self.no_agency(&answer)),
            _ if answer.is_transient() => return Err(answer.transient(TO, now)),
            _ => {
                let reason = format!("{TO} at `{}` answered {}", self.base, answer.describe());
                return Err(CloudError::Refused { reason, fix: "check that the machine may use it".to_owned() });
            }
        }
        let offset = answer.clock_offset(now).unwrap_or_default();
        read(&answer, now.saturating_add(offset).unwrap_or(now))
    }

    /// The id of the project that the machine belongs to.
    pub async fn project(&self) -> Result<Option<String>, CloudError> {
        let answer = self.get("/openstack/latest/meta_data.json").await?;
        let project = answer.json().and_then(|json| Some(json.get("project_id")?.as_str()?.to_owned()));
        Ok(project.filter(|id| answer.status.is_success() && !id.is_empty()))
    }

    async fn get(&self, path: &str) -> Result<Answer, CloudError> {
        let mut request = self.client.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("X-Metadata-Token", token);
        }
        http::send(request, TO).await.map_err(|error| self.nobody(&error))
    }

    /// `None`: this service is of the old kind.
    async fn fetch_token(&self) -> Result<Option<String>, CloudError> {
        let request = self.client.put(format!("{}/meta-data/latest/api/token", self.base));
        let answer = http::send(request.header("X-Metadata-Token-Ttl-Seconds", TOKEN_FOR).body(""), TO).await;
        let answer = answer.map_err(|error| self.nobody(&error))?;
        let token = String::from_utf8_lossy(&answer.body).trim().to_owned();
        Ok((answer.status == StatusCode::OK && !token.is_empty()).then_some(token))
    }

    /// It may be gone for a moment only, also where there is one.
    fn nobody(&self, error: &CloudError) -> CloudError {
        let (reason, retry_after) = (format!("there is no metadata service at `{}` ({error})", self.base), None);
        CloudError::Transient { reason, retry_after }
    }

    fn no_agency(&self, answer: &Answer) -> CloudError {
        CloudError::Refused {
            reason: format!("this server has no agency ({TO} answered {})", answer.describe()),
            fix: "in the console choose an agency for this server (trusted service ECS) that has `CTS ReadOnlyAccess`"
                .to_owned(),
        }
    }
}

fn wants_agency(answer: &Answer) -> bool {
    String::from_utf8_lossy(&answer.body).to_ascii_lowercase().contains("agency")
}

/// In a wrapping or without, by any of the names that the cloud's own SDK reads.
fn read(answer: &Answer, now: Timestamp) -> Result<Lent, CloudError> {
    let unreadable = |what: &str| CloudError::Transient {
        reason: format!("{TO} answered {} with {what}", answer.status.as_u16()),
        retry_after: None,
    };
    let json = answer.json().ok_or_else(|| unreadable("no JSON"))?;
    let inner = ["credential", "credentials"].iter().find_map(|name| json.get(name)).unwrap_or(&json);
    let text = |names: &[&str]| {
        names.iter().find_map(|name| inner.get(name)).and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let (Some(access), Some(secret), Some(token)) = (
        text(&["access", "accessKeyId", "access_key_id"]),
        text(&["secret", "secretAccessKey", "secret_access_key", "accessKeySecret"]),
        text(&["securitytoken", "securityToken", "security_token", "sessionToken"]),
    ) else {
        return Err(unreadable("an incomplete key"));
    };
    let expires = text(&["expires_at", "expiration", "expiresAt"]).and_then(|time| time.parse::<Timestamp>().ok());
    let lifetime = expires.map(|expires| clock::since(now, expires)).ok_or_else(|| unreadable("no time of expiry"))?;
    if lifetime.is_zero() {
        return Err(unreadable("a key that has expired"));
    }
    let key =
        AccessKey { access: access.to_owned(), secret: Secret::new(secret), security_token: Some(Secret::new(token)) };
    Ok(Lent { key, lifetime })
}

/// What IAM and the metadata service say of a key for a while has the same shape.
pub fn lent(answer: &Answer, now: Timestamp) -> Result<Lent, CloudError> {
    read(answer, now.saturating_add(answer.clock_offset(now).unwrap_or_default()).unwrap_or(now))
}
