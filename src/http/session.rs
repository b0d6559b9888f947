//! A cookie for who typed a token in: its name, an end, and our signature. Not the token itself,
//! and void as soon as the token is withdrawn or gets another secret.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::access::{Access, Token, digest};
use crate::clock::{self, Timestamp};

const NAME: &str = "tracebell";
/// A working day.
const LASTS: Duration = Duration::from_secs(12 * 3600);

/// The `Set-Cookie` line for who has `token`.
pub fn open(access: &Access, token: &Token, now: Timestamp) -> String {
    let until = clock::plus(now, LASTS).as_second();
    let signature = URL_SAFE_NO_PAD.encode(mac(access, token, until).finalize().into_bytes());
    format!("{NAME}={}~{until}~{signature}; Max-Age={}; {}", token.name, LASTS.as_secs(), manners(access))
}

/// The `Set-Cookie` line that ends it.
pub fn close(access: &Access) -> String {
    format!("{NAME}=; Max-Age=0; {}", manners(access))
}

/// Whose session it is.
pub fn holder<'a>(access: &'a Access, headers: &HeaderMap, now: Timestamp) -> Option<&'a Token> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let value =
        lines.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))?;
    let mut parts = value.split('~');
    let (name, until, signature) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    let token = access.settings.tokens.iter().find(|token| token.name == name)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    (now.as_second() <= until && mac(access, token, until).verify_slice(&signature).is_ok()).then_some(token)
}

fn manners(access: &Access) -> String {
    let secure = access.settings.public_url.as_deref().is_some_and(|url| url.starts_with("https:"));
    format!("Path=/; HttpOnly; SameSite=Strict{}", if secure { "; Secure" } else { "" })
}

fn mac(access: &Access, token: &Token, until: i64) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(access.key.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("session\n{}\n{until}\n", token.name).as_bytes());
    mac.update(&digest(token.secret.expose()));
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        http::access::{Role, Settings},
        secret::Secret,
    };

    fn access(secret: &str) -> Access {
        let token = Token { name: "ops".into(), role: Role::Operator, secret: Secret::new(secret) };
        let settings = Settings {
            public_url: Some("https://bell.example.org".into()),
            tokens: vec![token],
            ..Settings::default()
        };
        Access::new(settings, Secret::new("key"))
    }

    #[test]
    fn a_session_lasts_a_day_and_no_longer_than_its_token() {
        let (access, now) = (access("0123456789abcdef"), Timestamp::UNIX_EPOCH);
        let line = open(&access, &access.settings.tokens[0], now);
        assert!(line.ends_with("; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict; Secure"), "{line}");
        assert!(!line.contains("0123456789abcdef"), "{line}");
        let cookie = line.split(';').next().unwrap().to_owned();
        let holds = |access: &Access, cookie: &str, now| {
            let headers = [(header::COOKIE, format!("other=1; {cookie}").parse().unwrap())].into_iter().collect();
            holder(access, &headers, now).is_some()
        };
        assert!(holds(&access, &cookie, now));
        assert!(!holds(&access, &cookie, clock::plus(now, LASTS * 2)));
        assert!(!holds(&access, &cookie.replace("ops", "eye"), now));
        assert!(!holds(&access, &cookie.replace("43200", "93200"), now));
        assert!(!holds(&self::access("another-secret-16"), &cookie, now), "the token was changed");
    }
}
