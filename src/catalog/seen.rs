//! Operations that were really observed, beside what the catalogue says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde::Serialize;

use crate::trace::Trace;

/// Counts what traces hold.
#[derive(Debug, Default)]
pub struct Seen {
    pub traces: u64,
    operations: BTreeMap<(String, String), (u64, BTreeSet<String>)>,
}

/// One operation as it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    pub service: String,
    pub operation: String,
    pub resource_types: Vec<String>,
    pub count: u64,
    pub known: Known,
}

/// What the catalogue says to an operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    AsSpelled,
    /// Known, in this spelling: rules do not care for case, the cloud's filters do.
    OtherCase(String),
    /// The service is known, the operation is not.
    Operation,
    Service,
}

impl Seen {
    pub fn add(&mut self, trace: &Trace) {
        self.traces += 1;
        let pair = (trace.service.clone(), trace.operation.clone());
        let (count, types) = self.operations.entry(pair).or_default();
        *count += 1;
        if let Some(kind) = &trace.resource.kind
            && !types.contains(kind)
        {
            types.insert(kind.clone());
        }
    }

    /// Everything observed, by service and operation.
    pub fn observed(&self) -> Vec<Observed> {
        let observed =
            |((service, operation), (count, types)): (&(String, String), &(u64, BTreeSet<String>))| Observed {
                service: service.clone(),
                operation: operation.clone(),
                resource_types: types.iter().cloned().collect(),
                count: *count,
                known: known(service, operation),
            };
        self.operations.iter().map(observed).collect()
    }
}

fn known(service: &str, operation: &str) -> Known {
    if !super::is_service(service) {
        return Known::Service;
    }
    let same = |entry: &super::Entry| entry.service.eq_ignore_ascii_case(service);
    let mut other = None;
    for entry in super::entries().filter(same) {
        for name in entry.operations() {
            if entry.service == service && name == operation {
                return Known::AsSpelled;
            }
            if name.eq_ignore_ascii_case(operation) {
                other = Some(format!("{} {name}", entry.service));
            }
        }
    }
    other.map_or(Known::Operation, Known::OtherCase)
}

/// What the catalogue does not know, in the catalogue's own format. A name that could not be
/// read back is left out.
pub fn extension(observed: &[Observed]) -> String {
    let mut lines: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let plain = |text: &str| !text.is_empty() && !text.contains('|') && !text.contains(char::is_control);
    for one in observed.iter().filter(|one| matches!(one.known, Known::Operation | Known::Service)) {
        if !plain(&one.service) || one.service.starts_with('#') || one.operation.contains(' ') || !plain(&one.operation)
        {
            continue;
        }
        let kinds = one.resource_types.iter().map(String::as_str).filter(|kind| plain(kind));
        let kinds: Vec<&str> = if one.resource_types.is_empty() { vec!["-"] } else { kinds.collect() };
        for kind in kinds {
            lines.entry((&one.service, kind)).or_default().insert(&one.operation);
        }
    }
    let mut text = "# service | resource type | operations, as observed\n".to_owned();
    for ((service, kind), operations) in lines {
        let operations: Vec<&str> = operations.into_iter().collect();
        writeln!(text, "{service} | {kind} | {}", operations.join(" ")).expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn what_was_seen_is_held_against_the_catalogue() {
        let mut seen = Seen::default();
        for (service, operation, kind) in [
            ("KMS", "createKey", "CMK"),
            ("kms", "CREATEKEY", "CMK"),
            ("KMS", "sharpenKey", "CMK"),
            ("KMS", "sharpenKey", "cmk2"),
            ("XYZ", "spin", ""),
            ("KMS", "bad | name", "CMK"),
        ] {
            let mut trace = Trace::blank("t", Timestamp::UNIX_EPOCH);
            trace.service = service.to_owned();
            trace.operation = operation.to_owned();
            trace.resource.kind = Some(kind.to_owned()).filter(|kind| !kind.is_empty());
            seen.add(&trace);
        }
        let observed = seen.observed();
        let told: Vec<_> =
            observed.iter().map(|one| (one.service.as_str(), one.operation.as_str(), one.known.clone())).collect();
        assert_eq!(
            told,
            [
                ("KMS", "bad | name", Known::Operation),
                ("KMS", "createKey", Known::AsSpelled),
                ("KMS", "sharpenKey", Known::Operation),
                ("XYZ", "spin", Known::Service),
                ("kms", "CREATEKEY", Known::OtherCase("KMS createKey".to_owned())),
            ]
        );
        assert_eq!(
            extension(&observed),
            "# service | resource type | operations, as observed\nKMS | CMK | sharpenKey\nKMS | cmk2 | sharpenKey\nXYZ | - | spin\n"
        );
    }
}
