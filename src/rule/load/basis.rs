//! What a rule's memory rests on.
//!
//! Left out is what a memory is of use with whatever it says: how many, how long, how bad.

use crate::{
    document::Walk,
    id,
    rule::{Basis, Dedup, When},
    trace::Field,
};

/// The basis of the rule that `walk` stands at.
pub fn of(walk: &Walk<'_>, when: Option<&When>, dedup: &Dedup) -> Basis {
    let condition = text(walk, &["match"]);
    let when = match when {
        None => String::new(),
        Some(When::Count { by, .. }) => mark("count", &[by], &[condition]),
        Some(When::Distinct { of, by, .. }) => mark("distinct", &[of, by], &[condition]),
        // What is learnt is learnt: with a wider `match` some values are new, with a memory begun anew
        // the rule would be silent until it has learnt them all again.
        Some(When::FirstSeen { of, .. }) => mark("first_seen", &[of], &[]),
        Some(When::Absent { by, .. }) => mark("absent", &[by], &[condition]),
        Some(When::Sequence { same, .. }) => {
            mark("sequence", &[same], &[condition, text(walk, &["when", "sequence", "steps"])])
        }
    };
    let then = text(walk, &["then", "match"]);
    let then = if then.is_empty() { then } else { mark("then", &[&dedup.by], &[then]) };
    Basis { when, then }
}

/// What stands under these keys, however it is laid out.
fn text(walk: &Walk<'_>, path: &[&str]) -> String {
    let node = path.iter().try_fold(walk.node, |node, key| node.get(key));
    let source = node.map_or("", |node| walk.child("", node).source());
    source.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn mark(kind: &str, fields: &[&Vec<Field>], texts: &[String]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|fields| fields.iter().map(Field::name).collect::<Vec<_>>().join(" ")).collect();
    let mut parts = vec![kind];
    parts.extend(fields.iter().chain(texts).map(String::as_str));
    id::derive(&parts)
}
