//! Fail: an attempt that ended in a fault is charged to its job, which waits longer each time, and after the last one
//! becomes a `failed` result with its payload kept.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::config::WorkerSettings;
use crate::db::{DbError, expect_rows};
use crate::ids::{BusinessId, JobId};

/// Characters of an error that are kept.
const ERROR_LENGTH_MAX: usize = 2_000;

/// An attempt that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whose attempt.
    pub job_id: JobId,
    /// Attempts that had failed before.
    pub attempts: u32,
    /// What went wrong.
    pub error: String,
}

impl Failure {
    /// Whether this was the last attempt.
    #[must_use]
    pub const fn is_final(&self, settings: &WorkerSettings) -> bool {
        self.attempts + 1 >= settings.attempts_max
    }

    /// How long to wait before the next attempt: doubling, with the upper half of it random, so that what failed
    /// together does not come back together.
    fn backoff(&self, settings: &WorkerSettings) -> TimeDelta {
        let doubled = settings.backoff_ms.saturating_mul(1 << self.attempts.min(20)).min(settings.backoff_max_ms);
        let jittered = doubled / 2 + fastrand::u64(0..=doubled / 2);
        TimeDelta::milliseconds(i64::try_from(jittered).unwrap_or(i64::MAX / 1_000_000))
    }
}

/// Charges each job an attempt; they wait among the scheduled ones. `now` is the database's clock.
///
/// # Errors
/// [`DbError`] if the statement fails or a job is gone.
pub async fn charge_attempts(
    connection: &mut PgConnection,
    business: BusinessId,
    failures: &[Failure],
    settings: &WorkerSettings,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    if failures.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = failures.iter().map(|failure| failure.job_id.0).collect();
    let run_at: Vec<DateTime<Utc>> = failures.iter().map(|failure| now + failure.backoff(settings)).collect();
    let errors: Vec<String> = failures.iter().map(|failure| shortened(&failure.error)).collect();
    let charged = sqlx::query_file!("src/queue/sql/charge_attempts.sql", business.0, &ids, &run_at, &errors);
    expect_rows("charge_attempts", charged.execute(connection).await?, ids.len())
}

/// What stands as the last error of a job whose attempt is charged before its work.
const BEGUN: &str = "the worker's process died at this attempt";

/// Charges a job an attempt before its work (`again`: it is charged already), so that a process that dies of it leaves a trace.
/// The attempt's lock stays with the session; false if another session is at this attempt.
///
/// # Errors
/// [`DbError`] if the statement fails or the job is gone.
pub async fn begin_attempt(
    connection: &mut PgConnection,
    business: BusinessId,
    job: JobId,
    again: bool,
) -> Result<bool, DbError> {
    let charged = i32::from(!again);
    let begin = sqlx::query_file_scalar!("src/queue/sql/begin_attempt.sql", business.0, job.0, charged, BEGUN);
    Ok(begin.fetch_one(connection).await?)
}

/// Takes back what [`begin_attempt`] charged: in the transaction of the work.
///
/// # Errors
/// [`DbError`] if the statement fails or a job is gone or has no attempt.
pub async fn take_back_attempts(
    connection: &mut PgConnection,
    business: BusinessId,
    jobs: &[JobId],
) -> Result<(), DbError> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    let taken_back = sqlx::query_file!("src/queue/sql/take_back_attempts.sql", business.0, &ids);
    expect_rows("take_back_attempts", taken_back.execute(connection).await?, ids.len())
}

/// Jobs whose attempts were all begun, or charged, and the last one never ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Another worker is at the last attempt of one of them.
    InProgress,
    /// Those whose worker died; perhaps none.
    Jobs(Vec<JobId>),
}

/// Which of these jobs, which have no attempt left, were lost with their worker.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn lost_attempts(
    connection: &mut PgConnection,
    business: BusinessId,
    spent: &[Uuid],
) -> Result<Lost, DbError> {
    let lost = sqlx::query_file!("src/queue/sql/lost_attempts.sql", business.0, spent, BEGUN);
    let lost = lost.fetch_all(connection).await?;
    if lost.iter().any(|row| !row.is_over) {
        return Ok(Lost::InProgress);
    }
    Ok(Lost::Jobs(lost.into_iter().map(|row| JobId(row.job_id)).collect()))
}

/// The outcome of a job that is given up.
#[must_use]
pub fn failed_outcome(error: &str) -> String {
    serde_json::json!({ "message": shortened(error) }).to_string()
}

/// NUL cannot be stored in a Postgres text.
fn shortened(error: &str) -> String {
    error.chars().filter(|c| *c != '\0').take(ERROR_LENGTH_MAX).collect()
}
