//! Which rules a command tries: those of the configuration, of a path, or those built in.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{ConfigArg, USAGE, check::print_problems, tracker::usage};
use crate::{
    config::{self, Config},
    document::{File, Level, Problem},
    rule::{self, RuleSet},
};

#[derive(Debug, clap::Args)]
pub(super) struct RulesArg {
    /// Rule files or folders, in place of those the configuration names
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// The rules that are built in
    #[arg(long, conflicts_with = "rules")]
    shipped: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Rules to try, and the configuration beside them if there is a good one.
pub(super) struct Chosen {
    pub rules: RuleSet,
    pub config: Option<Config>,
    /// Why there is no configuration although its file is there, in one line.
    pub trouble: Option<String>,
}

impl RulesArg {
    /// An `Err` is the exit code of problems that were already told.
    pub fn load(&self) -> Result<Chosen, ExitCode> {
        let path = &self.config.config;
        // The configuration is welcome for who is told, and needed only if nothing else names rules.
        let loaded = path.exists().then(|| config::load(path));
        let own = path.display().to_string();
        let trouble = loaded.as_ref().filter(|loaded| loaded.config.is_none()).and_then(|loaded| {
            let problem =
                loaded.problems.iter().find(|problem| problem.level == Level::Error && problem.file == own)?;
            Some(format!("{own}: {}", problem.text))
        });
        let named = self.shipped || !self.rules.is_empty();
        let rules = match loaded.as_ref().filter(|_| !named) {
            Some(loaded) => {
                let found: Vec<Problem> = loaded.problems.iter().filter(|found| found.file != own).cloned().collect();
                sound(loaded.rules.clone(), found, &loaded.files)?
            }
            None if self.shipped => compiled(rule::shipped(), Vec::new())?,
            None if named => from(&self.rules)?,
            None if Path::new("rules").exists() => from(&[PathBuf::from("rules")])?,
            None => {
                let problem = format!("no rules: there is neither `{own}` nor a folder `rules` here");
                let hint = "name them with `--rules PATH`, or try those built in with `--shipped`";
                return Err(usage(&[format!("{problem}; {hint}")]));
            }
        };
        if rules.rules.is_empty() {
            return Err(usage(&["there is no rule in these files".to_owned()]));
        }
        Ok(Chosen { rules, config: loaded.and_then(|loaded| loaded.config), trouble })
    }
}

/// The rules at and below these paths.
pub(super) fn from(paths: &[PathBuf]) -> Result<RuleSet, ExitCode> {
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(usage(&[format!("`{}`: there is no such file or folder", missing.display())]));
    }
    let (files, problems) = config::rule_files(paths);
    if files.is_empty() && problems.is_empty() {
        return Err(usage(&[format!("`{}`: no rule file (`.yaml`, `.yml`) in this folder", paths[0].display())]));
    }
    compiled(files, problems)
}

fn compiled(files: Vec<File>, mut problems: Vec<Problem>) -> Result<RuleSet, ExitCode> {
    let (rules, found) = rule::load(&files);
    problems.extend(found);
    sound(rules, problems, &files)
}

/// Warnings are for `check`; errors end the command.
fn sound(rules: RuleSet, problems: Vec<Problem>, files: &[File]) -> Result<RuleSet, ExitCode> {
    let errors: Vec<Problem> = problems.into_iter().filter(|problem| problem.level == Level::Error).collect();
    if errors.is_empty() {
        return Ok(rules);
    }
    print_problems(&errors, files);
    Err(ExitCode::from(USAGE))
}
