//! What `tracebell check` would say, where it stands, and the slip of the pen mended.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, Diagnostic, DiagnosticSeverity, NumberOrString, Range, TextEdit,
    Uri, WorkspaceEdit,
};

use super::{
    Checked, Server, position,
    workspace::{Document, Kind, name},
};
use crate::{
    clock,
    document::{Level, Problem},
    rule,
};

/// Every problem in one open text, found together with the files around it. What a configuration gave is kept in
/// `checked` for the next text.
pub fn find(
    server: &Server,
    uri: &str,
    document: &Document,
    kind: Kind,
    checked: &mut BTreeMap<PathBuf, Checked>,
) -> Vec<Problem> {
    let config = document.path.as_ref().and_then(|path| match kind {
        Kind::Config => Some(path.clone()),
        Kind::Rules => server.workspace.config(path),
    });
    let own = name(uri, document);
    // A path may be written in two ways: `rules/a.yaml`, `./rules/a.yaml`.
    let is_own = |name: &str| Path::new(name) == Path::new(&own);
    if let Some(config) = config {
        let open = |path: &Path| server.workspace.text(path);
        let found = checked.entry(config.clone()).or_insert_with(|| (server.settings.check)(&config, &open));
        if found.files.iter().any(|file| is_own(&file.name)) {
            return found.problems.iter().filter(|problem| is_own(&problem.file)).cloned().collect();
        }
    }
    // A rule file that no configuration names is read with its neighbours.
    let mut problems = Vec::new();
    if kind == Kind::Rules {
        let files = server.workspace.beside(uri, document);
        problems = rule::load(&files).1;
        problems.extend(rule::lint(&files, clock::now()));
    }
    problems.retain(|problem| is_own(&problem.file));
    problems
}

pub fn shown(problem: &Problem, text: &str) -> Diagnostic {
    let hint = problem.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    let severity = match problem.level {
        // Where Tracebell runs the secret may be there; on the author's machine it need not.
        _ if of_the_machine(problem) => DiagnosticSeverity::INFORMATION,
        Level::Error => DiagnosticSeverity::ERROR,
        Level::Warning => DiagnosticSeverity::WARNING,
    };
    Diagnostic {
        range: position::range(text, problem.span),
        severity: Some(severity),
        code: Some(NumberOrString::String(problem.code.0.to_owned())),
        source: Some("tracebell".to_owned()),
        message: format!("{}{hint}", problem.text),
        ..Diagnostic::default()
    }
}

fn of_the_machine(problem: &Problem) -> bool {
    [".env", ".file", ".cloud"].iter().any(|end| problem.path.ends_with(end))
}

/// One fix for each problem in the range that names the word that was meant.
pub fn fixes(uri: &Uri, document: &Document, range: Range) -> Vec<CodeActionOrCommand> {
    let overlaps = |problem: &&Problem| {
        let own = position::range(&document.text, problem.span);
        own.start <= range.end && range.start <= own.end
    };
    document.problems.iter().filter(overlaps).filter_map(|problem| fix(uri, document, problem)).collect()
}

fn fix(uri: &Uri, document: &Document, problem: &Problem) -> Option<CodeActionOrCommand> {
    let meant = problem.hint.as_ref()?.strip_prefix("did you mean `")?.strip_suffix("`?")?;
    let written = document.text.get(problem.span.start..problem.span.end)?;
    let bare = written.trim_matches(['"', '\'']);
    // The place may be a whole value; only the word that is told of is replaced.
    if bare.is_empty() || bare.contains(char::is_whitespace) || !problem.text.contains(bare.trim_start_matches('$')) {
        return None;
    }
    let range = position::range(&document.text, problem.span);
    let edit = TextEdit { range, new_text: written.replacen(bare, meant, 1) };
    Some(CodeActionOrCommand::CodeAction(CodeAction {
        title: format!("Change to `{meant}`"),
        kind: Some(CodeActionKind::QUICKFIX),
        diagnostics: Some(vec![shown(problem, &document.text)]),
        edit: Some(WorkspaceEdit {
            changes: Some(HashMap::from([(uri.clone(), vec![edit])])),
            ..WorkspaceEdit::default()
        }),
        is_preferred: Some(true),
        ..CodeAction::default()
    }))
}
