//! Life: a worker is known to the database from its start to its orderly end, so that a process that dies leaves a trace.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::kept::Kept;
use crate::db::DbError;

/// How often the session that stands for the worker is looked after: until it is back after a loss, a worker that starts takes
/// this one for dead, and is careful for nothing.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// When its end is tried to be recorded again.
const END_AGAIN: Duration = Duration::from_millis(100);
/// How long its end may take to be recorded; if it is not, the next worker is careful for nothing.
const END_MAX: Duration = Duration::from_secs(5);

/// A worker's life; the process's end without [`Life::end`] is an unclean death.
pub(super) struct Life {
    /// What the database knows it as.
    pub(super) worker: Uuid,
    /// Whether a worker died of late, so that this one is to be careful.
    pub(super) is_after_a_death: bool,
    ending: oneshot::Sender<()>,
    living: JoinHandle<()>,
}

impl Life {
    /// Begins it.
    ///
    /// # Errors
    /// [`DbError`] if the database cannot be asked.
    pub(super) async fn begin(pool: PgPool) -> Result<Self, DbError> {
        let (worker, mut kept) = (Uuid::now_v7(), Kept::new(pool));
        // Nobody else has this id, so there is an answer.
        let is_after_a_death = begin(&mut kept, worker).await?.unwrap_or_default();
        let (ending, ended) = oneshot::channel();
        Ok(Self { worker, is_after_a_death, ending, living: tokio::spawn(live(kept, worker, ended)) })
    }

    /// Ends it in order.
    pub(super) async fn end(self) {
        drop(self.ending);
        match timeout(END_MAX, self.living).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the task of the worker's life died: the next worker will be careful")
            }
            Err(_) => tracing::warn!("this worker's end could not be recorded in time: the next one will be careful"),
        }
    }
}

async fn live(mut kept: Kept, worker: Uuid, mut ended: oneshot::Receiver<()>) {
    let mut is_known = true;
    while timeout(LOOK_AFTER, &mut ended).await.is_err() {
        let looked_after = if is_known {
            stay(&mut kept).await.map(|()| true)
        } else {
            begin(&mut kept, worker).await.map(|a| a.is_some())
        };
        is_known = matches!(looked_after, Ok(true));
        if let Err(error) = looked_after {
            tracing::debug!(%error, "the session that stands for this worker is lost for now");
            kept.forget();
        }
    }
    // The session may have been lost since it was last looked after: then by another.
    while let Err(error) = end(&mut kept, worker).await {
        tracing::debug!(%error, "this worker's end is recorded again");
        kept.forget();
        sleep(END_AGAIN).await;
    }
}

async fn begin(kept: &mut Kept, worker: Uuid) -> Result<Option<bool>, DbError> {
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
