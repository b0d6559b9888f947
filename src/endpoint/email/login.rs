//! How we say who we are to a relay: a password, or an access token (XOAUTH2).

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
};

use super::meaning;
use crate::{
    delivery::Outcome,
    endpoint::answer::{self, Stage},
    render::inert,
    secret::Secret,
};

pub enum Login {
    Password(Credentials),
    Token { username: String, token: Token },
}

/// An access token; those in files are read again at each login, because they live for an hour.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Fixed(Secret),
    File(PathBuf),
}

const RENEW: &str = "the mail server does not accept the token: renew what `smtp.oauth2_token` names, and check that \
                     it is for `smtp.username` and allows SMTP";

impl Login {
    pub async fn auth(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Outcome> {
        match self {
            Self::Password(credentials) => {
                let mechanisms = [Mechanism::Plain, Mechanism::Login];
                let answer = connection.auth(&mechanisms, credentials).await;
                answer.map(|_| ()).map_err(|error| meaning(Stage::Auth, &error))
            }
            Self::Token { username, token } => {
                if !connection.server_info().supports_auth_mechanism(Mechanism::Xoauth2) {
                    let fix = "the server offers no login with XOAUTH2 here: check `tls` and `port`, or use `password`";
                    return Err(answer::paused("smtp_auth: no XOAUTH2 on offer".into(), fix));
                }
                let line = first(username, token.read().await?.expose());
                let refused = |outcome| match outcome {
                    Outcome::Paused { reason, .. } => answer::paused(reason, RENEW),
                    other => other,
                };
                let answer = connection.command(line).await.map_err(|error| refused(meaning(Stage::Auth, &error)))?;
                if !answer.has_code(334) {
                    return Ok(());
                }
                // A refusal comes in two steps: why, as JSON, and after an empty line of ours the code.
                let why = answer.first_word().and_then(|word| STANDARD.decode(word).ok()).unwrap_or_default();
                let why = inert::line(&String::from_utf8_lossy(&why), 100);
                match connection.command("\r\n").await.map_err(|error| refused(meaning(Stage::Auth, &error))) {
                    Err(Outcome::Paused { reason, fix }) => {
                        Err(Outcome::Paused { reason: format!("{reason} {why}").trim_end().to_owned(), fix })
                    }
                    Err(other) => Err(other),
                    Ok(_) => Err(answer::paused(format!("smtp_auth: the server answered {why}"), RENEW)),
                }
            }
        }
    }
}

impl Token {
    async fn read(&self) -> Result<Secret, Outcome> {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::File(path) => match tokio::fs::read_to_string(path).await {
                Ok(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim())),
                Ok(_) => Err(answer::retry("smtp_auth", "the file of `smtp.oauth2_token` is empty")),
                // It may be about to be replaced.
                Err(error) => Err(answer::retry("smtp_auth", &format!("cannot read `smtp.oauth2_token`: {error}"))),
            },
        }
    }
}

/// The whole command, token included: it goes to the relay and nowhere else.
fn first(username: &str, token: &str) -> String {
    format!("AUTH XOAUTH2 {}\r\n", STANDARD.encode(format!("user={username}\u{1}auth=Bearer {token}\u{1}\u{1}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_wrapped_as_providers_document_it() {
        // The example of Google's description of XOAUTH2.
        let expected = "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==\r\n";
        let token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
        assert_eq!(first("someuser@example.com", token), expected);
    }
}
