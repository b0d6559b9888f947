//! Speaking HTTP to the cloud: one client, bounded answers, faults by what the caller does next.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use reqwest::{
    Client, Request, RequestBuilder, StatusCode, Url,
    header::{DATE, HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

use super::CloudError;
use crate::{
    clock::{self, Timestamp},
    secret::Secret,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A page holds at most 200 traces; this is far more than any of them needs.
const BODY_LIMIT: usize = 64 << 20;
/// A cloud that asks for more patience than this does not get it.
const RETRY_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What is done with certificates when they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// They are checked too.
    Checked,
    /// They are not: nothing secret may be sent.
    Unchecked,
}

pub fn client(ca: Option<&Pem>, proxy: Option<&Secret>) -> Result<Client, CloudError> {
    built(ca, proxy, |builder| builder)
}

/// One that hands out what is stored: nothing is unpacked on the way.
pub fn client_as_stored(ca: Option<&Pem>, proxy: Option<&Secret>) -> Result<Client, CloudError> {
    built(ca, proxy, reqwest::ClientBuilder::no_gzip)
}

/// One that looks at certificates.
pub fn client_that(ca: Option<&Pem>, proxy: Option<&Secret>, trust: Trust) -> Result<Client, CloudError> {
    built(ca, proxy, |builder| builder.tls_info(true).tls_danger_accept_invalid_certs(trust == Trust::Unchecked))
}

/// The only place where a client of this room is built, but for [`near`].
fn built(
    ca: Option<&Pem>,
    proxy: Option<&Secret>,
    adapt: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<Client, CloudError> {
    // A second installation is refused and harmless: the first one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let proxy = proxy.map(through).transpose()?;
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("tracebell/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        adapt(proxy.iter().fold(builder, |builder, proxy| builder.proxy(proxy.clone())))
    };
    let built = match ca {
        Some(pem) => builder().tls_certs_merge(pem.certificates()?).build(),
        // A machine without any CA certificates can still speak plain HTTP to itself.
        None => builder().build().or_else(|_| builder().tls_backend_preconfigured(trust_nobody()).build()),
    };
    built.map_err(|error| CloudError::Refused {
        reason: format!("no HTTP client can be made: {}", chain(&error)),
        fix: "check the CA certificates of this machine".to_owned(),
    })
}

/// For addresses that only this machine knows: never through a proxy, and quick to give up.
pub fn near(patience: Duration) -> Result<Client, CloudError> {
    let built = Client::builder()
        .user_agent(concat!("tracebell/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(patience)
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_backend_preconfigured(trust_nobody())
        .build();
    built.map_err(|error| CloudError::Refused {
        reason: format!("no HTTP client can be made: {}", chain(&error)),
        fix: "this is a fault of Tracebell".to_owned(),
    })
}

fn through(proxy: &Secret) -> Result<reqwest::Proxy, CloudError> {
    let wrong = || CloudError::Refused {
        reason: "the `proxy` is not an address".to_owned(),
        fix: "write `http://proxy.example.org:3128`".to_owned(),
    };
    let url = Url::parse(proxy.expose()).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong());
    }
    reqwest::Proxy::all(url).map_err(|_| wrong())
}

/// The file of a private CA, as it is now.
#[derive(Debug)]
pub struct Pem {
    path: PathBuf,
    pub text: Vec<u8>,
}

impl Pem {
    pub fn read(path: &Path) -> Result<Self, CloudError> {
        let text = std::fs::read(path).map_err(|error| refused(path, &format!("cannot be read: {error}")))?;
        Ok(Self { path: path.to_owned(), text })
    }

    fn certificates(&self) -> Result<Vec<reqwest::Certificate>, CloudError> {
        match reqwest::Certificate::from_pem_bundle(&self.text) {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(refused(&self.path, "holds no certificate")),
            Err(error) => Err(refused(&self.path, &format!("holds no certificate: {}", chain(&error)))),
        }
    }
}

fn refused(path: &Path, reason: &str) -> CloudError {
    CloudError::Refused {
        reason: format!("the CA file `{}` {reason}", path.display()),
        fix: "give a PEM file with at least one certificate in `cacert`".to_owned(),
    }
}

/// Every HTTPS connection then fails, and says that the issuer is unknown.
fn trust_nobody() -> rustls::ClientConfig {
    let nobody = rustls::RootCertStore::empty();
    rustls::ClientConfig::builder().with_root_certificates(nobody).with_no_client_auth()
}

/// A whole answer, its body no longer than the limit.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Sends a request; `to` names the other side in errors, for example `the trace list`.
pub async fn send(request: RequestBuilder, to: &str) -> Result<Answer, CloudError> {
    send_with(request, to, |_| {}).await
}

/// As [`send`], with a last touch of the whole request: a signature.
pub async fn send_with(
    request: RequestBuilder,
    to: &str,
    touch: impl FnOnce(&mut Request),
) -> Result<Answer, CloudError> {
    let transient = |reason: String| CloudError::Transient { reason: format!("{to}: {reason}"), retry_after: None };
    let failed = |error: reqwest::Error| failed(error, to);
    let (client, request) = request.build_split();
    let mut request = request.map_err(failed)?;
    touch(&mut request);
    let mut response = client.execute(request).await.map_err(failed)?;
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(transient(format!("the answer is longer than {} MB", BODY_LIMIT >> 20)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

/// What came in place of an answer; the address is not told, only its host.
pub(super) fn failed(error: reqwest::Error, to: &str) -> CloudError {
    let host = error.url().and_then(|url| url.host_str()).map(|host| format!(" (host `{host}`)")).unwrap_or_default();
    CloudError::Transient { reason: format!("{to}: {}{host}", chain(&error.without_url())), retry_after: None }
}

/// Hands out what a signature is made of, and the headers it goes into.
pub fn touched(request: &mut Request, touch: impl FnOnce(&str, &Url, &mut HeaderMap, &[u8])) {
    let (method, url) = (request.method().as_str().to_owned(), request.url().clone());
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default().to_vec();
    touch(&method, &url, request.headers_mut(), &body);
}

/// An error with its causes in one line: reqwest's own text hides the reason.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

/// Whether an answer says that what was shown with the request is not good any more. Of a temporary key that has expired
/// IAM says 400, of a token that is none SMN says 403.
pub fn wants_login(status: u16, body: &[u8]) -> bool {
    let is = |code: &str| {
        let says =
            |json: &Value| ["error_code", "code"].iter().any(|key| json.get(*key).is_some_and(|found| found == code));
        serde_json::from_slice::<Value>(body).is_ok_and(|json| says(&json))
    };
    match status {
        401 => true,
        400 => is("IAM.1108"),
        403 => is("SMN.0022"),
        _ => false,
    }
}

impl Answer {
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// `error_code` of CTS, IAM or the gateway.
    pub fn error_code(&self) -> Option<String> {
        Some(self.json()?.get("error_code")?.as_str()?.to_owned())
    }

    /// What was shown with the request is not good any more.
    pub fn wants_login(&self) -> bool {
        wants_login(self.status.as_u16(), &self.body)
    }

    /// Status, code and the cloud's own words in one line.
    pub fn describe(&self) -> String {
        let json = self.json();
        let text = |names: [&str; 2]| {
            let value = json.as_ref()?;
            let inner = value.get("error").unwrap_or(value);
            names.iter().find_map(|name| inner.get(*name)).and_then(Value::as_str).map(str::to_owned)
        };
        let code = text(["error_code", "title"]).map(|code| format!(" {code}")).unwrap_or_default();
        let words = text(["error_msg", "message"])
            .map(|words| words.chars().filter(|c| !c.is_control()).take(300).collect::<String>())
            .map(|words| format!(": {words}"))
            .unwrap_or_default();
        format!("{}{code}{words}", self.status.as_u16())
    }

    /// For answers that may be better next time.
    pub fn transient(&self, to: &str, now: Timestamp) -> CloudError {
        CloudError::Transient {
            reason: format!("{to} answered {}", self.describe()),
            retry_after: retry_after(&self.headers, now),
        }
    }

    /// How long everybody who asks there is to wait. Of a 503 only the one who asked can learn anything: its
    /// project, or what it asked for, may be all that is down.
    pub fn patience(&self, now: Timestamp) -> Option<Duration> {
        let everybody = self.status == StatusCode::TOO_MANY_REQUESTS;
        if everybody { retry_after(&self.headers, now) } else { None }
    }

    /// True for the statuses that say "not now".
    pub fn is_transient(&self) -> bool {
        self.status.is_server_error()
            || self.status.is_informational()
            || matches!(
                self.status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            )
    }

    /// The other side's clock minus ours. Whole seconds are all it tells, so a small offset is none.
    pub fn clock_offset(&self, now: Timestamp) -> Option<SignedDuration> {
        clock_offset(&self.headers, now)
    }
}

pub(super) fn clock_offset(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let offset = http_date(headers.get(DATE)?.to_str().ok()?)?.duration_since(now);
    Some(if offset.abs() <= SignedDuration::from_secs(2) { SignedDuration::ZERO } else { offset })
}

/// Seconds or a date; nonsense is no wish at all.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wish = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => RETRY_LIMIT,
        Err(_) => clock::since(now, http_date(text)?),
    };
    Some(wish.min(RETRY_LIMIT))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(text: &str) -> Option<Timestamp> {
    if text.len() > 64 {
        return None;
    }
    jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_patience_is_read_in_both_forms_and_bounded() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let cases = [
            ("7", Some(7)),
            ("0", Some(0)),
            ("1000000000", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", Some(86_400)),
            ("-1", None),
            ("abc", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn the_clouds_clock_is_compared_with_ours() {
        let answer = |date: &str| Answer {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(DATE, date.parse().unwrap())]),
            body: Vec::new(),
        };
        let now: Timestamp = "1994-11-06T08:49:37.9Z".parse().unwrap();
        let offset = |date: &str| answer(date).clock_offset(now).map(|offset| offset.as_secs());
        assert_eq!(offset("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(offset("Sun, 06 Nov 1994 09:49:38 GMT"), Some(3600));
        assert_eq!(offset("yesterday"), None);
    }
}
