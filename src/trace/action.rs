//! The verb of an operation: `deleteUser` and `batchDeleteDCSInstance` are both `delete`.

/// Longest match first within each list; the first list that fits wins.
const VERBS: &[(&str, &[&str])] = &[("login", &["login"]), ("logout", &["logout"])];

/// The action of an operation name, `other` if no verb is known.
pub fn of(operation: &str) -> &'static str {
    let lower = operation.to_ascii_lowercase();
    VERBS.iter().find(|(_, parts)| parts.iter().any(|part| lower.contains(part))).map_or("other", |(verb, _)| verb)
}
