//! Tries an endpoint's credentials at the start and once a day, without sending: a token that was revoked
//! on a quiet weekend is noticed before the alert that needs it.
//!
//! It pauses nothing: what is owed is attempted all the same, and its answer decides.

use std::time::Duration;

use tracing::{info, warn};

use super::{Deliver, follow};
use crate::{
    clock::{self, Timestamp},
    delivery::Outcome,
    endpoint::answer,
    store::{Store, StoreError},
};

const EVERY: Duration = Duration::from_secs(24 * 3600);
/// An answer that never came says nothing about the credentials.
const AGAIN: Duration = Duration::from_secs(15 * 60);

impl<S: Store> Deliver<S> {
    pub(super) async fn check(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.check_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        let name = &self.settings.name;
        let (wait, told) = match self.endpoint.check(now).await {
            Some(Outcome::Paused { reason, fix }) => {
                warn!(endpoint = name, reason, "{name} does not accept its credentials");
                // Trouble that people know of needs no second notice.
                let told = (!self.standing.is_told()).then_some((reason, fix));
                (EVERY, told)
            }
            Some(Outcome::Retry { reason, .. } | Outcome::Refused { reason, .. }) => {
                info!(endpoint = name, reason, "whether {name} accepts its credentials is not known");
                (AGAIN, None)
            }
            Some(Outcome::Delivered { .. }) | None => (EVERY, None),
        };
        if let Some((reason, fix)) = told {
            let generation = self.generation.borrow().clone();
            let notices = follow::credentials(&self.settings, &generation, answer::in_words(&reason), &fix, now);
            self.store.publish(notices).await?;
            self.rung.send_replace(());
        }
        // Only now: a notice that could not be written is tried again.
        self.check_at = Some(clock::plus(now, wait));
        Ok(())
    }
}
