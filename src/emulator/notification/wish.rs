//! What a notification is to tell of, read and checked as documented.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    super::{answer::Refusal, cts::refusal, tracker::text},
    filter::Filter,
};

const NAME: usize = 64;
const OPERATIONS: usize = 1000;
const SERVICES: usize = 100;
const USERS: usize = 50;
const GROUPS: usize = 10;

#[derive(Debug, Clone)]
pub struct Wish {
    pub name: String,
    pub topic: Option<String>,
    /// None: every operation.
    operations: Option<Vec<Operation>>,
    users: Option<Value>,
    filter: Option<Filter>,
}

#[derive(Debug, Clone)]
struct Operation {
    service: String,
    resource: String,
    traces: Vec<String>,
}

impl Wish {
    /// What an update leaves out stays as it was.
    pub fn read(body: &Value, before: Option<&Self>) -> Result<Self, Refusal> {
        let name = text(body, "notification_name")?.unwrap_or_default();
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || name.len() > NAME || !letters {
            return Err(refusal("CTS.0411"));
        }
        let operations = match body["operation_type"].as_str() {
            Some("complete") => None,
            Some("customized") => match (&body["operations"], before.and_then(|before| before.operations.as_ref())) {
                (Value::Null, Some(known)) => Some(known.clone()),
                (wanted, _) => Some(operations(wanted).ok_or_else(|| refusal("CTS.0401"))?),
            },
            _ => return Err(refusal("CTS.0401")),
        };
        let users = match &body["notify_user_list"] {
            Value::Null => before.and_then(|before| before.users.clone()),
            wanted => Some(users(wanted).map(|()| wanted.clone())?),
        };
        let filter = match &body["filter"] {
            Value::Null => before.and_then(|before| before.filter.clone()),
            wanted => Some(Filter::read(wanted)?),
        };
        let topic = match text(body, "topic_id")?.filter(|urn| !urn.is_empty()) {
            None => before.and_then(|before| before.topic.clone()),
            topic => topic,
        };
        Ok(Self { name, topic, operations, users, filter })
    }

    pub fn value(&self) -> Value {
        let operations: Vec<Value> = self
            .operations
            .iter()
            .flatten()
            .map(|one| json!({"service_type": one.service, "resource_type": one.resource, "trace_names": one.traces}))
            .collect();
        let kind = if self.operations.is_some() { "customized" } else { "complete" };
        let mut value = json!({"notification_name": self.name, "operation_type": kind, "operations": operations});
        let optional = [
            ("notify_user_list", self.users.clone()),
            ("filter", self.filter.as_ref().map(Filter::value)),
            ("topic_id", self.topic.clone().map(Value::from)),
        ];
        for (key, given) in optional {
            if let Some(given) = given {
                value[key] = given;
            }
        }
        value
    }

    /// Operations, users and filter: all of them.
    pub fn fits(&self, trace: &Value) -> bool {
        let of_operations = self.operations.as_ref().is_none_or(|list| list.iter().any(|one| one.fits(trace)));
        let user = trace["user"]["name"].as_str().unwrap_or_default();
        let lists = self.users.iter().filter_map(Value::as_array).flatten();
        let mut names = lists.filter_map(|group| group["user_list"].as_array()).flatten().peekable();
        let of_users = names.peek().is_none() || names.any(|name| name == user);
        of_operations && of_users && self.filter.as_ref().is_none_or(|filter| filter.fits(trace))
    }
}

impl Operation {
    fn fits(&self, trace: &Value) -> bool {
        let is = |key: &str, wanted: &str| trace[key].as_str().is_some_and(|text| text.eq_ignore_ascii_case(wanted));
        is("service_type", &self.service)
            && is("resource_type", &self.resource)
            && self.traces.iter().any(|name| trace["trace_name"] == name.as_str())
    }
}

fn operations(value: &Value) -> Option<Vec<Operation>> {
    let one = |value: &Value| {
        let word = |key: &str| value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let traces: Vec<String> = serde_json::from_value(value["trace_names"].clone()).ok()?;
        Some(Operation { service: word("service_type")?, resource: word("resource_type")?, traces })
    };
    let list = value.as_array()?.iter().map(one).collect::<Option<Vec<_>>>()?;
    let traces: usize = list.iter().map(|one| one.traces.len()).sum();
    let services: BTreeSet<&str> = list.iter().map(|one| one.service.as_str()).collect();
    let good = !list.is_empty() && list.iter().all(|one| !one.traces.is_empty());
    (good && traces <= OPERATIONS && services.len() <= SERVICES).then_some(list)
}

/// No code is documented for users; the body is what is wrong.
fn users(value: &Value) -> Result<(), Refusal> {
    let wrong = |text: &str| Err(Refusal::bad_request("CTS.0003", text));
    let Some(groups) = value.as_array() else { return wrong("notify_user_list must be a list.") };
    let whole = |group: &Value| {
        group["user_group"].is_string()
            && group["user_list"].as_array().is_some_and(|users| users.iter().all(Value::is_string))
    };
    if !groups.iter().all(whole) {
        return wrong("notify_user_list needs user_group and user_list.");
    }
    let users: usize = groups.iter().filter_map(|group| group["user_list"].as_array()).map(Vec::len).sum();
    match groups.len() <= GROUPS && users <= USERS {
        true => Ok(()),
        false => wrong("notify_user_list can hold 50 users in 10 groups."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: Value) -> Result<Wish, String> {
        let mut body = json!({"notification_name": "guard", "operation_type": "customized",
            "operations": [{"service_type": "CTS", "resource_type": "tracker", "trace_names": ["deleteTracker"]}]});
        body[key] = value;
        Wish::read(&body, None).map_err(|refusal| refusal.text())
    }

    #[test]
    fn limits_are_the_documented_ones() {
        let check = |key: &str, value: Value, code: &str| match read(key, value.clone()) {
            Ok(_) => assert_eq!(code, "", "{key} {value}"),
            Err(text) => assert!(!code.is_empty() && text.contains(code), "{key} {value}: {text}"),
        };
        let of = |service: &str, traces: usize| json!({"service_type": service, "resource_type": "r", "trace_names": vec!["t"; traces]});
        let group = |users: usize| json!({"user_group": "g", "user_list": vec!["u"; users]});
        check("notification_name", json!("x".repeat(64)), "");
        check("notification_name", json!("x".repeat(65)), "CTS.0411");
        check("notification_name", json!("a-b"), "CTS.0411");
        check("operation_type", json!("typical"), "CTS.0401");
        check("operations", json!([of("s", 1000)]), "");
        check("operations", json!([of("s", 1001)]), "CTS.0401");
        check("operations", (0..100).map(|n| of(&n.to_string(), 1)).collect(), "");
        check("operations", (0..101).map(|n| of(&n.to_string(), 1)).collect(), "CTS.0401");
        check("operations", json!([]), "CTS.0401");
        check("notify_user_list", json!([group(50)]), "");
        check("notify_user_list", json!([group(51)]), "CTS.0003");
        check("notify_user_list", vec![group(1); 11].into(), "CTS.0003");
        check("notify_user_list", json!([{"user_group": "g"}]), "CTS.0003");
    }

    #[test]
    fn operations_and_users_must_both_fit() {
        let trace = |name: &str, user: &str| json!({"service_type": "cts", "resource_type": "tracker", "trace_name": name, "user": {"name": user}});
        let wish = read("notify_user_list", json!([{"user_group": "admin", "user_list": ["alice"]}])).unwrap();
        assert!(wish.fits(&trace("deleteTracker", "alice")));
        assert!(!wish.fits(&trace("deleteTracker", "bob")));
        assert!(!wish.fits(&trace("createTracker", "alice")));
        let all = read("operation_type", json!("complete")).unwrap();
        assert!(all.fits(&trace("anything", "anybody")));
        assert_eq!(all.value()["operations"], json!([]));
    }
}
