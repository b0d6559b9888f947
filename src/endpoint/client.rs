//! The one HTTP client recipe of all endpoints, and one request with it.
//!
//! Connects to nothing that [`guard`](super::guard) refuses: literal addresses are judged as they
//! are parsed, names by all their answers, connections by where they really lead. No redirects: a
//! receiver must not be able to point us elsewhere. No proxy from the environment: it would see
//! signed bodies and secret addresses.

use std::{
    borrow::Cow,
    error::Error,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{
    Certificate, Identity, Method, Proxy, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use tokio::time::timeout_at;
use url::Host;

use super::{
    answer::{self, Answer},
    guard::{Forbidden, Reach},
};
use crate::{clock::Timestamp, delivery::Outcome, secret::Secret};

pub use super::guard::Outbound;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
// Receivers commonly drop idle connections after 60 s; closing first avoids racing them.
const POOL_IDLE: Duration = Duration::from_secs(30);
// What is read of an answer; the rest is dropped with the connection.
const ANSWER_LIMIT: usize = 4096;

/// Whom TLS trusts and who we are in it, beside what the system says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of a private CA.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate and its key, for receivers that want one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Sends to where it may, and nowhere else. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Recipe>);

/// All addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> LookingUp + Send + Sync>;
pub type LookingUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

struct Recipe {
    outbound: Outbound,
    lookup: Lookup,
    authorities: Vec<Certificate>,
    identity: Option<Identity>,
    proxy: Option<Proxy>,
    /// For ports that may be used at public addresses.
    web: OnceLock<reqwest::Client>,
    /// For other ports: a name must lead into allowed networks.
    inside: OnceLock<reqwest::Client>,
}

/// Each endpoint makes its own, so that a slow receiver's connections are its own.
pub fn new(outbound: &Outbound, tls: &Tls) -> Result<Client, String> {
    with_lookup(outbound, tls, Arc::new(|name| Box::pin(system(name))))
}

/// As [`new`], with names looked up in another way than the system's.
pub fn with_lookup(outbound: &Outbound, tls: &Tls, lookup: Lookup) -> Result<Client, String> {
    // Fails if a provider is installed already, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let recipe = Recipe {
        outbound: outbound.clone(),
        lookup,
        authorities: tls.ca.as_deref().map(authorities).transpose()?.unwrap_or_default(),
        identity: tls.identity.as_ref().map(identity).transpose()?,
        proxy: outbound.proxy.as_ref().map(proxy).transpose()?,
        web: OnceLock::new(),
        inside: OnceLock::new(),
    };
    recipe.client(Reach::WebPorts)?;
    Ok(Client(Arc::new(recipe)))
}

/// The address in a secret, or what is wrong with it. The text itself is never quoted.
pub fn url(key: &str, secret: &Secret, outbound: &Outbound) -> Result<Url, String> {
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
        let forbidden = |Forbidden { found, fix }| format!("`{key}`: {found}: {fix}");
        return outbound.url(&url).map(|()| url).map_err(forbidden);
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
    match ask(client, request, ANSWER_LIMIT).await {
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
pub async fn ask(client: &Client, request: Request<'_>, limit: usize) -> Result<Said, Outcome> {
    let Request { method, url, headers, body, timeout, now } = request;
    let deadline = tokio::time::Instant::now() + timeout;
    let recipe = &client.0;
    recipe.outbound.url(url).map_err(|error| forbidden(&error))?;
    let client = recipe.client(recipe.reach(url)).map_err(|error| answer::retry("io", &error))?;
    let secrets: Vec<HeaderValue> = headers.values().filter(|value| value.is_sensitive()).cloned().collect();
    let asked = client.request(method, url.clone()).headers(headers).body(body.to_vec());
    let late = |_| answer::timed_out(timeout);
    let mut response = timeout_at(deadline, asked.send()).await.map_err(late)?.map_err(failed)?;
    recipe.peer(response.remote_addr()).map_err(|error| forbidden(&error))?;
    let waits = response.headers().get_all(RETRY_AFTER);
    let retry_after = waits.iter().filter_map(|header| answer::retry_after(header.as_bytes(), now)).max();
    let status = response.status().as_u16();
    // The status has been said; a body that breaks off, or drips without end, does not unsay it.
    let mut body = Vec::new();
    while body.len() < limit {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]),
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    Ok(Said { status, retry_after, body: redact(&String::from_utf8_lossy(&body), url, &secrets) })
}

impl Recipe {
    /// Of which client a request needs.
    fn reach(&self, url: &Url) -> Reach {
        let port = url.port_or_known_default().unwrap_or_default();
        let named = matches!(url.host(), Some(Host::Domain(_)));
        if named && self.outbound.port(port).is_err() { Reach::AnyPort } else { Reach::WebPorts }
    }

    /// The client whose names lead only to where `least` of reach is given.
    fn client(&self, least: Reach) -> Result<&reqwest::Client, String> {
        let cell = match least {
            Reach::WebPorts => &self.web,
            Reach::AnyPort => &self.inside,
        };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = self.build(least).map_err(|error| format!("no HTTP client: {}", innermost(&error)))?;
        Ok(cell.get_or_init(|| client))
    }

    fn build(&self, least: Reach) -> reqwest::Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .gzip(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .tls_certs_merge(self.authorities.clone())
            .user_agent(concat!("tracebell/", env!("CARGO_PKG_VERSION")));
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        builder = match &self.proxy {
            // The one name that is looked up is the proxy's own.
            Some(proxy) => builder.proxy(proxy.clone()),
            None => {
                let (outbound, lookup) = (self.outbound.clone(), self.lookup.clone());
                builder.dns_resolver(Guarded { outbound, lookup, least })
            }
        };
        builder.build()
    }

    /// Judges where a connection really leads. With a proxy it leads there.
    fn peer(&self, address: Option<SocketAddr>) -> Result<(), Forbidden> {
        match address {
            _ if self.proxy.is_some() => Ok(()),
            Some(address) => self.outbound.address(address.ip(), address.port()),
            None => Err(Forbidden {
                found: "nothing tells where the connection leads".to_owned(),
                fix: "this is a mistake in tracebell: please report it".to_owned(),
            }),
        }
    }
}

/// Looks names up and gives out their addresses only if all of them may be connected to.
struct Guarded {
    outbound: Outbound,
    lookup: Lookup,
    least: Reach,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (outbound, least) = (self.outbound.clone(), self.least);
        let looking_up = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = looking_up.await?;
            for address in &addresses {
                if outbound.reach(address.ip())? != Reach::AnyPort && least == Reach::AnyPort {
                    return Err(Forbidden::port().into());
                }
            }
            if addresses.is_empty() {
                return Err(io::Error::other("failed to lookup address: the name has none").into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

async fn system(name: String) -> io::Result<Vec<SocketAddr>> {
    // The port is the request's own.
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, String> {
    let found = Certificate::from_pem_bundle(&read("tls.ca", path)?).unwrap_or_default();
    if found.is_empty() {
        return Err(format!("`tls.ca`: `{}` holds no PEM certificate", path.display()));
    }
    Ok(found)
}

fn identity((certificate, key): &(PathBuf, PathBuf)) -> Result<Identity, String> {
    let mut pem = read("tls.cert", certificate)?;
    pem.push(b'\n');
    pem.extend(read("tls.key", key)?);
    Identity::from_pem(&pem).map_err(|_| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("`tls`: `{certificate}` and `{key}` are not a PEM certificate and its key")
    })
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("`{key}`: cannot read `{}`: {error}", path.display()))
}

/// The text is never quoted: it may hold a password.
fn proxy(secret: &Secret) -> Result<Proxy, String> {
    let url = Url::parse(secret.expose().trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let wrong = || "`outbound.proxy` is not an address; expected `http://host:port`".to_owned();
    Proxy::all(url.ok_or_else(wrong)?).map_err(|_| wrong())
}

fn forbidden(Forbidden { found, fix }: &Forbidden) -> Outcome {
    answer::paused(format!("forbidden: {found}"), fix)
}

/// Shorter parts of an address are words like `hook` rather than secrets.
const SHORTEST_SECRET: usize = 6;

/// Error pages like to repeat the address they were asked for, or a piece of it, or a header; ours are secrets.
fn redact(body: &str, url: &Url, headers: &[HeaderValue]) -> String {
    let pairs = url.query_pairs().map(|(_, value)| value);
    let raw = url.query().into_iter().flat_map(|query| query.split(['&', '=']));
    let segments = url.path_segments().into_iter().flatten();
    let words = headers
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| [value, value.rsplit(' ').next().unwrap_or_default()]);
    let parts = raw.chain(segments).chain(words).map(Cow::from).chain(pairs);
    let whole = [url.as_str(), url.path(), url.query().unwrap_or_default()].map(Cow::from);
    let secrets = whole
        .into_iter()
        .filter(|part| part.len() > 1)
        .chain(parts.filter(|part| part.len() >= SHORTEST_SECRET))
        .filter(|part| part.len() <= body.len());
    // As they are, and as JSON and HTML write them.
    let mut written: Vec<String> = secrets
        .flat_map(|secret| [secret.replace('/', "\\/"), secret.replace('&', "&amp;"), secret.into_owned()])
        .collect();
    written.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    written.iter().fold(body.to_owned(), |body, secret| body.replace(secret.as_str(), "***"))
}

fn failed(error: reqwest::Error) -> Outcome {
    let error = error.without_url();
    if let Some(error) = causes(&error).find_map(|cause| cause.downcast_ref()) {
        return forbidden(error);
    }
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
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
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
            ("http://10.0.0.7:8080/s/SECRET?x=1", "add 10.0.0.0/8 to `outbound.allow`"),
            ("https://hooks.example.org:8443/s/SECRET", "add 8443 to `outbound.ports`"),
            ("ftp://hooks.example.org/s/SECRET", "begins with `ftp:`"),
            ("file:///s/SECRET", "begins with `file:`"),
            ("https://SECRET@example.org/", "holds a user name"),
            ("https://ok:SECRET@example.org/", "holds a user name"),
            ("https://example.org/#SECRET", "holds a `#` part"),
            ("SECRET", "is not an address"),
            ("https://", "is not an address"),
            ("", "is not an address"),
        ] {
            match url("url", &Secret::new(text), &Outbound::default()) {
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
        assert_eq!(redact(body, &url, &[]), "nothing at *** of *** (***)");
        let header = HeaderValue::from_static("Bearer SECRET3");
        let body =
            r#"POST SECRET, key SECRET2, \/s\/SECRET, s/SECRET?key=SECRET2&amp;x, Bearer SECRET3, application/json"#;
        let said = redact(body, &url, &[header]);
        assert!(!said.contains("SECRET") && said.contains("application/json"), "{said}");
    }
}
