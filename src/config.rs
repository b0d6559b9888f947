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
    cloud::budget::Allowance,
    document::{self, File, Level, Problem, Problems, Walk},
    endpoint,
    rule::RuleSet,
    silence::Inhibition,
    source,
    topic::Topics,
};

mod archive;
mod endpoints;
mod files;
mod http;
mod inhibitions;
mod keep;
mod requests;
mod root;
mod secrets;
pub mod shape;
mod sources;
mod topics;
mod unheard;
mod unknown;

pub use files::{digest, rule_files};
pub use keep::Kept;
use secrets::Reading;

/// Gives a text that counts in place of the file's own: what is typed in an editor and not saved yet.
pub type Open<'a> = dyn Fn(&Path) -> Option<String> + 'a;

/// The configuration, parsed into what each room wants.
#[derive(Debug, Clone)]
pub struct Config {
    pub state: PathBuf,
    pub listen: SocketAddr,
    /// Who may use the pages and the API, and where readers of messages find them.
    pub http: crate::http::access::Settings,
    /// Files and folders of rules.
    pub rules: Vec<PathBuf>,
    pub sources: Vec<source::Settings>,
    /// What each host of the cloud gives to all of them.
    pub allowance: Allowance,
    /// Where trace files of sources are, by the source's name.
    pub archives: BTreeMap<String, source::archive::Settings>,
    /// Those of them that are pushed to.
    pub pushes: Vec<source::push::Settings>,
    pub endpoints: BTreeMap<String, endpoint::Settings>,
    pub topics: Topics,
    pub inhibitions: Vec<Inhibition>,
    /// The rule files in force, as they were read: what a reload keeps of a file that breaks.
    pub rule_files: Vec<File>,
    /// Changes with anything but the rules: the file's text, every secret it names, and the logins.
    pub fingerprint: String,
}

/// The findings about what rules and configuration make together, and what each is about.
pub fn codes() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    unheard::CODES.iter().chain(unknown::CODES).chain(requests::CODES)
}

/// Everything `check` and `run` read, with every problem found in it.
#[derive(Debug)]
pub struct Loaded {
    /// `None` if a problem is an error.
    pub config: Option<Config>,
    pub rules: RuleSet,
    /// Where the state is and where health is asked, if that much is said well: commands that look
    /// beside a running Tracebell need no secret and no rule.
    pub state: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub problems: Vec<Problem>,
    /// Rule files that are not in force as they stand; none at a start.
    pub kept: Vec<Kept>,
    /// The texts, for drawing: the configuration, then the rules.
    pub files: Vec<File>,
}

/// Reads the configuration and the rules it names.
pub fn load(path: &Path) -> Loaded {
    collect(path, &|_| None, &[], Reading::Read)
}

/// Reads them anew beside the rule files in force: one that has become bad stays as it was.
pub fn reload(path: &Path, good: &[File]) -> Loaded {
    collect(path, &|_| None, good, Reading::Read)
}

/// Reads them with some texts given.
pub fn load_open(path: &Path, open: &Open<'_>) -> Loaded {
    collect(path, open, &[], Reading::Read)
}

/// Reads what stands in the configuration itself: secrets stay where they are, and whether a source can log in
/// does not matter. Only for looking: nothing can be sent with it.
pub fn load_for_looking(path: &Path) -> Loaded {
    collect(path, &|_| None, &[], Reading::LeaveAlone)
}

fn collect(path: &Path, open: &Open<'_>, good: &[File], reading: Reading) -> Loaded {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    let mut kept = Vec::new();
    let mut config = match files::read(path, open) {
        Ok(file) => {
            let (config, found) = parse(&file, path.parent().unwrap_or(Path::new(".")), reading);
            problems.extend(found);
            files.push(file);
            config
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let well = |key: &str| {
        let inside = |problem: &&Problem| problem.path.split('.').next() == Some(key) && problem.level == Level::Error;
        !problems.iter().any(|problem| inside(&problem))
    };
    let state = config.as_ref().filter(|_| well("state")).map(|config| config.state.clone());
    let listen = config.as_ref().filter(|_| well("http")).map(|config| config.listen);
    let mut rules = RuleSet::default();
    if let Some(config) = &mut config {
        let (rule_files, unread) = files::rule_files_open(&config.rules, open);
        let loading = keep::load(rule_files, unread, good);
        let whole = !loading.problems.iter().any(|problem| problem.level == Level::Error);
        problems.extend(loading.problems);
        problems.extend(unknown::look(whole.then_some(&loading.rules), &config.sources, &files[0]));
        problems.extend(unheard::look(&loading.rules, &config.topics, &files[0], &loading.files));
        if loading.rules.rules.is_empty() && !problems.iter().any(|problem| problem.level == Level::Error) {
            problems.push(no_rules(path, &files));
        }
        files.extend(loading.files.iter().cloned());
        (rules, kept, config.rule_files) = (loading.rules, loading.kept, loading.files);
    }
    let own = path.display().to_string();
    if reading == Reading::LeaveAlone && config.is_some() {
        // How endpoints are addressed stands among them; all else works without.
        let inside = |problem: &Problem| problem.path.split('.').next() == Some("endpoints");
        problems.retain(|problem| problem.file != own || inside(problem));
    }
    let counts = |problem: &Problem| reading == Reading::Read || problem.file == own;
    let bad = problems.iter().any(|problem| problem.level == Level::Error && counts(problem));
    Loaded { config: config.filter(|_| !bad), rules, state, listen, problems, kept, files }
}

/// Parses one configuration text; paths in it are relative to `folder`. The
/// configuration is `None` only if it is no map; what is wrong in it has its default.
fn parse(file: &File, folder: &Path, reading: Reading) -> (Option<Config>, Vec<Problem>) {
    let tree = match document::parse(file) {
        Ok(tree) => tree,
        Err(problems) => return (None, problems),
    };
    let problems = Problems::default();
    let config = root::read(&Walk::new(file, &tree, &problems), folder, reading);
    (config, problems.into_vec())
}

/// Names stand in ids, metrics and accounts, where `/` joins them.
fn named(name: &str, walk: &Walk<'_>) -> bool {
    const LONGEST: usize = 64;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good = !name.is_empty() && name.len() <= LONGEST && name.bytes().all(plain);
    if !good {
        walk.fail(format!("`{name}` is not a name: expected letters, digits, `-`, `_` and `.`, at most {LONGEST}"));
    }
    good
}

fn no_rules(path: &Path, files: &[File]) -> Problem {
    let text = files.first().map_or("", |file| file.text.as_str());
    let start = if text.starts_with("rules:") { 0 } else { text.find("\nrules:").map_or(0, |newline| newline + 1) };
    Problem {
        level: Level::Warning,
        file: path.display().to_string(),
        span: document::Span { start, end: start + "rules".len() },
        path: "rules".to_owned(),
        text: "there is no rule in these files, so nothing can ring".to_owned(),
        hint: Some("`tracebell init --dir NEW` writes the shipped rules into a new folder".to_owned()),
        code: document::Code("no-rule"),
        ..Problem::default()
    }
}
