//! `tracebell check`: every problem of configuration and rules, in one run.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{BAD, CONFIG, USAGE, terminal};
use crate::{
    clock,
    config::{self, Loaded},
    document::{self, File, Level, Problem, draw},
    rule::{self, Mode, RuleSet},
};

mod json;
mod sarif;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule files, or folders that hold them: these alone are checked, without a configuration
    paths: Vec<PathBuf>,
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = CONFIG, env = "TRACEBELL_CONFIG")]
    config: PathBuf,
    /// Take warnings for errors: exit with 1 if there is one
    #[arg(long)]
    strict: bool,
    /// How to print the problems
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    /// For code scanning: SARIF 2.1.0
    Sarif,
}

/// What was looked at and what was found.
struct Found {
    problems: Vec<Problem>,
    files: Vec<File>,
    /// What there is, if it can be used: `1 source, 3 rules`.
    whole: Option<String>,
}

/// Every code a problem may have, and what it is about.
pub fn codes() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    document::CODES.iter().chain(rule::lint::CODES).chain(config::codes())
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(missing) = args.paths.iter().find(|path| !path.exists()) {
        anstream::eprintln!("error: there is no such file or folder: {}", missing.display());
        return Ok(ExitCode::from(USAGE));
    }
    let mut found = if args.paths.is_empty() { all(&args.config) } else { rules(&args.paths) };
    sort(&mut found);
    let errors = found.problems.iter().filter(|problem| problem.level == Level::Error).count();
    let warnings = found.problems.len() - errors;
    match args.output {
        Format::Json => terminal::print_json(&json::problems(&found.problems, &found.files)),
        Format::Sarif => say!("{}", sarif::log(&found.problems, &found.files)),
        Format::Table => {
            print_problems(&found.problems, &found.files);
            if !found.problems.is_empty() && std::io::stdout().is_terminal() {
                say!();
            }
            let told = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
            match found.whole.filter(|_| errors == 0) {
                Some(whole) => say!("good: {whole}; {told}"),
                None => say!("bad: {told}"),
            }
        }
    }
    let bad = errors > 0 || args.strict && warnings > 0;
    Ok(if bad { ExitCode::from(BAD) } else { ExitCode::SUCCESS })
}

/// The configuration and the rules it names.
fn all(config: &Path) -> Found {
    let mut loaded = config::load(config);
    let problems = problems(&mut loaded);
    let whole = loaded.config.map(|config| {
        format!(
            "{}, {}, {}, {}",
            count(config.sources.len(), "source"),
            count(config.endpoints.len(), "endpoint"),
            count(config.topics.topics.len(), "topic"),
            rules_in_words(&loaded.rules),
        )
    });
    Found { problems, files: loaded.files, whole }
}

/// What was found at loading, and what is probably not meant.
pub fn problems(loaded: &mut Loaded) -> Vec<Problem> {
    let mut problems = std::mem::take(&mut loaded.problems);
    problems.retain(|problem| !rule::lint::is_allowed(problem, &loaded.files));
    problems.extend(rule::lint(loaded.files.get(1..).unwrap_or_default(), clock::now()));
    problems
}

/// Rule files alone: what a rule author has before there is a configuration.
fn rules(paths: &[PathBuf]) -> Found {
    let (files, mut problems) = config::rule_files(paths);
    if files.is_empty() && problems.is_empty() {
        problems.push(Problem {
            file: paths[0].display().to_string(),
            code: document::Code("no-rule"),
            text: "no rule file (`.yaml`, `.yml`) in this folder".to_owned(),
            hint: Some("give the path of a rule file, or of a folder that holds some".to_owned()),
            ..Problem::default()
        });
    }
    let (set, found) = rule::load(&files);
    problems.extend(found);
    problems.extend(rule::lint(&files, clock::now()));
    let whole = Some(format!("{} in {}", rules_in_words(&set), count(files.len(), "file")));
    Found { problems, files, whole }
}

fn rules_in_words(set: &RuleSet) -> String {
    let of = |mode: Mode| set.rules.iter().filter(|rule| rule.mode == mode).count();
    let mut parts = Vec::new();
    for (mode, word) in [(Mode::Shadow, "in shadow"), (Mode::Off, "off")] {
        if of(mode) > 0 {
            parts.push(format!("{} {word}", of(mode)));
        }
    }
    let rules = count(set.rules.len(), "rule");
    if parts.is_empty() { rules } else { format!("{rules} ({})", parts.join(", ")) }
}

/// File by file and from top to bottom, the way one mends them.
fn sort(found: &mut Found) {
    let files = &found.files;
    let place = |problem: &Problem| {
        let file = files.iter().position(|file| file.name == problem.file);
        (file, problem.file.clone(), problem.span.start, problem.level == Level::Warning)
    };
    found.problems.sort_by_cached_key(place);
}

/// Draws problems to standard error, in colour on a terminal.
pub fn print_problems(problems: &[Problem], files: &[File]) {
    if !problems.is_empty() {
        anstream::eprintln!("{}", draw::draw(problems, files, true));
    }
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
