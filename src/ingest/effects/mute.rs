//! Whether a ring is kept from people, decided before it is known whose it would be.
//!
//! A muted alert owes nothing later: what it counts is suppressed at once, so that no summary tells it.
//! Repeats of one that rang already wait for its summary, which the sweep judges.

use super::owe::Standing;
use crate::{
    alert::Mute,
    clock::Timestamp,
    generation::Generation,
    ring::{Change, Hit, Ring},
    rule::When,
    silence::{Muting, Subject},
    store::{self, IngestBatch, Muted, Mutes, Store, StoreError},
};

/// What may mute these hits: nothing is read for a page without any.
pub async fn load<S: Store>(
    store: &S,
    generation: &Generation,
    hits: &[Hit<'_>],
    now: Timestamp,
) -> Result<Mutes, StoreError> {
    match hits.iter().map(|hit| hit.lead.time).min() {
        Some(oldest) => store::mutes(store, &generation.inhibitions, oldest.min(now), now).await,
        None => Ok(Mutes::default()),
    }
}

/// Settles what of the ring's alert is told or swallowed, as an alert that stood `before` has it.
pub fn settle(
    generation: &Generation,
    muting: &Muting<'_>,
    ring: &mut Ring,
    before: Option<&Standing>,
    batch: &mut IngestBatch,
) {
    if ring.alert.shadow {
        return;
    }
    let nothing = Standing::default();
    let before = before.unwrap_or(&nothing);
    let added = ring.alert.count.saturating_sub(before.count);
    let judged = ring.change != Change::Repeat || before.muted.is_some();
    let mute = judged.then(|| muting.judge(subject(generation, ring, batch.now), batch.now)).flatten();
    let alert = &mut ring.alert;
    match mute {
        Some(mute) => {
            batch.muted.push(Muted::of(alert, mute.clone(), added, batch.now));
            // Repeats from before wait for their summary as they did.
            alert.told = before.told + added;
            alert.swallowed = before.swallowed + added;
            alert.muted = Some(join(before.muted.as_ref(), mute));
        }
        None => {
            alert.told = if judged { alert.count } else { before.told };
            (alert.swallowed, alert.muted) = (0, None);
        }
    }
}

/// What is told with the first match that nothing keeps back any more.
pub fn afterwards(before: &Standing) -> Option<String> {
    let mute = before.muted.as_ref()?;
    let matches = match before.swallowed {
        0 => "That it got worse before".to_owned(),
        1 => "1 match before this".to_owned(),
        many => format!("{many} matches before this"),
    };
    let were = if before.swallowed > 1 { "were" } else { "was" };
    Some(format!("{matches} {were} kept back and told to nobody: {}.", mute.reason))
}

fn subject<'a>(generation: &Generation, ring: &'a Ring, now: Timestamp) -> Subject<'a> {
    let rule = generation.rules.rules.iter().find(|rule| rule.id == ring.alert.rule);
    // What is missing is missing now; its trace is the last that was not.
    let missing = rule.is_some_and(|rule| matches!(rule.when, Some(When::Absent { .. })));
    Subject { alert: &ring.alert, trace: &ring.lead, time: if missing { now } else { ring.lead.time } }
}

/// The reasons one after the other, if another thing mutes it now.
fn join(before: Option<&Mute>, mute: Mute) -> Mute {
    match before {
        Some(before) if before.reason.contains(&mute.reason) => Mute { reason: before.reason.clone(), ..mute },
        Some(before) => Mute { reason: format!("{}; {}", before.reason, mute.reason), ..mute },
        None => mute,
    }
}
