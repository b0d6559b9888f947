//! The way to the login: name, connection, TLS, and the other side's clock.

use std::{net::SocketAddr, time::Duration};

use jiff::SignedDuration;
use reqwest::Url;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{Report, Stop, Verdict};
use crate::{
    clock,
    cloud::{
        auth::{Credentials, Method},
        certificate::Certificate,
        greeting::{Greeting, greet},
        http::Trust,
    },
};

const PATIENCE: Duration = Duration::from_secs(5);
/// A certificate that ends sooner should be seen to.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// As the bridge itself complains; and as signatures are refused.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
const SKEW_OF_SIGNATURES: SignedDuration = SignedDuration::from_mins(15);

pub async fn examine(report: &mut Report, credentials: &Credentials) -> Result<(), Stop> {
    let Ok(url) = Url::parse(&credentials.auth_url) else {
        let found = format!("`auth_url` is `{}`, which is not an address", credentials.auth_url);
        report.wrong("configuration", Verdict::Unusable, found, "write `https://iam.REGION.otc.t-systems.com/v3`");
        return Err(Stop);
    };
    let proxy = credentials.proxy.as_ref().and_then(|proxy| Url::parse(proxy.expose()).ok());
    let next = Hop::of(proxy.as_ref().unwrap_or(&url), proxy.is_some());
    let behind = proxy.as_ref().map(|_| url.host_str().unwrap_or_default());
    let addresses = next.resolve(report, behind, credentials).await?;
    next.connect(report, &addresses).await?;
    let greeting = tls(report, credentials, &url).await?;
    tell_clock(report, credentials, greeting.clock_offset)
}

/// The first machine on the way: the login's, or the proxy.
struct Hop {
    host: String,
    port: u16,
    is_proxy: bool,
}

impl Hop {
    fn of(url: &Url, is_proxy: bool) -> Self {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        Self { host, port: url.port_or_known_default().unwrap_or(443), is_proxy }
    }

    fn what(&self) -> String {
        if self.is_proxy {
            format!("the proxy `{}:{}`", self.host, self.port)
        } else {
            format!("`{}:{}`", self.host, self.port)
        }
    }

    async fn resolve(
        &self,
        report: &mut Report,
        behind: Option<&str>,
        credentials: &Credentials,
    ) -> Result<Vec<SocketAddr>, Stop> {
        let found = timeout(PATIENCE, lookup_host((self.host.as_str(), self.port))).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses.collect(),
            _ => Vec::new(),
        };
        if addresses.is_empty() {
            let found = format!("no address is known for the name `{}`", self.host);
            let fix = match (self.is_proxy, &credentials.region) {
                (true, _) => "check `proxy` and the name server of this machine".to_owned(),
                (false, Some(region)) => {
                    format!("check `auth_url` and the region `{region}` in it, and the name server of this machine")
                }
                (false, None) => "check `auth_url`, and the name server of this machine".to_owned(),
            };
            report.wrong("name", Verdict::Unreachable, found, fix);
            return Err(Stop);
        }
        let mut told: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        told.dedup();
        let behind = behind.map(|host| format!("; the proxy looks up `{host}`")).unwrap_or_default();
        match told.as_slice() {
            [only] if *only == self.host => report.good("name", format!("`{only}` is an address{behind}")),
            several => report.good("name", format!("`{}` is {}{behind}", self.host, several.join(", "))),
        }
        Ok(addresses)
    }

    async fn connect(&self, report: &mut Report, addresses: &[SocketAddr]) -> Result<(), Stop> {
        let begun = clock::now();
        let fix_of_silence = match self.is_proxy {
            true => "check `proxy`, and that this machine may reach it",
            false => {
                "let this machine reach it (firewall, route, security group), or name a `proxy` in the entry of clouds.yaml"
            }
        };
        let (found, fix) = match timeout(PATIENCE, TcpStream::connect(addresses)).await {
            Ok(Ok(_)) => {
                let took = clock::since(begun, clock::now());
                report.good("connection", format!("{} answers after {} ms", self.what(), took.as_millis()));
                return Ok(());
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                let fix = if self.is_proxy { "check `proxy` and that it runs" } else { "check the port in `auth_url`" };
                (format!("nothing listens at {}", self.what()), fix)
            }
            Ok(Err(error)) => (format!("{} cannot be reached: {error}", self.what()), fix_of_silence),
            Err(_) => (format!("{} does not answer within {}", self.what(), clock::in_words(PATIENCE)), fix_of_silence),
        };
        report.wrong("connection", Verdict::Unreachable, found, fix);
        Err(Stop)
    }
}

async fn tls(report: &mut Report, credentials: &Credentials, url: &Url) -> Result<Greeting, Stop> {
    let host = url.host_str().unwrap_or_default();
    let error = match greet(credentials, Trust::Checked).await {
        Ok(greeting) if url.scheme() == "http" => {
            match is_near(host) {
                true => report.good("TLS", "none: `http://` to this machine"),
                false => {
                    let fix = "write `https://` in `auth_url`";
                    report.wrong("TLS", Verdict::Doubtful, "none: the password goes through the network as it is", fix);
                }
            }
            return Ok(greeting);
        }
        Ok(greeting) => {
            tell_certificate(report, greeting.certificate.as_ref(), credentials);
            return Ok(greeting);
        }
        Err(error) => error,
    };
    let reason = error.to_string();
    // Looked at without believing it, to tell what it says.
    let shown = match reason.contains("certificate") {
        true => greet(credentials, Trust::Unchecked).await.ok().and_then(|greeting| greeting.certificate),
        false => None,
    };
    let (found, fix) = match (shown, Fault::of(&reason)) {
        (shown, Some(Fault::UnknownIssuer)) => {
            // Through a proxy it is not shown.
            let issuer = shown.map_or_else(|| "a CA".to_owned(), |shown| format!("`{}`", shown.issuer));
            let found = format!("the certificate of `{host}` is issued by {issuer}, whom this machine does not trust");
            let fix = match &credentials.ca {
                Some(ca) => format!("`cacert` (`{}`) is another CA: give the PEM file of this one", ca.display()),
                None => "give the PEM file of this CA as `cacert` in the entry of clouds.yaml".to_owned(),
            };
            (found, fix)
        }
        (Some(shown), Some(Fault::Expired)) => {
            let at = shown.expires.strftime("%Y-%m-%d %H:%M UTC");
            (format!("the certificate of `{host}` expired at {at}"), Fault::Expired.fix().to_owned())
        }
        (None, Some(fault @ Fault::Expired)) => {
            (format!("the certificate of `{host}` has expired"), fault.fix().to_owned())
        }
        (_, Some(fault @ Fault::ProxyLogin)) => (
            "the proxy lets nobody through without a login, or does not accept this one".to_owned(),
            fault.fix().to_owned(),
        ),
        (_, Some(fault @ Fault::Early)) => (
            format!("the certificate of `{host}` is not valid yet, by the clock of this machine"),
            fault.fix().to_owned(),
        ),
        (_, Some(fault @ Fault::NoTls)) => {
            (format!("what answers at `{}` speaks no TLS", authority(url)), fault.fix().to_owned())
        }
        (_, Some(fault @ Fault::OtherName)) => {
            (format!("the certificate that `{}` shows is for another name", authority(url)), fault.fix().to_owned())
        }
        _ => in_words(&reason),
    };
    report.wrong("TLS", Verdict::Unreachable, found, fix);
    Err(Stop)
}

fn tell_certificate(report: &mut Report, certificate: Option<&Certificate>, credentials: &Credentials) {
    let own = if credentials.ca.is_some() { " (`cacert` is trusted too)" } else { "" };
    let Some(Certificate { issuer, expires }) = certificate else {
        return report.good("TLS", format!("the certificate is trusted{own}"));
    };
    let left = clock::since(clock::now(), *expires);
    let found = format!("issued by `{issuer}`{own}, good for {}", clock::in_words(left));
    match left < SOON {
        true => report.wrong("TLS", Verdict::Doubtful, found, "have the certificate renewed"),
        false => report.good("TLS", found),
    }
}

fn tell_clock(report: &mut Report, credentials: &Credentials, offset: Option<SignedDuration>) -> Result<(), Stop> {
    let Some(offset) = offset else {
        report.good("clock", "the cloud does not tell its time");
        return Ok(());
    };
    if offset.abs() <= SKEW {
        report.good("clock", "as the cloud's");
        return Ok(());
    }
    let ahead = if offset.is_negative() { "ahead of" } else { "behind" };
    let found = format!("this machine is {} {ahead} the cloud", clock::in_words(offset.unsigned_abs()));
    if signs(credentials) && offset.abs() >= SKEW_OF_SIGNATURES {
        let fix = "set the clock (NTP): signatures are refused when it is wrong by 15 minutes";
        report.wrong("clock", Verdict::Bad, found, fix);
        return Err(Stop);
    }
    let fix = "set the clock (NTP): traces are looked for by the cloud's clock, but this machine tells wrong times";
    report.wrong("clock", Verdict::Doubtful, found, fix);
    Ok(())
}

/// Whether any request on the way to the traces bears a signature, which is good for a while only.
fn signs(credentials: &Credentials) -> bool {
    let by_key = |method: &Method| matches!(method, Method::Key(_) | Method::EcsAgency { .. });
    credentials.temporary_key
        || by_key(&credentials.method)
        || matches!(&credentials.method, Method::Agency(agency) if by_key(&agency.by))
}

fn authority(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}

fn is_near(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What the libraries below say in words of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NoMetadata,
    Name,
    Refused,
    UnknownIssuer,
    Expired,
    Early,
    OtherName,
    NoTls,
    ProxyLogin,
    Proxy,
    Slow,
    Cut,
}

impl Fault {
    fn of(reason: &str) -> Option<Self> {
        let reason = reason.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        Some(match () {
            () if has(&["no metadata service"]) => Self::NoMetadata,
            () if has(&["dns error", "failed to lookup"]) => Self::Name,
            () if has(&["proxy auth"]) => Self::ProxyLogin,
            () if has(&["tunnel", "unsuccessful"]) => Self::Proxy,
            () if has(&["unknownissuer", "unknown issuer", "badsignature"]) => Self::UnknownIssuer,
            () if has(&["notvalidyet", "not valid yet"]) => Self::Early,
            () if has(&["expired"]) => Self::Expired,
            () if has(&["notvalidforname", "not valid for name"]) => Self::OtherName,
            () if has(&["invalidcontenttype", "corrupt message"]) => Self::NoTls,
            () if has(&["connection refused"]) => Self::Refused,
            () if has(&["timed out", "deadline"]) => Self::Slow,
            () if has(&["reset", "closed", "eof"]) => Self::Cut,
            () => return None,
        })
    }

    fn fix(self) -> &'static str {
        match self {
            Self::NoMetadata => {
                "`auth_type: ecs_agency` works on a server of the cloud only; elsewhere give a user or an access key"
            }
            Self::Name => "check the name server of this machine",
            Self::Refused => "check the port in the address",
            Self::UnknownIssuer => "give the PEM file of its CA as `cacert` in the entry of clouds.yaml",
            Self::Expired => {
                "have the certificate renewed; if its date is still to come, this machine's clock is wrong"
            }
            Self::Early => "set the clock of this machine (NTP): certificates are seldom given out before their time",
            Self::OtherName => "write the name that the certificate is for in `auth_url`",
            Self::NoTls => "check the port, or write `http://` if there is really none",
            Self::ProxyLogin => "the proxy wants a login: write `proxy: http://user:password@host:port`",
            Self::Proxy => "let the proxy pass connections to this host and port (CONNECT)",
            Self::Slow => "try again; if it stays, look for a firewall in between",
            Self::Cut => "try again; if it stays, something in between cuts the connection",
        }
    }
}

/// A failed request, and what to do.
pub fn in_words(reason: &str) -> (String, String) {
    let fix = Fault::of(reason).map_or("this may pass; try again", Fault::fix);
    (reason.to_owned(), fix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cloud::{
            auth::{Agency, NameOrId},
            sign::AccessKey,
        },
        secret::Secret,
    };

    #[test]
    fn a_clock_is_bad_where_it_spoils_signatures_and_a_doubt_elsewhere() {
        let key = || Method::Key(AccessKey { access: "A".into(), secret: Secret::new("S"), security_token: None });
        let token = || Method::Token(Secret::new("t"));
        let agency = |by| {
            let domain = NameOrId::Id("d".to_owned());
            Method::Agency(Box::new(Agency { by, domain, name: "a".to_owned() }))
        };
        let check = |method: Method, seconds: i64, expected: Verdict| {
            let mut report = Report::default();
            let credentials = Credentials::new("https://iam.example.org/v3", method);
            let goes_on = tell_clock(&mut report, &credentials, Some(SignedDuration::from_secs(seconds))).is_ok();
            assert_eq!((report.steps[0].verdict, goes_on), (expected, expected != Verdict::Bad), "{seconds}");
        };
        check(token(), 30, Verdict::Good);
        check(token(), -3600, Verdict::Doubtful);
        check(agency(token()), 3600, Verdict::Doubtful);
        check(key(), 60, Verdict::Doubtful);
        check(key(), 3600, Verdict::Bad);
        check(agency(key()), -3600, Verdict::Bad);
        check(Method::EcsAgency { metadata: String::new() }, 3600, Verdict::Bad);
    }

    #[test]
    fn what_libraries_say_is_told_apart() {
        for (reason, expected) in [
            ("invalid peer certificate: NotValidYet", Fault::Early),
            ("invalid peer certificate: certificate not valid yet: verification time 1 (UNIX)", Fault::Early),
            ("invalid peer certificate: certificate expired: verification time 1 (UNIX)", Fault::Expired),
            ("there is no metadata service at `http://x` (connection refused)", Fault::NoMetadata),
        ] {
            assert_eq!(Fault::of(reason), Some(expected), "{reason}");
        }
        let early = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidYet);
        assert_eq!(Fault::of(&early.to_string()), Some(Fault::Early), "{early}");
    }
}
