//! Aside: what a control job does beside its business's turn, because it takes long and disturbs nobody.
//!
//! The job stays ready and its row is locked meanwhile, so that every claim skips it and the jobs behind it go on. What it
//! did is committed by itself; the job is finished in a later turn, which finds the work done. A worker that dies leaves
//! the job as it was. Lock order: the job's row → the settlement period; batches lock neither while it runs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use super::{Engine, settlement};
use crate::db::{DbError, Fault, begin_tenant};
use crate::domain::request::Month;
use crate::ids::{BusinessId, JobId};
use crate::queue::Failure;

/// Jobs that one process works on beside turns at once; each holds a connection.
pub const ASIDES_MAX: u32 = 2;
/// How long a job is left alone after a fault of the database.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a failed attempt is tried to be charged while batches have the turn; after that the job is simply tried again.
const CHARGES_MAX: u32 = 100;
const CHARGE_AGAIN: Duration = Duration::from_millis(20);

/// The jobs that this process works on beside turns, or will as soon as it has a hand free.
#[derive(Debug)]
pub(super) struct Asides {
    jobs: Mutex<HashSet<JobId>>,
    hands: Semaphore,
    tasks: Mutex<JoinSet<()>>,
}

impl Asides {
    pub(super) fn new() -> Self {
        Self { jobs: Mutex::default(), hands: Semaphore::new(ASIDES_MAX as usize), tasks: Mutex::default() }
    }

    /// Those that no turn of this process is to claim.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        locked(&self.jobs).iter().map(|job| job.0).collect()
    }

    /// Ends all of it where it is: nothing of it was committed.
    pub(super) fn give_up(&self) {
        locked(&self.tasks).abort_all();
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }
}

/// A set is whole after every operation on it, so a panic elsewhere spoils nothing.
fn locked<T>(set: &Mutex<T>) -> MutexGuard<'_, T> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the job out of the set however its work ends.
struct Entry(Arc<Asides>, JobId);

impl Drop for Entry {
    fn drop(&mut self) {
        locked(&self.0.jobs).remove(&self.1);
    }
}

impl Engine {
    /// Starts the work beside the turn; the transaction that claimed the job must have ended.
    pub(super) fn start_aside(&self, business: BusinessId, (job, attempts): (JobId, u32), month: Month) {
        if !locked(&self.asides.jobs).insert(job) {
            return;
        }
        let (engine, entry) = (self.clone(), Entry(Arc::clone(&self.asides), job));
        self.asides.spawn(async move {
            let _entry = entry;
            let _hand = engine.asides.hands.acquire().await.expect("the semaphore is never closed");
            if let Err(error) = engine.work_aside(business, (job, attempts), &month).await {
                engine.aside_failed(business, (job, attempts), &error).await;
            }
        });
    }

    async fn work_aside(
        &self,
        business: BusinessId,
        (job, attempts): (JobId, u32),
        month: &Month,
    ) -> Result<(), DbError> {
        let mut tx = begin_tenant(&self.pool, business).await?;
        let attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
        let held = sqlx::query_file!("src/engine/sql/hold_job.sql", business.0, job.0, attempts);
        if held.fetch_optional(&mut *tx).await?.is_none() {
            return Ok(());
        }
        settlement::settle(&mut tx, (business, job), month, self.settings.now).await?;
        // The last statement of what was written is checked: `commit()` returns Ok after a swallowed error.
        tx.commit().await?;
        Ok(())
    }

    /// A fault of the work is charged to the job, which then waits; one of the database is waited out.
    async fn aside_failed(&self, business: BusinessId, (job_id, attempts): (JobId, u32), error: &DbError) {
        if error.fault() == Fault::Operating {
            tracing::warn!(%business, %job_id, %error, "work beside the turn is tried again");
            sleep(PAUSE).await;
            return;
        }
        tracing::error!(%business, %job_id, attempts = attempts + 1, %error, "a job's attempt failed");
        for _ in 0..CHARGES_MAX {
            let failure = Failure { job_id, attempts, error: error.to_string() };
            match self.charge_alone(business, failure).await {
                Ok(true) => return,
                Ok(false) => sleep(CHARGE_AGAIN).await,
                Err(error) => {
                    tracing::warn!(%business, %job_id, %error, "the attempt could not be charged");
                    sleep(PAUSE).await;
                    return;
                }
            }
        }
    }
}
