//! How an entry says to log in.

use super::entry::Entry;
use crate::{
    cloud::{
        auth::{Agency, Method, NameOrId},
        metadata,
        sign::AccessKey,
    },
    secret::Secret,
};

pub fn read(entry: &Entry) -> Result<Method, String> {
    let place = &entry.place;
    match entry.text("auth_type").as_deref() {
        Some("ecs_agency") => {
            let metadata = entry.text("metadata_url").unwrap_or_else(|| metadata::ADDRESS.to_owned());
            if !metadata.starts_with("http://") {
                return Err(format!("`metadata_url` in {place} is `{metadata}`; expected `http://host`"));
            }
            Ok(Method::EcsAgency { metadata })
        }
        Some("agency" | "v3agency") => agency(entry),
        kind => plain(entry, kind),
    }
}

/// Of an agency it is the project that is lent.
pub fn project(entry: &Entry) -> Option<NameOrId> {
    let own =
        || name_or_id(entry, "project_name", "project_id").or_else(|| name_or_id(entry, "tenant_name", "tenant_id"));
    match entry.text("auth_type").as_deref() {
        Some("agency" | "v3agency") => name_or_id(entry, "target_project_name", "target_project_id"),
        _ => own(),
    }
}

/// Keys that are there already are used as they are.
pub fn wants_temporary_key(entry: &Entry, method: &Method) -> bool {
    let from_token = match method {
        Method::Password { .. } | Method::Token(_) => true,
        Method::Agency(agency) => !matches!(agency.by, Method::Key(_)),
        Method::Key(_) | Method::EcsAgency { .. } => false,
    };
    from_token && entry.is_set("autocreate_aksk")
}

fn agency(entry: &Entry) -> Result<Method, String> {
    let place = &entry.place;
    let name = entry.text("target_agency_name").ok_or_else(|| format!("{place} has no `target_agency_name`"))?;
    let domain = name_or_id(entry, "target_domain_name", "target_domain_id").ok_or_else(|| {
        format!("{place} has no `target_domain_name` and no `target_domain_id`: the account that lends the agency")
    })?;
    let by = plain(entry, None)?;
    if matches!(&by, Method::Key(key) if key.security_token.is_some()) {
        return Err(format!("{place} has a temporary access key; an agency is taken on with a permanent one"));
    }
    Ok(Method::Agency(Box::new(Agency { by, domain, name })))
}

fn plain(entry: &Entry, kind: Option<&str>) -> Result<Method, String> {
    let place = &entry.place;
    let has = |key: &str| entry.text(key).is_some();
    match kind {
        Some("token" | "v3token") => token(entry),
        None if !has("password") && has("token") => token(entry),
        None if !has("password")
            && let Some(key) = key(entry)? =>
        {
            Ok(Method::Key(key))
        }
        None | Some("password" | "v3password") => password(entry),
        Some(other) => Err(format!(
            "`auth_type` in {place} is `{other}`; supported are `password`, `token`, `agency` and `ecs_agency`"
        )),
    }
}

fn password(entry: &Entry) -> Result<Method, String> {
    let place = &entry.place;
    let user = name_or_id(entry, "username", "user_id")
        .or_else(|| entry.text("user_name").map(NameOrId::Name))
        .ok_or_else(|| format!("{place} has no `username` and no `user_id`"))?;
    let password = entry.text("password").ok_or_else(|| format!("{place} has no `password`"))?;
    let domain = name_or_id(entry, "user_domain_name", "user_domain_id")
        .or_else(|| name_or_id(entry, "domain_name", "domain_id"))
        .or_else(|| name_or_id(entry, "default_domain_name", "default_domain_id"))
        .or_else(|| entry.text("default_domain").map(NameOrId::Id));
    if let (NameOrId::Name(_), None) = (&user, &domain) {
        return Err(format!("{place} has no `user_domain_name`; on Open Telekom Cloud it is `OTC` and digits"));
    }
    Ok(Method::Password { user, domain, password: Secret::new(password) })
}

fn token(entry: &Entry) -> Result<Method, String> {
    let token = entry.text("token").ok_or_else(|| format!("{} has no `token`", entry.place))?;
    Ok(Method::Token(Secret::new(token.trim())))
}

/// An access key, by either of the names that python-otcextensions reads.
/// The access key beside whatever else logs in.
pub fn key(entry: &Entry) -> Result<Option<AccessKey>, String> {
    let text = |name: &str, short: &str| entry.text(name).or_else(|| entry.text(short));
    let place = &entry.place;
    match (text("access_key", "ak"), text("secret_key", "sk")) {
        (Some(access), Some(secret)) => {
            let security_token = entry.text("security_token").map(|token| Secret::new(token.trim()));
            let (access, secret) = (access.trim().to_owned(), Secret::new(secret.trim()));
            Ok(Some(AccessKey { access, secret, security_token }))
        }
        (Some(_), None) => Err(format!("{place} has an access key (`ak`) and no secret key (`sk`)")),
        (None, Some(_)) => Err(format!("{place} has a secret key (`sk`) and no access key (`ak`)")),
        (None, None) => Ok(None),
    }
}

fn name_or_id(entry: &Entry, name: &str, id: &str) -> Option<NameOrId> {
    entry.text(id).map(NameOrId::Id).or_else(|| entry.text(name).map(NameOrId::Name))
}
