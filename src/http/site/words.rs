//! States, verdicts and times of the store in words for a reader.

use std::time::Duration;

use super::Asked;
use crate::{
    clock::{self, Timestamp},
    delivery::{Cause, State},
    endpoint::answer::in_words,
    render::{facts::when_in, inert},
    store::DeliveryRow,
};

/// Longer answers of endpoints say nothing more.
const ANSWER: usize = 300;

/// `Thu 15 Jan 2026, 09:30 CET (08:30 UTC), 4 min ago`
pub fn moment(time: Timestamp, asked: &Asked) -> String {
    format!("{}, {}", when(time, asked), ago(time, asked.now))
}

/// `Thu 15 Jan 2026, 09:30 CET (08:30 UTC)`
pub fn when(time: Timestamp, asked: &Asked) -> String {
    when_in(time, &asked.access.zone())
}

/// To the minute, or to the second below one.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let about = |duration: Duration| match duration.as_secs() {
        0 => None,
        1..60 => Some(clock::in_words(duration)),
        // What is about to be over in four hours is said to be over in four, not in three and something.
        seconds => Some(clock::in_words(Duration::from_secs((seconds + 30) / 60 * 60))),
    };
    match (time > now, about(clock::since(now.min(time), now.max(time)))) {
        (true, Some(duration)) => format!("in {duration}"),
        (false, Some(duration)) => format!("{duration} ago"),
        (true, None) => "in a moment".to_owned(),
        (false, None) => "just now".to_owned(),
    }
}

/// What the ledger says of a trace.
pub fn verdict(word: &str) -> String {
    let words = match word {
        "opened" => "opened the alert",
        "repeat" => "more of the same",
        "shadow" => "recorded, not sent: the rule is in shadow mode",
        "excepted" => "left alone by an exception of the rule",
        "counted" => "counted, nothing rang yet",
        "escalated" => "made the alert worse",
        "updated" => "the operation went worse in its second half",
        "muted" => "kept from people",
        other => return inert::line(other, ANSWER),
    };
    words.to_owned()
}

/// How a delivery stands: a word for its colour, and a sentence.
pub fn standing(row: &DeliveryRow, asked: &Asked) -> (&'static str, String) {
    let now = asked.now;
    let done = row.finished_at.map_or_else(String::new, |time| format!(" {}", moment(time, asked)));
    match row.state {
        State::Ready => match row.next_at {
            Some(next) if next > now && row.attempts > 0 => ("waits", format!("tried again {}", ago(next, now))),
            _ => ("waits", "waits for its turn".to_owned()),
        },
        State::Leased => ("waits", "being sent right now".to_owned()),
        State::Delivered => ("good", format!("delivered{done}")),
        State::Held => {
            let until =
                row.delivery.hold.as_ref().map_or_else(String::new, |hold| format!(" {}", ago(hold.until, now)));
            ("waits", format!("held back, told together with others{until}"))
        }
        State::Folded => ("good", format!("told in {} instead", row.folded_into.as_deref().unwrap_or("a summary"))),
        State::Dead => ("bad", format!("given up{done}; `tracebell delivery retry` sends it once more")),
        State::Cancelled => ("bad", format!("called off by a person{done}")),
    }
}

/// Why there is such a delivery.
pub fn cause(row: &DeliveryRow) -> String {
    match &row.delivery.cause {
        Cause::Alert(_) => row.delivery.notification.kind.as_str().to_owned(),
        Cause::WindowClosed(_) => "summary".to_owned(),
        Cause::Repeated(_) => "count in place".to_owned(),
        Cause::Overflow => "overflow summary".to_owned(),
        Cause::Held(kind) => format!("gathered ({})", kind.as_str()),
        Cause::Fallback(_) => "copy for the fallback".to_owned(),
        Cause::Silenced(_) => "about a silence".to_owned(),
        Cause::Notice => "notice".to_owned(),
        Cause::Test => "test".to_owned(),
    }
}

/// What an endpoint said, as one harmless line.
pub fn answer(reason: &str) -> String {
    inert::line(in_words(reason), ANSWER)
}
