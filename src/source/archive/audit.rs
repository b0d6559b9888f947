//! Whether the archive is what the tracker wrote: the chain of digests, their signatures, and each file they name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::civil::Date;

use super::{
    Bucket, Key,
    digest::{Digest, PublicKey, md5},
    key::{self, Kind},
    proof::SOON,
    reading::{days, regions},
};
use crate::{
    clock::{self, Timestamp},
    source::SourceError,
};

/// A stretch of the archive that is being looked at.
pub struct Audit {
    bucket: Bucket,
    key: PublicKey,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
    days: VecDeque<Date>,
    regions: Option<Vec<String>>,
    digests: VecDeque<(Chain, String)>,
    /// The last digest of each chain.
    last: BTreeMap<Chain, Link>,
    files: VecDeque<(String, String, String)>,
    /// Trace files of the stretch that no digest has named yet, with their times.
    unnamed: BTreeMap<String, Timestamp>,
    named: BTreeSet<String>,
    pub seen: Seen,
    pub findings: Vec<Finding>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub days: u64,
    pub days_looked_at: u64,
    pub digests: u64,
    pub signed: u64,
    /// Trace files that digests name, and those of them that are as they were.
    pub files: u64,
    pub whole: u64,
    /// Trace files whose digest is not due yet.
    pub too_young: u64,
}

/// Digests that follow each other: the folder, and what their names begin with.
type Chain = (String, String);

/// What the next digest has to say of this one.
struct Link {
    object: String,
    md5: String,
    signature: String,
    end: Option<Timestamp>,
    /// None comes after it.
    is_last: bool,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub wrong: Wrong,
    /// The object it is about, or the folder of a chain.
    pub object: String,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// A digest that is signed by somebody else, or not at all.
    Signature,
    /// A digest that does not follow the one before it.
    Chain,
    /// Hours without a digest.
    MissingHours,
    /// A digest that is none.
    Unreadable,
    /// A file that is not there any more.
    MissingFile,
    /// A file that is not what it was.
    ChangedFile,
    /// A file that no digest names.
    UnknownFile,
    /// A file of hours that no digest tells of.
    Uncovered,
}

impl Wrong {
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Signature => "signature is wrong",
            Self::Chain => "chain is broken",
            Self::MissingHours => "hours are missing",
            Self::Unreadable => "digest is unreadable",
            Self::MissingFile => "file is missing",
            Self::ChangedFile => "file was changed",
            Self::UnknownFile => "file is in no digest",
            Self::Uncovered => "file is not covered",
        }
    }
}

impl Audit {
    pub fn new(bucket: Bucket, key: PublicKey, from: Timestamp, to: Timestamp, now: Timestamp) -> Self {
        let days = days(from, clock::plus(to, SOON).min(now));
        let seen = Seen { days: days.len() as u64, ..Seen::default() };
        Self {
            bucket,
            key,
            from,
            to,
            now,
            days,
            regions: None,
            digests: VecDeque::new(),
            last: BTreeMap::new(),
            files: VecDeque::new(),
            unnamed: BTreeMap::new(),
            named: BTreeSet::new(),
            seen,
            findings: Vec::new(),
        }
    }

    /// Looks at one object or lists one day; false at the end.
    pub async fn step(&mut self) -> Result<bool, SourceError> {
        if let Some((bucket, object, hash)) = self.files.pop_front() {
            self.file(&bucket, &object, &hash).await?;
        } else if let Some((chain, object)) = self.digests.pop_front() {
            self.digest(chain, object).await?;
        } else if let Some(day) = self.days.pop_front() {
            self.list(day).await?;
        } else {
            self.tell_missing_at_the_end();
            self.tell_unnamed();
            return Ok(false);
        }
        Ok(true)
    }

    async fn list(&mut self, day: Date) -> Result<(), SourceError> {
        if self.regions.is_none() {
            self.regions = Some(regions(&self.bucket).await?);
        }
        let mut digests = Vec::new();
        for folder in self.regions.iter().flatten().flat_map(|region| key::folders(region, day)) {
            for object in self.bucket.list(&folder).await? {
                let Some(key) = Key::parse(&object.key) else { continue };
                if !self.bucket.settings().owns(&key) {
                    continue;
                }
                match key.kind {
                    Kind::Traces if self.from <= key.uploaded && key.uploaded < self.to => {
                        self.unnamed.insert(object.key.clone(), key.uploaded);
                    }
                    Kind::Digest if self.from <= key.uploaded && key.uploaded <= clock::plus(self.to, SOON) => {
                        let chain = chain(&object.key, &key);
                        digests.push((key.uploaded, chain, object.key));
                    }
                    Kind::Traces | Kind::Digest => {}
                }
            }
        }
        digests.sort();
        self.digests.extend(digests.into_iter().map(|(_, chain, object)| (chain, object)));
        self.seen.days_looked_at += 1;
        Ok(())
    }

    async fn digest(&mut self, chain: Chain, object: String) -> Result<(), SourceError> {
        let Some(stored) = self.bucket.get(&object).await? else { return Ok(()) };
        let digest = match Digest::parse(&stored.body) {
            Ok(digest) => digest,
            Err(reason) => {
                self.find(Wrong::Unreadable, &object, reason);
                return Ok(());
            }
        };
        let hash = md5(&stored.body);
        let signature = stored.signature.unwrap_or_default();
        let wrong = digest.wrong(&object, &hash, &signature, &self.key);
        // One that was written within the slack and is about a later hour; only a signed one is believed that.
        if wrong.is_none() && digest.start().is_some_and(|start| start >= self.to) {
            return Ok(());
        }
        self.seen.digests += 1;
        match wrong {
            Some(detail) => self.find(Wrong::Signature, &object, detail),
            None => self.seen.signed += 1,
        }
        self.link(&chain, &object, &digest);
        for file in &digest.log_files {
            self.unnamed.remove(&file.object);
            self.named.insert(file.object.clone());
            self.files.push_back((file.bucket.clone(), file.object.clone(), file.log_hash_value.to_ascii_lowercase()));
        }
        let (end, is_last) = (digest.end(), digest.digest_end);
        self.last.insert(chain, Link { object, md5: hash, signature, end, is_last });
        Ok(())
    }

    /// Holds a digest against the one before it.
    fn link(&mut self, chain: &Chain, object: &str, digest: &Digest) {
        let Some(last) = self.last.get(chain) else {
            // What was before the stretch is not looked at; the first of all names nothing.
            if let Some(start) = digest.start().filter(|start| *start > self.from && digest.previous().is_some()) {
                self.find(Wrong::MissingHours, object, no_digest(self.from, start));
            }
            return;
        };
        let mut wrong = Vec::new();
        match (last.end, digest.start()) {
            (Some(end), Some(start)) if start > end => {
                wrong.push((Wrong::MissingHours, no_digest(end, start)));
            }
            _ => {}
        }
        let of_last = |told: &Option<String>, really: &str| {
            told.as_deref().is_some_and(|told| told.trim().eq_ignore_ascii_case(really))
        };
        if digest.previous() != Some(last.object.as_str()) {
            let named = digest.previous().map_or("none".to_owned(), |named| format!("`{named}`"));
            wrong.push((Wrong::Chain, format!("it names {named} before it, not `{}`", last.object)));
        } else if !of_last(&digest.previous_digest_hash_value, &last.md5) {
            wrong.push((
                Wrong::Chain,
                format!("`{}` is not the file that it was when this one was written", last.object),
            ));
        } else if !of_last(&digest.previous_digest_signature, &last.signature) {
            wrong.push((Wrong::Chain, format!("`{}` does not have the signature that this one tells of", last.object)));
        }
        wrong.into_iter().for_each(|(wrong, detail)| self.find(wrong, object, detail));
    }

    async fn file(&mut self, bucket: &str, object: &str, hash: &str) -> Result<(), SourceError> {
        self.seen.files += 1;
        let own = &self.bucket.settings().bucket;
        if !bucket.is_empty() && bucket != own {
            self.find(Wrong::MissingFile, object, format!("the digest says that it is in bucket `{bucket}`"));
            return Ok(());
        }
        match self.bucket.get(object).await? {
            None => self.find(Wrong::MissingFile, object, "a digest names it".to_owned()),
            Some(stored) => {
                let found = md5(&stored.body);
                if found == hash {
                    self.seen.whole += 1;
                } else {
                    self.find(Wrong::ChangedFile, object, format!("its MD5 is {found}; the digest says {hash}"));
                }
            }
        }
        Ok(())
    }

    /// Until then all digests are written.
    fn due(&self) -> Timestamp {
        self.to.min(clock::minus(self.now, SOON))
    }

    /// Chains that end before the stretch does.
    fn tell_missing_at_the_end(&mut self) {
        let due = self.due();
        let short_of = |link: &&Link| !link.is_last && link.end.is_some_and(|end| end < due);
        let missing: Vec<(String, String)> = self
            .last
            .values()
            .filter(short_of)
            .map(|link| (link.object.clone(), no_digest(link.end.unwrap_or(due), due)))
            .collect();
        missing.into_iter().for_each(|(object, detail)| self.find(Wrong::MissingHours, &object, detail));
    }

    /// Files that no digest names: of hours that digests tell of, or of hours of which they should.
    fn tell_unnamed(&mut self) {
        let end = self.last.values().filter_map(|link| link.end).max();
        let due = self.due();
        for (object, uploaded) in std::mem::take(&mut self.unnamed) {
            if self.named.contains(&object) {
                continue;
            }
            if end.is_some_and(|end| uploaded < end) {
                self.find(Wrong::UnknownFile, &object, "no digest of its hour names it".to_owned());
            } else if uploaded < due {
                self.find(Wrong::Uncovered, &object, "it came after the last digest".to_owned());
            } else {
                self.seen.too_young += 1;
            }
        }
    }

    fn find(&mut self, wrong: Wrong, object: &str, detail: String) {
        self.findings.push(Finding { wrong, object: object.to_owned(), detail });
    }
}

/// Each service has a chain of its own where files are sorted by service.
fn chain(object: &str, key: &Key<'_>) -> Chain {
    let folders: Vec<&str> = object.split('/').collect();
    let below = folders.get(5..folders.len().saturating_sub(1)).unwrap_or_default().join("/");
    (format!("{}/{below}", key.region), format!("{} {}", key.prefix, key.place))
}

fn no_digest(from: Timestamp, to: Timestamp) -> String {
    format!("no digest from {} to {}, {}", short(from), short(to), clock::in_words(clock::since(from, to)))
}

fn short(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
