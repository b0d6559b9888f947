//! Invitations: sent when somebody subscribes and when a subscriber leaves, confirmed by opening an address.
//!
//! These addresses ask for no token: who got the invitation may accept it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    super::{
        answer::{Answer, Refusal},
        world::{self, World},
    },
    Pairs, Shared, Smn, bad,
    delivery::Job,
    forbidden, in_seconds,
    letter::{self, Kind, Letter},
    subscription::{Status, Subscription},
};
use crate::clock::{self, Timestamp};

pub struct Invitation {
    subscription_urn: String,
    expires: Timestamp,
}

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/smn/subscription/confirm", get(confirm))
        .route("/smn/subscription/unsubscribe", get(leave))
        .route("/smn/{certificate}", get(certificate))
}

impl world::State {
    /// Asks for consent; throttled as documented, more leniently for addresses that are programs.
    pub fn invite(&mut self, world: &World, subscription: &Subscription) -> Result<(), Refusal> {
        let quota = match subscription.protocol.as_str() {
            "email" => Some((20, Duration::from_secs(3600), "SMN.0065")),
            "sms" => Some((10, Duration::from_secs(3600), "SMN.0057")),
            "http" | "https" => Some((200, Duration::from_secs(600), "SMN.0012")),
            _ => None,
        };
        if let Some((most, within, code)) = quota
            && !self.smn.count_towards(&subscription.endpoint, most, within)
        {
            return Err(forbidden(code, "The endpoint was invited too often; try again later."));
        }
        let name = subscription.topic_urn.rsplit(':').next().unwrap_or_default();
        let text = format!(
            "You are invited to the topic {name} ({}). Open subscribe_url within 48 hours to get its messages.",
            subscription.topic_urn
        );
        self.ask(world, subscription, Kind::SubscriptionConfirmation, text);
        Ok(())
    }

    fn ask(&mut self, world: &World, subscription: &Subscription, kind: Kind, message: String) {
        let token = format!("{:032x}{:032x}", self.rng.u128(..), self.rng.u128(..));
        let now = clock::now();
        let expires = clock::plus(now, world.settings.smn.invitation);
        let region = &world.settings.region;
        let link = format!(
            "{}/smn/subscription/confirm?token={token}&topic_urn={}&region={region}&region_id={region}",
            world.smn_site(),
            subscription.topic_urn
        );
        self.smn.invitations.retain(|_, invitation| invitation.expires > now);
        let invitation = Invitation { subscription_urn: subscription.urn.clone(), expires };
        self.smn.invitations.insert(token, invitation);
        let letter = Letter {
            kind,
            message_id: super::hex(self.rng.u128(..)),
            topic_urn: subscription.topic_urn.clone(),
            subject: None,
            message,
            timestamp: in_seconds(now),
            link,
            certificate_url: world.smn_certificate_url(),
        };
        self.smn.post(Job { letter, expires, drop_at_once: false, number: 0 }, subscription);
    }
}

impl Smn {
    /// As its owner, who opened the invitation.
    pub fn confirm(&mut self, urn: &str) -> Result<Subscription, Refusal> {
        let subscription = self.subscription(urn)?;
        subscription.status = Status::Confirmed;
        let confirmed = subscription.clone();
        // Who agreed is not pestered, so nothing is held against the address.
        self.sent.remove(&confirmed.endpoint);
        Ok(confirmed)
    }

    /// False: it was sent to often enough.
    pub fn count_towards(&mut self, address: &str, most: usize, within: Duration) -> bool {
        let now = clock::now();
        let sent = self.sent.entry(address.to_owned()).or_default();
        sent.retain(|at| clock::since(*at, now) < within);
        if sent.len() >= most {
            return false;
        }
        sent.push_back(now);
        true
    }
}

async fn confirm(State(world): Shared, Query(pairs): Pairs) -> Answer {
    let mut state = world.state();
    let invalid = || forbidden("SMN.0022", "The token is invalid.");
    let invitation = value(&pairs, "token").and_then(|token| state.smn.invitations.get(token));
    let invitation = invitation.filter(|invitation| invitation.expires > clock::now()).ok_or_else(invalid)?;
    let urn = invitation.subscription_urn.clone();
    let subscription = state.smn.subscription(&urn).map_err(|_| invalid())?;
    if value(&pairs, "topic_urn").is_some_and(|topic| topic != subscription.topic_urn) {
        return Err(bad("SMN.0005", "Invalid topic URN."));
    }
    let confirmed = state.smn.confirm(&urn)?;
    Ok(page(&format!("You are subscribed to {}.", confirmed.topic_urn)))
}

async fn leave(State(world): Shared, Query(pairs): Pairs) -> Answer {
    let urn = value(&pairs, "subscription_urn").unwrap_or_default();
    let mut state = world.state();
    let subscription = state.smn.subscription(urn)?;
    let was = std::mem::replace(&mut subscription.status, Status::Cancelled);
    let subscription = subscription.clone();
    if was != Status::Cancelled {
        let text = format!(
            "You will get no more messages of {}. Open subscribe_url within 48 hours to come back.",
            subscription.topic_urn
        );
        state.ask(&world, &subscription, Kind::UnsubscribeConfirmation, text);
    }
    Ok(page(&format!("You left {}.", subscription.topic_urn)))
}

async fn certificate(State(world): Shared, Path(name): Path<String>) -> Answer {
    if name != letter::certificate_name(&world.settings.region) {
        return Err(Refusal::coded(StatusCode::NOT_FOUND, "APIG.0101", "The API does not exist."));
    }
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], letter::CERTIFICATE).into_response())
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The text holds names that SMN has checked, nothing to escape.
fn page(text: &str) -> Response {
    let html = format!("<!doctype html><html><head><title>SMN</title></head><body><p>{text}</p></body></html>");
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}
