//! A stretch of the past out of the archive: file by file in the order of upload, handed out by time.
//!
//! A file is uploaded minutes after its traces. So what lies in files up to an hour back is sorted before it
//! is handed out, and only that is in memory; what came later than that still comes, out of its turn.

use std::{collections::VecDeque, mem, time::Duration};

use jiff::{civil::Date, tz::TimeZone};

use super::{
    Bucket, Key, Settings,
    audit::{Finding, Wrong},
    bucket::Object,
    digest::{LogFile, md5},
    key::{self, Kind},
    proof::{Proof, SOON},
};
use crate::{
    clock::{self, Timestamp},
    source::{Record, SourceError, file, shelf::Shelf},
    trace::decode::{self, Context},
};

/// Cycles of delivery take minutes; this long after a trace its file is looked for, unless somebody wants more.
const SLACK: Duration = Duration::from_secs(3 * 3600);
/// Traces wait so long for others that belong before them.
const SORTED: Duration = Duration::from_secs(3600);
/// Folders are named by day, maybe by the day of Berlin.
const ZONES: Duration = Duration::from_secs(2 * 3600);
/// A file is held whole while it is unpacked.
const FILE_LIMIT: u64 = 64 << 20;
/// What comes out of it; traces pack to a tenth.
const UNPACKED_LIMIT: u64 = 1 << 30;

/// A stretch on its way out of the archive.
pub struct Reading {
    bucket: Bucket,
    from: Timestamp,
    to: Timestamp,
    /// Files of before, and of later, are left out.
    uploaded_since: Timestamp,
    uploaded_until: Timestamp,
    now: Timestamp,
    regions: Option<Vec<String>>,
    days: VecDeque<Date>,
    files: VecDeque<(Timestamp, Kind, Object)>,
    shelf: Shelf,
    proof: Proof,
    /// What is told before anything more is read.
    findings: VecDeque<Finding>,
    /// Up to where everything was uploaded; `None` before the first file.
    reached: Option<Timestamp>,
    context: Context,
    pub progress: Progress,
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    pub days: u64,
    pub days_listed: u64,
    pub files: u64,
    pub digests: u64,
    /// Trace files of the same time that are another prefix's, tracker's or project's.
    pub others: u64,
    pub files_of_day: u64,
    pub files_read_of_day: u64,
    pub bytes: u64,
    pub records: u64,
}

/// What one step came to.
#[derive(Debug)]
pub enum Step {
    /// A day was listed, or a file was read.
    On,
    /// What happened in one quarter of an hour, which ends at `until`, oldest first.
    Records {
        records: Vec<Record>,
        until: Timestamp,
    },
    /// A file that cannot be read; the others go on.
    Unreadable {
        key: String,
        reason: String,
    },
    /// A file that is not what the tracker wrote; its traces come all the same.
    Suspect {
        key: String,
        reason: String,
    },
    End,
}

impl Reading {
    /// Traces from then to then, both included.
    pub fn new(bucket: Bucket, from: Timestamp, to: Timestamp, now: Timestamp) -> Self {
        let Settings { region, project_id, project_name, public_key, .. } = bucket.settings().clone();
        let context = Context { region: Some(region), project_id, project_name, console: None };
        let (regions, files, reached) = (None, VecDeque::new(), None);
        let (days, progress) = (VecDeque::new(), Progress::default());
        let reading = Self {
            bucket,
            from,
            to,
            uploaded_since: from,
            uploaded_until: clock::plus(to, SLACK),
            now,
            regions,
            days,
            files,
            shelf: Shelf::default(),
            proof: Proof::new(public_key),
            findings: VecDeque::new(),
            reached,
            context,
            progress,
        };
        reading.with_days()
    }

    /// Leaves out files of before: to go on where another reading was.
    #[must_use]
    pub fn uploaded_since(mut self, since: Timestamp) -> Self {
        self.uploaded_since = self.uploaded_since.max(since);
        self.with_days()
    }

    /// Also takes files that were uploaded so long after its end: traces may be recorded, and files delivered, late.
    #[must_use]
    pub fn late_by(mut self, slack: Duration) -> Self {
        self.uploaded_until = clock::plus(self.to, slack);
        self.with_days()
    }

    /// What was uploaded before then was there when it was listed.
    pub fn settled(&self) -> Timestamp {
        clock::minus(self.now, SORTED)
    }

    /// Of what was uploaded before then nothing is left to hand out.
    pub fn handed_out(&self) -> Timestamp {
        self.reached.map_or(Timestamp::MIN, |at| self.shelf.is_clear_before(clock::minus(at, SORTED)))
    }

    /// What was uploaded before then was held against the digests that name it.
    pub fn proven(&self) -> Timestamp {
        match self.reached {
            _ if self.is_over() => Timestamp::MAX,
            Some(at) => clock::minus(at, SOON),
            None => Timestamp::MIN,
        }
    }

    fn is_over(&self) -> bool {
        self.days.is_empty() && self.files.is_empty()
    }

    fn with_days(mut self) -> Self {
        let last = clock::plus(clock::plus(self.uploaded_until, SOON).min(self.now), ZONES);
        self.days = days(self.uploaded_since, last);
        self.progress.days = self.days.len() as u64;
        self
    }

    /// Reads at most one file, or hands out what is complete.
    pub async fn next(&mut self, now: Timestamp) -> Result<Step, SourceError> {
        let over = self.is_over();
        if over {
            self.findings.extend(self.proof.missing(Timestamp::MAX));
        }
        if let Some(finding) = self.findings.pop_front() {
            return Ok(Step::of(finding));
        }
        let before = if over { Some(Timestamp::MAX) } else { self.reached.map(|at| clock::minus(at, SORTED)) };
        if let Some(before) = before.filter(|before| over || self.shelf.has_before(*before)) {
            let context = self.context.clone();
            let drawn = self.with_shelf(move |shelf| shelf.draw(before, &context, now)).await;
            return Ok(drawn.map_or(Step::End, |(until, records)| Step::Records { records, until }));
        }
        let Some((uploaded, kind, object)) = self.files.pop_front() else {
            let day = self.days.pop_front().expect("it is not over");
            self.list(day).await?;
            return Ok(Step::On);
        };
        self.progress.files_read_of_day += 1;
        self.progress.bytes += object.size;
        let step = match kind {
            Kind::Traces => self.file(uploaded, &object).await?,
            Kind::Digest => self.digest(&object).await?,
        };
        self.reached = Some(uploaded);
        self.findings.extend(self.proof.missing(uploaded));
        Ok(step)
    }

    async fn list(&mut self, day: Date) -> Result<(), SourceError> {
        if self.regions.is_none() {
            self.regions = Some(regions(&self.bucket).await?);
        }
        let (first, last) = (self.uploaded_since, self.uploaded_until);
        let mut found: Vec<(Timestamp, Kind, Object)> = Vec::new();
        for folder in self.regions.iter().flatten().flat_map(|region| key::folders(region, day)) {
            for object in self.bucket.list(&folder).await? {
                let Some(key) = Key::parse(&object.key) else { continue };
                let late = if key.kind == Kind::Digest { SOON } else { Duration::ZERO };
                if key.uploaded < first || clock::plus(last, late) < key.uploaded {
                    continue;
                }
                match (self.bucket.settings().owns(&key), key.kind) {
                    (true, kind) => {
                        let count =
                            if kind == Kind::Traces { &mut self.progress.files } else { &mut self.progress.digests };
                        *count += 1;
                        found.push((key.uploaded, kind, object));
                    }
                    (false, Kind::Traces) => self.progress.others += 1,
                    (false, Kind::Digest) => {}
                }
            }
        }
        found.sort_by(|(time_a, kind_a, a), (time_b, kind_b, b)| {
            (time_a, kind_a, &a.key).cmp(&(time_b, kind_b, &b.key))
        });
        self.progress.days_listed += 1;
        (self.progress.files_of_day, self.progress.files_read_of_day) = (found.len() as u64, 0);
        self.files = found.into();
        Ok(())
    }

    async fn digest(&mut self, object: &Object) -> Result<Step, SourceError> {
        if object.size > FILE_LIMIT {
            let (key, reason) = (object.key.clone(), format!("it is longer than {} MB", FILE_LIMIT >> 20));
            return Ok(Step::Suspect { key, reason });
        }
        let Some(stored) = self.bucket.get(&object.key).await? else {
            let (key, reason) = (object.key.clone(), "it was deleted meanwhile".to_owned());
            return Ok(Step::Suspect { key, reason });
        };
        let (settings, span) = (self.bucket.settings(), self.uploaded_since..=self.uploaded_until);
        let regions = self.regions.as_deref().unwrap_or_default();
        let ours = |file: &LogFile, key: &Key<'_>| {
            let listed = key.kind == Kind::Traces && regions.iter().any(|region| region == key.region);
            let here = file.bucket.is_empty() || file.bucket == settings.bucket;
            listed && here && span.contains(&key.uploaded) && settings.owns(key)
        };
        self.findings.extend(self.proof.digest(&object.key, &stored, ours));
        Ok(Step::On)
    }

    async fn file(&mut self, uploaded: Timestamp, object: &Object) -> Result<Step, SourceError> {
        let unreadable = |reason: String| Ok(Step::Unreadable { key: object.key.clone(), reason });
        if object.size > FILE_LIMIT {
            self.proof.file(&object.key, uploaded, None);
            return unreadable(format!("it is longer than {} MB", FILE_LIMIT >> 20));
        }
        let Some(stored) = self.bucket.get(&object.key).await? else {
            self.proof.file(&object.key, uploaded, None);
            return unreadable("it was deleted meanwhile".to_owned());
        };
        let (from, to) = (self.from, self.to);
        let (found, records, outcome) = self
            .with_shelf(move |shelf| {
                let mut records = 0;
                let outcome = file::unpacked_within(&stored.body[..], UNPACKED_LIMIT).and_then(|text| {
                    file::records(text, &mut |raw| {
                        let time = decode::time_of(raw);
                        // One without a time is of its file's; and nothing may come so late that `reached` has
                        // passed its file by then.
                        let wanted = match time {
                            Some(time) => from <= time && time <= to,
                            None => uploaded <= clock::plus(to, SLACK),
                        };
                        if wanted {
                            records += 1;
                            shelf.put_at(raw, Some(time.map_or(uploaded, |time| time.min(uploaded))));
                        }
                    })
                });
                (md5(&stored.body), records, outcome)
            })
            .await;
        self.findings.extend(self.proof.file(&object.key, uploaded, Some(found)));
        self.progress.records += records;
        match outcome {
            Ok(()) => Ok(Step::On),
            Err(error) => unreadable(error.to_string()),
        }
    }

    /// Off the async threads: unpacking and decoding take their time.
    async fn with_shelf<T: Send + 'static>(&mut self, work: impl FnOnce(&mut Shelf) -> T + Send + 'static) -> T {
        let mut shelf = mem::take(&mut self.shelf);
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut shelf);
            (shelf, done)
        });
        let (shelf, done) = done.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        self.shelf = shelf;
        done
    }
}

impl Step {
    fn of(Finding { wrong, object: key, detail }: Finding) -> Self {
        match wrong {
            Wrong::MissingFile => Self::Unreadable { key, reason: format!("it is not there, though {detail}") },
            wrong => Self::Suspect { key, reason: format!("{}: {detail}", wrong.in_words()) },
        }
    }
}

/// The region's folders: its own, and those that name a project beside it.
pub async fn regions(bucket: &Bucket) -> Result<Vec<String>, SourceError> {
    let wanted = bucket.settings().region.as_str();
    let folders = bucket.folders(key::ROOT).await?;
    let names: Vec<&str> = folders
        .iter()
        .filter_map(|folder| folder.strip_prefix(key::ROOT))
        .map(|name| name.trim_end_matches('/'))
        .collect();
    let of_region =
        |name: &&&str| name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-']));
    let found: Vec<String> = names.iter().filter(of_region).map(|name| (*name).to_owned()).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let name = &bucket.settings().bucket;
    let (reason, fix) = match names.as_slice() {
        [] => (
            format!("bucket `{name}` holds no trace files: it has no folder `{}`", key::ROOT.trim_end_matches('/')),
            "correct `bucket`, or let the tracker deliver there; `tracebell tracker show` tells where it does"
                .to_owned(),
        ),
        names => (
            format!("bucket `{name}` holds no trace files of region `{wanted}`"),
            format!("set `region` to what it has: {}", names.join(", ")),
        ),
    };
    Err(SourceError::Refused { reason, fix })
}

/// Every day that has a part of the stretch.
pub fn days(from: Timestamp, to: Timestamp) -> VecDeque<Date> {
    let date = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let last = date(to);
    let mut days = VecDeque::new();
    let mut day = date(from);
    while day <= last {
        days.push_back(day);
        match day.tomorrow() {
            Ok(next) => day = next,
            Err(_) => break,
        }
    }
    days
}
