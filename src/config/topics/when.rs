//! `digest`, `schedule`, `group` and `storm`: how soon something is told.

use std::time::Duration;

use jiff::{
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};

use super::filter::severity;
use crate::{
    alert::Severity,
    clock::WEEKDAYS,
    config::endpoints::timezone,
    document::{Value, Walk},
    topic::{
        GroupBy, Grouping, Schedule, Storm, Timetable,
        schedule::{Quiet, Then},
    },
};

/// Unless the group says otherwise.
const GROUPED_FOR: Duration = Duration::from_secs(600);
/// What belongs together is told the same day.
const LONGEST_GROUP: Duration = Duration::from_secs(24 * 3600);

/// `{ at: "07:30", on: [monday], timezone: Europe/Berlin }`
pub fn digest(walk: &Walk<'_>, zone: &TimeZone) -> Option<Timetable> {
    let mut fields = walk.fields()?;
    let (at, on) = (fields.required("at"), fields.optional("on"));
    let zone = fields.optional("timezone").map_or(Some(zone.clone()), |walk| timezone(&walk));
    fields.finish();
    let mut at = several(&at?, "leave `digest` out to be told at once", time)?;
    at.sort();
    at.dedup();
    Some(Timetable { at, on: days(on)?, zone: zone? })
}

/// `{ quiet: { from: "20:00", to: "07:00" }, holidays: [2026-12-25], pass: critical, then: hold }`
pub fn schedule(walk: &Walk<'_>, zone: &TimeZone) -> Option<Schedule> {
    let mut fields = walk.fields()?;
    let (quiet, holidays) = (fields.optional("quiet"), fields.optional("holidays"));
    let zone = fields.optional("timezone").map_or(Some(zone.clone()), |walk| timezone(&walk));
    let pass = fields.optional("pass").map_or(Some(Severity::Critical), |walk| severity(&walk));
    let then = fields
        .optional("then")
        .map_or(Some(Then::Hold), |walk| walk.one_of(&[("hold", Then::Hold), ("drop", Then::Drop)]));
    fields.finish();
    if quiet.is_none() && holidays.is_none() {
        walk.fail_hint(
            "a schedule without a quiet time",
            "write `quiet: { from: \"20:00\", to: \"07:00\" }` or `holidays`",
        );
        return None;
    }
    let times = |walk: Walk<'_>| match walk.node.value {
        Value::List(_) => walk.list()?.iter().map(quiet_hours).collect::<Option<Vec<_>>>(),
        _ => quiet_hours(&walk).map(|quiet| vec![quiet]),
    };
    let quiet = quiet.map_or(Some(Vec::new()), times);
    let holidays = holidays.map_or(Some(Vec::new()), |walk| several(&walk, "leave `holidays` out for none", date));
    Some(Schedule { quiet: quiet?, holidays: holidays?, zone: zone?, pass: pass?, then: then? })
}

fn quiet_hours(walk: &Walk<'_>) -> Option<Quiet> {
    let mut fields = walk.fields()?;
    let from = fields.required("from").and_then(|walk| time(&walk));
    let to = fields.required("to").and_then(|walk| {
        if walk.node.value == Value::Text("24:00".into()) { Some(Time::midnight()) } else { time(&walk) }
    });
    let on = fields.optional("on");
    fields.finish();
    let (from, to, on) = (from?, to?, days(on)?);
    if from == to && (on.is_empty() || from != Time::midnight()) {
        walk.fail_hint(
            "this quiet time never ends",
            "for whole days write `{ from: \"00:00\", to: \"24:00\", on: [saturday, sunday] }`",
        );
        return None;
    }
    Some(Quiet { from, to, on })
}

/// `{ by: actor, within: 10m }`
pub fn group(walk: &Walk<'_>) -> Option<Grouping> {
    let mut fields = walk.fields()?;
    let by = fields.required("by");
    let within = fields.optional("within");
    fields.finish();
    let by = by?.one_of(&[("actor", GroupBy::Actor), ("resource", GroupBy::Resource)]);
    let within = match within {
        Some(walk) => {
            let within = walk.duration()?;
            if within > LONGEST_GROUP {
                walk.fail_hint("expected a duration of at most 24h", "for less often, ask for a `digest`");
                return None;
            }
            within
        }
        None => GROUPED_FOR,
    };
    Some(Grouping { by: by?, within })
}

/// `{ at_most: 300, within: 1m }`, or `off`.
pub fn storm(walk: Option<Walk<'_>>) -> Option<Storm> {
    let usual = Storm::default();
    let Some(walk) = walk else { return Some(usual) };
    if matches!(&walk.node.value, Value::Bool(false)) || walk.node.value == Value::Text("off".into()) {
        return None;
    }
    let Value::Map(_) = walk.node.value else {
        walk.fail_hint("expected a map or `off`", "write `{ at_most: 300, within: 1m }`");
        return None;
    };
    let mut fields = walk.fields()?;
    let at_most = fields.optional_whole("at_most", 1, 1_000_000).and_then(|most| u64::try_from(most).ok());
    let within = fields.optional_duration("within");
    fields.finish();
    Some(Storm { at_most: at_most.unwrap_or(usual.at_most), within: within.unwrap_or(usual.within) })
}

/// One or a list that is not empty.
fn several<T>(walk: &Walk<'_>, hint: &str, read: fn(&Walk<'_>) -> Option<T>) -> Option<Vec<T>> {
    match &walk.node.value {
        Value::List(items) if items.is_empty() => {
            walk.fail_hint("expected at least one", hint);
            None
        }
        Value::List(_) => walk.list()?.iter().map(read).collect(),
        _ => read(walk).map(|one| vec![one]),
    }
}

fn days(walk: Option<Walk<'_>>) -> Option<Vec<Weekday>> {
    walk.map_or(Some(Vec::new()), |walk| several(&walk, "leave `on` out for every day", |walk| walk.one_of(&WEEKDAYS)))
}

/// `07:30`
fn time(walk: &Walk<'_>) -> Option<Time> {
    let text = walk.text()?;
    let digits = text.len() == 5
        && text.bytes().enumerate().all(|(at, byte)| if at == 2 { byte == b':' } else { byte.is_ascii_digit() });
    let time = digits.then(|| text.parse().ok()).flatten();
    if time.is_none() {
        walk.fail_hint(format!("`{text}` is not a time of day"), "write hours and minutes: `\"07:30\"`");
    }
    time
}

/// `2026-12-25`
fn date(walk: &Walk<'_>) -> Option<Date> {
    let text = walk.text()?;
    let date = (text.len() == 10).then(|| text.parse().ok()).flatten();
    if date.is_none() {
        walk.fail_hint(format!("`{text}` is not a date"), "write `2026-12-25`");
    }
    date
}
