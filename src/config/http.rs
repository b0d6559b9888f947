//! `http`: where Tracebell listens, how readers of its messages reach it, and who may do what.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::{named, root::network, secrets::Secrets};
use crate::{
    document::{Value, Walk},
    http::access::{Role, Settings, Token, is_local},
};

/// Only this machine may read, unless configured otherwise.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Shorter ones can be guessed in a year of trying.
const SHORTEST: usize = 16;
/// Wrong guesses never shut out who has the right one, so a token has to be hard to guess by itself.
const DIFFERENT: usize = 6;

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<(SocketAddr, Settings)> {
    let mut fields = walk.fields()?;
    let listen = fields.optional("listen");
    let public_url = fields.optional("public_url").and_then(|walk| public_url(&walk));
    let (tokens, proxies) = (fields.list("tokens"), fields.list("trusted_proxies"));
    fields.finish();
    let listen = listen.map_or(Some(LISTEN), |walk| address(&walk));
    let trusted_proxies = proxies.iter().filter_map(network).collect();
    let mut settings = Settings { public_url, trusted_proxies, ..Settings::default() };
    for walk in tokens {
        let Some(token) = token(&walk, secrets) else { continue };
        if settings.tokens.iter().any(|other| other.name == token.name) {
            walk.fail(format!("two tokens are named `{}`; each needs a name of its own", token.name));
        } else if settings.tokens.iter().any(|other| other.secret == token.secret) {
            walk.fail_hint("another token has the same secret", "give each its own, so that one can be withdrawn");
        } else {
            settings.tokens.push(token);
        }
    }
    Some((listen?, settings))
}

fn address(walk: &Walk<'_>) -> Option<SocketAddr> {
    let hint = "write an address and a port, for example `127.0.0.1:8080` or `[::1]:8080`";
    if let Value::Int(port) = walk.node.value {
        walk.fail_hint(format!("`{port}` is not an address with a port"), hint);
        return None;
    }
    let text = walk.words()?;
    let address = text.parse().ok();
    if address.is_none() {
        walk.fail_hint(format!("`{text}` is not an address with a port"), hint);
    }
    address
}

/// `https://bell.example.org`, without a slash at the end.
fn public_url(walk: &Walk<'_>) -> Option<String> {
    const EXAMPLE: &str = "write what readers of a message can open, for example `https://bell.example.org`";
    let text = walk.words()?.trim_end_matches('/');
    let site = |url: &reqwest::Url| {
        let bare = url.username().is_empty() && url.password().is_none();
        bare && matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
    };
    let Some(url) = reqwest::Url::parse(text).ok().filter(site) else {
        walk.fail_hint(format!("`{text}` is not the address of a web site"), EXAMPLE);
        return None;
    };
    if url.scheme() == "http" && !is_local(url.host_str().unwrap_or_default()) {
        let hint = "put a proxy with TLS before it and write `https://`";
        walk.warn("who listens on the way can use the links in messages, and silence alerts", Some(hint.into()));
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn token(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<Token> {
    let mut fields = walk.fields()?;
    let (name, role, secret) = (fields.required("name"), fields.required("role"), fields.required("secret"));
    fields.finish();
    let role = role.and_then(|walk| walk.one_of(&[("viewer", Role::Viewer), ("operator", Role::Operator)]));
    let secret = secret.and_then(|walk| {
        let secret = secrets.read(&walk)?;
        let text = secret.expose();
        let different = text.bytes().collect::<BTreeSet<_>>().len();
        if text.len() < SHORTEST || different < DIFFERENT || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let hint = "make one with `openssl rand -hex 24`";
            let expected = format!("expected at least {SHORTEST} letters, digits and signs, without blanks");
            walk.fail_hint(format!("{expected}, {DIFFERENT} of them different"), hint);
            return None;
        }
        Some(secret)
    });
    let name = name.and_then(|walk| walk.words().filter(|name| named(name, &walk)).map(str::to_owned));
    Some(Token { name: name?, role: role?, secret: secret? })
}
