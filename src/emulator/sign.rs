//! Requests signed with an access key, checked as the cloud's gateway checks them: both forms of the header that
//! are in the field, and a clock that may be wrong by 15 minutes.
//!
//! Written from the documents of the services and of two public signers; shares nothing with our own signer.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::civil::DateTime;
use sha2::{Digest, Sha256};

use super::{
    answer::Refusal,
    world::{Scope, World},
};
use crate::clock::{self, Timestamp};

const TOLERANCE: Duration = Duration::from_secs(15 * 60);
/// What has no more than this can be signed; longer bodies need a token.
const LONGEST: usize = 12 << 20;
const WORD: &str = "SDK-HMAC-SHA256 ";

/// A key that the emulated account has.
#[derive(Debug, Clone)]
pub struct Key {
    pub access: String,
    pub secret: String,
    /// Of a key for a while: must go along.
    pub security_token: Option<String>,
}

/// Behind this everything is asked with a token: who signs well is given one for the moment.
pub async fn door(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let signed = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(said) = signed.strip_prefix(WORD).map(str::to_owned) else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let Ok(bytes) = to_bytes(body, LONGEST).await else {
        return refused("APIG.0201", "The signed body is larger than 12 MB.").into_response();
    };
    let now = clock::now();
    let lent = match access(&said) {
        Some(access) => match world.state().account.lent(access, now) {
            Ok(lent) => lent,
            Err(refusal) => return refusal.into_response(),
        },
        None => None,
    };
    let keys = lent.as_ref().map_or(world.settings.keys.as_slice(), std::slice::from_ref);
    if let Err(refusal) = check(keys, &said, &parts, &bytes, now) {
        return refusal.into_response();
    }
    let project = text(&parts.headers, "x-project-id").and_then(|id| world.place(id)).unwrap_or(0);
    let token = world.state().issue_token(clock::plus(now, TOLERANCE), Scope::Project(project));
    parts.headers.insert("x-auth-token", HeaderValue::from_str(&token).expect("a token is letters and digits"));
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// The name of the key, in either form.
fn access(said: &str) -> Option<&str> {
    let mut parts = said.split(',').map(str::trim);
    parts.find_map(|part| {
        let credential = || Some(part.strip_prefix("Credential=")?.split('/').next().unwrap_or_default());
        part.strip_prefix("Access=").or_else(credential)
    })
}

fn refused(code: &str, text: &str) -> Refusal {
    Refusal::coded(StatusCode::UNAUTHORIZED, code, format!("Incorrect IAM authentication information: {text}"))
}

fn check(keys: &[Key], said: &str, parts: &Parts, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
    let wrong = |text: &str| refused("APIG.0301", text);
    let part = |name: &str| {
        said.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    let (Some(names), Some(signature)) = (part("SignedHeaders"), part("Signature")) else {
        return Err(wrong("SignedHeaders or Signature is missing"));
    };
    // The one form names a key, the other a key and a scope.
    let (access, scope) = match (part("Access"), part("Credential")) {
        (Some(access), None) => (access, None),
        (None, Some(credential)) => match credential.split_once('/') {
            Some((access, scope)) => (access.to_owned(), Some(scope.to_owned())),
            None => return Err(wrong("the credential has no scope")),
        },
        _ => return Err(wrong("Access is missing")),
    };
    let key = keys.iter().find(|key| key.access == access).ok_or_else(|| wrong("the AK does not exist"))?;
    let date = text(&parts.headers, "x-sdk-date").ok_or_else(|| wrong("X-Sdk-Date is missing"))?;
    let at = moment(date).ok_or_else(|| wrong("X-Sdk-Date is malformed"))?;
    if clock::since(at, now).max(clock::since(now, at)) > TOLERANCE {
        return Err(wrong("the request time differs from the server's by more than 15 minutes"));
    }
    if key.security_token.as_deref() != text(&parts.headers, "x-security-token") {
        return Err(wrong("the security token is not that of the key"));
    }
    let names: Vec<&str> = names.split(';').collect();
    if !names.contains(&"x-sdk-date") {
        return Err(wrong("X-Sdk-Date is not signed"));
    }
    let canonical =
        canonical(parts, &names, body, scope.is_some()).ok_or_else(|| wrong("a signed header is missing"))?;
    let right = match scope {
        None => hmac(key.secret.as_bytes(), &format!("SDK-HMAC-SHA256\n{date}\n{}", sha256(canonical.as_bytes()))),
        Some(scope) => scoped(&key.secret, &scope, date, &canonical).ok_or_else(|| wrong("the scope is malformed"))?,
    };
    if hex::encode(right) == signature { Ok(()) } else { Err(wrong("verify aksk signature fail")) }
}

/// As gophertelekomcloud signs: the key is bound to day, region and service, of which the latter two may be empty.
fn scoped(secret: &str, scope: &str, date: &str, canonical: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = scope.split('/').collect();
    let [day, region, service, "sdk_request"] = parts.as_slice() else { return None };
    if !date.starts_with(day) {
        return None;
    }
    let mut key = format!("SDK{secret}").into_bytes();
    for part in [*day, *region, *service, "sdk_request"] {
        key = hmac(&key, part);
    }
    Some(hmac(&key, &format!("SDK-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()))))
}

fn canonical(parts: &Parts, names: &[&str], body: &[u8], scoped: bool) -> Option<String> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((plain(key, true), plain(value, true)));
    }
    if scoped {
        // Of a key that is repeated only the first value counts; capitals are sorted among small letters.
        let mut seen = std::collections::HashSet::new();
        pairs.retain(|(key, _)| seen.insert(key.clone()));
        pairs.sort_by_key(|(key, _)| key.to_ascii_lowercase());
    } else {
        pairs.sort();
    }
    let pair = |(key, value): &(Vec<u8>, Vec<u8>)| format!("{}={}", written(key), written(value));
    let query = pairs.iter().map(pair).collect::<Vec<_>>().join("&");
    // A POST without a body is signed as if its query were the body.
    let moved = scoped && parts.method == "POST" && body.is_empty() && !query.is_empty();
    let (query, hashed) = if moved { (String::new(), sha256(query.as_bytes())) } else { (query, payload(parts, body)) };
    let mut path: String =
        parts.uri.path().split('/').map(|part| written(&plain(part, false))).collect::<Vec<_>>().join("/");
    if !path.ends_with('/') {
        path.push('/');
    }
    let mut headers = String::new();
    for name in names {
        let value = text(&parts.headers, name)?;
        let value =
            if scoped { value.split_whitespace().collect::<Vec<_>>().join(" ") } else { value.trim().to_owned() };
        headers.push_str(&format!("{name}:{value}\n"));
    }
    Some(format!("{}\n{path}\n{query}\n{headers}\n{}\n{hashed}", parts.method, names.join(";")))
}

fn payload(parts: &Parts, body: &[u8]) -> String {
    match text(&parts.headers, "x-sdk-content-sha256") {
        Some(given) if !body.is_empty() => given.to_owned(),
        _ => sha256(body),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn moment(date: &str) -> Option<Timestamp> {
    let read = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
    read.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Of what stands in an address; in a query `+` is a blank.
fn plain(text: &str, plus: bool) -> Vec<u8> {
    let (mut out, bytes) = (Vec::new(), text.as_bytes());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], pair) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

fn written(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &str = "0123456789abcdef0123456789abcdef";

    fn parts(method: &str, address: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap().into_parts().0
    }

    fn verdict(said: &str, parts: &Parts, body: &str, seconds_later: i64) -> Result<(), String> {
        let key = Key {
            access: "AKIDEXAMPLE0000000001".into(),
            secret: "SKEXAMPLEsecretKeyForTestVectors00000001".into(),
            security_token: text(&parts.headers, "x-security-token").map(str::to_owned),
        };
        let now = "2026-01-15T08:30:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds_later);
        check(&[key], said, parts, body.as_bytes(), now).map_err(|refusal| refusal.text())
    }

    const DATE: (&str, &str) = ("X-Sdk-Date", "20260115T083000Z");
    const HOST: (&str, &str) = ("Host", "cts.eu-de.otc.t-systems.com");
    const JSON: (&str, &str) = ("Content-Type", "application/json");

    /// The vectors of two signers that we did not write.
    #[test]
    fn signatures_of_others_are_accepted_and_anything_altered_is_not() {
        let traces = format!("/v3/{PROJECT}/traces");
        let publish = format!("/v2/{PROJECT}/notifications/topics/urn:smn:eu-de:{PROJECT}:alerts/publish");
        let smn = ("Host", "smn.eu-de.otc.t-systems.com");
        let own = |rest: &str| format!("Access=AKIDEXAMPLE0000000001, SignedHeaders={rest}");
        let go = |scope: &str, rest: &str| {
            format!("Credential=AKIDEXAMPLE0000000001/20260115/{scope}/sdk_request, SignedHeaders={rest}")
        };
        for (method, address, headers, body, said) in [
            (
                "GET",
                format!(
                    "{traces}?trace_type=system&limit=200&from=1700000000000&to=1700003600000&trace_rating=warning"
                ),
                vec![JSON, HOST, ("X-Project-Id", PROJECT), DATE],
                "",
                own(
                    "content-type;host;x-project-id;x-sdk-date, Signature=91cf1b8b7a2df5544accba109605050108a190e7ed5a70b518b7334fdb3d3590",
                ),
            ),
            (
                "POST",
                publish.clone(),
                vec![JSON, smn, ("X-Project-Id", PROJECT), DATE],
                r#"{"subject":"CTS alert","message":"deleteBucket by böb"}"#,
                own(
                    "content-type;host;x-project-id;x-sdk-date, Signature=ac4a4ca38aea352a80b992c5b5f723582fd4e9e8f41179180323287843baf264",
                ),
            ),
            (
                "GET",
                format!("{traces}?user=a+b%2Fc%2Bd~e&resource_name=Gr%C3%B6%C3%9Fe*(1)&limit=10"),
                vec![HOST, DATE, ("X-Security-Token", "SECTOKENEXAMPLE==")],
                "",
                own(
                    "host;x-sdk-date;x-security-token, Signature=ea2d8d25e68370dbbf4ca073e1cc9596c0d0a5379e95db3e9946d4df6724128d",
                ),
            ),
            (
                "GET",
                format!("{traces}?trace_type=system&limit=200&from=1700000000000&to=1700003600000"),
                vec![JSON, HOST, DATE],
                "",
                go(
                    "/",
                    "content-type;host;x-sdk-date, Signature=035de529989abc4b79ea21dba66fb6d19dd2e6f5572a9fc19adf2eb0f80201d4",
                ),
            ),
            (
                "POST",
                publish,
                vec![JSON, smn, DATE],
                r#"{"subject":"CTS alert","message":"hello"}"#,
                go(
                    "eu-de/smn",
                    "content-type;host;x-sdk-date, Signature=a2b6ebcad882ebc31abae4cad1a9b307d1d3921432118e42e1af64e213ed6eff",
                ),
            ),
            (
                "POST",
                format!("/v3/{PROJECT}/x?b=2&a=1"),
                vec![HOST, DATE],
                "",
                go("/", "host;x-sdk-date, Signature=2e75be5843d181cf2806b7008584e715679e8fac0df9c7214af7a1232d221b8b"),
            ),
        ] {
            let parts = parts(method, &address, &headers);
            assert_eq!(verdict(&said, &parts, body, 0), Ok(()), "{address}");
            assert_eq!(verdict(&said, &parts, body, 890), Ok(()));
            for (wrong, verdict) in [
                ("15 minutes", verdict(&said, &parts, body, 910)),
                ("15 minutes", verdict(&said, &parts, body, -910)),
                ("signature fail", verdict(&said, &parts, &format!("{body} "), 0)),
                ("does not exist", verdict(&said.replace("EXAMPLE", "OTHER"), &parts, body, 0)),
                ("signature fail", verdict(&said.replace("Signature=", "Signature=0"), &parts, body, 0)),
                ("is missing", verdict(&said.replace("host;", "host;x-nothing;"), &parts, body, 0)),
            ] {
                assert!(
                    verdict.as_ref().is_err_and(|text| text.contains(wrong)),
                    "{address}: {verdict:?}, not {wrong}"
                );
            }
        }
    }
}
