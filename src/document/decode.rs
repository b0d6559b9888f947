//! From bytes to a [`File`]: UTF-8 only, and kind words for everything else.

use super::{Code, File, Level, Problem, Span, parse::FILE_LIMIT};

/// The text of a file read as bytes; a byte order mark is dropped. Windows line
/// ends stay, the parser knows them.
pub fn decode_bytes(name: &str, bytes: &[u8]) -> Result<File, Problem> {
    let fail = |text: String, hint: &str| Problem {
        level: Level::Error,
        file: name.to_owned(),
        span: Span::default(),
        path: String::new(),
        text,
        hint: Some(hint.to_owned()),
        code: Code("unreadable-file"),
        ..Problem::default()
    };
    if bytes.len() > FILE_LIMIT {
        let found = bytes.len() / (1024 * 1024);
        let text = format!("the file is too large: {found} MiB, at most {} MiB are read", FILE_LIMIT / (1024 * 1024));
        return Err(fail(text, "split it into several files"));
    }
    // Text without a mark betrays UTF-16 by the zero byte beside its first character.
    let utf16 = bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || matches!(bytes, [0, other, ..] | [other, 0, ..] if *other != 0);
    if utf16 {
        return Err(fail(
            "the file is UTF-16, expected UTF-8".into(),
            "save the file as UTF-8: some editors call UTF-16 `Unicode`",
        ));
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(File { name: name.to_owned(), text: text.to_owned() }),
        Err(error) => {
            let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there");
            let good = File { name: String::new(), text: good.to_owned() };
            let (line, column) = good.position(good.text.len());
            let byte = bytes[error.valid_up_to()];
            let text = format!("line {line}, column {column}: byte `{byte:#04x}` is not UTF-8");
            // Every byte is a letter of Latin-1, so this is only a guess, but nearly always a good one.
            let letter = char::from(byte);
            let hint = if letter.is_alphabetic() {
                format!("in Latin-1 it is `{letter}`: save the file as UTF-8, or `iconv -f latin1 -t utf8`")
            } else {
                "save the file as UTF-8".to_owned()
            };
            Err(fail(text, &hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf8_is_read() {
        let text = |bytes: &[u8]| decode_bytes("a.yaml", bytes).map(|file| file.text).map_err(|problem| problem.text);
        assert_eq!(text(b"\xef\xbb\xbfa: 1\r\n"), Ok("a: 1\r\n".into()));
        assert_eq!(text("ä: 1".as_bytes()), Ok("ä: 1".into()));
        assert!(text(b"\xff\xfea\0:\0").unwrap_err().contains("UTF-16"));
        assert!(text(b"a\0:\0 \0").unwrap_err().contains("UTF-16"));
        let latin = text(b"a: 1\nb: stra\xdfe\n").unwrap_err();
        assert!(latin.starts_with("line 2, column 8: byte `0xdf`"), "{latin}");
        assert!(text(&vec![b'a'; FILE_LIMIT + 1]).unwrap_err().contains("too large"));
        assert_eq!(text(b""), Ok(String::new()));
    }
}
