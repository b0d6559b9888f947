//! What a key says of a field: a part of its text, hashed.

use std::{
    borrow::Cow,
    hash::{BuildHasherDefault, Hasher},
    net::IpAddr,
};

use ipnet::IpNet;

use super::super::{check, words::fold_case};

/// The part of a field that is compared. Lengths are in bytes of the folded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cut {
    Whole,
    First(usize),
    Last(usize),
    /// The network of so many bits around an address.
    Network4(u8),
    Network6(u8),
}

/// Longer texts are compared by as many bytes; what that leaves out, the full condition asks for.
const LONGEST: usize = 24;

impl Cut {
    pub fn first(text: &str) -> Option<Self> {
        length(text).map(Self::First)
    }

    pub fn last(text: &str) -> Option<Self> {
        length(text).map(Self::Last)
    }

    pub fn network(network: &IpNet) -> Self {
        match network {
            IpNet::V4(network) => Self::Network4(network.prefix_len()),
            IpNet::V6(network) => Self::Network6(network.prefix_len()),
        }
    }

    /// The hash of this part of a folded text; `None` if there is no such part.
    pub fn hash(self, text: &str) -> Option<u64> {
        let bytes = text.as_bytes();
        match self {
            Self::Whole => Some(hash(bytes)),
            Self::First(length) => bytes.get(..length).map(hash),
            Self::Last(length) => bytes.get(bytes.len().checked_sub(length)?..).map(hash),
            Self::Network4(bits) => match check::address(text)? {
                IpAddr::V4(address) => Some(network(u128::from(address.to_bits()) << 96, bits)),
                IpAddr::V6(_) => None,
            },
            Self::Network6(bits) => match check::address(text)? {
                IpAddr::V4(_) => None,
                IpAddr::V6(address) => Some(network(address.to_bits(), bits)),
            },
        }
    }
}

fn length(text: &str) -> Option<usize> {
    (!text.is_empty()).then_some(text.len().min(LONGEST))
}

fn network(address: u128, bits: u8) -> u64 {
    let kept = address & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    mix(mix(0, (kept >> 64) as u64), kept as u64)
}

/// The text without regard to case; texts that some check takes for the same are the same.
pub fn fold(text: &str) -> Cow<'_, str> {
    match fold_case(text) {
        // The one letter that a pattern without case takes for another but that is lower case itself.
        folded if !folded.is_ascii() && folded.contains('ſ') => Cow::Owned(folded.replace('ſ', "s")),
        folded => folded,
    }
}

pub fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

/// Eight bytes at a time; the last eight overlap those before, a shorter text is filled up with its length.
fn hash(bytes: &[u8]) -> u64 {
    let start = bytes.len() as u64;
    if let Some(last) = bytes.last_chunk::<8>() {
        let (chunks, _) = bytes.as_chunks::<8>();
        let chunks = chunks.iter().chain([last]);
        return chunks.fold(start, |hash, chunk| mix(hash, u64::from_le_bytes(*chunk)));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return mix(start, u64::from(first) << 32 | u64::from(last));
    }
    bytes.iter().fold(start, |hash, byte| mix(hash, u64::from(*byte)))
}

/// Hashes what nobody picks to collide: places in tables, fields.
pub type Quick = BuildHasherDefault<QuickHasher>;

#[derive(Default)]
pub struct QuickHasher(u64);

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0, hash(bytes));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
