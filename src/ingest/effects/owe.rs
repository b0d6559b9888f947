//! What the hits make of alerts, and what is owed for it: to whom, and telling of how many traces.

use std::collections::{BTreeMap, HashSet};

use crate::{
    alert::{Alert, Severity},
    clock::{self, Timestamp},
    delivery::{Cause, Delivery},
    generation::Generation,
    notification::{Kind, Notification, Worse},
    render::facts::when,
    ring::{self, Change, Hit, Ring},
    rule::When,
    store::{IngestBatch, OpenAlert, Owed, Subscriber},
    topic::{Due, Subject},
};

/// Folds the hits into alerts and writes what follows into the batch, but for the ledger.
pub fn write(generation: &Generation, hits: Vec<Hit<'_>>, open: Vec<OpenAlert>, batch: &mut IngestBatch) -> Vec<Ring> {
    let mut subscribers: BTreeMap<String, Vec<Subscriber>> = BTreeMap::new();
    let mut standings: BTreeMap<String, Standing> = BTreeMap::new();
    let mut alerts = Vec::with_capacity(open.len());
    for OpenAlert { alert, subscribers: known } in open {
        subscribers.insert(alert.id.clone(), known);
        standings.insert(alert.id.clone(), Standing::of(&alert));
        alerts.push(alert);
    }
    let rings = ring::fold(&batch.source, hits, &mut alerts, batch.now);
    let mut owed = Debts::default();
    for ring in &rings {
        let before = standings.remove(&ring.alert.id);
        let known = subscribers.entry(ring.alert.id.clone()).or_default();
        publish(generation, ring, before.as_ref(), known, &mut owed, batch);
        standings.insert(ring.alert.id.clone(), Standing::of(&ring.alert));
    }
    let changed: HashSet<&str> = rings.iter().map(|ring| ring.alert.id.as_str()).collect();
    batch.alerts = alerts.into_iter().filter(|alert| changed.contains(alert.id.as_str())).collect();
    batch.owed = owed.into_list();
    rings
}

/// What of an alert was settled before a hit.
struct Standing {
    count: u64,
    told: u64,
    severity: Severity,
}

impl Standing {
    fn of(alert: &Alert) -> Self {
        Self { count: alert.count, told: alert.told, severity: alert.severity }
    }
}

/// Owed to each subscriber: the traces that the hit added, and the message that tells of them, if it rings.
/// Those whom only the new severity concerns are told of everything so far.
fn publish(
    generation: &Generation,
    ring: &Ring,
    before: Option<&Standing>,
    known: &mut Vec<Subscriber>,
    owed: &mut Debts,
    batch: &mut IngestBatch,
) {
    let alert = &ring.alert;
    let (counted, told) = before.map_or((0, 0), |before| (before.count, before.told));
    let notification = notification(generation, ring, before, batch.now);
    for subscriber in known.iter() {
        owed.add(&subscriber.subscription, alert.shadow, alert.count.saturating_sub(counted));
        if let Some(notification) = &notification {
            send(generation, ring, notification, subscriber, alert.told.saturating_sub(told), batch);
        }
    }
    let Some(notification) = notification else { return };
    let traces = [&alert.first, ring.lead.as_ref()];
    let subject = Subject { severity: alert.severity, source: &alert.source, rule: &alert.rule, traces: &traces };
    for subscription in generation.topics.subscribers(&ring.topics, &subject) {
        if known.iter().any(|subscriber| subscriber.subscription == subscription.id) {
            continue;
        }
        let (id, endpoint) = (subscription.id.clone(), subscription.endpoint.clone());
        let thread = Delivery::id(notification.kind, &occasion(ring), &id);
        let subscriber = Subscriber { alert: alert.id.clone(), subscription: id, endpoint, thread };
        owed.add(&subscriber.subscription, alert.shadow, alert.count);
        send(generation, ring, &notification, &subscriber, alert.told, batch);
        batch.subscribers.push(subscriber.clone());
        known.push(subscriber);
    }
}

/// Writes one delivery, unless the alert is a shadow.
fn send(
    generation: &Generation,
    ring: &Ring,
    notification: &Notification,
    to: &Subscriber,
    covers: u64,
    batch: &mut IngestBatch,
) {
    if ring.alert.shadow {
        return;
    }
    let mut notification = notification.clone();
    if let Some(facts) = &mut notification.alert {
        facts.tells = covers;
    }
    let (occasion, cause) = (occasion(ring), Cause::Alert(ring.alert.id.clone()));
    let due = Due::new(&notification, &occasion, &to.subscription, &to.endpoint, cause);
    batch.deliveries.push(generation.topics.owed(Due { covers, thread: Some(&to.thread), ..due }));
}

/// An alert opens and escalates once; it is updated once by each outcome that is worse than the one before.
fn occasion(ring: &Ring) -> String {
    let alert = &ring.alert.id;
    match ring.change {
        Change::Updated => format!("{alert} {}", ring.lead.outcome().as_str()),
        Change::Opened | Change::Repeat | Change::Escalated => alert.clone(),
    }
}

/// What is told of the hit, if it rings.
fn notification(
    generation: &Generation,
    ring: &Ring,
    before: Option<&Standing>,
    now: Timestamp,
) -> Option<Notification> {
    let worse = |kind: Kind| {
        let was = before.map_or(ring.alert.severity, |before| before.severity);
        let worse = Worse { was, trace: (*ring.lead).clone() };
        Notification::worse(kind, &ring.alert, worse, ring.alert.told, now)
    };
    match ring.change {
        Change::Repeat => None,
        Change::Opened => {
            let lines = silence(generation, ring).into_iter().collect();
            Some(Notification { lines, ..Notification::opened(&ring.alert, now) })
        }
        Change::Escalated => Some(worse(Kind::Escalated)),
        Change::Updated => Some(worse(Kind::Updated)),
    }
}

/// Of an alert that tells of nothing: since when.
fn silence(generation: &Generation, ring: &Ring) -> Option<String> {
    let rule = generation.rules.rules.iter().find(|rule| rule.id == ring.alert.rule)?;
    let Some(When::Absent { quiet, .. }) = &rule.when else { return None };
    let last = ring.alert.last_time;
    Some(format!(
        "Nothing was seen since {}, for more than {}. What is shown here is the last that was seen.",
        when(last),
        clock::in_words(*quiet)
    ))
}

/// What is newly owed, by subscription and whether it is suppressed.
#[derive(Default)]
struct Debts(BTreeMap<(String, bool), u64>);

impl Debts {
    fn add(&mut self, subscription: &str, shadow: bool, count: u64) {
        *self.0.entry((subscription.to_owned(), shadow)).or_default() += count;
    }

    fn into_list(self) -> Vec<Owed> {
        let owed = |((subscription, shadow), count): ((String, bool), u64)| Owed {
            subscription,
            count,
            suppressed: shadow.then_some("shadow"),
        };
        self.0.into_iter().map(owed).collect()
    }
}
