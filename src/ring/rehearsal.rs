//! Rules tried in memory: nothing is stored, nothing is sent.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{Hit, Looked, Memories, Ring, Slot, fold, look, recall, tick, watch, window::LATENESS};
use crate::{
    alert::Alert,
    clock::{self, Timestamp},
    rule::RuleSet,
    trace::Trace,
};

const SOURCE: &str = "rehearsal";
/// How often, by the traces' time, what nothing can come of any more is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Rules at work on traces as they come, for cases and backtests. Its wall clock
/// is the newest trace.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    rules: &'a RuleSet,
    memories: Memories,
    /// When which silence is due.
    due: BTreeSet<(Timestamp, Slot)>,
    due_of: HashMap<Slot, Timestamp>,
    alerts: Vec<Alert>,
    /// Alerts that may still grow, by fingerprint: places in `alerts`.
    open: HashMap<String, Vec<usize>>,
    now: Timestamp,
    forgot_at: Timestamp,
}

impl<'a> Rehearsal<'a> {
    /// Rules watch, and learn, from `start` on.
    pub fn new(rules: &'a RuleSet, start: Timestamp) -> Self {
        Self {
            rules,
            memories: Memories::default(),
            due: BTreeSet::new(),
            due_of: HashMap::new(),
            alerts: Vec::new(),
            open: HashMap::new(),
            now: start,
            forgot_at: start,
        }
    }

    /// Rules that have watched for ever: what they learn is learnt, and nothing was seen.
    pub fn learnt(rules: &'a RuleSet, start: Timestamp) -> Self {
        let mut rehearsal = Self::new(rules, start);
        let watches = rules.rules.iter().filter_map(watch);
        rehearsal.memories.since = watches.map(|watch| (watch, Timestamp::MIN)).collect();
        rehearsal
    }

    /// What these traces make ring, oldest first. Pages may come in any order; silences
    /// are judged by [`Self::advance`] alone.
    pub fn traces(&mut self, traces: &[Arc<Trace>]) -> Vec<Ring> {
        let now = traces.iter().map(|trace| trace.time).fold(self.now, Timestamp::max);
        self.looked(&look(self.rules, traces), now)
    }

    /// What traces that were looked at already make ring; `now` is the newest of them.
    pub fn looked(&mut self, looked: &Looked, now: Timestamp) -> Vec<Ring> {
        self.now = self.now.max(now);
        let hits = recall(SOURCE, self.rules, looked, &mut self.memories, self.now);
        let rings = self.settle(hits);
        self.forget();
        rings
    }

    /// What one trace makes ring, and before it the silences that were over before. For
    /// traces in order of time.
    pub fn trace(&mut self, trace: &Arc<Trace>) -> Vec<Ring> {
        let before = clock::minus(trace.time, Duration::from_nanos(1));
        let mut rings = self.advance(before);
        rings.extend(self.traces(std::slice::from_ref(trace)));
        rings
    }

    /// What rings because nothing more comes up to `watermark`.
    pub fn advance(&mut self, watermark: Timestamp) -> Vec<Ring> {
        self.now = self.now.max(watermark);
        let mut due = Vec::new();
        while let Some((at, _)) = self.due.first()
            && *at <= watermark
        {
            let (_, slot) = self.due.pop_first().expect("there is a first one");
            self.due_of.remove(&slot);
            due.extend(self.memories.slots.remove(&slot).map(|memory| (slot, memory)));
        }
        let hits = tick(SOURCE, self.rules, due, &mut self.memories, watermark, Duration::ZERO);
        let rings = self.settle(hits);
        self.forget();
        rings
    }

    /// What rings because nothing more came until `end`.
    pub fn finish(&mut self, end: Timestamp) -> Vec<Ring> {
        self.advance(end)
    }

    /// All alerts so far, in the order in which they opened, as they stand now.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// Folds hits into the alerts near them, and notes which silences are due.
    fn settle(&mut self, hits: Vec<Hit<'_>>) -> Vec<Ring> {
        for slot in std::mem::take(&mut self.memories.changed) {
            let due = self.memories.slots.get(&slot).and_then(|memory| memory.due_at);
            let before = match due {
                Some(at) => self.due_of.insert(slot.clone(), at),
                None => self.due_of.remove(&slot),
            };
            if let Some(at) = before.filter(|at| Some(*at) != due) {
                self.due.remove(&(at, slot.clone()));
            }
            self.due.extend(due.map(|at| (at, slot)));
        }
        if hits.is_empty() {
            return Vec::new();
        }
        let fingerprints: BTreeSet<&str> = hits.iter().map(|hit| hit.fingerprint.as_str()).collect();
        let mut places: Vec<usize> =
            fingerprints.iter().filter_map(|one| self.open.get(*one)).flatten().copied().collect();
        places.sort_unstable();
        let mut near: Vec<Alert> = places.iter().map(|at| self.alerts[*at].clone()).collect();
        let rings = fold(SOURCE, hits, &mut near, self.now);
        let mut near = near.into_iter();
        for (at, alert) in places.iter().zip(near.by_ref()) {
            self.alerts[*at] = alert;
        }
        for alert in near {
            self.open.entry(alert.fingerprint.clone()).or_default().push(self.alerts.len());
            self.alerts.push(alert);
        }
        rings
    }

    /// Bounds what is kept over days of traces.
    fn forget(&mut self) {
        let now = self.now;
        if clock::since(self.forgot_at, now) < FORGET_EVERY {
            return;
        }
        self.forgot_at = now;
        self.memories.slots.retain(|_, memory| memory.due_at.is_some() || memory.expires_at >= now);
        let alerts = &self.alerts;
        let grows = |at: &usize| {
            let alert = &alerts[*at];
            clock::plus(alert.last_time.max(alert.closes_at), alert.window.saturating_add(LATENESS)) >= now
        };
        self.open.retain(|_, places| {
            places.retain(grows);
            !places.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{document::File, rule, trace::Rating};

    const GUESSING: &str = "
- id: guessing
  title: 'Guessing from {{ key.source_ip }}'
  severity: medium
  match: { operation: loginFailed }
  except: [ { reason: known, match: { actor.name: scanner } } ]
  when: { count: { at_least: 3, within: 10m, by: [source_ip] } }
  then: { match: { operation: login }, within: 30m, severity: critical, title: '{{ actor.name }} guessed {{ key.source_ip }}' }
";
    const DELETED: &str = "
- id: deleted
  title: '{{ actor.name }} deleted {{ resource.id }}'
  severity: high
  match: { operation: deleteServer }
";

    /// Pages of traces, `minute operation actor address [rating]` each, or `until minute`; the rings as
    /// `change severity title count/told`.
    #[track_caller]
    fn check(rules: &str, pages: &[&[&str]], expected: &[&str]) {
        let file = File { name: "r.yaml".into(), text: format!("rules:{rules}") };
        let (set, problems) = rule::load(&[file]);
        assert!(!problems.iter().any(|problem| problem.level == crate::document::Level::Error), "{problems:?}");
        let minute =
            |text: &str| Timestamp::from_second(text.parse::<i64>().expect("a minute") * 60).expect("in range");
        let mut rehearsal = Rehearsal::learnt(&set, minute("0"));
        let (mut rings, mut number) = (Vec::new(), 0);
        for page in pages {
            let mut traces = Vec::new();
            for line in *page {
                let words: Vec<&str> = line.split(' ').collect();
                if let ["until", end] = words.as_slice() {
                    rings.extend(rehearsal.finish(minute(end)));
                    continue;
                }
                number += 1;
                let mut trace = Trace::blank(format!("t{number}"), minute(words[0]));
                (trace.service, trace.operation) = ("ECS".into(), words[1].into());
                trace.actor.name = Some(words[2].to_owned()).filter(|name| name != "-");
                trace.source_ip = Some(words[3].to_owned());
                trace.resource.id = Some("server".to_owned());
                trace.rating = words.get(4).map_or(Rating::Normal, |word| Rating::parse(word));
                traces.push(Arc::new(trace));
            }
            rings.extend(rehearsal.traces(&traces));
        }
        let told = |ring: &Ring| {
            let Alert { severity, title, count, told, .. } = &ring.alert;
            format!("{:?} {severity} {title} {count}/{told}", ring.change)
        };
        assert_eq!(rings.iter().map(told).collect::<Vec<_>>(), expected, "{pages:?}");
        // The order of opening, each once.
        let ids: BTreeSet<&str> = rehearsal.alerts().iter().map(|alert| alert.id.as_str()).collect();
        assert_eq!(ids.len(), rings.iter().filter(|ring| ring.change == crate::ring::Change::Opened).count());
    }

    #[test]
    fn success_after_failures_escalates_their_alert() {
        let failures = ["0 loginFailed a 1", "1 loginFailed b 1", "2 loginFailed c 1", "3 loginFailed c 1"];
        let opened = ["Opened medium Guessing from 1 3/3", "Repeat medium Guessing from 1 4/3"];
        let escalated = "Escalated critical c guessed 1 5/5";
        check(GUESSING, &[&failures, &["9 login c 1"]], &[opened[0], opened[1], escalated]);
        check(GUESSING, &[&[&failures[..], &["9 login c 1"]].concat()], &[opened[0], opened[1], escalated]);
        let second = "Repeat critical c guessed 1 6/5";
        check(GUESSING, &[&failures, &["9 login c 1", "12 login d 1"]], &[opened[0], opened[1], escalated, second]);
        // From elsewhere, too late, or before them.
        check(GUESSING, &[&failures, &["9 login c 2"]], &opened);
        check(GUESSING, &[&failures, &["34 login c 1"]], &opened);
        check(
            GUESSING,
            &[&["0 login c 1"], &["1 loginFailed a 1", "2 loginFailed b 1", "3 loginFailed c 1"]],
            &opened[..1],
        );
    }

    #[test]
    fn success_alone_is_nothing_and_waits_for_failures_that_come_late() {
        check(GUESSING, &[&["9 login c 1"]], &[]);
        let late = ["0 loginFailed a 1", "1 loginFailed b 1", "2 loginFailed c 1"];
        check(GUESSING, &[&["9 login c 1"], &late], &["Opened critical c guessed 1 4/4"]);
        check(GUESSING, &[&["9 login c 1", "10 login d 1"], &late], &["Opened critical c guessed 1 5/5"]);
        // An open alert escalates by a trace that waited for a later failure.
        check(
            GUESSING,
            &[&late, &["38 login c 1"], &["9 loginFailed a 1"]],
            &["Opened medium Guessing from 1 3/3", "Escalated critical c guessed 1 5/5"],
        );
    }

    #[test]
    fn exceptions_keep_traces_from_the_count_but_not_from_escalating() {
        let some = ["0 loginFailed scanner 1", "1 loginFailed scanner 1", "2 loginFailed scanner 1"];
        check(GUESSING, &[&some], &[]);
        let failures = ["0 loginFailed a 1", "1 loginFailed b 1", "2 loginFailed c 1"];
        check(
            GUESSING,
            &[&failures, &["3 login scanner 1"]],
            &["Opened medium Guessing from 1 3/3", "Escalated critical scanner guessed 1 4/4"],
        );
    }

    #[test]
    fn a_result_updates_the_alert_of_its_request_and_rings_if_it_is_worse() {
        let request = "0 deleteServer alice 1";
        let opened = "Opened high alice deleted server 1/1";
        check(DELETED, &[&[request], &["30 deleteServer - 1"]], &[opened, "Repeat high alice deleted server 2/1"]);
        check(
            DELETED,
            &[&[request], &["30 deleteServer - 1 incident"]],
            &[opened, "Updated high alice deleted server 2/2"],
        );
        check(
            DELETED,
            &[&[request], &["30 deleteServer alice 1 warning"]],
            &[opened, "Updated high alice deleted server 2/2"],
        );
        check(
            DELETED,
            &[&["30 deleteServer - 1 incident"], &[request]],
            &["Opened high - deleted server 1/1", "Repeat high - deleted server 2/1"],
        );
        check(DELETED, &[&[request], &["61 deleteServer - 1 incident"]], &[opened, "Opened high - deleted server 1/1"]);
        // Done again, it is told again once the window is over.
        check(DELETED, &[&[request], &["11 deleteServer alice 1"]], &[opened, opened]);
        check(DELETED, &[&[request], &["11 deleteServer bob 1"]], &[opened, "Opened high bob deleted server 1/1"]);
    }

    #[test]
    fn silences_ring_as_time_goes_on() {
        let backup = "
- id: backup
  title: 'No backup since {{ time }}'
  severity: medium
  match: { operation: backup }
  when: { absent: { for: 60m, arm_after: 2 } }
";
        let since = |minute: i64| {
            let time = Timestamp::from_second(minute * 60).expect("in range");
            format!("Opened medium No backup since {time} 1/1")
        };
        check(backup, &[&["0 backup - 1"], &["until 100"]], &[]);
        let page: &[&str] = &["0 backup - 1", "50 backup - 1"];
        check(backup, &[page, &["until 109"]], &[]);
        check(backup, &[page, &["until 110", "until 500"]], &[&since(50)]);
        check(backup, &[page, &["200 backup - 1", "until 500"]], &[&since(50)]);
        check(backup, &[page, &["200 backup - 1"], &["until 500"]], &[&since(50), &since(200)]);
    }

    #[test]
    fn memory_stays_bounded_over_days() {
        let text = format!("rules:{GUESSING}{DELETED}");
        let (set, _) = rule::load(&[File { name: "r.yaml".into(), text }]);
        let start = Timestamp::UNIX_EPOCH;
        let mut rehearsal = Rehearsal::new(&set, start);
        let mut most = 0;
        for number in 0..5000_u64 {
            let mut trace = Trace::blank(format!("t{number}"), clock::plus(start, Duration::from_secs(number * 120)));
            (trace.service, trace.operation) = (
                "ECS".into(),
                (*["loginFailed", "login", "deleteServer"].get(number as usize % 3).expect("three")).into(),
            );
            trace.source_ip = Some(format!("192.0.2.{number}"));
            trace.resource.id = Some(number.to_string());
            rehearsal.trace(&Arc::new(trace));
            most = most.max(rehearsal.memories.slots.len()).max(rehearsal.open.values().map(Vec::len).sum());
        }
        assert!(rehearsal.alerts().len() > 500 && most < 1300, "{most} of {}", rehearsal.alerts().len());
    }
}
