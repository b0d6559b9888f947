//! `tracebell test`: runs the cases inside the rules.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use super::{
    BAD, Output, USAGE,
    terminal::{self, columns},
};
use crate::{
    config,
    document::{self, File, Level, Problem},
    rule::{self, RuleSet},
};

mod junit;
mod table;

/// Where rules lie if no path is given.
const DEFAULT: &str = "rules";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule files, or folders that hold them (default: ./rules)
    paths: Vec<PathBuf>,
    /// Test the rules that are built in
    #[arg(long, conflicts_with = "paths")]
    shipped: bool,
    /// Also list rules without a case that fires or one that is silent, and fail if there are any
    #[arg(long)]
    coverage: bool,
    /// Also write the verdicts as JUnit XML, one test suite for each rule file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How to print the verdicts
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (files, mut problems) = files(&args);
    // Cases judge a rule as its author wrote it: what an overlay changes is the overlay's business.
    let (set, found) = rule::load::as_written(&files);
    problems.extend(found);
    if !problems.is_empty() {
        anstream::eprintln!("{}\n", document::draw::draw(&problems, &files, std::io::stderr().is_terminal()));
    }
    if problems.iter().any(|problem| problem.level == Level::Error) {
        return Ok(ExitCode::from(USAGE));
    }
    let verdicts = Verdicts::of(&set);
    if let Some(path) = &args.junit {
        let text = junit::text(&verdicts)?;
        std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    match args.output {
        Output::Table => {
            // Elsewhere than on a terminal a verdict stays on one line.
            let width = columns().unwrap_or(usize::MAX);
            say!("{}", table::text(&verdicts, args.coverage, width));
        }
        Output::Json => terminal::print_json(&json(&verdicts)),
    }
    let uncovered = args.coverage && !verdicts.uncovered.is_empty();
    Ok(if verdicts.failed() > 0 || uncovered { ExitCode::from(BAD) } else { ExitCode::SUCCESS })
}

/// What became of all cases.
struct Verdicts {
    rules: usize,
    rows: Vec<Row>,
    uncovered: Vec<Uncovered>,
}

/// One case.
struct Row {
    rule: String,
    file: String,
    line: usize,
    fires: bool,
    name: String,
    failure: Option<String>,
}

/// A rule that its cases do not show from both sides.
struct Uncovered {
    rule: String,
    place: String,
    lacks: &'static str,
}

impl Verdicts {
    fn of(set: &RuleSet) -> Self {
        let (mut rows, mut uncovered) = (Vec::new(), Vec::new());
        for rule in &set.rules {
            let file = rule.place.rsplit_once(':').map_or(rule.place.as_str(), |(file, _)| file);
            let results = rule.run_cases();
            let has = |fires: bool| results.iter().any(|result| result.fires == fires);
            let lacks = match (has(true), has(false)) {
                (true, true) => None,
                (true, false) => Some("no case that is silent"),
                (false, true) => Some("no case that fires"),
                (false, false) => Some("no case"),
            };
            uncovered.extend(lacks.map(|lacks| Uncovered { rule: rule.id.clone(), place: rule.place.clone(), lacks }));
            rows.extend(results.into_iter().map(|result| Row {
                rule: rule.id.clone(),
                file: file.to_owned(),
                line: result.line,
                fires: result.fires,
                name: result.name,
                failure: result.failure,
            }));
        }
        Self { rules: set.rules.len(), rows, uncovered }
    }

    fn failed(&self) -> usize {
        self.rows.iter().filter(|row| row.failure.is_some()).count()
    }
}

impl Row {
    /// What the case expects.
    fn kind(&self) -> &'static str {
        if self.fires { "fires" } else { "silent" }
    }
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
        ..Problem::default()
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

fn json(verdicts: &Verdicts) -> serde_json::Value {
    let case = |row: &Row| {
        serde_json::json!({
            "rule": row.rule,
            "file": row.file,
            "line": row.line,
            "expected": row.kind(),
            "case": row.name,
            "ok": row.failure.is_none(),
            "failure": row.failure,
        })
    };
    let lack = |rule: &Uncovered| serde_json::json!({ "rule": rule.rule, "place": rule.place, "lacks": rule.lacks });
    let failed = verdicts.failed();
    serde_json::json!({
        "rules": verdicts.rules,
        "passed": verdicts.rows.len() - failed,
        "failed": failed,
        "cases": verdicts.rows.iter().map(case).collect::<Vec<_>>(),
        "uncovered": verdicts.uncovered.iter().map(lack).collect::<Vec<_>>(),
    })
}
