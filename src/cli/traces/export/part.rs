//! The unfinished file of an export, and beside it how far it is.
//!
//! `FILE.part` is what is written, `FILE.part.ids` a short hash of each trace in it, `FILE.part.state` how
//! much of both counts. A window is appended and flushed before the state says so; what is behind that was
//! written by a start that died, and is cut off. Compressed, each window is a whole member of its own.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde::{Deserialize, Serialize};

use super::{Job, Written, in_order};
use crate::{
    clock::Timestamp,
    id,
    source::{Record, Window},
};

/// What was asked for: another wish must not go on with this one's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The flags, in one text.
    pub wish: String,
    /// A hash of who logs in. Two accounts may have projects of the same name.
    pub who: String,
    /// The span is that of the first start: `7d` means another one later.
    pub from: Timestamp,
    pub to: Timestamp,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    /// Files that are done.
    pub job: usize,
    /// Everything before is written.
    pub next: Timestamp,
    /// Of the file under way.
    bytes: u64,
    records: u64,
    /// Hashes that count.
    ids: u64,
    /// Of the whole export.
    pub traces: u64,
    pub undecodable: u64,
    pub total_bytes: u64,
    pub gaps: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum PartError {
    #[error("`{path}` belongs to another export: finish that one with its own flags, or give `--overwrite`")]
    Other { path: String },
    #[error(
        "`{path}` was begun by somebody else: log in as then (user and domain, access key, agency), \
         or give `--overwrite`"
    )]
    Somebody { path: String },
    #[error("cannot write `{path}`: {source}")]
    Disk { path: String, source: io::Error },
}

pub struct Part {
    /// Without `.part`: all three names are made from it.
    out: PathBuf,
    pub state: State,
    /// Whether an earlier start had begun.
    pub resumed: bool,
    file: Option<(PathBuf, File)>,
    ids_file: File,
    /// Eight bytes of each id's hash: of a million traces two are taken for the same once in 37 million exports.
    seen: HashSet<u64>,
}

impl Part {
    /// Begins, or goes on where the same wish ended.
    pub fn open(out: &Path, asked: Asked, overwrite: bool) -> Result<Self, PartError> {
        let state_path = beside(out, "state");
        let found = match fs::read(&state_path) {
            Ok(bytes) if !overwrite => Some(serde_json::from_slice::<State>(&bytes).ok()),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(disk(&state_path, source)),
        };
        let state = match found {
            Some(Some(state)) if state.asked.wish != asked.wish => {
                return Err(PartError::Other { path: state_path.display().to_string() });
            }
            Some(Some(state)) if state.asked.who != asked.who => {
                return Err(PartError::Somebody { path: state_path.display().to_string() });
            }
            Some(Some(state)) => Some(state),
            Some(None) => return Err(PartError::Other { path: state_path.display().to_string() }),
            None => None,
        };
        let resumed = state.is_some();
        let next = asked.from;
        let (gaps, job) = (Vec::new(), 0);
        let fresh = || State {
            asked,
            job,
            next,
            bytes: 0,
            records: 0,
            ids: 0,
            traces: 0,
            undecodable: 0,
            total_bytes: 0,
            gaps,
        };
        let state = state.unwrap_or_else(fresh);
        let ids_path = beside(out, "ids");
        let opened = (|| {
            let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&ids_path)?;
            // Two at once would write over each other.
            file.try_lock().map_err(|error| match error {
                TryLockError::Error(error) => error,
                TryLockError::WouldBlock => io::Error::other("another export is writing this file"),
            })?;
            file.set_len(state.ids * 8)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let seen = bytes.chunks_exact(8).map(|id| u64::from_le_bytes(id.try_into().expect("chunks of eight")));
            Ok((seen.collect::<HashSet<u64>>(), file))
        })();
        let (seen, ids_file) = opened.map_err(|source| disk(&ids_path, source))?;
        Ok(Self { out: out.to_owned(), state, resumed, file: None, ids_file, seen })
    }

    /// Whether a start that died had given the file of this job its name already.
    pub fn is_there(&self, job: &Job) -> bool {
        self.state.bytes > 0 && self.state.next > job.to && job.path.exists() && !with_end(&job.path, ".part").exists()
    }

    /// The file of a job has its name.
    pub fn pass(&mut self, job: &Job, next: usize) -> Result<(), PartError> {
        self.state.total_bytes += fs::metadata(&job.path).map_err(|source| disk(&job.path, source))?.len();
        (self.state.job, self.state.bytes, self.state.records) = (next, 0, 0);
        self.note()
    }

    /// Begins the file of a job, or goes on with it.
    pub fn begin(&mut self, job: &Job, written: Written, packed: bool) -> Result<(), PartError> {
        let path = with_end(&job.path, ".part");
        let new = self.state.bytes == 0;
        let opened = (|| {
            let mut file = OpenOptions::new().create(true).write(true).truncate(new).open(&path)?;
            if file.metadata()?.len() < self.state.bytes {
                let lost = "it is shorter than it was; give `--overwrite` to begin anew";
                return Err(io::Error::new(io::ErrorKind::InvalidData, lost));
            }
            file.set_len(self.state.bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        })();
        self.file = Some((path.clone(), opened.map_err(|source| disk(&path, source))?));
        if new {
            self.append(&written.head(), packed)?;
            self.note()?;
        }
        Ok(())
    }

    /// Writes one window down: oldest first, each trace once.
    pub fn write(
        &mut self,
        window: &Window,
        records: &[Record],
        gaps: Vec<String>,
        (written, packed): (Written, bool),
    ) -> Result<(), PartError> {
        let mut text = String::new();
        let mut ids = Vec::new();
        for record in in_order(records) {
            let id = match record {
                Record::Trace(trace) => &trace.id,
                Record::Undecodable { id, .. } => id,
            };
            let hash = short(id);
            if !self.seen.insert(hash) {
                continue;
            }
            ids.extend_from_slice(&hash.to_le_bytes());
            written.record(record, self.state.records == 0, &mut text);
            self.state.records += 1;
            match record {
                Record::Trace(_) => self.state.traces += 1,
                Record::Undecodable { .. } => self.state.undecodable += 1,
            }
        }
        self.append(&text, packed)?;
        let ids_path = beside(&self.out, "ids");
        let noted = self.ids_file.write_all(&ids).and_then(|()| self.ids_file.sync_data());
        noted.map_err(|source| disk(&ids_path, source))?;
        self.state.ids += ids.len() as u64 / 8;
        self.state.next = crate::clock::plus(window.to, std::time::Duration::from_millis(1));
        self.state.gaps.extend(gaps);
        self.note()
    }

    /// Ends the file of a job and gives it its name.
    pub fn finish(&mut self, job: &Job, next: usize, written: Written, packed: bool) -> Result<(), PartError> {
        let part = with_end(&job.path, ".part");
        self.append(written.foot(self.state.records == 0), packed)?;
        fs::rename(&part, &job.path).map_err(|source| disk(&job.path, source))?;
        self.file = None;
        self.pass(job, next)
    }

    /// Everything is done: nothing is left to go on with.
    pub fn forget(self) {
        for end in ["state", "ids"] {
            // What is left over is in nobody's way: the next start of the same wish is refused by the file itself.
            let _ = fs::remove_file(beside(&self.out, end));
        }
    }

    fn append(&mut self, text: &str, packed: bool) -> Result<(), PartError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        if text.is_empty() {
            return Ok(());
        }
        let written = (|| {
            let bytes = match packed {
                true => {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                    encoder.write_all(text.as_bytes())?;
                    encoder.finish()?
                }
                false => text.as_bytes().to_vec(),
            };
            file.write_all(&bytes)?;
            file.sync_data()?;
            Ok(bytes.len() as u64)
        })();
        self.state.bytes += written.map_err(|source| disk(path, source))?;
        Ok(())
    }

    /// Replaces the state in one step: either the old one or the new one is there.
    fn note(&self) -> Result<(), PartError> {
        let path = beside(&self.out, "state");
        let draft = with_end(&path, ".new");
        let text = serde_json::to_vec(&self.state).expect("a state is plain text and numbers");
        let replaced = (|| {
            let mut file = File::create(&draft)?;
            file.write_all(&text)?;
            file.sync_data()?;
            fs::rename(&draft, &path)
        })();
        replaced.map_err(|source| disk(&path, source))
    }
}

fn short(text: &str) -> u64 {
    let hash = id::hash(&[text]);
    u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

fn beside(out: &Path, end: &str) -> PathBuf {
    with_end(out, &format!(".part.{end}"))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn disk(path: &Path, source: io::Error) -> PartError {
    PartError::Disk { path: path.display().to_string(), source }
}
