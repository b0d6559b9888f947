//! Signatures as Standard Webhooks has them.
//!
//! While a secret is replaced each request carries two, so that a receiver that
//! knows the old secret and one that knows the new both find theirs.

use base64::{
    Engine,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// The secrets that requests are signed with: `whsec_` and base64, or any text.
#[derive(Debug, Clone)]
pub struct Sign {
    pub secret: Secret,
    /// The one before, for as long as a receiver may still know only that.
    pub previous: Option<Secret>,
}

/// Signs with every secret that counts.
#[derive(Clone)]
pub struct Signer(Vec<Hmac<Sha256>>);

impl Signer {
    pub fn new(sign: &Sign) -> Result<Self, String> {
        let mut keys = vec![key("sign.secret", &sign.secret)?];
        if let Some(previous) = &sign.previous {
            keys.push(key("sign.previous", previous)?);
        }
        Ok(Self(keys))
    }

    /// For each secret `v1,` and the signature of `id.timestamp.body`, the newest first, blanks between.
    pub fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let one = |key: &Hmac<Sha256>| {
            let mut mac = key.clone();
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                mac.update(part);
            }
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

/// `whsec_` announces base64, as the specification has it; any other text is the key itself.
fn key(name: &str, secret: &Secret) -> Result<Hmac<Sha256>, String> {
    let text = secret.expose().trim();
    let key = match text.strip_prefix("whsec_") {
        Some(encoded) => lenient_base64()
            .decode(encoded)
            .map_err(|_| format!("`{name}` begins with `whsec_` but what follows is not base64"))?,
        None => text.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err(format!("`{name}` is empty"));
    }
    Ok(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
}

/// Padding may be missing: other implementations accept that too.
fn lenient_base64() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(secret: &str, previous: Option<&str>) -> Result<Signer, String> {
        Signer::new(&Sign { secret: Secret::new(secret), previous: previous.map(Secret::new) })
    }

    #[test]
    fn the_specifications_own_example_is_signed_alike() {
        let signer = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None).unwrap();
        let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_new_secret_signs_first_and_the_old_one_too() {
        let both = sign("new", Some("old")).unwrap().sign("id", "1", b"{}");
        let (new, old) = both.split_once(' ').unwrap();
        assert_eq!(new, sign("new", None).unwrap().sign("id", "1", b"{}"));
        assert_eq!(old, sign("old", None).unwrap().sign("id", "1", b"{}"));
    }

    #[test]
    fn secrets_are_base64_or_text() {
        for good in ["whsec_YWJj", "whsec_YWI", "correct horse battery staple"] {
            assert!(sign(good, None).is_ok(), "{good}");
        }
        for (secret, wrong) in [("whsec_%%SECRET", "not base64"), ("whsec_", "is empty"), ("  ", "is empty")] {
            let found = sign("good", Some(secret)).err().unwrap();
            assert!(found.starts_with("`sign.previous`") && found.contains(wrong), "{found}");
            assert!(!found.contains("SECRET"), "{found}");
        }
    }
}
