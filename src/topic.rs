//! Topics and their subscriptions: who gets what is published, and how soon.

use std::collections::BTreeMap;

use crate::{
    alert::Severity,
    delivery::{Cause, Delivery, Hold},
    notification::Notification,
    render::{self, Address, Format, Letter},
};

pub mod filter;
pub mod gather;
pub mod pace;
pub mod schedule;
pub mod timetable;

pub use filter::{Filter, Subject};
pub use pace::{Asked, Group, GroupBy, Grouping, Pace, Storm};
pub use schedule::Schedule;
pub use timetable::Timetable;

/// All topics with their subscriptions, and how each endpoint wants to be addressed.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    pub topics: BTreeMap<String, Vec<Subscription>>,
    pub addresses: BTreeMap<String, Address>,
    /// The topic for what Tracebell says about itself.
    pub notices: Option<String>,
    /// When there is more at once than people can read; `None`: never.
    pub storm: Option<Storm>,
}

#[derive(Debug, Clone)]
pub struct Subscription {
    /// `topic/endpoint`, with `#2` and so on where a topic names an endpoint twice.
    pub id: String,
    pub endpoint: String,
    pub filter: Filter,
    /// Told in one at these times.
    pub digest: Option<Timetable>,
    pub schedule: Option<Schedule>,
    pub group: Option<Grouping>,
}

impl Subscription {
    /// One that hears everything at once.
    pub fn new(id: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            endpoint: endpoint.into(),
            filter: Filter::default(),
            digest: None,
            schedule: None,
            group: None,
        }
    }

    pub fn topic(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }
}

/// The topic of rules that name none.
pub const DEFAULT: &str = "default";

impl Topics {
    /// Subscriptions that get `subject` when it is published to `topics`; each once.
    pub fn subscribers<'a>(&'a self, topics: &[String], subject: &Subject<'_>) -> Vec<&'a Subscription> {
        self.those(topics, |subscription| subscription.filter.accepts(subject))
    }

    /// Subscriptions that may get something of this rule and severity: what else filters look at is not known.
    pub fn may_hear<'a>(&'a self, topics: &[String], rule: &str, severity: Severity) -> Vec<&'a Subscription> {
        self.those(topics, |subscription| subscription.filter.may_accept(rule, severity))
    }

    fn those<'a>(&'a self, topics: &[String], wanted: impl Fn(&Subscription) -> bool) -> Vec<&'a Subscription> {
        let mut found: Vec<&Subscription> = Vec::new();
        for subscription in topics.iter().filter_map(|topic| self.topics.get(topic)).flatten() {
            let twice = found.iter().any(|other| other.id == subscription.id);
            if !twice && wanted(subscription) {
                found.push(subscription);
            }
        }
        found
    }

    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.topics.values().flatten().find(|subscription| subscription.id == id)
    }

    /// How an endpoint wants to be addressed; one that is gone from the configuration is a plain webhook.
    pub fn format(&self, endpoint: &str) -> &Format {
        self.addresses.get(endpoint).map_or(&Format::Webhook, |address| &address.format)
    }

    /// Deliveries of a notice: to the notices topic, or to every topic if `all` or if there is none.
    /// `occasion` makes the id: the same occasion is told once.
    pub fn notice(&self, notification: &Notification, occasion: &str, all: bool) -> Vec<Delivery> {
        let mut topics: Vec<String> = self.notices.clone().into_iter().collect();
        if all || topics.is_empty() {
            topics = self.topics.keys().cloned().collect();
        }
        self.notice_to(&topics, notification, occasion)
    }

    /// Deliveries of a notice to these topics, whatever their filters and schedules say.
    pub fn notice_to(&self, topics: &[String], notification: &Notification, occasion: &str) -> Vec<Delivery> {
        let mut endpoints: Vec<&str> = Vec::new();
        let mut deliveries = Vec::new();
        for topic in topics {
            for subscription in self.topics.get(topic).into_iter().flatten() {
                if !endpoints.contains(&subscription.endpoint.as_str()) {
                    endpoints.push(&subscription.endpoint);
                    let Subscription { id, endpoint, .. } = subscription;
                    deliveries.extend(self.delivery(Due::new(notification, occasion, id, endpoint, Cause::Notice)));
                }
            }
        }
        deliveries
    }

    /// As [`Topics::delivery`], for what is owed in any case: an endpoint that is gone from the configuration
    /// gets it in the plain format of webhooks, and is sent it when it is named again.
    pub fn owed(&self, due: Due<'_>) -> Delivery {
        match self.addresses.get(due.endpoint) {
            Some(address) => freeze(address, due),
            None => freeze(&Address::plain(Format::Webhook), due),
        }
    }

    /// Renders and freezes one delivery; `None` if the endpoint is not configured.
    pub fn delivery(&self, due: Due<'_>) -> Option<Delivery> {
        Some(freeze(self.addresses.get(due.endpoint)?, due))
    }
}

/// What is to be written into the outbox.
#[derive(Debug, Clone)]
pub struct Due<'a> {
    pub notification: &'a Notification,
    /// Makes the id: the same occasion is told once.
    pub occasion: &'a str,
    pub subscription: &'a str,
    pub endpoint: &'a str,
    pub covers: u64,
    pub cause: Cause,
    /// The delivery below which it belongs, if it does not open a conversation.
    pub thread: Option<&'a str>,
    pub hold: Option<Hold>,
}

impl<'a> Due<'a> {
    /// Something that covers no alert, stands for itself and goes at once.
    pub fn new(
        notification: &'a Notification,
        occasion: &'a str,
        subscription: &'a str,
        endpoint: &'a str,
        cause: Cause,
    ) -> Self {
        Self { notification, occasion, subscription, endpoint, covers: 0, cause, thread: None, hold: None }
    }
}

fn freeze(address: &Address, due: Due<'_>) -> Delivery {
    let Due { notification, occasion, subscription, endpoint, covers, cause, thread, hold } = due;
    let id = Delivery::id(notification.kind, occasion, subscription);
    let thread = thread.unwrap_or(&id);
    Delivery {
        body: render::body(&Letter { address, notification, id: &id, thread, subscription }),
        subscription: subscription.to_owned(),
        endpoint: endpoint.to_owned(),
        notification: notification.clone().into(),
        covers,
        cause,
        created_at: notification.created_at,
        thread: thread.to_owned(),
        hold,
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, notification::Notification, trace::Trace};

    fn subscription(id: &str, severities: Option<&[Severity]>) -> Subscription {
        let endpoint = id.split(['/', '#']).nth(1).expect("written below as topic/endpoint").to_owned();
        let filter = Filter { severities: severities.map(<[_]>::to_vec), ..Filter::default() };
        Subscription { filter, ..Subscription::new(id, endpoint) }
    }

    fn topics() -> Topics {
        let bad = [Severity::High, Severity::Critical];
        let security = vec![
            subscription("security/slack", Some(&bad)),
            subscription("security/soar", None),
            subscription("security/slack#2", Some(&[Severity::Info])),
        ];
        Topics {
            topics: BTreeMap::from([
                ("security".to_owned(), security),
                ("ops".to_owned(), vec![subscription("ops/soar", None), subscription("ops/gone", None)]),
            ]),
            addresses: [("slack", Format::Slack), ("soar", Format::Webhook)]
                .map(|(name, format)| (name.to_owned(), Address::plain(format)))
                .into(),
            notices: None,
            storm: None,
        }
    }

    #[track_caller]
    fn check(topics_named: &[&str], severity: Severity, expected: &[&str]) {
        let named: Vec<String> = topics_named.iter().map(|&name| name.to_owned()).collect();
        let topics = topics();
        let trace = Trace::blank("t", Timestamp::UNIX_EPOCH);
        let subject = Subject { severity, source: "prod", rule: "r", traces: &[&trace] };
        let found: Vec<_> = topics.subscribers(&named, &subject).iter().map(|found| found.id.as_str()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn filters_let_through_what_they_name() {
        check(&["security"], Severity::Critical, &["security/slack", "security/soar"]);
        check(&["security"], Severity::Medium, &["security/soar"]);
        check(&["security"], Severity::Info, &["security/soar", "security/slack#2"]);
    }

    #[test]
    fn a_subscription_hears_once_whatever_names_it() {
        check(&["security", "ops", "security"], Severity::Low, &["security/soar", "ops/soar", "ops/gone"]);
        check(&["nowhere"], Severity::Critical, &[]);
        check(&[], Severity::Critical, &[]);
    }

    fn told(topics: &Topics, all: bool) -> Vec<String> {
        let notice = Notification::notice(Severity::High, "Source prod is blind", vec![], Timestamp::UNIX_EPOCH);
        topics.notice(&notice, "blind prod", all).into_iter().map(|delivery| delivery.subscription).collect()
    }

    #[test]
    fn notices_reach_each_endpoint_once_and_skip_filters() {
        let nowhere_else = topics();
        assert_eq!(told(&nowhere_else, false), ["ops/soar", "security/slack"], "without a topic for notices, all hear");
        let to_security = Topics { notices: Some("security".into()), ..topics() };
        assert_eq!(told(&to_security, false), ["security/slack", "security/soar"]);
        assert_eq!(told(&to_security, true), ["ops/soar", "security/slack"]);
    }

    #[test]
    fn deliveries_are_the_same_each_time_and_differ_by_subscription() {
        let notice = Notification::notice(Severity::High, "Source prod is blind", vec![], Timestamp::UNIX_EPOCH);
        let topics = topics();
        let make = |subscription: &str, endpoint: &str| {
            topics.delivery(Due::new(&notice, "blind prod", subscription, endpoint, Cause::Notice))
        };
        let first = make("ops/soar", "soar");
        assert_eq!(first, make("ops/soar", "soar"));
        let ids = |delivery: Option<Delivery>| delivery.map(|delivery| delivery.id);
        assert_ne!(ids(first), ids(make("security/soar", "soar")));
        assert_eq!(make("ops/gone", "gone"), None, "an endpoint that is not configured gets nothing");
    }
}
