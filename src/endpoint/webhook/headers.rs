//! The headers that go with every request, whatever it holds.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::secret::Secret;

/// How a receiver knows us, beside the signature.
#[derive(Debug, Clone)]
pub enum Login {
    Basic { username: String, password: Secret },
    Bearer(Secret),
}

/// Set by us for every request, so a configured one would be lost or would lie.
const OWN: &[&str] = &[
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "host",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "tracebell-attempt",
];

/// What is configured, checked: never two that contradict each other, never one that is ours.
pub fn configured(headers: &[(String, Secret)], login: Option<&Login>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`headers.{}` is not a header name", name.escape_debug()))?;
        if OWN.contains(&parsed.as_str()) || parsed.as_str().starts_with("x-smn-") {
            return Err(format!("`headers.{name}` is set by tracebell itself; choose another name"));
        }
        map.append(parsed, sensitive(&format!("headers.{name}"), value.expose().trim())?);
    }
    let value = match login {
        None => return Ok(map),
        Some(Login::Bearer(token)) => sensitive("bearer", &format!("Bearer {}", token.expose().trim()))?,
        Some(Login::Basic { username, .. }) if username.contains(':') => {
            return Err("`basic.username` holds a `:`, which ends a user name".to_owned());
        }
        Some(Login::Basic { username, password }) => {
            let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
            sensitive("basic", &format!("Basic {pair}"))?
        }
    };
    if map.insert(AUTHORIZATION, value).is_some() {
        return Err("`headers.authorization` and `basic` or `bearer` say the same thing twice; keep one".to_owned());
    }
    Ok(map)
}

/// The text itself is never quoted, and the client does not show it in its own logs.
fn sensitive(key: &str, text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| format!("`{key}` holds a line break or another character that headers cannot carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str, login: Option<&Login>) -> Result<HeaderMap, String> {
        configured(&[(name.to_owned(), Secret::new(value))], login)
    }

    #[test]
    fn extra_headers_are_checked() {
        assert!(with("Authorization", "Bearer x", None).is_ok());
        assert!(with("Webhook-Id", "x", None).unwrap_err().contains("set by tracebell"));
        assert!(with("X-SMN-TOPIC-URN", "x", None).unwrap_err().contains("set by tracebell"));
        assert!(with("bad name", "x", None).unwrap_err().contains("not a header name"));
        let broken = with("X-Key", "SECRET\r\nX-Other: y", None).unwrap_err();
        assert!(broken.contains("line break") && !broken.contains("SECRET"));
    }

    #[test]
    fn a_login_becomes_the_one_authorization() {
        let basic = |username: &str| Login::Basic { username: username.into(), password: Secret::new("open sesame") };
        let bearer = Login::Bearer(Secret::new("t0ken\n"));
        let shown = |map: HeaderMap| map[AUTHORIZATION].to_str().unwrap().to_owned();
        // The specification's own example, RFC 7617.
        assert_eq!(configured(&[], Some(&basic("Aladdin"))).map(shown).unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(configured(&[], Some(&bearer)).map(shown).unwrap(), "Bearer t0ken");
        assert!(configured(&[], Some(&basic("a:b"))).unwrap_err().contains("`basic.username`"));
        assert!(with("authorization", "x", Some(&bearer)).unwrap_err().contains("keep one"));
    }
}
