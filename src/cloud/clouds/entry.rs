//! One entry of `clouds.yaml`, or the `OS_*` variables in its shape: profile and region laid under it, spellings made
//! one, values looked up where openstacksdk looks them up.

use serde_json::{Value, json};

use super::{Tree, files::merge};
use crate::secret::Secret;

pub struct Entry {
    tree: Tree,
    /// Where it stands, for people.
    pub place: String,
}

/// Of these the entry itself is believed before its `auth`, as openstacksdk does.
const OUTER_FIRST: [&str; 9] = [
    "domain_id",
    "domain_name",
    "user_domain_id",
    "user_domain_name",
    "token",
    "tenant_id",
    "tenant_name",
    "project_id",
    "project_name",
];

impl Entry {
    pub fn new(
        entry: Tree,
        place: &str,
        vendor: &dyn Fn(&str) -> Result<Option<Tree>, String>,
    ) -> Result<Self, String> {
        let entry = normal(entry);
        if entry.get("verify").is_some_and(|verify| is(verify, false))
            || entry.get("insecure").is_some_and(|on| is(on, true))
        {
            return Err(format!(
                "{place} says not to verify certificates (`verify`, `insecure`), which is not supported; give the CA in `cacert`"
            ));
        }
        let mut tree = profile(&entry, place, vendor)?;
        merge(&mut tree, entry);
        let mut entry = Self { tree, place: place.to_owned() };
        entry.settle_region();
        Ok(entry)
    }

    /// A value of `auth` or of the entry itself, never empty.
    pub fn text(&self, key: &str) -> Option<String> {
        let outer = || self.tree.get(key).and_then(scalar);
        let inner = || self.tree.get("auth").and_then(|auth| auth.get(key)).and_then(scalar);
        if OUTER_FIRST.contains(&key) { outer().or_else(inner) } else { inner().or_else(outer) }
    }

    pub fn is_set(&self, key: &str) -> bool {
        self.tree.get(key).is_some_and(|value| is(value, true))
    }

    pub fn auth_url(&self) -> Result<String, String> {
        let place = &self.place;
        let mut url =
            self.text("auth_url").ok_or_else(|| format!("{place} has no `auth_url`; give one, or `profile: otc`"))?;
        for (key, value) in &self.tree {
            if let Some(value) = scalar(value) {
                url = url.replace(&format!("{{{key}}}"), &value);
            }
        }
        let url = url.trim_end_matches('/');
        // The address is shown in logs and notices.
        if url.contains('@') {
            return Err(format!("`auth_url` in {place} holds a login; give it as `username` and `password`"));
        }
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(format!("`auth_url` in {place} is `{url}`; expected `https://.../v3`"));
        }
        if url.ends_with("/v2.0") {
            return Err(format!("`auth_url` in {place} is of version 2.0; expected `https://.../v3`"));
        }
        Ok(if url.ends_with("/v3") { url.to_owned() } else { format!("{url}/v3") })
    }

    /// Where a service is, in place of what the catalogue says. It is shown, as `auth_url` is.
    pub fn address(&self, key: &str) -> Result<Option<String>, String> {
        match self.text(key) {
            Some(url) if url.contains('@') => {
                Err(format!("`{key}` in {} holds a login, and requests bear one already; leave it out", self.place))
            }
            url => Ok(url),
        }
    }

    /// Never quoted in errors: it may hold a password.
    pub fn proxy(&self) -> Result<Option<Secret>, String> {
        let Some(text) = self.text("proxy") else { return Ok(None) };
        let url = url::Url::parse(text.trim()).ok();
        match url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some()) {
            Some(_) => Ok(Some(Secret::new(text.trim()))),
            None => Err(format!("`proxy` in {} is not an address; expected `http://host:port`", self.place)),
        }
    }

    /// Without a region the first of those that the cloud has is meant, with what is only true there.
    fn settle_region(&mut self) {
        let list = match (self.tree.remove("regions"), self.tree.get("region_name")) {
            (Some(Value::Array(list)), _) => list,
            (_, Some(Value::Array(list))) => list.clone(),
            (_, Some(Value::String(text))) => text.split(',').map(|name| json!(name.trim())).collect(),
            _ => return,
        };
        let name = |region: &Value| region.get("name").unwrap_or(region).as_str().map(str::to_owned);
        let wanted = self.tree.get("region_name").and_then(Value::as_str).map(str::to_owned);
        let region = list.iter().find(|region| name(region) == wanted).or_else(|| list.first());
        let Some(region) = region.cloned() else { return };
        // A region that the list does not know is still what was asked for.
        let chosen = match wanted.filter(|wanted| !wanted.contains(',')) {
            Some(wanted) => Some(wanted),
            None => name(&region),
        };
        if let (Some(Value::Object(values)), true) = (region.get("values"), name(&region) == chosen) {
            merge(&mut self.tree, normal(values.clone()));
        }
        if let Some(chosen) = chosen {
            self.tree.insert("region_name".to_owned(), Value::String(chosen));
        }
    }
}

/// What the vendor's profile of this cloud sets, from a file or as openstacksdk ships it.
fn profile(entry: &Tree, place: &str, vendor: &dyn Fn(&str) -> Result<Option<Tree>, String>) -> Result<Tree, String> {
    let Some(name) = entry.get("profile").or_else(|| entry.get("cloud")).and_then(scalar) else {
        return Ok(Tree::new());
    };
    if let Some(profile) = vendor(&name)? {
        return Ok(normal(profile));
    }
    let known = match name.as_str() {
        "otc" => json!({
            "auth": { "auth_url": "https://iam.{region_name}.otc.t-systems.com/v3" }, "regions": ["eu-de", "eu-nl"],
        }),
        "otc-swiss" => json!({
            "auth": { "auth_url": "https://iam-pub.{region_name}.sc.otc.t-systems.com/v3" }, "regions": ["eu-ch2"],
        }),
        _ if entry.get("auth").and_then(|auth| auth.get("auth_url")).or_else(|| entry.get("auth_url")).is_none() => {
            return Err(format!(
                "`profile` in {place} is `{name}`; known are `otc` and `otc-swiss`, or give `auth_url`"
            ));
        }
        _ => json!({}),
    };
    match known {
        Value::Object(known) => Ok(known),
        _ => Ok(Tree::new()),
    }
}

/// The `OS_*` variables in the shape of an entry.
pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Tree {
    let mut entry = Tree::new();
    for key in VARIABLES {
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
    entry
}

/// Every key that means something here.
const VARIABLES: [&str; 36] = [
    "access_key",
    "auth_type",
    "auth_url",
    "autocreate_aksk",
    "cacert",
    "cts_endpoint_override",
    "default_domain",
    "default_domain_id",
    "default_domain_name",
    "domain_id",
    "domain_name",
    "insecure",
    "metadata_url",
    "password",
    "profile",
    "project_id",
    "project_name",
    "proxy",
    "region_name",
    "secret_key",
    "security_token",
    "smn_endpoint_override",
    "target_agency_name",
    "target_domain_id",
    "target_domain_name",
    "target_project_id",
    "target_project_name",
    "tenant_id",
    "tenant_name",
    "token",
    "user_domain_id",
    "user_domain_name",
    "user_id",
    "user_name",
    "username",
    "verify",
];

/// `project-name` is `project_name`.
fn normal(tree: Tree) -> Tree {
    let one = |(key, value): (String, Value)| {
        let value = match value {
            Value::Object(below) => Value::Object(normal(below)),
            other => other,
        };
        (key.replace('-', "_"), value)
    };
    tree.into_iter().map(one).collect()
}

/// Variables have no booleans.
fn is(value: &Value, wanted: bool) -> bool {
    match value {
        Value::Bool(flag) => *flag == wanted,
        Value::String(text) => text.eq_ignore_ascii_case(if wanted { "true" } else { "false" }),
        _ => false,
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
