//! What a partial trace leaves out, as the service would have recorded it.
//!
//! So that titles and keys of a case read as they will. No value here is one that a rule is
//! likely to look for: names begin with `sample-`, and the address is one of documentation.

use crate::{
    catalog,
    clock::Timestamp,
    trace::{Actor, Resource, Trace},
};

/// When cases happen: a Monday, `2026-01-05T10:00:00Z`.
pub const START: Timestamp = Timestamp::constant(1_767_607_200, 0);

/// A normal trace of that operation, but for the names of service and operation.
pub fn fill(trace: &mut Trace, service: &str, operation: &str) {
    let text = |text: &str| Some(text.to_owned());
    let kind = resource_type(service, operation);
    trace.trace_type = text("ApiCall");
    trace.code = text("200");
    trace.actor = Actor {
        name: text("sample-actor"),
        id: text("5a3c1e00000000000000000000000001"),
        domain: text("sample-account"),
        domain_id: text("5a3c1e00000000000000000000000002"),
        assumed_by: None,
    };
    trace.resource = Resource {
        kind: kind.map(str::to_owned),
        name: Some(format!("sample-{}", kind.unwrap_or("resource").to_lowercase().replace(' ', "-"))),
        id: text("5a3c1e00-0000-4000-8000-000000000003"),
    };
    trace.source_ip = text("203.0.113.10");
    trace.project_id = text("5a3c1e00000000000000000000000004");
    trace.project_name = text("sample-project");
    trace.region = text("eu-de");
}

fn resource_type(service: &str, operation: &str) -> Option<&'static str> {
    let holds = |entry: &catalog::Entry| {
        (service.is_empty() || entry.service.eq_ignore_ascii_case(service))
            && entry.operations().any(|known| known.eq_ignore_ascii_case(operation))
    };
    catalog::entries().find(holds).map(|entry| entry.resource_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_trace_of_its_operation() {
        let mut trace = Trace::blank("case", START);
        fill(&mut trace, "kms", "SCHEDULEKEYDELETION");
        assert_eq!(trace.resource.name.as_deref(), Some("sample-cmk"));
        assert_eq!((trace.service.as_str(), trace.operation.as_str()), ("", ""), "the case says which");
        assert_eq!(START.to_string(), "2026-01-05T10:00:00Z");
        fill(&mut trace, "KMS", "notInTheCatalogue");
        assert_eq!((trace.resource.kind.as_deref(), trace.resource.name.as_deref()), (None, Some("sample-resource")));
    }
}
