//! Silences as they are kept, and what was kept from people.

use crate::{
    alert::{Alert, Mute, MuteKind, Severity},
    clock::Timestamp,
    silence::{Inhibition, Silence, Standing},
    store::{Store, StoreError},
};

/// Open alerts that inhibitions look at; beyond it, what is less bad and older inhibits nothing.
const OPEN: usize = 2000;

/// What may mute a page's alerts, as the store has it.
#[derive(Debug, Clone, Default)]
pub struct Mutes {
    pub silences: Vec<Silence>,
    /// Open alerts that may inhibit.
    pub open: Vec<Alert>,
}

/// What mutes anything at `now`, or muted what happened since `from`.
pub async fn mutes<S: Store>(
    store: &S,
    inhibitions: &[Inhibition],
    from: Timestamp,
    now: Timestamp,
) -> Result<Mutes, StoreError> {
    let silences = store.silences_between(from, now).await?;
    let open = match inhibitions {
        [] => Vec::new(),
        _ => store.ringing_alerts(Inhibition::rules(inhibitions).as_deref(), OPEN).await?,
    };
    Ok(Mutes { silences, open })
}

impl Mutes {
    /// The open alerts, these as they are here.
    pub fn open_with(&self, changed: &[Alert]) -> Vec<Alert> {
        let stored = self.open.iter().filter(|alert| !changed.iter().any(|other| other.id == alert.id));
        stored.chain(changed).cloned().collect()
    }
}

/// Alerts and repeats that were kept from people, by one thing. Append-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Muted {
    pub alert: String,
    pub rule: String,
    pub severity: Severity,
    pub title: String,
    /// One subscription, or `None` for all of them.
    pub subscription: Option<String>,
    pub by: Mute,
    /// Alerts and repeats.
    pub count: u64,
    pub at: Timestamp,
}

impl Muted {
    /// `count` more traces of `alert`, kept from everybody.
    pub fn of(alert: &Alert, by: Mute, count: u64, at: Timestamp) -> Self {
        Self {
            alert: alert.id.clone(),
            rule: alert.rule.clone(),
            severity: alert.severity,
            title: alert.title.clone(),
            subscription: None,
            by,
            count,
            at,
        }
    }
}

/// A silence, and what it did so far.
#[derive(Debug, Clone, PartialEq)]
pub struct SilenceRow {
    pub silence: Silence,
    /// Alerts and repeats that it kept from people.
    pub swallowed: u64,
    /// How many alerts these were.
    pub alerts: u64,
    pub last_at: Option<Timestamp>,
    /// When people were told that it ends soon.
    pub warned_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
pub struct SilenceFilter {
    /// As it stands at that time.
    pub standing: Option<(Standing, Timestamp)>,
    /// Only those that end before then.
    pub ends_before: Option<Timestamp>,
    pub limit: usize,
}

#[derive(Debug, Clone, Default)]
pub struct MutedFilter {
    /// By what: kind, and the id of the silence or the name of the inhibition or subscription.
    pub by: Option<(MuteKind, String)>,
    pub alert: Option<String>,
    pub limit: usize,
}
