//! Process: the transaction of a batch, on one screen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::Engine;
use super::careful::{Begun, Care};
use super::hands::Stored;
use super::load::{self, Loaded};
use super::moment::moment;
use super::store::{self, Endings, Written};
use crate::db::{DbError, begin_tenant_on};
use crate::domain::decide::{Job, apply};
use crate::domain::outcome::Decision;
use crate::domain::request;
use crate::domain::snapshot::Snapshot;
use crate::ids::{BusinessId, JobId, MovementId, OrderId, RefundId, SubsidyEntryId};
use crate::queue::{self, Claim, ClaimedJob, Failure, Finished, Status, Turn};

/// What a committed batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Whether the business's turn was free to take.
    pub had_turn: bool,
    /// Jobs claimed.
    pub claimed: usize,
    /// Jobs that ended with a result.
    pub finished: usize,
    /// Jobs whose attempt failed and that wait for the next.
    pub retried: usize,
    /// Jobs whose key had a result already.
    pub dropped: usize,
    /// Whether ready jobs were left, though the batch was not full.
    pub has_more: bool,
    /// What was stored, and how long that took.
    pub stored: Stored,
}

/// A batch that was rolled back, and the jobs it had claimed.
#[derive(Debug, thiserror::Error)]
#[error("a batch of {} jobs was rolled back: {error}", .claimed.len())]
pub struct BatchFault {
    /// What went wrong.
    pub error: DbError,
    /// The jobs that were in it, with the attempts that had failed before.
    pub claimed: Vec<(JobId, u32)>,
}

/// One job's decision in a batch: a result, or an attempt that failed (a panic).
pub(super) enum Decided {
    Finished(Finished),
    Failed(Failure),
}

impl Engine {
    /// Takes the business's turn and its next jobs, at most `limit`, decides them and commits everything together.
    ///
    /// # Errors
    /// [`BatchFault`] if the transaction could not be committed. After a lost connection at COMMIT it may have been: then
    /// the jobs are gone and their results are there, and running it again does nothing twice.
    pub async fn process(&self, business: BusinessId, limit: u32) -> Result<Batch, BatchFault> {
        let careful = self.care.as_deref().filter(|care| care.is_near(business));
        let limit = if careful.is_some() { 1 } else { limit };
        let mut claimed = Vec::new();
        let attempted = async {
            let mut hand = self.hands.take().await?;
            let attempted = self.attempt(&mut hand.connection, business, limit, careful, &mut claimed).await;
            match &attempted {
                Ok(batch) => self.hands.put_back(hand, batch.stored).await,
                // The rollback is only queued: until it is done, the turn is still taken, and the next run, or the charge,
                // would take itself for another worker. A connection that is lost has nothing to end.
                Err(_) => drop(hand.connection.ping().await),
            }
            attempted
        };
        let mut attempted = attempted.await;
        if let Some(care) = careful {
            self.survived(care, business, &mut attempted, &claimed).await;
        }
        attempted.map_err(|error| BatchFault { error, claimed })
    }

    async fn attempt(
        &self,
        connection: &mut PgConnection,
        business: BusinessId,
        limit: u32,
        careful: Option<&Care>,
        claimed: &mut Vec<(JobId, u32)>,
    ) -> Result<Batch, DbError> {
        let mut tx = begin_tenant_on(connection, business).await?;
        let (beside, clock) = (self.asides.ids(), self.settings.now);
        // A turn that is another worker's, or without a job, is ended here, so that its connection is kept: with many workers
        // there are many.
        let Some(mut claim) = queue::claim(&mut tx, business, limit, &beside, clock).await? else {
            tx.rollback().await?;
            return Ok(Batch::default());
        };
        // A control job is run alone; those claimed behind it, or it behind others, wait for the next turn.
        let jobs = &mut claim.jobs;
        let together = jobs.iter().take_while(|job| !job.kind.is_control()).count();
        let has_more = jobs.len() > together.max(1);
        jobs.truncate(together.max(1));
        claimed.extend(jobs.iter().map(|job| (job.job_id, job.attempts)));
        if jobs.is_empty() {
            if claim.promoted > 0 {
                tx.commit().await?;
            } else {
                tx.rollback().await?;
            }
            return Ok(Batch { had_turn: true, ..Batch::default() });
        }
        if let [job] = jobs.as_slice()
            && job.kind.is_control()
        {
            return self.control(tx, &claim.turn, job, claim.moment).await;
        }
        // While this job is suspected, no other of this process is at work carefully until the end of this.
        let _alone = match careful {
            Some(care) => match self.begin_attempt(&mut tx, care, &claim).await? {
                Begun::Attempt(alone) => Some(alone),
                Begun::Lost(lost) => return self.give_up(tx, &claim, lost).await,
            },
            None => None,
        };
        let requests: Vec<Job> = claim.jobs.iter().map(|job| parsed(job, &claim.turn)).collect();
        let loaded = load::load(&mut tx, &claim, &requests, clock).await?;
        let Claim { turn, jobs, .. } = claim;
        let moment = loaded.snapshot.moment.now;
        let (dropped, decided, written) = self.decide_all(&turn, jobs, requests, loaded)?;
        let (results, failures) = self.split(decided);
        self.charge(&mut tx, business, &failures).await?;
        let endings = Endings { results: &results, dropped: &dropped, decided_at: moment, simulated: clock.is_some() };
        let storing = Instant::now();
        store::store(&mut tx, &turn, &written, &endings).await?;
        let stored = Stored { rows: results.len() + written.lines(), took: storing.elapsed() };
        if let Some(care) = careful {
            care.end_attempts(&mut tx, business, claimed).await?;
        }
        let batch = Batch {
            had_turn: true,
            claimed: claimed.len(),
            finished: results.len(),
            retried: failures.len(),
            dropped: dropped.len(),
            has_more,
            stored,
        };
        tx.commit().await?;
        Ok(batch)
    }

    /// Decides job by job; each sees what the ones before it changed.
    fn decide_all(
        &self,
        turn: &Turn,
        jobs: Vec<ClaimedJob>,
        requests: Vec<Job>,
        loaded: Loaded,
    ) -> Result<(Vec<JobId>, Vec<Decided>, Written), DbError> {
        let Loaded { mut snapshot, finished } = loaded;
        let mut written = Written::new(snapshot.period, turn.settings.currency, jobs.len());
        let (mut dropped, mut decided) = (Vec::new(), Vec::with_capacity(jobs.len()));
        for (claimed, job) in jobs.into_iter().zip(requests) {
            if finished.contains(&claimed.idempotency_key) {
                dropped.push(claimed.job_id);
                continue;
            }
            decided.push(self.decide_one(&claimed, &job, &mut snapshot, &mut written)?);
        }
        Ok((dropped, decided, written))
    }

    pub(super) fn decide_one(
        &self,
        claimed: &ClaimedJob,
        job: &Job,
        snapshot: &mut Snapshot,
        written: &mut Written,
    ) -> Result<Decided, DbError> {
        let currency = snapshot.business.currency;
        // A pure decision that panics has changed nothing: only its job is charged, the rest of the batch goes on.
        let decision = match catch_unwind(AssertUnwindSafe(|| (self.decide)(snapshot, job))) {
            Ok(decision) => decision,
            Err(panic) => {
                let error = format!("the decision panicked: {}", panic_message(&*panic));
                tracing::error!(job_id = %claimed.job_id, error, "a job's decision panicked");
                return Ok(Decided::Failed(Failure { job_id: claimed.job_id, attempts: claimed.attempts, error }));
            }
        };
        let result = match decision {
            Decision::Completed(effects) => {
                let outcome = effects.outcome(currency);
                // Half-applied effects would spoil the snapshot for the jobs behind: the whole batch is given up.
                catch_unwind(AssertUnwindSafe(|| apply(snapshot, &effects)))
                    .map_err(|panic| DbError::Unknown(format!("apply panicked: {}", panic_message(&*panic))))?;
                written.push(claimed, effects);
                Finished { job_id: claimed.job_id, status: Status::Completed, reason: None, outcome }
            }
            Decision::Rejected(refusal) => Finished {
                job_id: claimed.job_id,
                status: Status::Rejected,
                reason: Some(refusal.reason.as_str()),
                outcome: refusal.outcome.to_string(),
            },
        };
        Ok(Decided::Finished(result))
    }

    /// Results, with those given up among them, and the failures that will be tried again.
    pub(super) fn split(&self, decided: Vec<Decided>) -> (Vec<Finished>, Vec<Failure>) {
        let (mut results, mut failures) = (Vec::with_capacity(decided.len()), Vec::new());
        for one in decided {
            match one {
                Decided::Finished(result) => results.push(result),
                Decided::Failed(failure) if failure.is_final(&self.settings.worker) => results.push(Finished {
                    job_id: failure.job_id,
                    status: Status::Failed,
                    reason: None,
                    outcome: queue::failed_outcome(&failure.error),
                }),
                Decided::Failed(failure) => failures.push(failure),
            }
        }
        (results, failures)
    }

    /// Charges failed attempts, if there are any, on the database's clock: a fixed one would set retries in its own time.
    pub(super) async fn charge(
        &self,
        connection: &mut PgConnection,
        business: BusinessId,
        failures: &[Failure],
    ) -> Result<(), DbError> {
        if failures.is_empty() {
            return Ok(());
        }
        let now = moment(connection, business, None::<DateTime<Utc>>).await?.now;
        queue::charge_attempts(connection, business, failures, &self.settings.worker, now).await
    }
}

pub(super) fn parsed(job: &ClaimedJob, turn: &Turn) -> Job {
    let parsed = catch_unwind(|| request::parse(job.kind, &job.payload, turn.settings.currency));
    let request = parsed.unwrap_or_else(|panic| {
        let message = format!("it cannot be read: {}", panic_message(&*panic));
        tracing::error!(job_id = %job.job_id, message, "parsing a payload panicked");
        Err(request::Malformed { field: "payload".to_owned(), message })
    });
    // One draw serves all: a job makes at most one of each, and each is unique among its kind only.
    let id = Uuid::now_v7();
    Job {
        job_id: job.job_id,
        order_id: OrderId(id),
        entry_id: SubsidyEntryId(id),
        refund_id: RefundId(id),
        movement_id: MovementId(id),
        request,
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
