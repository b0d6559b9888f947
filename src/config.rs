//! `tracebell.yaml`: every problem at once, with its place; secrets resolved, never printed.
//!
//! What comes out is in each room's own settings, and nothing in it needs
//! checking again. `check`, `run` and the reload share this path.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    document::{self, File, Level, Problem, Problems, Walk},
    endpoint,
    rule::{self, RuleSet},
    source,
    topic::Topics,
};

mod endpoints;
mod files;
mod root;
mod secrets;
mod sources;
mod topics;

pub use files::{digest, rule_files};

/// The configuration, parsed into what each room wants.
#[derive(Debug, Clone)]
pub struct Config {
    pub state: PathBuf,
    pub listen: SocketAddr,
    /// Files and folders of rules.
    pub rules: Vec<PathBuf>,
    pub sources: Vec<source::Settings>,
    pub endpoints: BTreeMap<String, endpoint::Settings>,
    pub topics: Topics,
    /// Changes with anything but the rules: the file's text, and every secret it names.
    pub fingerprint: String,
}

/// Everything `check` and `run` read, with every problem found in it.
#[derive(Debug)]
pub struct Loaded {
    /// `None` if a problem is an error.
    pub config: Option<Config>,
    pub rules: RuleSet,
    pub problems: Vec<Problem>,
    /// The texts, for drawing.
    pub files: Vec<File>,
}

/// Reads the configuration and the rules it names.
pub fn load(path: &Path) -> Loaded {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    let config = match files::read(path) {
        Ok(file) => {
            let (config, found) = parse(&file, path.parent().unwrap_or(Path::new(".")));
            problems.extend(found);
            files.push(file);
            config
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let mut rules = RuleSet::default();
    if let Some(config) = &config {
        let (rule_files, found) = rule_files(&config.rules);
        problems.extend(found);
        let (set, found) = rule::load(&rule_files);
        problems.extend(found);
        problems.extend(topics::unheard(&set, &config.topics, &rule_files));
        files.extend(rule_files);
        rules = set;
    }
    let bad = problems.iter().any(|problem| problem.level == Level::Error);
    Loaded { config: config.filter(|_| !bad), rules, problems, files }
}

/// Parses one configuration text; paths in it are relative to `folder`. The
/// configuration is `None` only if it cannot be used even to find the rules.
fn parse(file: &File, folder: &Path) -> (Option<Config>, Vec<Problem>) {
    let tree = match document::parse(file) {
        Ok(tree) => tree,
        Err(problems) => return (None, problems),
    };
    let problems = Problems::default();
    let config = root::read(&Walk::new(file, &tree, &problems), folder);
    (config, problems.into_vec())
}
