//! Which files are read, in which order, and how they are laid over each other.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Surroundings, Tree};

/// All clouds there are.
pub struct Found {
    pub clouds: Tree,
    /// The files they are from, for people.
    pub place: String,
    /// Where was looked in vain.
    pub looked: Vec<PathBuf>,
}

/// The clouds of the first file found, with the secrets of the other laid over them.
pub fn clouds(around: &Surroundings) -> Result<Found, String> {
    let (own, looked) = first_file(around, Some("OS_CLIENT_CONFIG_FILE"), "clouds")?;
    let (secrets, _) = first_file(around, Some("OS_CLIENT_SECURE_FILE"), "secure")?;
    let mut place = own.as_ref().map(|(path, _)| format!("`{}`", path.display())).unwrap_or_default();
    let mut tree = own.map(|(_, tree)| tree).unwrap_or_default();
    if let Some((path, secrets)) = secrets {
        merge(&mut tree, secrets);
        let and = if place.is_empty() { "" } else { " and " };
        place = format!("{place}{and}`{}`", path.display());
    }
    match tree.remove("clouds") {
        Some(Value::Object(clouds)) => Ok(Found { clouds, place, looked }),
        Some(Value::Null) | None => Ok(Found { clouds: Tree::new(), place, looked }),
        Some(_) => Err(format!("`clouds` in {place} is not a map of clouds by name")),
    }
}

/// A profile of `clouds-public.yaml`.
pub fn vendor_profile(around: &Surroundings, name: &str) -> Result<Option<Tree>, String> {
    let (found, _) = first_file(around, None, "clouds-public")?;
    let profiles = found.and_then(|(_, mut tree)| tree.remove("public-clouds"));
    Ok(profiles.and_then(|mut profiles| match profiles.get_mut(name).map(Value::take) {
        Some(Value::Object(profile)) => Some(profile),
        _ => None,
    }))
}

type First = Option<(PathBuf, Tree)>;

/// openstacksdk skips a file that it cannot parse, with a warning, and goes on to the next; here that is an error.
fn first_file(around: &Surroundings, variable: Option<&str>, stem: &str) -> Result<(First, Vec<PathBuf>), String> {
    let mut looked = Vec::new();
    for path in paths(around, variable, stem) {
        match (around.read)(&path) {
            Ok(text) => {
                // The parser's own text may quote a line of the file, and with it a password.
                let tree: Option<Tree> = serde_yaml::from_str(&text).map_err(|error| {
                    let line = error.location().map(|at| format!(" at line {}", at.line())).unwrap_or_default();
                    format!("`{}` is not valid YAML{line}; expected a map with `clouds`", path.display())
                })?;
                return Ok((Some((path, tree.unwrap_or_default())), looked));
            }
            Err(error) if is_absent(&error) => looked.push(path),
            Err(error) => return Err(format!("`{}` cannot be read: {error}", path.display())),
        }
    }
    Ok((None, looked))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn paths(around: &Surroundings, variable: Option<&str>, stem: &str) -> Vec<PathBuf> {
    let value = |name: &str| (around.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut paths: Vec<PathBuf> = variable.and_then(value).into_iter().collect();
    let below = |folder: PathBuf| folder.join("openstack");
    let home = value("SNAP_REAL_HOME").or_else(|| value("HOME")).map(|home| below(home.join(".config")));
    let mut folders = vec![PathBuf::new()];
    folders.extend(value("XDG_CONFIG_HOME").map(below));
    folders.extend(home);
    folders.push(below(value("XDG_CONFIG_DIRS").unwrap_or_else(|| PathBuf::from("/etc/xdg"))));
    folders.push(PathBuf::from("/etc/openstack"));
    for folder in folders {
        for extension in ["yaml", "yml", "json"] {
            let path = folder.join(Path::new(stem).with_extension(extension));
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}

pub fn merge(into: &mut Tree, from: Tree) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => merge(below, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
