//! Tries an endpoint's credentials once a day, without sending: a token that was revoked
//! on a quiet weekend is noticed before the alert that needs it.
//!
//! When that was and what came of it is kept, so that a restart neither repeats nor skips it. Credentials that
//! were not tried yet are tried at once.
//!
//! It pauses nothing: what is owed is attempted all the same, and its answer decides.

use std::time::Duration;

use tracing::{info, warn};

use super::{Deliver, follow};
use crate::{
    clock::{self, Timestamp},
    delivery::Outcome,
    endpoint::answer,
    store::{Accepted, Checked, Store, StoreError},
};

const EVERY: Duration = Duration::from_secs(24 * 3600);
/// An answer that never came says nothing about the credentials.
const AGAIN: Duration = Duration::from_secs(15 * 60);

impl<S: Store> Deliver<S> {
    pub(super) async fn check(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(credentials) = self.settings.credentials() else { return Ok(()) };
        if self.check_at.is_none() {
            let checked = self.state().await?.and_then(|state| state.checked);
            // One from the future was made before the clock was set back.
            let counts = |checked: &Checked| checked.credentials == credentials && checked.at <= now;
            self.check_at = checked.filter(counts).map(|checked| next(&checked));
        }
        if self.check_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        let name = &self.settings.name;
        let Some(outcome) = self.endpoint.check(now).await else { return Ok(()) };
        let reason = outcome.reason().to_owned();
        let (standing, told) = match outcome {
            Outcome::Paused { reason, fix } => {
                warn!(endpoint = name, reason, "{name} does not accept its credentials");
                // Trouble that people know of needs no second notice.
                let told = (!self.standing.is_told()).then_some((reason, fix));
                (Accepted::No, told)
            }
            Outcome::Retry { reason, .. } | Outcome::Refused { reason, .. } => {
                info!(endpoint = name, reason, "whether {name} accepts its credentials is not known");
                (Accepted::Unknown, None)
            }
            Outcome::Delivered { .. } => (Accepted::Yes, None),
        };
        if let Some((reason, fix)) = told {
            let generation = self.generation.borrow().clone();
            let notices = follow::credentials(&self.settings, &generation, answer::in_words(&reason), &fix, now);
            self.store.publish(notices).await?;
            self.rung.send_replace(());
        }
        // Only now: a notice that could not be written is tried again.
        let checked = Checked { at: now, standing, reason, credentials };
        let at = next(&checked);
        self.store.checked(&self.settings.name, checked).await?;
        self.check_at = Some(at);
        Ok(())
    }
}

fn next(checked: &Checked) -> Timestamp {
    clock::plus(checked.at, if checked.standing == Accepted::Unknown { AGAIN } else { EVERY })
}
