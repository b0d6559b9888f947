//! The one HTTP client recipe of all endpoints, and one POST with it.
//!
//! No redirects: a receiver must not be able to point us elsewhere. No proxy
//! from the environment: it would see signed bodies and secret addresses.
//! There is no list of forbidden destinations: receivers at private addresses
//! are normal on premises, and addresses come from the operator's own file.

use std::{error::Error, path::PathBuf, time::Duration};

use ipnet::IpNet;
use reqwest::{
    Client, Method, Url,
    header::{HeaderMap, RETRY_AFTER},
    redirect,
};

use super::answer::{self, Answer};
use crate::{clock::Timestamp, delivery::Outcome, secret::Secret};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
// Receivers commonly drop idle connections after 60 s; closing first avoids racing them.
const POOL_IDLE: Duration = Duration::from_secs(30);
// What is read of an answer; the rest is dropped with the connection.
const ANSWER_LIMIT: usize = 4096;

/// Which destinations may be connected to; the same for all endpoints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outbound {
    /// Networks that are not public and allowed all the same, on any port.
    pub allow: Vec<IpNet>,
    /// Ports beside 443 and 80 that may be used at public addresses.
    pub ports: Vec<u16>,
    /// The one proxy; none is taken from the environment.
    pub proxy: Option<Secret>,
}

impl Outbound {
    /// For what runs on this machine alone: the demo, and tests.
    pub fn loopback() -> Self {
        let allow = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).into();
        Self { allow, ..Self::default() }
    }
}

/// Whom TLS trusts and who we are in it, beside what the system says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of a private CA.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate and its key, for receivers that want one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Each endpoint makes its own, so that a slow receiver's connections are its own.
pub fn new(_outbound: &Outbound, _tls: &Tls) -> Result<Client, String> {
    // Fails if a provider is installed already, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .gzip(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .user_agent(concat!("tracebell/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("no HTTP client: {}", innermost(&error)))
}

/// The address in a secret, or what is wrong with it. The text itself is never quoted.
pub fn url(key: &str, secret: &Secret) -> Result<Url, String> {
    let url = Url::parse(secret.expose().trim())
        .map_err(|error| format!("`{key}` is not an address ({error}); expected `https://host/path`"))?;
    let wrong = if !matches!(url.scheme(), "http" | "https") {
        format!("begins with `{}:`", url.scheme())
    } else if url.host_str().is_none_or(str::is_empty) {
        "names no host".to_owned()
    } else if !url.username().is_empty() || url.password().is_some() {
        "holds a user name or password, which belong into a header".to_owned()
    } else if url.fragment().is_some() {
        "holds a `#` part, which is never sent".to_owned()
    } else {
        return Ok(url);
    };
    Err(format!("`{key}` {wrong}; expected `https://host/path`"))
}

/// What one request needs.
pub struct Request<'a> {
    pub method: Method,
    pub url: &'a Url,
    pub headers: HeaderMap,
    pub body: &'a [u8],
    /// The whole exchange, connect and answer included.
    pub timeout: Duration,
    pub now: Timestamp,
}

/// Sends one request and lets `judge` tell what the answer means.
pub async fn send(client: &Client, request: Request<'_>, judge: fn(Answer<'_>) -> Outcome) -> Outcome {
    match ask(client, &request, ANSWER_LIMIT).await {
        Ok(said) => judge(said.answer()),
        Err(outcome) => outcome,
    }
}

/// What was answered, with at most `limit` bytes of the body.
#[derive(Debug, Clone)]
pub struct Said {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: String,
}

impl Said {
    pub fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, retry_after: self.retry_after, body: &self.body }
    }
}

/// Sends one request; the error is what follows from there being no answer.
pub async fn ask(client: &Client, request: &Request<'_>, limit: usize) -> Result<Said, Outcome> {
    match tokio::time::timeout(request.timeout, exchange(client, request, limit)).await {
        Ok(said) => said,
        Err(_) => Err(answer::timed_out(request.timeout)),
    }
}

async fn exchange(client: &Client, request: &Request<'_>, limit: usize) -> Result<Said, Outcome> {
    let asked = client
        .request(request.method.clone(), request.url.clone())
        .headers(request.headers.clone())
        .body(request.body.to_vec());
    let mut response = asked.send().await.map_err(failed)?;
    let waits = response.headers().get_all(RETRY_AFTER);
    let retry_after = waits.iter().filter_map(|header| answer::retry_after(header.as_bytes(), request.now)).max();
    let status = response.status().as_u16();
    // The status has been said; a body that breaks off does not unsay it.
    let mut body = Vec::new();
    while body.len() < limit {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    Ok(Said { status, retry_after, body: redact(&String::from_utf8_lossy(&body), request.url) })
}

/// Error pages like to repeat the address they were asked for, and ours is a secret.
fn redact(body: &str, url: &Url) -> String {
    let mut body = body.replace(url.as_str(), "***");
    for part in [url.path(), url.query().unwrap_or_default()] {
        if part.len() > 1 {
            body = body.replace(part, "***");
        }
    }
    body
}

fn failed(error: reqwest::Error) -> Outcome {
    let error = error.without_url();
    let text = innermost(&error);
    let class = if error.is_timeout() {
        "timeout"
    } else if is_tls(&error) {
        "tls"
    } else if is_dns(&text) {
        "dns"
    } else if error.is_connect() {
        "connect"
    } else {
        "io"
    };
    answer::retry(class, &text)
}

/// True if TLS itself failed: a certificate that is not trusted, or no TLS on the other side.
pub(super) fn is_tls(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<rustls::Error>())
}

/// No error type tells this apart.
pub(super) fn is_dns(text: &str) -> bool {
    text.contains("lookup address")
}

/// What the innermost cause says: the outer ones add only that a request failed.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<std::io::Error>() {
        // An I/O error passes over the error it wraps and names that one's source.
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_never_quoted() {
        for (text, wrong) in [
            ("https://hooks.example.org/s/SECRET", ""),
            ("http://10.0.0.7:8080/s/SECRET?x=1", ""),
            ("ftp://hooks.example.org/s/SECRET", "begins with `ftp:`"),
            ("file:///s/SECRET", "begins with `file:`"),
            ("https://SECRET@example.org/", "holds a user name"),
            ("https://ok:SECRET@example.org/", "holds a user name"),
            ("https://example.org/#SECRET", "holds a `#` part"),
            ("SECRET", "is not an address"),
            ("https://", "is not an address"),
            ("", "is not an address"),
        ] {
            match url("url", &Secret::new(text)) {
                Ok(_) => assert_eq!(wrong, "", "{text}"),
                Err(found) => {
                    assert!(!wrong.is_empty() && found.contains(wrong), "{text}: {found}");
                    assert!(!found.contains("SECRET"), "{found}");
                }
            }
        }
    }

    #[test]
    fn answers_do_not_repeat_our_address() {
        let url = Url::parse("https://hooks.example.org/s/SECRET?key=SECRET2").unwrap();
        let body = "nothing at /s/SECRET of https://hooks.example.org/s/SECRET?key=SECRET2 (key=SECRET2)";
        assert_eq!(redact(body, &url), "nothing at *** of *** (***)");
    }
}
