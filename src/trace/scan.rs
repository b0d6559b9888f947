//! JSON text cut along its brackets and quotes, without reading what stands between.
//!
//! For text that is known to be JSON, or that is parsed in full when anything here
//! gives up: what is skipped is not checked. `None` means: not a shape to be cut.

use memchr::{memchr, memchr2_iter};

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// Calls `each` with every key and value of the object that `text` is, in their order.
/// A key that is not written plainly, and anything after the object, is no shape to be cut.
pub fn members<'a>(text: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let bytes = text.as_bytes();
    let escapes = memchr(b'\\', bytes).is_some();
    let mut at = expect(bytes, 0, b'{')?;
    at = space(bytes, at);
    if bytes.get(at) == Some(&b'}') {
        return (space(bytes, at + 1) == bytes.len()).then_some(());
    }
    loop {
        let key = expect(bytes, at, b'"')?;
        let key_end = plain_end(bytes, key)?;
        let value = space(bytes, expect(bytes, key_end + 1, b':')?);
        let value_end = value_end(bytes, value, escapes)?;
        each(text.get(key..key_end)?, text.get(value..value_end)?);
        at = space(bytes, value_end);
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => return (space(bytes, at + 1) == bytes.len()).then_some(()),
            _ => return None,
        }
    }
}

/// The value with this index in the array that `text` is; `None` inside if it is shorter.
pub fn element(text: &str, index: usize) -> Option<Option<&str>> {
    let bytes = text.as_bytes();
    let escapes = memchr(b'\\', bytes).is_some();
    let mut at = space(bytes, expect(bytes, 0, b'[')?);
    if bytes.get(at) == Some(&b']') {
        return Some(None);
    }
    let mut found = None;
    for count in 0.. {
        let end = value_end(bytes, at, escapes)?;
        if count == index {
            found = Some(text.get(at..end)?);
        }
        let next = space(bytes, end);
        match bytes.get(next)? {
            b',' => at = space(bytes, next + 1),
            b']' => break,
            _ => return None,
        }
    }
    Some(found)
}

/// What a string holds if nothing in it is escaped or in need of repair.
pub fn plain(value: &str) -> Option<&str> {
    let end = plain_end(value.as_bytes(), expect(value.as_bytes(), 0, b'"')?)?;
    (end + 1 == value.len()).then(|| &value[1..end])
}

#[inline]
fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// The place after `byte`, which has to come next.
#[inline]
fn expect(bytes: &[u8], at: usize, byte: u8) -> Option<usize> {
    let at = space(bytes, at);
    (bytes.get(at) == Some(&byte)).then_some(at + 1)
}

/// Where the value that begins at `at` ends.
#[inline]
fn value_end(bytes: &[u8], at: usize, escapes: bool) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => Some(string_end(bytes, at + 1)? + 1),
        b'{' if !escapes => block_end(bytes, at, b'{', b'}'),
        b'[' if !escapes => block_end(bytes, at, b'[', b']'),
        b'{' | b'[' => escaped_block_end(bytes, at),
        b',' | b'}' | b']' | b':' => None,
        _ => {
            let scalar = bytes[at..].iter().position(|byte| b",}] \n\t\r".contains(byte))?;
            Some(at + scalar)
        }
    }
}

/// In text without escapes a bracket is part of a string if the quotes before it are odd in number,
/// and brackets of one sort are balanced alone: so only these have to be stopped at.
fn block_end(bytes: &[u8], at: usize, open: u8, close: u8) -> Option<usize> {
    let block = &bytes[at..];
    let (mut depth, mut counted, mut quotes) = (0_usize, 0, 0_u8);
    for hit in memchr2_iter(open, close, block) {
        // Eight bits are enough to tell odd from even, and make for short loops.
        quotes = block[counted..hit].iter().fold(quotes, |count, byte| count.wrapping_add(u8::from(*byte == b'"')));
        counted = hit;
        if quotes % 2 == 1 {
            continue;
        }
        depth = if block[hit] == open { depth + 1 } else { depth.checked_sub(1)? };
        if depth == 0 {
            return Some(at + hit + 1);
        }
    }
    None
}

fn escaped_block_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The closing quote of the string that `at` is in.
#[inline]
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = find(bytes, at, |word| holds(word, b'"') | holds(word, b'\\'), |byte| matches!(byte, b'"' | b'\\'))?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The closing quote of the string that `at` is in, if no escape and no control character stands before it.
#[inline]
fn plain_end(bytes: &[u8], at: usize) -> Option<usize> {
    let words = |word| holds(word, b'"') | holds(word, b'\\') | controls(word);
    let end = find(bytes, at, words, |byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
    (bytes[end] == b'"').then_some(end)
}

/// The first byte that is looked for; eight are looked at together.
#[inline(always)]
fn find(bytes: &[u8], mut at: usize, words: impl Fn(u64) -> u64, one: impl Fn(u8) -> bool) -> Option<usize> {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let found = words(u64::from_le_bytes(*chunk));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|&byte| one(byte)).map(|found| at + found)
}

/// The high bit of each byte that is `byte`; above the lowest such bit there may be others.
fn holds(word: u64, byte: u8) -> u64 {
    let differs = word ^ (ONES * u64::from(byte));
    differs.wrapping_sub(ONES) & !differs & HIGHS
}

/// The same for control characters.
fn controls(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[(&str, &str)]>) {
        let mut found = Vec::new();
        let done = members(text, |key, value| found.push((key, value)));
        assert_eq!(done.map(|()| found.as_slice()), expected, "{text}");
    }

    #[test]
    fn objects_are_cut_into_members() {
        check("{}", Some(&[]));
        check(" { } ", Some(&[]));
        check(r#"{"a":1}"#, Some(&[("a", "1")]));
        check(
            "{ \"a\" : [1, {\"b\":\"]}\"}] ,\n\"c\":\"x\\\"}\" }",
            Some(&[("a", "[1, {\"b\":\"]}\"}]"), ("c", "\"x\\\"}\"")]),
        );
        check(
            r#"{"long enough for a word":"and \\","b":true}"#,
            Some(&[("long enough for a word", r#""and \\""#), ("b", "true")]),
        );
        check(r#"{"a":1,"a":2}"#, Some(&[("a", "1"), ("a", "2")]));
    }

    #[test]
    fn what_is_not_a_plain_object_is_given_up() {
        for text in [
            "",
            "[]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1}x",
            "{\"a\\n\":1}",
            "{\"a\0\":1}",
            "{\"a\":\"b}",
            "{\"a\":{\"b\":1}",
            "{\"a\" 1}",
            "{a:1}",
            "{\"a\":\"b\\",
        ] {
            assert_eq!(members(text, |_, _| {}), None, "{text}");
        }
    }

    #[test]
    fn arrays_are_counted() {
        assert_eq!(element(r#"[1, "a,b", {"c":[2]}]"#, 1), Some(Some(r#""a,b""#)));
        assert_eq!(element(r#"[1, "a,b", {"c":[2]}]"#, 2), Some(Some(r#"{"c":[2]}"#)));
        assert_eq!(
            (element("[1]", 1), element("[]", 0), element("[1", 0), element("{}", 0)),
            (Some(None), Some(None), None, None)
        );
    }

    #[test]
    fn plain_strings_are_those_without_escapes() {
        assert_eq!(plain("\"a long text, Grüße\""), Some("a long text, Grüße"));
        assert_eq!((plain(r#""a\n""#), plain("1"), plain("\"a\tb\"")), (None, None, None));
    }
}
