//! One endpoint tried out by a person, outside the outbox.

use anyhow::Context;

use crate::{
    alert::Severity,
    clock,
    config::{Config, Loaded},
    delivery::{Cause, Leased, Outcome},
    endpoint::{Endpoint, Settings, webhook::Invitation},
    notification::{Kind, Notification},
    store::{Confirmation, Sqlite, Store},
    topic::Due,
};

/// What was sent, and what came back.
#[derive(Debug)]
pub enum Tryout {
    Notification(Outcome),
    /// Nothing else may be sent to a subscriber that has not confirmed, or that left.
    Invitation(Outcome, Confirmation),
}

/// Sends one test notification through an endpoint, or the invitation that has to be answered before.
pub async fn test_endpoint(loaded: &Loaded, name: &str) -> anyhow::Result<Tryout> {
    let config = loaded.config.as_ref().context("the configuration has problems; `tracebell check` shows them")?;
    let settings = config.endpoints.get(name).with_context(|| {
        let known: Vec<&str> = config.endpoints.keys().map(String::as_str).collect();
        format!("no endpoint `{name}`; configured are: {}", known.join(", "))
    })?;
    let (endpoint, now) = (Endpoint::new(settings)?, clock::now());
    if let Some(confirmation) = unconfirmed(config, settings).await? {
        // One that left may have lost the way back, which works for two days: a person who tests wants it back.
        return Ok(Tryout::Invitation(endpoint.invite(Invitation::Subscribe, now).await, confirmation));
    }
    let title = format!("This is a test of endpoint {name}");
    let lines = vec!["If you can read this, alerts will arrive here.".to_owned()];
    let notification = Notification { kind: Kind::Test, ..Notification::notice(Severity::Info, title, lines, now) };
    let (subscription, occasion) = (format!("test/{name}"), now.to_string());
    let due = Due::new(&notification, &occasion, &subscription, name, Cause::Test);
    let delivery = config.topics.delivery(due).context("the endpoint has no format")?;
    Ok(Tryout::Notification(endpoint.send(&Leased::once(delivery, now), now).await))
}

/// How a subscriber that has to confirm stands, unless it has.
async fn unconfirmed(config: &Config, settings: &Settings) -> anyhow::Result<Option<Confirmation>> {
    let Some(subscriber) = settings.subscriber() else { return Ok(None) };
    // Before the first start nobody can have confirmed.
    if !config.state.exists() {
        return Ok(Some(Confirmation::Never));
    }
    let store = Sqlite::open_read(&config.state).await?;
    let found = store.confirmation(&settings.name, &subscriber).await;
    store.close().await;
    Ok(Some(found?).filter(|found| !matches!(found, Confirmation::Confirmed(_))))
}
