//! Operate: what an operator sees of queues and jobs, and may do about them. Each change is a function of the database
//! that checks the login and leaves a trace; none goes past the rules that a worker keeps.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::db::DbError;
use crate::ids::{BusinessId, JobId};

/// What waits in a business's queue.
#[derive(Clone, Debug, Serialize)]
pub struct Depth {
    /// Whose.
    pub business_id: BusinessId,
    /// Whether workers leave it alone.
    pub is_paused: bool,
    /// Its share of the fleet among others.
    pub weight: i16,
    /// Jobs that can be taken now.
    pub ready: i64,
    /// Jobs whose time has not come, retries included.
    pub scheduled: i64,
    /// Jobs with a failed attempt.
    pub retrying: i64,
    /// Since when the oldest ready job could have been taken.
    pub oldest_ready_at: Option<DateTime<Utc>>,
}

/// Counts what waits; nothing if the business cannot be seen.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn depth(connection: &mut PgConnection, business: BusinessId) -> Result<Option<Depth>, DbError> {
    let row = sqlx::query_file!("src/queue/sql/depth.sql", business.0).fetch_optional(connection).await?;
    Ok(row.map(|row| Depth {
        business_id: business,
        is_paused: row.is_paused,
        weight: row.weight,
        ready: row.ready,
        scheduled: row.scheduled,
        retrying: row.retrying,
        oldest_ready_at: row.oldest_ready_at,
    }))
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// `waiting` (`ready`, `scheduled` or `retrying`), one of those, or `failed`; all if none.
    pub state: Option<String>,
    /// Of this kind only.
    pub kind: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// A job that waits, or one that failed for good.
#[derive(Clone, Debug, Serialize)]
pub struct ListedJob {
    /// Its id.
    pub job_id: JobId,
    /// Its key.
    pub idempotency_key: String,
    /// What it asks for.
    pub kind: String,
    /// `ready`, `scheduled`, `retrying` or `failed`.
    pub state: String,
    /// Attempts that failed.
    pub attempts: i32,
    /// When it may be taken; when it was given up, if it failed.
    pub at: DateTime<Utc>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// Lists waiting jobs in the order in which they will be taken, then failed ones, the newest first.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn list_jobs(
    connection: &mut PgConnection,
    business: BusinessId,
    filter: &JobFilter,
) -> Result<Vec<ListedJob>, DbError> {
    let jobs = sqlx::query_file_as!(
        ListedJob,
        "src/queue/sql/list_jobs.sql",
        business.0,
        filter.state.as_deref() as Option<&str>,
        filter.kind.as_deref() as Option<&str>,
        i64::from(filter.limit)
    );
    Ok(jobs.fetch_all(connection).await?)
}

/// All that is known under a key, each as an object with a `state`: the waiting job, the result, archived results.
///
/// # Errors
/// [`DbError`] of the statement.
pub async fn show_job(connection: &mut PgConnection, business: BusinessId, key: &str) -> Result<Vec<Value>, DbError> {
    Ok(sqlx::query_file_scalar!("src/queue/sql/show_job.sql", business.0, key).fetch_all(connection).await?)
}

/// Pauses a business's queue or resumes it; says whether that changed anything. Waits for the batch in flight.
///
/// # Errors
/// [`DbError`] of the statement; SQLSTATE `CM400` if the business is unknown, `42501` if the login may not act for it.
pub async fn pause_queue(pool: &PgPool, business: BusinessId, is_paused: bool) -> Result<bool, DbError> {
    Ok(sqlx::query_file_scalar!("src/queue/sql/pause_queue.sql", business.0, is_paused).fetch_one(pool).await?)
}

/// Sets a business's share of the fleet among others, 1 to 100; says whether that changed anything. Waits for the batch in
/// flight.
///
/// # Errors
/// [`DbError`] as of [`pause_queue`]; SQLSTATE `CM400` also if the weight is out of its range.
pub async fn weigh_queue(pool: &PgPool, business: BusinessId, weight: i32) -> Result<bool, DbError> {
    Ok(sqlx::query_file_scalar!("src/queue/sql/weigh_queue.sql", business.0, weight).fetch_one(pool).await?)
}

/// Makes a failed attempt's next one due now.
///
/// # Errors
/// [`DbError`] as of [`pause_queue`]; SQLSTATE `CM404` if no job waits under the key, `CM409` if it is no retry.
pub async fn retry_now(pool: &PgPool, business: BusinessId, key: &str) -> Result<JobId, DbError> {
    let job = sqlx::query_file_scalar!("src/queue/sql/retry_now.sql", business.0, key).fetch_one(pool).await?;
    Ok(JobId(job))
}

/// Removes a waiting job, which gets a `failed` result that says so; a [`redrive`] undoes it. Waits for the batch in flight.
///
/// # Errors
/// [`DbError`] as of [`pause_queue`]; SQLSTATE `CM404` if no job waits under the key.
pub async fn discard(pool: &PgPool, business: BusinessId, key: &str) -> Result<JobId, DbError> {
    let job = sqlx::query_file_scalar!("src/queue/sql/discard.sql", business.0, key).fetch_one(pool).await?;
    Ok(JobId(job))
}

/// Asks again for what failed, under the same key: archives the failed result and enqueues its payload as a new job.
///
/// # Errors
/// [`DbError`] as of [`pause_queue`]; SQLSTATE `CM404` if the key has no result, `CM409` if that did not fail.
pub async fn redrive(pool: &PgPool, business: BusinessId, key: &str) -> Result<JobId, DbError> {
    let job = sqlx::query_file_scalar!("src/queue/sql/redrive.sql", business.0, key).fetch_one(pool).await?;
    Ok(JobId(job))
}
