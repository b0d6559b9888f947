//! Services and operations that the catalogue does not list.
//!
//! The list cannot be complete, so this only asks.

use super::{
    super::words::{Glob, fold_case},
    Finding,
};
use crate::{
    catalog,
    document::{Value, Walk},
    trace::Field,
};

pub fn look(condition: &Walk<'_>) {
    inside(condition, &[]);
}

/// `services` are those that the groups around have settled on.
fn inside(group: &Walk<'_>, services: &[String]) {
    if !matches!(group.node.value, Value::Map(_)) {
        return;
    }
    let entries = group.entries().unwrap_or_default();
    let mut services = services.to_vec();
    for (name, _, at) in &entries {
        if Field::parse(name) == Some(Field::Service) {
            // A slip of the pen is told once: operations are compared with the service that was meant.
            let meant = |word: &String| match catalog::nearest_service(word) {
                Some(near) if !catalog::is_service(word) => near.to_owned(),
                _ => word.clone(),
            };
            services = literals(at).iter().map(|(word, _)| meant(word)).collect();
            for (word, at) in literals(at) {
                if !word.contains('*') && !catalog::is_service(&word) {
                    let hint = match catalog::nearest_service(&word) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => undocumented("unknown-service"),
                    };
                    Finding::new("unknown-service", format!("`{word}` is not a service that the catalogue knows"))
                        .at(&at, at.node.span)
                        .hint(hint)
                        .warn();
                }
            }
        }
    }
    // A glob or an unknown service leaves nothing to compare operations with.
    let comparable = services.iter().all(|service| catalog::is_service(service));
    for (name, _, at) in &entries {
        match *name {
            "any" | "all" => {
                if let Value::List(_) = at.node.value {
                    at.list().unwrap_or_default().iter().for_each(|member| inside(member, &services));
                }
            }
            "not" => inside(at, &services),
            _ if Field::parse(name) == Some(Field::Operation) && comparable => operations(at, &services),
            _ => {}
        }
    }
}

fn operations(walk: &Walk<'_>, services: &[String]) {
    for (word, at) in literals(walk) {
        let folded = fold_case(&word);
        let known = match Glob::parse(&folded) {
            Some(glob) => all(services).iter().any(|operation| glob.matches(&fold_case(operation))),
            None if services.is_empty() => all(services).iter().any(|operation| operation.eq_ignore_ascii_case(&word)),
            None => services.iter().any(|service| catalog::is_operation(service, &word)),
        };
        if !known {
            let of = if services.is_empty() { String::new() } else { format!(" of {}", services.join(" or ")) };
            Finding::new("unknown-operation", format!("`{word}` is not an operation{of} that the catalogue knows"))
                .at(&at, at.node.span)
                .hint(hint(&word, services))
                .warn();
        }
    }
}

fn hint(word: &str, services: &[String]) -> String {
    let elsewhere = || catalog::services().into_iter().find(|service| catalog::is_operation(service, word));
    let near = || match services {
        [] => catalog::nearest_operation(None, word),
        some => some.iter().find_map(|service| catalog::nearest_operation(Some(service), word)),
    };
    if let Some(service) = elsewhere().filter(|_| !services.is_empty()) {
        return format!("`{word}` is an operation of {service}");
    }
    match near() {
        Some(near) => format!("did you mean `{near}`?"),
        None if word.contains('*') => "no known operation matches this glob".to_owned(),
        None => undocumented("unknown-operation"),
    }
}

/// The catalogue holds what the cloud documents, and the cloud records more.
fn undocumented(code: &str) -> String {
    format!("if the cloud records it all the same, say so on this line: `# allow: {code}`")
}

fn all(services: &[String]) -> Vec<&'static str> {
    match services {
        [] => catalog::operations(None),
        some => some.iter().flat_map(|service| catalog::operations(Some(service))).collect(),
    }
}

/// Plain words of a scalar or list; what operators and named lists hold is not looked at.
pub fn literals<'a>(walk: &Walk<'a>) -> Vec<(String, Walk<'a>)> {
    let items = match &walk.node.value {
        Value::List(_) => walk.list().unwrap_or_default(),
        _ => vec![walk.clone()],
    };
    let word = |at: Walk<'a>| match &at.node.value {
        Value::Text(text) if !text.starts_with('$') && !text.is_empty() => Some((text.clone(), at)),
        _ => None,
    };
    items.into_iter().filter_map(word).collect()
}
