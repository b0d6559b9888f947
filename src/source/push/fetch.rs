//! SMN's certificates: fetched from its own host alone, and seldom.
//!
//! The address comes from a message that nobody has verified yet, so it is held against a grammar first. Nothing
//! is followed, no proxy asked, and what was fetched, or could not be, is remembered: once SMN is known, whoever forges
//! causes one fetch an hour. What was good is used until something newer is there: SMN does not post again what was refused.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{Client, StatusCode};
use rustls::pki_types::{CertificateDer, TrustAnchor, pem::PemObject};
use tokio::sync::watch;

use super::{Kept, certificate::Certificate};
use crate::{
    clock::{self, Timestamp},
    cloud::http,
    metrics::{FetchLabel, Metrics},
};

/// A certificate that was good is asked for again after this time.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);
/// What is no good, or was good and cannot be had again, is not asked for again within this time.
const BAD_FOR: Duration = Duration::from_secs(3600);
/// Where a fetch failed by what may pass, the next waits so long, and twice as long after each failure, up to the
/// latter.
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);
const WITHIN: Duration = Duration::from_secs(5);
const LONGEST: usize = 16 * 1024;

type Found = Result<Arc<Fetched>, Failure>;

/// A good certificate, and all by which it can be known again.
#[derive(Debug)]
pub struct Fetched {
    pub certificate: Certificate,
    pub kept: Kept,
}

/// Why there is no certificate, and whether there may be one in a moment.
#[derive(Debug, Clone)]
struct Failure {
    reason: String,
    passes: bool,
}

pub struct Certificates {
    source: String,
    host: Option<String>,
    name: Option<String>,
    client: Client,
    anchors: Arc<Vec<TrustAnchor<'static>>>,
    known: Mutex<Known>,
    metrics: Metrics,
}

#[derive(Default)]
struct Known {
    /// By their address.
    entries: HashMap<String, Entry>,
    /// Addresses by which SMN was believed before this process began.
    familiar: HashSet<String>,
}

struct Entry {
    /// When it was last asked for.
    at: Timestamp,
    found: watch::Receiver<Option<Found>>,
    /// What an earlier fetch found.
    earlier: Option<Arc<Fetched>>,
    /// Fetches in a row, before the last one, that failed by what may pass.
    failures: u32,
}

impl Entry {
    fn good(&self) -> Option<Arc<Fetched>> {
        match &*self.found.borrow() {
            Some(Ok(fetched)) => Some(Arc::clone(fetched)),
            _ => self.earlier.clone(),
        }
    }

    fn good_at(&self, now: Timestamp) -> Option<Arc<Fetched>> {
        self.good().filter(|fetched| fetched.certificate.is_valid_at(now))
    }

    /// How long it is not asked for again.
    fn rest(&self, now: Timestamp, patience: Patience) -> Duration {
        let still = self.good_at(now).is_some();
        match &*self.found.borrow() {
            Some(Ok(_)) if still => GOOD_FOR,
            Some(Err(failure)) if failure.passes && !still && patience == Patience::Little => {
                (AGAIN * 2_u32.saturating_pow(self.failures.min(8))).min(AGAIN_AT_MOST)
            }
            _ => BAD_FOR,
        }
    }

    fn is_kept(&self, now: Timestamp) -> bool {
        let known = if self.good().is_some() { GOOD_FOR } else { BAD_FOR };
        self.good_at(now).is_some() || now < clock::plus(self.at, known)
    }
}

/// With an address at which a fetch failed by what may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Little,
    /// It may be anybody's.
    Much,
}

impl Known {
    /// SMN has one certificate at a time, and an address that was good is no stranger's. Of the others one is tried
    /// in an hour, so that nobody makes us ask SMN for what he makes up.
    fn is_stranger(&self, url: &str, entry: &Entry) -> bool {
        entry.good().is_none() && !self.familiar.contains(url)
    }

    fn patience(&self, url: &str, entry: &Entry) -> Patience {
        let knows_smn = !self.familiar.is_empty() || self.entries.values().any(|entry| entry.good().is_some());
        if knows_smn && self.is_stranger(url, entry) { Patience::Much } else { Patience::Little }
    }
}

type Looked = (Option<Arc<Fetched>>, watch::Receiver<Option<Found>>);

impl Certificates {
    pub fn new(
        source: &str,
        host: Option<String>,
        name: Option<String>,
        ca: Option<&Path>,
        metrics: Metrics,
    ) -> Result<Self, String> {
        let pem = ca.map(http::Pem::read).transpose().map_err(|error| error.to_string())?;
        let client = http::client(pem.as_ref(), None).map_err(|error| error.to_string())?;
        let anchors = Arc::new(anchors(ca)?);
        let (source, known) = (source.to_owned(), Mutex::default());
        Ok(Self { source, host, name, client, anchors, known, metrics })
    }

    /// The certificate at an address that a message of that region's SMN names.
    pub async fn get(&self, url: &str, region: &str, now: Timestamp) -> Result<Arc<Fetched>, String> {
        let host = self.host_in(region);
        if !is_certificate(url, &host, region) {
            return Err(format!("the certificate is not where SMN has it: `https://{host}/smn/SMN_{region}_...pem`"));
        }
        let (good, mut found) = self.entry(url, &host, now)?;
        if let Some(good) = good {
            return Ok(good);
        }
        // Whoever asked for it may have gone; the fetch goes on by itself, so that it is not made twice.
        let settled = found.wait_for(Option::is_some).await.map(|found| found.clone());
        match settled.ok().flatten() {
            Some(found) => found.map_err(|failure| failure.reason),
            None => Err("the certificate could not be fetched".to_owned()),
        }
    }

    /// One by which SMN was believed before this process began. It is believed now only if it would be anew: where
    /// certificates are and whose word counts may be configured otherwise by now.
    pub fn recall(&self, kept: Kept, region: &str, now: Timestamp) {
        let host = self.host_in(region);
        if !is_certificate(&kept.url, &host, region) {
            return;
        }
        let (url, at) = (kept.url.clone(), kept.fetched_at.min(now));
        let mut known = self.known.lock().expect("nothing panics while it is held");
        known.familiar.insert(url.clone());
        match Certificate::vouched(&kept.pem, &self.anchors, self.name_at(&host), now) {
            Ok(certificate) => {
                let (_, found) = watch::channel(Some(Ok(Arc::new(Fetched { certificate, kept }))));
                known.entries.entry(url).or_insert(Entry { at, found, earlier: None, failures: 0 });
            }
            Err(found) => tracing::debug!(source = self.source, "SMN's certificate of an earlier run {found}"),
        }
    }

    fn host_in(&self, region: &str) -> String {
        self.host.clone().unwrap_or_else(|| super::host(region))
    }

    /// Whom the certificate at that host must be for.
    fn name_at<'a>(&'a self, host: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or_else(|| without_port(host))
    }

    /// What is good now, and the fetch that was last begun; begins one if it is time.
    fn entry(&self, url: &str, host: &str, now: Timestamp) -> Result<Looked, String> {
        let mut known = self.known.lock().expect("nothing panics while it is held");
        known.entries.retain(|_, entry| entry.is_kept(now));
        let (earlier, failures) = match known.entries.get(url) {
            Some(entry) if now < clock::plus(entry.at, entry.rest(now, known.patience(url, entry))) => {
                return Ok((entry.good_at(now), entry.found.clone()));
            }
            Some(entry) => {
                let passes = matches!(&*entry.found.borrow(), Some(Err(failure)) if failure.passes);
                (entry.good(), if passes { entry.failures + 1 } else { 0 })
            }
            None if known.familiar.contains(url) => (None, 0),
            None if known.entries.iter().any(|(url, entry)| known.is_stranger(url, entry)) => {
                return Err("another certificate that is not SMN's was asked for within an hour".to_owned());
            }
            None => (None, 0),
        };
        let (settle, found) = watch::channel(None);
        let entry = Entry { at: now, found: found.clone(), earlier, failures };
        let good = entry.good_at(now);
        known.entries.insert(url.to_owned(), entry);
        drop(known);
        self.begin(url, host, now, settle);
        Ok((good, found))
    }

    fn begin(&self, url: &str, host: &str, now: Timestamp, settle: watch::Sender<Option<Found>>) {
        let (client, url, anchors) = (self.client.clone(), url.to_owned(), Arc::clone(&self.anchors));
        let name = self.name_at(host).to_owned();
        let (metrics, source) = (self.metrics.clone(), self.source.clone());
        tokio::spawn(async move {
            let found = fetch(&client, &url, &anchors, &name, now).await;
            let outcome = if found.is_ok() { "good" } else { "bad" };
            metrics.push_certificate_fetches.get_or_create(&FetchLabel { source: source.clone(), outcome }).inc();
            if let Err(Failure { reason, .. }) = &found {
                tracing::warn!(source, "SMN's certificate cannot be used: {reason}");
            }
            settle.send_replace(Some(found.map(Arc::new)));
        });
    }
}

async fn fetch(
    client: &Client,
    url: &str,
    anchors: &[TrustAnchor<'static>],
    name: &str,
    now: Timestamp,
) -> Result<Fetched, Failure> {
    let failed = |found: &dyn fmt::Display, passes| Failure {
        reason: format!("the certificate could not be fetched: {found}"),
        passes,
    };
    let cut = |error: reqwest::Error| failed(&error.without_url(), true);
    let mut answer = client.get(url).timeout(WITHIN).send().await.map_err(cut)?;
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(failed(&status, status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS));
    }
    let lasts = |reason| Failure { reason, passes: false };
    let mut pem = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(cut)? {
        pem.extend_from_slice(&chunk);
        if pem.len() > LONGEST {
            return Err(lasts(format!("the certificate is longer than {} KiB", LONGEST / 1024)));
        }
    }
    match Certificate::vouched(&pem, anchors, name, now) {
        Ok(certificate) => {
            let kept = Kept { url: url.to_owned(), pem, fetched_at: now };
            Ok(Fetched { certificate, kept })
        }
        Err(found) => Err(lasts(format!("the certificate {found}"))),
    }
}

/// Those of the file, or those that this machine trusts.
pub fn anchors(ca: Option<&Path>) -> Result<Vec<TrustAnchor<'static>>, String> {
    let certificates: Vec<CertificateDer<'static>> = match ca {
        Some(path) => {
            let file = path.display();
            let pem = std::fs::read(path).map_err(|error| format!("cannot read `{file}`: {error}"))?;
            let read: Result<_, _> = CertificateDer::pem_slice_iter(&pem).collect();
            read.map_err(|_| format!("`{file}` holds no certificate in PEM (`BEGIN CERTIFICATE`)"))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let anchors = certificates.iter().filter_map(|der| webpki::anchor_from_trusted_cert(der).ok());
    let anchors: Vec<_> = anchors.map(|anchor| anchor.to_owned()).collect();
    match ca {
        Some(path) if anchors.is_empty() => Err(format!("`{}` holds no certificate of an authority", path.display())),
        // A machine without any can still be told which one to pin.
        _ => Ok(anchors),
    }
}

/// `https://{host}/smn/SMN_{region}_{32 hex}.pem`, letter by letter: nothing is parsed that another parser could
/// read otherwise.
fn is_certificate(url: &str, host: &str, region: &str) -> bool {
    let rest = url.strip_prefix("https://").and_then(|rest| rest.strip_prefix(host));
    let rest = rest.and_then(|rest| rest.strip_prefix("/smn/SMN_")?.strip_prefix(region)?.strip_prefix('_'));
    let name = rest.and_then(|rest| rest.strip_suffix(".pem"));
    name.is_some_and(|name| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_in_one_place() {
        let hex = "0123456789abcdef0123456789abcdef";
        let check = |url: &str, expected: bool| {
            let found = is_certificate(&url.replace("HEX", hex), "smn.eu-de.otc.t-systems.com", "eu-de");
            assert_eq!(found, expected, "{url}");
        };
        check("https://smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX.pem", true);
        for url in [
            "http://smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX.pem",
            "HTTPS://smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX.pem",
            "https://smn.eu-de.otc.t-systems.com:443/smn/SMN_eu-de_HEX.pem",
            "https://smn.eu-de.otc.t-systems.com:8443/smn/SMN_eu-de_HEX.pem",
            "https://smn.eu-de.otc.t-systems.com.evil.example/smn/SMN_eu-de_HEX.pem",
            "https://smn.eu-de.otc.t-systems.com@evil.example/smn/SMN_eu-de_HEX.pem",
            "https://evil.example/smn/SMN_eu-de_HEX.pem",
            "https://evil.example\\smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX.pem",
            "https://u:p@smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX.pem",
            "https://127.0.0.1/smn/SMN_eu-de_HEX.pem",
            "https://smn.eu-nl.otc.t-systems.com/smn/SMN_eu-nl_HEX.pem",
            "https://smn.eu-de.otc.t-systems.com/smn/SMN_eu-nl_HEX.pem",
            "https://smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX.pem?x=1",
            "https://smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX.pem#x.pem",
            "https://smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX/../x.pem",
            "https://smn.eu-de.otc.t-systems.com/smn/../smn/SMN_eu-de_HEX.pem",
            "https://smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_HEX0.pem",
            "https://smn.eu-de.otc.t-systems.com/SMN_eu-de_HEX.pem",
            "file:///smn/SMN_eu-de_HEX.pem",
            "",
        ] {
            check(url, false);
        }
        assert_eq!(super::super::host("eu-ch2"), "smn.eu-ch2.sc.otc.t-systems.com");
        assert_eq!([without_port("smn.example.org"), without_port("127.0.0.1:8443")], ["smn.example.org", "127.0.0.1"]);
    }
}
