//! The architecture holds: imports point down, as the diagram in `src/lib.rs` says.

use std::{collections::BTreeMap, fs, path::Path};

/// Rooms by name with the index of their layer; 0 is the rim.
type Rooms = BTreeMap<String, usize>;

const LAYERS: [&str; 6] = ["rim", "loops", "ports", "door", "logic", "words"];
const PORTS: usize = 2;
const LOGIC: usize = 4;
const MOST_LINES: usize = 600;
const NAMELESS: [&str; 6] = ["utils", "util", "common", "helpers", "manager", "processor"];
/// What pure rooms may not touch: runtimes, sockets, databases.
const IMPURE: [&str; 10] =
    ["tokio", "tokio_util", "reqwest", "axum", "sqlx", "hyper", "hyper_util", "tower", "tower_http", "lettre"];

#[test]
fn imports_point_down() {
    let rooms = rooms(&read("src/lib.rs"));
    let mut complaints = Vec::new();
    for path in sources() {
        complaints.extend(complaints_of(&path, &read(&path), &rooms));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_diagram_names_every_room() {
    let lib = read("src/lib.rs");
    let drawn: Vec<String> = rooms(&lib).into_keys().collect();
    let mut declared: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    declared.sort_unstable();
    assert_eq!(drawn, declared, "the diagram in src/lib.rs and its `pub mod` lines differ");
}

#[test]
fn bad_snippets_are_seen() {
    let rooms = rooms(&read("src/lib.rs"));
    for (path, text, expected) in [
        ("src/rule/load.rs", "use crate::store::Store;", "src/rule/load.rs: logic `rule` imports ports `store`"),
        (
            "src/trace.rs",
            "use crate::{\n    clock::{self, Timestamp},\n    rule::Rule,\n};",
            "words `trace` imports logic",
        ),
        ("src/store/sqlite.rs", "fn f() { crate::endpoint::x() }", "port `store` imports port `endpoint`"),
        ("src/ingest.rs", "use crate::config::Config;", "only `cli` and `app` see `config`"),
        ("src/http.rs", "use crate::{config, health};", "only `cli` and `app` see `config`"),
        ("src/emulator/cts.rs", "use crate::trace::Trace;", "the emulator shares no types with the client"),
        ("src/emulator/smn.rs", "use crate::cloud::auth;", "the emulator shares no types with the client"),
        ("src/cloud/auth.rs", "use crate::source::SourceError;", "door `cloud` imports ports `source`"),
        ("src/render/smn.rs", "use crate::cloud::CloudError;", "logic `render` imports door `cloud`"),
        ("src/rule.rs", "use super::store::Sqlite;", "logic `rule` imports ports `store`"),
        ("src/rule/case.rs", "use super::super::store::Sqlite;", "logic `rule` imports ports `store`"),
        ("src/rule/case.rs", "mod tests { use super::super::super::store::X; }", "logic `rule` imports ports `store`"),
        ("src/topic.rs", "pub async fn f() {}", "pure rooms are not async"),
        ("src/catalog.rs", "use tokio::sync::Mutex;", "pure rooms do not use `tokio`"),
        ("src/render/email.rs", "use lettre::{AsyncTransport, message::Mailbox};", "pure rooms do not use `lettre`"),
        ("src/topic.rs", "use lettre::message::Mailbox;", "pure rooms do not use `lettre`"),
        ("src/alert.rs", "fn f() -> reqwest::Url { todo!() }", "pure rooms do not use `reqwest`"),
        ("src/store/mod.rs", "", "a file named `mod`"),
        ("src/rule/utils.rs", "", "a file named `utils`"),
        ("src/attic.rs", "", "`attic` is not in the diagram"),
        ("src/rule/long.rs", &"\n".repeat(601), "601 lines, at most 600"),
    ] {
        let found = complaints_of(path, text, &rooms);
        assert!(found.iter().any(|c| c.contains(expected)), "{path}: {text:?}: found {found:?}, expected {expected:?}");
    }
}

#[test]
fn good_snippets_pass() {
    let rooms = rooms(&read("src/lib.rs"));
    for (path, text) in [
        ("src/rule/load.rs", "use super::RuleSet;\nuse crate::{document::File, trace::{Field, Trace}};"),
        (
            "src/rule/load.rs",
            "//! Not `crate::store`.\n/* crate::store */ fn f() { g(\"crate::store\", '\"') } // crate::app",
        ),
        ("src/render/email.rs", "use lettre::{Message, message::{Mailbox, header}};"),
        ("src/trace/decode/wire.rs", "use super::super::Actor;\nmod tests { use super::store; }"),
        ("src/endpoint/smn.rs", "use crate::cloud::{auth::Session, catalogue};"),
        ("src/cloud/http.rs", "pub async fn send(request: reqwest::RequestBuilder) { request.send().await }"),
        ("src/clock.rs", "pub async fn sleep() { tokio::time::sleep(d).await }"),
        ("src/cli/run.rs", "use crate::{app, config::Config};"),
        ("src/lib.rs", "pub mod app;"),
    ] {
        assert_eq!(complaints_of(path, text, &rooms), Vec::<String>::new(), "{path}: {text}");
    }
}

fn complaints_of(path: &str, text: &str, rooms: &Rooms) -> Vec<String> {
    let mut complaints = Vec::new();
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).expect("source files have names");
    if stem == "mod" || NAMELESS.contains(&stem) {
        complaints.push(format!("a file named `{stem}` says nothing: name what it is"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        complaints.push(format!("{lines} lines, at most {MOST_LINES}: split it by what it knows"));
    }
    let room = path.trim_start_matches("src/").split(['/', '.']).next().expect("split gives at least one part");
    if room != "lib" && room != "main" {
        match rooms.get(room) {
            Some(layer) => complaints.extend(imports_of(path, &code_of(text), room, *layer, rooms)),
            None => complaints.push(format!("`{room}` is not in the diagram of src/lib.rs")),
        }
    }
    complaints.into_iter().map(|complaint| format!("{path}: {complaint}")).collect()
}

fn imports_of(path: &str, code: &str, room: &str, layer: usize, rooms: &Rooms) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut imported = heads_after(code, "crate");
    // As many `super` as the file is deep lead to the crate; one more inside its test module.
    let depth = path.matches('/').count();
    let (before_tests, tests) = code.split_once("mod tests").unwrap_or((code, ""));
    imported.extend(heads_after(before_tests, &vec!["super"; depth].join("::")));
    imported.extend(heads_after(tests, &vec!["super"; depth + 1].join("::")));
    imported.sort();
    imported.dedup();
    for other in imported.iter().filter(|other| *other != room) {
        let Some(&below) = rooms.get(other) else { continue };
        if below < layer {
            complaints.push(format!("{} `{room}` imports {} `{other}` above it", LAYERS[layer], LAYERS[below]));
        }
        if below == PORTS && layer == PORTS {
            complaints.push(format!("port `{room}` imports port `{other}`: they meet in the loops"));
        }
        if other == "config" && room != "cli" && room != "app" {
            complaints.push("only `cli` and `app` see `config`; take your own `Settings`".to_owned());
        }
        if room == "emulator" && ["trace", "source", "cloud"].contains(&other.as_str()) {
            complaints.push(format!("the emulator shares no types with the client, but imports `{other}`"));
        }
    }
    if layer >= LOGIC && room != "clock" {
        if code.contains("async fn") || code.contains("async move") || code.contains(".await") {
            complaints.push("pure rooms are not async".to_owned());
        }
        for library in IMPURE {
            // Composing a mail is pure; these parts of lettre do nothing else.
            let composes = ["message", "Message", "Address"];
            let allowed = |head: &String| room == "render" && library == "lettre" && composes.contains(&head.as_str());
            if heads_after(code, library).iter().any(|head| !allowed(head)) {
                complaints.push(format!("pure rooms do not use `{library}`"));
            }
        }
    }
    complaints
}

/// First names after `root::` in paths and `use` groups: `root::{a::b, c}` gives a and c.
fn heads_after(code: &str, root: &str) -> Vec<String> {
    let needle = format!("{root}::");
    let mut heads = Vec::new();
    for (at, _) in code.match_indices(&needle) {
        let inside_a_word = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        if inside_a_word {
            continue;
        }
        let rest = code[at + needle.len()..].trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut item) = (0, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => heads.push(first_name(&std::mem::take(&mut item))),
                    _ => {}
                }
                if depth == 0 && c != ',' {
                    item.push(c);
                }
            }
            heads.push(first_name(&item));
        } else {
            heads.push(first_name(rest));
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

fn first_name(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The text without comments and without the contents of string literals.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = raw_string(rest) {
            raw
        } else if c == '"' {
            plain_string(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\''") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(1, |end| end + 2)
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = &rest[skip.min(rest.len())..];
    }
    code
}

fn plain_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&end).map_or(text.len(), |at| 2 + hashes + at + end.len()))
}

/// The diagram in the crate's documentation.
fn rooms(lib: &str) -> Rooms {
    let mut rooms = Rooms::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("//! ")) {
        let mut words = line.split_whitespace();
        if let Some(layer) = words.next().and_then(|word| LAYERS.iter().position(|layer| *layer == word)) {
            rooms.extend(words.map(|room| (room.to_owned(), layer)));
        }
    }
    assert!(rooms.len() > 20, "the diagram in src/lib.rs was not found");
    rooms
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file of the crate, relative to its root.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec!["src".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).expect("src is a folder") {
            let entry = entry.expect("src can be listed");
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 20, "no sources found");
    found
}
