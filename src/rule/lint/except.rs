//! Exceptions that are over, that never apply, or that leave nothing of their rule.

use jiff::{civil::Date, tz::TimeZone};

use super::{Finding, demand::Demand, group::Group, reach, verdict};
use crate::{
    clock::Timestamp,
    document::{Value, Walk},
};

pub fn look(at: &Walk<'_>, condition: Option<&Group<'_>>, now: Timestamp) {
    if let Some(until) = at.node.get("until") {
        let at = at.child("until", until);
        if end(&at).is_some_and(|end| end <= now) {
            let text = format!("this exception held until {}: the rule rings for these traces again", at.source());
            Finding::new("expired-exception", text)
                .at(&at, until.span)
                .hint("remove the exception, or give it a new day if its reason still holds")
                .warn();
        }
    }
    let Some(inner) = at.node.get("match") else { return };
    let inner = Group::read(&at.child("match", inner));
    verdict::look(&inner);
    reach::look(&inner, "so this exception never applies");
    let Some(condition) = condition else { return };
    let around = condition.demands();
    if inner.is_implied_by(&around) {
        Finding::new(
            "exception-takes-all",
            "this exception takes everything that the rule matches, so the rule never rings".into(),
        )
        .at(&inner.at, inner.at.node.head())
        .hint("narrow the exception; to switch the rule off write `mode: off`")
        .warn();
        return;
    }
    let clash = |demand: &Demand<'_>| around.iter().copied().find(|other| other.contradicts(demand)).cloned();
    if let Some((demand, other)) = inner.demands().into_iter().find_map(|demand| Some((demand, clash(demand)?))) {
        let text = format!("the rule matches no such trace (`{}`), so this exception never applies", other.shown());
        Finding::new("idle-exception", text)
            .at(&demand.at, demand.at.node.head())
            .also(&other.at, "the rule's own condition")
            .hint("remove the exception, or mend its condition")
            .warn();
    }
}

/// The moment from which the exception holds no more: a day counts to its end, in UTC.
fn end(at: &Walk<'_>) -> Option<Timestamp> {
    let Value::Text(text) = &at.node.value else { return None };
    let text = text.trim();
    if let Ok(day) = text.parse::<Date>()
        && text.len() <= "2027-03-31".len()
    {
        return Some(day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    text.parse().ok()
}
