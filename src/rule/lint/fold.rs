//! What a rule folds its matches by: keys that never repeat, rules that take everything.

use super::{Finding, demand::Demand, group::Group, verdict};
use crate::{
    document::{Value, Walk},
    trace::Field,
};

/// The key of `dedup.by`, of a window's `by`, of `same`. `so` says what follows from a key that never repeats.
pub fn key(by: &Walk<'_>, so: &str) {
    verdict::raw_fields(by);
    for (word, at) in super::catalogue::literals(by) {
        let Some(field) = Field::parse(&word) else { continue };
        if let Some(why) = unique(&field) {
            Finding::new("unique-key", format!("`{word}` {why}, {so}"))
                .at(&at, at.node.span)
                .hint("fold by who, what or where: actor.name, resource.id, source_ip")
                .warn();
        }
    }
}

/// Why hardly two traces share a value of this field.
fn unique(field: &Field) -> Option<&'static str> {
    match field {
        Field::TraceId => Some("is different in every trace"),
        Field::Time | Field::RecordTime => Some("differs from trace to trace"),
        Field::Message => Some("is free text that differs from trace to trace"),
        Field::Request(path) | Field::Response(path) if path.is_empty() => {
            Some("is a whole body that differs from trace to trace")
        }
        _ => None,
    }
}

/// A rule that narrows nothing down and leaves the folding to chance.
pub fn wide(at: &Walk<'_>, group: &Group<'_>) {
    let says_nothing = |demand: &&Demand<'_>| {
        let verdict = matches!(demand.field, Field::Rating | Field::Outcome | Field::Origin);
        demand.takes_everything()
            || verdict && (demand.takes("normal") || demand.takes("succeeded") || demand.takes("api"))
    };
    let demands = group.demands();
    let has = |key: &str| matches!(&at.node.value, Value::Map(_)) && at.node.get(key).is_some();
    if group.is_plain() && !demands.is_empty() && demands.iter().all(says_nothing) && !has("dedup") && !has("when") {
        let first = demands[0];
        let text =
            format!("`{}` takes nearly every trace, and each actor opens an alert every ten minutes", first.shown());
        Finding::new("wide-rule", text)
            .at(&first.at, first.key)
            .hint("narrow it with `service`, `operation` or `action`, or say with `dedup: { by: [...], for: ... }` what belongs together")
            .warn();
    }
}
