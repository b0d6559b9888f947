//! Keystone as the cloud's IAM speaks it: tokens, agencies, projects, the catalog, keys for a while.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, json_value},
    world::{Project, Scope, Token, World, hex_id},
};
use crate::clock::{self, Timestamp};

pub mod account;
pub mod key;

pub use account::{Account, Metadata, Mode, Settings};

type Shared = State<Arc<World>>;
type Pairs = Query<Vec<(String, String)>>;

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/", get(versions))
        .route("/v3", get(version))
        .route("/v3/", get(version))
        .route("/v3/auth/tokens", get(validate).post(issue))
        .route("/v3/auth/catalog", get(show_catalog))
        .route("/v3/auth/projects", get(projects))
        .route("/v3/projects", get(projects))
        .route("/v3/auth/domains", get(domains))
        .merge(key::routes())
}

/// The emulator as the client named it, which may differ from where it listens.
fn base(world: &World, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.map_or_else(|| world.url(), |host| format!("http://{host}"))
}

fn version_value(url: &str) -> Value {
    json!({"id": "v3.6", "status": "stable", "updated": "2016-04-04T00:00:00Z",
           "links": [{"rel": "self", "href": format!("{url}/v3/")}]})
}

async fn version(State(world): Shared, headers: HeaderMap) -> Response {
    json_value(StatusCode::OK, &json!({"version": version_value(&base(&world, &headers))}))
}

async fn versions(State(world): Shared, headers: HeaderMap) -> Response {
    json_value(StatusCode::MULTIPLE_CHOICES, &json!({"versions": {"values": [version_value(&base(&world, &headers))]}}))
}

async fn issue(State(world): Shared, headers: HeaderMap, Query(query): Pairs, body: Bytes) -> Answer {
    let bad = |text: &str| Refusal::keystone(StatusCode::BAD_REQUEST, text);
    let body: Value = serde_json::from_slice(&body).map_err(|_| bad("The request body is not valid JSON."))?;
    let identity = &body["auth"]["identity"];
    let methods: Vec<&str> = identity["methods"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match methods.as_slice() {
        ["password"] => account::check_password(&world, &identity["password"]["user"])?,
        ["token"] => {
            check_token(&world, identity["token"]["id"].as_str().unwrap_or_default())?;
        }
        ["assume_role"] => {
            require_token(&world, &headers)?;
            account::check_agency(&world, &identity["assume_role"])?;
        }
        [] => return Err(bad("Expecting to find methods in identity.")),
        _ => return Err(bad("The authentication method is not emulated: password, token and assume_role are.")),
    }
    let scope = read_scope(&world, &body["auth"]["scope"])?;
    let now = clock::now();
    let expires = clock::plus(now, world.settings.token_lifetime);
    let token = world.state().issue_token(expires, scope);
    let mut answer = token_value(&world, &methods, now, expires, scope);
    if !query.iter().any(|(key, _)| key == "nocatalog") {
        answer["catalog"] = catalog(&world, scope, &base(&world, &headers));
    }
    let mut response = json_value(StatusCode::CREATED, &json!({"token": answer}));
    let token = HeaderValue::from_str(&token).expect("a token is letters and digits");
    response.headers_mut().insert("x-subject-token", token);
    Ok(response)
}

fn check_token(world: &World, token: &str) -> Result<Token, Refusal> {
    match world.state().token(token) {
        Some(token) if token.expires > clock::now() => Ok(token),
        _ => Err(Refusal::keystone(StatusCode::UNAUTHORIZED, "The token is invalid or expired.")),
    }
}

fn read_scope(world: &World, scope: &Value) -> Result<Scope, Refusal> {
    let settings = &world.settings;
    let is = |value: &Value, text: &str| value.as_str() == Some(text);
    let (project, domain) = (&scope["project"], &scope["domain"]);
    if project.is_object() {
        let known = |known: &Project| is(&project["id"], &known.id) || is(&project["name"], &known.name);
        return world
            .projects
            .iter()
            .position(known)
            .map(Scope::Project)
            .ok_or_else(|| Refusal::keystone(StatusCode::UNAUTHORIZED, "The project does not exist or is not yours."));
    }
    let at_home = is(&domain["id"], &world.domain_id()) || is(&domain["name"], &settings.domain);
    if scope.is_null() || at_home {
        return Ok(Scope::Domain);
    }
    Err(Refusal::keystone(StatusCode::UNAUTHORIZED, "The domain does not exist or is not yours."))
}

fn token_value(world: &World, methods: &[&str], issued: Timestamp, expires: Timestamp, scope: Scope) -> Value {
    let settings = &world.settings;
    let domain = json!({"id": world.domain_id(), "name": settings.domain});
    let mut token = json!({
        "methods": methods, "issued_at": format!("{issued:.6}"), "expires_at": format!("{expires:.6}"),
        "user": {"id": world.user_id(), "name": settings.user, "domain": domain, "password_expires_at": ""},
        "roles": [{"id": "0", "name": "te_admin"}],
    });
    match scope {
        Scope::Project(at) => {
            let project = &world.projects[at];
            token["project"] = json!({"id": project.id, "name": project.name, "domain": domain});
        }
        Scope::Domain => token["domain"] = domain.clone(),
    }
    if methods.contains(&"assume_role") {
        token["assumed_by"] = json!({"user": {"id": world.user_id(), "name": settings.user, "domain": domain, "password_expires_at": ""}});
    }
    token
}

fn catalog(world: &World, scope: Scope, url: &str) -> Value {
    let at = if let Scope::Project(at) = scope { at } else { 0 };
    let (id, region) = (&world.projects[at].id, &world.settings.region);
    let endpoint = |service: &str, region: &str, url: &str| {
        json!({"id": hex_id(service, region), "interface": "public",
               "region": region, "region_id": region, "url": url})
    };
    let service = |kind: &str, name: &str, url: String| json!({"type": kind, "name": name, "id": hex_id("service", kind), "endpoints": [endpoint(kind, region, &url)]});
    let identity = format!("{url}/v3");
    json!([
        service("cts", "cts", format!("{url}/v1.0/{id}")),
        service("ctsv2", "ctsv2", format!("{url}/v2.0/{id}")),
        service("ctsv3", "ctsv3", format!("{url}/v3/{id}")),
        // SMN's own version is v2, too: the prefix keeps it apart from CTS.
        service("smn", "SimpleMessageNotification", format!("{url}/smn/v2/")),
        service("smnv2", "smnv2", format!("{url}/smn/v2/{id}")),
        // Under the region and under `*`, as the cloud lists it.
        {"type": "identity", "name": "keystone", "id": hex_id("service", "identity"),
         "endpoints": [endpoint("identity", region, &identity), endpoint("identity", "*", &identity)]},
    ])
}

async fn validate(State(world): Shared, headers: HeaderMap) -> Answer {
    require_token(&world, &headers)?;
    let subject = headers.get("x-subject-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let now = clock::now();
    let token = world.state().token(subject).filter(|token| token.expires > now);
    let token = token.ok_or_else(|| Refusal::keystone(StatusCode::NOT_FOUND, "The token is not known."))?;
    let issued = clock::minus(token.expires, world.settings.token_lifetime);
    let value = token_value(&world, &["password"], issued, token.expires, token.scope);
    Ok(json_value(StatusCode::OK, &json!({"token": value})))
}

async fn domains(State(world): Shared, headers: HeaderMap, Query(query): Pairs) -> Answer {
    require_token(&world, &headers)?;
    let (name, url) = (&world.settings.domain, base(&world, &headers));
    let wanted = query.iter().all(|(key, value)| key != "name" || value == name);
    let domain = json!({"id": world.domain_id(), "name": name, "enabled": true, "description": "",
                        "links": {"self": format!("{url}/v3/domains/{}", world.domain_id())}});
    let domains = if wanted { json!([domain]) } else { json!([]) };
    let links = json!({"self": format!("{url}/v3/auth/domains"), "next": null, "previous": null});
    Ok(json_value(StatusCode::OK, &json!({"domains": domains, "links": links})))
}

async fn show_catalog(State(world): Shared, headers: HeaderMap) -> Answer {
    let token = require_token(&world, &headers)?;
    let url = base(&world, &headers);
    let links = json!({"self": format!("{url}/v3/auth/catalog")});
    let catalog = catalog(&world, token.scope, &url);
    Ok(json_value(StatusCode::OK, &json!({"catalog": catalog, "links": links})))
}

async fn projects(State(world): Shared, headers: HeaderMap, Query(query): Pairs) -> Answer {
    require_token(&world, &headers)?;
    let url = base(&world, &headers);
    let wanted = |project: &&Project| query.iter().all(|(key, value)| key != "name" || *value == project.name);
    let value = |project: &Project| {
        json!({
            "id": project.id, "name": project.name, "domain_id": world.domain_id(),
            "parent_id": world.domain_id(), "is_domain": false, "enabled": true, "description": "",
            "links": {"self": format!("{url}/v3/projects/{}", project.id)},
        })
    };
    let projects: Vec<Value> = world.projects.iter().filter(wanted).map(value).collect();
    let links = json!({"self": format!("{url}/v3/projects"), "next": null, "previous": null});
    Ok(json_value(StatusCode::OK, &json!({"projects": projects, "links": links})))
}

fn require_token(world: &World, headers: &HeaderMap) -> Result<Token, Refusal> {
    check_token(world, headers.get("x-auth-token").and_then(|token| token.to_str().ok()).unwrap_or_default())
}
