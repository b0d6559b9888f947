//! Which window to read next: hot, warm, cold, deep, the edge of what is kept, or catching up.
//!
//! Pure: a checkpoint and the time give a plan. The hot pass re-reads the last
//! minutes at each poll, because traces are recorded late; the wider passes
//! look again for those that are recorded very late.

use std::time::Duration;

use crate::{
    checkpoint::Checkpoint,
    clock::{self, Timestamp},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The trace list answers for this much of the past.
pub const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// A watermark further back than this is caught up with, in chunks of this length.
const CHUNK: Duration = Duration::from_secs(15 * 60);
/// Chunks of a catch-up overlap by this much.
const CHUNK_OVERLAP: Duration = MINUTE;
/// The last moments before `now` may still be on their way into the log.
const GUARD: Duration = Duration::from_secs(5);
/// A jump over a gap lands this far inside of what can still be read.
const FOOTHOLD: Duration = Duration::from_secs(10 * 60);

/// A tracker that was switched off is told of about this much later.
const WATCH: Duration = Duration::from_secs(5 * 60);

/// The wider passes: how far back, and how often. A trace that appears late within the difference of the two is
/// told before the next one has passed.
const WIDE: [(Pass, Duration, Duration); 3] = [
    (Pass::Warm, Duration::from_secs(2 * 3600), Duration::from_secs(10 * 60)),
    (Pass::Cold, Duration::from_secs(30 * 3600), Duration::from_secs(6 * 3600)),
    (Pass::Deep, Duration::from_secs((7 * 24 - 1) * 3600), DAY),
];

/// What the cloud is about to forget is read once more: ages between these two, this often. A trace that was
/// recorded days late is found here though the deep pass went by before it could be seen.
const EDGE: (Duration, Duration) = (Duration::from_secs(165 * 3600), Duration::from_secs(168 * 3600 - 5 * 60));
const EDGE_EVERY: Duration = HOUR;
/// Not so soon after a deep pass, which sees nearly all of it; nor before the first one, which waits until it
/// begins after the source did.
const EDGE_AFTER_DEEP: Duration = Duration::from_secs(2 * 3600);

/// A stretch of time to read, both ends included; the API's unit is the millisecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
    pub pass: Pass,
}

/// Why a window is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    Hot,
    CatchUp,
    Warm,
    Cold,
    Deep,
    Edge,
}

impl Pass {
    /// True for the re-reads that can wait while a poll is due.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Warm | Self::Cold | Self::Deep | Self::Edge)
    }
}

#[derive(Debug, Clone)]
pub struct Polling {
    /// Where things happen.
    pub poll_every: Duration,
    /// Where nothing has happened for long; no shorter than `poll_every`.
    pub poll_quiet_every: Duration,
    pub overlap: Duration,
    /// How often the tracker is looked at; `None`: never.
    pub watch_tracker: Option<Duration>,
}

/// When a source was polled, by the cloud's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polled {
    /// When the last hot pass was read to its end.
    pub at: Option<Timestamp>,
    /// When one last brought something new; from the first one on.
    pub found: Option<Timestamp>,
    /// When the edge was last read; not kept, for reading it once more costs little.
    pub edge: Option<Timestamp>,
    /// The re-read that was given up last, and until when the others go first.
    pub put_off: Option<(Pass, Timestamp)>,
}

impl Default for Polling {
    /// Every 30 s; traces are recorded minutes late, so half an hour is read again each time.
    fn default() -> Self {
        let poll_every = Duration::from_secs(30);
        Self {
            poll_every,
            poll_quiet_every: poll_every,
            overlap: Duration::from_secs(30 * 60),
            watch_tracker: Some(WATCH),
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    Read(Window),
    /// Nothing is due before then.
    Wait {
        until: Timestamp,
    },
    /// The watermark is older than the API can answer for: record this gap, then plan again.
    Gap {
        from: Timestamp,
        to: Timestamp,
        checkpoint: Checkpoint,
    },
}

impl Polling {
    /// When the next hot pass is due. A source that was silent for a while will be so for another tenth of it.
    pub fn due(&self, polled: Polled, now: Timestamp) -> Timestamp {
        // A time far in the future is left from a clock that was set back since.
        let Some(at) = polled.at.filter(|at| *at <= clock::plus(now, self.poll_every.min(MINUTE))) else { return now };
        let quiet = polled.found.map_or(Duration::ZERO, |found| clock::since(found, at));
        clock::plus(at, (quiet / 10).min(self.poll_quiet_every).max(self.poll_every))
    }

    /// The next window of a source that was polled so. Pure.
    ///
    /// The hot pass goes first whenever it is due, so a wider pass that fails
    /// every time cannot starve it; the wider ones fit in between, since the
    /// interval counts from the end of a pass.
    pub fn plan(&self, checkpoint: &Checkpoint, polled: Polled, now: Timestamp) -> Plan {
        // A watermark in the future is left from a clock that ran ahead.
        let watermark = checkpoint.watermark.min(now);
        let oldest = clock::minus(now, RETENTION);
        if watermark < oldest {
            let to = clock::plus(oldest, FOOTHOLD);
            let checkpoint = Checkpoint { watermark: to, ..checkpoint.clone() };
            return Plan::Gap { from: watermark, to, checkpoint };
        }
        let hot_due = self.due(polled, now);
        // One that is polled seldom is not behind.
        if clock::since(watermark, now) > CHUNK.max(2 * self.poll_every) {
            let from = clock::minus(watermark, CHUNK_OVERLAP + jitter(now)).max(oldest);
            return Plan::Read(Window { from, to: clock::plus(from, CHUNK).min(now), pass: Pass::CatchUp });
        }

        if hot_due <= now {
            let from = clock::minus(watermark, self.overlap + jitter(now)).max(oldest);
            return Plan::Read(Window { from, to: now, pass: Pass::Hot });
        }
        if let Some((pass, _)) = wide_due(checkpoint, polled).find(|(_, due)| *due <= now) {
            return Plan::Read(wide(pass, now));
        }
        let until = wide_due(checkpoint, polled).map(|(_, due)| due).fold(hot_due, Timestamp::min);
        Plan::Wait { until }
    }

    /// Where a source that was never read begins: one overlap before now.
    ///
    /// Nothing older is ever alerted. So each wider pass is held back until the
    /// stretch that it re-reads lies wholly after this beginning; this is why
    /// its first "last completed" lies in the future.
    pub fn start(&self, now: Timestamp) -> Checkpoint {
        let held_back = |pass: Pass| {
            let (_, back, every) = WIDE.iter().find(|(wide, ..)| *wide == pass).expect("every wide pass is listed");
            clock::minus(clock::plus(now, *back), *every + self.overlap)
        };
        Checkpoint {
            watermark: now,
            warm_at: held_back(Pass::Warm),
            cold_at: held_back(Pass::Cold),
            // The edge, too, is told by it: nothing is read there before it begins after this beginning.
            deep_at: clock::minus(clock::plus(now, RETENTION), EDGE_AFTER_DEEP + self.overlap),
        }
    }

    /// The checkpoint after `window` was read completely.
    pub fn advance(&self, checkpoint: &Checkpoint, window: &Window, now: Timestamp) -> Checkpoint {
        let mut advanced = checkpoint.clone();
        let reached = clock::minus(window.to.min(now), GUARD);
        // The edge does not reach the present, whatever the clocks say.
        if checkpoint.watermark > now && window.pass != Pass::Edge {
            advanced.watermark = reached;
        } else if window.from <= clock::plus(checkpoint.watermark, GUARD + Duration::from_millis(1)) {
            // Only a window that leaves nothing unread before it moves the watermark.
            advanced.watermark = reached.max(checkpoint.watermark);
        }
        // A wide pass that had to be split is complete with its last part.
        if window.to >= clock::minus(now, HOUR) {
            match window.pass {
                Pass::Hot | Pass::CatchUp | Pass::Edge => {}
                Pass::Warm => advanced.warm_at = now,
                Pass::Cold => advanced.cold_at = now,
                Pass::Deep => advanced.deep_at = now,
            }
        }
        advanced
    }
}

/// Each wider pass with the moment it is due.
fn wide_due(checkpoint: &Checkpoint, polled: Polled) -> impl Iterator<Item = (Pass, Timestamp)> {
    let done = [checkpoint.warm_at, checkpoint.cold_at, checkpoint.deep_at];
    let due = WIDE.iter().zip(done).map(|((pass, _, every), done)| (*pass, clock::plus(done, *every)));
    let put_off = move |pass| polled.put_off.filter(|(other, _)| *other == pass).map(|(_, until)| until);
    due.chain([(Pass::Edge, edge_due(checkpoint, polled))])
        .map(move |(pass, due)| (pass, put_off(pass).map_or(due, |until| due.max(until))))
}

fn edge_due(checkpoint: &Checkpoint, polled: Polled) -> Timestamp {
    let after_deep = clock::plus(checkpoint.deep_at, EDGE_AFTER_DEEP);
    polled.edge.map_or(after_deep, |read| clock::plus(read, EDGE_EVERY).max(after_deep))
}

fn wide(pass: Pass, now: Timestamp) -> Window {
    if pass == Pass::Edge {
        let (youngest, oldest) = EDGE;
        return Window { from: clock::minus(now, oldest), to: clock::minus(now, youngest), pass };
    }
    let (_, back, _) = WIDE.iter().find(|(wide, ..)| *wide == pass).expect("only wide passes are asked for");
    Window { from: clock::minus(now, *back), to: now, pass }
}

/// Moves window edges a little between passes, so that a quirk at an edge
/// cannot hide the same trace twice.
fn jitter(now: Timestamp) -> Duration {
    Duration::from_millis(now.as_millisecond().unsigned_abs().wrapping_mul(7919) % 2003)
}

#[cfg(test)]
mod tests;
