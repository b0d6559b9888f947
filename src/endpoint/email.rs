//! Mail through an SMTP relay.

use std::path::PathBuf;

use super::InvalidEndpoint;
use crate::{
    delivery::{Delivery, Outcome},
    render::Letterhead,
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
pub struct Email {}

impl Email {
    pub fn new(_endpoint: &super::Settings, _settings: &Settings) -> Result<Self, InvalidEndpoint> {
        unimplemented!()
    }

    pub async fn send(&self, _delivery: &Delivery) -> Outcome {
        unimplemented!()
    }
}
