//! Credentials from `clouds.yaml`, `secure.yaml` and `OS_*` variables, found as openstacksdk finds them.
//!
//! The files belong to OpenStack: keys that mean nothing here are left alone.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    auth::{Credentials, Method, NameOrId},
    sign::AccessKey,
};
use crate::secret::Secret;

/// Where names of clouds and variables lead; a test brings its own.
pub struct Surroundings<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Credentials of the named cloud, or of `OS_CLOUD`, or of the `OS_*` variables.
/// The error says where was looked and what is missing.
pub fn credentials(cloud: Option<&str>) -> Result<Credentials, String> {
    find(
        cloud,
        &Surroundings { variable: &|name| std::env::var(name).ok(), read: &|path| std::fs::read_to_string(path) },
    )
}

pub fn find(cloud: Option<&str>, around: &Surroundings) -> Result<Credentials, String> {
    let variable = |name: &str| (around.variable)(name).filter(|value| !value.is_empty());
    let named = cloud.map(str::to_owned).or_else(|| variable("OS_CLOUD"));
    if named.is_none() && variable("OS_AUTH_URL").is_some() {
        return read(&from_variables(&variable), "the `OS_*` variables");
    }
    let (mut clouds, place, looked) = clouds(around)?;
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
    read(&entry, &format!("cloud `{name}` in {place}"))
}

type Tree = Map<String, Value>;

/// The clouds of the first file found, with the secrets of the other laid over them.
fn clouds(around: &Surroundings) -> Result<(Tree, String, Vec<PathBuf>), String> {
    let (own, looked) = first_file(around, "OS_CLIENT_CONFIG_FILE", "clouds")?;
    let (secrets, _) = first_file(around, "OS_CLIENT_SECURE_FILE", "secure")?;
    let mut place = own.as_ref().map(|(path, _)| format!("`{}`", path.display())).unwrap_or_default();
    let mut tree = own.map(|(_, tree)| tree).unwrap_or_default();
    if let Some((path, secrets)) = secrets {
        merge(&mut tree, secrets);
        let and = if place.is_empty() { "" } else { " and " };
        place = format!("{place}{and}`{}`", path.display());
    }
    match tree.remove("clouds") {
        Some(Value::Object(clouds)) => Ok((clouds, place, looked)),
        Some(Value::Null) | None => Ok((Tree::new(), place, looked)),
        Some(_) => Err(format!("`clouds` in {place} is not a map of clouds by name")),
    }
}

type Found = Option<(PathBuf, Tree)>;

fn first_file(around: &Surroundings, variable: &str, stem: &str) -> Result<(Found, Vec<PathBuf>), String> {
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
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                looked.push(path);
            }
            Err(error) => return Err(format!("`{}` cannot be read: {error}", path.display())),
        }
    }
    Ok((None, looked))
}

fn paths(around: &Surroundings, variable: &str, stem: &str) -> Vec<PathBuf> {
    let value = |name: &str| (around.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut paths: Vec<PathBuf> = value(variable).into_iter().collect();
    let home = value("XDG_CONFIG_HOME").or_else(|| value("HOME").map(|home| home.join(".config")));
    let folders =
        [Some(PathBuf::new()), home.map(|home| home.join("openstack")), Some(PathBuf::from("/etc/openstack"))];
    for folder in folders.into_iter().flatten() {
        for extension in ["yaml", "yml", "json"] {
            paths.push(folder.join(format!("{stem}.{extension}")));
        }
    }
    paths
}

fn merge(into: &mut Tree, from: Tree) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => merge(below, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The `OS_*` variables in the shape of an entry of `clouds.yaml`.
fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Tree {
    let mut entry = Tree::new();
    let mut auth = Tree::new();
    for key in AUTH_KEYS.iter().chain(&["tenant_name", "tenant_id"]) {
        if let Some(value) = variable(&format!("OS_{}", key.to_ascii_uppercase())) {
            auth.insert((*key).to_owned(), Value::String(value));
        }
    }
    for key in [
        "region_name",
        "auth_type",
        "cacert",
        "cts_endpoint_override",
        "smn_endpoint_override",
        "access_key",
        "secret_key",
        "security_token",
    ] {
        if let Some(value) = variable(&format!("OS_{}", key.to_ascii_uppercase())) {
            entry.insert(key.to_owned(), Value::String(value));
        }
    }
    for (key, other) in [
        ("access_key", "S3_ACCESS_KEY_ID"),
        ("secret_key", "S3_SECRET_ACCESS_KEY"),
        ("security_token", "S3_SECURITY_TOKEN"),
    ] {
        if let Some(value) = variable(other).filter(|_| !entry.contains_key(key)) {
            entry.insert(key.to_owned(), Value::String(value));
        }
    }
    entry.insert("auth".to_owned(), Value::Object(auth));
    entry
}

const AUTH_KEYS: [&str; 12] = [
    "auth_url",
    "username",
    "user_id",
    "password",
    "token",
    "user_domain_name",
    "user_domain_id",
    "domain_name",
    "domain_id",
    "project_name",
    "project_id",
    "default_domain",
];

/// Reads one entry; `place` is where it stands.
fn read(entry: &Tree, place: &str) -> Result<Credentials, String> {
    let auth = entry.get("auth").and_then(Value::as_object);
    // openstacksdk takes credentials from the entry itself too.
    let text = |key: &str| auth.and_then(|auth| auth.get(key)).or_else(|| entry.get(key)).and_then(scalar);
    let name_or_id = |name: &str, id: &str| text(id).map(NameOrId::Id).or_else(|| text(name).map(NameOrId::Name));

    if entry.get("verify").and_then(Value::as_bool) == Some(false) {
        return Err(format!("{place} says `verify: false`, which is not supported; give the CA in `cacert`"));
    }
    let (default_url, default_region) = profile(entry, place)?;
    let region = text("region_name").or(default_region);
    let auth_url = text("auth_url")
        .or_else(|| default_url.map(|url| url.replace("{region}", region.as_deref().unwrap_or("eu-de"))))
        .ok_or_else(|| format!("{place} has no `auth_url`; give one, or `profile: otc`"))?;
    let auth_url = auth_url.trim_end_matches('/');
    // The address is shown in logs and notices.
    if auth_url.contains('@') {
        return Err(format!("`auth_url` in {place} holds a login; give it as `username` and `password`"));
    }
    if !auth_url.starts_with("https://") && !auth_url.starts_with("http://") {
        return Err(format!("`auth_url` in {place} is `{auth_url}`; expected `https://.../v3`"));
    }
    if auth_url.ends_with("/v2.0") {
        return Err(format!("`auth_url` in {place} is of version 2.0; expected `https://.../v3`"));
    }
    let auth_url = if auth_url.ends_with("/v3") { auth_url.to_owned() } else { format!("{auth_url}/v3") };

    let kind = text("auth_type");
    let method = match kind.as_deref() {
        Some("token" | "v3token") => token(&text, place)?,
        None if text("password").is_none() && text("token").is_some() => token(&text, place)?,
        None if text("password").is_none()
            && let Some(key) = key(&text, place)? =>
        {
            Method::Key(key)
        }
        None | Some("password" | "v3password") => {
            let user = name_or_id("username", "user_id")
                .ok_or_else(|| format!("{place} has no `username` and no `user_id`"))?;
            let password = text("password").ok_or_else(|| format!("{place} has no `password`"))?;
            let domain = name_or_id("user_domain_name", "user_domain_id")
                .or_else(|| name_or_id("domain_name", "domain_id"))
                .or_else(|| text("default_domain").map(NameOrId::Id));
            if let (NameOrId::Name(_), None) = (&user, &domain) {
                return Err(format!("{place} has no `user_domain_name`; on Open Telekom Cloud it is `OTC` and digits"));
            }
            Method::Password { user, domain, password: Secret::new(password) }
        }
        Some(other) => {
            return Err(format!("`auth_type` in {place} is `{other}`; supported are `password` and `token`"));
        }
    };
    let project = name_or_id("project_name", "project_id").or_else(|| name_or_id("tenant_name", "tenant_id"));
    Ok(Credentials {
        auth_url,
        method,
        project,
        region,
        cts_endpoint_override: text("cts_endpoint_override"),
        smn_endpoint_override: text("smn_endpoint_override"),
        ca: text("cacert").map(PathBuf::from),
    })
}

fn token(text: &dyn Fn(&str) -> Option<String>, place: &str) -> Result<Method, String> {
    let token = text("token").ok_or_else(|| format!("{place} has no `token`"))?;
    Ok(Method::Token(Secret::new(token.trim())))
}

/// An access key, by either of the names that python-otcextensions reads.
fn key(text: &dyn Fn(&str) -> Option<String>, place: &str) -> Result<Option<AccessKey>, String> {
    let (access, secret) = (text("access_key").or_else(|| text("ak")), text("secret_key").or_else(|| text("sk")));
    match (access, secret) {
        (Some(access), Some(secret)) => {
            let security_token = text("security_token").map(|token| Secret::new(token.trim()));
            let (access, secret) = (access.trim().to_owned(), Secret::new(secret.trim()));
            Ok(Some(AccessKey { access, secret, security_token }))
        }
        (Some(_), None) => Err(format!("{place} has an access key (`ak`) and no secret key (`sk`)")),
        (None, Some(_)) => Err(format!("{place} has a secret key (`sk`) and no access key (`ak`)")),
        (None, None) => Ok(None),
    }
}

/// What openstacksdk's vendor profiles of this cloud set: URL and region.
fn profile(entry: &Tree, place: &str) -> Result<(Option<&'static str>, Option<String>), String> {
    let region = |name: &str| Some(name.to_owned());
    match entry.get("profile").or_else(|| entry.get("cloud")).and_then(Value::as_str) {
        Some("otc") => Ok((Some("https://iam.{region}.otc.t-systems.com/v3"), region("eu-de"))),
        Some("otc-swiss") => Ok((Some("https://iam-pub.{region}.sc.otc.t-systems.com/v3"), region("eu-ch2"))),
        Some(other) if entry.get("auth").and_then(|auth| auth.get("auth_url")).is_none() => {
            Err(format!("`profile` in {place} is `{other}`; known are `otc` and `otc-swiss`, or give `auth_url`"))
        }
        _ => Ok((None, None)),
    }
}

/// YAML reads an unquoted password of digits as a number.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
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
