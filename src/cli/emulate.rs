//! `tracebell emulate`

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::broadcast::error::RecvError,
};

use crate::{
    clock,
    emulator::{
        Emulator, Settings, TraceClock,
        scenario::{self, Kind, Pace},
    },
};

mod services;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8780", value_name = "ADDR")]
    listen: SocketAddr,
    /// Two runs with the same seed show the same traffic
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Traces a minute of everyday traffic
    #[arg(long, default_value_t = 30.0, value_name = "PER_MIN", value_parser = rate)]
    rate: f64,
    /// What happens in the account
    #[arg(long, value_enum, default_value = "incidents")]
    scenario: ScenarioArg,
    /// How fast the incidents follow each other
    #[arg(long, value_enum, default_value = "real")]
    pace: PaceArg,
    /// Stop after this time, such as `90s` or `2h`; without it, at Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// Write the port into this file once it is open
    #[arg(long, value_name = "PATH")]
    port_file: Option<PathBuf>,
    /// How long a token lives
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = duration)]
    token_lifetime: Duration,
    /// Which time of a trace `from` and `to` look at
    #[arg(long, value_enum, default_value = "record-time")]
    clock: ClockArg,
    /// So many projects beside `eu-de`, with a trace list each: `eu-de_0001` and so on
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    more_projects: u32,
    #[command(flatten)]
    services: services::Services,
    /// Serve nothing: write days of traffic that lie in the past into this file, one trace a line, with gzip if its
    /// name ends in `.gz`; `tracebell backtest --from-file` reads it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["duration", "port_file", "pace"])]
    write: Option<PathBuf>,
    /// How many days of traffic to write
    #[arg(long, value_name = "N", default_value_t = 7, requires = "write", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// About how many traces to write (default: what `--rate` gives)
    #[arg(long, value_name = "N", requires = "write", conflicts_with = "rate")]
    traces: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ScenarioArg {
    /// Everyday traffic only
    Quiet,
    /// Everyday traffic and incidents
    Incidents,
    /// Nothing but what you do yourself
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PaceArg {
    /// Minutes apart
    Real,
    /// All within 25 seconds, again every minute
    Demo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ClockArg {
    RecordTime,
    Time,
}

impl Args {
    fn kind(&self) -> Option<Kind> {
        match self.scenario {
            ScenarioArg::Quiet => Some(Kind::Quiet),
            ScenarioArg::Incidents => Some(Kind::Incidents),
            ScenarioArg::None => None,
        }
    }

    fn settings(&self) -> Settings {
        let pace = match self.pace {
            PaceArg::Real => Pace::Real,
            PaceArg::Demo => Pace::Demo,
        };
        let clock = match self.clock {
            ClockArg::RecordTime => TraceClock::RecordTime,
            ClockArg::Time => TraceClock::Time,
        };
        let scenario = self.kind().map(|kind| scenario::Settings { kind, per_minute: self.rate, pace });
        let (listen, seed, token_lifetime) = (self.listen, self.seed, self.token_lifetime);
        let more_projects = self.more_projects as usize;
        let mut settings =
            Settings { listen, seed, token_lifetime, clock, scenario, more_projects, ..Settings::default() };
        self.services.apply(&mut settings);
        settings
    }
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = args.settings();
    if let Some(path) = &args.write {
        return write_past(path, &args, &settings);
    }
    // Before anything is printed: whoever reads the address may stop us at once.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let emulator = Emulator::start(settings.clone()).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => {
            anyhow::anyhow!("`--obs`: {error}; expected an address such as `http://127.0.0.1:9000`")
        }
        _ => anyhow::Error::new(error)
            .context(format!("cannot listen on `{}`; choose another address with `--listen`", args.listen)),
    })?;
    let mut incidents = emulator.incidents();
    if let Some(path) = &args.port_file {
        write_port(path, emulator.addr()).with_context(|| format!("cannot write the port to `{}`", path.display()))?;
    }
    say(&greeting(&settings, &emulator.url(), args.scenario));
    let time_is_up = async {
        match args.duration {
            Some(duration) => clock::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(time_is_up);
    loop {
        tokio::select! {
            () = &mut time_is_up => break,
            _ = interrupt.recv() => break,
            _ = term.recv() => break,
            incident = incidents.recv() => match incident {
                Ok(incident) => say(&format!("{}  {}\n", clock::now().strftime("%H:%M:%SZ"), incident.title)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
        }
    }
    let traces = emulator.handle().trace_count();
    emulator.shutdown().await;
    say(&format!("stopped; {traces} traces were recorded\n"));
    Ok(ExitCode::SUCCESS)
}

fn write_past(path: &Path, args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let Some(kind) = args.kind() else {
        anstream::eprintln!("error: `--scenario none` has no traffic to write; expected `quiet` or `incidents`");
        return Ok(ExitCode::from(super::USAGE));
    };
    let trouble = || format!("cannot write `{}`", path.display());
    let file = std::io::BufWriter::new(std::fs::File::create(path).with_context(trouble)?);
    let span = Duration::from_secs(u64::from(args.days) * 86_400);
    let traces = args.traces.unwrap_or((args.rate * span.as_secs_f64() / 60.0) as u64);
    let past = scenario::past(settings, kind, traces, span, clock::now());
    let count = match path.extension().is_some_and(|extension| extension == "gz") {
        true => {
            let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            lines(past, &mut packed).and_then(|count| packed.finish()?.flush().map(|()| count))
        }
        false => lines(past, file),
    };
    let count = count.with_context(trouble)?;
    let days = if args.days == 1 { "1 day".to_owned() } else { format!("{} days", args.days) };
    say(&format!("{count} traces of {days} written to {}\n", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn lines(traces: impl Iterator<Item = serde_json::Value>, mut out: impl Write) -> std::io::Result<u64> {
    let mut count = 0;
    for trace in traces {
        writeln!(out, "{trace}")?;
        count += 1;
    }
    out.flush().map(|()| count)
}

/// A reader that has gone away must not end the emulator.
fn say(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Whole or not at all: a reader never sees half a number.
fn write_port(path: &Path, addr: SocketAddr) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    std::fs::write(&draft, format!("{}\n", addr.port()))?;
    std::fs::rename(&draft, path)
}

fn greeting(settings: &Settings, url: &str, scenario: ScenarioArg) -> String {
    let Settings { user, password, domain, project, region, .. } = settings;
    let plot = match scenario {
        ScenarioArg::None => "No traffic: only what you do yourself leaves traces.",
        ScenarioArg::Quiet => "Everyday traffic is being recorded.",
        ScenarioArg::Incidents => "Everyday traffic is being recorded; incidents are shown here as they happen.",
    };
    let files = match &settings.obs {
        Some(obs) => format!("trace files go to {}", obs.endpoint),
        None => "trace files go nowhere without `--obs`".to_owned(),
    };
    format!(
        "CTS and IAM are emulated on {url}

In a shell:
  export OS_AUTH_URL={url}/v3
  export OS_USERNAME={user} OS_PASSWORD={password}
  export OS_USER_DOMAIN_NAME={domain}
  export OS_PROJECT_NAME={project} OS_REGION_NAME={region} OS_IDENTITY_API_VERSION=3

In clouds.yaml:
  clouds:
    otc:
      profile: otc
      auth:
        auth_url: {url}/v3
        username: {user}
        password: {password}
        user_domain_name: {domain}
        project_name: {project}
      region_name: {region}

With an access key: AKEMULATOR and SKEMULATOR
SMN sends what is published to subscribers that confirmed; {files}.
Faults and traces on demand: {url}/emulator/...
{plot} Ctrl-C stops.

"
    )
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time; write it as `90s`, `30m` or `2h`");
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    span.try_into().map_err(|_| wrong())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1_000_000.0).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is not a rate; expected 0 to 1000000 traces a minute"))
}
