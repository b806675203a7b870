//! Serve: a business's turn, with what to do when its batch fails.
//!
//! An operating fault is tried again, a bounded number of times with jitter, and then the business backs off. A fault of the work
//! itself halves the batch until the culprit is alone; only then is an attempt charged, in a transaction of its own, and its
//! neighbours go on. A batch whose jobs were claimed and that a statement's time limit ended took as long as a hundred others, so it
//! ends the turn, and the line gives the next ones fewer jobs. A job that then runs out of time alone is charged, or its neighbours
//! would wait for it for ever.

use std::time::Duration;

use super::Engine;
use super::process::{BatchFault, Decided};
use super::store::{self, Endings};
use crate::db::{DbError, Fault, begin_tenant};
use crate::ids::{BusinessId, JobId};
use crate::queue::{self, Failure};

/// Runs of one batch that operating faults may spoil before its business backs off.
const OPERATING_RETRIES_MAX: u32 = 5;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// So many jobs were claimed and committed; `has_more` if the batch was full.
    Batch {
        /// Jobs that left the queue or wait for another attempt.
        jobs: usize,
        /// Whether more jobs probably wait.
        has_more: bool,
    },
    /// One job failed alone, and was charged an attempt; more probably wait.
    Charged,
    /// A statement's time limit ended the batch: it is rolled back, and no attempt was charged.
    TimedOut {
        /// How many jobs it was of.
        jobs: usize,
    },
    /// Another worker has the business's turn or charged its job first, or it is paused.
    Taken,
    /// The database cannot serve now; no attempt was charged.
    BackOff,
}

impl Engine {
    /// Gives a business one turn: one committed batch, at most, of the size that the settings allow.
    pub async fn serve(&self, business: BusinessId) -> Served {
        self.serve_at_most(business, self.settings.worker.batch_size_max).await
    }

    /// As [`Engine::serve`], with at most `limit` jobs.
    pub async fn serve_at_most(&self, business: BusinessId, limit: u32) -> Served {
        self.turn(business, limit, false).await
    }

    /// As [`Engine::serve`], with one job, after a batch of the business timed out: it is charged an attempt if it does so alone.
    pub async fn serve_suspect(&self, business: BusinessId) -> Served {
        self.turn(business, 1, true).await
    }

    async fn turn(&self, business: BusinessId, mut limit: u32, is_suspect: bool) -> Served {
        let mut faults = 0;
        loop {
            let fault = match self.process(business, limit).await {
                Ok(batch) if !batch.had_turn => return Served::Taken,
                Ok(batch) => {
                    let has_more = batch.has_more || batch.claimed >= limit as usize;
                    return Served::Batch { jobs: batch.claimed, has_more };
                }
                Err(fault) => fault,
            };
            match (fault.error.fault(), fault.claimed.as_slice()) {
                (Fault::Work, [culprit]) => return self.charge_culprit(business, *culprit, &fault.error).await,
                (Fault::Work, claimed @ [_, _, ..]) => {
                    limit = u32::try_from(claimed.len() / 2).unwrap_or(1);
                    tracing::warn!(%business, limit, error = %fault.error, "a batch failed: it is run again in halves");
                }
                // A database that is too slow for anything is too slow to charge a job, and the business backs off.
                (_, [culprit]) if fault.error.is_out_of_time() && is_suspect => {
                    return self.charge_culprit(business, *culprit, &fault.error).await;
                }
                (_, claimed @ [_, ..]) if fault.error.is_out_of_time() => {
                    let jobs = claimed.len();
                    tracing::warn!(%business, jobs, error = %fault.error, "a batch took too long: smaller ones are tried");
                    return Served::TimedOut { jobs };
                }
                _ => {
                    faults += 1;
                    if !retry_later(business, faults, &fault).await {
                        return Served::BackOff;
                    }
                }
            }
        }
    }

    /// Charges the one job of a batch that failed; a fault here is left for the next turn.
    async fn charge_culprit(&self, business: BusinessId, culprit: (JobId, u32), error: &DbError) -> Served {
        let (job_id, attempts) = culprit;
        tracing::error!(%business, %job_id, attempts = attempts + 1, %error, "a job's attempt failed");
        let failure = Failure { job_id, attempts, error: error.to_string() };
        match self.charge_alone(business, failure).await {
            Ok(true) => Served::Charged,
            Ok(false) => Served::Taken,
            // Another worker, which saw the same attempt fail, charged or ended it.
            Err(DbError::RowCount { .. }) => Served::Taken,
            Err(error) => {
                tracing::warn!(%business, %job_id, %error, "the attempt could not be charged");
                Served::BackOff
            }
        }
    }

    /// Charges one job in a transaction of its own; false if another worker has the turn.
    pub(super) async fn charge_alone(&self, business: BusinessId, failure: Failure) -> Result<bool, DbError> {
        let mut tx = begin_tenant(&self.pool, business).await?;
        // The turn, without a job of its.
        let Some(claim) = queue::claim(&mut tx, business, 0, &[], self.settings.now).await? else { return Ok(false) };
        let (results, failures) = self.split(vec![Decided::Failed(failure)]);
        self.charge(&mut tx, business, &failures).await?;
        let (decided_at, simulated) = (claim.moment.now, self.settings.now.is_some());
        store::end(&mut tx, &claim.turn, &Endings { results: &results, dropped: &[], decided_at, simulated }).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Waits before an operating fault's next run, 10 ms doubling, half of it random; false when there was enough.
async fn retry_later(business: BusinessId, faults: u32, fault: &BatchFault) -> bool {
    if faults > OPERATING_RETRIES_MAX {
        tracing::error!(%business, faults, error = %fault.error, "the database cannot serve: the business backs off");
        return false;
    }
    tracing::warn!(%business, faults, error = %fault.error, "a batch is run again");
    let wait = 10 << faults;
    tokio::time::sleep(Duration::from_millis(wait / 2 + fastrand::u64(0..=wait / 2))).await;
    true
}
