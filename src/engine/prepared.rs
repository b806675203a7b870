//! Prepared: batches decided beforehand, for the benchmark's ceiling, which times their writing alone.
//!
//! Nothing of production calls this. A prepared batch is written by the same statements as any, so the ceiling moves with
//! them. It holds no lock between its decision and its commit: nobody else may work in the database meanwhile.

use super::Engine;
use super::load::{self, Loaded};
use super::process::{Decided, parsed};
use super::store::{self, Endings, Written};
use crate::db::{DbError, begin_tenant, begin_tenant_on};
use crate::domain::decide::Job;
use crate::ids::BusinessId;
use crate::queue::{self, Claim, Finished, Turn};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// A batch that only needs to be written.
pub(crate) struct PreparedBatch {
    turn: Turn,
    written: Written,
    results: Vec<Finished>,
    decided_at: DateTime<Utc>,
}

impl Engine {
    /// Decides all ready jobs of a business, in batches of at most `batch_size`, each on what the ones before it will
    /// have changed. Nothing is written but the period and the budgets that they need.
    ///
    /// # Errors
    /// [`DbError`] of a statement, or if a decision panics.
    pub(crate) async fn prepare(
        &self,
        business: BusinessId,
        batch_size: usize,
        jobs_max: u32,
    ) -> Result<Vec<PreparedBatch>, DbError> {
        let mut tx = begin_tenant(&self.pool, business).await?;
        let clock = self.settings.now;
        let claim = queue::claim(&mut tx, business, jobs_max, &[], clock).await?;
        let Some(claim) = claim.filter(|claim| !claim.jobs.is_empty()) else { return Ok(Vec::new()) };
        let requests: Vec<Job> = claim.jobs.iter().map(|job| parsed(job, &claim.turn)).collect();
        let Loaded { mut snapshot, .. } = load::load(&mut tx, &claim, &requests, clock).await?;
        let Claim { mut turn, jobs, .. } = claim;
        let decided_at = snapshot.moment.now;
        let mut batches = Vec::new();
        for (claimed, jobs) in jobs.chunks(batch_size).zip(requests.chunks(batch_size)) {
            let mut written = Written::new(snapshot.period, turn.settings.currency, claimed.len());
            let mut results = Vec::with_capacity(claimed.len());
            for (claimed, job) in claimed.iter().zip(jobs) {
                match self.decide_one(claimed, job, &mut snapshot, &mut written)? {
                    Decided::Finished(result) => results.push(result),
                    Decided::Failed(failure) => return Err(DbError::Unknown(failure.error)),
                }
            }
            let count = i64::try_from(results.len()).expect("a batch has at most 10,000 jobs");
            batches.push(PreparedBatch { turn: turn.clone(), written, results, decided_at });
            turn.decision_seq += count;
        }
        tx.commit().await?;
        Ok(batches)
    }
}

impl PreparedBatch {
    /// How many purchases it holds.
    pub(crate) fn len(&self) -> usize {
        self.results.len()
    }

    /// Writes it: effects, results, removal of its jobs, the queue's number, in one transaction.
    ///
    /// # Errors
    /// [`DbError`] of a statement.
    pub(crate) async fn write(&self, connection: &mut PgConnection) -> Result<(), DbError> {
        let mut tx = begin_tenant_on(connection, self.turn.business).await?;
        let Self { results, decided_at, .. } = self;
        let endings = Endings { results, dropped: &[], decided_at: *decided_at, simulated: false };
        store::store(&mut tx, &self.turn, &self.written, &endings).await?;
        tx.commit().await?;
        Ok(())
    }
}
