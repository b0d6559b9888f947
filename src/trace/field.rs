//! The names by which rules, templates and filters reach into a trace.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{Trace, action, body};
use crate::clock::Timestamp;

/// One readable part of a trace. `request.*` and `response.*` reach into JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    Rating,
    Service,
    Operation,
    Action,
    Outcome,
    Origin,
    Code,
    TraceType,
    ApiVersion,
    ActorName,
    ActorId,
    ActorDomain,
    ActorKind,
    ResourceType,
    ResourceName,
    ResourceId,
    SourceIp,
    /// The `/24` or `/64` network of the caller's address.
    SourceNetwork,
    ProjectId,
    ProjectName,
    Region,
    Time,
    /// Hour of the day in UTC, `00` to `23`.
    TimeHour,
    /// Day of the week in UTC, `monday` to `sunday`.
    TimeWeekday,
    RecordTime,
    TraceId,
    Message,
    /// Path below the request body; empty means the whole text.
    Request(Vec<String>),
    Response(Vec<String>),
}

/// Every fixed name, in the order documentation lists them, with its field.
pub const NAMES: &[(&str, Field)] = &[
    ("rating", Field::Rating),
    ("service", Field::Service),
    ("operation", Field::Operation),
    ("action", Field::Action),
    ("outcome", Field::Outcome),
    ("origin", Field::Origin),
    ("code", Field::Code),
    ("trace_type", Field::TraceType),
    ("api_version", Field::ApiVersion),
    ("actor.name", Field::ActorName),
    ("actor.id", Field::ActorId),
    ("actor.domain", Field::ActorDomain),
    ("actor.kind", Field::ActorKind),
    ("resource.type", Field::ResourceType),
    ("resource.name", Field::ResourceName),
    ("resource.id", Field::ResourceId),
    ("source_ip", Field::SourceIp),
    ("source_network", Field::SourceNetwork),
    ("project.id", Field::ProjectId),
    ("project.name", Field::ProjectName),
    ("region", Field::Region),
    ("time", Field::Time),
    ("time.hour", Field::TimeHour),
    ("time.weekday", Field::TimeWeekday),
    ("record_time", Field::RecordTime),
    ("trace_id", Field::TraceId),
    ("message", Field::Message),
];

/// CTS's own names for the same parts, accepted everywhere.
pub const ALIASES: &[(&str, &str)] = &[
    ("trace_name", "operation"),
    ("service_type", "service"),
    ("trace_rating", "rating"),
    ("trace_status", "rating"),
    ("resource_type", "resource.type"),
    ("resource_name", "resource.name"),
    ("resource_id", "resource.id"),
    ("user.name", "actor.name"),
    ("user.id", "actor.id"),
    ("user.domain.name", "actor.domain"),
    ("project_id", "project.id"),
];

impl Field {
    /// The field of that name, or `None`: the caller knows where the name stood.
    pub fn parse(name: &str) -> Option<Self> {
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, own)| own);
        if let Some((_, field)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Some(field.clone());
        }
        let path = |rest: &str| rest.split('.').map(str::to_owned).collect::<Vec<_>>();
        match name.split_once('.') {
            None if name == "request" => Some(Self::Request(Vec::new())),
            None if name == "response" => Some(Self::Response(Vec::new())),
            Some(("request", rest)) if !rest.is_empty() => Some(Self::Request(path(rest))),
            Some(("response", rest)) if !rest.is_empty() => Some(Self::Response(path(rest))),
            _ => None,
        }
    }

    /// The name in Tracebell's own words.
    pub fn name(&self) -> String {
        match self {
            Self::Request(path) if path.is_empty() => "request".into(),
            Self::Response(path) if path.is_empty() => "response".into(),
            Self::Request(path) => format!("request.{}", path.join(".")),
            Self::Response(path) => format!("response.{}", path.join(".")),
            fixed => NAMES
                .iter()
                .find(|(_, field)| field == fixed)
                .map(|(name, _)| (*name).to_owned())
                .expect("every fixed field is listed in NAMES"),
        }
    }

    /// True for the fields that compare without regard to case.
    pub fn ignores_case(&self) -> bool {
        matches!(
            self,
            Self::Service
                | Self::Operation
                | Self::Rating
                | Self::ActorName
                | Self::Action
                | Self::Outcome
                | Self::Origin
                | Self::ActorKind
                | Self::TimeWeekday
        )
    }
}

/// Whatever has the fields of a trace: a [`Trace`], or a record of which only what is asked for gets decoded.
pub trait Look {
    /// The field's text, or `None` if the trace does not hold it.
    fn get(&self, field: &Field) -> Option<Cow<'_, str>>;
}

impl Look for Trace {
    fn get(&self, field: &Field) -> Option<Cow<'_, str>> {
        Self::get(self, field)
    }
}

impl<L: Look + ?Sized> Look for Arc<L> {
    fn get(&self, field: &Field) -> Option<Cow<'_, str>> {
        self.as_ref().get(field)
    }
}

impl Trace {
    /// The field's text, or `None` if the trace does not hold it.
    pub fn get(&self, field: &Field) -> Option<Cow<'_, str>> {
        fn text(value: &Option<String>) -> Option<Cow<'_, str>> {
            value.as_deref().map(Cow::Borrowed)
        }
        fn word(value: &str) -> Option<Cow<'_, str>> {
            (!value.is_empty()).then_some(Cow::Borrowed(value))
        }
        match field {
            Field::Rating => word(self.rating.as_str()),
            Field::Service => word(&self.service),
            Field::Operation => word(&self.operation),
            Field::Action => Some(Cow::Borrowed(action::of(&self.operation))),
            Field::Outcome => word(self.outcome().as_str()),
            Field::Origin => word(self.origin().as_str()),
            Field::Code => text(&self.code),
            Field::TraceType => text(&self.trace_type),
            Field::ApiVersion => text(&self.api_version),
            Field::ActorName => text(&self.actor.name),
            Field::ActorId => text(&self.actor.id),
            Field::ActorDomain => text(&self.actor.domain),
            Field::ActorKind => word(self.actor_kind().as_str()),
            Field::ResourceType => text(&self.resource.kind),
            Field::ResourceName => text(&self.resource.name),
            Field::ResourceId => text(&self.resource.id),
            Field::SourceIp => text(&self.source_ip),
            Field::SourceNetwork => self.source_ip.as_deref().and_then(network).map(Cow::Owned),
            Field::ProjectId => text(&self.project_id),
            Field::ProjectName => text(&self.project_name),
            Field::Region => text(&self.region),
            Field::Time => Some(Cow::Owned(self.time.to_string())),
            Field::TimeHour => Some(Cow::Owned(hour(self.time))),
            Field::TimeWeekday => Some(Cow::Borrowed(weekday(self.time))),
            Field::RecordTime => Some(Cow::Owned(self.record_time.to_string())),
            Field::TraceId => word(&self.id),
            Field::Message => text(&self.message),
            Field::Request(path) => body::at(self.request.as_deref()?, path),
            Field::Response(path) => body::at(self.response.as_deref()?, path),
        }
    }
}

/// The `/24` of an IPv4 address, the `/64` of an IPv6 address; `None` if the text is no address.
pub(super) fn network(text: &str) -> Option<String> {
    let address = text.trim().split('%').next()?.parse::<IpAddr>().ok()?.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 64 };
    Some(IpNet::new(address, bits).ok()?.trunc().to_string())
}

pub(super) fn hour(time: Timestamp) -> String {
    format!("{:02}", utc(time).hour())
}

fn utc(time: Timestamp) -> jiff::civil::DateTime {
    time.to_zoned(jiff::tz::TimeZone::UTC).datetime()
}

pub(super) fn weekday(time: Timestamp) -> &'static str {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let day = utc(time).weekday().to_monday_zero_offset();
    DAYS[usize::try_from(day).unwrap_or_default() % 7]
}
