//! One rule of a file.

use super::{basis, dedup, except, then, when};
use crate::{
    alert::Severity,
    document::{Level, Lines, Span, Value, Walk, did_you_mean, inside, walk::either},
    rule::{
        Condition, Dedup, Mode, Rule, Template, When, case,
        compile::{self, Lists},
    },
    topic,
    trace::{Field, Rating},
};

/// Longest id, so that it fits a label and a column.
const ID_LIMIT: usize = 64;

/// What a person reads on a phone; more belongs on a page.
const RUNBOOK_LIMIT: usize = 600;

/// More alerts a day than this is no budget.
const NOISE_LIMIT: i64 = 1_000_000;

/// One rule; `None` after a report.
pub fn read(walk: &Walk<'_>, lists: &Lists, lines: &Lines) -> Option<Rule> {
    // People know a rule by its id, not by its number in a file.
    let name = id_of(walk).map_or_else(|| walk.path.clone(), |(id, _)| id.to_owned());
    let walk = &Walk { path: name, ..walk.clone() };
    let mut fields = walk.fields()?;
    let id = fields.required("id").and_then(|walk| rule_id(&walk));
    let title = fields.required("title");
    let severity = fields.required("severity").and_then(|walk| read_severity(&walk));
    let why = fields.optional_text("why").map(|text| text.trim().to_owned());
    let runbook = fields.optional("runbook").and_then(|walk| runbook(&walk));
    let topics = fields.optional("topics").map(|walk| topics(&walk));
    let dedup = fields.optional("dedup");
    let mode = fields.optional("mode").map(|walk| mode(&walk));
    let when = fields.optional("when").map(|walk| when::read(&walk, lists));
    let condition = match &when {
        // What a sequence waits for stands in its steps; a bad `when` may have meant one.
        Some(None | Some(When::Sequence { .. })) => {
            fields.optional("match").map_or(Some(Condition::All(Vec::new())), |walk| condition(&walk, lists))
        }
        _ => fields.required("match").and_then(|walk| condition(&walk, lists)),
    };
    let exceptions: Vec<_> = fields.list("except").iter().map(|walk| except::read(walk, lists, lines)).collect();
    let then = fields.optional("then");
    let noise_budget = fields.optional("noise_budget").map(|walk| noise_budget(&walk));
    let cases: Vec<_> = fields.list("cases").iter().map(|walk| case::read(walk, lines)).collect();
    fields.finish();

    let when = when.map_or(Some(None), |when| when.map(Some));
    let usual = when.as_ref().map(|when| dedup::usual(when.as_ref()));
    let dedup = dedup.map_or_else(|| usual.clone(), |walk| dedup::read(&walk, usual.clone()));
    let then = then.map_or(Some(None), |walk| {
        let when = when.as_ref().and_then(Option::as_ref);
        then::read(&walk, lists, severity, when, dedup.as_ref()).map(Some)
    });
    // Without a good `when` and `dedup` nobody knows the key that a title speaks of.
    let dedup = dedup?;
    let title = title.and_then(|walk| self::title(&walk, &dedup));
    let when = when?;
    Some(Rule {
        basis: basis::of(walk, when.as_ref(), &dedup),
        id: id?,
        title: title?,
        severity: severity?,
        why,
        runbook,
        topics: topics.unwrap_or_else(|| Some(vec![topic::DEFAULT.to_owned()]))?,
        mode: mode.unwrap_or(Some(Mode::Live))?,
        condition: condition?,
        exceptions: exceptions.into_iter().collect::<Option<_>>()?,
        when,
        then: then?,
        dedup,
        noise_budget: noise_budget.map_or(Some(None), |budget| budget.map(Some))?,
        cases: cases.into_iter().collect::<Option<Vec<_>>>()?.concat(),
        place: format!("{}:{}", walk.file.name, lines.line(walk.node.head().start)),
    })
}

pub fn id_of<'a>(walk: &Walk<'a>) -> Option<(&'a str, Span)> {
    let node = walk.node.get("id")?;
    match &node.value {
        Value::Text(id) => Some((id, node.span)),
        _ => None,
    }
}

/// A `match`; what is odd about it is [`lint`](crate::rule::lint())'s business.
pub fn condition(walk: &Walk<'_>, lists: &Lists) -> Option<Condition> {
    compile::group(walk, lists)
}

fn rule_id(walk: &Walk<'_>) -> Option<String> {
    let id = walk.words()?;
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if id.len() <= ID_LIMIT && id.split('-').all(word) {
        return Some(id.to_owned());
    }
    let hint = format!("use lower-case words and digits joined by hyphens, at most {ID_LIMIT} characters");
    walk.fail_hint(format!("`{id}` is not an id"), hint);
    None
}

/// Reads a severity and tells it from the cloud's rating.
pub fn read_severity(walk: &Walk<'_>) -> Option<Severity> {
    let word = walk.text()?;
    let found = Severity::parse(word);
    if found.is_none() {
        let words = Severity::ALL.map(Severity::as_str);
        let hint = match (Rating::parse(word), did_you_mean(word, words)) {
            (Rating::Other(_), Some(near)) => format!("did you mean `{near}`?"),
            (Rating::Other(_), None) => "severity is how bad you judge it".to_owned(),
            _ => format!(
                "`{word}` is a rating, the cloud's word: match it with `rating: {word}`; severity is how bad you judge it"
            ),
        };
        walk.fail_hint(format!("expected {}, found `{word}`", either(&words)), hint);
    }
    found
}

pub fn title(walk: &Walk<'_>, dedup: &Dedup) -> Option<Template> {
    let text = walk.words()?;
    let keys: Vec<String> = dedup.by.iter().map(Field::name).collect();
    match Template::parse(text, &keys) {
        Ok(template) => Some(template),
        Err(flaw) => {
            let place = inside(walk.file, walk.node, flaw.range);
            walk.report(Level::Error, place, flaw.text, flaw.hint);
            None
        }
    }
}

pub fn mode(walk: &Walk<'_>) -> Option<Mode> {
    walk.one_of(&[("live", Mode::Live), ("shadow", Mode::Shadow), ("off", Mode::Off)])
}

pub fn noise_budget(walk: &Walk<'_>) -> Option<u64> {
    walk.whole(1, NOISE_LIMIT).map(i64::unsigned_abs)
}

/// A link, or in a few words what to do.
fn runbook(walk: &Walk<'_>) -> Option<String> {
    let text = walk.words()?.trim();
    if text.chars().count() <= RUNBOOK_LIMIT {
        return Some(text.to_owned());
    }
    let found = format!("expected at most {RUNBOOK_LIMIT} characters, found {}", text.chars().count());
    walk.fail_hint(found, "put the rest on a page and name it here: `https://...`");
    None
}

pub fn topics(walk: &Walk<'_>) -> Option<Vec<String>> {
    let names = match &walk.node.value {
        Value::Text(_) => vec![walk.words().map(str::to_owned)],
        _ => walk.list()?.iter().map(|item| item.words().map(str::to_owned)).collect(),
    };
    if names.is_empty() {
        walk.fail_hint("an empty list of topics: nobody would hear of it", "leave `topics` out, or use `mode: shadow`");
        return None;
    }
    names.into_iter().collect()
}
