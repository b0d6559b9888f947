//! What each field means, in one sentence, written once for schema and editors.

use super::Field;

/// A sentence or two without a heading. Markdown: code stands in backticks.
pub fn of(field: &Field) -> &'static str {
    match field {
        Field::Rating => {
            "The cloud's own verdict: `normal`, `warning` or `incident`. Not the severity, which a rule sets."
        }
        Field::Service => {
            "The service that recorded the trace, CTS's `service_type`: `IAM`, `KMS`, `ECS`. Case does not matter."
        }
        Field::Operation => {
            "What was done, CTS's `trace_name`: `deleteUser`. Case does not matter; `*` stands for any text."
        }
        Field::Action => {
            "The verb of the operation, the same for all services: `deleteUser` and `removeServer` are both `delete`."
        }
        Field::Outcome => {
            "How it ended, read from the rating: `succeeded`, `failed`, `incident`. Never from the HTTP code."
        }
        Field::Origin => "Where it was asked from: `console`, `api`, `system` or `other`.",
        Field::Code => "The HTTP status that the audited service answered, as text.",
        Field::TraceType => "CTS's own word for the origin: `ConsoleAction`, `ApiCall`, `SystemAction` and others.",
        Field::ApiVersion => "The version of the API that was called.",
        Field::ActorName => "Who did it: the user's or the agency's name. Case does not matter.",
        Field::ActorId => "Who did it: the user's id.",
        Field::ActorDomain => "The account that the actor belongs to.",
        Field::ActorKind => "What kind of actor: `user`, `agency`, `federated`, `account_owner` or `system`.",
        Field::ResourceType => "The type of what it was done to: `user`, `CMK`, `ecs`.",
        Field::ResourceName => "The name of what it was done to.",
        Field::ResourceId => "The id of what it was done to.",
        Field::SourceIp => "The caller's address. Compare networks with `cidr` and `not_cidr`.",
        Field::SourceNetwork => "The caller's network: the `/24` of an IPv4 address, the `/64` of an IPv6 address.",
        Field::ProjectId => "The project in which it happened, by id.",
        Field::ProjectName => "The project in which it happened, by name.",
        Field::Region => "The region of the source, for example `eu-de`.",
        Field::Time => {
            "When it happened. Compare with `gt`, `gte`, `lt`, `lte` and a time like `2026-01-31T08:00:00Z`."
        }
        Field::TimeHour => "The hour of the day in UTC in which it happened, `00` to `23`.",
        Field::TimeWeekday => "The day of the week in UTC on which it happened, `monday` to `sunday`.",
        Field::RecordTime => "When CTS recorded it: minutes after `time`, as a rule.",
        Field::TraceId => "CTS's id of the trace.",
        Field::Message => "What the service noted beside the trace.",
        Field::Request(_) => {
            "Into the body of the audited call: `request.security_group_rule.direction`. A number indexes a list."
        }
        Field::Response(_) => "Into the body of the answer: `response.user.id`. A number indexes a list.",
    }
}

/// The words a field can hold, where that set is closed or nearly so.
pub fn words(field: &Field) -> Vec<&'static str> {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    match field {
        Field::Rating => vec!["normal", "warning", "incident"],
        Field::Outcome => vec!["succeeded", "failed", "incident", "unknown"],
        Field::Origin => vec!["console", "api", "system", "other"],
        Field::ActorKind => vec!["user", "agency", "federated", "account_owner", "system"],
        Field::TimeWeekday => DAYS.to_vec(),
        Field::Action => super::action::verbs().collect(),
        Field::TraceType => vec!["ApiCall", "ConsoleAction", "SystemAction"],
        _ => Vec::new(),
    }
}
