//! Services, resource types and operations of the cloud, embedded.
//!
//! Collected from the services' own guides. A list like this is never complete,
//! so what it does not know is a reason to ask twice, never to refuse.

use std::{collections::HashSet, sync::LazyLock};

use crate::document::did_you_mean;

pub mod seen;

/// One line per service and resource type: `KMS | CMK | createKey disableKey ...`. A line that
/// begins with `? ` holds names that detections elsewhere rely on and no guide of this cloud lists.
const TABLE: &str = include_str!("catalog/operations.txt");

/// What one service records about one type of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub service: &'static str,
    pub resource_type: &'static str,
    /// Operation names, separated by blanks.
    operations: &'static str,
    /// Listed in a guide of this cloud.
    pub confirmed: bool,
}

impl Entry {
    pub fn operations(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.operations.split(' ')
    }
}

/// Lower-cased `(service, operation)`, for questions asked once per rule.
static PAIRS: LazyLock<HashSet<(String, String)>> = LazyLock::new(|| {
    let pair = |entry: &Entry, operation: &str| (entry.service.to_lowercase(), operation.to_lowercase());
    entries().flat_map(|entry| entry.operations().map(move |operation| pair(&entry, operation))).collect()
});

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let entry = |line: &'static str| {
        let unconfirmed = line.strip_prefix("? ");
        let mut columns = unconfirmed.unwrap_or(line).splitn(3, " | ");
        let (service, resource_type, operations) = (columns.next()?, columns.next()?, columns.next()?);
        Some(Entry { service, resource_type, operations, confirmed: unconfirmed.is_none() })
    };
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(entry).collect()
});

/// The table, line by line.
pub fn entries() -> impl Iterator<Item = Entry> {
    ENTRIES.iter().copied()
}

/// Every service, once, in the table's order.
pub fn services() -> Vec<&'static str> {
    let mut services: Vec<&'static str> = Vec::new();
    for entry in entries() {
        if !services.contains(&entry.service) {
            services.push(entry.service);
        }
    }
    services
}

/// Every operation of a service, or of all services, once; case does not matter.
pub fn operations(service: Option<&str>) -> Vec<&'static str> {
    static ALL: LazyLock<Vec<&'static str>> = LazyLock::new(|| distinct(None));
    if service.is_none() { ALL.clone() } else { distinct(service) }
}

fn distinct(service: Option<&str>) -> Vec<&'static str> {
    let mut seen = HashSet::new();
    entries()
        .filter(|entry| service.is_none_or(|service| service.eq_ignore_ascii_case(entry.service)))
        .flat_map(|entry| entry.operations())
        .filter(|operation| seen.insert(*operation))
        .collect()
}

/// True if the service is listed, whatever its case.
pub fn is_service(service: &str) -> bool {
    entries().any(|entry| entry.service.eq_ignore_ascii_case(service))
}

/// True if that service is known to record that operation, whatever their case.
pub fn is_operation(service: &str, operation: &str) -> bool {
    PAIRS.contains(&(service.to_lowercase(), operation.to_lowercase()))
}

/// The service that comes closest to a word.
pub fn nearest_service(word: &str) -> Option<&'static str> {
    did_you_mean(word, services())
}

/// The operation that comes closest to a word.
pub fn nearest_operation(service: Option<&str>, word: &str) -> Option<&'static str> {
    did_you_mean(word, operations(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert!(services().len() >= 38, "{}", services().len());
        assert!(operations(None).len() > 700, "{}", operations(None).len());
        for entry in entries() {
            assert!(entry.operations().all(|operation| !operation.is_empty()), "{entry:?}");
        }
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(entries().count(), lines);
    }

    #[test]
    fn operations_are_found_in_any_case() {
        assert!(is_operation("kms", "SCHEDULEKEYDELETION"));
        assert!(is_operation("GaussDB(for MySQL)", "deleteInstance"));
        assert!(is_operation("ECS", "deleteServer") && !is_operation("KMS", "deleteServer"));
        assert!(is_service("obs") && !is_service("S3"));
        assert_eq!(nearest_operation(Some("KMS"), "scheduleKeyDeletoin"), Some("scheduleKeyDeletion"));
        assert_eq!(nearest_service("KSM"), Some("KMS"));
        assert!(operations(Some("SMN")).contains(&"delsubscribe"));
    }
}
