//! A sentence out of a trace, for a title that its author left empty or that found nothing to say:
//! `alice scheduled deletion of key prod-db in eu-de`.
//!
//! Operation names are read as words; one that tells no verb is quoted as it is, never guessed at.

use super::NAME;
use crate::{
    catalog,
    render::inert,
    trace::{Outcome, Trace, action},
};

/// Verbs that stand first in an operation's name, and how people say them of something done.
const VERBS: &[(&str, &str)] = &[
    ("accept", "accepted"),
    ("add", "added"),
    ("apply", "applied"),
    ("assign", "assigned"),
    ("associate", "associated"),
    ("attach", "attached"),
    ("bind", "bound"),
    ("cancel", "cancelled"),
    ("change", "changed"),
    ("claim", "claimed"),
    ("close", "closed"),
    ("copy", "copied"),
    ("create", "created"),
    ("decrypt", "decrypted"),
    ("del", "deleted"),
    ("delete", "deleted"),
    ("detach", "detached"),
    ("disable", "disabled"),
    ("disassociate", "disassociated"),
    ("download", "downloaded"),
    ("enable", "enabled"),
    ("encrypt", "encrypted"),
    ("execute", "executed"),
    ("expand", "expanded"),
    ("export", "exported"),
    ("extend", "extended"),
    ("get", "read"),
    ("grant", "granted"),
    ("import", "imported"),
    ("install", "installed"),
    ("list", "listed"),
    ("migrate", "migrated"),
    ("modify", "changed"),
    ("open", "opened"),
    ("publish", "published"),
    ("query", "queried"),
    ("reboot", "rebooted"),
    ("refresh", "refreshed"),
    ("register", "registered"),
    ("reinstall", "reinstalled"),
    ("release", "released"),
    ("remove", "removed"),
    ("rename", "renamed"),
    ("reset", "reset"),
    ("resize", "resized"),
    ("restart", "restarted"),
    ("restore", "restored"),
    ("revoke", "revoked"),
    ("rollback", "rolled back"),
    ("schedule", "scheduled"),
    ("set", "set"),
    ("show", "read"),
    ("start", "started"),
    ("stop", "stopped"),
    ("subscribe", "subscribed"),
    ("unassign", "unassigned"),
    ("unbind", "unbound"),
    ("update", "updated"),
    ("upload", "uploaded"),
    ("view", "viewed"),
];

/// Say how something was asked for or how it ended, not what was done.
const BEFORE: &[&str] = &["batch", "begin", "bulk", "force", "submit", "dds"];
const AFTER: &[&str] = &["success", "successful", "failed", "failure", "request", "task"];
const BECAME: &[&str] = &["deletion", "creation", "rotation", "protection"];

/// Who did what to what, where.
pub fn sentence(trace: &Trace) -> String {
    let actor = match trace.actor_label().trim() {
        "" | "the platform" => "The platform".to_owned(),
        label => inert::line(label, NAME),
    };
    let failed = trace.outcome() == Outcome::Failed;
    let mut line = match done(&trace.operation) {
        Some(Done { verb, object, .. }) if failed => {
            format!("{actor} failed to {}", joined(&verb, &object))
        }
        Some(Done { past, object, .. }) => format!("{actor} {}", joined(past, &object)),
        None => format!("{actor} {}", used(trace, failed)),
    };
    let resource = &trace.resource;
    let login = matches!(action::of(&trace.operation), "login" | "logout");
    let target = [&resource.name, &resource.id].into_iter().flatten().map(|text| text.trim());
    let mut target = target.filter(|text| !text.is_empty() && Some(*text) != trace.actor.name.as_deref());
    if let Some(target) = target.next().filter(|_| !login) {
        line += &format!(" {}", inert::line(target, NAME));
    }
    let region = trace.region.as_deref().map(str::trim);
    if let Some(region) = region.filter(|region| !region.is_empty() && !login) {
        line += &format!(" in {}", inert::line(region, NAME));
    }
    if trace.outcome() == Outcome::Incident {
        line += ", an incident";
    }
    line
}

struct Done {
    /// As after `failed to`.
    verb: String,
    past: &'static str,
    /// What comes between the verb and the name of the resource.
    object: Vec<String>,
}

fn done(operation: &str) -> Option<Done> {
    let words = action::words(operation);
    match action::of(operation) {
        "login" => return Some(Done { verb: "log in".into(), past: "logged in", object: Vec::new() }),
        "logout" => return Some(Done { verb: "log out".into(), past: "logged out", object: Vec::new() }),
        _ => {}
    }
    let at = words.iter().position(|word| !BEFORE.contains(&word.as_str()))?;
    let (verb, past) = VERBS.iter().find(|(verb, _)| words[at] == *verb)?;
    let verb = if *verb == "del" { "delete" } else { *verb };
    let rest = words[at + 1..].iter().take_while(|word| *word != "by");
    let mut object: Vec<String> = rest.filter(|word| !AFTER.contains(&word.as_str())).map(|word| spelt(word)).collect();
    if object.len() > 1 && object.last().is_some_and(|last| BECAME.contains(&last.as_str())) {
        let last = object.pop().expect("there is more than one");
        object.splice(0..0, [last, "of".to_owned()]);
    }
    // A name that goes on for ever is no phrase.
    (object.len() <= 8).then(|| Done { verb: verb.to_owned(), past, object })
}

/// `DCS` rather than `dcs`.
fn spelt(word: &str) -> String {
    let service = || catalog::services().into_iter().find(|service| service.eq_ignore_ascii_case(word));
    let found = if word.len() > 2 { service() } else { None };
    inert::line(found.unwrap_or(word), NAME)
}

fn joined(verb: &str, object: &[String]) -> String {
    if object.is_empty() { verb.to_owned() } else { format!("{verb} {}", object.join(" ")) }
}

/// Where no verb is known: the names as the cloud has them.
fn used(trace: &Trace, failed: bool) -> String {
    let names = [&trace.service, &trace.operation].map(|name| inert::line(name.trim(), NAME));
    let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let names = if names.is_empty() { "a service".to_owned() } else { names.join(" ") };
    let on = if trace.resource.name.is_some() || trace.resource.id.is_some() { " on" } else { "" };
    if failed { format!("failed to use {names}{on}") } else { format!("used {names}{on}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        trace::{Rating, Resource},
    };

    #[track_caller]
    fn check(operation: &str, name: Option<&str>, rating: Rating, expected: &str) {
        let mut trace = Trace::blank("t", Timestamp::UNIX_EPOCH);
        trace.operation = operation.into();
        trace.service = "KMS".into();
        trace.rating = rating;
        trace.actor.name = Some("alice".into());
        trace.resource = Resource { kind: None, name: name.map(str::to_owned), id: Some("id-1".into()) };
        trace.region = Some("eu-de".into());
        assert_eq!(sentence(&trace), expected);
    }

    #[test]
    fn operations_become_sentences() {
        let good = Rating::Normal;
        let key = Some("prod-db");
        check("scheduleKeyDeletion", key, good.clone(), "alice scheduled deletion of key prod-db in eu-de");
        check("deleteServer", None, good.clone(), "alice deleted server id-1 in eu-de");
        check("batchDeleteDCSInstance", key, good.clone(), "alice deleted DCS instance prod-db in eu-de");
        check("addUserToGroup", key, good.clone(), "alice added user to group prod-db in eu-de");
        check("loginfailed", Some("alice"), Rating::Warning, "alice failed to log in");
        check("logout", None, good.clone(), "alice logged out");
        check("deleteServer", key, Rating::Warning, "alice failed to delete server prod-db in eu-de");
        check("modifyVpc", key, Rating::Incident, "alice changed VPC prod-db in eu-de, an incident");
        check("genRandom", key, good.clone(), "alice used KMS genRandom on prod-db in eu-de");
        check("genRandom", key, Rating::Warning, "alice failed to use KMS genRandom on prod-db in eu-de");
        check("", key, good, "alice used KMS on prod-db in eu-de");
    }

    #[test]
    fn a_trace_that_says_nothing_still_makes_a_sentence() {
        let mut trace = Trace::blank("t", Timestamp::UNIX_EPOCH);
        assert_eq!(sentence(&trace), "The platform used a service");
        trace.operation = format!("delete\r\n\u{202e}{}", "Xy".repeat(5000));
        trace.resource.name = Some("\u{1b}[2J".into());
        let told = sentence(&trace);
        assert!(!told.contains(['\r', '\n', '\u{202e}', '\u{1b}']) && told.chars().count() < 500, "{told}");
    }
}
