//! Watch: how many results there are, sampled while a contender works.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use super::server::Database;

/// How often results are counted: a probe of the results' index for each business.
pub const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// Counts results. Every contender numbers a business's decisions 1, 2, 3 …, as the contract says, so their last
/// numbers are their count; the report compares it with the rows at the end.
#[derive(Debug)]
pub struct Watch {
    connection: PgConnection,
    before: i64,
    started: Instant,
    /// Results by seconds since the start.
    pub curve: Vec<(f64, f64)>,
}

impl Watch {
    /// Starts the clock.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn start(database: &Database) -> anyhow::Result<Self> {
        // A fresh table has no statistics: without this the planner may read all of it and sort.
        let options = PgConnectOptions::from_str(database.url.expose())?
            .options([("enable_seqscan", "off"), ("enable_sort", "off"), ("jit", "off")])
            .application_name("commissary bench")
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        let before = decided(&mut connection).await?;
        Ok(Self { connection, before, started: Instant::now(), curve: vec![(0.0, 0.0)] })
    }

    /// Seconds since the start.
    #[must_use]
    pub fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Counts the results since the start, and notes them in the curve.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sample(&mut self) -> sqlx::Result<u64> {
        let results = u64::try_from(decided(&mut self.connection).await? - self.before).unwrap_or_default();
        self.curve.push((self.elapsed(), results as f64));
        Ok(results)
    }

    /// How many commits of the database are this watch's own.
    #[must_use]
    pub fn commits(&self) -> i64 {
        i64::try_from(self.curve.len()).unwrap_or(i64::MAX)
    }
}

async fn decided(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_file_scalar!("src/bench/sql/decided.sql").fetch_one(connection).await
}
