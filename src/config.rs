//! `tracebell.yaml`: every problem at once, with its place; secrets resolved, never printed.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    document::{File, Problem},
    endpoint, source,
    topic::Topics,
};

/// The configuration, parsed into what each room wants. Nothing in it needs checking again.
#[derive(Debug, Clone)]
pub struct Config {
    pub state: PathBuf,
    pub listen: SocketAddr,
    /// Files and folders of rules, as absolute or relative-to-config paths.
    pub rules: Vec<PathBuf>,
    pub sources: Vec<source::Settings>,
    pub endpoints: BTreeMap<String, endpoint::Settings>,
    pub topics: Topics,
}

/// Everything `check` and `run` read, with every problem found in it.
#[derive(Debug)]
pub struct Loaded {
    /// `None` if a problem is an error.
    pub config: Option<Config>,
    pub rules: crate::rule::RuleSet,
    pub problems: Vec<Problem>,
    /// The texts, for drawing.
    pub files: Vec<File>,
}

/// Reads the configuration and the rules it names. `check` and `run` share this path.
pub fn load(_path: &Path) -> Loaded {
    unimplemented!()
}

/// Rule files below these paths (`.yaml`, `.yml`), sorted, with their texts.
pub fn rule_files(_paths: &[PathBuf]) -> (Vec<File>, Vec<Problem>) {
    unimplemented!()
}
