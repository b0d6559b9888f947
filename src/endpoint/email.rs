//! Mail through an SMTP relay.
//!
//! A few connections of our own rather than lettre's pool: an attempt that is cut off by its timeout must
//! close its connection, or the relay's late answer would be read as the answer to the next mail.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lettre::{
    Address,
    transport::smtp::{
        Error as SmtpError,
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use tokio::net::TcpStream;
use tracing::warn;

use super::{
    InvalidEndpoint,
    answer::{self, Stage},
    client::{innermost, is_dns, is_tls},
    guard::{Forbidden, Outbound},
};
use crate::{
    clock::{self, Timestamp},
    delivery::{Delivery, Outcome},
    render::{Letterhead, inert},
    secret::Secret,
};

mod login;
mod recipients;
mod settings;
mod wire;

use login::Login;
pub use login::Token;
use recipients::{Next, Recipients};
use wire::Wire;

#[derive(Debug, Clone)]
pub struct Settings {
    pub host: String,
    /// Default 25 without TLS, 587 with STARTTLS, 465 with TLS.
    pub port: Option<u16>,
    pub tls: Tls,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// In place of a password.
    pub oauth2_token: Option<Token>,
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
    login: Option<Login>,
    hello: ClientId,
    from: Address,
    to: Vec<Address>,
    outbound: Arc<Outbound>,
    recipients: Mutex<Recipients>,
    /// Connections of the last mails, for the next ones.
    spares: Mutex<Vec<Spare>>,
    most_spares: usize,
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
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Email {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let relay = settings::relay(endpoint, settings).map_err(|reason| endpoint.invalid(reason))?;
        Ok(Self { relay: Arc::new(relay), timeout: endpoint.timeout })
    }

    pub async fn send(&self, delivery: &Delivery, now: Timestamp) -> Outcome {
        match tokio::time::timeout(self.timeout, self.relay.send(&delivery.body, now)).await {
            Ok(Ok(reply)) => {
                Outcome::Delivered { answer: format!("smtp_2xx: {}", inert::line(&reply, 400)), receipt: None }
            }
            Ok(Err(failure)) => failure,
            Err(_) => answer::timed_out(self.timeout),
        }
    }
}

impl Relay {
    async fn send(&self, mail: &[u8], now: Timestamp) -> Result<String, Outcome> {
        let mut connection = match self.take_spare(now).await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        // Whatever fails below drops the connection: its dialogue is in an unknown place.
        let answer = self.transact(&mut connection, mail, now).await?;
        self.keep(Spare { connection, used: now });
        Ok(answer)
    }

    async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &[u8],
        now: Timestamp,
    ) -> Result<String, Outcome> {
        let from = Mail::new(Some(self.from.clone()), Vec::new());
        connection.command(from).await.map_err(|error| meaning(Stage::Sender, &error))?;
        let failed = |error: SmtpError| meaning(Stage::Mail, &error);
        let mut left_out = Vec::new();
        let mut last = None;
        for to in &self.to {
            // Without a reply there is no saying what the server thinks of the others.
            let refusal = match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
                Ok(_) => None,
                Err(error) if error.status().is_none_or(|code| u16::from(code) == 421) => return Err(failed(error)),
                Err(error) => Some(failed(error)),
            };
            let address = to.to_string();
            if let Some(paused @ Outcome::Paused { .. }) = refusal {
                return Err(paused);
            }
            let next =
                self.recipients.lock().unwrap_or_else(PoisonError::into_inner).next(&address, refusal.as_ref(), now);
            match (next, refusal) {
                (Next::Take, _) | (_, None) => {}
                (Next::Wait, Some(refusal)) => return Err(refusal),
                (Next::LeaveOut { new }, Some(refusal)) => {
                    if new {
                        // Said once, until the server takes it again; the address stands with the attempt.
                        warn!(endpoint = self.name, "a recipient of `{}` is not taken by the mail server", self.name);
                    }
                    left_out.push(format!("{address}: {}", answer::said(refusal.reason())));
                    last = Some(refusal);
                }
            }
        }
        let note = match last {
            Some(refused) if left_out.len() == self.to.len() => return Err(refused),
            Some(_) => {
                format!("{} of {} recipients refused ({}); ", left_out.len(), self.to.len(), left_out.join("; "))
            }
            None => String::new(),
        };
        connection.command(Data).await.map_err(failed)?;
        let sent = connection.message(mail).await.map_err(failed)?;
        Ok(format!("{note}the server answered {} {}", sent.code(), sent.message().collect::<Vec<_>>().join(" ")))
    }

    async fn take_spare(&self, now: Timestamp) -> Option<AsyncSmtpConnection> {
        let spare = self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Spare { mut connection, used } = spare?;
        let fresh = clock::since(used, now) < SPARE_FOR && clock::since(now, used) < SPARE_FOR;
        (fresh && connection.test_connected().await).then_some(connection)
    }

    fn keep(&self, spare: Spare) {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() >= self.most_spares {
            spares.remove(0);
        }
        spares.push(spare);
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Outcome> {
        let addresses = self.addresses().await?;
        let greeting = |error: SmtpError| meaning(Stage::Greeting, &error);
        let mut connection = match &self.security {
            Security::Tls(tls) => {
                let (wait, tls) = (Some(CONNECT_TIMEOUT), Some(tls.clone()));
                let connecting = AsyncSmtpConnection::connect_tokio1(&addresses[..], wait, &self.hello, tls, None);
                connecting.await.map_err(greeting)?
            }
            Security::None | Security::Starttls(_) => {
                let wire = Wire::new(open(&addresses).await?);
                AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.hello).await.map_err(greeting)?
            }
        };
        if let Security::Starttls(tls) = &self.security {
            if !connection.can_starttls() {
                return Err(answer::paused(
                    "smtp_starttls: the server does not offer STARTTLS".into(),
                    "nothing is sent in the clear: use a server or `port` that offers STARTTLS, or change `tls`",
                ));
            }
            connection.starttls(tls.clone(), &self.hello).await.map_err(|error| meaning(Stage::Starttls, &error))?;
        }
        if let Some(login) = &self.login {
            login.auth(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Where the relay is, if all of that may be connected to. Its port is the operator's own choice.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Outcome> {
        let host = self.host.trim_matches(['[', ']']);
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![(address, self.port).into()],
            Err(_) => match tokio::net::lookup_host((host, self.port)).await {
                Ok(found) => found.collect(),
                Err(error) => return Err(answer::retry("dns", &innermost(&error))),
            },
        };
        if found.is_empty() {
            return Err(answer::retry("dns", "the name has no address"));
        }
        for address in &found {
            if let Err(Forbidden { found, fix }) = self.outbound.reach(address.ip()) {
                return Err(answer::paused(format!("forbidden: {found}"), &fix));
            }
        }
        Ok(found)
    }
}

/// To the first address that answers.
async fn open(addresses: &[SocketAddr]) -> Result<TcpStream, Outcome> {
    let mut failed = answer::retry("connect", "the name has no address");
    for address in addresses {
        failed = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => answer::retry("connect", &error.to_string()),
            Err(_) => answer::timed_out(CONNECT_TIMEOUT),
        };
    }
    Err(failed)
}

fn meaning(stage: Stage, error: &SmtpError) -> Outcome {
    let text = innermost(error);
    if let Some(code) = error.status() {
        let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        answer::smtp(stage, code.into(), &said)
    } else if text.contains(wire::INJECTED) {
        answer::paused(
            format!("smtp_starttls: {text}"),
            "somebody between here and the mail server writes into the connection: find out who, or use `tls: tls`",
        )
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
