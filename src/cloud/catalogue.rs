//! What a token says of its project, and of where the services are.

use serde_json::Value;

use super::auth::Credentials;

/// A reason, and what to do about it.
pub type Wrong = (String, String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    pub project_id: String,
    pub project_name: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: String,
    region: String,
    url: String,
}

impl Catalogue {
    /// Of a token that is for a project: the services that are asked belong to one.
    pub fn read(token: &Value) -> Result<Self, Wrong> {
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let project = token.get("project");
        let Some(project_id) = text(project.and_then(|project| project.get("id"))) else {
            let fix = "give `project_name` or `project_id`: the service belongs to a project".to_owned();
            return Err(("the token is not for a project".to_owned(), fix));
        };
        let project_name = text(project.and_then(|project| project.get("name")));
        Ok(Self { project_id, project_name, entries: public_entries(token) })
    }

    /// The URL of a service for everybody.
    pub fn find(&self, kind: &str, region: Option<&str>) -> Option<&str> {
        let here = |entry: &&Entry| entry.kind == kind && Some(entry.region.as_str()) == region;
        self.entries.iter().find(here).map(|entry| entry.url.as_str())
    }

    /// Where services are whose type begins so.
    pub fn regions(&self, kinds: &str) -> Vec<&str> {
        let of_kind = self.entries.iter().filter(|entry| entry.kind.starts_with(kinds));
        let mut regions: Vec<&str> = of_kind.map(|entry| entry.region.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    /// The URL that replaces the catalogue's, with the project in its holes.
    pub fn fill(&self, url: &str) -> String {
        ["%(project_id)s", "$(project_id)s", "%(tenant_id)s", "$(tenant_id)s"]
            .iter()
            .fold(url.to_owned(), |url, hole| url.replace(hole, &self.project_id))
    }
}

/// Tells a service's places from the catalogue of a token.
pub type Places<P> = fn(&Catalogue, &Credentials) -> Result<P, Wrong>;

fn public_entries(token: &Value) -> Vec<Entry> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut entries = Vec::new();
    for service in list(token.get("catalog")) {
        let Some(kind) = service.get("type").and_then(Value::as_str) else { continue };
        for endpoint in list(service.get("endpoints")) {
            let text = |name: &str| endpoint.get(name).and_then(Value::as_str);
            if text("interface") != Some("public") {
                continue;
            }
            if let (Some(url), Some(region)) = (text("url"), text("region_id").or_else(|| text("region"))) {
                entries.push(Entry { kind: kind.to_owned(), region: region.to_owned(), url: url.to_owned() });
            }
        }
    }
    entries
}
