//! Names of trace files and digests: `CloudTraces/REGION/YEAR/MONTH/DAY/TRACKER/SERVICE/FILE`.
//!
//! Read leniently: months and days with and without zeros, the tracker's and the service's folder or not, a
//! project beside the region or not.

use jiff::{civil::Date, tz::TimeZone};

use crate::clock::Timestamp;

/// The folder that the tracker makes in the bucket.
pub const ROOT: &str = "CloudTraces/";
const TRACES: &str = "CloudTrace_";
const DIGEST: &str = "CloudTrace-Digest_";

/// What the key of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'a> {
    pub kind: Kind,
    pub region: &'a str,
    pub day: Date,
    /// Known only where the service is named too.
    pub tracker: Option<&'a str>,
    /// What the file's name begins with.
    pub prefix: &'a str,
    /// The region, or region and project.
    pub place: &'a str,
    pub uploaded: Timestamp,
}

/// In the order in which those of one moment are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Traces,
    Digest,
}

impl<'a> Key<'a> {
    /// `None` of what is no file of a tracker.
    pub fn parse(key: &'a str) -> Option<Self> {
        let parts: Vec<&str> = key.strip_prefix(ROOT)?.split('/').collect();
        let [region, year, month, day, folders @ .., file] = parts.as_slice() else { return None };
        let day = date(&[year, month, day])?;
        let (kind, at, length) = match (file.find(DIGEST), file.find(TRACES)) {
            (Some(at), _) => (Kind::Digest, at, DIGEST.len()),
            (None, Some(at)) => (Kind::Traces, at, TRACES.len()),
            (None, None) => return None,
        };
        let stem = file.strip_suffix(".gz").unwrap_or(file).strip_suffix(".json")?;
        let (place, uploaded) = place_and_time(stem.get(at + length..)?)?;
        let tracker = match folders {
            // An older layout has no folder of the tracker.
            ["Digest", ..] => None,
            [tracker, _] | [tracker, _, _] => Some(*tracker),
            _ => None,
        };
        let prefix = file[..at].strip_suffix('_').unwrap_or(&file[..at]);
        Some(Self { kind, region, day, tracker, prefix, place, uploaded })
    }

    /// False only if it names another project.
    pub fn may_be_of(&self, region: &str, project: &str) -> bool {
        let bare = project.strip_prefix(region).unwrap_or(project).trim_start_matches(['_', '-']);
        self.place == region || self.place.ends_with(project) || !bare.is_empty() && self.place.ends_with(bare)
    }
}

/// The folders that hold a day's files, in each way that a month and a day may be written.
pub fn folders(region: &str, day: Date) -> Vec<String> {
    let both = |number: i8| {
        let mut ways = vec![format!("{number:02}"), number.to_string()];
        ways.dedup();
        ways
    };
    let (months, days) = (both(day.month()), both(day.day()));
    let ways = months.iter().flat_map(|month| days.iter().map(move |of_month| (month, of_month)));
    ways.map(|(month, of_month)| format!("{ROOT}{region}/{:04}/{month}/{of_month}/", day.year())).collect()
}

/// `eu-de_2023-08-30T01-50-12Z_d22ef9d12629392c`
fn place_and_time(text: &str) -> Option<(&str, Timestamp)> {
    // The last part but for the sixteen digits, which digests do not have.
    text.rmatch_indices('_').take(2).find_map(|(at, _)| {
        let stamp = text[at + 1..].split('_').next()?;
        Some((&text[..at], time(stamp)?))
    })
}

/// `2026-01-15T08-00-00Z`
pub fn time(text: &str) -> Option<Timestamp> {
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let day = date(&day.split('-').collect::<Vec<_>>())?;
    let clock: Vec<i8> = clock.split(['-', ':']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else { return None };
    let clock = jiff::civil::Time::new(hour, minute, second, 0).ok()?;
    Some(day.to_datetime(clock).to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn date(parts: &[&str]) -> Option<Date> {
    let [year, month, day] = parts else { return None };
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "file_CloudTrace_eu-de_2023-08-30T01-50-12Z_d22ef9d12629392c.json.gz";

    #[track_caller]
    fn check(folder: &str, file: &str, expected: &str) {
        let key = format!("{folder}/{file}");
        let found = Key::parse(&key).map(|key| {
            let tracker = key.tracker.unwrap_or("-");
            format!(
                "{:?} {} {} {tracker} [{}] {} {}",
                key.kind, key.region, key.day, key.prefix, key.place, key.uploaded
            )
        });
        assert_eq!(found.as_deref().unwrap_or("none"), expected, "{key}");
    }

    #[test]
    fn every_form_of_a_key_is_read() {
        let plain = "Traces eu-de 2023-08-30 - [file] eu-de 2023-08-30T01:50:12Z";
        check("CloudTraces/eu-de/2023/08/30", FILE, plain);
        check("CloudTraces/eu-de/2023/8/30", FILE, plain);
        check("CloudTraces/eu-de/2023/8/30/system", FILE, plain);
        let sorted = "Traces eu-de 2023-08-30 system [file] eu-de 2023-08-30T01:50:12Z";
        check("CloudTraces/eu-de/2023/08/30/system/ECS", FILE, sorted);
        check(
            "CloudTraces/eu-de/2016/5/9/system/ECS",
            "p-_CloudTrace_eu-de-eu-de_a_b_2016-5-9T2-3-4Z_d22ef9d12629392c.json",
            "Traces eu-de 2016-05-09 system [p-] eu-de-eu-de_a_b 2016-05-09T02:03:04Z",
        );
        check(
            "CloudTraces/eu-de/2016/05/09",
            "CloudTrace_eu-de_2016-05-09T02-03-04Z_d22ef9d12629392c.json",
            "Traces eu-de 2016-05-09 - [] eu-de 2016-05-09T02:03:04Z",
        );
        check(
            "CloudTraces/eu-de/2016/05/09/system/Digest/ECS",
            "file_CloudTrace-Digest_eu-de_2016-05-09T02-03-04Z.json.gz",
            "Digest eu-de 2016-05-09 system [file] eu-de 2016-05-09T02:03:04Z",
        );
    }

    #[test]
    fn a_digest_of_the_older_layout_is_one_too() {
        check(
            "CloudTraces/eu-de/2016/5/9/Digest/ECS",
            "CloudTrace-Digest_eu-de_2016-05-09T02-03-04Z.json.gz",
            "Digest eu-de 2016-05-09 - [] eu-de 2016-05-09T02:03:04Z",
        );
    }

    #[test]
    fn what_is_no_trace_file_is_none() {
        check("Other/eu-de/2023/08/30", FILE, "none");
        check("CloudTraces/eu-de/2023/13/30", FILE, "none");
        check("CloudTraces/eu-de", FILE, "none");
        check("CloudTraces/eu-de/2023/08/30", "notes.txt", "none");
        check("CloudTraces/eu-de/2023/08/30", "file_CloudTrace_eu-de_yesterday_12.json", "none");
        check("CloudTraces/eu-de/2023/08/30", "file_CloudTrace_.json", "none");
        check("CloudTraces/eu-de/2023/08/30", "", "none");
    }

    #[test]
    fn a_project_is_told_from_another() {
        let of = |place: &str, project: &str| {
            let file = format!("CloudTraces/eu-de/2023/08/30/x_CloudTrace_{place}_2023-08-30T01-50-12Z_d22e.json");
            Key::parse(&file).unwrap().may_be_of("eu-de", project)
        };
        assert!(of("eu-de", "eu-de_shop"));
        assert!(of("eu-de_shop", "eu-de_shop"));
        assert!(of("eu-de-eu-de_shop", "eu-de_shop"));
        assert!(of("eu-de-shop", "eu-de_shop"));
        assert!(!of("eu-de-bank", "eu-de_shop"));
        assert!(!of("eu-de_bank", "eu-de_shop"));
    }

    #[test]
    fn a_day_has_as_many_folders_as_ways_to_write_it() {
        let days = |month, day| folders("eu-de", Date::new(2026, month, day).unwrap());
        assert_eq!(days(11, 21), ["CloudTraces/eu-de/2026/11/21/"]);
        assert_eq!(days(1, 21), ["CloudTraces/eu-de/2026/01/21/", "CloudTraces/eu-de/2026/1/21/"]);
        assert_eq!(days(1, 2).len(), 4);
    }
}
