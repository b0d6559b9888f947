//! What the past says of a trace: that its actor did not use this service, or did not come from this
//! network, for a month.
//!
//! Known are keys and times, nothing else, and those only of the page at hand. A page costs one look-up and,
//! where something is new or a day old, one statement more in its transaction.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use crate::{
    clock::{self, Timestamp},
    id,
    render::inert,
    store::{HabitKey, IngestBatch, Store, StoreError},
    trace::{Field, Trace},
};

const DAY: Duration = Duration::from_secs(86_400);
/// What was not seen for so long is told when it comes again.
const LONG: Duration = Duration::from_secs(30 * 86_400);
/// A habit is noted again when its note is older than this, so it may be seen this much later than noted.
const RENEWED: Duration = DAY;
/// Since when a source is watched matters up to here: beyond `LONG` by more than any trace is late.
const WATCHED: Duration = Duration::from_secs(45 * 86_400);
/// Of a name in a sentence.
const NAME: usize = 120;

/// The habits that a page shows, and what was known of them before.
#[derive(Debug, Default)]
pub struct Past {
    source: String,
    seen: BTreeMap<HabitKey, Seen>,
    known: HashMap<HabitKey, Timestamp>,
}

/// One habit in one page.
#[derive(Debug)]
struct Seen {
    /// The oldest trace that shows it.
    first: (Timestamp, String),
    newest: Timestamp,
}

/// What is known of these fresh traces; what they add goes into the batch.
pub async fn load<'a, S: Store>(
    store: &S,
    traces: impl Iterator<Item = &'a Arc<Trace>>,
    batch: &mut IngestBatch,
) -> Result<Past, StoreError> {
    let mut past = Past::new(&batch.source, traces.map(Arc::as_ref));
    if past.seen.is_empty() {
        return Ok(past);
    }
    past.known = store.habits(&past.keys()).await?;
    batch.habits = past.notes(batch.now);
    Ok(past)
}

impl Past {
    fn new<'a>(source: &str, traces: impl Iterator<Item = &'a Trace>) -> Self {
        let mut past = Self { source: source.to_owned(), ..Self::default() };
        for trace in traces {
            for habit in habits(trace) {
                let this = (trace.time, trace.id.clone());
                match past.seen.entry(habit.key(source)) {
                    Entry::Vacant(free) => {
                        free.insert(Seen { first: this, newest: trace.time });
                    }
                    Entry::Occupied(mut taken) => {
                        let seen = taken.get_mut();
                        seen.newest = seen.newest.max(trace.time);
                        if this < seen.first {
                            seen.first = this;
                        }
                    }
                }
            }
        }
        past
    }

    /// What is new about the trace, one sentence each; nothing about a source that is watched for less than a day.
    pub fn says(&self, trace: &Trace) -> Vec<String> {
        let since = self.known.get(&watched_key(&self.source)).copied();
        let watched = since.map_or(Duration::ZERO, |since| clock::since(since, trace.time));
        let span = match watched.as_secs() / DAY.as_secs() {
            0 => return Vec::new(),
            1 => "in the day since Tracebell watches".to_owned(),
            days if watched < LONG => format!("in the {days} days since Tracebell watches"),
            _ => "in 30 days".to_owned(),
        };
        let habits = habits(trace).into_iter().filter(|habit| self.begins(habit, trace));
        habits.map(|habit| format!("First time {} {span}", habit.words())).collect()
    }

    fn begins(&self, habit: &Habit<'_>, trace: &Trace) -> bool {
        let key = habit.key(&self.source);
        let first = self.seen.get(&key).is_some_and(|seen| seen.first.1 == trace.id);
        first && self.known.get(&key).is_none_or(|at| clock::since(*at, trace.time) > LONG + RENEWED)
    }

    fn keys(&self) -> Vec<HabitKey> {
        self.seen.keys().copied().chain([watched_key(&self.source)]).collect()
    }

    /// What is to be noted: habits that are new or were noted a while ago, and since when the source is watched.
    fn notes(&self, now: Timestamp) -> Vec<(HabitKey, Timestamp)> {
        let stale = |key: &HabitKey, newest: Timestamp| {
            self.known.get(key).is_none_or(|at| clock::since(*at, newest) > RENEWED)
        };
        let seen = self.seen.iter().filter(|(key, seen)| stale(key, seen.newest));
        let mut notes: Vec<_> = seen.map(|(key, seen)| (*key, seen.newest)).collect();
        let watched = watched_key(&self.source);
        match self.known.get(&watched) {
            None => notes.push((watched, now)),
            // Moved along, else it would be forgotten as old.
            Some(since) if clock::since(*since, now) > WATCHED + DAY => {
                notes.push((watched, clock::minus(now, WATCHED)))
            }
            Some(_) => {}
        }
        notes
    }
}

/// Something that an actor does again and again.
struct Habit<'a> {
    actor: &'a str,
    kind: Kind,
    value: String,
}

#[derive(Clone, Copy)]
enum Kind {
    Service,
    Network,
}

impl Habit<'_> {
    fn key(&self, source: &str) -> HabitKey {
        let kind = match self.kind {
            Kind::Service => "service",
            Kind::Network => "network",
        };
        // As rules compare them: without case.
        key(&[source, &self.actor.to_lowercase(), kind, &self.value.to_lowercase()])
    }

    fn words(&self) -> String {
        let actor = inert::line(self.actor, NAME);
        match self.kind {
            Kind::Service => format!("{actor} used {}", inert::line(&self.value, NAME)),
            Kind::Network => format!("{actor} came from network {}", self.value),
        }
    }
}

/// What a trace shows of its actor's habits; nothing if nobody is named.
fn habits(trace: &Trace) -> Vec<Habit<'_>> {
    let Some(actor) = trace.actor.name.as_deref() else { return Vec::new() };
    let fields = [(Kind::Service, Field::Service), (Kind::Network, Field::SourceNetwork)];
    let habit = |(kind, field): (Kind, Field)| Some(Habit { actor, kind, value: trace.get(&field)?.into_owned() });
    fields.into_iter().filter_map(habit).collect()
}

/// Under which it is kept since when a source is watched: no actor has this name.
fn watched_key(source: &str) -> HabitKey {
    key(&[source, "", "watched", ""])
}

fn key(parts: &[&str]) -> HabitKey {
    *id::hash(parts).first_chunk().expect("a SHA-256 is longer than sixteen bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day and an hour of it, long after the beginning of time.
    fn at(day: u64, hour: u64) -> Timestamp {
        clock::plus(Timestamp::UNIX_EPOCH, DAY * u32::try_from(1000 + day).unwrap() + Duration::from_secs(hour * 3600))
    }

    fn trace(id: &str, actor: &str, service: &str, ip: &str, time: Timestamp) -> Trace {
        let mut trace = Trace { service: service.into(), ..Trace::blank(id, time) };
        trace.actor.name = Some(actor.to_owned()).filter(|name| !name.is_empty());
        trace.source_ip = Some(ip.to_owned()).filter(|ip| !ip.is_empty());
        trace
    }

    /// Pages as they come, each of `day hour actor service ip`; what is said of each trace, by its day and hour.
    #[track_caller]
    fn check(pages: &[&[&str]], expected: &[&str]) {
        let mut stored: HashMap<HabitKey, Timestamp> = HashMap::new();
        let mut said = Vec::new();
        for page in pages {
            let read = |line: &&str| {
                let words: Vec<&str> = line.split(' ').collect();
                let time = at(words[0].parse().unwrap(), words[1].parse().unwrap());
                trace(line, words[2].trim_matches('-'), words[3], words[4].trim_matches('-'), time)
            };
            let traces: Vec<Trace> = page.iter().map(read).collect();
            let now = traces.iter().map(|trace| trace.time).max().unwrap();
            let mut past = Past::new("prod", traces.iter());
            past.known = stored.clone();
            for trace in &traces {
                let when = trace.id.split(' ').take(2).collect::<Vec<_>>().join(" ");
                said.extend(past.says(trace).into_iter().map(|sentence| format!("{when}: {sentence}")));
            }
            for (key, time) in past.notes(now) {
                let newest = stored.entry(key).or_insert(time);
                *newest = (*newest).max(time);
            }
        }
        assert_eq!(said, expected, "{pages:?}");
    }

    const START: &[&str] = &["0 0 ops ECS 198.51.100.7"];

    #[test]
    fn what_is_new_is_said_once() {
        check(
            &[START, &["40 0 alice KMS 198.51.100.7"], &["40 1 alice KMS 198.51.100.9", "40 2 Alice kms 203.0.113.4"]],
            &[
                "40 0: First time alice used KMS in 30 days",
                "40 0: First time alice came from network 198.51.100.0/24 in 30 days",
                "40 2: First time Alice came from network 203.0.113.0/24 in 30 days",
            ],
        );
    }

    #[test]
    fn within_a_page_the_oldest_trace_is_the_first_however_they_are_listed() {
        check(
            &[START, &["40 2 alice KMS -", "40 1 alice KMS -", "40 3 alice KMS -"]],
            &["40 1: First time alice used KMS in 30 days"],
        );
    }

    #[test]
    fn a_month_later_it_is_new_again_and_what_is_used_each_day_never_is() {
        let daily: Vec<String> = (40..80).map(|day| format!("{day} 0 bob ECS -")).collect();
        let daily: Vec<[&str; 1]> = daily.iter().map(|line| [line.as_str()]).collect();
        let mut pages: Vec<&[&str]> = vec![START];
        pages.extend(daily.iter().map(|page| page.as_slice()));
        check(&pages, &["40 0: First time bob used ECS in 30 days"]);
        check(&[START, &["40 0 alice KMS -"], &["71 0 alice KMS -"]], &["40 0: First time alice used KMS in 30 days"]);
        check(
            &[START, &["40 0 alice KMS -"], &["71 1 alice KMS -"]],
            &["40 0: First time alice used KMS in 30 days", "71 1: First time alice used KMS in 30 days"],
        );
    }

    #[test]
    fn a_source_that_is_new_says_so_or_nothing() {
        check(&[START, &["0 23 alice KMS -"], &["0 23 alice KMS -"]], &[]);
        check(&[START, &["1 2 alice KMS -"]], &["1 2: First time alice used KMS in the day since Tracebell watches"]);
        let twelve = "First time alice used KMS in the 12 days since Tracebell watches";
        check(&[START, &["12 5 alice KMS -"]], &[&format!("12 5: {twelve}")]);
    }

    #[test]
    fn a_late_trace_is_not_new_if_a_later_one_was_seen() {
        check(&[START, &["40 5 alice KMS -"], &["40 1 alice KMS -"]], &["40 5: First time alice used KMS in 30 days"]);
    }

    #[test]
    fn nobody_has_no_habits() {
        check(&[START, &["40 0 - KMS 198.51.100.7"]], &[]);
    }

    #[test]
    fn little_is_written() {
        let page = [trace("a", "alice", "KMS", "", at(0, 0)), trace("b", "alice", "KMS", "", at(0, 1))];
        let mut past = Past::new("prod", page.iter());
        let notes = past.notes(at(0, 1));
        assert_eq!(notes.len(), 2, "one habit, and since when the source is watched");
        past.known = notes.into_iter().collect();
        assert_eq!(past.notes(at(0, 2)), [], "within a day nothing");
        let moved = past.notes(at(100, 0));
        assert_eq!(moved, [(watched_key("prod"), at(55, 0))], "known to be watched for long enough");
    }
}
