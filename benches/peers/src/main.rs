//! The benchmark's purchase on apalis's stock SQL storages: `prepare` fills the storage's queue from the jobs that wait
//! in commissary's, `run` works them off until SIGTERM.
//!
//! Each storage keeps and acknowledges its jobs as it always does; only the task is ours, and it is the textbook
//! transaction of `purchase`.

mod apalis_postgres;
mod apalis_sql;
mod decide;
mod facts;
mod job;
mod purchase;
mod statement;
mod subsidy;
mod write;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(about = "The benchmark's purchase on apalis's stock SQL storages")]
struct Arguments {
    /// Which storage
    peer: Peer,
    #[command(subcommand)]
    command: Command,
    /// The database: migrated by commissary, with the standard workload and its jobs
    #[arg(long, env, global = true, hide_env_values = true)]
    database_url: Option<String>,
    /// Tasks at a time; the best measured, if not given
    #[arg(long, env = "PEER_CONCURRENCY", global = true)]
    concurrency: Option<usize>,
    /// Jobs that the storage fetches at once
    #[arg(long, env = "PEER_PREFETCH", global = true)]
    prefetch: Option<usize>,
    /// Milliseconds between two polls, of a storage that polls by the clock
    #[arg(long, env = "PEER_POLL_MS", global = true)]
    poll_ms: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    /// apalis-sql 0.7
    ApalisSql,
    /// apalis-postgres 1.0
    ApalisPostgres,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Make the storage's schema and copy the waiting jobs into its queue
    Prepare,
    /// Work until SIGTERM
    Run,
}

/// How a storage is run.
#[derive(Clone, Copy, Debug)]
struct Settings {
    /// Tasks at a time.
    concurrency: usize,
    /// Jobs that the storage fetches at once.
    prefetch: usize,
    /// Milliseconds between two polls, of a storage that polls by the clock.
    poll_ms: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let url = arguments.database_url.as_deref().context("DATABASE_URL is not set: name the database to work on")?;
    let best = match arguments.peer {
        Peer::ApalisSql => apalis_sql::BEST,
        Peer::ApalisPostgres => apalis_postgres::BEST,
    };
    let settings = Settings {
        concurrency: arguments.concurrency.unwrap_or(best.concurrency),
        prefetch: arguments.prefetch.unwrap_or(best.prefetch),
        poll_ms: arguments.poll_ms.or(best.poll_ms),
    };
    // Ends at once: what is in flight rolls back, as when a process is killed, and nothing waits for a batch to end.
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = execute(&arguments, settings, url) => ended,
        _ = terminated.recv() => std::process::exit(0),
    }
}

async fn execute(arguments: &Arguments, settings: Settings, url: &str) -> anyhow::Result<()> {
    match (arguments.peer, arguments.command) {
        (Peer::ApalisSql, Command::Prepare) => apalis_sql::prepare(url).await,
        (Peer::ApalisSql, Command::Run) => apalis_sql::run(url, settings).await,
        (Peer::ApalisPostgres, Command::Prepare) => apalis_postgres::prepare(url).await,
        (Peer::ApalisPostgres, Command::Run) => apalis_postgres::run(url, settings).await,
    }
}
