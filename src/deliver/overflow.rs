//! When the rate limit makes people wait too long, one message tells it all.

use std::time::Duration;

use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    delivery::{Cause, Rate},
    notification::{Gathered, Kind, Notification},
    store::{Backlog, Fold, Lane, Store, StoreError},
    topic::{Due, Topics},
};

/// A queue longer than this is told in one message...
const LONGEST_QUEUE: u64 = 20;
/// ...and so is one whose end would wait longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Between two summaries single messages go out as fast as the limit allows.
const BETWEEN_SUMMARIES: Duration = Duration::from_secs(20);

/// Folds each lane that overflows into a summary. True if one was made.
pub async fn fold<S: Store>(
    store: &S,
    topics: &Topics,
    endpoint: &str,
    rate: Rate,
    last: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // A summary made in the future was made before the clock was set back.
    if last.is_some_and(|last| last <= now && clock::since(last, now) < BETWEEN_SUMMARIES) {
        return Ok(false);
    }
    let mut folded = false;
    for lane in [Lane::Critical, Lane::Normal] {
        let backlog = store.backlog(endpoint, lane).await?;
        if !overflows(lane, backlog.deliveries, rate) {
            continue;
        }
        let (up_to, occasion) = (backlog.up_to, format!("{endpoint} {} {now}", backlog.up_to));
        let notification = notification(backlog, now);
        let subscription = format!("overflow/{endpoint}");
        let due = Due::new(&notification, &occasion, &subscription, endpoint, Cause::Overflow);
        let Some(summary) = topics.delivery(due) else {
            continue;
        };
        folded |= store.fold(Fold { endpoint: endpoint.to_owned(), lane, up_to, summary }).await? > 0;
    }
    Ok(folded)
}

/// `critical` is folded only when its end would wait too long: each is worth a message.
fn overflows(lane: Lane, waiting: u64, rate: Rate) -> bool {
    let permits = u32::try_from(waiting).unwrap_or(u32::MAX).saturating_sub(rate.burst);
    let slow = rate.interval.saturating_mul(permits) > LONGEST_WAIT;
    match lane {
        Lane::Critical => slow,
        Lane::Normal => slow || waiting > LONGEST_QUEUE && permits > 0,
    }
}

fn notification(backlog: Backlog, now: Timestamp) -> Notification {
    let severity = backlog.worst.unwrap_or(Severity::High);
    Notification {
        kind: Kind::Overflow,
        severity,
        title: format!("{} alerts summed up: the rate limit of this endpoint was reached", backlog.covers),
        why: None,
        runbook: None,
        source: String::new(),
        alert: None,
        worse: None,
        gathered: Some(Gathered {
            total: backlog.covers,
            by_rule: backlog.by_rule,
            by_actor: backlog.by_actor,
            titles: backlog.titles,
            ..Gathered::default()
        }),
        evidence: Vec::new(),
        context: Vec::new(),
        lines: vec!["Each of them is kept: `tracebell delivery list` shows it.".to_owned()],
        created_at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_queue_is_left_alone_and_a_long_one_folds() {
        let slack = Rate { interval: Duration::from_secs(1), burst: 1 };
        let fast = Rate { interval: Duration::from_millis(10), burst: 100 };
        let cases = [
            (Lane::Normal, 20, slack, false),
            (Lane::Normal, 21, slack, true),
            (Lane::Normal, 90, fast, false),
            (Lane::Critical, 60, slack, false),
            (Lane::Critical, 62, slack, true),
        ];
        for (lane, waiting, rate, expected) in cases {
            assert_eq!(overflows(lane, waiting, rate), expected, "{lane:?} {waiting} {rate:?}");
        }
    }
}
