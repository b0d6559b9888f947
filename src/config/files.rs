//! Reading the files themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Open;
use crate::{
    document::{Code, File, Level, Problem, Span, decode_bytes},
    id,
};

/// No configuration or rule file is larger.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Reads one text file, or says in words why not.
pub fn read(path: &Path, open: &Open<'_>) -> Result<File, Problem> {
    let name = path.display().to_string();
    if let Some(text) = open(path) {
        return Ok(File { name, text });
    }
    let trouble = |text: String, hint: &str| Problem {
        level: Level::Error,
        file: name.clone(),
        span: Span::default(),
        path: String::new(),
        text,
        hint: Some(hint.to_owned()),
        code: Code("unreadable-file"),
        ..Problem::default()
    };
    let meta = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            trouble("this file does not exist".into(), "`tracebell init` writes a first one; `--config` names another")
        }
        _ => trouble(format!("cannot read this file: {error}"), "check its permissions"),
    })?;
    // A FIFO would block for ever, /dev/zero would never end.
    if !meta.is_file() {
        return Err(trouble("expected a file, found something else".into(), "name a plain file"));
    }
    if meta.len() > LARGEST {
        return Err(trouble(format!("the file has {} bytes, expected at most {LARGEST}", meta.len()), "split it"));
    }
    let bytes = fs::read(path).map_err(|error| trouble(format!("cannot read this file: {error}"), "try again"))?;
    decode_bytes(&name, &bytes)
}

/// Rule files at and below these paths (`.yaml`, `.yml`), sorted, with their texts.
pub fn rule_files(paths: &[PathBuf]) -> (Vec<File>, Vec<Problem>) {
    rule_files_open(paths, &|_| None)
}

/// The same with some texts given.
pub fn rule_files_open(paths: &[PathBuf], open: &Open<'_>) -> (Vec<File>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let found = match fs::read_dir(path) {
            Ok(entries) => {
                let mut found: Vec<PathBuf> = entries
                    .filter_map(Result::ok)
                    .map(|entry| entry.path())
                    .filter(|path| is_rule_file(path))
                    .collect();
                found.sort();
                found
            }
            Err(_) => vec![path.clone()],
        };
        for path in found {
            match read(&path, open) {
                Ok(file) => files.push(file),
                Err(mut problem) => {
                    if problem.text.contains("does not exist") {
                        problem.hint = Some("`rules` names it; `tracebell init` writes the shipped rules".to_owned());
                    }
                    problems.push(problem);
                }
            }
        }
    }
    (files, problems)
}

/// A hash over the configuration and the rule files, to see that one changed.
pub fn digest(config: &Path, rules: &[PathBuf]) -> String {
    let text = fs::read(config).unwrap_or_default();
    let (files, problems) = rule_files(rules);
    let mut parts = vec![String::from_utf8_lossy(&text).into_owned()];
    parts.extend(files.into_iter().flat_map(|file| [file.name, file.text]));
    parts.extend(problems.into_iter().flat_map(|problem| [problem.file, problem.text]));
    id::derive(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn is_rule_file(path: &Path) -> bool {
    let named = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    named && !hidden && path.is_file()
}
