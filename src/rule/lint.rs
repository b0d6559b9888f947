//! Warnings: what is legal but probably not meant.
//!
//! Reads the files a second time, by their places, and never refuses: a rule
//! that loads may ring, whatever is said here. What it says, it is sure of. A
//! finding that is meant so is answered in the file, on its line or the one
//! above: `# allow: unknown-operation`.

use crate::{
    clock::Timestamp,
    document::{self, Code, File, Level, Node, Problem, Problems, Span, Value, Walk},
};

mod catalogue;
mod demand;
mod except;
mod fold;
mod group;
mod list;
mod reach;
#[cfg(test)]
mod tests;
mod twin;
mod verdict;

use group::Group;

/// Every kind of finding and what it is about, for SARIF and the documents.
pub const CODES: &[(&str, &str)] = &[
    ("unknown-service", "a service that the catalogue does not list"),
    ("unknown-operation", "an operation that the catalogue does not list for that service"),
    ("raw-name", "CTS's own name for a field, where Tracebell has a shorter one"),
    ("rating-is-severity", "a severity where the cloud's rating is matched"),
    ("unknown-rating", "a rating that the cloud does not document"),
    ("failed-deletion", "`rating: warning` beside a deletion: only failed attempts match"),
    ("never-holds", "conditions of one group that no trace satisfies together"),
    ("always-holds", "a condition that every trace satisfies, or an exclusion of nothing"),
    ("unique-key", "folding by a field whose value never repeats"),
    ("wide-rule", "a rule that takes nearly every trace and does not say what belongs together"),
    ("title-names-nothing", "a title without a field"),
    ("duplicate-rule", "two rules that take the same traces into the same topic"),
    ("shadowed-rule", "a rule whose every trace rings another one too, as loudly, in the same topic"),
    ("expired-exception", "an exception whose time is over"),
    ("exception-takes-all", "an exception that leaves nothing of its rule"),
    ("idle-exception", "an exception that its rule never comes to"),
    ("unused-list", "a list that no condition names"),
];

/// Everything worth asking about in these files. Files that are no YAML are left to [`load`](super::load()).
pub fn lint(files: &[File], now: Timestamp) -> Vec<Problem> {
    let trees: Vec<(&File, Node)> = files.iter().filter_map(|file| Some((file, document::parse(file).ok()?))).collect();
    let problems = Problems::default();
    let tops: Vec<Walk<'_>> = trees.iter().map(|(file, tree)| Walk::new(file, tree, &problems)).collect();
    let rules: Vec<Walk<'_>> = tops.iter().flat_map(rules).collect();
    for at in &rules {
        rule(at, now);
    }
    let overlays: Vec<Walk<'_>> = tops.iter().flat_map(|top| items(top, "overlays")).collect();
    for at in &overlays {
        let of = |rule: &&Walk<'_>| {
            rule.node.get("id").is_some_and(|id| at.node.get("id").is_some_and(|own| own.value == id.value))
        };
        let group = rules.iter().find(of).and_then(|rule| child(rule, "match")).map(|at| Group::read(&at));
        items(at, "except").iter().for_each(|exception| except::look(exception, group.as_ref(), now));
    }
    twin::look(&rules, &overlays);
    list::look(&tops);
    let found = problems.into_vec();
    found.into_iter().filter(|problem| !is_allowed(problem, files)).collect()
}

/// True for a warning that its file answers: `# allow: CODE` at the end of the line, or on the line above.
pub fn is_allowed(problem: &Problem, files: &[File]) -> bool {
    let Some(file) = files.iter().find(|file| file.name == problem.file) else { return false };
    problem.level == Level::Warning && is_answered(problem, file)
}

/// The rules of a file, each under its id.
fn rules<'a>(top: &Walk<'a>) -> Vec<Walk<'a>> {
    let name = |at: Walk<'a>| match at.node.get("id").map(|id| &id.value) {
        Some(Value::Text(id)) => Walk { path: id.clone(), ..at },
        _ => at,
    };
    items(top, "rules").into_iter().map(name).collect()
}

fn rule(at: &Walk<'_>, now: Timestamp) {
    let group = child(at, "match").map(|at| Group::read(&at));
    if let Some(group) = &group {
        condition(group, "so this rule can never ring");
        fold::wide(at, group);
    }
    let absent = at.node.get("when").is_some_and(|when| when.get("absent").is_some());
    let off = at.node.get("mode").is_some_and(|mode| mode.value == Value::Text("off".into()));
    if let Some(title) = child(at, "title") {
        verdict::title(&title, !absent && !off);
    }
    if let Some(by) = child(at, "dedup").and_then(|dedup| child(&dedup, "by")) {
        fold::key(&by, "so nothing ever folds: each match is an alert of its own");
    }
    if let Some(when) = child(at, "when") {
        window(&when);
    }
    if let Some(then) = child(at, "then") {
        escalation(&then);
    }
    items(at, "except").iter().for_each(|exception| except::look(exception, group.as_ref(), now));
}

/// All that can be said of one condition by itself.
fn condition(group: &Group<'_>, so: &str) {
    catalogue::look(&group.at);
    verdict::look(group);
    reach::look(group, so);
}

fn window(when: &Walk<'_>) {
    let Some(entries) = map(when) else { return };
    for (_, inner) in entries {
        for fields in ["by", "same", "of"].iter().filter_map(|key| child(&inner, key)) {
            verdict::raw_fields(&fields);
        }
        for step in items(&inner, "steps") {
            condition(&Group::read(&step), "so the sequence never completes");
        }
    }
}

fn escalation(then: &Walk<'_>) {
    if let Some(at) = child(then, "match") {
        condition(&Group::read(&at), "so the alert never escalates");
    }
    if let Some(title) = child(then, "title") {
        verdict::title(&title, false);
    }
}

fn map<'a>(at: &Walk<'a>) -> Option<Vec<(&'a str, Walk<'a>)>> {
    let Value::Map(_) = at.node.value else { return None };
    Some(at.entries()?.into_iter().map(|(name, _, at)| (name, at)).collect())
}

fn child<'a>(at: &Walk<'a>, key: &str) -> Option<Walk<'a>> {
    at.node.get(key).map(|node| at.child(key, node))
}

/// The items of a list, if it is one.
fn items<'a>(at: &Walk<'a>, key: &str) -> Vec<Walk<'a>> {
    match child(at, key) {
        Some(at) if matches!(at.node.value, Value::List(_)) => at.list().unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn is_answered(problem: &Problem, file: &File) -> bool {
    let before = &file.text[..file.text.floor_char_boundary(problem.span.start)];
    let (line, _) = file.position(before.len());
    let lines = file.text.lines().skip(line.saturating_sub(2)).take(if line == 1 { 1 } else { 2 });
    let allows = |line: &str| {
        let codes = line.split_once("# allow:").map(|(_, codes)| codes)?;
        Some(codes.split([',', ' ']).any(|code| code == problem.code.0))
    };
    lines.enumerate().any(|(at, text)| {
        let above = line > 1 && at == 0;
        (!above || text.trim_start().starts_with('#')) && allows(text) == Some(true)
    })
}

/// One warning in the making.
struct Finding<'a, 'p> {
    code: Code,
    text: String,
    hint: Option<String>,
    at: Option<(&'p Walk<'a>, Span)>,
    also: Option<(Span, String)>,
}

impl<'a, 'p> Finding<'a, 'p> {
    fn new(code: &'static str, text: String) -> Self {
        debug_assert!(CODES.iter().any(|(known, _)| *known == code), "{code} is not listed");
        Self { code: Code(code), text, hint: None, at: None, also: None }
    }

    fn at(self, walk: &'p Walk<'a>, span: Span) -> Self {
        Self { at: Some((walk, span)), ..self }
    }

    /// A second place, drawn if it is in the same file.
    fn also(self, other: &Walk<'_>, label: &str) -> Self {
        let here = self.at.is_some_and(|(walk, _)| walk.file.name == other.file.name);
        Self { also: here.then(|| (other.node.head(), label.to_owned())), ..self }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn warn(self) {
        let Some((walk, span)) = self.at else { return };
        walk.problems.push(Problem {
            level: Level::Warning,
            code: self.code,
            file: walk.file.name.clone(),
            span,
            path: walk.path.clone(),
            text: self.text,
            hint: self.hint,
            also: self.also.filter(|(also, _)| *also != span),
        });
    }
}
