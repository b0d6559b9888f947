//! `when`: what has to come together before a rule fires.

use std::time::Duration;

use super::{names, one};
use crate::{
    document::{Fields, Level, Walk, did_you_mean, walk::either},
    rule::{When, compile::Lists},
    trace::Field,
};

const KINDS: [&str; 5] = ["count", "distinct", "first_seen", "absent", "sequence"];

/// What other rule languages call the kinds.
const ELSEWHERE: &[(&str, &str)] = &[
    ("frequency", "count"),
    ("threshold", "count"),
    ("event_count", "count"),
    ("spike", "count"),
    ("cardinality", "distinct"),
    ("value_count", "distinct"),
    ("new_term", "first_seen"),
    ("new_terms", "first_seen"),
    ("new_value", "first_seen"),
    ("flatline", "absent"),
    ("missing", "absent"),
    ("temporal", "sequence"),
    ("temporal_ordered", "sequence"),
    ("correlation", "sequence"),
    ("steps", "sequence"),
];

const DAY: Duration = Duration::from_secs(86_400);
/// A window is kept for every key: a longer one would remember a whole account.
const WINDOW_LIMIT: Duration = Duration::from_secs(7 * 86_400);
const REMEMBER_LIMIT: Duration = Duration::from_secs(365 * 86_400);
/// Longer than the longest month, for jobs that run once in it.
const QUIET_LIMIT: Duration = Duration::from_secs(35 * 86_400);
/// Matches remembered for one key.
const COUNT_LIMIT: i64 = 10_000;
const STEP_LIMIT: usize = 8;

/// The one kind a `when` holds; `None` after a report.
pub fn read(walk: &Walk<'_>, lists: &Lists) -> Option<When> {
    let entries = walk.entries()?;
    let mut kinds = Vec::new();
    let mut whole = true;
    for (name, key, at) in entries {
        if KINDS.contains(&name) {
            kinds.push((name, key.span, at));
            continue;
        }
        whole = false;
        let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name);
        let hint = match (elsewhere, did_you_mean(name, KINDS)) {
            (Some((_, own)), _) => format!("it is called `{own}` here"),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            _ if ["at_least", "within", "by", "of", "same", "for"].contains(&name) => {
                format!("it stands below a kind: `count: {{ {name}: ... }}`")
            }
            _ => format!("`when` is one of {}", either(&KINDS)),
        };
        walk.report(Level::Error, key.span, format!("`{name}` is not a kind of `when`"), Some(hint));
    }
    match kinds.as_slice() {
        [(name, _, at)] if whole => kind(name, at, lists),
        [] if whole => {
            walk.fail_hint("expected one kind, found none", format!("write one of {}", either(&KINDS)));
            None
        }
        [(first, _, _), (second, span, _), ..] => {
            let text = format!("expected one kind, found `{first}` and `{second}`");
            walk.report(Level::Error, *span, text, Some("write a rule for each".into()));
            None
        }
        _ => None,
    }
}

fn kind(name: &str, walk: &Walk<'_>, lists: &Lists) -> Option<When> {
    let mut fields = walk.fields()?;
    let when = match name {
        "count" => count(&mut fields),
        "distinct" => distinct(&mut fields),
        "first_seen" => first_seen(&mut fields),
        "absent" => absent(&mut fields),
        _ => sequence(&mut fields, lists),
    };
    fields.finish();
    when
}

fn count(fields: &mut Fields<'_>) -> Option<When> {
    let at_least =
        fields.required("at_least").and_then(|walk| at_least(&walk, "to fire on each match, leave `when` out"));
    let within = fields.required("within").and_then(|walk| at_most(&walk, WINDOW_LIMIT));
    let by = by(fields);
    Some(When::Count { at_least: at_least?, within: within?, by: by? })
}

fn distinct(fields: &mut Fields<'_>) -> Option<When> {
    let of = fields.required("of").and_then(|walk| names::some(&walk));
    let at_least =
        fields.required("at_least").and_then(|walk| at_least(&walk, "for a value not seen before, write `first_seen`"));
    let within = fields.required("within").and_then(|walk| at_most(&walk, WINDOW_LIMIT));
    let by = by(fields);
    let (of, by) = (of?, by?);
    if let (true, Some(walk)) = (of.iter().all(|field| by.contains(field)), fields.optional("of")) {
        let text = format!("`{}` is in `of` and in `by`: there is only one per key", of[0].name());
        walk.fail_hint(text, "`by` says who is counted, `of` says what differs");
        return None;
    }
    Some(When::Distinct { of, at_least: at_least?, within: within?, by })
}

fn first_seen(fields: &mut Fields<'_>) -> Option<When> {
    let of = fields.required("of").and_then(|walk| names::some(&walk));
    let remember = fields.optional("remember").map_or(Some(90 * DAY), |walk| at_most(&walk, REMEMBER_LIMIT));
    let learn = fields.optional("learn");
    let days = learn.as_ref().map_or(Some(7 * DAY), |walk| at_most(walk, REMEMBER_LIMIT));
    let (remember, days) = (remember?, days?);
    // A day that was learned and forgotten again taught nothing.
    if let (true, Some(walk)) = (days > remember, learn) {
        walk.fail_hint("it learns for longer than it remembers", "let `remember` be longer than `learn`");
        return None;
    }
    Some(When::FirstSeen { of: of?, remember, learn: days.min(remember) })
}

fn absent(fields: &mut Fields<'_>) -> Option<When> {
    let quiet = fields.required("for").and_then(|walk| at_most(&walk, QUIET_LIMIT));
    let by = by(fields);
    let arm_after = fields.optional("arm_after").map_or(Some(1), |walk| walk.whole(1, 1_000));
    Some(When::Absent { quiet: quiet?, by: by?, arm_after: arm_after?.unsigned_abs() })
}

fn sequence(fields: &mut Fields<'_>, lists: &Lists) -> Option<When> {
    let steps = fields.required("steps").and_then(|walk| {
        let items = walk.list()?;
        if !(2..=STEP_LIMIT).contains(&items.len()) {
            let hint = if items.len() > STEP_LIMIT { "join steps with `any`" } else { "a single step is a `match`" };
            walk.fail_hint(format!("expected 2 to {STEP_LIMIT} steps, found {}", items.len()), hint);
            return None;
        }
        let steps: Vec<_> = items.iter().map(|step| one::condition(step, lists)).collect();
        steps.into_iter().collect::<Option<Vec<_>>>()
    });
    let within = fields.required("within").and_then(|walk| at_most(&walk, WINDOW_LIMIT));
    let same = fields.required("same").and_then(|walk| names::shared(&walk));
    Some(When::Sequence { steps: steps?, within: within?, same: same? })
}

/// Without `by` all matches are counted together.
fn by(fields: &mut Fields<'_>) -> Option<Vec<Field>> {
    fields.optional("by").map_or(Some(Vec::new()), |walk| names::shared(&walk))
}

fn at_least(walk: &Walk<'_>, alone: &str) -> Option<u64> {
    if walk.node.value == crate::document::Value::Int(1) {
        walk.fail_hint(format!("expected a whole number from 2 to {COUNT_LIMIT}, found 1"), alone);
        return None;
    }
    walk.whole(2, COUNT_LIMIT).map(i64::unsigned_abs)
}

/// A duration that memory can be kept for.
pub fn at_most(walk: &Walk<'_>, most: Duration) -> Option<Duration> {
    let found = walk.duration()?;
    if found > most {
        let days = most.as_secs() / DAY.as_secs();
        walk.fail(format!("expected at most {days}d, found `{}`", walk.source()));
        return None;
    }
    Some(found)
}

/// The window of a `then`.
pub fn within(walk: &Walk<'_>) -> Option<Duration> {
    at_most(walk, WINDOW_LIMIT)
}
