//! `except`: traces a rule leaves alone, why, and until when.

use super::one;
use crate::{
    clock::Timestamp,
    document::{Lines, Value, Walk},
    rule::{Exception, compile::Lists},
};

pub fn read(walk: &Walk<'_>, lists: &Lists, lines: &Lines) -> Option<Exception> {
    let mut fields = walk.fields()?;
    let reason = reason(walk, fields.optional("reason"));
    let condition = fields.required("match").and_then(|walk| one::condition(&walk, lists));
    let until = fields.optional("until").map_or(Some(None), |walk| until(&walk).map(Some));
    fields.finish();
    let place = format!("{}:{}", walk.file.name, lines.line(walk.node.head().start));
    Some(Exception { reason: reason?, condition: condition?, until: until?, place })
}

fn reason(exception: &Walk<'_>, reason: Option<Walk<'_>>) -> Option<String> {
    const WHY: &str =
        "say why the rule leaves these traces alone, and who decided: it is shown wherever one is left out";
    let Some(walk) = reason else {
        exception.fail_hint("the key `reason` is missing", WHY);
        return None;
    };
    match &walk.node.value {
        Value::Text(text) if text.trim().is_empty() => {
            walk.fail_hint("expected a reason, found an empty one", WHY);
            None
        }
        _ => walk.words().map(|text| text.trim().to_owned()),
    }
}

/// A day holds through its end in UTC.
fn until(walk: &Walk<'_>) -> Option<Timestamp> {
    let text = walk.words()?.trim();
    let day = || {
        let next =
            text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == "2027-03-31".len())?.tomorrow().ok()?;
        Some(next.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let found = text.parse::<Timestamp>().ok().or_else(day);
    if found.is_none() {
        walk.fail_hint(
            format!("`{text}` is not a day or a time"),
            "write `2027-03-31` for through the end of that day (UTC), or `2027-03-31T18:00:00Z`",
        );
    }
    found
}
