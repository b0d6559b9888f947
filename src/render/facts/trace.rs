//! What a trace says, field by field, in words. What is missing is left out.

use super::NAME;
use crate::{
    notification::AlertFacts,
    render::inert,
    trace::{ActorKind, Origin, Outcome, Trace},
};

/// `name (detail, detail)`; the details that are missing are left out.
fn with_details(name: &str, details: &[Option<String>]) -> String {
    let details: Vec<&str> = details.iter().flatten().map(String::as_str).collect();
    if details.is_empty() { name.to_owned() } else { format!("{name} ({})", details.join(", ")) }
}

fn short(text: &Option<String>) -> Option<String> {
    text.as_deref().map(|text| inert::line(text.trim(), NAME)).filter(|text| !text.is_empty())
}

pub fn who(trace: &Trace) -> String {
    let actor = &trace.actor;
    let kind = match trace.actor_kind() {
        ActorKind::AccountOwner => Some("account owner".to_owned()),
        ActorKind::User => Some("user".to_owned()),
        ActorKind::Agency => Some("agency".to_owned()),
        ActorKind::Federated => Some("federated user".to_owned()),
        ActorKind::System => actor.name.is_some().then(|| "system".to_owned()),
    };
    let used_by = short(&actor.assumed_by).map(|name| format!("used by {name}"));
    let account = short(&actor.domain).map(|name| format!("account {name}"));
    with_details(&inert::line(trace.actor_label(), NAME), &[kind, used_by, account])
}

pub fn what(trace: &Trace) -> String {
    let service = inert::line(&trace.service, NAME);
    let operation = inert::line(&trace.operation, NAME);
    let outcome = match trace.outcome() {
        Outcome::Succeeded => "succeeded".to_owned(),
        Outcome::Failed => match short(&trace.code) {
            Some(code) => format!("failed with code {code}"),
            None => "failed".to_owned(),
        },
        Outcome::Incident => "incident".to_owned(),
        Outcome::Unknown => format!("rated {}", inert::line(trace.rating.as_str(), NAME)),
    };
    [service, operation].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ") + ", " + &outcome
}

pub fn resource(trace: &Trace) -> String {
    let resource = &trace.resource;
    let (kind, name, id) = (short(&resource.kind), short(&resource.name), short(&resource.id));
    match (name, id) {
        (Some(name), id) => with_details(&name, &[kind, id.filter(|id| *id != name).map(|id| format!("id {id}"))]),
        (None, Some(id)) => with_details(&id, &[kind]),
        (None, None) => kind.unwrap_or_default(),
    }
}

pub fn from(trace: &Trace) -> String {
    let by = match trace.origin() {
        Origin::Console => Some("console".to_owned()),
        Origin::Api => Some("API".to_owned()),
        Origin::System => Some("the platform itself".to_owned()),
        Origin::Other => None,
    };
    match short(&trace.source_ip) {
        Some(address) => with_details(&address, &[by]),
        None => by.unwrap_or_default(),
    }
}

pub fn project(trace: &Trace) -> String {
    let name = short(&trace.project_name).or_else(|| short(&trace.project_id));
    match (name, short(&trace.region)) {
        (Some(name), region) => with_details(&name, &[region.filter(|region| *region != name)]),
        (None, region) => region.unwrap_or_default(),
    }
}

pub fn key(alert: &AlertFacts) -> String {
    let parts = alert.key.iter().filter(|(_, value)| !value.is_empty());
    parts.map(|(name, value)| format!("{name} {}", inert::line(value, NAME))).collect::<Vec<_>>().join(", ")
}
