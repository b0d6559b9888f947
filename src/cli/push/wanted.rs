//! Which operations are pushed: flags turned into what a key event notification takes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// Push only these, for example `IAM:user:createUser,deleteUser`; may be given several times
    #[arg(long = "operation", value_name = "SERVICE:RESOURCE:OPERATION,...")]
    operations: Vec<String>,
    /// Push only traces of this rating; may be given several times
    #[arg(long = "rating", value_name = "RATING", value_parser = ["normal", "warning", "incident"])]
    ratings: Vec<String>,
    /// Push everything, also where less was pushed before
    #[arg(long, conflicts_with_all = ["operations", "ratings"])]
    complete: bool,
}

/// The cloud's limits.
const MOST_OPERATIONS: usize = 1000;
const MOST_SERVICES: usize = 100;

impl Wanted {
    /// `None`: nothing is said, so what is there stays.
    pub fn read(&self) -> Result<Option<Value>, Vec<String>> {
        if self.operations.is_empty() && self.ratings.is_empty() {
            return Ok(self.complete.then(all));
        }
        let mut wrong = Vec::new();
        let mut operations = Vec::new();
        for text in &self.operations {
            match text.split(':').collect::<Vec<_>>().as_slice() {
                [service, resource, names] if !service.is_empty() && !resource.is_empty() && !names.is_empty() => {
                    let names: Vec<&str> = names.split(',').collect();
                    if names.iter().any(|name| name.is_empty()) {
                        wrong.push(format!("`{text}` names an operation that is empty"));
                    }
                    operations.push(json!({
                        "service_type": service, "resource_type": resource, "trace_names": names,
                    }));
                }
                _ => wrong.push(format!(
                    "`{text}` is no operation: expected SERVICE:RESOURCE:OPERATION, for example `IAM:user:createUser`"
                )),
            }
        }
        let services: BTreeSet<&str> = operations.iter().filter_map(|one| one["service_type"].as_str()).collect();
        let names = operations.iter().filter_map(|one| Some(one["trace_names"].as_array()?.len())).sum::<usize>();
        if names > MOST_OPERATIONS || services.len() > MOST_SERVICES {
            wrong.push(format!(
                "the cloud takes at most {MOST_OPERATIONS} operations of {MOST_SERVICES} services, these are {names} \
                 of {}",
                services.len()
            ));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut wanted = if operations.is_empty() {
            all()
        } else {
            json!({ "operation_type": "customized", "operations": operations })
        };
        if !self.ratings.is_empty() {
            let rules: Vec<String> = self.ratings.iter().map(|rating| format!("trace_rating = {rating}")).collect();
            wanted["filter"] = json!({ "condition": "OR", "is_support_filter": true, "rule": rules });
        }
        Ok(Some(wanted))
    }
}

/// Every operation that is recorded.
pub fn all() -> Value {
    json!({ "operation_type": "complete" })
}

/// In words.
pub fn about(wanted: &Value) -> String {
    let operations = wanted["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = operations.iter().filter_map(|one| Some(one["trace_names"].as_array()?.len())).sum::<usize>();
    let what = match (wanted["operation_type"].as_str(), names) {
        (Some("customized"), 1) => "1 operation".to_owned(),
        (Some("customized"), names) => format!("{names} operations"),
        _ => "every operation".to_owned(),
    };
    let rules: Vec<&str> =
        wanted["filter"]["rule"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let between = if wanted["filter"]["condition"] == "OR" { " or " } else { " and " };
    if rules.is_empty() { what } else { format!("{what} where {}", rules.join(between)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_a_notification() {
        let wanted = |operations: &[&str], ratings: &[&str]| {
            let text = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
            Wanted { operations: text(operations), ratings: text(ratings), complete: false }.read()
        };
        assert_eq!(wanted(&[], &[]), Ok(None));
        let found = wanted(&["IAM:user:createUser,deleteUser", "KMS:key:disableKey"], &["incident"]).unwrap().unwrap();
        assert_eq!(found["operations"][0]["trace_names"], json!(["createUser", "deleteUser"]));
        assert_eq!(about(&found), "3 operations where trace_rating = incident");
        let found = wanted(&[], &["warning", "incident"]).unwrap().unwrap();
        assert_eq!(about(&found), "every operation where trace_rating = warning or trace_rating = incident");
        for wrong in ["IAM", "IAM:user", "IAM:user:", "IAM:user:a,,b", "::", "a:b:c:d"] {
            assert!(wanted(&[wrong], &[]).is_err(), "{wrong}");
        }
    }
}
