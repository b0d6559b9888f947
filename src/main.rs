//! The binary: reads the command line, turns an error into an exit code.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match tracebell::cli::run(tracebell::cli::Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(tracebell::cli::OUTSIDE)
        }
    }
}
