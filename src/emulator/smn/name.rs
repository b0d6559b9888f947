//! What names and URNs may be made of.

use serde_json::Value;

use super::{super::answer::Refusal, bad, not_found};

/// Letters, digits, `-` and `_`, the first of them a letter or digit.
pub fn is_word(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// Of a placeholder in a template, and of the tag that fills it.
pub fn is_tag(text: &str) -> bool {
    (1..=21).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// Why no topic has this URN. What is no URN at all is looked for by name, as clients do: it is not there.
pub fn no_topic(urn: &str) -> Refusal {
    let parts: Vec<&str> = urn.split(':').collect();
    match parts.as_slice() {
        ["urn", "smn", region, project, name] if is_word(region, 32) && is_word(project, 32) && is_word(name, 255) => {
            not_found("SMN.0006", "Topic not found.")
        }
        ["urn", ..] => bad("SMN.0005", "Invalid topic URN."),
        _ => not_found("SMN.0006", "Topic not found."),
    }
}

/// Why no subscription has this URN.
pub fn no_subscription(urn: &str) -> Refusal {
    let parts: Vec<&str> = urn.split(':').collect();
    match parts.as_slice() {
        ["urn", "smn", .., id] if parts.len() == 6 && id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) => {
            not_found("SMN.0013", "Subscription not found.")
        }
        _ => bad("SMN.0014", "Invalid subscription URN."),
    }
}

/// Custom headers of a subscription, as an object of texts.
pub fn headers(value: &Value) -> Option<Vec<(String, String)>> {
    const MOST: usize = 10;
    const LONGEST: usize = 1024;
    let headers = match value {
        Value::Null => return Some(Vec::new()),
        other => other.as_object()?,
    };
    let pairs: Option<Vec<(String, String)>> =
        headers.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let pairs = pairs?;
    let good = |name: &str| {
        let lower = name.to_ascii_lowercase();
        lower.starts_with("x-")
            && !lower.starts_with("x-smn")
            && lower.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !lower.ends_with('-')
            && !lower.contains("--")
    };
    let printable = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let mut names: Vec<String> = pairs.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    let length: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    let fits = pairs.len() <= MOST && names.len() == pairs.len() && length <= LONGEST;
    (fits && pairs.iter().all(|(name, value)| good(name) && printable(value))).then_some(pairs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_are_checked_as_documented() {
        let check = |value: Value, good: bool| assert_eq!(headers(&value).is_some(), good, "{value}");
        check(Value::Null, true);
        check(json!({"x-token": "secret", "X-Zone": "eu"}), true);
        check(json!({"token": "secret"}), false);
        check(json!({"x-smn-type": "mine"}), false);
        check(json!({"x-": "a"}), false);
        check(json!({"x-a--b": "a"}), false);
        check(json!({"x-a_b": "a"}), false);
        check(json!({"x-a": "ä"}), false);
        check(json!({"x-a": 1}), false);
        check(json!({"x-a": "1", "X-A": "2"}), false);
        check(json!({"x-a": "x".repeat(1022)}), false);
        check(json!(["x-a"]), false);
        let eleven: serde_json::Map<String, Value> = (0..11).map(|n| (format!("x-{n}"), json!("v"))).collect();
        check(Value::Object(eleven), false);
    }

    #[test]
    fn urns_are_told_from_names() {
        let of = |refusal: Refusal| refusal.status.as_u16();
        let project = "0123456789abcdef0123456789abcdef";
        assert_eq!(of(no_topic("alerts")), 404);
        assert_eq!(of(no_topic(&format!("urn:smn:eu-de:{project}:alerts"))), 404);
        assert_eq!(of(no_topic(&format!("urn:smn:eu-de:{project}:a b"))), 400);
        assert_eq!(of(no_topic("urn:smn:eu-de:alerts")), 400);
        assert_eq!(of(no_subscription(&format!("urn:smn:eu-de:{project}:alerts:{project}"))), 404);
        assert_eq!(of(no_subscription("alerts")), 400);
    }
}
