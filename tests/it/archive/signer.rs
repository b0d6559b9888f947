//! Who signs digests: openssl, with a key of its own.

use std::process::Command;

use md5::{Digest as _, Md5};

use super::*;

pub struct Signer {
    folder: tempfile::TempDir,
}

/// What a digest says of the one before it; the first one has none.
#[derive(Clone, Default)]
pub struct Previous {
    pub object: String,
    md5: String,
    signature: String,
}

pub fn md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

impl Signer {
    pub fn new() -> Self {
        let signer = Self { folder: tempfile::tempdir().unwrap() };
        signer.openssl(&["genrsa", "-out", "key.pem", "2048"]);
        signer.openssl(&["rsa", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        signer
    }

    pub fn public_key(&self) -> std::path::PathBuf {
        self.folder.path().join("public.pem")
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl").args(args).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// In hexadecimal digits.
    pub fn sign(&self, text: &str) -> String {
        world::write(&self.folder.path().join("text"), text);
        self.openssl(&["dgst", "-sha256", "-sign", "key.pem", "-out", "signature", "text"]);
        hex::encode(std::fs::read(self.folder.path().join("signature")).unwrap())
    }

    /// Writes the digest of the hour that begins at `start`, two minutes after it.
    pub async fn digest(
        &self,
        moto: &Moto,
        start: Timestamp,
        files: &[(String, Vec<u8>)],
        previous: &Previous,
    ) -> Previous {
        let stamp = |at: Timestamp| at.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
        let end = clock::plus(start, HOUR);
        let written = clock::plus(end, Duration::from_secs(120));
        let object = format!(
            "CloudTraces/eu-de/{}/system/Digest/ECS/file_CloudTrace-Digest_eu-de_{}.json.gz",
            written.strftime("%Y/%m/%d"),
            stamp(written)
        );
        let file = |(key, body): &(String, Vec<u8>)| {
            let hash = md5(body);
            serde_json::json!({ "bucket": BUCKET, "object": key, "log_hash_value": hash, "log_hash_algorithm": "MD5" })
        };
        let digest = serde_json::json!({
            "project_id": "p-1", "digest_start_time": stamp(start), "digest_end_time": stamp(end),
            "digest_bucket": BUCKET, "digest_object": object, "digest_signature_algorithm": "SHA256withRSA",
            "digest_end": false, "previous_digest_bucket": BUCKET, "previous_digest_object": previous.object,
            "previous_digest_hash_value": previous.md5, "previous_digest_hash_algorithm": "MD5",
            "previous_digest_signature": previous.signature, "previous_digest_end": false,
            "log_files": files.iter().map(file).collect::<Vec<_>>(),
        });
        let body = moto::packed(&digest.to_string());
        let md5 = md5(&body);
        let signature = self.sign(&format!("{}{object}{md5}{}", stamp(end), previous.signature));
        put_digest(moto, &object, body, &signature).await;
        Previous { object, md5, signature }
    }
}

pub async fn put_digest(moto: &Moto, key: &str, body: Vec<u8>, signature: &str) {
    let headers = [("x-amz-meta-meta-signature", signature), ("x-amz-meta-meta-signature-algorithm", "SHA256withRSA")];
    moto.put_with(BUCKET, key, body, &headers).await;
}
