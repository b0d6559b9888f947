//! What became of each recipient, and whom not to wait for.
//!
//! A mail has one outcome and goes to all or to nobody. An address that is only put off (greylisting, a
//! full mailbox) therefore makes the whole mail wait, but not for ever: after a while the others are told
//! without it. Kept in memory: after a restart the wait begins again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    clock::{self, Timestamp},
    delivery::Outcome,
};

// Greylists commonly let the second try through after five minutes.
const WAIT: Duration = Duration::from_secs(15 * 60);
// What was put off longer ago than this without another try tells nothing about today.
const FORGET: Duration = Duration::from_secs(3600);

/// What the relay said about recipients so far.
#[derive(Debug, Default)]
pub struct Recipients {
    /// Since when each was put off, and when last.
    put_off: BTreeMap<String, (Timestamp, Timestamp)>,
    /// Refused, and the log knows it.
    refused: BTreeSet<String>,
}

/// What to do about one recipient.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// The mail goes to this one too.
    Take,
    /// The mail goes to the others only; true if nobody was warned before.
    LeaveOut { new: bool },
    /// The mail goes to nobody now.
    Wait,
}

impl Recipients {
    /// `refusal` is `None` if the relay takes the recipient.
    pub fn next(&mut self, address: &str, refusal: Option<&Outcome>, now: Timestamp) -> Next {
        match refusal {
            None => {
                self.put_off.remove(address);
                self.refused.remove(address);
                Next::Take
            }
            Some(Outcome::Refused { .. }) => Next::LeaveOut { new: self.refused.insert(address.to_owned()) },
            Some(_) => {
                let (since, last) = self.put_off.get(address).copied().unwrap_or((now, now));
                let since = if clock::since(last, now) > FORGET { now } else { since };
                self.put_off.insert(address.to_owned(), (since, now));
                if clock::since(since, now) < WAIT {
                    return Next::Wait;
                }
                Next::LeaveOut { new: self.refused.insert(address.to_owned()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_wait_for_one_that_is_put_off_but_not_for_ever() {
        let mut recipients = Recipients::default();
        let put_off = Outcome::Retry { reason: "smtp_4xx: full".into(), retry_after: None };
        let gone = Outcome::Refused { reason: "smtp_5xx: gone".into(), shorter_may_help: false };
        let mut next = |refusal: Option<&Outcome>, minute: i64| {
            recipients.next("ops@example.org", refusal, Timestamp::from_second(minute * 60).unwrap())
        };
        assert_eq!(next(Some(&put_off), 0), Next::Wait);
        assert_eq!(next(Some(&put_off), 14), Next::Wait);
        assert_eq!(next(Some(&put_off), 15), Next::LeaveOut { new: true });
        assert_eq!(next(Some(&put_off), 60), Next::LeaveOut { new: false });
        assert_eq!(next(Some(&put_off), 300), Next::Wait, "hours later the wait begins again");
        assert_eq!(next(None, 301), Next::Take);
        assert_eq!(next(Some(&put_off), 310), Next::Wait);
        assert_eq!(next(Some(&gone), 311), Next::LeaveOut { new: true });
        assert_eq!(next(Some(&gone), 312), Next::LeaveOut { new: false });
    }
}
