//! Attributes of a topic: who may use it, and what it is for.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    routing::{get, put},
};
use serde_json::{Map, Value, json};

use super::{
    super::{
        answer::{Answer, Refusal, json_value},
        world::World,
    },
    Named, Pairs, Shared, authorise, bad, done, forbidden, hex, not_found, optional, read,
    topic::Topic,
};

const POLICY: usize = 30 * 1024;
const INTRODUCTION: usize = 120;

#[derive(Clone, Copy)]
enum Attribute {
    AccessPolicy,
    Introduction,
}

impl Attribute {
    const ALL: [Self; 2] = [Self::AccessPolicy, Self::Introduction];

    fn read(name: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|attribute| attribute.name() == name);
        found.ok_or_else(|| bad("SMN.0046", "Invalid attribute name."))
    }

    fn name(self) -> &'static str {
        match self {
            Self::AccessPolicy => "access_policy",
            Self::Introduction => "introduction",
        }
    }

    fn of(self, topic: &mut Topic) -> &mut Option<String> {
        match self {
            Self::AccessPolicy => &mut topic.access_policy,
            Self::Introduction => &mut topic.introduction,
        }
    }
}

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v2/{project}/notifications/topics/{urn}/attributes", get(show).delete(delete_all))
        .route("/v2/{project}/notifications/topics/{urn}/attributes/{name}", put(set).delete(delete))
}

async fn show(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    authorise(&world, &headers, &project)?;
    let named = pairs.iter().find(|(key, value)| key == "name" && !value.is_empty());
    let wanted = match named {
        Some((_, name)) => vec![Attribute::read(name)?],
        None => Attribute::ALL.to_vec(),
    };
    let mut state = world.state();
    let topic = state.smn.topic_of(&project, &urn)?;
    let mut attributes = Map::new();
    for attribute in wanted {
        if let Some(text) = attribute.of(topic) {
            attributes.insert(attribute.name().to_owned(), text.as_str().into());
        }
    }
    Ok(json_value(StatusCode::OK, &json!({"request_id": hex(1), "attributes": attributes})))
}

type Third = Path<(String, String, String)>;

async fn set(State(world): Shared, Path((project, urn, name)): Third, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let attribute = Attribute::read(&name)?;
    let body = read(&body, "SMN.0048")?;
    let value = optional(&body, "value", "SMN.0048")?;
    let longest = match attribute {
        Attribute::AccessPolicy => POLICY,
        Attribute::Introduction => INTRODUCTION,
    };
    if value.len() > longest {
        return Err(forbidden("SMN.0047", "The attribute value is too long."));
    }
    if let Attribute::AccessPolicy = attribute {
        check_policy(&value, &urn)?;
    }
    let mut state = world.state();
    let topic = state.smn.topic_of(&project, &urn)?;
    *attribute.of(topic) = Some(value);
    topic.touch();
    Ok(done(&mut state.rng))
}

async fn delete(State(world): Shared, Path((project, urn, name)): Third, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let attribute = Attribute::read(&name)?;
    let mut state = world.state();
    let topic = state.smn.topic_of(&project, &urn)?;
    if attribute.of(topic).take().is_none() {
        return Err(not_found("SMN.0045", "The attribute does not exist."));
    }
    Ok(done(&mut state.rng))
}

async fn delete_all(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut state = world.state();
    let topic = state.smn.topic_of(&project, &urn)?;
    for attribute in Attribute::ALL {
        *attribute.of(topic) = None;
    }
    Ok(done(&mut state.rng))
}

/// The codes from 0048 to 0056 are documented as a whole; which part has which is our reading.
fn check_policy(text: &str, urn: &str) -> Result<(), Refusal> {
    let wrong = |code: &str, part: &str| Err(bad(code, &format!("Invalid {part} of the access policy.")));
    let Ok(policy) = serde_json::from_str::<Value>(text) else { return wrong("SMN.0048", "JSON") };
    if policy["Version"] != "2016-09-07" {
        return wrong("SMN.0049", "Version");
    }
    if policy["Id"].as_str().is_none_or(str::is_empty) {
        return wrong("SMN.0050", "Id");
    }
    let Some(statements) = policy["Statement"].as_array().filter(|list| !list.is_empty()) else {
        return wrong("SMN.0051", "Statement");
    };
    for statement in statements {
        if statement["Sid"].as_str().is_none_or(str::is_empty) {
            return wrong("SMN.0052", "Sid");
        }
        if statement["Effect"] != "Allow" && statement["Effect"] != "Deny" {
            return wrong("SMN.0053", "Effect");
        }
        if !is_principal(&statement["Principal"]) {
            return wrong("SMN.0054", "Principal");
        }
        let mut actions = one_or_more(&statement["Action"]).into_iter().peekable();
        if actions.peek().is_none() || !actions.all(|action| action.as_str().is_some_and(|a| a.starts_with("SMN:"))) {
            return wrong("SMN.0055", "Action");
        }
        if statement["Resource"] != urn {
            return wrong("SMN.0056", "Resource");
        }
    }
    Ok(())
}

fn is_principal(principal: &Value) -> bool {
    let is_account = |one: &Value| one.as_str().is_some_and(|urn| urn == "*" || urn.starts_with("urn:csp:iam::"));
    let is_service = |one: &Value| {
        one.as_str().is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| !byte.is_ascii_uppercase()))
    };
    let accounts = one_or_more(&principal["CSP"]);
    let services = one_or_more(&principal["Service"]);
    !(accounts.is_empty() && services.is_empty())
        && accounts.into_iter().all(is_account)
        && services.into_iter().all(is_service)
}

fn one_or_more(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_policy_has_its_code() {
        let urn = "urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts";
        let good = json!({"Version": "2016-09-07", "Id": "__default_policy_ID", "Statement": [{
            "Sid": "__service_pub_0", "Effect": "Allow", "Principal": {"Service": ["obs", "cts"]},
            "Action": ["SMN:Publish", "SMN:QueryTopicDetail"], "Resource": urn}]});
        let check = |part: &str, value: Value, code: &str| {
            let mut policy = good.clone();
            match policy.pointer_mut(part) {
                Some(place) => *place = value,
                None => panic!("no part {part}"),
            }
            let text = check_policy(&policy.to_string(), urn).err().map(|refusal| refusal.text()).unwrap_or_default();
            assert!(if code.is_empty() { text.is_empty() } else { text.contains(code) }, "{part}: {text}");
        };
        assert!(check_policy("{", urn).is_err_and(|refusal| refusal.text().contains("SMN.0048")));
        check("/Version", json!("2016-09-07"), "");
        check("/Statement/0/Principal", json!({"CSP": ["urn:csp:iam::domain:root"]}), "");
        check("/Version", json!("1"), "SMN.0049");
        check("/Id", json!(""), "SMN.0050");
        check("/Statement", json!([]), "SMN.0051");
        check("/Statement/0/Sid", Value::Null, "SMN.0052");
        check("/Statement/0/Effect", json!("Maybe"), "SMN.0053");
        check("/Statement/0/Principal", json!({"Service": ["CTS"]}), "SMN.0054");
        check("/Statement/0/Principal", json!({}), "SMN.0054");
        check("/Statement/0/Action", json!([]), "SMN.0055");
        check("/Statement/0/Resource", json!("other"), "SMN.0056");
    }
}
