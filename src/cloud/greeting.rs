//! A first word with the login's address: whether it can be reached, what its certificate and its clock say.
//!
//! Carries no credentials but those of the proxy.

use jiff::SignedDuration;

use super::{
    CloudError,
    auth::Credentials,
    certificate::{self, Certificate},
    http::{self, Trust},
};
use crate::clock::{self, Timestamp};

#[derive(Debug)]
pub struct Greeting {
    /// None of a plain connection.
    pub certificate: Option<Certificate>,
    /// The cloud's clock minus ours.
    pub clock_offset: Option<SignedDuration>,
}

pub async fn greet(credentials: &Credentials, trust: Trust) -> Result<Greeting, CloudError> {
    let pem = credentials.ca.as_deref().map(http::Pem::read).transpose()?;
    let client = http::client_that(pem.as_ref(), credentials.proxy.as_ref(), trust)?;
    let url = &credentials.auth_url;
    let to = format!("the login at `{url}`");
    let sent = client.get(url).header("Accept", "application/json").send().await;
    let now = clock::now();
    let response = sent.map_err(|error| http::failed(error, &to))?;
    let info = response.extensions().get::<reqwest::tls::TlsInfo>();
    let der = info.and_then(|info| info.peer_certificate());
    let certificate = der.and_then(certificate::read);
    Ok(Greeting { certificate, clock_offset: offset(&response, now) })
}

fn offset(response: &reqwest::Response, now: Timestamp) -> Option<SignedDuration> {
    http::clock_offset(response.headers(), now)
}
