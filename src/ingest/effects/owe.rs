//! What the hits make of alerts, and what is owed for it: to whom, and telling of how many traces.

use std::collections::{BTreeMap, HashMap};

use super::{mute, past::Past, tell};
use crate::{
    alert::{Alert, Mute, Severity},
    clock::Timestamp,
    delivery::{Cause, Delivery},
    generation::Generation,
    ingest::pacing::{self, Pacing},
    notification::{Kind, Notification},
    ring::{self, Change, Hit, Ring},
    silence::Muting,
    store::{IngestBatch, LedgerRow, Muted, Mutes, OpenAlert, Owed, Subscriber, Verdict},
    topic::{Due, Pace, Subject},
};

/// Folds the hits into alerts and writes what follows into the batch, but for the ledger.
pub fn write(
    generation: &Generation,
    hits: Vec<Hit<'_>>,
    open: Vec<OpenAlert>,
    mutes: Mutes,
    past: &Past,
    pacing: &mut Pacing,
    batch: &mut IngestBatch,
) -> Vec<Ring> {
    let mut subscribers: BTreeMap<String, Vec<Subscriber>> = BTreeMap::new();
    let mut standings: BTreeMap<String, Standing> = BTreeMap::new();
    let mut alerts = Vec::with_capacity(open.len());
    for OpenAlert { alert, subscribers: known } in open {
        subscribers.insert(alert.id.clone(), known);
        standings.insert(alert.id.clone(), Standing::of(&alert));
        alerts.push(alert);
    }
    let mut rings = ring::fold(&batch.source, hits, &mut alerts, batch.now);
    let open = mutes.open_with(&alerts);
    let muting = Muting { silences: &mutes.silences, inhibitions: &generation.inhibitions, open: &open };
    let mut owed = Debts::default();
    for ring in &mut rings {
        let before = standings.remove(&ring.alert.id);
        mute::settle(generation, &muting, ring, before.as_ref(), batch);
        let known = subscribers.entry(ring.alert.id.clone()).or_default();
        if ring.change == Change::Opened && ring.alert.muted.is_none() {
            pacing.count(&ring.alert);
        }
        let notification = tell::notification(generation, ring, before.as_ref(), past, batch.now);
        publish(generation, ring, before.as_ref(), notification, known, &mut owed, pacing, batch);
        standings.insert(ring.alert.id.clone(), Standing::of(&ring.alert));
    }
    // The last ring of an alert says what of it is told.
    let changed: HashMap<&str, &Alert> = rings.iter().map(|ring| (ring.alert.id.as_str(), &ring.alert)).collect();
    let settled = |alert: Alert| {
        let Alert { told, muted, swallowed, .. } = changed.get(alert.id.as_str())?;
        Some(Alert { told: *told, muted: muted.clone(), swallowed: *swallowed, ..alert })
    };
    batch.alerts = alerts.into_iter().filter_map(settled).collect();
    batch.owed = owed.into_list();
    batch.groups = pacing.opened_groups();
    batch.deliveries.extend(pacing.notices(generation));
    rings
}

/// What of an alert was settled before a hit.
#[derive(Default)]
pub(super) struct Standing {
    pub count: u64,
    pub told: u64,
    pub swallowed: u64,
    pub muted: Option<Mute>,
    pub severity: Option<Severity>,
}

impl Standing {
    fn of(alert: &Alert) -> Self {
        let (muted, severity) = (alert.muted.clone(), Some(alert.severity));
        Self { count: alert.count, told: alert.told, swallowed: alert.swallowed, muted, severity }
    }

    /// True of an alert that was kept from people from its first match on.
    fn unheard(&self) -> bool {
        self.muted.is_some() && self.told == self.swallowed
    }
}

/// Owed to each subscriber: the traces that the hit added, and the message that tells of them, if it rings.
/// Those whom only the new severity concerns are told of everything so far.
#[expect(clippy::too_many_arguments, reason = "what is owed, to whom, and where it is written")]
fn publish(
    generation: &Generation,
    ring: &Ring,
    before: Option<&Standing>,
    notification: Option<Notification>,
    known: &mut Vec<Subscriber>,
    owed: &mut Debts,
    pacing: &mut Pacing,
    batch: &mut IngestBatch,
) {
    let alert = &ring.alert;
    let (counted, told) = before.map_or((0, 0), |before| (before.count, before.told));
    let occasion = occasion(ring, before);
    for subscriber in known.iter_mut() {
        owed.add(&subscriber.subscription, suppressed(alert), alert.count.saturating_sub(counted));
        let Some(notification) = &notification else { continue };
        if alert.muted.is_none() && before.is_some_and(Standing::unheard) {
            // The conversation was never opened.
            subscriber.thread = Delivery::id(notification.kind, &occasion, &subscriber.subscription);
            batch.subscribers.push(subscriber.clone());
        }
        let tells = alert.told.saturating_sub(told);
        send(generation, ring, notification, &occasion, subscriber, tells, pacing, batch);
    }
    let Some(notification) = notification else { return };
    let traces = [&alert.first, ring.lead.as_ref()];
    let subject = Subject { severity: alert.severity, source: &alert.source, rule: &alert.rule, traces: &traces };
    for subscription in generation.topics.subscribers(&ring.topics, &subject) {
        if known.iter().any(|subscriber| subscriber.subscription == subscription.id) {
            continue;
        }
        let (id, endpoint) = (subscription.id.clone(), subscription.endpoint.clone());
        let own = || Delivery::id(notification.kind, &occasion, &id);
        let thread = pacing.group(subscription, &alert.first).map_or_else(own, |group| group.thread.clone());
        let subscriber = Subscriber { alert: alert.id.clone(), subscription: id, endpoint, thread };
        let untold = if alert.shadow { 0 } else { alert.untold() };
        owed.add(&subscriber.subscription, suppressed(alert), alert.count - untold);
        // What the window's summary is to tell is owed whether or not this is muted.
        owed.add(&subscriber.subscription, None, untold);
        send(generation, ring, &notification, &occasion, &subscriber, alert.told, pacing, batch);
        batch.subscribers.push(subscriber.clone());
        known.push(subscriber);
    }
}

/// Why nobody is told, if nobody is.
fn suppressed(alert: &Alert) -> Option<&'static str> {
    let muted = alert.muted.as_ref().map(|mute| mute.kind.suppressed());
    if alert.shadow { Some("shadow") } else { muted }
}

/// Writes one delivery, unless the alert is a shadow or muted.
#[expect(clippy::too_many_arguments, reason = "what is owed, to whom, and where it is written")]
fn send(
    generation: &Generation,
    ring: &Ring,
    notification: &Notification,
    occasion: &str,
    to: &Subscriber,
    covers: u64,
    pacing: &mut Pacing,
    batch: &mut IngestBatch,
) {
    let alert = &ring.alert;
    if suppressed(alert).is_some() {
        return;
    }
    let escalates = matches!(notification.kind, Kind::Escalated | Kind::Updated);
    let hold = match pacing.of(generation, &to.subscription, alert, escalates) {
        Pace::Held(hold) => Some(hold),
        Pace::Now => {
            pacing.open_group(generation, &to.subscription, alert, &to.thread);
            None
        }
        Pace::Dropped(until) => return drop(ring, to, covers, until, batch),
    };
    let mut notification = notification.clone();
    if let Some(facts) = &mut notification.alert {
        facts.tells = covers;
    }
    let cause = Cause::Alert(ring.alert.id.clone());
    let due = Due::new(&notification, occasion, &to.subscription, &to.endpoint, cause);
    batch.deliveries.push(generation.topics.owed(Due { covers, thread: Some(&to.thread), hold, ..due }));
}

/// What the subscription's schedule does not let through is recorded, and owed no more.
fn drop(ring: &Ring, to: &Subscriber, covers: u64, until: Timestamp, batch: &mut IngestBatch) {
    let (alert, lead) = (&ring.alert, &ring.lead);
    let by = pacing::scheduled(&to.subscription, until);
    batch.ledger.push(LedgerRow {
        trace: lead.id.clone(),
        time: lead.time,
        rule: alert.rule.clone(),
        verdict: Verdict::Muted,
        alert: alert.id.clone(),
        reason: Some(by.reason.clone()),
    });
    let subscription = Some(to.subscription.clone());
    batch.muted.push(Muted { subscription, ..Muted::of(alert, by, covers, batch.now) });
}

/// An alert opens and escalates once; it is updated once by each outcome that is worse than the one before.
/// One that was told of and muted later opens anew with the match that nothing mutes.
fn occasion(ring: &Ring, before: Option<&Standing>) -> String {
    let alert = &ring.alert.id;
    match ring.change {
        Change::Repeat if !before.is_some_and(Standing::unheard) => format!("{alert} {}", ring.lead.id),
        // One alert may hold several operations that go worse alike, each with its own second half.
        Change::Updated => format!("{alert} {}", ring.lead.id),
        Change::Opened | Change::Repeat | Change::Escalated => alert.clone(),
    }
}

/// What is newly owed, by subscription and what suppresses it.
#[derive(Default)]
struct Debts(BTreeMap<(String, Option<&'static str>), u64>);

impl Debts {
    fn add(&mut self, subscription: &str, suppressed: Option<&'static str>, count: u64) {
        *self.0.entry((subscription.to_owned(), suppressed)).or_default() += count;
    }

    fn into_list(self) -> Vec<Owed> {
        let owed = self.0.into_iter();
        owed.map(|((subscription, suppressed), count)| Owed { subscription, count, suppressed }).collect()
    }
}
