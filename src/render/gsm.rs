//! A text in the alphabet of short messages (GSM 03.38), where each letter takes seven bits.
//!
//! One letter outside of it would more than halve what fits into a message, and every
//! message is paid for: letters become their nearest relatives instead.

/// What the alphabet holds; those after it take the room of two letters.
const BASIC: &str = "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: &str = "^{}\\[~]|€";

/// Letters by what is written for them.
const RELATIVES: [(&str, &str); 40] = [
    ("a", "áâãāăą"),
    ("A", "ÀÁÂÃĀĂĄ"),
    ("c", "çćĉċč"),
    ("C", "ĆĈĊČ"),
    ("d", "ďđð"),
    ("D", "ĎĐÐ"),
    ("e", "êëēĕėęě"),
    ("E", "ÈÊËĒĔĖĘĚ"),
    ("g", "ĝğġģ"),
    ("G", "ĜĞĠĢ"),
    ("i", "íîïĩīĭįı"),
    ("I", "ÌÍÎÏĨĪĬĮİ"),
    ("l", "ĺļľł"),
    ("L", "ĹĻĽŁ"),
    ("n", "ńņňŋ"),
    ("N", "ŃŅŇŊ"),
    ("o", "óôõōŏő"),
    ("O", "ÒÓÔÕŌŎŐ"),
    ("oe", "œ"),
    ("OE", "Œ"),
    ("r", "ŕŗř"),
    ("R", "ŔŖŘ"),
    ("s", "śŝşšș"),
    ("S", "ŚŜŞŠȘ"),
    ("t", "ţťŧț"),
    ("T", "ŢŤŦȚ"),
    ("u", "úûũūŭůűų"),
    ("U", "ÙÚÛŨŪŬŮŰŲ"),
    ("y", "ýÿŷ"),
    ("Y", "ÝŶŸ"),
    ("z", "źżž"),
    ("Z", "ŹŻŽ"),
    ("'", "`´‘’‚‛′"),
    ("\"", "“”„‟«»″"),
    ("-", "‐‑‒–—―−·•"),
    ("...", "…"),
    (" ", "\u{a0}\u{2002}\u{2003}\u{2009}\u{202f}\t"),
    ("<", "‹"),
    (">", "›→"),
    ("x", "×"),
];

/// `text` in at most `most` letters of the alphabet; three dots show a cut.
pub fn text(text: &str, most: usize) -> String {
    let mut found = String::new();
    let mut room = most;
    // Where to cut if the rest does not fit.
    let (mut cut, mut dots) = (0, false);
    for letter in text.chars().flat_map(|letter| near(letter).chars().collect::<Vec<_>>()) {
        let takes = width(letter);
        if takes > room {
            dots = true;
            break;
        }
        room -= takes;
        found.push(letter);
        if room >= 3 {
            cut = found.len();
        }
    }
    if dots {
        found.truncate(cut);
        found.push_str(&"..."[..most.min(3)]);
    }
    found
}

/// The room a text of this alphabet takes, in letters.
pub fn length(text: &str) -> usize {
    text.chars().map(width).sum()
}

fn width(letter: char) -> usize {
    if EXTENSION.contains(letter) { 2 } else { 1 }
}

fn near(letter: char) -> String {
    if BASIC.contains(letter) || EXTENSION.contains(letter) {
        return letter.to_string();
    }
    let relative = RELATIVES.iter().find(|(_, letters)| letters.contains(letter));
    relative.map_or_else(|| "?".to_owned(), |(written, _)| (*written).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, most: usize, expected: &str) {
        let found = text(given, most);
        assert_eq!(found, expected);
        assert!(length(&found) <= most, "{found}: {} of {most}", length(&found));
        assert!(found.chars().all(|letter| BASIC.contains(letter) || EXTENSION.contains(letter)), "{found}");
    }

    #[test]
    fn letters_outside_the_alphabet_become_their_relatives() {
        check("Größe: 5 € [x]\nok", 40, "Größe: 5 € [x]\nok");
        check("Łukasz “deleted” Żółć…", 40, "Lukasz \"deleted\" Zólc...".replace('ó', "o").as_str());
        check("世界 🔔 \u{202e}\u{7}", 40, "?? ? ??");
        check("a – b · `c`", 40, "a - b - 'c'");
    }

    #[test]
    fn a_cut_shows_and_what_counts_twice_is_counted_twice() {
        check("abcdef", 6, "abcdef");
        check("abcdefg", 6, "abc...");
        check("[[[[", 8, "[[[[");
        check("[[[[", 7, "[[...");
        check("abc", 2, "..");
        check("abc", 0, "");
        assert_eq!(length(&text(&"[".repeat(10_000), 490)), 489);
    }
}
