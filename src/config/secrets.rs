//! `{env: NAME}` and `{file: path}`: read when loaded, never written anywhere.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
};

use crate::{document::Walk, secret::Secret};

/// A secret is a line, not a document.
const LONGEST: u64 = 64 * 1024;

/// What stands for a secret that is left where it is: an address as well as a token.
const LEFT: &str = "https://left-alone.invalid/";

/// Whether secrets are needed for what the configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Read,
    /// Nothing is sent, so they stay where they are, and may be missing.
    LeaveAlone,
}

/// Reads secrets and remembers their hash, so that a rotated one is noticed.
pub struct Secrets<'a> {
    folder: &'a Path,
    reading: Reading,
    read: RefCell<Vec<String>>,
}

impl<'a> Secrets<'a> {
    pub fn new(folder: &'a Path, reading: Reading) -> Self {
        Self { folder, reading, read: RefCell::default() }
    }

    /// False if what was made with them cannot work.
    pub fn are_read(&self) -> bool {
        self.reading == Reading::Read
    }

    /// The secret that a `{env: ..}` or `{file: ..}` names.
    pub fn read(&self, walk: &Walk<'_>) -> Option<Secret> {
        let hint = "write `{ env: NAME }` or `{ file: path }`; secrets do not stand in this file";
        let crate::document::Value::Map(_) = walk.node.value else {
            // The value itself is not repeated: it may be the secret.
            walk.fail_hint("expected a map that says where the secret is kept, found a value", hint);
            return None;
        };
        let mut fields = walk.fields()?;
        let (env, file) = (fields.optional("env"), fields.optional("file"));
        fields.finish();
        let text = match (env, file) {
            (Some(_), None) | (None, Some(_)) if !self.are_read() => return Some(Secret::new(LEFT)),
            (Some(env), None) => variable(&env),
            (None, Some(file)) => self.file(&file),
            _ => {
                walk.fail_hint("expected exactly one of `env` and `file`", hint);
                None
            }
        }?;
        self.read.borrow_mut().push(text.clone());
        Some(Secret::new(text))
    }

    /// A file that is no secret, named from the configuration's folder.
    pub fn path(&self, walk: &Walk<'_>) -> Option<PathBuf> {
        walk.words().map(|name| self.folder.join(name))
    }

    /// Everything read so far.
    pub fn seen(&self) -> Vec<String> {
        self.read.borrow().clone()
    }

    fn file(&self, walk: &Walk<'_>) -> Option<String> {
        let name = walk.words()?;
        let path = self.folder.join(name);
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) => {
                let hint = "create the file, or mount the secret before the start";
                walk.fail_hint(format!("cannot read the secret file `{}`: {}", path.display(), in_words(&error)), hint);
                return None;
            }
        };
        if !meta.is_file() || meta.len() > LONGEST {
            let text = format!("`{}` is not a plain file of at most {LONGEST} bytes", path.display());
            walk.fail_hint(text, "a secret file holds one secret and nothing else");
            return None;
        }
        warn_if_open(walk, &meta, &path);
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Ok(_) => {
                walk.fail(format!("the secret file `{}` is empty", path.display()));
                None
            }
            Err(error) => {
                walk.fail(format!("cannot read the secret file `{}`: {}", path.display(), in_words(&error)));
                None
            }
        }
    }
}

fn variable(walk: &Walk<'_>) -> Option<String> {
    let name = walk.words()?;
    match std::env::var(name) {
        Ok(text) if !text.trim().is_empty() => Some(text),
        Ok(_) => {
            walk.fail(format!("the environment variable `{name}` is empty"));
            None
        }
        Err(_) => {
            walk.fail_hint(format!("the environment variable `{name}` is not set"), format!("export {name}=..."));
            None
        }
    }
}

/// The system's words without its error number.
fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(unix)]
fn warn_if_open(walk: &Walk<'_>, meta: &fs::Metadata, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if meta.permissions().mode() & 0o004 != 0 {
        let text = format!("every user of this machine can read the secret file `{}`", path.display());
        walk.warn(text, Some(format!("chmod 600 {}", path.display())));
    }
}
