//! Careful: how a worker works that starts after another one's process died.
//!
//! A job that ends its worker's process (abort, stack overflow, out of memory) leaves no trace: its batch is rolled back, and the
//! next worker meets it again. So the first jobs of every business, as many as were perhaps in a batch, are run one by one:
//! the attempt is charged in a commit of its own, and taken back by the transaction of the work. A job whose last attempt was
//! charged so and never taken back is given up, by whichever worker meets it.
//!
//! What could interleave: between the two commits the turn is free. Another worker may do the job meanwhile: its result then
//! shows one attempt too many. Nobody gives it up meanwhile: the session that begins an attempt holds the attempt's lock
//! until the second commit, or until it dies.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::Engine;
use super::process::{Batch, BatchFault};
use super::store::{self, Endings};
use crate::db::{DbError, begin_tenant_on};
use crate::domain::snapshot::Moment;
use crate::ids::{BusinessId, JobId};
use crate::queue::{self, ClaimedJob, Finished, Lost, Status, Turn};

/// How far a careful worker is with each business.
#[derive(Debug)]
pub(super) struct Care {
    /// Jobs of each business that are run one by one.
    first: u32,
    businesses: Mutex<HashMap<BusinessId, Progress>>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    left: u32,
    /// The job whose attempt is charged and not yet taken back.
    begun: Option<JobId>,
}

impl Care {
    pub(super) fn new(first: u32) -> Self {
        Self { first, businesses: Mutex::default() }
    }

    fn of(&self, business: BusinessId) -> Progress {
        self.locked().get(&business).copied().unwrap_or(Progress { left: self.first, begun: None })
    }

    fn set(&self, business: BusinessId, progress: Progress) {
        self.locked().insert(business, progress);
    }

    /// After so many jobs.
    fn passed(&self, business: BusinessId, jobs: usize) {
        let left = self.of(business).left.saturating_sub(u32::try_from(jobs).unwrap_or(u32::MAX));
        self.set(business, Progress { left, begun: None });
    }

    /// A map of plain values is whole after every operation on it, so a panic elsewhere spoils nothing.
    fn locked(&self) -> MutexGuard<'_, HashMap<BusinessId, Progress>> {
        self.businesses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Whether the business's next job is to be run alone.
    pub(super) fn is_careful(&self, business: BusinessId) -> bool {
        self.care.as_ref().is_some_and(|care| care.of(business).left > 0)
    }

    /// The next job, alone, its attempt charged before the work.
    pub(super) async fn process_carefully(&self, business: BusinessId) -> Result<Batch, BatchFault> {
        let mut claimed = Vec::new();
        let attempted = async {
            let mut hand = self.hands.take().await?;
            let connection = &mut *hand.connection;
            let batch = match self.begin(connection, business).await? {
                Some(ended) => ended,
                None => self.attempt(connection, business, 1, &mut claimed).await?,
            };
            sqlx::raw_sql("SELECT pg_advisory_unlock_all()").execute(connection).await?;
            self.hands.put_back(hand, batch.stored).await;
            self.attempted(business, batch.claimed);
            Ok(Batch { has_more: batch.has_more || batch.claimed > 0, ..batch })
        };
        attempted.await.map_err(|error| BatchFault { error, claimed })
    }

    /// Charges the next job's attempt; the batch that this is instead, if there is no job or it is another worker's.
    async fn begin(&self, connection: &mut PgConnection, business: BusinessId) -> Result<Option<Batch>, DbError> {
        let Some(care) = &self.care else { return Ok(None) };
        let mut tx = begin_tenant_on(connection, business).await?;
        let (beside, clock) = (self.asides.ids(), self.settings.now);
        let Some(claim) = queue::claim(&mut tx, business, 1, &beside, clock).await? else {
            tx.rollback().await?;
            return Ok(Some(Batch::default()));
        };
        let Some(job) = claim.jobs.first() else {
            // Whatever it was, it is not here.
            care.passed(business, usize::MAX);
            tx.commit().await?;
            return Ok(Some(Batch { had_turn: true, ..Batch::default() }));
        };
        let progress = care.of(business);
        let again = progress.begun == Some(job.job_id);
        // A control job is this program's own work in the database, not a caller's data.
        if job.kind.is_control() || (job.attempts >= self.settings.worker.attempts_max && !again) {
            tx.rollback().await?;
            return Ok(None);
        }
        if !queue::begin_attempt(&mut tx, business, job.job_id, again).await? {
            tx.rollback().await?;
            return Ok(Some(Batch::default()));
        }
        let begun = Some(job.job_id);
        tx.commit().await?;
        care.set(business, Progress { begun, ..progress });
        Ok(None)
    }

    /// After a turn's end that left so many jobs behind.
    pub(super) fn attempted(&self, business: BusinessId, jobs: usize) {
        if let Some(care) = self.care.as_ref().filter(|_| jobs > 0) {
            care.passed(business, jobs);
        }
    }

    /// Takes back what [`Engine::begin`] charged, in the transaction of the work, if the job is among these; says which it was.
    pub(super) async fn take_back(
        &self,
        connection: &mut PgConnection,
        business: BusinessId,
        mut jobs: impl Iterator<Item = (JobId, u32)>,
    ) -> Result<Option<JobId>, DbError> {
        let begun = self.care.as_ref().and_then(|care| care.of(business).begun);
        let taken_back = begun.filter(|begun| jobs.any(|(job, attempts)| job == *begun && attempts > 0));
        if let Some(job) = taken_back {
            queue::take_back_attempts(connection, business, &[job]).await?;
        }
        Ok(taken_back)
    }

    /// Of jobs that have no attempt left: those that were lost with their worker, or none if another worker is at one.
    pub(super) async fn lost(
        &self,
        connection: &mut PgConnection,
        business: BusinessId,
        jobs: &[ClaimedJob],
    ) -> Result<Lost, DbError> {
        let spent = jobs.iter().filter(|job| job.attempts >= self.settings.worker.attempts_max);
        let spent: Vec<Uuid> = spent.map(|job| job.job_id.0).collect();
        if spent.is_empty() {
            Ok(Lost::Jobs(Vec::new()))
        } else {
            queue::lost_attempts(connection, business, &spent).await
        }
    }

    /// Gives up the jobs of a turn that were lost with their worker at their last attempt.
    pub(super) async fn give_up(
        &self,
        mut tx: Transaction<'_, Postgres>,
        turn: &Turn,
        jobs: &[JobId],
        moment: Moment,
    ) -> Result<Batch, DbError> {
        let error = "the worker's process died at every attempt that was made alone, the last one included";
        let result = |job: &JobId| {
            tracing::error!(business = %turn.business, job_id = %job, "a job is given up: {error}");
            let outcome = queue::failed_outcome(error);
            Finished { job_id: *job, status: Status::Failed, reason: None, outcome }
        };
        let results: Vec<Finished> = jobs.iter().map(result).collect();
        // What stands there counts the last attempt already; the result counts it itself.
        queue::take_back_attempts(&mut tx, turn.business, jobs).await?;
        let simulated = self.settings.now.is_some();
        let endings = Endings { results: &results, dropped: &[], decided_at: moment.now, simulated };
        store::end(&mut tx, turn, &endings).await?;
        tx.commit().await?;
        Ok(Batch { had_turn: true, claimed: jobs.len(), finished: jobs.len(), has_more: true, ..Batch::default() })
    }
}
