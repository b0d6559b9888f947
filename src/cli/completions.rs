//! `tracebell completions`: the script that teaches a shell our commands.

use std::{io, io::Write, process::ExitCode};

use clap::CommandFactory;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell to write for
    shell: Shell,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Through memory, because clap_complete panics when a pipe is closed early.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "tracebell", &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut super::super::Cli::command(), "tracebell", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in super::super::Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
