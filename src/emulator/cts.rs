//! What CTS keeps for one project: trackers, whether it records, and key event notifications.

use super::{
    answer::Refusal,
    code,
    notification::Notification,
    tracker::{Change, Kind, Tracker, Trouble},
    world::{State, uuid},
};

/// How many data trackers there can be.
const DATA_TRACKERS: usize = 100;

pub struct Cts {
    pub trackers: Vec<Tracker>,
    /// False while the tracker is disabled or after it was deleted: then the
    /// scenario's traffic leaves no trace. An account that never had a tracker
    /// records, so that nothing must be set up before the first query.
    pub recording: bool,
    pub notifications: Vec<Notification>,
}

impl Default for Cts {
    fn default() -> Self {
        Self { trackers: Vec::new(), recording: true, notifications: Vec::new() }
    }
}

impl Cts {
    /// By name or id: clients address with either.
    pub fn find(&self, name: &str) -> Result<&Tracker, Refusal> {
        self.trackers.iter().find(|tracker| tracker.is(name)).ok_or_else(|| Refusal::no_tracker(name))
    }

    pub fn management(&self) -> Option<&Tracker> {
        self.trackers.iter().find(|tracker| tracker.kind == Kind::System)
    }

    pub fn has(&self, name: &str) -> bool {
        self.trackers.iter().any(|tracker| tracker.is(name))
    }

    pub fn update(&mut self, name: &str, change: Change, replaces: bool) -> Result<&Tracker, Refusal> {
        self.find(name)?;
        let own = self.trackers.iter().position(|tracker| tracker.is(name)).expect("it was found above");
        self.check_data_bucket(&change, Some(own))?;
        let tracker = &mut self.trackers[own];
        if tracker.trouble == Some(Trouble::Arrears) {
            return Err(refusal("CTS.0002"));
        }
        if replaces {
            tracker.forget();
        }
        tracker.apply(change)?;
        if tracker.kind == Kind::System {
            self.recording = tracker.enabled;
        }
        Ok(&self.trackers[own])
    }

    /// Traces stay; none are added until there is a tracker again. Without a name all go.
    pub fn delete(&mut self, name: Option<&str>) -> Result<Vec<(String, String)>, Refusal> {
        self.find(name.unwrap_or("system")).or_else(|refusal| match name {
            None if !self.trackers.is_empty() => Ok(&self.trackers[0]),
            _ => Err(refusal),
        })?;
        let (gone, kept) = std::mem::take(&mut self.trackers)
            .into_iter()
            .partition::<Vec<_>, _>(|tracker| name.is_none_or(|name| tracker.is(name)));
        self.trackers = kept;
        if gone.iter().any(|tracker| tracker.kind == Kind::System) {
            self.recording = false;
        }
        Ok(gone.into_iter().map(|tracker| (tracker.name, tracker.id)).collect())
    }

    /// What is wrong with the management tracker, as `detail` says it.
    pub fn trouble(&mut self, trouble: Option<Trouble>) -> Result<(), Refusal> {
        let tracker = self.trackers.iter_mut().find(|tracker| tracker.kind == Kind::System);
        tracker.ok_or_else(|| Refusal::no_tracker("system"))?.trouble = trouble;
        Ok(())
    }

    fn check_data_bucket(&self, change: &Change, own: Option<usize>) -> Result<(), Refusal> {
        let Some(wanted) = change.data_bucket.as_ref() else { return Ok(()) };
        let others = self.trackers.iter().enumerate().filter(|(at, _)| own != Some(*at));
        match others.filter_map(|(_, tracker)| tracker.data_bucket.as_ref()).any(|known| known.name == wanted.name) {
            true => Err(refusal("CTS.0209")),
            false => Ok(()),
        }
    }
}

impl State {
    pub fn create_tracker(&mut self, at: usize, kind: Kind, name: &str, change: Change) -> Result<&Tracker, Refusal> {
        let cts = &self.cts[at];
        match kind {
            Kind::System if cts.management().is_some() => return Err(refusal("CTS.0201")),
            Kind::Data if cts.has(name) => return Err(refusal("CTS.0208")),
            Kind::Data if cts.trackers.iter().filter(|known| known.kind == Kind::Data).count() >= DATA_TRACKERS => {
                return Err(refusal("CTS.0200"));
            }
            _ => {}
        }
        cts.check_data_bucket(&change, None)?;
        if let (Some(true), Some(bucket)) = (change.is_obs_created, &change.bucket_name)
            && !self.buckets.insert(bucket.clone())
        {
            return Err(refusal("CTS.0215"));
        }
        let mut tracker = Tracker::new(uuid(&mut self.rng), kind, name);
        tracker.apply(change)?;
        let cts = &mut self.cts[at];
        if kind == Kind::System {
            cts.recording = tracker.enabled;
        }
        cts.trackers.push(tracker);
        Ok(cts.trackers.last().expect("it was just put there"))
    }
}

/// In the documented words.
pub fn refusal(code: &str) -> Refusal {
    let (code, status, text) = code::find(code).expect("only documented codes are named");
    let status = (*status).try_into().expect("the table holds statuses");
    Refusal::coded(status, code, *text)
}
