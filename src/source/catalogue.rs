//! Where the trace service is: read from the catalogue in a token, or from an override.

use serde_json::Value;

use super::auth::Credentials;

/// Base URLs without a trailing slash, version and project id included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    pub v1: String,
    pub v2: String,
    pub v3: String,
    pub project_id: String,
    pub project_name: Option<String>,
    pub region: Option<String>,
}

/// The error is a reason and what to do about it.
pub(super) fn endpoints(token: &Value, credentials: &Credentials) -> Result<Endpoints, (String, String)> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let project = token.get("project");
    let Some(project_id) = text(project.and_then(|project| project.get("id"))) else {
        let fix = "give `project_name` or `project_id`: the trace service belongs to a project".to_owned();
        return Err(("the token is not for a project".to_owned(), fix));
    };
    let project_name = text(project.and_then(|project| project.get("name")));
    let entries = public_entries(token);
    let region = match &credentials.region {
        Some(region) => Some(region.clone()),
        None => only_region(&entries)?,
    };
    if let Some(url) = &credentials.cts_endpoint_override {
        let url = ["%(project_id)s", "$(project_id)s", "%(tenant_id)s", "$(tenant_id)s"]
            .iter()
            .fold(url.clone(), |url, hole| url.replace(hole, &project_id));
        let [v1, v2, v3] = versions(&url, &project_id);
        return Ok(Endpoints { v1, v2, v3, project_id, project_name, region });
    }

    let find = |kind: &str| {
        let here = |entry: &&Entry| entry.kind == kind && Some(&entry.region) == region.as_ref();
        entries.iter().find(here).map(|entry| entry.url.clone())
    };
    let (v1, v2, v3) = (find("cts"), find("ctsv2"), find("ctsv3"));
    let Some(any) = v1.as_ref().or(v3.as_ref()).or(v2.as_ref()) else {
        let mut regions: Vec<&str> =
            entries.iter().filter(|entry| entry.kind.starts_with("cts")).map(|entry| entry.region.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        let wanted = region.as_deref().unwrap_or("none");
        return Err(match regions.is_empty() {
            true => (
                "the catalogue does not list the trace service (`cts`)".to_owned(),
                "check that CTS is offered in this project, or give `cts_endpoint_override`".to_owned(),
            ),
            false => (
                format!("the catalogue does not list the trace service (`cts`) in region `{wanted}`"),
                format!("set `region_name` to one of: {}", regions.join(", ")),
            ),
        });
    };
    let derived = versions(any, &project_id);
    let own =
        |url: Option<String>, at: usize| url.map_or(derived[at].clone(), |url| versions(&url, &project_id)[at].clone());
    let (v1, v2, v3) = (own(v1, 0), own(v2, 1), own(v3, 2));
    Ok(Endpoints { v1, v2, v3, project_id, project_name, region })
}

struct Entry {
    kind: String,
    region: String,
    url: String,
}

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

/// Without a region in the credentials there must be only one to choose.
fn only_region(entries: &[Entry]) -> Result<Option<String>, (String, String)> {
    let mut regions: Vec<&str> =
        entries.iter().filter(|entry| entry.kind.starts_with("cts")).map(|entry| entry.region.as_str()).collect();
    regions.sort_unstable();
    regions.dedup();
    match regions.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).to_owned())),
        several => Err((
            "the trace service is in several regions and none is chosen".to_owned(),
            format!("set `region_name` to one of: {}", several.join(", ")),
        )),
    }
}

/// The three API versions of one URL: they differ in one path segment only.
fn versions(url: &str, project_id: &str) -> [String; 3] {
    const NAMES: [&str; 3] = ["v1.0", "v2.0", "v3"];
    let (scheme, rest) = url.trim_end_matches('/').split_once("://").unwrap_or(("https", url));
    let mut segments: Vec<&str> = rest.split('/').collect();
    // The first segment is the host, whatever it is called.
    let at = segments.iter().skip(1).rposition(|segment| NAMES.contains(segment)).map(|at| at + 1);
    let at = at.unwrap_or_else(|| {
        let project = segments.iter().skip(1).position(|segment| *segment == project_id).map(|at| at + 1);
        let at = project.unwrap_or(segments.len());
        segments.insert(at, "v1.0");
        at
    });
    if at + 1 == segments.len() {
        segments.push(project_id);
    }
    NAMES.map(|name| {
        let mut segments = segments.clone();
        segments[at] = name;
        format!("{scheme}://{}", segments.join("/"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{secret::Secret, source::auth::Method};

    fn credentials(region: Option<&str>, override_url: Option<&str>) -> Credentials {
        Credentials {
            auth_url: "http://127.0.0.1/v3".to_owned(),
            method: Method::Token(Secret::new("t")),
            project: None,
            region: region.map(str::to_owned),
            cts_endpoint_override: override_url.map(str::to_owned),
            ca: None,
        }
    }

    fn entry(kind: &str, interface: &str, region: &str, url: &str) -> Value {
        json!({ "type": kind, "endpoints": [{ "interface": interface, "region": region, "region_id": region, "url": url }] })
    }

    fn token(entries: Vec<Value>) -> Value {
        json!({ "project": { "id": "p0", "name": "eu-de" }, "catalog": entries })
    }

    #[test]
    fn versions_differ_in_one_segment_and_hold_the_project() {
        let expected = |base: &str| [format!("{base}/v1.0/p0"), format!("{base}/v2.0/p0"), format!("{base}/v3/p0")];
        for (url, base) in [
            ("https://cts.example.org/v1.0/p0", "https://cts.example.org"),
            ("https://cts.example.org/v3/p0/", "https://cts.example.org"),
            ("https://cts.example.org/v1.0", "https://cts.example.org"),
            ("https://cts.example.org", "https://cts.example.org"),
            ("https://cts.example.org/p0", "https://cts.example.org"),
            ("http://v3/prefix/v2.0/p0", "http://v3/prefix"),
            ("http://127.0.0.1:8080/v1.0/p0", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(versions(url, "p0"), expected(base), "{url}");
        }
    }

    #[test]
    fn the_exact_region_and_the_public_interface_are_chosen() {
        let token = token(vec![
            entry("cts", "internal", "eu-de", "https://internal/v1.0/p0"),
            entry("cts", "public", "eu-nl", "https://nl/v1.0/p0"),
            entry("cts", "public", "eu-de", "https://de/v1.0/p0"),
            entry("ctsv3", "public", "eu-de", "https://de3/v3/p0"),
        ]);
        let found = endpoints(&token, &credentials(Some("eu-de"), None)).unwrap();
        assert_eq!(found.v1, "https://de/v1.0/p0");
        assert_eq!(found.v2, "https://de/v2.0/p0");
        assert_eq!(found.v3, "https://de3/v3/p0");
        let (reason, fix) = endpoints(&token, &credentials(Some("eu-ch2"), None)).unwrap_err();
        assert!(reason.contains("`eu-ch2`") && fix.contains("eu-de, eu-nl"), "{reason} {fix}");
        assert!(endpoints(&token, &credentials(None, None)).unwrap_err().1.contains("region_name"));
    }

    #[test]
    fn an_override_needs_no_catalogue() {
        let override_url = "http://127.0.0.1:8080/v1.0/%(project_id)s";
        let found = endpoints(&token(vec![]), &credentials(None, Some(override_url))).unwrap();
        assert_eq!(found.v3, "http://127.0.0.1:8080/v3/p0");
        let error = endpoints(&token(vec![]), &credentials(None, None)).unwrap_err();
        assert!(error.0.contains("does not list"), "{error:?}");
        assert!(endpoints(&json!({}), &credentials(None, None)).unwrap_err().1.contains("project_name"));
    }
}
