//! From where a request comes that a proxy passes on.
//!
//! Only the last entry of `X-Forwarded-For` is read: the proxy that connects to us wrote that one itself.
//! What stands before it is the word of others, and anybody can send the header.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The last entry, if `peer` is this machine or one of `proxies`; the peer otherwise.
pub fn client(headers: &HeaderMap, peer: Option<IpAddr>, proxies: &[IpNet]) -> Option<IpAddr> {
    let proxy = peer?.to_canonical();
    let trusted = proxy.is_loopback() || proxies.iter().any(|network| network.contains(&proxy));
    // A proxy that has none to add to may add a line of its own: the last line is the newest.
    let line = headers.get_all("x-forwarded-for").iter().next_back().filter(|_| trusted);
    let last = line.and_then(|line| line.to_str().ok()?.rsplit(',').next());
    last.and_then(|entry| address(entry.trim())).or(peer)
}

/// Some proxies write the port too.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_hop_of_a_trusted_proxy_is_believed() {
        let proxies = ["10.0.3.0/24".parse().unwrap(), "fd00::7/128".parse().unwrap()];
        let check = |peer: &str, lines: &[&'static str], expected: &str| {
            let headers =
                lines.iter().map(|line| ("x-forwarded-for".parse().unwrap(), line.parse().unwrap())).collect();
            let found = client(&headers, peer.parse().ok(), &proxies);
            assert_eq!(found, expected.parse().ok(), "{peer} {lines:?}");
        };
        check("127.0.0.1", &["203.0.113.7"], "203.0.113.7");
        check("::1", &["203.0.113.7"], "203.0.113.7");
        check("::ffff:127.0.0.1", &["203.0.113.7"], "203.0.113.7");
        check("10.0.3.9", &["203.0.113.7"], "203.0.113.7");
        check("::ffff:10.0.3.9", &["203.0.113.7"], "203.0.113.7");
        check("fd00::7", &["2001:db8::1"], "2001:db8::1");
        check("10.0.3.9", &["198.51.100.1, 203.0.113.7"], "203.0.113.7");
        check("10.0.3.9", &["198.51.100.1,10.0.3.4"], "10.0.3.4");
        check("10.0.3.9", &["198.51.100.1", "203.0.113.7"], "203.0.113.7");
        check("10.0.3.9", &["203.0.113.7:4711"], "203.0.113.7");
        check("10.0.3.9", &["[2001:db8::1]:4711"], "2001:db8::1");
        check("10.0.3.9", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.3.9", &["203.0.113.7, unknown"], "10.0.3.9");
        check("10.0.3.9", &["203.0.113.7,"], "10.0.3.9");
        check("10.0.3.9", &[], "10.0.3.9");
        check("10.0.4.9", &["203.0.113.7"], "10.0.4.9");
        check("fd00::8", &["203.0.113.7"], "fd00::8");
        check("", &["203.0.113.7"], "");
    }
}
