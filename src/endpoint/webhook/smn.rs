//! A publisher that subscribers of the cloud's SMN take for SMN: the same envelope, the same signature
//! (RSA, PKCS#1 v1.5, SHA-256), and nothing but an invitation before they confirm.
//!
//! Holds no state: what an address allows is proven by what stands in it.

use std::{path::PathBuf, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    clock::{self, Timestamp},
    id,
    render::smn::{Posting, message_id, timestamp},
    secret::Secret,
};

/// Whom subscribers know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts`
    pub topic_urn: String,
    /// PEM of an RSA key.
    pub key: Secret,
    /// PEM file of the certificate that belongs to it.
    pub cert: PathBuf,
    /// Where subscribers reach us: `https://bell.example.org`.
    pub site: String,
}

/// An invitation works this long, as SMN's do.
const WORKS_FOR: Duration = Duration::from_secs(48 * 3600);

/// What is said to a subscriber outside notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invitation {
    /// To confirm before anything is sent.
    Subscribe,
    /// To come back, said once when it left.
    Left,
}

/// Bytes to send, and what SMN's headers say of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub kind: &'static str,
    pub message_id: String,
    pub body: Vec<u8>,
}

pub struct Publisher {
    pub topic_urn: String,
    /// Who hears it; see [`subscriber`].
    pub subscriber: String,
    /// PEM, as subscribers fetch it.
    pub certificate: String,
    endpoint: String,
    region: String,
    site: String,
    key: RsaKeyPair,
    /// Proves addresses.
    proof: [u8; 32],
}

impl Publisher {
    /// The error says what is wrong with the settings.
    pub fn new(endpoint: &str, url: &Secret, settings: &Settings) -> Result<Self, String> {
        let pem = settings.key.expose().as_bytes();
        let wrong = "`smn.key` is not an RSA key in PEM (`BEGIN PRIVATE KEY`)";
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| wrong.to_owned())?;
        let key = match &der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong.to_owned()),
        };
        let key =
            key.map_err(|error| format!("`smn.key` cannot sign: {error}; expected RSA with 2048 bits or more"))?;
        let file = settings.cert.display();
        let certificate = std::fs::read_to_string(&settings.cert)
            .map_err(|error| format!("`smn.cert`: cannot read `{file}`: {error}"))?;
        // It is published as it stands.
        if certificate.contains("PRIVATE KEY") {
            return Err(format!(
                "`smn.cert`: `{file}` holds a private key too; give a file with the certificate alone"
            ));
        }
        let parsed = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| format!("`smn.cert`: `{file}` holds no certificate in PEM (`BEGIN CERTIFICATE`)"))?;
        let proof = Sha256::digest(der.secret_der()).into();
        let signing = rustls::crypto::ring::sign::any_supported_type(&der).map_err(|_| wrong.to_owned())?;
        CertifiedKey::new(vec![parsed], signing)
            .keys_match()
            .map_err(|_| format!("`smn.cert`: the certificate in `{file}` does not belong to `smn.key`"))?;
        let region = settings.topic_urn.split(':').nth(2).unwrap_or_default().to_owned();
        let (topic_urn, site) = (settings.topic_urn.clone(), settings.site.trim_end_matches('/').to_owned());
        let subscriber = subscriber(url);
        Ok(Self { topic_urn, subscriber, certificate, endpoint: endpoint.to_owned(), region, site, key, proof })
    }

    /// What was frozen, as SMN posts it.
    pub fn notification(&self, body: &[u8], delivery: &str, now: Timestamp) -> Parcel {
        let Posting { message_id, subject, message, timestamp } = Posting::read(body, delivery, now);
        let unsubscribe = format!(
            "{}/smn/subscription/unsubscribe?region={region}&region_id={region}&subscription_urn={}",
            self.site,
            self.subscription_urn(),
            region = self.region
        );
        let subject = (!subject.is_empty()).then_some(subject);
        self.seal("Notification", message_id, subject, message, timestamp, Page::Unsubscribe(unsubscribe))
    }

    pub fn invitation(&self, invitation: Invitation, now: Timestamp) -> Parcel {
        let (kind, message) = match invitation {
            Invitation::Subscribe => (
                "SubscriptionConfirmation",
                format!("You are invited to subscribe to topic: {}. To confirm, open subscribe_url.", self.topic_urn),
            ),
            Invitation::Left => (
                "UnsubscribeConfirmation",
                format!("You left topic: {}. To subscribe again, open subscribe_url.", self.topic_urn),
            ),
        };
        let until = clock::plus(now, WORKS_FOR).as_second();
        let subscribe = format!(
            "{}/smn/subscription/confirm?token={}&topic_urn={}&region={region}&region_id={region}",
            self.site,
            self.token(until),
            self.topic_urn,
            region = self.region
        );
        let id = message_id(&format!("{kind} {} {now}", self.endpoint));
        self.seal(kind, id, None, message, timestamp(now), Page::Subscribe(subscribe))
    }

    /// Below our own address: `/smn/SMN_eu-de_0123456789abcdef0123456789abcdef.pem`.
    pub fn certificate_path(&self) -> String {
        let print = hex::encode(&Sha256::digest(self.certificate.as_bytes())[..16]);
        format!("/smn/SMN_{}_{print}.pem", self.region)
    }

    /// True if the token is of an invitation of ours that still counts.
    pub fn confirms(&self, token: &str, now: Timestamp) -> bool {
        let (Some(until), Some(proof)) = (token.get(..16), token.get(16..)) else { return false };
        let (Ok(until), Ok(proof)) = (i64::from_str_radix(until, 16), hex::decode(proof)) else { return false };
        now.as_second() <= until && self.mac(&format!("confirm {until}")).verify_slice(&proof).is_ok()
    }

    /// True if the subscription is the one of this endpoint; nobody else was told its name.
    pub fn is_of(&self, subscription_urn: &str) -> bool {
        let proof = subscription_urn.strip_prefix(&self.topic_urn).and_then(|rest| rest.strip_prefix(':'));
        let proof = proof.and_then(|proof| hex::decode(proof).ok()).filter(|proof| proof.len() == 16);
        proof.is_some_and(|proof| self.mac("subscription").verify_truncated_left(&proof).is_ok())
    }

    fn subscription_urn(&self) -> String {
        format!("{}:{}", self.topic_urn, hex::encode(&self.mac("subscription").finalize().into_bytes()[..16]))
    }

    fn token(&self, until: i64) -> String {
        format!("{until:016x}{}", hex::encode(self.mac(&format!("confirm {until}")).finalize().into_bytes()))
    }

    fn mac(&self, purpose: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.proof).expect("HMAC takes keys of any length");
        mac.update(format!("{purpose}\n{}\n{}\n{}", self.endpoint, self.topic_urn, self.subscriber).as_bytes());
        mac
    }

    fn seal(
        &self,
        kind: &'static str,
        message_id: String,
        subject: Option<String>,
        message: String,
        timestamp: String,
        page: Page,
    ) -> Parcel {
        let mut envelope = Envelope {
            kind,
            message_id: message_id.clone(),
            topic_urn: &self.topic_urn,
            subject,
            message,
            timestamp,
            signature_version: "v1",
            signature: String::new(),
            signing_cert_url: format!("{}{}", self.site, self.certificate_path()),
            subscribe_url: None,
            unsubscribe_url: None,
        };
        match page {
            Page::Subscribe(url) => envelope.subscribe_url = Some(url),
            Page::Unsubscribe(url) => envelope.unsubscribe_url = Some(url),
        }
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), to_sign(&envelope).as_bytes(), &mut signature)
            .expect("the signature has the length of the key");
        envelope.signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature);
        let body = serde_json::to_vec(&envelope).expect("texts always become JSON");
        Parcel { kind, message_id, body }
    }
}

/// Whose confirmation counts: known by its address, which is a secret and therefore not kept.
pub fn subscriber(url: &Secret) -> String {
    id::derive(&["subscriber", url.expose().trim()])
}

enum Page {
    Subscribe(String),
    Unsubscribe(String),
}

#[derive(Debug, Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message_id: String,
    topic_urn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    message: String,
    timestamp: String,
    signature_version: &'static str,
    signature: String,
    signing_cert_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribe_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsubscribe_url: Option<String>,
}

/// Names and values in the documented order, each on its line.
fn to_sign(envelope: &Envelope<'_>) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("message", Some(envelope.message.as_str())),
        ("message_id", Some(&envelope.message_id)),
        ("subject", envelope.subject.as_deref()),
        ("subscribe_url", envelope.subscribe_url.as_deref()),
        ("timestamp", Some(&envelope.timestamp)),
        ("topic_urn", Some(envelope.topic_urn)),
        ("type", Some(envelope.kind)),
    ] {
        if let Some(value) = value {
            text.extend([name, "\n", value, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(kind: &'static str, message: &str) -> Envelope<'static> {
        Envelope {
            kind,
            message_id: "0123456789abcdef0123456789abcdef".into(),
            topic_urn: "urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts",
            subject: None,
            message: message.into(),
            timestamp: "2026-01-15T08:30:00Z".into(),
            signature_version: "v1",
            signature: String::new(),
            signing_cert_url: String::new(),
            subscribe_url: None,
            unsubscribe_url: Some("https://console.example/".into()),
        }
    }

    #[track_caller]
    fn check(envelope: &Envelope<'_>, length: usize, sha256: &str) {
        let text = to_sign(envelope);
        assert_eq!((text.len(), hex::encode(Sha256::digest(text.as_bytes())).as_str()), (length, sha256), "{text}");
    }

    #[test]
    fn what_is_signed_is_what_smn_signs() {
        let mut notification = envelope("Notification", r#"{"trace_name":"deleteBucket"}"#);
        check(&notification, 195, "6ddfde4d25e64941da298f3442a760d1fc9a11914ab92317fae4bc23481fbf2a");
        notification.subject = Some("CTS alert".into());
        check(&notification, 213, "d30fe327f95a503d1764074d634e17c1753803ce2657c7a2491292f040321ccb");
        let mut invitation = envelope("SubscriptionConfirmation", "You are invited");
        invitation.subscribe_url = Some("https://example.test/confirm?token=t1".into());
        check(&invitation, 245, "1b42565dcc2c6b19fda15aa39a97ec02b16edfa9f5d5d9562c1c6c1ddc025e59");
    }
}
