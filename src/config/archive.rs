//! `sources.NAME.archive`: the bucket to which the tracker delivers the source's trace files.

use url::Url;

use super::secrets::Secrets;
use crate::{
    cloud::{
        auth::{Credentials, NameOrId},
        clouds,
        sign::AccessKey,
    },
    document::Walk,
    secret::Secret,
    source::{
        SourceError,
        archive::{Bucket, Settings, Style, digest::PublicKey},
    },
};

/// As far as the entry itself says it.
pub struct Draft<'a> {
    walk: Walk<'a>,
    bucket: String,
    prefix: Option<String>,
    region: Option<String>,
    endpoint: Option<Url>,
    path_style: Option<bool>,
    key: Option<AccessKey>,
    /// A key that is wrong is not looked for elsewhere.
    key_is_bad: bool,
    public_key: PublicKey,
}

pub fn read<'a>(walk: Walk<'a>, secrets: &Secrets<'_>) -> Option<Draft<'a>> {
    let mut fields = walk.fields()?;
    let bucket = fields.required("bucket");
    let prefix = fields.optional("prefix");
    let region = fields.optional("region").and_then(|walk| walk.words().map(str::to_owned));
    let endpoint = fields.optional("endpoint");
    let path_style = fields.optional_bool("path_style");
    let [access, secret, token] = ["access_key", "secret_key", "security_token"].map(|key| fields.optional(key));
    let public_key = fields.optional("public_key");
    fields.finish();
    let public_key = match &public_key {
        Some(walk) => public_key_of(walk, secrets)?,
        None => PublicKey::documented(),
    };
    let bucket = bucket.and_then(|walk| bucket_name(&walk));
    let prefix = match &prefix {
        Some(walk) => Some(prefix_of(walk)?),
        None => None,
    };
    let endpoint = match endpoint {
        Some(walk) => Some(url(&walk)?),
        None => None,
    };
    let hint = "give `access_key` and `secret_key`, or neither to take `ak` and `sk` of the clouds.yaml entry";
    let told = access.is_some() || secret.is_some();
    let [access_is, secret_is, token] =
        [&access, &secret, &token].map(|walk| walk.as_ref().map(|walk| secrets.read(walk)));
    let key = match (access_is, secret_is) {
        (Some(access), Some(secret)) => access.zip(secret).map(|(access, secret)| AccessKey {
            access: access.expose().trim().to_owned(),
            secret: Secret::new(secret.expose().trim()),
            security_token: token.flatten().map(|token| Secret::new(token.expose().trim())),
        }),
        (None, None) => None,
        _ => {
            walk.fail_hint("`access_key` and `secret_key` belong together, and one is missing", hint);
            None
        }
    };
    let key_is_bad = told && key.is_none();
    Some(Draft { bucket: bucket?, walk, prefix, region, endpoint, path_style, key, key_is_bad, public_key })
}

impl Draft<'_> {
    /// With what the login of the source says: its region, CA and access key.
    pub fn complete(
        self,
        credentials: &Credentials,
        cloud: Option<&str>,
        tracker: &str,
        are_secrets_read: bool,
    ) -> Option<Settings> {
        let Draft { walk, bucket, prefix, region, endpoint, path_style, key, key_is_bad, public_key } = self;
        let Some(region) = region.or_else(|| credentials.region.clone()) else {
            walk.fail_hint("neither `archive` nor the login of the source names a region", "add `region: eu-de`");
            return None;
        };
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => Settings::endpoint_of(&region).parse().ok().or_else(|| {
                walk.fail(format!("`{region}` is not a region"));
                None
            })?,
        };
        let style = match path_style {
            Some(true) => Style::Path,
            Some(false) => Style::Host,
            None => Settings::style_of(&endpoint),
        };
        let key = match key {
            Some(key) => key,
            None if key_is_bad => return None,
            None => match clouds::access_key(cloud) {
                Ok(Some(key)) => key,
                Ok(None) if !are_secrets_read => return None,
                Ok(None) => {
                    let hint = "add `access_key: { env: AK }` and `secret_key: { env: SK }`, or `ak` and `sk` to the \
                                clouds.yaml entry: buckets know no passwords";
                    walk.fail_hint("`archive` has no access key", hint);
                    return None;
                }
                Err(reason) => {
                    walk.fail(reason);
                    return None;
                }
            },
        };
        let (ca, tracker) = (credentials.ca.clone(), tracker.to_owned());
        let proxy = credentials.proxy.clone();
        let (project_id, project_name) = match &credentials.project {
            Some(NameOrId::Id(id)) => (Some(id.clone()), None),
            Some(NameOrId::Name(name)) => (None, Some(name.clone())),
            None => (None, None),
        };
        let project = None;
        let settings = Settings {
            bucket,
            prefix,
            region,
            endpoint,
            style,
            key,
            public_key,
            ca,
            proxy,
            tracker,
            project,
            project_id,
            project_name,
        };
        match Bucket::new(settings.clone()) {
            Ok(_) => Some(settings),
            Err(SourceError::Refused { reason, fix }) => {
                walk.fail_hint(reason, fix);
                None
            }
            Err(error) => {
                walk.fail(error.to_string());
                None
            }
        }
    }
}

fn bucket_name(walk: &Walk<'_>) -> Option<String> {
    let name = walk.words()?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let length = name.chars().count();
    let wrong = match name.chars().find(|c| !plain(*c)) {
        Some(odd) => format!("holds `{odd}`; expected small letters, digits, `-` and `.`"),
        None if !(3..=63).contains(&length) => format!("has {length} characters; expected 3 to 63"),
        None => return Some(name.to_owned()),
    };
    walk.fail_hint(
        format!("the bucket name `{name}` {wrong}"),
        "`tracebell tracker show` tells where the tracker delivers",
    );
    None
}

fn prefix_of(walk: &Walk<'_>) -> Option<String> {
    let prefix = walk.words()?;
    let length = prefix.chars().count();
    if length > 64 || prefix.contains('/') {
        let hint =
            "what the names of trace files begin with, as the tracker's `file_prefix_name`; without it, all are read";
        walk.fail_hint(format!("`{prefix}` is not a prefix: expected at most 64 characters and no `/`"), hint);
        return None;
    }
    Some(prefix.to_owned())
}

fn public_key_of(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Option<PublicKey> {
    let path = secrets.path(walk)?;
    if !secrets.are_read() {
        return Some(PublicKey::documented());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
    let hint = "give a file in PEM; without `public_key` the key that the trace service documents counts";
    let key = text.and_then(|text| PublicKey::parse(&text));
    key.map_err(|reason| walk.fail_hint(format!("cannot use `{}`: {reason}", path.display()), hint)).ok()
}

fn url(walk: &Walk<'_>) -> Option<Url> {
    let text = walk.words()?;
    let hint = "write `https://obs.eu-de.otc.t-systems.com`; the bucket stands in `bucket`";
    let found = text.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    match found {
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            walk.fail_hint("the address holds a login", "give it as `access_key` and `secret_key`");
            None
        }
        Some(url) => Some(url),
        None => {
            walk.fail_hint(format!("`{text}` is not an address"), hint);
            None
        }
    }
}
