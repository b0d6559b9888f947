//! `--output json`: a list of problems, for editors and scripts.

use crate::document::{File, Level, Problem};

pub fn problems(problems: &[Problem], files: &[File]) -> Vec<serde_json::Value> {
    problems.iter().map(|problem| one(problem, files)).collect()
}

fn one(problem: &Problem, files: &[File]) -> serde_json::Value {
    let file = files.iter().find(|file| file.name == problem.file);
    let position = |byte: usize| file.map_or((1, 1), |file| file.position(byte));
    let ((line, column), (end_line, end_column)) = (position(problem.span.start), position(problem.span.end));
    let level = match problem.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    serde_json::json!({
        "level": level, "code": problem.code.0, "file": problem.file, "line": line, "column": column,
        "end_line": end_line, "end_column": end_column,
        "path": problem.path, "text": problem.text, "hint": problem.hint,
    })
}
