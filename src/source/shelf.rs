//! Records of any order, handed out oldest first, in little memory.
//!
//! Each record lies compressed in the drawer of its quarter of an hour; only one
//! drawer is open, and decoded, at a time.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    io::{Read, Write},
    sync::Arc,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::{Record, file};
use crate::{
    clock::Timestamp,
    trace::{
        Trace,
        decode::{self, Context},
    },
};

const DRAWER_SECONDS: i64 = 900;
/// A drawer packs what it holds whenever so much came together.
const PACK_AT: usize = 64 * 1024;

#[derive(Default)]
pub struct Shelf {
    drawers: BTreeMap<i64, Drawer>,
    records: u64,
}

#[derive(Default)]
struct Drawer {
    loose: Vec<u8>,
    packed: Vec<Vec<u8>>,
}

/// What lay in one drawer.
#[derive(Debug, Default)]
pub struct Batch {
    /// Oldest first, none of them handed out before.
    pub traces: Vec<Arc<Trace>>,
    pub duplicates: u64,
    /// Why each record that is no trace is none.
    pub undecodable: Vec<String>,
}

impl Shelf {
    /// Records that were put in.
    pub fn records(&self) -> u64 {
        self.records
    }

    pub fn put(&mut self, raw: &str) {
        self.put_at(raw, decode::time_of(raw));
    }

    /// Of a record whose time is known, or known to be nowhere.
    pub fn put_at(&mut self, raw: &str, time: Option<Timestamp>) {
        // Without a time there is no right place; the decoder gets to say so.
        let second = time.map_or(i64::MAX, Timestamp::as_second);
        let drawer = self.drawers.entry(second.div_euclid(DRAWER_SECONDS)).or_default();
        // One record a line: between the parts of JSON a line break is no more than a space.
        drawer.loose.extend(raw.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        drawer.loose.push(b'\n');
        if drawer.loose.len() >= PACK_AT {
            drawer.pack();
        }
        self.records += 1;
    }

    /// True if a drawer holds nothing but what is older than that.
    pub fn has_before(&self, before: Timestamp) -> bool {
        self.drawers.keys().next().is_some_and(|drawer| ends(*drawer) <= before.as_second())
    }

    /// Up to when no drawer is left that holds, or may come to hold, what is older than that.
    pub fn is_clear_before(&self, before: Timestamp) -> Timestamp {
        let drawer = before.as_second().div_euclid(DRAWER_SECONDS);
        let oldest = self.drawers.keys().next().map_or(drawer, |oldest| drawer.min(*oldest));
        Timestamp::from_second(oldest.saturating_mul(DRAWER_SECONDS)).unwrap_or(Timestamp::MIN)
    }

    /// Empties the oldest drawer if it holds nothing but what is older than `before`, at [`Timestamp::MAX`] any;
    /// says where it ends.
    /// Nothing is left out: what came twice comes out twice. A record without a time is of the drawer's.
    pub fn draw(&mut self, before: Timestamp, context: &Context, now: Timestamp) -> Option<(Timestamp, Vec<Record>)> {
        if before != Timestamp::MAX && !self.has_before(before) {
            return None;
        }
        let (number, drawer) = self.drawers.pop_first()?;
        let begins = Timestamp::from_second(number.saturating_mul(DRAWER_SECONDS)).unwrap_or(now);
        let now = begins.min(now);
        let mut records: Vec<Record> = drawer
            .text()
            .split('\n')
            .filter(|raw| !raw.is_empty())
            .map(|raw| match file::decode(raw, context, now) {
                Ok(trace) => Record::Trace(Arc::new(trace)),
                Err(error) => Record::Undecodable { id: error.id, raw: raw.to_owned(), reason: error.reason },
            })
            .collect();
        let place = |record: &Record| match record {
            Record::Trace(trace) => (trace.time, trace.id.clone()),
            Record::Undecodable { id, .. } => (Timestamp::MAX, id.clone()),
        };
        records.sort_by_cached_key(place);
        Some((Timestamp::from_second(ends(number)).unwrap_or(Timestamp::MAX), records))
    }

    /// Empties drawer after drawer. `now` stands in for a time that is nowhere in a record.
    pub fn batches(self, context: Context, now: Timestamp) -> impl Iterator<Item = Batch> {
        let mut seen = HashSet::new();
        self.drawers.into_values().map(move |drawer| {
            let mut batch = Batch::default();
            for raw in drawer.text().split('\n').filter(|raw| !raw.is_empty()) {
                match file::decode(raw, &context, now) {
                    Ok(trace) if seen.insert(hash(&trace.id)) => batch.traces.push(Arc::new(trace)),
                    Ok(_) => batch.duplicates += 1,
                    Err(error) => batch.undecodable.push(error.reason),
                }
            }
            batch.traces.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
            batch
        })
    }
}

/// The first second after a drawer.
fn ends(drawer: i64) -> i64 {
    drawer.saturating_add(1).saturating_mul(DRAWER_SECONDS)
}

impl Drawer {
    fn pack(&mut self) {
        let mut packed = DeflateEncoder::new(Vec::with_capacity(PACK_AT / 4), Compression::fast());
        packed.write_all(&self.loose).expect("memory takes everything");
        let mut packed = packed.finish().expect("memory takes everything");
        packed.shrink_to_fit();
        self.packed.push(packed);
        self.loose.clear();
    }

    fn text(self) -> String {
        let mut bytes = Vec::new();
        for packed in &self.packed {
            DeflateDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("it was packed above");
        }
        bytes.extend_from_slice(&self.loose);
        String::from_utf8(bytes).expect("texts were put in")
    }
}

/// Ids are told apart by 64 bits: among a million traces, two share them once in 37 million runs.
fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_in_anyhow_comes_out_by_time_and_once() {
        let mut shelf = Shelf::default();
        let mut random = fastrand::Rng::with_seed(3);
        let mut times: Vec<i64> = (0..2000).map(|number| 1_768_000_000_000 + number * 7_000).collect();
        random.shuffle(&mut times);
        for time in times.iter().chain(&times[..50]) {
            shelf.put(&format!(
                r#"{{"trace_id":"t-{time}","service_type":"KMS","trace_name":"createKey","time":{time}}}"#
            ));
        }
        shelf.put(r#"{"time":1768000000000}"#);
        shelf.put("nonsense");
        assert_eq!(shelf.records(), 2052);
        let batches: Vec<Batch> = shelf.batches(Context::default(), Timestamp::MAX).collect();
        let found: Vec<i64> =
            batches.iter().flat_map(|batch| &batch.traces).map(|trace| trace.time.as_millisecond()).collect();
        times.sort_unstable();
        assert_eq!(found, times);
        assert_eq!(batches.iter().map(|batch| batch.duplicates).sum::<u64>(), 50);
        assert_eq!(batches.iter().map(|batch| batch.undecodable.len()).sum::<usize>(), 2);
    }
}
