//! Run: one contender on one copy of a template, measured.

use std::any::Any;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sqlx::PgPool;

use super::contender::{Prepared, Processes};
use super::counters::Counters;
use super::figures::{
    COMMITS_PER_PURCHASE, DEAD_ROWS_PER_PURCHASE, DEADLOCKS, Figures, LATENCY_P50_MS, LATENCY_P95_MS, LATENCY_P99_MS,
    LINES_PER_SECOND, PURCHASES, PURCHASES_PER_SECOND, RESULTS, ROLLBACKS_PER_THOUSAND, ROW_WRITES_PER_PURCHASE,
    SECONDS, SERVER_CPU_US_PER_PURCHASE, SUBSIDISED_PERCENT, WAL_BYTES_PER_PURCHASE, WORKER_CPU_US_PER_PURCHASE,
    WORKER_MEMORY_PEAK_MIB,
};
use super::findings::Run;
use super::rounds::Lane;
use super::server::Database;
use super::watch::{SAMPLE_EVERY, Watch};
use super::{Bench, check};

/// What goes on beside a run: begun before it, and ended by being dropped after it.
pub type Beside = fn(PgPool) -> BoxFuture<'static, anyhow::Result<Box<dyn Any + Send>>>;

/// A figure counts from so many seconds on …
const COUNTS_FROM_SECONDS: f64 = 60.0;
/// … if so much of the purchases had a subsidy: refusals are cheap.
const COUNTS_FROM_SUBSIDISED_PERCENT: f64 = 99.0;

/// Copies the lane's template, lets its contender work for the time that was asked for, checks what it did, and removes
/// the copy.
///
/// # Errors
/// If the contender or the server fails, or what the contender did is wrong.
pub async fn measured(bench: &Bench, lane: &Lane<'_>, round: u32) -> anyhow::Result<Run> {
    let database = bench.server.copy(&lane.template.database).await?;
    let run = on_copy(bench, lane, round, &database).await.with_context(|| format!("{}, run {round}", lane.name))?;
    bench.server.drop_database(&database).await?;
    Ok(run)
}

async fn on_copy(bench: &Bench, lane: &Lane<'_>, round: u32, database: &Database) -> anyhow::Result<Run> {
    let mut launch = lane.launch.clone();
    launch.concurrency = launch.concurrency.or(bench.options.concurrency);
    let prepared = lane.contender.prepare(database, &launch).await?;
    bench.server.checkpoint().await?;
    let beside = match lane.beside {
        Some(begin) => Some(begin(database.pool.clone()).await?),
        None => None,
    };
    let started_at = sqlx::query_file_scalar!("src/bench/sql/clock.sql").fetch_one(&database.pool).await?;
    let before = Counters::read(&database.pool).await?;
    let (mut figures, watch, settings) = timed(bench, lane, database, prepared).await?;
    drop(beside);
    let after = Counters::read_at_the_end(&database.pool).await?;
    if bench.options.audit && round == bench.options.runs {
        check::audit(bench, database).await?;
    }
    let ran_empty = outcomes(lane, database, started_at, &mut figures).await?;
    costs(&mut figures, (&before, &after), watch.commits());
    check::check(&database.pool, &lane.template.workload).await?;
    let objections = objections(&figures, ran_empty);
    Ok(Run { name: lane.name.clone(), round, figures, curve: watch.curve, settings, objections })
}

/// The run itself: what can only be measured while it lasts.
async fn timed(
    bench: &Bench,
    lane: &Lane<'_>,
    database: &Database,
    prepared: Prepared,
) -> anyhow::Result<(Figures, Watch, Vec<(String, String)>)> {
    let (server_before, prepared_cpu) = (bench.server.cpu(), prepared.cpu());
    let mut watch = Watch::start(database).await?;
    let mut processes = prepared.go().await?;
    let results = watched(bench, lane, &mut watch, &mut processes).await?;
    let seconds = watch.elapsed();
    let per_purchase = |spent: Duration| spent.as_secs_f64() * 1e6 / (results.max(1) as f64);
    let (server_cpu, worker_cpu) = (bench.server.cpu(), processes.cpu());
    let mut figures = Figures::default();
    figures.set(&PURCHASES, results as f64);
    figures.set(&SECONDS, seconds);
    let server_cpu = server_before.zip(server_cpu).map(|(before, after)| after.saturating_sub(before));
    figures.set_measured(&SERVER_CPU_US_PER_PURCHASE, server_cpu.map(per_purchase));
    let worker_cpu = worker_cpu.map(|cpu| cpu.saturating_sub(prepared_cpu));
    figures.set_measured(&WORKER_CPU_US_PER_PURCHASE, worker_cpu.map(per_purchase));
    figures.set_measured(&WORKER_MEMORY_PEAK_MIB, processes.memory_peak_mib());
    let settings = processes.settings.clone();
    processes.stop().await?;
    Ok((figures, watch, settings))
}

/// Counts until the time is over or everything is done, with a checkpoint in the middle, so that every run crosses one.
async fn watched(bench: &Bench, lane: &Lane<'_>, watch: &mut Watch, processes: &mut Processes) -> anyhow::Result<u64> {
    let duration = bench.options.duration.as_secs_f64();
    let mut samples = tokio::time::interval(SAMPLE_EVERY.min(bench.options.duration / 4));
    samples.tick().await;
    let mut checkpoint = None;
    loop {
        samples.tick().await;
        processes.check_running()?;
        let results = watch.sample().await?;
        let is_over = watch.elapsed() >= duration || results >= lane.template.jobs;
        if checkpoint.is_none() && (is_over || watch.elapsed() >= duration / 2.0) {
            checkpoint = Some(bench.server.begin_checkpoint());
        }
        if is_over {
            if let Some(checkpoint) = checkpoint {
                checkpoint.await??;
            }
            return Ok(results);
        }
    }
}

/// What the results say; also whether the queue ran empty, and then the time and the rate are those until the last result.
async fn outcomes(
    lane: &Lane<'_>,
    database: &Database,
    started_at: DateTime<Utc>,
    figures: &mut Figures,
) -> anyhow::Result<bool> {
    let outcomes = sqlx::query_file!("src/bench/sql/outcomes.sql", started_at).fetch_one(&database.pool).await?;
    let counted = figures.get(&PURCHASES).unwrap_or_default();
    let ran_empty = counted >= lane.template.jobs as f64;
    let mut seconds = figures.get(&SECONDS).unwrap_or_default();
    if let Some(last) = outcomes.last_finished_at.filter(|_| ran_empty) {
        seconds = seconds.min((last - started_at).as_seconds_f64());
        figures.set(&SECONDS, seconds);
    }
    anyhow::ensure!(
        outcomes.results as f64 >= counted,
        "{counted} decisions are numbered, but {} results stored",
        outcomes.results
    );
    let results = outcomes.results.max(1) as f64;
    figures.set(&PURCHASES_PER_SECOND, counted / seconds);
    figures.set(&LINES_PER_SECOND, counted * f64::from(lane.template.workload.lines) / seconds);
    figures.set(&SUBSIDISED_PERCENT, outcomes.subsidised as f64 * 100.0 / results);
    for (figure, value) in [&LATENCY_P50_MS, &LATENCY_P95_MS, &LATENCY_P99_MS].into_iter().zip(outcomes.latencies_ms) {
        figures.set(figure, value);
    }
    figures.set(&RESULTS, outcomes.results as f64);
    Ok(ran_empty)
}

/// What the server counted, by all results: those included that were in flight when the time was over.
fn costs(figures: &mut Figures, (before, after): (&Counters, &Counters), own_commits: i64) {
    let results = figures.get(&RESULTS).unwrap_or_default().max(1.0);
    let commits = after.commits - before.commits - own_commits;
    figures.set(&COMMITS_PER_PURCHASE, commits as f64 / results);
    figures.set(&ROLLBACKS_PER_THOUSAND, (after.rollbacks - before.rollbacks) as f64 * 1e3 / results);
    figures.set(&DEADLOCKS, (after.deadlocks - before.deadlocks) as f64);
    figures.set(&WAL_BYTES_PER_PURCHASE, (after.wal_bytes - before.wal_bytes) as f64 / results);
    figures.set(&ROW_WRITES_PER_PURCHASE, (after.rows_written - before.rows_written) as f64 / results);
    figures.set(&DEAD_ROWS_PER_PURCHASE, (after.rows_dead - before.rows_dead) as f64 / results);
}

/// Why this run's figures do not count.
fn objections(figures: &Figures, ran_empty: bool) -> Vec<String> {
    let mut objections = Vec::new();
    let seconds = figures.get(&SECONDS).unwrap_or_default();
    if seconds < COUNTS_FROM_SECONDS {
        objections.push(format!("it lasted {seconds:.1} s, less than {COUNTS_FROM_SECONDS} s"));
    }
    let subsidised = figures.get(&SUBSIDISED_PERCENT).unwrap_or_default();
    if subsidised < COUNTS_FROM_SUBSIDISED_PERCENT {
        objections.push(format!("{subsidised:.2}% had a subsidy, less than {COUNTS_FROM_SUBSIDISED_PERCENT}%"));
    }
    if ran_empty {
        objections.push("the queue ran empty: enqueue more with --purchases".to_owned());
    }
    objections
}
