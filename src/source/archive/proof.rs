//! Trace files against the digests that name them, as both are read.
//!
//! Pure. Remembers some hours of what was read: a digest comes soon after its hour. Does not look at the chain of
//! digests, nor for files that none names: that takes a look at the whole archive, which is `audit`'s.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use super::{
    Key,
    audit::{Finding, Wrong},
    bucket::Stored,
    digest::{Digest, LogFile, PublicKey, md5},
};
use crate::clock::{self, Timestamp};

/// A digest is written so soon after its hour.
pub const SOON: Duration = Duration::from_secs(3 * 3600);
/// A file is remembered until its digest is over due.
const REMEMBERED: Duration = Duration::from_secs(6 * 3600);

/// What is known of the files of the last hours.
pub struct Proof {
    key: PublicKey,
    /// Files that were read and that no digest has named yet: when they were uploaded, and their MD5. One that
    /// could not be read has none.
    read: BTreeMap<String, (Timestamp, Option<String>)>,
    /// Files that a digest names and that were not read yet.
    named: BTreeMap<String, (Timestamp, String)>,
}

impl Proof {
    pub fn new(key: PublicKey) -> Self {
        Self { key, read: BTreeMap::new(), named: BTreeMap::new() }
    }

    /// A file was read, or could not be.
    pub fn file(&mut self, object: &str, uploaded: Timestamp, found: Option<String>) -> Option<Finding> {
        match self.named.remove(object) {
            Some((_, told)) => changed(object, found.as_deref(), &told),
            None => {
                self.read.insert(object.to_owned(), (uploaded, found));
                None
            }
        }
    }

    /// A digest was read; `ours` says of a file whether it is read too.
    pub fn digest(&mut self, object: &str, stored: &Stored, ours: impl Fn(&LogFile, &Key<'_>) -> bool) -> Vec<Finding> {
        let finding = |wrong, detail| vec![Finding { wrong, object: object.to_owned(), detail }];
        let digest = match Digest::parse(&stored.body) {
            Ok(digest) => digest,
            Err(reason) => return finding(Wrong::Unreadable, reason),
        };
        let signature = stored.signature.as_deref().unwrap_or_default();
        if let Some(detail) = digest.wrong(object, &md5(&stored.body), signature, &self.key) {
            // What it says of files is not believed.
            return finding(Wrong::Signature, detail);
        }
        digest.log_files.iter().filter_map(|file| self.name(file, &ours)).collect()
    }

    fn name(&mut self, file: &LogFile, ours: impl Fn(&LogFile, &Key<'_>) -> bool) -> Option<Finding> {
        let (object, told) = (&file.object, file.log_hash_value.to_ascii_lowercase());
        match self.read.entry(object.clone()) {
            Entry::Occupied(read) => changed(object, read.remove().1.as_deref(), &told),
            Entry::Vacant(_) => {
                let key = Key::parse(object).filter(|key| ours(file, key))?;
                self.named.insert(object.clone(), (key.uploaded, told));
                None
            }
        }
    }

    /// Files that a digest names and that were not there, now that all is read that was uploaded before `reached`.
    /// What no digest named in time is forgotten.
    pub fn missing(&mut self, reached: Timestamp) -> Vec<Finding> {
        let oldest = clock::minus(reached, REMEMBERED);
        self.read.retain(|_, (uploaded, _)| *uploaded >= oldest);
        let gone: Vec<(String, Timestamp)> = self
            .named
            .iter()
            .filter(|(_, (uploaded, _))| *uploaded < reached)
            .map(|(object, (uploaded, _))| (object.clone(), *uploaded))
            .collect();
        let mut missing = Vec::new();
        for (object, uploaded) in gone {
            self.named.remove(&object);
            // Of one that is older it is not known any more whether it was read.
            if reached == Timestamp::MAX || uploaded >= oldest {
                let detail = "a digest names it".to_owned();
                missing.push(Finding { wrong: Wrong::MissingFile, object, detail });
            }
        }
        missing
    }
}

fn changed(object: &str, found: Option<&str>, told: &str) -> Option<Finding> {
    let found = found.filter(|found| *found != told)?;
    let detail = format!("its MD5 is {found}; the digest says {told}");
    Some(Finding { wrong: Wrong::ChangedFile, object: object.to_owned(), detail })
}
