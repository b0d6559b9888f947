//! `tracebell demo`: everything on this machine. An emulated cloud with a
//! scenario, the bridge with the shipped rules, and an inbox that shows what
//! recipients see. Needs no network, no account and no configuration.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use jiff::{Span, civil::Time, tz::TimeZone};
use tokio::sync::mpsc;

use super::{BAD, run::signals, status};
use crate::{
    alert::Severity,
    app::{self, App},
    clock::{self, Timestamp},
    cloud::{
        auth::{Credentials, Method, NameOrId},
        budget::Allowance,
    },
    config::Config,
    emulator::{
        self, Emulator,
        inbox::{self, Inbox, Received},
        scenario,
    },
    endpoint::{self, KindSettings},
    http::access,
    rule,
    secret::Secret,
    source::{self, plan::Polling},
    store::{Accounting, Store},
    telemetry,
    topic::{self, Filter, GroupBy, Grouping, Storm, Subscription, Timetable, Topics},
};

mod show;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// End by itself after this long, for example 30s
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    run_for: Option<Duration>,
    /// Another seed, another day in the cloud
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Ordinary traces per minute around the incidents
    #[arg(long, value_name = "PER_MIN", default_value_t = 240, value_parser = clap::value_parser!(u32).range(..=100_000))]
    rate: u32,
}

/// The demo looks again this often; the real cloud is asked every 30 s.
const POLL: Duration = Duration::from_secs(1);
/// What one actor does within this time is one story.
const GROUP: Duration = Duration::from_secs(15);
/// Deliveries under way when the time is over get this long.
const DRAIN: Duration = Duration::from_secs(10);

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init_quiet();
    let folder = Folder::new()?;
    let (inbox, received) = Inbox::start().await.context("cannot listen on this machine")?;
    let settings = emulator::Settings {
        seed: args.seed,
        scenario: Some(scenario::Settings {
            kind: scenario::Kind::Incidents,
            per_minute: f64::from(args.rate),
            pace: scenario::Pace::Demo,
        }),
        ..emulator::Settings::default()
    };
    let mut emulator = Emulator::start(settings.clone()).await.context("cannot start the emulated cloud")?;
    let files = rule::shipped();
    let (rules, problems) = rule::load(&files);
    anyhow::ensure!(problems.is_empty(), "the shipped rules have problems: {problems:?}");
    show::introduction(&emulator.url(), &format!("http://{}/", inbox.http), rules.rules.len(), args.run_for);

    let (stop, _) = signals()?;
    // What stands in messages leads to the pages of this very process.
    let listener = app::listener(([127, 0, 0, 1], 0).into()).await?;
    let place = Place { cloud: emulator.url(), pages: listener.local_addr()?, folder: &folder.0 };
    let app = App::start_on(listener, config(&settings, &place, &inbox), rules).await?;
    let store = app.store().clone();
    let started = clock::now();
    let mut screen = Screen { received, started, seen: BTreeMap::new() };
    tokio::select! {
        () = stop.cancelled() => {}
        () = clock::sleep(args.run_for.unwrap_or(Duration::MAX)) => {}
        () = screen.watch() => {}
    }
    emulator.end_scenario();
    let accounting = drain(&store, &mut screen).await?;
    let endpoints = store.endpoints().await?;
    app.stop(DRAIN).await;
    emulator.shutdown().await;
    show::farewell(&screen.seen, clock::since(started, clock::now()));
    status::show(&accounting, &endpoints, clock::now());
    show::legend(accounting.subscriptions.iter().map(|account| account.pending).sum());
    let holds = status::holds(&accounting);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

/// Shows what arrives, as its recipient would see it.
struct Screen {
    received: mpsc::Receiver<Received>,
    started: Timestamp,
    seen: BTreeMap<&'static str, u64>,
}

impl Screen {
    async fn watch(&mut self) {
        while let Some(received) = self.received.recv().await {
            self.show(&received);
        }
    }

    fn show(&mut self, received: &Received) {
        if let Some(kind) = show::received(received, clock::since(self.started, clock::now())) {
            *self.seen.entry(kind).or_default() += 1;
        }
    }
}

/// Waits until all that is on its way has been delivered; repeats in open windows stay pending.
async fn drain<S: Store>(store: &S, screen: &mut Screen) -> anyhow::Result<Accounting> {
    let until = clock::plus(clock::now(), DRAIN);
    loop {
        while let Ok(received) = screen.received.try_recv() {
            screen.show(&received);
        }
        // An attempt under way is not ready any more, but still the oldest that waits.
        let arrived = store.endpoints().await?.iter().all(|state| state.ready == 0 && state.oldest.is_none());
        if arrived || clock::now() >= until {
            return Ok(store.accounting().await?);
        }
        clock::sleep(Duration::from_millis(50)).await;
    }
}

/// Where the parts of the demo are.
struct Place<'a> {
    cloud: String,
    pages: SocketAddr,
    folder: &'a Path,
}

fn config(cloud: &emulator::Settings, place: &Place<'_>, inbox: &Inbox) -> Config {
    let credentials = Credentials {
        project: Some(NameOrId::Name(cloud.project.clone())),
        region: Some("eu-de".to_owned()),
        ..Credentials::new(
            format!("{}/v3", place.cloud),
            Method::Password {
                user: NameOrId::Name(cloud.user.clone()),
                domain: Some(NameOrId::Name(cloud.domain.clone())),
                password: Secret::new(cloud.password.clone()),
            },
        )
    };
    let polling = Polling { poll_every: POLL, poll_quiet_every: POLL, ..Polling::default() };
    let source = source::Settings { name: "demo".to_owned(), credentials, tracker: "system".to_owned(), polling };
    let slack = endpoint::slack::bot::Settings {
        token: Secret::new(inbox::SLACK_TOKEN),
        channel: format!("#{}", inbox::SLACK_CHANNEL),
        api_url: inbox.slack.url(),
    };
    let email = endpoint::email::Settings {
        host: inbox.smtp.ip().to_string(),
        port: Some(inbox.smtp.port()),
        tls: endpoint::email::Tls::None,
        username: None,
        password: None,
        oauth2_token: None,
        ca: None,
        from: "Tracebell <bell@example.org>".to_owned(),
        to: vec!["ops@example.org".to_owned()],
    };
    let webhook = endpoint::webhook::Settings {
        sign: Some(endpoint::webhook::Sign {
            secret: Secret::new("whsec_dGhpcyBpcyBhIGRlbW8gc2VjcmV0IQ=="),
            previous: None,
        }),
        ..endpoint::webhook::Settings::new(Secret::new(format!("http://{}/soar", inbox.http)))
    };
    let kinds = [
        ("slack", KindSettings::SlackBot(slack)),
        ("mail", KindSettings::Email(email)),
        ("webhook", KindSettings::Webhook(webhook)),
    ];
    let outbound = Arc::new(endpoint::client::Outbound::loopback());
    let endpoints: BTreeMap<String, endpoint::Settings> = kinds
        .into_iter()
        .map(|(name, kind)| {
            let settings = endpoint::Settings {
                timeout: Duration::from_secs(5),
                give_up_after: Duration::from_secs(3600),
                outbound: outbound.clone(),
                ..endpoint::Settings::new(name, kind)
            };
            (name.to_owned(), settings)
        })
        .collect();
    let topics = ["security", "changes", topic::DEFAULT].into_iter().map(|name| (name.to_owned(), subscriptions(name)));
    let topics = Topics {
        topics: topics.collect(),
        addresses: endpoints.iter().map(|(name, settings)| (name.clone(), settings.address(None))).collect(),
        notices: Some(topic::DEFAULT.to_owned()),
        storm: Some(Storm::default()),
    };
    Config {
        state: place.folder.join("demo.db"),
        listen: place.pages,
        http: access::Settings { public_url: Some(format!("http://{}", place.pages)), ..access::Settings::default() },
        rules: Vec::new(),
        sources: vec![source],
        allowance: Allowance::default(),
        pushes: Vec::new(),
        endpoints,
        archives: BTreeMap::new(),
        topics,
        inhibitions: Vec::new(),
        rule_files: Vec::new(),
        fingerprint: String::new(),
    }
}

/// The channel hears of all but trifles at once; mail of the first that somebody does, then of the rest in one,
/// and of trifles twice a minute; the program of everything.
fn subscriptions(topic: &str) -> Vec<Subscription> {
    let plain = |endpoint: &str| Subscription::new(format!("{topic}/{endpoint}"), endpoint);
    let these = |wanted: fn(&Severity) -> bool| Filter {
        severities: Some(Severity::ALL.into_iter().filter(wanted).collect()),
        ..Filter::default()
    };
    let news = || these(|severity| *severity > Severity::Info);
    let half_minutes = (0..2880).map(|half| Time::midnight() + Span::new().seconds(half * 30));
    let digest = Timetable { at: half_minutes.collect(), on: Vec::new(), zone: TimeZone::UTC };
    vec![
        Subscription { filter: news(), ..plain("slack") },
        Subscription { filter: news(), group: Some(Grouping { by: GroupBy::Actor, within: GROUP }), ..plain("mail") },
        Subscription {
            id: format!("{topic}/mail#2"),
            filter: these(|severity| *severity == Severity::Info),
            digest: Some(digest),
            ..plain("mail")
        },
        plain("webhook"),
    ]
}

/// A folder for the demo's state, gone when the demo is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let unique = format!("tracebell-demo-{}-{}", std::process::id(), clock::now().as_microsecond());
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir(&path).with_context(|| format!("cannot make the folder `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left-overs in the temporary folder are the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    let positive = parsed.and_then(|duration| Duration::try_from(duration).ok()).filter(|d| !d.is_zero());
    positive.ok_or_else(|| format!("`{text}` is not a duration; write a number and a unit, for example 30s or 2m"))
}
