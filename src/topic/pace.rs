//! Whether a delivery goes at once, waits for others, or is not sent: by the subscription's own wishes, by
//! what its reader was told lately, and by how much there is to tell. Pure: what is known comes in.

use std::time::Duration;

use super::{Subscription, schedule::Then};
use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    delivery::{Hold, HoldKind},
    trace::Trace,
};

/// What of one actor or resource comes within a time is told below its first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    pub by: GroupBy,
    pub within: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    Actor,
    Resource,
}

/// More alerts than this within that time are a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    pub at_most: u64,
    pub within: Duration,
}

impl Default for Storm {
    fn default() -> Self {
        Self { at_most: 300, within: Duration::from_secs(60) }
    }
}

/// Endpoints that edit show more of a group this often, the others when it closes.
pub const GROW_EVERY: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What is to be told to one subscription.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub severity: Severity,
    /// An alert that got worse always rings.
    pub escalates: bool,
    /// The rule used up its noise budget.
    pub over_budget: bool,
    /// More alerts at once than people can read.
    pub storm: bool,
    /// The endpoint is read by people.
    pub for_people: bool,
    /// The endpoint can change what it has sent.
    pub edits: bool,
    pub now: Timestamp,
}

/// A first message, below which more is gathered until `closes_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub subscription: String,
    /// What its members share: `actor alice`.
    pub key: String,
    /// The delivery that opened it.
    pub thread: String,
    pub opened_at: Timestamp,
    pub closes_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    Now,
    Held(Hold),
    /// By the schedule, until then.
    Dropped(Timestamp),
}

impl Subscription {
    /// How this goes to the subscription, below `group` if one is open for it. What the reader asked for
    /// comes first, then what rings in any case, then what keeps a reader from drowning.
    pub fn pace(&self, asked: &Asked, group: Option<&Group>) -> Pace {
        let Asked { severity, now, .. } = *asked;
        let quiet = self.schedule.as_ref().filter(|schedule| severity < schedule.pass);
        let quiet = quiet.and_then(|schedule| Some((schedule.then, schedule.quiet_until(now)?)));
        match (&self.digest, quiet) {
            (_, Some((Then::Drop, until))) => return Pace::Dropped(until),
            (Some(timetable), _) => return self.held(HoldKind::Digest, timetable.next(now)),
            (None, Some((Then::Hold, until))) => return self.held(HoldKind::Quiet, until),
            (None, None) => {}
        }
        let tame = severity < Severity::Critical;
        if asked.escalates {
            Pace::Now
        } else if asked.over_budget && tame {
            self.held(HoldKind::Budget, next(now, HOUR))
        } else if let Some(group) = group {
            let grows_at = clock::plus(now, GROW_EVERY);
            let until = if asked.edits { group.closes_at.min(grows_at) } else { group.closes_at };
            Pace::Held(Hold { id: format!("{} group {}", self.id, group.thread), kind: HoldKind::Group, until })
        } else if asked.storm && tame && asked.for_people {
            self.held(HoldKind::Storm, next(now, MINUTE))
        } else {
            Pace::Now
        }
    }

    fn held(&self, kind: HoldKind, until: Timestamp) -> Pace {
        Pace::Held(Hold { id: format!("{} {} {until}", self.id, kind.as_str()), kind, until })
    }

    /// The group that `trace` belongs to, in words; `None` if this subscription makes none of it.
    pub fn group_key(&self, trace: &Trace) -> Option<String> {
        match self.group.as_ref()?.by {
            GroupBy::Actor => Some(format!("actor {}", trace.actor.name.as_ref()?)),
            GroupBy::Resource => {
                let resource = &trace.resource;
                Some(format!("resource {}", resource.id.as_ref().or(resource.name.as_ref())?))
            }
        }
    }
}

/// The next full `step`, so that all who wait for it share it.
fn next(now: Timestamp, step: Duration) -> Timestamp {
    let step = i64::try_from(step.as_secs()).unwrap_or(i64::MAX);
    let next = (now.as_second().div_euclid(step) + 1).saturating_mul(step);
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::topic::{
        schedule::{Quiet, Schedule},
        timetable::Timetable,
    };

    const NOW: &str = "2026-11-21T22:00:30Z";

    fn asked(severity: Severity) -> Asked {
        Asked {
            severity,
            escalates: false,
            over_budget: false,
            storm: false,
            for_people: true,
            edits: false,
            now: NOW.parse().unwrap(),
        }
    }

    fn plain() -> Subscription {
        Subscription::new("security/slack", "slack")
    }

    fn digest() -> Subscription {
        let at = vec!["07:30".parse().unwrap()];
        Subscription { digest: Some(Timetable { at, on: vec![], zone: TimeZone::UTC }), ..plain() }
    }

    fn nights(base: Subscription, then: Then, pass: Severity) -> Subscription {
        let quiet = vec![Quiet { from: "20:00".parse().unwrap(), to: "07:00".parse().unwrap(), on: vec![] }];
        let schedule = Schedule { quiet, holidays: vec![], zone: TimeZone::UTC, pass, then };
        Subscription { schedule: Some(schedule), ..base }
    }

    fn group() -> Group {
        Group {
            subscription: "security/slack".into(),
            key: "actor alice".into(),
            thread: "msg_first".into(),
            opened_at: "2026-11-21T21:55:00Z".parse().unwrap(),
            closes_at: "2026-11-21T22:05:00Z".parse().unwrap(),
        }
    }

    /// `now`, `dropped until TIME`, or the hold's id and end.
    #[track_caller]
    fn check(subscription: &Subscription, asked: Asked, open: bool, expected: &str) {
        let found = match subscription.pace(&asked, open.then(group).as_ref()) {
            Pace::Now => "now".to_owned(),
            Pace::Dropped(until) => format!("dropped until {until}"),
            Pace::Held(hold) => format!("{} | {} until {}", hold.id, hold.kind.as_str(), hold.until),
        };
        assert_eq!(found, expected);
    }

    const DIGEST: &str = "security/slack digest 2026-11-22T07:30:00Z | digest until 2026-11-22T07:30:00Z";
    const QUIET: &str = "security/slack quiet 2026-11-22T07:00:00Z | quiet until 2026-11-22T07:00:00Z";
    const BUDGET: &str = "security/slack budget 2026-11-21T23:00:00Z | budget until 2026-11-21T23:00:00Z";
    const STORM: &str = "security/slack storm 2026-11-21T22:01:00Z | storm until 2026-11-21T22:01:00Z";

    #[test]
    fn without_a_wish_everything_goes_at_once() {
        check(&plain(), asked(Severity::Info), false, "now");
    }

    #[test]
    fn a_digest_takes_everything_in() {
        check(&digest(), asked(Severity::Critical), false, DIGEST);
        check(&digest(), Asked { escalates: true, ..asked(Severity::Critical) }, false, DIGEST);
        check(&digest(), Asked { storm: true, over_budget: true, ..asked(Severity::Low) }, false, DIGEST);
        check(&nights(digest(), Then::Hold, Severity::Critical), asked(Severity::Low), false, DIGEST);
    }

    #[test]
    fn quiet_hours_let_the_worst_through() {
        let hold = nights(plain(), Then::Hold, Severity::Critical);
        check(&hold, asked(Severity::High), false, QUIET);
        check(&hold, asked(Severity::Critical), false, "now");
        check(&hold, Asked { escalates: true, ..asked(Severity::High) }, false, QUIET);
        check(&hold, Asked { escalates: true, ..asked(Severity::Critical) }, false, "now");
        check(&hold, Asked { now: "2026-11-22T07:00:00Z".parse().unwrap(), ..asked(Severity::High) }, false, "now");
        check(&nights(plain(), Then::Hold, Severity::High), asked(Severity::High), false, "now");
        let drop = nights(plain(), Then::Drop, Severity::Critical);
        check(&drop, asked(Severity::High), false, "dropped until 2026-11-22T07:00:00Z");
        check(&drop, asked(Severity::Critical), false, "now");
        check(
            &nights(digest(), Then::Drop, Severity::High),
            asked(Severity::Low),
            false,
            "dropped until 2026-11-22T07:00:00Z",
        );
    }

    #[test]
    fn an_open_group_gathers_until_it_closes_or_can_grow() {
        let closes = "security/slack group msg_first | group until 2026-11-21T22:05:00Z";
        check(&plain(), asked(Severity::Critical), true, closes);
        check(&plain(), Asked { storm: true, ..asked(Severity::Low) }, true, closes);
        let grows = "security/slack group msg_first | group until 2026-11-21T22:01:30Z";
        check(&plain(), Asked { edits: true, ..asked(Severity::Low) }, true, grows);
        check(&plain(), Asked { escalates: true, ..asked(Severity::Low) }, true, "now");
    }

    #[test]
    fn noise_and_storms_hold_back_what_is_not_critical() {
        let noisy = |severity| Asked { over_budget: true, ..asked(severity) };
        check(&plain(), noisy(Severity::High), false, BUDGET);
        check(&plain(), noisy(Severity::High), true, BUDGET);
        check(&plain(), noisy(Severity::Critical), false, "now");
        check(&plain(), Asked { escalates: true, ..noisy(Severity::High) }, false, "now");
        let storm = |severity| Asked { storm: true, ..asked(severity) };
        check(&plain(), storm(Severity::High), false, STORM);
        check(&plain(), storm(Severity::Critical), false, "now");
        check(&plain(), Asked { for_people: false, ..storm(Severity::High) }, false, "now");
        check(&plain(), Asked { escalates: true, ..storm(Severity::High) }, false, "now");
    }
}
