//! All texts that keys look for in one field, searched for in one pass.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

#[derive(Debug)]
pub struct Texts {
    automaton: AhoCorasick,
    /// The parts that look for each text, in the automaton's order.
    parts: Vec<Box<[u32]>>,
}

/// Up to so many bytes of text the automaton is a table with one step a byte: fast, but
/// some hundred bytes of memory for each of them.
const TABLE_BYTES: usize = 4096;

impl Texts {
    pub fn new(keys: Vec<(Box<str>, u32)>) -> Self {
        let mut parts: BTreeMap<Box<str>, Vec<u32>> = BTreeMap::new();
        for (text, part) in keys {
            parts.entry(text).or_default().push(part);
        }
        let bytes: usize = parts.keys().map(|text| text.len()).sum();
        let kind = if bytes <= TABLE_BYTES { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let built =
            AhoCorasickBuilder::new().kind(Some(kind)).prefilter(false).build(parts.keys().map(|text| text.as_bytes()));
        let automaton = built.expect("it takes billions of bytes, and a rule file has a few million");
        Self { automaton, parts: parts.into_values().map(Vec::into_boxed_slice).collect() }
    }

    /// Adds the parts whose text stands in `value`, once for each text however often it stands there.
    pub fn find(&self, value: &str, found: &mut Vec<u32>) {
        let mut seen = Vec::new();
        for hit in self.automaton.find_overlapping_iter(value) {
            if seen.is_empty() {
                seen = vec![0_u64; self.parts.len().div_ceil(64)];
            }
            let text = hit.pattern().as_usize();
            let (word, bit) = (text / 64, 1 << (text % 64));
            if seen[word] & bit == 0 {
                seen[word] |= bit;
                found.extend_from_slice(&self.parts[text]);
            }
        }
    }
}
