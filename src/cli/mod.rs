//! The command line: one file a subcommand.

mod audit;
mod bench;
mod bench_baseline;
mod cluster;
mod demo;
mod enqueue;
mod import;
mod jobs;
mod listing;
mod migrate;
mod output;
mod queue;
mod report;
mod result;
mod schedule;
mod worker;

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

pub use migrate::migrate;

use crate::config::{Overrides, SecretUrl, Settings};

/// A queue-driven worker fleet on Postgres that decides and records purchases made on credit.
#[derive(Debug, Parser)]
#[command(name = "commissary", version, propagate_version = true)]
pub struct Cli {
    /// Where Postgres is: postgres://user:password@host/database
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// For simulations only: fix the decisions' clock (RFC 3339); needs development = true
    #[arg(long, global = true, value_name = "INSTANT")]
    now: Option<DateTime<Utc>>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create or update the schema and the roles
    Migrate,
    /// Bring the catalogue up to date from CSV files, one a table
    Import(import::ImportArgs),
    /// Enqueue requests from a file of JSON lines
    Enqueue(enqueue::EnqueueArgs),
    /// Decide and record what waits in the queues
    Worker(worker::WorkerArgs),
    /// Print a request's result
    Result(result::ResultArgs),
    /// Write a report of what the ledgers say
    Report(report::ReportArgs),
    /// Show queues, pause and resume them
    Queue(queue::QueueArgs),
    /// Show waiting and failed jobs, retry or discard them
    Jobs(jobs::JobsArgs),
    /// Show, add, edit and remove what runs by the clock
    Schedule(schedule::ScheduleArgs),
    /// Check every invariant of what is stored; name the offending keys
    Audit(audit::Audit),
    /// Show the whole: data, a fleet of workers, results and an audit; without DATABASE_URL on a private server
    Demo(demo::Args),
    /// Measure this machine beside baselines; without DATABASE_URL on a private server
    Bench(bench::BenchArgs),
    #[command(hide = true)]
    BenchBaseline(bench_baseline::BaselineArgs),
    /// Start, stop or show the private Postgres server that `demo` uses without DATABASE_URL
    Cluster(cluster::Args),
}

/// How a command ended: the work found a problem (exit code 1), as opposed to an error (2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All is well: exit code 0.
    Well,
    /// The work found a problem: exit code 1.
    WithProblems,
}

/// A worker's hands wait for the server for nine tenths of a batch: one thread serves that many of them.
const HANDS_A_THREAD: u32 = 8;

/// Runs a command line to its exit code: 0 done, 1 the work found a problem, 2 wrong usage or configuration.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    match start(cli) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::WithProblems) => ExitCode::from(1),
        Err(error) => {
            output::warn(format_args!("commissary: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<Ended> {
    let overrides =
        Overrides { database_url: cli.database_url.filter(|url| !url.is_empty()).map(SecretUrl::new), now: cli.now };
    let settings = Settings::load(overrides)?;
    crate::telemetry::start(&settings.log).map_err(anyhow::Error::msg)?;
    runtime(&cli.command, &settings)?.block_on(dispatch(cli.command, settings))
}

/// Threads that share a worker's hands wake one another for every answer of the server: with two instead of one, a batch of
/// one job costs the worker 369 instead of 303 µs.
fn runtime(command: &Command, settings: &Settings) -> std::io::Result<Runtime> {
    let Command::Worker(_) = command else { return Builder::new_multi_thread().enable_all().build() };
    match settings.worker.concurrency.div_ceil(HANDS_A_THREAD) as usize {
        1 => Builder::new_current_thread().enable_all().build(),
        threads => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    }
}

async fn dispatch(command: Command, settings: Settings) -> anyhow::Result<Ended> {
    match command {
        Command::Audit(args) => audit::run(&args, &settings).await,
        Command::Migrate => migrate::run(&settings).await,
        Command::Enqueue(args) => enqueue::run(args, &settings).await,
        Command::Result(args) => result::run(args, &settings).await,
        Command::Report(args) => report::run(&args, &settings).await,
        Command::Queue(args) => queue::run(args, &settings).await,
        Command::Jobs(args) => jobs::run(args, &settings).await,
        Command::Schedule(args) => schedule::run(args, &settings).await,
        Command::Bench(args) => bench::run(args, &settings).await,
        Command::BenchBaseline(args) => bench_baseline::run(args, &settings).await,
        Command::Import(args) => import::run(args, &settings).await,
        Command::Worker(args) => worker::run(args, &settings).await,
        Command::Cluster(args) => cluster::run(args).await,
        Command::Demo(args) => demo::run(args, &settings).await,
    }
}
