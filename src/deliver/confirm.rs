//! Endpoints whose subscriber must confirm: until it does it gets an invitation and nothing else,
//! and what is owed waits.

use std::time::Duration;

use tracing::{info, warn};

use super::Deliver;
use crate::{
    clock::{self, Timestamp},
    delivery::Outcome,
    endpoint::{answer, webhook::Invitation},
    store::{Confirmation, Store, StoreError},
};

/// An invitation nobody answered is repeated, because it works for two days only.
const INVITE_AGAIN: Duration = Duration::from_secs(24 * 3600);
/// After one that did not arrive.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// What this worker knows of its subscriber; the store knows whether it confirmed.
#[derive(Debug, Default)]
pub struct Subscriber {
    confirmed: bool,
    invite_at: Option<Timestamp>,
}

impl<S: Store> Deliver<S> {
    /// Until when nothing may be sent, if the subscriber has to confirm and has not.
    pub(super) async fn unconfirmed(&mut self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let Some(publisher) = self.endpoint.publisher() else { return Ok(None) };
        let name = self.settings.name.clone();
        let knew = self.subscriber.confirmed;
        let invitation = match self.store.confirmation(&name, &publisher.subscriber).await? {
            Confirmation::Confirmed(_) => {
                if !knew {
                    info!(endpoint = name, "the subscriber of {name} confirmed");
                    self.board.note(&Self::task(&name), None);
                }
                self.subscriber = Subscriber { confirmed: true, invite_at: None };
                return Ok(None);
            }
            // Said once, by the worker that still knew the subscriber.
            Confirmation::Left(_) if knew => Some(Invitation::Left),
            Confirmation::Left(_) => None,
            Confirmation::Never => Some(Invitation::Subscribe),
        };
        self.subscriber.confirmed = false;
        let due = self.subscriber.invite_at.is_none_or(|at| at <= now);
        let mut next = self.subscriber.invite_at.unwrap_or_else(|| clock::plus(now, INVITE_AGAIN));
        let mut note = match invitation {
            None | Some(Invitation::Left) => {
                "its subscriber left: what is owed waits until it subscribes again".to_owned()
            }
            Some(Invitation::Subscribe) => "waits for its subscriber to confirm".to_owned(),
        };
        if let Some(invitation) = invitation.filter(|invitation| due || *invitation == Invitation::Left) {
            let outcome = self.endpoint.invite(invitation, now).await;
            let wait = match &outcome {
                Outcome::Delivered { .. } => INVITE_AGAIN,
                _ => {
                    warn!(endpoint = name, reason = outcome.reason(), "{name} did not take the invitation");
                    note = format!("its subscriber cannot be invited: {}", answer::in_words(outcome.reason()));
                    TRY_AGAIN
                }
            };
            next = clock::plus(now, wait);
            self.subscriber.invite_at = Some(next);
        }
        self.board.note(&Self::task(&name), Some(note));
        Ok(Some(next))
    }
}
