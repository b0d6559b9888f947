//! What is kept of a conversation, to find its first message again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{clock::Timestamp, delivery::Delivery};

/// Stored with each delivery of the conversation; the newest one holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub channel: String,
    /// Of the first message: Slack's id of a message in a channel.
    pub ts: String,
    /// What the first message tells of. Others of its group may be told below it but never in its place.
    pub alert: String,
    /// When the notification was made that it shows now: an older one changes nothing.
    pub shown: Timestamp,
}

impl Receipt {
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Of what was posted for `delivery`, if Slack said where.
    pub fn of(said: &Value, delivery: &Delivery) -> Option<Self> {
        let text = |key: &str| said[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (channel, ts, alert) = (text("channel")?, text("ts")?, alert(delivery).to_owned());
        Some(Self { channel, ts, alert, shown: delivery.notification.created_at })
    }

    pub fn is_of(&self, delivery: &Delivery) -> bool {
        !self.alert.is_empty() && self.alert == alert(delivery)
    }

    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and a time become JSON")
    }
}

fn alert(delivery: &Delivery) -> &str {
    delivery.notification.alert.as_ref().map(|alert| alert.id.as_str()).unwrap_or_default()
}
