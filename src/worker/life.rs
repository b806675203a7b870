//! Life: a worker is known to the database from its start to its orderly end, so that a process that dies leaves a trace.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::kept::Kept;
use crate::db::DbError;

/// How often the session that stands for the worker is looked after: until it is back after a loss, a worker that starts takes
/// this one for dead, and is careful for nothing.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// A worker's life; the process's end without [`Life::end`] is an unclean death.
pub(super) struct Life {
    ending: oneshot::Sender<()>,
    living: JoinHandle<()>,
}

impl Life {
    /// Begins it; whether a worker died of late, so that this one is to be careful.
    ///
    /// # Errors
    /// [`DbError`] if the database cannot be asked.
    pub(super) async fn begin(pool: PgPool) -> Result<(Self, bool), DbError> {
        let (worker, mut kept) = (Uuid::now_v7(), Kept::new(pool));
        let is_after_a_death = begin(&mut kept, worker).await?;
        let (ending, ended) = oneshot::channel();
        Ok((Self { ending, living: tokio::spawn(live(kept, worker, ended)) }, is_after_a_death))
    }

    /// Ends it in order.
    pub(super) async fn end(self) {
        drop(self.ending);
        if let Err(error) = self.living.await {
            tracing::error!(%error, "the task of the worker's life died: the next worker will be careful");
        }
    }
}

async fn live(mut kept: Kept, worker: Uuid, mut ended: oneshot::Receiver<()>) {
    let mut is_known = true;
    while timeout(LOOK_AFTER, &mut ended).await.is_err() {
        let looked_after = if is_known { stay(&mut kept).await } else { begin(&mut kept, worker).await.map(|_| ()) };
        is_known = looked_after.is_ok();
        if let Err(error) = looked_after {
            tracing::debug!(%error, "the session that stands for this worker is lost for now");
            kept.forget();
        }
    }
    if let Err(error) = end(&mut kept, worker).await {
        tracing::warn!(%error, "this worker's end could not be recorded: the next one will be careful");
    }
}

async fn begin(kept: &mut Kept, worker: Uuid) -> Result<bool, DbError> {
    let begin = sqlx::query_file_scalar!("src/worker/sql/begin_life.sql", worker);
    Ok(begin.fetch_one(kept.get().await?).await?)
}

async fn stay(kept: &mut Kept) -> Result<(), DbError> {
    sqlx::raw_sql("SELECT").execute(kept.get().await?).await?;
    Ok(())
}

async fn end(kept: &mut Kept, worker: Uuid) -> Result<(), DbError> {
    sqlx::query_file!("src/worker/sql/end_life.sql", worker).execute(kept.get().await?).await?;
    Ok(())
}
