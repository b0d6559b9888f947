//! A small YAML tree and its text: what reads like a rule a person wrote.

/// Longest line before a list is broken into items.
const WIDTH: usize = 110;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml {
    Text(String),
    /// Written as it stands: numbers, durations, true and false.
    Plain(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn texts<T: AsRef<str>>(texts: &[T]) -> Self {
        Self::List(texts.iter().map(|text| Self::text(text.as_ref())).collect())
    }

    /// One line: `{ service: IAM, operation: [login, logout] }`.
    pub fn flow(&self) -> String {
        match self {
            Self::Text(text) => scalar(text),
            Self::Plain(text) => text.clone(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) => {
                let entry = |(key, value): &(String, Yaml)| format!("{}: {}", scalar(key), value.flow());
                format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The lines of a map or list at an indentation, each with its line end.
    pub fn block(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        match self {
            Self::Map(entries) => {
                for (key, value) in entries {
                    *out += &format!("{pad}{}:", scalar(key));
                    value.behind(indent, out);
                }
            }
            Self::List(items) => {
                for item in items {
                    let mut inner = String::new();
                    match item {
                        Self::Map(_) if item.flow().len() + indent > WIDTH => item.block(indent + 2, &mut inner),
                        _ => inner = format!("{pad}  {}\n", item.flow()),
                    }
                    *out += &format!("{pad}- {}", inner.trim_start());
                }
            }
            scalar => *out += &format!("{pad}{}\n", scalar.flow()),
        }
    }

    /// What follows a key: on its line if it fits, below it if not.
    fn behind(&self, indent: usize, out: &mut String) {
        let flow = self.flow();
        let simple = match self {
            Self::List(items) => items.iter().all(|item| matches!(item, Self::Text(_) | Self::Plain(_))),
            Self::Map(entries) => entries.len() == 1 && !matches!(entries[0].1, Self::Map(_)),
            _ => true,
        };
        if matches!(self, Self::Text(_) | Self::Plain(_)) || (simple && flow.len() + indent < WIDTH - 20) {
            *out += &format!(" {flow}\n");
        } else {
            out.push('\n');
            self.block(indent + 2, out);
        }
    }
}

/// A scalar, in quotes unless it is a word that YAML takes for nothing else.
fn scalar(text: &str) -> String {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let taken =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if first && rest && !taken { text.to_owned() } else { quoted(text) }
}

/// Double quotes with JSON's escapes, which YAML reads alike.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            char if char.is_control() || ['\u{2028}', '\u{2029}', '\u{feff}', '\u{85}'].contains(&char) => {
                out += &format!("\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
    out
}
