//! Message templates: texts with holes, one per name and protocol.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde_json::{Value, json};

use super::{
    super::{
        answer::{Answer, Refusal, json_value},
        world::World,
    },
    Named, Pairs, Shared, Smn, authorise, bad, done, hex, name, not_found, now_text, optional, page,
    publish::Texts,
    read,
};

const MOST: usize = 100;
const LONGEST: usize = 256 * 1024;
const HOLES: usize = 256;
const DISTINCT_HOLES: usize = 90;
const PROTOCOLS: [&str; 6] = ["default", "email", "sms", "http", "https", "functionstage"];

pub struct Template {
    id: String,
    project: String,
    name: String,
    protocol: String,
    content: String,
    create_time: String,
    update_time: String,
}

impl Template {
    fn value(&self) -> Value {
        let tags: BTreeSet<&str> = holes(&self.content).collect();
        json!({"message_template_id": self.id, "message_template_name": self.name, "protocol": self.protocol,
            "tag_names": tags, "create_time": self.create_time, "update_time": self.update_time})
    }
}

/// The names between braces, where they are names.
fn holes(content: &str) -> impl Iterator<Item = &str> {
    let inside = content.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(hole, _)| hole));
    inside.filter(|hole| name::is_tag(hole))
}

impl Smn {
    /// Holes without a tag stay as they are; the documentation does not say.
    pub fn written(&self, project: &str, name: &str, tags: &Texts) -> Result<Texts, Refusal> {
        let filled = |content: &str| {
            tags.iter().fold(content.to_owned(), |text, (tag, value)| text.replace(&format!("{{{tag}}}"), value))
        };
        let of_name = self.templates.iter().filter(|template| template.name == name && template.project == project);
        let texts: Texts = of_name.map(|template| (template.protocol.clone(), filled(&template.content))).collect();
        if !texts.contains_key("default") {
            return Err(not_found("SMN.0076", "Default template not found."));
        }
        Ok(texts)
    }

    pub fn template_name(&self, id: &str) -> Option<&str> {
        self.templates.iter().find(|known| known.id == id).map(|known| known.name.as_str())
    }

    fn template(&mut self, project: &str, id: &str) -> Result<&mut Template, Refusal> {
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad("SMN.0031", "Invalid template ID."));
        }
        let found = self.templates.iter_mut().find(|known| known.id == id && known.project == project);
        found.ok_or_else(|| not_found("SMN.0027", "Template not found."))
    }
}

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v2/{project}/notifications/message_template", get(list).post(create))
        .route("/v2/{project}/notifications/message_template/{id}", get(show).put(update).delete(delete))
}

async fn create(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0024")?;
    let name = optional(&body, "message_template_name", "SMN.0032")?;
    if !name::is_word(&name, 64) {
        return Err(bad("SMN.0032", "Invalid template name."));
    }
    let protocol = match optional(&body, "protocol", "SMN.0011")? {
        none if none.is_empty() => "default".to_owned(),
        known if PROTOCOLS.contains(&known.as_str()) => known,
        _ => return Err(bad("SMN.0011", "Invalid protocol.")),
    };
    let content = content(&body)?;
    let mut state = world.state();
    let own = || state.smn.templates.iter().filter(|known| known.project == project);
    if own().any(|known| known.name == name && known.protocol == protocol) {
        return Err(bad("SMN.0025", "The template exists."));
    }
    if own().count() >= MOST {
        return Err(bad("SMN.0044", "The number of templates has reached the limit."));
    }
    let (request_id, id) = (hex(state.rng.u128(..)), hex(state.rng.u128(..)));
    let (create_time, update_time) = (now_text(), now_text());
    state.smn.templates.push(Template { id: id.clone(), project, name, protocol, content, create_time, update_time });
    Ok(json_value(StatusCode::CREATED, &json!({"request_id": request_id, "message_template_id": id})))
}

fn content(body: &Value) -> Result<String, Refusal> {
    let content = optional(body, "content", "SMN.0024")?;
    if content.is_empty() || content.len() > LONGEST {
        return Err(bad("SMN.0024", "Invalid template content."));
    }
    let distinct: BTreeSet<&str> = holes(&content).collect();
    if holes(&content).count() > HOLES || distinct.len() > DISTINCT_HOLES {
        return Err(bad("SMN.0042", "The template has too many variables."));
    }
    Ok(content)
}

async fn list(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    authorise(&world, &headers, &project)?;
    let wanted =
        |key: &str| pairs.iter().find(|(name, value)| name == key && !value.is_empty()).map(|(_, value)| value);
    let (name, protocol) = (wanted("message_template_name"), wanted("protocol"));
    let state = world.state();
    let own = state.smn.templates.iter().filter(|known| known.project == project);
    let found = own.filter(|known| name.is_none_or(|name| *name == known.name));
    let found = found.filter(|known| protocol.is_none_or(|protocol| *protocol == known.protocol));
    let found: Vec<Value> = found.map(Template::value).collect();
    let page = page(&found, &pairs, "message_template_id")?;
    let answer = json!({"request_id": hex(1), "message_template_count": found.len(), "message_templates": page});
    Ok(json_value(StatusCode::OK, &answer))
}

async fn show(State(world): Shared, Path((project, id)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut state = world.state();
    let template = state.smn.template(&project, &id)?;
    let mut value = template.value();
    value["content"] = template.content.as_str().into();
    value["request_id"] = hex(1).into();
    Ok(json_value(StatusCode::OK, &value))
}

async fn update(State(world): Shared, Path((project, id)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let content = content(&read(&body, "SMN.0024")?)?;
    let mut state = world.state();
    let template = state.smn.template(&project, &id)?;
    template.content = content;
    template.update_time = now_text();
    Ok(done(&mut state.rng))
}

async fn delete(State(world): Shared, Path((project, id)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut state = world.state();
    state.smn.template(&project, &id)?;
    state.smn.templates.retain(|template| template.id != id);
    Ok(done(&mut state.rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_names_between_braces() {
        let found = |content| holes(content).collect::<Vec<_>>();
        assert_eq!(found("{a} and {b.c}, {a}"), ["a", "b.c", "a"]);
        assert_eq!(found("{} {-a} {a b} {a"), [""; 0]);
        assert_eq!(found("{{a}}"), ["a"]);
        assert_eq!(found(&format!("{{{}}}", "x".repeat(22))), [""; 0]);
    }
}
