//! The worker: a process of the fleet. Any number may run; nothing tells them apart.
//!
//! apalis gives it its life (`Monitor`, layers, graceful shutdown). Its backend yields wake-ups, a business that is due,
//! and the handler does the rest in one transaction, because a stock storage acknowledges in a transaction of its own
//! and can never be atomic with a ledger.

mod backend;
mod dispatch;
mod hints;
mod kept;
mod life;
mod line;
mod schedules;
mod scout;
mod shutdown;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{Data, Monitor, WorkerBuilder};
use tokio::sync::mpsc;

use crate::config::Settings;
use crate::db::{self, DbError, Role, UnsafeServer};
use crate::domain::decide;
use crate::engine::{ASIDES_MAX, Decide, Engine, Served};

use backend::Turns;
use dispatch::{Dispatcher, TurnEnded};
use life::Life;
use line::NextTurn;
use schedules::Schedules;

/// Connections besides one a batch and one a job that is worked on beside turns: the poll's, the listener's, the
/// schedules', one for hints after a commit, the one that stands for the worker's life, and one for attempts begun carefully.
const EXTRA_CONNECTIONS: u32 = 6;

/// Why a worker did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The database could not be reached or asked.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The promises would not hold on this server or login.
    #[error(transparent)]
    Unsafe(#[from] UnsafeServer),
    /// A part of the worker ended that never ends by itself.
    #[error("the worker died: {0}")]
    Died(String),
}

/// What the handler works with.
#[derive(Clone)]
struct Handler {
    engine: Engine,
    ended: mpsc::UnboundedSender<TurnEnded>,
}

/// Runs until told to stop (SIGTERM or SIGINT: finish the batches, claim nothing more; a second one aborts), or with
/// `until_empty` until no business has a ready job. Ticks of schedules are fired as they come due; with `until_empty` once,
/// before anything else. If a worker's process died within the last ten minutes, the first jobs of every business are run
/// one by one, in case one of them was the cause.
///
/// # Errors
/// [`WorkerError`] if the worker refuses to start, or died.
pub async fn run(settings: Settings, until_empty: bool) -> Result<(), WorkerError> {
    run_deciding_by(settings, until_empty, decide::decide).await
}

/// As [`run`], with another decision, for tests of faults.
///
/// # Errors
/// As [`run`].
pub async fn run_deciding_by(settings: Settings, until_empty: bool, decide: Decide) -> Result<(), WorkerError> {
    let concurrency = settings.worker.concurrency;
    let pool = db::connect(&settings.database, Role::Worker, concurrency + ASIDES_MAX + EXTRA_CONNECTIONS).await?;
    db::check_worker_server(&pool, settings.development).await??;
    tracing::info!(concurrency, batch_size_max = settings.worker.batch_size_max, until_empty, "the worker starts");
    let life = Life::begin(pool.clone()).await?;

    let schedules = if until_empty {
        schedules::look(&pool, settings.now).await;
        None
    } else {
        Some(Schedules::start(pool.clone(), settings.now))
    };
    // The dispatcher hands out no more turns than there are hands, so none waits here: businesses wait in its line.
    let (turns, due) = mpsc::channel(concurrency as usize);
    let (ended, turns_ended) = mpsc::unbounded_channel();
    let dispatcher = Dispatcher::new(pool.clone(), settings.worker.clone(), turns, turns_ended, until_empty);
    let mut dispatching = tokio::spawn(dispatcher.run());

    let mut engine = Engine::new(pool.clone(), settings.clone()).deciding_by(decide);
    if life.is_after_a_death {
        tracing::warn!(
            "a worker died of late without an orderly end: the first jobs of every business are run one by one"
        );
        engine = engine.carefully(life.worker);
    }
    let handler = Handler { engine: engine.clone(), ended };
    let died = Arc::new(AtomicBool::new(false));
    let backend = Turns::new(due);
    let monitor = Monitor::new()
        .shutdown_timeout(settings.worker.shutdown_timeout())
        .register(move |_| {
            WorkerBuilder::new("commissary")
                .backend(backend.clone())
                .data(handler.clone())
                .concurrency(concurrency as usize)
                .enable_tracing()
                .catch_panic()
                .build(take_turn)
        })
        // apalis ends with Ok at once when its only worker dies: remember it, so that the process exits non-zero.
        .should_restart({
            let died = Arc::clone(&died);
            move |_, error| {
                tracing::error!(%error, "the worker died");
                died.store(true, Ordering::Relaxed);
                false
            }
        });
    let ended = shutdown::run(monitor, &mut dispatching).await;
    dispatching.abort();
    if let Some(schedules) = schedules {
        schedules.stop().await;
    }
    life.end().await;
    // The pool first, so that what is given back to it is closed at once, whatever its session is at.
    let closed = pool.close();
    engine.rest();
    closed.await;
    if died.load(Ordering::Relaxed) {
        return Err(WorkerError::Died("its apalis worker ended with an error; the log says which".to_owned()));
    }
    ended.map_err(WorkerError::Died)
}

/// The handler of a wake-up: one turn of one business, then word to the dispatcher.
///
/// The turn runs in a task of its own: should this future be dropped, the transaction still ends as it would have (a
/// cancelled `begin()` can poison a pooled connection), batches use both cores, and a panic stays inside.
async fn take_turn(turn: NextTurn, handler: Data<Handler>) {
    let NextTurn { business, limit, is_suspect } = turn;
    let (engine, started) = (handler.engine.clone(), Instant::now());
    let turn = tokio::spawn(async move {
        if is_suspect { engine.serve_suspect(business).await } else { engine.serve_at_most(business, limit).await }
    });
    let served = turn.await.unwrap_or_else(|error| {
        tracing::error!(%business, %error, "a turn panicked");
        Served::BackOff
    });
    if handler.ended.send(TurnEnded { business, served, elapsed: started.elapsed() }).is_err() {
        tracing::debug!(%business, "the dispatcher is gone: the worker is shutting down");
    }
}
