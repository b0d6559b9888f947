//! A list in a short case stands for one trace each: `operation: [login, logout]`.

use crate::{
    document::{Node, Value},
    trace::Field,
};

/// More traces than this from one case are a slip of the pen.
pub const LIMIT: usize = 200;

/// The partial traces that one with lists stands for; itself, if it holds none. Lists inside
/// of bodies are the body's own.
pub fn of(sample: &Node) -> Vec<Node> {
    variants(sample, "")
}

fn variants(node: &Node, prefix: &str) -> Vec<Node> {
    let Value::Map(entries) = &node.value else { return vec![node.clone()] };
    let mut maps: Vec<Vec<(Node, Node)>> = vec![Vec::new()];
    for (key, value) in entries {
        let name = match &key.value {
            Value::Text(name) => format!("{prefix}{name}"),
            _ => String::new(),
        };
        let values = match &value.value {
            Value::List(items) if Field::parse(&name).is_some() && !items.is_empty() => items.clone(),
            // `actor: { name: [alice, bob] }`
            Value::Map(_) if Field::parse(&name).is_none() => variants(value, &format!("{name}.")),
            _ => vec![value.clone()],
        };
        if maps.len() * values.len() > LIMIT {
            // Left as it stands, it is told as a list where a value is expected.
            return vec![node.clone()];
        }
        maps = maps
            .iter()
            .flat_map(|map| values.iter().map(|value| [map.as_slice(), &[(key.clone(), value.clone())]].concat()))
            .collect();
    }
    maps.into_iter().map(|entries| Node { span: node.span, value: Value::Map(entries) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, File};

    #[track_caller]
    fn check(text: &str, expected: usize) {
        let tree = document::parse(&File { name: "a.yaml".into(), text: text.into() }).expect("valid YAML");
        assert_eq!(of(&tree).len(), expected, "{text}");
    }

    #[test]
    fn lists_stand_for_one_trace_each() {
        check("operation: login", 1);
        check("operation: [login, logout]", 2);
        check("{ service: [IAM, SWR], operation: [login, logout, createUser] }", 6);
        check("actor: { name: [alice, bob] }", 2);
        check("request: { ports: [1, 2, 3] }", 1);
        check("request: [{ port: 1 }, { port: 2 }]", 2);
        check("request.ports: [1, 2, 3]", 3);
        check("nonsense: [1, 2]", 1);
        check(&format!("operation: [{}]", "a, ".repeat(LIMIT + 1)), 1);
    }
}
