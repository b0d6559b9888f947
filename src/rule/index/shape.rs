//! One table of keys that take the same readings.

use std::collections::HashMap;

use super::reading::{Quick, mix};

/// Hashes of keys, and the parts that have them.
pub type Keys = Vec<(u64, u32)>;

#[derive(Debug)]
pub struct Shape {
    /// Which hashes of a trace make the key.
    readings: Vec<usize>,
    /// One bit for each of many values a key may have: most traces have none of the keys,
    /// and learn it here, from memory that is small enough to be near.
    seen: Vec<u64>,
    /// Where the parts of a key stand in `parts`.
    ranges: HashMap<u64, (u32, u32), Quick>,
    parts: Vec<u32>,
}

/// One hash of several.
pub fn join(hashes: impl Iterator<Item = u64>) -> u64 {
    hashes.fold(0, mix)
}

impl Shape {
    pub fn new(readings: Vec<usize>, mut keys: Keys) -> Self {
        keys.sort_unstable();
        keys.dedup();
        let mut ranges: HashMap<u64, (u32, u32), Quick> = HashMap::default();
        for (at, (hash, _)) in (0..).zip(&keys) {
            ranges.entry(*hash).or_insert((at, at)).1 = at + 1;
        }
        ranges.shrink_to_fit();
        let mut seen = vec![0; (ranges.len() / 4).next_power_of_two()];
        for hash in ranges.keys() {
            let (word, bit) = bit(*hash, &seen);
            seen[word] |= bit;
        }
        Self { readings, seen, ranges, parts: keys.into_iter().map(|(_, part)| part).collect() }
    }

    /// The parts whose key is that of a trace with these hashes.
    pub fn find(&self, hashes: &[Option<u64>]) -> &[u32] {
        let mut key = 0;
        for reading in &self.readings {
            let Some(hash) = hashes[*reading] else { return &[] };
            key = mix(key, hash);
        }
        let (word, bit) = bit(key, &self.seen);
        if self.seen[word] & bit == 0 {
            return &[];
        }
        match self.ranges.get(&key) {
            Some(&(from, to)) => &self.parts[from as usize..to as usize],
            None => &[],
        }
    }
}

/// Where the bit of a hash stands.
fn bit(hash: u64, seen: &[u64]) -> (usize, u64) {
    let word = (hash >> 8) as usize & (seen.len() - 1);
    (word, 1 << (hash & 63))
}
