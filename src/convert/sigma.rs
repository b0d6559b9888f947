//! Sigma files into rules: one document after the other, then what correlates several of them.
//!
//! It reads what Sigma's specification says about rules for cloud audit logs; everything else is refused
//! with the reason. Selections and conditions have rooms of their own.

use std::collections::{HashMap, HashSet};

use super::{
    Converted, Draft, Verdict, When,
    condition::{self, Aggregation},
    fields,
    operations::{self, Cloud},
    sample::samples,
    selection::{self, Selection},
    settle, slug,
    term::{Effect, Notes, Term},
};
use crate::{
    alert::Severity,
    document::{self, File, Lines, Node, Value},
};

mod correlation;

/// What a document of a Sigma file says before its detection is read.
struct Head {
    title: String,
    id: Option<String>,
    name: Option<String>,
    place: String,
}

/// A rule read, before its ids and cases are settled.
struct Read {
    head: Head,
    outcome: Result<Body, Vec<String>>,
}

struct Body {
    term: Term,
    when: Option<When>,
    notes: Notes,
    cloud: Cloud,
    draft: Draft,
}

/// Converts every rule of every file, in order. A rule that only serves a correlation is told with it.
pub fn sigma(files: &[File]) -> Vec<Converted> {
    let mut rules: Vec<Read> = Vec::new();
    let mut correlations = Vec::new();
    for file in files {
        for document in documents(file) {
            match document::parse(&document) {
                Ok(tree) if tree.get("correlation").is_some() => correlations.push((document, tree)),
                Ok(tree) => rules.push(rule(&document, &tree)),
                Err(problems) => {
                    let reasons = problems.iter().map(|p| format!("line {}: {}", p.place(file).0, p.text)).collect();
                    let head = Head { title: file.name.clone(), id: None, name: None, place: file.name.clone() };
                    rules.push(Read { head, outcome: Err(reasons) });
                }
            }
        }
    }
    let mut used = HashSet::new();
    let correlated: Vec<Read> =
        correlations.iter().map(|(file, tree)| correlation::read(file, tree, &rules, &mut used)).collect();
    let own = rules.into_iter().enumerate().filter(|(index, _)| !used.contains(index)).map(|(_, read)| read);
    let mut converted: Vec<Converted> = own.chain(correlated).map(finish).collect();
    settle(&mut converted);
    converted
}

/// The documents of a file, each with everything around it blanked, so that places stay true.
fn documents(file: &File) -> Vec<File> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in file.text.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "---" {
            starts.push(at);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([file.text.len()]);
    let document = |(start, end): (usize, usize)| {
        let blank: String = file.text[..start].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        let body = file.text[start..end].trim_end();
        let body = body.strip_suffix("\n---").unwrap_or(if body == "---" { "" } else { body });
        File { name: file.name.clone(), text: format!("{blank}{body}\n") }
    };
    let written = |file: &File| file.text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
    starts.iter().copied().zip(ends).map(document).filter(written).collect()
}

fn finish(read: Read) -> Converted {
    let Head { title, place, .. } = read.head;
    let body = match read.outcome {
        Err(reasons) => return Converted::refused(title, place, reasons),
        Ok(body) => body,
    };
    let Body { term, when, notes, mut draft, .. } = body;
    // Counting to one is ringing for each.
    let single = |when: &When| matches!(when, When::Count { at_least: 1, .. } | When::Distinct { at_least: 1, .. });
    let when = when.filter(|when| !single(when));
    let (fires, silent) = samples(&term);
    let told = notes.told();
    let verdict = if told.is_empty() { Verdict::Carried } else { Verdict::Partly };
    if verdict == Verdict::Partly {
        draft.mode = Some("shadow");
        draft.comments.push("Carried over in part, so it is a shadow until somebody has read it:".into());
        draft.comments.extend(told.iter().map(|note| format!("  * {note}")));
    }
    Converted {
        title,
        place,
        verdict,
        notes: told,
        draft: Some(Draft { condition: term, when, fires, silent, ..draft }),
    }
}

fn rule(file: &File, tree: &Node) -> Read {
    let head = head(file, tree);
    let outcome = body(file, tree, &head);
    Read { head, outcome }
}

fn head(file: &File, tree: &Node) -> Head {
    let line = Lines::of(file).line(tree.head().start);
    // It becomes a title and an id of ours: letters that steer a terminal stay behind.
    let title = text(tree, "title").unwrap_or(&file.name).trim().replace(char::is_control, "");
    let place = format!("{}:{line}", file.name);
    Head { title, id: text(tree, "id").map(str::to_owned), name: text(tree, "name").map(str::to_owned), place }
}

fn body(file: &File, tree: &Node, head: &Head) -> Result<Body, Vec<String>> {
    let one = |reason: String| vec![reason];
    if let Some(status @ ("deprecated" | "unsupported")) = text(tree, "status") {
        return Err(one(format!("its author marks it as {status}")));
    }
    let cloud = logsource(tree).map_err(one)?;
    let lines = Lines::of(file);
    let Some(Value::Map(entries)) = tree.get("detection").map(|node| &node.value) else {
        return Err(one("it has no `detection`".into()));
    };
    let mut selections: HashMap<String, Result<Selection, String>> = HashMap::new();
    let mut names = Vec::new();
    for (key, value) in entries {
        let Value::Text(name) = &key.value else { continue };
        if name != "condition" && name != "timeframe" {
            selections.insert(name.clone(), selection::read(value, &lines));
            names.push(name.clone());
        }
    }
    let conditions: Vec<&str> =
        match tree.get("detection").and_then(|node| node.get("condition")).map(|node| &node.value) {
            Some(Value::Text(text)) => vec![text],
            Some(Value::List(items)) => items
                .iter()
                .filter_map(|item| if let Value::Text(text) = &item.value { Some(text.as_str()) } else { None })
                .collect(),
            _ => return Err(one("it has no `condition`".into())),
        };
    let mut notes = Notes::default();
    let (mut parts, mut aggregation) = (Vec::new(), None);
    for text in &conditions {
        let (expression, found) = condition::parse(text).map_err(one)?;
        let mut read = |name: &str, negated: bool| {
            notes.negated = negated;
            match &selections[name] {
                Ok(selection) => fields::selection(cloud, selection, &mut notes),
                Err(reason) => notes.lost(reason.clone()),
            }
        };
        parts.push(expression.resolve(&names, false, &mut read).map_err(one)?);
        aggregation = aggregation.or(found);
    }
    if aggregation.is_some() && parts.len() > 1 {
        return Err(one("several conditions, one of them with an aggregation".into()));
    }
    let mut term = Term::any(parts);
    if text_of(tree, "logsource", "service") == Some("signinlogs") {
        term = Term::all(vec![operations::logins(), term]);
    }
    let term = left(term, &notes)?;
    let timeframe = text_of(tree, "detection", "timeframe");
    let when = aggregation.map(|found| window(cloud, found, timeframe)).transpose().map_err(one)?;
    let draft = draft(tree, head, &mut notes);
    Ok(Body { term, when, notes, cloud, draft })
}

/// The condition, if something is left of it that a trace can meet and not all do.
fn left(term: Term, notes: &Notes) -> Result<Term, Vec<String>> {
    if term.is_never() {
        let mut reasons = notes.reasons();
        if reasons.is_empty() {
            reasons.push("its conditions exclude each other".into());
        }
        return Err(reasons);
    }
    if matches!(term, Term::Not(_)) || term.is_always() {
        let mut reasons = vec!["only a filter is left of it, which would match nearly every trace".to_owned()];
        reasons.extend(notes.notes.iter().filter(|note| note.effect == Effect::Wider).map(|note| note.text.clone()));
        return Err(reasons);
    }
    Ok(term)
}

fn logsource(tree: &Node) -> Result<Cloud, String> {
    let [product, service, category] = ["product", "service", "category"].map(|key| text_of(tree, "logsource", key));
    match (product, service, category) {
        (Some("aws"), Some("cloudtrail") | None, None) => Ok(Cloud::Aws),
        (Some("azure"), Some("activitylogs" | "auditlogs" | "signinlogs" | "azureactivity"), None) => Ok(Cloud::Azure),
        (Some("gcp"), Some("gcp.audit") | None, None) => Ok(Cloud::Gcp),
        found => {
            let words = [found.0, found.1, found.2].into_iter().flatten().collect::<Vec<_>>().join(", ");
            let words = if words.is_empty() { "none".to_owned() } else { format!("`{words}`") };
            let known = "aws cloudtrail, azure activitylogs, auditlogs and signinlogs, and gcp.audit";
            Err(format!("the log source is {words}; carried over are {known}"))
        }
    }
}

fn window(cloud: Cloud, found: Aggregation, timeframe: Option<&str>) -> Result<When, String> {
    let within = duration(timeframe.ok_or("an aggregation without a `timeframe`")?)?;
    let at_least = found.at_least;
    let by = fields_of(cloud, &found.by)?;
    Ok(match found.of {
        None => When::Count { at_least, within, by },
        Some(of) => {
            let of = fields_of(cloud, &[of])?.remove(0);
            When::Distinct { of, at_least, within, by }
        }
    })
}

fn fields_of(cloud: Cloud, names: &[String]) -> Result<Vec<String>, String> {
    let field = |name: &String| {
        let found = fields::group_by(cloud, name).map(|field| field.name());
        found.ok_or_else(|| format!("it counts by `{name}`, of which a trace has no counterpart"))
    };
    names.iter().map(field).collect()
}

/// `15m` and `1d` are the same in both languages; months are not known here.
fn duration(text: &str) -> Result<String, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if number.parse::<u32>().is_ok_and(|number| number > 0) && ["s", "m", "h", "d"].contains(&unit) {
        return Ok(text.to_owned());
    }
    Err(format!("the stretch of time `{text}` is not carried over: it takes a number and s, m, h or d"))
}

fn draft(tree: &Node, head: &Head, notes: &mut Notes) -> Draft {
    let severity = match text(tree, "level") {
        Some("informational") => Severity::Info,
        Some(word) => Severity::parse(word).unwrap_or(Severity::Medium),
        None => Severity::Medium,
    };
    notes.negated = false;
    let of = |key: &str| texts(tree, key).join(", ");
    let mut comments = vec![format!(
        "From the Sigma rule `{}`{}",
        head.title,
        head.id.as_ref().map(|id| format!(", {id}")).unwrap_or_default()
    )];
    let author = of("author");
    comments.push(match (author.is_empty(), text(tree, "license")) {
        (false, Some(license)) => format!("by {author}; licence: {license}"),
        (false, None) => format!("by {author}; keep the name, as Sigma's licence asks"),
        (true, Some(license)) => format!("licence: {license}"),
        (true, None) => "its author is not named".into(),
    });
    for (key, words) in [("falsepositives", "May ring for nothing: "), ("tags", "Tags: ")] {
        let found = of(key);
        if !found.is_empty() {
            comments.push(format!("{words}{}", found.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    // Braces would be a template.
    let title = head.title.replace(['{', '}'], "");
    Draft {
        id: slug(&head.title),
        title: format!("{title}: {{{{ operation }}}} by {{{{ actor.name or 'someone' }}}}"),
        severity,
        why: text(tree, "description")
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|t| !t.is_empty()),
        runbook: texts(tree, "references").into_iter().find(|link| link.starts_with("https://")).map(str::to_owned),
        topics: Vec::new(),
        mode: None,
        condition: Term::never(),
        when: None,
        comments,
        fires: Vec::new(),
        silent: Vec::new(),
    }
}

fn text<'a>(tree: &'a Node, key: &str) -> Option<&'a str> {
    match &tree.get(key)?.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn text_of<'a>(tree: &'a Node, group: &str, key: &str) -> Option<&'a str> {
    text(tree.get(group)?, key)
}

/// A text, or the texts of a list.
fn texts<'a>(tree: &'a Node, key: &str) -> Vec<&'a str> {
    match tree.get(key).map(|node| &node.value) {
        Some(Value::Text(text)) => vec![text],
        Some(Value::List(items)) => items
            .iter()
            .filter_map(|item| if let Value::Text(text) = &item.value { Some(text.as_str()) } else { None })
            .collect(),
        _ => Vec::new(),
    }
}
