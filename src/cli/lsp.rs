//! `tracebell lsp`: a language server on standard input and output, for editors.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use lsp_server::Connection;

use crate::{config, lsp, rule};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Speak on standard input and output; the only way, named by editors that ask
    #[arg(long)]
    stdio: bool,
}

pub async fn run(_: Args) -> anyhow::Result<ExitCode> {
    tokio::task::spawn_blocking(|| {
        let (connection, threads) = Connection::stdio();
        let settings = lsp::Settings { rules: rule::shape::schema(), config: config::shape::schema(), check };
        let ended = lsp::serve(&connection, settings);
        // The writer ends when nobody can send any more.
        drop(connection);
        match ended {
            Ok(()) => threads.join().context("cannot speak with the editor")?,
            // The thread that reads may wait for an editor that says nothing more.
            Err(lsp::LspError::Gone) => return Ok(ExitCode::from(super::BAD)),
            Err(error) => return Err(error.into()),
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
    .context("the language server stopped")?
}

/// The same as `tracebell check`, with what is typed in place of what is saved.
fn check(config: &Path, open: &lsp::Open<'_>) -> lsp::Checked {
    let mut loaded = config::load_open(config, open);
    let problems = super::check::problems(&mut loaded);
    lsp::Checked { files: loaded.files, problems }
}
