//! A record as the cloud sent it, of which only the fields that are asked for are decoded.
//!
//! Most records concern no rule. To know that takes a handful of their fields, so the
//! record is cut into its members once, and a member is read when a rule looks at it.
//! Every field reads exactly as it does after [`decode()`]: where a value is written in a
//! way that is not the usual one, the record is decoded in full and answers from there.

use std::{borrow::Cow, cell::OnceCell};

use super::{
    Actor, ActorKind, Field, Look, Origin, Outcome, Rating, Trace, action, body,
    decode::{self, ACTOR_LIMIT, BODY_LIMIT, Context, ID_LIMIT, Undecodable, decode},
    field, scan,
};
use crate::clock::Timestamp;

/// One record and what has been read of it so far.
pub struct Raw<'a> {
    record: &'a str,
    context: &'a Context,
    now: Timestamp,
    members: Members<'a>,
    user: OnceCell<Option<User<'a>>>,
    request: Body<'a>,
    response: Body<'a>,
    /// The record decoded in full; filled only if something in it is unusual.
    whole: OnceCell<Box<Trace>>,
}

/// The values of the members that fields are read from, as they are written.
#[derive(Default)]
struct Members<'a> {
    trace_id: Option<&'a str>,
    trace_name: Option<&'a str>,
    trace_rating: Option<&'a str>,
    trace_status: Option<&'a str>,
    trace_type: Option<&'a str>,
    service_type: Option<&'a str>,
    resource_type: Option<&'a str>,
    resource_name: Option<&'a str>,
    resource_id: Option<&'a str>,
    user: Option<&'a str>,
    source_ip: Option<&'a str>,
    code: Option<&'a str>,
    api_version: Option<&'a str>,
    project_id: Option<&'a str>,
    project_name: Option<&'a str>,
    time: Option<&'a str>,
    record_time: Option<&'a str>,
    request: Option<&'a str>,
    response: Option<&'a str>,
    message: Option<&'a str>,
}

/// What has been read of a body: its members if it is a plain object, else the whole of it.
#[derive(Default)]
struct Body<'a> {
    members: OnceCell<Option<Vec<(&'a str, &'a str)>>>,
    text: OnceCell<Option<String>>,
}

/// What a user object says in plain words.
#[derive(Default, Clone, Copy)]
struct User<'a> {
    name: Option<&'a str>,
    id: Option<&'a str>,
    domain: Option<&'a str>,
}

/// A value that is not written in the usual way.
struct Unusual;

type Read<'a> = Result<Option<&'a str>, Unusual>;

impl<'a> Raw<'a> {
    /// Takes one record as [`decode::page()`] splits them: the text is known to be JSON.
    pub fn read(record: &'a str, context: &'a Context, now: Timestamp) -> Result<Self, Undecodable> {
        let mut members = Members::default();
        let cut = scan::members(record, |key, value| members.put(key, value));
        let usual = cut.is_some() && (says(members.trace_name) || says(members.service_type));
        let raw = Self {
            record,
            context,
            now,
            members,
            user: OnceCell::new(),
            request: Body::default(),
            response: Body::default(),
            whole: OnceCell::new(),
        };
        if !usual {
            let trace = decode(record, context, now)?;
            raw.whole.get_or_init(|| Box::new(trace));
        }
        Ok(raw)
    }

    /// The record decoded in full.
    pub fn decode(&self) -> &Trace {
        self.whole.get_or_init(|| {
            let trace = decode(self.record, self.context, self.now);
            Box::new(trace.expect("it names an operation or a service, which is all that decoding asks for"))
        })
    }

    fn usual(&self, field: &Field) -> Result<Option<Cow<'_, str>>, Unusual> {
        let members = &self.members;
        let word = |text: &'static str| Ok(Some(Cow::Borrowed(text)));
        let given = |text: &'a Option<String>| Ok(text.as_deref());
        let found = match field {
            Field::Rating => match self.rating()? {
                Some(rating) => match Rating::parse(rating) {
                    Rating::Other(_) => Ok(Some(rating)),
                    Rating::Normal => return word("normal"),
                    Rating::Warning => return word("warning"),
                    Rating::Incident => return word("incident"),
                },
                None => Ok(None),
            },
            Field::Service => text(members.service_type),
            Field::Operation => text(members.trace_name),
            Field::Action => return word(action::of(text(members.trace_name)?.unwrap_or_default())),
            Field::Outcome => {
                return word(Outcome::of(&Rating::parse(self.rating()?.unwrap_or_default())).as_str());
            }
            Field::Origin => return word(Origin::of(text(members.trace_type)?).as_str()),
            Field::Code => text(members.code),
            Field::TraceType => text(members.trace_type),
            Field::ApiVersion => text(members.api_version),
            Field::ActorName => Ok(self.user()?.name),
            Field::ActorId => Ok(self.user()?.id),
            Field::ActorDomain => Ok(self.user()?.domain),
            Field::ActorKind => return word(self.actor_kind()?.as_str()),
            Field::ResourceType => text(members.resource_type),
            Field::ResourceName => text(members.resource_name),
            Field::ResourceId => text(members.resource_id),
            Field::SourceIp => text(members.source_ip),
            Field::SourceNetwork => {
                return Ok(text(members.source_ip)?.and_then(field::network).map(Cow::Owned));
            }
            Field::ProjectId => match text(members.project_id)? {
                Some(id) => Ok(Some(id)),
                None => given(&self.context.project_id),
            },
            Field::Region => given(&self.context.region),
            Field::Request(path) => return self.body(&self.request, members.request, path),
            Field::Response(path) => return self.body(&self.response, members.response, path),
            Field::Message => return Ok(decode::body(members.message).map(Cow::Owned)),
            Field::Time => return Ok(Some(Cow::Owned(self.time().to_string()))),
            Field::TimeHour => return Ok(Some(Cow::Owned(field::hour(self.time())))),
            Field::TimeWeekday => return word(field::weekday(self.time())),
            Field::TraceId => match text(members.trace_id)? {
                Some(id) if id.len() <= ID_LIMIT => Ok(Some(id)),
                _ => Err(Unusual),
            },
            // Seldom asked for, and told by more than one member.
            Field::ProjectName | Field::RecordTime => Err(Unusual),
        };
        Ok(found?.map(Cow::Borrowed))
    }

    fn rating(&self) -> Read<'a> {
        match text(self.members.trace_rating)? {
            Some(rating) => Ok(Some(rating)),
            None => text(self.members.trace_status),
        }
    }

    fn time(&self) -> Timestamp {
        let read = |raw: Option<&str>| raw.and_then(decode::moment);
        read(self.members.time).or_else(|| read(self.members.record_time)).unwrap_or(self.now)
    }

    fn user(&self) -> Result<User<'a>, Unusual> {
        self.user.get_or_init(|| user(self.members.user).ok()).ok_or(Unusual)
    }

    fn actor_kind(&self) -> Result<ActorKind, Unusual> {
        let (user, members) = (self.user()?, &self.members);
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let actor = Actor { name: owned(user.name), domain: owned(user.domain), ..Actor::default() };
        let trace = Trace {
            actor,
            trace_type: owned(text(members.trace_type)?),
            operation: text(members.trace_name)?.unwrap_or_default().to_owned(),
            message: decode::body(members.message),
            ..Trace::blank("", self.now)
        };
        Ok(trace.actor_kind())
    }

    /// A body that is an object is cut once and read where it stands; any other is decoded first, once.
    fn body<'s>(
        &'s self,
        body: &'s Body<'a>,
        raw: Option<&'a str>,
        path: &[String],
    ) -> Result<Option<Cow<'s, str>>, Unusual> {
        let Some(raw) = raw else { return Ok(None) };
        // Decoding repairs numbers, which makes them longer: far from the limit nothing is cut off.
        if raw.starts_with('{')
            && raw.len() <= BODY_LIMIT / 2
            && let [first, rest @ ..] = path
        {
            let Some(members) = body.members.get_or_init(|| body_members(raw)) else { return Ok(body::at(raw, path)) };
            // The last of several members of one name counts, as in decoding.
            let found = members.iter().rfind(|(key, _)| key == first);
            return Ok(found.and_then(|(_, value)| body::below(value, rest)));
        }
        let text = body.text.get_or_init(|| decode::body(Some(raw)));
        Ok(text.as_deref().and_then(|text| body::at(text, path)))
    }
}

fn body_members(raw: &str) -> Option<Vec<(&str, &str)>> {
    let mut members = Vec::with_capacity(16);
    scan::members(raw, |key, value| members.push((key, value))).map(|()| members)
}

impl Look for Raw<'_> {
    fn get(&self, field: &Field) -> Option<Cow<'_, str>> {
        match self.whole.get() {
            Some(trace) => trace.get(field),
            None => self.usual(field).unwrap_or_else(|Unusual| self.decode().get(field)),
        }
    }
}

impl<'a> Members<'a> {
    fn put(&mut self, key: &str, value: &'a str) {
        let member = match key {
            "trace_id" => &mut self.trace_id,
            "trace_name" => &mut self.trace_name,
            "trace_rating" => &mut self.trace_rating,
            "trace_status" => &mut self.trace_status,
            "trace_type" => &mut self.trace_type,
            "service_type" => &mut self.service_type,
            "resource_type" => &mut self.resource_type,
            "resource_name" => &mut self.resource_name,
            "resource_id" => &mut self.resource_id,
            "user" => &mut self.user,
            "source_ip" => &mut self.source_ip,
            "code" => &mut self.code,
            "api_version" => &mut self.api_version,
            "project_id" => &mut self.project_id,
            "project_name" => &mut self.project_name,
            "time" => &mut self.time,
            "record_time" => &mut self.record_time,
            "request" => &mut self.request,
            "response" => &mut self.response,
            "message" => &mut self.message,
            _ => return,
        };
        // The last of several members of one name counts, as in decoding.
        *member = Some(value);
    }
}

/// A scalar as text; nothing where the cloud says nothing in one of its plainer ways.
fn text(raw: Option<&str>) -> Read<'_> {
    let Some(raw) = raw else { return Ok(None) };
    if raw.len() > BODY_LIMIT {
        return Err(Unusual);
    }
    match raw.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Ok(Some(raw)),
        Some(b'"') => Ok(Some(scan::plain(raw).ok_or(Unusual)?).filter(|text| decode::said(text))),
        Some(b'n') => Ok(None),
        _ => Err(Unusual),
    }
}

/// True if `raw` is text that says something.
fn says(raw: Option<&str>) -> bool {
    matches!(text(raw), Ok(Some(_)))
}

fn user(raw: Option<&str>) -> Result<User<'_>, Unusual> {
    let Some(raw) = raw else { return Ok(User::default()) };
    if !raw.starts_with('{') {
        return Ok(User { name: name(raw)?, ..User::default() });
    }
    let mut user = User::default();
    let mut usual = true;
    scan::members(raw, |key, value| {
        let read = match key {
            "name" => name(value).map(|name| user.name = name),
            "id" => name(value).map(|id| user.id = id),
            "domain" => domain(value).map(|domain| user.domain = domain),
            "assumedBy" | "assumed_by" | "user_name" if value != "null" => Err(Unusual),
            _ => Ok(()),
        };
        usual &= read.is_ok();
    })
    .filter(|()| usual)
    .map(|()| user)
    .ok_or(Unusual)
}

fn domain(raw: &str) -> Read<'_> {
    if !raw.starts_with('{') {
        return name(raw);
    }
    let mut found = Ok(None);
    scan::members(raw, |key, value| {
        if key == "name" {
            found = name(value);
        }
    })
    .ok_or(Unusual)?;
    found
}

/// A short text that is neither JSON in a string nor a number with a fraction.
fn name(raw: &str) -> Read<'_> {
    let json = raw.trim_start_matches('"').trim_start().starts_with(['{', '"']);
    let digits = raw.len() < 18 && raw.bytes().all(|byte| byte.is_ascii_digit());
    match raw.as_bytes().first() {
        _ if json || raw.len() > ACTOR_LIMIT => Err(Unusual),
        Some(b'-' | b'0'..=b'9') if !digits => Err(Unusual),
        _ => text(Some(raw)),
    }
}

#[cfg(test)]
mod tests;
