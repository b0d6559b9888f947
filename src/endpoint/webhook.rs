//! Webhooks with Standard Webhooks headers.

use super::InvalidEndpoint;
use crate::{
    clock::Timestamp,
    delivery::{Delivery, Outcome},
    secret::Secret,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub url: Secret,
    /// `whsec_` and base64, or any text.
    pub signing_secret: Option<Secret>,
    /// Extra headers, for example an Authorization the receiver wants.
    pub headers: Vec<(String, Secret)>,
}

#[derive(Clone)]
pub struct Webhook {}

impl Webhook {
    pub fn new(_endpoint: &super::Settings, _settings: &Settings) -> Result<Self, InvalidEndpoint> {
        unimplemented!()
    }

    pub async fn send(&self, _delivery: &Delivery, _attempt: u32, _now: Timestamp) -> Outcome {
        unimplemented!()
    }
}
