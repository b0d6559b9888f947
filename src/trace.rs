//! One record of the audit log, typed.
//!
//! The cloud's shapes vary by API version and by service; `decode` takes them
//! all and yields this one. Inside Tracebell nobody looks at wire shapes again.
//! A text that the cloud left out, or sent as `""`, `"-"` or null, is `None`.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

pub mod action;
mod body;
pub mod decode;
pub mod field;
pub mod meaning;
pub mod raw;
mod scan;

pub use field::{Field, Look};
pub use raw::Raw;

/// A trace as CTS recorded it. Field meanings: CTS API reference, *trace object*.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// CTS's own id, or `fp-` and a fingerprint of the content when it has none.
    pub id: String,
    /// When the operation happened.
    pub time: Timestamp,
    /// When CTS recorded it; equals `time` if the cloud did not say.
    pub record_time: Timestamp,
    /// `service_type`, as spelled by the cloud, for example `IAM`.
    pub service: String,
    /// `trace_name`, for example `deleteUser`.
    pub operation: String,
    pub rating: Rating,
    /// `ApiCall`, `ConsoleAction`, `SystemAction`, and others: an open set.
    pub trace_type: Option<String>,
    pub actor: Actor,
    pub resource: Resource,
    /// The caller's address, as text: it is not always an address.
    pub source_ip: Option<String>,
    /// HTTP status the audited API answered, as text.
    pub code: Option<String>,
    pub api_version: Option<String>,
    /// Body of the audited call: JSON text where the cloud sent JSON in any form.
    pub request: Option<String>,
    pub response: Option<String>,
    pub message: Option<String>,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub region: Option<String>,
    /// `endpoint` and `resource_url` of the trace, joined, if it names a console page.
    pub console_url: Option<String>,
    /// Whatever else the record held, by its own name.
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// True if a body was cut to [`decode::BODY_LIMIT`].
    pub truncated: bool,
}

/// Who did it. `kind` is derived: see [`ActorKind`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub name: Option<String>,
    pub id: Option<String>,
    pub domain: Option<String>,
    pub domain_id: Option<String>,
    /// The user who switched into an agency, if one did.
    pub assumed_by: Option<String>,
}

/// What kind of actor: read from names, because CTS does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// The user that carries the account's own name.
    AccountOwner,
    User,
    Agency,
    /// Came through an identity provider.
    Federated,
    System,
}

/// To what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub name: Option<String>,
    pub id: Option<String>,
}

/// The cloud's verdict, set by the service that reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Rating {
    Normal,
    Warning,
    Incident,
    /// A word outside the documented three, kept as it came.
    Other(String),
}

/// How it went, read from the rating, never from the HTTP code: an IAM login
/// answers 302 and a refused call may carry 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Failed,
    Incident,
    Unknown,
}

/// From where it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Console,
    Api,
    System,
    Other,
}

impl Trace {
    /// A trace that says nothing but its id and its time, and that it succeeded.
    pub fn blank(id: impl Into<String>, time: Timestamp) -> Self {
        Self {
            id: id.into(),
            time,
            record_time: time,
            service: String::new(),
            operation: String::new(),
            rating: Rating::Normal,
            trace_type: None,
            actor: Actor::default(),
            resource: Resource::default(),
            source_ip: None,
            code: None,
            api_version: None,
            request: None,
            response: None,
            message: None,
            project_id: None,
            project_name: None,
            region: None,
            console_url: None,
            extra: serde_json::Map::new(),
            truncated: false,
        }
    }

    pub fn outcome(&self) -> Outcome {
        Outcome::of(&self.rating)
    }

    pub fn origin(&self) -> Origin {
        Origin::of(self.trace_type.as_deref())
    }

    pub fn actor_kind(&self) -> ActorKind {
        let Some(name) = self.actor.name.as_deref() else { return ActorKind::System };
        if self.origin() == Origin::System || name.ends_with("/op_service") {
            ActorKind::System
        } else if self.actor.assumed_by.is_some() {
            ActorKind::Agency
        } else if self.actor.domain.as_deref() == Some(name) {
            ActorKind::AccountOwner
        } else if self.is_federated() {
            ActorKind::Federated
        } else {
            ActorKind::User
        }
    }

    /// CTS names the login, not the user, as federated: by its operation, or by the
    /// `user_type` in the login's `message`.
    fn is_federated(&self) -> bool {
        const LOGINS: [&str; 4] = ["federationlogin", "oidclogin", "iamuserssologin", "tenantloginbysaml"];
        let operation = self.operation.to_ascii_lowercase();
        let stated = |text: &str| text.contains("\"user_type\"") && text.to_ascii_lowercase().contains("federat");
        LOGINS.iter().any(|login| operation.starts_with(login)) || self.message.as_deref().is_some_and(stated)
    }

    /// The actor in one word for people: a name, an id, or `the platform`.
    pub fn actor_label(&self) -> &str {
        self.actor.name.as_deref().or(self.actor.id.as_deref()).unwrap_or("the platform")
    }

    /// The resource in one word for people: name, id, or its type.
    pub fn resource_label(&self) -> &str {
        let resource = &self.resource;
        resource.name.as_deref().or(resource.id.as_deref()).or(resource.kind.as_deref()).unwrap_or("no resource")
    }
}

impl Rating {
    /// Reads the cloud's word, whatever its case.
    pub fn parse(word: &str) -> Self {
        let known = |rating: &Self| rating.as_str().eq_ignore_ascii_case(word.trim());
        let found = [Self::Normal, Self::Warning, Self::Incident].into_iter().find(known);
        found.unwrap_or_else(|| Self::Other(word.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Incident => "incident",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Rating {
    fn from(word: String) -> Self {
        Self::parse(&word)
    }
}

impl From<Rating> for String {
    fn from(rating: Rating) -> Self {
        rating.as_str().to_owned()
    }
}

impl Outcome {
    pub fn of(rating: &Rating) -> Self {
        match rating {
            Rating::Normal => Self::Succeeded,
            Rating::Warning => Self::Failed,
            Rating::Incident => Self::Incident,
            Rating::Other(_) => Self::Unknown,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Incident => "incident",
            Self::Unknown => "unknown",
        }
    }
}

impl Origin {
    pub fn of(trace_type: Option<&str>) -> Self {
        match trace_type {
            Some(t) if t.eq_ignore_ascii_case("ConsoleAction") => Self::Console,
            Some(t) if t.eq_ignore_ascii_case("ApiCall") => Self::Api,
            Some(t) if t.eq_ignore_ascii_case("SystemAction") => Self::System,
            _ => Self::Other,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::System => "system",
            Self::Other => "other",
        }
    }
}

impl ActorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountOwner => "account_owner",
            Self::User => "user",
            Self::Agency => "agency",
            Self::Federated => "federated",
            Self::System => "system",
        }
    }
}
