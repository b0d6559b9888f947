//! From rule files to a [`RuleSet`], or to every mistake in them.

use std::{collections::HashMap, rc::Rc};

use super::{
    Dedup, Mode, Rule, RuleSet, Template, case,
    compile::{self, Lists},
    lint,
};
use crate::{
    alert::Severity,
    document::{self, File, Level, Lines, Node, Problem, Problems, Span, Value, Walk, did_you_mean, inside},
    id, topic,
    trace::{Field, Rating},
};

use super::template;

/// Longest id, so that it fits a label and a column.
const ID_LIMIT: usize = 64;

/// Compiles all rules of all files and reports every problem. The set is usable
/// only if no problem is an error.
pub fn load(files: &[File]) -> (RuleSet, Vec<Problem>) {
    let problems = Problems::default();
    let mut trees: Vec<(&File, Node)> = Vec::new();
    for file in files {
        match document::parse(file) {
            Ok(tree) => trees.push((file, tree)),
            Err(found) => problems.extend(found),
        }
    }
    // Lists first: a rule may name a list of any file.
    let mut lists = Lists::default();
    let mut list_places: HashMap<&str, (&File, Span)> = HashMap::new();
    let mut rule_walks = Vec::new();
    for (file, tree) in &trees {
        let top = Walk::new(file, tree, &problems);
        if matches!(tree.value, Value::List(_)) {
            top.fail_hint("expected a map, found a list", "put the list below the key `rules:`");
            continue;
        }
        let Some(mut fields) = top.fields() else { continue };
        if let Some(walk) = fields.optional("lists") {
            for (name, key, at) in walk.entries().unwrap_or_default() {
                let items = at.list().unwrap_or_default();
                let values = items.iter().filter_map(compile::scalar).collect();
                if let Some((first, span)) = list_places.insert(name, (file, key.span)) {
                    let text = format!("the list `{name}` stands already in {}", place(first, span));
                    walk.report(Level::Error, key.span, text, Some("give one of the two another name".into()));
                }
                lists.lists.insert(name.to_owned(), values);
            }
        }
        let lines = Rc::new(Lines::of(file));
        rule_walks.extend(fields.list("rules").into_iter().map(|walk| (walk, lines.clone())));
        fields.later("overlays", "change the rule itself");
        fields.finish();
    }
    let mut set = RuleSet { rules: Vec::with_capacity(rule_walks.len()), generation: generation(files) };
    let mut id_places: HashMap<&str, (&File, Span)> = HashMap::new();
    for (walk, lines) in &rule_walks {
        if let Some((id, span)) = id_of(walk) {
            if let Some((first, at)) = id_places.get(id) {
                let text = format!("the rule `{id}` stands already in {}", place(first, *at));
                walk.report(Level::Error, span, text, Some("give one of the two another id".into()));
            } else {
                id_places.insert(id, (walk.file, span));
            }
        }
        set.rules.extend(rule(walk, &lists, lines));
    }
    (set, problems.into_vec())
}

fn id_of<'a>(walk: &Walk<'a>) -> Option<(&'a str, Span)> {
    let node = walk.node.get("id")?;
    match &node.value {
        Value::Text(id) => Some((id, node.span)),
        _ => None,
    }
}

fn place(file: &File, span: Span) -> String {
    format!("{}:{}", file.name, file.position(span.start).0)
}

fn generation(files: &[File]) -> String {
    let parts: Vec<&str> = files.iter().flat_map(|file| [file.name.as_str(), file.text.as_str()]).collect();
    hex::encode(&id::hash(&parts)[..6])
}

/// One rule; `None` after a report.
fn rule(walk: &Walk<'_>, lists: &Lists, lines: &Lines) -> Option<Rule> {
    // People know a rule by its id, not by its number in a file.
    let name = id_of(walk).map_or_else(|| walk.path.clone(), |(id, _)| id.to_owned());
    let walk = &Walk { path: name, ..walk.clone() };
    let mut fields = walk.fields()?;
    let id = fields.required("id").and_then(|walk| rule_id(&walk));
    let title = fields.required("title");
    let severity = fields.required("severity").and_then(|walk| read_severity(&walk));
    let why = fields.optional_text("why").map(|text| text.trim().to_owned());
    let runbook = fields.optional("runbook").and_then(|walk| link(&walk));
    let topics = fields.optional("topics").map(|walk| topics(&walk));
    let dedup = fields.optional("dedup").map(|walk| dedup(&walk));
    let mode = fields
        .optional("mode")
        .map(|walk| walk.one_of(&[("live", Mode::Live), ("shadow", Mode::Shadow), ("off", Mode::Off)]));
    let condition = fields.required("match").and_then(|walk| {
        lint::catalogue(&walk);
        compile::group(&walk, lists)
    });
    let cases: Vec<_> = fields.list("cases").iter().map(|walk| case::read(walk, lines)).collect();
    fields.later("when", "a rule looks at one trace at a time; fold repeats with `dedup`");
    fields.later("then", "write a second rule for the later trace");
    fields.later("except", "put the exception into `match`, as `not: {...}`");
    fields.later("overlay", "change the rule itself");
    fields.finish();

    let dedup = dedup.unwrap_or_else(|| Some(Dedup::default()))?;
    let keys: Vec<String> = dedup.by.iter().map(Field::name).collect();
    let title = title.and_then(|walk| self::title(&walk, &keys));
    Some(Rule {
        id: id?,
        title: title?,
        severity: severity?,
        why,
        runbook,
        topics: topics.unwrap_or_else(|| Some(vec![topic::DEFAULT.to_owned()]))?,
        mode: mode.unwrap_or(Some(Mode::Live))?,
        condition: condition?,
        exceptions: Vec::new(),
        when: None,
        then: None,
        dedup,
        noise_budget: None,
        cases: cases.into_iter().collect::<Option<_>>()?,
        place: format!("{}:{}", walk.file.name, lines.line(walk.node.head().start)),
    })
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
        walk.fail_hint(format!("expected {}, found `{word}`", document::walk::either(&words)), hint);
    }
    found
}

fn title(walk: &Walk<'_>, keys: &[String]) -> Option<Template> {
    let text = walk.words()?;
    match Template::parse(text, keys) {
        Ok(template) => Some(template),
        Err(flaw) => {
            let place = inside(walk.file, walk.node, flaw.range);
            walk.report(Level::Error, place, flaw.text, flaw.hint);
            None
        }
    }
}

fn link(walk: &Walk<'_>) -> Option<String> {
    let text = walk.words()?;
    if text.starts_with("https://") || text.starts_with("http://") {
        return Some(text.to_owned());
    }
    walk.fail_hint(format!("`{text}` is not a link"), "start it with `https://`, or put the words into `why`");
    None
}

fn topics(walk: &Walk<'_>) -> Option<Vec<String>> {
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

fn dedup(walk: &Walk<'_>) -> Option<Dedup> {
    let mut fields = walk.fields()?;
    let by = fields.optional("by").map(|walk| by(&walk));
    let window = fields.optional("for").map(|walk| walk.duration());
    fields.finish();
    let usual = Dedup::default();
    Some(Dedup { by: by.unwrap_or(Some(usual.by))?, window: window.unwrap_or(Some(usual.window))? })
}

/// Field names; an empty list folds everything the rule matches into one alert.
fn by(walk: &Walk<'_>) -> Option<Vec<Field>> {
    let items = match &walk.node.value {
        Value::Text(_) => vec![walk.clone()],
        _ => walk.list()?,
    };
    let field = |item: &Walk<'_>| {
        let name = item.words()?;
        let field = Field::parse(name);
        if field.is_none() {
            let hint = template::nearest_field(name).map(|near| format!("did you mean `{near}`?"));
            item.report(Level::Error, item.node.span, format!("`{name}` is not a field of a trace"), hint);
        }
        field
    };
    let fields: Vec<Option<Field>> = items.iter().map(field).collect();
    fields.into_iter().collect()
}
