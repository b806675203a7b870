//! Structured logs: pretty for people on a terminal, JSON lines for machines otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts logging to standard error for the rest of the process.
///
/// # Errors
/// If the filter cannot be parsed; the message names the part that is wrong.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let directives = std::env::var("RUST_LOG").unwrap_or_else(|_| settings.filter.clone());
    let filter = EnvFilter::try_new(&directives).map_err(|error| format!("log.filter {directives:?}: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let pretty = match settings.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let started = if pretty { log.compact().try_init() } else { log.json().flatten_event(true).try_init() };
    started.map_err(|error| error.to_string())
}
