//! Reads one item of `cases`.

use std::{sync::Arc, time::Duration};

use super::{Case, Example, Expected, Story, Told};
use crate::{
    alert::Key,
    clock,
    document::{Fields, Level, Lines, Value, Walk},
    ring::Change,
    rule::{compile, load, sample},
    trace::{Field, Trace, field::NAMES},
};

/// More traces than this make a benchmark, not an example.
const TRACE_LIMIT: usize = 10_000;

/// Longest value that becomes part of a case's name.
const APART_LIMIT: usize = 40;

const KEYS: [&str; 9] = ["fires", "silent", "traces", "name", "title", "severity", "key", "until", "alerts"];

/// One case, or one for each trace that its lists stand for; `None` after a report.
pub fn read(walk: &Walk<'_>, lines: &Lines) -> Option<Vec<Case>> {
    let mut fields = walk.fields()?;
    let (fires, silent, traces) = (fields.optional("fires"), fields.optional("silent"), fields.optional("traces"));
    let name = fields.optional_text("name").map(str::to_owned);
    // A slip of the pen is told as an unknown key.
    let slip = walk.entries()?.iter().any(|(name, _, _)| !KEYS.contains(name));
    let line = lines.line(walk.node.head().start);
    let examples = match (fires, silent, traces) {
        (Some(sample), None, None) => {
            let told = told(&mut fields);
            let traces = sample::read_each(&sample);
            fields.finish();
            let told = told?;
            named(traces?).map(|(usual, trace)| (usual, Example::Fires(Arc::new(trace), told.clone()))).collect()
        }
        (None, Some(sample), None) => {
            let told = told(&mut fields);
            let traces = sample::read_each(&sample);
            fields.finish();
            if told? != Told::default() {
                walk.fail_hint("a silent case has no title, severity or key", "did you mean `fires`?");
                return None;
            }
            named(traces?).map(|(usual, trace)| (usual, Example::Silent(Arc::new(trace)))).collect()
        }
        (None, None, Some(traces)) => {
            let story = story(&mut fields, &traces);
            fields.finish();
            let story = story?;
            let count = story.traces.len();
            vec![(format!("{count} trace{}", if count == 1 { "" } else { "s" }), Example::Story(story))]
        }
        (None, None, None) if slip => {
            fields.finish();
            return None;
        }
        _ => {
            wrong_kind(walk);
            return None;
        }
    };
    let case = |(usual, example)| Case { name: name.clone().unwrap_or(usual), line, example };
    Some(examples.into_iter().map(case).collect())
}

fn wrong_kind(walk: &Walk<'_>) {
    walk.fail_hint(
        "a case holds one of `fires`, `silent` and `traces`",
        "write `- fires: { service: ..., operation: ... }`",
    );
}

fn in_words(trace: &Trace) -> String {
    let words = [trace.service.as_str(), &trace.operation, trace.rating.as_str()];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Each trace with its name: what tells it from the others of the same case is part of it.
fn named(traces: Vec<Trace>) -> impl Iterator<Item = (String, Trace)> {
    let told = [Field::Service, Field::Operation, Field::Rating, Field::Outcome, Field::Action];
    let derived = [Field::SourceNetwork, Field::TimeHour, Field::TimeWeekday, Field::ActorKind, Field::RecordTime];
    let apart = |field: &Field| traces.iter().any(|trace| trace.get(field) != traces[0].get(field));
    let fields = NAMES.iter().map(|(_, field)| field.clone()).chain([Field::Request(Vec::new())]);
    let fields: Vec<Field> =
        fields.filter(|field| !told.contains(field) && !derived.contains(field) && apart(field)).collect();
    traces.into_iter().map(move |trace| {
        let own = |field: &Field| {
            let value = trace.get(field).unwrap_or("nothing".into());
            let cut = value.floor_char_boundary(APART_LIMIT);
            if cut < value.len() { format!(" {}...", &value[..cut]) } else { format!(" {value}") }
        };
        let name = in_words(&trace) + &fields.iter().map(own).collect::<String>();
        (name, trace)
    })
}

fn told(fields: &mut Fields<'_>) -> Option<Told> {
    let title = fields.optional("title").map(|walk| walk.words().map(str::to_owned));
    let severity = fields.optional("severity").map(|walk| load::read_severity(&walk));
    let key = fields.optional("key").map(|walk| key(&walk));
    Some(Told {
        title: title.map_or(Some(None), |title| title.map(Some))?,
        severity: severity.map_or(Some(None), |severity| severity.map(Some))?,
        key: key.unwrap_or_else(|| Some(Key::default()))?,
    })
}

fn key(walk: &Walk<'_>) -> Option<Key> {
    let entry = |(name, node, at): (&str, &crate::document::Node, Walk<'_>)| {
        let Some(field) = Field::parse(name) else {
            let hint = crate::rule::template::nearest_field(name).map(|near| format!("did you mean `{near}`?"));
            walk.report(Level::Error, node.span, format!("`{name}` is not a field of a trace"), hint);
            return None;
        };
        Some((field.name(), compile::scalar(&at)?))
    };
    let entries: Vec<_> = walk.entries()?.into_iter().map(entry).collect();
    entries.into_iter().collect()
}

fn story(fields: &mut Fields<'_>, traces: &Walk<'_>) -> Option<Story> {
    let until = fields.optional("until").map(|walk| walk.duration());
    let alerts = alerts(fields);
    let items = traces.list()?;
    if items.is_empty() {
        traces.fail_hint("a story without a trace", "write `- { service: ..., operation: ... }` below `traces`");
        return None;
    }
    let mut told = Vec::new();
    let mut whole = true;
    // A trace without a time of its own comes right after the one before it.
    let mut next = Duration::ZERO;
    for item in &items {
        let Some((trace, pace)) = timed(item, next) else {
            whole = false;
            continue;
        };
        if told.len() + pace.repeat > TRACE_LIMIT {
            item.fail(format!("more than {TRACE_LIMIT} traces in one case"));
            return None;
        }
        for turn in 0..pace.repeat {
            let offset = pace.at + pace.every * u32::try_from(turn).unwrap_or(u32::MAX);
            let time = clock::plus(sample::START, offset);
            told.push(Trace { id: format!("case-{:05}", told.len() + 1), time, record_time: time, ..trace.clone() });
            next = offset + Duration::from_secs(1);
        }
    }
    told.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let (until, alerts) = (until.map_or(Some(None), |until| until.map(Some)), alerts?);
    whole.then_some(Story { traces: told.into_iter().map(Arc::new).collect(), until: until?, alerts })
}

/// When a trace happens, and how often.
struct Pace {
    at: Duration,
    every: Duration,
    repeat: usize,
}

fn timed(walk: &Walk<'_>, next: Duration) -> Option<(Trace, Pace)> {
    let mut fields = walk.fields()?;
    let at = fields.optional("at").map_or(Some(next), |walk| offset(&walk));
    let every = fields.optional("every").map(|walk| walk.duration());
    let repeat = fields.optional("repeat").map_or(Some(1), |walk| walk.whole(1, 1_000));
    if let (Some(span), None) = (fields.entry("every"), fields.entry("repeat")) {
        let hint = "say how many: `every: 1m, repeat: 8`";
        walk.report(Level::Error, span, "`every` without `repeat`".into(), Some(hint.into()));
    }
    let trace = sample::read_but(walk, &["at", "every", "repeat"]);
    if let Some(span) = fields.entry("time") {
        let hint = "the times of a story are counted from its start: `at: 5m`";
        walk.report(Level::Error, span, "a trace of a story has no `time`".into(), Some(hint.into()));
        return None;
    }
    let every = every.unwrap_or(Some(Duration::from_secs(1)));
    let repeat = usize::try_from(repeat?).expect("a small number");
    Some((trace?, Pace { at: at?, every: every?, repeat }))
}

/// A duration after the start, `0s` and `0` included.
fn offset(walk: &Walk<'_>) -> Option<Duration> {
    match &walk.node.value {
        Value::Int(0) => Some(Duration::ZERO),
        Value::Text(text) if matches!(text.as_str(), "0s" | "0m" | "0h") => Some(Duration::ZERO),
        _ => walk.duration(),
    }
}

fn alerts(fields: &mut Fields<'_>) -> Option<Vec<Expected>> {
    let missing = fields.entry("alerts").is_none();
    let Some(walk) = fields.optional("alerts") else {
        if missing {
            fields
                .walk
                .fail_hint("the key `alerts` is missing", "list what should ring, or write `alerts: []` for nothing");
        } else {
            fields
                .walk
                .fail_hint("expected a list of alerts, found nothing", "write `alerts: []` if nothing should ring");
        }
        return None;
    };
    let alerts: Vec<_> = walk.list()?.iter().map(expected).collect();
    let alerts: Vec<Expected> = alerts.into_iter().collect::<Option<_>>()?;
    if alerts.first().is_some_and(|first| first.change != Change::Opened) {
        walk.fail_hint("the first alert updates none", "the alert it updates stands before it");
        return None;
    }
    Some(alerts)
}

fn expected(walk: &Walk<'_>) -> Option<Expected> {
    let mut fields = walk.fields()?;
    let at = fields.optional("at").map(|walk| offset(&walk));
    let change = fields.optional("update").map_or(Some(Change::Opened), |walk| {
        walk.one_of(&[("escalated", Change::Escalated), ("updated", Change::Updated), ("repeat", Change::Repeat)])
    });
    let count = fields.optional("count").map(|walk| walk.whole(1, 1_000_000));
    let told = told(&mut fields);
    fields.finish();
    Some(Expected {
        at: at.map_or(Some(None), |at| at.map(Some))?,
        change: change?,
        count: count.map_or(Some(None), |count| count.map(Some))?.map(i64::unsigned_abs),
        told: told?,
    })
}
