//! Requests signed with an access key: `SDK-HMAC-SHA256`, in the header form of the cloud's own SDKs.
//!
//! Pure: signs what it is given and sends nothing. The published vector and those of two signers of others
//! are its tests.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use sha2::{Digest, Sha256};

use crate::{clock::Timestamp, secret::Secret};

/// A permanent key, or one for a while, which has a security token.
#[derive(Debug, Clone)]
pub struct AccessKey {
    pub access: String,
    pub secret: Secret,
    pub security_token: Option<Secret>,
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct Signable<'a> {
    pub method: &'a str,
    /// As it stands in the address.
    pub path: &'a str,
    /// As it stands in the address; empty without one.
    pub query: &'a str,
    /// All headers that go along and are to be believed, `host` and `x-sdk-date` among them.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

const AUTHORIZATION_NAME: &str = "authorization";

/// For `X-Sdk-Date`: `20260115T083000Z`. The cloud bears a clock that is wrong by up to 15 minutes.
pub fn date(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

impl AccessKey {
    /// Signs a request whose headers are complete but for the key's own, which are added. Services that belong to
    /// a project are told its id.
    pub fn sign(
        &self,
        method: &str,
        url: &Url,
        headers: &mut HeaderMap,
        project: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) {
        let date = date(now);
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let token = self.security_token.as_ref().map(|token| token.expose().trim());
        let own = [("x-sdk-date", Some(date.as_str())), ("x-project-id", project), ("x-security-token", token)];
        let own: Vec<(&'static str, &str)> = own.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let mut signed = own.clone();
        signed.push(("host", &host));
        signed.extend(content_type.as_deref().map(|value| ("content-type", value)));
        let (path, query) = (url.path(), url.query().unwrap_or_default());
        let authorization = self.authorization(Signable { method, path, query, headers: &signed, body }, &date);
        for (name, value) in own.into_iter().chain([(AUTHORIZATION_NAME, authorization.as_str())]) {
            if let Ok(mut value) = HeaderValue::from_str(value) {
                value.set_sensitive(matches!(name, "x-security-token" | AUTHORIZATION_NAME));
                headers.insert(name, value);
            }
        }
    }

    /// For `Authorization`; `date` is what `X-Sdk-Date` says.
    pub fn authorization(&self, request: Signable<'_>, date: &str) -> String {
        let (canonical, signed) = canonical(request);
        let text = format!("SDK-HMAC-SHA256\n{date}\n{}", hash(canonical.as_bytes()));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes()).expect("any length is a key");
        mac.update(text.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        format!("SDK-HMAC-SHA256 Access={}, SignedHeaders={signed}, Signature={signature}", self.access)
    }
}

/// The request in the one form that both sides hash, and the names of the headers in it.
fn canonical(request: Signable<'_>) -> (String, String) {
    let mut headers: Vec<(String, &str)> =
        request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    headers.sort();
    let signed = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{signed}\n{}",
        request.method.to_ascii_uppercase(),
        path(request.path),
        query(request.query),
        hash(request.body)
    );
    (canonical, signed)
}

/// Ends in `/`, whatever the address ends in.
fn path(path: &str) -> String {
    let mut encoded = path.split('/').map(|part| encode(&decode(part))).collect::<Vec<_>>().join("/");
    if !encoded.ends_with('/') {
        encoded.push('/');
    }
    encoded
}

fn query(query: &str) -> String {
    let mut pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    pairs.sort();
    let pair = |(key, value): &(Cow<str>, Cow<str>)| format!("{}={}", encode(key.as_bytes()), encode(value.as_bytes()));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let hex = (*byte == b'%').then(|| hex::decode(tail.get(..2)?).ok()).flatten();
        match hex {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    bytes
}

fn encode(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(one).collect()
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &str = "0123456789abcdef0123456789abcdef";
    const DATE: &str = "20260115T083000Z";

    fn check(key: (&str, &str), request: Signable<'_>, date: &str, canonical_hash: &str, signature: &str) {
        let key = AccessKey { access: key.0.to_owned(), secret: Secret::new(key.1), security_token: None };
        let (canonical, _) = canonical(request);
        assert_eq!(hash(canonical.as_bytes()), canonical_hash, "{canonical}");
        let header = key.authorization(request, date);
        assert!(header.ends_with(&format!("Signature={signature}")), "{header}");
        assert!(header.starts_with(&format!("SDK-HMAC-SHA256 Access={}, SignedHeaders=", key.access)), "{header}");
    }

    const EXAMPLE: (&str, &str) = ("AKIDEXAMPLE0000000001", "SKEXAMPLEsecretKeyForTestVectors00000001");

    #[test]
    fn the_published_vector_is_signed_alike() {
        check(
            ("QTWAOYTTINDUT2QVKYUC", "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"),
            Signable {
                method: "GET",
                path: "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs",
                query: "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
                headers: &[
                    ("Content-Type", "application/json"),
                    ("Host", "service.region.example.com"),
                    ("X-Sdk-Date", "20191115T033655Z"),
                ],
                body: b"",
            },
            "20191115T033655Z",
            "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a",
            "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe",
        );
    }

    #[test]
    fn the_trace_list_is_signed_as_the_clouds_sdk_signs_it() {
        check(
            EXAMPLE,
            Signable {
                method: "get",
                path: &format!("/v3/{PROJECT}/traces"),
                query: "trace_type=system&limit=200&from=1700000000000&to=1700003600000&trace_rating=warning",
                headers: &[
                    ("Content-Type", "application/json"),
                    ("Host", "cts.eu-de.otc.t-systems.com"),
                    ("X-Project-Id", PROJECT),
                    ("X-Sdk-Date", DATE),
                ],
                body: b"",
            },
            DATE,
            "017a6f121e95a96414d1a3423a66aef2b1e3f8e5c44794139f79f7aeac86cb48",
            "91cf1b8b7a2df5544accba109605050108a190e7ed5a70b518b7334fdb3d3590",
        );
    }

    #[test]
    fn a_urn_in_the_path_and_a_body_are_signed_as_the_clouds_sdk_signs_them() {
        let body = r#"{"subject":"CTS alert","message":"deleteBucket by böb"}"#;
        assert_eq!(hash(body.as_bytes()), "851f2562c9da2af9bec5debda9217b1d674feedd3720805605c78001cec60f35");
        for urn in [format!("urn:smn:eu-de:{PROJECT}:alerts"), format!("urn%3asmn%3Aeu-de:{PROJECT}:alerts")] {
            check(
                EXAMPLE,
                Signable {
                    method: "POST",
                    path: &format!("/v2/{PROJECT}/notifications/topics/{urn}/publish"),
                    query: "",
                    headers: &[
                        ("Content-Type", "application/json"),
                        ("Host", "smn.eu-de.otc.t-systems.com"),
                        ("X-Project-Id", PROJECT),
                        ("X-Sdk-Date", DATE),
                    ],
                    body: body.as_bytes(),
                },
                DATE,
                "3dfdf6f8e6f4a13c52c9311ca98452f0ec5f27ad49dfb6bb89a078e2071d3f7c",
                "ac4a4ca38aea352a80b992c5b5f723582fd4e9e8f41179180323287843baf264",
            );
        }
    }

    #[test]
    fn odd_characters_and_a_security_token_are_signed_as_the_clouds_sdk_signs_them() {
        check(
            EXAMPLE,
            Signable {
                method: "GET",
                path: &format!("/v3/{PROJECT}/traces"),
                query: "user=a%20b/c%2Bd~e&resource_name=Gr%C3%B6%C3%9Fe*(1)&limit=10",
                headers: &[
                    ("Host", "cts.eu-de.otc.t-systems.com"),
                    ("X-Sdk-Date", DATE),
                    ("X-Security-Token", "SECTOKENEXAMPLE=="),
                ],
                body: b"",
            },
            DATE,
            "dca1b3ff88f85f42eb3f3e3f6a5272e76860ea1005d74f753355d7cd52bce1bc",
            "ea2d8d25e68370dbbf4ca073e1cc9596c0d0a5379e95db3e9946d4df6724128d",
        );
    }

    #[test]
    fn a_port_belongs_to_the_host() {
        check(
            EXAMPLE,
            Signable {
                method: "GET",
                path: "/",
                query: "",
                headers: &[("Host", "127.0.0.1:8080"), ("X-Sdk-Date", DATE)],
                body: b"",
            },
            DATE,
            "77a452ad917f6d6386b4fcd1c26d1b9c3cfc9bc0a641fda71341bd4a910e5a3a",
            "84effe636b0e3705ff4642a07614cbec7e5fbad92439f0a8bc54fccdc1283c0e",
        );
    }

    #[test]
    fn dates_have_no_dashes() {
        assert_eq!(date("2026-01-15T08:30:00.9Z".parse().unwrap()), DATE);
    }
}
