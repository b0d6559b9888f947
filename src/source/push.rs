//! What the cloud pushes: SMN's posts and the events of a function, told apart from forged ones.
//!
//! Knows SMN's envelope and signature, and the shapes in which a trace comes inside. Knows neither HTTP nor the
//! store. What is posted is believed only if all of this holds: its grammar is strict, its topic is one of ours,
//! it is fresh, and it is signed by a certificate that is pinned, or was fetched from SMN's own host and is vouched
//! for by an authority. The algorithm is ours, never the certificate's.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Record;
use crate::{
    clock::{self, Timestamp},
    metrics::Metrics,
    secret::Secret,
    trace::decode::Context,
};

mod certificate;
pub mod cloud;
mod der;
mod envelope;
mod fetch;
mod records;

use certificate::Certificate;
use envelope::{Envelope, Kind};

/// Longest post that is read; SMN's messages are no longer.
pub const LONGEST: usize = 256 * 1024;

/// What may be posted for one source.
#[derive(Debug, Clone)]
pub struct Settings {
    pub source: String,
    /// Exact URNs; whatever SMN signs for other topics is not ours.
    pub topics: Vec<String>,
    pub trust: Trust,
    /// How old a message may be: SMN tries again for a while.
    pub max_age: Duration,
    /// How far SMN's clock may be ahead of ours.
    pub clock_skew: Duration,
    /// What a function shows; without it none is let in.
    pub function_token: Option<Secret>,
    /// Hosts beside the cloud's own on which `push enable` may open a confirmation.
    pub confirm_hosts: Vec<String>,
    /// Of the traces, where it is known.
    pub project_name: Option<String>,
}

/// Whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// This one alone; nothing is ever fetched.
    Pinned(PathBuf),
    Fetched {
        /// In place of SMN's own in the topic's region; may name a port.
        host: Option<String>,
        /// The name that the certificate is for, in place of the host's.
        name: Option<String>,
        /// In place of the authorities that this machine trusts.
        ca: Option<PathBuf>,
    },
}

pub const MAX_AGE: Duration = Duration::from_secs(3600);
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Lets in what is genuine.
pub struct Gate {
    settings: Settings,
    signer: Signer,
}

enum Signer {
    Pinned(Certificate),
    Fetched(Box<fetch::Certificates>),
}

/// A certificate that was fetched. Who keeps it can give it back after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub url: String,
    /// As it came, with those between it and its authority.
    pub pem: Vec<u8>,
    pub fetched_at: Timestamp,
}

/// What was posted, and is genuine.
#[derive(Debug)]
pub struct Genuine {
    pub message: Message,
    /// By which it was verified; `None` if the operator vouches for his own.
    pub certificate: Option<Kept>,
}

#[derive(Debug)]
pub enum Message {
    Notification { id: String, topic_urn: String, records: Vec<Record> },
    Invitation { id: String, topic_urn: String, subscribe_url: String },
    Farewell { id: String, topic_urn: String, subscribe_url: String },
}

/// Split by what the poster is told, and by what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Malformed,
    Topic,
    Time,
    Certificate,
    Signature,
    Token,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Refusal {
    pub reason: Reason,
    /// What was found, without anything secret.
    pub words: String,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Topic => "topic",
            Self::Time => "time",
            Self::Certificate => "certificate",
            Self::Signature => "signature",
            Self::Token => "token",
        }
    }

    fn because(self, words: impl Into<String>) -> Refusal {
        Refusal { reason: self, words: words.into() }
    }
}

/// Whether the files that the settings name can be used.
pub fn check(settings: &Settings) -> Result<(), String> {
    match &settings.trust {
        Trust::Pinned(path) => pinned(path).map(|_| ()),
        Trust::Fetched { ca: Some(ca), .. } => fetch::anchors(Some(ca)).map(|_| ()),
        Trust::Fetched { .. } => Ok(()),
    }
}

fn pinned(path: &Path) -> Result<Certificate, String> {
    let pem = std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    Certificate::pinned(&pem).map_err(|found| format!("`{}` {found}", path.display()))
}

impl Gate {
    /// Reads the files that the settings name; the error says what is wrong with them.
    pub fn new(settings: &Settings, metrics: Metrics) -> Result<Self, String> {
        let signer = match &settings.trust {
            Trust::Pinned(path) => Signer::Pinned(pinned(path)?),
            Trust::Fetched { host, name, ca } => {
                let (host, name) = (host.clone(), name.clone());
                let certificates = fetch::Certificates::new(&settings.source, host, name, ca.as_deref(), metrics)?;
                Signer::Fetched(Box::new(certificates))
            }
        };
        Ok(Self { settings: settings.clone(), signer })
    }

    /// A certificate that verified a message of this topic before this process began.
    pub fn recall(&self, topic_urn: &str, kept: Kept, now: Timestamp) {
        if let Signer::Fetched(certificates) = &self.signer {
            certificates.recall(kept, region(topic_urn), now);
        }
    }

    /// Reads what SMN posts; `kind` is what its header says.
    pub async fn message(&self, kind: Option<&str>, body: &[u8], now: Timestamp) -> Result<Genuine, Refusal> {
        let envelope = Envelope::read(body).map_err(|found| Reason::Malformed.because(found))?;
        if kind != Some(envelope.kind.as_str()) {
            let words = "`X-SMN-MESSAGE-TYPE` and the message's `type` differ";
            return Err(Reason::Malformed.because(words));
        }
        if !self.settings.topics.contains(&envelope.topic_urn) {
            return Err(Reason::Topic.because("the topic is none of this source's"));
        }
        let oldest = clock::minus(now, self.settings.max_age);
        if envelope.at < oldest || envelope.at > clock::plus(now, self.settings.clock_skew) {
            return Err(Reason::Time.because("the message is too old, or from the future"));
        }
        let certificate = self.verify(&envelope, now).await?;
        let Envelope { message_id: id, topic_urn, message, subscribe_url, kind, .. } = envelope;
        let subscribe_url = subscribe_url.unwrap_or_default();
        let message = match kind {
            Kind::Notification => {
                let records = records::read(&message, &self.context(&topic_urn), now);
                Message::Notification { id, topic_urn, records }
            }
            Kind::SubscriptionConfirmation => Message::Invitation { id, topic_urn, subscribe_url },
            Kind::UnsubscribeConfirmation => Message::Farewell { id, topic_urn, subscribe_url },
        };
        Ok(Genuine { message, certificate })
    }

    /// Reads what a function posts, which nobody signs.
    pub fn event(&self, token: &str, body: &[u8], now: Timestamp) -> Result<Vec<Record>, Refusal> {
        let Some(expected) = &self.settings.function_token else {
            return Err(Reason::Token.because("no `function_token` is configured for this source"));
        };
        // Hashes are of one length: time tells nothing.
        let hash = |text: &str| Sha256::digest(text);
        if !bool::from(hash(token).ct_eq(&hash(expected.expose()))) {
            return Err(Reason::Token.because("the token is wrong"));
        }
        let text = crate::trace::decode::readable(body);
        Ok(records::read(&text, &self.context(&self.settings.topics[0]), now))
    }

    /// True if a body looks like a function's: who posts it needs a token, not a signature.
    pub fn is_event(body: &[u8]) -> bool {
        records::is_event(&crate::trace::decode::readable(body))
    }

    /// By which certificate, if it was fetched.
    async fn verify(&self, envelope: &Envelope, now: Timestamp) -> Result<Option<Kept>, Refusal> {
        match &self.signer {
            Signer::Pinned(certificate) => is_signed_by(certificate, envelope, now).map(|()| None),
            Signer::Fetched(certificates) => {
                let (url, region) = (&envelope.signing_cert_url, region(&envelope.topic_urn));
                let found = certificates.get(url, region, now).await;
                let fetched = found.map_err(|found| Reason::Certificate.because(found))?;
                is_signed_by(&fetched.certificate, envelope, now).map(|()| Some(fetched.kept.clone()))
            }
        }
    }

    fn context(&self, topic_urn: &str) -> Context {
        let part = |at| topic_urn.split(':').nth(at).map(str::to_owned);
        let project_name = self.settings.project_name.clone();
        Context { region: part(2), project_id: part(3), project_name, console: None }
    }
}

fn is_signed_by(certificate: &Certificate, envelope: &Envelope, now: Timestamp) -> Result<(), Refusal> {
    if !certificate.is_valid_at(now) {
        return Err(Reason::Certificate.because("the certificate has expired, or is not valid yet"));
    }
    let signed = envelope.signed().iter().any(|text| certificate.verifies(text.as_bytes(), &envelope.signature));
    if signed { Ok(()) } else { Err(Reason::Signature.because("the signature is not the topic's")) }
}

/// Of `urn:smn:eu-de:<project>:<name>`.
pub fn region(topic_urn: &str) -> &str {
    topic_urn.split(':').nth(2).unwrap_or_default()
}

/// Where SMN is in a region.
pub fn host(region: &str) -> String {
    crate::cloud::host::of("smn", region)
}

/// `urn:smn:eu-de:<32 hex>:<name>`, in the letters that the cloud uses.
pub fn is_topic(urn: &str) -> bool {
    let word = |text: &str, most: usize, more: &[u8]| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let parts: Vec<&str> = urn.split(':').collect();
    let ["urn", "smn", region, project, name] = parts.as_slice() else { return false };
    word(region, 32, b"-") && project.len() == 32 && word(project, 32, b"") && word(name, 255, b"-_")
}
