//! `--output sarif`: SARIF 2.1.0, which code scanning of git forges and editors read.
//!
//! Where the hint is one word to put in place of another, it goes along as a fix.

use serde_json::{Value, json};

use crate::document::{self, File, Level, Problem, Span};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The whole log: one run of one tool.
pub fn log(problems: &[Problem], files: &[File]) -> String {
    let codes: Vec<&(&str, &str)> = super::codes().collect();
    let rule = |(code, about): &&(&str, &str)| {
        // Codes of errors and of warnings are different ones.
        let error = document::CODES.iter().any(|(known, _)| known == code);
        json!({
            "id": code,
            "shortDescription": { "text": format!("{}{}.", about[..1].to_uppercase(), &about[1..]) },
            "help": { "text": if error { ERROR.to_owned() } else { warning(code) } },
            "defaultConfiguration": { "level": if error { "error" } else { "warning" } },
        })
    };
    let result = |problem: &Problem| {
        let index = codes.iter().position(|(code, _)| *code == problem.code.0);
        result(problem, index, files.iter().find(|file| file.name == problem.file))
    };
    let run = json!({
        "tool": { "driver": {
            "name": "tracebell",
            "version": env!("CARGO_PKG_VERSION"),
            "rules": codes.iter().map(rule).collect::<Vec<_>>(),
        } },
        "columnKind": "unicodeCodePoints",
        "results": problems.iter().map(result).collect::<Vec<_>>(),
    });
    format!("{:#}", json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] }))
}

const ERROR: &str =
    "The file is not loaded until this is mended. The message says what was found and what was expected.";

fn warning(code: &str) -> String {
    format!("The file loads all the same. If it is meant so, write `# allow: {code}` at the end of its line.")
}

fn result(problem: &Problem, index: Option<usize>, file: Option<&File>) -> Value {
    let level = match problem.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
    let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
    let location = |span: Span| {
        let mut place = json!({ "artifactLocation": { "uri": uri(&problem.file) } });
        if let Some(file) = file {
            place["region"] = region(file, span);
        }
        place
    };
    let mut result = json!({
        "ruleId": problem.code.0,
        "level": level,
        "message": { "text": format!("{path}{}{hint}", problem.text) },
        "locations": [ { "physicalLocation": location(problem.span) } ],
    });
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    if let Some((span, label)) = &problem.also {
        result["relatedLocations"] = json!([ { "physicalLocation": location(*span), "message": { "text": label } } ]);
    }
    if let (Some(file), Some(word)) = (file, replacement(problem)) {
        let source = file.text.get(problem.span.start..problem.span.end).unwrap_or_default();
        let quote =
            source.chars().next().filter(|first| ['"', '\''].contains(first)).map_or_else(String::new, String::from);
        let change = json!({
            "deletedRegion": region(file, problem.span),
            "insertedContent": { "text": format!("{quote}{word}{quote}") },
        });
        let change = json!({ "artifactLocation": { "uri": uri(&problem.file) }, "replacements": [change] });
        result["fixes"] =
            json!([ { "description": { "text": format!("write `{word}`") }, "artifactChanges": [change] } ]);
    }
    result
}

/// The word that a hint offers in place of the one that is marked.
fn replacement(problem: &Problem) -> Option<&str> {
    problem.hint.as_deref()?.strip_prefix("did you mean `")?.strip_suffix("`?")
}

/// From the first character to the one after the last, both counted from 1.
fn region(file: &File, span: Span) -> Value {
    let ((line, column), (end_line, end_column)) = (file.position(span.start), file.position(span.end.max(span.start)));
    json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
}

/// A path as a URI reference: relative ones stay relative to where the command ran.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.trim_start_matches("./").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            other => uri += &format!("%{other:02X}"),
        }
    }
    uri
}
