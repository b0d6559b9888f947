//! Named lists that nothing names.

use super::{Finding, child};
use crate::document::{Node, Value, Walk};

pub fn look(tops: &[Walk<'_>]) {
    let mut named: Vec<&str> = Vec::new();
    for top in tops {
        names(top.node, &mut named);
    }
    for lists in tops.iter().filter_map(|top| child(top, "lists")) {
        let Value::Map(entries) = &lists.node.value else { continue };
        for (key, _) in entries {
            if let Value::Text(name) = &key.value
                && !named.contains(&name.as_str())
            {
                Finding::new("unused-list", format!("no condition names the list `{name}`"))
                    .at(&lists, key.span)
                    .hint(format!("use it as a value, `actor.name: ${name}`, or remove it"))
                    .warn();
            }
        }
    }
}

/// Every `$name` among the values.
fn names<'a>(node: &'a Node, found: &mut Vec<&'a str>) {
    match &node.value {
        Value::Text(text) => found.extend(text.strip_prefix('$')),
        Value::List(items) => items.iter().for_each(|item| names(item, found)),
        Value::Map(entries) => entries.iter().for_each(|(_, value)| names(value, found)),
        _ => {}
    }
}
