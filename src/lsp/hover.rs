//! What stands under the cursor, explained.

use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Position};

use super::{
    Server,
    complete::{field, operation, service},
    outline::{Outline, Scalar, key},
    position,
    workspace::{Document, Kind},
};
use crate::{document::Span, trace::Field};

pub fn at(server: &Server, document: &Document, kind: Kind, at: Position) -> Option<Hover> {
    let byte = position::byte(&document.text, at);
    let outline = Outline::of(&document.text);
    let inside = |span: Span| (span.start..=span.end).contains(&byte);
    let shape = server.shape(kind);
    let (text, span) = if let Some(found) = outline.keys.iter().find(|key| inside(key.span)) {
        let path: Vec<_> = found.path.iter().cloned().chain([key(&found.name)]).collect();
        (titled(&found.name, &shape.meaning(&path)), found.span)
    } else {
        let found = outline.scalars.iter().find(|scalar| inside(scalar.span))?;
        (value(server, kind, found), found.span)
    };
    let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value: text });
    (!matches!(&contents, HoverContents::Markup(markup) if markup.value.is_empty()))
        .then(|| Hover { contents, range: Some(position::range(&document.text, span)) })
}

fn value(server: &Server, kind: Kind, scalar: &Scalar) -> String {
    if kind == Kind::Rules {
        let known = match field(&scalar.path) {
            Some(Field::Service) => service(&scalar.text),
            Some(Field::Operation) => operation(&scalar.text),
            _ => String::new(),
        };
        if !known.is_empty() {
            return titled(&scalar.text, &known);
        }
    }
    let words = server.shape(kind).words(&scalar.path);
    let meaning = words.into_iter().find(|word| word.text == scalar.text).map(|word| word.meaning);
    titled(&scalar.text, &meaning.unwrap_or_default())
}

fn titled(name: &str, meaning: &str) -> String {
    if meaning.is_empty() { String::new() } else { format!("**{name}**\n\n{meaning}") }
}
