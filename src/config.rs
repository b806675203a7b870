//! Settings: typed, validated once at the start, and never printed with a secret in them.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use config::{Config, Environment, File, FileFormat};
use serde::Deserialize;

/// All settings; `config/default.toml` documents each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Allows what would be unsafe in production.
    pub development: bool,
    /// For simulations: the decisions' clock, fixed.
    pub now: Option<DateTime<Utc>>,
    /// Where Postgres is.
    pub database: DatabaseSettings,
    /// How workers work.
    pub worker: WorkerSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// Where Postgres is, and how long anything may take there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// For every role that has no URL of its own.
    pub url: Option<SecretUrl>,
    /// For the worker.
    pub worker_url: Option<SecretUrl>,
    /// For `enqueue` and `result`.
    pub producer_url: Option<SecretUrl>,
    /// For `audit` and reports.
    pub reporter_url: Option<SecretUrl>,
    /// For `import`.
    pub admin_url: Option<SecretUrl>,
    /// How long one statement may run.
    pub statement_timeout_ms: u64,
    /// How long one statement may wait for a lock.
    pub lock_timeout_ms: u64,
    /// How long to wait for a connection.
    pub acquire_timeout_ms: u64,
    /// Whether the worker's sessions plan each statement once.
    pub generic_plans: bool,
}

/// How workers work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// Businesses served at once by one process.
    pub concurrency: u32,
    /// Jobs of one business that one transaction takes at the most.
    pub batch_size_max: u32,
    /// Attempts after which a job becomes a `failed` result.
    pub attempts_max: u32,
    /// The wait after the first failed attempt.
    pub backoff_ms: u64,
    /// The longest wait between two attempts.
    pub backoff_max_ms: u64,
    /// The shortest time between two looks for work.
    pub poll_min_ms: u64,
    /// The longest time between two looks for work.
    pub poll_max_ms: u64,
    /// How long a business is without jobs before it is marked idle.
    pub idle_grace_ms: u64,
    /// How long a worker that was told to stop waits for its batches.
    pub shutdown_timeout_ms: u64,
}

impl WorkerSettings {
    /// How long a worker that was told to stop waits for its batches.
    #[must_use]
    pub const fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.shutdown_timeout_ms)
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// Which lines, as in `RUST_LOG`.
    pub filter: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

/// A connection URL. It may hold a password: `Debug` and `Display` leave that out.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Takes a URL as it was given.
    #[must_use]
    pub const fn new(url: String) -> Self {
        Self(url)
    }

    /// The URL with its password: for connecting, never for printing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(mut url) = url::Url::parse(&self.0) else { return f.write_str("(not a URL)") };
        if url.password().is_some() && url.set_password(Some("***")).is_err() {
            return f.write_str("(a URL with a password)");
        }
        // A password may also stand in the query: ?password=….
        url.set_query(None);
        url.fmt(f)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A setting that is missing, unknown or out of its range; the message names it and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The files or variables could not be read as settings.
    #[error("settings: {0}")]
    Unreadable(#[from] config::ConfigError),
    /// A value is out of its range.
    #[error("settings: {key} must be {range}, but is {value}")]
    OutOfRange {
        /// Which setting, as in the file.
        key: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it is.
        value: String,
    },
    /// A fixed clock outside a development configuration.
    #[error("settings: a fixed clock (--now, COMMISSARY_NOW) is for simulations: set `development = true` to allow it")]
    FixedClock,
}

/// What the command line adds, over every other source.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--database-url` or `DATABASE_URL`.
    pub database_url: Option<SecretUrl>,
    /// `--now`.
    pub now: Option<DateTime<Utc>>,
}

impl Settings {
    /// Reads the settings of this process: compiled-in defaults, the environment's file, variables, the command line.
    ///
    /// # Errors
    /// [`SettingsError`] names the first setting that is unknown, unreadable or out of range.
    pub fn load(overrides: Overrides) -> Result<Self, SettingsError> {
        Self::from_sources(std::env::vars().collect(), overrides)
    }

    /// As [`Settings::load`], with these variables.
    ///
    /// # Errors
    /// [`SettingsError`], likewise.
    pub fn from_sources(mut variables: HashMap<String, String>, overrides: Overrides) -> Result<Self, SettingsError> {
        let environment = variables.remove("COMMISSARY_ENV");
        // Not a setting: where the private server's programs are (src/cluster/binaries.rs).
        variables.remove("COMMISSARY_PG_BIN");
        let mut sources =
            Config::builder().add_source(File::from_str(include_str!("../config/default.toml"), FileFormat::Toml));
        if let Some(name) = &environment {
            sources = sources.add_source(File::new(&format!("config/{name}.toml"), FileFormat::Toml));
        }
        let variables = Environment::with_prefix("COMMISSARY")
            .prefix_separator("_")
            .separator("__")
            .try_parsing(true)
            .source(Some(variables));
        let mut settings: Self = sources.add_source(variables).build()?.try_deserialize()?;
        settings.database.url = overrides.database_url.or(settings.database.url);
        settings.now = overrides.now.or(settings.now);
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<(), SettingsError> {
        if self.now.is_some() && !self.development {
            return Err(SettingsError::FixedClock);
        }
        let (database, worker) = (&self.database, &self.worker);
        let ranges: [(&'static str, u64, std::ops::RangeInclusive<u64>, &'static str); 12] = [
            ("database.statement_timeout_ms", database.statement_timeout_ms, 100..=86_400_000, "100 to 86400000"),
            ("database.lock_timeout_ms", database.lock_timeout_ms, 10..=3_600_000, "10 to 3600000"),
            ("database.acquire_timeout_ms", database.acquire_timeout_ms, 100..=3_600_000, "100 to 3600000"),
            ("worker.concurrency", worker.concurrency.into(), 1..=256, "1 to 256"),
            ("worker.batch_size_max", worker.batch_size_max.into(), 1..=10_000, "1 to 10000"),
            ("worker.attempts_max", worker.attempts_max.into(), 1..=100, "1 to 100"),
            ("worker.backoff_ms", worker.backoff_ms, 1..=3_600_000, "1 to 3600000"),
            ("worker.backoff_max_ms", worker.backoff_max_ms, worker.backoff_ms..=86_400_000, "backoff_ms to 86400000"),
            ("worker.poll_min_ms", worker.poll_min_ms, 1..=60_000, "1 to 60000"),
            ("worker.poll_max_ms", worker.poll_max_ms, worker.poll_min_ms..=60_000, "poll_min_ms to 60000"),
            ("worker.idle_grace_ms", worker.idle_grace_ms, 100..=3_600_000, "100 to 3600000"),
            ("worker.shutdown_timeout_ms", worker.shutdown_timeout_ms, 100..=3_600_000, "100 to 3600000"),
        ];
        for (key, value, allowed, range) in ranges {
            if !allowed.contains(&value) {
                return Err(SettingsError::OutOfRange { key, range, value: value.to_string() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let variables = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Settings::from_sources(variables, Overrides::default())
    }

    #[test]
    fn the_defaults_are_valid_and_variables_override_them() {
        assert_eq!(load(&[]).expect("the defaults").worker.batch_size_max, 500);
        let settings = load(&[("COMMISSARY_WORKER__BATCH_SIZE_MAX", "7")]).expect("an override");
        assert_eq!(settings.worker.batch_size_max, 7);
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused_by_name() {
        for (key, value, named) in [
            ("COMMISSARY_WORKER__THREADS", "7", "threads"),
            ("COMMISSARY_WORKER__CONCURRENCY", "many", "concurrency"),
            ("COMMISSARY_WORKER__CONCURRENCY", "0", "worker.concurrency must be 1 to 256, but is 0"),
            ("COMMISSARY_NOW", "2026-10-31T12:00:00Z", "development = true"),
        ] {
            let message = load(&[(key, value)]).expect_err(key).to_string();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn a_fixed_clock_is_for_development() {
        let settings = load(&[("COMMISSARY_NOW", "2026-10-31T12:00:00Z"), ("COMMISSARY_DEVELOPMENT", "true")]);
        assert!(settings.expect("allowed").now.is_some());
    }

    #[test]
    fn a_password_is_never_printed() {
        let settings = load(&[("COMMISSARY_DATABASE__URL", "postgres://u:secret@h/db?password=secret")]);
        let printed = format!("{:?}", settings.expect("valid"));
        assert!(!printed.contains("secret") && printed.contains("postgres://u:***@h/db"), "{printed}");
    }
}
