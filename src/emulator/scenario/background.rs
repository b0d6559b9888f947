//! One trace of everyday traffic.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Scripted,
    actor::{Actor, PEOPLE, pick},
    catalogue::{RESOURCES, Resource},
};
use crate::emulator::world::{hex_id, uuid};

/// `seldom`: now and then something that deserves a look.
pub fn draw(rng: &mut fastrand::Rng, seldom: bool) -> Scripted {
    let rare = seldom && rng.u8(..100) < 2;
    let operations = |resource: &Resource| if rare { resource.seldom } else { resource.daily };
    let resource = loop {
        let resource = &RESOURCES[rng.usize(..RESOURCES.len())];
        if !operations(resource).is_empty() {
            break resource;
        }
    };
    let operation = pick(rng, operations(resource));
    let trace = match (resource.service, operation) {
        ("IAM", "login" | "logout") => sign_in(rng, operation),
        _ => ordinary(rng, resource, operation),
    };
    Scripted { at: Duration::ZERO, behind: delay(rng), trace, incident: None }
}

/// CTS promises about a minute and mostly needs seconds.
pub fn delay(rng: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(rng.u64(300..4000))
}

fn sign_in(rng: &mut fastrand::Rng, operation: &str) -> Value {
    let actor = Actor::Person(pick(rng, &PEOPLE));
    trace(rng, actor, Facts { service: "IAM", kind: "user", operation, name: actor.name(), code: "302" })
}

fn ordinary(rng: &mut fastrand::Rng, resource: &Resource, operation: &str) -> Value {
    let mut actor = Actor::any(rng);
    if operation.starts_with("alarmStatus") {
        actor = Actor::Platform;
    } else if resource.service == "IAM" && actor == Actor::Platform {
        actor = Actor::Person(pick(rng, &PEOPLE));
    }
    let name = format!("{}{:02}", resource.prefix, rng.u8(1..25));
    let facts = Facts { service: resource.service, kind: resource.kind, operation, name: &name, code: "200" };
    let mut trace = trace(rng, actor, facts);
    // Mistakes happen: a few percent of all calls are refused.
    if rng.u8(..100) < 4 {
        let (code, text) = pick(rng, &[("400", "invalid parameter"), ("403", "no permission"), ("409", "wrong state")]);
        trace["trace_rating"] = "warning".into();
        trace["code"] = code.into();
        let response = json!({"error_code": format!("{}.0{code}", resource.service), "error_msg": text});
        trace["response"] = response.to_string().into();
    }
    trace
}

/// What a trace is about.
pub struct Facts<'a> {
    pub service: &'a str,
    pub kind: &'a str,
    pub operation: &'a str,
    pub name: &'a str,
    pub code: &'a str,
}

/// A trace of a success, in v3 shape and without times.
pub fn trace(rng: &mut fastrand::Rng, actor: Actor, facts: Facts<'_>) -> Value {
    let Facts { service, kind, operation, name, code } = facts;
    let id = match service {
        "IAM" => hex_id(kind, name),
        _ => uuid(&mut fastrand::Rng::with_seed(seed_of(service, name))),
    };
    let global = service == "IAM";
    let message = match operation {
        "login" => {
            json!({"login": {"mode": "password", "user_type": "domain user", "login_protect": {"status": "off"}}})
                .to_string()
        }
        _ => String::new(),
    };
    json!({
        "trace_id": uuid(rng), "trace_name": operation, "trace_rating": "normal", "trace_type": actor.trace_type(),
        "service_type": service, "resource_type": kind, "resource_name": name, "resource_id": id,
        "user": actor.user(), "source_ip": actor.source_ip(), "code": code,
        "api_version": if global { "v3" } else { "1.0" }, "request_id": format!("{:032x}", rng.u128(..)),
        "request": if global { String::new() } else { json!({"name": name}).to_string() }, "response": "",
        "message": message, "read_only": false, "tracker_name": "system",
        "event_type": if global { "global" } else { "system" },
    })
}

/// The same name is the same resource in every trace.
fn seed_of(service: &str, name: &str) -> u64 {
    let hash = crate::id::hash(&["emulator", service, name]);
    u64::from_be_bytes(hash[..8].try_into().expect("a hash has eight bytes"))
}
