//! Measure: one run of the workload, and what it cost.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgPool};

use super::Workload;
use crate::config::{SecretUrl, Settings};
use crate::worker;

/// What a run measured, with the settings it depends on.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Purchases with a result.
    pub purchases: i64,
    /// The share that completed with a subsidy, 0 to 1; a figure counts from 0.99 on.
    pub subsidised: f64,
    /// Purchases a second, from the start of the workers to the last result.
    pub purchases_per_second: f64,
    /// Lines a second.
    pub lines_per_second: f64,
    /// Jobs a second through `enqueue_many`, one caller.
    pub enqueued_per_second: f64,
    /// Seconds the workers took.
    pub seconds: f64,
    /// Enqueue to result in seconds: p50, p95, p99. The queue was filled first, so this is mostly waiting.
    pub latency_seconds: Vec<f64>,
    /// Commits a purchase.
    pub commits_per_purchase: f64,
    /// WAL bytes a purchase.
    pub wal_bytes_per_purchase: f64,
    /// Rows inserted, updated and deleted a purchase.
    pub row_writes_per_purchase: f64,
    /// The size of the workload and of the worker.
    pub settings: Vec<(String, String)>,
}

/// Runs the workload on a fresh database of the server, which is dropped afterwards. Refuses nothing of the server's
/// settings, but reports them.
///
/// # Errors
/// If the server, the schema or the worker fails.
pub async fn run(settings: &Settings, workload: Workload, progress: &dyn Fn(&str)) -> anyhow::Result<Report> {
    let url = settings.database.url.as_ref().ok_or(crate::db::DbError::NoUrl)?;
    let server = PgConnectOptions::from_str(url.expose())?;
    let maintenance = PgPool::connect_with(server.clone()).await?;
    let name = format!("commissary_bench_{}", std::process::id());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&maintenance).await?;
    let mut bench_url = url::Url::parse(url.expose())?;
    bench_url.set_path(&name);
    let mut settings = settings.clone();
    settings.database.url = Some(SecretUrl::new(bench_url.into()));
    settings.database.worker_url = None;
    let measured = on_database(&settings, server.database(&name), workload, progress).await;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&maintenance).await?;
    measured
}

async fn on_database(
    settings: &Settings,
    options: PgConnectOptions,
    workload: Workload,
    progress: &dyn Fn(&str),
) -> anyhow::Result<Report> {
    progress("migrating a database of its own");
    crate::cli::migrate(settings).await?;
    let owner = PgPool::connect_with(options).await?;
    progress("making the catalogue");
    workload.seed(&owner).await?;
    progress("filling the queues");
    let enqueueing = workload.enqueue(&owner).await?;

    progress("running the worker");
    let before = counters(&owner).await?;
    let started = Instant::now();
    worker::run(settings.clone(), true).await?;
    let working = started.elapsed();
    // Statistics of a session reach the views when it ends or within a second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let after = counters(&owner).await?;
    let report = report(&owner, settings, workload, (enqueueing, working), (&before, &after)).await;
    owner.close().await;
    report
}

/// What the server has counted.
struct Counters {
    commits: i64,
    wal_bytes: Decimal,
    rows: i64,
}

async fn counters(owner: &PgPool) -> sqlx::Result<Counters> {
    let row = sqlx::query_file!("src/bench/sql/counters.sql").fetch_one(owner).await?;
    Ok(Counters { commits: row.commits, wal_bytes: row.wal_bytes, rows: row.inserted + row.updated + row.deleted })
}

async fn report(
    owner: &PgPool,
    settings: &Settings,
    workload: Workload,
    (enqueueing, working): (Duration, Duration),
    (before, after): (&Counters, &Counters),
) -> anyhow::Result<Report> {
    let outcomes = sqlx::query_file!("src/bench/sql/outcomes.sql").fetch_one(owner).await?;
    let server = sqlx::query_file!("src/bench/sql/server_settings.sql").fetch_all(owner).await?;
    let purchases = outcomes.results as f64;
    let wal = f64::try_from(after.wal_bytes - before.wal_bytes)?;
    let mut used: Vec<(String, String)> = vec![
        ("worker.concurrency".to_owned(), settings.worker.concurrency.to_string()),
        ("worker.batch_size_max".to_owned(), settings.worker.batch_size_max.to_string()),
        ("workload".to_owned(), format!("{workload:?}")),
    ];
    used.extend(server.into_iter().map(|row| (row.name, row.value)));
    Ok(Report {
        purchases: outcomes.results,
        subsidised: outcomes.subsidised as f64 / purchases,
        purchases_per_second: purchases / working.as_secs_f64(),
        lines_per_second: purchases * f64::from(workload.lines) / working.as_secs_f64(),
        enqueued_per_second: purchases / enqueueing.as_secs_f64(),
        seconds: working.as_secs_f64(),
        latency_seconds: outcomes.latencies,
        commits_per_purchase: (after.commits - before.commits) as f64 / purchases,
        wal_bytes_per_purchase: wal / purchases,
        row_writes_per_purchase: (after.rows - before.rows) as f64 / purchases,
        settings: used,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "purchases            {:>12}   {:.1} % with a subsidy", self.purchases, self.subsidised * 100.0)?;
        writeln!(f, "purchases a second   {:>12.0}   in {:.1} s", self.purchases_per_second, self.seconds)?;
        writeln!(f, "lines a second       {:>12.0}", self.lines_per_second)?;
        writeln!(f, "enqueued a second    {:>12.0}   one caller of enqueue_many", self.enqueued_per_second)?;
        if let [p50, p95, p99] = self.latency_seconds.as_slice() {
            writeln!(
                f,
                "enqueue to result    p50 {p50:.2} s, p95 {p95:.2} s, p99 {p99:.2} s (the queue was filled first)"
            )?;
        }
        writeln!(f, "commits a purchase   {:>12.4}", self.commits_per_purchase)?;
        writeln!(f, "WAL a purchase       {:>12.0}   bytes", self.wal_bytes_per_purchase)?;
        writeln!(f, "rows a purchase      {:>12.2}   inserted, updated, deleted", self.row_writes_per_purchase)?;
        for (name, value) in &self.settings {
            writeln!(f, "  {name} = {value}")?;
        }
        Ok(())
    }
}
