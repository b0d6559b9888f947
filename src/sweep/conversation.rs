//! People who were told of an alert hear below it that a silence keeps the rest from them, and when it is over.
//!
//! Only where endpoints have conversations: a message of its own about a silence would be noise of the kind
//! that the silence is to end.

use std::{collections::HashSet, time::Duration};

use jiff::tz::TimeZone;

use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    delivery::{Cause, Delivery},
    generation::Generation,
    notification::{Kind, Notification},
    render::facts::until,
    silence::{Silence, Subject},
    store::{SilenceRow, SilenceTold, Store, StoreError, Turn, Untold},
    topic::Due,
};

/// Silences told of in one step.
const AT_ONCE: usize = 20;
/// What was told longer ago is read no more.
const LATELY: Duration = Duration::from_secs(24 * 3600);
/// Alerts looked at, newest first, and conversations told: more would use up what the chat takes in a minute.
const ALERTS: usize = 1000;
const CONVERSATIONS: usize = 50;

/// Tells the conversations about what silences keep back. Returns how many replies are owed for it.
pub async fn tell<S: Store>(store: &S, generation: &Generation, now: Timestamp) -> Result<usize, StoreError> {
    if !generation.topics.addresses.values().any(|address| address.format.edits()) {
        return Ok(0);
    }
    let mut owed = 0;
    for Untold { row, turn } in store.untold_silences(now, AT_ONCE).await? {
        let began = turn == Turn::Began;
        let deliveries = match turn {
            Turn::Began => begun(store, generation, &row.silence, now).await?,
            Turn::Ended(told) => ended(store, generation, &row, told, now).await?,
        };
        owed += deliveries.len();
        store.tell_of_silence(SilenceTold { silence: row.silence.id, began, deliveries, now }).await?;
    }
    Ok(owed)
}

/// One reply in each conversation, though it be about several alerts that are silenced.
async fn begun<S: Store>(
    store: &S,
    generation: &Generation,
    silence: &Silence,
    now: Timestamp,
) -> Result<Vec<Delivery>, StoreError> {
    let mut alerts = store.alerts_since(clock::minus(now, LATELY), ALERTS).await?;
    alerts.retain(|alert| silence.mutes(Subject::of(alert), now));
    let ids: Vec<String> = alerts.iter().map(|alert| alert.id.clone()).collect();
    let mut conversations = store.conversations(&ids).await?;
    let mut heard = HashSet::new();
    conversations.retain(|conversation| {
        let by = &conversation.subscriber;
        generation.topics.format(&by.endpoint).edits() && heard.insert((by.endpoint.clone(), by.thread.clone()))
    });
    conversations.truncate(CONVERSATIONS);
    let deliveries = conversations.iter().filter_map(|conversation| {
        let by = &conversation.subscriber;
        let alert = alerts.iter().find(|alert| alert.id == by.alert)?;
        let notification = Notification {
            kind: Kind::Silenced,
            // A courtesy waits for every alert.
            severity: Severity::Info,
            title: silenced(generation, silence, &by.endpoint, now),
            lines: if conversation.began { Vec::new() } else { vec![format!("Of what is told here: {}", alert.title)] },
            ..Notification::repeated(alert, now)
        };
        reply(generation, &notification, silence, &by.subscription, &by.endpoint, &by.thread)
    });
    Ok(deliveries.collect())
}

/// Where another silence goes on nothing is over: that one is told of, unless it was.
async fn ended<S: Store>(
    store: &S,
    generation: &Generation,
    row: &SilenceRow,
    told: Vec<Delivery>,
    now: Timestamp,
) -> Result<Vec<Delivery>, StoreError> {
    let others = store.silences_between(now, now).await?;
    let mut deliveries = Vec::new();
    for told in told {
        let Some(facts) = &told.notification.alert else { continue };
        let Some(alert) = store.alert(&facts.id).await? else { continue };
        let Delivery { subscription, endpoint, thread, .. } = &told;
        let mutes = |other: &&Silence| other.id != row.silence.id && other.mutes(Subject::of(&alert), now);
        let (silence, kind, title) = match others.iter().find(mutes) {
            Some(other) => (other, Kind::Silenced, silenced(generation, other, endpoint, now)),
            None => {
                let over = format!("No longer silenced: the silence of {} is over, {}", row.silence.author, kept(row));
                (&row.silence, Kind::Lifted, over)
            }
        };
        let notification = Notification { kind, title, created_at: now, ..(*told.notification).clone() };
        deliveries.extend(reply(generation, &notification, silence, subscription, endpoint, thread));
    }
    Ok(deliveries)
}

fn reply(
    generation: &Generation,
    notification: &Notification,
    silence: &Silence,
    subscription: &str,
    endpoint: &str,
    thread: &str,
) -> Option<Delivery> {
    let occasion = format!("{} {thread}", silence.id);
    let due = Due::new(notification, &occasion, subscription, endpoint, Cause::Silenced(silence.id.clone()));
    generation.topics.delivery(Due { thread: Some(thread), ..due })
}

fn silenced(generation: &Generation, silence: &Silence, endpoint: &str, now: Timestamp) -> String {
    let end = until(silence.ends_at, &zone(generation, endpoint), now);
    format!("Silenced until {end} by {}: {}", silence.author, silence.comment)
}

/// What it kept back of everything, here and elsewhere.
fn kept(row: &SilenceRow) -> String {
    match row.swallowed {
        0 => "it kept nothing back".to_owned(),
        1 => "it kept 1 alert or repeat back".to_owned(),
        many => format!("it kept {many} alerts and repeats back"),
    }
}

fn zone(generation: &Generation, endpoint: &str) -> TimeZone {
    generation.topics.addresses.get(endpoint).map_or(TimeZone::UTC, |address| address.zone.clone())
}
