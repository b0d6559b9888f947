//! Bodies for chats, in the order in which they are read.

use std::collections::BTreeMap;

use serde_json::Value;

/// Empty lines stand between blocks.
pub fn slack(body: &Value) -> Vec<String> {
    let blocks = list(&body["blocks"]);
    if blocks.is_empty() {
        return text_of(body).lines().map(str::to_owned).collect();
    }
    let mut lines = Vec::new();
    for block in blocks {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        match block["type"].as_str().unwrap_or_default() {
            "rich_text" => list(&block["elements"]).iter().for_each(|part| rich(part, "", &mut lines)),
            "actions" => lines.extend(list(&block["elements"]).iter().map(button)),
            "context" => lines.push(list(&block["elements"]).iter().map(text_of).collect()),
            _ => lines.push(text_of(&block["text"]).to_owned()),
        }
    }
    lines
}

/// What is posted, and what becomes of the first message.
pub fn bot(parts: &Value) -> Vec<String> {
    let mut lines = slack_part(&parts["post"]);
    let update = slack_part(&parts["update"]);
    if !lines.is_empty() && !update.is_empty() {
        lines.extend([String::new(), "---- the first message becomes ----".to_owned(), String::new()]);
    }
    lines.extend(update);
    for name in list(&parts["reactions"]) {
        lines.extend([String::new(), format!("---- and is marked {} ----", sign(name.as_str().unwrap_or_default()))]);
    }
    lines
}

fn slack_part(part: &Value) -> Vec<String> {
    if part.is_object() { slack(part) } else { Vec::new() }
}

/// Mattermost and Rocket.Chat, without the marks that keep their Markdown from reading anything into it.
pub fn attachments(body: &Value) -> Vec<String> {
    let mut lines = marked(text_of(body));
    for attachment in list(&body["attachments"]) {
        lines.push(String::new());
        lines.extend(marked(text_of(attachment)));
        for field in list(&attachment["fields"]) {
            let (title, value) = (field["title"].as_str(), field["value"].as_str());
            let value = value.unwrap_or_default().trim_matches('`');
            lines.push(format!("{}  {}", title.unwrap_or_default(), marked(value).join(" ")));
        }
    }
    lines
}

pub fn teams(body: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for attachment in list(&body["attachments"]) {
        let card = &attachment["content"];
        list(&card["body"]).iter().for_each(|part| card_part(part, &mut lines));
        let actions = list(&card["actions"]);
        lines.extend(actions.iter().map(|action| linked(action["title"].as_str(), action["url"].as_str())));
    }
    lines
}

pub fn telegram(body: &Value) -> Vec<String> {
    let text = text_of(body);
    let units: Vec<u16> = text.encode_utf16().collect();
    // Where a link ends, and where it leads.
    let mut links: BTreeMap<usize, &str> = BTreeMap::new();
    for entity in list(&body["entities"]) {
        let end = entity["offset"].as_u64().unwrap_or(0) + entity["length"].as_u64().unwrap_or(0);
        if let (Some(url), Ok(end)) = (entity["url"].as_str(), usize::try_from(end)) {
            links.insert(end.min(units.len()), url);
        }
    }
    let (mut shown, mut from) = (String::new(), 0);
    for (end, url) in links {
        shown += &String::from_utf16_lossy(&units[from..end]);
        shown += &format!("  {url}");
        from = end;
    }
    shown += &String::from_utf16_lossy(&units[from..]);
    shown.lines().map(str::to_owned).collect()
}

fn rich(part: &Value, bullet: &str, lines: &mut Vec<String>) {
    let elements = list(&part["elements"]);
    if part["type"] == "rich_text_list" {
        return elements.iter().for_each(|line| rich(line, "  - ", lines));
    }
    let text: String = elements.iter().map(inline).collect();
    lines.extend(text.lines().map(|line| format!("{bullet}{line}")));
}

fn inline(element: &Value) -> String {
    match element["type"].as_str().unwrap_or_default() {
        "emoji" => sign(element["name"].as_str().unwrap_or_default()).to_owned(),
        "link" => linked(element["text"].as_str(), element["url"].as_str()),
        _ => text_of(element).to_owned(),
    }
}

fn button(button: &Value) -> String {
    format!("[{}]", linked(button["text"]["text"].as_str(), button["url"].as_str()))
}

fn card_part(part: &Value, lines: &mut Vec<String>) {
    if part["type"] == "Container" {
        return list(&part["items"]).iter().for_each(|part| card_part(part, lines));
    }
    let runs: String = list(&part["inlines"]).iter().map(text_of).collect();
    if runs.is_empty() { lines.push(text_of(part).to_owned()) } else { lines.push(runs) }
}

fn marked(text: &str) -> Vec<String> {
    let text = text.replace("**", "");
    let (mut plain, mut letters) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(c) = letters.next() {
        let escapes = c == '\\' && letters.peek().is_some_and(|next| "*_~`#".contains(*next));
        // A word joiner is not seen either.
        if !escapes && c != '\u{2060}' {
            plain.push(c);
        }
    }
    plain.lines().map(str::to_owned).collect()
}

fn linked(text: Option<&str>, url: Option<&str>) -> String {
    format!("{}  {}", text.unwrap_or_default(), url.unwrap_or_default())
}

fn text_of(value: &Value) -> &str {
    value["text"].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The sign of a name of Slack's.
fn sign(name: &str) -> &str {
    match name {
        "red_circle" => "🔴",
        "large_orange_circle" => "🟠",
        "large_yellow_circle" => "🟡",
        "large_blue_circle" => "🔵",
        "white_circle" => "⚪",
        "arrow_double_up" => "⏫",
        "zzz" => "💤",
        other => other,
    }
}
