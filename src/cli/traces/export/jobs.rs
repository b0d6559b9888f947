//! Which files an export makes, and what is in each.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;

use super::Written;
use crate::{clock, clock::Timestamp};

/// One file. Both ends belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub path: PathBuf,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// The format, and whether the file is compressed, from the flag and the name of the file.
pub fn written(out: &Path, wanted: Option<Written>) -> Result<(Written, bool), String> {
    let name = out.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.is_empty() || out.is_dir() {
        return Err(format!("`--out` is `{}`; expected the name of a file", out.display()));
    }
    let (stem, packed) = match name.rsplit_once('.') {
        Some((stem, end)) if end.eq_ignore_ascii_case("gz") => (stem, true),
        Some((_, end)) if ["zst", "bz2", "xz", "zip", "7z", "lz4"].contains(&end.to_lowercase().as_str()) => {
            return Err(format!("`--out` ends in `.{end}`, which is not written; expected `.gz` or no compression"));
        }
        _ => (name, false),
    };
    let by_name = match stem.rsplit_once('.').map(|(_, end)| end.to_lowercase()).as_deref() {
        Some("csv") => Some(Written::Csv),
        Some("json") => Some(Written::Json),
        Some("ndjson" | "jsonl") => Some(Written::Ndjson),
        _ => None,
    };
    Ok((wanted.or(by_name).unwrap_or(Written::Ndjson), packed))
}

/// One file, or one for each day of a zone.
pub fn plan(out: &Path, from: Timestamp, to: Timestamp, by_day: Option<&TimeZone>) -> Vec<Job> {
    let Some(zone) = by_day else { return vec![Job { path: out.to_owned(), from, to }] };
    let mut jobs = Vec::new();
    let mut at = from;
    while at <= to {
        let day = at.to_zoned(zone.clone()).date();
        let next = day.tomorrow().ok().and_then(|next| next.to_zoned(zone.clone()).ok()).map(|next| next.timestamp());
        let next = next.filter(|next| *next > at).unwrap_or(Timestamp::MAX);
        let end = clock::minus(next, std::time::Duration::from_millis(1)).min(to);
        jobs.push(Job { path: dated(out, &day.to_string()), from: at, to: end });
        at = next;
    }
    jobs
}

/// The date stands before what the name ends in: `audit-2026-01-15.ndjson.gz`.
fn dated(out: &Path, day: &str) -> PathBuf {
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let at = name.char_indices().skip(1).find(|(_, letter)| *letter == '.').map_or(name.len(), |(at, _)| at);
    out.with_file_name(OsString::from(format!("{}-{day}{}", &name[..at], &name[at..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_how_a_file_is_written() {
        for (name, wanted, expected) in [
            ("audit.ndjson", None, (Written::Ndjson, false)),
            ("audit.csv.gz", None, (Written::Csv, true)),
            ("audit.json.GZ", None, (Written::Json, true)),
            ("audit", None, (Written::Ndjson, false)),
            ("audit.gz", Some(Written::Csv), (Written::Csv, true)),
            ("audit.csv", Some(Written::Json), (Written::Json, false)),
        ] {
            assert_eq!(written(Path::new(name), wanted), Ok(expected), "{name}");
        }
        for name in ["audit.zst", "audit.csv.xz", "", ".."] {
            assert!(written(Path::new(name), None).is_err_and(|error| error.contains("--out")), "{name}");
        }
    }

    #[test]
    fn days_leave_no_moment_out() {
        let (from, to) = ("2026-01-14T22:30:00Z".parse().unwrap(), "2026-01-16T10:00:00Z".parse().unwrap());
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let jobs = plan(Path::new("/x/audit.ndjson.gz"), from, to, Some(&berlin));
        let names: Vec<String> = jobs.iter().map(|job| job.path.display().to_string()).collect();
        let named = ["2026-01-14", "2026-01-15", "2026-01-16"].map(|day| format!("/x/audit-{day}.ndjson.gz"));
        assert_eq!(names, named);
        assert_eq!((jobs[0].from, jobs[2].to), (from, to));
        for pair in jobs.windows(2) {
            assert_eq!(clock::plus(pair[0].to, std::time::Duration::from_millis(1)), pair[1].from);
        }
        assert_eq!(plan(Path::new("a"), from, to, None).len(), 1);
    }
}
