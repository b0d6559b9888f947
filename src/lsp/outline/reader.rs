//! The reading itself: one pass over the lines, with a stack of open maps and lists.

use super::{
    Cursor, Key, Outline, Place, Scalar, Step,
    words::{block_key, plain, quoted, uncommented},
};
use crate::document::Span;

/// Deeper nesting is not followed: no rule has it, and a stack of brackets could.
const DEPTH_LIMIT: usize = 100;

#[derive(Debug)]
enum Frame {
    /// `indent` is `None` between brackets.
    Map {
        indent: Option<usize>,
        key: Option<String>,
    },
    List {
        indent: Option<usize>,
        index: usize,
    },
}

impl Frame {
    fn indent(&self) -> Option<usize> {
        match self {
            Self::Map { indent, .. } | Self::List { indent, .. } => *indent,
        }
    }
}

#[derive(Debug, Default)]
struct Reader {
    stack: Vec<Frame>,
    outline: Outline,
    /// Lines indented more than this belong to a block of text.
    text_above: Option<usize>,
    /// What the end of the line read last stands in.
    end: Option<Cursor>,
}

/// Everything in the text, and what its end stands in.
pub fn read(text: &str) -> (Outline, Option<Cursor>) {
    let mut reader = Reader::default();
    let mut at = 0;
    for line in text.split('\n') {
        reader.line(line.trim_end_matches('\r'), at);
        at += line.len() + 1;
    }
    (reader.outline, reader.end)
}

impl Reader {
    fn line(&mut self, line: &str, at: usize) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let rest = &line[indent..];
        self.end = None;
        if let Some(above) = self.text_above {
            if rest.is_empty() || indent > above {
                return;
            }
            self.text_above = None;
        }
        if rest.starts_with('#') {
            return;
        }
        if self.in_flow() {
            // Brackets that nobody closed end where the map around them goes on.
            let block = self.stack.iter().rev().find_map(Frame::indent).unwrap_or(0);
            if rest.is_empty() || indent > block || rest.starts_with(['}', ']']) {
                self.flow(rest, at + indent);
                return;
            }
            self.stack.retain(|frame| frame.indent().is_some());
        }
        self.block(rest, indent, at + indent);
    }

    fn in_flow(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.indent().is_none())
    }

    fn path(&self) -> Vec<Step> {
        let step = |frame: &Frame| match frame {
            Frame::Map { key, .. } => key.clone().map(Step::Key),
            Frame::List { index, .. } => Some(Step::Item(*index)),
        };
        self.stack.iter().filter_map(step).collect()
    }

    fn push(&mut self, frame: Frame) {
        if self.stack.len() < DEPTH_LIMIT {
            self.stack.push(frame);
        }
    }

    /// A line, or what follows a dash in it, that begins in `column`.
    fn block(&mut self, rest: &str, column: usize, at: usize) {
        // An empty line ends nothing yet: whoever types next decides.
        self.stack.retain(|frame| frame.indent().is_some_and(|indent| indent <= column) || rest.is_empty());
        if rest == "-" || rest.starts_with("- ") {
            self.dash(rest, column, at);
            return;
        }
        if rest.is_empty() {
            self.empty(column, at);
            return;
        }
        // Without a dash a list in this column has ended.
        if matches!(self.stack.last(), Some(Frame::List { indent, .. }) if *indent == Some(column)) {
            self.stack.pop();
        }
        let same_map = matches!(self.stack.last(), Some(Frame::Map { indent, .. }) if *indent == Some(column));
        if let Some((name, length)) = block_key(rest) {
            if same_map {
                self.stack.pop();
            }
            let start = at + usize::from(rest.starts_with(['"', '\'']));
            let span = Span { start, end: start + name.len() };
            self.outline.keys.push(Key { path: self.path(), name: name.to_owned(), span });
            self.push(Frame::Map { indent: Some(column), key: Some(name.to_owned()) });
            let value = rest[length + 1..].trim_start_matches([' ', '\t']);
            self.value(Place::Value, value, column, at + rest.len() - value.len());
        } else if same_map {
            if let Some(Frame::Map { key, .. }) = self.stack.last_mut() {
                *key = None;
            }
            self.mark(Place::Key, rest, at, None);
        } else {
            self.value(Place::Either, rest, column, at);
        }
    }

    fn dash(&mut self, rest: &str, column: usize, at: usize) {
        // A list may stand in the column of the key above it.
        match self.stack.last_mut() {
            Some(Frame::List { indent, index }) if *indent == Some(column) => *index += 1,
            _ => self.push(Frame::List { indent: Some(column), index: 0 }),
        }
        let inner = rest[1..].trim_start_matches(' ');
        let skip = rest.len() - inner.len();
        if inner.is_empty() {
            self.mark(Place::Either, "", at + skip, None);
        } else if !inner.starts_with('#') {
            self.block(inner, column + skip, at + skip);
        }
    }

    /// The cursor in a line that holds nothing yet.
    fn empty(&mut self, column: usize, at: usize) {
        let inside = |frame: &&Frame| frame.indent().is_none_or(|indent| indent <= column);
        let open: Vec<&Frame> = self.stack.iter().take_while(inside).collect();
        // A list in this column may go on with a dash; a key ends it.
        let open = match open.split_last() {
            Some((Frame::List { indent, .. }, rest)) if *indent == Some(column) => rest,
            _ => &open,
        };
        let same_map = matches!(open.last(), Some(Frame::Map { indent, .. }) if *indent == Some(column));
        let open = if same_map { &open[..open.len() - 1] } else { open };
        let step = |frame: &&Frame| match frame {
            Frame::Map { key, .. } => key.clone().map(Step::Key),
            Frame::List { index, .. } => Some(Step::Item(*index)),
        };
        let path = open.iter().filter_map(step).collect();
        let place = if same_map { Place::Key } else { Place::Either };
        self.end = Some(Cursor { path, place, word: String::new(), start: at, quote: None, flow: false });
    }

    /// What stands behind a key or a dash.
    fn value(&mut self, place: Place, value: &str, column: usize, at: usize) {
        match value.chars().next() {
            Some('|' | '>') => self.text_above = Some(column),
            Some('{' | '[' | '"' | '\'') => self.flow(value, at),
            _ => {
                let word = uncommented(value);
                if word.len() == value.len() {
                    self.mark(place, value, at, None);
                }
                self.scalar(word.trim_end(), at, 0);
            }
        }
    }

    fn mark(&mut self, place: Place, word: &str, start: usize, quote: Option<char>) {
        let flow = self.in_flow();
        self.end = Some(Cursor { path: self.path(), place, word: word.to_owned(), start, quote, flow });
    }

    fn scalar(&mut self, text: &str, at: usize, quotes: usize) {
        if !text.is_empty() || quotes > 0 {
            let span = Span { start: at, end: at + text.len() + 2 * quotes };
            self.outline.scalars.push(Scalar { path: self.path(), text: text.to_owned(), span });
        }
    }

    /// Brackets and quotes, up to the end of the line or of the value.
    fn flow(&mut self, text: &str, at: usize) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let here = at + text.len() - rest.len();
            let taken = match first {
                '#' => return,
                '"' | '\'' => match quoted(rest, first) {
                    Some(length) => {
                        self.flow_word(&rest[1..length - 1], here, &rest[length..], 1);
                        length
                    }
                    None => return self.mark(self.flow_place(), &rest[1..], here + 1, Some(first)),
                },
                ' ' | '\t' | ':' | '{' | '[' | '}' | ']' | ',' => {
                    self.bracket(first);
                    1
                }
                // Behind a closed bracket or quote nothing more is read.
                _ if !self.in_flow() => return,
                _ => {
                    let length = plain(rest);
                    if length == rest.len() {
                        self.mark(self.flow_place(), rest, here, None);
                        self.flow_word(rest.trim_end(), here, "", 0);
                        return;
                    }
                    self.flow_word(rest[..length].trim_end(), here, &rest[length..], 0);
                    length
                }
            };
            rest = &rest[taken..];
        }
        if self.in_flow() {
            self.mark(self.flow_place(), "", at + text.len(), None);
        }
    }

    fn bracket(&mut self, c: char) {
        match (c, self.stack.last_mut()) {
            ('{', _) => self.push(Frame::Map { indent: None, key: None }),
            ('[', _) => self.push(Frame::List { indent: None, index: 0 }),
            ('}' | ']', Some(frame)) if frame.indent().is_none() => {
                self.stack.pop();
            }
            (',', Some(Frame::Map { key, indent: None })) => *key = None,
            (',', Some(Frame::List { index, indent: None })) => *index += 1,
            _ => {}
        }
    }

    fn flow_place(&self) -> Place {
        match self.stack.last() {
            Some(Frame::Map { key: None, .. }) => Place::Key,
            Some(Frame::List { indent: None, .. }) => Place::Either,
            _ => Place::Value,
        }
    }

    /// A word between brackets is a key if a colon follows.
    fn flow_word(&mut self, word: &str, at: usize, after: &str, quotes: usize) {
        if !matches!(self.stack.last(), Some(Frame::Map { indent: None, key: None })) {
            self.scalar(word, at, quotes);
            return;
        }
        if after.trim_start().starts_with(':') {
            let span = Span { start: at + quotes, end: at + quotes + word.len() };
            self.outline.keys.push(Key { path: self.path(), name: word.to_owned(), span });
            if let Some(Frame::Map { key, .. }) = self.stack.last_mut() {
                *key = Some(word.to_owned());
            }
        }
    }
}
