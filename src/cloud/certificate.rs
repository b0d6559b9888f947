//! Who issued a certificate and until when it is good: the two things that a person asks when TLS fails.
//!
//! Reads no more of X.509 than that, and judges nothing: rustls does.

use jiff::civil::DateTime;

use crate::clock::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The common name, or else the organisation.
    pub issuer: String,
    pub expires: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];

pub fn read(der: &[u8]) -> Option<Certificate> {
    let (certificate, _) = inside(der, SEQUENCE)?;
    let (mut rest, _) = inside(certificate, SEQUENCE)?;
    if let Some((_, after)) = inside(rest, VERSION) {
        rest = after;
    }
    let (_, _, rest) = element(rest)?; // serial number
    let (_, _, rest) = element(rest)?; // algorithm
    let (issuer, rest) = inside(rest, SEQUENCE)?;
    let (validity, _) = inside(rest, SEQUENCE)?;
    let (_, _, rest) = element(validity)?;
    let (kind, text, _) = element(rest)?;
    let issuer = name(issuer, COMMON_NAME).or_else(|| name(issuer, ORGANISATION))?;
    Some(Certificate { issuer, expires: time(kind, std::str::from_utf8(text).ok()?)? })
}

/// Tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ ..0x80 => (usize::from(short), rest),
        long => {
            let (bytes, rest) =
                rest.split_at_checked(usize::from(long & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn inside(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// A name is a list of sets of pairs: which part, and its text.
fn name(mut sets: &[u8], wanted: &[u8]) -> Option<String> {
    while let Some((_, set, rest)) = element(sets) {
        let (pair, _) = inside(set, SEQUENCE)?;
        let (_, which, text) = element(pair)?;
        if which == wanted {
            let (_, text, _) = element(text)?;
            return Some(String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(100).collect());
        }
        sets = rest;
    }
    None
}

fn time(kind: u8, text: &str) -> Option<Timestamp> {
    let text = match kind {
        // Two digits of the year, of which those from 50 on are of the last century.
        UTC_TIME => format!("{}{text}", if *text.as_bytes().first()? >= b'5' { "19" } else { "20" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let read = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    Some(read.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The emulator's own, which was made with openssl.
    const PEM: &str = include_str!("../emulator/smn/certificate.pem");

    fn der() -> Vec<u8> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let text: String = PEM.lines().filter(|line| !line.starts_with("---")).collect();
        BASE64_STANDARD.decode(text).unwrap()
    }

    #[test]
    fn issuer_and_expiry_are_read() {
        let found = read(&der()).unwrap();
        assert!(!found.issuer.is_empty() && found.expires > "2040-01-01T00:00:00Z".parse().unwrap(), "{found:?}");
        assert_eq!(time(UTC_TIME, "260115083000Z"), "2026-01-15T08:30:00Z".parse().ok());
        assert_eq!(time(UTC_TIME, "990115083000Z"), "1999-01-15T08:30:00Z".parse().ok());
        assert_eq!(time(GENERALIZED_TIME, "20560115083000Z"), "2056-01-15T08:30:00Z".parse().ok());
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let der = der();
        for length in 0..der.len() {
            // Cut anywhere it may still tell what was asked, but never panics.
            let _ = read(&der[..length]);
        }
        assert_eq!(read(b""), None);
        assert_eq!(read(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0]), None);
    }
}
