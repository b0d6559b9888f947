//! Logs on standard error: text for a person at a terminal, JSON lines for a collector.
//!
//! `TRACEBELL_LOG` chooses what is logged, in the syntax of tracing's
//! `EnvFilter`, for example `tracebell=debug,sqlx=info`.

use std::{env, io, io::IsTerminal};

use tracing_subscriber::{
    EnvFilter,
    fmt::{self, format::Writer, time::FormatTime},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::clock;

/// Ours from `info`, other people's from `warn`.
const DEFAULT: &str = "warn,tracebell=info";
const VARIABLE: &str = "TRACEBELL_LOG";

/// Starts logging for the process. A second call changes nothing.
pub fn init() {
    init_from(DEFAULT);
}

/// The same for commands whose terminal belongs to their result: errors only, unless asked for more.
pub fn init_quiet() {
    init_from("error");
}

fn init_from(default: &str) {
    let (filter, problem) = match filter(env::var(VARIABLE).ok().as_deref(), default) {
        Ok(filter) => (filter, None),
        // A typing error in a variable is no reason to stop watching, but is told.
        Err(problem) => (EnvFilter::new(default), Some(problem)),
    };
    let registry = tracing_subscriber::registry().with(filter);
    // An error only says that someone was first, which is what is wanted.
    let _ = if io::stderr().is_terminal() {
        let layer = fmt::layer().with_timer(TimeOfDay).with_target(false).with_ansi(colour());
        registry.with(layer.with_writer(io::stderr)).try_init()
    } else {
        let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
        registry.with(layer.with_writer(io::stderr)).try_init()
    };
    if let Some(problem) = problem {
        tracing::warn!("{problem}; logging `{default}`");
    }
}

/// Enough for who looks at a terminal; collectors get the whole time.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{}", clock::now().strftime("%H:%M:%SZ"))
    }
}

fn filter(directives: Option<&str>, default: &str) -> Result<EnvFilter, String> {
    let directives = directives.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(default);
    EnvFilter::try_new(directives).map_err(|error| {
        format!("`{VARIABLE}` is `{directives}`, expected directives such as `tracebell=debug,warn`: {error}")
    })
}

/// Only on a terminal, and not where the person asked for none (<https://no-color.org>).
fn colour() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_the_time_of_day() {
        let mut text = String::new();
        TimeOfDay.format_time(&mut Writer::new(&mut text)).unwrap();
        assert!(text.len() == "08:30:00Z".len() && text.ends_with('Z'), "{text}");
    }

    #[test]
    fn the_filter_has_a_default_and_names_what_is_wrong() {
        assert_eq!(filter(None, DEFAULT).unwrap().to_string(), "tracebell=info,warn");
        assert_eq!(filter(Some(" "), DEFAULT).unwrap().to_string(), "tracebell=info,warn");
        assert_eq!(filter(Some("debug"), DEFAULT).unwrap().to_string(), "debug");
        let error = filter(Some("tracebell=lots"), DEFAULT).unwrap_err();
        assert!(error.starts_with("`TRACEBELL_LOG` is `tracebell=lots`, expected"), "{error}");
    }
}
