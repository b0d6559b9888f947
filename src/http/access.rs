//! Who asks, and what they may do.
//!
//! A token of the configuration, typed in or sent as `Authorization: Bearer`; without any token
//! this machine may read. What a signed link allows is asked of it by the page it leads to.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{forwarded, guesses::Guesses, session};
use crate::{
    clock::Timestamp,
    render::{Links, link::Purpose},
    secret::Secret,
};

/// The part of the configuration that is about people.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// `https://bell.example.org`, without a slash at the end.
    pub public_url: Option<String>,
    pub tokens: Vec<Token>,
    /// Whose word is taken for whom they ask, beside this machine's own.
    pub trusted_proxies: Vec<IpNet>,
    /// In which the pages tell times, beside UTC; `None`: UTC alone.
    pub zone: Option<TimeZone>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub name: String,
    pub role: Role,
    pub secret: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May read.
    Viewer,
    /// May read, and make and end silences.
    Operator,
}

/// What is in force for people; swapped whole at a reload.
#[derive(Debug, Clone)]
pub struct Access {
    pub(super) settings: Settings,
    /// Signs sessions.
    pub(super) key: Secret,
    links: Links,
    /// Outlives a reload.
    guesses: Arc<Mutex<Guesses>>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A program or person on this machine, where no token is configured.
    Local,
    /// The name of a token, and its role.
    Known(String, Role),
    /// May do what the link that is shown allows.
    Stranger,
}

/// Why a request goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    WrongToken,
    /// Too many wrong tokens came from there; ask again after so many seconds.
    TooMany(u64),
}

/// What a signed address carries beside its path.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Signed {
    #[serde(default)]
    pub until: String,
    #[serde(default)]
    pub sig: String,
}

impl Caller {
    pub fn may_view(&self) -> bool {
        !matches!(self, Self::Stranger)
    }

    pub fn may_change(&self) -> bool {
        matches!(self, Self::Known(_, Role::Operator))
    }
}

impl Access {
    pub fn new(settings: Settings, key: Secret) -> Self {
        let links = Links::new(settings.public_url.as_deref().unwrap_or_default(), key.clone());
        Self { settings, key, links, guesses: Arc::default() }
    }

    /// The same with other settings; who guessed tokens before is not forgotten.
    pub fn with(&self, settings: Settings) -> Self {
        Self { guesses: Arc::clone(&self.guesses), ..Self::new(settings, self.key.clone()) }
    }

    pub fn public_url(&self) -> Option<&str> {
        self.settings.public_url.as_deref()
    }

    pub fn zone(&self) -> TimeZone {
        self.settings.zone.clone().unwrap_or(TimeZone::UTC)
    }

    pub fn has_tokens(&self) -> bool {
        !self.settings.tokens.is_empty()
    }

    /// The address of a silence's page, below the root, for who made it and may end it.
    pub fn end_of_silence(&self, silence: &str, now: Timestamp) -> String {
        self.links.end(silence, now)
    }

    /// What messages are given, if their readers can reach the pages at all.
    pub fn links(&self) -> Option<&Links> {
        self.settings.public_url.as_ref().map(|_| &self.links)
    }

    /// True if the address was written by this Tracebell for one of these purposes, and is not too old.
    pub fn link_allows(&self, purposes: &[Purpose], about: &str, signed: &Signed, now: Timestamp) -> bool {
        let Ok(until) = signed.until.parse() else { return false };
        purposes.iter().any(|purpose| self.links.allows(*purpose, about, until, &signed.sig, now))
    }

    /// Who asks from `peer`.
    pub fn who(&self, headers: &HeaderMap, peer: Option<IpAddr>, now: Timestamp) -> Result<Caller, Refused> {
        if let Some(token) = bearer(headers) {
            let token = self.token(token, self.client(headers, peer), now)?;
            return Ok(Caller::Known(token.name.clone(), token.role));
        }
        if let Some(token) = session::holder(self, headers, now) {
            return Ok(Caller::Known(token.name.clone(), token.role));
        }
        Ok(if self.is_local(headers, peer) { Caller::Local } else { Caller::Stranger })
    }

    /// Where a request really comes from, if a proxy that is trusted says so.
    pub fn client(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        forwarded::client(headers, peer, &self.settings.trusted_proxies)
    }

    /// The token that was typed in or sent from `client`. A right one is taken however many wrong ones came from there.
    pub fn token(&self, text: &str, client: Option<IpAddr>, now: Timestamp) -> Result<&Token, Refused> {
        let found = self.settings.tokens.iter().fold(None, |found, token| {
            // Hashes are of one length, and every token is compared: time tells nothing.
            let same = digest(text).ct_eq(&digest(token.secret.expose()));
            if bool::from(same) { Some(token) } else { found }
        });
        found.ok_or_else(|| {
            let mut guesses = self.guesses.lock().expect("nothing panics while it is held");
            if let Some(seconds) = guesses.blocked(client, now) {
                return Refused::TooMany(seconds);
            }
            if guesses.wrong(client, now) {
                tracing::warn!("many wrong tokens came from one place: someone guesses, or a program has an old one");
            }
            Refused::WrongToken
        })
    }

    /// Without tokens this machine may read. Not through a proxy, whose requests come from this machine
    /// too, and not by a name: a site could have its own name lead here.
    fn is_local(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let public = self.settings.public_url.as_deref().and_then(|url| url.split("//").nth(1));
        self.settings.tokens.is_empty()
            && peer.is_some_and(|peer| peer.to_canonical().is_loopback())
            && is_local(host_of(host))
            && public.is_none_or(|rest| is_local(host_of(rest.split('/').next().unwrap_or_default())))
            && !["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
    }
}

/// True of the names that a machine has for itself.
pub fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(public_url: Option<&str>, tokens: &[(&str, Role, &str)]) -> Access {
        let token = |(name, role, secret): &(&str, Role, &str)| Token {
            name: (*name).into(),
            role: *role,
            secret: Secret::new(*secret),
        };
        let tokens = tokens.iter().map(token).collect();
        Access::new(
            Settings { public_url: public_url.map(str::to_owned), tokens, ..Settings::default() },
            Secret::new("key"),
        )
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_tokens_only_this_machine_is_known() {
        let check = |public_url, peer: &str, pairs: &[(&'static str, &'static str)], expected| {
            let who = access(public_url, &[]).who(&headers(pairs), peer.parse().ok(), Timestamp::UNIX_EPOCH);
            assert_eq!(who, Ok(expected), "{public_url:?} {peer} {pairs:?}");
        };
        check(None, "127.0.0.1", &[("host", "127.0.0.1:8080")], Caller::Local);
        check(None, "::1", &[("host", "[::1]:8080")], Caller::Local);
        check(None, "::ffff:127.0.0.1", &[("host", "localhost")], Caller::Local);
        check(Some("http://localhost:8080/bell"), "127.0.0.1", &[("host", "localhost:8080")], Caller::Local);
        check(Some("https://bell.example.org"), "127.0.0.1", &[("host", "localhost")], Caller::Stranger);
        check(None, "127.0.0.1", &[("host", "rebound.example:8080")], Caller::Stranger);
        check(None, "127.0.0.1", &[("host", "127.0.0.1.rebound.example")], Caller::Stranger);
        check(None, "127.0.0.1", &[], Caller::Stranger);
        check(None, "127.0.0.1", &[("host", "localhost"), ("x-forwarded-for", "203.0.113.7")], Caller::Stranger);
        check(None, "203.0.113.7", &[("host", "127.0.0.1:8080")], Caller::Stranger);
        check(None, "", &[("host", "127.0.0.1:8080")], Caller::Stranger);
    }

    #[test]
    fn tokens_say_who_asks_and_guessing_ends() {
        let tokens = [("ops", Role::Operator, "0123456789abcdef"), ("eye", Role::Viewer, "fedcba9876543210")];
        let access = access(None, &tokens);
        let ask = |token: &'static str, peer: &str, second| {
            let headers = headers(&[("authorization", token), ("host", "127.0.0.1")]);
            access.who(&headers, peer.parse().ok(), Timestamp::from_second(second).unwrap())
        };
        let operator = Ok(Caller::Known("ops".into(), Role::Operator));
        assert_eq!(ask("Bearer 0123456789abcdef", "203.0.113.7", 0), operator);
        assert_eq!(ask("bearer fedcba9876543210", "203.0.113.7", 0), Ok(Caller::Known("eye".into(), Role::Viewer)));
        assert_eq!(ask("Basic 0123456789abcdef", "127.0.0.1", 0), Ok(Caller::Stranger), "with tokens, all need one");
        for guess in ["Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Bearer  "] {
            assert_eq!(ask(guess, "203.0.113.7", 0), Err(Refused::WrongToken), "{guess}");
        }
        for _ in 3..10 {
            assert_eq!(ask("Bearer guess", "203.0.113.7", 1), Err(Refused::WrongToken));
        }
        assert_eq!(ask("Bearer guess", "203.0.113.7", 2), Err(Refused::TooMany(298)));
        assert_eq!(ask("Bearer 0123456789abcdef", "203.0.113.7", 2), operator, "a right one is never held up");
        assert_eq!(ask("Bearer guess", "203.0.113.7", 3), Err(Refused::TooMany(297)), "and excuses no wrong one");
        assert_eq!(ask("Bearer guess", "203.0.113.8", 2), Err(Refused::WrongToken), "others are not held up");
        assert_eq!(ask("Bearer guess", "203.0.113.7", 301), Err(Refused::WrongToken));
    }
}
