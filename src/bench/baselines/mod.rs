//! The baselines: the same purchases done in other ways, each as a process of its own (`bench-baseline`).
//!
//! All act as the worker's role, under the same row level security and constraints, and write the same rows. Each prints
//! its settings and `ready`, starts on a line of standard input, and works until SIGTERM; an empty queue is polled.

mod ceiling;
mod function;
mod textbook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::Settings;
use crate::db::{self, DbError, Role};
use crate::ids::BusinessId;

/// How long a connection waits that found nothing to do.
const IDLE: Duration = Duration::from_millis(2);

/// Which baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Baseline {
    /// Decided beforehand, written set-wise.
    Ceiling,
    /// One job a transaction, a statement a step.
    Textbook,
    /// One stored function a job.
    Function,
}

/// One connection's work; a call does one transaction and says whether there was one to do.
trait Hand: Send + 'static {
    fn turn<'a>(&'a mut self, connection: &'a mut PgConnection) -> BoxFuture<'a, anyhow::Result<bool>>;
}

/// Prepares, tells that it is ready, works until SIGTERM.
///
/// # Errors
/// If the database fails.
pub async fn run(baseline: Baseline, settings: &Settings, concurrency: Option<u32>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let hands: Vec<(PgConnection, Box<dyn Hand>)> = match baseline {
        Baseline::Ceiling => ceiling::hands(settings, concurrency.unwrap_or(ceiling::CONCURRENCY)).await?,
        Baseline::Textbook => textbook::hands(settings, concurrency.unwrap_or(textbook::CONCURRENCY)).await?,
        Baseline::Function => function::hands(settings, concurrency.unwrap_or(function::CONCURRENCY)).await?,
    };
    println!("concurrency = {}", hands.len());
    println!("ready");
    let read = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    anyhow::ensure!(read > 0, "whoever started this baseline is gone");

    let is_over = Arc::new(AtomicBool::new(false));
    let mut working = JoinSet::new();
    for (connection, hand) in hands {
        working.spawn(work(connection, hand, Arc::clone(&is_over)));
    }
    tokio::select! {
        _ = terminate.recv() => is_over.store(true, Ordering::Relaxed),
        Some(ended) = working.join_next() => ended??,
    }
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    Ok(())
}

async fn work(mut connection: PgConnection, mut hand: Box<dyn Hand>, is_over: Arc<AtomicBool>) -> anyhow::Result<()> {
    while !is_over.load(Ordering::Relaxed) {
        if !hand.turn(&mut connection).await? {
            tokio::time::sleep(IDLE).await;
        }
    }
    Ok(())
}

/// The businesses with work, dealt out to so many hands: no two hands wait for the same queue row while there are at least
/// as many businesses.
fn dealt(businesses: &[BusinessId], hands: u32) -> Vec<Vec<BusinessId>> {
    let hands = hands as usize;
    (0..hands)
        .map(|hand| {
            let own: Vec<BusinessId> = businesses.iter().skip(hand).step_by(hands).copied().collect();
            if own.is_empty() { businesses.iter().skip(hand % businesses.len().max(1)).copied().collect() } else { own }
        })
        .collect()
}

/// A hand's businesses in turn.
struct Rota {
    businesses: Vec<BusinessId>,
    next: usize,
}

impl Rota {
    const fn new(businesses: Vec<BusinessId>) -> Self {
        Self { businesses, next: 0 }
    }

    /// The next business, each once a round.
    fn next(&mut self) -> Option<BusinessId> {
        let business = self.businesses.get(self.next).copied();
        self.next = (self.next + 1) % self.businesses.len().max(1);
        business
    }
}

/// How a baseline of one job a transaction connects: as the worker does, and with plans that are made once. Left to itself
/// the server plans statements with an array anew at every call.
fn connect_options(settings: &Settings) -> Result<PgConnectOptions, DbError> {
    let options = db::connect_options(&settings.database, Role::Worker)?;
    Ok(options.options([("plan_cache_mode", "force_generic_plan")]))
}

/// The businesses that have work.
async fn ready_businesses(connection: &mut PgConnection) -> anyhow::Result<Vec<BusinessId>> {
    let ready = crate::queue::ready_queues(connection).await?;
    let businesses: Vec<BusinessId> = ready.into_iter().map(|one| one.business).collect();
    anyhow::ensure!(!businesses.is_empty(), "no business has work");
    Ok(businesses)
}
