//! Mail through an SMTP relay.
//!
//! One mail at a time on a connection of our own rather than lettre's pool: an
//! attempt that is cut off by its timeout must close its connection, or the
//! relay's late answer would be read as the answer to the next mail.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lettre::{
    Address,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use tracing::warn;

use super::{
    InvalidEndpoint,
    answer::{self, Stage},
    client::{innermost, is_dns, is_tls},
};
use crate::{
    clock::{self, Timestamp},
    delivery::{Delivery, Outcome},
    render::{Letterhead, email::mailbox, inert},
    secret::Secret,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub host: String,
    /// Default 25 without TLS, 587 with STARTTLS, 465 with TLS.
    pub port: Option<u16>,
    pub tls: Tls,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// PEM file of a private CA, trusted in addition to the system's.
    pub ca: Option<PathBuf>,
    pub from: String,
    pub to: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    None,
    /// STARTTLS is required: a server that does not offer it is refused.
    Starttls,
    Tls,
}

impl Settings {
    pub fn letterhead(&self) -> Letterhead {
        Letterhead { from: self.from.clone(), to: self.to.clone() }
    }
}

#[derive(Clone)]
pub struct Email {
    relay: Arc<Relay>,
    timeout: Duration,
}

struct Relay {
    /// The endpoint's, for the log.
    name: String,
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Address,
    to: Vec<Address>,
    /// The connection of the last mail, for the next one.
    spare: Mutex<Option<Spare>>,
}

enum Security {
    None,
    Starttls(TlsParameters),
    Tls(TlsParameters),
}

struct Spare {
    connection: AsyncSmtpConnection,
    used: Timestamp,
}

// Relays commonly hang up after minutes; a burst of mails fits well within this.
const SPARE_FOR: Duration = Duration::from_secs(20);

impl Email {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let relay = relay(&endpoint.name, settings).map_err(|reason| endpoint.invalid(reason))?;
        Ok(Self { relay: Arc::new(relay), timeout: endpoint.timeout })
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        match tokio::time::timeout(self.timeout, self.relay.send(&delivery.body, self.timeout, now)).await {
            Ok(Ok(reply)) => {
                Outcome::Delivered { answer: format!("smtp_2xx: {}", inert::line(&reply, 400)), receipt: None }
            }
            Ok(Err(failure)) => failure,
            Err(_) => answer::timed_out(self.timeout),
        }
    }
}

impl Relay {
    async fn send(&self, mail: &[u8], timeout: Duration, now: Timestamp) -> Result<String, Outcome> {
        let mut connection = match self.take_spare(now).await {
            Some(connection) => connection,
            None => self.connect(timeout).await?,
        };
        // Whatever fails below drops the connection: its dialogue is in an unknown place.
        let answer = self.transact(&mut connection, mail).await?;
        self.keep(Spare { connection, used: now });
        Ok(answer)
    }

    async fn transact(&self, connection: &mut AsyncSmtpConnection, mail: &[u8]) -> Result<String, Outcome> {
        let failed = |error: SmtpError| meaning(Stage::Mail, &error);
        connection.command(Mail::new(Some(self.from.clone()), Vec::new())).await.map_err(failed)?;
        // One address that is gone must not keep the others from hearing. One that is only
        // put off does: the mail is repeated to all, because it has one outcome.
        let mut refused = None;
        let mut refusals = 0;
        for to in &self.to {
            match connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(failed) {
                Ok(_) => {}
                Err(outcome @ Outcome::Refused { .. }) => {
                    refused = Some(outcome);
                    refusals += 1;
                }
                Err(outcome) => return Err(outcome),
            }
        }
        let note = match refused {
            Some(refused) if refusals == self.to.len() => return Err(refused),
            Some(refused) => {
                warn!(
                    endpoint = self.name,
                    refusals, "the mail server refuses some of the recipients of `{}`", self.name
                );
                format!("{refusals} of {} recipients refused ({}); ", self.to.len(), refused.reason())
            }
            None => String::new(),
        };
        connection.command(Data).await.map_err(failed)?;
        let sent = connection.message(mail).await.map_err(failed)?;
        Ok(format!("{note}the server answered {} {}", sent.code(), sent.message().collect::<Vec<_>>().join(" ")))
    }

    async fn take_spare(&self, now: Timestamp) -> Option<AsyncSmtpConnection> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Spare { mut connection, used } = spare?;
        let fresh = clock::since(used, now) < SPARE_FOR && clock::since(now, used) < SPARE_FOR;
        (fresh && connection.test_connected().await).then_some(connection)
    }

    fn keep(&self, spare: Spare) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(spare);
    }

    async fn connect(&self, timeout: Duration) -> Result<AsyncSmtpConnection, Outcome> {
        let at_once = if let Security::Tls(tls) = &self.security { Some(tls.clone()) } else { None };
        let server = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(timeout), &self.hello, at_once, None)
            .await
            .map_err(|error| meaning(Stage::Greeting, &error))?;
        if let Security::Starttls(tls) = &self.security {
            if !connection.can_starttls() {
                return Err(answer::paused(
                    "smtp_starttls: the server does not offer STARTTLS".into(),
                    "nothing is sent in the clear: use a server or `port` that offers STARTTLS, or change `tls`",
                ));
            }
            connection.starttls(tls.clone(), &self.hello).await.map_err(|error| meaning(Stage::Starttls, &error))?;
        }
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, credentials).await.map_err(|error| meaning(Stage::Auth, &error))?;
        }
        Ok(connection)
    }
}

fn meaning(stage: Stage, error: &SmtpError) -> Outcome {
    let text = innermost(error);
    if let Some(code) = error.status() {
        let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        answer::smtp(stage, code.into(), &said)
    } else if error.is_timeout() {
        answer::retry("timeout", &text)
    } else if is_tls(error) || error.is_tls() {
        answer::retry("tls", &text)
    } else if error.is_client() {
        // What the server offers and what we need do not meet: no login method, no SMTPUTF8.
        let fix = match stage {
            Stage::Auth => {
                "the server offers no login with PLAIN or LOGIN here: check `tls` and `port`, or remove `username`"
            }
            _ => "the server lacks something this mail needs: check `from`, `to` and the server",
        };
        let class = if stage == Stage::Auth { "smtp_auth" } else { "smtp_unable" };
        answer::paused(format!("{class}: {}", inert::line(&text, 200)), fix)
    } else if is_dns(&text) {
        answer::retry("dns", &text)
    } else if stage == Stage::Greeting {
        answer::retry("connect", &text)
    } else {
        // After DATA nobody knows whether the mail was taken: the repeat carries the same Message-ID.
        answer::retry("io", &text)
    }
}

fn relay(name: &str, settings: &Settings) -> Result<Relay, String> {
    let host = settings.host.trim().to_owned();
    if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)) {
        return Err(format!("`smtp.host` is `{}`; expected a host name", host.escape_debug()));
    }
    let security = match settings.tls {
        Tls::None => Security::None,
        Tls::Starttls => Security::Starttls(tls(&host, settings)?),
        Tls::Tls => Security::Tls(tls(&host, settings)?),
    };
    let credentials = match (&settings.username, &settings.password) {
        (Some(username), Some(password)) => Some(Credentials::new(username.clone(), password.expose().to_owned())),
        (None, None) => None,
        (Some(_), None) => return Err("`smtp.username` is given without `smtp.password`".into()),
        (None, Some(_)) => return Err("`smtp.password` is given without `smtp.username`".into()),
    };
    let default_port = match settings.tls {
        Tls::None => 25,
        Tls::Starttls => 587,
        Tls::Tls => 465,
    };
    Ok(Relay {
        name: name.to_owned(),
        port: settings.port.unwrap_or(default_port),
        security,
        credentials,
        hello: ClientId::default(),
        from: address("from", &settings.from)?,
        to: recipients(settings)?,
        spare: Mutex::new(None),
        host,
    })
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

    fn settings() -> Settings {
        Settings {
            host: "mail.example.org".into(),
            port: None,
            tls: Tls::None,
            username: None,
            password: None,
            ca: None,
            from: "Tracebell <bell@example.org>".into(),
            to: vec!["ops@example.org".into()],
        }
    }

    #[track_caller]
    fn check(settings: &Settings, wrong: &str) {
        let found = relay("mail", settings).err().unwrap_or_default();
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
        let ca = Some("/nonexistent/ca.pem".into());
        check(&Settings { tls: Tls::Tls, ca, ..settings() }, "cannot read `/nonexistent/ca.pem`");
    }

    #[test]
    fn ports_follow_the_security() {
        for (tls, port) in [(Tls::None, 25), (Tls::Starttls, 587), (Tls::Tls, 465)] {
            assert_eq!(relay("mail", &Settings { tls, ..settings() }).map(|relay| relay.port), Ok(port));
        }
        assert_eq!(relay("mail", &Settings { port: Some(2525), ..settings() }).map(|relay| relay.port), Ok(2525));
    }
}
