//! What may stand at the cursor, offered.

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, Documentation, MarkupContent, MarkupKind, Position, Range,
    TextEdit,
};

use super::{
    Server,
    outline::{Cursor, Outline, Place, Step, cursor, key},
    position,
    shape::Word,
    workspace::{Document, Kind, names},
};
use crate::{
    catalog,
    trace::{Field, action, field::NAMES, meaning},
};

/// Everything that fits; the editor sifts by what is typed.
pub fn at(server: &Server, uri: &str, document: &Document, kind: Kind, at: Position) -> Vec<CompletionItem> {
    let byte = position::byte(&document.text, at);
    let Some(cursor) = cursor(&document.text, byte) else { return Vec::new() };
    let look = Look { server, uri, document, kind, outline: Outline::of(&document.text), cursor: &cursor };
    if let Some((start, open)) = look.in_template() {
        return look.fields(start, byte, open);
    }
    let mut items = Vec::new();
    if cursor.place != Place::Key {
        items.extend(look.values(byte));
    }
    if cursor.place != Place::Value {
        items.extend(look.keys(byte));
    }
    items
}

struct Look<'a> {
    server: &'a Server,
    uri: &'a str,
    document: &'a Document,
    kind: Kind,
    outline: Outline,
    cursor: &'a Cursor,
}

impl Look<'_> {
    /// Where the word in an open `{{ ` begins, and whether it still lacks a blank before it.
    fn in_template(&self) -> Option<(usize, bool)> {
        let titled = matches!(self.cursor.path.last(), Some(Step::Key(name)) if name == "title");
        let open = self.cursor.word.rfind("{{").filter(|_| titled && self.kind == Kind::Rules)?;
        let inner = &self.cursor.word[open + 2..];
        if inner.contains("}}") {
            return None;
        }
        let word = inner.rfind(' ').map_or(0, |blank| blank + 1);
        Some((self.cursor.start + open + 2 + word, word == 0))
    }

    fn fields(&self, start: usize, end: usize, blank: bool) -> Vec<CompletionItem> {
        let lead = if blank { " " } else { "" };
        let item = |(name, field): &(&str, Field)| {
            let word = Word { text: (*name).to_owned(), meaning: meaning::of(field).to_owned() };
            self.item(&word, CompletionItemKind::FIELD, format!("{lead}{name}"), start..end)
        };
        let mut items: Vec<CompletionItem> = NAMES.iter().map(item).collect();
        let by: Vec<Step> =
            self.cursor.path[..self.cursor.path.len() - 1].iter().cloned().chain([key("dedup"), key("by")]).collect();
        for name in self.outline.words(&by) {
            let meaning = format!("`{name}` of the key that the alert is folded by.");
            let word = Word { text: format!("key.{name}"), meaning };
            items.push(self.item(&word, CompletionItemKind::FIELD, format!("{lead}key.{name}"), start..end));
        }
        items
    }

    /// Keys that the map does not hold yet.
    fn keys(&self, end: usize) -> Vec<CompletionItem> {
        let mut path = self.cursor.path.clone();
        let mut dash = "";
        if self.cursor.place == Place::Either && !self.cursor.flow && self.is_list_only(&path) {
            path.push(Step::Item(0));
            dash = "- ";
        }
        let taken: Vec<&str> = if dash.is_empty() { self.outline.names(&path).collect() } else { Vec::new() };
        let shape = self.server.shape(self.kind);
        let free = shape
            .keys(&path)
            .into_iter()
            .filter(|word| !taken.contains(&word.text.as_str()) || word.text == self.cursor.word);
        let item = |word: Word| {
            let text = format!("{dash}{}: ", word.text);
            self.item(&word, CompletionItemKind::PROPERTY, text, self.cursor.start..end)
        };
        free.map(item).collect()
    }

    fn is_list_only(&self, path: &[Step]) -> bool {
        let shape = self.server.shape(self.kind);
        shape.is_list(path) && !shape.is_map(path)
    }

    fn values(&self, end: usize) -> Vec<CompletionItem> {
        let mut words = match self.names() {
            Some(names) => names,
            None => self.server.shape(self.kind).words(&self.cursor.path),
        };
        if let Some(field) = self.field() {
            if field == Field::Operation {
                words = operations(&services(&self.outline, &self.cursor.path), words);
            } else if field == Field::Service {
                words.iter_mut().for_each(|word| word.meaning = service(&word.text));
            }
            let lists = self.lists().into_iter();
            words.extend(lists.map(|name| Word { text: format!("${name}"), meaning: "A named list.".into() }));
        }
        let item = |word: &Word| {
            let text = if self.cursor.quote.is_none() { plain(&word.text) } else { word.text.clone() };
            self.item(word, CompletionItemKind::VALUE, text, self.cursor.start..end)
        };
        words.iter().map(item).collect()
    }

    /// Names of things that stand elsewhere.
    fn names(&self) -> Option<Vec<Word>> {
        let (last, above) = last_key(&self.cursor.path)?;
        let own = |top: &str| names(&self.document.text, top);
        let found = match (self.kind, last) {
            (Kind::Config, "endpoint" | "fallback") => own("endpoints"),
            (Kind::Config, "notices") => own("topics"),
            (Kind::Rules, "topics") => {
                let config = self.document.path.as_deref().and_then(|path| self.server.workspace.config_text(path));
                names(&config?, "topics")
            }
            (Kind::Rules, "list") if above == Some("overlays") => self.lists(),
            (Kind::Rules, "id") if above == Some("overlays") => {
                let files = self.server.workspace.beside(self.uri, self.document);
                files.iter().flat_map(|file| ids(&file.text)).collect()
            }
            _ => return None,
        };
        Some(found.into_iter().map(|text| Word { text, meaning: String::new() }).collect())
    }

    /// Lists of all rule files that belong together.
    fn lists(&self) -> Vec<String> {
        let files = self.server.workspace.beside(self.uri, self.document);
        let mut found: Vec<String> = files.iter().flat_map(|file| names(&file.text, "lists")).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The field of a trace whose value stands at the cursor.
    fn field(&self) -> Option<Field> {
        if self.kind != Kind::Rules {
            return None;
        }
        field(&self.cursor.path)
    }

    fn item(
        &self,
        word: &Word,
        kind: CompletionItemKind,
        text: String,
        place: std::ops::Range<usize>,
    ) -> CompletionItem {
        let text_of = &self.document.text;
        let range = Range { start: position::of(text_of, place.start), end: position::of(text_of, place.end) };
        let markup = || MarkupContent { kind: MarkupKind::Markdown, value: word.meaning.clone() };
        CompletionItem {
            label: word.text.clone(),
            kind: Some(kind),
            documentation: (!word.meaning.is_empty()).then(|| Documentation::MarkupContent(markup())),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: text })),
            ..CompletionItem::default()
        }
    }
}

/// The field that a path leads to, through operators and lists: `match/operation/not[1]`.
pub fn field(path: &[Step]) -> Option<Field> {
    const OPERATORS: [&str; 5] = ["not", "not_in", "prefix", "suffix", "contains"];
    let mut names =
        path.iter().rev().filter_map(|step| if let Step::Key(name) = step { Some(name.as_str()) } else { None });
    let last = names.next()?;
    let name = if OPERATORS.contains(&last) { names.next()? } else { last };
    Field::parse(name)
}

/// The services that the groups around a path have settled on.
pub fn services<'o>(outline: &'o Outline, path: &[Step]) -> Vec<&'o str> {
    for length in (0..path.len()).rev() {
        for name in ["service", "service_type"] {
            let at: Vec<Step> = path[..length].iter().cloned().chain([key(name)]).collect();
            let found = outline.words(&at);
            if !found.is_empty() {
                return found;
            }
        }
    }
    Vec::new()
}

fn operations(services: &[&str], all: Vec<Word>) -> Vec<Word> {
    let word = |text: &str| Word { text: text.to_owned(), meaning: operation(text) };
    let own: Vec<Word> = services.iter().flat_map(|service| catalog::operations(Some(service))).map(word).collect();
    if own.is_empty() { all.into_iter().map(|other| word(&other.text)).collect() } else { own }
}

/// What is known of a service, in Markdown.
pub fn service(name: &str) -> String {
    let own = catalog::entries().filter(|entry| entry.service.eq_ignore_ascii_case(name));
    let (mut types, mut count) = (Vec::new(), 0);
    for entry in own {
        types.push(format!("`{}`", entry.resource_type));
        count += entry.operations().count();
    }
    if types.is_empty() {
        return String::new();
    }
    format!("The catalogue knows {count} operations, on {}.", types.join(", "))
}

/// What is known of an operation, in Markdown; empty if nothing.
pub fn operation(name: &str) -> String {
    let records = |entry: &catalog::Entry| entry.operations().any(|operation| operation.eq_ignore_ascii_case(name));
    let who: Vec<String> = catalog::entries()
        .filter(records)
        .map(|entry| format!("{} (resource type `{}`)", entry.service, entry.resource_type))
        .collect();
    if who.is_empty() {
        return String::new();
    }
    format!("Recorded by {}. Its action is `{}`.", who.join(", "), action::of(name))
}

fn ids(text: &str) -> Vec<String> {
    let outline = Outline::of(text);
    let id =
        |path: &[Step]| matches!(path, [Step::Key(top), Step::Item(_), Step::Key(id)] if top == "rules" && id == "id");
    outline.scalars.iter().filter(|scalar| id(&scalar.path)).map(|scalar| scalar.text.clone()).collect()
}

/// The last key of a path, and the one before it.
fn last_key(path: &[Step]) -> Option<(&str, Option<&str>)> {
    let mut names =
        path.iter().rev().filter_map(|step| if let Step::Key(name) = step { Some(name.as_str()) } else { None });
    Some((names.next()?, names.next()))
}

/// As it can stand in YAML without a quote around it, else with one.
fn plain(word: &str) -> String {
    let odd = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '/' | ' ' | '(' | ')' | '+'));
    if word.contains(odd) { format!("\"{word}\"") } else { word.to_owned() }
}
