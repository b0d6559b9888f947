//! Slack incoming webhooks.

use super::InvalidEndpoint;
use crate::{
    delivery::{Delivery, Outcome},
    secret::Secret,
};

#[derive(Debug, Clone)]
pub struct Settings {
    pub webhook_url: Secret,
}

#[derive(Clone)]
pub struct Slack {}

impl Slack {
    pub fn new(_endpoint: &super::Settings, _settings: &Settings) -> Result<Self, InvalidEndpoint> {
        unimplemented!()
    }

    pub async fn send(&self, _delivery: &Delivery) -> Outcome {
        unimplemented!()
    }
}
