//! Text in the Markdown of Mattermost and Rocket.Chat that stays text.
//!
//! The two read Markdown differently: only some letters can be escaped in both. The others are followed by
//! a word joiner, which nobody sees and after which nothing is a mention, link, emoji or entity any more.

/// Keeps letters apart and is not seen.
const JOINER: char = '\u{2060}';

/// Text between words of ours. Never the beginning of a line, where a dash or a number would make a list; never
/// in bold type, which Rocket.Chat ends at an escaped star too.
pub fn prose(text: &str) -> String {
    let mut inert = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = letters.next() {
        let within = before.is_alphanumeric() && letters.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '*' | '_' | '~' | '`' => inert.extend(['\\', c]),
            '#' => inert.extend(['\\', c, JOINER]),
            '@' | ':' | '<' | '>' | '[' | ']' | '(' | ')' | '!' | '|' | '\\' | '/' | '$' | '&' | '+' => {
                inert.extend([c, JOINER])
            }
            // `example.org` alone becomes a link in Rocket.Chat, and `www.` in Mattermost.
            '.' | '。' | '．' | '｡' if within => inert.extend([c, JOINER]),
            c => inert.push(c),
        }
        before = c;
    }
    inert
}

/// A value as code: nothing is read into it, and copying it gives what the trace holds.
pub fn code(text: &str) -> String {
    let text = text.trim().replace('`', "'");
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// A link; its address is checked already, and what would end it early is written in another way.
pub fn link(label: &str, url: &str) -> String {
    let mut address = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '(' => address.push_str("%28"),
            ')' => address.push_str("%29"),
            '[' => address.push_str("%5B"),
            ']' => address.push_str("%5D"),
            '*' => address.push_str("%2A"),
            c => address.push(c),
        }
    }
    format!("[{}]({address})", prose(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_into_text() {
        for (text, expected) in [
            ("alice deleted key prod-db", "alice deleted key prod-db"),
            ("@all #x", "@\u{2060}all \\#\u{2060}x"),
            ("*b* _i_ `c`", "\\*b\\* \\_i\\_ \\`c\\`"),
            ("[x](y)", "[\u{2060}x]\u{2060}(\u{2060}y)\u{2060}"),
            ("done. web.example", "done. web.\u{2060}example"),
        ] {
            assert_eq!(prose(text), expected);
        }
        assert_eq!(code("a `b` *c*"), "`a 'b' *c*`");
        assert_eq!(code(" "), "");
        assert_eq!(link("Runbook", "https://x.example/a(b)[c]*"), "[Runbook](https://x.example/a%28b%29%5Bc%5D%2A)");
    }
}
