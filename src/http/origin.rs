//! Whether a request that changes something was sent from our own pages, or by no page at all.

use axum::http::{HeaderMap, Method, header};

/// True if no other site can have made a browser send it.
pub fn is_own(method: &Method, headers: &HeaderMap, public_url: Option<&str>) -> bool {
    if method.is_safe() {
        return true;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text(header::HOST.as_str()).unwrap_or_default();
            let here = origin.split_once("://").is_some_and(|(_, authority)| !host.is_empty() && authority == host);
            here || public_url.is_some_and(|url| origin == origin_of(url))
        }
        // Every browser says one of them when it posts; this is a program.
        (None, None) => true,
    }
}

/// Scheme, host and port.
fn origin_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    url[authority..].find('/').map_or(url, |slash| &url[..authority + slash])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Method, pairs: &[(&'static str, &'static str)], expected: bool) {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        assert_eq!(is_own(&method, &headers, Some("https://bell.example.org/alarm")), expected, "{method} {pairs:?}");
    }

    #[test]
    fn other_sites_change_nothing() {
        let host = ("host", "127.0.0.1:8080");
        check(Method::GET, &[("sec-fetch-site", "cross-site")], true);
        check(Method::POST, &[host], true);
        check(Method::POST, &[host, ("sec-fetch-site", "same-origin"), ("origin", "null")], true);
        check(Method::POST, &[host, ("sec-fetch-site", "none")], true);
        check(Method::POST, &[host, ("sec-fetch-site", "same-site")], false);
        check(Method::DELETE, &[host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8080")], false);
        check(Method::POST, &[host, ("origin", "http://127.0.0.1:8080")], true);
        check(Method::POST, &[host, ("origin", "https://bell.example.org")], true);
        check(Method::POST, &[host, ("origin", "https://bell.example.org.evil.example")], false);
        check(Method::POST, &[host, ("origin", "http://127.0.0.1:9090")], false);
        check(Method::POST, &[host, ("origin", "null")], false);
        check(Method::POST, &[("origin", "http://")], false);
    }
}
