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
/// [`DbError`] if the statement fails, or a job is gone or was charged this attempt already.
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
    let attempts: Vec<i32> =
        failures.iter().map(|failure| i32::try_from(failure.attempts).unwrap_or(i32::MAX)).collect();
    let run_at: Vec<DateTime<Utc>> = failures.iter().map(|failure| now + failure.backoff(settings)).collect();
    let errors: Vec<String> = failures.iter().map(|failure| shortened(&failure.error)).collect();
    let sql = sqlx::query_file!("src/queue/sql/charge_attempts.sql", business.0, &ids, &attempts, &run_at, &errors);
    expect_rows("charge_attempts", sql.execute(connection).await?, ids.len())
}

/// How many attempts at a job were lost with their workers.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn lost_attempts(connection: &mut PgConnection, business: BusinessId, job: JobId) -> Result<u32, DbError> {
    let lost = sqlx::query_file_scalar!("src/queue/sql/lost_attempts.sql", business.0, job.0);
    Ok(u32::try_from(lost.fetch_one(connection).await?).unwrap_or_default())
}

/// Leaves a trace of an attempt, should the worker die of it: to be committed before the work, while the business's turn is held
/// by another session.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn begin_attempt(
    connection: &mut PgConnection,
    business: BusinessId,
    job: JobId,
    worker: Uuid,
) -> Result<(), DbError> {
    sqlx::query_file!("src/queue/sql/begin_attempt.sql", business.0, job.0, worker).execute(connection).await?;
    Ok(())
}

/// Removes what [`begin_attempt`] left: the worker survived.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn end_attempt(
    connection: &mut PgConnection,
    business: BusinessId,
    job: JobId,
    worker: Uuid,
) -> Result<(), DbError> {
    sqlx::query_file!("src/queue/sql/end_attempt.sql", business.0, job.0, worker).execute(connection).await?;
    Ok(())
}

/// Counts the lost attempts of a job that is given up, so that its result shows them.
///
/// # Errors
/// [`DbError`] if the statement fails or the job is gone.
pub async fn count_lost_attempts(
    connection: &mut PgConnection,
    business: BusinessId,
    job: JobId,
    lost: u32,
) -> Result<(), DbError> {
    let lost = i32::try_from(lost).unwrap_or(i32::MAX);
    let counted = sqlx::query_file!("src/queue/sql/count_lost_attempts.sql", business.0, job.0, lost);
    expect_rows("count_lost_attempts", counted.execute(connection).await?, 1)
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
