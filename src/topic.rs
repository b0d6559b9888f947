//! Topics and their subscriptions: who gets what is published.

use std::collections::BTreeMap;

use crate::{
    alert::Severity,
    delivery::Cause,
    delivery::Delivery,
    notification::Notification,
    render::{self, Format},
};

/// All topics with their subscriptions, and how each endpoint wants to be addressed.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    pub topics: BTreeMap<String, Vec<Subscription>>,
    pub formats: BTreeMap<String, Format>,
    /// The topic for what Tracebell says about itself.
    pub notices: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// `topic/endpoint`, with `#2` and so on where a topic names an endpoint twice.
    pub id: String,
    pub endpoint: String,
    pub filter: Filter,
}

/// What a subscription lets through. Empty lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// `None` or the accepted severities.
    pub severities: Option<Vec<Severity>>,
}

impl Filter {
    pub fn accepts(&self, severity: Severity) -> bool {
        self.severities.as_ref().is_none_or(|accepted| accepted.contains(&severity))
    }
}

/// The topic of rules that name none.
pub const DEFAULT: &str = "default";

impl Topics {
    /// Subscriptions that get something of `severity` published to `topics`; each once.
    pub fn subscribers<'a>(&'a self, topics: &[String], severity: Severity) -> Vec<&'a Subscription> {
        let mut found: Vec<&Subscription> = Vec::new();
        for topic in topics {
            for subscription in self.topics.get(topic).into_iter().flatten() {
                let twice = found.iter().any(|other| other.id == subscription.id);
                if subscription.filter.accepts(severity) && !twice {
                    found.push(subscription);
                }
            }
        }
        found
    }

    /// Deliveries of a notice: to the notices topic, or to every topic if `all` or if there is none.
    /// `occasion` makes the id: the same occasion is told once.
    pub fn notice(&self, notification: &Notification, occasion: &str, all: bool) -> Vec<Delivery> {
        let mut topics: Vec<String> = self.notices.clone().into_iter().collect();
        if all || topics.is_empty() {
            topics = self.topics.keys().cloned().collect();
        }
        let mut endpoints: Vec<&str> = Vec::new();
        let mut deliveries = Vec::new();
        for topic in &topics {
            for subscription in self.topics.get(topic).into_iter().flatten() {
                if !endpoints.contains(&subscription.endpoint.as_str()) {
                    endpoints.push(&subscription.endpoint);
                    deliveries.extend(self.delivery(
                        notification,
                        occasion,
                        &subscription.id,
                        &subscription.endpoint,
                        0,
                        Cause::Notice,
                    ));
                }
            }
        }
        deliveries
    }

    /// Renders and freezes one delivery; `None` if the endpoint is not configured.
    pub fn delivery(
        &self,
        notification: &Notification,
        occasion: &str,
        subscription: &str,
        endpoint: &str,
        covers: u64,
        cause: Cause,
    ) -> Option<Delivery> {
        let format = self.formats.get(endpoint)?;
        let id = Delivery::id(notification.kind, occasion, subscription);
        Some(Delivery {
            body: render::body(format, notification, &id),
            subscription: subscription.to_owned(),
            endpoint: endpoint.to_owned(),
            notification: notification.clone(),
            covers,
            cause,
            created_at: notification.created_at,
            id,
        })
    }
}
