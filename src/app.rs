//! Wires the rooms: the only place that knows them all.
//!
//! Starts listeners and the store before it returns, then one task for each
//! source, one for each endpoint, and the sweep. A task that ends by itself ends
//! the process: a half-dead bridge is worse than a restarted one.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    clock::{self, Timestamp},
    cloud::budget::Budget,
    config::{self, Config},
    deliver::Deliver,
    endpoint::Endpoint,
    generation::Generation,
    health::Board,
    http::{self, access::Access, site::Site},
    ingest::{Ingest, Turn, push::Push, tracker::TrackerWatch},
    metrics::Metrics,
    rule::RuleSet,
    secret::Secret,
    source::{self, Source, cts::Cts, push::Gate, tracker::Trackers},
    store::{Sqlite, Store},
    sweep::{self, Sweep},
};

mod gauges;
mod orphans;
mod reload;
mod tryout;

pub use tryout::{Tryout, test_endpoint};

/// Time given to attempts under way when asked to stop.
pub const GRACE: Duration = Duration::from_secs(25);
/// A worker that has not beaten for this long makes the process unready.
const BEAT_WITHIN: Duration = Duration::from_secs(90);
/// Configuration and rules are compared with what runs this often.
const LOOK_FOR_CHANGES: Duration = Duration::from_secs(5);

/// A running Tracebell.
pub struct App {
    config: Config,
    store: Sqlite,
    /// Who may use the pages and the API.
    access: watch::Sender<Arc<Access>>,
    metrics: Metrics,
    board: Board,
    generation: watch::Sender<Arc<Generation>>,
    committed: watch::Sender<()>,
    workers: JoinSet<()>,
    stop_workers: CancellationToken,
    http: tokio::task::JoinHandle<()>,
    stop_http: CancellationToken,
    addr: SocketAddr,
    broken: reload::Broken,
    /// Whom subscribers of webhooks in SMN's format know.
    publishers: watch::Sender<http::smn::Publishers>,
    /// The sources that are pushed to.
    pushes: watch::Sender<http::push::Pushes<Sqlite>>,
}

/// Why [`App::run`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Asked to, and done in time.
    Stopped,
    /// A worker ended by itself.
    Broken,
}

impl App {
    /// Opens the state, binds the listener, starts the workers.
    pub async fn start(config: Config, rules: RuleSet) -> anyhow::Result<Self> {
        let listener = listener(config.listen).await?;
        Self::start_on(listener, config, rules).await
    }

    /// As [`App::start`], on a listener that is bound already: its address may stand in the configuration.
    pub async fn start_on(listener: TcpListener, config: Config, rules: RuleSet) -> anyhow::Result<Self> {
        let now = clock::now();
        let store = Sqlite::open(&config.state, now)
            .await
            .with_context(|| format!("cannot use the state file `{}`", config.state.display()))?;
        // This process alone holds the file, so every lease is a dead worker's.
        store.release_expired(Timestamp::MAX).await?;
        let access = Arc::new(Access::new(config.http.clone(), key(&store).await?));
        let addr = listener.local_addr()?;
        let (metrics, registry) = Metrics::new();
        let board = Board::default();
        let (generation, _) = watch::channel(Arc::new(Generation::default()));
        let (committed, _) = watch::channel(());
        let (stop_workers, stop_http) = (CancellationToken::new(), CancellationToken::new());

        let workers = JoinSet::new();
        board.beat(reload::TASK, now);
        let http = tokio::spawn(std::future::ready(()));
        let mut app = Self {
            config,
            store,
            access: watch::channel(access).0,
            metrics,
            board,
            generation,
            committed,
            workers,
            stop_workers,
            http,
            stop_http,
            addr,
            broken: reload::Broken::new(),
            publishers: watch::channel(http::smn::Publishers::default()).0,
            pushes: watch::channel(http::push::Pushes::default()).0,
        };
        app.put_in_force(rules);
        app.spawn_workers()?;
        app.tell_of_orphans().await;
        // Only now: who asks whether it is ready must find every worker on the board.
        let refresh = gauges::refresher(app.store.clone(), app.metrics.clone());
        let site = Site { store: app.store.clone(), access: app.access.subscribe() };
        let subscribers = http::smn::router(app.publishers.subscribe(), app.store.clone(), app.committed.clone());
        let pushed = http::push::router(app.pushes.subscribe(), app.access.subscribe(), app.metrics.clone());
        let site = http::site::router(site).merge(subscribers).merge(pushed);
        let router = http::router(app.board.clone(), Arc::new(registry), refresh, site);
        app.http = tokio::spawn(http::serve(listener, router, app.stop_http.clone()));
        info!(
            sources = app.config.sources.len(),
            endpoints = app.config.endpoints.len(),
            rules = app.generation.borrow().rules.rules.len(),
            "ready on http://{addr}"
        );
        Ok(app)
    }

    /// Where the HTTP side listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn store(&self) -> &Sqlite {
        &self.store
    }

    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Serves until `stop`, reloading on each `hup` and when a file changed.
    pub async fn run(
        mut self,
        config_path: &Path,
        stop: CancellationToken,
        mut hup: watch::Receiver<()>,
    ) -> anyhow::Result<Ended> {
        let mut digest = config::digest(config_path, &self.config.rules);
        let ended = loop {
            tokio::select! {
                () = stop.cancelled() => break Ended::Stopped,
                Some(ended) = self.workers.join_next() => {
                    error!(panic = ?ended.err(), "a worker ended by itself; stopping so that a supervisor starts anew");
                    break Ended::Broken;
                }
                Ok(()) = hup.changed() => {
                    info!("reload asked for");
                    digest = config::digest(config_path, &self.config.rules);
                    self.reload(config_path).await?;
                }
                () = clock::sleep(LOOK_FOR_CHANGES) => {
                    let found = config::digest(config_path, &self.config.rules);
                    if found != digest {
                        // Half-written files settle within a moment.
                        clock::sleep(Duration::from_millis(500)).await;
                        digest = config::digest(config_path, &self.config.rules);
                        info!("a configuration or rule file changed");
                        self.reload(config_path).await?;
                    }
                }
            }
        };
        self.stop(GRACE).await;
        Ok(ended)
    }

    /// Lets attempts under way finish, within `grace`, and closes the store.
    pub async fn stop(mut self, grace: Duration) {
        self.board.trouble("process", "stopping", clock::now());
        self.drain(grace).await;
        self.stop_http.cancel();
        let _ = (&mut self.http).await;
        self.store.close().await;
        info!("stopped");
    }

    fn put_in_force(&mut self, rules: RuleSet) {
        self.metrics.rules_loaded.set(i64::try_from(rules.rules.len()).unwrap_or(i64::MAX));
        let access = Arc::new(self.access.borrow().with(self.config.http.clone()));
        let generation = in_force(&self.config, rules, &access);
        self.access.send_replace(access);
        self.generation.send_replace(Arc::new(generation));
    }

    fn spawn_workers(&mut self) -> anyhow::Result<()> {
        let now = clock::now();
        self.stop_workers = CancellationToken::new();
        let budget = Budget::new(self.config.allowance);
        let mut turns: BTreeMap<String, Turn> = BTreeMap::new();
        for settings in &self.config.sources {
            let name = settings.name.clone();
            let cts = Cts::new(settings).with_context(|| format!("source `{name}`"))?.within(Arc::clone(&budget));
            self.board.expect(&Ingest::<Sqlite>::task(&name), BEAT_WITHIN, now);
            let ingest = Ingest::new(
                name,
                Source::Cts(Box::new(cts)),
                settings.polling.clone(),
                self.store.clone(),
                self.generation.subscribe(),
                self.committed.clone(),
                self.metrics.clone(),
                self.board.clone(),
            );
            let ingest = ingest.taking_turns(turns.entry(settings.name.clone()).or_default().clone());
            self.workers.spawn(ingest.run(self.stop_workers.clone()));
            if let Some(every) = settings.polling.watch_tracker {
                let watch = self.tracker_watch(settings, every, &budget)?;
                self.workers.spawn(watch.run(self.stop_workers.clone()));
            }
        }
        let pushes = self.config.pushes.iter().map(|settings| {
            let name = settings.source.clone();
            let gate = Gate::new(settings, self.metrics.clone()).map_err(anyhow::Error::msg);
            let push = Push::new(
                &name,
                gate.with_context(|| format!("source `{name}`: smn"))?,
                self.store.clone(),
                self.generation.subscribe(),
                self.committed.clone(),
                self.metrics.clone(),
                turns.remove(&name).unwrap_or_default(),
            );
            Ok((name, Arc::new(push)))
        });
        let pushes = pushes.collect::<anyhow::Result<_>>()?;
        self.pushes.send_replace(Arc::new(pushes));
        let mut publishers = Vec::new();
        for settings in self.config.endpoints.values() {
            let endpoint = Endpoint::new(settings)?;
            publishers.extend(endpoint.publisher().map(|publisher| (settings.name.clone(), publisher)));
            self.board.expect(&Deliver::<Sqlite>::task(&settings.name), BEAT_WITHIN, now);
            let deliver = Deliver::new(
                settings.clone(),
                endpoint,
                self.store.clone(),
                self.generation.subscribe(),
                self.committed.clone(),
                self.metrics.clone(),
                self.board.clone(),
            );
            self.workers.spawn(deliver.run(self.stop_workers.clone()));
        }
        self.publishers.send_replace(Arc::new(publishers));
        self.board.expect(sweep::TASK, BEAT_WITHIN, now);
        let sweep =
            Sweep::new(self.store.clone(), self.generation.subscribe(), self.committed.clone(), self.board.clone());
        self.workers.spawn(sweep.run(self.stop_workers.clone()));
        Ok(())
    }

    fn tracker_watch(
        &self,
        settings: &source::Settings,
        every: Duration,
        budget: &Arc<Budget>,
    ) -> anyhow::Result<TrackerWatch<Sqlite>> {
        let name = settings.name.clone();
        let trackers = Trackers::new(&settings.credentials, None).with_context(|| format!("source `{name}`"))?;
        let trackers = trackers.within(Arc::clone(budget));
        self.board.expect(&TrackerWatch::<Sqlite>::task(&name), BEAT_WITHIN, clock::now());
        Ok(TrackerWatch::new(
            name,
            settings.tracker.clone(),
            every,
            trackers,
            self.store.clone(),
            self.generation.subscribe(),
            self.committed.clone(),
            self.metrics.clone(),
            self.board.clone(),
        ))
    }

    /// Stops all workers between steps; those that outlive the grace are cut.
    async fn drain(&mut self, grace: Duration) {
        self.stop_workers.cancel();
        let all = async { while self.workers.join_next().await.is_some() {} };
        tokio::select! {
            () = all => return,
            () = clock::sleep(grace) => {}
        }
        // Their leases run out and the deliveries are repeated with the same ids.
        self.workers.shutdown().await;
    }
}

/// What a running Tracebell with this configuration would judge by: for commands that write beside it.
pub async fn generation(config: &Config, rules: RuleSet, store: &Sqlite) -> anyhow::Result<Generation> {
    let access = Access::new(config.http.clone(), key(store).await?);
    Ok(in_force(config, rules, &access))
}

fn in_force(config: &Config, rules: RuleSet, access: &Access) -> Generation {
    let mut topics = config.topics.clone();
    for (name, settings) in &config.endpoints {
        topics.addresses.insert(name.clone(), settings.address(access.links()));
    }
    let fallbacks = config.endpoints.iter();
    let fallbacks = fallbacks.filter_map(|(name, settings)| Some((name.clone(), settings.fallback.clone()?)));
    Generation { fallbacks: fallbacks.collect(), topics, inhibitions: config.inhibitions.clone(), rules }
}

/// Listens where the configuration says.
pub async fn listener(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} (`http.listen`)"))
}

/// Signs what addresses in messages allow; made at the first start and kept with the state.
async fn key(store: &Sqlite) -> anyhow::Result<Secret> {
    let mut fresh = [0; 32];
    SystemRandom::new().fill(&mut fresh).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(Secret::new(hex::encode(store.key("link", &fresh).await?)))
}
