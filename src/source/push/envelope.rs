//! SMN's envelope, in the one grammar that is let in.
//!
//! What is signed is lines of names and values without any escaping, so text inside a message can look like the
//! fields behind it. That the other fields cannot hold a line break, or anything but what SMN writes there, is what
//! makes one text have one meaning.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize,
    de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor},
};

use crate::clock::Timestamp;

const LONGEST_SUBJECT: usize = 512;
const LONGEST_URL: usize = 2048;
/// Of a key with 8192 bits, in base64.
const LONGEST_SIGNATURE: usize = 1368;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Envelope {
    pub kind: Kind,
    pub message_id: String,
    pub topic_urn: String,
    pub message: String,
    subject: Option<String>,
    timestamp: String,
    /// What `timestamp` says.
    pub at: Timestamp,
    pub subscribe_url: Option<String>,
    pub signature: Vec<u8>,
    pub signing_cert_url: String,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

impl Envelope {
    /// The error names the field that is wrong, and does not repeat what stood in it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let Fields(mut fields) = serde_json::from_slice(body).map_err(|error| match error.classify() {
            // The library's own words repeat what stood there.
            serde_json::error::Category::Data => {
                "the message is not SMN's: expected one JSON object with few fields, texts, none of them twice"
            }
            _ => "the message is not JSON",
        })?;
        let mut take = |name: &str| fields.remove(name);
        let mut need = |name: &str| take(name).ok_or_else(|| format!("the message has no `{name}`"));
        let wrong = |name: &str| format!("the message's `{name}` is not what SMN writes there");
        let kinds = [Kind::Notification, Kind::SubscriptionConfirmation, Kind::UnsubscribeConfirmation];
        let kind = need("type")?;
        let kind = kinds.into_iter().find(|one| one.as_str() == kind).ok_or_else(|| wrong("type"))?;
        let (message_id, topic_urn, message) = (need("message_id")?, need("topic_urn")?, need("message")?);
        let (timestamp, signature) = (need("timestamp")?, need("signature")?);
        let (version, signing_cert_url) = (need("signature_version")?, need("signing_cert_url")?);
        let hex =
            |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !hex(&message_id) {
            return Err(wrong("message_id"));
        }
        if !super::is_topic(&topic_urn) {
            return Err(wrong("topic_urn"));
        }
        let at = moment(&timestamp).ok_or_else(|| wrong("timestamp"))?;
        if !version.eq_ignore_ascii_case("v1") {
            return Err(wrong("signature_version"));
        }
        let signature = Some(signature).filter(|text| text.len() <= LONGEST_SIGNATURE);
        let signature = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or_else(|| wrong("signature"))?;
        let subject = take("subject");
        if subject.as_ref().is_some_and(|text| text.len() > LONGEST_SUBJECT || text.contains(char::is_control)) {
            return Err(wrong("subject"));
        }
        // Only where it is signed does it mean anything.
        let subscribe_url = match kind {
            Kind::Notification => None,
            _ => Some(take("subscribe_url").ok_or("the message has no `subscribe_url`")?),
        };
        if subscribe_url.as_ref().is_some_and(|url| !is_graphic(url)) {
            return Err(wrong("subscribe_url"));
        }
        if !is_graphic(&signing_cert_url) {
            return Err(wrong("signing_cert_url"));
        }
        let subject = subject.filter(|_| kind == Kind::Notification);
        Ok(Self {
            kind,
            message_id,
            topic_urn,
            message,
            subject,
            timestamp,
            at,
            subscribe_url,
            signature,
            signing_cert_url,
        })
    }

    /// What may have been signed: of a subject that is there and empty the documentation says both.
    pub fn signed(&self) -> Vec<String> {
        match self.subject.as_deref() {
            Some("") => vec![self.text(None), self.text(Some(""))],
            subject => vec![self.text(subject)],
        }
    }

    fn text(&self, subject: Option<&str>) -> String {
        let mut text = String::with_capacity(self.message.len() + 512);
        let mut line = |name: &str, value: &str| {
            for part in [name, "\n", value, "\n"] {
                text.push_str(part);
            }
        };
        line("message", &self.message);
        line("message_id", &self.message_id);
        if let Some(subject) = subject {
            line("subject", subject);
        }
        if let Some(url) = &self.subscribe_url {
            line("subscribe_url", url);
        }
        line("timestamp", &self.timestamp);
        line("topic_urn", &self.topic_urn);
        line("type", self.kind.as_str());
        text
    }
}

fn is_graphic(text: &str) -> bool {
    (1..=LONGEST_URL).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// `2026-01-15T08:30:00Z` and nothing else.
fn moment(text: &str) -> Option<Timestamp> {
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = |(found, wanted): (u8, &u8)| if *wanted == b'd' { found.is_ascii_digit() } else { found == *wanted };
    let fits = text.len() == shape.len() && text.bytes().zip(shape).all(fits);
    fits.then(|| text.parse().ok()).flatten()
}

/// The fields that are looked at. Each name stands there once, whatever it is: of two, another reader may take
/// the other one.
struct Fields(BTreeMap<String, String>);

const NAMES: [&str; 10] = [
    "type",
    "message_id",
    "topic_urn",
    "message",
    "subject",
    "timestamp",
    "signature",
    "signature_version",
    "signing_cert_url",
    "subscribe_url",
];

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = BTreeMap::new();
        let mut others = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if fields.contains_key(&name) || others.contains(&name) {
                return Err(A::Error::custom("a field stands there twice"));
            }
            if NAMES.contains(&name.as_str()) {
                fields.insert(name, map.next_value::<String>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
                others.push(name);
                if others.len() > NAMES.len() {
                    return Err(A::Error::custom("it has too many fields"));
                }
            }
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTIFICATION: &str = r#"{"type":"Notification","message_id":"0123456789abcdef0123456789abcdef",
        "topic_urn":"urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts","subject":"CTS alert",
        "message":"{\"trace_name\":\"deleteBucket\"}","timestamp":"2026-01-15T08:30:00Z",
        "signature_version":"v1","signature":"AAAA","signing_cert_url":"https://smn.example.org/x.pem",
        "unsubscribe_url":"https://console.example.org/"}"#;
    const INVITATION: &str = r#"{"type":"SubscriptionConfirmation","message_id":"0123456789abcdef0123456789abcdef",
        "topic_urn":"urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts","message":"You are invited",
        "subscribe_url":"https://example.test/confirm?token=t1","timestamp":"2026-01-15T08:30:00Z",
        "signature_version":"V1","signature":"AAAA","signing_cert_url":"https://smn.example.org/x.pem"}"#;

    /// The check values of the reference.
    #[test]
    fn what_is_signed_is_what_smn_signs() {
        use sha2::{Digest, Sha256};
        let check = |body: &str, length: usize, hash: &str| {
            let texts = Envelope::read(body.as_bytes()).unwrap().signed();
            let found: Vec<_> = texts.iter().map(|text| (text.len(), hex::encode(Sha256::digest(text)))).collect();
            assert_eq!(found, [(length, hash.to_owned())], "{body}");
        };
        check(NOTIFICATION, 213, "d30fe327f95a503d1764074d634e17c1753803ce2657c7a2491292f040321ccb");
        let bare = NOTIFICATION.replace(r#""subject":"CTS alert","#, "");
        check(&bare, 195, "6ddfde4d25e64941da298f3442a760d1fc9a11914ab92317fae4bc23481fbf2a");
        check(INVITATION, 245, "1b42565dcc2c6b19fda15aa39a97ec02b16edfa9f5d5d9562c1c6c1ddc025e59");
        let empty = NOTIFICATION.replace("CTS alert", "");
        assert_eq!(Envelope::read(empty.as_bytes()).unwrap().signed().len(), 2, "with and without the empty subject");
    }

    #[test]
    fn one_grammar_is_let_in() {
        let check = |from: &str, to: &str, expected: &str| {
            let body = NOTIFICATION.replacen(from, to, 1);
            assert_ne!(body, NOTIFICATION, "{from}");
            let found = Envelope::read(body.as_bytes()).unwrap_err();
            assert!(found.contains(expected), "{from} -> {to}: {found}");
        };
        check("{", "[", "not SMN's");
        check("\"Notification\"", "\"notification\"", "`type`");
        check("\"Notification\"", "7", "not SMN's");
        check("\"Notification\"", "null", "not SMN's");
        check("\"message_id\":\"0", "\"message_id\":\"A", "`message_id`");
        check("\"message_id\":\"0", "\"message_id\":\"", "`message_id`");
        check("\"message_id\":\"0", "\"message_id\":\"\\n0", "`message_id`");
        check("urn:smn", "urn:smn\\n", "`topic_urn`");
        check("08:30:00Z", "08:30:00+00:00", "`timestamp`");
        check("08:30:00Z", "08:30:00.0Z", "`timestamp`");
        check("2026-01-15T", "2026-13-15T", "`timestamp`");
        check("CTS alert", "CTS\\nalert", "`subject`");
        check("\"CTS alert\"", "null", "not SMN's");
        check("\"v1\"", "\"v2\"", "`signature_version`");
        check("AAAA", "AAA", "`signature`");
        check("https://smn", "https://\\tsmn", "`signing_cert_url`");
        check("\"signature\"", "\"signatur\"", "no `signature`");
        check("\"type\"", "\"message\":\"\",\"type\"", "twice");
        check("\"type\"", "\"m\\u0065ssage\":\"\",\"type\"", "twice");
        check("\"unsubscribe_url\"", "\"x\":1,\"x\":2,\"unsubscribe_url\"", "twice");
        let bare = INVITATION.replacen("subscribe_url", "other_url", 1);
        assert!(Envelope::read(bare.as_bytes()).unwrap_err().contains("no `subscribe_url`"));
        assert!(Envelope::read(format!("{NOTIFICATION} x").as_bytes()).is_err(), "nothing follows");
        assert!(Envelope::read(b"\xff").is_err());
        for body in [r#""hunter2""#, r#"{"type":["hunter2"]}"#, r#"["hunter2"]"#] {
            let found = Envelope::read(body.as_bytes()).unwrap_err();
            assert!(!found.contains("hunter2"), "{found}");
        }
    }
}
