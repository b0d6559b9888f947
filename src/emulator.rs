//! A runnable pretence of the cloud: CTS, IAM, SMN, trace files, scenarios and faults on loopback.
//!
//! Shares no wire types with the client: else both could misread the API alike.
//! Where the cloud's documentation is silent or contradicts itself, the choice
//! is written where it is made: newest first by record time and then trace id,
//! an exclusive `next`, exclusive `from` and `to`, a `null` marker on the last
//! page, `limit` above 200 refused. OBS is an S3 server that is named in
//! the settings; without one, buckets are names. See docs/decisions/0016.
//!
//! # Control
//!
//! Programs in the same process use a [`Handle`]; others use HTTP, without a
//! token. Every answer is JSON.
//!
//! | request | does |
//! |---|---|
//! | `POST /emulator/traces` | stores a JSON array of traces in v3 shape; any element is taken as it is, broken ones too |
//! | `DELETE /emulator/traces` | forgets every trace |
//! | `POST /emulator/faults` | plans a fault: `{"fault": {"latency_ms": 200}, "times": 3, "skip": 1, "path": "/traces"}` |
//! | `GET /emulator/faults` | what is still planned |
//! | `DELETE /emulator/faults` | plans nothing any more |
//! | `POST /emulator/tokens/expire` | every token issued so far is expired |
//! | `GET /emulator/stats` | requests by method, path and status; the latest ones in full; counts of traces and tokens |
//! | `GET /emulator/publications` | what was published through SMN, oldest first |
//! | `POST /emulator/tracker` | `{"detail": "noBucket"}`: the tracker's status is `error` (also `bucketPolicyError`, `arrears`); `{"detail": null}`: it is well again |
//! | `POST /emulator/obs` | delivers trace files now, with digests if `{"digests": true}`; the keys |
//! | `GET /emulator/smn/deliveries` | what was sent to whom, with every attempt, oldest first |
//! | `POST /emulator/smn/confirm` | `{"subscription_urn": "..."}`: its owner opened the invitation, as people do in mails |
//!
//! In a fault `times` is how many requests it hits (absent: until deleted),
//! `skip` how many it lets pass first, `path` a part of the path it is limited
//! to. The faults themselves are the variants of [`fault::Fault`] in snake case:
//! `{"latency_ms": 200}`, `{"throttle": {"retry_after": "2"}}`, `{"status": 503}`, `{"code": "CTS.0004"}`,
//! `"reset"`, `"truncate"`, `"html"`, `"expire_tokens"`, `"marker_loop"`,
//! `"duplicates"`, `{"late_ms": 5000}`, `{"date_seconds": -300}`, `{"odd": "user_text"}`,
//! `{"broken": "lone_surrogate"}`, `{"huge_trace": 20000000}`.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{net::TcpListener, sync::broadcast, task::JoinHandle};
use tokio_util::sync::CancellationToken;

mod answer;
mod code;
mod control;
mod cts;
mod entry;
pub mod fault;
pub mod identity;
pub mod inbox;
mod log;
mod metadata;
mod notification;
pub mod obs;
mod query;
pub mod scenario;
mod server;
mod sign;
pub mod slack;
pub mod smn;
pub mod tracker;
mod tracker_v1;
mod tracker_v3;
mod version;
mod world;

pub use sign::Key;
pub use world::Stats;

/// How long a stop waits for requests in flight.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whom the emulator lets in, and what it plays.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    /// Ids and tokens follow from it, so that two runs look alike.
    pub seed: u64,
    pub user: String,
    pub password: String,
    pub domain: String,
    pub project: String,
    pub project_id: String,
    /// Projects beside that one: `eu-de_0001`, `eu-de_0002` and so on, with a trace list each.
    pub more_projects: usize,
    pub region: String,
    pub token_lifetime: Duration,
    /// Access keys of the user.
    pub keys: Vec<Key>,
    pub clock: TraceClock,
    pub smn: smn::Settings,
    /// Where the tracker delivers trace files; none: nowhere.
    pub obs: Option<obs::Settings>,
    /// An update of a tracker forgets what it does not name, as some saw it happen; else it is kept.
    pub updates_replace: bool,
    pub iam: identity::Settings,
    /// Traffic that plays by itself from the start; none: an empty trace list.
    pub scenario: Option<scenario::Settings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            user: "alice".to_owned(),
            password: "secret".to_owned(),
            domain: "OTC00000000001000000001".to_owned(),
            project: "eu-de".to_owned(),
            project_id: "0123456789abcdef0123456789abcdef".to_owned(),
            more_projects: 0,
            region: "eu-de".to_owned(),
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            keys: vec![Key { access: "AKEMULATOR".to_owned(), secret: "SKEMULATOR".to_owned(), security_token: None }],
            clock: TraceClock::RecordTime,
            smn: smn::Settings::default(),
            obs: None,
            updates_replace: false,
            iam: identity::Settings::default(),
            scenario: None,
        }
    }
}

/// Which time of a trace `from` and `to` look at; the documentation does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceClock {
    RecordTime,
    Time,
}

/// What the scenario does next that a person should notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub title: String,
}

/// A running emulator; it stops when dropped.
pub struct Emulator {
    world: Arc<world::World>,
    server: JoinHandle<()>,
    courier: JoinHandle<()>,
    tracker: JoinHandle<()>,
    player: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Listens before it returns, so the address can be used at once.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let addr = listener.local_addr()?;
        let world = world::World::new(settings, addr, CancellationToken::new());
        let world = Arc::new(world.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?);
        let player = world.settings.scenario.clone().map(|script| {
            let (world, seed) = (Arc::clone(&world), world.settings.seed);
            tokio::spawn(scenario::play(world, scenario::Scenario::new(seed, script)))
        });
        let server = tokio::spawn(server::serve(listener, Arc::clone(&world)));
        let courier = tokio::spawn(smn::courier::carry(Arc::clone(&world)));
        let tracker = tokio::spawn(obs::deliver(Arc::clone(&world)));
        Ok(Self { world, server, courier, tracker, player })
    }

    pub fn addr(&self) -> SocketAddr {
        self.world.addr
    }

    /// Without a trailing slash; Keystone is at `{url}/v3`.
    pub fn url(&self) -> String {
        self.world.url()
    }

    pub fn handle(&self) -> Handle {
        Handle { world: Arc::clone(&self.world) }
    }

    /// Hears of each incident as it begins.
    pub fn incidents(&self) -> broadcast::Receiver<Incident> {
        self.world.incidents.subscribe()
    }

    /// Nothing more happens in the emulated cloud; what happened stays readable.
    pub fn end_scenario(&mut self) {
        if let Some(player) = self.player.take() {
            player.abort();
        }
    }

    /// Lets requests in flight finish, for a moment, then stops.
    pub async fn shutdown(mut self) {
        self.world.stop.cancel();
        // A client that never finishes its request must not hold the emulator.
        if tokio::time::timeout(PATIENCE, &mut self.server).await.is_err() {
            self.server.abort();
        }
        // Deliveries underway are cut: whoever waits for an emulator that stops waits in vain.
        let _ = (&mut self.courier).await;
        self.tracker.abort();
        if let Some(player) = self.player.take() {
            // An error would be a panic inside the task, which the log already shows.
            let _ = player.await;
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.world.stop.cancel();
    }
}

/// Adds traces and faults from inside the process. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    world: Arc<world::World>,
}

impl Handle {
    /// Stores traces in v3 shape, each in the project that its `project_id` names, or in the first. A missing id
    /// or time is filled in.
    pub fn add(&self, traces: impl IntoIterator<Item = Value>) {
        self.world.add(traces.into_iter().map(|trace| entry::Raw::Value(Box::new(trace))));
    }

    /// Stores one trace whose text is served as it is, however broken.
    pub fn add_text(&self, text: &str) {
        self.world.add([entry::Raw::Text(text.to_owned())]);
    }

    pub fn forget_traces(&self) {
        self.world.state().forget_traces();
    }

    pub fn plan(&self, plan: fault::Plan) {
        self.world.state().faults.plan(plan);
    }

    pub fn clear_faults(&self) {
        self.world.state().faults.clear();
    }

    pub fn expire_tokens(&self) {
        self.world.state().expire_tokens();
    }

    /// Temporary access keys expire, as if their time were over.
    pub fn expire_keys(&self) {
        self.world.state().account.expire_keys();
    }

    pub fn stats(&self) -> Stats {
        self.world.state().stats()
    }

    /// What was published through SMN, oldest first.
    pub fn publications(&self) -> Vec<smn::Publication> {
        self.world.state().smn.publications.clone()
    }

    /// Names and ids of all projects, the first one first.
    pub fn projects(&self) -> Vec<(String, String)> {
        self.world.projects.iter().map(|project| (project.name.clone(), project.id.clone())).collect()
    }

    /// What was sent to SMN's subscribers, with every attempt, oldest first.
    pub fn deliveries(&self) -> Vec<smn::Delivery> {
        self.world.state().smn.deliveries()
    }

    /// Delivers what waits to the S3 server now, and says under which keys.
    pub async fn deliver_traces(&self, digests: obs::Digests) -> Vec<String> {
        obs::round(&self.world, digests).await
    }

    /// PEM of the key that verifies digests of trace files.
    pub fn public_key(&self) -> &'static str {
        smn::PUBLIC_KEY
    }

    /// Something is wrong with the first project's tracker, or all is well again.
    pub fn trouble(&self, trouble: Option<tracker::Trouble>) {
        // Without a tracker there is nothing to be wrong with.
        let _ = self.world.state().cts[0].trouble(trouble);
    }

    /// PEM of the certificate that SMN signs with, as it is served.
    pub fn smn_certificate(&self) -> &'static str {
        smn::CERTIFICATE
    }

    /// Where it is served; every message says so.
    pub fn smn_certificate_url(&self) -> String {
        self.world.smn_certificate_url()
    }

    /// How many traces are stored, whether a query would show them or not.
    pub fn trace_count(&self) -> usize {
        self.world.state().trace_count()
    }
}
