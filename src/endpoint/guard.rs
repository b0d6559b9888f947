//! Which destinations endpoints may be at.
//!
//! Everything that is not public is refused unless the operator allowed it: whoever may write an
//! endpoint's address, or the DNS answer behind it, must not reach what only this machine reaches.
//! Judges addresses only; [`client`](super::client) sees to it that no others are connected to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::IpNet;
use reqwest::Url;
use url::Host;

use crate::secret::Secret;

/// Which destinations may be connected to; the same for all endpoints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outbound {
    /// Networks that are not public and allowed all the same, on any port.
    pub allow: Vec<IpNet>,
    /// Ports beside 443 and 80 that may be used at public addresses.
    pub ports: Vec<u16>,
    /// The one proxy; none is taken from the environment. It resolves names, so it must judge them.
    pub proxy: Option<Secret>,
}

/// A destination that is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found}")]
pub struct Forbidden {
    pub found: String,
    /// What the operator can do, in words.
    pub fix: String,
}

/// How far an address may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The operator named its network.
    AnyPort,
    /// On the ports of the web and those of `outbound.ports`.
    WebPorts,
}

impl Outbound {
    /// For what runs on this machine alone: the demo, and tests.
    pub fn loopback() -> Self {
        let allow = ["127.0.0.0/8", "::1/128"].map(network).into();
        Self { allow, ..Self::default() }
    }

    /// What can be told of a URL before its name is looked up.
    pub fn url(&self, url: &Url) -> Result<(), Forbidden> {
        let port = url.port_or_known_default().unwrap_or_default();
        match url.host() {
            Some(Host::Ipv4(address)) => self.address(address.into(), port),
            Some(Host::Ipv6(address)) => self.address(address.into(), port),
            Some(Host::Domain(name)) if is_this_machine(name) => self.address(Ipv4Addr::LOCALHOST.into(), port),
            Some(Host::Domain(_)) if self.allow.is_empty() && self.proxy.is_none() => self.port(port),
            Some(Host::Domain(_)) => Ok(()),
            None => {
                Err(Forbidden { found: "the address names no host".into(), fix: "write `https://host/path`".into() })
            }
        }
    }

    pub fn address(&self, address: IpAddr, port: u16) -> Result<(), Forbidden> {
        match self.reach(address)? {
            Reach::AnyPort => Ok(()),
            Reach::WebPorts => self.port(port),
        }
    }

    /// How far an address may be used, if at all.
    pub fn reach(&self, address: IpAddr) -> Result<Reach, Forbidden> {
        // `::ffff:127.0.0.1` connects to 127.0.0.1: it is that address in another spelling.
        let address = address.to_canonical();
        let allowed = self.allow.iter().any(|network| network.contains(&address));
        if !allowed && let Some((network, what)) = DENIED.iter().find(|(network, _)| network.contains(&address)) {
            return Err(Forbidden::network(network, what));
        }
        match embedded(address) {
            // A translator on the way would connect to this one.
            Some(inner) => self.reach(inner.into()),
            None if allowed => Ok(Reach::AnyPort),
            None => Ok(Reach::WebPorts),
        }
    }

    pub fn port(&self, port: u16) -> Result<(), Forbidden> {
        if matches!(port, 443 | 80) || self.ports.contains(&port) {
            return Ok(());
        }
        let fix =
            format!("add {port} to `outbound.ports`, or the receiver's network to `outbound.allow` if it is yours");
        Err(Forbidden { found: format!("port {port} at a public address is neither 443 nor 80"), fix })
    }
}

impl Forbidden {
    /// For a name that leads out of the allowed networks, on a port of theirs only.
    pub fn port() -> Self {
        Self {
            found: "its port may be used inside the networks of `outbound.allow` only, and the name leads elsewhere"
                .into(),
            fix: "add the port to `outbound.ports`, or the receiver's network to `outbound.allow` if it is yours"
                .into(),
        }
    }

    fn network(network: &IpNet, what: &str) -> Self {
        let fix = if YOURS.contains(&what) {
            format!("add {network} to `outbound.allow` if this receiver is yours")
        } else {
            format!("configure another address: nobody receives notifications in {network}")
        };
        Self { found: format!("the receiver is in {network} ({what}), which is not allowed"), fix }
    }
}

const THIS_MACHINE: &str = "this machine";
const PRIVATE: &str = "a private network";
const SHARED: &str = "a provider's internal network";
const LINK: &str = "the local link, where clouds keep their metadata";
const RESERVED: &str = "reserved";
const MANY: &str = "many receivers at once";
const EXAMPLES: &str = "for examples only";
const TRANSLATED: &str = "IPv4 in another form";
/// Where an operator's own receivers can be.
const YOURS: [&str; 4] = [THIS_MACHINE, PRIVATE, SHARED, TRANSLATED];

/// What the registries of special addresses keep from the public.
static DENIED: LazyLock<Vec<(IpNet, &'static str)>> = LazyLock::new(|| {
    [
        ("0.0.0.0/8", THIS_MACHINE),
        ("10.0.0.0/8", PRIVATE),
        ("100.64.0.0/10", SHARED),
        ("127.0.0.0/8", THIS_MACHINE),
        ("169.254.0.0/16", LINK),
        ("172.16.0.0/12", PRIVATE),
        ("192.0.0.0/24", RESERVED),
        ("192.0.2.0/24", EXAMPLES),
        ("192.88.99.0/24", RESERVED),
        ("192.168.0.0/16", PRIVATE),
        ("198.18.0.0/15", RESERVED),
        ("198.51.100.0/24", EXAMPLES),
        ("203.0.113.0/24", EXAMPLES),
        ("224.0.0.0/4", MANY),
        ("240.0.0.0/4", RESERVED),
        ("::/128", THIS_MACHINE),
        ("::1/128", THIS_MACHINE),
        ("::/96", RESERVED),
        ("64:ff9b::/96", TRANSLATED),
        ("64:ff9b:1::/48", TRANSLATED),
        ("100::/64", RESERVED),
        ("2001::/23", RESERVED),
        ("2001:db8::/32", EXAMPLES),
        ("2002::/16", RESERVED),
        ("3fff::/20", EXAMPLES),
        ("5f00::/16", RESERVED),
        ("fc00::/7", PRIVATE),
        ("fe80::/10", LINK),
        ("fec0::/10", PRIVATE),
        ("ff00::/8", MANY),
    ]
    .map(|(text, what)| (network(text), what))
    .into()
});

fn network(text: &str) -> IpNet {
    text.parse().expect("networks in this file are well written")
}

/// The IPv4 address that a translator or a tunnel takes out of an IPv6 address.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let [a, b, c, d, .., y, z] = address.segments();
    let of = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match (a, b) {
        // NAT64, with the well-known and a local prefix.
        (0x64, 0xff9b) => of(y, z),
        // 6to4.
        (0x2002, _) => of(b, c),
        // Teredo hides the client's address behind its complement.
        (0x2001, 0) => of(!y, !z),
        // IPv4-compatible; `::` and `::1` are themselves.
        (0, 0) if (c, d) == (0, 0) && address.segments()[4..6] == [0, 0] && address > Ipv6Addr::LOCALHOST => of(y, z),
        _ => None,
    }
}

/// Names that lead here wherever they are looked up.
fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(outbound: &Outbound, url: &str, expected: &str) {
        let found = Url::parse(url)
            .map_err(|error| error.to_string())
            .and_then(|url| outbound.url(&url).map_err(|forbidden| format!("{}; {}", forbidden.found, forbidden.fix)));
        match found {
            Ok(()) => assert_eq!(expected, "", "{url}"),
            Err(found) => assert!(!expected.is_empty() && found.contains(expected), "{url}: {found}"),
        }
    }

    #[test]
    fn only_public_addresses_and_the_ports_of_the_web() {
        let nothing = Outbound::default();
        for (url, expected) in [
            ("https://hooks.example.org/x", ""),
            ("http://8.8.8.8/", ""),
            ("https://[2606:4700::1111]/", ""),
            ("https://8.8.8.8:8443/", "add 8443 to `outbound.ports`"),
            ("https://hooks.example.org:22/", "port 22 at a public address"),
            ("http://10.1.2.3/", "add 10.0.0.0/8 to `outbound.allow` if this receiver is yours"),
            ("http://172.31.255.255/", "172.16.0.0/12"),
            ("http://172.32.0.1/", ""),
            ("http://100.125.0.5/", "100.64.0.0/10"),
            ("http://169.254.169.254/", "configure another address"),
            ("http://2130706433/", "127.0.0.0/8"),
            ("http://0x7f.1/", "127.0.0.0/8"),
            ("http://0177.0.0.1/", "127.0.0.0/8"),
            ("http://127.1/", "127.0.0.0/8"),
            ("http://127。0。0。1/", "127.0.0.0/8"),
            ("http://①②⑦.0.0.1/", "127.0.0.0/8"),
            ("http://0/", "0.0.0.0/8"),
            ("http://[::]/", "::/128"),
            ("http://[::1]/", "::1/128"),
            ("http://[::7f00:1]/", "::/96"),
            ("http://[::ffff:a9fe:a9fe]/", "169.254.0.0/16"),
            ("http://[64:ff9b::7f00:1]/", "64:ff9b::/96"),
            ("http://[64:ff9b:1::7f00:1]/", "64:ff9b:1::/48"),
            ("http://[2002:7f00:1::]/", "2002::/16"),
            ("http://[2001:0:808:808:0:0:80ff:fffe]/", "2001::/23"),
            ("http://[fd00::1]/", "fc00::/7"),
            ("http://[fe80::1]/", "fe80::/10"),
            ("http://[fe80::1%25eth0]/", "invalid IPv6"),
            ("http://255.255.255.255/", "240.0.0.0/4"),
            ("http://localhost/", "127.0.0.0/8"),
            ("http://LOCALHOST./", "127.0.0.0/8"),
            ("http://a.localhost/", "127.0.0.0/8"),
        ] {
            check(&nothing, url, expected);
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_and_nothing_hidden_in_it() {
        let allow = ["10.0.0.0/8", "64:ff9b::/96", "2002::/16", "2001::/23", "::/96"].map(network).into();
        let some = Outbound { allow, ports: vec![8443], proxy: None };
        for (url, expected) in [
            ("http://10.1.2.3:9093/", ""),
            ("http://[::ffff:10.1.2.3]:9093/", ""),
            ("http://8.8.8.8:8443/", ""),
            ("http://8.8.8.8:9093/", "port 9093"),
            ("http://192.168.0.1/", "192.168.0.0/16"),
            ("http://[64:ff9b::8.8.8.8]/", ""),
            ("http://[64:ff9b::8.8.8.8]:25/", "port 25"),
            ("http://[64:ff9b::10.1.2.3]:25/", ""),
            ("http://[64:ff9b::127.0.0.1]/", "127.0.0.0/8"),
            ("http://[2002:7f00:1::]/", "127.0.0.0/8"),
            ("http://[2001:0:808:808:0:0:80ff:fffe]/", "127.0.0.0/8"),
            ("http://[::127.0.0.1]/", "127.0.0.0/8"),
            // Allowed or not is known when the name is looked up.
            ("http://hooks.example.org:9093/", ""),
        ] {
            check(&some, url, expected);
        }
    }
}
