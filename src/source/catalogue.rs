//! Where the trace service is: read from the catalogue in a token, or from an override.

use crate::cloud::{
    CloudError,
    auth::{self, Credentials},
    catalogue::{Catalogue, Wrong},
};

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

/// A login that knows them.
pub type Session = auth::Session<Endpoints>;

pub fn session(credentials: &Credentials) -> Result<Session, CloudError> {
    Session::new(credentials, endpoints)
}

pub fn endpoints(catalogue: &Catalogue, credentials: &Credentials) -> Result<Endpoints, Wrong> {
    let (project_id, project_name) = (catalogue.project_id.clone(), catalogue.project_name.clone());
    let regions = catalogue.regions("cts");
    let region = match (&credentials.region, regions.as_slice()) {
        (Some(region), _) => Some(region.clone()),
        (None, []) => None,
        (None, [only]) => Some((*only).to_owned()),
        // Without a region in the credentials there must be only one to choose.
        (None, several) => {
            return Err((
                "the trace service is in several regions and none is chosen".to_owned(),
                format!("set `region_name` to one of: {}", several.join(", ")),
            ));
        }
    };
    if let Some(url) = &credentials.cts_endpoint_override {
        let [v1, v2, v3] = versions(&catalogue.fill(url), &project_id);
        return Ok(Endpoints { v1, v2, v3, project_id, project_name, region });
    }

    let find = |kind: &str| catalogue.find(kind, region.as_deref());
    let (v1, v2, v3) = (find("cts"), find("ctsv2"), find("ctsv3"));
    let Some(any) = v1.or(v3).or(v2) else {
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
        |url: Option<&str>, at: usize| url.map_or(derived[at].clone(), |url| versions(url, &project_id)[at].clone());
    let (v1, v2, v3) = (own(v1, 0), own(v2, 1), own(v3, 2));
    Ok(Endpoints { v1, v2, v3, project_id, project_name, region })
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
    use serde_json::{Value, json};

    use super::*;
    use crate::{cloud::auth::Method, secret::Secret};

    fn endpoints(token: &Value, credentials: &Credentials) -> Result<Endpoints, Wrong> {
        super::endpoints(&Catalogue::read(token)?, credentials)
    }

    fn credentials(region: Option<&str>, override_url: Option<&str>) -> Credentials {
        Credentials {
            region: region.map(str::to_owned),
            cts_endpoint_override: override_url.map(str::to_owned),
            ..Credentials::new("http://127.0.0.1/v3".to_owned(), Method::Token(Secret::new("t")))
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
