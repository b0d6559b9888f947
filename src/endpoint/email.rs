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
    address::Envelope,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};

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
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
    envelope: Envelope,
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
        let relay = relay(settings).map_err(|reason| endpoint.invalid(reason))?;
        Ok(Self { relay: Arc::new(relay), timeout: endpoint.timeout })
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        match tokio::time::timeout(self.timeout, self.relay.send(&delivery.body, self.timeout, now)).await {
            Ok(Ok(reply)) => Outcome::Delivered { answer: format!("smtp_2xx: {}", inert::line(&reply, 200)) },
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
        let sent = connection.send(&self.envelope, mail).await.map_err(|error| meaning(Stage::Mail, &error))?;
        self.keep(Spare { connection, used: now });
        Ok(format!("the server answered {} {}", sent.code(), sent.message().collect::<Vec<_>>().join(" ")))
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

fn relay(settings: &Settings) -> Result<Relay, String> {
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
        port: settings.port.unwrap_or(default_port),
        security,
        credentials,
        hello: ClientId::default(),
        envelope: envelope(settings)?,
        spare: Mutex::new(None),
        host,
    })
}

fn envelope(settings: &Settings) -> Result<Envelope, String> {
    let address = |key: &str, text: &str| match mailbox(text) {
        Ok(mailbox) => Ok(mailbox.email),
        Err(wrong) => Err(format!("`{key}`: `{}` {wrong}", text.escape_debug())),
    };
    let to: Result<Vec<_>, _> = settings.to.iter().map(|to| address("to", to)).collect();
    Envelope::new(Some(address("from", &settings.from)?), to?)
        .map_err(|_| "`to` is empty; expected a mail address".into())
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
        let found = relay(settings).err().unwrap_or_default();
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
        check(&Settings { to: vec!["a@example.org, b@example.org".into()], ..settings() }, "is not a mail address");
        check(&Settings { username: Some("bell".into()), ..settings() }, "without `smtp.password`");
        check(&Settings { password: Some(Secret::new("x")), ..settings() }, "without `smtp.username`");
        let ca = Some("/nonexistent/ca.pem".into());
        check(&Settings { tls: Tls::Tls, ca, ..settings() }, "cannot read `/nonexistent/ca.pem`");
    }

    #[test]
    fn ports_follow_the_security() {
        for (tls, port) in [(Tls::None, 25), (Tls::Starttls, 587), (Tls::Tls, 465)] {
            assert_eq!(relay(&Settings { tls, ..settings() }).map(|relay| relay.port), Ok(port));
        }
        assert_eq!(relay(&Settings { port: Some(2525), ..settings() }).map(|relay| relay.port), Ok(2525));
    }
}
