//! The open texts, and which files belong together.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::outline::{Outline, key};
use crate::document::{FILE_LIMIT, File, Problem, decode_bytes};

/// Texts by their URI, as the editor holds them.
#[derive(Debug, Default)]
pub struct Workspace {
    pub open: BTreeMap<String, Document>,
}

#[derive(Debug, Clone, Default)]
pub struct Document {
    pub text: String,
    /// Counts the editor's changes.
    pub version: i32,
    /// `None` for a text that was never saved.
    pub path: Option<PathBuf>,
    /// What was last found in it.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rules,
    Config,
}

/// Name of the configuration that governs the rule files beside and below it.
const CONFIG: &str = "tracebell.yaml";
/// Folders above a file that are searched for its configuration.
const CLIMB: usize = 8;
const RULE_KEYS: [&str; 3] = ["rules", "lists", "overlays"];
const CONFIG_KEYS: [&str; 3] = ["sources", "endpoints", "topics"];

impl Workspace {
    /// The text of a file if it is open.
    pub fn text(&self, path: &Path) -> Option<String> {
        self.open.values().find(|document| document.path.as_deref() == Some(path)).map(|found| found.text.clone())
    }

    /// Rule files in the folder of `document`, itself included, with what is typed but not saved.
    pub fn beside(&self, uri: &str, document: &Document) -> Vec<File> {
        let own = File { name: name(uri, document), text: document.text.clone() };
        let Some(folder) = document.path.as_deref().and_then(Path::parent) else { return vec![own] };
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .map(|entries| {
                entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_yaml(path)).collect()
            })
            .unwrap_or_default();
        paths.sort();
        let other = |path: &PathBuf| {
            let text = self.text(path).or_else(|| read(path))?;
            let rules = kind(&path.display().to_string(), &text) == Some(Kind::Rules);
            rules.then(|| File { name: path.display().to_string(), text })
        };
        let mut files: Vec<File> =
            paths.iter().filter(|path| document.path.as_ref() != Some(path)).filter_map(other).collect();
        let at = files.partition_point(|file| file.name < own.name);
        files.insert(at, own);
        files
    }

    /// What an open text is; `None` if it is none of ours.
    pub fn kind(&self, uri: &str, document: &Document) -> Option<Kind> {
        let name = name(uri, document);
        // Its first key may be the one that is misspelt.
        let governed = || in_rules(&name) && document.path.as_ref().is_some_and(|path| self.config(path).is_some());
        kind(&name, &document.text).or_else(|| governed().then_some(Kind::Rules))
    }

    /// The configuration that governs a file: the nearest above it.
    pub fn config(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().skip(1).take(CLIMB).map(|folder| folder.join(CONFIG)).find(|path| path.is_file())
    }

    /// The configuration's text, as typed.
    pub fn config_text(&self, path: &Path) -> Option<String> {
        let config = self.config(path)?;
        self.text(&config).or_else(|| read(&config))
    }
}

/// What a text is, by its name and its first keys; `None` if it is none of ours.
fn kind(name: &str, text: &str) -> Option<Kind> {
    let outline = Outline::of(text);
    let count = |keys: &[&str]| outline.names(&[]).filter(|name| keys.contains(name)).count();
    // One of its keys alone stands in the configuration of many a program.
    if name.rsplit('/').next() == Some(CONFIG) || count(&CONFIG_KEYS) > 1 {
        Some(Kind::Config)
    } else if count(&RULE_KEYS) > 0 || in_rules(name) && outline.keys.is_empty() {
        Some(Kind::Rules)
    } else {
        None
    }
}

fn in_rules(name: &str) -> bool {
    name.rsplit('/').nth(1).is_some_and(|folder| folder == "rules")
}

/// The name by which a problem knows a text.
pub fn name(uri: &str, document: &Document) -> String {
    document.path.as_ref().map_or_else(|| uri.to_owned(), |path| path.display().to_string())
}

/// The path of a `file:` URI.
pub fn path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.as_bytes();
    while let Some((&first, rest)) = left.split_first() {
        let code = rest.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let decoded = code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| first == b'%');
        bytes.push(decoded.unwrap_or(first));
        left = if decoded.is_some() { &rest[2..] } else { rest };
    }
    let text = String::from_utf8(bytes).ok()?;
    // A drive letter of Windows: `/C:/rules`.
    let drive = text.as_bytes().get(2) == Some(&b':');
    Some(PathBuf::from(if drive { &text[1..] } else { &text[..] }))
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn read(path: &Path) -> Option<String> {
    let size = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
    if size > FILE_LIMIT as u64 {
        return None;
    }
    Some(decode_bytes("", &fs::read(path).ok()?).ok()?.text)
}

/// Names under a key at the top: `topics`, `endpoints`, `lists`.
pub fn names(text: &str, top: &str) -> Vec<String> {
    Outline::of(text).names(&[key(top)]).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_become_paths() {
        for (uri, expected) in [
            ("file:///a/b.yaml", Some("/a/b.yaml")),
            ("file:///a%20b/%C3%BC.yaml", Some("/a b/ü.yaml")),
            ("file:///C:/rules/a.yaml", Some("C:/rules/a.yaml")),
            ("file:///a%zz%", Some("/a%zz%")),
            ("file:///%ff", None),
            ("untitled:Untitled-1", None),
        ] {
            assert_eq!(path(uri), expected.map(PathBuf::from), "{uri}");
        }
    }

    #[test]
    fn files_of_others_are_left_alone() {
        for (name, text, expected) in [
            ("/a/tracebell.yaml", "", Some(Kind::Config)),
            ("/a/other.yaml", "topics: {}\nendpoints: {}\nrules: [x]\n", Some(Kind::Config)),
            ("/a/vector.yaml", "sources: {}\nsinks: {}\n", None),
            ("/a/rules/prometheus.yaml", "groups: []\n", None),
            ("/a/iam.yaml", "rules:\n", Some(Kind::Rules)),
            ("/a/rules/new.yaml", "", Some(Kind::Rules)),
            ("/a/compose.yaml", "services:\n  a: {}\n", None),
        ] {
            assert_eq!(kind(name, text), expected, "{name}");
        }
    }
}
