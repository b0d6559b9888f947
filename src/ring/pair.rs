//! Asynchronous operations: a request, and minutes later its result.
//!
//! The log shows both as traces of the same operation on the same resource, the
//! second often without the actor, so that their keys differ. The half that comes
//! second takes the key of the first, and with it its alert.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Entry, Memory, Slot, slot, window::apart};
use crate::{
    alert::Key,
    clock::Timestamp,
    rule::{Part, Rule},
    trace::{ActorKind, Outcome, Trace, action},
};

/// Longest time between the halves.
pub const APART: Duration = Duration::from_secs(3600);
/// Halves of one operation on one resource that wait for their other half.
const ROOM: usize = 16;

/// What is known of a half that waits, or waited, for the other.
#[derive(Debug, Serialize, Deserialize)]
struct Half {
    key: Key,
    /// `None`: the platform.
    actor: Option<String>,
    outcome: u8,
    origin: String,
}

/// The half that came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub key: Key,
    pub time: Timestamp,
    /// It went better.
    pub better: bool,
}

/// Where a rule remembers halves of what this trace may be a half of. Rules with a
/// `when` have none: their hits are not single operations.
pub fn slot_of(rule: &Rule, part: Part, trace: &Trace) -> Option<Slot> {
    if rule.when.is_some() || part == Part::Then || trace.service.is_empty() {
        return None;
    }
    // These are answered at once.
    if matches!(action::of(&trace.operation), "login" | "logout" | "read") {
        return None;
    }
    let resource = trace.resource.id.as_deref().or(trace.resource.name.as_deref())?;
    let key = slot::join(&[trace.service.as_str(), &trace.operation, resource]);
    Some(Slot { rule: format!("{}/pair", rule.id), key })
}

/// True for a trace whose result may follow without its actor.
pub fn may_be_first(rule: &Rule, trace: &Trace) -> bool {
    trace.actor_kind() != ActorKind::System && slot_of(rule, Part::Match, trace).is_some()
}

/// A match comes: the other half, if it was here before.
pub fn arrive(memory: &mut Memory, trace: &Trace, key: &Key, now: Timestamp) -> Option<Other> {
    let half = Half {
        key: key.clone(),
        actor: Some(trace.actor_kind())
            .filter(|kind| *kind != ActorKind::System)
            .and_then(|_| trace.actor.name.clone()),
        outcome: rank(trace.outcome()),
        origin: trace.origin().as_str().to_owned(),
    };
    let mut found: Option<(usize, Half)> = None;
    for (at, entry) in memory.entries.iter().enumerate() {
        let gap = apart(entry.time, trace.time);
        let nearer = found.as_ref().is_none_or(|(best, _)| gap < apart(memory.entries[*best].time, trace.time));
        if entry.rang || gap > APART || !nearer {
            continue;
        }
        let Ok(other) = serde_json::from_str::<Half>(&entry.word) else { continue };
        if fit(&half, &other) {
            found = Some((at, other));
        }
    }
    if let Some((at, other)) = found {
        let (_, time) = memory.entries[at].ring();
        return Some(Other { key: other.key, time, better: other.outcome < half.outcome });
    }
    let word = serde_json::to_string(&half).expect("a half is JSON");
    memory.put(Entry::bare(trace, word));
    memory.trim(APART, ROOM, now);
    None
}

/// Halves differ in something; what looks the same was done twice.
fn fit(one: &Half, other: &Half) -> bool {
    let actors = one.actor == other.actor || one.actor.is_none() || other.actor.is_none();
    let differ = one.actor != other.actor || one.outcome != other.outcome || one.origin != other.origin;
    actors && differ
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Succeeded | Outcome::Unknown => 0,
        Outcome::Failed => 1,
        Outcome::Incident => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Rating;

    /// Halves as `minute actor rating`; the ones that find another: `minute of it`, `!` if it went better.
    #[track_caller]
    fn check(halves: &[&str], expected: &[&str]) {
        let mut memory = Memory::default();
        let mut found = Vec::new();
        for (number, half) in halves.iter().enumerate() {
            let words: Vec<&str> = half.split(' ').collect();
            let time = Timestamp::from_second(words[0].parse::<i64>().expect("a minute") * 60).expect("in range");
            let mut trace = Trace::blank(format!("t{number}"), time);
            trace.actor.name = Some(words[1].to_owned()).filter(|name| name != "-");
            trace.rating = Rating::parse(words[2]);
            let key = Key::from([("actor.name".to_owned(), words[1].to_owned())]);
            let other = arrive(&mut memory, &trace, &key, time);
            found.extend(other.map(|other| {
                format!(
                    "{} {}{}",
                    other.time.as_second() / 60,
                    other.key["actor.name"],
                    if other.better { "!" } else { "" }
                )
            }));
        }
        assert_eq!(found, expected, "{halves:?}");
    }

    #[test]
    fn a_result_finds_its_request() {
        check(&["0 alice normal", "5 - normal"], &["0 alice"]);
        check(&["0 alice normal", "5 - incident"], &["0 alice!"]);
        check(&["0 alice normal", "5 alice warning"], &["0 alice!"]);
        check(&["5 - incident", "0 alice normal"], &["5 -"]);
        check(&["0 alice normal", "61 - normal"], &[]);
    }

    #[test]
    fn what_looks_the_same_or_is_by_another_is_no_half() {
        check(&["0 alice normal", "5 alice normal"], &[]);
        check(&["0 alice normal", "5 bob incident"], &[]);
        // Two halves make a pair; the third is alone.
        check(&["0 alice normal", "5 - normal", "6 - normal"], &["0 alice"]);
        check(&["0 alice normal", "9 bob normal", "10 - normal"], &["9 bob"]);
    }

    #[test]
    fn only_single_operations_on_a_resource_have_halves() {
        let file = crate::document::File {
            name: "r.yaml".into(),
            text: "rules:\n- id: r\n  title: t\n  severity: low\n  match: { service: KMS }\n".into(),
        };
        let (set, _) = crate::rule::load(&[file]);
        let slot = |operation: &str, id: Option<&str>, name: Option<&str>| {
            let mut trace = Trace::blank("t", Timestamp::UNIX_EPOCH);
            (trace.service, trace.operation) = ("KMS".into(), operation.into());
            (trace.resource.id, trace.resource.name) = (id.map(str::to_owned), name.map(str::to_owned));
            slot_of(&set.rules[0], Part::Match, &trace).map(|slot| slot.key)
        };
        assert_eq!(slot("deleteKey", Some("1"), Some("n")).as_deref(), Some(r#"["KMS","deleteKey","1"]"#));
        assert_eq!(slot("deleteKey", None, Some("n")).as_deref(), Some(r#"["KMS","deleteKey","n"]"#));
        assert_eq!(slot("deleteKey", None, None), None);
        assert_eq!(slot("login", Some("1"), None), None);
    }
}
