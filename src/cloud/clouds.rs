//! Credentials from `clouds.yaml`, `secure.yaml` and `OS_*` variables, found as openstacksdk finds them.
//!
//! The files belong to OpenStack: keys that mean nothing here are left alone. What is read otherwise than
//! openstacksdk reads it, on purpose, is listed in docs/cloud.md.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{auth::Credentials, sign::AccessKey};

mod entry;
mod files;
mod method;

/// Where names of clouds and variables lead; a test brings its own.
pub struct Surroundings<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

type Tree = Map<String, Value>;

/// The name by which the variables can be chosen, where `OS_CLOUD_NAME` gives no other.
const VARIABLES: &str = "envvars";
/// Any of these says that the variables hold credentials. Others, such as `OS_CACERT`, may stand about by themselves.
const TELLING: [&str; 7] =
    ["OS_AUTH_URL", "OS_AUTH_TYPE", "OS_USERNAME", "OS_USER_ID", "OS_PASSWORD", "OS_TOKEN", "OS_ACCESS_KEY"];

/// Credentials of the named cloud, or of `OS_CLOUD`, or of the `OS_*` variables.
/// The error says where was looked and what is missing.
pub fn credentials(cloud: Option<&str>) -> Result<Credentials, String> {
    find(
        cloud,
        &Surroundings { variable: &|name| std::env::var(name).ok(), read: &|path| std::fs::read_to_string(path) },
    )
}

/// The access key beside the login of the same cloud, if there is one: some services take no token.
pub fn access_key(cloud: Option<&str>) -> Result<Option<AccessKey>, String> {
    let around =
        Surroundings { variable: &|name| std::env::var(name).ok(), read: &|path| std::fs::read_to_string(path) };
    let (entry, place) = entry(cloud, &around)?;
    method::key(&entry::Entry::new(entry, &place, &|name| files::vendor_profile(&around, name))?)
}

pub fn find(cloud: Option<&str>, around: &Surroundings) -> Result<Credentials, String> {
    let (entry, place) = entry(cloud, around)?;
    read(entry, &place, around)
}

/// The entry that is meant, and where it stands.
fn entry(cloud: Option<&str>, around: &Surroundings) -> Result<(Tree, String), String> {
    let variable = |name: &str| (around.variable)(name).filter(|value| !value.is_empty());
    let named = cloud.map(str::to_owned).or_else(|| variable("OS_CLOUD"));
    let of_variables = variable("OS_CLOUD_NAME").unwrap_or_else(|| VARIABLES.to_owned());
    let telling = TELLING.iter().any(|name| variable(name).is_some());
    if telling && named.as_ref().is_none_or(|name| *name == of_variables) {
        return Ok((entry::from_variables(&variable), "the `OS_*` variables".to_owned()));
    }
    let found = files::clouds(around)?;
    let (mut clouds, place, looked) = (found.clouds, found.place, found.looked);
    let name = match (named, clouds.len()) {
        (Some(name), _) => name,
        (None, 1) => clouds.keys().next().cloned().expect("there is one"),
        (None, 0) => {
            return Err(format!(
                "no credentials: looked for {}, `OS_CLOUD` and `OS_AUTH_URL`; write a clouds.yaml or set the `OS_*` variables",
                in_words(&looked)
            ));
        }
        (None, _) => {
            return Err(format!("{place} holds several clouds; choose one by name or `OS_CLOUD`: {}", names(&clouds)));
        }
    };
    let Some(entry) = clouds.remove(&name) else {
        return Err(match clouds.is_empty() {
            true => format!("no cloud `{name}`: looked for {}; none of them holds a cloud", in_words(&looked)),
            false => format!("no cloud `{name}` in {place}; it holds {}", names(&clouds)),
        });
    };
    let Value::Object(entry) = entry else { return Err(format!("cloud `{name}` in {place} is not a map of settings")) };
    Ok((entry, format!("cloud `{name}` in {place}")))
}

fn read(entry: Tree, place: &str, around: &Surroundings) -> Result<Credentials, String> {
    let entry = entry::Entry::new(entry, place, &|name| files::vendor_profile(around, name))?;
    let mut credentials = Credentials::new(entry.auth_url()?, method::read(&entry)?);
    credentials.project = method::project(&entry);
    credentials.region = entry.text("region_name");
    credentials.cts_endpoint_override = entry.address("cts_endpoint_override")?;
    credentials.smn_endpoint_override = entry.address("smn_endpoint_override")?;
    credentials.ca = entry.text("cacert").map(PathBuf::from);
    credentials.proxy = entry.proxy()?;
    credentials.temporary_key = method::wants_temporary_key(&entry, &credentials.method);
    credentials.place = place.to_owned();
    Ok(credentials)
}

fn names(clouds: &Tree) -> String {
    clouds.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn in_words(paths: &[PathBuf]) -> String {
    // The rarer spellings are looked for, but would hide the likely ones here.
    let usual = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    usual.map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
