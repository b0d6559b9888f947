//! `tracebell test`: runs the cases inside the rules.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};

use super::{BAD, Output, USAGE};
use crate::{
    config,
    document::{self, File, Level, Problem},
    rule::{self, RuleSet},
};

/// Where rules lie if no path is given.
const DEFAULT: &str = "rules";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule files, or folders that hold them (default: ./rules)
    paths: Vec<PathBuf>,
    /// Test the rules that are built in
    #[arg(long, conflicts_with = "paths")]
    shipped: bool,
    /// How to print the verdicts
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (files, mut problems) = files(&args);
    let (set, found) = rule::load(&files);
    problems.extend(found);
    if !problems.is_empty() {
        anstream::eprintln!("{}\n", document::draw::draw(&problems, &files, std::io::stderr().is_terminal()));
    }
    if problems.iter().any(|problem| problem.level == Level::Error) {
        return Ok(ExitCode::from(USAGE));
    }
    let rows = rows(&set);
    match args.output {
        Output::Table => say!("{}", table(&set, &rows)),
        Output::Json => say!("{}", json(&set, &rows)),
    }
    let failed = rows.iter().any(|row| row.failure.is_some());
    Ok(if failed { ExitCode::from(BAD) } else { ExitCode::SUCCESS })
}

fn files(args: &Args) -> (Vec<File>, Vec<Problem>) {
    if args.shipped {
        return (rule::shipped(), Vec::new());
    }
    let default = [PathBuf::from(DEFAULT)];
    let paths = if args.paths.is_empty() { &default[..] } else { &args.paths };
    let nothing = |path: &Path, text: &str| Problem {
        level: Level::Error,
        file: path.display().to_string(),
        span: document::Span::default(),
        path: String::new(),
        text: text.into(),
        hint: Some("give the path of a rule file or folder, or `--shipped` for the rules built in".into()),
    };
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return (Vec::new(), vec![nothing(missing, "there is no such file or folder")]);
    }
    let (files, mut problems) = config::rule_files(paths);
    if files.is_empty() && problems.is_empty() {
        problems.push(nothing(&paths[0], "no rule file (`.yaml`, `.yml`) in this folder"));
    }
    (files, problems)
}

struct Row {
    rule: String,
    file: String,
    line: usize,
    fires: bool,
    name: String,
    failure: Option<String>,
}

fn rows(set: &RuleSet) -> Vec<Row> {
    let mut rows = Vec::new();
    for rule in &set.rules {
        let file = rule.place.rsplit_once(':').map_or(rule.place.as_str(), |(file, _)| file);
        rows.extend(rule.run_cases().into_iter().map(|result| Row {
            rule: rule.id.clone(),
            file: file.to_owned(),
            line: result.line,
            fires: result.fires,
            name: result.name,
            failure: result.failure,
        }));
    }
    rows
}

fn table(set: &RuleSet, rows: &[Row]) -> String {
    let style = |color: AnsiColor, text: &str| {
        let style = Style::new().fg_color(Some(color.into()));
        format!("{style}{text}{style:#}")
    };
    let width = rows.iter().map(|row| row.rule.len()).max().unwrap_or(0);
    let case_width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut last = "";
    for row in rows {
        let rule = if row.rule == last { "" } else { &row.rule };
        last = &row.rule;
        let kind = if row.fires { "fires" } else { "silent" };
        let verdict = match row.failure {
            None => style(AnsiColor::Green, "ok"),
            Some(_) => style(AnsiColor::Red, "FAILED"),
        };
        lines.push(format!("{rule:width$}  {kind:6}  {:case_width$}  {verdict}", row.name));
        if let Some(failure) = &row.failure {
            lines.push(format!("{:width$}  {}:{}: {failure}", "", row.file, row.line));
        }
    }
    for rule in set.rules.iter().filter(|rule| rule.cases.is_empty()) {
        lines.push(format!("{:width$}  {}", rule.id, style(AnsiColor::Yellow, "no case")));
    }
    let failed = rows.iter().filter(|row| row.failure.is_some()).count();
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    lines.push(format!(
        "\n{}, {}: {}, {}",
        plural(set.rules.len(), "rule"),
        plural(rows.len(), "case"),
        style(AnsiColor::Green, &format!("{} ok", rows.len() - failed)),
        if failed == 0 { "0 failed".to_owned() } else { style(AnsiColor::Red, &format!("{failed} failed")) },
    ));
    lines.join("\n")
}

fn json(set: &RuleSet, rows: &[Row]) -> serde_json::Value {
    let case = |row: &Row| {
        serde_json::json!({
            "rule": row.rule,
            "file": row.file,
            "line": row.line,
            "expected": if row.fires { "fires" } else { "silent" },
            "case": row.name,
            "ok": row.failure.is_none(),
            "failure": row.failure,
        })
    };
    let failed = rows.iter().filter(|row| row.failure.is_some()).count();
    let cases: Vec<_> = rows.iter().map(case).collect();
    serde_json::json!({ "rules": set.rules.len(), "passed": rows.len() - failed, "failed": failed, "cases": cases })
}
