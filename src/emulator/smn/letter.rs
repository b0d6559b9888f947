//! What is posted to a subscriber: the documented envelope, and the signature over its documented parts.

use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Of nobody's trust: everyone can read the key that belongs to it.
pub const CERTIFICATE: &str = include_str!("certificate.pem");
/// Of the same key, as digests of trace files are verified with it.
pub const PUBLIC_KEY: &str = include_str!("public_key.pem");
const KEY: &str = include_str!("key.pem");

/// Signs as SMN does.
pub struct Signer {
    key: RsaKeyPair,
}

impl Signer {
    pub fn embedded() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).expect("the embedded key is PEM");
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("the embedded key is an RSA key");
        Self { key }
    }

    /// RSA, PKCS#1 v1.5, SHA-256.
    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .expect("the buffer is as long as the key");
        signature
    }
}

/// `SMN_eu-de_0123456789abcdef0123456789abcdef.pem`
pub fn certificate_name(region: &str) -> String {
    format!("SMN_{region}_{}.pem", hex::encode(&Sha256::digest(CERTIFICATE)[..16]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    SubscriptionConfirmation,
    Notification,
    UnsubscribeConfirmation,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::Notification => "Notification",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Letter {
    pub kind: Kind,
    pub message_id: String,
    pub topic_urn: String,
    pub subject: Option<String>,
    pub message: String,
    pub timestamp: String,
    /// `unsubscribe_url` of a notification, `subscribe_url` of the others.
    pub link: String,
    pub certificate_url: String,
}

impl Letter {
    fn link_name(&self) -> &'static str {
        match self.kind {
            Kind::Notification => "unsubscribe_url",
            Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => "subscribe_url",
        }
    }

    /// Names and values, each with a line's end, also the last one.
    pub fn signed_text(&self) -> String {
        let mut parts = vec![("message", self.message.as_str()), ("message_id", &self.message_id)];
        match self.kind {
            // Left out without one; the way to leave is not signed.
            Kind::Notification => parts.extend(self.subject.as_deref().map(|subject| ("subject", subject))),
            _ => parts.push((self.link_name(), &self.link)),
        }
        parts.extend([("timestamp", self.timestamp.as_str()), ("topic_urn", &self.topic_urn)]);
        parts.push(("type", self.kind.name()));
        parts.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect()
    }

    /// The body, signed.
    pub fn seal(&self, signer: &Signer) -> Vec<u8> {
        let signature = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            signer.sign(self.signed_text().as_bytes()),
        );
        let mut body = Map::new();
        let parts = [
            ("type", Some(self.kind.name())),
            ("message_id", Some(self.message_id.as_str())),
            ("topic_urn", Some(&self.topic_urn)),
            ("subject", self.subject.as_deref()),
            ("message", Some(&self.message)),
            ("timestamp", Some(&self.timestamp)),
            ("signature", Some(&signature)),
            ("signature_version", Some("v1")),
            ("signing_cert_url", Some(&self.certificate_url)),
            (self.link_name(), Some(&self.link)),
        ];
        for (name, value) in parts {
            body.extend(value.map(|value| (name.to_owned(), Value::from(value))));
        }
        Value::Object(body).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::KeyPair;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    fn letter(kind: Kind, subject: Option<&str>, message: &str, link: &str) -> Letter {
        Letter {
            kind,
            message_id: "0123456789abcdef0123456789abcdef".to_owned(),
            topic_urn: "urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts".to_owned(),
            subject: subject.map(str::to_owned),
            message: message.to_owned(),
            timestamp: "2026-01-15T08:30:00Z".to_owned(),
            link: link.to_owned(),
            certificate_url: String::new(),
        }
    }

    #[track_caller]
    fn check(letter: &Letter, bytes: usize, sha256: &str) {
        let text = letter.signed_text();
        assert_eq!((text.len(), hex::encode(Sha256::digest(&text)).as_str()), (bytes, sha256), "{text}");
    }

    #[test]
    fn the_signed_text_is_the_documented_one() {
        let trace = r#"{"trace_name":"deleteBucket"}"#;
        check(
            &letter(Kind::Notification, Some("CTS alert"), trace, "https://example.test/leave"),
            213,
            "d30fe327f95a503d1764074d634e17c1753803ce2657c7a2491292f040321ccb",
        );
        check(
            &letter(Kind::Notification, None, trace, "https://example.test/leave"),
            195,
            "6ddfde4d25e64941da298f3442a760d1fc9a11914ab92317fae4bc23481fbf2a",
        );
        let url = "https://example.test/confirm?token=t1";
        check(
            &letter(Kind::SubscriptionConfirmation, None, "You are invited", url),
            245,
            "1b42565dcc2c6b19fda15aa39a97ec02b16edfa9f5d5d9562c1c6c1ddc025e59",
        );
    }

    #[test]
    fn a_letter_says_what_its_kind_needs() {
        let signer = Signer::embedded();
        let keys = |letter: &Letter| {
            let body: Value = serde_json::from_slice(&letter.seal(&signer)).unwrap();
            let mut keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
            keys.retain(|key| ["subject", "subscribe_url", "unsubscribe_url"].contains(&key.as_str()));
            keys.join(" ")
        };
        assert_eq!(keys(&letter(Kind::Notification, Some("s"), "m", "l")), "subject unsubscribe_url");
        assert_eq!(keys(&letter(Kind::Notification, None, "m", "l")), "unsubscribe_url");
        assert_eq!(keys(&letter(Kind::SubscriptionConfirmation, None, "m", "l")), "subscribe_url");
        assert_eq!(keys(&letter(Kind::UnsubscribeConfirmation, None, "m", "l")), "subscribe_url");
    }

    #[test]
    fn the_signature_fits_the_key() {
        let signer = Signer::embedded();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, signer.key.public_key().as_ref());
        assert!(public.verify(b"a text", &signer.sign(b"a text")).is_ok());
        assert!(public.verify(b"another", &signer.sign(b"a text")).is_err());
    }
}
