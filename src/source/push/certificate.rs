//! A certificate that signatures are held against.

use rustls::pki_types::{CertificateDer, IpAddr, ServerName, TrustAnchor, UnixTime, pem::PemObject};
use webpki::{EndEntityCert, KeyUsage};

use super::der::{self, Facts};
use crate::clock::Timestamp;

/// Shorter keys can be broken.
const LEAST_BITS: usize = 2048;
const MOST_BITS: usize = 8192;
/// RSA, PKCS#1 v1.5, SHA-256, whatever the certificate is signed with.
const ALGORITHM: &dyn rustls::pki_types::SignatureVerificationAlgorithm = webpki::ring::RSA_PKCS1_2048_8192_SHA256;
/// What a certificate that signs may be for, if it says so; nothing tells what SMN's is.
const USAGES: [KeyUsage; 2] = [KeyUsage::server_auth(), KeyUsage::required_if_present(&[0x2b, 6, 1, 5, 5, 7, 3, 3])];

#[derive(Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    facts: Facts,
}

impl Certificate {
    /// One that the operator vouches for.
    pub fn pinned(pem: &[u8]) -> Result<Self, String> {
        if pem.windows(11).any(|window| window == b"PRIVATE KEY") {
            return Err("holds a private key; nobody but SMN has its key".to_owned());
        }
        Self::first(pem).map(|(certificate, _)| certificate)
    }

    /// One that an authority vouches for, with those between them behind it.
    pub fn vouched(pem: &[u8], anchors: &[TrustAnchor<'_>], name: &str, now: Timestamp) -> Result<Self, String> {
        let (certificate, between) = Self::first(pem)?;
        let Some(seconds) = u64::try_from(now.as_second()).ok().map(std::time::Duration::from_secs) else {
            return Err("is not valid now".to_owned());
        };
        let time = UnixTime::since_unix_epoch(seconds);
        let end = EndEntityCert::try_from(&certificate.der).map_err(|error| format!("cannot be used: {error}"))?;
        let chains = USAGES.map(|usage| {
            let algorithms = webpki::ALL_VERIFICATION_ALGS;
            end.verify_for_usage(algorithms, anchors, &between, time, usage, None, None).map(|_| ())
        });
        if chains.iter().all(Result::is_err) {
            let [error, _] = chains;
            let error = error.expect_err("each of them is an error");
            return Err(format!("is not vouched for by an authority: {error}"));
        }
        let named = server_name(name).is_some_and(|name| end.verify_is_valid_for_subject_name(&name).is_ok())
            || certificate.facts.common_name.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(name));
        if !named {
            return Err(format!("is not for `{name}`"));
        }
        Ok(certificate)
    }

    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.facts.from..=self.facts.until).contains(&now)
    }

    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        let end = EndEntityCert::try_from(&self.der);
        end.is_ok_and(|end| end.verify_signature(ALGORITHM, text, signature).is_ok())
    }

    fn first(pem: &[u8]) -> Result<(Self, Vec<CertificateDer<'static>>), String> {
        let none = || "holds no certificate in PEM (`BEGIN CERTIFICATE`)".to_owned();
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let mut all = all.map_err(|_| none())?.into_iter();
        let der = all.next().ok_or_else(none)?;
        let facts = der::facts(&der).filter(|_| EndEntityCert::try_from(&der).is_ok()).ok_or_else(none)?;
        match facts.rsa_bits {
            Some(LEAST_BITS..=MOST_BITS) => Ok((Self { der, facts }, all.collect())),
            Some(bits) => Err(format!("has a key of {bits} bits; expected {LEAST_BITS} to {MOST_BITS}")),
            None => Err("has no RSA key, with which SMN signs".to_owned()),
        }
    }
}

fn server_name(name: &str) -> Option<ServerName<'_>> {
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(IpAddr::from(address))),
        Err(_) => ServerName::try_from(name).ok(),
    }
}
