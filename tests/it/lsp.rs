//! The language server as an editor meets it: the real binary over its standard input and output.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by panicking")]

use std::{
    fs,
    io::{BufReader, Read},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use lsp_server::{Message, Notification, Request, RequestId, Response};
use serde_json::{Value, json};
use tracebell::config;

use crate::world;

/// An editor with one server.
struct Editor {
    folder: tempfile::TempDir,
    server: Child,
    input: Option<ChildStdin>,
    heard: Receiver<Message>,
    next: i32,
}

impl Editor {
    /// Starts a server in a folder that holds these files.
    fn start(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut server = world::tracebell();
        server.arg("lsp").current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = server.spawn().unwrap();
        let input = server.stdin.take();
        let mut output = BufReader::new(server.stdout.take().unwrap());
        let (told, heard) = mpsc::sync_channel(1_000);
        thread::spawn(move || {
            while let Ok(Some(message)) = Message::read(&mut output) {
                if told.send(message).is_err() {
                    break;
                }
            }
        });
        let mut editor = Self { folder, server, input, heard, next: 0 };
        let answer = editor.ask("initialize", json!({ "capabilities": {} }));
        assert_eq!(answer["serverInfo"]["name"], "tracebell");
        editor.tell("initialized", json!({}));
        editor
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}", self.folder.path().join(name).display())
    }

    fn send(&mut self, message: Message) {
        message.write(self.input.as_mut().unwrap()).unwrap();
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(Notification::new(method.to_owned(), params).into());
    }

    fn hear(&self) -> Message {
        self.heard.recv_timeout(Duration::from_secs(30)).expect("the server says something")
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.answer(method, params).response_result.unwrap_or_else(|error| panic!("{method}: {}", error.message))
    }

    fn answer(&mut self, method: &str, params: Value) -> Response {
        self.next += 1;
        self.send(Request::new(RequestId::from(self.next), method.to_owned(), params).into());
        loop {
            if let Message::Response(response) = self.hear() {
                return response;
            }
        }
    }

    /// Opens or changes a text and waits for what is found in it.
    fn show(&mut self, name: &str, text: &str) -> Vec<Value> {
        self.next += 1;
        let (uri, version) = (self.uri(name), self.next);
        self.tell(
            "textDocument/didOpen",
            json!({ "textDocument": { "uri": uri, "languageId": "yaml", "version": version, "text": text } }),
        );
        self.problems(name, version)
    }

    fn problems(&self, name: &str, version: i32) -> Vec<Value> {
        let uri = self.uri(name);
        loop {
            let Message::Notification(note) = self.hear() else { continue };
            if note.params["uri"] == uri.as_str() && note.params["version"] == version {
                return note.params["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    /// Shows a text with the cursor at `|` and asks there.
    fn at_cursor(&mut self, method: &str, name: &str, text: &str) -> Value {
        let at = text.find('|').expect("a cursor");
        let (line, character) =
            (text[..at].matches('\n').count(), text[..at].rsplit('\n').next().unwrap().encode_utf16().count());
        self.show(name, &text.replacen('|', "", 1));
        let position = json!({ "line": line, "character": character });
        self.ask(method, json!({ "textDocument": { "uri": self.uri(name) }, "position": position }))
    }

    /// Labels offered at `|`.
    fn offered(&mut self, name: &str, text: &str) -> Vec<String> {
        let items = self.at_cursor("textDocument/completion", name, text);
        items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    }

    fn hover(&mut self, name: &str, text: &str) -> String {
        let found = self.at_cursor("textDocument/hover", name, text);
        found["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }

    fn end(mut self) -> ExitStatus {
        drop(self.input.take());
        self.server.wait().unwrap()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const LISTS: &str = "lists:\n  admins: [alice, bob]\n";
const CONFIG: &str = "\
rules: [ rules/ ]
sources: { prod: { cts: { cloud: otc } } }
endpoints: { ops: { webhook: { url: https://example.org } } }
topics: { default: [ { endpoint: ops } ], security: [ { endpoint: ops } ] }
";
/// The start of a rule, as deep as its keys.
const RULE: &str = "rules:\n  - id: one\n    title: \"{{ actor.name }}\"\n    severity: high\n";

fn files() -> Vec<(&'static str, &'static str)> {
    vec![("tracebell.yaml", CONFIG), ("rules/lists.yaml", LISTS)]
}

#[test]
fn problems_are_those_of_check_while_the_text_is_not_saved() {
    let mut editor = Editor::start(&files());
    let text = format!("{RULE}    match: {{ actor.name: $admins, operaton: createUser }}\n");
    let problems = editor.show("rules/new.yaml", &text);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    let said = problem["message"].as_str().unwrap();
    assert!(
        said.contains("`operaton` is not a field of a trace") && said.contains("did you mean `operation`?"),
        "{said}"
    );
    assert_eq!(problem["range"]["start"], json!({ "line": 4, "character": 34 }));
    assert_eq!(problem["range"]["end"], json!({ "line": 4, "character": 42 }));
    // Saved, the same is found from the command line.
    fs::write(editor.folder.path().join("rules/new.yaml"), &text).unwrap();
    let loaded = config::load(&editor.folder.path().join("tracebell.yaml"));
    assert!(loaded.problems.iter().any(|found| said.starts_with(&found.text)), "{:#?}", loaded.problems);
    // Mended, nothing is left; a list renamed in another text is missed at once.
    assert_eq!(editor.show("rules/new.yaml", &text.replace("operaton", "operation")), Vec::<Value>::new());
    editor.show("rules/lists.yaml", "lists:\n  admin: [alice]\n");
    let text = format!("{RULE}    match: {{ actor.name: $admins }}\n");
    let problems = editor.show("rules/new.yaml", &text);
    assert!(problems[0]["message"].as_str().unwrap().contains("no list `admins`"), "{problems:#?}");
}

#[test]
fn columns_are_counted_as_editors_count_them() {
    let mut editor = Editor::start(&[]);
    let text = format!("{RULE}    match: {{ resource.name: \"\u{1f514}ü\", servce: KMS }}\n");
    let problems = editor.show("rules/a.yaml", &text);
    // The bell takes two units, as `ü` takes one.
    assert_eq!(problems[0]["range"]["start"], json!({ "line": 4, "character": 35 }));
    let text = format!("{RULE}    match: {{ resource.name: \"\u{1f514}ü\", servic|e: KMS }}\n");
    assert!(editor.hover("rules/a.yaml", &text).contains("service_type"));
}

#[test]
fn what_fits_the_place_is_offered() {
    let mut editor = Editor::start(&files());
    let name = "rules/new.yaml";
    for (text, expected, not) in [
        ("ru|", &["rules", "lists", "overlays"][..], &["id"][..]),
        ("rules:\n  - |", &["id", "title", "match"], &["rules"]),
        ("rules:\n  |", &["id", "title"], &["rules"]),
        ("rules:\n  - id: a\n    se|", &["severity", "when"], &["id", "rules"]),
        ("rules:\n  - id: a\n    severity: |", &["info", "critical"], &["severity", "normal"]),
        ("rules:\n  - id: a\n    mode: sh|\n    title: x\n", &["shadow"], &["high"]),
        ("rules:\n  - id: a\n    match:\n      |", &["service", "actor.name", "any", "trace_name"], &["id", "prefix"]),
        ("rules:\n  - id: a\n    match: { service: |", &["KMS", "IAM", "$admins"], &["createUser"]),
        (
            "rules:\n  - id: a\n    match: { service: KMS, operation: |",
            &["scheduleKeyDeletion"],
            &["createUser", "KMS"],
        ),
        (
            "rules:\n  - id: a\n    match:\n      service: IAM\n      any:\n        - operation: [cr|",
            &["createUser"],
            &["scheduleKeyDeletion"],
        ),
        ("rules:\n  - id: a\n    match: { operation: cr|", &["createUser", "scheduleKeyDeletion"], &["KMS"]),
        ("rules:\n  - id: a\n    match: { operation: { pre|", &["prefix", "not_in", "regex"], &["service"]),
        ("rules:\n  - id: a\n    match: { outcome: |", &["succeeded", "failed"], &["normal"]),
        ("rules:\n  - id: a\n    match: { rating: { at_least: |", &["warning"], &["failed"]),
        ("rules:\n  - id: a\n    topics: [|", &["security", "default"], &["ops"]),
        ("rules:\n  - id: a\n    when:\n      |", &["count", "sequence"], &["at_least"]),
        ("rules:\n  - id: a\n    when: { count: { by: [|", &["actor.name", "source_network"], &["count"]),
        (
            "rules:\n  - id: a\n    title: \"{{ act|\n    severity: high\n",
            &["actor.name", "resource.id"],
            &["id", "severity"],
        ),
        ("rules:\n  - id: a\n    dedup: { by: [source_ip] }\n    title: \"{{ key.|", &["key.source_ip"], &["id"]),
        (
            "rules:\n  - id: a\n    cases:\n      - fires: { service: KMS, operation: |",
            &["scheduleKeyDeletion"],
            &["createUser"],
        ),
        ("rules:\n  - id: abc\noverlays:\n  - { id: |", &["abc"], &["high"]),
        ("overlays:\n  - { list: |", &["admins"], &["high"]),
        ("# a comm|", &[], &["rules"]),
    ] {
        let offered = editor.offered(name, text);
        let has = |word: &&str| offered.iter().any(|label| label == *word);
        assert!(expected.iter().all(&has), "{text}\noffers {offered:?}, not all of {expected:?}");
        assert!(!not.iter().any(&has), "{text}\noffers {offered:?}, some of {not:?}");
    }
    for (text, expected, not) in [
        ("|", &["sources", "topics"][..], &["lists"][..]),
        ("endpoints:\n  ops:\n    email: {}\n  sec:\n    fallback: |", &["ops", "sec"], &["email"]),
        ("endpoints:\n  ops:\n    |", &["slack", "email", "rate_limit"], &["endpoints"]),
        ("topics:\n  a:\n    - { endpoint: ops, filter: { severity: |", &["high"], &["at_least"]),
        ("endpoints: { ops: {} }\ntopics:\n  a:\n    - endpoint: o|", &["ops"], &["a"]),
        ("topics: { a: [], b: [] }\nnotices: |", &["a", "b"], &["topics"]),
    ] {
        let offered = editor.offered("tracebell.yaml", text);
        let has = |word: &&str| offered.iter().any(|label| label == *word);
        assert!(expected.iter().all(&has), "{text}\noffers {offered:?}, not all of {expected:?}");
        assert!(!not.iter().any(&has), "{text}\noffers {offered:?}, some of {not:?}");
    }
}

#[test]
fn what_is_chosen_replaces_what_was_typed() {
    let mut editor = Editor::start(&files());
    let mut chosen = |text: &str, label: &str| {
        let items = editor.at_cursor("textDocument/completion", "rules/new.yaml", text);
        let item = items.as_array().unwrap().iter().find(|item| item["label"] == label).unwrap().clone();
        let edit = &item["textEdit"];
        let line = text.replacen('|', "", 1).lines().last().unwrap().to_owned();
        let at = |end: &str| edit["range"][end]["character"].as_u64().unwrap() as usize;
        format!("{}{}{}", &line[..at("start")], edit["newText"].as_str().unwrap(), &line[at("end")..])
    };
    assert_eq!(chosen("rules:\n  - id: a\n    match: { actor.na|", "actor.name"), "    match: { actor.name: ");
    assert_eq!(
        chosen("rules:\n  - id: a\n    match: { service: GaussDB(|", "GaussDB(for MySQL)"),
        "    match: { service: GaussDB(for MySQL)"
    );
    assert_eq!(chosen("rules:\n  - id: a\n    title: \"{{act|", "actor.name"), "    title: \"{{ actor.name");
    assert_eq!(chosen("rules:\n  |", "id"), "  - id: ");
}

#[test]
fn what_stands_under_the_cursor_is_explained() {
    let mut editor = Editor::start(&files());
    for (text, expected) in [
        ("rules:\n  - id: a\n    sever|ity: high\n", "How bad you judge it"),
        ("rules:\n  - id: a\n    match: { outc|ome: failed }\n", "Never from the HTTP code"),
        ("rules:\n  - id: a\n    match: { operation: { pref|ix: delete } }\n", "Begins with this text"),
        ("rules:\n  - id: a\n    match: { operation: scheduleKey|Deletion }\n", "Recorded by KMS (resource type"),
        ("rules:\n  - id: a\n    match: { operation: scheduleKey|Deletion }\n", "action is `delete`"),
        ("rules:\n  - id: a\n    match: { service: K|MS }\n", "The catalogue knows"),
        ("rules:\n  - id: a\n    mode: sh|adow\n", "a rule on trial"),
        ("rules:\n  - id: a\n    match: { trace_rat|ing: warning }\n", "CTS's own name for `rating`"),
        ("rules:\n  - id: a\n    match: { request.user.na|me: x }\n", "A number indexes a list"),
    ] {
        let found = editor.hover("rules/new.yaml", text);
        assert!(found.contains(expected), "{text}\nsays {found}");
    }
    assert_eq!(editor.hover("rules/new.yaml", "rules:\n  - id: nothing to s|ay\n"), "");
    assert!(editor.hover("tracebell.yaml", "endpoints:\n  a:\n    fall|back: b\n").contains("cannot take"));
}

#[test]
fn a_slip_is_mended_and_rules_are_listed() {
    let mut editor = Editor::start(&[]);
    let text = "rules:\n  - id: one\n    titel: One\n    severity: hihg\n    match: { service: KMS }\n  - id: two\n";
    editor.show("rules/a.yaml", text);
    let uri = editor.uri("rules/a.yaml");
    let whole = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 9, "character": 0 } });
    let params = json!({ "textDocument": { "uri": uri }, "range": whole, "context": { "diagnostics": [] } });
    let fixes = editor.ask("textDocument/codeAction", params);
    let edits: Vec<(&str, &Value)> = fixes
        .as_array()
        .unwrap()
        .iter()
        .map(|fix| (fix["title"].as_str().unwrap(), &fix["edit"]["changes"][&uri][0]["range"]["start"]))
        .collect();
    assert!(edits.contains(&("Change to `title`", &json!({ "line": 2, "character": 4 }))), "{edits:?}");
    assert!(edits.contains(&("Change to `high`", &json!({ "line": 3, "character": 14 }))), "{edits:?}");
    let symbols = editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } }));
    let names: Vec<&str> = symbols.as_array().unwrap().iter().map(|symbol| symbol["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn what_is_not_ours_or_not_understood_does_no_harm() {
    let mut editor = Editor::start(&[]);
    assert_eq!(editor.show("compose.yaml", "services: [\n"), Vec::<Value>::new());
    let refused = |response: Response| response.response_result.unwrap_err();
    let error = refused(editor.answer("textDocument/rename", json!({})));
    assert!(error.code == -32601 && error.message.contains("`textDocument/rename`"), "{}", error.message);
    let error = refused(editor.answer("textDocument/hover", json!({ "textDocument": 7 })));
    assert!(error.code == -32602 && error.message.contains("cannot be read"), "{}", error.message);
    editor.tell("textDocument/didChange", json!([1, 2]));
    let far = json!({ "line": 4_000_000, "character": 4_000_000 });
    editor.show("rules/a.yaml", "rules: {{{ [\u{1f514}\n\t- x: |");
    let here = json!({ "textDocument": { "uri": editor.uri("rules/a.yaml") }, "position": far });
    editor.ask("textDocument/completion", here.clone());
    editor.ask("textDocument/hover", here);
    let nowhere = json!({ "textDocument": { "uri": "file:///nowhere.yaml" }, "position": far });
    assert_eq!(editor.ask("textDocument/hover", nowhere), Value::Null);
}

#[test]
fn a_goodbye_is_answered_and_a_silent_one_noticed() {
    let mut editor = Editor::start(&[]);
    assert_eq!(editor.ask("shutdown", Value::Null), Value::Null);
    editor.tell("exit", Value::Null);
    assert!(editor.end().success());
    assert_eq!(Editor::start(&[]).end().code(), Some(1));
}

/// A real editor with its own client: Debian's Neovim, without a word from us between it and the server.
#[test]
fn neovim_shows_offers_explains_and_mends() {
    let program = std::env::var_os("TRACEBELL_TEST_NVIM").unwrap_or_else(|| "nvim".into());
    let mut editor = Command::new(program);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    let file = folder.path().join("rules/a.yaml");
    fs::write(&file, "rules:\n  - id: one\n    titel: '{{ actor.name }}'\n    severity: high\n    match:\n      operation: scheduleKeyDeletion\n      \n").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nvim/session.lua");
    let home = folder.path().join("home");
    editor
        .args(["--headless", "--clean", "-n", "-u", "NONE"])
        .arg(&file)
        .arg("-c")
        .arg(format!("luafile {}", script.display()));
    editor
        .env("TRACEBELL", env!("CARGO_BIN_EXE_tracebell"))
        .env("HOME", &home)
        .env("XDG_STATE_HOME", &home)
        .env("XDG_CACHE_HOME", &home);
    let mut editor = editor
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Neovim is missing: run tests/run once, it gets it, or name one by TRACEBELL_TEST_NVIM");
    let mut said = String::new();
    editor.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = editor.wait().unwrap();
    for line in [
        "problem 3:5 unknown key `titel`",
        "offered actor.name",
        "offered service",
        "explained Recorded by KMS",
        "mended     title: '{{ actor.name }}'",
        "left 0",
    ] {
        assert!(said.contains(line), "no `{line}` in:\n{said}");
    }
    assert!(status.success(), "{said}");
}
