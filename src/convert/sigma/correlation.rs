//! Sigma's correlation rules: counts and ordered sequences over other rules of the same files.

use std::collections::HashSet;

use super::{Body, Draft, Head, Read, draft, duration, fields_of, head, text, texts};
use crate::{
    convert::{
        When,
        term::{Notes, Term},
    },
    document::{File, Node, Value},
};

/// Reads one correlation; the rules it names are marked as used, unless they ring on their own as well.
pub fn read(file: &File, tree: &Node, rules: &[Read], used: &mut HashSet<usize>) -> Read {
    let head = head(file, tree);
    let outcome = body(tree, &head, rules, used).map_err(|reason| vec![reason]);
    Read { head, outcome }
}

fn body(tree: &Node, head: &Head, rules: &[Read], used: &mut HashSet<usize>) -> Result<Body, String> {
    let correlation = tree.get("correlation").ok_or("it has no `correlation`")?;
    let kind = text(correlation, "type").unwrap_or_default();
    if correlation.get("aliases").is_some() {
        return Err("aliases of fields are not carried over".into());
    }
    let names = texts(correlation, "rules");
    let mut found = Vec::new();
    for name in &names {
        let named = |read: &Read| [&read.head.id, &read.head.name].into_iter().flatten().any(|known| known == name);
        let at = rules
            .iter()
            .position(named)
            .ok_or_else(|| format!("it correlates `{name}`, which is in none of the files"))?;
        found.push(at);
    }
    if !matches!(tree.get("generate").map(|node| &node.value), Some(Value::Bool(true))) {
        used.extend(&found);
    }
    let mut notes = Notes::default();
    let mut bodies = Vec::new();
    for (name, at) in names.iter().zip(&found) {
        let body = rules[*at].outcome.as_ref();
        let body =
            body.map_err(|reasons| format!("it correlates `{name}`, which is refused: {}", reasons.join("; ")))?;
        if body.when.is_some() {
            return Err(format!("it correlates `{name}`, which counts on its own"));
        }
        notes.notes.extend(body.notes.notes.iter().cloned());
        bodies.push(body);
    }
    let Some(first) = bodies.first() else { return Err("it correlates no rule".into()) };
    if bodies.iter().any(|body| body.cloud != first.cloud) {
        return Err("it correlates rules of several clouds".into());
    }
    let by: Vec<String> = texts(correlation, "group-by").into_iter().map(str::to_owned).collect();
    let by = fields_of(first.cloud, &by)?;
    let within = duration(text(correlation, "timespan").ok_or("it has no `timespan`")?)?;
    let terms: Vec<Term> = bodies.iter().map(|body| body.term.clone()).collect();
    let when = match kind {
        "event_count" => When::Count { at_least: at_least(correlation)?, within, by },
        "value_count" => {
            let condition = correlation.get("condition");
            let field = condition.and_then(|node| text(node, "field")).ok_or("it counts the values of no field")?;
            let of = fields_of(first.cloud, &[field.to_owned()])?.remove(0);
            When::Distinct { of, at_least: at_least(correlation)?, within, by }
        }
        "temporal_ordered" if terms.len() > 1 => When::Sequence { steps: terms.clone(), within, same: by },
        "temporal" => return Err("rules that match in any order are not carried over, only `temporal_ordered`".into()),
        other => return Err(format!("the correlation `{other}` is not carried over")),
    };
    let draft: Draft = draft(tree, head, &mut notes);
    Ok(Body { term: Term::any(terms), when: Some(when), notes, cloud: first.cloud, draft })
}

/// `condition: { gte: 10 }`; what counts less than something cannot ring.
fn at_least(correlation: &Node) -> Result<u64, String> {
    let refused = "its condition is not carried over, only `gte` or `gt` and a number";
    let condition = correlation.get("condition").ok_or(refused)?;
    let Value::Map(entries) = &condition.value else { return Err(refused.into()) };
    let bound = |key: &str| match condition.get(key).map(|node| &node.value) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let bounds = entries.iter().filter(|(key, _)| key.value != Value::Text("field".into())).count();
    match (bound("gte"), bound("gt")) {
        (Some(number), None) if bounds == 1 => Ok(number.max(1)),
        (None, Some(number)) if bounds == 1 => Ok(number.saturating_add(1)),
        _ => Err(refused.into()),
    }
}
