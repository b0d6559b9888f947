//! Logs on standard error: text for a person at a terminal, JSON lines for a collector.
//!
//! `TRACEBELL_LOG` chooses what is logged, in the syntax of tracing's
//! `EnvFilter`, for example `tracebell=debug,sqlx=info`.

use std::{env, io, io::IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Ours from `info`, other people's from `warn`.
const DEFAULT: &str = "warn,tracebell=info";
const VARIABLE: &str = "TRACEBELL_LOG";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line of text; in colour if standard error is a terminal that wants it.
    Text,
    /// One JSON object per line.
    Json,
}

/// The variable that chooses what is logged holds something else.
#[derive(Debug, thiserror::Error)]
#[error("`TRACEBELL_LOG` is `{found}`, expected directives such as `tracebell=debug,warn`: {reason}")]
pub struct InvalidFilter {
    pub found: String,
    pub reason: String,
}

impl Format {
    /// Text on a terminal, JSON elsewhere.
    pub fn detect() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Starts logging for the process. A second call changes nothing.
pub fn init(format: Format) -> Result<(), InvalidFilter> {
    let filter = filter(env::var(VARIABLE).ok().as_deref())?;
    let registry = tracing_subscriber::registry().with(filter);
    // An error only says that someone was first, which is what is wanted.
    let _ = match format {
        Format::Text => registry.with(fmt::layer().with_writer(io::stderr).with_ansi(colour())).try_init(),
        Format::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry.with(layer.with_writer(io::stderr)).try_init()
        }
    };
    Ok(())
}

fn filter(directives: Option<&str>) -> Result<EnvFilter, InvalidFilter> {
    let directives = directives.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(DEFAULT);
    EnvFilter::try_new(directives)
        .map_err(|error| InvalidFilter { found: directives.to_owned(), reason: error.to_string() })
}

/// Only on a terminal, and not where the person asked for none (<https://no-color.org>).
fn colour() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_has_a_default_and_names_what_is_wrong() {
        assert_eq!(filter(None).unwrap().to_string(), "tracebell=info,warn");
        assert_eq!(filter(Some(" ")).unwrap().to_string(), "tracebell=info,warn");
        assert_eq!(filter(Some("debug")).unwrap().to_string(), "debug");
        let error = filter(Some("tracebell=lots")).unwrap_err().to_string();
        assert!(error.starts_with("`TRACEBELL_LOG` is `tracebell=lots`, expected"), "{error}");
    }
}
