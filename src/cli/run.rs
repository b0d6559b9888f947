//! `tracebell run`: watch the sources and deliver alerts until told to stop.

use std::process::ExitCode;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{BAD, ConfigArg, OUTSIDE, USAGE, check};
use crate::{
    app::{App, Ended},
    config, telemetry,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init();
    let loaded = config::load(&args.config.config);
    check::print_problems(&loaded.problems, &loaded.files);
    let Some(config) = loaded.config else {
        return Ok(ExitCode::from(USAGE));
    };
    let (stop, hup) = signals()?;
    let app = App::start(config, loaded.rules).await?;
    match app.run(&args.config.config, stop, hup).await? {
        Ended::Stopped => Ok(ExitCode::SUCCESS),
        Ended::Broken => Ok(ExitCode::from(OUTSIDE)),
    }
}

/// SIGTERM and Ctrl-C stop; a second one stops at once; SIGHUP reloads.
pub fn signals() -> anyhow::Result<(CancellationToken, watch::Receiver<()>)> {
    let stop = CancellationToken::new();
    let (reload, hup) = watch::channel(());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let asked = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {
                    reload.send_replace(());
                    continue;
                }
            }
            if asked.is_cancelled() {
                warn!("asked to stop a second time: stopping at once");
                std::process::exit(i32::from(BAD));
            }
            info!("asked to stop: finishing what is under way");
            asked.cancel();
        }
    });
    Ok((stop, hup))
}
