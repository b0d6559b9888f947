//! The rules of a file, for the editor's list of what is in it.

use lsp_types::{DocumentSymbol, SymbolKind};

use super::{
    outline::{Outline, Step},
    position,
};
use crate::document::Span;

pub fn of(text: &str) -> Vec<DocumentSymbol> {
    let outline = Outline::of(text);
    let mut rules: Vec<(&str, Span)> = Vec::new();
    for scalar in &outline.scalars {
        if let [Step::Key(top), Step::Item(_), Step::Key(id)] = scalar.path.as_slice()
            && top == "rules"
            && id == "id"
        {
            rules.push((&scalar.text, scalar.span));
        }
    }
    let next = rules.iter().skip(1).map(|(_, span)| span.start).chain([text.len()]);
    rules.iter().zip(next).map(|((id, span), end)| symbol(text, id, *span, end)).collect()
}

#[expect(deprecated, reason = "the protocol's own record has no other constructor")]
fn symbol(text: &str, id: &str, span: Span, end: usize) -> DocumentSymbol {
    DocumentSymbol {
        name: id.to_owned(),
        detail: None,
        kind: SymbolKind::CLASS,
        tags: None,
        deprecated: None,
        range: position::range(text, Span { start: span.start, end }),
        selection_range: position::range(text, span),
        children: None,
    }
}
