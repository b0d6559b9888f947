//! `smn`: a topic of the cloud.

use crate::{
    cloud::{auth::NameOrId, clouds},
    document::Walk,
    endpoint::smn::Settings,
    render::publication::Style,
};

/// `{ cloud: otc, project: eu-de_prod, topic_urn: "urn:smn:eu-de:PROJECT_ID:alerts", structure: true }`
pub fn read(walk: &Walk<'_>) -> Option<Settings> {
    let mut fields = walk.fields()?;
    let cloud = fields.optional("cloud");
    let project = fields.optional_text("project");
    let topic_urn = fields.required("topic_urn").and_then(|walk| topic_urn(&walk));
    let structure = fields.optional_bool("structure").unwrap_or(false);
    let template = fields.optional("template");
    let url = fields.optional("url").map(|walk| address(&walk));
    fields.finish();
    let style = match template {
        Some(template) if structure => {
            template.fail("`structure` and `template` exclude each other: the cloud or Tracebell writes the texts");
            None
        }
        Some(template) => name(&template).map(Style::Template),
        None if structure => Some(Style::Structure),
        None => Some(Style::Text),
    };
    let credentials = clouds::credentials(cloud.as_ref().and_then(|cloud| cloud.words()));
    let mut credentials = match credentials {
        Ok(credentials) => credentials,
        Err(reason) => {
            let hint = "clouds.yaml or the OS_* variables say who logs in where";
            cloud.as_ref().unwrap_or(walk).fail_hint(reason, hint);
            return None;
        }
    };
    if let Some(project) = project {
        credentials.project = Some(NameOrId::Name(project.to_owned()));
    }
    let url = super::all_or_none(url)?;
    Some(Settings { credentials, topic_urn: topic_urn?, style: style?, url })
}

/// `urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts`
pub fn topic_urn(walk: &Walk<'_>) -> Option<String> {
    let text = walk.words()?;
    let word = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let good = match text.split(':').collect::<Vec<_>>().as_slice() {
        ["urn", "smn", region, project, name] => word(region, 32) && word(project, 32) && word(name, 256),
        _ => false,
    };
    if !good {
        let hint = "write `urn:smn:REGION:PROJECT_ID:TOPIC`, as the cloud's console shows it";
        walk.fail_hint(format!("`{text}` is not the URN of a topic"), hint);
    }
    good.then(|| text.to_owned())
}

/// Of a template that is kept in the cloud.
fn name(walk: &Walk<'_>) -> Option<String> {
    let text = walk.words()?;
    let good = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        && text.as_bytes()[0].is_ascii_alphanumeric();
    if !good {
        walk.fail_hint(
            format!("`{text}` is not the name of a template"),
            "the cloud's console shows it: up to 64 letters, digits, `-` and `_`",
        );
    }
    good.then(|| text.to_owned())
}

/// `https://smn.example.org/v2`; the project is added.
fn address(walk: &Walk<'_>) -> Option<String> {
    let text = walk.words()?;
    let filled = text.replace("%(project_id)s", "0");
    let good = reqwest::Url::parse(&filled).ok().filter(|url| {
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        bare && matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
    });
    if good.is_none() {
        walk.fail_hint(format!("`{text}` is not the address of a service"), "write `https://smn.example.org/v2`");
    }
    good.map(|_| text.to_owned())
}
