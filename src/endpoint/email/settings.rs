//! Settings that cannot work are refused before anything is sent.

use std::sync::{Arc, Mutex};

use lettre::{
    Address,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, TlsParameters},
        extension::ClientId,
    },
};

use super::{Login, Recipients, Relay, Security, Settings, Tls};
use crate::{
    endpoint::{self, client::innermost},
    render::email::mailbox,
};

pub fn relay(endpoint: &endpoint::Settings, settings: &Settings) -> Result<Relay, String> {
    let host = settings.host.trim().to_owned();
    if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)) {
        return Err(format!("`smtp.host` is `{}`; expected a host name", host.escape_debug()));
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let this_machine =
        host.eq_ignore_ascii_case("localhost").then_some(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    if let Some(address) = literal.ok().or(this_machine) {
        let reach = endpoint.outbound.reach(address);
        reach.map_err(|forbidden| format!("`smtp.host`: {}; {}", forbidden.found, forbidden.fix))?;
    }
    let security = match settings.tls {
        Tls::None => Security::None,
        Tls::Starttls => Security::Starttls(tls(&host, settings)?),
        Tls::Tls => Security::Tls(tls(&host, settings)?),
    };
    let login = login(settings)?;
    let default_port = match settings.tls {
        Tls::None => 25,
        Tls::Starttls => 587,
        Tls::Tls => 465,
    };
    Ok(Relay {
        name: endpoint.name.clone(),
        port: settings.port.unwrap_or(default_port),
        security,
        login,
        hello: ClientId::default(),
        from: address("from", &settings.from)?,
        to: recipients(settings)?,
        outbound: Arc::clone(&endpoint.outbound),
        recipients: Mutex::new(Recipients::default()),
        spares: Mutex::default(),
        most_spares: endpoint.concurrency,
        host,
    })
}

fn login(settings: &Settings) -> Result<Option<Login>, String> {
    let Settings { username, password, oauth2_token, .. } = settings;
    match (username.clone(), password, oauth2_token) {
        (Some(username), Some(password), None) => {
            Ok(Some(Login::Password(Credentials::new(username, password.expose().to_owned()))))
        }
        (Some(username), None, Some(token)) => Ok(Some(Login::Token { username, token: token.clone() })),
        (None, None, None) => Ok(None),
        (_, Some(_), Some(_)) => Err("`smtp.password` and `smtp.oauth2_token` are both given; one is a login".into()),
        (Some(_), None, None) => Err("`smtp.username` is given without `smtp.password` or `smtp.oauth2_token`".into()),
        (None, Some(_), None) => Err("`smtp.password` is given without `smtp.username`".into()),
        (None, None, Some(_)) => Err("`smtp.oauth2_token` is given without `smtp.username`".into()),
    }
}

fn recipients(settings: &Settings) -> Result<Vec<Address>, String> {
    if settings.to.is_empty() {
        return Err("`to` is empty; expected a mail address".into());
    }
    settings.to.iter().map(|to| address("to", to)).collect()
}

fn address(key: &str, text: &str) -> Result<Address, String> {
    let shown = text.escape_debug();
    let address = mailbox(text).map_err(|wrong| format!("`{key}`: `{shown}` {wrong}"))?.email;
    if !address.to_string().is_ascii() {
        return Err(format!(
            "`{key}`: `{shown}` has an address with letters outside ASCII; write its domain as `xn--...`"
        ));
    }
    Ok(address)
}

fn tls(host: &str, settings: &Settings) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &settings.ca {
        let name = path.display();
        let pem = std::fs::read(path).map_err(|error| format!("`smtp.ca`: cannot read `{name}`: {error}"))?;
        let certificate = Certificate::from_pem(&pem)
            .map_err(|error| format!("`smtp.ca`: `{name}` holds no PEM certificate: {}", innermost(&error)))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| format!("`smtp`: cannot set up TLS for `{host}`: {}", innermost(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        endpoint::{KindSettings, email::Token},
        secret::Secret,
    };

    fn settings() -> Settings {
        Settings {
            host: "mail.example.org".into(),
            port: None,
            tls: Tls::None,
            username: None,
            password: None,
            oauth2_token: None,
            ca: None,
            from: "Tracebell <bell@example.org>".into(),
            to: vec!["ops@example.org".into()],
        }
    }

    fn made(settings: &Settings) -> Result<Relay, String> {
        relay(&endpoint::Settings::new("mail", KindSettings::Email(settings.clone())), settings)
    }

    #[track_caller]
    fn check(settings: &Settings, wrong: &str) {
        let found = made(settings).err().unwrap_or_default();
        assert!(if wrong.is_empty() { found.is_empty() } else { found.contains(wrong) }, "{found}");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        check(&settings(), "");
        check(&Settings { host: " ".into(), ..settings() }, "expected a host name");
        check(&Settings { host: "mail.example.org\r\nQUIT".into(), ..settings() }, "expected a host name");
        check(&Settings { from: "nobody".into(), ..settings() }, "`from`: `nobody` is not a mail address");
        check(&Settings { from: "A\r\nBcc: x <a@example.org>".into(), ..settings() }, "line break");
        check(&Settings { to: vec![], ..settings() }, "`to` is empty");
        check(&Settings { to: vec!["ops@ex\u{e4}mple.org".into()], ..settings() }, "outside ASCII");
        check(&Settings { from: "R\u{f6}der <roeder@example.org>".into(), ..settings() }, "");
        check(&Settings { to: vec!["a@example.org, b@example.org".into()], ..settings() }, "is not a mail address");
        check(&Settings { username: Some("bell".into()), ..settings() }, "without `smtp.password`");
        check(&Settings { password: Some(Secret::new("x")), ..settings() }, "without `smtp.username`");
        let oauth2_token = Some(Token::Fixed(Secret::new("t")));
        check(&Settings { oauth2_token: oauth2_token.clone(), ..settings() }, "`smtp.oauth2_token` is given without");
        let (username, password) = (Some("bell".into()), Some(Secret::new("x")));
        check(&Settings { username, password, oauth2_token, ..settings() }, "are both given");
        let ca = Some("/nonexistent/ca.pem".into());
        check(&Settings { tls: Tls::Tls, ca, ..settings() }, "cannot read `/nonexistent/ca.pem`");
    }

    #[test]
    fn ports_follow_the_security() {
        for (tls, port) in [(Tls::None, 25), (Tls::Starttls, 587), (Tls::Tls, 465)] {
            assert_eq!(made(&Settings { tls, ..settings() }).map(|relay| relay.port), Ok(port));
        }
        assert_eq!(made(&Settings { port: Some(2525), ..settings() }).map(|relay| relay.port), Ok(2525));
    }
}
