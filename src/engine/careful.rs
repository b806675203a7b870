//! Careful: how a worker works that starts after another one's process died.
//!
//! A job that ends its worker's process (abort, stack overflow, out of memory) leaves no trace: its batch is rolled back, and the
//! next worker meets it again. So the first jobs of every business, as many as were perhaps in a batch, are run one by one. While
//! the work's transaction has the turn and the job, a second session commits that the attempt is begun; the work's own commit
//! removes that. What stands there from a worker that died is a lost attempt, and counts like one that was charged: without
//! another left the job is given up. Of a worker that lives, or ended in order, it counts for nothing.
//!
//! A process that dies of one job dies in the midst of others. Those of batches leave no trace, and those begun carefully lose an
//! attempt once: from then on they are suspects, and a suspect is run while no other careful attempt of the process is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sqlx::{PgConnection, Postgres, Transaction};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

use super::Engine;
use super::process::Batch;
use super::store::{self, Endings};
use crate::db::{DbError, begin_tenant};
use crate::ids::{BusinessId, JobId};
use crate::queue::{self, Claim, Finished, Status};

/// How far a careful worker is with each business.
#[derive(Debug)]
pub(super) struct Care {
    /// The worker, as the database knows it.
    worker: Uuid,
    /// Jobs of each business that are run one by one.
    first: u32,
    /// How many of them are left.
    left: Mutex<HashMap<BusinessId, u32>>,
    /// Held shared by attempts at jobs that are not suspected.
    alone: RwLock<()>,
}

/// What a job's attempt begins with.
pub(super) enum Begun<'a> {
    /// It is begun.
    Attempt(Alone<'a>),
    /// There is none left, for so many were lost.
    Lost(u32),
}

/// Who else may be at work meanwhile; held until the attempt's end.
#[expect(dead_code, reason = "guards are held, not read")]
pub(super) enum Alone<'a> {
    /// All but suspects.
    Shared(RwLockReadGuard<'a, ()>),
    /// Nobody.
    Suspect(RwLockWriteGuard<'a, ()>),
}

impl Care {
    pub(super) fn new(worker: Uuid, first: u32) -> Self {
        Self { worker, first, left: Mutex::default(), alone: RwLock::default() }
    }

    /// Whether the business's next job is to be run alone.
    pub(super) fn is_near(&self, business: BusinessId) -> bool {
        // A map of numbers is whole after every operation on it, so a panic elsewhere spoils nothing.
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.get(&business).is_none_or(|left| *left > 0)
    }

    fn passed(&self, business: BusinessId, jobs: u32) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = left.entry(business).or_insert(self.first);
        *left = left.saturating_sub(jobs);
    }

    /// In the transaction of the work: its jobs were survived.
    ///
    /// # Errors
    /// [`DbError`] of a statement.
    pub(super) async fn end_attempts(
        &self,
        connection: &mut PgConnection,
        business: BusinessId,
        claimed: &[(JobId, u32)],
    ) -> Result<(), DbError> {
        for (job, _) in claimed {
            queue::end_attempt(&mut *connection, business, *job, self.worker).await?;
        }
        Ok(())
    }
}

impl Engine {
    /// Begins the attempt at the one job of a claim: waits until it may be run, and leaves the trace of it.
    pub(super) async fn begin_attempt<'a>(
        &self,
        turn: &mut PgConnection,
        care: &'a Care,
        claim: &Claim,
    ) -> Result<Begun<'a>, DbError> {
        let (business, job) = (claim.turn.business, &claim.jobs[0]);
        let lost = queue::lost_attempts(turn, business, job.job_id).await?;
        if lost > 0 && job.attempts + lost >= self.settings.worker.attempts_max {
            return Ok(Begun::Lost(lost));
        }
        let alone =
            if lost > 0 { Alone::Suspect(care.alone.write().await) } else { Alone::Shared(care.alone.read().await) };
        let mut beside = begin_tenant(&self.pool, business).await?;
        queue::begin_attempt(&mut beside, business, job.job_id, care.worker).await?;
        beside.commit().await?;
        Ok(Begun::Attempt(alone))
    }

    /// After an attempt that the process survived.
    pub(super) async fn survived(
        &self,
        care: &Care,
        business: BusinessId,
        attempted: &mut Result<Batch, DbError>,
        claimed: &[(JobId, u32)],
    ) {
        match attempted {
            // With an empty queue nothing is near: whatever it was, it is not here.
            Ok(batch) if batch.had_turn && batch.claimed == 0 => care.passed(business, u32::MAX),
            Ok(batch) => {
                care.passed(business, u32::try_from(batch.claimed).unwrap_or(u32::MAX));
                batch.has_more |= batch.claimed > 0;
            }
            Err(_) => {
                let ended = async {
                    let mut tx = begin_tenant(&self.pool, business).await?;
                    care.end_attempts(&mut tx, business, claimed).await?;
                    Ok::<_, DbError>(tx.commit().await?)
                };
                if let Err(error) = ended.await {
                    tracing::debug!(%business, %error, "an attempt counts as lost if this worker dies before it is made again");
                }
            }
        }
    }

    /// Gives up the one job of a claim, with so many attempts that were lost with their workers.
    pub(super) async fn give_up(
        &self,
        mut tx: Transaction<'_, Postgres>,
        claim: &Claim,
        lost: u32,
    ) -> Result<Batch, DbError> {
        let (business, job) = (claim.turn.business, &claim.jobs[0]);
        let keys = [job.idempotency_key.clone()];
        let is_answered = !queue::finished_keys(&mut tx, business, &keys).await?.is_empty();
        let (mut results, mut dropped) = (Vec::new(), Vec::new());
        if is_answered {
            dropped.push(job.job_id);
        } else {
            let error = format!("the worker's process died {lost} times while it ran this job alone");
            tracing::error!(%business, job_id = %job.job_id, "a job is given up: {error}");
            queue::count_lost_attempts(&mut tx, business, job.job_id, lost).await?;
            let outcome = queue::failed_outcome(&error);
            results.push(Finished { job_id: job.job_id, status: Status::Failed, reason: None, outcome });
        }
        let (decided_at, simulated) = (claim.moment.now, self.settings.now.is_some());
        let endings = Endings { results: &results, dropped: &dropped, decided_at, simulated };
        store::end(&mut tx, &claim.turn, &endings).await?;
        tx.commit().await?;
        let (finished, dropped) = (results.len(), dropped.len());
        Ok(Batch { had_turn: true, claimed: 1, finished, dropped, has_more: true, ..Batch::default() })
    }
}
