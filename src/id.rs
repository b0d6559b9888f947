//! Deterministic ids: the same cause gives the same id after a crash, a
//! re-read or a restored database, so a repeat can be recognised as one.

use sha2::{Digest, Sha256};

/// Lower-case RFC 4648 base32 alphabet, no padding.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// 26 base32 characters (130 bits) of a SHA-256 over the parts. Each part is
/// preceded by its length, so no two lists of parts read alike.
pub fn derive(parts: &[&str]) -> String {
    let hash = hash(parts);
    let mut text = String::with_capacity(26);
    let (mut buffer, mut bits) = (0u32, 0u32);
    // 17 bytes hold the 130 bits.
    for byte in &hash[..17] {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 && text.len() < 26 {
            bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> bits & 31) as usize]));
        }
        buffer &= (1 << bits) - 1;
    }
    text
}

/// The SHA-256 behind [`derive()`].
pub fn hash(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_unambiguous() {
        assert_eq!(derive(&["a", "b"]), derive(&["a", "b"]));
        assert_ne!(derive(&["a", "b"]), derive(&["ab", ""]));
        assert_eq!(derive(&[]).len(), 26);
    }
}
