//! Digests: what the tracker signed, each hour, of the files that it delivered.
//!
//! Pure: reads and checks what it is given. The chain and the files are looked at in `audit`.

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use webpki::{Error, RawPublicKeyEntity};

use crate::{clock::Timestamp, source::file};

use super::key;

/// The key that the trace service documents, for all regions.
const DOCUMENTED: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsjQDkl8COPRhOCvm7ZI8sYZ20ojl+ay/gwRSk9q0gkY3pP0RrAhSsEzgYdYjaMCqixkmbpt4AH9AROJU4drnoCAZSMqRxgv0bGC9kVd4q95l4zibswAsksjuNQo/XoJjBl+rRAqCa+1uetgVU4k4Yx8RryYxYx/tImvMe/O4mGAIaTf+rsqt3VXR1QIj5lYR/nx41BEgC/Kb1elYAfDaaab8WS5INRprj7qdu6oAo4Ug47WqbecvEtG3JRpj5+oqLyW41Fvse3osC0h5DQdxTt4x00/rVZ+gH7Kua00y7gC8YOxFVpYbfn/oW61PUDeHG/N9hUjOrIgDDJpD2YbCIQIDAQAB";

/// Hundred thousands of files; what unpacks to more is no digest.
const UNPACKED_LIMIT: u64 = 64 << 20;

/// What `SHA256withRSA` means.
const ALGORITHM: &dyn SignatureVerificationAlgorithm = webpki::ring::RSA_PKCS1_2048_8192_SHA256;

/// A digest as far as it is needed; what is missing is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Digest {
    pub digest_start_time: String,
    pub digest_end_time: String,
    pub digest_object: String,
    /// The tracker writes none after it.
    pub digest_end: bool,
    pub previous_digest_object: Option<String>,
    pub previous_digest_hash_value: Option<String>,
    pub previous_digest_signature: Option<String>,
    pub log_files: Vec<LogFile>,
}

/// A file that was delivered in the digest's hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LogFile {
    pub bucket: String,
    pub object: String,
    pub log_hash_value: String,
    pub log_hash_algorithm: String,
}

impl Digest {
    /// Of the file as it is stored, compressed or not.
    pub fn parse(stored: &[u8]) -> Result<Self, String> {
        let text = file::unpacked_within(stored, UNPACKED_LIMIT).map_err(|error| error.to_string())?;
        serde_json::from_reader(text).map_err(|error| format!("it is no digest: {error}"))
    }

    /// What was signed, given the MD5 of the file as it is stored.
    pub fn signed_text(&self, md5: &str) -> String {
        let previous = self.previous_digest_signature.as_deref().unwrap_or_default();
        format!("{}{}{md5}{previous}", self.digest_end_time, self.digest_object)
    }

    /// What is wrong with a digest that lies under this key; `None` if it was signed, and for there.
    pub fn wrong(&self, object: &str, md5: &str, signature: &str, key: &PublicKey) -> Option<String> {
        if signature.is_empty() {
            Some("the object has no `meta-signature`".to_owned())
        } else if !key.signed(&self.signed_text(md5), signature) {
            Some("it is not the trace service's, or not of this file".to_owned())
        } else if self.digest_object != object {
            Some(format!("it is the one of `{}`", self.digest_object))
        } else {
            None
        }
    }

    pub fn start(&self) -> Option<Timestamp> {
        key::time(&self.digest_start_time)
    }

    pub fn end(&self) -> Option<Timestamp> {
        key::time(&self.digest_end_time)
    }

    /// The first one of a chain names none before it.
    pub fn previous(&self) -> Option<&str> {
        self.previous_digest_object.as_deref().filter(|object| !object.is_empty())
    }
}

/// In small hexadecimal digits.
pub fn md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// Whose signature counts: an RSA key that says what it is.
#[derive(Debug, Clone)]
pub struct PublicKey(SubjectPublicKeyInfoDer<'static>);

impl PublicKey {
    pub fn documented() -> Self {
        Self::parse(DOCUMENTED).expect("it is written above")
    }

    /// PEM, or the base64 of it alone.
    pub fn parse(text: &str) -> Result<Self, String> {
        let base64: String =
            text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect::<Vec<_>>().concat();
        let der = STANDARD.decode(base64).map_err(|error| format!("it is no base64: {error}"))?;
        let key = Self(der.into());
        match key.verify(b"", b"") {
            // No key signs anything so, but this one can be asked.
            Err(Error::InvalidSignatureForPublicKey) => Ok(key),
            _ => Err("it is no RSA public key (`BEGIN PUBLIC KEY`)".to_owned()),
        }
    }

    /// Whether `signature`, in hexadecimal digits, is this key's of the text.
    pub fn signed(&self, text: &str, signature: &str) -> bool {
        hex::decode(signature.trim()).is_ok_and(|signature| self.verify(text.as_bytes(), &signature).is_ok())
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> Result<(), Error> {
        RawPublicKeyEntity::try_from(&self.0)?.verify_signature(ALGORITHM, text, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_key_is_one_and_nonsense_is_none() {
        assert!(!PublicKey::documented().signed("text", "00ff"));
        for text in ["", "hello!", "aGVsbG8=", "MAA=", &DOCUMENTED[..40]] {
            assert!(PublicKey::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_signed_has_no_separators() {
        let digest = Digest::parse(
            br#"{"digest_end_time":"2026-01-15T09-00-00Z","digest_object":"CloudTraces/x.json.gz","project_id":"p",
            "digest_end":true,"previous_digest_object":"","previous_digest_signature":"abcd","log_files":[{"object":"o"}]}"#,
        )
        .unwrap();
        assert_eq!(digest.signed_text("00ff"), "2026-01-15T09-00-00ZCloudTraces/x.json.gz00ffabcd");
        assert_eq!(digest.previous(), None);
        assert_eq!(digest.end().unwrap().to_string(), "2026-01-15T09:00:00Z");
        assert!(Digest::parse(b"[]").is_ok_and(|digest| digest == Digest::default()) || Digest::parse(b"[]").is_err());
        assert!(Digest::parse(b"hello").is_err());
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, &vec![b' '; 1 << 20]).unwrap();
        let error = Digest::parse(&packed.finish().unwrap().repeat(65)).unwrap_err();
        assert!(error.contains("it unpacks to more than 64 MB"), "{error}");
    }
}
