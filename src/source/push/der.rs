//! As much of X.509 as a certificate must be asked: when it is valid, whose it is, and how long its key is.
//!
//! Verifies nothing; that is webpki's, which keeps these to itself.

use crate::clock::Timestamp;

/// What a certificate says of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Facts {
    pub from: Timestamp,
    pub until: Timestamp,
    pub common_name: Option<String>,
    /// Bits of its RSA key; `None` if it is of another kind.
    pub rsa_bits: Option<usize>,
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// What is left to read.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

/// `None` if this is no certificate.
pub fn facts(certificate: &[u8]) -> Option<Facts> {
    let mut tbs = Der(certificate).take(SEQUENCE)?.take(SEQUENCE)?;
    tbs.skip_if(VERSION)?;
    tbs.take(INTEGER)?;
    // The algorithm, and the issuer.
    tbs.take(SEQUENCE)?;
    tbs.take(SEQUENCE)?;
    let mut validity = tbs.take(SEQUENCE)?;
    let (from, until) = (validity.time()?, validity.time()?);
    let common_name = tbs.take(SEQUENCE)?.common_name();
    let rsa_bits = tbs.take(SEQUENCE)?.rsa_bits();
    Some(Facts { from, until, common_name, rsa_bits })
}

impl<'a> Der<'a> {
    /// The next element, whatever it is, and its tag.
    fn next(&mut self) -> Option<(u8, Self)> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            // No certificate is longer than four bytes can say.
            0x81..=0x84 => {
                let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = after;
                digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
            }
            _ => return None,
        };
        let (inner, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, Self(inner)))
    }

    fn take(&mut self, tag: u8) -> Option<Self> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, inner)| inner)
    }

    fn skip_if(&mut self, tag: u8) -> Option<()> {
        if self.0.first() == Some(&tag) { self.next().map(|_| ()) } else { Some(()) }
    }

    fn time(&mut self) -> Option<Timestamp> {
        let (tag, Self(text)) = self.next()?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let text = match tag {
            // Two digits of a year: from 1950 to 2049.
            UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        if text.len() != 14 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let [year, month, day, hour, minute, second] =
            [&text[..4], &text[4..6], &text[6..8], &text[8..10], &text[10..12], &text[12..]];
        format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
    }

    /// Of a subject; the last one, which is the most particular.
    fn common_name(mut self) -> Option<String> {
        let mut found = None;
        while let Some(mut set) = self.take(SET) {
            while let Some(mut pair) = set.take(SEQUENCE) {
                if pair.take(OID)?.0 == COMMON_NAME {
                    found = pair.next().and_then(|(_, Self(text))| String::from_utf8(text.to_vec()).ok());
                }
            }
        }
        found
    }

    fn rsa_bits(mut self) -> Option<usize> {
        self.take(SEQUENCE)?.take(OID).filter(|oid| oid.0 == RSA)?;
        let Self(bits) = self.take(BIT_STRING)?;
        let Self(modulus) = Self(bits.strip_prefix(&[0])?).take(SEQUENCE)?.take(INTEGER)?;
        let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        let significant = &modulus[zeros..];
        Some(significant.len() * 8 - significant.first().map_or(0, |byte| byte.leading_zeros() as usize))
    }
}
